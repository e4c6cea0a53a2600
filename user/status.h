/* SPDX-License-Identifier: GPL-2.0-only */
/* Is what is loaded in force? The answer for monitoring, and for people in doubt. */
#ifndef IRQGATE_USER_STATUS_H
#define IRQGATE_USER_STATUS_H

#include "pins.h"

/*
 * status - print mode, loader, hooks and losses
 * @json: one object with the fields healthy, mode, generation, loader (pid or
 *        null), alarm (since, CLOCK_BOOTTIME ns, or null), silent (array of hook
 *        names), lost_events, lost_bindings, unknown_msis, missed_runs
 *
 * Return: 0: a loader runs, the sentinel is seen and no hook is silent; else
 * -ESRCH without a loader, -EIO otherwise.
 */
int status(struct pins *pins, bool json);

#endif
