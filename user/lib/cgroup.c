// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/cgroup.h"

#define FILEID_KERNFS 0xfe /* include/linux/exportfs.h: the handle is the 64-bit id */

int cgroup_path(__u64 id, char *buf, size_t len)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(id)];
	} h = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	char link[64], path[PATH_MAX];
	int root, fd, err = 0;
	ssize_t n;

	memcpy(h.handle.f_handle, &id, sizeof(id));
	root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = open_by_handle_at(root, &h.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	close(root);
	if (err)
		return err;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	path[n] = '\0';
	if (strncmp(path, CGROUP_ROOT, strlen(CGROUP_ROOT)))
		return -ESTALE;
	n = snprintf(buf, len, "%s", path + strlen(CGROUP_ROOT));
	if (!n)
		n = snprintf(buf, len, "/");
	return (size_t)n < len ? 0 : -ENAMETOOLONG;
}

int cgroup_id(const char *path, __u64 *id)
{
	char whole[PATH_MAX + sizeof(CGROUP_ROOT)];
	struct statfs fs;
	struct stat st;

	snprintf(whole, sizeof(whole), CGROUP_ROOT "%s", path);
	if (stat(whole, &st) || statfs(whole, &fs))
		return errno == ENOTDIR ? -ENOENT : -errno;
	/* An inode number of cgroup v1, or of another file, may equal the id of another cgroup. */
	if (fs.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(st.st_mode))
		return -ENOENT;
	*id = st.st_ino; /* the id of a cgroup is its inode number on 64 bit */
	return 0;
}
