// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bind gate: who may connect which vector to which VM.
 *
 * The LSM hooks read the caller's arguments and are a first filter: the caller
 * can change its memory, or dup2 over a descriptor, after they looked. The
 * authority is what the kernel then holds: vector_signal and the irqfd hooks
 * (lifecycle.bpf.c) read that back and judge it again.
 */
#include "hook.bpf.h"
#include "learn.bpf.h"

#include <linux/vfio.h>
#include <linux/kvm.h>

#define EACCES 13
#define EFAULT 14

/* What a governed call is about, for the steps below. */
struct request {
	__u64 handle;
	__u64 args; /* user address of the descriptors, 0: none are given */
	__u64 kvm;
	__u32 start;
	__u32 index;
	__u32 gd;
	__u32 injects; /* the call itself raises the interrupt */
	__s32 error;
};

static __always_inline void report_refusal(__u64 handle, __u32 vector, union decision r,
					   __u32 gd_actual, __u8 level, __u64 count)
{
	struct irqgate_event *ev;

	if (!report_due(count))
		return;
	ev = event_new(IRQGATE_EVENT_VERDICT);
	if (!ev)
		return;
	event_task(ev);
	ev->handle = handle;
	ev->vector = vector;
	ev->verdict = r.d.verdict;
	ev->reason = r.d.reason;
	ev->level = level;
	ev->gd_expected = r.d.gd;
	ev->gd_actual = gd_actual;
	ev->count = count;
	bpf_ringbuf_submit(ev, 0);
}

/*
 * What the gate does about a decision on one vector: 0 lets the call go on.
 * A drop lets a bind happen, since the loader points the vector at a sink right
 * after it; an injection cannot be swallowed, only refused.
 */
SHARED int gate(__u64 handle, __u32 vector, __u64 raw, __u32 gd, bool injects)
{
	union decision r = { .raw = raw };
	struct irqgate_counters *c;
	__u8 level = injects ? IRQGATE_LEVEL_INJECTION : IRQGATE_LEVEL_BIND;

	if (r.d.verdict <= IRQGATE_VERDICT_ALLOW)
		return 0;
	if (r.d.verdict == IRQGATE_VERDICT_DROP) {
		if (!injects && loader_alive())
			return 0;
		if (!injects)
			r.d.reason = IRQGATE_REASON_NO_LOADER;
		r.d.verdict = IRQGATE_VERDICT_DENY;
	}
	c = vector_stats(handle, vector);
	if (!c)
		return r.d.verdict == IRQGATE_VERDICT_DENY ? -EACCES : 0;
	if (r.d.verdict == IRQGATE_VERDICT_AUDIT) {
		/* A bind is no interrupt: those that flow through it are counted. */
		if (injects)
			report_refusal(handle, vector, r, gd, IRQGATE_LEVEL_NONE,
				       counted(&c->would_drop, 1));
		else
			report_refusal(handle, vector, r, gd, IRQGATE_LEVEL_NONE, 1);
		return 0;
	}
	report_refusal(handle, vector, r, gd, level, counted(&c->denied, 1));
	return -EACCES;
}

/* Since 6.12 the verifier wants to see that an LSM program returns an errno. */
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

/* One vector of VFIO_DEVICE_SET_IRQS. */
static __noinline int gate_vector(struct request *rq, __u32 i)
{
	struct irqgate_eventfd *e = NULL;
	union decision worst, r;
	__u32 vector, gd, k;
	__s32 fd;

	if (!rq)
		return 0;
	gd = rq->gd;
	vector = rq->index == VFIO_PCI_MSI_IRQ_INDEX || rq->index == VFIO_PCI_MSIX_IRQ_INDEX
			 ? rq->start + i
			 : IRQGATE_VECTOR_FUNCTION;
	if (rq->args) {
		if (bpf_copy_from_user(&fd, sizeof(fd), (void *)(rq->args + i * sizeof(fd))))
			return -EFAULT;
		if (fd < 0)
			return 0; /* unbinds */
		e = eventfd_entry((__u64)fd_eventfd(fd));
	}
	worst.raw = decide_vector(rq->handle, vector, gd);
	if (e) {
		for (k = 0; k < IRQGATE_EVENTFD_VMS; k++) {
			__u32 vgd;

			if (!e->vm[k])
				continue;
			vgd = vm_gd(e->vm[k]);
			r.raw = decide_vector(rq->handle, vector, vgd);
			if (r.d.verdict > worst.d.verdict) {
				worst = r;
				gd = vgd;
			}
		}
	}
	return gate(rq->handle, vector, worst.raw, gd, rq->injects);
}

static long gate_vector_cb(__u32 i, struct request *rq)
{
	int error = gate_vector(rq, i);

	/* All vectors are looked at, so that each refused one is counted. */
	if (error)
		rq->error = error;
	return 0;
}

SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_vfio_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_irq_set set;
	struct request rq = {};
	struct irqgate_agent_key akey;
	__u32 data, count;

	if (cmd != VFIO_DEVICE_SET_IRQS || !file_is(file, vfio_device_fops_addr))
		return 0;
	rq.handle = device_handle(BPF_CORE_READ(vfio_file_device(file), dev));
	if (!rq.handle)
		return 0; /* not PCI */
	akey.tgid = bpf_get_current_pid_tgid() >> 32;
	if (bpf_map_lookup_elem(&agents, &akey))
		return 0;
	if (bpf_copy_from_user(&set, sizeof(set), (void *)arg))
		return -EFAULT; /* so would VFIO, unless the caller is playing with its memory */
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		rq.args = arg + sizeof(set);
	else if (!(set.flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return 0; /* masks or unmasks */
	else
		rq.injects = 1;
	rq.start = set.start;
	rq.index = set.index;
	rq.gd = gd_current();
	count = set.count > IRQGATE_MAX_VECTORS ? IRQGATE_MAX_VECTORS : set.count;
	bpf_loop(count, gate_vector_cb, &rq, 0);
	return refusal(rq.error);
}

/*
 * 32-bit callers reach their ioctls through a hook that cannot sleep, hence
 * cannot read the arguments: the commands that bind are refused there. VFIO and
 * KVM have no 32-bit user of note.
 */
static __always_inline int gate_compat(__u64 handle)
{
	struct irqgate_state *st = the_state();
	union decision r = {};

	if (!st)
		return 0;
	r.d = irqgate_act(slot_defaults(st, st->generation), IRQGATE_ACTION_DENY,
			  IRQGATE_REASON_COMPAT, IRQGATE_GD_NONE);
	return refusal(gate(handle, IRQGATE_VECTOR_FUNCTION, r.raw, gd_current(), false));
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_vfio_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != VFIO_DEVICE_SET_IRQS || !file_is(file, vfio_device_fops_addr))
		return 0;
	return gate_compat(device_handle(BPF_CORE_READ(vfio_file_device(file), dev)));
}

/* A source that signals this eventfd is about to reach the VM. */
static long gate_listener_cb(__u32 i, struct request *rq)
{
	struct irqgate_eventfd *e = eventfd_entry(rq->args);
	struct irqgate_irq_key ikey;
	struct irqgate_binding *b;
	int error;

	if (!e || i >= IRQGATE_EVENTFD_SOURCES)
		return 1;
	ikey.irq = e->source[i];
	b = ikey.irq ? bpf_map_lookup_elem(&bindings, &ikey) : NULL;
	if (!b)
		return 0;
	error = gate(b->handle, b->vector, decide_vector(b->handle, b->vector, rq->gd), rq->gd,
		     false);
	if (error)
		rq->error = error;
	return 0;
}

/* A VMM injects into its own VM without an eventfd. */
SHARED int gate_own_injection(__u64 kvm)
{
	struct irqgate_ident *id = ident_current();
	union decision r = { .raw = decide_signal(id, kvm) };

	return gate(0, 0, r.raw, ident_gd(id), true);
}

SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_kvm_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct request rq = {};
	struct kvm_irqfd irqfd;

	switch (cmd) {
	case KVM_IRQFD:
	case KVM_SIGNAL_MSI:
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		break;
	default:
		return 0;
	}
	if (!file_is(file, kvm_vm_fops_addr))
		return 0;
	rq.kvm = (__u64)BPF_CORE_READ(file, private_data);
	if (cmd != KVM_IRQFD)
		return refusal(gate_own_injection(rq.kvm));
	if (bpf_copy_from_user(&irqfd, sizeof(irqfd), (void *)arg))
		return -EFAULT;
	if (irqfd.flags & KVM_IRQFD_FLAG_DEASSIGN)
		return 0;
	rq.args = (__u64)fd_eventfd(irqfd.fd);
	rq.gd = vm_gd(rq.kvm);
	if (rq.args)
		bpf_loop(IRQGATE_EVENTFD_SOURCES, gate_listener_cb, &rq, 0);
	return refusal(rq.error);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_kvm_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case KVM_IRQFD:
	case KVM_SIGNAL_MSI:
		break;
	default:
		return 0;
	}
	return file_is(file, kvm_vm_fops_addr) ? gate_compat(0) : 0;
}

/*
 * vfio_msi_set_vector_signal(vdev, vector, fd, msix), 6.1 to 7.3: every change of
 * an MSI vector passes here, the tearing down included, with igate held. Whether
 * it failed does not matter: what is connected now is read.
 */
static __always_inline int do_vector_signal(__u64 vdev, __u64 vector)
{
	sync_vector(vdev, vector, ident_current(), false);
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

char _license[] SEC("license") = "GPL";
