/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeping the binding maps in step with the kernel. Hooks and the iterator both
 * come here: a binding is always learned by reading what the kernel holds now,
 * never from the arguments of whoever asked for it.
 *
 * Concurrency: entries of one VFIO device change under its igate mutex, those
 * of one VM under its irqfds lock. An eventfd may belong to both, so its places
 * are claimed and freed by compare-and-swap, and the entry itself is removed
 * only when the last reference on the eventfd goes (lifecycle.bpf.c).
 */
#ifndef IRQGATE_LEARN_BPF_H
#define IRQGATE_LEARN_BPF_H

#include "compat.bpf.h"
#include "decide.bpf.h"
#include "report.bpf.h"

#define SIGSTOP 19

/* Loading a stage on a busy machine takes many seconds. */
#define LOADER_HANGS_NS 60000000000ULL

static __always_inline void lost_binding(void)
{
	struct irqgate_state *st = the_state();

	if (st)
		__sync_fetch_and_add(&st->lost_bindings, 1);
}

static __always_inline __u32 adoption(void)
{
	struct irqgate_state *st = the_state();

	return st ? st->adoption : 0;
}

/* Make every cached verdict stale. */
static __always_inline void epoch_bump(void)
{
	struct irqgate_state *st = the_state();

	if (st)
		__sync_fetch_and_add(&st->epoch, 1);
}

static __always_inline bool loader_alive(void)
{
	struct irqgate_state *st = the_state();

	/* A loader that exits is cleared at once; this catches one that hangs. */
	return st && st->loader_tgid && bpf_ktime_get_ns() - st->loader_beat < LOADER_HANGS_NS;
}

/* Does the inline gate drop every interrupt that is not in order? */
static __always_inline bool inline_alone(void)
{
	struct irqgate_state *st = the_state();

	return st && st->inline_gate == IRQGATE_INLINE_ALONE;
}

/* An irqgate process at work on a binding (user/quarantine.c). */
static __always_inline struct irqgate_agent *current_agent(void)
{
	struct irqgate_tgid_key key = { .tgid = bpf_get_current_pid_tgid() >> 32 };

	return bpf_map_lookup_elem(&agents, &key);
}

static __always_inline bool current_is_agent(void)
{
	return current_agent() != NULL;
}

static __noinline struct irqgate_eventfd *eventfd_learn(__u64 ctx)
{
	static const struct irqgate_eventfd none = {};
	struct irqgate_ptr_key key = { .ptr = ctx };
	struct irqgate_eventfd *e = bpf_map_lookup_elem(&eventfds, &key);

	if (e)
		return e;
	bpf_map_update_elem(&eventfds, &key, &none, BPF_NOEXIST);
	e = bpf_map_lookup_elem(&eventfds, &key);
	if (!e) {
		lost_binding();
		return NULL;
	}
	e->id = BPF_CORE_READ((struct eventfd_ctx *)ctx, id);
	return e;
}

enum place { NO_PLACE, HAS_PLACE, NEW_PLACE };

static __always_inline enum place eventfd_place(struct irqgate_eventfd *e, __u32 irq)
{
	__u32 i;

	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
		if (e->source[i] == irq)
			return HAS_PLACE;
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
		if (!__sync_val_compare_and_swap(&e->source[i], 0, irq))
			return NEW_PLACE;
	return NO_PLACE;
}

static __always_inline void eventfd_add_source(struct irqgate_eventfd *e, __u32 irq)
{
	if (eventfd_place(e, irq) == NO_PLACE)
		__sync_fetch_and_add(&e->untracked, 1);
}

/* One that had found no place ended: the others may be in order again. */
static __always_inline void forget_untracked(struct irqgate_eventfd *e)
{
	if (!e->untracked)
		return;
	__sync_fetch_and_add(&e->untracked, -1);
	epoch_bump();
}

static __always_inline void eventfd_del_source(__u64 ctx, __u32 irq)
{
	struct irqgate_eventfd *e = eventfd_entry(ctx);
	__u32 i;

	if (!e)
		return;
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
		if (__sync_val_compare_and_swap(&e->source[i], irq, 0) == irq)
			break;
	if (i == IRQGATE_EVENTFD_SOURCES)
		forget_untracked(e);
	else if (e->untracked)
		epoch_bump(); /* its place is free for another: judge_all */
}

static __always_inline void eventfd_add_vm(struct irqgate_eventfd *e, __u64 kvm)
{
	__u32 i;

	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (!__sync_val_compare_and_swap(&e->vm[i], 0, kvm))
			return;
	__sync_fetch_and_add(&e->untracked, 1);
}

static __always_inline void eventfd_del_vm(__u64 ctx, __u64 kvm)
{
	struct irqgate_eventfd *e = eventfd_entry(ctx);
	__u32 i;

	if (!e)
		return;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (__sync_val_compare_and_swap(&e->vm[i], kvm, 0) == kvm)
			return;
	forget_untracked(e);
}

/*
 * Stop the current process on its way back to user space, until the loader has brought
 * in order what it binds: else it could make the device raise the vector first.
 */
static __always_inline void hold_current(void)
{
	struct irqgate_tgid_key key = { .tgid = bpf_get_current_pid_tgid() >> 32 };
	__u64 now = bpf_ktime_get_boot_ns();

	/* Known first: whoever is stopped is continued. */
	if (!bpf_map_update_elem(&held, &key, &now, BPF_ANY))
		bpf_send_signal(SIGSTOP);
}

/* Wake the loader for a vector that is not in order. */
static __always_inline void ask_loader(__u64 handle, __u32 vector)
{
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_QUARANTINE);

	if (!ev)
		return; /* the loader's periodic check finds the binding */
	ev->handle = handle;
	ev->vector = vector;
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
}

/*
 * Ask the loader to point a vector at a sink, or to isolate the device of a host
 * driver's. In task context the binder is held until that is done; interrupts that
 * come nevertheless are counted as leaked. Without a loader nobody would continue it:
 * then it is not.
 */
static __always_inline void request_quarantine(struct irqgate_binding *b, bool hold)
{
	if (hold && loader_alive())
		hold_current();
	ask_loader(b->handle, b->vector);
}

/* Judge a binding that was just made or that got a new listener. Task context. */
static __always_inline void judge_bound(struct irqgate_binding *b, bool hold)
{
	union decision r = { .raw = decide_binding(b) };

	if (b->state != IRQGATE_BINDING_BOUND)
		return;
	/* INTx as well: dropped, its line stays masked until a quarantine is released. */
	if (inline_alone() && b->vector != IRQGATE_VECTOR_FUNCTION)
		return;
	if (r.d.verdict == IRQGATE_VERDICT_DROP || r.d.verdict == IRQGATE_VERDICT_DENY)
		request_quarantine(b, hold);
}

/*
 * What passed without a look at the binding is its own. It has ended, so no more comes,
 * and nobody else's passes because its did.
 */
static __always_inline void fold_passing(struct irqgate_binding *b)
{
	__u32 irq = b->irq;
	struct irqgate_passing *p = bpf_map_lookup_elem(&passing, &irq);

	if (!p)
		return;
	p->source = 0;
	counted(&b->count.passed, __sync_lock_test_and_set(&p->passed, 0));
}

/* The interrupts of a binding that ended stay counted. */
static __always_inline void counters_keep(struct irqgate_binding *b)
{
	struct irqgate_counters *c = vector_stats(b->handle, b->vector);
	int i;

	fold_passing(b);
	if (!c)
		return;
	for (i = 0; i < IRQGATE_MAX_REASONS; i++)
		counted(&c->reason[i], b->count.reason[i]);
	counted(&c->passed, b->count.passed);
	counted(&c->dropped, b->count.dropped);
	counted(&c->would_drop, b->count.would_drop);
	counted(&c->leaked, b->count.leaked);
}

static __always_inline void counters_clear(struct irqgate_binding *b)
{
	__builtin_memset(&b->count, 0, sizeof(b->count));
}

/* Count @n interrupts by the verdict on the binding; returns the counter's value. */
static __always_inline __u64 count_by_verdict(struct irqgate_binding *b, __u8 verdict, __u64 n)
{
	if (b->state == IRQGATE_BINDING_QUARANTINED)
		return counted_why(&b->count, &b->count.dropped, b->reason, n);
	switch (verdict) {
	case IRQGATE_VERDICT_AUDIT:
		return counted_why(&b->count, &b->count.would_drop, b->reason, n);
	case IRQGATE_VERDICT_DROP:
	case IRQGATE_VERDICT_DENY:
		return counted_why(&b->count, &b->count.leaked, b->reason, n);
	default:
		return counted(&b->count.passed, n);
	}
}

/* Count @n interrupts of a binding by the verdict on it, report, ask for containment. */
static __always_inline void account(struct irqgate_binding *b, __u8 verdict, __u64 n)
{
	n = count_by_verdict(b, verdict, n);
	if (verdict <= IRQGATE_VERDICT_ALLOW && b->state != IRQGATE_BINDING_QUARANTINED)
		return;
	if (!report_due(&b->count, n))
		return;
	if (b->state == IRQGATE_BINDING_QUARANTINED) {
		report_binding(b, IRQGATE_VERDICT_DROP, IRQGATE_LEVEL_QUARANTINE, n);
	} else if (verdict == IRQGATE_VERDICT_AUDIT) {
		report_binding(b, IRQGATE_VERDICT_AUDIT, IRQGATE_LEVEL_NONE, n);
	} else {
		report_binding(b, IRQGATE_VERDICT_LEAK, IRQGATE_LEVEL_NONE, n);
		if (b->state == IRQGATE_BINDING_BOUND || b->isolate)
			request_quarantine(b, false);
	}
}

/* The inline gate stopped @n interrupts of a binding. */
static __always_inline void account_dropped(struct irqgate_binding *b, __u64 n)
{
	n = counted_why(&b->count, &b->count.dropped, b->reason, n);
	if (report_due(&b->count, n))
		report_binding(b, IRQGATE_VERDICT_DROP, IRQGATE_LEVEL_INLINE, n);
}

static __always_inline __u64 take(void *map, __u32 irq)
{
	__u64 *n = bpf_map_lookup_elem(map, &irq);

	return n && *n ? __sync_lock_test_and_set(n, 0) : 0;
}

/* MSIs that fired before their binding was learned are its own. */
static __always_inline void fold_early(struct irqgate_binding *b)
{
	__u64 passed = take(&early, b->irq), dropped = take(&early_dropped, b->irq);

	if (passed)
		account(b, b->verdict, passed);
	if (dropped)
		account_dropped(b, dropped);
}

/*
 * INTx is recognized by its eventfd, which in quarantine is the sink: the hooks must
 * know that one as well, beside the owner's.
 */
static __always_inline bool has_sink(struct irqgate_binding *b)
{
	return b->irq & IRQGATE_IRQ_INTX && b->state == IRQGATE_BINDING_QUARANTINED;
}

static __always_inline void sink_learn(struct irqgate_binding *b)
{
	struct irqgate_eventfd *e = has_sink(b) ? eventfd_learn(b->trigger) : NULL;

	if (e)
		eventfd_add_source(e, b->irq);
}

static __always_inline void sink_forget(struct irqgate_binding *b)
{
	if (has_sink(b))
		eventfd_del_source(b->trigger, b->irq);
}

static __always_inline void unbind(struct irqgate_vector_key *key, __u32 irq)
{
	struct irqgate_irq_key ikey = { .irq = irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &ikey);

	if (b && b->handle == key->handle && b->vector == key->vector) {
		fold_early(b);
		sink_forget(b);
		eventfd_del_source(binding_home(b), irq);
		counters_keep(b);
		bpf_map_delete_elem(&bindings, &ikey);
	}
	bpf_map_delete_elem(&bound, key);
}

/* What VFIO has for a vector, or for INTx, as far as that is what the device uses. */
static __always_inline struct vfio_pci_irq_ctx *vfio_connected(struct vfio_pci_core_device *vdev,
							       __u32 vector)
{
	bool intx = vector == IRQGATE_VECTOR_FUNCTION;

	if (intx != (BPF_CORE_READ(vdev, irq_type) == VFIO_PCI_INTX_IRQ_INDEX))
		return NULL;
	return vfio_vector(vdev, intx ? 0 : vector);
}

/*
 * Bring the entry of one vector in step with what VFIO has connected to it.
 * @device: struct vfio_pci_core_device
 * @vector: or IRQGATE_VECTOR_FUNCTION: INTx, which VFIO keeps where vector 0 else is
 * @binder: identity of whoever did, NULL when unknown
 * @adopt: found by the iterator: an entry that agrees already stays as it is
 */
SHARED int sync_vector(__u64 device, __u32 vector, struct irqgate_ident *binder, bool adopt)
{
	struct vfio_pci_core_device *vdev = (void *)device;
	static const struct irqgate_binding none = {};
	bool intx = vector == IRQGATE_VECTOR_FUNCTION;
	struct irqgate_vector_key key = { .vector = vector };
	struct irqgate_irq_key ikey = {}, *old;
	struct vfio_pci_irq_ctx *vctx;
	struct irqgate_agent *agent;
	struct irqgate_eventfd *e;
	struct irqgate_binding *b;
	__u64 trigger = 0, home = 0;
	__u32 line;

	key.handle = pci_handle(BPF_CORE_READ(vdev, pdev));
	vctx = vfio_connected(vdev, vector);
	if (vctx)
		trigger = (__u64)BPF_CORE_READ(vctx, trigger);
	line = intx      ? BPF_CORE_READ(vdev, pdev, irq)
	       : trigger ? BPF_CORE_READ(vctx, producer.irq)
			 : 0;
	if (trigger)
		ikey.irq = intx ? irqgate_intx_irq(key.handle) : line;

	old = bpf_map_lookup_elem(&bound, &key);
	if (old && (!trigger || old->irq != ikey.irq))
		unbind(&key, old->irq);
	if (!trigger)
		return 0;

	b = bpf_map_lookup_elem(&bindings, &ikey);
	if (b &&
	    (b->handle != key.handle || b->vector != vector || b->state == IRQGATE_BINDING_HOST)) {
		/* The number was another source's, whose end was not seen. */
		counters_keep(b);
		bpf_map_delete_elem(&bindings, &ikey);
		b = NULL;
	}
	agent = current_agent();
	/* What an agent is changing it changes back or again, if the hook did not see it. */
	if (b && adopt && (b->trigger == trigger || (agent && agent->irq == ikey.irq))) {
		b->seen = adoption();
		e = eventfd_learn(binding_home(b));
		if (e && !e->untracked)
			eventfd_add_source(e, ikey.irq);
		sink_learn(b);
		if (binder && !ident_known(&b->binder)) {
			b->binder = *binder;
			decide_binding(b);
		}
		return 0;
	}
	/* The hook runs for what masks and unmasks as well. */
	if (b && intx && b->trigger == trigger)
		return 0;
	if (!b) {
		if (bpf_map_update_elem(&bindings, &ikey, &none, BPF_NOEXIST) ||
		    bpf_map_update_elem(&bound, &key, &ikey, BPF_ANY)) {
			lost_binding();
			return 0;
		}
		b = bpf_map_lookup_elem(&bindings, &ikey);
		if (!b)
			return 0;
		b->handle = key.handle;
		b->vector = vector;
		b->irq = ikey.irq;
		b->line = line;
		b->device = device;
		b->state = IRQGATE_BINDING_BOUND;
	}
	b->seen = adoption();
	if (b->trigger)
		home = binding_home(b);
	sink_forget(b);

	if (agent && !adopt) {
		if (agent->op == IRQGATE_AGENT_QUARANTINE) {
			if (b->state != IRQGATE_BINDING_QUARANTINED) {
				b->original = b->trigger;
				report_contained(b);
			}
			b->state = IRQGATE_BINDING_QUARANTINED;
		} else {
			b->state = IRQGATE_BINDING_BOUND;
			b->original = 0;
		}
	} else {
		b->state = IRQGATE_BINDING_BOUND;
		b->original = 0;
		if (binder)
			b->binder = *binder;
		b->since = bpf_ktime_get_boot_ns();
	}
	b->index = BPF_CORE_READ(vdev, irq_type);
	b->trigger = trigger;
	epoch_bump(); /* an interrupt may be judging what was just changed */
	if (home != binding_home(b)) {
		eventfd_del_source(home, ikey.irq);
		e = eventfd_learn(binding_home(b));
		if (e)
			eventfd_add_source(e, ikey.irq);
	}
	sink_learn(b);
	/* Not the agent: it has the lock the loader would need to continue it. */
	judge_bound(b, !adopt && !agent);
	fold_early(b);
	return 0;
}

static __always_inline void vm_learn(struct kvm *kvm, struct irqgate_ident *creator, bool adopt)
{
	static const struct irqgate_vm none = {};
	struct irqgate_ptr_key key = { .ptr = (__u64)kvm };
	struct irqgate_vm *vm;

	int known = bpf_map_update_elem(&vms, &key, &none, adopt ? BPF_NOEXIST : BPF_ANY);

	if (known && !adopt)
		lost_binding();
	vm = bpf_map_lookup_elem(&vms, &key);
	if (vm)
		vm->seen = adoption();
	if (known)
		return;
	if (vm && creator)
		vm->creator = *creator;
	/* It may have ended since it was found: before vm_destroyed could see the entry. */
	if (adopt && !BPF_CORE_READ(kvm, users_count.refs.counter))
		bpf_map_delete_elem(&vms, &key);
	epoch_bump();
}

/* The hook that sees a VM being made may have been skipped: its VMM is here. */
SHARED int vm_ensure(__u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };
	struct task_struct *t = bpf_get_current_task_btf();
	struct kvm *vm = (void *)kvm;

	if (!bpf_map_lookup_elem(&vms, &key) && BPF_CORE_READ(vm, mm) == BPF_CORE_READ(t, mm))
		vm_learn(vm, ident_current(), true);
	return 0;
}

static __always_inline void irqfd_forget(__u64 irqfd)
{
	struct irqgate_ptr_key key = { .ptr = irqfd };
	struct irqgate_irqfd *entry = bpf_map_lookup_elem(&irqfds, &key);

	if (!entry)
		return;
	eventfd_del_vm(entry->eventfd, entry->vm);
	bpf_map_delete_elem(&irqfds, &key);
	epoch_bump();
}

static __always_inline bool linked(__u64 entry)
{
	struct list_head *e = (void *)entry;
	struct list_head *next = BPF_CORE_READ(e, next);

	return next != e && BPF_CORE_READ(next, prev) == e;
}

/* An irqfd listens to its eventfd from now on. */
SHARED int irqfd_learn(__u64 ptr, bool adopt)
{
	struct kvm_kernel_irqfd *irqfd = (void *)ptr;
	struct irqgate_ptr_key key = { .ptr = ptr };
	struct irqgate_irqfd entry = {}, *known;
	struct irqgate_eventfd *e;
	__u32 i;

	entry.vm = (__u64)BPF_CORE_READ(irqfd, kvm);
	entry.eventfd = (__u64)BPF_CORE_READ(irqfd, eventfd);
	entry.gsi = BPF_CORE_READ(irqfd, gsi);
	if (!adopt)
		irqfd_forget(ptr); /* reused memory whose end was not seen */
	entry.seen = adoption();
	if (bpf_map_update_elem(&irqfds, &key, &entry, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&irqfds, &key);
		if (known && known->vm == entry.vm && known->eventfd == entry.eventfd)
			known->seen = entry.seen;
		else if (!adopt)
			lost_binding();
		return 0;
	}
	e = eventfd_learn(entry.eventfd);
	if (!e)
		return 0;
	eventfd_add_vm(e, entry.vm);
	epoch_bump();
	/* It may have ended since it was found: before irqfd_ended could see the entry. */
	if (adopt && !linked((__u64)irqfd + bpf_core_field_offset(struct kvm_kernel_irqfd, list))) {
		irqfd_forget(ptr);
		return 0;
	}
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key ikey = { .irq = e->source[i] };
		struct irqgate_binding *b;

		if (!ikey.irq)
			continue;
		b = bpf_map_lookup_elem(&bindings, &ikey);
		if (b)
			judge_bound(b, !adopt);
	}
	return 0;
}

#endif
