/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bindings: what the kernel has connected right now, learned by BPF hooks.
 *
 *   bindings  irq      -> source vector and the eventfd it triggers
 *   eventfds  ctx      -> the irqs that signal it, the VMs that listen to it
 *   irqfds    irqfd    -> eventfd, VM, GSI
 *   vms       kvm      -> who created it
 *
 * Kernel pointers are keys only, never followed from here, and printed only to
 * root. An entry lives as long as the kernel object that holds a reference on
 * the eventfd: VFIO's trigger or KVM's irqfd. The hook that ends the object
 * removes the entry (bpf/lifecycle.bpf.c).
 */
#ifndef IRQGATE_BINDING_H
#define IRQGATE_BINDING_H

#include <linux/types.h>

#define IRQGATE_IDENT_CGROUPS 8
#define IRQGATE_EVENTFD_SOURCES 16
#define IRQGATE_EVENTFD_VMS 4
#define IRQGATE_MAX_BINDINGS 16384 /* device vectors; also the highest irq that passes at once */
#define IRQGATE_MAX_EVENTFDS 131072 /* that carry interrupts, and as many irqfds */
#define IRQGATE_MAX_VMS 4096
#define IRQGATE_MAX_REASONS 16 /* a power of two above every enum irqgate_reason of a verdict */

/*
 * Who a process is, captured when it is created or executes a program and kept
 * in task storage, so that moving it or reusing its pid changes nothing.
 */
struct irqgate_ident {
	__u64 start; /* boot-time start of the thread group, ns */
	__u64 exec; /* how often its line of processes executed a program (self_exec_id) */
	__u64 exe_dev; /* kernel dev_t */
	__u64 exe_ino;
	__u32 uid;
	__u32 tgid;
	__u32 root; /* nearest forebear that a pid row may name; 0: none */
	__u32 ncgroups;
	__u64 root_start; /* as start */
	__u64 cgroups[IRQGATE_IDENT_CGROUPS]; /* own cgroup first, then its parents */
};

/*
 * Each interrupt is counted in exactly one of the first five. Also the value of the map
 * `stats`, keyed by irqgate_vector_key: what bindings that have ended counted,
 * and what was refused before it became one.
 */
struct irqgate_counters {
	__u64 passed;
	__u64 dropped; /* provably did not arrive */
	__u64 denied; /* refused binds and refused injections */
	__u64 would_drop; /* passed, in audit */
	__u64 leaked; /* passed, though it should have been stopped */
	__u64 audited; /* no interrupts: what else would have been refused, in audit */
	__u64 reported; /* CLOCK_BOOTTIME ns of the last event about the vector */
	/* What was counted as anything but passed, by enum irqgate_reason. */
	__u64 reason[IRQGATE_MAX_REASONS];
};

enum irqgate_binding_state {
	IRQGATE_BINDING_HOST = 1, /* handled by a host driver */
	IRQGATE_BINDING_BOUND = 2, /* VFIO: to the eventfd its owner chose */
	IRQGATE_BINDING_QUARANTINED = 3, /* VFIO: to a sink */
};

struct irqgate_irq_key {
	__u32 irq; /* Linux interrupt number, or irqgate_intx_irq() */
};

/*
 * INTx is a line several functions can share, so its number names no binding:
 * this takes its place, with the function in the lower half (31 bits: VMD, whose
 * domains need more, has no INTx).
 */
#define IRQGATE_IRQ_INTX 0x80000000u

static inline __u32 irqgate_intx_irq(__u64 handle)
{
	return IRQGATE_IRQ_INTX | (__u32)handle;
}

struct irqgate_binding {
	__u64 handle;
	__u32 vector; /* IRQGATE_VECTOR_FUNCTION: INTx */
	__u32 irq; /* the key */
	__u64 trigger; /* eventfd_ctx VFIO signals now, 0 for a host driver */
	__u64 original; /* QUARANTINED: eventfd_ctx it came from, 0: that is gone */
	__u64 device; /* struct vfio_pci_core_device; of a host driver, its struct msi_desc */
	__u64 judged; /* irqgate_judged() of the verdict that counts */
	__u32 gd; /* context that receives, as judged */
	__u32 expected; /* context the table names */
	__u32 line; /* Linux interrupt number */
	__u8 state; /* enum irqgate_binding_state */
	__u8 verdict; /* enum irqgate_verdict, to be shown and enforced */
	__u8 reason; /* enum irqgate_reason */
	__u8 index; /* VFIO_PCI_{INTX,MSI,MSIX}_IRQ_INDEX */
	__u8 isolate; /* a violation is answered by isolating the device */
	__u8 pad[3];
	__u32 seen; /* state.adoption when it was last seen to exist */
	__u64 since; /* CLOCK_BOOTTIME ns of the bind */
	struct irqgate_counters count;
	struct irqgate_ident binder; /* tgid 0: found already bound, and nobody that holds it */
};

/*
 * A verdict and the state.epoch before it was made, in one word: of two judges at a time
 * the late one cannot leave its verdict under the other's epoch.
 */
static inline __u64 irqgate_judged(__u64 epoch, __u8 verdict)
{
	return epoch << 3 | verdict;
}

/* The verdict, IRQGATE_VERDICT_NONE if something moved since. */
static inline __u8 irqgate_judged_verdict(__u64 judged, __u64 epoch)
{
	return judged >> 3 == epoch ? judged & 7 : 0;
}

/*
 * Of an interrupt whose verdict is allow: the value of the array `passing`, indexed by
 * irq. Holds while the epoch stands.
 */
struct irqgate_passing {
	__u64 source; /* irqgate_binding.trigger, of a host driver .device */
	__u64 epoch; /* state.epoch when it was judged */
	__u64 passed; /* since the bind, beside irqgate_binding.count */
	__u64 pad;
};

struct irqgate_ptr_key {
	__u64 ptr;
};

/* A process that may write to an eventfd or read it, as long as the epoch stands. */
struct irqgate_pass {
	__u64 epoch; /* 0: nobody */
	__u64 start; /* these three as in struct irqgate_ident */
	__u64 exec;
	__u32 tgid;
	__u32 writes; /* 0: it only read */
	__u64 changing; /* lock */
};

struct irqgate_eventfd {
	__u32 source[IRQGATE_EVENTFD_SOURCES]; /* irqs, 0: free */
	__u64 vm[IRQGATE_EVENTFD_VMS]; /* struct kvm, 0: free */
	__s32 id; /* as in fdinfo */
	__u32 untracked; /* bindings that found no free place */
	__u32 charged; /* had a count before anybody watched who wrote it, and may have it yet */
	__u32 pad;
	/* Who last made the kernel hold it to signal it (VFIO, vhost, AIO, ...); tgid 0: nobody. */
	struct irqgate_ident signaller;
	/* Who did before that one; more than one are `charged`. */
	struct irqgate_ident former;
	struct irqgate_pass pass;
};

struct irqgate_irqfd {
	__u64 vm;
	__u64 eventfd;
	__u32 gsi;
	__u32 seen; /* as in struct irqgate_binding */
};

struct irqgate_vm {
	struct irqgate_ident creator;
	__u32 seen; /* as in struct irqgate_binding */
	__u32 pad;
};

/* Key of `held`: a process that is stopped until its vectors are quarantined. */
struct irqgate_tgid_key {
	__u32 tgid;
};

/* A running irqgate that works on a binding, keyed by its tgid. */
enum irqgate_agent_op {
	IRQGATE_AGENT_QUARANTINE = 1,
	IRQGATE_AGENT_RELEASE = 2,
};

struct irqgate_agent {
	__u32 op; /* enum irqgate_agent_op */
	__u32 irq;
};

/* What was done to a function that was to be isolated (user/isolate.c). */
enum irqgate_isolation_means {
	IRQGATE_ISOLATED_BUS_MASTER = 1,
	IRQGATE_ISOLATED_UNBOUND = 2,
};

struct irqgate_isolation {
	__u64 leaked; /* by its vectors until then; more means it did not work */
	__u64 since; /* CLOCK_MONOTONIC ns */
	__u32 means; /* enum irqgate_isolation_means */
	__u32 vector; /* for which it was done */
	char driver[40]; /* UNBOUND: which to bind again */
};

/* One record a governed file, written by the iterator of bpf/adopt.bpf.c. */
enum irqgate_file_kind {
	IRQGATE_FILE_VFIO_DEVICE = 1,
	IRQGATE_FILE_EVENTFD = 2,
};

struct irqgate_file {
	__u32 kind; /* enum irqgate_file_kind */
	__u32 tgid;
	__s32 fd;
	__u32 pad;
	__u64 handle; /* of a VFIO device, else 0 */
	__u64 object; /* vfio_pci_core_device or eventfd_ctx */
};

_Static_assert(sizeof(struct irqgate_ident) == 120, "shared layout");
_Static_assert(sizeof(struct irqgate_binding) == 384, "shared layout");
_Static_assert(sizeof(struct irqgate_eventfd) == 392, "shared layout");
_Static_assert(sizeof(struct irqgate_isolation) == 64, "shared layout");
_Static_assert(sizeof(struct irqgate_file) == 32, "shared layout");

#endif
