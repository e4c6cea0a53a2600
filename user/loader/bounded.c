// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/bounded.h"
#include "table/rows.h"

/* How often to give the sign of life while waiting, ms. */
#define ALIVE_MS 250

/* How much of a call's time does not count against its budget, ms. */
#define QUICK_MS 50

struct request {
	int (*fn)(void *arg);
	_Alignas(8) unsigned char arg[BOUNDED_ARG_MAX];
};

struct answer {
	int ret;
	_Alignas(8) unsigned char arg[BOUNDED_ARG_MAX];
};

static struct {
	pid_t pid; /* 0: none */
	int sock;
} child;

static struct {
	void (*beat)(void *arg);
	void *arg;
	__u64 told;
} alive;

static void serve(int sock)
{
	struct answer answer;
	struct request rq;

	/* With the parent's end of the socket open, the child would never see the parent end. */
	if (!close_others(sock))
		_exit(1);
	while (recv(sock, &rq, sizeof(rq), 0) == sizeof(rq)) {
		answer.ret = rq.fn(rq.arg);
		memcpy(answer.arg, rq.arg, sizeof(answer.arg));
		if (send(sock, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	_exit(0);
}

pid_t bounded_pid(void)
{
	int pair[2], err;

	if (child.pid)
		return child.pid;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* earlier children whose time was over */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child.pid = fork();
	if (!child.pid)
		serve(pair[1]);
	err = errno;
	close(pair[1]);
	child.sock = pair[0];
	if (child.pid > 0)
		return child.pid;
	child.pid = 0;
	close(pair[0]);
	return -err;
}

void bounded_forget(void)
{
	child.pid = 0;
	alive.beat = NULL;
}

void bounded_alive(void (*beat)(void *arg), void *arg)
{
	alive.beat = beat;
	alive.arg = arg;
}

static void beat_if_due(void)
{
	__u64 now = now_ns();

	if (!alive.beat || now - alive.told < ALIVE_MS * 1000000ULL)
		return;
	alive.told = now;
	alive.beat(alive.arg);
}

static int give_up(int err)
{
	kill(child.pid, SIGKILL);
	close(child.sock);
	child.pid = 0;
	return err;
}

/* Milliseconds that are left until @end; 0: it has passed. */
static int left(__u64 end)
{
	__u64 now = now_ns();

	return now < end ? (int)((end - now) / 1000000) + 1 : 0;
}

/* Return: as poll(2). */
static int await(struct pollfd *p, __u64 end)
{
	int ms, n;

	do {
		beat_if_due();
		ms = left(end);
		n = poll(p, 1, ms < ALIVE_MS ? ms : ALIVE_MS);
	} while (n < 0 ? errno == EINTR : !n && ms);
	return n;
}

int bounded_call(int (*fn)(void *arg), void *arg, size_t len, int ms)
{
	__u64 end = now_ns() + (__u64)ms * 1000000;
	struct request rq = { .fn = fn };
	struct answer answer;
	pid_t pid = bounded_pid();
	struct pollfd p = { .fd = child.sock, .events = POLLIN };
	int n;

	if (pid < 0)
		return pid;
	memcpy(rq.arg, arg, len);
	if (send(child.sock, &rq, sizeof(rq), MSG_NOSIGNAL) != sizeof(rq))
		return give_up(-ECHILD);
	n = await(&p, end);
	if (n <= 0)
		return give_up(n ? -errno : -ETIMEDOUT);
	if (recv(child.sock, &answer, sizeof(answer), 0) != sizeof(answer))
		return give_up(-ECHILD);
	memcpy(arg, answer.arg, len);
	return answer.ret == -ETIMEDOUT ? give_up(answer.ret) : answer.ret;
}

int bounded_spend(int (*fn)(void *arg), void *arg, size_t len, int ms, int *budget)
{
	__u64 begin = now_ns();
	int err, took;

	/* As after any other ETIMEDOUT, the child is gone: it may be an agent. */
	if (*budget <= 0)
		return child.pid ? give_up(-ETIMEDOUT) : -ETIMEDOUT;
	err = bounded_call(fn, arg, len, ms < *budget ? ms : *budget);
	took = (int)((now_ns() - begin) / 1000000);
	if (took > QUICK_MS)
		*budget -= took - QUICK_MS;
	return err;
}

struct target {
	__u32 tgid;
	int signal;
	__u64 start;
};

/*
 * The pidfd is opened before the start time is read: as long as its process is alive,
 * /proc/PID is that process. EINVAL: only a thread has that number, so the process has ended.
 */
static int send_signal(void *arg)
{
	const struct target *t = arg;
	int pidfd = syscall(SYS_pidfd_open, t->tgid, 0), is, err;

	if (pidfd < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	is = process_is(t->tgid, process_ticks(t->start));
	if (is > 0)
		err = syscall(SYS_pidfd_send_signal, pidfd, t->signal, NULL, 0) ? -errno : 0;
	else
		err = is ?: -ESRCH;
	close(pidfd);
	return err;
}

/* By the child, because a read of /proc/PID/stat waits for an execve(2) that does not end. */
int bounded_signal(__u32 tgid, __u64 start, int signal, int ms)
{
	struct target t = { .tgid = tgid, .signal = signal, .start = start };

	return bounded_call(send_signal, &t, sizeof(t), ms);
}
