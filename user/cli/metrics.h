/* SPDX-License-Identifier: GPL-2.0-only */
/* The `metrics` verb: counters and state as Prometheus text. */
#ifndef IRQGATE_USER_METRICS_H
#define IRQGATE_USER_METRICS_H

struct metrics_options {
	const char *listen; /* [ADDRESS:]PORT of loopback; NULL: do not */
	const char *textfile; /* NULL: standard output */
	const char *every; /* seconds between two writes of textfile; NULL: once */
};

/* metrics_verb - `irqgate metrics`; returns the exit status. */
int metrics_verb(const struct metrics_options *opts);

#endif
