// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/lock.h"
#include "lib/log.h"

#define LOCK_PATH RUN_DIR "/lock"

int run_dir(void)
{
	if (mkdir(RUN_DIR, 0700) && errno != EEXIST)
		return fail(-errno, RUN_DIR ": cannot create: %s", strerror(errno));
	return 0;
}

static int lock_file(int operation)
{
	int fd = run_dir();

	if (fd < 0)
		return fd;
	fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(-errno, "%s: cannot open: %s", LOCK_PATH, strerror(errno));
	if (flock(fd, operation)) {
		int err = -errno;

		close(fd);
		return err == -EWOULDBLOCK
			       ? err
			       : fail(err, "%s: cannot lock: %s", LOCK_PATH, strerror(-err));
	}
	return fd;
}

int lock_changes(void)
{
	return lock_file(LOCK_EX);
}

int lock_changes_now(void)
{
	return lock_file(LOCK_EX | LOCK_NB);
}
