/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of a worker share: its objects, and who serves which steps. */
#ifndef IRQGATE_TEST_WORKER_IMPL_H
#define IRQGATE_TEST_WORKER_IMPL_H

#include "rig.h"
#include "worker.h"

struct call {
	uint32_t op, a, b, c;
	char text[WORKER_TEXT];
};

extern struct rig_dev worker_dev;
extern struct rig_vm worker_vm;
extern int32_t worker_eventfds[RIG_MAX_VECTORS]; /* -1: none */

/* Each returns -EOPNOTSUPP for steps of another. */
long serve_signal(const struct call *c);
long serve_device(const struct call *c);
long serve_vm(const struct call *c);

#endif
