/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages on stderr. */
#ifndef IRQGATE_USER_LOG_H
#define IRQGATE_USER_LOG_H

#include <stdbool.h>
#include <stdio.h>

/* msg - print "irqgate: ..." as one line of at most 1 KiB, without control characters. */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* fail - as msg(), and return @error, so that an error path is one statement. */
int fail(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * never_block - from now on, drop a message that cannot be written without waiting
 * may_write - can a line be written without waiting? Always true before never_block().
 *
 * For the loader: a reader that does not read must not stop the loader's work.
 */
void never_block(void);
bool may_write(FILE *out);

#endif
