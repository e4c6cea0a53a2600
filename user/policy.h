/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: what a policy file says, checked but not yet resolved. Paths,
 * cgroups, pids and devices it names need not exist.
 *
 * Every mistake is one line on stderr, FILE:LINE: what is wrong, what was
 * expected; at most 20, in the order of the file. Nothing is loaded from a file
 * with a mistake. All of this is for one thread.
 */
#ifndef IRQGATE_USER_POLICY_H
#define IRQGATE_USER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <irqgate/table.h>
#include "handle.h"

#define POLICY_MAX_SIZE (1024 * 1024) /* bytes of a file */

/* Which processes. */
struct policy_match {
	enum irqgate_match_kind kind; /* 0: none, for the host only */
	char *text; /* cgroup: path below the cgroup root; exe: absolute path; else NULL */
	long id; /* pid or uid, else 0 */
};

/* Lines count from 1. */
struct policy_context {
	char name[IRQGATE_NAME_LEN];
	__u32 gd; /* never IRQGATE_GD_NONE */
	bool strict;
	struct policy_match match;
	unsigned int line; /* 0: the host, when the file does not declare it */
};

struct policy_device {
	__u64 handle; /* pci or zpci */
	unsigned int context; /* index into policy.contexts */
	struct vector_set vectors; /* not empty */
	enum irqgate_action action; /* on violation: audit, drop, deny, isolate */
	unsigned int line;
};

struct policy_source {
	__u64 handle; /* soft */
	unsigned int context; /* index into policy.contexts: whom it may signal */
	struct policy_match match;
	unsigned int line;
};

/*
 * No two contexts have one name, gd or match; no two devices or sources one
 * handle; no two sources one match. Counts and the number of vector rows stay
 * within the IRQGATE_MAX_ limits of the table.
 */
struct policy {
	char *file; /* as given to policy_load(), for later messages */
	struct irqgate_defaults defaults; /* audit and allow where the file is silent */
	struct policy_context *contexts; /* [0] is always the host */
	unsigned int ncontexts;
	struct policy_device *devices;
	unsigned int ndevices;
	struct policy_source *sources;
	unsigned int nsources;
};

/*
 * policy_load - read and check a policy file
 * @path: a regular file of root's that nobody else can write, of at most
 *	  POLICY_MAX_SIZE bytes
 * @out: the policy, for policy_free(); written on success only
 *
 * Prints what is wrong on stderr; where the file cannot be read at all, one
 * line FILE: cannot open: REASON. Soft names are registered as by
 * handle_soft_register(), also from files with mistakes.
 *
 * Return: 0; -EINVAL: the file has mistakes, or is not one to trust; -ENOMEM;
 * or the negative errno of what made it unreadable (-ENOENT, -EACCES, ...).
 */
int policy_load(const char *path, struct policy **out);

/*
 * policy_parse - as policy_load(), from memory
 * @name: stands for the file in messages and in policy.file
 * @data: the text, need not end in NUL
 * @len: bytes of @data
 * @out: the policy, for policy_free(); written on success only
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int policy_parse(const char *name, const char *data, size_t len, struct policy **out);

/*
 * policy_empty - the policy without a file: audit, no rows, unlisted allowed
 * @out: the policy, for policy_free(); written on success only
 *
 * Return: 0 or -ENOMEM.
 */
int policy_empty(struct policy **out);

/* policy_free - free a policy; NULL is fine. */
void policy_free(struct policy *policy);

/*
 * policy_context_by_name - find a context
 * @policy: where
 * @name: exact name; "host" always exists
 *
 * Return: the context, owned by @policy, or NULL.
 */
const struct policy_context *policy_context_by_name(const struct policy *policy, const char *name);

#endif
