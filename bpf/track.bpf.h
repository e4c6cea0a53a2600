/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the binding maps in step with the kernel. Hooks and iterators both come here. They always
 * learn a binding by reading what the kernel holds now, never from the arguments of the caller.
 *
 * Concurrency: entries of one VFIO device change under its igate mutex, those of one VM under its
 * irqfds lock. An eventfd may belong to both, so its places are claimed and freed by
 * compare-and-swap, and the entry itself is removed only when the last reference on the eventfd
 * goes (lifecycle.bpf.c).
 */
#ifndef IRQGATE_TRACK_BPF_H
#define IRQGATE_TRACK_BPF_H

#include "account.bpf.h"
#include "compat.bpf.h"
#include "decide.bpf.h"

#define SIGKILL 9

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

/* Does the inline gate drop every unauthorized interrupt? */
static __always_inline bool inline_alone(void)
{
	struct irqgate_state *st = the_state();

	return st && st->inline_gate == IRQGATE_INLINE_ALONE;
}

/* Does the policy refuse objects that irqgate cannot keep track of? */
static __always_inline bool full_is_refused(void)
{
	struct irqgate_state *st = the_state();
	union decision r = {};

	if (st)
		r.d = irqgate_full(slot_defaults(st, st->generation));
	return r.d.verdict == IRQGATE_VERDICT_DENY;
}

/* References on an eventfd: its file's, and that of the object just connected to it. */
#define REFERENCES_FREE 1
#define REFERENCES_BOUND 2

static __always_inline __u32 eventfd_references(__u64 ctx)
{
	return BPF_CORE_READ((struct eventfd_ctx *)ctx, kref.refcount.refs.counter);
}

/*
 * The entry of an eventfd, made if there is none. The gates check for room beforehand; an
 * existing connection is never refused its row.
 * @account: account that is charged for the row
 * @known: number of references whose holders are known. If there are more, an unseen
 *	process will signal the eventfd. 0: a search found it, so all holders are unknown and
 *	this is not checked; nor is it before the first search
 */
static __noinline struct irqgate_eventfd *eventfd_learn(__u64 ctx, __u32 account, __u32 known)
{
	static const struct irqgate_eventfd none = {};
	struct irqgate_ptr_key key = { .ptr = ctx };
	struct irqgate_eventfd *e = bpf_map_lookup_elem(&eventfds, &key);
	bool made;

	if (e)
		return e;
	made = !bpf_map_update_elem(&eventfds, &key, &none, BPF_NOEXIST);
	if (made)
		charge(account, IRQGATE_ROOM_EVENTFDS, 1);
	e = bpf_map_lookup_elem(&eventfds, &key);
	if (!e)
		return NULL;
	if (made)
		e->account = account;
	/*
	 * Read the references after the row exists: from then on eventfd_taken sees who takes
	 * one.
	 */
	if (made && known && adoption() && eventfd_references(ctx) > known)
		e->early = 1;
	e->id = BPF_CORE_READ((struct eventfd_ctx *)ctx, id);
	return e;
}

/*
 * Note that VFIO writes into a device when the eventfd is signalled.
 * Return: 0, or -1: the eventfd has no entry, or writes into too many devices
 */
SHARED int eventfd_writes(__u64 ctx, __u64 handle)
{
	struct irqgate_eventfd *e = eventfd_entry(ctx);
	__u32 i;

	if (e)
		e->writes_seen = adoption();
	for (i = 0; e && i < IRQGATE_EVENTFD_DEVICES; i++) {
		if (e->writes[i] != handle &&
		    __sync_val_compare_and_swap(&e->writes[i], 0, handle) && e->writes[i] != handle)
			continue;
		epoch_bump(); /* cached verdicts on writers are void */
		return 0;
	}
	return -1;
}

#define IOEVENTFDS_MAX 1000 /* VFIO_PCI_IOEVENTFD_MAX: VFIO has no more for one device */

struct ioeventfd_walk {
	struct list_head *head, *next;
	__u64 handle;
	__u32 account;
};

static long sync_ioeventfd_cb(__u32 i, struct ioeventfd_walk *w)
{
	struct list_head *entry = w->next;
	struct vfio_pci_ioeventfd *io;
	struct irqgate_eventfd *e;
	__u64 ctx;

	if (!entry || entry == w->head)
		return 1;
	io = (void *)core_container_of(entry, struct vfio_pci_ioeventfd, next);
	ctx = (__u64)BPF_CORE_READ(io, virqfd, eventfd);
	e = ctx ? eventfd_learn(ctx, w->account, 0) : NULL;
	if (!e)
		overflowed();
	else if (eventfd_writes(ctx, w->handle))
		e->lost = irqgate_search(adoption()); /* it writes into more devices */
	w->next = BPF_CORE_READ(entry, next);
	return 0;
}

/* Learn the eventfds by which a device is written. */
SHARED int sync_ioeventfds(__u64 device, __u32 account)
{
	struct vfio_pci_core_device *vdev = (void *)device;
	struct ioeventfd_walk w = { .account = account };

	w.handle = pci_handle(BPF_CORE_READ(vdev, pdev));
	w.head = (void *)vdev + bpf_core_field_offset(struct vfio_pci_core_device, ioeventfds_list);
	w.next = BPF_CORE_READ(vdev, ioeventfds_list.next);
	/* The hook that counts a signal cannot make the row. */
	if (w.next != w.head)
		vector_stats(w.handle, IRQGATE_VECTOR_FUNCTION);
	bpf_loop(IOEVENTFDS_MAX, sync_ioeventfd_cb, &w, 0);
	return 0;
}

/* Remove the entry of an eventfd. Only the caller that deletes it gives the row back. */
static __always_inline void eventfd_forget(struct irqgate_ptr_key *key, __u32 account)
{
	if (!bpf_map_delete_elem(&eventfds, key))
		charge(account, IRQGATE_ROOM_EVENTFDS, -1);
}

/*
 * The entry of the eventfd to which the owner bound a vector. While VFIO signals a sink, the
 * binding holds no reference on it. So without an entry it may be another eventfd by now, and the
 * binding forgets it.
 */
static __always_inline struct irqgate_eventfd *home_learn(struct irqgate_binding *b)
{
	struct irqgate_eventfd *e;

	if (b->state != IRQGATE_BINDING_QUARANTINED)
		return eventfd_learn(b->trigger, b->account, 0);
	e = eventfd_entry(b->original);
	if (!e)
		b->original = 0;
	return e;
}

/*
 * Does the entry of an eventfd list a vector? Then it is still the eventfd to which the vector was
 * bound: the entry ends with the eventfd, and another one may get its address.
 */
SHARED int eventfd_lists(__u64 ctx, __u32 irq)
{
	struct irqgate_eventfd *e = eventfd_entry(ctx);
	__u32 i;

	if (!e)
		return false;
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
		if (e->source[i] == irq)
			return true;
#if !defined(__TARGET_ARCH_s390)
	/* A vector without a place there: eventfd_ended() looks at all of them. */
	return e->untracked != 0;
#else
	return false;
#endif
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

/* A binding or VM without a place ended: the others may be authorized again. */
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
		epoch_bump(); /* judge_all gives the free place to another binding */
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

/* Judge a binding that was just made or that got a new listener. Task context. */
static __always_inline void judge_bound(struct irqgate_binding *b, bool hold)
{
	union decision r = { .raw = decide_binding(b) };

	if (b->state != IRQGATE_BINDING_BOUND)
		return;
	/* INTx needs the quarantine, too: a dropped INTx leaves its line masked until a release. */
	if (inline_alone() && b->vector != IRQGATE_VECTOR_FUNCTION)
		return;
	if (r.d.verdict == IRQGATE_VERDICT_DROP || r.d.verdict == IRQGATE_VERDICT_DENY)
		request_quarantine(b, hold);
}

/*
 * The hooks recognize INTx by its eventfd, which is the sink during a quarantine. So the sink
 * needs an entry, too, beside the owner's eventfd.
 */
static __always_inline bool has_sink(struct irqgate_binding *b)
{
	return b->irq & IRQGATE_IRQ_INTX && b->state == IRQGATE_BINDING_QUARANTINED;
}

static __always_inline void sink_learn(struct irqgate_binding *b)
{
	struct irqgate_eventfd *e;

	if (!has_sink(b))
		return;
	e = eventfd_learn(b->trigger, IRQGATE_ACCOUNT_ALL, 0);
	if (e)
		eventfd_add_source(e, b->irq);
}

static __always_inline void sink_forget(struct irqgate_binding *b)
{
	if (has_sink(b))
		eventfd_del_source(b->trigger, b->irq);
}

/* Remove the entry of a binding that ended, and keep its counts. */
static __always_inline void binding_forget(struct irqgate_binding *b, struct irqgate_irq_key *key)
{
	__u32 account = b->account;

	counters_keep(b);
	if (!bpf_map_delete_elem(&bindings, key))
		charge(account, IRQGATE_ROOM_BINDINGS, -1);
}

/*
 * Create the entry of a binding. If that fails, the vector is connected and nothing can judge it.
 * If the policy refuses that, the owner is killed, which ends the binding.
 * @act: the current process is the owner
 */
static __noinline struct irqgate_binding *binding_learn(struct irqgate_vector_key *key,
							struct irqgate_irq_key *ikey, __u32 account,
							bool act)
{
	static const struct irqgate_binding none = {};
	struct irqgate_binding *b = NULL;

	if (!key || !ikey)
		return NULL;
	if (!bpf_map_update_elem(&bindings, ikey, &none, BPF_NOEXIST)) {
		charge(account, IRQGATE_ROOM_BINDINGS, 1);
		b = bpf_map_lookup_elem(&bindings, ikey);
		if (b)
			b->account = account;
	}
	if (b && !bpf_map_update_elem(&bound, key, ikey, BPF_ANY))
		return b;
	if (b)
		binding_forget(b, ikey);
	overflowed();
	report_untold(key->handle, key->vector);
	if (act && full_is_refused())
		bpf_send_signal(SIGKILL);
	return NULL;
}

static __noinline void unbind(struct irqgate_vector_key *key, __u32 irq)
{
	struct irqgate_irq_key ikey = { .irq = irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &ikey);

	if (b && b->handle == key->handle && b->vector == key->vector) {
		fold_early(b);
		sink_forget(b);
		eventfd_del_source(binding_home(b), irq);
		binding_forget(b, &ikey);
	}
	bpf_map_delete_elem(&bound, key);
}

/* VFIO's context of a vector or of INTx, NULL if the device uses the other kind. */
static __always_inline struct vfio_pci_irq_ctx *vfio_connected(struct vfio_pci_core_device *vdev,
							       __u32 vector)
{
	bool intx = vector == IRQGATE_VECTOR_FUNCTION;

	if (intx != (BPF_CORE_READ(vdev, irq_type) == VFIO_PCI_INTX_IRQ_INDEX))
		return NULL;
	return vfio_vector(vdev, intx ? 0 : vector);
}

/* The parts of sync_binding(). First: a search found a binding that agrees already. */
static __always_inline __u32 binding_found(struct irqgate_binding *b, __u32 irq,
					   struct irqgate_ident *binder)
{
	struct irqgate_eventfd *e;

	b->seen = adoption();
	e = home_learn(b);
	if (e && !e->untracked)
		eventfd_add_source(e, irq);
	if (!e && binding_home(b))
		overflowed();
	sink_learn(b);
	if (!binder || ident_known(&b->binder))
		return 0;
	b->binder = *binder;
	return irq;
}

/* An agent of irqgate connected the vector to a sink, or to the owner's eventfd again. */
static __always_inline void binding_changed(struct irqgate_binding *b, __u32 irq,
					    struct irqgate_agent *agent)
{
	if (agent->op != IRQGATE_AGENT_QUARANTINE) {
		b->state = IRQGATE_BINDING_BOUND;
		b->original = 0;
		return;
	}
	if (b->state != IRQGATE_BINDING_QUARANTINED) {
		__sync_lock_test_and_set(&b->original, b->trigger);
		/* VFIO had the last reference: the owner had closed it. */
		if (!eventfd_lists(b->trigger, irq))
			b->original = 0;
		report_contained(b);
	}
	b->state = IRQGATE_BINDING_QUARANTINED;
}

/* The owner connected the vector. */
static __always_inline void binding_renewed(struct irqgate_binding *b, struct irqgate_ident *binder)
{
	b->state = IRQGATE_BINDING_BOUND;
	b->original = 0;
	b->pending = 0; /* the swallowed interrupt belonged to the former bind */
	if (binder)
		b->binder = *binder;
	b->since = bpf_ktime_get_boot_ns();
}

/* The owner's eventfd is no longer @home. */
static __always_inline void binding_moved(struct irqgate_binding *b, __u32 irq, __u64 home)
{
	struct irqgate_eventfd *e;

	eventfd_del_source(home, irq);
	e = home_learn(b);
	if (e)
		eventfd_add_source(e, irq);
	else if (binding_home(b))
		overflowed();
	epoch_bump(); /* a writer may have been judged without this source */
}

/*
 * Bring the entry of one vector in step with VFIO's connection. sync_vector() below judges it
 * afterwards, when the stack of this function is free again.
 * @device: struct vfio_pci_core_device
 * @vector: index, or IRQGATE_VECTOR_FUNCTION for INTx, which VFIO keeps in the place of
 *	vector 0
 * @binder: identity of the process that bound, NULL: unknown
 * @adopt: a search found it: an entry that agrees already stays as it is
 * Return: irq of the binding that is to be judged, or 0
 */
SHARED __u32 sync_binding(__u64 device, __u32 vector, struct irqgate_ident *binder, bool adopt)
{
	struct vfio_pci_core_device *vdev = (void *)device;
	bool intx = vector == IRQGATE_VECTOR_FUNCTION;
	struct irqgate_vector_key key = { .vector = vector };
	struct irqgate_irq_key ikey = {}, *old;
	struct vfio_pci_irq_ctx *vctx;
	struct irqgate_agent *agent;
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
		/* The irq belonged to another source, whose end no hook saw. */
		binding_forget(b, &ikey);
		b = NULL;
	}
	agent = current_agent();
	/*
	 * Leave a binding that an agent is changing: if the hook missed that, the agent undoes or
	 * repeats its change.
	 */
	if (b && adopt && (b->trigger == trigger || (agent && agent->irq == ikey.irq)))
		return binding_found(b, ikey.irq, binder);
	/* The hook also runs for masking and unmasking. */
	if (b && intx && b->trigger == trigger)
		return 0;
	if (!b) {
		b = binding_learn(&key, &ikey, account_of(binder), !adopt && !agent);
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

	if (agent && !adopt)
		binding_changed(b, ikey.irq, agent);
	else
		binding_renewed(b, binder);
	b->index = BPF_CORE_READ(vdev, irq_type);
	/*
	 * Before another CPU sees the trigger: a binding with an unknown eventfd is unauthorized.
	 */
	if (b->state == IRQGATE_BINDING_BOUND)
		eventfd_learn(trigger, b->account, adopt ? 0 : REFERENCES_BOUND);
	b->trigger = trigger;
	epoch_bump(); /* an interrupt under way may be judged by the old state */
	if (home != binding_home(b))
		binding_moved(b, ikey.irq, home);
	sink_learn(b);
	return ikey.irq;
}

/* sync_binding(), and judge a binding that is new. */
SHARED int sync_vector(__u64 device, __u32 vector, struct irqgate_ident *binder, bool adopt)
{
	struct irqgate_irq_key key = { .irq = sync_binding(device, vector, binder, adopt) };
	struct irqgate_binding *b = key.irq ? bpf_map_lookup_elem(&bindings, &key) : NULL;

	if (!b)
		return 0;
	/* Never hold an agent: it has a lock that the loader needs to continue it. */
	judge_bound(b, !adopt && !current_is_agent());
	fold_early(b);
	return 0;
}

/* Remove the entry of a VM. */
static __always_inline void vm_forget(struct irqgate_ptr_key *key)
{
	struct irqgate_vm *vm = bpf_map_lookup_elem(&vms, key);
	__u32 account = vm ? vm->account : 0;

	if (vm && !bpf_map_delete_elem(&vms, key))
		charge(account, IRQGATE_ROOM_VMS, -1);
}

/*
 * Create the entry of a VM. Without one, on_full decides on every signal to the VM
 * (decide_signal).
 */
static __always_inline void vm_learn(struct kvm *kvm, struct irqgate_ident *creator, bool adopt)
{
	struct irqgate_ptr_key key = { .ptr = (__u64)kvm };
	struct irqgate_vm *vm = bpf_map_lookup_elem(&vms, &key);
	static const struct irqgate_vm none = {};

	if (vm && adopt) {
		vm->seen = adoption();
		return;
	}
	if (vm)
		vm_forget(&key); /* another VM had this address, and no hook saw its end */
	if (bpf_map_update_elem(&vms, &key, &none, BPF_NOEXIST)) {
		search_cut(); /* the walk goes by the rows, so it leaves out this VM's irqfds */
		row_lost();
		return;
	}
	vm = bpf_map_lookup_elem(&vms, &key);
	if (!vm)
		return;
	vm->account = account_of(creator);
	charge(vm->account, IRQGATE_ROOM_VMS, 1);
	vm->seen = adoption();
	if (creator)
		vm->creator = *creator;
	/* The VM may have ended after it was found, before vm_destroyed could see the entry. */
	if (adopt && !BPF_CORE_READ(kvm, users_count.refs.counter))
		vm_forget(&key);
	epoch_bump();
}

/*
 * The kernel may have skipped the hook that sees a VM's creation. If the current process is the
 * VMM, learn the VM now.
 */
SHARED int vm_ensure(__u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };
	struct task_struct *t = bpf_get_current_task_btf();
	struct kvm *vm = (void *)kvm;

	if (!bpf_map_lookup_elem(&vms, &key) && BPF_CORE_READ(vm, mm) == BPF_CORE_READ(t, mm))
		vm_learn(vm, ident_current(), true);
	return 0;
}

/*
 * The listeners of an eventfd change: a swallowed interrupt was for the former ones. INTx comes
 * again by itself once its line is unmasked.
 */
SHARED int pending_forget(__u64 efd)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	__u32 i;

	for (i = 0; e && i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key key = { .irq = e->source[i] };
		struct irqgate_binding *b;

		b = key.irq & ~IRQGATE_IRQ_INTX ? bpf_map_lookup_elem(&bindings, &key) : NULL;
		if (b && b->vector != IRQGATE_VECTOR_FUNCTION)
			b->pending = 0;
	}
	return 0;
}

static __always_inline bool listened_to(struct irqgate_eventfd *e)
{
	__u32 i;

	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (e->vm[i])
			return true;
	return false;
}

static __always_inline void irqfd_forget(__u64 irqfd)
{
	struct irqgate_ptr_key key = { .ptr = irqfd };
	struct irqgate_irqfd *entry = bpf_map_lookup_elem(&irqfds, &key);
	__u32 account;

	if (!entry)
		return;
	account = entry->account;
	pending_forget(entry->eventfd);
	eventfd_del_vm(entry->eventfd, entry->vm);
	if (!bpf_map_delete_elem(&irqfds, &key))
		charge(account, IRQGATE_ROOM_IRQFDS, -1);
	epoch_bump();
}

static __always_inline bool linked(__u64 entry)
{
	struct list_head *e = (void *)entry;
	struct list_head *next = BPF_CORE_READ(e, next);

	return next != e && BPF_CORE_READ(next, prev) == e;
}

static __always_inline __u32 vm_account(__u64 kvm)
{
	struct irqgate_ptr_key key = { .ptr = kvm };
	struct irqgate_vm *vm = bpf_map_lookup_elem(&vms, &key);

	return vm ? vm->account : IRQGATE_ACCOUNT_UNLISTED;
}

/* Judge the binding of an irq because its eventfd got a new listener. */
static __always_inline int source_judged(__u32 irq, bool hold)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);

	if (b)
		judge_bound(b, hold);
	return 0;
}

/* The same. The verifier would walk the decision for each of the eventfd's places. */
SHARED int judge_source(__u32 irq, int hold)
{
	return source_judged(irq, hold);
}

/*
 * An irqfd listens to its eventfd from now on. Inline, because the kernel takes only eight nested
 * calls, and some callers of this are called themselves.
 */
static __always_inline int irqfd_learned(__u64 ptr, bool adopt)
{
	struct kvm_kernel_irqfd *irqfd = (void *)ptr;
	struct irqgate_ptr_key key = { .ptr = ptr };
	struct irqgate_irqfd entry = {}, *known;
	struct irqgate_eventfd *e;
	__u32 i;

	entry.vm = (__u64)BPF_CORE_READ(irqfd, kvm);
	entry.eventfd = (__u64)BPF_CORE_READ(irqfd, eventfd);
	entry.gsi = BPF_CORE_READ(irqfd, gsi);
	entry.account = vm_account(entry.vm);
	if (!adopt)
		irqfd_forget(ptr); /* another irqfd had this address, and no hook saw its end */
	entry.seen = adoption();
	known = bpf_map_lookup_elem(&irqfds, &key);
	if (known) {
		if (known->vm == entry.vm && known->eventfd == entry.eventfd)
			known->seen = entry.seen;
		return 0;
	}
	e = eventfd_learn(entry.eventfd, entry.account, adopt ? 0 : REFERENCES_BOUND);
	if (bpf_map_update_elem(&irqfds, &key, &entry, BPF_NOEXIST)) {
		/*
		 * The VM listens, and no hook will find a row when it stops. The search that
		 * row_lost() asks for makes the row, or finds that the irqfd is gone.
		 */
		if (e) {
			e->lost = irqgate_search(entry.seen);
			row_lost();
			epoch_bump();
		} else {
			overflowed();
		}
		return 0;
	}
	charge(entry.account, IRQGATE_ROOM_IRQFDS, 1);
	if (!e) {
		irqfd_forget(ptr); /* the next search finds it again */
		overflowed();
		return 0;
	}
	/*
	 * The first listener still gets a swallowed interrupt: its owner would have found it in
	 * the eventfd.
	 */
	if (listened_to(e))
		pending_forget(entry.eventfd);
	eventfd_add_vm(e, entry.vm);
	epoch_bump();
	/* The irqfd may have ended after it was found, before irqfd_ended could see the entry. */
	if (adopt && !linked((__u64)irqfd + bpf_core_field_offset(struct kvm_kernel_irqfd, list))) {
		irqfd_forget(ptr);
		return 0;
	}
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		__u32 irq = e->source[i];

		if (irq)
			adopt ? source_judged(irq, false) : judge_source(irq, true);
	}
	return 0;
}

SHARED int irqfd_learn(__u64 ptr, bool adopt)
{
	return irqfd_learned(ptr, adopt);
}

#endif
