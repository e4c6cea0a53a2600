// SPDX-License-Identifier: GPL-2.0-only
/* Places where the files of a process are hard to find. */
#include "worker-impl.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static long put_in_flight(int fd)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	return rig_send_fd(pair[0], "", 1, fd) == 1 ? 0 : -errno;
}

static long put_in_uring(int fd)
{
	static struct io_uring ring; /* stays */
	int ret = io_uring_queue_init(1, &ring, 0);

	return ret ?: io_uring_register_files(&ring, &fd, 1);
}

static long hide(enum hiding where, bool device)
{
	int *fd = device ? &worker_dev.fd : &worker_vm.fd;
	long ret = where == IN_URING ? put_in_uring(*fd) : put_in_flight(*fd);

	if (ret)
		return ret;
	close(*fd);
	*fd = -1;
	return 0;
}

long serve_adopt(const struct call *c)
{
	switch ((enum worker_op)c->op) {
	case W_NAMESPACE:
		return unshare(CLONE_NEWPID) ? -errno : go_on_in_child();
	case W_HIDE:
		return hide(c->a, c->b);
	default:
		return -EOPNOTSUPP;
	}
}
