// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/log.h"
#include "lib/text.h"

#define MESSAGE_LEN 1024

static bool blocks = true;

void never_block(void)
{
	blocks = false;
}

bool may_write(FILE *out)
{
	struct pollfd p = { .fd = fileno(out), .events = POLLOUT };

	/*
	 * A pipe that is ready takes a line at once. A broken pipe, or one that poll fails on,
	 * counts as writable, too: the write reports the error.
	 */
	return blocks || poll(&p, 1, 0);
}

static void vmsg(const char *fmt, va_list ap)
{
	char text[MESSAGE_LEN], *c;

	if (!may_write(stderr))
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	/* A message may quote names that other users chose. */
	for (c = text; *c; c++)
		if (text_control(c))
			*c = '?';
	fprintf(stderr, "irqgate: %s\n", text);
}

void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

int fail(int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
	return error;
}
