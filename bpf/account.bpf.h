/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the interrupts of a binding by the verdict on it, and keeps the counts of a binding that
 * ended.
 */
#ifndef IRQGATE_ACCOUNT_BPF_H
#define IRQGATE_ACCOUNT_BPF_H

#include "quarantine.bpf.h"

/*
 * Add the interrupts that passed by the fast path. The binding ended, so no more come. Clear the
 * source, so that a reused irq does not inherit the allow.
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

/* Keep the counts of a binding that ended. */
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
	counted(&c->replayed, b->count.replayed);
}

/* Count @n interrupts that did not arrive, and note in the binding that one is to be replayed. */
static __always_inline __u64 count_swallowed(struct irqgate_binding *b, __u64 n)
{
	b->pending = 1;
	return counted_why(&b->count, &b->count.dropped, b->reason, n);
}

/* Count @n interrupts by the verdict on the binding. Return: the counter's new value. */
static __always_inline __u64 count_by_verdict(struct irqgate_binding *b, __u8 verdict, __u64 n)
{
	if (b->state == IRQGATE_BINDING_QUARANTINED)
		return count_swallowed(b, n);
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
	n = count_swallowed(b, n);
	if (report_due(&b->count, n))
		report_binding(b, IRQGATE_VERDICT_DROP, IRQGATE_LEVEL_INLINE, n);
}

static __always_inline __u64 take(void *map, __u32 irq)
{
	__u64 *n = bpf_map_lookup_elem(map, &irq);

	return n && *n ? __sync_lock_test_and_set(n, 0) : 0;
}

/* Count the MSIs that fired before their binding was learned. */
static __always_inline void fold_early(struct irqgate_binding *b)
{
	__u64 passed = take(&early, b->irq), dropped = take(&early_dropped, b->irq);

	if (passed)
		account(b, b->verdict, passed);
	if (dropped)
		account_dropped(b, dropped);
}

#endif
