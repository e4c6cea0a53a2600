// SPDX-License-Identifier: GPL-2.0-only
/* The files of a policy: which ones, in which order, and whether they are root's. */
#include "policy/parser.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/trust.h"

/* A user who can write the policy decides where interrupts go. So only root may. */
static int check_owner(const struct parser *p, const char *path, const struct stat *st)
{
	int err = 0;

	if (p->place == POLICY_ELSEWHERE)
		return 0;
	if (st->st_uid != 0) {
		fprintf(stderr, "%s:1: owned by uid %u, expected root: chown root %s\n", path,
			st->st_uid, path);
		err = -EINVAL;
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		fprintf(stderr, "%s:1: mode %04o, expected root alone to write: chmod go-w %s\n",
			path, st->st_mode & 07777, path);
		err = -EINVAL;
	}
	return err;
}

static int check_file(const struct parser *p, const char *path, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return check_owner(p, path, st);
	fprintf(stderr, "%s: cannot open: %s, expected a regular file\n", path,
		S_ISDIR(st->st_mode) ? "a directory" : "not a file");
	return -EINVAL;
}

/*
 * A file of a directory may be a link, as in a ConfigMap and on NixOS, if only root can change
 * where it leads. For the file that the operator names, check_owner() of the file at the end
 * of the link is enough.
 */
static int check_link(const struct parser *p, const char *path)
{
	struct stat st;

	if (p->place == POLICY_ELSEWHERE || lstat(path, &st) || !S_ISLNK(st.st_mode))
		return 0;
	return trusted_link(path);
}

/* Reads up to POLICY_MAX_SIZE + 1 bytes. It does not rely on the size that fstat(2) has. */
static int read_file(const char *path, int fd, char *data, size_t *len)
{
	ssize_t got = 1;

	for (*len = 0; got > 0 && *len <= POLICY_MAX_SIZE; *len += (size_t)got) {
		do
			got = read(fd, data + *len, POLICY_MAX_SIZE + 1 - *len);
		while (got < 0 && errno == EINTR);
		if (got < 0) {
			got = -errno;
			fprintf(stderr, "%s: cannot read: %s\n", path, strerror(errno));
			return (int)got;
		}
	}
	if (*len > POLICY_MAX_SIZE) {
		fprintf(stderr, "%s:1: file of more than 1 MiB, expected at most %d bytes\n", path,
			POLICY_MAX_SIZE);
		return -EINVAL;
	}
	return 0;
}

/* @part: the file is from a directory, and may be gone */
static int parse_file(struct parser *p, const char *path, bool part)
{
	struct stat st;
	char *data = NULL;
	size_t len;
	int fd, err;

	/* O_NONBLOCK: open(2) must not wait for a writer of a FIFO, which check_file() refuses. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	err = fd < 0 ? -errno : 0;
	if (err == -ENOENT && part && lstat(path, &st))
		return 0; /* removed since scandir(), for example because its domain ended */
	if (err || fstat(fd, &st)) {
		err = err ?: -errno;
		fprintf(stderr, "%s: cannot open: %s\n", path, strerror(-err));
		goto out;
	}
	err = check_file(p, path, &st);
	if (err)
		goto out;
	data = malloc(POLICY_MAX_SIZE + 1);
	if (!data) {
		err = -ENOMEM;
		goto out;
	}
	err = read_file(path, fd, data, &len);
	if (!err)
		err = parser_add_file(p, path, data, len);
out:
	free(data);
	if (fd >= 0)
		close(fd);
	return err;
}

char *policy_directory(const char *path)
{
	const char *name = strrchr(path, '/'), *dot = strrchr(path, '.');
	char *dir;

	name = name ? name + 1 : path;
	if (!dot || dot <= name)
		dot = path + strlen(path);
	return asprintf(&dir, "%.*s.d", (int)(dot - path), path) < 0 ? NULL : dir;
}

const char *policy_runtime_directory(const char *path)
{
	return strcmp(path, DEFAULT_POLICY) ? NULL : POLICY_RUNTIME_DIR;
}

static int is_part(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && d->d_name[0] != '.' && (!strcmp(dot, ".yaml") || !strcmp(dot, ".json"));
}

/* The order of alphasort(3) depends on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int parse_directory(struct parser *p, const char *dir, bool (*wanted)(const char *name))
{
	struct dirent **parts;
	struct stat st;
	int n, i, err = 0;

	if (stat(dir, &st)) {
		if (errno == ENOENT && lstat(dir, &st))
			return 0;
		err = -errno;
		fprintf(stderr, "%s: cannot open: %s\n", dir, strerror(errno));
		return err;
	}
	if (!S_ISDIR(st.st_mode)) {
		fprintf(stderr, "%s: cannot open: expected a directory\n", dir);
		return -ENOTDIR;
	}
	err = check_link(p, dir) ?: check_owner(p, dir, &st);
	if (err)
		return err;
	n = scandir(dir, &parts, is_part, by_name);
	if (n < 0) {
		err = -errno;
		fprintf(stderr, "%s: cannot open: %s\n", dir, strerror(errno));
		return err;
	}
	for (i = 0; i < n; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", dir, parts[i]->d_name) < 0)
			path = NULL;
		if (!err && !parser_gave_up(p) && (!wanted || wanted(parts[i]->d_name)))
			err = path ? check_link(p, path) ?: parse_file(p, path, true) : -ENOMEM;
		free(path);
		free(parts[i]);
	}
	free(parts);
	return err;
}

static int load(const char *path, enum policy_place place, bool (*wanted)(const char *name),
		struct policy **out)
{
	const char *running = policy_runtime_directory(path);
	char *dir = policy_directory(path);
	struct parser p;
	int err = dir ? parser_init(&p, place) : -ENOMEM;

	if (!err)
		err = parser_finish(&p,
				    parse_file(&p, path, false) ?:
				    parse_directory(&p, dir, wanted) ?:
				    (running ? parse_directory(&p, running, wanted) : 0),
				    out);
	free(dir);
	return err;
}

int policy_load(const char *path, struct policy **out)
{
	return load(path, POLICY_HERE, NULL, out);
}

int policy_load_parts(const char *path, bool (*wanted)(const char *name), struct policy **out)
{
	return load(path, POLICY_HERE, wanted, out);
}

int policy_load_at(const char *path, enum policy_place place, struct policy **out)
{
	return load(path, place, NULL, out);
}
