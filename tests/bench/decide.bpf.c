// SPDX-License-Identifier: GPL-2.0-only
/*
 * The code of the hot path as tc programs, which BPF_PROG_TEST_RUN can repeat on any
 * machine: beside one that does nothing and one that only looks a binding up. All of
 * them choose their interrupt in the same way, so that it is not in a cache by chance.
 */
#include "../../bpf/inject.bpf.c"

struct {
	__u64 seed;
	__u64 vectors; /* how many bindings there are */
	__u32 first; /* irq of the first one asked for */
	__u32 gd; /* whom decide_vector is asked about */
} bench;

#define FUNCTIONS_EACH IRQGATE_MAX_VECTORS

static __always_inline __u32 next_irq(void)
{
	bench.seed = bench.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return bench.first + ((bench.seed >> 32) * bench.vectors >> 32);
}

SEC("tc") int bench_empty(struct __sk_buff *skb)
{
	return next_irq() == 0;
}

SEC("tc") int bench_lookup(struct __sk_buff *skb)
{
	struct irqgate_irq_key key = { .irq = next_irq() };

	return bpf_map_lookup_elem(&bindings, &key) != NULL;
}

/* The same with a look at what was found, which is another line of the cache. */
SEC("tc") int bench_read(struct __sk_buff *skb)
{
	struct irqgate_irq_key key = { .irq = next_irq() };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);

	return b && b->trigger;
}

/* A device's MSI: the trigger of an interrupt is its number here. */
SEC("tc") int bench_msi(struct __sk_buff *skb)
{
	__u32 irq = next_irq();

	return do_vfio_msi(skb, irq, irq);
}

/* A verdict that is not cached: both rows of the table, and the rules. */
SEC("tc") int bench_decide(struct __sk_buff *skb)
{
	__u32 i = next_irq();
	__u64 handle = irqgate_handle_pci(0, 0, 0) + i / FUNCTIONS_EACH;

	return decide_vector(handle, i % FUNCTIONS_EACH, bench.gd) >> 63;
}
