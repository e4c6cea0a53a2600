// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bindings are looked at several times a second; what was counted between the
 * first and the last look is exact. A source that signals a VM leaves a trace only
 * where the table in force does not allow it silently.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apply.h"
#include "cgroup.h"
#include "events.h"
#include "handle.h"
#include "learn.h"
#include "judge.h"
#include "names.h"
#include "snapshot.h"
#include "table.h"
#include "util.h"

#define LOOK_MS 100
#define NOBODY (-1) /* the host */
#define UNKNOWN (-2)

/* A process that bound something, created a VM or signalled one. */
struct owner {
	struct irqgate_ident ident;
	char comm[IRQGATE_COMM_LEN + 1];
	char cgroup[512], exe[PATH_MAX]; /* "": not known */
	__u64 first, last; /* CLOCK_BOOTTIME ns */
	int context; /* index into out->contexts */
};

struct seen {
	__u64 handle;
	__u32 vector;
	int owner; /* or NOBODY */
	__u64 vm; /* one listener that is not the owner, 0: none */
	__u64 first, last, count;
	__u8 verdict, reason;
};

struct signaller {
	int owner, vm_owner;
	__u64 first, last, count;
};

struct learner {
	struct pins pins;
	struct rows rows; /* in force */
	struct policy *in_force, *out;
	struct owner *owner;
	struct seen *seen;
	struct signaller *signaller;
	size_t nowners, nseen, nsignallers;
	struct snapshot before, after;
	__u64 start;
	/* Comments of the rows of out, each for free(3). */
	char **context_note, **device_note, **source_note;
	bool no_memory;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static __u64 boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Room for one more of @size at the end; NULL: no memory, which is remembered. */
static void *more(struct learner *l, void *array, size_t n, size_t size)
{
	char *grown = realloc(array, (n + 1) * size);

	if (!grown) {
		l->no_memory = true;
		return NULL;
	}
	memset(grown + n * size, 0, size);
	return grown;
}

#define MORE(l, array, n)                                                                          \
	({                                                                                         \
		void *grown_ = more(l, array, n, sizeof(*(array)));                                \
		if (grown_)                                                                        \
			(array) = grown_;                                                          \
		grown_ ? &(array)[(n)++] : NULL;                                                   \
	})

__attribute__((format(printf, 1, 2))) static char *text(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return s;
}

/* ---- watching -------------------------------------------------------------------- */

static void read_owner(struct owner *o)
{
	char path[64], comm[sizeof(o->comm)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/comm", o->ident.tgid);
	read_line(path, comm, sizeof(comm));
	text_safe(comm, o->comm, sizeof(o->comm)); /* it goes into a comment */
	snprintf(path, sizeof(path), "/proc/%u/exe", o->ident.tgid);
	n = readlink(path, o->exe, sizeof(o->exe) - 1);
	o->exe[n > 0 ? n : 0] = '\0';
	if (o->ident.ncgroups && cgroup_path(o->ident.cgroups[0], o->cgroup, sizeof(o->cgroup)))
		o->cgroup[0] = '\0';
}

static int find_owner(struct learner *l, const struct irqgate_ident *id)
{
	__u64 now = boot_ns();
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
		return NOBODY;
	o->ident = *id;
	o->first = o->last = now;
	read_owner(o);
	return (int)l->nowners - 1;
}

/* A VM of another process that gets the binding's interrupts. */
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

/* Of a binding that was found bound, and held by nobody, a VM that listens tells. */
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
	return UNKNOWN;
}

static void see(struct learner *l, const struct irqgate_binding *b)
{
	__u64 now = boot_ns(), count;
	struct seen *s = NULL;
	size_t i;
	int owner;

	owner = b->state == IRQGATE_BINDING_HOST ? NOBODY : find_binder(l, b);
	if (owner == UNKNOWN)
		return; /* print_unseen() tells */
	for (i = 0; i < l->nseen && !s; i++)
		if (l->seen[i].handle == b->handle && l->seen[i].vector == b->vector &&
		    l->seen[i].owner == owner)
			s = &l->seen[i];
	count = b->count.passed + b->count.dropped + b->count.would_drop + b->count.leaked;
	if (!s) {
		s = MORE(l, l->seen, l->nseen);
		if (!s)
			return;
		s->handle = b->handle;
		s->vector = b->vector;
		s->owner = owner;
		s->first = b->since ?: now;
		s->last = s->first;
	}
	if (count != s->count) /* also after a re-bind, which begins at 0 */
		s->last = now;
	s->count = count;
	s->vm = foreign_vm(l, b);
	s->verdict = b->verdict;
	s->reason = b->reason;
}

static void look(struct learner *l)
{
	struct irqgate_irq_key key, *prev = NULL;
	struct irqgate_binding b;

	for (; map_next(l->pins.bindings, prev, &key) > 0; prev = &key)
		if (!binding_find(&l->pins, key.irq, &b))
			see(l, &b);
}

/* Who an event's process is, as far as /proc still knows. */
static bool ident_of(__u32 pid, struct irqgate_ident *id)
{
	char path[64], line[512];
	struct policy_match m = { .kind = IRQGATE_MATCH_CGROUP };
	const struct irqgate_match_key *key;
	struct rows rows;
	size_t i;

	memset(id, 0, sizeof(*id));
	id->tgid = pid;
	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	if (read_line(path, line, sizeof(line)) || strncmp(line, "0::", 3))
		return false;
	m.text = line + 3;
	if (!rows_of_match(&rows, &m, 0)) {
		for (i = 0; i < rows.map[IRQGATE_MAP_MATCHES].n; i++) {
			key = rows_key(&rows, IRQGATE_MAP_MATCHES, i);
			if (key->kind == IRQGATE_MATCH_CGROUP) {
				id->cgroups[0] = key->a;
				id->ncgroups = 1;
			}
		}
	}
	rows_free(&rows);
	return id->ncgroups;
}

/* A process that signalled a VM's eventfd, and is not the VM's own. */
static void see_signal(struct learner *l, const struct irqgate_event *ev)
{
	struct irqgate_ident id;
	struct irqgate_vm vm;
	struct signaller *s;
	int owner, vm_owner;
	size_t i;

	if (ev->type != IRQGATE_EVENT_VERDICT || ev->handle || !ev->pid || !ev->vm ||
	    ev->level == IRQGATE_LEVEL_BIND ||
	    (ev->reason != IRQGATE_REASON_UNLISTED && ev->reason != IRQGATE_REASON_CONTEXT) ||
	    !ident_of(ev->pid, &id) || !judge_vm(&l->pins, ev->vm, &vm))
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

static void watch(struct learner *l, __u64 until)
{
	struct pollfd p = { .fd = monitor_connect(), .events = POLLIN };
	struct irqgate_event events[MONITOR_BATCH];
	ssize_t n, i;

	do {
		look(l);
		if (stop || (until && boot_ns() >= until))
			break;
		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		while ((n = monitor_read(p.fd, events, MSG_DONTWAIT)) > 0)
			for (i = 0; i < n; i++)
				see_signal(l, &events[i]);
		if (p.revents & POLLHUP) {
			close(p.fd);
			p.fd = -1; /* the loader ended; go on without */
		}
	} while (!stop);
	look(l);
	if (p.fd >= 0)
		close(p.fd);
}

/* ---- contexts --------------------------------------------------------------------- */

static bool ends_with(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && !strncmp(name + len - n, suffix, n);
}

/*
 * The part of a cgroup's path that is the same when the unit is started again: up
 * to the service or scope of systemd, as far as that is not of a login.
 */
static bool stable_cgroup(char *path)
{
	char *part, *end, *keep = NULL;

	if (!strcmp(path, "/") || !strncmp(path, "/user.slice/", 12) ||
	    !strcmp(path, "/user.slice") || !strcmp(path, "/init.scope"))
		return false;
	for (part = path; *part; part = end) {
		end = part + 1 + strcspn(part + 1, "/");
		if (ends_with(part, (size_t)(end - part), ".service") ||
		    ends_with(part, (size_t)(end - part), ".scope"))
			keep = end;
	}
	if (keep)
		*keep = '\0';
	return true;
}

static bool find_match(const struct owner *o, struct policy_match *m)
{
	char cgroup[sizeof(o->cgroup)];

	strcpy(cgroup, o->cgroup);
	memset(m, 0, sizeof(*m));
	if (*cgroup && stable_cgroup(cgroup) && text_is_safe(cgroup)) {
		m->kind = IRQGATE_MATCH_CGROUP;
		m->text = strdup(cgroup);
	} else if (o->exe[0] == '/' && !ends_with(o->exe, strlen(o->exe), " (deleted)") &&
		   text_is_safe(o->exe)) {
		m->kind = IRQGATE_MATCH_EXE;
		m->text = strdup(o->exe);
	} else {
		m->kind = IRQGATE_MATCH_UID;
		m->id = o->ident.uid;
		return true;
	}
	return m->text;
}

static void make_name(const struct policy *out, const char *from, char name[IRQGATE_NAME_LEN])
{
	char plain[IRQGATE_NAME_LEN - 8];
	unsigned int n;

	if (!*text_name(from, plain, sizeof(plain)))
		strcpy(plain, "context");
	strcpy(name, plain);
	for (n = 2; policy_context_by_name(out, name); n++)
		snprintf(name, IRQGATE_NAME_LEN, "%s-%u", plain, n);
}

static __u32 free_gd(const struct learner *l)
{
	__u32 gd = 1;
	unsigned int i;

	for (i = 0; i < l->out->ncontexts; i++)
		if (l->out->contexts[i].gd >= gd)
			gd = l->out->contexts[i].gd + 1;
	for (i = 0; l->in_force && i < l->in_force->ncontexts; i++)
		if (l->in_force->contexts[i].gd >= gd)
			gd = l->in_force->contexts[i].gd + 1;
	return gd;
}

/* What the policy in force calls whoever this is; NULL: it does not know them. */
static const struct policy_context *known_context(const struct learner *l, const struct owner *o)
{
	__u32 gd = rows_gd(&l->rows, &o->ident);
	unsigned int i;

	for (i = 0; l->in_force && i < l->in_force->ncontexts; i++)
		if (l->in_force->contexts[i].gd == gd)
			return &l->in_force->contexts[i];
	return NULL;
}

static bool same_match(const struct policy_match *a, const struct policy_match *b)
{
	return a->kind == b->kind && (a->text ? !strcmp(a->text, b->text) : a->id == b->id);
}

static struct policy_context *new_context(struct learner *l)
{
	struct policy *out = l->out;
	char **notes = more(l, l->context_note, out->ncontexts, sizeof(*notes));
	struct policy_context *c;

	if (!notes)
		return NULL;
	l->context_note = notes;
	c = MORE(l, out->contexts, out->ncontexts);
	if (c)
		c->line = 1;
	return c;
}

/* A process that the policy in force counts as the host's own. */
static int host_context(struct learner *l, const struct policy_context *known)
{
	struct policy_context *host = l->out->contexts;

	if (host->match.kind)
		return 0;
	host->match = known->match;
	host->strict = known->strict;
	host->line = 1;
	if (known->match.text)
		host->match.text = strdup(known->match.text);
	l->no_memory |= known->match.text && !host->match.text;
	return 0;
}

static int context_of(struct learner *l, struct owner *o)
{
	const struct policy_context *known = known_context(l, o);
	struct policy_context *c;
	struct policy_match m;
	char name[IRQGATE_NAME_LEN];
	__u32 gd;
	unsigned int i;

	if (known && known->gd == IRQGATE_GD_HOST)
		return host_context(l, known);
	for (i = 0; known && i < l->out->ncontexts; i++)
		if (l->out->contexts[i].gd == known->gd)
			return (int)i;
	if (known) {
		m = known->match;
		if (m.text && !(m.text = strdup(m.text)))
			return l->no_memory = true, 0;
		strcpy(name, known->name);
		gd = known->gd;
	} else {
		if (!find_match(o, &m))
			return l->no_memory = true, 0;
		for (i = 1; i < l->out->ncontexts; i++) {
			if (!same_match(&m, &l->out->contexts[i].match))
				continue;
			free(m.text);
			return (int)i;
		}
		make_name(l->out, m.text ? m.text : o->comm, name);
		gd = free_gd(l);
	}
	c = new_context(l);
	if (!c) {
		free(m.text);
		return 0;
	}
	strcpy(c->name, name);
	c->gd = gd;
	c->match = m;
	c->strict = known && known->strict;
	return (int)l->out->ncontexts - 1;
}

static void note_context(struct learner *l, int context)
{
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN];
	const struct policy_match *m = &l->out->contexts[context].match;
	char *note = strdup("");
	int others = 0;
	size_t i;

	for (i = 0; i < l->nowners && note; i++) {
		const struct owner *o = &l->owner[i];
		char *longer;

		if (o->context != context || others++ >= 8)
			continue;
		longer = text("%s  # process %u %s, uid %u, seen %s to %s\n", note, o->ident.tgid,
			      o->comm, (__u32)o->ident.uid, wall_time(o->first, first),
			      wall_time(o->last, last));
		free(note);
		note = longer;
	}
	if (note && others > 1 && m->kind != IRQGATE_MATCH_CGROUP) {
		char *longer = text("%s  # %d processes that only a cgroup each would tell apart\n",
				    note, others);

		free(note);
		note = longer;
	}
	l->no_memory |= !note;
	l->context_note[context] = note;
}

/* ---- devices ---------------------------------------------------------------------- */

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->handle != y->handle)
		return x->handle < y->handle ? -1 : 1;
	return (x->vector > y->vector) - (x->vector < y->vector);
}

static __u64 counted(const struct snapshot *snap, __u64 handle, __u32 vector)
{
	const struct snapshot_row key = { .handle = handle, .vector = vector }, *row;

	row = snap->n ? bsearch(&key, snap->row, snap->n, sizeof(key), snapshot_order) : NULL;
	return row ? row->count.passed + row->count.dropped + row->count.would_drop +
			       row->count.leaked
		   : 0;
}

static int seen_context(const struct learner *l, const struct seen *s)
{
	return s->owner == NOBODY ? 0 : l->owner[s->owner].context;
}

/* A row names one context: the one that has most of the device's vectors. */
static int main_context(const struct learner *l, const struct seen *s, size_t n)
{
	int best = 0;
	size_t i, j, most = 0;

	for (i = 0; i < n; i++) {
		size_t count = 0;

		for (j = 0; j < n; j++)
			count += seen_context(l, &s[j]) == seen_context(l, &s[i]);
		if (count > most) {
			most = count;
			best = seen_context(l, &s[i]);
		}
	}
	return best;
}

static struct policy_device *new_device(struct learner *l, __u64 handle, int context)
{
	struct irqgate_device_key key = { .handle = handle };
	const struct irqgate_registration *reg = rows_find(&l->rows, IRQGATE_MAP_DEVICES, &key);
	char **notes = more(l, l->device_note, l->out->ndevices, sizeof(*notes));
	struct policy_device *d;

	if (!notes)
		return NULL;
	l->device_note = notes;
	d = MORE(l, l->out->devices, l->out->ndevices);
	if (!d)
		return NULL;
	d->handle = handle;
	d->context = (unsigned int)context;
	d->action = reg ? (enum irqgate_action)reg->action : IRQGATE_ACTION_DENY;
	return d;
}

/* All that was seen of one device; @host: vectors a host driver has. */
static void add_device(struct learner *l, __u64 handle, const struct seen *s, size_t n,
		       unsigned int host)
{
	int context = n ? main_context(l, s, n) : 0;
	struct policy_device *d = new_device(l, handle, context);
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN];
	__u64 from = 0, to = 0, sum = 0, count;
	char *note = NULL;
	size_t len, i;
	FILE *f;

	f = d ? open_memstream(&note, &len) : NULL;
	if (!f) {
		l->no_memory = true;
		return;
	}
	if (host && !context)
		vectors_fill(&d->vectors, 0, host - 1);
	for (i = 0; i < n; i++) {
		if (seen_context(l, &s[i]) != context) {
			fprintf(f, "  # not in this row: vector %u was bound by context %s, too\n",
				s[i].vector, l->out->contexts[seen_context(l, &s[i])].name);
			continue;
		}
		if (s[i].vm)
			fprintf(f, "  # vector %u also reaches a VM of another process\n",
				s[i].vector);
		if (s[i].verdict > IRQGATE_VERDICT_AUDIT)
			fprintf(f, "  # vector %u was not allowed (%s, reason %s)\n", s[i].vector,
				name_of(&names_verdict, s[i].verdict),
				name_of(&names_reason, s[i].reason));
		if (s[i].vector == IRQGATE_VECTOR_FUNCTION) {
			/* INTx is the context's that has the device; a row needs a vector. */
			fprintf(f, "  # INTx, for which any vector would do\n");
			vectors_fill(&d->vectors, 0, 0);
		} else {
			vectors_fill(&d->vectors, s[i].vector, s[i].vector);
		}
		from = !from || s[i].first < from ? s[i].first : from;
		to = s[i].last > to ? s[i].last : to;
	}
	fprintf(f, "  # interrupts:");
	for (i = 0; i < IRQGATE_MAX_VECTORS; i++) {
		if (!vectors_has(&d->vectors, (unsigned int)i))
			continue;
		count = counted(&l->after, handle, (__u32)i) -
			counted(&l->before, handle, (__u32)i);
		sum += count;
		if (count)
			fprintf(f, " vector %zu: %llu,", i, count);
	}
	fprintf(f, " %llu in all", sum);
	if (from)
		fprintf(f, "; first seen %s, last %s", wall_time(from, first), wall_time(to, last));
	fprintf(f, "\n");
	fclose(f);
	l->no_memory |= !note;
	l->device_note[l->out->ndevices - 1] = note;
}

/* How many MSIs a host driver has requested; 0: none, or the device is VFIO's. */
static unsigned int host_vectors(const char *bdf)
{
	char path[PATH_MAX], target[PATH_MAX];
	unsigned int count = 0;
	struct dirent *e;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = '\0';
	if (strstr(target, "/vfio"))
		return 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", bdf);
	d = opendir(path);
	while (d && (e = readdir(d)))
		count += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return count < IRQGATE_MAX_VECTORS ? count : IRQGATE_MAX_VECTORS;
}

static void add_seen_devices(struct learner *l)
{
	char bdf[HANDLE_STRLEN];
	size_t i, n;

	if (l->nseen)
		qsort(l->seen, l->nseen, sizeof(*l->seen), compare_seen);
	for (i = 0; i < l->nseen; i += n) {
		for (n = 1; i + n < l->nseen && l->seen[i + n].handle == l->seen[i].handle; n++)
			;
		handle_format(l->seen[i].handle, bdf);
		add_device(l, l->seen[i].handle, &l->seen[i], n,
			   host_vectors(bdf + strcspn(bdf, ":") + 1));
	}
}

/* Host drivers whose devices were quiet have their interrupts nevertheless. */
static void add_host_devices(struct learner *l)
{
	DIR *d = opendir("/sys/bus/pci/devices");
	unsigned int n;
	struct dirent *e;
	__u64 handle;
	size_t i;

	while (d && (e = readdir(d))) {
		n = host_vectors(e->d_name);
		if (!n || handle_parse(e->d_name, &handle))
			continue;
		for (i = 0; i < l->nseen && l->seen[i].handle != handle; i++)
			;
		if (i == l->nseen)
			add_device(l, handle, NULL, 0, n);
	}
	if (d)
		closedir(d);
}

/* ---- sources ---------------------------------------------------------------------- */

static void add_source(struct learner *l, const struct signaller *sig)
{
	const struct owner *o = &l->owner[sig->owner];
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN], name[IRQGATE_NAME_LEN];
	struct policy_source *s;
	struct policy_match m;
	char **notes;
	unsigned int i;

	notes = more(l, l->source_note, l->out->nsources, sizeof(*notes));
	if (!notes)
		return;
	l->source_note = notes;
	if (!find_match(o, &m)) {
		l->no_memory = true;
		return;
	}
	make_name(l->out, m.text ? m.text : o->comm, name);
	name[HANDLE_SOFT_NAME_MAX] = '\0';
	for (i = 0; i < l->out->nsources; i++)
		if (same_match(&m, &l->out->sources[i].match))
			break;
	s = i < l->out->nsources ? NULL : MORE(l, l->out->sources, l->out->nsources);
	if (!s || handle_soft_register(name, &s->handle)) {
		free(m.text);
		return;
	}
	s->match = m;
	s->context = (unsigned int)l->owner[sig->vm_owner].context;
	notes[l->out->nsources - 1] =
		text("  # process %u %s, %llu reports, first %s, last %s\n", o->ident.tgid, o->comm,
		     sig->count, wall_time(sig->first, first), wall_time(sig->last, last));
}

/* ---- the policy --------------------------------------------------------------------- */

static void build(struct learner *l)
{
	size_t i;
	int c;

	l->context_note = calloc(1, sizeof(*l->context_note));
	if (!l->context_note) {
		l->no_memory = true;
		return;
	}
	for (i = 0; i < l->nowners; i++)
		l->owner[i].context = -1;
	/* Of who only signals no context is needed: a source has a match of its own. */
	for (i = 0; i < l->nseen; i++)
		if (l->seen[i].owner != NOBODY)
			l->owner[l->seen[i].owner].context =
				context_of(l, &l->owner[l->seen[i].owner]);
	for (i = 0; i < l->nsignallers; i++)
		l->owner[l->signaller[i].vm_owner].context =
			context_of(l, &l->owner[l->signaller[i].vm_owner]);
	for (c = 1; c < (int)l->out->ncontexts; c++)
		note_context(l, c);
	add_seen_devices(l);
	add_host_devices(l);
	for (i = 0; i < l->nsignallers; i++)
		add_source(l, &l->signaller[i]);
	l->out->defaults.mode = IRQGATE_MODE_ENFORCE;
	l->out->defaults.unlisted_device = IRQGATE_ACTION_DENY;
	l->out->defaults.unlisted_source = l->rows.defaults.unlisted_source == IRQGATE_ACTION_ALLOW
						   ? IRQGATE_ACTION_AUDIT
						   : IRQGATE_ACTION_DENY;
}

static void put_note(FILE *out, const void *row, void *arg)
{
	const struct learner *l = arg;
	const struct policy *p = l->out;
	const char *note = NULL;

	if (row == &p->defaults && p->defaults.unlisted_source == IRQGATE_ACTION_AUDIT)
		note = "  # Not deny: the table in force allows unlisted sources, which leaves no\n"
		       "  # trace. Learn again under 'unlisted_source: audit'.\n";
	else if (row >= (void *)p->contexts && row < (void *)(p->contexts + p->ncontexts))
		note = l->context_note[(struct policy_context *)row - p->contexts];
	else if (p->devices && row >= (void *)p->devices &&
		 row < (void *)(p->devices + p->ndevices))
		note = l->device_note[(struct policy_device *)row - p->devices];
	else if (p->sources && row >= (void *)p->sources &&
		 row < (void *)(p->sources + p->nsources))
		note = l->source_note[(struct policy_source *)row - p->sources];
	if (note)
		fputs(note, out);
}

/* What was counted of vectors nobody was seen to have. */
static void print_unseen(const struct learner *l, FILE *out)
{
	char handle[HANDLE_STRLEN];
	size_t i, j;

	for (i = 0; i < l->after.n; i++) {
		const struct snapshot_row *key = &l->after.row[i];
		__u64 n = counted(&l->after, key->handle, key->vector) -
			  counted(&l->before, key->handle, key->vector);

		for (j = 0; j < l->nseen; j++)
			if (l->seen[j].handle == key->handle && l->seen[j].vector == key->vector)
				break;
		if (n && key->handle && j == l->nseen)
			fprintf(out,
				"# missing: %s vector %u raised %llu interrupts, its owner "
				"was gone before it could be seen\n",
				handle_format(key->handle, handle), key->vector, n);
	}
}

static int print(const struct learner *l, FILE *out)
{
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN], host[64] = "";
	struct policy *check = NULL;
	char *made = NULL;
	size_t len;
	FILE *f;
	int err;

	f = open_memstream(&made, &len);
	if (!f)
		return -ENOMEM;
	gethostname(host, sizeof(host) - 1);
	fprintf(f, "# Learned by irqgate on %s, %s to %s.\n", host, wall_time(l->start, first),
		wall_time(boot_ns(), last));
	fprintf(f, "# It allows what was bound and signalled then, and nothing else.\n");
	print_unseen(l, f);
	policy_write(f, l->out, put_note, (void *)l);
	fclose(f);
	/* Ready to apply: as `irqgate check` will see it. */
	err = policy_parse("learned policy", made, len, &check);
	policy_free(check);
	if (!err && fwrite(made, 1, len, out) != len)
		err = -errno;
	free(made);
	return err;
}

static int write_output(const struct learner *l, const char *path)
{
	FILE *f = replace_open(path, 0600);

	return f ? replace_close(f, path, print(l, f)) : -EIO;
}

static void free_notes(char **notes, unsigned int n)
{
	unsigned int i;

	for (i = 0; notes && i < n; i++)
		free(notes[i]);
	free(notes);
}

int learn_verb(const struct learn_options *opts)
{
	struct learner l = { .start = boot_ns() };
	struct sigaction act = { .sa_handler = on_signal };
	unsigned long seconds = 0;
	char *end;
	int err;

	if (opts->seconds) {
		seconds = strtoul(opts->seconds, &end, 10);
		if (*end || end == opts->seconds || seconds > 365 * 86400UL) {
			fail(0, "--for %s: expected a number of seconds", opts->seconds);
			return EXIT_USAGE;
		}
	}
	if (pins_open(&l.pins))
		return EXIT_RUNTIME;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	l.in_force = policy_in_force();
	err = table_read(&l.pins, &l.rows) ?: policy_empty(&l.out) ?:
	      snapshot_take(&l.pins, &l.before);
	if (err)
		goto out;
	if (l.rows.defaults.unlisted_source == IRQGATE_ACTION_ALLOW)
		msg("learn: sources cannot be learned, the table in force allows unlisted ones");
	watch(&l, opts->seconds ? l.start + seconds * 1000000000ULL : 0);
	err = snapshot_take(&l.pins, &l.after);
	if (err)
		goto out;
	build(&l);
	err = l.no_memory ? fail(-ENOMEM, "learn: not enough memory")
			  : write_output(&l, opts->output);
out:
	if (l.out) {
		free_notes(l.context_note, l.out->ncontexts);
		free_notes(l.device_note, l.out->ndevices);
		free_notes(l.source_note, l.out->nsources);
	}
	policy_free(l.out);
	policy_free(l.in_force);
	rows_free(&l.rows);
	snapshot_free(&l.before);
	snapshot_free(&l.after);
	free(l.owner);
	free(l.seen);
	free(l.signaller);
	pins_close(&l.pins);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
