/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Injection by a VMM into its own VM without an eventfd: by system calls on the VM and its vCPUs.
 * Part of bind.bpf.c, because gate_ioctl is one program for all commands.
 */
#ifndef IRQGATE_VMM_INJECT_BPF_H
#define IRQGATE_VMM_INJECT_BPF_H

#include "gate.bpf.h"

#include <linux/kvm.h>

/*
 * Does a command set a state, in which an interrupt may be pending or a timer armed? The gate
 * does not look at the contents: KVM reads them after the gate, when they may have changed, and
 * there are too many ways to hide an interrupt in them.
 */
static __always_inline bool sets_state(unsigned int cmd)
{
	switch (cmd) {
	case KVM_SET_ONE_REG:
#if defined(__TARGET_ARCH_x86)
	case KVM_SET_LAPIC:
	case KVM_SET_VCPU_EVENTS:
	case KVM_SET_IRQCHIP:
	case KVM_SET_PIT:
	case KVM_SET_PIT2:
	case KVM_SET_MSRS:
	case KVM_SET_SREGS:
	case KVM_SET_SREGS2:
	case KVM_SET_NESTED_STATE:
	case KVM_XEN_VCPU_SET_ATTR:
#else
	case KVM_S390_SET_IRQ_STATE:
#endif
		return true;
	}
	return false;
}

/* Commands that inject into a VM as a whole, or set a state of it. */
static __always_inline bool injects_into_vm(unsigned int cmd)
{
	switch (cmd) {
	case KVM_SIGNAL_MSI:
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
	case KVM_S390_INTERRUPT: /* floating; also on a vCPU */
#if defined(__TARGET_ARCH_x86)
	case KVM_XEN_HVM_EVTCHN_SEND:
	case KVM_SET_IRQCHIP:
	case KVM_SET_PIT:
	case KVM_SET_PIT2:
#endif
		return true;
	}
	return false;
}

static __always_inline bool injects_into_vcpu(unsigned int cmd)
{
	switch (cmd) {
	case KVM_INTERRUPT:
	case KVM_NMI:
#if defined(__TARGET_ARCH_x86)
	case KVM_SMI:
	case KVM_X86_SET_MCE:
#endif
	case KVM_S390_INTERRUPT:
	case KVM_S390_IRQ:
		return true;
	}
	return sets_state(cmd);
}

/* The VM into which a command injects, 0: it is no such command on that file. */
static __always_inline __u64 injected_vm(struct file *file, unsigned int cmd)
{
	struct kvm_vcpu *vcpu;

	if (injects_into_vm(cmd) && file_is(file, kvm_vm_fops_addr))
		return (__u64)BPF_CORE_READ(file, private_data);
	if (!injects_into_vcpu(cmd) || !file_is(file, kvm_vcpu_fops_addr))
		return 0;
	vcpu = BPF_CORE_READ(file, private_data);
	return (__u64)BPF_CORE_READ(vcpu, kvm);
}

/*
 * A VMM may inject into its own VM without an eventfd, unless its context is strict. States may
 * be set before a vCPU runs, because that is how a VMM builds or restores the VM.
 */
static __noinline int gate_own_injection(struct file *file, unsigned int cmd)
{
	__u64 vm = injected_vm(file, cmd);
	bool sets = sets_state(cmd);
	struct irqgate_ident *id;
	struct attempt a = {};
	union decision r;

	if (!vm || (sets && !vm_ran(vm)))
		return 0;
	id = ident_current();
	a.vm = vm;
	a.gd = ident_gd(id);
	a.level = IRQGATE_LEVEL_INJECTION;
	a.injects = !sets;
	if (!id)
		return refusal(gate_full(&a));
	r.raw = decide_signal(id, vm);
	if (r.d.reason == IRQGATE_REASON_FULL) {
		vm_ensure(vm); /* the VM is older than irqgate, or the kernel skipped a hook */
		r.raw = decide_signal(id, vm);
	}
	/* KVM lets only the process that made the VM set its state. */
	if (sets && r.d.reason == IRQGATE_REASON_UNLISTED)
		return 0;
	return refusal(gate(&a, r.raw));
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_own_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	return gate_own_injection(file, cmd);
}

#endif
