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
#include "own.bpf.h"

#include <linux/vfio.h>

/* From the uapi's linux/vhost.h, which includes what a BPF program cannot. */
struct vhost_vring_file {
	__u32 index;
	__s32 fd;
};
#define VHOST_VIRTIO 0xAF
#define VHOST_SET_LOG_FD _IOW(VHOST_VIRTIO, 0x07, int)
#define VHOST_SET_VRING_CALL _IOW(VHOST_VIRTIO, 0x21, struct vhost_vring_file)
#define VHOST_SET_VRING_ERR _IOW(VHOST_VIRTIO, 0x22, struct vhost_vring_file)
#define VHOST_VDPA_SET_CONFIG_CALL _IOW(VHOST_VIRTIO, 0x77, int)

/* A VFIO_DEVICE_SET_IRQS call, for the steps below. */
struct request {
	__u64 handle;
	__u64 args; /* user address of the descriptors, 0: none are given */
	__u32 start;
	__u32 index;
	__u32 gd;
	__u32 level; /* injection when the call itself raises the interrupt */
	__s32 error;
	__u32 vectors; /* the index has; what is beyond VFIO refuses */
};

/* A KVM_IRQFD call. */
struct listener {
	__u64 eventfd;
	__u64 vm;
	__u32 gd;
	__s32 error;
};

static __always_inline bool index_is_msi(__u32 index)
{
	return index == VFIO_PCI_MSI_IRQ_INDEX || index == VFIO_PCI_MSIX_IRQ_INDEX;
}

/* One vector of VFIO_DEVICE_SET_IRQS. */
static __noinline int gate_vector(struct request *rq, __u32 i)
{
	struct listening who = {};
	union decision worst, r = {};
	struct attempt a = {};
	__s32 fd;

	if (!rq)
		return 0;
	a.handle = rq->handle;
	a.gd = rq->gd;
	a.level = rq->level;
	a.injects = a.level == IRQGATE_LEVEL_INJECTION;
	a.swallowed = index_is_msi(rq->index) || rq->index == VFIO_PCI_INTX_IRQ_INDEX;
	a.vector = index_is_msi(rq->index) ? rq->start + i : IRQGATE_VECTOR_FUNCTION;
	if (rq->args) {
		if (bpf_copy_from_user(&fd, sizeof(fd), (void *)(rq->args + i * sizeof(fd))))
			return -EFAULT;
		if (fd < 0)
			return 0; /* unbinds */
		a.eventfd = (__u64)fd_eventfd(fd);
		r.raw = decide_listeners(a.handle, a.vector, a.eventfd, &who);
	}
	worst.raw = decide_vector(a.handle, a.vector, a.gd);
	if (r.d.verdict > worst.d.verdict) {
		worst = r;
		if (who.vm) {
			a.vm = who.vm;
			a.gd = who.gd;
		}
	}
	if (gate(&a, worst.raw))
		return -EACCES;
	note_charge(a.eventfd);
	return 0;
}

/* A call that itself raises a vector: may this process, of VMs that are strict? */
static __noinline int gate_raise(struct request *rq, __u32 i)
{
	struct irqgate_vector_key key = {};
	struct irqgate_irq_key *irq;
	struct irqgate_binding *b;
	struct irqgate_eventfd *e;
	struct attempt a = {};
	union decision r;
	__u32 k;

	if (!rq)
		return 0;
	key.handle = a.handle = rq->handle;
	key.vector = a.vector = index_is_msi(rq->index) ? rq->start + i : IRQGATE_VECTOR_FUNCTION;
	irq = bpf_map_lookup_elem(&bound, &key);
	b = irq ? bpf_map_lookup_elem(&bindings, irq) : NULL;
	e = b ? eventfd_entry(binding_home(b)) : NULL;
	if (!e)
		return 0;
	a.gd = rq->gd;
	a.level = IRQGATE_LEVEL_INJECTION;
	a.injects = 1;
	for (k = 0; k < IRQGATE_EVENTFD_VMS; k++) {
		a.vm = e->vm[k];
		if (!a.vm)
			continue;
		r.raw = decide_signal(ident_current(), a.vm);
		if (r.d.reason == IRQGATE_REASON_STRICT)
			return gate(&a, r.raw);
	}
	return 0;
}

static long gate_vector_cb(__u32 i, struct request *rq)
{
	int error;

	if (rq->start + i >= rq->vectors)
		return 1;
	error = gate_vector(rq, i);
	if (!error && rq->level == IRQGATE_LEVEL_INJECTION)
		error = gate_raise(rq, i);
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

static __always_inline __u64 vfio_file_handle(struct file *file)
{
	return device_handle(BPF_CORE_READ(vfio_file_device(file), dev));
}

/* The only feature that binds an eventfd: a wake-up notification. */
static __noinline int gate_feature(struct file *file, unsigned long arg)
{
	struct vfio_device_feature f;
	__u64 handle = vfio_file_handle(file);

	if (!handle)
		return 0;
	if (bpf_copy_from_user(&f, sizeof(f), (void *)arg))
		return -EFAULT;
	if (!(f.flags & VFIO_DEVICE_FEATURE_SET) ||
	    (f.flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		return 0;
	return gate_function(handle, IRQGATE_LEVEL_BIND);
}

/*
 * What a VFIO_DEVICE_SET_IRQS asks for; by itself, for its stack is not needed when the
 * vectors are looked at. Return: number of vectors to look at, or -EFAULT.
 */
static __noinline int vfio_request(struct file *file, unsigned long arg, struct request *rq)
{
	struct vfio_irq_set set;
	__u64 vdev;
	__u32 data;

	if (!rq)
		return 0;
	rq->handle = vfio_file_handle(file);
	if (!rq->handle)
		return 0; /* not PCI */
	if (bpf_copy_from_user(&set, sizeof(set), (void *)arg))
		return -EFAULT; /* so would VFIO, unless the caller is playing with its memory */
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	rq->level = IRQGATE_LEVEL_BIND;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		rq->args = arg + sizeof(set);
	else if (set.flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		rq->level = IRQGATE_LEVEL_INJECTION;
	else
		return 0; /* masks or unmasks */
	rq->start = set.start;
	rq->index = set.index;
	rq->gd = gd_current();
	vdev = core_container_of(vfio_file_device(file), struct vfio_pci_core_device, vdev);
	rq->vectors = vfio_index_vectors((void *)vdev, set.index);
	return set.count > IRQGATE_MAX_VECTORS ? IRQGATE_MAX_VECTORS : set.count;
}

static __noinline int gate_vfio_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct request rq = {};
	int count;

	if ((cmd != VFIO_DEVICE_SET_IRQS && cmd != VFIO_DEVICE_FEATURE) ||
	    !file_is(file, vfio_device_fops_addr) || current_is_agent())
		return 0;
	if (cmd == VFIO_DEVICE_FEATURE)
		return gate_feature(file, arg);
	count = vfio_request(file, arg, &rq);
	if (count < 0)
		return -EFAULT;
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
	return gate_compat(vfio_file_handle(file));
}

/* A source that signals this eventfd is about to reach the VM. */
static long gate_listener_cb(__u32 i, struct listener *l)
{
	struct irqgate_eventfd *e = eventfd_entry(l->eventfd);
	struct eventfd_ctx *ctx = (void *)l->eventfd;
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
	/* What it holds already is injected at once: nothing can swallow that. */
	a.swallowed = !BPF_CORE_READ(ctx, count);
	error = gate(&a, decide_vector(b->handle, b->vector, l->gd));
	if (error)
		l->error = error;
	return 0;
}

/*
 * What may come through an eventfd without a device: an interrupt KVM injects the
 * moment it is bound, if it has a count already, and the signals of whoever made
 * the kernel hold it. One that carries device vectors may have its count from them,
 * and those are judged.
 */
SHARED int gate_signalled(struct listener *l)
{
	struct irqgate_ident *signaller = NULL, *former = NULL;
	struct irqgate_eventfd *e;
	struct eventfd_ctx *ctx;
	struct attempt a = {};
	bool unknown = false;
	union decision r;
	__u32 i;
	int error;

	if (!l)
		return 0;
	ctx = (void *)l->eventfd;
	a.injects = BPF_CORE_READ(ctx, count) != 0;
	e = eventfd_entry(l->eventfd);
	if (e) {
		unknown = a.injects && e->charged;
		for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
			if (e->source[i])
				a.injects = unknown;
		if (e->signaller.tgid && !binds_to(&e->signaller, e))
			signaller = &e->signaller;
		if (e->former.tgid && !binds_to(&e->former, e))
			former = &e->former;
	}
	a.eventfd = l->eventfd;
	a.vm = l->vm;
	a.level = IRQGATE_LEVEL_BIND;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	if (former) {
		a.gd = ident_gd(former);
		error = gate(&a, decide_signal(former, l->vm));
		if (error)
			return error;
	}
	if (!a.injects && !signaller)
		return 0;
	a.gd = ident_gd(signaller);
	error = gate(&a, decide_signal(signaller, l->vm));
	if (error || (signaller && !unknown))
		return error;
	if (signaller)
		error = gate(&a, decide_signal(NULL, l->vm));
	/* Whoever it was, the VMM raises it now: a strict context's must not. */
	r.raw = decide_signal(ident_current(), l->vm);
	if (!error && r.d.reason == IRQGATE_REASON_STRICT)
		error = gate(&a, r.raw);
	return error;
}

/*
 * Something in the kernel will signal this eventfd and no hook can stop it then:
 * who hands it over must be one who may signal it. From now on it is known, and
 * eventfd_taken records who, but for the VMM that listens.
 */
SHARED int gate_signaller(__s32 fd)
{
	__u64 efd = (__u64)fd_eventfd(fd);
	int error;

	if (!efd)
		return 0;
	error = gate_eventfd(efd, IRQGATE_LEVEL_BIND, false);
	if (error)
		return error;
	note_charge(efd);
	return note_handed(efd);
}

/* Commands by which KVM comes to hold an eventfd. */
static __always_inline bool kvm_binds(unsigned int cmd)
{
	return cmd == KVM_IRQFD || cmd == KVM_IOEVENTFD || cmd == KVM_HYPERV_EVENTFD ||
	       cmd == KVM_XEN_HVM_SET_ATTR;
}

/* A guest's hypercall will signal an eventfd. */
static __always_inline int gate_hypercall(unsigned int cmd, unsigned long arg)
{
	struct kvm_hyperv_eventfd hv;
	struct {
		__u32 port; /* 0: it is delivered to the eventfd */
		__s32 fd;
	} xen; /* the end of struct kvm_xen_hvm_attr for KVM_XEN_ATTR_TYPE_EVTCHN */
	__u16 type;

	if (cmd == KVM_HYPERV_EVENTFD) {
		if (bpf_copy_from_user(&hv, sizeof(hv), (void *)arg))
			return -EFAULT;
		return hv.flags & KVM_HYPERV_EVENTFD_DEASSIGN ? 0 : refusal(gate_signaller(hv.fd));
	}
	if (bpf_copy_from_user(&type, sizeof(type), (void *)arg))
		return -EFAULT;
	if (type != KVM_XEN_ATTR_TYPE_EVTCHN)
		return 0;
	if (bpf_copy_from_user(&xen, sizeof(xen),
			       (void *)arg + offsetof(struct kvm_xen_hvm_attr, u.evtchn.deliver)))
		return -EFAULT;
	return xen.port ? 0 : refusal(gate_signaller(xen.fd));
}

static __noinline int gate_kvm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct {
		__s32 fd;
		__u32 flags;
	} io; /* of struct kvm_ioeventfd, whole it would be too much stack */
	struct listener l = {};
	struct kvm_irqfd irqfd;
	int error;

	if (!kvm_binds(cmd) || !file_is(file, kvm_vm_fops_addr))
		return 0;
	l.vm = (__u64)BPF_CORE_READ(file, private_data);
	if (cmd == KVM_HYPERV_EVENTFD || cmd == KVM_XEN_HVM_SET_ATTR)
		return gate_hypercall(cmd, arg);
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
	vm_ensure(l.vm);
	l.gd = vm_gd(l.vm);
	if (!l.eventfd)
		return 0;
	error = gate_signalled(&l);
	if (error)
		return refusal(error);
	bpf_loop(IRQGATE_EVENTFD_SOURCES, gate_listener_cb, &l, 0);
	return refusal(l.error);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_kvm_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	if (!kvm_binds(cmd) && cmd != KVM_S390_ZPCI_OP)
		return 0;
	return file_is(file, kvm_vm_fops_addr) ? gate_compat(0) : 0;
}

/*
 * vhost signals these from a kernel thread, where no hook can stop it: whoever
 * hands it an eventfd answers for it. The command alone decides, since vhost has
 * a file type for each kind of device.
 */
static __noinline int gate_vhost_ioctl(unsigned int cmd, unsigned long arg)
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
 * One program for all commands, since it is the entering of a program that costs: on
 * every ioctl of the system. It leaves at the first comparison for those of other types.
 * Loaded anew when a module appears, for it knows the types of those that are there.
 */
SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	int error = 0;

	switch (_IOC_TYPE(cmd)) {
	case VFIO_TYPE:
		error = gate_vfio_ioctl(file, cmd, arg);
		break;
	case KVMIO:
		error = gate_kvm_ioctl(file, cmd, arg);
		if (!error)
			error = gate_own_injection(file, cmd, arg);
		break;
	case VHOST_VIRTIO:
		error = gate_vhost_ioctl(cmd, arg);
		break;
	}
	return refusal(error);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_vhost_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
	case VHOST_SET_LOG_FD:
	case VHOST_VDPA_SET_CONFIG_CALL:
		return gate_compat(0);
	}
	return 0;
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
	handle = vfio_file_handle(file);
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

/*
 * vfio_pci_set_irqs_ioctl(vdev, flags, index, start, count, data): what VFIO does in
 * the end, by its own copy of the arguments. For INTx, which has no step of its own,
 * it is what vector_signal is for MSI; closing the device passes here as well.
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
	r.raw = decide_vector(a.handle, a.vector, a.gd);
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
 * Where the kernel preempts a program, it skips the same one for every other task on that
 * CPU meanwhile: vector_signal may not have seen a change. This program did.
 */
static long skipped_cb(__u32 i, struct done *d)
{
	struct vfio_pci_core_device *vdev = (void *)d->vdev;
	struct irqgate_vector_key key = { .vector = d->start + i };
	struct vfio_pci_irq_ctx *vctx = vfio_connected(vdev, key.vector);
	__u64 trigger = vctx ? (__u64)BPF_CORE_READ(vctx, trigger) : 0;
	struct irqgate_binding *b = NULL;
	struct irqgate_irq_key *irq;

	key.handle = pci_handle(BPF_CORE_READ(vdev, pdev));
	irq = bpf_map_lookup_elem(&bound, &key);
	if (irq)
		b = bpf_map_lookup_elem(&bindings, irq);
	if (trigger ? !b || b->trigger != trigger || irq->irq != BPF_CORE_READ(vctx, producer.irq)
		    : irq != NULL)
		sync_vector(d->vdev, key.vector, ident_current(), false);
	return 0;
}

/*
 * Vectors the call itself raised, which the gate would have refused: it was shown
 * other arguments. They have arrived.
 */
static __always_inline int do_irqs_set(struct done *d, int error)
{
	if (d->index == VFIO_PCI_INTX_IRQ_INDEX)
		sync_vector(d->vdev, IRQGATE_VECTOR_FUNCTION, ident_current(), false);
	else if (index_is_msi(d->index) && d->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		bpf_loop(d->count ?: vfio_index_vectors((void *)d->vdev, d->index), skipped_cb, d,
			 0);
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
