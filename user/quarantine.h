/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quarantine: pointing one vector of a VFIO device at a sink, and back.
 *
 * Works on a stock kernel: VFIO_DEVICE_SET_IRQS asks nobody who calls it. A
 * short-lived copy of the owner's device descriptor is taken (pidfd_getfd) and
 * the one vector re-triggered, count 1. VFIO frees the old interrupt and waits
 * for its handlers before it requests the new one (vfio_msi_set_vector_signal),
 * so an MSI raised after the return cannot reach the old target. The sink is an
 * eventfd only VFIO holds; MSIs that end there are counted as dropped.
 */
#ifndef IRQGATE_USER_QUARANTINE_H
#define IRQGATE_USER_QUARANTINE_H

#include <stdbool.h>
#include "handle.h"
#include "pins.h"

/*
 * bindings_enforce - make every binding what its verdict says
 * @pins: the maps
 *
 * Judges all bindings, quarantines those that must not be, releases those that
 * may be again. Call under lock_changes().
 * Return: number of bindings that could not be made so, or a negative errno.
 * Says which and why.
 */
int bindings_enforce(struct pins *pins);

/*
 * bindings_settle - the same, and let those go on that the gates stopped for it
 * @search: called once they are stopped, so that what they bound is there to be found,
 *          and before it is judged; 0 or a negative errno. Who is not stopped within
 *          some ms is left for the next call. NULL: there is none, all go on
 *
 * For the loader, who alone knows whether a hook was skipped, and for whoever cleans up
 * after one. Return: as above.
 */
int bindings_settle(struct pins *pins, int (*search)(void *arg), void *arg);

/* bindings_waiting - somebody is stopped until bindings_settle() ran. */
bool bindings_waiting(const struct pins *pins);

/*
 * bindings_cut - quarantine the bindings of some vectors, whatever their verdict
 * @handle: of the device
 * @vectors: which
 *
 * For a revocation: nothing arrives any more when the table changes, so nothing
 * counts as leaked. Call under lock_changes().
 * Return: number of bindings that could not be cut. Says which and why.
 */
int bindings_cut(struct pins *pins, __u64 handle, const struct vector_set *vectors);

/* binding_cut - the same for one irq; 0 or a negative errno, also said. */
int binding_cut(struct pins *pins, __u32 irq);

#endif
