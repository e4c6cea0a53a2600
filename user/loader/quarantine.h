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
#include "loader/resort.h"
#include "table/pins.h"

/*
 * gated_inline - does the inline gate drop the interrupts, so that no quarantine is needed?
 *
 * INTx needs one: a dropped interrupt leaves its line masked, and the release of the quarantine
 * unmasks it.
 */
bool gated_inline(const struct pins *pins, const struct irqgate_binding *b);

/*
 * binding_quarantine - point the vector at the sink; if that fails, take the last resort
 * @how: the last resort; UNSET: as the policy says
 *
 * Return: how far the binding is contained; GONE also if it is quarantined. Prints why not.
 */
enum contained binding_quarantine(struct pins *pins, const struct irqgate_binding *b,
				  enum irqgate_last_resort how);

/* binding_release - point it at the owner's eventfd again. 0 or a negative errno. Prints why. */
int binding_release(struct pins *pins, const struct irqgate_binding *b);

/*
 * binding_replay - give back the swallowed interrupt of a binding that is in order and connected
 *
 * For one that no release gave back: with the inline gate there was no quarantine, or the process
 * that released the vector was killed before the replay. Return: as above.
 */
int binding_replay(struct pins *pins, const struct irqgate_binding *b);

/* binding_fail - print that a binding "cannot be @what", and why. Return: @err. */
int binding_fail(int err, const struct irqgate_binding *b, const char *what);

#endif
