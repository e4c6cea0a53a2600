/* SPDX-License-Identifier: GPL-2.0-only */
/* From policy to table: filling, swapping and changing the four maps. */
#ifndef IRQGATE_USER_TABLE_H
#define IRQGATE_USER_TABLE_H

#include "pins.h"
#include "policy.h"
#include "rows.h"

struct btf;

/*
 * table_publish - put a policy in force, all of it at once
 * @pins: the maps
 * @btf: BTF of the BPF object, so that bpftool prints named fields; NULL: that of
 *	 the table in force
 * @rows: all rows of the new table
 *
 * Fills the slot that is not in force, then switches: an interrupt authorized
 * before and after is authorized at every instant between.
 * Return: 0 or a negative errno, with the old table still in force. Says why.
 */
int table_publish(struct pins *pins, const struct btf *btf, const struct rows *rows);

/*
 * table_read - the table in force, in memory
 * @rows: for rows_free(), also after a failure
 * Return: 0 or a negative errno.
 */
int table_read(const struct pins *pins, struct rows *rows);

/*
 * table_resolve - look again for what a policy names and was not there yet
 *
 * cgroups and executables may appear, and be replaced, after the policy was
 * applied.
 * Return: number of rows that were added, or a negative errno.
 */
int table_resolve(struct pins *pins, const struct policy *policy);

/*
 * table_clear - no rows at all, from this instant
 *
 * With defaults that allow, nothing is unauthorized any more.
 * Return: 0 or a negative errno.
 */
int table_clear(struct pins *pins);

/* table_map - the map of a kind in force; a descriptor to close, or negative. */
int table_map(const struct pins *pins, enum irqgate_table_map which);

/*
 * table_context - number of a context by name, "host" or "pid:N"
 * @create: make the context of "pid:N" when there is none
 * Return: 0, -ENOENT or another negative errno.
 */
int table_context(struct pins *pins, const char *name, bool create, __u32 *gd);

/* table_context_name - name of a context, "-" for IRQGATE_GD_NONE; returns @buf. */
const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN]);

/*
 * table_allow - register vectors for a context, in the table in force
 * table_revoke - take vectors away, whatever the policy says of them
 *
 * Change rows one by one, each atomically; the caller then has the bindings
 * judged and acts on them.
 * Return: 0 or a negative errno.
 */
int table_allow(struct pins *pins, __u64 handle, const struct vector_set *vectors, __u32 gd);
int table_revoke(struct pins *pins, __u64 handle, const struct vector_set *vectors);

#endif
