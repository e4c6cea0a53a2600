/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last resort: if no process holds the device fd, irqgate cannot point a vector of the
 * device elsewhere, because VFIO changes a vector only for a process that has the device's
 * file. The vector stays connected as long as the file exists: in a mapping, a socket, an
 * io_uring, or a table of fds that only one thread has. The last resort needs no file.
 */
#ifndef IRQGATE_USER_RESORT_H
#define IRQGATE_USER_RESORT_H

#include <stdbool.h>
#include "table/pins.h"

/* last_resort_of - the last resort of a device by the policy in force; never UNSET */
enum irqgate_last_resort last_resort_of(struct pins *pins, __u64 handle);

/* How far a binding is contained that could not be quarantined. */
enum contained {
	CONTAINED_NOT, /* it was only reported */
	CONTAINED_HELD, /* its device raises no MSI until a process that holds it makes it */
	CONTAINED_SILENT, /* the device was reset: it raises nothing until a process uses it */
	CONTAINED_CUT, /* the binding exists, and its device can raise no MSI */
	CONTAINED_GONE, /* the binding does not exist any more */
};

/* binding_ends - has a binding ended, or does it end within @ms? */
bool binding_ends(const struct pins *pins, const struct irqgate_binding *b, unsigned int ms);

/*
 * last_resort - contain a binding that cannot be quarantined
 * @how: UNSET: as the policy says. KILL: kill the binder, and the holders of the device that
 *	 have the binder's context, or, if that is none, no context and the binder's user; if
 *	 the binding still exists then, as ISOLATE
 *
 * Prints what was done, or why nothing could be done.
 */
enum contained last_resort(struct pins *pins, const struct irqgate_binding *b,
			   enum irqgate_last_resort how);

#endif
