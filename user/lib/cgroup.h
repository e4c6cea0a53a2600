/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths and ids of cgroups (v2). The kernel and the table know a cgroup by its id. */
#ifndef IRQGATE_USER_CGROUP_H
#define IRQGATE_USER_CGROUP_H

#include <stddef.h>
#include <linux/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/*
 * cgroup_path - path of a cgroup below the root, "/" for the root itself
 * @id: as bpf_get_current_cgroup_id() returns it
 *
 * Return: 0; -ESTALE: the cgroup was removed; or another negative errno.
 */
int cgroup_path(__u64 id, char *buf, size_t len);

/*
 * cgroup_id - id of the cgroup with a path below the root
 *
 * Return: 0; -ENOENT: no cgroup (v2) has this path; or another negative errno.
 */
int cgroup_id(const char *path, __u64 *id);

#endif
