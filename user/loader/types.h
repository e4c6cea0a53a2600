/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's types (BTF), which the loader reads once for all it asks of them. To parse those
 * of vmlinux takes a tenth of a second, to look for a name in them a hundredth.
 */
#ifndef IRQGATE_USER_TYPES_H
#define IRQGATE_USER_TYPES_H

#include <linux/types.h>

struct btf;

/* types_kernel - those of vmlinux. NULL with errno: they cannot be read. */
const struct btf *types_kernel(void);

/* types_module - those of a module that is loaded. NULL with errno: they cannot be read. */
const struct btf *types_module(const char *module);

/*
 * types_function - a function to attach a tracing program to
 * @module: that has it; NULL: the kernel itself
 * @fd: of the module's BTF object, for as long as types_forget() is not called; 0: of vmlinux
 *
 * Return: its BTF id, or a negative errno; -ENOENT: there is no such function.
 */
int types_function(const char *module, const char *name, int *fd);

/* types_forget - free all; what is asked for next is read again. */
void types_forget(void);

#endif
