/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting and reporting. Counters are exact (atomics). Events only inform; nothing else needs
 * them. So they are thinned: the first of a kind are all sent, then one whenever the count
 * reaches a power of two, and one a second.
 */
#ifndef IRQGATE_REPORT_BPF_H
#define IRQGATE_REPORT_BPF_H

#include "maps.bpf.h"

#define REPORT_IN_FULL 8
#define REPORT_EVERY_NS 1000000000ULL

static __always_inline bool count_due(__u64 count)
{
	return count <= REPORT_IN_FULL || !(count & (count - 1));
}

/* Is the @count'th of a kind on a vector to be reported? */
static __always_inline bool report_due(struct irqgate_counters *c, __u64 count)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (!count_due(count) && now - c->reported < REPORT_EVERY_NS)
		return false;
	c->reported = now;
	return true;
}

/* Add to a counter and return its new value. */
static __always_inline __u64 counted(__u64 *counter, __u64 n)
{
	return __sync_fetch_and_add(counter, n) + n;
}

/* counted() for anything that did not plainly pass, which also counts by its reason. */
static __always_inline __u64 counted_why(struct irqgate_counters *c, __u64 *counter, __u8 reason,
					 __u64 n)
{
	counted(&c->reason[reason & (IRQGATE_MAX_REASONS - 1)], n);
	return counted(counter, n);
}

/* Count that something could not be recorded. */
static __always_inline void lost_binding(void)
{
	struct irqgate_state *st = the_state();

	if (st)
		__sync_fetch_and_add(&st->lost_bindings, 1);
}

/*
 * Counters of a vector that outlive its bindings; creates them. Task context. If there is no room
 * for them, the row of handle 0 counts instead, so nothing goes uncounted or unreported.
 */
static __noinline struct irqgate_counters *vector_stats(__u64 handle, __u32 vector)
{
	static const struct irqgate_counters none = {};
	struct irqgate_vector_key key = { .handle = handle, .vector = vector };
	struct irqgate_counters *c = bpf_map_lookup_elem(&stats, &key);

	if (c)
		return c;
	if (!bpf_map_update_elem(&stats, &key, &none, BPF_NOEXIST))
		add_rows(IRQGATE_ACCOUNT_ALL, IRQGATE_ROOM_STATS, 1);
	c = bpf_map_lookup_elem(&stats, &key);
	if (c)
		return c;
	lost_binding();
	key.handle = key.vector = 0;
	return bpf_map_lookup_elem(&stats, &key);
}

/*
 * A new event, without a process. NULL if the ring buffer is full; state.lost_events counts that.
 */
static __always_inline struct irqgate_event *event_new(__u8 type)
{
	struct irqgate_event *ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);

	if (!ev) {
		struct irqgate_state *st = the_state();

		if (st)
			__sync_fetch_and_add(&st->lost_events, 1);
		return NULL;
	}
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->time = bpf_ktime_get_boot_ns();
	ev->type = type;
	ev->gd_expected = IRQGATE_GD_NONE;
	ev->gd_actual = IRQGATE_GD_NONE;
	return ev;
}

static __always_inline void event_task(struct irqgate_event *ev)
{
	ev->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(ev->comm, sizeof(ev->comm));
}

/* Report on a binding. The event names no process, because this may run in interrupt context. */
static __always_inline void report_why(struct irqgate_binding *b, __u8 verdict, __u8 reason,
				       __u8 level, __u64 count, __u64 lived)
{
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_VERDICT);

	if (!ev)
		return;
	ev->handle = b->handle;
	ev->vector = b->vector;
	ev->irq = b->line;
	ev->eventfd = b->state == IRQGATE_BINDING_QUARANTINED ? b->original : b->trigger;
	ev->verdict = verdict;
	ev->reason = reason;
	ev->level = level;
	ev->gd_expected = b->expected;
	ev->gd_actual = b->gd;
	ev->count = count;
	ev->lived = lived;
	bpf_ringbuf_submit(ev, 0);
}

/* Report the verdict on an interrupt of a binding. */
static __always_inline void report_binding(struct irqgate_binding *b, __u8 verdict, __u8 level,
					   __u64 count)
{
	report_why(b, verdict, b->reason, level, count, 0);
}

/*
 * A binding is quarantined. Report it if it leaked, or if its verdict is deny: it got past the
 * gate, or the table changed under it.
 */
static __always_inline void report_contained(struct irqgate_binding *b)
{
	__u64 leaked = b->count.leaked;

	if (leaked || b->verdict == IRQGATE_VERDICT_DENY)
		report_why(b, leaked ? IRQGATE_VERDICT_LEAK : IRQGATE_VERDICT_DENY, b->reason,
			   IRQGATE_LEVEL_QUARANTINE, leaked, bpf_ktime_get_boot_ns() - b->since);
}

/* A vector is connected, and there was no room for its binding. */
static __always_inline void report_untold(__u64 handle, __u32 vector)
{
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_VERDICT);

	if (!ev)
		return;
	event_task(ev);
	ev->handle = handle;
	ev->vector = vector;
	ev->verdict = IRQGATE_VERDICT_LEAK;
	ev->reason = IRQGATE_REASON_FULL;
	ev->gd_expected = ev->gd_actual = IRQGATE_GD_NONE;
	bpf_ringbuf_submit(ev, 0);
}

#endif
