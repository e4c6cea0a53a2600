/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies of files that other processes have open (pidfd_getfd). The gates let an agent copy the
 * files that its row names (agent.h), and refuse it all others.
 */
#ifndef IRQGATE_USER_FD_COPY_H
#define IRQGATE_USER_FD_COPY_H

#include <stdbool.h>
#include "table/pins.h"

/*
 * fd_copy - copy one fd of a thread
 * @tid: a thread can have fds that its process does not have
 * Return: the copy or a negative errno.
 */
int fd_copy(__u32 tgid, __u32 tid, int number);

/*
 * fd_copy_gated - does the gate refuse this agent every other file (gate_vfio_receive)?
 *
 * Then the agent can simply try fds.
 */
bool fd_copy_gated(void);

/* fd_copy_eventfd - copy the eventfd that the agent may copy: try every fd of a process */
int fd_copy_eventfd(__u32 tgid);

/* fd_copy_file - copy a file from any process that holds it */
int fd_copy_file(enum irqgate_file_kind kind, __u64 object);

#endif
