/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table: what the policy registers, as BPF maps both sides share.
 *
 * A table is four hash maps: devices, vectors, matches, contexts. Two tables
 * exist at a time, in two slots; state.generation & 1 names the slot in force.
 * A reload fills the other slot and then bumps the generation, so a reader sees
 * the old table or the new one, never a mixture. `allow` and `revoke` change
 * single rows of the slot in force.
 *
 * Keys must be zeroed before they are filled: padding is part of the key.
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
/* Stands for the function itself: INTx, the VFIO error and request indexes. */
#define IRQGATE_VECTOR_FUNCTION 0xffffu

#define IRQGATE_MAX_DEVICES 4096
#define IRQGATE_MAX_VECTOR_ROWS (1 << 20)
#define IRQGATE_MAX_MATCHES 4096
#define IRQGATE_MAX_CONTEXTS 1024
#define IRQGATE_NAME_LEN 64

/* What is done about a violation. Ordered by how much it stops. */
enum irqgate_action {
	IRQGATE_ACTION_ALLOW = 0, /* only as a default for what is not listed */
	IRQGATE_ACTION_AUDIT = 1,
	IRQGATE_ACTION_DROP = 2,
	IRQGATE_ACTION_DENY = 3,
	IRQGATE_ACTION_ISOLATE = 4,
};

enum irqgate_mode {
	IRQGATE_MODE_AUDIT = 0,
	IRQGATE_MODE_ENFORCE = 1,
};

/* irqgate_registration.flags */
#define IRQGATE_REG_ALL_VECTORS 1u /* vectors without a row belong to it too */

/* irqgate_vector_auth.flags */
#define IRQGATE_VEC_REVOKED 1u

/* irqgate_context.flags */
#define IRQGATE_CTX_STRICT 1u /* its own VMM may not inject either */

struct irqgate_device_key {
	__u64 handle;
};

/*
 * One registration: what zpci_set_airq hands to firmware for a function
 * (arch/s390/pci/pci_irq.c). The addresses are known on s390 only, else 0.
 */
struct irqgate_registration {
	__u32 gd;
	__u16 noi; /* highest registered vector + 1 */
	__u8 isc;
	__u8 action; /* enum irqgate_action */
	__u32 flags; /* IRQGATE_REG_* */
	__u8 aibvo;
	__u8 aisbo;
	__u16 pad;
	__u64 aibv;
	__u64 aisb;
};

struct irqgate_vector_key {
	__u64 handle;
	__u32 vector;
	__u32 pad;
};

struct irqgate_vector_auth {
	__u32 gd;
	__u8 action; /* enum irqgate_action */
	__u8 flags; /* IRQGATE_VEC_* */
	__u16 pad;
};

enum irqgate_match_kind {
	IRQGATE_MATCH_CGROUP = 1, /* a: cgroup v2 id; descendants match too */
	IRQGATE_MATCH_PID = 2, /* a: tgid in the initial pid namespace */
	IRQGATE_MATCH_EXE = 3, /* a: device of the file system, kernel encoding; b: inode */
	IRQGATE_MATCH_UID = 4, /* a: uid in the initial user namespace */
	IRQGATE_MATCH_CGROUP_PATH =
		5, /* a: irqgate_hash_text of a cgroup's path, for one that appears */
};

struct irqgate_match_key {
	__u32 kind; /* enum irqgate_match_kind */
	__u32 source; /* 1: the row names a soft source, 0: a context */
	__u64 a;
	__u64 b;
};

struct irqgate_match {
	__u32 gd; /* the context, or the one the source may signal */
	__u32 pad;
	__u64 handle; /* of the soft source, else 0 */
	__u64 start; /* PID: start in clock ticks since boot, as in proc(5); 0: not seen yet */
};

struct irqgate_context_key {
	__u32 gd;
};

struct irqgate_context {
	char name[IRQGATE_NAME_LEN];
	__u32 flags; /* IRQGATE_CTX_* */
	__u32 pad;
};

#define IRQGATE_PATH_MAX 256 /* longer cgroup paths are found within a second, not at once */

/* Order of the four maps within a slot of the outer map `table`. */
enum irqgate_table_map {
	IRQGATE_MAP_DEVICES,
	IRQGATE_MAP_VECTORS,
	IRQGATE_MAP_MATCHES,
	IRQGATE_MAP_CONTEXTS,
	IRQGATE_TABLE_MAPS,
};

struct irqgate_defaults {
	__u8 mode; /* enum irqgate_mode */
	__u8 unlisted_device; /* enum irqgate_action: allow, audit, deny */
	__u8 unlisted_source;
	__u8 pad[5];
};

/* Is the inline gate (bpf/inline.bpf.c) in force? */
enum irqgate_inline {
	IRQGATE_INLINE_OFF = 0,
	IRQGATE_INLINE_BESIDE = 1, /* it drops what it sees; not all is seen: quarantine as well */
	IRQGATE_INLINE_ALONE = 2, /* nothing gets past it: no quarantine is needed */
	IRQGATE_INLINE_IDLE = 3, /* it decides nothing, but may have a moment ago */
};

/* The only element of the map `state`; both sides update it with atomics. */
struct irqgate_state {
	__u64 layout; /* IRQGATE_LAYOUT of the irqgate that made the maps; always the first */
	__u64 generation; /* of the table; & 1 is the slot in force */
	__u64 epoch; /* moves with everything a cached verdict depends on */
	struct irqgate_defaults defaults[2]; /* by slot */
	__u64 loader_beat; /* CLOCK_MONOTONIC ns of the loader's last sign of life */
	__u32 loader_tgid; /* 0: none; cleared by BPF when it exits */
	__u32 adoption; /* number of the last search for what exists */
	__u32 inline_gate; /* enum irqgate_inline */
	__u32 walks; /* number of the last walk through s390's functions */
	__u64 lost_events; /* ring buffer full */
	__u64 lost_bindings; /* could not be recorded: a map was full */
	__u64 unknown_msis; /* through VFIO without a learned binding */
	__u64 sentinel; /* times the sentinel's own write was seen */
	__u64 vfio_msihandler; /* address of VFIO's handler, 0: not loaded */
	__u64 build; /* hash of the BPF object whose programs are attached */
	__u64 policy; /* hash of the policy a loader applied and did not end with, else 0 */
	__u64 alarm; /* CLOCK_BOOTTIME ns since when the hooks do not fire, 0: they do */
};

/* Does the inline gate decide, so that nothing else needs to count what it judged? */
static inline int irqgate_inline_decides(const struct irqgate_state *st)
{
	return st->inline_gate && st->inline_gate != IRQGATE_INLINE_IDLE;
}

_Static_assert(sizeof(struct irqgate_registration) == 32, "shared layout");
_Static_assert(sizeof(struct irqgate_vector_key) == 16, "shared layout");
_Static_assert(sizeof(struct irqgate_vector_auth) == 8, "shared layout");
_Static_assert(sizeof(struct irqgate_match_key) == 24, "shared layout");
_Static_assert(sizeof(struct irqgate_match) == 24, "shared layout");
_Static_assert(sizeof(struct irqgate_context) == 72, "shared layout");
_Static_assert(sizeof(struct irqgate_state) == 128, "shared layout");

#endif
