/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quarantine: the loader points one vector of a VFIO device at a sink, and back.
 *
 * This works on a stock kernel, because VFIO_DEVICE_SET_IRQS does not check which
 * process calls it. A child takes a short-lived copy of the owner's device fd
 * (pidfd_getfd) and sets a new trigger for the one vector, count 1. VFIO frees the
 * old interrupt and waits for its handlers before it requests the new one
 * (vfio_msi_set_vector_signal), so an MSI raised after the return cannot reach the
 * old target. The sink is an eventfd that only VFIO holds. irqgate counts MSIs that
 * end there as dropped.
 */
#ifndef IRQGATE_USER_QUARANTINE_H
#define IRQGATE_USER_QUARANTINE_H

#include <stdbool.h>
#include "lib/handle.h"
#include "loader/resort.h"
#include "table/pins.h"

/*
 * bindings_enforce - bring every binding in line with its verdict
 * @pins: the maps
 *
 * Judges all bindings, quarantines those that are forbidden, and releases those that
 * are allowed again. Call it under lock_changes().
 * Return: number of bindings for which that failed, or a negative errno. Prints which
 * and why.
 */
int bindings_enforce(struct pins *pins);

/*
 * bindings_settle - the same, and continue the processes that the gates stopped for it
 * @search: called when these processes are stopped, so that it finds what they bound, and
 *          before the bindings are judged; returns 0 or a negative errno. A process that
 *          does not stop within some ms stays for the next call. NULL: no search, and all
 *          processes are continued
 *
 * Only the loader and its guard pass @search, because only they know whether the kernel
 * skipped a hook. Clean-up after a loader passes NULL. Return: as above.
 */
int bindings_settle(struct pins *pins, int (*search)(void *arg), void *arg);

/* bindings_waiting - is a process stopped until bindings_settle() runs? */
bool bindings_waiting(const struct pins *pins);

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
 * pass_begin - begin a pass of one or several binding_cut(): forget what is known of devices
 *
 * A device that makes the loader wait does so once in a pass, and not for each vector.
 */
void pass_begin(void);

/* binding_cut - quarantine the binding of one irq; 0 or a negative errno. Prints why. */
int binding_cut(struct pins *pins, __u32 irq);

#endif
