// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>

#include "judge.h"

bool judge_vm(const struct pins *pins, __u64 kvm, struct irqgate_vm *vm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };

	return !bpf_map_lookup_elem(pins->vms, &key, vm);
}

bool binding_eventfd(const struct pins *pins, const struct irqgate_binding *b,
		     struct irqgate_eventfd *e)
{
	struct irqgate_ptr_key key = {
		.ptr = b->state == IRQGATE_BINDING_QUARANTINED ? b->original : b->trigger,
	};

	return b->state != IRQGATE_BINDING_HOST && key.ptr &&
	       !bpf_map_lookup_elem(pins->eventfds, &key, e);
}

/* The VM that weighs most among those that listen; vm 0: none does. */
static void judge_listeners(const struct rows *rows, const struct pins *pins,
			    const struct irqgate_binding *b, const struct irqgate_eventfd *e,
			    struct judgement *worst)
{
	struct irqgate_decision d;
	struct irqgate_vm vm;
	unsigned int i;
	__u32 gd;

	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		gd = judge_vm(pins, e->vm[i], &vm) ? rows_gd(rows, &vm.creator) : IRQGATE_GD_NONE;
		d = rows_decide(rows, b->handle, b->vector, gd);
		if (d.verdict > worst->d.verdict)
			*worst = (struct judgement){ d, gd, e->vm[i] };
	}
}

void judge_binding(const struct rows *rows, const struct pins *pins,
		   const struct irqgate_binding *b, struct judgement *out)
{
	bool unresolved = !b->binder.tgid && !b->binder.start;
	struct judgement listener = {};
	struct irqgate_eventfd e = {};

	out->vm = 0;
	out->gd = b->state == IRQGATE_BINDING_HOST ? IRQGATE_GD_HOST : rows_gd(rows, &b->binder);
	out->d = rows_decide(rows, b->handle, b->vector, out->gd);
	if (b->state == IRQGATE_BINDING_HOST)
		return;
	if (binding_eventfd(pins, b, &e))
		judge_listeners(rows, pins, b, &e, &listener);
	if (listener.d.verdict > out->d.verdict || (unresolved && listener.vm))
		*out = listener;
	else if (unresolved && out->d.reason == IRQGATE_REASON_CONTEXT)
		out->d.reason = IRQGATE_REASON_UNRESOLVED;
	if (e.untracked && out->d.verdict == IRQGATE_VERDICT_ALLOW &&
	    out->d.reason == IRQGATE_REASON_REGISTERED)
		out->d = irqgate_act(&rows->defaults, IRQGATE_ACTION_DENY, IRQGATE_REASON_SHARED,
				     out->d.gd);
}
