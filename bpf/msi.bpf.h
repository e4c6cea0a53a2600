/* SPDX-License-Identifier: GPL-2.0-only */
/* What the hooks that observe interrupts and the inline gate have in common. */
#ifndef IRQGATE_MSI_BPF_H
#define IRQGATE_MSI_BPF_H

#include "learn.bpf.h"

static __always_inline struct irqgate_cpu *this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

/* Judge anew if something moved since. */
static __always_inline void judge_fresh(struct irqgate_binding *b, struct irqgate_state *st)
{
	if (b->epoch != st->epoch || !b->verdict)
		decide_binding(b);
}

/* An MSI of a binding arrived, by way of its handler. */
static __always_inline void msi_seen(struct irqgate_binding *b)
{
	struct irqgate_state *st = the_state();

	if (!st)
		return;
	judge_fresh(b, st);
	account(b, 1);
}

/* Report a kernel-side signal, with the vector it concerns if there is one. */
static __always_inline void report_signal(struct kernel_signal *s, union decision r, __u8 level,
					  __u64 count)
{
	struct irqgate_irq_key key = { .irq = s->irq };
	struct irqgate_binding *b = s->irq ? bpf_map_lookup_elem(&bindings, &key) : NULL;
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_VERDICT);

	if (!ev)
		return;
	if (b) {
		ev->handle = b->handle;
		ev->vector = b->vector;
		ev->irq = s->irq;
	}
	ev->eventfd = s->eventfd;
	ev->vm = s->vm;
	ev->verdict = r.d.verdict;
	ev->reason = r.d.reason;
	ev->level = level;
	ev->gd_expected = r.d.gd;
	ev->count = count;
	bpf_ringbuf_submit(ev, 0);
}

#endif
