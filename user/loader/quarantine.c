// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "lib/handle.h"
#include "lib/log.h"
#include "loader/agent.h"
#include "loader/quarantine.h"
#include "loader/round.h"

/* How long to wait for a holder that is about to end, ms. */
#define ENDS_MS 20

int binding_fail(int err, const struct irqgate_binding *b, const char *what)
{
	char handle[HANDLE_STRLEN];

	return fail(err, "%s vector %u: cannot be %s: %s", handle_format(b->handle, handle),
		    b->vector, what,
		    err == -ESRCH ? "no process holds the device fd" : strerror(-err));
}

bool gated_inline(const struct pins *pins, const struct irqgate_binding *b)
{
	return pins->state->inline_gate == IRQGATE_INLINE_ALONE &&
	       b->vector != IRQGATE_VECTOR_FUNCTION;
}

/* If the replay fails, the next round over the bindings tries it again. */
static int retrigger(struct pins *pins, const struct irqgate_binding *b, enum irqgate_agent_op op,
		     struct round_device *d)
{
	struct irqgate_binding now;
	int err = agent_run(pins, b, op, d);

	if (!err && op == IRQGATE_AGENT_RELEASE && b->index != VFIO_PCI_INTX_IRQ_INDEX &&
	    !binding_find(pins, b->irq, &now) && now.pending &&
	    now.state == IRQGATE_BINDING_BOUND && now.verdict < IRQGATE_VERDICT_DROP)
		agent_run(pins, &now, IRQGATE_AGENT_REPLAY, d);
	return err;
}

/*
 * Repeat a change until the hooks have seen it, because the kernel may skip them. If the
 * binding does not exist any more, its owner has unbound it meanwhile.
 */
static int retrigger_seen(struct pins *pins, const struct irqgate_binding *b,
			  enum irqgate_agent_op op, enum irqgate_binding_state state,
			  struct round_device *d)
{
	struct irqgate_binding now;
	int tries, err;

	for (tries = 0; tries < 10; tries++) {
		err = retrigger(pins, b, op, d);
		if (err || binding_find(pins, b->irq, &now) || now.state == state)
			return err;
		usleep(1000); /* let a task that was preempted in a hook go on */
	}
	return -EIO;
}

/* The function is not bus master any more, but a process that holds it can undo that. */
static void print_held(const struct irqgate_binding *b, const struct round_device *d)
{
	char handle[HANDLE_STRLEN], who[32] = "another process";

	if (d->held_by)
		snprintf(who, sizeof(who), "process %u", d->held_by);
	msg("%s: %s has the device open and can use it again: irqgate could not use a copy of its "
	    "fd: %s; 'revoke --kill' kills the binder",
	    handle_format(b->handle, handle), who, strerror(-d->quarantine_err));
}

/* Take the last resort once for all vectors of a device. */
static enum contained resort_once(struct pins *pins, const struct irqgate_binding *b,
				  enum irqgate_last_resort how, struct round_device *d)
{
	if (d->resorted && d->contained != CONTAINED_GONE)
		return d->contained;
	/* The first call has killed every process that it may kill. */
	if (d->resorted)
		how = IRQGATE_LAST_RESORT_ISOLATE;
	d->contained = last_resort(pins, b, how);
	d->resorted = true;
	if (d->held && (d->contained == CONTAINED_CUT || d->contained == CONTAINED_SILENT)) {
		d->contained = CONTAINED_HELD;
		print_held(b, d);
	}
	return d->contained;
}

enum contained binding_quarantine(struct pins *pins, const struct irqgate_binding *b,
				  enum irqgate_last_resort how)
{
	struct round_device *d = round_get(b->device);
	enum contained contained = CONTAINED_NOT;
	int err = d ? d->quarantine_err : -ENOMEM, tries;

	/* Try twice before the whole device is cut for one vector. */
	for (tries = 0; d && !d->quarantine_err && tries < 2; tries++) {
		err = retrigger_seen(pins, b, IRQGATE_AGENT_QUARANTINE, IRQGATE_BINDING_QUARANTINED,
				     d);
		if (!err)
			return CONTAINED_GONE;
		if (err == -ESRCH || err == -ETIMEDOUT || agent_error_is_brief(err))
			break;
	}
	/* The holder may be exiting: its fd is gone before VFIO ends the binding. */
	if (binding_ends(pins, b, d && !d->quarantine_err && err == -ESRCH ? ENDS_MS : 0))
		return CONTAINED_GONE;
	if (d)
		d->quarantine_err = err;
	if (!agent_error_is_brief(err))
		contained = resort_once(pins, b, how, d);
	if (contained == CONTAINED_NOT)
		binding_fail(err, b, "quarantined");
	return contained;
}

/*
 * Does the result concern one vector, and not its whole device? -ENOENT: the owner closed the
 * eventfd; -EACCES: the binding changed meanwhile.
 */
static bool of_vector(int err)
{
	return !err || err == -ENOENT || err == -EACCES;
}

int binding_release(struct pins *pins, const struct irqgate_binding *b)
{
	struct round_device *d = round_get(b->device);
	int err = d ? d->release_err : -ENOMEM;

	if (!err)
		err = retrigger_seen(pins, b, IRQGATE_AGENT_RELEASE, IRQGATE_BINDING_BOUND, d);
	if (d && !of_vector(err))
		d->release_err = err;
	if (err == -ENOENT)
		return binding_fail(err, b,
				    "released: the eventfd of its owner ended or has no row; "
				    "the owner must bind again");
	return err ? binding_fail(err, b, "released") : 0;
}

static int fail_replay(int err, const struct irqgate_binding *b, const char *why)
{
	char handle[HANDLE_STRLEN];

	return fail(err, "%s vector %u: cannot give back the interrupt that was dropped: %s",
		    handle_format(b->handle, handle), b->vector, why);
}

int binding_replay(struct pins *pins, const struct irqgate_binding *b)
{
	struct round_device *d = round_get(b->device);
	int err = d ? d->release_err : -ENOMEM;

	if (!err)
		err = agent_run(pins, b, IRQGATE_AGENT_REPLAY, d);
	if (d && !of_vector(err))
		d->release_err = err;
	if (err == -ENOENT) {
		fail_replay(err, b,
			    "its owner closed the eventfd; the driver must reset the device");
		err = agent_forget(pins, b);
	} else if (err == -EACCES) {
		err = 0; /* the binding changed meanwhile */
	} else if (err) {
		fail_replay(err, b, strerror(-err));
	}
	return err;
}
