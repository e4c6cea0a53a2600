/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Isolate: contain a device of a host driver, whose MSIs no hook can swallow. An MSI is
 * a DMA write, so a function that is not bus master raises none. If irqgate may not write
 * to config space (lockdown), or the driver made the function bus master again, irqgate
 * unbinds the driver.
 */
#ifndef IRQGATE_USER_ISOLATE_H
#define IRQGATE_USER_ISOLATE_H

#include "loader/resort.h"
#include "table/pins.h"

/*
 * isolate - stop a PCI function
 * @handle: pci handle
 * @vector: the one that must not arrive; until it may, the function stays isolated
 *
 * Does nothing for a function that is isolated, unless the function raised another MSI
 * since: then isolate() takes the next means. The map `isolated` keeps what was done.
 * Return: 0 or a negative errno. Prints what was done, or why not.
 */
int isolate(struct pins *pins, __u64 handle, __u32 vector);

/*
 * isolate_owned - stop a PCI function that a user of VFIO has
 * @b: one of its bindings, which cannot be quarantined
 * @begin: false: only if isolate_owned() has stopped the function before
 *
 * Makes the function not bus master, or resets it if irqgate may not write to config
 * space. Does so again if the function raised another interrupt since, or is bus master
 * again.
 */
enum contained isolate_owned(struct pins *pins, const struct irqgate_binding *b, bool begin);

/*
 * isolate_review - release the functions that need not be isolated any more
 *
 * Those of host drivers, if the table allows their vector again: makes them bus master, or
 * binds their driver. Those of VFIO's users, as soon as none of their bindings is to be
 * stopped.
 * Return: number of functions that could not be released. Prints which.
 */
int isolate_review(struct pins *pins);

/* isolate_due - has a VFIO user of an isolated function unbound all, or undone the isolation? */
bool isolate_due(const struct pins *pins);

#endif
