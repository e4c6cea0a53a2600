/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs' part of a quarantine: stop the binder and wake the loader, which points the vector
 * at a sink (user/loader/quarantine.c), and recognize the agents that do so.
 */
#ifndef IRQGATE_QUARANTINE_BPF_H
#define IRQGATE_QUARANTINE_BPF_H

#include "ident.bpf.h"
#include "report.bpf.h"

#define SIGSTOP 19

static __always_inline bool loader_alive(void)
{
	struct irqgate_state *st = the_state();
	__u64 now;

	if (!st || !st->loader_tgid)
		return false; /* task_exited clears it at once */
	/* While the loader hangs, its guard does the urgent work (user/loader/guard.c). */
	now = bpf_ktime_get_ns();
	return now - st->loader_beat < IRQGATE_LOADER_HANGS_NS ||
	       now - st->guard_beat < IRQGATE_LOADER_HANGS_NS;
}

/*
 * The agent that the current process is (user/loader/agent.c), NULL: it is none. The start
 * time rules out another process that reuses the pid.
 */
static __noinline struct irqgate_agent *current_agent(void)
{
	struct irqgate_tgid_key key = { .tgid = bpf_get_current_pid_tgid() >> 32 };
	struct irqgate_agent *agent = bpf_map_lookup_elem(&agents, &key);

	return agent && agent->start == current_start() / IRQGATE_NSEC_PER_TICK ? agent : NULL;
}

static __always_inline bool current_is_agent(void)
{
	return current_agent() != NULL;
}

/*
 * Stop the current process before it returns to user space, until the loader has put its binding
 * in order. Otherwise the process could first make the device raise the vector.
 * Return: false if there is no room to record the stop. The process is not stopped then.
 */
SHARED int hold_current(void)
{
	struct irqgate_tgid_key key = { .tgid = bpf_get_current_pid_tgid() >> 32 };
	struct irqgate_held entry = {};

	entry.since = bpf_ktime_get_boot_ns();
	entry.start = current_start();
	/* Record it first, so that the loader continues every process that is stopped. */
	if (bpf_map_update_elem(&held, &key, &entry, BPF_ANY))
		return false;
	bpf_send_signal(SIGSTOP);
	return true;
}

/* Wake the loader for an unauthorized vector. */
static __always_inline void ask_loader(__u64 handle, __u32 vector)
{
	struct irqgate_event *ev = event_new(IRQGATE_EVENT_QUARANTINE);

	if (!ev)
		return; /* the loader's periodic check finds the binding */
	ev->handle = handle;
	ev->vector = vector;
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
}

/*
 * Ask the loader to point a vector at a sink, or to isolate the device of a host driver. In task
 * context the binder is held until that is done; interrupts that arrive meanwhile count as
 * leaked. Without a loader the binder is not held, because no process would continue it.
 */
static __always_inline void request_quarantine(struct irqgate_binding *b, bool hold)
{
	if (hold && loader_alive())
		hold_current();
	ask_loader(b->handle, b->vector);
}

#endif
