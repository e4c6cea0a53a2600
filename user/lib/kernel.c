// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/kernel.h"

/* Does /proc/modules list the module? It does as long as the directory in /sys/module exists. */
static bool module_listed(const char *name)
{
	FILE *f = open_seq_file("/proc/modules");
	size_t len = strlen(name);
	bool listed = !f; /* if unreadable, assume that it does */
	char line[4096];

	while (f && !listed && fgets(line, sizeof(line), f))
		listed = !strncmp(line, name, len) && line[len] == ' ';
	return (f && close_read(f)) || listed;
}

enum module_state module_state(const char *name)
{
	char path[128], state[16];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	if (!read_line(path, state, sizeof(state)))
		return strcmp(state, "live") ? MODULE_CHANGES : MODULE_LIVE;
	*strrchr(path, '/') = '\0';
	if (access(path, F_OK))
		return MODULE_NONE;
	return module_listed(name) ? MODULE_CHANGES : MODULE_BUILT_IN;
}

bool mounted(const char *type, const char *path, long magic)
{
	struct statfs fs;

	/* If statfs fails, the file system may be mounted, and a second mount would hide it. */
	if (statfs(path, &fs))
		return false;
	return fs.f_type == magic || !mount(type, path, type, 0, NULL);
}

bool irq_unused(__u32 irq)
{
	char path[64], actions[256];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/actions", irq);
	return read_line(path, actions, sizeof(actions)) || !*actions;
}
