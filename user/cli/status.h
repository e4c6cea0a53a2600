/* SPDX-License-Identifier: GPL-2.0-only */
/* Is everything that is loaded in force? For monitoring and for operators. */
#ifndef IRQGATE_USER_STATUS_H
#define IRQGATE_USER_STATUS_H

#include "table/pins.h"

/*
 * status - print mode, loader, hooks and losses
 * @json: one object with the fields healthy, mode, generation, loader (pid or
 *        null), alarm (since, CLOCK_BOOTTIME ns, or null), silent (array of hook
 *        names), unhooked (array of modules), filled (percent of each map that users can
 *        fill), overflow (objects without a row, because a map was full), uncontained,
 *        lost_events, lost_bindings, unknown_msis, missed_runs
 *
 * Return: 0: everything is in force; -ESRCH: no loader runs; -EIO: the loader hangs, a hook is
 * missing or does not fire, a binding could not be cut, or a map is nearly full.
 */
int status(struct pins *pins, bool json);

#endif
