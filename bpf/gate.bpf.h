/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Acting on a decision in a gate: count it, report it, refuse or let go on. All
 * LSM hooks end here; none has rules of its own.
 */
#ifndef IRQGATE_GATE_BPF_H
#define IRQGATE_GATE_BPF_H

#include "learn.bpf.h"

#define EACCES 13
#define EFAULT 14

/* What was attempted, with whom it concerns. */
struct attempt {
	__u64 handle; /* 0: none, a VM's eventfd without a device */
	__u64 eventfd;
	__u64 vm;
	__u32 vector;
	__u32 gd; /* who attempted */
	__u8 level; /* enum irqgate_level: which gate this is */
	__u8 injects; /* 1: would have raised an interrupt */
	__u8 swallowed; /* 1: a drop need not refuse the bind, quarantine follows */
	__u8 pad[5];
};

static __always_inline void report_attempt(struct attempt *a, union decision r, __u8 level,
					   __u64 count)
{
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_VERDICT);

	if (!ev)
		return;
	event_task(ev);
	ev->handle = a->handle;
	ev->vector = a->vector;
	ev->eventfd = a->eventfd;
	ev->vm = a->vm;
	ev->verdict = r.d.verdict;
	ev->reason = r.d.reason;
	ev->level = level;
	ev->gd_expected = r.d.gd;
	ev->gd_actual = a->gd;
	ev->count = count;
	bpf_ringbuf_submit(ev, 0);
}

/*
 * What a gate does about a decision: 0 lets the call go on, -EACCES refuses it.
 *
 * A drop lets MSI and INTx be bound, since the inline gate drops what they send, or
 * the loader points them at a sink right after that. Nothing else can be
 * swallowed, so there a drop is a deny.
 */
SHARED int gate(struct attempt *a, __u64 raw)
{
	union decision r = { .raw = raw };
	struct irqgate_counters *c;
	__u64 count;

	if (!a || r.d.verdict <= IRQGATE_VERDICT_ALLOW)
		return 0;
	if (r.d.verdict == IRQGATE_VERDICT_DROP) {
		if (a->level == IRQGATE_LEVEL_BIND && a->swallowed) {
			if (inline_alone())
				return 0;
			/* Already here: the kernel can skip the hook that sees the bind. */
			if (loader_alive()) {
				hold_current();
				ask_loader(a->handle, a->vector);
				return 0;
			}
			r.d.reason = IRQGATE_REASON_NO_LOADER;
		}
		r.d.verdict = IRQGATE_VERDICT_DENY;
	}
	c = vector_stats(a->handle, a->vector);
	if (!c)
		return r.d.verdict == IRQGATE_VERDICT_DENY ? -EACCES : 0;
	if (r.d.verdict == IRQGATE_VERDICT_AUDIT) {
		count = counted_why(c, a->injects ? &c->would_drop : &c->audited, r.d.reason, 1);
		if (report_due(c, count))
			report_attempt(a, r, IRQGATE_LEVEL_NONE, count);
		return 0;
	}
	count = counted_why(c, &c->denied, r.d.reason, 1);
	if (report_due(c, count))
		report_attempt(a, r, a->level, count);
	return -EACCES;
}

/* Since 6.12 the verifier wants to see that an LSM program returns an errno. */
static __always_inline int refusal(int error)
{
	if (error == -EFAULT)
		return -EFAULT;
	return error ? -EACCES : 0;
}

static __always_inline __u32 gd_current(void)
{
	return ident_gd(ident_current());
}

/*
 * Has this process connected a device to the eventfd? For that it was judged. Of
 * nobody known, NULL, it is assumed, where there is a device at all: VFIO signals it
 * for whoever asks, who was gated.
 */
SHARED int binds_to(struct irqgate_ident *id, struct irqgate_eventfd *e)
{
	__u32 i;

	for (i = 0; e && i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key key = { .irq = e->source[i] };
		struct irqgate_binding *b;

		b = key.irq ? bpf_map_lookup_elem(&bindings, &key) : NULL;
		if (b && (!id || same_process(id, &b->binder)))
			return 1;
	}
	return 0;
}

/*
 * May a process signal an eventfd that carries interrupts, or read it? It must be
 * the context of every device vector bound to it, and for every VM that listens
 * its VMM or a source the policy names. What it may not is written to @a.
 * @id: NULL: somebody unknown, of whom only VMs are to be protected
 */
SHARED __u64 judge_signaller(__u64 efd, struct irqgate_ident *id, struct attempt *a)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	union decision worst = {}, r;
	__u32 i;

	if (!e || !a)
		return 0;
	a->eventfd = efd;
	a->gd = ident_gd(id);
	for (i = 0; id && i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key key = { .irq = e->source[i] };
		struct irqgate_binding *b;

		b = key.irq ? bpf_map_lookup_elem(&bindings, &key) : NULL;
		/* Whoever bound it was judged for that, and its context with it. */
		if (!b || same_process(id, &b->binder) ||
		    (a->gd != IRQGATE_GD_NONE && a->gd == ident_gd(&b->binder)))
			continue;
		r.raw = decide_vector(b->handle, b->vector, a->gd);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			a->handle = b->handle;
			a->vector = b->vector;
		}
	}
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e->vm[i])
			continue;
		r.raw = decide_signal(id, e->vm[i]);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			a->vm = e->vm[i];
		}
	}
	return worst.raw;
}

/* Is the process the VMM of a VM that listens? */
static __always_inline bool listens_to(struct irqgate_ident *id, struct irqgate_eventfd *e)
{
	__u32 i;

	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		struct irqgate_ptr_key key = { .ptr = e->vm[i] };
		struct irqgate_vm *vm = key.ptr ? bpf_map_lookup_elem(&vms, &key) : NULL;

		if (vm && same_process(id, &vm->creator))
			return true;
	}
	return false;
}

/*
 * Record who signals an eventfd from now on. One who may not is not forgotten for one
 * who may. The VMM that listens is none: it takes a reference to stop listening.
 */
SHARED int note_signaller(__u64 efd, struct irqgate_ident *id)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	struct attempt a = {};
	union decision r;

	if (!e || !id || listens_to(id, e))
		return 0;
	if (e->signaller.tgid && !same_process(id, &e->signaller)) {
		r.raw = judge_signaller(efd, &e->signaller, &a);
		if (r.d.verdict > IRQGATE_VERDICT_ALLOW)
			return 0;
		/* Who may is not known until a VM listens: two are kept. */
		if (!e->former.tgid || same_process(id, &e->former))
			e->former = e->signaller;
		else
			e->charged = 1;
	}
	e->signaller = *id;
	return 0;
}

/*
 * The current process touches an eventfd: writes or reads it, receives it, or
 * hands it to something that will signal it.
 * @level: the gate that asks
 * @injects: it writes
 */
SHARED int gate_eventfd(__u64 efd, __u8 level, bool injects)
{
	struct attempt a = {};

	if (!eventfd_entry(efd))
		return 0;
	a.level = level;
	a.injects = injects;
	return gate(&a, judge_signaller(efd, ident_current(), &a));
}

/*
 * The current process hands an eventfd to something that signals: also the VMM that
 * listens does, for vhost raises its interrupts, unless somebody is known to signal it.
 */
SHARED int note_handed(__u64 efd)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	struct irqgate_ident *id = ident_current();

	if (e && id && !e->signaller.tgid)
		e->signaller = *id;
	return 0;
}

/*
 * An eventfd is about to be one that carries interrupts: from here on every writer is
 * judged. What it holds already is of somebody unknown, until it is read.
 */
SHARED int note_charge(__u64 efd)
{
	struct irqgate_eventfd *e;

	if (!efd || eventfd_entry(efd))
		return 0;
	e = eventfd_learn(efd);
	if (e && BPF_CORE_READ((struct eventfd_ctx *)efd, count))
		e->charged = 1;
	return 0;
}

#endif
