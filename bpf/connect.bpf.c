// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO connected and raised in the end. The bind gate (bind.bpf.c) saw only what the caller
 * showed it. These hooks read what the kernel holds, and judge again.
 */
#include "hook.bpf.h"
#include "vfio.bpf.h"

/*
 * vfio_msi_set_vector_signal(vdev, vector, fd, msix), 6.1 to 7.3: every change of an MSI vector
 * passes here with igate held, also the teardown. Its result does not matter, because the hook
 * reads what is connected now.
 */
static __always_inline int do_vector_signal(__u64 vdev, __u64 vector)
{
	struct vfio_pci_core_device *dev = (void *)vdev;
	struct irqgate_device_key key = { .handle = pci_handle(BPF_CORE_READ(dev, pdev)) };

	sync_vector(vdev, vector, ident_current(), false);
	bpf_map_delete_elem(&binders, &key);
	return 0;
}

SEC("fexit/vfio_msi_set_vector_signal")
int BPF_PROG(vector_signal, struct vfio_pci_core_device *vdev, unsigned int vector)
{
	return do_vector_signal(as_number(vdev), vector);
}

SEC("kprobe.multi")
int BPF_KPROBE(vector_signal_enter_kp, __u64 vdev, __u64 vector)
{
	return call_enter(vdev, vector);
}

HOOK_EXIT_KPROBE(vector_signal)

/*
 * vfio_pci_set_irqs_ioctl(vdev, flags, index, start, count, data): what VFIO does in the end, by
 * its own copy of the arguments. INTx has no step of its own, so for INTx this hook does what
 * vector_signal does for MSI. The close of a device passes here, too.
 */
struct done {
	__u64 vdev;
	__u32 flags;
	__u32 index;
	__u32 start;
	__u32 count;
};

static long raised_cb(__u32 i, struct done *d)
{
	struct vfio_pci_core_device *vdev = (void *)d->vdev;
	struct irqgate_counters *c;
	struct attempt a = {};
	union decision r;
	__u64 n;

	a.handle = pci_handle(BPF_CORE_READ(vdev, pdev));
	a.vector = index_is_msi(d->index) ? d->start + i : IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.injects = 1;
	r.raw = decide_attempt(&a);
	if (r.d.verdict != IRQGATE_VERDICT_DENY && r.d.verdict != IRQGATE_VERDICT_DROP)
		return 0;
	c = vector_stats(a.handle, a.vector);
	if (!c)
		return 0;
	r.d.verdict = IRQGATE_VERDICT_LEAK;
	r.d.reason = IRQGATE_REASON_SWAPPED;
	n = counted_why(c, &c->leaked, r.d.reason, 1);
	if (report_due(c, n))
		report_attempt(&a, r, IRQGATE_LEVEL_NONE, n);
	return 0;
}

/*
 * Does VFIO's connection of a vector differ from its binding? The stack of this function is free
 * again when it returns.
 */
SHARED int vector_differs(__u64 device, __u32 vector)
{
	struct vfio_pci_core_device *vdev = (void *)device;
	struct irqgate_vector_key key = { .vector = vector };
	struct vfio_pci_irq_ctx *vctx = vfio_connected(vdev, vector);
	__u64 trigger = vctx ? (__u64)BPF_CORE_READ(vctx, trigger) : 0;
	struct irqgate_binding *b = NULL;
	struct irqgate_irq_key *irq;

	key.handle = pci_handle(BPF_CORE_READ(vdev, pdev));
	irq = bpf_map_lookup_elem(&bound, &key);
	if (irq)
		b = bpf_map_lookup_elem(&bindings, irq);
	return trigger ? !b || b->trigger != trigger ||
				 irq->irq != BPF_CORE_READ(vctx, producer.irq)
		       : irq != NULL;
}

/*
 * While a program is preempted, the kernel skips it for every other task on that CPU. So
 * vector_signal may have missed a change that this program sees.
 */
static long skipped_cb(__u32 i, struct done *d)
{
	if (vector_differs(d->vdev, d->start + i))
		sync_vector(d->vdev, d->start + i, ident_current(), false);
	return 0;
}

/* An agent that unmasks the line gives back a swallowed INTx: the device still asserts the line. */
static __noinline int intx_unmasked(void)
{
	struct irqgate_agent *agent = current_agent();
	struct irqgate_irq_key key = {};
	struct irqgate_binding *b;

	if (!agent)
		return 0;
	key.irq = agent->irq;
	b = bpf_map_lookup_elem(&bindings, &key);
	if (b)
		b->pending = 0;
	return 0;
}

/*
 * Sync the bindings after VFIO_DEVICE_SET_IRQS. Also count vectors that the call itself raised
 * and that the gate would have refused: the caller had shown the gate other arguments. Those
 * interrupts have arrived.
 */
static __always_inline int do_irqs_set(struct done *d, int error)
{
	if (d->index == VFIO_PCI_INTX_IRQ_INDEX) {
		sync_vector(d->vdev, IRQGATE_VECTOR_FUNCTION, ident_current(), false);
		if (!error && d->flags & VFIO_IRQ_SET_ACTION_UNMASK)
			intx_unmasked();
	} else if (index_is_msi(d->index) && d->flags & VFIO_IRQ_SET_ACTION_TRIGGER) {
		bpf_loop(d->count ?: vfio_index_vectors((void *)d->vdev, d->index), skipped_cb, d,
			 0);
	}
	if (!error && (d->flags & VFIO_IRQ_SET_ACTION_TRIGGER) &&
	    (d->flags & (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL)) && d->count)
		bpf_loop(d->count, raised_cb, d, 0);
	return 0;
}

SEC("fexit/vfio_pci_set_irqs_ioctl")
int BPF_PROG(irqs_set, struct vfio_pci_core_device *vdev, __u32 flags, unsigned int index,
	     unsigned int start, unsigned int count, void *data, int ret)
{
	struct done d = { .vdev = as_number(vdev),
			  .flags = flags,
			  .index = index,
			  .start = start,
			  .count = count };

	return do_irqs_set(&d, ret);
}

SEC("kprobe.multi")
int BPF_KPROBE(irqs_set_enter_kp, __u64 vdev, __u32 flags, __u32 index, __u32 start, __u32 count)
{
	return call_enter(vdev, (__u64)flags << 48 | (__u64)index << 32 | start << 16 | count);
}

SEC("kretprobe.multi")
int BPF_KRETPROBE(irqs_set_kp, int ret)
{
	struct irqgate_call call;
	struct done d = {};

	if (!call_exit(&call))
		return 0;
	d.vdev = call.a;
	d.flags = call.b >> 48;
	d.index = call.b >> 32 & 0xffff;
	d.start = call.b >> 16 & 0xffff;
	d.count = call.b & 0xffff;
	return do_irqs_set(&d, ret);
}

char _license[] SEC("license") = "GPL";
