// SPDX-License-Identifier: GPL-2.0-only
/*
 * Injection time: every interrupt of a binding is judged and counted here.
 *
 * In the steady state an authorized MSI costs one hash look-up: vfio_msihandler
 * finds its binding by irq and the verdict cached in it; the hooks further down
 * the same call chain recognize the eventfd by comparison.
 */
#include "gate.bpf.h"
#include "hook.bpf.h"
#include "msi.bpf.h"

#include <linux/kvm.h>

#define MAY_WRITE 2
#define MAY_READ 4
#define EPOLLIN 1

HOOK2(vfio_msi, "vfio_msihandler", int, irq, __u64, trigger)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_binding *b = bpf_map_lookup_elem(&bindings, &key);
	struct irqgate_cpu *cpu = this_cpu();
	__u64 *pending;

	if (cpu && cpu->counted == trigger) {
		cpu->counted = 0;
		return 0;
	}
	if (cpu)
		cpu->msi = trigger;
	if (b && b->trigger == trigger) {
		msi_seen(b);
		return 0;
	}
	/* Between request_irq and the hook that learns what was requested. */
	pending = bpf_map_lookup_elem(&early, &key.irq);
	if (pending) {
		__sync_fetch_and_add(pending, 1);
	} else {
		struct irqgate_state *st = the_state();

		if (st)
			__sync_fetch_and_add(&st->unknown_msis, 1);
	}
	return 0;
}

/*
 * A kernel-side signal: that of an MSI was judged above, and where the inline gate
 * is in force it judged the others. Without it nothing can stop them here: what
 * is not in order is a leak.
 */
HOOK1(eventfd_signalled, "eventfd_signal_mask", __u64, efd)
{
	struct kernel_signal s = { .eventfd = efd };
	struct irqgate_state *st = the_state();
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_counters *c;
	union decision r;
	__u64 n;

	if (!cpu || !st)
		return 0;
	if (cpu->msi == efd) {
		cpu->msi = 0;
		cpu->wake = efd;
		return 0;
	}
	cpu->wake = 0;
	if (st->inline_gate)
		return 0;
	r.raw = decide_kernel_signal(&s);
	if (r.d.verdict <= IRQGATE_VERDICT_ALLOW)
		return 0;
	c = vector_stats(0, 0);
	if (!c)
		return 0;
	if (r.d.verdict == IRQGATE_VERDICT_AUDIT) {
		n = counted(&c->would_drop, 1);
	} else {
		r.d.verdict = IRQGATE_VERDICT_LEAK;
		n = counted(&c->leaked, 1);
	}
	if (report_due(c, n))
		report_signal(&s, r, IRQGATE_LEVEL_NONE, n);
	return 0;
}

/* Arrivals at a VM that no MSI of a judged binding explains. */
HOOK4(irqfd_woken, "irqfd_wakeup", wait_queue_entry_t *, wait, unsigned int, mode, int, sync, __u64,
      flags)
{
	struct kvm_kernel_irqfd *irqfd =
		(void *)core_container_of(as_number(wait), struct kvm_kernel_irqfd, wait);
	struct irqgate_ptr_key key = { .ptr = (__u64)irqfd };
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_irqfd *entry;

	if (!(flags & EPOLLIN))
		return 0;
	if (cpu && cpu->wake && cpu->wake == (__u64)BPF_CORE_READ(irqfd, eventfd)) {
		cpu->wake = 0;
		return 0;
	}
	entry = bpf_map_lookup_elem(&irqfds, &key);
	if (entry)
		__sync_fetch_and_add(&entry->injections, 1);
	return 0;
}

/*
 * Interrupts of host drivers. The descriptor names device and MSI index; the
 * loader, which can insert into the map safely, makes the entry on the first one
 * and the early counter carries those until then.
 */
HOOK1(host_irq, "handle_irq_event", struct irq_desc *, desc)
{
	struct irqaction *action = BPF_CORE_READ(desc, action);
	struct msi_desc *msi = BPF_CORE_READ(desc, irq_common_data.msi_desc);
	struct irqgate_state *st = the_state();
	struct irqgate_irq_key key;
	struct irqgate_binding *b;
	struct irqgate_event *ev;
	__u64 *pending, handle;

	if (!msi || !action || !st)
		return 0;
	key.irq = BPF_CORE_READ(desc, irq_data.irq);
	if ((__u64)BPF_CORE_READ(action, handler) == st->vfio_msihandler) {
		struct irqgate_cpu *cpu = st->inline_gate ? this_cpu() : NULL;

		if (cpu) {
			cpu->msi_desc = (__u64)msi;
			cpu->irq = key.irq;
		}
		return 0;
	}
	b = bpf_map_lookup_elem(&bindings, &key);
	/* A number that was given to another device has another descriptor. */
	if (b && b->state == IRQGATE_BINDING_HOST && b->device == (__u64)msi) {
		msi_seen(b);
		return 0;
	}
	pending = bpf_map_lookup_elem(&early, &key.irq);
	if (!pending || !count_due(counted(pending, 1)))
		return 0;
	handle = device_handle(BPF_CORE_READ(msi, dev));
	if (!handle)
		return 0;
	ev = event_new(IRQGATE_EVENT_HOST_IRQ);
	if (!ev)
		return 0;
	ev->irq = key.irq;
	ev->handle = handle;
	ev->device = (__u64)msi;
	ev->vector = BPF_CORE_READ(msi, msi_index);
	bpf_ringbuf_submit(ev, 0);
	return 0;
}

/*
 * The injection gate: writes to and reads of an eventfd that carries interrupts.
 * Runs on every read and write of the system, so it leaves at the first
 * comparison for all other files.
 */
SEC("lsm/file_permission")
int BPF_PROG(gate_file_permission, struct file *file, int mask)
{
	__u64 efd;

	if ((__u64)file->f_op != eventfd_fops_addr || !(mask & (MAY_WRITE | MAY_READ)))
		return 0;
	efd = (__u64)BPF_CORE_READ(file, private_data);
	if (eventfd_entry(efd))
		return refusal(gate_eventfd(efd, IRQGATE_LEVEL_INJECTION, mask & MAY_WRITE));
	if (mask & MAY_WRITE) {
		struct irqgate_state *st = the_state();

		/* The loader writes to an eventfd of its own to see this hook alive. */
		if (st && st->loader_tgid == bpf_get_current_pid_tgid() >> 32)
			__sync_fetch_and_add(&st->sentinel, 1);
	}
	return 0;
}

/* Does a KVM_SET_LAPIC or KVM_SET_VCPU_EVENTS make something pending? */
static __always_inline bool sets_irr(void *regs)
{
	__u32 word = 0;
	int i;

	/* IRR: 8 registers of 32 bits, 16 bytes apart (Intel SDM 3, local APIC) */
	for (i = 0; i < 8; i++)
		if (bpf_copy_from_user(&word, sizeof(word), regs + 0x200 + i * 16) || word)
			return true;
	return false;
}

static __always_inline bool sets_event(void *arg)
{
	struct kvm_vcpu_events ev;

	return bpf_copy_from_user(&ev, sizeof(ev), arg) || ev.interrupt.injected ||
	       ev.nmi.injected || ev.nmi.pending || ev.smi.pending;
}

/* The VM a command injects into, 0 when it is no such command on that file. */
static __always_inline __u64 injected_vm(struct file *file, unsigned int cmd)
{
	struct kvm_vcpu *vcpu;

	switch (cmd) {
	case KVM_SIGNAL_MSI:
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
	case KVM_XEN_HVM_EVTCHN_SEND:
		if (!file_is(file, kvm_vm_fops_addr))
			return 0;
		return (__u64)BPF_CORE_READ(file, private_data);
	case KVM_INTERRUPT:
	case KVM_NMI:
	case KVM_SMI:
	case KVM_SET_LAPIC:
	case KVM_SET_VCPU_EVENTS:
	case KVM_X86_SET_MCE:
	case KVM_S390_INTERRUPT:
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

/* What arms a timer or restores state with nothing pending in it is no injection. */
SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_own_injection, struct file *file, unsigned int cmd, unsigned long arg)
{
	__u64 vm = injected_vm(file, cmd);

	if (!vm)
		return 0;
	if (cmd == KVM_SET_LAPIC && !sets_irr((void *)arg))
		return 0;
	if (cmd == KVM_SET_VCPU_EVENTS && !sets_event((void *)arg))
		return 0;
	return own_injection(vm);
}

/* From a 32-bit process the arguments cannot be read: what might inject counts as if. */
SEC("lsm/file_ioctl_compat")
int BPF_PROG(gate_own_compat, struct file *file, unsigned int cmd, unsigned long arg)
{
	__u64 vm = injected_vm(file, cmd);

	return vm ? own_injection(vm) : 0;
}

char _license[] SEC("license") = "GPL";
