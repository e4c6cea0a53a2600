// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

const char *text_safe(const char *from, char *buf, size_t len)
{
	size_t i;

	for (i = 0; from[i] && i + 1 < len; i++)
		buf[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	if (len)
		buf[i] = '\0';
	return buf;
}

bool text_is_safe(const char *text)
{
	while (*text >= ' ' && *text <= '~')
		text++;
	return !*text;
}

bool text_control(const char *c)
{
	const unsigned char *u = (const unsigned char *)c;

	return (*u && *u < ' ') || *u == 0x7f || (*u == 0xc2 && u[1] < 0xa0) ||
	       !strncmp(c, "\xe2\x80\xa8", 3) || !strncmp(c, "\xe2\x80\xa9", 3) ||
	       !strncmp(c, "\xef\xbb\xbf", 3) || !strncmp(c, "\xef\xbf\xbe", 3) ||
	       !strncmp(c, "\xef\xbf\xbf", 3);
}

char *unit_escape(const char *text, char *to)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789:_.";
	const char *c;

	for (c = text; *c; c++)
		to += strchr(plain, *c) && (*c != '.' || c > text)
			      ? sprintf(to, "%c", *c)
			      : sprintf(to, "\\x%02x", (unsigned char)*c);
	*to = '\0';
	return to;
}

/* The character of "\x2d", systemd's escape in the name of a unit; 0: not an escape. */
static int unescape(const char *text)
{
	const char hex[] = { text[0] == '\\' && text[1] == 'x' ? text[2] : '\0',
			     text[0] && text[1] && text[2] ? text[3] : '\0', '\0' };

	return isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1])
		       ? (int)strtol(hex, NULL, 16)
		       : 0;
}

const char *text_name(const char *from, char *buf, size_t len)
{
	const char *base = strrchr(from, '/');
	size_t n = 0;
	int c;

	base = base ? base + 1 : from;
	if (!strncmp(base, "machine-", 8))
		base += 8;
	while (*base && n + 1 < len && strcmp(base, ".scope") && strcmp(base, ".service")) {
		c = unescape(base);
		base += c ? 4 : 1;
		c = c ?: (unsigned char)base[-1];
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", c))
			c = '-';
		if (n || !strchr("_.-", c))
			buf[n++] = (char)c;
	}
	if (len)
		buf[n] = '\0';
	return buf;
}

bool text_listed(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p;

	for (p = strstr(list, word); p; p = strstr(p + 1, word))
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}
