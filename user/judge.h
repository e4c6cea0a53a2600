/* SPDX-License-Identifier: GPL-2.0-only */
/* What a table in memory says of a binding the kernel has now, and why. */
#ifndef IRQGATE_USER_JUDGE_H
#define IRQGATE_USER_JUDGE_H

#include "pins.h"
#include "rows.h"

struct judgement {
	struct irqgate_decision d;
	__u32 gd; /* context that receives: where several do, the one that decided */
	__u64 vm; /* struct kvm that decided, 0: the binder did */
};

/*
 * judge_binding - as decide_binding() of bpf/decide.bpf.h, for any table
 * @pins: for the VMs that listen
 */
void judge_binding(const struct rows *rows, const struct pins *pins,
		   const struct irqgate_binding *b, struct judgement *out);

/* judge_vm - the VM's creator; false: not known. */
bool judge_vm(const struct pins *pins, __u64 kvm, struct irqgate_vm *vm);

/* binding_eventfd - what is known of the eventfd its owner chose; false: nothing. */
bool binding_eventfd(const struct pins *pins, const struct irqgate_binding *b,
		     struct irqgate_eventfd *e);

#endif
