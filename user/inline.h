/* SPDX-License-Identifier: GPL-2.0-only */
/* The inline gate: programs at the tracepoints of the kernel module in hook/. */
#ifndef IRQGATE_USER_INLINE_H
#define IRQGATE_USER_INLINE_H

#include <stdbool.h>
#include "pins.h"
#include "probe.h"

/* inline_lack - why the gate cannot be used, and what to do; .why NULL: it can. */
struct lack inline_lack(void);

/* inline_present - the module is loaded, whatever its version. */
bool inline_present(void);

/*
 * inline_expected - the module is loaded, or installed for this kernel and may be
 *
 * Who waits for it keeps the capabilities to attach programs.
 */
bool inline_expected(void);

/*
 * inline_attach - put the gate in force
 *
 * Must follow the adoption of what is bound: from then on what the maps do not
 * know is of no known context. With the gate in force already it only finds out
 * anew whether something may get past it.
 * Return: 0 or a negative errno, with nothing attached. Says what is wrong.
 */
int inline_attach(const struct pins *pins);

/*
 * inline_detach - take the gate out of force
 *
 * What it dropped is quarantined first; nothing gets through in between.
 * Return: how many bindings could not be, or a negative errno. Says which.
 */
int inline_detach(struct pins *pins);

/* inline_armed - false: somebody wrote 0 to the module's parameter, to have it back. */
bool inline_armed(void);

#endif
