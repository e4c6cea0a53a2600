/* SPDX-License-Identifier: GPL-2.0-only */
/* Which processes hold which VFIO devices, all found in one search. */
#ifndef IRQGATE_USER_HOLDING_H
#define IRQGATE_USER_HOLDING_H

#include <stdbool.h>
#include <stddef.h>
#include <irqgate/binding.h>

/* One process and one device. */
struct holding {
	__u64 handle;
	__u64 start; /* of the process, as in struct irqgate_ident */
	__u32 tgid;
	bool mapped; /* it has the device mapped */
};

struct holdings {
	struct holding *of; /* in the order of handle and tgid */
	size_t n;
	bool more; /* there are more than a search can tell */
};

/*
 * holdings_find - look which processes have a VFIO device open or mapped
 * @out: for holdings_free(), also after a failure
 *
 * A child searches, because the walk of a process' mappings may have to wait for the process.
 * Return: 0; or a negative errno, after which @out has what was found until then.
 */
int holdings_find(struct holdings *out);
void holdings_free(struct holdings *holdings);

/* holdings_of - the holdings of one device; NULL: none. @n: how many */
const struct holding *holdings_of(const struct holdings *holdings, __u64 handle, size_t *n);

/*
 * holding_ident - the identity of a process that holds a device
 * Return: false: it has ended, or irqgate has no identity for it. Then @ident is zeroes.
 */
bool holding_ident(const struct holding *holding, struct irqgate_ident *ident);

#endif
