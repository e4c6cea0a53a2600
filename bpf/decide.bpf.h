/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every verdict is made here. The rules are in include/irqgate/decide.h; this file looks up the
 * rows for them. Hooks gather, ask one of the four questions below, and report:
 *
 *   decide_vector   may (handle, vector) go to, or be bound by, context gd?
 *   decide_binding  is the kernel's current connection authorized?
 *   decide_signal   may a process signal or read this VM's eventfd?
 *   decide_access   may context gd hold or use this device, apart from its interrupts?
 */
#ifndef IRQGATE_DECIDE_BPF_H
#define IRQGATE_DECIDE_BPF_H

#include "ident.bpf.h"

/* A decision in a register: clang cannot return structs from BPF functions. */
union decision {
	struct irqgate_decision d;
	__u64 raw;
};

/*
 * A decision lacks a fact: its row found no room or memory, or the table in force has no map. No
 * verdict in audit mode, because every start begins in it, before irqgate knows all objects.
 */
SHARED __u64 decide_untold(void)
{
	struct irqgate_state *st = the_state();
	union decision r = {};

	if (st && slot_defaults(st, st->generation)->mode == IRQGATE_MODE_ENFORCE)
		r.d = irqgate_full(slot_defaults(st, st->generation));
	return r.raw;
}

SHARED __u64 decide_device(__u64 handle, __u32 vector, __u32 gd, int host)
{
	struct irqgate_device_key dkey = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle, .vector = vector };
	struct irqgate_state *st = the_state();
	struct irqgate_registration *reg;
	struct irqgate_vector_auth *vec;
	struct irqgate_revocation *rev;
	union decision r = {};
	void *devices, *vectors;
	__u32 slot;

	if (!st)
		return 0;
	slot = st->generation & 1;
	devices = bpf_map_lookup_elem(&table_devices, &slot);
	vectors = bpf_map_lookup_elem(&table_vectors, &slot);
	if (!devices || !vectors)
		return decide_untold();
	reg = bpf_map_lookup_elem(devices, &dkey);
	vec = bpf_map_lookup_elem(vectors, &vkey);
	rev = bpf_map_lookup_elem(&revoked, &dkey);
	r.d = irqgate_decide(slot_defaults(st, slot), reg, vec, rev, vector, gd, host);
	return r.raw;
}

/* May a process of context @gd receive, hold or use a device? @use: enum irqgate_use */
SHARED __u64 decide_access(__u64 handle, __u32 gd, __u32 use)
{
	struct irqgate_device_key key = { .handle = handle };
	struct irqgate_state *st = the_state();
	union decision r = {};
	void *devices;
	__u32 slot;

	if (!st)
		return 0;
	slot = st->generation & 1;
	devices = bpf_map_lookup_elem(&table_devices, &slot);
	if (!devices)
		return decide_untold();
	r.d = irqgate_decide_access(slot_defaults(st, slot), bpf_map_lookup_elem(devices, &key),
				    bpf_map_lookup_elem(&revoked, &key), gd, use);
	return r.raw;
}

/* Does the table in force say of any device who may use it? */
static __always_inline bool governs_access(void)
{
	struct irqgate_state *st = the_state();

	return st && slot_defaults(st, st->generation)->governs;
}

/* decide_device() for a device that VFIO has. */
static __always_inline __u64 decide_vector(__u64 handle, __u32 vector, __u32 gd)
{
	return decide_device(handle, vector, gd, false);
}

static __always_inline struct irqgate_vm *vm_entry(__u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };

	return bpf_map_lookup_elem(&vms, &key);
}

/* Context of a VM: that of the process that created it. */
SHARED __u32 vm_gd(__u64 kvm)
{
	struct irqgate_vm *vm = vm_entry(kvm);

	return vm ? ident_gd(&vm->creator) : IRQGATE_GD_NONE;
}

static __always_inline struct irqgate_eventfd *eventfd_entry(__u64 ctx)
{
	struct irqgate_ptr_key key = { .ptr = ctx };

	return bpf_map_lookup_elem(&eventfds, &key);
}

/*
 * The owner's eventfd, also while the binding is quarantined. The gates protect the vector there,
 * because no other process can hold a sink.
 */
static __always_inline __u64 binding_home(struct irqgate_binding *b)
{
	return b->state == IRQGATE_BINDING_QUARANTINED ? b->original : b->trigger;
}

static __always_inline bool is_strict(void *contexts, __u32 gd)
{
	struct irqgate_context_key key = { .gd = gd };
	struct irqgate_context *context = bpf_map_lookup_elem(contexts, &key);

	return context && context->flags & IRQGATE_CTX_STRICT;
}

/* Is a process the VMM that made a VM of context @gd, or of the same context? */
static __always_inline bool is_own(struct irqgate_ident *id, struct irqgate_ident *creator,
				   __u32 gd)
{
	return ident_known(id) && ident_known(creator) &&
	       ((gd != IRQGATE_GD_NONE && ident_gd(id) == gd) || same_process(id, creator));
}

/* May a process signal @kvm? @id NULL: an unknown process, through the kernel. */
SHARED __u64 decide_signal(struct irqgate_ident *id, __u64 kvm)
{
	void *contexts = table_map(&table_contexts);
	struct irqgate_state *st = the_state();
	struct irqgate_vm *vm = vm_entry(kvm);
	union decision r = {};
	bool own, strict;
	__u32 gd;

	if (!st)
		return 0;
	if (!vm || !contexts)
		return decide_untold();
	gd = ident_gd(&vm->creator);
	strict = is_strict(contexts, gd);
	own = is_own(id, &vm->creator, gd);
	r.d = irqgate_decide_source(slot_defaults(st, st->generation), ident_source_gd(id), own,
				    strict, gd);
	return r.raw;
}

/* The VM with the worst verdict among those that listen to an eventfd. */
struct listening {
	__u64 vm; /* 0: none listens */
	__u32 gd; /* the VM's context, or the source's if the source decided */
	__u8 alone; /* in: the source is unknown, only the VMs are judged */
	__u8 raises; /* in: see irqgate_source_decides() */
	__u8 pad[2];
};

/*
 * May (handle, vector) reach a VM, bound or raised by @id?
 * @who: in: how to judge
 * @gd: out: the VM's context, or that of @id if @id decided
 */
static __always_inline __u64 decide_delivery(__u64 handle, __u32 vector, __u64 kvm,
					     struct irqgate_ident *id, struct listening *who,
					     __u32 *gd)
{
	union decision r, source = {};

	*gd = vm_gd(kvm);
	r.raw = decide_vector(handle, vector, *gd);
	if (!who->alone)
		source.raw = decide_signal(id, kvm);
	if (!irqgate_source_decides(r.d, source.d, who->raises))
		return r.raw;
	*gd = ident_gd(id);
	return source.raw;
}

/*
 * decide_delivery() for every VM that listens to an eventfd, and decide_access() for every device
 * into which VFIO writes when it is signalled: the worst verdict, 0: there are none.
 */
SHARED __u64 decide_listeners(__u64 handle, __u32 vector, __u64 efd, struct irqgate_ident *id,
			      struct listening *who)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	union decision worst = {}, r;
	__u32 gd, i;

	if (!e || !who)
		return 0;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		r.raw = decide_delivery(handle, vector, e->vm[i], id, who, &gd);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			who->vm = e->vm[i];
			who->gd = gd;
		}
	}
	for (i = 0; i < IRQGATE_EVENTFD_DEVICES; i++) {
		if (!e->writes[i])
			continue;
		gd = ident_gd(id);
		r.raw = decide_access(e->writes[i], gd, IRQGATE_USES);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			who->gd = gd;
		}
	}
	return worst.raw;
}

/*
 * The barrier keeps clang from computing the address before the check for NULL: the verifier
 * refuses that.
 */
static __always_inline struct irqgate_ident *vm_creator(struct irqgate_vm *vm)
{
	barrier_var(vm);
	return &vm->creator;
}

/* Does a VM listen to an eventfd that is neither the process's own nor of its context? */
SHARED int listened_to_by_others(__u64 efd, struct irqgate_ident *id)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	struct irqgate_ident *creator;
	struct irqgate_vm *vm;
	__u32 i, taken = 0;

	if (e && e->lost)
		return true; /* one listens that has no row */
	for (i = 0; e && i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		taken++;
		vm = vm_entry(e->vm[i]);
		if (!vm)
			return true;
		creator = vm_creator(vm);
		if (!is_own(id, creator, ident_gd(creator)))
			return true;
	}
	return e && e->untracked && taken == IRQGATE_EVENTFD_VMS; /* one may have no place */
}

/*
 * May a VM come to listen to an eventfd of VMs of other contexts? Each must be allowed to signal
 * the others. Otherwise the gate would refuse the first one its own writes.
 */
SHARED __u64 decide_newcomer(__u64 efd, __u64 kvm)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	union decision worst = {}, r;
	struct irqgate_vm *vm, *other;
	__u32 gd, i;

	if (!e)
		return 0;
	vm = vm_entry(kvm);
	gd = vm_gd(kvm);
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		other = e->vm[i] != kvm ? vm_entry(e->vm[i]) : NULL;
		if (!other || (gd != IRQGATE_GD_NONE && gd == ident_gd(&other->creator)))
			continue;
		r.raw = vm ? decide_signal(vm_creator(vm), e->vm[i]) : decide_untold();
		if (r.d.verdict > worst.d.verdict)
			worst = r;
		r.raw = decide_signal(&other->creator, kvm);
		if (r.d.verdict > worst.d.verdict)
			worst = r;
	}
	return worst.raw;
}

/*
 * Judge a binding. The vector must be registered for the context of its binder and for that of
 * every VM that listens to its eventfd. The binder of an unregistered vector must be allowed to
 * signal those VMs. The binding gets the verdict, its reason and the context that receives.
 */
SHARED __u64 decide_binding(struct irqgate_binding *b)
{
	struct irqgate_state *st = the_state();
	union decision binder, r = {};
	struct listening who = {};
	struct irqgate_eventfd *e;
	__u32 standing = 0;
	__u64 epoch;
	bool host;

	if (!b || !st)
		return 0;
	/* Read the epoch first: a change during the decision then makes the verdict stale. */
	epoch = *(volatile __u64 *)&st->epoch;
	host = b->state == IRQGATE_BINDING_HOST;
	b->gd = host ? IRQGATE_GD_HOST : ident_gd(&b->binder);
	binder.raw = decide_device(b->handle, b->vector, b->gd, host);
	if (!host) {
		who.alone = !ident_known(&b->binder);
		r.raw = decide_listeners(b->handle, b->vector, binding_home(b), &b->binder, &who);
		standing = (who.alone ? IRQGATE_BINDING_UNRESOLVED : 0) |
			   (who.vm ? IRQGATE_BINDING_LISTENED : 0);
		e = eventfd_entry(binding_home(b));
		/* Its listeners are unknown. The eventfd of a quarantined binding may be gone. */
		if (!e && b->state == IRQGATE_BINDING_BOUND)
			standing |= IRQGATE_BINDING_UNTOLD;
		if (e && irqgate_crowded(e))
			standing |= IRQGATE_BINDING_SHARED;
	}
	if (irqgate_listener_decides(binder.d, r.d, standing))
		b->gd = who.gd;
	r.d = irqgate_decide_binding(slot_defaults(st, st->generation), binder.d, r.d, standing);
	b->verdict = r.d.verdict;
	b->reason = r.d.reason;
	b->expected = r.d.gd;
	b->isolate = r.d.isolate;
	*(volatile __u64 *)&b->judged = irqgate_judged(epoch, r.d.verdict);
	return r.raw;
}

#endif
