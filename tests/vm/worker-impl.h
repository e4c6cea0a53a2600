/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of a worker: its objects, and the functions that serve its steps. */
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
extern int worker_sock; /* steps come from here */
extern int worker_peer; /* another worker; -1: none */

/* Moves to @cgroup and executes a worker that keeps the same fds as an heir (W_HEIR). */
void worker_become(uint32_t vector, const char *cgroup) __attribute__((noreturn));

/* ioctl(2) by the 32-bit system call. -ENOSYS: this machine has none. */
long worker_ioctl32(int fd, unsigned int cmd, const void *data, size_t len);

/* Forks. The child serves from here on, and the parent ends with the child. */
long go_on_in_child(void);

/* Each returns -EOPNOTSUPP for the steps of the others. */
long serve_adopt(const struct call *c);
long serve_signal(const struct call *c);
long serve_device(const struct call *c);
long serve_vm(const struct call *c);
long serve_access(const struct call *c);
long serve_evade(const struct call *c);

#endif
