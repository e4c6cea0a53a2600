// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/fd_copy.h"
#include "table/pins.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* since 6.9 */
#endif

/* A file to look for in all processes, and its copy. */
struct wanted {
	enum irqgate_file_kind kind;
	__u64 object;
	int copy; /* an fd, or a negative errno */
};

int fd_copy(__u32 tgid, __u32 tid, int number)
{
	int pidfd = syscall(SYS_pidfd_open, tid, tid == tgid ? 0 : PIDFD_THREAD), fd;

	if (pidfd < 0)
		return -errno;
	fd = syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0)
		fd = -errno;
	close(pidfd);
	return fd;
}

static int copy_wanted(const struct irqgate_file *file, void *arg)
{
	struct wanted *w = arg;

	if (file->kind != w->kind || file->object != w->object)
		return 0;
	w->copy = fd_copy(file->tgid, file->tid, file->fd);
	return w->copy >= 0; /* if this process closed it meanwhile, another one may hold it */
}

/* Asks for a pipe, because the gate may have been switched off. */
bool fd_copy_gated(void)
{
	int pair[2], copy;

	if (pipe2(pair, O_CLOEXEC))
		return false;
	copy = fd_copy(getpid(), getpid(), pair[0]);
	close(pair[0]);
	close(pair[1]);
	if (copy >= 0)
		close(copy);
	return copy == -EACCES;
}

/* An agent may receive the device and the eventfd. Is this the eventfd? */
static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[32], text[sizeof(name)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, text, sizeof(text)) == sizeof(name) - 1 &&
	       !memcmp(text, name, sizeof(name) - 1);
}

int fd_copy_eventfd(__u32 tgid)
{
	struct dirent *d;
	int copy = -ESRCH;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", tgid);
	dir = opendir(path);
	while (dir && copy < 0 && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			copy = fd_copy(tgid, tgid, atoi(d->d_name));
		if (copy >= 0 && !is_eventfd(copy)) {
			close(copy);
			copy = -ESRCH;
		}
	}
	if (dir)
		closedir(dir);
	return copy < 0 ? -ESRCH : copy;
}

int fd_copy_file(enum irqgate_file_kind kind, __u64 object)
{
	struct wanted w = { .kind = kind, .object = object, .copy = -ESRCH };
	int ret = pins_iterate("iter_vfio", copy_wanted, &w);

	return ret < 0 ? ret : w.copy;
}
