// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>

#include "table/judge.h"

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

/* Was the identity ever captured? */
static bool known(const struct irqgate_ident *id)
{
	return id->tgid || id->start;
}

static bool same_process(const struct irqgate_ident *a, const struct irqgate_ident *b)
{
	return a->tgid == b->tgid && a->start == b->start && a->exec == b->exec;
}

/* The same as decide_signal() of bpf/decide.bpf.h. */
static struct irqgate_decision judge_source(const struct rows *rows, const struct irqgate_ident *id,
					    const struct irqgate_vm *vm)
{
	__u32 gd = rows_gd(rows, &vm->creator);
	struct irqgate_context_key key = { .gd = gd };
	const struct irqgate_context *context = rows_find(rows, IRQGATE_MAP_CONTEXTS, &key);
	bool own = known(&vm->creator) && ((gd != IRQGATE_GD_NONE && rows_gd(rows, id) == gd) ||
					   same_process(id, &vm->creator));

	return irqgate_decide_source(&rows->defaults, rows_source_gd(rows, id), own,
				     context && context->flags & IRQGATE_CTX_STRICT, gd);
}

/* May the binding's vector reach one VM? */
static struct judgement judge_delivery(const struct rows *rows, const struct pins *pins,
				       const struct irqgate_binding *b, __u64 kvm)
{
	struct irqgate_decision source = {};
	struct judgement j = { .gd = IRQGATE_GD_NONE, .vm = kvm };
	struct irqgate_vm vm;

	if (judge_vm(pins, kvm, &vm)) {
		j.gd = rows_gd(rows, &vm.creator);
		source = judge_source(rows, &b->binder, &vm);
	} else if (rows->defaults.mode == IRQGATE_MODE_ENFORCE) {
		source = irqgate_full(&rows->defaults);
	}
	j.d = rows_decide(rows, b->handle, b->vector, j.gd);
	if (known(&b->binder) && irqgate_source_decides(j.d, source, false)) {
		j.d = source;
		j.gd = rows_gd(rows, &b->binder);
		j.source = true;
	}
	return j;
}

void judge_binding(const struct rows *rows, const struct pins *pins,
		   const struct irqgate_binding *b, struct judgement *out)
{
	__u32 standing = known(&b->binder) ? 0 : IRQGATE_BINDING_UNRESOLVED;
	struct judgement worst = {}, j;
	struct irqgate_eventfd e = {};
	unsigned int i;

	*out = (struct judgement){ .gd = IRQGATE_GD_HOST };
	if (b->state == IRQGATE_BINDING_HOST) {
		out->d = rows_decide_host(rows, b->handle, b->vector);
		return;
	}
	out->gd = rows_gd(rows, &b->binder);
	out->d = rows_decide(rows, b->handle, b->vector, out->gd);
	if (!binding_eventfd(pins, b, &e) && b->state == IRQGATE_BINDING_BOUND)
		standing |= IRQGATE_BINDING_UNTOLD;
	if (irqgate_crowded(&e))
		standing |= IRQGATE_BINDING_SHARED;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e.vm[i])
			continue;
		standing |= IRQGATE_BINDING_LISTENED;
		j = judge_delivery(rows, pins, b, e.vm[i]);
		if (j.d.verdict > worst.d.verdict)
			worst = j;
	}
	j = *out;
	if (irqgate_listener_decides(out->d, worst.d, standing))
		*out = worst;
	out->d = irqgate_decide_binding(&rows->defaults, j.d, worst.d, standing);
}
