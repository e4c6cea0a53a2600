/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events that BPF sends through the ring buffer `events`. Enforcement never depends on one: if
 * the buffer is full, the event is lost and state.lost_events counts it.
 */
#ifndef IRQGATE_EVENT_H
#define IRQGATE_EVENT_H

#include <linux/types.h>

#define IRQGATE_COMM_LEN 16

enum irqgate_event_type {
	IRQGATE_EVENT_VERDICT = 1, /* a decision other than a plain allow */
	IRQGATE_EVENT_QUARANTINE = 2, /* for the loader: a binding must be quarantined */
	IRQGATE_EVENT_MODULE = 3, /* for the loader: a module appeared */
	IRQGATE_EVENT_HOST_IRQ =
		4, /* for the loader: first MSI of a host driver: irq, handle, vector */
	IRQGATE_EVENT_FIRMWARE = 5, /* the kernel told s390's firmware about interrupts */
	IRQGATE_EVENT_LOST = 6, /* from the loader: a monitor missed .count events */
};

/* The mechanism that acted. NONE: no mechanism could. */
enum irqgate_level {
	IRQGATE_LEVEL_NONE = 0,
	IRQGATE_LEVEL_BIND = 1,
	IRQGATE_LEVEL_POSSESSION = 2,
	IRQGATE_LEVEL_INJECTION = 3,
	IRQGATE_LEVEL_QUARANTINE = 4,
	IRQGATE_LEVEL_INLINE = 5,
	IRQGATE_LEVEL_ISOLATE = 6,
	IRQGATE_LEVEL_ACCESS = 7,
};

struct irqgate_event {
	__u64 time; /* CLOCK_BOOTTIME ns */
	__u64 handle;
	__u64 count; /* times this vector had this verdict, with this one */
	__u64 eventfd; /* eventfd_ctx, 0: none */
	__u64 vm; /* struct kvm, 0: none */
	__u64 device; /* HOST_IRQ: struct msi_desc, see irqgate_binding.device */
	__u64 lived; /* ns from bind to quarantine, if the gate did not refuse the bind */
	__u32 vector;
	__u32 irq;
	__u32 gsi; /* GSI + 1 of a refused KVM_IRQFD; 0: `irqfds` has it, by eventfd */
	__u32 gd_expected;
	__u32 gd_actual;
	__u32 pid; /* tgid of the acting process, 0 in interrupt context */
	__u8 type; /* enum irqgate_event_type */
	__u8 verdict; /* enum irqgate_verdict */
	__u8 reason; /* enum irqgate_reason */
	__u8 level; /* enum irqgate_level */
	__u32 pad;
	char comm[IRQGATE_COMM_LEN];
};

_Static_assert(sizeof(struct irqgate_event) == 104, "shared layout");

#endif
