/* SPDX-License-Identifier: GPL-2.0-only */
/* What all vectors counted and are connected to now, read in one go from the maps. */
#ifndef IRQGATE_USER_SNAPSHOT_H
#define IRQGATE_USER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include "pins.h"

struct snapshot_row {
	__u64 handle; /* 0: what belongs to no device */
	__u32 vector;
	__u32 owner; /* context the table registers it for, or IRQGATE_GD_NONE */
	struct irqgate_counters count; /* of ended bindings and of the live one */
	bool bound; /* there is a live one: */
	struct irqgate_binding binding;
};

struct snapshot {
	struct snapshot_row *row; /* by handle and vector, each once */
	size_t n;
};

/*
 * snapshot_take - read it; rows change while they are read, each is consistent
 * Return: 0, with @snap for snapshot_free(); or a negative errno. Says nothing.
 */
int snapshot_take(const struct pins *pins, struct snapshot *snap);
void snapshot_free(struct snapshot *snap);

/* snapshot_order - the order of rows, as for qsort(3). */
int snapshot_order(const void *a, const void *b);

/* Who listens, by eventfd. */
struct listeners {
	struct irqgate_irqfd *irqfd;
	size_t n;
};

/*
 * listeners_take - read them
 * Return: 0, with @l for listeners_free(); or a negative errno. Says nothing.
 */
int listeners_take(const struct pins *pins, struct listeners *l);
void listeners_free(struct listeners *l);

/* listeners_of - the first that listens to @eventfd and how many follow it; NULL: nobody. */
const struct irqgate_irqfd *listeners_of(const struct listeners *l, __u64 eventfd, size_t *n);

#endif
