/* SPDX-License-Identifier: GPL-2.0-only */
/* A walk over all processes, and the name of one. */
#ifndef IRQGATE_USER_PROCESS_H
#define IRQGATE_USER_PROCESS_H

#include <stddef.h>

/*
 * each_process - call @fn with a pidfd of every process, and close the pidfd afterwards
 *
 * A process's identity is in its task storage, and only a pidfd leads there.
 * Return: 0, the first result of @fn that is not 0, or a negative errno.
 */
int each_process(int (*fn)(int pidfd, void *arg), void *arg);

/* process_comm - the name of a process, fit for a terminal; "": it has ended. Returns @buf. */
const char *process_comm(unsigned int pid, char *buf, size_t len);

#endif
