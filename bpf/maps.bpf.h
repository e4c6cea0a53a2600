/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps, all pinned by name below /sys/fs/bpf/irqgate. Every stage includes this file. The
 * definitions are weak, so that bpftool gen object merges them.
 */
#ifndef IRQGATE_MAPS_BPF_H
#define IRQGATE_MAPS_BPF_H

#include "vmlinux.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <irqgate/handle.h>
#include <irqgate/decide.h>
#include <irqgate/event.h>
#include <irqgate/binding.h>

#define HASH_WITH(name_, key_, value_, max_, flags_)                                               \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, max_);                                                         \
		__uint(map_flags, flags_);                                                         \
		__type(key, key_);                                                                 \
		__type(value, value_);                                                             \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                                               \
	} name_ SEC(".maps") __weak

#define HASH(name_, key_, value_, max_) HASH_WITH(name_, key_, value_, max_, 0)

#define ARRAY(type_, name_, value_, max_, flags_)                                                  \
	struct {                                                                                   \
		__uint(type, type_);                                                               \
		__uint(max_entries, max_);                                                         \
		__uint(map_flags, flags_);                                                         \
		__type(key, __u32);                                                                \
		__type(value, value_);                                                             \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                                               \
	} name_ SEC(".maps") __weak

/*
 * The types of the table's maps. Clang leaves a type without a use by value out of BTF, where the
 * linker and bpftool look for it.
 */
const volatile struct {
	struct irqgate_device_key device_key;
	struct irqgate_registration registration;
	struct irqgate_vector_key vector_key;
	struct irqgate_vector_auth vector_auth;
	struct irqgate_match_key match_key;
	struct irqgate_match match;
	struct irqgate_context_key context_key;
	struct irqgate_context context;
	struct irqgate_cgroup_key cgroup_key;
	struct irqgate_cgroup cgroup;
	struct irqgate_path_key path_key;
} table_types __weak = {};

/*
 * The table (include/irqgate/table.h): an outer map for each of its six kinds, an inner map for
 * each of the two slots. User space creates the inner maps; the kernel compares their types with
 * those here.
 */
#define TABLE(name_, key_, value_)                                                                 \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                          \
		__uint(max_entries, 2);                                                            \
		__type(key, __u32);                                                                \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                                               \
		__array(                                                                           \
			values, struct {                                                           \
				__uint(type, BPF_MAP_TYPE_HASH);                                   \
				__uint(max_entries, 1);                                            \
				__uint(map_flags, BPF_F_NO_PREALLOC);                              \
				__type(key, key_);                                                 \
				__type(value, value_);                                             \
			});                                                                        \
	} name_ SEC(".maps") __weak

TABLE(table_devices, struct irqgate_device_key, struct irqgate_registration);
TABLE(table_vectors, struct irqgate_vector_key, struct irqgate_vector_auth);
TABLE(table_matches, struct irqgate_match_key, struct irqgate_match);
TABLE(table_contexts, struct irqgate_context_key, struct irqgate_context);
TABLE(table_cgroups, struct irqgate_cgroup_key, struct irqgate_cgroup);
TABLE(table_paths, struct irqgate_path_key, struct irqgate_cgroup);

/* The revoked vectors. Outside of the table, because every policy makes a new table. */
HASH_WITH(revoked, struct irqgate_device_key, struct irqgate_revocation, IRQGATE_MAX_REVOKED,
	  BPF_F_NO_PREALLOC);

ARRAY(BPF_MAP_TYPE_ARRAY, state, struct irqgate_state, 1, BPF_F_MMAPABLE);

/*
 * Sized for the hosts with the most VMs. Without preallocation they take memory only for existing
 * entries. Entries are made in task context only, one at a time, where the kernel's allocator for
 * BPF refills at once.
 */
HASH_WITH(bindings, struct irqgate_irq_key, struct irqgate_binding, IRQGATE_MAX_BINDINGS,
	  BPF_F_NO_PREALLOC);
HASH_WITH(bound, struct irqgate_vector_key, struct irqgate_irq_key, IRQGATE_MAX_BINDINGS,
	  BPF_F_NO_PREALLOC);
HASH_WITH(eventfds, struct irqgate_ptr_key, struct irqgate_eventfd, IRQGATE_MAX_EVENTFDS,
	  BPF_F_NO_PREALLOC);
HASH_WITH(irqfds, struct irqgate_ptr_key, struct irqgate_irqfd, IRQGATE_MAX_EVENTFDS,
	  BPF_F_NO_PREALLOC);
HASH(vms, struct irqgate_ptr_key, struct irqgate_vm, IRQGATE_MAX_VMS);
HASH(stats, struct irqgate_vector_key, struct irqgate_counters, IRQGATE_MAX_STATS);
ARRAY(BPF_MAP_TYPE_ARRAY, usage, struct irqgate_usage, IRQGATE_ACCOUNTS, BPF_F_MMAPABLE);

/* The size of each map of enum irqgate_room. The loader may choose it (user/loader/hooks.c). */
const volatile __u32 max_rows[IRQGATE_ROOM_SLOTS] __weak = {
	[IRQGATE_ROOM_EVENTFDS] = IRQGATE_MAX_EVENTFDS,
	[IRQGATE_ROOM_IRQFDS] = IRQGATE_MAX_EVENTFDS,
	[IRQGATE_ROOM_VMS] = IRQGATE_MAX_VMS,
	[IRQGATE_ROOM_BINDINGS] = IRQGATE_MAX_BINDINGS,
	[IRQGATE_ROOM_STATS] = IRQGATE_MAX_STATS,
};
HASH(isolated, struct irqgate_device_key, struct irqgate_isolation, 1024);
HASH(agents, struct irqgate_tgid_key, struct irqgate_agent, 64);
HASH(held, struct irqgate_tgid_key, struct irqgate_held, 1024);

/*
 * MSIs that fire between request_irq and the hook that learns the binding, by irq. The hook adds
 * them to the binding's counters.
 */
ARRAY(BPF_MAP_TYPE_ARRAY, early, __u64, IRQGATE_MAX_BINDINGS, 0);
/* The fast path: interrupts that pass without a look at their binding, by irq. */
ARRAY(BPF_MAP_TYPE_ARRAY, passing, struct irqgate_passing, IRQGATE_MAX_BINDINGS, 0);
/* Like `early`, for MSIs that the inline gate dropped. */
ARRAY(BPF_MAP_TYPE_ARRAY, early_dropped, __u64, IRQGATE_MAX_BINDINGS, 0);

/* The process that is changing a vector of a VFIO device right now, for MSIs that come early. */
HASH(binders, struct irqgate_device_key, struct irqgate_ident, 1024);

/*
 * The next signal of this CPU. vfio_msihandler calls eventfd_signal with interrupts off, so the
 * later hook recognizes an MSI that was already judged by one comparison instead of a look-up.
 */
struct irqgate_cpu {
	__u64 msi; /* eventfd_ctx that vfio_msihandler is about to signal */
	/* Set by the inline gate, which runs before the hooks that observe. */
	__u64 gated; /* eventfd_ctx of an MSI that it let pass */
	__u64 counted; /* eventfd_ctx of an interrupt that it judged and counted */
	__u64 msi_desc; /* descriptor of the interrupt that VFIO handles now */
	__u64 irq; /* irq of that interrupt */
};
ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, cpus, struct irqgate_cpu, 1, 0);

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct irqgate_ident);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} idents SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps") __weak;

/*
 * A function that the verifier checks once, by itself, instead of at every call. Its arguments
 * are numbers or pointers to our own structs, its result a number. Weak, because every stage has
 * a copy and the linker keeps one.
 */
#define SHARED __weak __noinline

static __always_inline struct irqgate_state *the_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/*
 * A row could not be made. The gates refuse its object (on_full), other objects are not affected.
 * The loader searches for the object again.
 */
static __always_inline void row_lost(void)
{
	struct irqgate_state *st = the_state();

	if (!st)
		return;
	__sync_fetch_and_add(&st->lost_bindings, 1);
	__sync_fetch_and_add(&st->overflow, 1);
}

/* The search that is under way cannot see all irqfds. The loader searches again. */
static __always_inline void search_cut(void)
{
	struct irqgate_state *st = the_state();

	if (st)
		st->cut_irqfds = st->adoption;
}

/*
 * An object was made or ended, and no row shows it. Until the loader has searched for all
 * objects, the gates bind nothing new (untold()).
 */
static __always_inline void overflowed(void)
{
	struct irqgate_state *st = the_state();

	if (st)
		__sync_fetch_and_add(&st->unseen, 1);
	row_lost();
}

static __always_inline bool untold(void)
{
	struct irqgate_state *st = the_state();

	return !st || st->unseen != st->found;
}

static __always_inline void add_rows(__u32 account, __u32 room, __s32 n)
{
	struct irqgate_usage *u = bpf_map_lookup_elem(&usage, &account);

	if (u)
		__sync_fetch_and_add(&u->rows[room & (IRQGATE_ROOM_SLOTS - 1)], n);
}

/* Add @n rows, which may be negative, to the account. */
SHARED int charge(__u32 account, __u32 room, __s32 n)
{
	add_rows(IRQGATE_ACCOUNT_ALL, room, n);
	if (account != IRQGATE_ACCOUNT_ALL)
		add_rows(account, room, n);
	if (account >= IRQGATE_ACCOUNT_UID)
		add_rows(IRQGATE_ACCOUNT_UNLISTED, room, n);
	return 0;
}

static __always_inline bool below_quota(__u32 account, __u32 room, __u32 more)
{
	struct irqgate_usage *u = bpf_map_lookup_elem(&usage, &account);

	room &= IRQGATE_ROOM_SLOTS - 1;
	return u && u->rows[room] + more <= irqgate_quota(account, max_rows[room]);
}

/*
 * May @more rows be made for an account? If several callers ask at the same time, each may get
 * the same room.
 */
SHARED int has_room(__u32 account, __u32 room, __u32 more)
{
	return below_quota(IRQGATE_ACCOUNT_ALL, room, more) && below_quota(account, room, more) &&
	       (account < IRQGATE_ACCOUNT_UID || below_quota(IRQGATE_ACCOUNT_UNLISTED, room, more));
}

/* No plain index: the verifier takes a slot that was read from memory for unbounded. */
static __always_inline struct irqgate_defaults *slot_defaults(struct irqgate_state *st, __u32 slot)
{
	return slot & 1 ? &st->defaults[1] : &st->defaults[0];
}

#endif
