/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Enumerators as the words that policies, output and events use. These words
 * are an interface: scripts match them.
 */
#ifndef IRQGATE_USER_NAMES_H
#define IRQGATE_USER_NAMES_H

#include <stddef.h>

/* Words by value; NULL where a value has none. */
struct names {
	const char *const *text;
	unsigned int count;
};

extern const struct names names_verdict; /* enum irqgate_verdict */
extern const struct names names_reason; /* enum irqgate_reason */
extern const struct names names_level; /* enum irqgate_level */
extern const struct names names_action; /* enum irqgate_action */
extern const struct names names_mode; /* enum irqgate_mode */
extern const struct names names_match; /* enum irqgate_match_kind */
extern const struct names names_binding; /* enum irqgate_binding_state */

/* All enumerators, for names_list(). */
#define NAMES_ALL (~0u)

/*
 * name_of - the word for a value
 * @names: which enumeration
 * @value: any number
 *
 * Return: the word, "?" when @value is not an enumerator.
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
 * @buf: where to; cut off when too small
 * @len: size of @buf
 *
 * Return: @buf.
 */
const char *names_list(const struct names *names, unsigned int allowed, char *buf, size_t len);

#endif
