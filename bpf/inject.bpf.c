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
 * A kernel-side signal. That of an MSI was judged above; another one runs under
 * whatever task happens to be current. Who made the kernel hold the eventfd answers
 * for it; where nobody is known to have, the signaller is an unlisted source.
 * Unless the inline gate stopped it, it cannot be stopped here: it is a leak.
 */
HOOK1(eventfd_signalled, "eventfd_signal_mask", __u64, efd)
{
	struct irqgate_ident *signaller = NULL;
	struct irqgate_state *st = the_state();
	struct irqgate_cpu *cpu = this_cpu();
	struct irqgate_binding *b;
	struct irqgate_eventfd *e;
	struct attempt a = {};
	union decision r;

	if (!cpu || !st)
		return 0;
	if (cpu->msi == efd) {
		cpu->msi = 0;
		cpu->wake = efd;
		return 0;
	}
	cpu->wake = 0;
	e = eventfd_entry(efd);
	if (!e)
		return 0;
	b = intx_of(e);
	if (b)
		cpu->wake = efd;
	if (st->inline_gate || cpu->counted == efd) {
		cpu->counted = 0;
		return 0; /* the gate judged and counted it */
	}
	if (b) {
		msi_seen(b);
		return 0;
	}
	if (e->signaller.tgid)
		signaller = &e->signaller;
	if (binds_to(signaller, e))
		return 0; /* VFIO_DEVICE_SET_IRQS without eventfds, which was gated */
	r.raw = judge_signaller(as_number((void *)efd), signaller, &a);
	if (r.d.verdict > IRQGATE_VERDICT_ALLOW)
		account_signal(&a, r, e->signaller.tgid, false);
	return 0;
}

/*
 * The kernel takes a reference in order to signal: for VFIO, vhost, AIO, io_uring, a
 * guest's I/O, resampling and every other driver.
 */
static __always_inline int do_eventfd_taken(__u64 efd)
{
	if (eventfd_entry(efd) && !current_is_agent())
		note_signaller(efd, ident_current());
	return 0;
}

SEC("fexit/eventfd_ctx_fdget")
int BPF_PROG(eventfd_taken, int fd, struct eventfd_ctx *efd)
{
	return do_eventfd_taken(as_number(efd));
}

SEC("kretprobe.multi")
int BPF_KRETPROBE(eventfd_taken_kp, __u64 efd)
{
	return do_eventfd_taken(efd);
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
#if defined(__TARGET_ARCH_s390)
#define MSI_HANDLED "handle_percpu_irq" /* the flow handler of zPCI, floating or directed */
#else
#define MSI_HANDLED "handle_irq_event"
#endif

HOOK1(host_irq, MSI_HANDLED, struct irq_desc *, desc)
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

static __always_inline bool listened_to(struct irqgate_eventfd *e)
{
	__u32 i;

	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (e->vm[i])
			return true;
	return false;
}

/*
 * The injection gate: writes to and reads of an eventfd that carries interrupts.
 * Runs on every read and write of the system, so it leaves at the first
 * comparison for all other files.
 */
SEC("lsm/file_permission")
int BPF_PROG(gate_file_permission, struct file *file, int mask)
{
	struct irqgate_eventfd *e;
	__u64 efd;
	int error;

	if ((__u64)file->f_op != eventfd_fops_addr || !(mask & (MAY_WRITE | MAY_READ)))
		return 0;
	efd = (__u64)BPF_CORE_READ(file, private_data);
	e = eventfd_entry(efd);
	if (e) {
		error = gate_eventfd(efd, IRQGATE_LEVEL_INJECTION, mask & MAY_WRITE);
		/* Its count will be injected when a VM listens. */
		if (!error && mask & MAY_WRITE && !listened_to(e))
			note_signaller(efd, ident_current());
		return refusal(error);
	}
	if (mask & MAY_WRITE) {
		struct irqgate_state *st = the_state();

		/* The loader writes to an eventfd of its own to see this hook alive. */
		if (st && st->loader_tgid == bpf_get_current_pid_tgid() >> 32)
			__sync_fetch_and_add(&st->sentinel, 1);
	}
	return 0;
}

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

SEC("lsm.s/file_ioctl")
int BPF_PROG(gate_own_injection, struct file *file, unsigned int cmd, unsigned long arg)
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

char _license[] SEC("license") = "GPL";
