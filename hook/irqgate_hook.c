// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqgate_hook: two places in the kernel where a BPF program may stop an interrupt. The module
 * holds no policy: without a program nothing changes.
 *
 *   irqgate_msi_tp     before vfio_msihandler: a device's MSI, by its irq
 *   irqgate_signal_tp  before eventfd_signal_mask: any signal from inside the kernel
 *
 * Both are writable tracepoints. The module skips the whole dropped call, before it takes a lock
 * or counts. So the eventfd, its irqfds and VFIO's masking are as if the device had never raised
 * the interrupt.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/interrupt.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/utsname.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

#define CREATE_TRACE_POINTS
#include "irqgate_trace.h"

/* The kernels on which this file's assumptions on both functions and ftrace were tested. */
#define SERIES(major, minor) (LINUX_VERSION_CODE >> 8 == KERNEL_VERSION(major, minor, 0) >> 8)
#define TESTED                                                                                     \
	(IS_ENABLED(CONFIG_X86_64) && IS_ENABLED(CONFIG_DYNAMIC_FTRACE_WITH_ARGS) &&               \
	 (SERIES(6, 1) || SERIES(6, 12) || SERIES(7, 3)))

/* These are names of 6.12; 6.1 has others. */
#ifndef ftrace_regs_set_instruction_pointer
#define ftrace_regs_set_instruction_pointer ftrace_instruction_pointer_set
#define ftrace_regs_get_argument(fregs, n) regs_get_kernel_argument(&(fregs)->regs, n)
#endif

/*
 * Eventfds that a program called protected, by a hash of their address. The bitmap decides only
 * about a call that a program should have judged and did not: most eventfds have nothing to do
 * with interrupts, and must not lose a signal.
 */
#define PROTECTED_BITS 14
static DECLARE_BITMAP(protected, 1 << PROTECTED_BITS);

/* The loader sets it while its programs are attached: an undecided call is then dropped. */
static bool armed;
static atomic_long_t dropped;
static atomic_long_t undecided_dropped;
static atomic_long_t undecided_passed; /* on eventfds that no program called protected */

static int set_armed(const char *val, const struct kernel_param *kp)
{
	/* Forget the eventfds of an earlier program. */
	if (!armed)
		bitmap_zero(protected, 1 << PROTECTED_BITS);
	return param_set_bool(val, kp);
}

static const struct kernel_param_ops armed_ops = { .set = set_armed, .get = param_get_bool };
module_param_cb(armed, &armed_ops, &armed, 0600);
MODULE_PARM_DESC(armed, "Programs that decide are attached: what they leave undecided is dropped");

static int get_count(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%ld\n", atomic_long_read((atomic_long_t *)kp->arg));
}

static const struct kernel_param_ops count_ops = { .get = get_count };
module_param_cb(dropped, &count_ops, &dropped, 0400);
module_param_cb(undecided_dropped, &count_ops, &undecided_dropped, 0400);
module_param_cb(undecided_passed, &count_ops, &undecided_passed, 0400);

/* Must the call be skipped? @asked: a program is attached. @source: it is a device's MSI. */
static notrace bool skip(const struct irqgate_hook_call *call, bool asked, bool source)
{
	unsigned long bit = hash_long(call->eventfd, PROTECTED_BITS);

	switch (call->verdict) {
	case IRQGATE_HOOK_PASS:
		return false;
	case IRQGATE_HOOK_ALLOW:
	case IRQGATE_HOOK_DROP:
		if (!test_bit(bit, protected))
			set_bit(bit, protected);
		if (call->verdict == IRQGATE_HOOK_ALLOW)
			return false;
		atomic_long_inc(&dropped);
		return true;
	}
	/* No loader claims to decide: a program, if any, only observes. */
	if (!READ_ONCE(armed))
		return false;
	/* The loader's program went without clearing `armed`: a later observer must not decide. */
	if (!asked) {
		WRITE_ONCE(armed, false);
		return false;
	}
	if (!source && !test_bit(bit, protected)) {
		atomic_long_inc(&undecided_passed);
		return false;
	}
	atomic_long_inc(&undecided_dropped);
	return true;
}

/* Runs in place of a dropped call. */
static irqreturn_t no_msi(int irq, void *trigger)
{
	return IRQ_HANDLED;
}

#if SERIES(6, 1)
static __u64 no_signal(struct eventfd_ctx *ctx, __u64 n, unsigned int mask)
{
	return n;
}
#else
static void no_signal(struct eventfd_ctx *ctx, __poll_t mask)
{
}
#endif
static_assert(__same_type(no_signal, eventfd_signal_mask));

/*
 * Interrupts are off around the tracepoints, because the kernel skips a BPF program that already
 * runs on that CPU, so no interrupt may come in between. Neither function is called from an NMI.
 * For the same reason the ops do not ask for ftrace's own recursion guard
 * (FTRACE_OPS_FL_RECURSION), which would skip in silence: nothing that runs below here calls
 * these two functions again.
 */
static void notrace irqgate_hook_msi(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *op, struct ftrace_regs *fregs)
{
	struct irqgate_hook_call call = {
		.irq = ftrace_regs_get_argument(fregs, 0),
		.eventfd = ftrace_regs_get_argument(fregs, 1),
		.caller = parent_ip,
	};
	bool asked = trace_irqgate_msi_tp_enabled();
	unsigned long flags;

	if (asked) {
		local_irq_save(flags);
		trace_irqgate_msi_tp(&call);
		local_irq_restore(flags);
	}
	if (skip(&call, asked, true))
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)no_msi);
}

static void notrace irqgate_hook_signal(unsigned long ip, unsigned long parent_ip,
					struct ftrace_ops *op, struct ftrace_regs *fregs)
{
	struct irqgate_hook_call call = {
		.eventfd = ftrace_regs_get_argument(fregs, 0),
		.caller = parent_ip,
	};
	bool asked = trace_irqgate_signal_tp_enabled();
	unsigned long flags;

	if (asked) {
		local_irq_save(flags);
		trace_irqgate_signal_tp(&call);
		local_irq_restore(flags);
	}
	if (skip(&call, asked, false))
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)no_signal);
}

/*
 * PERMANENT: the kernel refuses kernel.ftrace_enabled=0, which would open the gate. IPMODIFY: no
 * other user may redirect these functions (a livepatch gets EBUSY).
 */
static struct ftrace_ops msi_ops = {
	.func = irqgate_hook_msi,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

static struct ftrace_ops signal_ops = {
	.func = irqgate_hook_signal,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
};

/* Modules cannot use kallsyms. A kprobe resolves a symbol, with its module, in the same way. */
static unsigned long address_of(const char *symbol)
{
	struct kprobe kp = { .symbol_name = symbol };
	unsigned long addr;

	if (register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

static int attach(struct ftrace_ops *ops, const char *symbol)
{
	unsigned long addr = address_of(symbol);
	int err, tries = 100;

	if (!addr) {
		pr_err("this kernel has no function %s\n", symbol);
		return -ENOENT;
	}
	err = ftrace_set_filter_ip(ops, addr, 0, 0);
	/* EAGAIN: a BPF trampoline on the same function is changing right now. */
	while (!err && (err = register_ftrace_function(ops)) == -EAGAIN && tries--) {
		msleep(20);
		err = 0;
	}
	if (!err)
		return 0;
	ftrace_free_filter(ops);
	pr_err("cannot hook %s: %pe%s\n", symbol, ERR_PTR(err),
	       err == -EBUSY ? ", a livepatch has it or kernel.ftrace_enabled is 0" : "");
	return err;
}

static void detach(struct ftrace_ops *ops)
{
	WARN_ON(unregister_ftrace_function(ops));
	ftrace_free_filter(ops);
}

/*
 * A reference that keeps vfio_pci_core, and with it vfio_msihandler, loaded as long as this
 * module.
 */
static void *const vfio_pci_core __used = vfio_pci_core_register_device;

static int __init irqgate_hook_init(void)
{
	int err;

	if (!TESTED) {
		pr_err("not tested with Linux %s, refusing to guess\n", utsname()->release);
		return -EOPNOTSUPP;
	}
	err = attach(&msi_ops, IS_MODULE(CONFIG_VFIO_PCI_CORE) ? "vfio_pci_core:vfio_msihandler"
							       : "vfio_msihandler");
	if (err)
		return err;
	err = attach(&signal_ops, "eventfd_signal_mask");
	if (err)
		detach(&msi_ops);
	return err;
}

static void __exit irqgate_hook_exit(void)
{
	detach(&signal_ops);
	detach(&msi_ops);
}

module_init(irqgate_hook_init);
module_exit(irqgate_hook_exit);
MODULE_DESCRIPTION("Writable tracepoints on the way of an interrupt to an eventfd");
MODULE_VERSION(IRQGATE_HOOK_VERSION);
MODULE_LICENSE("GPL");
