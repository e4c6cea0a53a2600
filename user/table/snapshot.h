/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters and connections of all vectors, read from the maps at one time. */
#ifndef IRQGATE_USER_SNAPSHOT_H
#define IRQGATE_USER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include "table/pins.h"

struct snapshot_row {
	__u64 handle; /* 0: counters that belong to no device */
	__u32 vector;
	__u32 owner; /* context that the table registers it for, or IRQGATE_GD_NONE */
	struct irqgate_counters count; /* sum of ended bindings and the live one */
	bool bound; /* there is a live binding: */
	struct irqgate_binding binding;
};

struct snapshot {
	struct snapshot_row *row; /* by handle and vector, each once */
	size_t n;
};

/*
 * snapshot_take - read the maps. Rows may change meanwhile, but each row is consistent.
 * Return: 0, with @snap for snapshot_free(); or a negative errno.
 */
int snapshot_take(const struct pins *pins, struct snapshot *snap);
void snapshot_free(struct snapshot *snap);

/* snapshot_order - compares two rows, for qsort(3). */
int snapshot_order(const void *a, const void *b);

/* The irqfds, in the order of their eventfds. */
struct listeners {
	struct irqgate_irqfd *irqfd;
	size_t n;
};

/*
 * listeners_read - read the irqfds
 * Return: 0, with @l for listeners_free(); or a negative errno.
 */
int listeners_read(const struct pins *pins, struct listeners *l);
void listeners_free(struct listeners *l);

/* listeners_of - the first of @n irqfds on @eventfd; NULL: no VM listens. */
const struct irqgate_irqfd *listeners_of(const struct listeners *l, __u64 eventfd, size_t *n);

/*
 * listeners_gsi - the GSI an eventfd raises
 * @vm: the VM; 0: the only one that listens
 *
 * Caches the irqfds until state.epoch changes.
 * Return: the GSI; -1: no GSI, several, or unknown.
 */
long listeners_gsi(const struct pins *pins, __u64 eventfd, __u64 vm);

#endif
