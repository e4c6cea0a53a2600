/* SPDX-License-Identifier: GPL-2.0-only */
/* The loader: load, attach, stay, report (`irqgate run`), or leave (`load`). */
#ifndef IRQGATE_USER_DAEMON_H
#define IRQGATE_USER_DAEMON_H

#include <stdbool.h>

/* How many rows a map may be given; of fewer a quota would be nothing. */
#define MIN_ROWS 64
#define MAX_ROWS (1 << 22)

struct run_options {
	const char *policy; /* NULL: DEFAULT_POLICY if it exists, else an empty table */
	const char *mode; /* NULL: as the policy says */
	bool unsafe_interrupts;
	__u32 max_eventfds, max_vms; /* rows of these maps; 0: the usual number */
	bool json; /* events as JSON */
	bool stay; /* run; false: load */
};

struct pins;

/*
 * release_all - an empty table allows everything: what is quarantined is released
 * @left: something could not be, and that was said
 *
 * Returns 0 or a negative errno, after a message.
 */
int release_all(struct pins *pins, bool *left);

/* daemon_run - returns the exit status. */
int daemon_run(const struct run_options *opts);

#endif
