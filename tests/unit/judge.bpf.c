// SPDX-License-Identifier: GPL-2.0-only
/* decide_binding() as a program that BPF_PROG_TEST_RUN calls on any machine (test_judge.c). */
#include "../../bpf/decide.bpf.h"

struct {
	__u32 irq; /* of the binding to judge */
} asked;

SEC("tc") int judge(struct __sk_buff *skb)
{
	struct irqgate_irq_key key = { .irq = asked.irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);

	if (!b)
		return 0;
	decide_binding(b);
	return 1;
}

char _license[] SEC("license") = "GPL";
