// SPDX-License-Identifier: GPL-2.0-only
#include "lib/util.h"
#include "loader/hook.h"

/* clang-format off */
const struct hook hooks[] = {
	{ "task_forked", "bpf_lsm_task_alloc", HOOK_GATE, STAGE_CORE, .what = "identity at fork" },
	{ "task_execed", "bpf_lsm_bprm_committed_creds", HOOK_GATE, STAGE_CORE, .what = "identity at exec" },
	{ "gate_file_permission", "bpf_lsm_file_permission", HOOK_GATE, STAGE_CORE, .reload_on_module = true, .what = "injection gate: eventfd read and write; access gate: VFIO devices" },
	{ "gate_file_receive", "bpf_lsm_file_receive", HOOK_GATE, STAGE_CORE, .what = "possession gate: eventfds" },
	{ "gate_trace", "bpf_lsm_ptrace_access_check", HOOK_GATE, STAGE_CORE, .what = "possession gate: processes that are traced" },
	{ "gate_ioctl", "bpf_lsm_file_ioctl", HOOK_GATE, STAGE_CORE, .reload_on_module = true, .what = "bind gate: VFIO, KVM and vhost; access gate: VFIO; injection gate: a VMM into its own VM" },
	{ "gate_vhost_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_CORE, .optional = true, .what = "bind gate: 32-bit vhost" },
	{ "gate_unhooked_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_CORE, .optional = true, .what = "bind gate: 32-bit, of modules that cannot be hooked" },
	{ "task_exited", "sched_process_exit", HOOK_TP, STAGE_CORE, .what = "loader's end" },
	{ "cgroup_made", "cgroup_mkdir", HOOK_TP, STAGE_CORE, .what = "cgroups that appear" },
	{ "module_loaded", "module_load", HOOK_TP, STAGE_CORE, .what = "modules that appear" },
	{ "eventfd_ctx_dropped", "eventfd_ctx_put", HOOK_TRACE, STAGE_CORE, .what = "eventfd's end" },
	{ "eventfd_closed", "eventfd_release", HOOK_TRACE, STAGE_CORE, .what = "eventfd's end" },
	{ "eventfd_made", "anon_inode_getfile", HOOK_TRACE, STAGE_CORE, .what = "a new eventfd" },
	{ "eventfd_made_fmode", "anon_inode_getfile_fmode", HOOK_TRACE, STAGE_CORE, .sibling = "anon_inode_getfile", .what = "a new eventfd, later kernels" },
	{ "eventfd_signalled", "eventfd_signal_mask", HOOK_TRACE, STAGE_CORE, .single = true, .yields = true, .what = "kernel-side signals" },
	{ "eventfd_taken", "eventfd_ctx_fdget", HOOK_TRACE, STAGE_CORE, .on_return = true, .ret_only = true, .what = "who makes the kernel signal an eventfd" },
#if defined(__s390x__)
	{ "host_irq", "handle_percpu_irq", HOOK_TRACE, STAGE_CORE, .single = true, .what = "interrupts of host drivers" },
	{ "firmware_told", "zpci_mod_fc", HOOK_TRACE, STAGE_CORE, .on_return = true, .what = "what firmware is told to pass" },
	{ "judge_one", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_judge_one", .what = "judging one binding" },
	{ "firmware_walk", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_firmware", .what = "what firmware was told before" },
#else
	{ "host_irq", "handle_irq_event", HOOK_TRACE, STAGE_CORE, .single = true, .what = "interrupts of host drivers" },
#endif
	{ "adopt_tasks", "task", HOOK_ITER, STAGE_CORE, .pin = "iter_tasks", .what = "processes that exist" },
	{ "adopt_sweep", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_sweep", .needs_jit = true, .what = "forgetting what is gone" },
	{ "judge_all", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_judge", .needs_jit = true, .what = "judging all bindings" },

	{ "gate_vfio_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_VFIO, .optional = true, .what = "bind gate: 32-bit VFIO" },
	{ "gate_mmap", "bpf_lsm_mmap_file", HOOK_GATE, STAGE_VFIO, .pin = "prog_mmap", .by_need = true, .what = "access gate: mappings of VFIO devices" },
	{ "gate_vfio_receive", "bpf_lsm_file_receive", HOOK_GATE, STAGE_VFIO, .what = "possession gate: VFIO devices" },
	{ "vector_signal", "vfio_msi_set_vector_signal", HOOK_TRACE, STAGE_VFIO, .on_return = true, .what = "vector -> eventfd" },
	{ "irqs_set", "vfio_pci_set_irqs_ioctl", HOOK_TRACE, STAGE_VFIO, .on_return = true, .needs_jit = true, .what = "INTx -> eventfd, vectors raised by hand" },
	{ "ioeventfd_set", "vfio_pci_ioeventfd", HOOK_TRACE, STAGE_VFIO, .on_return = true, .needs_jit = true, .what = "eventfd -> write into a device" },
	{ "vfio_msi", "vfio_msihandler", HOOK_TRACE, STAGE_VFIO, .single = true, .yields = true, .what = "device MSIs" },
	{ "find_maps", "task_vma", HOOK_ITER, STAGE_VFIO, .pin = "iter_maps", .what = "who has a VFIO device mapped" },
	{ "adopt_vfio", "task_file", HOOK_ITER, STAGE_VFIO, .pin = "iter_vfio", .what = "VFIO bindings that exist" },

	{ "gate_own_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_KVM,
	  .optional = true, .what = "injection gate: 32-bit VMMs" },
	{ "gate_kvm_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_KVM, .optional = true, .what = "bind gate: 32-bit KVM" },
	{ "vm_created", "kvm_arch_init_vm", HOOK_TRACE, STAGE_KVM, .on_return = true, .what = "VM -> context" },
	{ "vm_destroyed", "kvm_arch_destroy_vm", HOOK_TRACE, STAGE_KVM, .what = "VM's end" },
	{ "irqfd_queued", "irqfd_ptable_queue_proc", HOOK_TRACE, STAGE_KVM, .sibling = "kvm_irqfd_register", .what = "eventfd -> VM GSI (up to 6.16)" },
	{ "irqfd_registered", "kvm_irqfd_register", HOOK_TRACE, STAGE_KVM, .on_return = true, .sibling = "irqfd_ptable_queue_proc", .what = "eventfd -> VM GSI (since 6.17)" },
	{ "irqfd_ended", "irqfd_shutdown", HOOK_TRACE, STAGE_KVM, .spare = true, .what = "irqfd's end" },
	{ "adopt_kvm", "task_file", HOOK_ITER, STAGE_KVM, .pin = "iter_kvm", .what = "VMs of processes" },
	{ "adopt_vms", "-", HOOK_CALL, STAGE_KVM, .pin = "prog_vms", .needs_jit = true, .what = "VMs and irqfds that exist" },
#if defined(__s390x__)
	{ "gate_zpci_op", "bpf_lsm_file_ioctl", HOOK_GATE, STAGE_KVM, .what = "bind gate: KVM_S390_ZPCI_OP" },
	{ "firmware_owners", "-", HOOK_CALL, STAGE_KVM, .pin = "prog_owners", .what = "whom functions were given to" },
	{ "forward_alert", "gib_alert_irq_handler", HOOK_TRACE, STAGE_KVM, .optional = true, .single = true, .what = "interrupts KVM forwards" },
#endif

	{ "vector_changing", "vfio_msi_set_vector_signal", HOOK_TRACE, STAGE_INLINE, .what = "who binds a vector" },
	{ "inline_msi", "irqgate_msi_tp", HOOK_TP, STAGE_INLINE, .what = "inline gate: device MSIs" },
	{ "inline_signal", "irqgate_signal_tp", HOOK_TP, STAGE_INLINE, .what = "inline gate: kernel-side signals" },
};
/* clang-format on */
const unsigned int nhooks = ARRAY_SIZE(hooks);
_Static_assert(ARRAY_SIZE(hooks) <= HOOKS_MAX, "HOOKS_MAX is too small");

const char *const hook_states[HOOK_STATES] = { "absent", "live",    "unverified",
					       "silent", "yielded", "unneeded" };

const struct stage_info stages[STAGES] = {
	[STAGE_CORE] = { "core", NULL },
	[STAGE_VFIO] = { "vfio", "vfio_pci_core" },
	[STAGE_KVM] = { "kvm", "kvm" },
	[STAGE_INLINE] = { "inline", "irqgate_hook" },
};
