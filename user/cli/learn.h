/* SPDX-License-Identifier: GPL-2.0-only */
/* Watch what is bound and signalled, and write the smallest policy that allows it. */
#ifndef IRQGATE_USER_LEARN_H
#define IRQGATE_USER_LEARN_H

struct learn_options {
	const char *output; /* file; NULL: standard output */
	const char *seconds; /* how long; NULL: until SIGINT or SIGTERM */
};

/* learn_verb - `irqgate learn`; returns the exit status. */
int learn_verb(const struct learn_options *opts);

#endif
