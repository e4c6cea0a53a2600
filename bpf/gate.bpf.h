/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Acts on a decision in a gate: counts it, reports it, and refuses the call or lets it go on. All
 * LSM hooks end here; none has rules of its own.
 */
#ifndef IRQGATE_GATE_BPF_H
#define IRQGATE_GATE_BPF_H

#include "track.bpf.h"

#define EACCES 13
#define EFAULT 14

/* An attempt, and the objects it concerns. */
struct attempt {
	__u64 handle; /* 0: none, only a VM's eventfd */
	__u64 eventfd;
	__u64 vm;
	__u32 vector;
	__u32 gd; /* context that attempts */
	__u32 gsi; /* as in struct irqgate_event */
	__u8 level; /* enum irqgate_level: which gate this is */
	__u8 injects; /* 1: it raises an interrupt */
	__u8 swallowed; /* 1: a drop lets the bind pass, because a quarantine follows */
	__u8 pad;
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
	ev->gsi = a->gsi;
	ev->verdict = r.d.verdict;
	ev->reason = r.d.reason;
	ev->level = level;
	ev->gd_expected = r.d.gd;
	ev->gd_actual = a->gd;
	ev->count = count;
	bpf_ringbuf_submit(ev, 0);
}

/*
 * gate - act on a decision
 *
 * Under drop, MSI and INTx may be bound, because the inline gate drops their interrupts, or the
 * loader points them at a sink right after the bind. Nothing else can be swallowed, so for
 * everything else a drop is a deny.
 * Return: 0 lets the call go on, -EACCES refuses it.
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
			/* Hold it here already: the kernel can skip the hook that sees the bind. */
			r.d.reason = IRQGATE_REASON_NO_LOADER;
			if (loader_alive()) {
				if (hold_current()) {
					ask_loader(a->handle, a->vector);
					return 0;
				}
				r.d.reason = IRQGATE_REASON_FULL;
			}
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

/*
 * irqgate cannot keep track of the object of an attempt.
 * Return: 0 if the policy lets it pass (on_full), else -EACCES.
 */
static __always_inline int gate_full(struct attempt *a)
{
	struct irqgate_state *st = the_state();
	union decision r = {};

	if (!a || !st)
		return 0;
	r.d = irqgate_full(slot_defaults(st, st->generation));
	return gate(a, r.raw);
}

/*
 * Call gate_full() if the account has no room for @more rows, or if objects may exist that
 * irqgate does not know (untold()).
 */
SHARED int gate_room_of(struct attempt *a, __u32 account, __u32 room, __u32 more)
{
	if (!untold() && has_room(account, room, more))
		return 0;
	return gate_full(a);
}

/* gate_room_of() for the account of the current process. */
static __always_inline int gate_room(struct attempt *a, __u32 room, __u32 more)
{
	return gate_room_of(a, account_of(ident_current()), room, more);
}

/* Since 6.12 the verifier must see that an LSM program returns an errno. */
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
 * Has the process connected a device to the eventfd? It was judged for that. With @id NULL
 * (process unknown) any connected vector counts: VFIO signals the eventfd for the caller of an
 * ioctl, and the gate judged that caller.
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
 * The process to which the kernel's signals on an eventfd are attributed, NULL: unknown. If
 * something in the kernel held the eventfd before irqgate watched it (.early), the signaller may
 * be another process than those that handed the eventfd over since.
 */
static __always_inline struct irqgate_ident *signaller_of(struct irqgate_eventfd *e)
{
	return e->signaller.tgid && !e->early ? &e->signaller : NULL;
}

/* Is the process the VMM of a VM that listens to the eventfd? */
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
 * May a process signal an eventfd that carries interrupts, or read it? Its context must be that
 * of every device vector bound to the eventfd. To every VM that listens it must be the VMM, or a
 * source that the policy names. It must be allowed to use every device into which VFIO writes when
 * the eventfd is signalled. @a gets the object of the worst violation.
 * @id: NULL: the process is unknown, and only the VMs are protected
 */
SHARED __u64 judge_signaller(__u64 efd, struct irqgate_ident *id, struct attempt *a)
{
	struct irqgate_eventfd *e = eventfd_entry(efd);
	struct irqgate_state *st = the_state();
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
		/* The binder and its context were judged when it bound the vector. */
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
	for (i = 0; id && i < IRQGATE_EVENTFD_DEVICES; i++) {
		if (!e->writes[i])
			continue;
		r.raw = decide_access(e->writes[i], a->gd, IRQGATE_USES);
		if (r.d.verdict > worst.d.verdict) {
			worst = r;
			a->handle = e->writes[i];
			a->vector = IRQGATE_VECTOR_FUNCTION;
			a->level = IRQGATE_LEVEL_ACCESS;
			a->injects = 0;
		}
	}
	/* The other users of the eventfd are unknown, so only its known users may use it. */
	if (irqgate_crowded(e) && st && !binds_to(id, e) && !listens_to(id, e)) {
		r.d = irqgate_act(slot_defaults(st, st->generation), IRQGATE_ACTION_DENY,
				  IRQGATE_REASON_SHARED, IRQGATE_GD_NONE);
		if (r.d.verdict > worst.d.verdict)
			worst = r;
	}
	return worst.raw;
}

/*
 * Record the process that signals an eventfd from now on. Never replace an unauthorized signaller
 * with an authorized one. Do not record the VMM that listens, because it takes a reference also
 * in order to stop listening.
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
		/* Which of them is authorized is unknown until a VM listens, so keep two. */
		if (!e->former.tgid || same_process(id, &e->former))
			e->former = e->signaller;
		else
			e->charged = 1;
	}
	e->signaller = *id;
	return 0;
}

/*
 * The current process receives the eventfd of an attempt, or hands it to something that will
 * signal it.
 */
SHARED int gate_eventfd(struct attempt *a)
{
	struct irqgate_ident *id = ident_current();

	if (!a || !eventfd_entry(a->eventfd))
		return 0;
	/* The process is unknown, because there was no memory for its identity. */
	if (!id)
		return gate_full(a);
	return gate(a, judge_signaller(a->eventfd, id, a));
}

/*
 * The current process hands an eventfd to something that will signal it. If no signaller is
 * known, record the process, even the VMM that listens, because vhost raises interrupts for it.
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
 * The eventfd of an attempt is about to carry interrupts. From here on every writer is judged. An
 * earlier writer is unknown, so its count is marked (.charged) until a process reads it.
 * Return: 0, or -EACCES if there is no room for the eventfd and the policy refuses that.
 */
SHARED int gate_charge(struct attempt *a)
{
	struct irqgate_eventfd *e;
	struct eventfd_ctx *ctx;
	int error;

	if (!a || !a->eventfd || eventfd_entry(a->eventfd))
		return 0;
	error = gate_room(a, IRQGATE_ROOM_EVENTFDS, 1);
	if (error)
		return error;
	e = eventfd_learn(a->eventfd, account_of(ident_current()), REFERENCES_FREE);
	if (!e)
		return gate_full(a);
	/*
	 * A statement of its own: in the next line, CO-RE would look up a->eventfd in the
	 * kernel's types.
	 */
	ctx = (void *)a->eventfd;
	if (BPF_CORE_READ(ctx, count))
		e->charged = 1;
	return 0;
}

#endif
