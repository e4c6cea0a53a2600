/* SPDX-License-Identifier: GPL-2.0-only */
/* The `monitor` verb: events as they happen, and the counts before them. */
#ifndef IRQGATE_USER_MONITOR_H
#define IRQGATE_USER_MONITOR_H

#include <stdbool.h>

struct monitor_options {
	bool json;
	bool journal; /* to systemd's journal, with structured fields */
	const char *since; /* NULL: only events from now on */
};

/* monitor_verb - `irqgate monitor`; returns the exit status. */
int monitor_verb(const struct monitor_options *opts);

#endif
