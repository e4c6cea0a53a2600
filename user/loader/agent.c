// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "loader/agent.h"
#include "loader/agent_work.h"
#include "loader/bounded.h"
#include "table/rows.h"

/* How long the work with a copy may take, ms: the device's owner may hold VFIO's locks. */
#define WORK_MS 2000

/* How long to wait for a copy from one holder, ms: another holder may not make irqgate wait. */
#define COPY_MS 500

/* How often to search again for a device that its holder moves from fd to fd. */
#define MOVES 40

/* Tries again on an error: the hooks would take a row that stays for an agent at work. */
static void agent_row_remove(const struct pins *pins, const struct irqgate_tgid_key *key)
{
	int tries;

	for (tries = 0; tries < 3; tries++)
		if (!bpf_map_delete_elem(pins->agents, key) || errno == ENOENT)
			return;
}

static int agent_row_add(const struct pins *pins, struct irqgate_tgid_key *key, __u32 tgid,
			 const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	struct irqgate_agent agent = {
		.op = op,
		.irq = b->irq,
		.device = b->device,
		.eventfd = op == IRQGATE_AGENT_RELEASE  ? b->original
			   : op == IRQGATE_AGENT_REPLAY ? b->trigger
							: 0,
	};
	int err = process_start(tgid, &agent.start);

	key->tgid = tgid;
	return err ?: bpf_map_update_elem(pins->agents, key, &agent, BPF_ANY);
}

static bool needs_device(const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	return op != IRQGATE_AGENT_REPLAY || b->vector == IRQGATE_VECTOR_FUNCTION;
}

bool agent_error_is_brief(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EAGAIN ||
	       err == -ECHILD;
}

/* Was the device no longer at the fd that the search had found? */
static bool device_moved(int err)
{
	return err == -EBADF || err == -EACCES || err == -ESRCH;
}

/* Make the child of bounded_pid() an agent. */
static int agent_start(const struct pins *pins, struct irqgate_tgid_key *key,
		       const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	pid_t pid = bounded_pid();

	return pid < 0 ? pid : agent_row_add(pins, key, (__u32)pid, b, op);
}

/*
 * Make an agent, and have it copy the device from one of the known holders. Drops each
 * holder from which that fails. Return: 0; -EBUSY: a holder had the device at another fd; or
 * another negative errno.
 */
static int agent_from_holders(const struct pins *pins, struct irqgate_tgid_key *key,
			      const struct irqgate_binding *b, enum irqgate_agent_op op,
			      struct round_device *d)
{
	struct agent_copy copy = { .device = b->device };
	int err, last = -ESRCH;

	while (d->holders.n) {
		copy.from = d->holders.of[0];
		err = agent_start(pins, key, b, op);
		if (err)
			return err;
		err = bounded_spend(agent_copy_device, &copy, sizeof(copy), COPY_MS, &d->budget);
		if (!err)
			return 0;
		if (err != -ETIMEDOUT)
			agent_row_remove(pins, key);
		if (agent_error_is_brief(err))
			return err;
		d->held = true;
		d->held_by = copy.from.tgid;
		holders_drop(&d->holders, 0, err == -ETIMEDOUT);
		if (last != -EBUSY)
			last = device_moved(err) ? -EBUSY : err;
	}
	return last;
}

/*
 * Make an agent with a copy of the device. Searches again if a holder moves the device from
 * fd to fd, but not for ever.
 */
static int agent_with_device(const struct pins *pins, struct irqgate_tgid_key *key,
			     const struct irqgate_binding *b, enum irqgate_agent_op op,
			     struct round_device *d)
{
	int tries, err = -ESRCH;

	for (tries = 0; tries < MOVES; tries++) {
		if (!d->searched) {
			err = holders_find(&d->holders, d->object, false, &d->budget);
			d->held = err || d->holders.more;
			d->held_by = 0;
			if (err)
				return err;
			d->searched = true;
			if (!d->holders.n)
				return -ESRCH;
		}
		err = agent_from_holders(pins, key, b, op, d);
		if (!err || agent_error_is_brief(err))
			return err;
		d->searched = false;
		if (err != -EBUSY)
			return err;
	}
	return err;
}

/*
 * An agent that takes too long keeps its row, because it may yet make the change. The row goes
 * when it ends.
 */
int agent_run(struct pins *pins, const struct irqgate_binding *b, enum irqgate_agent_op op,
	      struct round_device *d)
{
	struct agent_work w = { .b = *b, .op = op };
	bool device = needs_device(b, op);
	struct irqgate_tgid_key key;
	int err;

	_Static_assert(sizeof(w) <= BOUNDED_ARG_MAX, "an argument");
	err = device ? agent_with_device(pins, &key, b, op, d) : agent_start(pins, &key, b, op);
	if (err)
		return err;
	err = bounded_spend(agent_work, &w, sizeof(w), WORK_MS, &d->budget);
	if (err != -ETIMEDOUT)
		agent_row_remove(pins, &key);
	if (err && device) {
		d->held = true;
		d->held_by = d->holders.of[0].tgid;
	}
	return err;
}

int agent_forget(const struct pins *pins, const struct irqgate_binding *b)
{
	struct irqgate_tgid_key key;
	int err = agent_row_add(pins, &key, (__u32)getpid(), b, IRQGATE_AGENT_FORGET)
			  ?: pins_judge(pins);

	agent_row_remove(pins, &key);
	return err;
}
