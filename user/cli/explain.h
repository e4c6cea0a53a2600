/* SPDX-License-Identifier: GPL-2.0-only */
/* Say why a vector has its verdict, or who may use a device, and what would change it. */
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

/*
 * explain_access - print who may hold and use a device, and who holds it now
 * @context: the context to ask for; NULL: the owner and the brokers
 * @json: an object {handle, access, on_mapped, because, contexts: [{role, context, gd, hold,
 *	  use, reason}], holders: [{pid, comm, mapped, context, gd, hold, use, reason}], steps,
 *	  remedies}
 * Return: as explain().
 */
int explain_access(struct pins *pins, __u64 handle, const char *context, bool json);

#endif
