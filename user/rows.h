/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table in memory: the rows of its four maps, as a policy makes them or as
 * they are in force (table_read), to be compared, asked and published.
 */
#ifndef IRQGATE_USER_ROWS_H
#define IRQGATE_USER_ROWS_H

#include <linux/types.h>
#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include "policy.h"

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

struct rows {
	struct irqgate_defaults defaults;
	struct row_set map[IRQGATE_TABLE_MAPS];
};

/*
 * rows_of_policy - the rows a policy makes now
 * @rows: for rows_free(), also after a failure
 * @policy: with its functions resolved
 *
 * cgroups, executables and processes that do not exist yet have no row, or one that
 * waits for them.
 * Return: 0; -ENOMEM; or another negative errno, having said why.
 */
int rows_of_policy(struct rows *rows, const struct policy *policy);

/* rows_of_matches - as rows_of_policy(), only the matches. */
int rows_of_matches(struct rows *rows, const struct policy *policy);

/* rows_of_match - as rows_of_matches(), of one that is a context's. */
int rows_of_match(struct rows *rows, const struct policy_match *match, __u32 gd);

/* rows_add - add a row; its key must be new. Not sorted until rows_sort(). */
int rows_add(struct rows *rows, enum irqgate_table_map which, const void *key, const void *value);
void rows_sort(struct rows *rows);
void rows_free(struct rows *rows);

/* rows_key, rows_value - of row @i of a map. */
void *rows_key(const struct rows *rows, enum irqgate_table_map which, size_t i);
void *rows_value(const struct rows *rows, enum irqgate_table_map which, size_t i);

/* rows_find - the value of a key, or NULL. */
void *rows_find(const struct rows *rows, enum irqgate_table_map which, const void *key);

/* rows_compare - order of two keys of a map, as in qsort(3). */
int rows_compare(enum irqgate_table_map which, const void *a, const void *b);

/* rows_context - name of a context in this table, "gd:N" for one it does not have,
 * "-" for IRQGATE_GD_NONE; returns @buf. */
const char *rows_context(const struct rows *rows, __u32 gd, char buf[IRQGATE_NAME_LEN]);

/* rows_ident - the match that makes an identity what it is, see <irqgate/match.h>. */
const struct irqgate_match *rows_ident(const struct rows *rows, const struct irqgate_ident *ident,
				       __u32 source);

/* rows_gd - GD of an identity, IRQGATE_GD_NONE when no context claims it. */
__u32 rows_gd(const struct rows *rows, const struct irqgate_ident *ident);

/* rows_decide - may @gd have this vector? */
struct irqgate_decision rows_decide(const struct rows *rows, __u64 handle, __u32 vector, __u32 gd);

/*
 * rows_match_text - a match as people write it: cgroup "/a", pid 7
 * @policies: where to look for the text of what is only a number in the table
 * @n: how many
 *
 * Return: @buf.
 */
#define MATCH_TEXT_LEN 512
const char *rows_match_text(const struct irqgate_match_key *key,
			    const struct policy *const policies[], size_t n,
			    char buf[MATCH_TEXT_LEN]);

#endif
