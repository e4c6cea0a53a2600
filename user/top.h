/* SPDX-License-Identifier: GPL-2.0-only */
/* `irqgate top`: a live view of what vectors do, what leaks first. */
#ifndef IRQGATE_USER_TOP_H
#define IRQGATE_USER_TOP_H

#include <stdbool.h>
#include "pins.h"

struct top_options {
	bool batch; /* print tables one after the other instead of a screen */
	bool all; /* also the vectors of host drivers that nothing is wrong with */
	double delay; /* seconds between updates, above 0 */
	unsigned long count; /* updates until it ends by itself, 0: never */
};

/*
 * top - until the operator ends it, or @count
 *
 * The terminal is as before afterwards, also after SIGINT, SIGTERM and SIGHUP.
 * Return: 0 or a negative errno. Says what is wrong.
 */
int top(struct pins *pins, const struct top_options *options);

#endif
