/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel and machine can honour. */
#ifndef IRQGATE_USER_PROBE_H
#define IRQGATE_USER_PROBE_H

#include <stdbool.h>

/* Why something cannot be had, and what to do; both NULL when it can. */
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
 * probe_require - refuse, in one line with cause and remedy, what cannot be had
 * @enforce: enforcement is asked for, so the LSM and remapping are needed too
 * @unsafe: the operator accepts a machine without interrupt remapping
 * Return: 0 or -EOPNOTSUPP.
 */
int probe_require(bool enforce, bool unsafe);

/* probe_verb - `irqgate probe`; returns the exit status. */
int probe_verb(bool json);

#endif
