// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/access.h"
#include "loader/bounded.h"
#include "loader/hooks.h"
#include "table/table.h"

/* How long the walk through all mappings may take, and a signal, ms. */
#define REVIEW_MS 5000
#define SIGNAL_MS 500

int access_publish(struct pins *pins, const struct btf *btf, const struct rows *rows)
{
	int err = rows->defaults.governs ? hooks_govern(true) : 0;

	err = err ?: table_publish(pins, btf, rows);
	if (!table_governs(pins))
		hooks_govern(false);
	return err;
}

static int note(const struct irqgate_file *f, void *arg)
{
	struct review *r = arg;
	__u32 i;

	if (f->verdict <= IRQGATE_VERDICT_ALLOW)
		return 0;
	/* A process has a mapping for each BAR. */
	for (i = 0; i < r->n; i++)
		if (r->of[i].handle == f->handle && r->of[i].tgid == f->tgid &&
		    r->of[i].start == f->start)
			return 0;
	r->forbidden += f->verdict >= IRQGATE_VERDICT_DROP;
	if (r->n == MAPPED_MAX)
		return 0;
	r->of[r->n++] = (struct mapped){
		.handle = f->handle,
		.start = f->start,
		.tgid = f->tgid,
		.gd = f->gd,
		.verdict = f->verdict,
		.reason = f->reason,
	};
	return 0;
}

/* Runs in a child, because the walk of a process' mappings may have to wait for the process. */
static int walk(void *arg)
{
	return pins_iterate("iter_maps", note, arg);
}

int access_review(struct pins *pins, struct review *review)
{
	int err = 0;

	_Static_assert(sizeof(*review) <= BOUNDED_ARG_MAX, "an argument");
	memset(review, 0, sizeof(*review));
	if (table_governs(pins))
		err = bounded_call(walk, review, sizeof(*review), REVIEW_MS);
	if (err) {
		pins->state->mapped = pins->state->mapped ?: 1; /* not known to be none */
		return fail(err, "cannot look for mappings of devices: %s", strerror(-err));
	}
	pins->state->mapped = review->forbidden;
	return 0;
}

static enum irqgate_on_mapped on_mapped(const struct pins *pins, __u64 handle)
{
	const struct irqgate_state *st = pins->state;
	struct irqgate_registration reg;
	int named = table_registration(pins, handle, &reg);

	if (named < 0)
		return IRQGATE_ON_MAPPED_REPORT;
	return named ? reg.on_mapped : st->defaults[st->generation & 1].on_mapped;
}

void access_contain(const struct pins *pins, const struct mapped *m, enum contain_when when)
{
	enum irqgate_on_mapped how = on_mapped(pins, m->handle);
	char handle[HANDLE_STRLEN];
	int sig = 0, err = 0;

	/* `revoke` takes the device from its owner, who may get it back. */
	if (when != CONTAIN_NOT && m->verdict >= IRQGATE_VERDICT_DROP &&
	    m->reason != IRQGATE_REASON_REVOKED && m->tgid > 1 && m->tgid != (__u32)getpid())
		sig = how == IRQGATE_ON_MAPPED_STOP   ? SIGSTOP
		      : how == IRQGATE_ON_MAPPED_KILL ? SIGKILL
						      : 0;
	if (sig)
		err = bounded_signal(m->tgid, m->start, sig, SIGNAL_MS);
	if (err == -ESRCH || (!sig && when == CONTAIN_AGAIN))
		return; /* it has ended, or that was said */
	handle_format(m->handle, handle);
	if (err)
		msg("%s: process %u has it mapped and may not use it, and cannot be stopped: %s",
		    handle, m->tgid, strerror(-err));
	else if (sig)
		msg("%s: %s process %u, which has it mapped and may not use it", handle,
		    sig == SIGKILL ? "killed" : "stopped", m->tgid);
	else if (when == CONTAIN_NOT)
		msg("%s: process %u has it mapped and may not use it; the running irqgate does "
		    "what on_mapped says",
		    handle, m->tgid);
	else
		msg("%s: process %u has it mapped and may not use it; the mapping stays until the "
		    "process ends",
		    handle, m->tgid);
}

int access_settle(struct pins *pins)
{
	enum contain_when when = loader_runs(pins->state) ? CONTAIN_NOT : CONTAIN_FIRST;
	struct review review;
	__u32 i;
	int err = access_review(pins, &review);

	for (i = 0; !err && i < review.n; i++)
		access_contain(pins, &review.of[i], when);
	return err;
}
