/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VMM injects into its own VM without an eventfd: by system calls on the VM and
 * its vCPUs.
 */
#ifndef IRQGATE_OWN_BPF_H
#define IRQGATE_OWN_BPF_H

#include "gate.bpf.h"

#include <linux/kvm.h>

#if defined(__TARGET_ARCH_x86)
/*
 * What sets a state is an injection if something is pending in it, or a timer armed:
 * a VMM can raise any vector by either. What cannot be read counts as if.
 */
static __always_inline __u32 user_u32(const void *addr)
{
	__u32 v;

	return bpf_copy_from_user(&v, sizeof(v), addr) ? ~0u : v;
}

/* Intel SDM 3, local APIC: IRR in 8 registers, 16 bytes apart; timer LVT and count. */
static __always_inline bool lapic_raises(void *regs)
{
	int i;

	for (i = 0; i < 8; i++)
		if (user_u32(regs + 0x200 + i * 16))
			return true;
	return user_u32(regs + 0x380) && !(user_u32(regs + 0x320) & 1 << 16);
}

static __always_inline bool events_raise(void *arg)
{
	struct kvm_vcpu_events ev;

	return bpf_copy_from_user(&ev, sizeof(ev), arg) || ev.interrupt.injected ||
	       ev.nmi.injected || ev.nmi.pending || ev.smi.pending;
}

static __always_inline bool irqchip_raises(struct kvm_irqchip *chip)
{
	__u8 irr;

	if (user_u32(&chip->chip_id) == KVM_IRQCHIP_IOAPIC)
		return user_u32(&chip->chip.ioapic.irr);
	return bpf_copy_from_user(&irr, sizeof(irr), &chip->chip.pic.irr) || irr;
}

/* Modes 0 to 5 are the 8254's; KVM has 0xff in a channel nobody programmed. */
static __always_inline bool pit_raises(struct kvm_pit_state2 *pit)
{
	__u8 mode;

	return bpf_copy_from_user(&mode, sizeof(mode), &pit->channels[0].mode) || mode <= 5;
}

struct msrs {
	__u64 entries;
	__u32 raises;
};

/* x2APIC ICR and self-IPI, TSC deadline; Hyper-V's ICR, EOM and synthetic timers. */
static long msr_raises_cb(__u32 i, struct msrs *m)
{
	struct kvm_msr_entry e;

	if (bpf_copy_from_user(&e, sizeof(e), (void *)m->entries + i * sizeof(e)) ||
	    e.index == 0x830 || e.index == 0x83f || e.index == 0x40000071 ||
	    e.index == 0x40000084 || (e.index == 0x6e0 && e.data) ||
	    (e.index >= 0x400000b0 && e.index <= 0x400000b7 && e.data))
		m->raises = 1;
	return m->raises;
}

static __always_inline bool msrs_raise(struct kvm_msrs *arg)
{
	struct msrs m = { .entries = (__u64)arg->entries };

	bpf_loop(user_u32(&arg->nmsrs) & 0x1ff, msr_raises_cb, &m, 0); /* KVM takes 256 */
	return m.raises;
}

static __always_inline bool injects(unsigned int cmd, void *arg)
{
	switch (cmd) {
	case KVM_SET_LAPIC:
		return lapic_raises(arg);
	case KVM_SET_VCPU_EVENTS:
		return events_raise(arg);
	case KVM_SET_IRQCHIP:
		return irqchip_raises(arg);
	case KVM_SET_PIT:
	case KVM_SET_PIT2:
		return pit_raises(arg);
	case KVM_SET_MSRS:
		return msrs_raise(arg);
	}
	return true;
}
#else
static __always_inline bool injects(unsigned int cmd, void *arg)
{
	return true;
}
#endif

/* The VM a command injects into, 0 when it is no such command on that file. */
static __always_inline __u64 injected_vm(struct file *file, unsigned int cmd)
{
	struct kvm_vcpu *vcpu;

	switch (cmd) {
	case KVM_SIGNAL_MSI:
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
#if defined(__TARGET_ARCH_x86)
	case KVM_XEN_HVM_EVTCHN_SEND:
	case KVM_SET_IRQCHIP:
	case KVM_SET_PIT:
	case KVM_SET_PIT2:
#endif
		if (!file_is(file, kvm_vm_fops_addr))
			return 0;
		return (__u64)BPF_CORE_READ(file, private_data);
	case KVM_INTERRUPT:
	case KVM_NMI:
#if defined(__TARGET_ARCH_x86)
	case KVM_SMI:
	case KVM_SET_LAPIC:
	case KVM_SET_VCPU_EVENTS:
	case KVM_SET_MSRS:
	case KVM_X86_SET_MCE:
#endif
	case KVM_S390_INTERRUPT: /* floating to the VM, or to one of its CPUs */
		if (cmd == KVM_S390_INTERRUPT && file_is(file, kvm_vm_fops_addr))
			return (__u64)BPF_CORE_READ(file, private_data);
	case KVM_S390_IRQ:
		if (!file_is(file, kvm_vcpu_fops_addr))
			return 0;
		vcpu = BPF_CORE_READ(file, private_data);
		return (__u64)BPF_CORE_READ(vcpu, kvm);
	}
	return 0;
}

/*
 * A VMM injects into its own VM without an eventfd: normal, unless its context is
 * strict.
 */
static __always_inline int own_injection(__u64 vm)
{
	struct irqgate_ident *id = ident_current();
	struct attempt a = {};

	a.vm = vm;
	a.gd = ident_gd(id);
	a.level = IRQGATE_LEVEL_INJECTION;
	a.injects = 1;
	return refusal(gate(&a, decide_signal(id, vm)));
}

static __noinline int gate_own_injection(struct file *file, unsigned int cmd, unsigned long arg)
{
	__u64 vm = injected_vm(file, cmd);

	return vm && injects(cmd, (void *)arg) ? own_injection(vm) : 0;
}

/* From a 32-bit process the arguments cannot be read: what might inject counts as if. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_own_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	__u64 vm = injected_vm(file, cmd);

	return vm ? own_injection(vm) : 0;
}

#endif
