/* SPDX-License-Identifier: GPL-2.0-only */
/* `irqgate top`: a live view of the vectors, leaking ones first. */
#ifndef IRQGATE_USER_TOP_H
#define IRQGATE_USER_TOP_H

#include <stdbool.h>
#include "table/pins.h"

struct top_options {
	bool batch; /* print tables one after the other instead of a screen */
	bool all; /* include healthy vectors of host drivers */
	double delay; /* seconds between updates, above 0 */
	unsigned long count; /* updates until it ends by itself, 0: never */
};

/*
 * top - show the view until the operator ends it, or for options->count updates
 *
 * Restores the terminal, also after SIGINT, SIGTERM and SIGHUP.
 * Return: 0 or a negative errno. Says what is wrong.
 */
int top(struct pins *pins, const struct top_options *options);

#endif
