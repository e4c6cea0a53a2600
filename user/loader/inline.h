/* SPDX-License-Identifier: GPL-2.0-only */
/* The inline gate: programs at the tracepoints of the kernel module in hook/. */
#ifndef IRQGATE_USER_INLINE_H
#define IRQGATE_USER_INLINE_H

#include <stdbool.h>
#include "loader/support.h"
#include "table/pins.h"

/* inline_lack - why irqgate cannot use the gate, and the remedy; .why NULL: it can. */
struct lack inline_lack(void);

/* inline_present - is the module loaded, whatever its version? */
bool inline_present(void);

/*
 * inline_expected - is the module loaded, or installed for this kernel, so that it may be?
 *
 * A loader that waits for the module keeps the capabilities to attach programs.
 */
bool inline_expected(void);

/*
 * inline_attach - put the gate in force
 *
 * Call it after the adoption of what is bound: from then on, the gate takes anything that
 * the maps do not have for one of no known context. If the gate is in force already, this
 * only finds out again whether an interrupt may get past it.
 * Return: 0 or a negative errno, with nothing attached. Prints why.
 */
int inline_attach(const struct pins *pins);

/*
 * inline_detach - take the gate out of force
 *
 * Quarantines first the vectors that the gate dropped; none of their interrupts arrives in
 * between.
 * Return: number of bindings that could not be quarantined, or a negative errno. Prints
 * which.
 */
int inline_detach(struct pins *pins);

/* inline_armed - false: root wrote 0 to the module's parameter, to unload the module. */
bool inline_armed(void);

#endif
