/* SPDX-License-Identifier: GPL-2.0-only */
/* `irqgate probe`: print which levels this kernel and machine can honour. */
#ifndef IRQGATE_USER_PROBE_H
#define IRQGATE_USER_PROBE_H

#include <stdbool.h>

/* probe_verb - `irqgate probe`; returns the exit status. */
int probe_verb(bool json);

#endif
