/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table: the policy's rows, as BPF maps that both sides share.
 *
 * A table is six hash maps: devices, vectors, matches, contexts, cgroups, paths. Two tables exist
 * at a time, in two slots; state.generation & 1 names the slot in force. A reload fills the other
 * slot and then raises the generation, so a reader sees the old table or the new one, never a
 * mixture. `allow` changes single rows of the slot in force. Revocations are outside of the
 * table, in the map `revoked`: `revoke` holds over every table until `allow` gives the vector
 * back.
 *
 * Zero a key before you fill it, because padding is part of the key.
 */
#ifndef IRQGATE_TABLE_H
#define IRQGATE_TABLE_H

#include <linux/types.h>

/* GISA designation of the host, as in zdev->gisa: 0 is the bare-metal host. */
#define IRQGATE_GD_HOST 0u
/* No known context. */
#define IRQGATE_GD_NONE 0xffffffffu

/* MSI-X allows 2048 vectors a function (PCI_MSIX_FLAGS_QSIZE, 11 bits). */
#define IRQGATE_MAX_VECTORS 2048u
/* Stands for the function itself: INTx, and VFIO's error and request indexes. */
#define IRQGATE_VECTOR_FUNCTION 0xffffu

#define IRQGATE_MAX_DEVICES 4096
#define IRQGATE_MAX_VECTOR_ROWS (1 << 20)
#define IRQGATE_MAX_REVOKED 65536 /* devices */
#define IRQGATE_MAX_MATCHES 4096
#define IRQGATE_MAX_CONTEXTS 1024
#define IRQGATE_NAME_LEN 64

/* The reaction to a violation, ordered by how much it stops. */
enum irqgate_action {
	IRQGATE_ACTION_ALLOW = 0, /* only as a default for unlisted objects */
	IRQGATE_ACTION_AUDIT = 1,
	IRQGATE_ACTION_DROP = 2,
	IRQGATE_ACTION_DENY = 3,
	IRQGATE_ACTION_ISOLATE = 4,
};

/*
 * The reaction to a vector that cannot be quarantined, because no process has its device under an
 * fd.
 */
enum irqgate_last_resort {
	IRQGATE_LAST_RESORT_UNSET = 0, /* device: use the defaults; defaults: isolate */
	IRQGATE_LAST_RESORT_REPORT = 1,
	IRQGATE_LAST_RESORT_ISOLATE = 2, /* the whole function is kept from raising MSIs */
	IRQGATE_LAST_RESORT_KILL = 3, /* kill the processes that hold the device */
};

/* Who may use a device that VFIO drives, apart from its interrupts. */
enum irqgate_access {
	IRQGATE_ACCESS_UNSET = 0, /* device: use the defaults; defaults: any */
	IRQGATE_ACCESS_ANY = 1, /* everybody who has the file */
	IRQGATE_ACCESS_OWNER = 2, /* processes of the device's context */
};

/* The reaction to a process that has a device mapped which it may not use. */
enum irqgate_on_mapped {
	IRQGATE_ON_MAPPED_UNSET = 0, /* device: use the defaults; defaults: report */
	IRQGATE_ON_MAPPED_REPORT = 1,
	IRQGATE_ON_MAPPED_STOP = 2, /* SIGSTOP; the operator continues it */
	IRQGATE_ON_MAPPED_KILL = 3,
};

enum irqgate_mode {
	IRQGATE_MODE_AUDIT = 0,
	IRQGATE_MODE_ENFORCE = 1,
};

/* irqgate_registration.flags */
#define IRQGATE_REG_ALL_VECTORS 1u /* vectors without a row are registered, too */
#define IRQGATE_REG_SHARED 2u /* `allow` gave a vector to another context */

/* Contexts that may hold a device of another one. */
#define IRQGATE_MAX_BROKERS 4

/* irqgate_context.flags */
#define IRQGATE_CTX_STRICT 1u /* not even its own VMM may inject */

struct irqgate_device_key {
	__u64 handle;
};

/*
 * One registration: what zpci_set_airq gives firmware for a function (arch/s390/pci/pci_irq.c),
 * without the interruption subclass and the addresses. The policy does not have those; the map
 * `firmware` has them on s390.
 */
struct irqgate_registration {
	__u32 gd;
	__u16 noi; /* highest registered vector + 1 */
	__u8 action; /* enum irqgate_action */
	__u8 last_resort; /* enum irqgate_last_resort */
	__u32 flags; /* IRQGATE_REG_* */
	__u8 access; /* enum irqgate_access, never UNSET: the default is filled in */
	__u8 on_mapped; /* enum irqgate_on_mapped, as .access */
	__u16 brokers; /* number of used elements of .broker */
	__u32 broker[IRQGATE_MAX_BROKERS]; /* gd of contexts that may hold it and not use it */
};

struct irqgate_vector_key {
	__u64 handle;
	__u32 vector;
	__u32 pad;
};

struct irqgate_vector_auth {
	__u32 gd;
	__u8 action; /* enum irqgate_action */
	__u8 pad[3];
};

/* irqgate_revocation.flags */
#define IRQGATE_REVOKED_FUNCTION 1u /* IRQGATE_VECTOR_FUNCTION as well */

/* The revoked vectors of one device: value of the map `revoked`, keyed by device. */
struct irqgate_revocation {
	__u64 since; /* CLOCK_BOOTTIME ns of the last `revoke` */
	__u32 flags; /* IRQGATE_REVOKED_* */
	__u32 pad;
	__u64 vectors[IRQGATE_MAX_VECTORS / 64];
};

/*
 * The kinds of a match: a set, of which all must hold for a process. The set as a number is the
 * order in which rows are looked for, the greatest first.
 */
enum irqgate_match_kind {
	IRQGATE_MATCH_UID = 1,
	IRQGATE_MATCH_EXE = 2,
	IRQGATE_MATCH_CGROUP = 4, /* descendants match too */
	IRQGATE_MATCH_PID = 8, /* descendants match too */
	/* Not a match: tells which process a pid of the policy means. Its key has only .pid. */
	IRQGATE_MATCH_PROCESS = 16,
};

/* The key is all that a row says of a process. A member that the row does not name is 0. */
struct irqgate_match_key {
	__u32 kind; /* set of enum irqgate_match_kind, or PROCESS */
	__u32 source; /* 1: the row names a soft source, 0: a context */
	__u32 cgroup; /* irqgate_cgroup.number */
	__u32 pid; /* tgid in the initial pid namespace */
	__u64 exe_ino;
	__u32 exe_dev; /* device of the file system, kernel encoding */
	__u32 uid; /* in the initial user namespace */
};

struct irqgate_match {
	__u32 gd; /* the context, or the context that the source may signal */
	__u32 exe_gen; /* inode generation, 0: the file system does not tell */
	__u64 handle; /* handle of the soft source, else 0 */
	__u64 start; /* PROCESS: in clock ticks since boot, as in proc(5), or START_NOBODY */
};

/* No process had the pid when the policy came in force, so the row means no process. */
#define IRQGATE_START_NOBODY (~0ULL)

/*
 * The cgroups of the policy have numbers. `cgroups` has the number of an existing cgroup, by its
 * id, which the kernel never reuses. `paths` has the number for a cgroup that appears, by its
 * whole path.
 */
struct irqgate_cgroup_key {
	__u64 id; /* id of a cgroup of cgroup v2 */
};

#define IRQGATE_PATH_MAX 256 /* the loader finds longer paths within a second */

struct irqgate_path_key {
	char path[IRQGATE_PATH_MAX]; /* zeroes after its end */
};

struct irqgate_cgroup {
	__u32 number; /* from 1 */
	__u32 made; /* in `paths`: rows of `cgroups` that BPF added and that still exist */
};

/*
 * Limit of the rows that BPF adds for one path until the loader removes those of cgroups that are
 * gone. A process that may make a cgroup of that name can make it thousands of times a second,
 * and all paths share the map. Beyond the limit the loader finds the existing cgroup within a
 * second.
 */
#define IRQGATE_CGROUPS_MADE 64

struct irqgate_context_key {
	__u32 gd;
};

struct irqgate_context {
	char name[IRQGATE_NAME_LEN];
	__u32 flags; /* IRQGATE_CTX_* */
	__u32 pad;
};

/* The maps of a table, by the names of their outer maps `table_NAME`. */
enum irqgate_table_map {
	IRQGATE_MAP_DEVICES,
	IRQGATE_MAP_VECTORS,
	IRQGATE_MAP_MATCHES,
	IRQGATE_MAP_CONTEXTS,
	IRQGATE_MAP_CGROUPS,
	IRQGATE_MAP_PATHS,
	IRQGATE_TABLE_MAPS,
};

/*
 * A loader or guard without a sign of life for this long hangs. On a busy machine a step takes
 * some seconds.
 */
#define IRQGATE_LOADER_HANGS_NS 10000000000ULL

struct irqgate_defaults {
	__u8 mode; /* enum irqgate_mode */
	__u8 unlisted_device; /* enum irqgate_action: allow, audit, deny */
	__u8 unlisted_source;
	__u8 unlisted_host; /* a device that a host driver has */
	__u8 on_full; /* allow: an object without room passes, but is reported; else deny */
	__u8 last_resort; /* enum irqgate_last_resort */
	/* The kinds of rows in `matches`, a bit each: for contexts, for soft sources. */
	__u16 kinds[2];
	__u8 access; /* enum irqgate_access, of devices without a row */
	__u8 on_mapped; /* enum irqgate_on_mapped, of devices without a row */
	__u8 governs; /* 1: .access or the .access of a row is OWNER */
	__u8 pad[3];
};

/* Code that exists, but whose hooks could not be attached: bits of state.unhooked. */
enum irqgate_module {
	IRQGATE_MODULE_KERNEL = 1,
	IRQGATE_MODULE_VFIO = 2,
	IRQGATE_MODULE_KVM = 4,
};

/* Is the inline gate (bpf/inline.bpf.c) in force? */
enum irqgate_inline {
	IRQGATE_INLINE_OFF = 0,
	IRQGATE_INLINE_BESIDE = 1, /* it drops, but does not see all: quarantine, too */
	IRQGATE_INLINE_ALONE = 2, /* it sees every interrupt: no quarantine is needed */
	IRQGATE_INLINE_IDLE = 3, /* it decides nothing, but may have decided a moment ago */
};

/* The only element of the map `state`; both sides update it with atomics. */
struct irqgate_state {
	__u64 layout; /* IRQGATE_LAYOUT of the maps' maker; always the first member */
	__u64 generation; /* number of the table; & 1 is the slot in force */
	__u64 epoch; /* raised with everything a cached verdict depends on */
	struct irqgate_defaults defaults[2]; /* by slot */
	__u64 loader_beat; /* CLOCK_MONOTONIC ns of the loader's last sign of life */
	__u32 loader_tgid; /* 0: none; cleared by BPF when it exits */
	__u32 adoption; /* number of the last search for existing objects */
	__u32 inline_gate; /* enum irqgate_inline */
	__u32 walks; /* number of the last walk through s390's functions */
	__u64 lost_events; /* ring buffer full */
	__u64 lost_bindings; /* records that a map had no room for */
	__u64 unknown_msis; /* MSIs through VFIO without a learned binding */
	__u64 sentinel; /* times the gate saw the loader's test write */
	__u64 vfio_msihandler; /* address of VFIO's handler, 0: not loaded */
	__u64 build; /* hash of the BPF object whose programs are attached */
	__u64 policy; /* hash of the policy that a loader applied, 0 after it ended in order */
	__u64 alarm; /* CLOCK_BOOTTIME ns when the hooks fell silent, 0: they run */
	__u64 overflow; /* objects that were made and got no row */
	__u64 recovered; /* .overflow at the last search that found room for all objects */
	__u64 unseen; /* times when it became unknown which objects exist */
	__u64 found; /* .unseen at the start of the last search that saw all objects */
	__u64 guard_beat; /* the guard's last sign of life, while it does the loader's work */
	__u64 uncontained; /* unauthorized bindings that the last try could not cut */
	__u32 unhooked; /* set of enum irqgate_module: binds there are refused */
	__u32 moves; /* odd: the loader moves counters from `bindings` to `stats` */
	__u64 loader_start; /* in clock ticks since boot; set before .loader_tgid */
	__u32 cut_vms; /* .adoption of the last search that may have left out VMs */
	__u32 cut_irqfds; /* ... or irqfds, also because their VM has no row */
	__u64 changes; /* of the table's rows and the revocations */
	__u32 mapped; /* mappings at the last review whose process may not use the device */
	__u32 pad;
};

/* Does the inline gate decide? Then no other hook needs to count what it judged. */
static inline int irqgate_inline_decides(const struct irqgate_state *st)
{
	return st->inline_gate && st->inline_gate != IRQGATE_INLINE_IDLE;
}

_Static_assert(sizeof(struct irqgate_registration) == 32, "shared layout");
_Static_assert(sizeof(struct irqgate_vector_key) == 16, "shared layout");
_Static_assert(sizeof(struct irqgate_vector_auth) == 8, "shared layout");
_Static_assert(sizeof(struct irqgate_defaults) == 16, "shared layout");
_Static_assert(sizeof(struct irqgate_match_key) == 32, "shared layout");
_Static_assert(sizeof(struct irqgate_revocation) == 272, "shared layout");
_Static_assert(sizeof(struct irqgate_match) == 24, "shared layout");
_Static_assert(sizeof(struct irqgate_context) == 72, "shared layout");
_Static_assert(sizeof(struct irqgate_state) == 232, "shared layout");

#endif
