/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an agent does in its own process: it copies the device from a holder, then points one
 * vector at the sink or at the owner's eventfd, or signals. Another process can make each of
 * these calls wait, so they run in the child of bounded_pid(). The child keeps the copy of the
 * device from the first call to the second.
 */
#ifndef IRQGATE_USER_AGENT_WORK_H
#define IRQGATE_USER_AGENT_WORK_H

#include "loader/holders.h"
#include "table/pins.h"

struct agent_copy {
	__u64 device;
	struct holder from;
};

struct agent_work {
	struct irqgate_binding b;
	enum irqgate_agent_op op;
};

/* agent_copy_device - copy the device; @arg: struct agent_copy. 0 or a negative errno. */
int agent_copy_device(void *arg);

/*
 * agent_work - do the work and drop the copy; @arg: struct agent_work
 *
 * Return: 0; -ENOENT: the owner has closed the eventfd; or another negative errno.
 */
int agent_work(void *arg);

#endif
