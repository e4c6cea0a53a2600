/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Enforce: act on the verdicts of the bindings that exist. One round quarantines, releases, replays
 * and isolates, whatever the verdict of each binding asks for.
 */
#ifndef IRQGATE_USER_ENFORCE_H
#define IRQGATE_USER_ENFORCE_H

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

#endif
