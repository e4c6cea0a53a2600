/* SPDX-License-Identifier: GPL-2.0-only */
/* The verdict of a table in memory on a binding that the kernel has, and its reason. */
#ifndef IRQGATE_USER_JUDGE_H
#define IRQGATE_USER_JUDGE_H

#include "table/pins.h"
#include "table/rows.h"

struct judgement {
	struct irqgate_decision d;
	__u32 gd; /* receiving context; if several receive, the one that decided */
	__u64 vm; /* struct kvm that decided, 0: the binder did */
	bool source; /* the binder must not signal the VM; the device's row does not decide */
};

/*
 * judge_binding - the same as decide_binding() of bpf/decide.bpf.h, for any table
 * @pins: give the listening VMs
 */
void judge_binding(const struct rows *rows, const struct pins *pins,
		   const struct irqgate_binding *b, struct judgement *out);

/* judge_vm - get the row of a VM, with its creator; false: irqgate has no row for it. */
bool judge_vm(const struct pins *pins, __u64 kvm, struct irqgate_vm *vm);

/* binding_eventfd - get the row of the eventfd that the owner bound; false: there is no row. */
bool binding_eventfd(const struct pins *pins, const struct irqgate_binding *b,
		     struct irqgate_eventfd *e);

#endif
