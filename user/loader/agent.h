/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent: a child of irqgate that changes one binding. Its row in the map `agents` names the
 * files that it may copy, and the gates let it. By that row the hooks know that the change is
 * irqgate's.
 */
#ifndef IRQGATE_USER_AGENT_H
#define IRQGATE_USER_AGENT_H

#include <stdbool.h>
#include "loader/round.h"
#include "table/pins.h"

/*
 * agent_run - have an agent do @op to a binding
 * @d: the device of @b; agent_run() finds its holders and notes one whose fd it could not use
 *
 * Return: 0; -ESRCH: no process holds the device fd; -ENOENT: the owner closed the eventfd;
 * -EACCES: the binding changed meanwhile; or another negative errno.
 */
int agent_run(struct pins *pins, const struct irqgate_binding *b, enum irqgate_agent_op op,
	      struct round_device *d);

/* agent_forget - have the hooks forget the interrupt that a binding owes; 0 or a negative errno */
int agent_forget(const struct pins *pins, const struct irqgate_binding *b);

/* agent_error_is_brief - may this error of agent_run() be over a moment later? */
bool agent_error_is_brief(int err);

#endif
