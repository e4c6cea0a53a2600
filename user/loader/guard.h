/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard: a child of the loader that continues held processes when the loader is killed
 * or hangs. No other process would: a process that binds a vector to be quarantined is
 * stopped in the kernel, until the loader has quarantined the vector.
 */
#ifndef IRQGATE_USER_GUARD_H
#define IRQGATE_USER_GUARD_H

#include "table/pins.h"

/*
 * guard_keep - start the guard, or another one if it died
 * @pins: the maps; the guard opens them again, into its own copy of @pins
 * @settle: quarantines, and continues held processes, as bindings_settle(); the guard calls it
 * @arg: for @settle; the guard has its own copy
 *
 * Return: 0 or a negative errno. Prints why.
 */
int guard_keep(struct pins *pins, int (*settle)(void *arg), void *arg);

/* guard_end - end the guard; returns when it has ended */
void guard_end(void);

#endif
