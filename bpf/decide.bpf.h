/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where every verdict is made. The rules are in include/irqgate/decide.h; this
 * looks up the rows they judge. Hooks gather, ask one of the questions
 * below, and report:
 *
 *   decide_vector   may (handle, vector) go to, or be bound by, context gd?
 *   decide_binding  is what the kernel connected now in order?
 *   decide_signal   may the current process signal or read this VM's eventfd?
 *
 * and two more for what no process does: decide_delivery, decide_kernel_signal.
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

/* Where a vector's MSIs go; see decide_delivery. */
struct delivery {
	__u64 handle;
	__u64 eventfd; /* 0: none, a host driver handles it */
	__u32 vector;
	__u32 gd; /* who bound it; out: the receiver that was worst */
};

/*
 * May a vector be bound by @d->gd and reach every VM that listens to @d->eventfd?
 */
SHARED __u64 decide_delivery(struct delivery *d)
{
	struct irqgate_state *st = the_state();
	struct irqgate_eventfd *e;
	union decision worst, r;
	__u32 gd, i;

	if (!d || !st)
		return 0;
	worst.raw = decide_vector(d->handle, d->vector, d->gd);
	e = d->eventfd ? eventfd_entry(d->eventfd) : NULL;
	if (!e)
		return worst.raw;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		gd = vm_gd(e->vm[i]);
		r.raw = decide_vector(d->handle, d->vector, gd);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			d->gd = gd;
		}
	}
	if (e->untracked && worst.d.verdict == IRQGATE_VERDICT_ALLOW &&
	    worst.d.reason == IRQGATE_REASON_REGISTERED)
		worst.d = irqgate_act(slot_defaults(st, st->generation), IRQGATE_ACTION_DENY,
				      IRQGATE_REASON_SHARED, worst.d.gd);
	return worst.raw;
}

/*
 * Judge a binding: whoever bound it and every VM that listens to its eventfd
 * must be the context the vector is registered for. Writes the verdict, its
 * reason and the context that receives into the binding.
 */
SHARED __u64 decide_binding(struct irqgate_binding *b)
{
	struct irqgate_state *st = the_state();
	struct delivery d = {};
	union decision worst;
	__u64 epoch;

	if (!b || !st)
		return 0;
	/* Read first: what changes meanwhile makes the verdict stale again. */
	epoch = *(volatile __u64 *)&st->epoch;
	d.handle = b->handle;
	d.vector = b->vector;
	d.gd = IRQGATE_GD_HOST;
	if (b->state != IRQGATE_BINDING_HOST) {
		d.gd = ident_gd(&b->binder);
		d.eventfd = binding_home(b);
	}
	worst.raw = decide_delivery(&d);
	b->gd = d.gd;
	b->verdict = worst.d.verdict;
	b->reason = worst.d.reason;
	b->expected = worst.d.gd;
	b->isolate = worst.d.isolate;
	b->epoch = epoch;
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
	own = id && vm &&
	      ((gd != IRQGATE_GD_NONE && ident_gd(id) == gd) || same_process(id, &vm->creator));
	r.d = irqgate_decide_source(slot_defaults(st, slot), ident_row(id, 1), own,
				    context && (context->flags & IRQGATE_CTX_STRICT), gd);
	return r.raw;
}

/* What the kernel signals, and what was found to be worst about it. */
struct kernel_signal {
	__u64 eventfd;
	__u64 vm;
	__u32 irq; /* of the device vector it concerns, 0: none */
	__u32 device; /* 1: it is known not to be the device's own */
};

/*
 * May something in the kernel signal this eventfd? It runs under whatever task
 * happens to be current. Who handed the eventfd to vhost or to a guest's I/O
 * answers for it; where nobody is known to have (AIO, io_uring) the signaller is
 * an unlisted source.
 */
SHARED __u64 decide_kernel_signal(struct kernel_signal *s)
{
	struct irqgate_eventfd *e;
	struct irqgate_ident *id;
	union decision worst = {}, r;
	__u32 gd, i;

	if (!s)
		return 0;
	e = eventfd_entry(s->eventfd);
	if (!e)
		return 0;
	id = e->signaller.tgid ? &e->signaller : NULL;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		r.raw = decide_signal(id, e->vm[i]);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			s->vm = e->vm[i];
		}
	}
	if (!s->device)
		return worst.raw;
	gd = ident_gd(id);
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key key = { .irq = e->source[i] };
		struct irqgate_binding *b;

		b = key.irq ? bpf_map_lookup_elem(&bindings, &key) : NULL;
		if (!b || (e->signaller.tgid && same_process(&e->signaller, &b->binder)))
			continue;
		r.raw = decide_vector(b->handle, b->vector, gd);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			s->irq = key.irq;
		}
	}
	return worst.raw;
}

#endif
