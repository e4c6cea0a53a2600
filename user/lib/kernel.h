/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of the running kernel: modules, mounts, interrupt numbers. */
#ifndef IRQGATE_USER_KERNEL_H
#define IRQGATE_USER_KERNEL_H

#include <stdbool.h>
#include <linux/types.h>

/* module_state - is a module loaded? A built-in module may show as MODULE_NONE. */
enum module_state {
	MODULE_NONE,
	MODULE_CHANGES, /* being loaded or removed */
	MODULE_LIVE,
	MODULE_BUILT_IN,
};
enum module_state module_state(const char *name);

/*
 * mounted - is a file system of this type at its usual place? Mounts it if not.
 * @magic: as in statfs(2)
 */
bool mounted(const char *type, const char *path, long magic);

/* irq_unused - does no driver handle this Linux interrupt number? */
bool irq_unused(__u32 irq);

#endif
