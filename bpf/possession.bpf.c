// SPDX-License-Identifier: GPL-2.0-only
/*
 * The possession gate: which process may come to hold an eventfd or a VFIO device of others.
 *
 * A descriptor arrives by SCM_RIGHTS, pidfd_getfd or io_uring. A process that may not signal a
 * protected eventfd, or bind a device, may not come to hold it either, because no gate can stop a
 * signal from inside the kernel later.
 */
#include "vfio.bpf.h"

/* May an agent receive this eventfd? A pointer alone may name another eventfd by now. */
static __noinline bool agent_may_have(struct irqgate_agent *agent, __u64 efd)
{
	struct irqgate_irq_key key = {};
	struct irqgate_binding *b;

	if (!agent || agent->eventfd != efd)
		return false;
	key.irq = agent->irq;
	b = bpf_map_lookup_elem(&bindings, &key);
	if (!b || binding_home(b) != efd)
		return false;
	/* As long as the vector is bound, VFIO holds the eventfd. */
	return b->state == IRQGATE_BINDING_BOUND || eventfd_lists(efd, key.irq);
}

SEC("lsm/file_receive")
int BPF_PROG(gate_file_receive, struct file *file)
{
	struct irqgate_agent *agent;
	struct attempt a = {};

	if ((__u64)file->f_op != eventfd_fops_addr)
		return 0;
	a.eventfd = (__u64)BPF_CORE_READ(file, private_data);
	agent = current_agent();
	if (agent)
		return agent_may_have(agent, a.eventfd) ? 0 : -EACCES;
	a.level = IRQGATE_LEVEL_POSSESSION;
	return refusal(gate_eventfd(&a));
}

/*
 * An agent copies a file by its number in another process, which may have given the number to
 * another file meanwhile: a file on which its owner lets every call hang, or another device. The
 * agent gets the file that it wants, and no other of whatever type.
 */
static __always_inline bool agent_wants(struct irqgate_agent *agent, struct file *file)
{
	if (file_is(file, eventfd_fops_addr))
		return true; /* gate_file_receive decides */
	return file_is(file, vfio_device_fops_addr) &&
	       agent->device ==
		       core_container_of(vfio_file_device(file), struct vfio_pci_core_device, vdev);
}

SEC("lsm/file_receive")
int BPF_PROG(gate_vfio_receive, struct file *file)
{
	struct irqgate_agent *agent = current_agent();
	struct irqgate_device_key key = {};
	struct attempt a = {};

	if (agent)
		return agent_wants(agent, file) ? 0 : -EACCES;
	if (!file_is(file, vfio_device_fops_addr))
		return 0;
	key.handle = vfio_file_handle(file);
	a.handle = key.handle;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.level = IRQGATE_LEVEL_POSSESSION;
	if (gate(&a, decide_access(a.handle, a.gd, IRQGATE_RECEIVES)))
		return -EACCES;
	/*
	 * With the descriptor a process could make the device bus master again, but irqgate can
	 * also quarantine its vectors.
	 */
	if (key.handle && bpf_map_lookup_elem(&isolated, &key) && loader_alive()) {
		hold_current();
		ask_loader(key.handle, IRQGATE_VECTOR_FUNCTION);
	}
	return 0;
}

#define PTRACE_MODE_ATTACH 0x02
#define CAP_SYS_PTRACE 19

/* May the process trace every process? Root of the initial user namespace is trusted. */
static __always_inline bool traces_all(void)
{
	const struct cred *cred = BPF_CORE_READ(bpf_get_current_task_btf(), cred);
	__u32 caps = 0;

	bpf_core_read(&caps, sizeof(caps), &cred->cap_effective);
	return caps & 1U << CAP_SYS_PTRACE && !BPF_CORE_READ(cred, user_ns, level);
}

/*
 * A process that traces another one, writes its memory or takes its descriptors acts as that one.
 */
SEC("lsm/ptrace_access_check")
int BPF_PROG(gate_trace, struct task_struct *child, unsigned int mode)
{
	struct irqgate_state *st = the_state();
	struct irqgate_ident *id;
	struct attempt a = {};
	union decision r = {};

	if (!st || !(mode & PTRACE_MODE_ATTACH) || traces_all())
		return 0;
	id = bpf_task_storage_get(&idents, child, NULL, 0);
	if (id)
		ident_start(id, child); /* complete the identity of a new child */
	/*
	 * A thread whose identity found no memory has that of its process, which has that of its
	 * parent.
	 */
	id = id ?: bpf_task_storage_get(&idents, child->group_leader, NULL, 0) ?:
	     bpf_task_storage_get(&idents, child->real_parent, NULL, 0);
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd_current();
	a.level = IRQGATE_LEVEL_POSSESSION;
	if (!id)
		return refusal(gate_full(&a));
	r.d = irqgate_decide_trace(slot_defaults(st, st->generation), ident_gd(id), a.gd);
	return refusal(gate(&a, r.raw));
}

char _license[] SEC("license") = "GPL";
