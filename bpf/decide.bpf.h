/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where every verdict is made. The rules are in include/irqgate/decide.h; this
 * looks up the rows they judge. Hooks gather, ask one of the three questions
 * below, and report:
 *
 *   decide_vector   may (handle, vector) go to, or be bound by, context gd?
 *   decide_binding  is what the kernel connected now in order?
 *   decide_signal   may the current process signal or read this VM's eventfd?
 */
#ifndef IRQGATE_DECIDE_BPF_H
#define IRQGATE_DECIDE_BPF_H

#include "ident.bpf.h"

/* A decision in a register: clang cannot return structs from BPF functions. */
union decision {
	struct irqgate_decision d;
	__u64 raw;
};

SHARED __u64 decide_vector(__u64 handle, __u32 vector, __u32 gd)
{
	struct irqgate_device_key dkey = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle, .vector = vector };
	struct irqgate_state *st = the_state();
	struct irqgate_registration *reg;
	struct irqgate_vector_auth *vec;
	union decision r = {};
	void *devices, *vectors;
	__u32 slot;

	if (!st)
		return 0;
	slot = st->generation & 1;
	devices = bpf_map_lookup_elem(&table_devices, &slot);
	vectors = bpf_map_lookup_elem(&table_vectors, &slot);
	if (!devices || !vectors)
		return 0;
	reg = bpf_map_lookup_elem(devices, &dkey);
	vec = bpf_map_lookup_elem(vectors, &vkey);
	r.d = irqgate_decide(slot_defaults(st, slot), reg, vec, vector, gd);
	return r.raw;
}

/* Context of a VM: that of the process that created it. */
SHARED __u32 vm_gd(__u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };
	struct irqgate_vm *vm = bpf_map_lookup_elem(&vms, &key);

	return vm ? ident_gd(&vm->creator) : IRQGATE_GD_NONE;
}

static __always_inline struct irqgate_eventfd *eventfd_entry(__u64 ctx)
{
	struct irqgate_ptr_key key = { .ptr = ctx };

	return bpf_map_lookup_elem(&eventfds, &key);
}

/*
 * The eventfd a binding belongs to: its owner's, also while it is quarantined. The
 * vector's protection lies there; nobody else can hold a sink.
 */
static __always_inline __u64 binding_home(struct irqgate_binding *b)
{
	return b->state == IRQGATE_BINDING_QUARANTINED ? b->original : b->trigger;
}

/* The VM that weighs most among those that listen to an eventfd. */
struct listening {
	__u64 vm; /* 0: none listens */
	__u32 gd;
	__u32 pad;
};

/* May (handle, vector) reach every VM that listens to an eventfd? 0: none does. */
SHARED __u64 decide_listeners(__u64 handle, __u32 vector, __u64 efd, struct listening *who)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	union decision worst = {}, r;
	__u32 gd, i;

	if (!e || !who)
		return 0;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		gd = vm_gd(e->vm[i]);
		r.raw = decide_vector(handle, vector, gd);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			who->vm = e->vm[i];
			who->gd = gd;
		}
	}
	return worst.raw;
}

/*
 * Judge a binding: whoever bound it and every VM that listens to its eventfd
 * must be the context the vector is registered for. Writes the verdict, its
 * reason and the context that receives into the binding.
 *
 * Where nobody is known to have bound it, the VMs alone answer for it.
 */
SHARED __u64 decide_binding(struct irqgate_binding *b)
{
	struct irqgate_state *st = the_state();
	struct listening who = {};
	struct irqgate_eventfd *e;
	union decision worst, r;
	__u64 epoch;

	if (!b || !st)
		return 0;
	/* Read first: what changes meanwhile makes the verdict stale again. */
	epoch = *(volatile __u64 *)&st->epoch;
	b->gd = b->state == IRQGATE_BINDING_HOST ? IRQGATE_GD_HOST : ident_gd(&b->binder);
	worst.raw = decide_vector(b->handle, b->vector, b->gd);
	if (b->state != IRQGATE_BINDING_HOST) {
		bool unresolved = !ident_known(&b->binder);

		r.raw = decide_listeners(b->handle, b->vector, binding_home(b), &who);
		if (r.d.verdict > worst.d.verdict || (unresolved && who.vm)) {
			worst = r;
			b->gd = who.gd;
		} else if (unresolved && worst.d.reason == IRQGATE_REASON_CONTEXT) {
			worst.d.reason = IRQGATE_REASON_UNRESOLVED;
		}
		e = eventfd_entry(binding_home(b));
		if (e && e->untracked && worst.d.verdict == IRQGATE_VERDICT_ALLOW &&
		    worst.d.reason == IRQGATE_REASON_REGISTERED)
			worst.d =
				irqgate_act(slot_defaults(st, st->generation), IRQGATE_ACTION_DENY,
					    IRQGATE_REASON_SHARED, worst.d.gd);
	}
	b->verdict = worst.d.verdict;
	b->reason = worst.d.reason;
	b->expected = worst.d.gd;
	b->isolate = worst.d.isolate;
	*(volatile __u64 *)&b->judged = irqgate_judged(epoch, worst.d.verdict);
	return worst.raw;
}

/* May the current process, or with @id NULL a kernel-side signaller, signal @kvm? */
SHARED __u64 decide_signal(struct irqgate_ident *id, __u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };
	struct irqgate_vm *vm = bpf_map_lookup_elem(&vms, &key);
	struct irqgate_state *st = the_state();
	struct irqgate_context *context = NULL;
	struct irqgate_context_key ckey = {};
	union decision r = {};
	void *contexts;
	__u32 slot, gd;
	bool own;

	if (!st)
		return 0;
	slot = st->generation & 1;
	gd = vm ? ident_gd(&vm->creator) : IRQGATE_GD_NONE;
	ckey.gd = gd;
	contexts = bpf_map_lookup_elem(&table_contexts, &slot);
	if (contexts)
		context = bpf_map_lookup_elem(contexts, &ckey);
	own = ident_known(id) && vm && ident_known(&vm->creator) &&
	      ((gd != IRQGATE_GD_NONE && ident_gd(id) == gd) || same_process(id, &vm->creator));
	r.d = irqgate_decide_source(slot_defaults(st, slot),
				    ident_known(id) ? ident_row(id, 1) : NULL, own,
				    context && (context->flags & IRQGATE_CTX_STRICT), gd);
	return r.raw;
}

#endif
