// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bind gate: who may connect which vector to which VM.
 *
 * The LSM hooks read the caller's arguments and are a first filter: the caller
 * can change its memory, or dup2 over a descriptor, after they looked. The
 * authority is what the kernel then holds: vector_signal and the irqfd hooks
 * (lifecycle.bpf.c) read that back and judge it again.
 */
#include "gate.bpf.h"
#include "hook.bpf.h"

#include <linux/kvm.h>
#include <linux/vfio.h>

/* From the uapi's linux/vhost.h, which includes what a BPF program cannot. */
struct vhost_vring_file {
	__u32 index;
	__s32 fd;
};
#define VHOST_SET_LOG_FD _IOW(0xAF, 0x07, int)
#define VHOST_SET_VRING_CALL _IOW(0xAF, 0x21, struct vhost_vring_file)
#define VHOST_SET_VRING_ERR _IOW(0xAF, 0x22, struct vhost_vring_file)
#define VHOST_VDPA_SET_CONFIG_CALL _IOW(0xAF, 0x77, int)

/* A VFIO_DEVICE_SET_IRQS call, for the steps below. */
struct request {
	__u64 handle;
	__u64 args; /* user address of the descriptors, 0: none are given */
	__u32 start;
	__u32 index;
	__u32 gd;
	__u32 level; /* injection when the call itself raises the interrupt */
	__s32 error;
	__u32 pad;
};

/* A KVM_IRQFD call. */
struct listener {
	__u64 eventfd;
	__u64 vm;
	__u32 gd;
	__s32 error;
};

/* One vector of VFIO_DEVICE_SET_IRQS. */
static __noinline int gate_vector(struct request *rq, __u32 i)
{
	struct irqgate_eventfd *e = NULL;
	union decision worst, r;
	struct attempt a = {};
	__u32 gd, k;
	__s32 fd;

	if (!rq)
		return 0;
	a.handle = rq->handle;
	a.gd = rq->gd;
	a.level = rq->level;
	a.injects = a.level == IRQGATE_LEVEL_INJECTION;
	a.vector = rq->index == VFIO_PCI_MSI_IRQ_INDEX || rq->index == VFIO_PCI_MSIX_IRQ_INDEX
			   ? rq->start + i
			   : IRQGATE_VECTOR_FUNCTION;
	if (rq->args) {
		if (bpf_copy_from_user(&fd, sizeof(fd), (void *)(rq->args + i * sizeof(fd))))
			return -EFAULT;
		if (fd < 0)
			return 0; /* unbinds */
		a.eventfd = (__u64)fd_eventfd(fd);
		e = eventfd_entry(a.eventfd);
	}
	worst.raw = decide_vector(a.handle, a.vector, a.gd);
	if (e) {
		for (k = 0; k < IRQGATE_EVENTFD_VMS; k++) {
			if (!e->vm[k])
				continue;
			gd = vm_gd(e->vm[k]);
			r.raw = decide_vector(a.handle, a.vector, gd);
			if (r.d.verdict > worst.d.verdict) {
				worst = r;
				a.vm = e->vm[k];
				a.gd = gd;
			}
		}
	}
	return gate(&a, worst.raw);
}

static long gate_vector_cb(__u32 i, struct request *rq)
{
	int error = gate_vector(rq, i);

	/* All vectors are looked at, so that each refused one is counted. */
	if (error)
		rq->error = error;
	return 0;
}

/* Something of the function itself, not of a vector. */
static __always_inline int gate_function(__u64 handle, __u8 level)
{
	struct attempt a = {};

	a.handle = handle;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.level = level;
	return refusal(gate(&a, decide_vector(handle, IRQGATE_VECTOR_FUNCTION, a.gd)));
}

/* The only feature that binds an eventfd: a wake-up notification. */
static __always_inline int gate_feature(__u64 handle, unsigned long arg)
{
	struct vfio_device_feature f;

	if (bpf_copy_from_user(&f, sizeof(f), (void *)arg))
		return -EFAULT;
	if (!(f.flags & VFIO_DEVICE_FEATURE_SET) ||
	    (f.flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		return 0;
	return gate_function(handle, IRQGATE_LEVEL_BIND);
}

SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_vfio_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_irq_set set;
	struct request rq = {};
	__u32 data, count;

	if ((cmd != VFIO_DEVICE_SET_IRQS && cmd != VFIO_DEVICE_FEATURE) ||
	    !file_is(file, vfio_device_fops_addr))
		return 0;
	rq.handle = device_handle(BPF_CORE_READ(vfio_file_device(file), dev));
	if (!rq.handle || current_is_agent())
		return 0; /* not PCI, or a quarantine */
	if (cmd == VFIO_DEVICE_FEATURE)
		return gate_feature(rq.handle, arg);
	if (bpf_copy_from_user(&set, sizeof(set), (void *)arg))
		return -EFAULT; /* so would VFIO, unless the caller is playing with its memory */
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	rq.level = IRQGATE_LEVEL_BIND;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		rq.args = arg + sizeof(set);
	else if (set.flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		rq.level = IRQGATE_LEVEL_INJECTION;
	else
		return 0; /* masks or unmasks */
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
	struct attempt a = {};
	union decision r = {};

	if (!st)
		return 0;
	a.handle = handle;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.level = IRQGATE_LEVEL_BIND;
	r.d = irqgate_act(slot_defaults(st, st->generation), IRQGATE_ACTION_DENY,
			  IRQGATE_REASON_COMPAT, IRQGATE_GD_NONE);
	return refusal(gate(&a, r.raw));
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_vfio_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	if ((cmd != VFIO_DEVICE_SET_IRQS && cmd != VFIO_DEVICE_FEATURE) ||
	    !file_is(file, vfio_device_fops_addr))
		return 0;
	return gate_compat(device_handle(BPF_CORE_READ(vfio_file_device(file), dev)));
}

/* A source that signals this eventfd is about to reach the VM. */
static long gate_listener_cb(__u32 i, struct listener *l)
{
	struct irqgate_eventfd *e = eventfd_entry(l->eventfd);
	struct irqgate_irq_key ikey;
	struct irqgate_binding *b;
	struct attempt a = {};
	int error;

	if (!e || i >= IRQGATE_EVENTFD_SOURCES)
		return 1;
	ikey.irq = e->source[i];
	b = ikey.irq ? bpf_map_lookup_elem(&bindings, &ikey) : NULL;
	if (!b)
		return 0;
	a.handle = b->handle;
	a.vector = b->vector;
	a.eventfd = l->eventfd;
	a.vm = l->vm;
	a.gd = l->gd;
	a.level = IRQGATE_LEVEL_BIND;
	error = gate(&a, decide_vector(b->handle, b->vector, l->gd));
	if (error)
		l->error = error;
	return 0;
}

/*
 * An eventfd with a count is an interrupt KVM injects the moment it is bound. One
 * that carries device vectors may have it from them, and those are judged; for
 * any other its signaller answers.
 */
SHARED int gate_charged(struct listener *l)
{
	struct irqgate_ident *signaller = NULL;
	struct irqgate_eventfd *e;
	struct eventfd_ctx *ctx;
	struct attempt a = {};
	__u32 i;

	if (!l)
		return 0;
	ctx = (void *)l->eventfd;
	if (!BPF_CORE_READ(ctx, count))
		return 0;
	e = eventfd_entry(l->eventfd);
	if (e) {
		for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
			if (e->source[i])
				return 0;
		if (e->signaller.tgid)
			signaller = &e->signaller;
	}
	a.eventfd = l->eventfd;
	a.vm = l->vm;
	a.gd = ident_gd(signaller);
	a.level = IRQGATE_LEVEL_BIND;
	a.injects = 1;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	return gate(&a, decide_signal(signaller, l->vm));
}

/*
 * Something in the kernel will signal this eventfd and no hook can stop it then:
 * who hands it over must be one who may signal it, and answers for it from now.
 */
SHARED int gate_signaller(__s32 fd)
{
	__u64 efd = (__u64)fd_eventfd(fd);
	struct irqgate_ident *id;
	struct irqgate_eventfd *e;
	int error;

	if (!efd)
		return 0;
	error = gate_eventfd(efd, IRQGATE_LEVEL_BIND, false);
	if (error)
		return error;
	e = eventfd_learn(efd);
	id = ident_current();
	if (e && id)
		e->signaller = *id;
	return 0;
}

SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_kvm_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct {
		__s32 fd;
		__u32 flags;
	} io; /* of struct kvm_ioeventfd, whole it would be too much stack */
	struct listener l = {};
	struct kvm_irqfd irqfd;
	int error;

	if ((cmd != KVM_IRQFD && cmd != KVM_IOEVENTFD) || !file_is(file, kvm_vm_fops_addr))
		return 0;
	l.vm = (__u64)BPF_CORE_READ(file, private_data);
	if (cmd == KVM_IOEVENTFD) {
		/* A guest's write will signal it: that may be another VM's eventfd. */
		if (bpf_copy_from_user(&io, sizeof(io),
				       (void *)arg + offsetof(struct kvm_ioeventfd, fd)))
			return -EFAULT;
		if (io.flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
			return 0;
		return refusal(gate_signaller(io.fd));
	}
	if (bpf_copy_from_user(&irqfd, sizeof(irqfd), (void *)arg))
		return -EFAULT;
	if (irqfd.flags & KVM_IRQFD_FLAG_DEASSIGN)
		return 0;
	/* The guest's end of interrupt will signal it. */
	if (irqfd.flags & KVM_IRQFD_FLAG_RESAMPLE) {
		error = gate_signaller(irqfd.resamplefd);
		if (error)
			return refusal(error);
	}
	l.eventfd = (__u64)fd_eventfd(irqfd.fd);
	l.gd = vm_gd(l.vm);
	if (!l.eventfd)
		return 0;
	error = gate_charged(&l);
	if (error)
		return refusal(error);
	bpf_loop(IRQGATE_EVENTFD_SOURCES, gate_listener_cb, &l, 0);
	return refusal(l.error);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_kvm_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != KVM_IRQFD && cmd != KVM_IOEVENTFD)
		return 0;
	return file_is(file, kvm_vm_fops_addr) ? gate_compat(0) : 0;
}

/*
 * vhost signals these from a kernel thread, where no hook can stop it: whoever
 * hands it an eventfd answers for it. The command alone decides, since vhost has
 * a file type for each kind of device.
 */
SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_vhost_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhost_vring_file vring = {};

	switch (cmd) {
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		if (bpf_copy_from_user(&vring, sizeof(vring), (void *)arg))
			return -EFAULT;
		break;
	case VHOST_SET_LOG_FD:
	case VHOST_VDPA_SET_CONFIG_CALL:
		if (bpf_copy_from_user(&vring.fd, sizeof(vring.fd), (void *)arg))
			return -EFAULT;
		break;
	default:
		return 0;
	}
	return refusal(gate_signaller(vring.fd));
}

/*
 * The possession gate: a descriptor arrives by SCM_RIGHTS, pidfd_getfd or
 * io_uring. Who may not signal a protected eventfd, or bind a device, may not
 * come to hold it either: kernel-side signallers ask nobody later.
 */
SEC("lsm/file_receive")
int BPF_PROG(gate_file_receive, struct file *file)
{
	if ((__u64)file->f_op != eventfd_fops_addr || current_is_agent())
		return 0;
	return refusal(gate_eventfd((__u64)BPF_CORE_READ(file, private_data),
				    IRQGATE_LEVEL_POSSESSION, false));
}

SEC("lsm/file_receive")
int BPF_PROG(gate_vfio_receive, struct file *file)
{
	__u64 handle;

	if (!file_is(file, vfio_device_fops_addr) || current_is_agent())
		return 0;
	handle = device_handle(BPF_CORE_READ(vfio_file_device(file), dev));
	return handle ? gate_function(handle, IRQGATE_LEVEL_POSSESSION) : 0;
}

/*
 * vfio_msi_set_vector_signal(vdev, vector, fd, msix), 6.1 to 7.3: every change of
 * an MSI vector passes here, the tearing down included, with igate held. Whether
 * it failed does not matter: what is connected now is read.
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

char _license[] SEC("license") = "GPL";
