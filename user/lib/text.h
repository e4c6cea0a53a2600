/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that other users chose, made fit for terminals, logs and names. */
#ifndef IRQGATE_USER_TEXT_H
#define IRQGATE_USER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * text_safe - copy a text for a terminal or a log
 * @from: NUL-terminated
 * @buf: the copy; cut off when too small
 * @len: size of @buf
 *
 * A byte that is not printable ASCII becomes '?'. So the copy has no escape sequences and no
 * bidirectional text, and takes one column a character.
 * Return: @buf.
 */
const char *text_safe(const char *from, char *buf, size_t len);

/* text_is_safe - would text_safe() leave the text as it is? */
bool text_is_safe(const char *text);

/*
 * text_control - does a control character begin at @c, or one that YAML wants escaped?
 * @c: UTF-8; the result is false at its end
 *
 * Control characters are those of ASCII and those from U+0080. YAML wants these escaped:
 * U+2028 and U+2029, which break a line; U+FEFF, the byte order mark; U+FFFE and U+FFFF, which
 * are no characters.
 */
bool text_control(const char *c);

/* text_listed - does a comma-separated list hold a word? */
bool text_listed(const char *list, const char *word);

/*
 * unit_escape - escape a text as systemd-escape(1) does, for a part of a unit's name
 * @to: room for four bytes for each byte of @text, and one more
 *
 * A '-' becomes "\x2d", because systemd would take it for a level of a slice.
 * Return: the end of the written text.
 */
char *unit_escape(const char *text, char *to);

/*
 * text_name - a name that a policy allows, from the path of a cgroup or a program
 *
 * "/machine.slice/machine-qemu\x2d1\x2dblue.scope" becomes "qemu-1-blue". A character that names
 * must not have becomes '-'.
 * Return: @buf, empty when no character is left.
 */
const char *text_name(const char *from, char *buf, size_t len);

#endif
