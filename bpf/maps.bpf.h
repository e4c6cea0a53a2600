/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps, all pinned by name below /sys/fs/bpf/irqgate. Included by every
 * stage: weak, so that bpftool gen object merges the definitions.
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
 * The types of the table's maps: without a use by value clang leaves them out of
 * BTF, where both the linker and bpftool look for them.
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
} table_types __weak = {};

/*
 * The table (include/irqgate/table.h): an outer map for each of its four kinds,
 * an inner map for each of the two slots. User space creates the inner maps; the
 * kernel compares them with what is here.
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

ARRAY(BPF_MAP_TYPE_ARRAY, state, struct irqgate_state, 1, BPF_F_MMAPABLE);

HASH(bindings, struct irqgate_irq_key, struct irqgate_binding, IRQGATE_MAX_BINDINGS);
HASH(bound, struct irqgate_vector_key, struct irqgate_irq_key, IRQGATE_MAX_BINDINGS);
/*
 * Room for the hosts with the most VMs, and memory for what there is: entries are made in
 * task context only, one at a time, where the kernel's allocator for BPF refills at once.
 */
HASH_WITH(eventfds, struct irqgate_ptr_key, struct irqgate_eventfd, IRQGATE_MAX_EVENTFDS,
	  BPF_F_NO_PREALLOC);
HASH_WITH(irqfds, struct irqgate_ptr_key, struct irqgate_irqfd, IRQGATE_MAX_EVENTFDS,
	  BPF_F_NO_PREALLOC);
HASH(vms, struct irqgate_ptr_key, struct irqgate_vm, IRQGATE_MAX_VMS);
HASH(stats, struct irqgate_vector_key, struct irqgate_counters, 65536);
HASH(isolated, struct irqgate_device_key, struct irqgate_isolation, 1024);
HASH(agents, struct irqgate_tgid_key, struct irqgate_agent, 64);
HASH(held, struct irqgate_tgid_key, __u64, 1024); /* since: CLOCK_BOOTTIME ns */

/*
 * MSIs that fire between request_irq and the hook that learns the binding, by
 * irq number; folded into the binding's counters when it is learned.
 */
ARRAY(BPF_MAP_TYPE_ARRAY, early, __u64, IRQGATE_MAX_BINDINGS, 0);
/* What is let pass without a look at its binding, by irq number. */
ARRAY(BPF_MAP_TYPE_ARRAY, passing, struct irqgate_passing, IRQGATE_MAX_BINDINGS, 0);
/* Like early, of those the inline gate dropped. */
ARRAY(BPF_MAP_TYPE_ARRAY, early_dropped, __u64, IRQGATE_MAX_BINDINGS, 0);

/* Who is changing a vector of a VFIO device right now, for MSIs that come early. */
HASH(binders, struct irqgate_device_key, struct irqgate_ident, 1024);

/*
 * What this CPU is about to signal. vfio_msihandler calls eventfd_signal with
 * interrupts off, so the later hook recognizes an MSI that was judged already by one
 * comparison instead of a look-up.
 */
struct irqgate_cpu {
	__u64 msi; /* eventfd_ctx vfio_msihandler is about to signal */
	/* Of the inline gate, which runs before the hooks that observe. */
	__u64 gated; /* eventfd_ctx of an MSI it let through */
	__u64 counted; /* eventfd_ctx of what it judged and counted */
	__u64 msi_desc; /* of the interrupt that is being handled, if VFIO handles it */
	__u64 irq; /* its number */
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
 * A function the verifier checks once, by itself, instead of at every call: its
 * arguments are numbers or pointers to our own structs, its result a number.
 * Weak, for every stage has a copy and the linker keeps one.
 */
#define SHARED __weak __noinline

static __always_inline struct irqgate_state *the_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* A plain index would be unbounded to the verifier: the slot lies in memory. */
static __always_inline struct irqgate_defaults *slot_defaults(struct irqgate_state *st, __u32 slot)
{
	return slot & 1 ? &st->defaults[1] : &st->defaults[0];
}

#endif
