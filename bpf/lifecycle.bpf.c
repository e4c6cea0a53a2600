// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where things begin and end: processes, VMs, irqfds, eventfds, modules, and the
 * loader itself.
 */
#include "hook.bpf.h"
#include "learn.bpf.h"
#include <irqgate/hash.h>

/* Processes: the identity is taken at exec and handed on at fork. */

static __always_inline bool names_process(struct irqgate_ident *id)
{
	void *rows = table_map(&table_matches);

	return rows && (irqgate_match_pid(rows, 0, id->tgid, id->start) ||
			irqgate_match_pid(rows, 1, id->tgid, id->start));
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
	/* A process a pid row names makes its whole tree. */
	if (names_process(parent)) {
		child->root = parent->tgid;
		child->root_start = parent->start;
	}
	child->tgid = 0; /* not known yet: ident_current fills it in */
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

/* The loader is gone: from now on a drop must be a deny. */
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

static __always_inline void match_cgroup(void *rows, __u32 source, __u64 path, __u64 id)
{
	struct irqgate_match_key by_path = {
		.kind = IRQGATE_MATCH_CGROUP_PATH,
		.source = source,
		.a = path,
	};
	struct irqgate_match_key by_id = {
		.kind = IRQGATE_MATCH_CGROUP,
		.source = source,
		.a = id,
	};
	struct irqgate_match *row = bpf_map_lookup_elem(rows, &by_path);
	struct irqgate_match copy;

	if (!row)
		return;
	copy = *row;
	bpf_map_update_elem(rows, &by_id, &copy, BPF_NOEXIST);
	epoch_bump();
}

/*
 * A cgroup the policy names appears: from now on its processes are matched. The
 * loader would find it within a second; a VMM may bind sooner.
 */
SEC("raw_tp/cgroup_mkdir")
int cgroup_made(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cg = (struct cgroup *)ctx->args[0];
	void *rows = table_map(&table_matches);
	char path[IRQGATE_PATH_MAX] = {};
	__u64 hash, id;

	if (!rows || BPF_CORE_READ(cg, root, hierarchy_id)) /* 0 is cgroup v2 */
		return 0;
	if (bpf_probe_read_kernel_str(path, sizeof(path), (void *)ctx->args[1]) < 0)
		return 0;
	hash = irqgate_hash_text(path, sizeof(path));
	id = BPF_CORE_READ(cg, kn, id);
	match_cgroup(rows, 0, hash, id);
	match_cgroup(rows, 1, hash, id);
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

/* VMs. kvm_arch_init_vm runs in the process that creates the VM. */

HOOK1(vm_created, "kvm_arch_init_vm", struct kvm *, kvm)
{
	vm_learn(kvm, ident_current(), false);
	return 0;
}

HOOK1(vm_destroyed, "kvm_destroy_vm", struct kvm *, kvm)
{
	struct irqgate_ptr_key key = { .ptr = (__u64)kvm };

	bpf_map_delete_elem(&vms, &key);
	epoch_bump();
	return 0;
}

/*
 * irqfds. Up to 6.16 nothing can fail once the wait queue entry is queued; since
 * 6.17 queueing itself may (an eventfd takes one irqfd only), so the return is
 * what counts.
 */
SEC("fentry/irqfd_ptable_queue_proc")
int BPF_PROG(irqfd_queued, struct file *file, struct wait_queue_head *wqh, poll_table *pt)
{
	irqfd_learn(core_container_of(as_number(pt), struct kvm_kernel_irqfd, pt), false);
	return 0;
}

SEC("kprobe.multi")
int BPF_KPROBE(irqfd_queued_kp, struct file *file, struct wait_queue_head *wqh, poll_table *pt)
{
	irqfd_learn(core_container_of(as_number(pt), struct kvm_kernel_irqfd, pt), false);
	return 0;
}

static __always_inline int do_irqfd_registered(__u64 pt, __u64 unused)
{
	struct kvm_irqfd_pt *p = (void *)core_container_of(pt, struct kvm_irqfd_pt, pt);

	if (!BPF_CORE_READ(p, ret))
		irqfd_learn((__u64)BPF_CORE_READ(p, irqfd), false);
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

HOOK1(irqfd_ended, "irqfd_shutdown", struct work_struct *, work)
{
	irqfd_forget(core_container_of(as_number(work), struct kvm_kernel_irqfd, shutdown));
	return 0;
}

/*
 * eventfds. The entry goes with the last reference: then no binding can hold the
 * eventfd and none can be made, so nothing races with the removal. Two puts that
 * each see the other's reference leave the entry to the loader's periodic check.
 */
static __always_inline int eventfd_put(__u64 ctx)
{
	struct irqgate_ptr_key key = { .ptr = ctx };
	struct eventfd_ctx *efd = (struct eventfd_ctx *)ctx;
	struct irqgate_eventfd *e;
	__u32 i;

	if (BPF_CORE_READ(efd, kref.refcount.refs.counter) != 1)
		return 0;
	e = eventfd_entry(ctx);
	if (!e)
		return 0;
	/* A quarantined vector's owner closed it: its address may become another's. */
	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++) {
		struct irqgate_irq_key ikey = { .irq = e->source[i] };
		struct irqgate_binding *b;

		b = ikey.irq ? bpf_map_lookup_elem(&bindings, &ikey) : NULL;
		if (b && b->original == ctx)
			b->original = 0;
	}
	bpf_map_delete_elem(&eventfds, &key);
	return 0;
}

HOOK1(eventfd_ctx_dropped, "eventfd_ctx_put", struct eventfd_ctx *, efd)
{
	return eventfd_put((__u64)efd);
}

HOOK2(eventfd_closed, "eventfd_release", struct inode *, inode, struct file *, file)
{
	return eventfd_put((__u64)BPF_CORE_READ(file, private_data));
}

char _license[] SEC("license") = "GPL";
