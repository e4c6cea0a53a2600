/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bindings: what the kernel has connected right now, learned by BPF hooks.
 *
 *   bindings  irq      -> source vector and the eventfd it triggers
 *   eventfds  ctx      -> the irqs that signal it, the VMs that listen to it
 *   irqfds    irqfd    -> eventfd, VM, GSI
 *   vms       kvm      -> the process that created it
 *
 * Kernel pointers serve only as keys, and are printed only to root. An entry lives as long as the
 * kernel object that holds a reference on the eventfd: VFIO's trigger or KVM's irqfd. The hook
 * that sees the object end removes the entry (bpf/lifecycle.bpf.c).
 */
#ifndef IRQGATE_BINDING_H
#define IRQGATE_BINDING_H

#include <linux/types.h>

#define IRQGATE_IDENT_CGROUPS 8
#define IRQGATE_EVENTFD_SOURCES 16
#define IRQGATE_EVENTFD_VMS 4
/* Devices into which one eventfd may write (VFIO_DEVICE_IOEVENTFD). */
#define IRQGATE_EVENTFD_DEVICES 2
#define IRQGATE_MAX_BINDINGS 65536 /* device vectors; irqs below it have the fast path */
#define IRQGATE_MAX_EVENTFDS 131072 /* that carry interrupts; irqfds: the same number */
#define IRQGATE_MAX_VMS 4096
#define IRQGATE_VHOST_TYPES 5 /* vhost drivers in the kernel */
#define IRQGATE_MAX_REASONS 16 /* power of two, above each enum irqgate_reason of a verdict */

/*
 * Quotas for the maps that other processes can make grow. The array `usage` counts rows by
 * account; its index is the account. Accounts are never made or removed, so the array cannot fill
 * up and no account gets lost. Two contexts or users with the same account share its quota.
 */
enum irqgate_room {
	IRQGATE_ROOM_EVENTFDS = 0,
	IRQGATE_ROOM_IRQFDS = 1,
	IRQGATE_ROOM_VMS = 2,
	IRQGATE_ROOM_BINDINGS = 3,
	IRQGATE_ROOM_STATS = 4,
	IRQGATE_ROOMS,
};
#define IRQGATE_ROOM_SLOTS 8 /* power of two, above IRQGATE_ROOMS */

#define IRQGATE_MAX_STATS 65536

enum irqgate_account {
	IRQGATE_ACCOUNT_ALL = 0, /* every row */
	IRQGATE_ACCOUNT_UNLISTED = 1, /* all processes without a context together */
	IRQGATE_ACCOUNT_CONTEXT = 2, /* first account of a context */
	IRQGATE_ACCOUNT_UID = 2 + 1024, /* first account of a user without a context */
	IRQGATE_ACCOUNTS = IRQGATE_ACCOUNT_UID + 4096,
};

struct irqgate_usage {
	__u32 rows[IRQGATE_ROOM_SLOTS]; /* by enum irqgate_room */
};

static inline __u32 irqgate_account_context(__u32 gd)
{
	return IRQGATE_ACCOUNT_CONTEXT + gd % (IRQGATE_ACCOUNT_UID - IRQGATE_ACCOUNT_CONTEXT);
}

static inline __u32 irqgate_account_uid(__u32 uid)
{
	return IRQGATE_ACCOUNT_UID + (uid * 2654435761u >> 20); /* Knuth's hash, 12 bits */
}

/*
 * irqgate_quota - how many of the @max rows of a map an account may have
 *
 * All accounts together may have seven eighths of a map. The rest is for objects that got past
 * the gate, because those are never refused a row. Processes without a context may have half of
 * the map together, so the other half is for contexts. A context may have a quarter of the map, a
 * user without a context an eighth.
 */
static inline __u32 irqgate_quota(__u32 account, __u32 max)
{
	if (account == IRQGATE_ACCOUNT_ALL)
		return max - max / 8;
	if (account == IRQGATE_ACCOUNT_UNLISTED)
		return max / 2;
	return account < IRQGATE_ACCOUNT_UID ? max / 4 : max / 8;
}

/*
 * Identity of a process. The hooks take it at fork and exec and keep it in task storage, so it
 * survives a move to another cgroup, and a process that reuses the pid does not inherit it.
 */
struct irqgate_ident {
	__u64 start; /* boot-time start of the thread group, ns */
	__u64 exec; /* self_exec_id: number of execs in this process and its ancestors */
	__u64 exe_ino;
	__u32 exe_dev; /* kernel dev_t */
	__u32 exe_gen; /* inode generation, 0: unknown */
	__u32 uid;
	__u32 tgid;
	__u32 root; /* nearest ancestor that a pid row may name; 0: none */
	__u32 ncgroups;
	__u64 root_start; /* as start */
	__u64 cgroups[IRQGATE_IDENT_CGROUPS]; /* own cgroup first, then its parents */
};

/*
 * Each interrupt counts in exactly one of the first five members. The map `stats`, keyed by
 * irqgate_vector_key, has this type, too: it keeps the counts of bindings that ended, and of
 * attempts that the gate refused before there was a binding.
 */
struct irqgate_counters {
	__u64 passed;
	__u64 dropped; /* provably did not arrive */
	__u64 denied; /* refused binds and refused injections */
	__u64 would_drop; /* passed, in audit */
	__u64 leaked; /* passed, although the table forbids it */
	__u64 audited; /* not interrupts: other attempts that only audit let pass */
	/* Not one of the five: interrupts given back, each for those dropped before. */
	__u64 replayed;
	__u64 reported; /* CLOCK_BOOTTIME ns of the last event about the vector */
	/* Counts of anything that did not plainly pass, by enum irqgate_reason. */
	__u64 reason[IRQGATE_MAX_REASONS];
};

enum irqgate_binding_state {
	IRQGATE_BINDING_HOST = 1, /* handled by a host driver */
	IRQGATE_BINDING_BOUND = 2, /* VFIO signals the owner's eventfd */
	IRQGATE_BINDING_QUARANTINED = 3, /* VFIO signals a sink */
};

struct irqgate_irq_key {
	__u32 irq; /* Linux interrupt number, or irqgate_intx_irq() */
};

/*
 * Several functions can share an INTx line, so its irq does not identify a binding. An INTx
 * binding has this bit and the lower half of the function's handle as its key. 31 bits are
 * enough: only VMD's domains need more, and VMD has no INTx.
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
	__u64 trigger; /* eventfd_ctx that VFIO signals now, 0: a host driver has the vector */
	__u64 original; /* QUARANTINED: the owner's eventfd_ctx, 0: the owner closed it */
	__u64 device; /* struct vfio_pci_core_device; with a host driver, struct msi_desc */
	__u64 judged; /* irqgate_judged(): the verdict by which interrupts are counted */
	__u32 gd; /* context that receives, by the last decision */
	__u32 expected; /* context the table names */
	__u32 line; /* Linux interrupt number */
	__u8 state; /* enum irqgate_binding_state */
	__u8 verdict; /* enum irqgate_verdict: what user space shows and enforces */
	__u8 reason; /* enum irqgate_reason */
	__u8 index; /* VFIO_PCI_{INTX,MSI,MSIX}_IRQ_INDEX */
	__u8 isolate; /* 1: isolate the device on a violation */
	__u8 pad[3];
	__u32 account; /* as in struct irqgate_eventfd */
	__u32 seen; /* state.adoption when a hook or search last saw the object */
	/*
	 * 1: an interrupt was swallowed and not given back yet, like the pending bit of a masked
	 * vector. Cleared when the owner binds again, or when another VM comes to listen.
	 */
	__u32 pending;
	__u64 since; /* CLOCK_BOOTTIME ns of the bind */
	struct irqgate_counters count;
	struct irqgate_ident binder; /* tgid 0: found bound, and no process holds the device */
};

/*
 * A verdict and the state.epoch read before the decision, in one word. If two CPUs judge at the
 * same time, the slower one cannot store its verdict under the epoch of the other.
 */
static inline __u64 irqgate_judged(__u64 epoch, __u8 verdict)
{
	return epoch << 3 | verdict;
}

/* The verdict, or IRQGATE_VERDICT_NONE if the epoch moved since. */
static inline __u8 irqgate_judged_verdict(__u64 judged, __u64 epoch)
{
	return judged >> 3 == epoch ? judged & 7 : 0;
}

/* A cached allow: value of the array `passing`, indexed by irq. Valid until the epoch moves. */
struct irqgate_passing {
	__u64 source; /* irqgate_binding.trigger; with a host driver, .device */
	__u64 epoch; /* state.epoch when it was judged */
	__u64 passed; /* since the bind; irqgate_binding.count does not have these */
	__u64 pad;
};

struct irqgate_ptr_key {
	__u64 ptr;
};

/*
 * A cached allow for a process that writes to an eventfd or reads it. Valid until the epoch
 * moves.
 */
struct irqgate_pass {
	__u64 epoch; /* 0: no process */
	__u64 start; /* this, .exec and .tgid as in struct irqgate_ident */
	__u64 exec;
	__u32 tgid;
	__u32 writes; /* 0: it only read */
	__u64 changing; /* lock */
};

struct irqgate_eventfd {
	__u32 source[IRQGATE_EVENTFD_SOURCES]; /* irqs, 0: free */
	__u64 vm[IRQGATE_EVENTFD_VMS]; /* struct kvm, 0: free */
	__s32 id; /* as in fdinfo */
	__u32 untracked; /* bindings and VMs that found no free place */
	__u16 charged; /* 1: may still have a count from an unknown writer */
	__u8 early; /* 1: the kernel held it for an unknown signaller */
	__u8 lost; /* irqgate_search() when an irqfd on it found no row; 0: all have one */
	__u32 account; /* account that is charged for the row, enum irqgate_account */
	/*
	 * Process that last made the kernel hold it to signal it (VFIO, vhost, AIO, ...); tgid 0:
	 * none.
	 */
	struct irqgate_ident signaller;
	/* The one that did so before. If there were several, `charged` is set. */
	struct irqgate_ident former;
	struct irqgate_pass pass;
	/*
	 * Devices into which VFIO writes when it is signalled (VFIO_DEVICE_IOEVENTFD), 0: free.
	 * They stay until the eventfd ends, or a search does not find them.
	 */
	__u64 writes[IRQGATE_EVENTFD_DEVICES];
	__u32 writes_seen; /* as in struct irqgate_binding */
	__u32 pad;
};

/* A search's number in one byte, never 0. The next one with the same number is far away. */
static inline __u8 irqgate_search(__u32 adoption)
{
	return 1 + adoption % 255;
}

/* Do more bindings or VMs use an eventfd than its row and theirs tell? */
static inline __u32 irqgate_crowded(const struct irqgate_eventfd *e)
{
	return e->untracked | e->lost;
}

struct irqgate_irqfd {
	__u64 vm;
	__u64 eventfd;
	__u32 gsi;
	__u32 seen; /* as in struct irqgate_binding */
	__u32 account; /* the VM's account, as in struct irqgate_eventfd */
	__u32 pad;
};

struct irqgate_vm {
	struct irqgate_ident creator;
	__u32 seen; /* as in struct irqgate_binding */
	__u32 account; /* as in struct irqgate_eventfd */
};

/*
 * Key of `held` and `agents`. The kernel may have reused the tgid: the start time in the value
 * tells which process is meant.
 */
struct irqgate_tgid_key {
	__u32 tgid;
};

/* A process that is stopped until its vectors are quarantined. */
struct irqgate_held {
	__u64 since; /* CLOCK_BOOTTIME ns */
	__u64 start; /* as in struct irqgate_ident */
};

/* The work of an agent: an irqgate process that changes a binding right now. */
enum irqgate_agent_op {
	IRQGATE_AGENT_QUARANTINE = 1,
	IRQGATE_AGENT_RELEASE = 2,
	IRQGATE_AGENT_REPLAY = 3, /* gives back a swallowed interrupt */
	IRQGATE_AGENT_FORGET = 4, /* cannot replay: the owner closed the eventfd */
};

struct irqgate_agent {
	__u32 op; /* enum irqgate_agent_op */
	__u32 irq;
	/* The only files it may receive. */
	__u64 device; /* struct vfio_pci_core_device */
	__u64 eventfd; /* eventfd_ctx, 0: none */
	__u64 start; /* start of the process, in clock ticks since boot, as in proc(5) */
};

/* How a function was isolated (user/loader/isolate.c). */
enum irqgate_isolation_means {
	IRQGATE_ISOLATED_BUS_MASTER = 1,
	IRQGATE_ISOLATED_UNBOUND = 2,
	/* As a last resort, while a user of VFIO has the function. */
	IRQGATE_ISOLATED_OWNED = 3, /* no bus master any more */
	IRQGATE_ISOLATED_RESET = 4,
};

struct irqgate_isolation {
	__u64 leaked; /* leaks of its vectors until then; more mean that it did not work */
	__u64 since; /* CLOCK_MONOTONIC ns */
	__u32 means; /* enum irqgate_isolation_means */
	__u32 vector; /* vector because of which it was done */
	char driver[40]; /* UNBOUND: the driver to bind again */
};

/*
 * A VFIO device or an eventfd that a process holds: a record of the iterators in bpf/adopt.bpf.c.
 */
enum irqgate_file_kind {
	IRQGATE_FILE_VFIO_DEVICE = 1,
	IRQGATE_FILE_EVENTFD = 2,
};

struct irqgate_file {
	__u32 kind; /* enum irqgate_file_kind */
	__u32 tgid;
	__s32 fd; /* -1: the process has it mapped */
	__u32 tid; /* thread that holds it; usually the main thread */
	__u64 handle; /* handle of a VFIO device, else 0 */
	__u64 object; /* vfio_pci_core_device or eventfd_ctx */
	__u64 start; /* start of the process, as in struct irqgate_ident */
	__u32 gd; /* of a mapping: context of the process */
	__u8 verdict; /* of a mapping: enum irqgate_verdict, may the process use the device? */
	__u8 reason; /* of a mapping: enum irqgate_reason */
	__u8 pad[2];
};

_Static_assert(sizeof(struct irqgate_ident) == 120, "shared layout");
_Static_assert(sizeof(struct irqgate_binding) == 400, "shared layout");
_Static_assert(sizeof(struct irqgate_usage) == 32, "shared layout");
_Static_assert(IRQGATE_ROOMS <= IRQGATE_ROOM_SLOTS, "a room has no slot");
_Static_assert(sizeof(struct irqgate_eventfd) == 416, "shared layout");
_Static_assert(sizeof(struct irqgate_isolation) == 64, "shared layout");
_Static_assert(sizeof(struct irqgate_file) == 48, "shared layout");

#endif
