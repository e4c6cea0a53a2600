/* SPDX-License-Identifier: GPL-2.0-only */
/* The number of processes and VMs of each context. */
#ifndef IRQGATE_USER_CENSUS_H
#define IRQGATE_USER_CENSUS_H

#include <stddef.h>
#include <linux/types.h>

#include "table/pins.h"
#include "table/rows.h"

struct census_row {
	__u32 gd;
	unsigned int processes, vms;
};

struct census {
	struct census_row *row; /* one for each context of the table */
	size_t n;
};

/*
 * census_take - count processes by their identity, and VMs by the identity of their creator
 * @out: for census_free(), also after a failure
 * Return: 0 or a negative errno.
 */
int census_take(const struct pins *pins, const struct rows *rows, struct census *out);
void census_free(struct census *census);

/* census_of - the counts of a context; NULL: the table has no context with this gd. */
const struct census_row *census_of(const struct census *census, __u32 gd);

#endif
