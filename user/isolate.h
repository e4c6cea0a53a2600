/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Isolate: the containment for a device a host driver handles, whose MSIs no hook
 * can swallow. An MSI is a DMA write, so a function that is not bus master raises
 * none. Where config space may not be written (lockdown), or the driver made it
 * bus master again, the driver is unbound.
 */
#ifndef IRQGATE_USER_ISOLATE_H
#define IRQGATE_USER_ISOLATE_H

#include "pins.h"

/*
 * isolate - stop a PCI function
 * @handle: pci handle
 * @vector: the one that must not arrive; while it may not, the function stays so
 *
 * Does nothing for one that is isolated, unless it raised another MSI since: then
 * it goes on to the next means. What was done is kept in the map `isolated`.
 * Return: 0 or a negative errno. Says what was done, or why not.
 */
int isolate(struct pins *pins, __u64 handle, __u32 vector);

/*
 * isolate_review - release the functions the table allows to host drivers again
 *
 * Makes them bus master, or binds their driver.
 * Return: number of those that could not be released. Says which.
 */
int isolate_review(struct pins *pins);

#endif
