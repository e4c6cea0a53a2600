// SPDX-License-Identifier: GPL-2.0-only
#include "oracle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- who may do what -------------------------------------------------------- */

void oracle_policy(int number, struct oracle_policy *p)
{
	int v, vectors = number >> 2 & 7;

	memset(p, 0, sizeof(*p));
	for (v = 0; v < VECTORS; v++)
		if (!vectors || vectors >> v & 1)
			p->row[0][v].who = number & 3;
	p->drop[0] = number >> 5 & 1;
	p->row[1][0].who = number >> 6 & 3;
	p->drop[1] = number >> 8 & 1;
	p->source = number >> 9 & 3;
	p->anybody = number >> 11 & 1;
	p->audit = (number >> 12 & 7) == 7;
	p->unlisted = number >> 15 & 1;
}

/* The context of an identity. FRIEND_ is of none, as NOBODY_ is. */
static enum who context_of(struct id id)
{
	return id.who == FRIEND_ ? NOBODY_ : id.who;
}

static bool same(struct id a, struct id b)
{
	return a.process == b.process;
}

/* Are both of one context? */
static bool kin(struct id a, struct id b)
{
	return context_of(a) != NOBODY_ && context_of(a) == context_of(b);
}

/* Does the policy let any process have the device, because no row names it? */
static bool is_free(const struct oracle *m, int device)
{
	int v;

	for (v = 0; v < VECTORS; v++)
		if (m->policy.row[device][v].who != NOBODY_)
			return false;
	return m->policy.unlisted;
}

/* May a vector go to the context of @id? Revocations hold in audit mode as well. */
static bool may_have(const struct oracle *m, int device, int vector, struct id id)
{
	const struct policy_row *row = &m->policy.row[device][vector];

	if (row->revoked)
		return false;
	if (m->policy.audit || is_free(m, device))
		return true;
	return row->who != NOBODY_ && row->who == context_of(id);
}

/* Does the policy name @id as a source for this context? */
static bool is_source(const struct oracle *m, struct id id, enum who context)
{
	return id.who == FRIEND_ && m->policy.source != NOBODY_ && m->policy.source == context;
}

/* May @id inject into this VM? Its VMM and others of the context may, if it is not strict. */
static bool may_signal(const struct oracle *m, struct id id, const struct actor *vmm)
{
	enum who context = context_of(vmm->creator);

	if (m->policy.audit || is_source(m, id, context))
		return true;
	if (same(id, vmm->creator) || kin(id, vmm->creator))
		return context != IRON_;
	/* A source that the policy names for another context is not an unlisted one. */
	return m->policy.anybody && !(id.who == FRIEND_ && m->policy.source != NOBODY_);
}

static int listener(const struct actor *a, int efd, int from)
{
	int s;

	for (s = from; a->vm && s < SLOTS; s++)
		if (a->listens[s] == efd)
			return s;
	return -1;
}

bool oracle_listened(const struct oracle *m, int efd)
{
	int i;

	for (i = 0; i < ACTORS; i++)
		if (listener(&m->actor[i], efd, 0) >= 0)
			return true;
	return false;
}

/* Does the VM of a process listen that is neither @id nor of its context? */
static bool others_listen(const struct oracle *m, int efd, struct id id)
{
	int i;

	for (i = 0; i < ACTORS; i++)
		if (listener(&m->actor[i], efd, 0) >= 0 && !same(id, m->actor[i].creator) &&
		    !kin(id, m->actor[i].creator))
			return true;
	return false;
}

/*
 * May @id make a vector reach a VM? With a device that no row names, @id must be allowed to signal
 * the VM.
 */
static bool may_reach(const struct oracle *m, int device, int vector, struct id id,
		      const struct actor *vmm)
{
	if (!may_have(m, device, vector, vmm->creator))
		return false;
	return !is_free(m, device) || may_signal(m, id, vmm);
}

/* Does the policy allow the connection: its binder, and every VM that listens? */
static bool in_order(const struct oracle *m, int device, int vector)
{
	const struct bound *b = &m->bound[device][vector];
	int i;

	if (!may_have(m, device, vector, b->by))
		return false;
	for (i = 0; i < ACTORS; i++)
		if (listener(&m->actor[i], b->efd, 0) >= 0 &&
		    !may_reach(m, device, vector, b->by, &m->actor[i]))
			return false;
	return true;
}

/* Would the VM of @a harm another context that uses the eventfd, if it listened there? */
static bool intrudes(const struct oracle *m, const struct actor *a, int efd)
{
	int d, v, i;

	for (d = 0; d < DEVICES; d++) {
		for (v = 0; v < VECTORS; v++) {
			const struct bound *b = &m->bound[d][v];

			if (b->efd == efd && !same(b->by, a->creator) && !kin(b->by, a->creator) &&
			    may_have(m, d, v, b->by) && !may_reach(m, d, v, b->by, a))
				return true;
		}
	}
	for (i = 0; i < ACTORS; i++) {
		const struct actor *other = &m->actor[i];

		if (listener(other, efd, 0) >= 0 && !same(other->creator, a->creator) &&
		    !kin(other->creator, a->creator) &&
		    (!may_signal(m, a->creator, other) || !may_signal(m, other->creator, a)))
			return true;
	}
	return false;
}

/* May @id write to an eventfd, read it or get it? Its devices and its VMs must allow that. */
static bool may_touch(const struct oracle *m, int efd, struct id id)
{
	int d, v, i;

	for (d = 0; d < DEVICES; d++) {
		for (v = 0; v < VECTORS; v++) {
			const struct bound *b = &m->bound[d][v];

			if (b->efd == efd && !same(id, b->by) && !kin(id, b->by) &&
			    !may_have(m, d, v, id))
				return false;
		}
	}
	for (i = 0; i < ACTORS; i++)
		if (listener(&m->actor[i], efd, 0) >= 0 && !may_signal(m, id, &m->actor[i]))
			return false;
	return true;
}

int oracle_holder(const struct oracle *m, int efd, int *slot)
{
	int i, s;

	for (i = 0; i < ACTORS; i++)
		for (s = 0; m->actor[i].alive && s < SLOTS; s++)
			if (m->actor[i].fd[s] == efd) {
				*slot = s;
				return i;
			}
	return -1;
}

static bool held(const struct oracle *m, int efd)
{
	int i, slot;

	if (oracle_holder(m, efd, &slot) >= 0)
		return true;
	for (i = 0; i < ACTORS; i++)
		if (m->actor[i].alive && m->actor[i].kept[efd])
			return true;
	return false;
}

/* ---- consequences of a step -------------------------------------------------- */

/* Is a device connected to the eventfd, @by this process unless NULL? */
static bool is_bound(const struct oracle *m, int efd, const struct id *by)
{
	int d, v;

	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			if (m->bound[d][v].efd == efd && (!by || same(*by, m->bound[d][v].by)))
				return true;
	return false;
}

static void remember(struct id list[CHARGES], int *n, struct id id)
{
	int i;

	for (i = 0; i < *n; i++)
		if (same(list[i], id) && list[i].who == id.who)
			return;
	/* When the list is full, the last place stands for all others. */
	i = *n < CHARGES ? (*n)++ : CHARGES - 1;
	list[i] = id;
}

/* @id leaves a pending count for the next listener. */
static void charge(struct oracle *m, int efd, struct id id)
{
	remember(m->efd[efd].charge, &m->efd[efd].ncharges, id);
	m->efd[efd].unseen |= !is_bound(m, efd, NULL);
}

/*
 * An eventfd is signalled. The first listener gets the interrupt; without a listener it counts. An
 * irqfd waits exclusively (add_wait_queue_priority of kernel/sched/wait.c, up to 6.16).
 */
static void signal_efd(struct oracle *m, int efd, bool must, struct seen *seen)
{
	int i, s, first = -1, slot = 0;

	for (i = 0; i < ACTORS; i++) {
		s = listener(&m->actor[i], efd, 0);
		if (s < 0 || (first >= 0 && m->actor[i].since[s] > m->actor[first].since[slot]))
			continue;
		first = i;
		slot = s;
	}
	if (first >= 0) {
		*(must ? &seen->must[first] : &seen->may[first]) |= 1U << slot;
		m->efd[efd].count = 0;
		m->efd[efd].ncharges = 0;
		m->efd[efd].unseen = false;
	} else {
		m->efd[efd].count++;
		*(must ? &seen->must_count[efd] : &seen->may_count[efd]) += 1;
	}
}

static void device_fires(struct oracle *m, int device, int vector, struct seen *seen)
{
	struct bound *b = &m->bound[device][vector];

	if (b->efd < 0) {
		b->latched = true;
		return;
	}
	/* A dropped interrupt is replayed once when the vector is allowed again. */
	b->dropped |= b->wait != NOT_HELD || !in_order(m, device, vector);
	if (!in_order(m, device, vector))
		return;
	/* The loader releases it some time later, or never if no process holds the eventfd. */
	signal_efd(m, b->efd, b->wait == NOT_HELD, seen);
}

/* An irqfd ends with the last fd of its eventfd (EPOLLHUP in irqfd_wakeup of KVM). */
static void irqfds_end(struct oracle *m)
{
	int i, s;

	for (i = 0; i < ACTORS; i++)
		for (s = 0; m->actor[i].vm && s < SLOTS; s++)
			if (m->actor[i].listens[s] >= 0 && !held(m, m->actor[i].listens[s]))
				m->actor[i].listens[s] = -1;
}

/*
 * Updates the quarantines. A verb releases before it returns what is allowed again. If a vector
 * is allowed again because a listener left, the loader releases it some time later.
 */
static void follow(struct oracle *m, bool verb)
{
	int d, v;

	irqfds_end(m);
	for (d = 0; d < DEVICES; d++) {
		for (v = 0; v < VECTORS; v++) {
			struct bound *b = &m->bound[d][v];

			if (b->efd < 0)
				continue;
			if (!in_order(m, d, v)) {
				b->wait = HELD;
			} else if (b->wait == HELD || b->wait == RELEASE_PENDING) {
				/* Without an fd of the eventfd, no vector can be pointed there. */
				if (!held(m, b->efd))
					b->wait = STUCK;
				else
					b->wait = verb ? NOT_HELD : RELEASE_PENDING;
			}
		}
	}
}

/* The listener changes. Dropped interrupts were not for the new one, so no replay comes. */
static void forget_dropped(struct oracle *m, int efd)
{
	int d, v;

	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			if (m->bound[d][v].efd == efd)
				m->bound[d][v].dropped = false;
}

/* Replays come with a release: at the end of a verb, or some time later by the loader. */
static void give_back(struct oracle *m, struct seen *seen)
{
	int d, v;

	for (d = 0; d < DEVICES; d++) {
		for (v = 0; v < VECTORS; v++) {
			struct bound *b = &m->bound[d][v];

			if (b->efd < 0 || !b->dropped || !in_order(m, d, v))
				continue;
			signal_efd(m, b->efd, false, seen);
			b->dropped = b->wait != NOT_HELD;
		}
	}
}

bool oracle_awaits_release(const struct oracle *m, int device, int vector)
{
	const struct bound *b = &m->bound[device][vector];

	return m->loader && b->efd >= 0 && b->wait == RELEASE_PENDING &&
	       in_order(m, device, vector);
}

void oracle_released(struct oracle *m, int device, int vector)
{
	m->bound[device][vector].wait = NOT_HELD;
}

bool oracle_stuck(const struct oracle *m)
{
	int d, v;

	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			if (m->bound[d][v].efd >= 0 && m->bound[d][v].wait != NOT_HELD &&
			    !held(m, m->bound[d][v].efd))
				return true;
	return false;
}

/*
 * @id writes to an eventfd or makes the kernel hold it. Signals of the kernel are attributed to
 * the last process that did so, unless the one before is not authorized. They are not attributed
 * to a VMM that listens, unless it @hands the eventfd to a taker and no other process did.
 */
static void touch(struct oracle *m, int efd, struct id id, bool hands)
{
	struct efd *e = &m->efd[efd];
	bool listens = false;
	int i;

	remember(e->toucher, &e->ntouchers, id);
	for (i = 0; i < ACTORS; i++)
		listens |= listener(&m->actor[i], efd, 0) >= 0 && same(m->actor[i].creator, id);
	if (listens && (!hands || (e->last.process && e->seen_last)))
		return;
	if (e->last.process && !same(e->last, id) &&
	    (listens || m->policy.audit || !may_touch(m, efd, e->last)))
		e->mixed = true;
	e->last = id;
	e->seen_last = hands || is_bound(m, efd, NULL) || oracle_listened(m, efd);
	e->watched |= hands;
}

/* May every process that ever touched it still do so? If not, a signal may count as its leak. */
static bool all_may_touch(const struct oracle *m, int efd)
{
	const struct efd *e = &m->efd[efd];
	int i;

	for (i = 0; i < e->ntouchers; i++)
		if (!may_touch(m, efd, e->toucher[i]))
			return false;
	return !e->lost;
}

static int new_efd(struct oracle *m)
{
	memset(&m->efd[m->nefds], 0, sizeof(m->efd[0]));
	return m->nefds++;
}

static void no_vm(struct actor *a)
{
	int s;

	a->vm = false;
	for (s = 0; s < SLOTS; s++) {
		a->listens[s] = -1;
		a->given[s][BY_GUEST].efd = NONE;
	}
}

static void no_takers(struct actor *a, int efd)
{
	int s;

	for (s = 0; s < SLOTS; s++)
		a->given[s][BY_RING].efd = a->given[s][BY_VHOST].efd = efd;
}

static void new_actor(struct oracle *m, int i, enum who who, int parent)
{
	struct actor *a = &m->actor[i];

	memset(a, 0, sizeof(*a));
	a->alive = true;
	a->id = (struct id){ ++m->processes, who };
	a->place = who;
	a->parent = parent;
	no_vm(a);
	no_takers(a, NONE);
}

static void end_actor(struct oracle *m, int i)
{
	int k, v;

	for (k = 0; k < ACTORS; k++)
		if (m->actor[k].alive && m->actor[k].parent == i)
			end_actor(m, k);
	m->actor[i].alive = false;
	no_vm(&m->actor[i]);
	/* Heirs end with the process that opened the device, so no process holds it then. */
	for (v = 0; i < DEVICES && v < VECTORS; v++)
		m->bound[i][v] = (struct bound){ .efd = -1 };
}

void oracle_begin(struct oracle *m)
{
	int d, v, i;

	memset(m, 0, sizeof(*m));
	oracle_policy(BASE_POLICY, &m->policy);
	m->loader = true;
	for (i = 0; i < ACTORS; i++)
		no_vm(&m->actor[i]);
	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			m->bound[d][v].efd = -1;
}

/* ---- the steps ------------------------------------------------------------------ */

static int vectors_of(int device)
{
	return device ? 1 : VECTORS;
}

/* No process, VM or binding is of this cgroup. */
static bool is_deserted(const struct oracle *m, enum who who)
{
	int i, d, v;

	for (i = 0; i < ACTORS; i++) {
		const struct actor *a = &m->actor[i];

		if (a->alive && (a->place == who || a->parents >> who & 1 || a->id.who == who ||
				 (a->vm && a->creator.who == who)))
			return false;
	}
	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			if (m->bound[d][v].efd >= 0 && m->bound[d][v].by.who == who)
				return false;
	return true;
}

static bool is_slot(const struct actor *a, int slot)
{
	return slot >= 0 && slot < SLOTS && a->fd[slot] >= 0;
}

/* The process that does the step; 0 if no process does. */
static int actor_of(const struct step *s)
{
	return s->code <= S_FORK && s->code != S_FIRE ? s->a : 0;
}

bool oracle_can(const struct oracle *m, const struct step *s)
{
	const struct actor *a = &m->actor[actor_of(s)];
	int given;

	if (s->code > S_HEIR && s->code <= S_FORK && s->code != S_FIRE && !a->alive)
		return false;
	if (m->nefds + SLOTS > EFDS)
		return false;
	switch (s->code) {
	case S_SPAWN:
		return !a->alive;
	case S_HEIR:
		return !a->alive && s->a >= DEVICES && s->b != s->a && m->actor[s->b].alive;
	case S_IRQFD:
		return a->vm && is_slot(a, s->b) && a->listens[s->b] < 0;
	case S_IRQFD_OFF:
		return a->vm && is_slot(a, s->b) && a->listens[s->b] == a->fd[s->b];
	case S_BIND:
		return a->device >= 0 && s->b < vectors_of(a->device) && is_slot(a, s->c);
	case S_UNBIND:
		return a->device >= 0 && s->b < vectors_of(a->device);
	case S_FIRE:
		return m->actor[s->a].alive && s->b < vectors_of(s->a);
	case S_WRITE:
		return is_slot(a, s->b);
	case S_NONE:
		return a->device >= 0 && s->b < vectors_of(a->device) &&
		       m->bound[a->device][s->b].efd >= 0;
	case S_MSI:
		return a->vm;
	case S_SEND:
		return is_slot(a, s->b) && s->c != s->a && m->actor[s->c].alive;
	case S_FORK:
		return !a->vm;
	case S_AIO:
		return is_slot(a, s->b);
	case S_GIVE:
		given = a->given[s->b][s->c].efd;
		/* A ring or a port takes one eventfd; vhost replaces the old one. */
		/* After its guest ran, a strict VMM cannot clear pending interrupts (W_IRR). */
		return is_slot(a, s->b) && given != GONE && (s->c == BY_VHOST || given == NONE) &&
		       (s->c != BY_GUEST || (a->vm && context_of(a->creator) != IRON_));
	case S_GIVEN:
		return a->given[s->b][s->c].efd >= 0;
	case S_RMDIR:
		return is_deserted(m, s->a);
	case S_ALLOW:
	case S_REVOKE:
		return s->b < vectors_of(s->a);
	case S_KILL:
		return m->loader;
	case S_START:
		return !m->loader;
	default:
		return true;
	}
}

/* @efd gets a listener, which gets the pending count at once. */
static const char *irqfd(struct oracle *m, struct actor *a, int efd, int slot, long result,
			 struct seen *seen)
{
	struct efd *e = &m->efd[efd];
	int d, v, i, self = (int)(a - m->actor);
	bool plain = !e->count && !e->lost, ok = true, entitled = true;

	for (i = 0; i < e->ntouchers; i++)
		plain = plain && may_signal(m, e->toucher[i], a);
	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			if (m->bound[d][v].efd == efd && !may_reach(m, d, v, m->bound[d][v].by, a))
				entitled = false;
	remember(e->toucher, &e->ntouchers, a->id);
	if (result == -EBUSY && (listener(a, efd, 0) >= 0 || oracle_listened(m, efd)))
		return NULL; /* an eventfd takes one irqfd of a VM; from 6.17 on only one at all */
	if (result && result != -EACCES)
		return "KVM_IRQFD failed";
	if (result)
		return plain && entitled && !intrudes(m, a, efd)
			       ? "KVM_IRQFD was refused, though all is in order"
			       : NULL;
	if (intrudes(m, a, efd))
		return "a VM came to listen to what others had";
	if (oracle_listened(m, efd))
		forget_dropped(m, efd);
	a->listens[slot] = efd;
	a->since[slot] = m->irqfds++;
	e->watched = true;
	/* A count by a process that may not signal this VM must not arrive in any case. */
	for (i = 0; i < e->ncharges; i++)
		ok = ok && may_signal(m, e->charge[i], a);
	/* A count of an unknown process is that of an unlisted source. */
	ok = ok || (e->unseen && m->policy.anybody);
	/* The device may have made the count, too. */
	if (e->count && ok && entitled)
		seen->may[self] |= 1U << slot;
	follow(m, false);
	return NULL;
}

static const char *bind(struct oracle *m, const struct actor *a, const struct step *s, long result,
			struct seen *seen)
{
	struct bound *b = &m->bound[a->device][s->b];
	struct bound old = *b;
	bool ok;

	*b = (struct bound){ .efd = a->fd[s->c], .by = a->id };
	ok = in_order(m, a->device, s->b);
	if (result) {
		*b = old;
		if (result != -EACCES)
			return "VFIO_DEVICE_SET_IRQS failed";
		return ok ? "an authorized vector was not bound" : NULL;
	}
	/* Its owner would be judged by the vector, although that is quarantined. */
	if (!ok && others_listen(m, b->efd, a->id))
		return "a refused vector was bound to what another's VM listens to";
	touch(m, b->efd, a->id, false);
	m->efd[b->efd].watched = true;
	if (old.latched)
		signal_efd(m, b->efd, false, seen);
	/*
	 * The device sends a kept interrupt while the kernel connects the vector. Under drop only
	 * the module can stop that one (docs/guarantees.md), but it must count as leaked.
	 */
	seen->leak = old.latched && !ok;
	m->may_leak += old.latched;
	seen->device = a->device;
	seen->vector = s->b;
	follow(m, false);
	return NULL;
}

static const char *none(struct oracle *m, const struct actor *a, int vector, long result,
			struct seen *seen)
{
	const struct bound *b = &m->bound[a->device][vector];
	bool ok = may_have(m, a->device, vector, a->id);
	int i;

	/*
	 * DATA_NONE injects. The VMM of a strict context may not inject into its own VM. With a
	 * device that no row names, the process must be allowed to signal the VM.
	 */
	for (i = 0; i < ACTORS; i++) {
		const struct actor *vmm = &m->actor[i];

		if (listener(vmm, b->efd, 0) < 0 || m->policy.audit)
			continue;
		if (context_of(vmm->creator) == IRON_)
			ok = ok && !kin(a->id, vmm->creator) && !same(a->id, vmm->creator);
		ok = ok && (!is_free(m, a->device) || may_signal(m, a->id, vmm));
	}
	if (!ok)
		return result == -EACCES ? NULL : "DATA_NONE was not refused";
	if (result)
		return "DATA_NONE was refused or failed";
	m->may_leak += !all_may_touch(m, b->efd);
	if (in_order(m, a->device, vector))
		signal_efd(m, b->efd, b->wait == NOT_HELD, seen);
	return NULL;
}

static const char *write_to(struct oracle *m, const struct actor *a, int efd, long result,
			    struct seen *seen)
{
	struct efd *e = &m->efd[efd];

	if (!may_touch(m, efd, a->id))
		return result == -EACCES ? NULL : "a write was not refused";
	if (result)
		return "a write was refused or failed";
	if (oracle_listened(m, efd)) {
		remember(e->toucher, &e->ntouchers, a->id);
	} else {
		touch(m, efd, a->id, false);
		charge(m, efd, a->id);
	}
	signal_efd(m, efd, true, seen);
	return NULL;
}

/*
 * The kernel signals for @id. A stock kernel cannot stop that (docs/paths.md). The signal is no
 * leak if @id is authorized. If not, it is one if the signaller is certain.
 */
static void kernel_signals(struct oracle *m, int efd, struct id id, bool ring, struct seen *seen)
{
	struct efd *e = &m->efd[efd];
	bool clean = may_touch(m, efd, id), bound = is_bound(m, efd, NULL);

	/* A ring had it before irqgate watched it, so the signaller is unknown. */
	if (e->unwatched && ring && !m->policy.anybody && !m->policy.audit && !bound &&
	    oracle_listened(m, efd))
		m->must_leak++;
	else if (e->early)
		m->may_leak++;
	else if (!clean && same(e->last, id) && !e->mixed && !is_bound(m, efd, &id) &&
		 (e->seen_last || (!bound && !m->policy.anybody)))
		m->must_leak++;
	else if (!clean)
		m->may_leak++;
	/* A signal of an unknown process is that of an unlisted source. */
	clean = clean && (m->policy.anybody || (e->last.process && e->seen_last));
	if (!e->early && (!clean || !all_may_touch(m, efd)))
		m->may_leak++;
	if (!oracle_listened(m, efd))
		charge(m, efd, id);
	signal_efd(m, efd, true, seen);
}

static const char *aio(struct oracle *m, const struct actor *a, int efd, long result,
		       struct seen *seen)
{
	if (result)
		return "an AIO request failed";
	touch(m, efd, a->id, false);
	kernel_signals(m, efd, a->id, false, seen);
	return NULL;
}

static const char *give(struct oracle *m, struct actor *a, const struct step *s, long result)
{
	int efd = a->fd[s->b];
	bool may = may_touch(m, efd, a->id) || s->c == BY_RING; /* no gate sees a ring */

	if (!may)
		return result == -EACCES ? NULL
					 : "giving a descriptor to the kernel was not refused";
	if (result)
		return "giving a descriptor to the kernel was refused or failed";
	if (s->c == BY_RING) {
		m->efd[efd].early |= !is_bound(m, efd, NULL) && !oracle_listened(m, efd);
		m->efd[efd].unwatched |= !m->efd[efd].watched;
	}
	touch(m, efd, a->id, s->c != BY_RING);
	a->given[s->b][s->c] = (struct given){ efd, a->id };
	return NULL;
}

static void remove_cgroup(struct oracle *m, enum who who)
{
	int e, i;

	for (e = 0; e < m->nefds; e++)
		for (i = 0; i < m->efd[e].ntouchers; i++)
			m->efd[e].lost |= m->efd[e].toucher[i].who == who;
}

static const char *signal_msi(const struct oracle *m, int actor, int slot, long result,
			      struct seen *seen)
{
	const struct actor *a = &m->actor[actor];

	if (!may_signal(m, a->id, a))
		return result == -EACCES ? NULL : "KVM_SIGNAL_MSI was not refused";
	if (result < 0)
		return "KVM_SIGNAL_MSI was refused or failed";
	seen->must[actor] |= 1U << slot;
	return NULL;
}

static const char *send(struct oracle *m, const struct step *s, long result)
{
	struct actor *to = &m->actor[s->c];
	int efd = m->actor[s->a].fd[s->b];
	bool may;

	to->fd[s->b] = -1; /* the test closes the old fd first */
	may = may_touch(m, efd, to->id);
	if (result == 1)
		to->fd[s->b] = efd;
	else if (result)
		return "passing a descriptor failed";
	follow(m, false);
	if (may == (result == 1))
		return NULL;
	return may ? "a descriptor was kept from one who may have it"
		   : "a descriptor came to one who may not have it";
}

static const char *verb(struct oracle *m, long result)
{
	bool stuck;

	follow(m, true);
	stuck = oracle_stuck(m);
	return !result || (result == 1 && stuck) ? NULL : "irqgate failed";
}

static void fork_actor(struct oracle *m, struct actor *a)
{
	int s;

	for (s = 0; s < SLOTS; s++)
		if (a->fd[s] >= 0)
			a->kept[a->fd[s]] = true;
	a->parents |= 1U << a->place;
	no_takers(a, GONE);
	a->id.process = ++m->processes;
}

static void inherit(struct oracle *m, int heir, int from)
{
	struct actor *a = &m->actor[heir];

	a->device = m->actor[from].device;
	memcpy(a->fd, m->actor[from].fd, sizeof(a->fd));
}

static void oracle_apply(struct oracle *m, int number)
{
	struct oracle_policy old = m->policy;
	int d, v;

	oracle_policy(number, &m->policy);
	/* Revocations last until `allow`. */
	for (d = 0; d < DEVICES; d++)
		for (v = 0; v < VECTORS; v++)
			m->policy.row[d][v].revoked = old.row[d][v].revoked;
}

static const char *do_step(struct oracle *m, const struct step *s, long result, struct seen *seen)
{
	struct actor *a = &m->actor[actor_of(s)];
	struct policy_row *row;
	int i;

	memset(seen, 0, sizeof(*seen));
	switch (s->code) {
	case S_SPAWN:
		new_actor(m, s->a, s->b, -1);
		a->device = s->a < DEVICES ? s->a : -1;
		for (i = 0; i < SLOTS; i++)
			a->fd[i] = new_efd(m);
		return NULL;
	case S_HEIR:
		new_actor(m, s->a, s->c, s->b);
		inherit(m, s->a, s->b);
		return NULL;
	case S_END:
		end_actor(m, s->a);
		follow(m, false);
		return NULL;
	case S_VM:
		if (a->vm) {
			no_vm(a);
			follow(m, false);
		} else {
			a->vm = true;
			a->creator = a->id;
		}
		return result ? "no VM" : NULL;
	case S_IRQFD:
		return irqfd(m, a, a->fd[s->b], s->b, result, seen);
	case S_IRQFD_OFF:
		forget_dropped(m, a->listens[s->b]);
		a->listens[s->b] = -1;
		follow(m, false);
		return result ? "the end of an irqfd failed" : NULL;
	case S_BIND:
		return bind(m, a, s, result, seen);
	case S_UNBIND:
		/* If nothing was bound, the device still keeps what it kept. */
		m->bound[a->device][s->b] =
			(struct bound){ .efd = -1, .latched = m->bound[a->device][s->b].latched };
		return result ? "unbinding failed" : NULL;
	case S_FIRE:
		device_fires(m, s->a, s->b, seen);
		return NULL;
	case S_WRITE:
		return write_to(m, a, a->fd[s->b], result, seen);
	case S_NONE:
		return none(m, a, s->b, result, seen);
	case S_MSI:
		return signal_msi(m, s->a, s->b, result, seen);
	case S_SEND:
		return send(m, s, result);
	case S_NEW:
		a->fd[s->b] = new_efd(m);
		follow(m, false);
		return NULL;
	case S_MOVE:
		a->place = s->b; /* its identity stays */
		return result ? "a process could not be moved" : NULL;
	case S_EXEC:
		a->id = (struct id){ ++m->processes, a->place };
		no_vm(a);
		no_takers(a, NONE);
		follow(m, false);
		return result ? "no program was executed" : NULL;
	case S_AIO:
		return aio(m, a, a->fd[s->b], result, seen);
	case S_GIVE:
		return give(m, a, s, result);
	case S_GIVEN:
		kernel_signals(m, a->given[s->b][s->c].efd, a->given[s->b][s->c].by,
			       s->c == BY_RING, seen);
		return result ? "the kernel was not made to signal" : NULL;
	case S_RMDIR:
		remove_cgroup(m, s->a);
		return result ? "a cgroup could not be removed" : NULL;
	case S_FORK:
		fork_actor(m, a);
		return NULL;
	case S_APPLY:
		oracle_apply(m, s->a);
		return verb(m, result);
	case S_ALLOW:
		row = &m->policy.row[s->a][s->b];
		*row = (struct policy_row){ .who = s->c };
		return verb(m, result);
	case S_REVOKE:
		m->policy.row[s->a][s->b].revoked = true;
		return verb(m, result);
	case S_KILL:
		m->loader = false;
		return NULL;
	case S_START:
		m->loader = true;
		follow(m, false);
		return NULL;
	case STEPS:
		break;
	}
	return "no such step";
}

const char *oracle_step(struct oracle *m, const struct step *s, long result, struct seen *seen)
{
	const char *wrong = do_step(m, s, result, seen);

	give_back(m, seen);
	return wrong;
}

/* ---- as text ------------------------------------------------------------------- */

static const char *const names[STEPS] = {
	[S_SPAWN] = "spawn", [S_HEIR] = "heir",     [S_END] = "end",
	[S_VM] = "vm",       [S_IRQFD] = "irqfd",   [S_IRQFD_OFF] = "irqfd_off",
	[S_BIND] = "bind",   [S_UNBIND] = "unbind", [S_FIRE] = "fire",
	[S_WRITE] = "write", [S_NONE] = "none",     [S_MSI] = "msi",
	[S_SEND] = "send",   [S_NEW] = "new",       [S_MOVE] = "move",
	[S_EXEC] = "exec",   [S_AIO] = "aio",       [S_GIVE] = "give",
	[S_GIVEN] = "given", [S_RMDIR] = "rmdir",   [S_FORK] = "fork",
	[S_APPLY] = "apply", [S_ALLOW] = "allow",   [S_REVOKE] = "revoke",
	[S_KILL] = "kill",   [S_START] = "start",
};

void step_print(const struct step *s, char buf[64])
{
	snprintf(buf, 64, "%s %d %d %d", names[s->code], s->a, s->b, s->c);
}

bool step_parse(const char *line, struct step *s)
{
	char name[16];
	int i;

	if (sscanf(line, "%15s %d %d %d", name, &s->a, &s->b, &s->c) != 4)
		return false;
	for (i = 0; i < STEPS; i++)
		if (!strcmp(name, names[i]))
			break;
	s->code = i;
	return i < STEPS;
}
