/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table in memory: the rows of its maps, from a policy or from the table in force (table_read()).
 * It can be compared, asked for decisions, and published.
 */
#ifndef IRQGATE_USER_ROWS_H
#define IRQGATE_USER_ROWS_H

#include <linux/types.h>
#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include "policy/policy.h"

/* Sizes of the keys and values, by enum irqgate_table_map. */
struct row_size {
	__u32 key, value;
};

extern const struct row_size row_sizes[IRQGATE_TABLE_MAPS];

/* Rows in the order of their keys: handle and vector, kind and number, gd. */
struct row_set {
	char *data; /* key, value, key, value, ... */
	size_t n;
};

/* Revocations, in the order of the handles (user/table/revoke.h). */
struct revocations {
	struct revocation {
		__u64 handle;
		struct irqgate_revocation row;
	} * of;
	size_t n;
};

struct rows {
	struct irqgate_defaults defaults;
	struct row_set map[IRQGATE_TABLE_MAPS];
	/* A set of enum irqgate_table_map: an object of it may exist and could not be checked. */
	unsigned int partial;
	struct revocations revoked; /* no part of the table; in force under every table */
};

/*
 * rows_of_policy - make the rows of a policy, as the system is now
 * @rows: for rows_free(), also after a failure
 * @policy: with its functions resolved
 *
 * An executable that does not exist yet has no row. A cgroup that does not exist yet has a row of
 * its path only. A pid means the process that has it now.
 * Return: 0; -ENOMEM; or another negative errno, after it printed the error.
 */
int rows_of_policy(struct rows *rows, const struct policy *policy);

/* rows_of_matches - as rows_of_policy(), but only matches, cgroups and paths. */
int rows_of_matches(struct rows *rows, const struct policy *policy);

/*
 * rows_carry - keep the matches of running processes, if the new policy has the same matches
 * @to: the rows of the new table
 * @policy: the policy that made @to
 * @from: the rows in force
 * @old: the policy that made @from; NULL: unknown
 *
 * A pid keeps its meaning, even if the process is gone: a later process that reuses the pid does
 * not match. A process keeps its context if its executable was replaced or its cgroup removed.
 * Return: 0 or -ENOMEM.
 */
int rows_carry(struct rows *to, const struct policy *policy, const struct rows *from,
	       const struct policy *old);

/* rows_warn - print which pids of a policy belong to no process. */
void rows_warn(const struct rows *rows, const struct policy *policy);

/*
 * process_start - when a process started
 * @start: in clock ticks since boot, as in proc(5)
 * Return: 0; -ESRCH: no process has the pid; or another negative errno.
 */
int process_start(__u32 pid, __u64 *start);

/*
 * process_is - does the process still have its pid, or did another process reuse the pid?
 * @start: when the process started, as above; 0: unknown, so any process with the pid counts
 * Return: 1: it has; 0: it has not; or a negative errno: unknown.
 */
int process_is(__u32 pid, __u64 start);

/* process_ticks - convert .start of a struct irqgate_ident to clock ticks, as above. */
__u64 process_ticks(__u64 start);

/* rows_add - add a row with a new key. The rows are not sorted until rows_sort(). */
int rows_add(struct rows *rows, enum irqgate_table_map which, const void *key, const void *value);
void rows_sort(struct rows *rows);
void rows_free(struct rows *rows);

/* rows_key, rows_value - key and value of row @i of a map. */
void *rows_key(const struct rows *rows, enum irqgate_table_map which, size_t i);
void *rows_value(const struct rows *rows, enum irqgate_table_map which, size_t i);

/* rows_find - the value of a key, or NULL. */
void *rows_find(const struct rows *rows, enum irqgate_table_map which, const void *key);

/* rows_compare - compare two keys of a map, as qsort(3) needs it. */
int rows_compare(enum irqgate_table_map which, const void *a, const void *b);

/*
 * rows_context - name of a context in this table; "gd:N" if the table does not have it, "-" for
 * IRQGATE_GD_NONE
 *
 * Return: @buf.
 */
const char *rows_context(const struct rows *rows, __u32 gd, char buf[IRQGATE_NAME_LEN]);

/*
 * rows_ident - the context of an identity
 * @source: 1: the context that it may signal as a soft source instead
 * @key: key of the row of `matches` that matched, see <irqgate/match.h>
 *
 * Return: the context's gd; IRQGATE_GD_NONE: no row matches.
 */
__u32 rows_ident(const struct rows *rows, const struct irqgate_ident *ident, __u32 source,
		 struct irqgate_match_key *key);

/* rows_gd, rows_source_gd - the same without the row. */
__u32 rows_gd(const struct rows *rows, const struct irqgate_ident *ident);
__u32 rows_source_gd(const struct rows *rows, const struct irqgate_ident *ident);

/* revocations_find - the revocation of a device, or NULL. */
struct irqgate_revocation *revocations_find(const struct revocations *revoked, __u64 handle);

/* rows_decide - may the context @gd have this vector of a device that VFIO has? */
struct irqgate_decision rows_decide(const struct rows *rows, __u64 handle, __u32 vector, __u32 gd);

/* rows_decide_access - may the context @gd hold or use a device that VFIO has? */
struct irqgate_decision rows_decide_access(const struct rows *rows, __u64 handle, __u32 gd,
					   enum irqgate_use use);

/* rows_decide_host - may the host have this vector of a device that a host driver has? */
struct irqgate_decision rows_decide_host(const struct rows *rows, __u64 handle, __u32 vector);

/*
 * rows_match_text - a match as text: pid 7 and cgroup "/a"
 * @rows: the table of the match
 * @policies: give the path of an executable, because the table has only its inode number
 * @n: number of policies
 *
 * Return: @buf.
 */
#define MATCH_TEXT_LEN 1024
const char *rows_match_text(const struct rows *rows, const struct irqgate_match_key *key,
			    const struct policy *const policies[], size_t n,
			    char buf[MATCH_TEXT_LEN]);

#endif
