/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the kernel module (hook/irqgate_hook.c) and the programs it calls (bpf/inline.bpf.c).
 * Raise the version with every change in this file: the loader refuses a module of another
 * version.
 */
#ifndef IRQGATE_HOOK_H
#define IRQGATE_HOOK_H

#include <linux/types.h>

#define IRQGATE_HOOK_VERSION "1"

/* The answer of a program. */
enum irqgate_hook_verdict {
	IRQGATE_HOOK_UNDECIDED = 0, /* on entry; no program ran, or it could not decide */
	IRQGATE_HOOK_PASS = 1, /* the eventfd is not protected */
	IRQGATE_HOOK_ALLOW = 2, /* protected, and authorized */
	IRQGATE_HOOK_DROP = 3, /* the module skips the whole function */
};

/* A call that the kernel is about to make, with interrupts off. */
struct irqgate_hook_call {
	__u32 verdict; /* enum irqgate_hook_verdict: the only member that a program writes */
	__u32 irq; /* Linux interrupt number of an MSI, else 0 */
	__u64 eventfd; /* eventfd_ctx that would be signalled */
	__u64 caller; /* return address: tells which code signals */
};

#endif
