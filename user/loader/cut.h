/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cut: stop the bindings that a revocation or a new table is about to forbid, whatever their
 * verdict is now. So no interrupt arrives between the change and the next round of enforce.h.
 */
#ifndef IRQGATE_USER_CUT_H
#define IRQGATE_USER_CUT_H

#include "lib/handle.h"
#include "loader/resort.h"
#include "table/pins.h"

/*
 * bindings_cut - quarantine the bindings of some vectors, whatever their verdict
 * @handle: of the device
 * @vectors: the vectors
 * @how: the last resort, if a quarantine fails; UNSET: as the policy says
 *
 * For a revocation: when the table changes, no interrupt arrives any more, so none
 * counts as leaked. Call it under lock_changes().
 * Return: number of bindings that could not be cut. Prints which and why.
 */
int bindings_cut(struct pins *pins, __u64 handle, const struct vector_set *vectors,
		 enum irqgate_last_resort how);

/*
 * binding_cut - quarantine the binding of one irq
 *
 * Call round_begin() before the first of several calls. Return: 0 or a negative errno. Prints why.
 */
int binding_cut(struct pins *pins, __u32 irq);

#endif
