// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bind gate: which process may connect which vector to which VM.
 *
 * The LSM hooks read the caller's arguments. They are only a first filter: after they looked, the
 * caller can change its memory, or dup2 over a descriptor. The authority is the state that the
 * kernel then holds: vector_signal (connect.bpf.c) and the irqfd hooks (lifecycle.bpf.c) read it
 * back and judge again.
 */
#include "access.bpf.h"
#include "vmm_inject.bpf.h"

#include <linux/vfio.h>

/* From the uapi's linux/vhost.h, which a BPF program cannot include because of what it includes. */
struct vhost_vring_file {
	__u32 index;
	__s32 fd;
};
#define VHOST_VIRTIO 0xAF
#define VHOST_SET_LOG_FD _IOW(VHOST_VIRTIO, 0x07, int)
#define VHOST_SET_VRING_CALL _IOW(VHOST_VIRTIO, 0x21, struct vhost_vring_file)
#define VHOST_SET_VRING_ERR _IOW(VHOST_VIRTIO, 0x22, struct vhost_vring_file)
#define VHOST_VDPA_SET_CONFIG_CALL _IOW(VHOST_VIRTIO, 0x77, int)

/* A VFIO_DEVICE_SET_IRQS call, for the steps below. Small: Linux 6.1 has 512 bytes of stack. */
struct request {
	__u64 handle;
	__u64 args; /* user address of the descriptors, 0: none given */
	__u64 foreign; /* decision on the caller, who may not use the device; 0: it may */
	__u32 start;
	__u32 gd;
	__s32 error;
	__u16 vectors; /* number that the index has; VFIO refuses higher ones */
	__u16 unbound; /* vectors without a binding so far */
	__u8 index;
	__u8 level; /* LEVEL_INJECTION if the call itself raises the interrupt */
	__u8 binds; /* 0: it masks, unmasks or disables */
	__u8 pad;
};

/* A KVM_IRQFD call. */
struct listener {
	__u64 eventfd;
	__u64 vm;
	__u32 gd;
	__u32 gsi; /* as in struct irqgate_event */
	__s32 error;
	__u32 pad;
};

/* Is there room for the rows of a vector and its eventfd? */
static __always_inline int gate_tracked(struct request *rq, struct attempt *a)
{
	struct irqgate_vector_key key = {};

	if (!rq || !a)
		return 0;
	key.handle = a->handle;
	key.vector = a->vector;
	if (!bpf_map_lookup_elem(&bound, &key)) {
		rq->unbound++;
		if (gate_room(a, IRQGATE_ROOM_BINDINGS, rq->unbound))
			return -EACCES;
	}
	return gate_charge(a);
}

/* The caller may not use the device. Does the vector belong to its context all the same? */
static __always_inline bool has_vector(struct attempt *a)
{
	union decision r = { .raw = decide_vector(a->handle, a->vector, a->gd) };

	return r.d.verdict == IRQGATE_VERDICT_ALLOW && r.d.reason == IRQGATE_REASON_REGISTERED;
}

/* One vector of VFIO_DEVICE_SET_IRQS. */
static __always_inline int gate_vector(struct request *rq, __u32 i)
{
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
	/* No bind either: even one that is quarantined at once takes the vector off its owner. */
	if (rq->foreign && !has_vector(&a))
		return refuse_access(a.handle, a.gd, rq->foreign);
	if (!rq->binds)
		return 0;
	if (rq->args) {
		if (bpf_copy_from_user(&fd, sizeof(fd), (void *)(rq->args + i * sizeof(fd))))
			return -EFAULT;
		if (fd < 0)
			return 0; /* a negative fd unbinds */
		a.eventfd = (__u64)fd_eventfd(fd);
	}
	if (gate(&a, decide_attempt(&a)))
		return -EACCES;
	return rq->args ? gate_tracked(rq, &a) : 0;
}

static long gate_vector_cb(__u32 i, struct request *rq)
{
	int error;

	if (rq->start + i >= rq->vectors)
		return 1;
	error = gate_vector(rq, i);
	/* Look at all vectors, so that each refused one is counted. */
	if (error)
		rq->error = error;
	return 0;
}

/* The only feature that binds an eventfd: notification of a wake-up. */
static __always_inline bool binds_wakeup(__u32 flags)
{
	return flags & VFIO_DEVICE_FEATURE_SET &&
	       (flags & VFIO_DEVICE_FEATURE_MASK) ==
		       VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
}

static __noinline int gate_feature(struct file *file, unsigned long arg)
{
	struct vfio_device_feature f;
	__u64 handle = vfio_file_handle(file);

	if (bpf_copy_from_user(&f, sizeof(f), (void *)arg))
		return -EFAULT;
	if (!binds_wakeup(f.flags))
		return 0;
	return gate_function(handle, IRQGATE_LEVEL_BIND);
}

/*
 * VFIO_DEVICE_IOEVENTFD: from now on whoever signals the eventfd writes into the device. So those
 * that signal it already must be allowed to use the device: the process that made the kernel hold
 * it, the binders of its vectors, and who left the count that it has.
 */
struct doorbell {
	__u64 handle;
	__u64 eventfd;
	union decision worst;
	__u32 gd; /* of the one with the worst decision */
};

static __always_inline void doorbell_judge(struct doorbell *d, __u32 gd)
{
	union decision r;

	r.raw = decide_access(d->handle, gd, IRQGATE_USES);
	if (r.d.verdict <= d->worst.d.verdict)
		return;
	d->worst = r;
	d->gd = gd;
}

SHARED int gate_doorbell(__u64 handle, __u64 eventfd)
{
	struct doorbell d = { .handle = handle, .eventfd = eventfd };
	struct irqgate_eventfd *e = eventfd_entry(eventfd);
	struct attempt a = {};
	__u32 i;
	int error;

	if (BPF_CORE_READ((struct eventfd_ctx *)eventfd, count) && (!e || e->charged))
		doorbell_judge(&d, IRQGATE_GD_NONE);
	if (e && e->signaller.tgid)
		doorbell_judge(&d, ident_gd(&e->signaller));
	if (e && e->former.tgid)
		doorbell_judge(&d, ident_gd(&e->former));
	for (i = 0; e && i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key key = { .irq = e->source[i] };
		struct irqgate_binding *b;

		b = key.irq ? bpf_map_lookup_elem(&bindings, &key) : NULL;
		if (b)
			doorbell_judge(&d, ident_gd(&b->binder));
	}
	error = refuse_access(handle, d.gd, d.worst.raw);
	if (error)
		return error;
	a.handle = handle;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.eventfd = eventfd;
	a.gd = gd_current();
	a.level = IRQGATE_LEVEL_ACCESS;
	error = gate_charge(&a);
	if (error)
		return error;
	return eventfd_writes(eventfd, handle) ? gate_full(&a) : 0;
}

static __noinline int gate_join(struct file *file, unsigned long arg)
{
	struct file *container;
	__s32 fd;

	if (!governs_access() || !file_is(file, vfio_group_fops_addr))
		return 0;
	if (bpf_copy_from_user(&fd, sizeof(fd), (void *)arg))
		return -EFAULT;
	container = fd_file(fd);
	if (!file_is(container, vfio_container_fops_addr))
		return gate_group(file, 0);
	return gate_group(file, (__u64)BPF_CORE_READ(container, private_data));
}

static __noinline int gate_ioeventfd(struct file *file, unsigned long arg)
{
	__u64 eventfd;
	__s32 fd;

	if (!governs_access() || !file_is(file, vfio_device_fops_addr) || current_is_agent())
		return 0;
	if (bpf_copy_from_user(&fd, sizeof(fd),
			       (void *)arg + offsetof(struct vfio_device_ioeventfd, fd)))
		return -EFAULT;
	eventfd = (__u64)fd_eventfd(fd);
	return eventfd ? gate_doorbell(vfio_file_handle(file), eventfd) : 0;
}

/* The decision on a caller who may not use the device, 0: it may. */
static __always_inline __u64 foreign_use(__u64 handle, __u32 gd)
{
	union decision r = {};

	if (governs_access())
		r.raw = decide_access(handle, gd, IRQGATE_USES);
	return r.d.verdict > IRQGATE_VERDICT_ALLOW ? r.raw : 0;
}

static __always_inline bool is_shared(__u64 decision)
{
	return ((union decision){ .raw = decision }).d.shared;
}

/*
 * Read the request of VFIO_DEVICE_SET_IRQS. A function of its own, because its stack is not
 * needed while the vectors are looked at.
 * Return: number of vectors to look at, -EFAULT or -EACCES
 */
static __noinline int vfio_request(struct file *file, unsigned long arg, struct request *rq)
{
	struct vfio_irq_set set;
	__u64 vdev;
	__u32 data;

	if (!rq)
		return 0;
	rq->handle = vfio_file_handle(file);
	rq->gd = gd_current();
	rq->foreign = foreign_use(rq->handle, rq->gd);
	/* Without a look at its memory, which the caller may change before VFIO reads it. */
	if (rq->foreign && !is_shared(rq->foreign))
		return refuse_access(rq->handle, rq->gd, rq->foreign);
	if (bpf_copy_from_user(&set, sizeof(set), (void *)arg))
		return -EFAULT; /* VFIO fails, too, unless the caller plays with its memory */
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	rq->level = IRQGATE_LEVEL_BIND;
	rq->binds = set.count &&
		    (data == VFIO_IRQ_SET_DATA_EVENTFD || set.flags & VFIO_IRQ_SET_ACTION_TRIGGER);
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		rq->args = arg + sizeof(set);
	else if (rq->binds)
		rq->level = IRQGATE_LEVEL_INJECTION;
	else if (!rq->foreign)
		return 0;
	if (!rq->handle) {
		/*
		 * No PCI function: no row can name it, so the default for unlisted devices
		 * decides.
		 */
		rq->index = VFIO_PCI_REQ_IRQ_INDEX;
		rq->vectors = IRQGATE_MAX_VECTORS;
		return set.count > IRQGATE_MAX_VECTORS ? IRQGATE_MAX_VECTORS : set.count;
	}
	rq->start = set.start;
	rq->index = set.index > VFIO_PCI_NUM_IRQS ? VFIO_PCI_NUM_IRQS : set.index;
	vdev = core_container_of(vfio_file_device(file), struct vfio_pci_core_device, vdev);
	rq->vectors = vfio_index_vectors((void *)vdev, set.index);
	/* Count 0 disables the whole index. */
	if (rq->foreign &&
	    (!set.count || set.count > rq->vectors || set.start > rq->vectors - set.count))
		return refuse_access(rq->handle, rq->gd, rq->foreign);
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
		return refusal(count);
	bpf_loop(count, gate_vector_cb, &rq, 0);
	return refusal(rq.error);
}

/*
 * 32-bit callers reach ioctls through a hook that cannot sleep, so it cannot read the arguments.
 * It refuses the commands that bind. VFIO and KVM have no 32-bit user of note.
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
	int error;

	if (_IOC_TYPE(cmd) != VFIO_TYPE)
		return 0;
	error = gate_vfio_access(file, cmd);
	if (error)
		return refusal(error);
	if (cmd == VFIO_GROUP_SET_CONTAINER && governs_access() &&
	    file_is(file, vfio_group_fops_addr))
		return gate_compat(0);
	if (cmd != VFIO_DEVICE_SET_IRQS && cmd != VFIO_DEVICE_FEATURE &&
	    !(cmd == VFIO_DEVICE_IOEVENTFD && governs_access()))
		return 0;
	return file_is(file, vfio_device_fops_addr) ? gate_compat(vfio_file_handle(file)) : 0;
}

/* Judge one source of an eventfd to which a VM is about to listen. */
static long gate_listener_cb(__u32 i, struct listener *l)
{
	struct irqgate_eventfd *e = eventfd_entry(l->eventfd);
	struct eventfd_ctx *ctx = (void *)l->eventfd;
	struct irqgate_vm *vm = vm_entry(l->vm);
	struct irqgate_irq_key ikey;
	struct irqgate_binding *b;
	struct listening who = {};
	struct attempt a = {};
	union decision r;
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
	a.gsi = l->gsi;
	a.level = IRQGATE_LEVEL_BIND;
	/*
	 * KVM injects a pending count at once, so nothing can swallow it. And if a process of
	 * another context wants to listen, the gate refuses that process; it does not quarantine
	 * the vector.
	 */
	a.swallowed = !BPF_CORE_READ(ctx, count) && vm && is_own(&b->binder, vm_creator(vm), l->gd);
	who.alone = !ident_known(&b->binder);
	r.raw = decide_delivery(b->handle, b->vector, l->vm, &b->binder, &who, &a.gd);
	error = gate(&a, r.raw);
	if (error)
		l->error = error;
	return 0;
}

/*
 * Judge what comes through an eventfd without a device: the interrupt that KVM injects at once if
 * there is a pending count, and the signals of the process that made the kernel hold the eventfd.
 * If the eventfd carries device vectors, the count may be theirs, and they are judged.
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
	a.gsi = l->gsi;
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
	/*
	 * The writer is unknown, but the VMM raises the interrupt now: a strict context's VMM
	 * must not.
	 */
	r.raw = decide_signal(ident_current(), l->vm);
	if (!error && r.d.reason == IRQGATE_REASON_STRICT)
		error = gate(&a, r.raw);
	return error;
}

/*
 * Something in the kernel will signal this eventfd, and no hook can stop it then. So the process
 * that hands the eventfd over must be allowed to signal it. From now on the eventfd has an entry,
 * and eventfd_taken records the process, unless it is the VMM that listens.
 */
SHARED int gate_signaller(__s32 fd)
{
	struct attempt a = {};
	int error;

	a.eventfd = (__u64)fd_eventfd(fd);
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.level = IRQGATE_LEVEL_BIND;
	if (!a.eventfd)
		return 0;
	error = gate_eventfd(&a);
	if (!error)
		error = gate_charge(&a);
	return error ? error : note_handed(a.eventfd);
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
		__u32 port; /* 0: delivered to the eventfd */
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

/* May a VM listen beside other VMs, and is there room for the rows? */
static __noinline int gate_listens(struct listener *l)
{
	struct attempt a = {};
	int error;

	if (!l)
		return 0;
	a.eventfd = l->eventfd;
	a.vm = l->vm;
	a.gd = l->gd;
	a.gsi = l->gsi;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.level = IRQGATE_LEVEL_BIND;
	error = gate(&a, decide_newcomer(l->eventfd, l->vm));
	if (error)
		return error;
	/* The VM's account is charged, even if the process has another one by now. */
	error = gate_room_of(&a, vm_account(l->vm), IRQGATE_ROOM_IRQFDS, 1);
	return error ? error : gate_charge(&a);
}

static __noinline int gate_kvm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct {
		__s32 fd;
		__u32 flags;
	} io; /* part of struct kvm_ioeventfd; all of it takes too much stack */
	struct listener l = {};
	struct kvm_irqfd irqfd;
	int error;

	if (!kvm_binds(cmd) || !file_is(file, kvm_vm_fops_addr))
		return 0;
	l.vm = (__u64)BPF_CORE_READ(file, private_data);
	if (cmd == KVM_HYPERV_EVENTFD || cmd == KVM_XEN_HVM_SET_ATTR)
		return gate_hypercall(cmd, arg);
	if (cmd == KVM_IOEVENTFD) {
		/* The guest's write will signal the eventfd, which may be another VM's. */
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
	/* The guest's end of interrupt will signal the resamplefd. */
	if (irqfd.flags & KVM_IRQFD_FLAG_RESAMPLE) {
		error = gate_signaller(irqfd.resamplefd);
		if (error)
			return refusal(error);
	}
	l.eventfd = (__u64)fd_eventfd(irqfd.fd);
	l.gsi = irqfd.gsi + 1;
	vm_ensure(l.vm);
	l.gd = vm_gd(l.vm);
	if (!l.eventfd)
		return 0;
	error = gate_signalled(&l);
	if (error)
		return refusal(error);
	bpf_loop(IRQGATE_EVENTFD_SOURCES, gate_listener_cb, &l, 0);
	return refusal(l.error ? l.error : gate_listens(&l));
}

/* KVM_CREATE_VM: is there room for one more VM? */
static __noinline int gate_new_vm(struct file *file)
{
	struct attempt a = {};

	if (!file_is(file, kvm_dev_fops_addr))
		return 0;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.level = IRQGATE_LEVEL_BIND;
	return refusal(gate_room(&a, IRQGATE_ROOM_VMS, 1));
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_kvm_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	if (!kvm_binds(cmd) && cmd != KVM_S390_ZPCI_OP)
		return 0;
	return file_is(file, kvm_vm_fops_addr) ? gate_compat(0) : 0;
}

/* Commands by which vhost comes to hold an eventfd. */
static __always_inline bool vhost_binds(unsigned int cmd)
{
	return cmd == VHOST_SET_VRING_CALL || cmd == VHOST_SET_VRING_ERR ||
	       cmd == VHOST_SET_LOG_FD || cmd == VHOST_VDPA_SET_CONFIG_CALL;
}

/*
 * vhost signals these eventfds from a kernel thread, where no hook can stop it, so the signals
 * are attributed to the process that hands vhost the eventfd. On another file the command has no
 * meaning: the gate then reads and remembers nothing.
 */
static __noinline int gate_vhost_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhost_vring_file vring = {};

	if (!vhost_binds(cmd) || !file_is_vhost(file))
		return 0;
	switch (cmd) {
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		if (bpf_copy_from_user(&vring, sizeof(vring), (void *)arg))
			return -EFAULT;
		break;
	default:
		if (bpf_copy_from_user(&vring.fd, sizeof(vring.fd), (void *)arg))
			return -EFAULT;
	}
	return refusal(gate_signaller(vring.fd));
}

/*
 * Code that the loader could not hook (state.unhooked): its types and addresses may be unknown,
 * and no hook would see what it binds, so it may bind nothing new. The gate recognizes its files
 * by the driver's module or, if the driver is built in, only by the number of the command.
 */
static __always_inline bool may_be_of(struct file *file, union module_name prefix,
				      union module_name mask)
{
	struct module *mod = BPF_CORE_READ(file, f_op, owner);
	union module_name name = {};

	if (!mod)
		return true;
	bpf_core_read_str(name.text, sizeof(name.text), &mod->name);
	return (name.word[0] & mask.word[0]) == prefix.word[0];
}

#define MAY_BE_OF(file, prefix, mask)                                                              \
	may_be_of(file, (union module_name){ .text = prefix }, (union module_name){ .text = mask })

static __always_inline __u32 unhooked(void)
{
	struct irqgate_state *st = the_state();

	return st ? st->unhooked : 0;
}

/* Commands by which a process comes to use a device, or changes it. */
static __always_inline bool is_use(unsigned int cmd)
{
	switch (cmd) {
	case VFIO_GROUP_GET_DEVICE_FD:
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_DEVICE_BIND_IOMMUFD:
	case VFIO_IOMMU_MAP_DMA: /* and VFIO_DEVICE_PCI_HOT_RESET: they have one number */
	case VFIO_DEVICE_RESET:
	case VFIO_DEVICE_IOEVENTFD:
		return governs_access();
	}
	return false;
}

/* Does the command bind? Nearly all commands of a VMM do not. */
static __always_inline bool is_bind(unsigned int cmd)
{
	return cmd == VFIO_DEVICE_SET_IRQS || cmd == VFIO_DEVICE_FEATURE || kvm_binds(cmd) ||
	       vhost_binds(cmd);
}

static __always_inline bool is_unhooked(struct file *file, unsigned int cmd)
{
	if (cmd == VFIO_DEVICE_SET_IRQS || cmd == VFIO_DEVICE_FEATURE || is_use(cmd))
		return unhooked() & (IRQGATE_MODULE_KERNEL | IRQGATE_MODULE_VFIO) &&
		       MAY_BE_OF(file, "vfio", "\xff\xff\xff\xff");
	if (kvm_binds(cmd))
		return unhooked() & (IRQGATE_MODULE_KERNEL | IRQGATE_MODULE_KVM) &&
		       MAY_BE_OF(file, "kvm", "\xff\xff\xff");
	return is_bind(cmd) && unhooked() & IRQGATE_MODULE_KERNEL &&
	       MAY_BE_OF(file, "vhost", "\xff\xff\xff\xff\xff");
}

/* A number among the arguments, or @otherwise if it cannot be read. */
static __always_inline __u32 argument(unsigned long arg, __u32 offset, __u32 otherwise)
{
	__u32 v;

	return bpf_copy_from_user(&v, sizeof(v), (void *)arg + offset) ? otherwise : v;
}

/* The eventfds of VFIO_DEVICE_SET_IRQS. */
struct connected {
	unsigned long fds;
	bool any;
};

static long connected_cb(__u32 i, struct connected *c)
{
	c->any = (__s32)argument(c->fds, i * sizeof(__s32), 0) >= 0;
	return c->any;
}

/*
 * Does VFIO_DEVICE_SET_IRQS connect or raise a vector? Count 0 disables the index, and a negative
 * eventfd disconnects its vector: an owner may always end its bindings.
 */
static __always_inline bool connects(unsigned long arg)
{
	__u32 flags = argument(arg, offsetof(struct vfio_irq_set, flags), ~0u);
	__u32 count = argument(arg, offsetof(struct vfio_irq_set, count), ~0u);
	struct connected c = { .fds = arg + sizeof(struct vfio_irq_set) };

	if (!(flags & VFIO_IRQ_SET_ACTION_TRIGGER) || !count)
		return false;
	if (!(flags & VFIO_IRQ_SET_DATA_EVENTFD) || count > IRQGATE_MAX_VECTORS)
		return true;
	bpf_loop(count, connected_cb, &c, 0);
	return c.any;
}

/* Does the command bind or raise? It may also mask, unbind or only ask. */
static __always_inline bool adds(unsigned int cmd, unsigned long arg)
{
	__u32 v;

	switch (cmd) {
	case VFIO_DEVICE_SET_IRQS:
		return connects(arg);
	case VFIO_DEVICE_FEATURE:
		return binds_wakeup(argument(
			arg, offsetof(struct vfio_device_feature, flags),
			VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP));
	case KVM_IRQFD:
		v = argument(arg, offsetof(struct kvm_irqfd, flags), 0);
		return !(v & KVM_IRQFD_FLAG_DEASSIGN);
	case KVM_IOEVENTFD:
		v = argument(arg, offsetof(struct kvm_ioeventfd, flags), 0);
		return !(v & KVM_IOEVENTFD_FLAG_DEASSIGN);
	case KVM_HYPERV_EVENTFD:
		v = argument(arg, offsetof(struct kvm_hyperv_eventfd, flags), 0);
		return !(v & KVM_HYPERV_EVENTFD_DEASSIGN);
	}
	return true;
}

SHARED int refuse_unhooked(void)
{
	struct irqgate_state *st = the_state();
	struct attempt a = {};
	union decision r = {};

	if (!st || current_is_agent())
		return 0;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.level = IRQGATE_LEVEL_BIND;
	r.d = irqgate_act(slot_defaults(st, st->generation), IRQGATE_ACTION_DENY,
			  IRQGATE_REASON_UNHOOKED, IRQGATE_GD_NONE);
	return gate(&a, r.raw);
}

static __noinline int gate_unhooked(struct file *file, unsigned int cmd, unsigned long arg)
{
	return is_unhooked(file, cmd) && adds(cmd, arg) ? refusal(refuse_unhooked()) : 0;
}

/* The arguments of a 32-bit process cannot be read. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_unhooked_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	return is_unhooked(file, cmd) ? refusal(refuse_unhooked()) : 0;
}

/* The commands of VFIO by their arguments; gate_vfio_access() has judged the file. */
static __always_inline int gate_vfio_args(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_IOEVENTFD:
		return gate_ioeventfd(file, arg);
	case VFIO_GROUP_SET_CONTAINER:
		return gate_join(file, arg);
	default:
		return gate_vfio_ioctl(file, cmd, arg);
	}
}

/*
 * One program for all commands, because every ioctl of the system pays for the entry of each
 * program. For commands of other types it returns at the first comparison. The loader loads it
 * again when a module appears, because a program knows only the types of the modules that were
 * loaded before.
 */
SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	int error = 0;

	switch (_IOC_TYPE(cmd)) {
	case VFIO_TYPE:
		error = gate_vfio_access(file, cmd) ?: gate_vfio_args(file, cmd, arg);
		if (!error && is_use(cmd))
			error = gate_unhooked(file, cmd, arg);
		break;
	case KVMIO:
		error = cmd == KVM_CREATE_VM ? gate_new_vm(file) : gate_kvm_ioctl(file, cmd, arg);
		if (!error)
			error = gate_own_injection(file, cmd);
		break;
	case VHOST_VIRTIO:
		error = gate_vhost_ioctl(file, cmd, arg);
		break;
	default:
		return 0;
	}
	if (error)
		return refusal(error);
	return is_bind(cmd) ? gate_unhooked(file, cmd, arg) : 0;
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_vhost_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	return vhost_binds(cmd) && file_is_vhost(file) ? gate_compat(0) : 0;
}

char _license[] SEC("license") = "GPL";
