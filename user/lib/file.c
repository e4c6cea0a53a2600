// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/log.h"

int read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	return 0;
}

int read_line(const char *path, char *buf, size_t len)
{
	int err = read_text(path, buf, len);

	buf[strcspn(buf, "\n")] = '\0';
	return err;
}

FILE *open_seq_file(const char *path)
{
	static char
		page[4096]; /* a seq_file gives up to a page a read(2); stdio would ask for 1 KiB */
	FILE *f = fopen(path, "re");

	if (f)
		setvbuf(f, page, _IOFBF, sizeof(page));
	return f;
}

/* A seccomp filter may forbid close_range(). */
static bool close_each(int keep)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	int fd;

	if (!dir)
		return false;
	while ((d = readdir(dir))) {
		fd = atoi(d->d_name); /* 0 for . and .. */
		if (fd > STDERR_FILENO && fd != keep && fd != dirfd(dir))
			close(fd);
	}
	closedir(dir);
	return true;
}

bool close_others(int keep)
{
	if ((keep <= STDERR_FILENO + 1 ||
	     !close_range(STDERR_FILENO + 1, (unsigned int)keep - 1, 0)) &&
	    !close_range((unsigned int)keep + 1, ~0u, 0))
		return true;
	return close_each(keep);
}

int close_read(FILE *f)
{
	int err = ferror(f) ? -errno : 0;

	fclose(f);
	errno = -err;
	return err;
}

FILE *replace_open(const char *path, mode_t mode)
{
	char tmp[PATH_MAX];
	FILE *f = NULL;
	int fd;

	if (!path)
		return stdout;
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp); /* left by a killed process, or a trap */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f)
		fail(0, "%s: cannot write: %s", tmp, strerror(errno));
	if (!f && fd >= 0)
		close(fd);
	return f;
}

int replace_close(FILE *f, const char *path, int err)
{
	char tmp[PATH_MAX];

	if (ferror(f) && !err)
		err = -EIO;
	if ((path ? fclose(f) : fflush(f)) && !err)
		err = -errno;
	if (path) {
		snprintf(tmp, sizeof(tmp), "%s.new", path);
		if (!err && rename(tmp, path))
			err = -errno;
		if (err)
			unlink(tmp);
	}
	return err ? fail(err, "%s: cannot write: %s", path ? path : "standard output",
			  strerror(-err))
		   : 0;
}
