/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel module (hook/irqgate_hook.c) and the programs it asks
 * (bpf/inline.bpf.c) share. Whoever changes anything here changes the version:
 * the loader refuses a module of another one.
 */
#ifndef IRQGATE_HOOK_H
#define IRQGATE_HOOK_H

#include <linux/types.h>

#define IRQGATE_HOOK_VERSION "1"

/* What a program answers. */
enum irqgate_hook_verdict {
	IRQGATE_HOOK_UNDECIDED = 0, /* on entry: no program ran, or it could not tell */
	IRQGATE_HOOK_PASS = 1, /* nothing that is protected */
	IRQGATE_HOOK_ALLOW = 2, /* protected, and in order */
	IRQGATE_HOOK_DROP = 3, /* the function is skipped as a whole */
};

/* A call that is about to be made, with interrupts off. */
struct irqgate_hook_call {
	__u32 verdict; /* enum irqgate_hook_verdict, the only member to be written */
	__u32 irq; /* Linux interrupt number of an MSI, else 0 */
	__u64 eventfd; /* eventfd_ctx that would be signalled */
	__u64 caller; /* return address: whose code signals it */
};

#endif
