// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts without a device: a guest causes them, or a VMM injects them. */
#include "worker-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the guest of another VM --------------------------------------------- */

#define PORT(vector) (0x500 + (vector))
#define PINS 24
#define RESAMPLE_PIN(vector) (16 + (vector) % 8) /* only the IOAPIC has pins from 16 on */
/* Each pin has its own vector: EOI of a shared one would end both interrupts. */
#define RESAMPLE_LAPIC(pin) ((uint8_t)(0xe0 + (pin)))

static int level_trigger[PINS]; /* eventfds that raise level-triggered interrupts of the guest */

static long ioeventfd(uint32_t vector)
{
	struct kvm_ioeventfd arg = {
		.addr = PORT(vector),
		.len = 1,
		.fd = worker_eventfds[vector],
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	return ioctl(worker_vm.fd, KVM_IOEVENTFD, &arg) ? -errno : 0;
}

static long resample(uint32_t vector)
{
	uint32_t pin = RESAMPLE_PIN(vector);
	int ret = rig_vm_ioapic(&worker_vm, pin, RESAMPLE_LAPIC(pin), true);

	if (ret)
		return ret;
	level_trigger[pin] = rig_eventfd();
	return rig_vm_irqfd_resample(&worker_vm, level_trigger[pin], pin, worker_eventfds[vector]);
}

static long end_of_interrupt(uint32_t vector)
{
	int ret = rig_eventfd_signal(level_trigger[RESAMPLE_PIN(vector)]);

	return ret ? ret : rig_vm_guest_take(&worker_vm);
}

/* As a driver does, it first makes the device silent: else EOI would raise the next interrupt. */
static long intx_taken(uint32_t vector, uint32_t ms)
{
	int ret = rig_vm_wait_vector(&worker_vm, RIG_LAPIC(vector), ms);

	rig_dev_intx(&worker_dev, false);
	if (ret)
		return ret == -ETIMEDOUT ? 0 : ret;
	return rig_vm_guest_take(&worker_vm) ?: 1;
}

/* ---- the VMM itself ------------------------------------------------------- */

#define PIT_PIN 0 /* KVM's default routing has GSI 0 here */
#define CHIP_PIN 5
#define LINE_PIN 6 /* and the next one: a line that stays high raises no other interrupt */
#define X2APIC_SELF_IPI 0x83f
#define X2APIC_ICR 0x830
#define ICR_SELF (1U << 18)
#define APIC_IRR 0x200
#define APIC_BASE_X2APIC (1U << 10)
#define CPUID_X2APIC (1U << 21)
#define CR4_MCE (1U << 6)
#define MC_VECTOR 18
#define MCI_FATAL 0xb200000000000000ULL /* valid, uncorrected, enabled, state lost */
#define MC_BANKS 10
#define PIT_ONE_SHOT 0
#define PIT_COUNT 1193 /* 1 ms */
#define XEN_PAGE 9
#define XEN_PORT 3

static struct rig_vm bare; /* without an interrupt controller */

static int vcpu_ioctl(unsigned long request, void *arg)
{
	return ioctl(worker_vm.vcpu, request, arg) < 0 ? -errno : 0;
}

static int vm_ioctl(unsigned long request, void *arg)
{
	return ioctl(worker_vm.fd, request, arg) < 0 ? -errno : 0;
}

static int create_bare(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	bare.fd = ioctl(kvm, KVM_CREATE_VM, 0);
	bare.vcpu = ioctl(bare.fd, KVM_CREATE_VCPU, 0);
	close(kvm);
	return bare.vcpu < 0 ? -errno : 0;
}

/* Enables x2APIC, because its registers are MSRs, and machine checks, which need CR4.MCE. */
static int set_up_cpu(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[2];
	} cpuid = {
		.head.nent = 2,
		.entry = { { .function = 0, .eax = 1 }, { .function = 1, .ecx = CPUID_X2APIC } },
	};
	uint64_t banks = MC_BANKS;
	struct kvm_sregs sregs;
	int ret;

	ret = vcpu_ioctl(KVM_SET_CPUID2, &cpuid) ?: vcpu_ioctl(KVM_X86_SETUP_MCE, &banks) ?:
	      vcpu_ioctl(KVM_GET_SREGS, &sregs);
	sregs.apic_base |= APIC_BASE_X2APIC;
	sregs.cr4 |= CR4_MCE;
	return ret ?: vcpu_ioctl(KVM_SET_SREGS, &sregs);
}

static int set_up_pit(void)
{
	struct kvm_pit_config config = {};
	/* Without reinjection, because the guest acknowledges nothing. */
	struct kvm_reinject_control control = {};

	return vm_ioctl(KVM_CREATE_PIT2, &config) ?: vm_ioctl(KVM_REINJECT_CONTROL, &control);
}

static int set_up_xen(void)
{
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_EVTCHN_SEND |
						      KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL };
	struct kvm_xen_hvm_attr page = { .type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
					 .u.shared_info.gfn = XEN_PAGE };
	struct kvm_xen_vcpu_attr info = { .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
					  .u.gpa = XEN_PAGE * 4096 };
	struct kvm_xen_vcpu_attr upcall = { .type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR,
					    .u.vector = RIG_LAPIC(INJECT_XEN) };

	if (!(ioctl(worker_vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM) &
	      KVM_XEN_HVM_CONFIG_EVTCHN_SEND))
		return 0;
	return vm_ioctl(KVM_XEN_HVM_CONFIG, &config) ?: vm_ioctl(KVM_XEN_HVM_SET_ATTR, &page) ?:
	       vcpu_ioctl(KVM_XEN_VCPU_SET_ATTR, &info) ?:
	       vcpu_ioctl(KVM_XEN_VCPU_SET_ATTR, &upcall);
}

/* Runs the vCPU for no instruction. irqgate allows less to a strict VMM once a vCPU ran. */
static int run_once(int vcpu)
{
	struct kvm_run *run =
		mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	int ret;

	if (run == MAP_FAILED)
		return -errno;
	run->immediate_exit = 1;
	ret = ioctl(vcpu, KVM_RUN, 0) && errno == EINTR ? 0 : -EPROTO;
	run->immediate_exit = 0;
	munmap(run, (size_t)getpagesize());
	return ret;
}

static long set_up_injections(void)
{
	return rig_vm_create(&worker_vm) ?: rig_vm_guest(&worker_vm) ?: create_bare() ?:
	       set_up_cpu() ?: set_up_pit() ?:
	       rig_vm_ioapic(&worker_vm, PIT_PIN, RIG_LAPIC(INJECT_SET_PIT2), false) ?:
	       rig_vm_ioapic(&worker_vm, CHIP_PIN, RIG_LAPIC(INJECT_SET_IRQCHIP), false) ?:
	       rig_vm_ioapic(&worker_vm, LINE_PIN, RIG_LAPIC(INJECT_IRQ_LINE), false) ?:
	       rig_vm_ioapic(&worker_vm, LINE_PIN + 1, RIG_LAPIC(INJECT_IRQ_LINE), false) ?:
	       set_up_xen() ?: run_once(worker_vm.vcpu) ?: run_once(bare.vcpu);
}

static int set_lapic(uint8_t vector)
{
	struct kvm_lapic_state lapic;
	uint32_t word = 1U << vector % 32;
	int ret = vcpu_ioctl(KVM_GET_LAPIC, &lapic);

	memcpy(&lapic.regs[APIC_IRR + vector / 32 * 16], &word, sizeof(word));
	return ret ?: vcpu_ioctl(KVM_SET_LAPIC, &lapic);
}

static int set_events(void)
{
	struct kvm_vcpu_events events;
	int ret = vcpu_ioctl(KVM_GET_VCPU_EVENTS, &events);

	events.nmi.pending = 1;
	events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	return ret ?: vcpu_ioctl(KVM_SET_VCPU_EVENTS, &events);
}

static int set_irqchip(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int ret = vm_ioctl(KVM_GET_IRQCHIP, &chip);

	chip.chip.ioapic.irr |= 1U << CHIP_PIN;
	return ret ?: vm_ioctl(KVM_SET_IRQCHIP, &chip);
}

static int set_pit2(void)
{
	struct kvm_pit_state2 pit;
	int ret = vm_ioctl(KVM_GET_PIT2, &pit);

	pit.channels[0].mode = PIT_ONE_SHOT;
	pit.channels[0].count = PIT_COUNT;
	return ret ?: vm_ioctl(KVM_SET_PIT2, &pit);
}

static int set_sregs(uint8_t vector)
{
	struct kvm_sregs sregs;
	int ret = vcpu_ioctl(KVM_GET_SREGS, &sregs);

	sregs.interrupt_bitmap[vector / 64] |= 1ULL << vector % 64;
	return ret ?: vcpu_ioctl(KVM_SET_SREGS, &sregs);
}

static int set_mce(void)
{
	static uint8_t bank; /* another each time: a bank that holds an error takes no other */
	struct kvm_x86_mce mce = { .status = MCI_FATAL, .bank = bank++ % MC_BANKS };

	return vcpu_ioctl(KVM_X86_SET_MCE, &mce);
}

static int set_msr(uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };
	int n = ioctl(worker_vm.vcpu, KVM_SET_MSRS, &msrs);

	return n == 1 ? 0 : n < 0 ? -errno : -EINVAL;
}

static int send_event(void)
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = XEN_PORT,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	memset(worker_vm.memory + XEN_PAGE * 4096, 0, 4096); /* none is pending */
	return vm_ioctl(KVM_XEN_HVM_EVTCHN_SEND, &event);
}

static long inject(enum injection what)
{
	struct kvm_interrupt interrupt = { .irq = RIG_LAPIC(what) };
	uint8_t vector = RIG_LAPIC(what);
	static uint32_t line;
	int ret;

	switch (what) {
	case INJECT_SIGNAL_MSI:
		ret = rig_vm_signal_msi(&worker_vm, vector);
		return ret < 0 ? ret : 0;
	case INJECT_IRQ_LINE:
		return rig_vm_irq_line(&worker_vm, LINE_PIN + line++ % 2, true);
	case INJECT_INTERRUPT:
		return ioctl(bare.vcpu, KVM_INTERRUPT, &interrupt) ? -errno : 0;
	case INJECT_NMI:
		return vcpu_ioctl(KVM_NMI, NULL);
	case INJECT_SMI:
		return vcpu_ioctl(KVM_SMI, NULL);
	case INJECT_SET_LAPIC:
		return set_lapic(vector);
	case INJECT_SET_VCPU_EVENTS:
		return set_events();
	case INJECT_SET_IRQCHIP:
		return set_irqchip();
	case INJECT_SET_PIT2:
		return set_pit2();
	case INJECT_SET_MCE:
		return set_mce();
	case INJECT_SELF_IPI:
		return set_msr(X2APIC_SELF_IPI, vector);
	case INJECT_ICR:
		return set_msr(X2APIC_ICR, ICR_SELF | vector);
	case INJECT_XEN:
		return send_event();
	case INJECT_SET_SREGS:
		return set_sregs(vector);
	}
	return -EINVAL;
}

/*
 * Clears a pending event, so that the next one is seen. It sets no state if nothing is pending,
 * because the VMM of a strict context may not.
 */
static long event_pending(int vcpu, enum injection what)
{
	struct kvm_vcpu_events events;
	long pending;

	if (ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events))
		return -errno;
	if (what == INJECT_INTERRUPT || what == INJECT_SET_SREGS)
		pending = events.interrupt.injected && events.interrupt.nr == RIG_LAPIC(what);
	else if (what == INJECT_SMI)
		pending = events.smi.pending;
	else if (what == INJECT_SET_MCE)
		pending = (events.exception.injected || events.exception.pending) &&
			  events.exception.nr == MC_VECTOR;
	else
		pending = events.nmi.pending;
	if (!pending)
		return 0;
	memset(&events.exception, 0, sizeof(events.exception));
	events.interrupt.injected = 0;
	events.nmi.pending = 0;
	events.smi.pending = 0;
	events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SMM;
	return ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events) ? -errno : pending;
}

/* 1: @vector became pending within @ms, and no other did. */
static long seen(uint8_t vector, uint32_t ms)
{
	int ret = rig_vm_wait_vector(&worker_vm, vector, ms);
	int n = rig_vm_irr(&worker_vm, NULL);

	if (n)
		rig_vm_clear(&worker_vm);
	if (n > !ret)
		return -EEXIST;
	return ret == -ETIMEDOUT ? 0 : ret ? ret : 1;
}

static long injected(enum injection what, uint32_t ms)
{
	switch (what) {
	case INJECT_INTERRUPT:
		return event_pending(bare.vcpu, what);
	case INJECT_NMI:
	case INJECT_SMI:
	case INJECT_SET_VCPU_EVENTS:
	case INJECT_SET_MCE:
	case INJECT_SET_SREGS:
		return event_pending(worker_vm.vcpu, what);
	default:
		return seen(RIG_LAPIC(what), ms);
	}
}

/* Bit n is the local APIC vector of RIG_LAPIC(n); bit 30: another vector is pending, too. */
static long irr(uint32_t wanted, uint32_t ms)
{
	uint64_t end = rig_now_ms() + ms;
	uint32_t words[8], mine;
	int n;

	do {
		n = rig_vm_irr(&worker_vm, words);
		if (n < 0)
			return n;
		mine = (uint32_t)(((uint64_t)words[RIG_LAPIC(0) / 32 + 1] << 32 |
				   words[RIG_LAPIC(0) / 32]) >>
				  RIG_LAPIC(0) % 32);
	} while ((mine & wanted) != wanted && rig_now_ms() < end && !usleep(1000));
	if (n)
		rig_vm_clear(&worker_vm);
	return n == __builtin_popcount(mine & 0xffff) ? mine : mine | 1U << 30;
}

long serve_vm(const struct call *c)
{
	switch ((enum worker_op)c->op) {
	case W_SEEN:
		return seen(RIG_LAPIC(c->a), c->b);
	case W_IRR:
		return irr(c->a, c->b);
	case W_IRQFD_OFF:
		return rig_vm_irqfd_off(&worker_vm, worker_eventfds[c->a], RIG_GSI(c->a));
	case W_IRQFD_INTX:
		return rig_vm_ioapic(&worker_vm, c->c, RIG_LAPIC(c->a), true)
			       ?: rig_vm_irqfd_resample(&worker_vm, worker_eventfds[c->a], c->c,
							worker_eventfds[c->b]);
	case W_INTX_TAKEN:
		return intx_taken(c->a, c->b);
	case W_GUEST:
		return rig_vm_create(&worker_vm) ?: rig_vm_guest(&worker_vm);
	case W_IOEVENTFD:
		return ioeventfd(c->a);
	case W_GUEST_OUT:
		return rig_vm_guest_out(&worker_vm, PORT(c->a));
	case W_RESAMPLE:
		return resample(c->a);
	case W_GUEST_EOI:
		return end_of_interrupt(c->a);
	case W_INJECTIONS:
		return set_up_injections();
	case W_INJECT:
		return inject(c->a);
	case W_INJECTED:
		return injected(c->a, c->b);
	default:
		return -EOPNOTSUPP;
	}
}
