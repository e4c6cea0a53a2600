/* SPDX-License-Identifier: GPL-2.0-only */
/* cgroups (v2) by their id, which is what the kernel and the table know of them. */
#ifndef IRQGATE_USER_CGROUP_H
#define IRQGATE_USER_CGROUP_H

#include <stddef.h>
#include <linux/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/*
 * cgroup_path - path of a cgroup below the root, "/" for the root itself
 * @id: as bpf_get_current_cgroup_id() has it
 *
 * Return: 0, -ESTALE: it is gone; or another negative errno.
 */
int cgroup_path(__u64 id, char *buf, size_t len);

#endif
