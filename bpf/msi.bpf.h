/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the hooks that observe interrupts and the inline gate. */
#ifndef IRQGATE_MSI_BPF_H
#define IRQGATE_MSI_BPF_H

#include "gate.bpf.h"

static __always_inline struct irqgate_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

/* The verdict on a binding, judged again if the epoch moved. */
static __always_inline __u8 judge_fresh(struct irqgate_binding *b, struct irqgate_state *st)
{
	__u8 verdict = irqgate_judged_verdict(*(volatile __u64 *)&b->judged, st->epoch);
	union decision r;

	if (!verdict) {
		r.raw = decide_binding(b);
		verdict = r.d.verdict;
	}
	return verdict;
}

/* An interrupt of a binding arrived. */
static __always_inline void msi_seen(struct irqgate_binding *b)
{
	struct irqgate_state *st = the_state();

	if (!st)
		return;
	account(b, judge_fresh(b, st), 1);
}

/*
 * Is the verdict known to be allow? It is valid until the epoch moves. The interrupt is counted
 * by a plain addition, because the hook runs in the interrupt's own handler, and the kernel never
 * runs two of them at the same time.
 * @source: what identifies the device, see struct irqgate_passing
 */
static __always_inline bool passes(__u32 irq, __u64 source)
{
	struct irqgate_passing *p = bpf_map_lookup_elem(&passing, &irq);
	struct irqgate_state *st = the_state();

	if (!p || !st || p->source != source || p->epoch != st->epoch)
		return false;
	p->passed++;
	return true;
}

/* From now on it passes() without a decision, if it was allowed. */
static __always_inline void let_pass(struct irqgate_binding *b, __u64 source)
{
	__u32 irq = b->irq;
	struct irqgate_passing *p = bpf_map_lookup_elem(&passing, &irq);
	__u64 judged = *(volatile __u64 *)&b->judged, epoch = judged >> 3;

	if (!p || irqgate_judged_verdict(judged, epoch) != IRQGATE_VERDICT_ALLOW ||
	    b->state == IRQGATE_BINDING_QUARANTINED)
		return;
	p->source = source;
	p->epoch = epoch;
}

/* The INTx binding of an eventfd, if any. VFIO signals it from its handler and at the unmask. */
static __always_inline struct irqgate_binding *intx_of(struct irqgate_eventfd *e)
{
	struct irqgate_irq_key key;
	__u32 i;

	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		key.irq = e->source[i];
		if (key.irq & IRQGATE_IRQ_INTX)
			return bpf_map_lookup_elem(&bindings, &key);
	}
	return NULL;
}

/*
 * Count and report an unauthorized signal from inside the kernel.
 * @stopped: the inline gate stops the signal, unless the verdict is audit
 * Return: true if the signal must be stopped
 */
static __always_inline bool account_signal(struct attempt *a, union decision r, __u32 pid,
					   bool stopped)
{
	struct irqgate_vector_key key = { .handle = a->handle, .vector = a->vector };
	struct irqgate_vector_key nobody = {};
	struct irqgate_counters *c;
	struct irqgate_event *ev;
	__u64 n;

	if (r.d.verdict == IRQGATE_VERDICT_AUDIT)
		stopped = false;
	c = bpf_map_lookup_elem(&stats, &key);
	if (!c) { /* task context only: no row can be made here */
		c = bpf_map_lookup_elem(&stats, &nobody);
		if (!c)
			return stopped;
	}
	if (r.d.verdict == IRQGATE_VERDICT_AUDIT) {
		n = counted_why(c, &c->would_drop, r.d.reason, 1);
	} else if (stopped) {
		r.d.verdict = IRQGATE_VERDICT_DROP;
		n = counted_why(c, &c->dropped, r.d.reason, 1);
	} else {
		r.d.verdict = IRQGATE_VERDICT_LEAK;
		n = counted_why(c, &c->leaked, r.d.reason, 1);
	}
	ev = report_due(c, n) ? event_new(IRQGATE_EVENT_VERDICT) : NULL;
	if (!ev)
		return stopped;
	ev->handle = a->handle;
	ev->vector = a->vector;
	ev->eventfd = a->eventfd;
	ev->vm = a->vm;
	ev->pid = pid;
	ev->verdict = r.d.verdict;
	ev->reason = r.d.reason;
	ev->level = stopped ? IRQGATE_LEVEL_INLINE : IRQGATE_LEVEL_NONE;
	ev->gd_expected = r.d.gd;
	ev->gd_actual = a->gd;
	ev->count = n;
	bpf_ringbuf_submit(ev, 0);
	return stopped;
}

#endif
