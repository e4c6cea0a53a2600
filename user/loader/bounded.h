/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that may have to wait for another process: for a lock that it holds, or for the
 * end of a file that it had. A child makes these calls. When the time for a call is over,
 * the caller goes on and leaves the child to its fate.
 */
#ifndef IRQGATE_USER_BOUNDED_H
#define IRQGATE_USER_BOUNDED_H

#include <linux/types.h>
#include <stddef.h>
#include <sys/types.h>

#define BOUNDED_ARG_MAX 768

/*
 * bounded_pid - the child that makes the next call; starts it if there is none
 * Return: its pid or a negative errno.
 */
pid_t bounded_pid(void);

/* bounded_forget - after fork(2): the child of bounded_pid() and @beat are the parent's */
void bounded_forget(void);

/*
 * bounded_alive - have a function called while bounded calls are made
 * @beat: called several times a second, from now on; NULL: none
 *
 * It gives the sign of life: a process that waits for a limited time does not hang.
 */
void bounded_alive(void (*beat)(void *arg), void *arg);

/*
 * bounded_call - have the child of bounded_pid() call a function
 * @fn: has none of the caller's fds except standard input, output and error
 * @arg: for @fn, which gets a copy; if @fn returns in time, the copy replaces @arg
 * @len: size of @arg, at most BOUNDED_ARG_MAX
 * @ms: how long to wait
 *
 * Return: what @fn returned; -ETIMEDOUT: @fn did not return within @ms, and the child got
 * SIGKILL, so it ends when its wait is over; -ECHILD: the child died; or another negative
 * errno: no child could be asked.
 */
int bounded_call(int (*fn)(void *arg), void *arg, size_t len, int ms);

/*
 * bounded_spend - the same for one of several calls that share their time
 * @budget: ms that are left for all of them; less by the time this call took, unless it was quick
 */
int bounded_spend(int (*fn)(void *arg), void *arg, size_t len, int ms, int *budget);

/*
 * bounded_signal - have the child signal a process, but not another one that reuses its pid
 * @start: of the process, as in struct irqgate_ident; 0: not known, any process with @tgid
 * Return: 0; -ESRCH: the process has ended; or another negative errno.
 */
int bounded_signal(__u32 tgid, __u64 start, int signal, int ms);

#endif
