// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watching for `irqgate learn`: who binds vectors, and who signals VMs.
 *
 * It reads the bindings several times a second, because they can end at any time, and looks once
 * a second who holds the devices, because that search walks all processes. Signals
 * leave no binding. It learns them from the loader's events, so only from signals that the
 * table in force does not allow silently.
 */
#include <bpf/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/holding.h"
#include "cli/learner.h"
#include "lib/cgroup.h"
#include "lib/util.h"
#include "loader/events.h"
#include "table/judge.h"

#define LOOK_MS 100
#define SEARCH_NS 1000000000ULL
#define OWNER_UNKNOWN (-2)

static volatile sig_atomic_t stop;

void learn_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static void read_owner(struct owner *o)
{
	char path[64];
	ssize_t n;

	process_comm(o->ident.tgid, o->comm, sizeof(o->comm));
	snprintf(path, sizeof(path), "/proc/%u/exe", o->ident.tgid);
	n = readlink(path, o->exe, sizeof(o->exe) - 1);
	o->exe[n > 0 ? n : 0] = '\0';
	if (o->ident.ncgroups && cgroup_path(o->ident.cgroups[0], o->cgroup, sizeof(o->cgroup)))
		o->cgroup[0] = '\0';
}

/* The owner with this identity, a new one if need be. OWNER_HOST: no memory. */
static int find_owner(struct learner *l, const struct irqgate_ident *id)
{
	__u64 now = boottime_ns();
	struct owner *o;
	size_t i;

	for (i = 0; i < l->nowners; i++) {
		o = &l->owner[i];
		if (o->ident.tgid == id->tgid && o->ident.start == id->start) {
			o->last = now;
			return (int)i;
		}
	}
	o = MORE(l, l->owner, l->nowners);
	if (!o)
		return OWNER_HOST;
	o->ident = *id;
	o->first = o->last = now;
	read_owner(o);
	return (int)l->nowners - 1;
}

/* A VM of another process that gets the binding's interrupts; 0: none. */
static __u64 foreign_vm(const struct learner *l, const struct irqgate_binding *b)
{
	struct irqgate_eventfd e;
	struct irqgate_vm vm;
	unsigned int i;

	if (!binding_eventfd(&l->pins, b, &e))
		return 0;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (e.vm[i] && judge_vm(&l->pins, e.vm[i], &vm) &&
		    (vm.creator.tgid != b->binder.tgid || vm.creator.start != b->binder.start))
			return e.vm[i];
	return 0;
}

/*
 * A binding without a binder is older than irqgate, and no process holds its device. Then
 * the creator of a VM that listens counts as the binder.
 */
static int find_binder(struct learner *l, const struct irqgate_binding *b)
{
	struct irqgate_eventfd e;
	struct irqgate_vm vm;
	unsigned int i;

	if (b->binder.tgid)
		return find_owner(l, &b->binder);
	for (i = 0; binding_eventfd(&l->pins, b, &e) && i < IRQGATE_EVENTFD_VMS; i++)
		if (e.vm[i] && judge_vm(&l->pins, e.vm[i], &vm))
			return find_owner(l, &vm.creator);
	return OWNER_UNKNOWN;
}

static struct seen *find_seen(struct learner *l, const struct irqgate_binding *b, int owner)
{
	struct seen *s;
	size_t i;

	for (i = 0; i < l->nseen; i++) {
		s = &l->seen[i];
		if (s->handle == b->handle && s->vector == b->vector && s->owner == owner)
			return s;
	}
	s = MORE(l, l->seen, l->nseen);
	if (!s)
		return NULL;
	s->handle = b->handle;
	s->vector = b->vector;
	s->owner = owner;
	s->first = b->since ?: boottime_ns();
	s->last = s->first;
	return s;
}

static void see_binding(struct learner *l, const struct irqgate_binding *b)
{
	__u64 count = b->count.passed + b->count.dropped + b->count.would_drop + b->count.leaked;
	int owner = b->state == IRQGATE_BINDING_HOST ? OWNER_HOST : find_binder(l, b);
	struct seen *s;

	if (owner == OWNER_UNKNOWN)
		return; /* learn_write() names the vector if it counted interrupts */
	s = find_seen(l, b, owner);
	if (!s)
		return;
	/* Not only if it grew: after another bind the count begins at 0. */
	if (count != s->count)
		s->last = boottime_ns();
	s->count = count;
	s->vm = foreign_vm(l, b);
	s->verdict = b->verdict;
	s->reason = b->reason;
}

static void see_bindings(struct learner *l)
{
	struct binding_walk w = {};

	while (binding_next(&l->pins, &w) > 0)
		see_binding(l, &w.b);
}

/* An event has only a pid; /proc may have the rest, if the process still runs. */
static bool ident_of(__u32 pid, struct irqgate_ident *id)
{
	char path[64], line[512];

	memset(id, 0, sizeof(*id));
	id->tgid = pid;
	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	if (read_line(path, line, sizeof(line)) || strncmp(line, "0::", 3))
		return false;
	id->ncgroups = !cgroup_id(line + 3, &id->cgroups[0]);
	return id->ncgroups;
}

static void see_holder(struct learner *l, const struct holding *h)
{
	struct irqgate_ident id;
	struct held *held;
	int owner;
	size_t i;

	if (!holding_ident(h, &id) && !ident_of(h->tgid, &id)) {
		l->holders_unknown = true;
		return;
	}
	owner = find_owner(l, &id);
	for (i = 0; i < l->nheld; i++)
		if (l->held[i].handle == h->handle && l->held[i].owner == owner)
			return;
	held = MORE(l, l->held, l->nheld);
	if (held)
		*held = (struct held){ h->handle, owner };
}

static void see_holders(struct learner *l)
{
	struct holdings all;
	size_t i;

	holdings_find(&all);
	l->holders_unknown |= all.more;
	for (i = 0; i < all.n; i++)
		see_holder(l, &all.of[i]);
	holdings_free(&all);
}

/* Does the event report a process that signalled the VM of another context? */
static bool is_signal(const struct irqgate_event *ev)
{
	return ev->type == IRQGATE_EVENT_VERDICT && !ev->handle && ev->pid && ev->vm &&
	       ev->level != IRQGATE_LEVEL_BIND &&
	       (ev->reason == IRQGATE_REASON_UNLISTED || ev->reason == IRQGATE_REASON_CONTEXT);
}

static void see_event(struct learner *l, const struct irqgate_event *ev)
{
	struct irqgate_ident id;
	struct irqgate_vm vm;
	struct signaller *s;
	int owner, vm_owner;
	size_t i;

	if (!is_signal(ev) || !ident_of(ev->pid, &id) || !judge_vm(&l->pins, ev->vm, &vm))
		return;
	owner = find_owner(l, &id);
	vm_owner = find_owner(l, &vm.creator);
	if (owner < 0 || vm_owner < 0)
		return;
	for (i = 0; i < l->nsignallers; i++)
		if (l->signaller[i].owner == owner && l->signaller[i].vm_owner == vm_owner)
			break;
	s = i < l->nsignallers ? &l->signaller[i] : MORE(l, l->signaller, l->nsignallers);
	if (!s)
		return;
	s->owner = owner;
	s->vm_owner = vm_owner;
	s->first = s->first ?: ev->time;
	s->last = ev->time;
	s->count++;
}

void learn_record(struct learner *l, __u64 until)
{
	struct pollfd p = { .fd = monitor_connect(), .events = POLLIN };
	struct irqgate_event events[MONITOR_BATCH];
	__u64 searched = 0;
	ssize_t n, i;

	do {
		see_bindings(l);
		if (boottime_ns() - searched >= SEARCH_NS) {
			see_holders(l);
			searched = boottime_ns();
		}
		if (stop || (until && boottime_ns() >= until))
			break;
		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		while ((n = monitor_read(p.fd, events, MSG_DONTWAIT)) > 0)
			for (i = 0; i < n; i++)
				see_event(l, &events[i]);
		if (p.revents & POLLHUP) {
			close(p.fd);
			p.fd = -1; /* the loader ended; bindings can still be seen */
		}
	} while (!stop);
	see_bindings(l);
	see_holders(l);
	if (p.fd >= 0)
		close(p.fd);
}
