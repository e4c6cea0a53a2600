/* SPDX-License-Identifier: GPL-2.0-only */
/* `irqgate probe`: print which levels this kernel and machine, or another kernel, can honour. */
#ifndef IRQGATE_USER_PROBE_H
#define IRQGATE_USER_PROBE_H

#include <stdbool.h>

/* probe_verb - `irqgate probe`; returns the exit status. */
int probe_verb(bool json);

/*
 * probe_config - `irqgate probe --config`: print which options a kernel's configuration lacks
 * @path: a file .config, also compressed by gzip, as /proc/config.gz is
 * Return: the exit status.
 */
int probe_config(const char *path, bool json);

#endif
