/* SPDX-License-Identifier: GPL-2.0-only */
/* `irqgate graph`: connected and stopped vectors, as DOT or SVG. */
#ifndef IRQGATE_USER_GRAPH_H
#define IRQGATE_USER_GRAPH_H

#include <stdbool.h>
#include "table/pins.h"

struct graph_options {
	bool svg; /* through Graphviz's dot; else the DOT text */
	bool full; /* a node for every vector */
	bool host; /* include healthy vectors of host drivers */
};

/* graph - write it to stdout; returns 0 or a negative errno. Says what is wrong. */
int graph(struct pins *pins, const struct graph_options *options);

#endif
