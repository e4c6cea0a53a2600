// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/process.h"
#include "lib/text.h"

int each_process(int (*fn)(int pidfd, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int err = proc ? 0 : -errno, pid, pidfd;

	while (!err && (errno = 0, d = readdir(proc))) {
		pid = atoi(d->d_name);
		if (pid <= 0)
			continue;
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (pidfd < 0) {
			err = errno == ESRCH || errno == EINVAL ? 0
								: -errno; /* the process ended */
			continue;
		}
		err = fn(pidfd, arg);
		close(pidfd);
		errno = 0;
	}
	err = err ?: -errno;
	if (proc)
		closedir(proc);
	return err;
}

const char *process_comm(unsigned int pid, char *buf, size_t len)
{
	char path[64], comm[64];

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	read_line(path, comm, sizeof(comm)); /* empty on failure */
	return text_safe(comm, buf, len);
}
