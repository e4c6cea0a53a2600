// SPDX-License-Identifier: GPL-2.0-only
/* Begin and end of objects: processes, VMs, irqfds, eventfds, modules, and the loader itself. */
#include "hook.bpf.h"
#include "gate.bpf.h"

/* Processes: the hooks take the identity at exec and hand it on at fork. */

static __always_inline bool names_process(struct irqgate_ident *id)
{
	void *rows = table_map(&table_matches);

	return rows && irqgate_match_process(rows, id->tgid, id->start);
}

SEC("lsm/task_alloc")
int BPF_PROG(task_forked, struct task_struct *task, unsigned long clone_flags)
{
	struct irqgate_ident *parent = ident_current();
	struct irqgate_ident *child;

	if (!parent)
		return 0;
	child = bpf_task_storage_get(&idents, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!child)
		return 0;
	*child = *parent;
	/* A pid row means the process and all its descendants. */
	if (names_process(parent)) {
		child->root = parent->tgid;
		child->root_start = parent->start;
	}
	child->tgid = 0; /* not known yet: ident_start() fills it in */
	child->start = 0;
	return 0;
}

SEC("lsm/bprm_committed_creds")
int BPF_PROG(task_execed, struct linux_binprm *bprm)
{
	struct irqgate_ident *id = ident_current();

	if (id)
		ident_capture(id, bpf_get_current_task_btf());
	return 0;
}

/* If the loader exits, a drop becomes a deny from now on. An agent's entry ends with the agent. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(task_exited, struct task_struct *task)
{
	struct irqgate_state *st = the_state();
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct irqgate_tgid_key akey = { .tgid = tgid };

	if (!st || BPF_CORE_READ(task, pid) != tgid)
		return 0;
	if (st->loader_tgid == tgid)
		st->loader_tgid = 0;
	bpf_map_delete_elem(&agents, &akey);
	return 0;
}

/* A cgroup appeared: does the table of a slot name its path? */
static __always_inline bool name_cgroup(__u32 slot, struct irqgate_path_key *path, __u64 id)
{
	void *paths = bpf_map_lookup_elem(&table_paths, &slot);
	void *cgroups = bpf_map_lookup_elem(&table_cgroups, &slot);
	struct irqgate_cgroup_key key = { .id = id };
	struct irqgate_cgroup *named, copy = {};

	named = paths && cgroups ? bpf_map_lookup_elem(paths, path) : NULL;
	if (!named || named->made >= IRQGATE_CGROUPS_MADE)
		return false;
	copy.number = named->number;
	if (bpf_map_update_elem(cgroups, &key, &copy, BPF_NOEXIST))
		return false;
	named->made++; /* no race: the kernel makes one cgroup at a time (cgroup_mutex) */
	return true;
}

/*
 * A cgroup that the policy names appears: its processes match from now on. The loader would find
 * it within a second, but a VMM may bind sooner. Any user may name its own cgroups freely, so the
 * whole path must be the policy's. Both slots get the cgroup, because the other one may be about
 * to come in force.
 */
SEC("raw_tp/cgroup_mkdir")
int cgroup_made(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cg = (struct cgroup *)ctx->args[0];
	struct irqgate_path_key path = {};
	bool named;
	__u64 id;

	if (BPF_CORE_READ(cg, root, hierarchy_id)) /* 0 is cgroup v2 */
		return 0;
	/* A path that fills the buffer may be cut short. The loader finds that cgroup. */
	if (bpf_probe_read_kernel_str(path.path, sizeof(path.path), (void *)ctx->args[1]) >=
	    IRQGATE_PATH_MAX)
		return 0;
	id = BPF_CORE_READ(cg, kn, id);
	named = name_cgroup(0, &path, id);
	if (name_cgroup(1, &path, id) || named)
		epoch_bump();
	return 0;
}

/* Modules: the loader hooks kvm and vfio when they appear. */

SEC("raw_tp/module_load")
int module_loaded(struct bpf_raw_tracepoint_args *ctx)
{
	struct module *mod = (struct module *)ctx->args[0];
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_MODULE);

	if (!ev)
		return 0;
	ev->count = 1;
	bpf_core_read_str(ev->comm, sizeof(ev->comm), &mod->name);
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/*
 * VMs. kvm_arch_init_vm runs in the process that creates the VM, before any process has the VM's
 * fd. If it fails, there is no VM. If a later step fails, or when the VM ends,
 * kvm_arch_destroy_vm runs.
 */
static __always_inline int do_vm_created(__u64 kvm, int error)
{
	if (!error)
		vm_learn((struct kvm *)kvm, ident_current(), false);
	return 0;
}

SEC("fexit/kvm_arch_init_vm")
int BPF_PROG(vm_created, struct kvm *kvm, unsigned long type, int ret)
{
	return do_vm_created(as_number(kvm), ret);
}

SEC("kprobe.multi")
int BPF_KPROBE(vm_created_enter_kp, __u64 kvm)
{
	return call_enter(kvm, 0);
}

SEC("kretprobe.multi")
int BPF_KRETPROBE(vm_created_kp, int ret)
{
	struct irqgate_call call;

	return call_exit(&call) ? do_vm_created(call.a, ret) : 0;
}

HOOK(vm_destroyed, "kvm_arch_destroy_vm", struct kvm *kvm)
{
	struct irqgate_ptr_key key = { .ptr = (__u64)kvm };

	vm_forget(&key);
	epoch_bump();
	return 0;
}

static __always_inline bool stopped(union decision r)
{
	return r.d.verdict == IRQGATE_VERDICT_DROP || r.d.verdict == IRQGATE_VERDICT_DENY;
}

/*
 * Would a VM receive a vector of others? @irq is the vector's. If so, the attempt gets the vector.
 * SHARED, because the verifier would walk it for each of the eventfd's places.
 */
SHARED __u64 decide_intrusion(struct attempt *a, __u32 irq)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);
	struct listening who = {};
	struct irqgate_vm *vm;
	union decision r;
	__u32 gd;

	if (!a || !b)
		return 0;
	vm = vm_entry(a->vm);
	/*
	 * Skip an unauthorized binding, which is contained itself, and a binding of the VM's
	 * owner, on which the VM does not intrude.
	 */
	if (b->verdict > IRQGATE_VERDICT_AUDIT ||
	    (vm && same_process(vm_creator(vm), &b->binder)) ||
	    (a->gd != IRQGATE_GD_NONE && a->gd == ident_gd(&b->binder)))
		return 0;
	who.alone = !ident_known(&b->binder);
	r.raw = decide_delivery(b->handle, b->vector, a->vm, &b->binder, &who, &gd);
	if (!stopped(r))
		return 0;
	a->handle = b->handle;
	a->vector = b->vector;
	return r.raw;
}

/*
 * Judge a VM that came to listen to an eventfd of others past the gate, by a race. The attempt
 * gets the vector that the VM would receive.
 */
SHARED __u64 decide_intruder(struct attempt *a)
{
	struct irqgate_eventfd *e = a ? eventfd_entry(a->eventfd) : NULL;
	__u64 raw;
	__u32 i;

	if (!e)
		return 0;
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		raw = e->source[i] ? decide_intrusion(a, e->source[i]) : 0;
		if (raw)
			return raw;
	}
	return decide_newcomer(a->eventfd, a->vm);
}

/*
 * An irqfd listens from now on. An intruding irqfd is not recorded, so that the vectors and
 * writes of the earlier users of the eventfd stay authorized. Its process is killed, which ends
 * the irqfd. If another process keeps the VM, the next search finds the irqfd and the vectors are
 * quarantined.
 */
static __always_inline int irqfd_added(__u64 ptr)
{
	struct kvm_kernel_irqfd *irqfd = (void *)ptr;
	struct attempt a = {};
	union decision r;

	a.eventfd = (__u64)BPF_CORE_READ(irqfd, eventfd);
	a.vm = (__u64)BPF_CORE_READ(irqfd, kvm);
	a.gsi = BPF_CORE_READ(irqfd, gsi) + 1;
	a.gd = vm_gd(a.vm);
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.level = IRQGATE_LEVEL_BIND;
	r.raw = decide_intruder(&a);
	if (stopped(r) && gate(&a, r.raw)) {
		bpf_send_signal(SIGKILL);
		return 0;
	}
	return irqfd_learn(ptr, false);
}

/*
 * irqfds. Up to 6.16 nothing can fail after the wait queue entry is queued. Since 6.17 the
 * queueing itself may fail (an eventfd takes only one irqfd), so the hook at the return checks
 * the result.
 */
SEC("fentry/irqfd_ptable_queue_proc")
int BPF_PROG(irqfd_queued, struct file *file, struct wait_queue_head *wqh, poll_table *pt)
{
	irqfd_added(core_container_of(as_number(pt), struct kvm_kernel_irqfd, pt));
	return 0;
}

SEC("kprobe.multi")
int BPF_KPROBE(irqfd_queued_kp, struct file *file, struct wait_queue_head *wqh, poll_table *pt)
{
	irqfd_added(core_container_of(as_number(pt), struct kvm_kernel_irqfd, pt));
	return 0;
}

static __always_inline int do_irqfd_registered(__u64 pt, __u64 unused)
{
	struct kvm_irqfd_pt *p = (void *)core_container_of(pt, struct kvm_irqfd_pt, pt);

	if (!BPF_CORE_READ(p, ret))
		irqfd_added((__u64)BPF_CORE_READ(p, irqfd));
	return 0;
}

SEC("fexit/kvm_irqfd_register")
int BPF_PROG(irqfd_registered, struct file *file, struct wait_queue_head *wqh, poll_table *pt)
{
	return do_irqfd_registered(as_number(pt), 0);
}

SEC("kprobe.multi")
int BPF_KPROBE(irqfd_registered_enter_kp, struct file *file, struct wait_queue_head *wqh,
	       poll_table *pt)
{
	return call_enter((__u64)pt, 0);
}

HOOK_EXIT_KPROBE(irqfd_registered)

HOOK(irqfd_ended, "irqfd_shutdown", struct work_struct *work)
{
	irqfd_forget(core_container_of(as_number(work), struct kvm_kernel_irqfd, shutdown));
	return 0;
}

static long original_gone_cb(struct bpf_map *map, const void *key, struct irqgate_binding *b,
			     __u64 *ctx)
{
	if (b->original == *ctx)
		b->original = 0;
	return 0;
}

/* Forget the eventfd in @untracked vectors, which had no place in its entry. */
static __always_inline void originals_forget(__u64 *ctx, __u32 untracked)
{
#if !defined(__TARGET_ARCH_s390)
	/* Not all s390 kernels have the JIT that callbacks need. */
	if (untracked)
		bpf_for_each_map_elem(&bindings, original_gone_cb, ctx, 0);
#endif
}

/*
 * An eventfd ended, so its address may be reused. A quarantined vector of it has no owner's
 * eventfd any more. Those without a place in the entry are found by a look at all bindings.
 */
static __noinline int eventfd_ended(__u64 ctx)
{
	struct irqgate_ptr_key key = { .ptr = ctx };
	struct irqgate_eventfd *e = eventfd_entry(ctx);
	__u32 source[IRQGATE_EVENTFD_SOURCES], untracked, i;

	if (!e)
		return 0;
	__builtin_memcpy(source, e->source, sizeof(source));
	untracked = e->untracked;
	/* First the entry: a quarantine sets `original` and then looks whether there is one. */
	eventfd_forget(&key, e->account);
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key ikey = { .irq = source[i] };
		struct irqgate_binding *b;

		b = ikey.irq ? bpf_map_lookup_elem(&bindings, &ikey) : NULL;
		if (b && b->original == ctx)
			b->original = 0;
	}
	originals_forget(&ctx, untracked);
	return 0;
}

/*
 * eventfds. The entry is removed at the last reference: then no binding holds the eventfd and
 * none can be made, so nothing races with the removal. If two puts each see the reference of the
 * other, or the kernel skips the hook, the entry stays until an eventfd gets the same address, or
 * until the loader's periodic check finds it unused.
 */
static __always_inline int eventfd_put(__u64 ctx)
{
	return eventfd_references(ctx) == REFERENCES_FREE ? eventfd_ended(ctx) : 0;
}

/* A file is made for a new eventfd, before any process has it: an entry is of a former one. */
static __always_inline int eventfd_new(__u64 fops, __u64 ctx)
{
	return fops == eventfd_fops_addr ? eventfd_ended(ctx) : 0;
}

HOOK(eventfd_made, "anon_inode_getfile", const char *name, const struct file_operations *fops,
     void *priv)
{
	return eventfd_new(as_number(fops), as_number(priv));
}

HOOK(eventfd_made_fmode, "anon_inode_getfile_fmode", const char *name,
     const struct file_operations *fops, void *priv)
{
	return eventfd_new(as_number(fops), as_number(priv));
}

HOOK(eventfd_ctx_dropped, "eventfd_ctx_put", struct eventfd_ctx *efd)
{
	return eventfd_put(as_number(efd));
}

HOOK(eventfd_closed, "eventfd_release", struct inode *inode, struct file *file)
{
	return eventfd_put((__u64)BPF_CORE_READ(file, private_data));
}

char _license[] SEC("license") = "GPL";
