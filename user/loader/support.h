/* SPDX-License-Identifier: GPL-2.0-only */
/* Checks of what this kernel and machine support. */
#ifndef IRQGATE_USER_SUPPORT_H
#define IRQGATE_USER_SUPPORT_H

#include <stdbool.h>

/* Why the machine does not support something, and the remedy; both NULL if it does. */
struct lack {
	const char *why;
	const char *remedy;
};

/* Needed to load anything: privileges, BPF, BTF, no lockdown. */
struct lack probe_bpf(void);
/* Needed to refuse anything: the bpf LSM. */
struct lack probe_lsm(void);
/* Needed for enforcement to mean anything: interrupt remapping. */
struct lack probe_remapping(void);

/*
 * probe_require - refuse what is not supported, in one line with cause and remedy
 * @enforce: the mode is enforce, so irqgate needs the LSM and remapping, too
 * @unsafe: the operator accepts a machine without interrupt remapping
 * Return: 0 or -EOPNOTSUPP.
 */
int probe_require(bool enforce, bool unsafe);

#endif
