/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paths of interrupts as a picture in Graphviz's DOT language: devices, vectors,
 * eventfds, receivers. It reads no map, so tests can draw any paths.
 */
#ifndef IRQGATE_USER_DOT_H
#define IRQGATE_USER_DOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <irqgate/table.h>

/* The path of one vector to one receiver, or the part of it that exists. */
struct dot_path {
	__u64 handle;
	__u32 vector;
	__u32 owner; /* context it is registered for, or IRQGATE_GD_NONE */
	__u64 eventfd; /* identifies it; 0: none, a host driver or not bound */
	int eventfd_id; /* as in fdinfo, -1: not known */
	__u64 vm; /* identifies the VM; 0: none */
	__u32 pid; /* of the VMM, or of the driver that holds the eventfd; 0: none */
	__u32 gd; /* context of the receiver, or IRQGATE_GD_NONE */
	__u32 gsi; /* with a VM */
	__u8 state; /* enum irqgate_binding_state, 0: not bound */
	__u8 verdict; /* enum irqgate_verdict */
	__u8 reason; /* enum irqgate_reason */
	__u64 stopped, leaked; /* interrupts; stopped: dropped and denied */
	char comm[16]; /* of the receiver, may be empty */
};

/*
 * dot_write - the graph of @n paths
 * @context: name of a context, by number
 * @full: a node for every vector; else neighbours that differ only in number,
 *	  eventfd and counts share one
 *
 * Sorts @path. Names may have any characters. A vector that is stopped, was stopped or
 * leaked is red.
 */
void dot_write(FILE *out, struct dot_path *path, size_t n,
	       const char *(*context)(__u32 gd, void *arg), void *arg, bool full);

#endif
