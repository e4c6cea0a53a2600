// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "lib/handle.h"
#include "lib/util.h"
#include "loader/bounded.h"
#include "loader/holders.h"
#include "loader/isolate.h"
#include "loader/resort.h"
#include "table/rows.h"
#include "table/table.h"

/* How long a killed holder may take to end, and the search for others, ms. */
#define KILLED_MS 1000
#define SEARCH_MS 2000
/* How long a process may delay a look at it, and its kill, ms. */
#define KILL_MS 500

enum irqgate_last_resort last_resort_of(struct pins *pins, __u64 handle)
{
	const struct irqgate_state *st = pins->state;
	struct irqgate_registration reg;
	__u8 how;

	table_registration(pins, handle, &reg);
	how = reg.last_resort ?: st->defaults[st->generation & 1].last_resort;
	return how ? (enum irqgate_last_resort)how : IRQGATE_LAST_RESORT_ISOLATE;
}

/* Is the binding still connected, and not a later one of the same irq? */
static bool there(const struct pins *pins, const struct irqgate_binding *b)
{
	struct irqgate_binding now;

	return !binding_find(pins, b->irq, &now) && now.state == IRQGATE_BINDING_BOUND &&
	       now.handle == b->handle && now.vector == b->vector && now.since == b->since;
}

bool binding_ends(const struct pins *pins, const struct irqgate_binding *b, unsigned int ms)
{
	for (; there(pins, b); ms--) {
		if (!ms)
			return false;
		usleep(1000);
	}
	return true;
}

/* Does not kill a process whose start is not known, because another one may have its pid. */
static int kill_process(__u32 tgid, __u64 start)
{
	int err;

	if (tgid <= 1 || tgid == (__u32)getpid())
		return -EPERM;
	err = start ? bounded_signal(tgid, start, SIGKILL, KILL_MS) : -ESRCH;
	if (!err)
		msg("killed process %u", tgid);
	return err;
}

/* A binding's binder, as far as it decides which holders are to blame as well. */
struct blame {
	struct rows rows;
	int idents;
	__u32 gd, uid;
};

/*
 * Has the holder the binder's context or, if the binder has none, no context and the binder's
 * user? Others are not to blame, because a process can send a file to any other process,
 * also to a system service.
 */
static bool to_blame(const struct blame *blame, const struct holder *h)
{
	int pidfd = syscall(SYS_pidfd_open, h->tgid, 0);
	struct irqgate_ident id;
	bool known;

	if (pidfd < 0)
		return false;
	known = !bpf_map_lookup_elem(blame->idents, &pidfd, &id);
	close(pidfd);
	if (known && !id.tgid) { /* forked, as in ident_current() of bpf/ident.bpf.h */
		id.tgid = h->tgid;
		id.start = h->start;
	}
	return known && rows_gd(&blame->rows, &id) == blame->gd &&
	       (blame->gd != IRQGATE_GD_NONE || id.uid == blame->uid);
}

static void name_other(const struct irqgate_binding *b, const struct holder *h)
{
	char handle[HANDLE_STRLEN];

	msg("%s vector %u: process %u has the device too and is not killed: it has another "
	    "context or user than the binder, or cannot be killed",
	    handle_format(b->handle, handle), b->vector, h->tgid);
}

static int kill_holders(const struct pins *pins, const struct irqgate_binding *b)
{
	struct blame blame = { .uid = b->binder.uid };
	int budget = SEARCH_MS, err;
	struct holders h;
	__u32 i;

	err = holders_find(&h, b->device, true, &budget) ?: table_read(pins, &blame.rows);
	if (!err)
		err = blame.idents = pins_map("idents", BPF_MAP_TYPE_TASK_STORAGE, sizeof(int),
					      sizeof(struct irqgate_ident));
	if (err >= 0) {
		blame.gd = rows_gd(&blame.rows, &b->binder);
		for (i = 0; i < h.n; i++)
			if (!to_blame(&blame, &h.of[i]) ||
			    kill_process(h.of[i].tgid, h.of[i].start))
				name_other(b, &h.of[i]);
		close(blame.idents);
	}
	rows_free(&blame.rows);
	return err < 0 ? err : 0;
}

/* Kill the binder first, then the holders to blame that have the device mapped or open. */
static bool killed(const struct pins *pins, const struct irqgate_binding *b)
{
	if (b->binder.tgid && !kill_process(b->binder.tgid, b->binder.start) &&
	    binding_ends(pins, b, KILLED_MS))
		return true;
	/* The binder of a binding that was found bound is not known: no process is to blame. */
	return b->binder.tgid && !kill_holders(pins, b) && binding_ends(pins, b, KILLED_MS);
}

enum contained last_resort(struct pins *pins, const struct irqgate_binding *b,
			   enum irqgate_last_resort how)
{
	enum contained already = isolate_owned(pins, b, false);
	char handle[HANDLE_STRLEN];

	if (!how)
		how = last_resort_of(pins, b->handle);
	if (already != CONTAINED_NOT && how != IRQGATE_LAST_RESORT_KILL)
		return already;
	if (how == IRQGATE_LAST_RESORT_KILL && killed(pins, b)) {
		msg("%s vector %u: cut: irqgate killed the processes that held the device",
		    handle_format(b->handle, handle), b->vector);
		return CONTAINED_GONE;
	}
	return isolate_owned(pins, b, how != IRQGATE_LAST_RESORT_REPORT);
}
