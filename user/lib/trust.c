// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/trust.h"

#define MAX_LINKS 40 /* the kernel's limit, MAXSYMLINKS */

/* A path: the checked part and the rest. */
struct way {
	char done[PATH_MAX]; /* absolute; "" is the root */
	char rest[PATH_MAX];
	unsigned int links;
};

static int refuse(const char *link, const struct way *w, const char *why)
{
	fprintf(stderr,
		"%s:1: a symbolic link by way of %s, which %s, expected root alone to change it\n",
		link, w->done[0] ? w->done : "/", why);
	return -EINVAL;
}

static int cannot(const char *link, int err)
{
	fprintf(stderr, "%s: cannot open: %s\n", link, strerror(-err));
	return err;
}

/* Replaces the link at the end of @w->done by its target. */
static int resolve_link(struct way *w)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlink(w->done, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	if ((size_t)snprintf(rest, sizeof(rest), "%s%s%s", target, *w->rest ? "/" : "", w->rest) >=
	    sizeof(rest))
		return -ENAMETOOLONG;
	strcpy(w->rest, rest);
	if (*target == '/')
		*w->done = '\0';
	else
		*strrchr(w->done, '/') = '\0';
	return 0;
}

/* Checks the next name of the path. */
static int step(const char *link, struct way *w)
{
	size_t len, used = strlen(w->done);
	char rest[sizeof(w->rest)];
	const char *name = w->rest + strspn(w->rest, "/");
	struct stat st;
	int err;

	len = strcspn(name, "/");
	if (len == 2 && !strncmp(name, "..", 2)) {
		*(strrchr(w->done, '/') ?: w->done) = '\0';
	} else if (len && !(len == 1 && *name == '.')) {
		if (used + len + 2 > sizeof(w->done))
			return cannot(link, -ENAMETOOLONG);
		snprintf(w->done + used, sizeof(w->done) - used, "/%.*s", (int)len, name);
	}
	name += len;
	snprintf(rest, sizeof(rest), "%s", name + strspn(name, "/"));
	strcpy(w->rest, rest);
	if (lstat(w->done[0] ? w->done : "/", &st))
		return cannot(link, -errno);
	if (st.st_uid)
		return refuse(link, w, "is not root's");
	if (S_ISLNK(st.st_mode)) {
		err = resolve_link(w);
		return err ? cannot(link, err) : 0;
	}
	if (S_ISDIR(st.st_mode) && st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX))
		return refuse(link, w, "others may write to");
	return 0;
}

int trusted_link(const char *path)
{
	struct way w = {};
	int err = 0;

	if (*path != '/' && !getcwd(w.done, sizeof(w.done)))
		return cannot(path, -errno);
	if (strlen(w.done) + strlen(path) + 2 > sizeof(w.done))
		return cannot(path, -ENAMETOOLONG);
	/* The caller checked the link's own directory. */
	sprintf(w.done + strlen(w.done), "%s%s", *path == '/' ? "" : "/", path);
	err = resolve_link(&w);
	if (err)
		return cannot(path, err);
	while (!err && *w.rest)
		err = step(path, &w);
	return err;
}
