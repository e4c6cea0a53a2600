/* SPDX-License-Identifier: GPL-2.0-only */
/* Say why a vector has its verdict, and what would change it. */
#ifndef IRQGATE_USER_EXPLAIN_H
#define IRQGATE_USER_EXPLAIN_H

#include <stdbool.h>
#include "table/pins.h"

/*
 * explain - print the path of the decision about a vector
 * @context: the receiver to suppose; NULL: the one it has now
 * @json: an object {handle, vector, verdict, reason, gd_expected,
 *	  context_expected, gd_actual, context, state, steps: [{step, found,
 *	  where}], because, remedies: [text]}
 * Return: 0; -ENOENT: no such context; or a negative errno. Says why.
 */
int explain(struct pins *pins, __u64 handle, __u32 vector, const char *context, bool json);

#endif
