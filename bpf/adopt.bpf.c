// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds what exists already: processes, VFIO devices, VMs and their bindings.
 *
 * The loader runs this when it starts or a module appears, after the gates are attached, and
 * periodically. The iterators also tell the loader which process holds which VFIO device or
 * eventfd under which descriptor: a quarantine needs that.
 */
#include "track.bpf.h"

#define MAX_FOREBEARS 8

struct walk {
	struct vfio_pci_core_device *vdev;
	struct irqgate_ident *owner;
};

/* Notes the nearest ancestor that a pid row names. */
static __always_inline void note_forebear(struct irqgate_ident *id, struct task_struct *t)
{
	void *rows = table_map(&table_matches);
	int i;

	if (!rows || irqgate_match_process(rows, id->root, id->root_start))
		return;
	for (i = 0; i < MAX_FOREBEARS; i++) {
		__u64 start;
		__u32 tgid;

		t = BPF_CORE_READ(t, real_parent);
		tgid = BPF_CORE_READ(t, tgid);
		if (tgid <= 1)
			return;
		start = BPF_CORE_READ(t, group_leader, start_boottime);
		if (!irqgate_match_process(rows, tgid, start))
			continue;
		id->root = tgid;
		id->root_start = start;
		return;
	}
}

/*
 * Give every process an identity. The loader runs this after each new table, so also set the
 * place of the process in the tree of a process that a pid row names.
 */
SEC("iter/task")
int adopt_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct irqgate_ident *id;

	if (!t)
		return 0;
	id = bpf_task_storage_get(&idents, t, NULL, 0);
	if (!id) {
		id = bpf_task_storage_get(&idents, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!id)
			return 0;
		ident_capture(id, t);
	}
	note_forebear(id, t);
	return 0;
}

static long judge_cb(struct bpf_map *map, const void *key, struct irqgate_binding *b, void *unused)
{
	struct irqgate_eventfd *e = NULL;

	if (b->state != IRQGATE_BINDING_HOST)
		e = eventfd_entry(binding_home(b));
	if (e && e->untracked && eventfd_place(e, b->irq) == NEW_PLACE)
		forget_untracked(e);
	decide_binding(b);
	if (b->state == IRQGATE_BINDING_HOST)
		fold_early(b);
	return 0;
}

/* Do not try again to replay an interrupt that no process can get any more. */
static __always_inline void forget_for_agent(void)
{
	struct irqgate_agent *agent = current_agent();
	struct irqgate_irq_key key = {};
	struct irqgate_binding *b;

	if (!agent || agent->op != IRQGATE_AGENT_FORGET)
		return;
	key.irq = agent->irq;
	b = bpf_map_lookup_elem(&bindings, &key);
	if (b)
		b->pending = 0;
}

/*
 * Bring the verdict of every binding up to date with the table, also of bindings without
 * interrupts. The command runs this after a change of the table, and acts on the verdicts that
 * the map then has.
 */
SEC("syscall")
int judge_all(void *unused)
{
	forget_for_agent();
	bpf_for_each_map_elem(&bindings, judge_cb, NULL, 0);
	return 0;
}

#if defined(__TARGET_ARCH_s390)
/* judge_all() for one binding. Callbacks need a JIT, which some kernels do not have. */
SEC("syscall")
int judge_one(struct irqgate_irq_key *which)
{
	struct irqgate_irq_key key = { .irq = which->irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);

	if (b)
		judge_cb(NULL, &key, b, NULL);
	return 0;
}
#endif

static long sweep_binding(struct bpf_map *map, const struct irqgate_irq_key *key,
			  struct irqgate_binding *b, __u32 *adoption)
{
	struct irqgate_vector_key vkey = {};

	if (b->state == IRQGATE_BINDING_HOST || b->seen == *adoption)
		return 0;
	vkey.handle = b->handle;
	vkey.vector = b->vector;
	unbind(&vkey, key->irq);
	return 0;
}

static long sweep_irqfd(struct bpf_map *map, const struct irqgate_ptr_key *key,
			struct irqgate_irqfd *irqfd, __u32 *adoption)
{
	if (irqfd->seen != *adoption)
		irqfd_forget(key->ptr);
	return 0;
}

static long sweep_vm(struct bpf_map *map, const struct irqgate_ptr_key *key, struct irqgate_vm *vm,
		     __u32 *adoption)
{
	struct irqgate_ptr_key gone = { .ptr = key->ptr };

	if (vm->seen != *adoption)
		vm_forget(&gone);
	return 0;
}

/*
 * The search made rows for all irqfds on an eventfd, or marked it again. If a hook marks it at this
 * moment, the mark is lost until the next search, for which the hook has asked.
 */
static long sweep_lost(struct bpf_map *map, const void *key, struct irqgate_eventfd *e,
		       __u32 *adoption)
{
	if (e->lost != irqgate_search(*adoption))
		e->lost = 0;
	if (e->writes_seen != *adoption)
		__builtin_memset(e->writes, 0, sizeof(e->writes));
	return 0;
}

/*
 * After a search, remove the objects that it did not find. They ended while no hook could see it.
 */
SEC("syscall")
int adopt_sweep(void *unused)
{
	struct irqgate_state *st = the_state();
	__u32 now = adoption();

	bpf_for_each_map_elem(&bindings, sweep_binding, &now, 0);
	/* The next search sees what this one may have left out. */
	if (st && st->cut_irqfds != now)
		bpf_for_each_map_elem(&irqfds, sweep_irqfd, &now, 0);
	if (st && st->cut_vms != now)
		bpf_for_each_map_elem(&vms, sweep_vm, &now, 0);
	if (st && st->cut_irqfds != now)
		bpf_for_each_map_elem(&eventfds, sweep_lost, &now, 0);
	epoch_bump();
	return 0;
}

static __always_inline struct irqgate_ident *ident_of(struct task_struct *t)
{
	struct irqgate_ident *id = bpf_task_storage_get(&idents, t, NULL, 0);

	if (id)
		ident_start(id, t);
	return id;
}

/*
 * Report a VFIO device or, without a handle, an eventfd. A function of its own, because its stack
 * is not needed while the vectors are looked at.
 */
static __noinline int tell(struct bpf_iter_meta *meta, struct task_struct *t, __s32 fd,
			   __u64 handle, __u64 object)
{
	struct irqgate_file f = {};

	f.kind = handle ? IRQGATE_FILE_VFIO_DEVICE : IRQGATE_FILE_EVENTFD;
	f.tgid = BPF_CORE_READ(t, tgid);
	f.tid = BPF_CORE_READ(t, pid);
	f.fd = fd;
	f.handle = handle;
	f.object = object;
	f.start = BPF_CORE_READ(t, group_leader, start_boottime);
	f.gd = IRQGATE_GD_NONE;
	if (fd < 0 && governs_access()) {
		struct irqgate_ident *id = ident_of(t);
		union decision r;

		f.gd = ident_gd(id);
		r.raw = decide_access(handle, f.gd, IRQGATE_USES);
		/* There was no memory for its identity: it may be the owner, so only report it. */
		if (!id && r.d.verdict > IRQGATE_VERDICT_AUDIT)
			r.d.verdict = IRQGATE_VERDICT_AUDIT;
		f.verdict = r.d.verdict;
		f.reason = r.d.reason;
	}
	return bpf_seq_write(meta->seq, &f, sizeof(f));
}

static long adopt_vector_cb(__u32 vector, struct walk *w)
{
	sync_vector((__u64)w->vdev, vector, w->owner, true);
	return 0;
}

static __always_inline void adopt_vectors(struct walk *w)
{
	sync_ioeventfds((__u64)w->vdev, IRQGATE_ACCOUNT_ALL);
	sync_vector((__u64)w->vdev, IRQGATE_VECTOR_FUNCTION, w->owner, true);
#if defined(__TARGET_ARCH_s390)
	/* Not all s390 kernels have the JIT that callbacks need. */
	__u32 n = vfio_vectors(w->vdev), i;

	for (i = 0; i < IRQGATE_MAX_VECTORS; i++) {
		if (i >= n)
			break;
		adopt_vector_cb(i, w);
	}
#else
	bpf_loop(vfio_vectors(w->vdev), adopt_vector_cb, w, 0);
#endif
}

/*
 * A sysfs directory that the loader opened, of a device that belongs to VFIO. It leads to the
 * device's bindings even if no process has a descriptor of the device, because that is in flight
 * in a socket or a fixed file of an io_uring.
 */
static __always_inline int adopt_directory(struct file *file)
{
	struct kernfs_node *kn = BPF_CORE_READ(file, f_inode, i_private);
	struct kobject *kobj = BPF_CORE_READ(kn, priv);
	struct device *dev = (void *)core_container_of(kobj, struct device, kobj);
	struct walk w = {};

	if (!device_handle(dev))
		return 0;
	w.vdev = BPF_CORE_READ(dev, driver_data);
	if (w.vdev)
		adopt_vectors(&w);
	return 0;
}

/* VFIO devices, and eventfds, among which the loader finds the original one of a binding. */
SEC("iter/task_file")
int adopt_vfio(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	struct file *file = ctx->file;
	struct vfio_device *dev;
	struct walk w = {};
	__u64 handle;

	if (!t || !file)
		return 0;
	if (BPF_CORE_READ(t, tgid) == bpf_get_current_pid_tgid() >> 32 &&
	    file_is(file, kernfs_dir_fops_addr))
		return adopt_directory(file);
	if (file_is(file, eventfd_fops_addr)) {
		tell(ctx->meta, t, ctx->fd, 0, (__u64)BPF_CORE_READ(file, private_data));
		return 0;
	}
	if (!file_is(file, vfio_device_fops_addr))
		return 0;
	dev = vfio_file_device(file);
	handle = device_handle(BPF_CORE_READ(dev, dev));
	if (!handle)
		return 0;
	w.vdev = (void *)core_container_of(dev, struct vfio_pci_core_device, vdev);
	w.owner = ident_of(t);
	tell(ctx->meta, t, ctx->fd, handle, (__u64)w.vdev);
	adopt_vectors(&w);
	return 0;
}

/* Processes that have a VFIO device mapped: the mapping keeps it open without a descriptor. */
SEC("iter/task_vma")
int find_maps(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *t = ctx->task;
	struct vfio_device *dev;
	struct file *file;
	__u64 handle;

	if (!t || !vma)
		return 0;
	file = BPF_CORE_READ(vma, vm_file);
	if (!file || !file_is(file, vfio_device_fops_addr))
		return 0;
	dev = vfio_file_device(file);
	handle = device_handle(BPF_CORE_READ(dev, dev));
	if (handle)
		tell(ctx->meta, t, -1, handle,
		     (__u64)core_container_of(dev, struct vfio_pci_core_device, vdev));
	return 0;
}

/*
 * A walk through a list of the kernel, without its lock. If the list changed under the walk, .next
 * is not the head at the end.
 */
struct list_walk {
	struct list_head *head, *next;
};

static long adopt_irqfd_cb(__u32 i, struct list_walk *w)
{
	struct list_head *entry = w->next;

	if (!entry || entry == w->head)
		return 1;
	irqfd_learned((__u64)core_container_of(entry, struct kvm_kernel_irqfd, list), true);
	w->next = BPF_CORE_READ(entry, next);
	return w->next == entry; /* it was taken off the list */
}

SEC("iter/task_file")
int adopt_kvm(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	struct file *file = ctx->file;
	struct kvm *kvm;

	if (!t || !file || !file_is(file, kvm_vm_fops_addr))
		return 0;
	kvm = BPF_CORE_READ(file, private_data);
	/* The VM has its creator's mm. Another holder of the file does not own the VM. */
	if (BPF_CORE_READ(kvm, mm) == BPF_CORE_READ(t, mm))
		vm_learn(kvm, ident_of(t), true);
	return 0;
}

/*
 * For a VM whose file no process has: take its owner's identity from the mm in which it was made.
 */
static __always_inline bool mm_owner(struct kvm *kvm, struct irqgate_ident *id)
{
	struct mm_struct *mm = BPF_CORE_READ(kvm, mm);
	struct task_struct *t = NULL;

	if (mm && bpf_core_field_exists(struct mm_struct, owner))
		t = BPF_CORE_READ(mm, owner);
	if (!t || BPF_CORE_READ(t, mm) != mm)
		return false; /* the process is gone */
	ident_capture(id, t);
	note_forebear(id, t);
	return true;
}

static long adopt_vm_cb(__u32 i, struct list_walk *w)
{
	struct list_head *entry = w->next;
	struct irqgate_ident id = {};
	struct kvm *kvm;

	if (!entry || entry == w->head)
		return 1;
	kvm = (void *)core_container_of(entry, struct kvm, vm_list);
	vm_learn(kvm, mm_owner(kvm, &id) ? &id : NULL, true);
	w->next = BPF_CORE_READ(entry, next);
	return 0;
}

static __noinline int adopt_list(struct list_head *head)
{
	struct list_walk w = { .head = head };

	if (!head)
		return 0;
	w.next = BPF_CORE_READ(head, next);
	bpf_loop(max_rows[IRQGATE_ROOM_VMS], adopt_vm_cb, &w, 0);
	if (w.next != head) {
		struct irqgate_state *st = the_state();

		if (st)
			st->cut_vms = st->adoption;
		search_cut();
	}
	return 0;
}

static long adopt_irqfds_cb(struct bpf_map *map, const struct irqgate_ptr_key *key,
			    struct irqgate_vm *vm, void *unused)
{
	struct kvm *kvm = (void *)key->ptr;
	struct list_head *head = (void *)kvm + bpf_core_field_offset(struct kvm, irqfds.items);
	struct list_walk w = { .head = head };

	/* The VM may be gone: this search did not find it. */
	if (vm->seen != adoption())
		return 0;
	/* Not by BPF_CORE_READ(), which takes stack: on 6.1 the calls below use all of it. */
	bpf_core_read(&w.next, sizeof(w.next), &head->next);
	bpf_loop(max_rows[IRQGATE_ROOM_IRQFDS], adopt_irqfd_cb, &w, 0);
	if (w.next != head)
		search_cut();
	return 0;
}

/* All VMs, by KVM's own list. VMs that adopt_kvm found have their creator already. */
SEC("syscall")
int adopt_vms(void *unused)
{
	adopt_list((void *)vm_list_addr);
	/* adopt_list() has returned, so its stack is free for the callbacks. */
	bpf_for_each_map_elem(&vms, adopt_irqfds_cb, NULL, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
