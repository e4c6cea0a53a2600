/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes that the gates stopped (hold) until their vectors are quarantined: wait until they
 * are stopped, and continue them.
 */
#ifndef IRQGATE_USER_HELD_H
#define IRQGATE_USER_HELD_H

#include <stdbool.h>
#include "table/pins.h"

struct held {
	struct irqgate_tgid_key key[256];
	struct irqgate_held entry[256];
	unsigned int n;
};

/* held_read - list them. Return: 0 or a negative errno. */
int held_read(const struct pins *pins, struct held *held);

/*
 * held_wait - keep the processes that are stopped: what they were binding is bound
 *
 * A process that is not stopped yet may be in that call, so it stays for the next time. But not
 * for ever, because another of its threads may be in a system call that does not end.
 */
void held_wait(struct held *held);

/* held_continue - continue them. One that was stopped again meanwhile waits for its own turn. */
void held_continue(const struct pins *pins, const struct held *held);

/* held_any - is a process stopped until bindings_settle() runs? */
bool held_any(const struct pins *pins);

#endif
