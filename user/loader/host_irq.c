// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>

#include "lib/util.h"
#include "loader/loader.h"

/* Remove the binding of a host driver's vector, and keep its counters. */
static void end_host_irq(struct loader *l, __u32 irq)
{
	static const struct irqgate_passing nothing;
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_vector_key vkey = {};
	struct irqgate_counters kept = {};
	struct irqgate_binding b;

	if (binding_find(&l->pins, irq, &b) || b.state != IRQGATE_BINDING_HOST)
		return;
	/* A reader would see these counters in neither map: snapshot_take(). */
	__atomic_add_fetch(&l->pins.state->moves, 1, __ATOMIC_SEQ_CST);
	if (!bpf_map_delete_elem(l->pins.bindings, &key))
		pins_charge(&l->pins, b.account, IRQGATE_ROOM_BINDINGS, -1);
	bpf_map_update_elem(l->pins.passing, &irq, &nothing, BPF_ANY);
	vkey.handle = b.handle;
	vkey.vector = b.vector;
	if (bpf_map_lookup_elem(l->pins.stats, &vkey, &kept))
		pins_charge(&l->pins, IRQGATE_ACCOUNT_ALL, IRQGATE_ROOM_STATS, 1);
	counters_add(&kept, &b.count);
	bpf_map_update_elem(l->pins.stats, &vkey, &kept, BPF_ANY);
	__atomic_add_fetch(&l->pins.state->moves, 1, __ATOMIC_SEQ_CST);
}

void host_irq_learn(struct loader *l, const struct irqgate_event *ev)
{
	struct irqgate_irq_key key = { .irq = ev->irq };
	struct irqgate_binding b = {
		.handle = ev->handle,
		.vector = ev->vector,
		.irq = ev->irq,
		.line = ev->irq,
		.device = ev->device,
		.state = IRQGATE_BINDING_HOST,
	};

	end_host_irq(l, ev->irq);
	if (!bpf_map_update_elem(l->pins.bindings, &key, &b, BPF_NOEXIST))
		pins_charge(&l->pins, b.account, IRQGATE_ROOM_BINDINGS, 1);
	l->enforce = true; /* judges the binding and counts the interrupts that came before */
}

void host_irqs_forget(struct loader *l)
{
	struct irqgate_irq_key key, next, *prev = NULL;

	while (map_next(l->pins.bindings, prev, &next) > 0) {
		key = next;
		prev = &key;
		if (irq_unused(key.irq))
			end_host_irq(l, key.irq);
	}
}
