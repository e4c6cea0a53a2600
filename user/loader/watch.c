// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/watch.h"
#include "policy/policy.h"

/* Not IN_MODIFY: a file that is being written is not a policy yet. */
#define FINISHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

static struct {
	char *file, *parts; /* last components of the paths of the policy and .directory */
	char *directory; /* of the files that add to the policy */
	int outer, inner, runtime; /* watch descriptors, -1: none */
} watched;

/* Called again when the directory appears, because it may go and come again. */
static void watch_parts(int fd)
{
	watched.inner = inotify_add_watch(fd, watched.directory, FINISHED | IN_ATTRIB | IN_ONLYDIR);
}

/* Makes the directory, to watch it alone: other changes beside it do not concern the policy. */
static int watch_runtime(int fd, const char *directory)
{
	watched.runtime = -1;
	if (!directory)
		return 0;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return fail(-errno, "%s: cannot create: %s", directory, strerror(errno));
	watched.runtime = inotify_add_watch(fd, directory, FINISHED | IN_ATTRIB | IN_ONLYDIR);
	return 0;
}

int watch_open(const char *path)
{
	char *copy = strdup(path), *copy2 = strdup(path);
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), err = 0;

	watched.directory = policy_directory(path);
	if (!copy || !copy2 || !watched.directory) {
		errno = ENOMEM;
		goto bad;
	}
	watched.file = strdup(basename(copy2));
	watched.parts = strrchr(watched.directory, '/');
	watched.parts = watched.parts ? watched.parts + 1 : watched.directory;
	if (fd < 0)
		goto bad;
	watched.outer = inotify_add_watch(fd, dirname(copy), FINISHED | IN_ATTRIB | IN_CREATE);
	if (watched.outer < 0)
		goto bad;
	watch_parts(fd);
	err = watch_runtime(fd, policy_runtime_directory(path));
	goto out;
bad:
	err = fail(-errno, "%s: cannot watch for changes: %s", path, strerror(errno));
out:
	free(copy);
	free(copy2);
	if (err && fd >= 0)
		close(fd);
	return err ?: fd;
}

static bool concerns(int fd, const struct inotify_event *ev)
{
	if (ev->mask & IN_Q_OVERFLOW)
		return true;
	if (!ev->len ||
	    (ev->wd != watched.inner && ev->wd != watched.outer && ev->wd != watched.runtime))
		return false;
	/* Kubernetes replaces all files of a volume by moving this link. */
	if (!strcmp(ev->name, "..data"))
		return ev->mask & IN_MOVED_TO;
	if (ev->wd == watched.inner || ev->wd == watched.runtime)
		return ev->name[0] != '.';
	if (!strcmp(ev->name, watched.parts)) {
		watch_parts(fd);
		return true;
	}
	/* After IN_CREATE the file exists, but was not written yet. */
	return watched.file && !strcmp(ev->name, watched.file) && !(ev->mask & IN_CREATE);
}

bool watch_changed(int fd)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *ev;
	bool changed = false;
	ssize_t n;
	char *p;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (p = buf; p < buf + n; p += sizeof(*ev) + ev->len) {
			ev = (const struct inotify_event *)p;
			changed |= concerns(fd, ev);
		}
	}
	return changed;
}
