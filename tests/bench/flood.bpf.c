// SPDX-License-Identifier: GPL-2.0-only
/* The code that counts and reports, as tc programs, which BPF_PROG_TEST_RUN can repeat. */
#include "../../bpf/report.bpf.h"

struct {
	struct irqgate_binding binding;
	__u64 reported, counted;
} flood;

#define VECTORS 1000

/* An event each time, which no hook sends. */
SEC("tc") int bench_event(struct __sk_buff *skb)
{
	report_binding(&flood.binding, IRQGATE_VERDICT_AUDIT, IRQGATE_LEVEL_NONE, ++flood.reported);
	return 0;
}

/* What a gate does about a violation, on one vector after the other. */
SEC("tc") int bench_violation(struct __sk_buff *skb)
{
	struct irqgate_counters *c;
	__u64 count;

	flood.binding.vector = flood.counted++ % VECTORS;
	c = vector_stats(flood.binding.handle, flood.binding.vector);
	if (!c)
		return 0;
	count = counted_why(c, &c->denied, IRQGATE_REASON_CONTEXT, 1);
	if (report_due(c, count))
		report_binding(&flood.binding, IRQGATE_VERDICT_DENY, IRQGATE_LEVEL_INJECTION,
			       count);
	return 0;
}

char _license[] SEC("license") = "GPL";
