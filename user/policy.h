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
#include <stdio.h>
#include <linux/types.h>
#include <irqgate/table.h>
#include "handle.h"

#define POLICY_MAX_SIZE (1 << 20) /* bytes of a file */
#define POLICY_SELECT_LEN 96

/* Which processes. */
struct policy_match {
	enum irqgate_match_kind kind; /* 0: none, for the host only */
	/* cgroup (what a machine is, too): path below the cgroup root; exe: absolute
	 * path; else NULL */
	char *text;
	long id; /* pid or uid, else 0 */
};

/* Lines count from 1; files are those of policy.files. */
struct policy_context {
	char name[IRQGATE_NAME_LEN];
	__u32 gd; /* never IRQGATE_GD_NONE */
	bool strict;
	struct policy_match match;
	unsigned int file, line; /* line 0: the host, when no file declares it */
};

/* How a row says which PCI functions it is about. */
enum policy_select_kind {
	POLICY_SELECT_HANDLE, /* the one with this handle, whether it is there or not */
	POLICY_SELECT_ID, /* some of a vendor and device id */
	POLICY_SELECT_GROUP, /* an IOMMU group's, bridges excepted */
	POLICY_SELECT_VF, /* an SR-IOV virtual function */
};

struct policy_select {
	enum policy_select_kind kind;
	__u16 vendor, device; /* ID */
	unsigned int count; /* ID: how many at most */
	unsigned int group; /* GROUP */
	__u64 pf; /* VF: handle of the physical function */
	unsigned int vf; /* VF: index, from 0 */
};

struct policy_device {
	__u64 handle; /* pci or zpci; 0: by select */
	bool found; /* zpci: policy_resolve() found the function, */
	__u32 fid; /* which has this id, whatever handle it gets later */
	struct policy_select select;
	__u64 *functions; /* handles, by policy_resolve() */
	unsigned int nfunctions;
	unsigned int context; /* index into policy.contexts */
	struct vector_set vectors; /* not empty */
	enum irqgate_action action; /* on violation: audit, drop, deny, isolate */
	unsigned int file, line;
};

struct policy_source {
	__u64 handle; /* soft */
	unsigned int context; /* index into policy.contexts: whom it may signal */
	struct policy_match match;
	unsigned int file, line;
};

/*
 * No two contexts have one name, gd or match; no two devices or sources one
 * handle; no two sources one match. Counts and the number of vector rows stay
 * within the IRQGATE_MAX_ limits of the table.
 */
struct policy {
	char **files; /* as given to policy_load(), then what its directory holds */
	unsigned int nfiles; /* 0: policy_empty() */
	int failed; /* what policy_resolve() returned last, and has said; 0: it did not fail */
	struct irqgate_defaults defaults; /* audit and allow where the files are silent */
	struct policy_context *contexts; /* [0] is always the host */
	unsigned int ncontexts;
	struct policy_device *devices;
	unsigned int ndevices;
	struct policy_source *sources;
	unsigned int nsources;
};

/*
 * policy_load - read and check a policy file and those that add to it
 * @path: a regular file of root's that nobody else can write, of at most
 *	  POLICY_MAX_SIZE bytes; so are all *.yaml and *.json of policy_directory(),
 *	  which are read in the order of their names
 *
 * The files make one policy: each may use contexts of another, none may say
 * again, or otherwise, what another one said.
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
 * policy_directory - the directory of what adds to a policy file
 *
 * Return: @path without its last suffix and with ".d", for free(3), or NULL: no
 * memory.
 */
char *policy_directory(const char *path);

/*
 * policy_parse - as policy_load(), one file from memory
 * @name: stands for the file in messages and in policy.files
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

/*
 * policy_resolve - find the PCI functions that rows are about
 * @policy: its functions are brought up to date: those of a handle always, the
 *	    others as far as they are there; those of an id stay the same as long
 *	    as they exist, and are else the lowest addresses no other row has
 * @sysfs: "/sys"
 *
 * A zpci handle is that of a function of s390 at some time: the function that has it now,
 * or had it (policy_fid_of). From then on the row is about that function, by its id.
 *
 * Where a function belongs to two rows, or sysfs cannot be read, says so once, and leaves
 * everything as it was: a function that cannot be seen for want of descriptors is not gone.
 * Return: 1: something changed; 0; -EINVAL: a conflict; or another negative errno.
 */
int policy_resolve(struct policy *policy, const char *sysfs);

/*
 * policy_fid_of - which function was seen to have a zpci handle, for policy_resolve()
 *
 * Set by who can tell: returns its id, or -1. NULL: nobody can.
 */
extern long (*policy_fid_of)(__u32 fh);

/*
 * policy_function - the PCI function a handle is about
 * Return: its handle; @handle itself if that is not zpci, or is no function's.
 */
__u64 policy_function(__u64 handle, const char *sysfs);

/* policy_selects - does any row depend on what is in the machine? */
bool policy_selects(const struct policy *policy);

/* policy_select_format - "pci:0000:00:0b.0", "id 8086:10d3", ...; returns @buf. */
const char *policy_select_format(const struct policy_device *device, char buf[POLICY_SELECT_LEN]);

/*
 * policy_write - print a policy so that policy_load() reads it back
 * @note: prints comment lines, indented by two blanks, before a row; NULL: none
 * @arg: for @note, like a pointer to the row or to policy.defaults
 *
 * What is written says the same as what was read, with all defaults and numbers.
 */
void policy_write(FILE *out, const struct policy *policy,
		  void (*note)(FILE *out, const void *row, void *arg), void *arg);

/* policy_write_match - print a match as in a policy: { cgroup: "/a" } */
void policy_write_match(FILE *out, const struct policy_match *match);

/*
 * policy_hash - what makes two policies the same one: what they say, and the
 * functions policy_resolve() found. 0: no memory.
 */
__u64 policy_hash(const struct policy *policy);

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
