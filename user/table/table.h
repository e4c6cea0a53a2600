/* SPDX-License-Identifier: GPL-2.0-only */
/* The table in force: publishing a new one, reading it, changing single rows. */
#ifndef IRQGATE_USER_TABLE_H
#define IRQGATE_USER_TABLE_H

#include "policy/policy.h"
#include "table/pins.h"
#include "table/rows.h"

struct btf;

/*
 * table_publish - put a table in force atomically
 * @pins: the maps
 * @btf: BTF of the BPF object, so that bpftool prints named fields; NULL: take the BTF of the
 *	 table in force
 * @rows: all rows of the new table
 *
 * Fills the slot that is not in force, then switches. So an interrupt that both tables authorize is
 * authorized all the time.
 * Return: 0; or a negative errno, with the old table still in force. Prints the error.
 */
int table_publish(struct pins *pins, const struct btf *btf, const struct rows *rows);

/*
 * table_read - read the table in force into memory
 * @rows: for rows_free(), also after a failure
 * Return: 0 or a negative errno. Prints the error.
 */
int table_read(const struct pins *pins, struct rows *rows);

/* table_read_map - read one map, unsorted. @rows may have rows of other maps already. */
int table_read_map(const struct pins *pins, struct rows *rows, enum irqgate_table_map which);

/*
 * table_resolve - add rows for objects of the policy that did not exist before
 *
 * cgroups and executables may appear or be replaced after the policy came in force.
 * Return: number of added rows, or a negative errno. Prints the error.
 */
int table_resolve(struct pins *pins, const struct policy *policy);

/*
 * table_clear - remove all rows and all revocations
 *
 * If the defaults allow, every vector is authorized afterwards.
 * Return: 0 or a negative errno. Prints the error.
 */
int table_clear(struct pins *pins);

/* table_governs - does the table in force say of any device who may use it? */
bool table_governs(const struct pins *pins);

/*
 * table_registration - the registration of a device in the table in force
 * @reg: zeroes if there is none
 * Return: 1; 0: the table does not name the device; or a negative errno.
 */
int table_registration(const struct pins *pins, __u64 handle, struct irqgate_registration *reg);

/* table_map - open a map of the table in force. Return: a descriptor, or a negative errno. */
int table_map(const struct pins *pins, enum irqgate_table_map which);

/*
 * table_context - gd of a context, by its name, "host" or "pid:N"
 * @create: create the context of "pid:N" if it does not exist
 * Return: 0; -ENOENT: no such context; or another negative errno.
 */
int table_context(struct pins *pins, const char *name, bool create, __u32 *gd);

/* table_context_name - name of a context; "-" for IRQGATE_GD_NONE. Return: @buf. */
const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN]);

/*
 * table_allow - register vectors for a context, in the table in force
 *
 * Changes the rows one by one, each atomically. The caller then judges the bindings and acts on the
 * verdicts.
 * Return: 0 or a negative errno. Prints the error.
 */
int table_allow(struct pins *pins, __u64 handle, const struct vector_set *vectors, __u32 gd);

/*
 * table_end_change - end a change of rows
 *
 * Makes every cached verdict stale, and waits for running programs, so that none of them stores a
 * verdict of the old rows later.
 */
void table_end_change(struct pins *pins);

#endif
