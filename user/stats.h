/* SPDX-License-Identifier: GPL-2.0-only */
/* What was counted for every vector so far, by live bindings and by those that ended. */
#ifndef IRQGATE_USER_STATS_H
#define IRQGATE_USER_STATS_H

#include <stddef.h>
#include "pins.h"

struct stat_row {
	struct irqgate_vector_key key; /* handle 0: what belongs to no device */
	struct irqgate_counters count;
};

struct stats {
	struct stat_row *row; /* by handle and vector */
	size_t n;
};

/*
 * stats_read - read all counters
 * @stats: for stats_free(), also after a failure
 * Return: 0 or -ENOMEM.
 */
int stats_read(const struct pins *pins, struct stats *stats);
void stats_free(struct stats *stats);

/* stats_find - counters of a vector, NULL: nothing was counted. */
const struct irqgate_counters *stats_find(const struct stats *stats, __u64 handle, __u32 vector);

#endif
