/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words for enumerators in policies, output and events. Scripts match these words, so they
 * are an interface.
 */
#ifndef IRQGATE_USER_NAMES_H
#define IRQGATE_USER_NAMES_H

#include <stddef.h>

/* Words, indexed by value; NULL if a value has no word. */
struct names {
	const char *const *text;
	unsigned int count;
};

extern const struct names names_verdict; /* enum irqgate_verdict */
extern const struct names names_reason; /* enum irqgate_reason */
extern const struct names names_level; /* enum irqgate_level */
extern const struct names names_action; /* enum irqgate_action */
extern const struct names names_last_resort; /* enum irqgate_last_resort */
extern const struct names names_access; /* enum irqgate_access */
extern const struct names names_on_mapped; /* enum irqgate_on_mapped */
extern const struct names names_mode; /* enum irqgate_mode */
extern const struct names names_binding; /* enum irqgate_binding_state */
extern const struct names names_module; /* number of the bit of an enum irqgate_module */

/* All enumerators, for names_list(). */
#define NAMES_ALL (~0u)

/*
 * name_of - the word for a value
 * @names: which enumeration
 * @value: any number
 *
 * Return: the word; "?" if @value is not an enumerator.
 */
const char *name_of(const struct names *names, unsigned int value);

/*
 * name_value - the value of a word
 * @names: which enumeration
 * @text: the word; upper and lower case differ
 *
 * Return: the value, or -EINVAL when there is no such word.
 */
int name_value(const struct names *names, const char *text);

/*
 * names_list - "a, b or c", for messages
 * @names: which enumeration
 * @allowed: bit mask of the values to list
 * @buf: the text; cut off when too small
 * @len: size of @buf
 *
 * Return: @buf.
 */
const char *names_list(const struct names *names, unsigned int allowed, char *buf, size_t len);

#endif
