/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy in memory: checked, but not yet resolved. The paths, cgroups, pids and devices
 * that it names need not exist.
 *
 * Each mistake is one line on stderr, FILE:LINE: what is wrong, what was expected; at most 20,
 * in the order of the file. A file with a mistake makes the whole policy fail. Not
 * thread-safe.
 */
#ifndef IRQGATE_USER_POLICY_H
#define IRQGATE_USER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/types.h>
#include <irqgate/table.h>
#include "lib/handle.h"

#define DEFAULT_POLICY "/etc/irqgate/policy.yaml"
/* Its files add to DEFAULT_POLICY until the machine goes down: the rows of running domains. */
#define POLICY_RUNTIME_DIR "/run/irqgate/domains.d"
#define POLICY_MAX_SIZE (1 << 20) /* bytes of a file */
#define POLICY_SELECT_LEN 96

/* Matches a process if all keys do. */
struct policy_match {
	unsigned int kinds; /* set of enum irqgate_match_kind; 0: no match, only of the host */
	char *cgroup; /* path below the cgroup root, also for a machine; else NULL */
	char *exe; /* absolute path, else NULL */
	__u32 pid, uid; /* else 0 */
};

/* Lines count from 1; files are those of policy.files. */
struct policy_context {
	char name[IRQGATE_NAME_LEN];
	__u32 gd; /* never IRQGATE_GD_NONE */
	bool numbered; /* the policy has its gd */
	bool strict;
	struct policy_match match;
	unsigned int file, line; /* line 0: the host, if no file declares it */
};

/* How a row selects PCI functions. */
enum policy_select_kind {
	POLICY_SELECT_HANDLE, /* the one with this handle, present or not */
	POLICY_SELECT_ID, /* some functions with a vendor and device id */
	POLICY_SELECT_GROUP, /* all of an IOMMU group except bridges */
	POLICY_SELECT_VF, /* an SR-IOV virtual function */
};

struct policy_select {
	enum policy_select_kind kind;
	__u16 vendor, device; /* ID */
	unsigned int count; /* ID: at most so many */
	unsigned int group; /* GROUP */
	__u64 pf; /* VF: handle of the physical function */
	unsigned int vf; /* VF: index, from 0 */
};

struct policy_device {
	__u64 handle; /* pci or zpci; 0: see select */
	bool found; /* zpci: policy_resolve() found the function */
	__u32 fid; /* if found: its id, which stays when the function gets another handle */
	struct policy_select select;
	__u64 *functions; /* handles, set by policy_resolve() */
	unsigned int nfunctions;
	unsigned int context; /* index into policy.contexts */
	struct vector_set vectors; /* not empty */
	enum irqgate_action action; /* on violation: audit, drop, deny, isolate */
	enum irqgate_last_resort last_resort;
	enum irqgate_access access; /* UNSET: that of policy.defaults */
	enum irqgate_on_mapped on_mapped; /* UNSET: that of policy.defaults */
	bool own_brokers; /* the row has a list of brokers, perhaps an empty one */
	unsigned int nbrokers; /* if not: those of policy.broker */
	unsigned int broker[IRQGATE_MAX_BROKERS]; /* indexes into policy.contexts */
	unsigned int file, line;
};

struct policy_source {
	__u64 handle; /* soft */
	unsigned int context; /* index into policy.contexts: may signal this one */
	struct policy_match match;
	unsigned int file, line;
};

/*
 * A warning is about a value that is valid and probably not intended. A note says how
 * irqgate took a value, or what is absent now.
 */
struct policy_remark {
	unsigned int file, line;
	bool warning;
	char *text;
};

/*
 * Contexts differ in name, gd and match, devices in handle, sources in handle and match. If a
 * process has two matches, <irqgate/match.h> says which one wins. The numbers of rows and of
 * vector rows stay within the IRQGATE_MAX_ limits of the table.
 */
struct policy {
	char **files; /* the one given to policy_load(), then those of its directories */
	unsigned int nfiles; /* 0: policy_empty() */
	int failed; /* the last error of policy_resolve(), which it has printed; 0: none */
	struct irqgate_defaults defaults; /* audit and allow unless the files say otherwise */
	unsigned int nbrokers; /* of devices whose row has no list */
	unsigned int broker[IRQGATE_MAX_BROKERS]; /* indexes into .contexts */
	struct policy_context *contexts; /* [0] is always the host */
	unsigned int ncontexts;
	struct policy_device *devices;
	unsigned int ndevices;
	struct policy_source *sources;
	unsigned int nsources;
	struct policy_remark *remarks; /* by policy_remark(), in no order */
	unsigned int nremarks;
};

/* Is the policy checked on the machine where it is to be in force? */
enum policy_place {
	POLICY_HERE, /* yes: its files must be root's, and its users must exist */
	POLICY_ELSEWHERE, /* no, as in CI: files of any owner, users of another machine */
};

/*
 * policy_load - read and check a policy file and those that add to it
 * @path: a regular file of at most POLICY_MAX_SIZE bytes that belongs to root and that no
 *	  other user can write. All *.yaml and *.json of policy_directory() and
 *	  policy_runtime_directory() must be such files, too; they are read in the order of
 *	  their names. They and the directories may be symbolic links, if only root can change
 *	  where the links lead
 * @out: the policy, for policy_free(); written on success only
 *
 * The files make one policy. Each may use contexts of another file. No file may declare a row
 * of another file again, or contradict it.
 *
 * Prints the mistakes on stderr, or one line FILE: cannot open: REASON if the file cannot be
 * read. Registers soft names as handle_soft_register() does, also from files with mistakes.
 *
 * Return: 0; -EINVAL: the file has mistakes, or a user other than root can change it; -ENOMEM;
 * or another negative errno if it cannot be read (-ENOENT, -EACCES, ...).
 */
int policy_load(const char *path, struct policy **out);

/*
 * policy_load_parts - as policy_load(), with only some files of the directories
 * @wanted: returns true for the name of a file to read
 */
int policy_load_parts(const char *path, bool (*wanted)(const char *name), struct policy **out);

/*
 * policy_load_at - as policy_load(), also for a policy of another machine
 * @place: POLICY_ELSEWHERE: the result is only for policy_lint()
 */
int policy_load_at(const char *path, enum policy_place place, struct policy **out);

/* policy_remark - add a remark; without memory, leave it out */
void policy_remark(struct policy *policy, unsigned int file, unsigned int line, bool warning,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * policy_lint - add warnings about values that can never match, or have no effect
 * @here: also add notes about processes and functions that are absent now; needs
 *	  policy_resolve() before
 */
void policy_lint(struct policy *policy, bool here);

/* policy_print_remarks - print warnings, and notes if @notes, on stderr: FILE:LINE: warning: ... */
void policy_print_remarks(const struct policy *policy, bool notes);

/*
 * policy_directory - the directory whose files add to a policy file
 *
 * Return: @path with ".d" instead of its last suffix, for free(3), or NULL: no memory.
 */
char *policy_directory(const char *path);

/*
 * policy_runtime_directory - the directory where programs add rows until the next boot
 *
 * Return: POLICY_RUNTIME_DIR for DEFAULT_POLICY; NULL: @path has none.
 */
const char *policy_runtime_directory(const char *path);

/*
 * policy_machine_cgroup - the cgroup that systemd-machined makes for a machine
 * @slice: the path of its slice, "/machine.slice" by default
 * @machine: its name, as machinectl(1) lists it
 *
 * Return: the path, for free(3), or NULL: no memory, or @machine is too long for a name.
 */
char *policy_machine_cgroup(const char *slice, const char *machine);

/*
 * policy_parse - as policy_load(), one file from memory
 * @name: the name of the file in messages and in policy.files
 * @data: the text; it need not end in NUL
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
 * policy_resolve - find the PCI functions that the rows select
 * @policy: sets the functions of its rows. A handle's function is always set, the others if
 *	    they are present. A row with an id keeps its functions as long as they exist, and
 *	    takes the lowest addresses that no other row has
 * @sysfs: "/sys"
 *
 * A zpci handle means the s390 function that has it now, or had it (policy_fid_of). From then
 * on the row follows that function by its id, because the handle may change.
 *
 * If two rows select one function, or sysfs cannot be read, prints that once and leaves all
 * rows as they were. So a function that cannot be seen, for example for want of descriptors,
 * does not count as gone.
 * Return: 1: something changed; 0; -EINVAL: a conflict; or another negative errno.
 */
int policy_resolve(struct policy *policy, const char *sysfs);

/*
 * policy_fid_of - the id of the function that was seen with a zpci handle, or -1
 *
 * For policy_resolve(). NULL unless the code that watches s390's functions sets it.
 */
extern long (*policy_fid_of)(__u32 fh);

/*
 * policy_function - the PCI function of a handle
 * Return: its handle; @handle itself if that is not zpci, or if no function has it.
 */
__u64 policy_function(__u64 handle, const char *sysfs);

/* policy_selects - does any row depend on the functions that the machine has? */
bool policy_selects(const struct policy *policy);

/* policy_select_format - "pci:0000:00:0b.0", "id 8086:10d3", ...; returns @buf. */
const char *policy_select_format(const struct policy_device *device, char buf[POLICY_SELECT_LEN]);

/*
 * policy_write - print a policy so that policy_load() reads it back
 * @note: prints comment lines, indented by two blanks, before a row; NULL: none. @row is the
 *	  row, or policy.defaults
 * @arg: for @note
 *
 * Prints all defaults and numbers, also those that the files do not have.
 */
void policy_write(FILE *out, const struct policy *policy,
		  void (*note)(FILE *out, const void *row, void *arg), void *arg);

/* policy_match_equal - have both the same keys and values? Compares text, not objects. */
bool policy_match_equal(const struct policy_match *a, const struct policy_match *b);

/* policy_match_copy - a copy, for policy_match_free(); false: no memory */
bool policy_match_copy(struct policy_match *to, const struct policy_match *from);

/* policy_match_free - free the texts of a match, and empty it */
void policy_match_free(struct policy_match *match);

/* policy_write_match - print a match as in a policy: { cgroup: "/a", uid: 7 } */
void policy_write_match(FILE *out, const struct policy_match *match);

/*
 * policy_hash - the hash of the text of policy_write() and of the functions that
 * policy_resolve() found; 0: no memory
 */
__u64 policy_hash(const struct policy *policy);

/* policy_free - free a policy, or do nothing with NULL */
void policy_free(struct policy *policy);

/*
 * policy_keep_numbers - give contexts the gd they had
 * @policy: numbers its contexts without a `gd` of their own
 * @old: the policy in force, in which each context has a number; NULL: none
 *
 * A context gets the gd that @old has for its name, unless another context of @policy asks for
 * that number. A new context gets a number that @old does not use. So a decision that reads
 * half of one table and half of the next never confuses two contexts.
 */
void policy_keep_numbers(struct policy *policy, const struct policy *old);

/* policy_access - who may use the device of a row; never UNSET */
enum irqgate_access policy_access(const struct policy *policy, const struct policy_device *device);

/*
 * policy_brokers - the contexts that may hold the device of a row
 * @n: how many there are
 *
 * Return: their indexes into policy.contexts. The device's own context may be among them, if
 * the list is that of the defaults.
 */
const unsigned int *policy_brokers(const struct policy *policy, const struct policy_device *device,
				   unsigned int *n);

/*
 * policy_context_by_name - find a context
 * @policy: where
 * @name: exact name; "host" always exists
 *
 * Return: the context, owned by @policy, or NULL.
 */
const struct policy_context *policy_context_by_name(const struct policy *policy, const char *name);

#endif
