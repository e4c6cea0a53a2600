/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the gates of VFIO's files and the hooks that see what VFIO did. */
#ifndef IRQGATE_VFIO_BPF_H
#define IRQGATE_VFIO_BPF_H

#include "gate.bpf.h"

static __always_inline __u64 vfio_file_handle(struct file *file)
{
	return device_handle(BPF_CORE_READ(vfio_file_device(file), dev));
}

static __always_inline bool index_is_msi(__u32 index)
{
	return index == VFIO_PCI_MSI_IRQ_INDEX || index == VFIO_PCI_MSIX_IRQ_INDEX;
}

/* An attempt on the function itself, not on a vector. */
static __always_inline int gate_function(__u64 handle, __u8 level)
{
	struct attempt a = {};

	a.handle = handle;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.level = level;
	return refusal(gate(&a, decide_vector(handle, IRQGATE_VECTOR_FUNCTION, a.gd)));
}

/* The eventfd to which the owner connected a vector, 0: none. */
static __always_inline __u64 vector_home(__u64 handle, __u32 vector)
{
	struct irqgate_vector_key key = { .handle = handle, .vector = vector };
	struct irqgate_irq_key *irq = bpf_map_lookup_elem(&bound, &key);
	struct irqgate_binding *b = irq ? bpf_map_lookup_elem(&bindings, irq) : NULL;

	return b ? binding_home(b) : 0;
}

/*
 * May the current process connect a vector to the eventfd of an attempt, and so to the VMs that
 * listen to it, or raise the vector there?
 *
 * If the VM of another listens, a drop does not let the bind pass: the quarantined vector would
 * stay a source of that eventfd, and the VM's owner would be judged by it when it signals or
 * reads its own eventfd.
 */
SHARED __u64 decide_attempt(struct attempt *a)
{
	struct irqgate_ident *id = ident_current();
	struct listening who = {};
	union decision r, seen;

	if (!a)
		return 0;
	who.raises = a->injects;
	r.raw = decide_vector(a->handle, a->vector, a->gd);
	seen.raw = decide_listeners(a->handle, a->vector,
				    a->injects ? vector_home(a->handle, a->vector) : a->eventfd, id,
				    &who);
	if (seen.d.verdict > r.d.verdict) {
		a->vm = who.vm;
		a->gd = who.gd;
		r = seen;
	}
	if (r.d.verdict == IRQGATE_VERDICT_DROP && listened_to_by_others(a->eventfd, id))
		a->swallowed = 0;
	return r.raw;
}

#endif
