/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may use a device: the gates that this takes, and the processes that have it mapped. */
#ifndef IRQGATE_USER_ACCESS_H
#define IRQGATE_USER_ACCESS_H

#include <stdbool.h>
#include <linux/types.h>
#include "table/pins.h"
#include "table/rows.h"

struct btf;

/*
 * access_publish - table_publish(), with the gates attached that the table needs
 *
 * A gate is attached before the table is in force, and detached after it is no longer. If a gate
 * cannot be attached, the old table stays in force.
 * Return: 0 or a negative errno. Prints the error.
 */
int access_publish(struct pins *pins, const struct btf *btf, const struct rows *rows);

/* A process that has a device mapped which it may not use. */
struct mapped {
	__u64 handle;
	__u64 start; /* of the process, as in struct irqgate_ident */
	__u32 tgid;
	__u32 gd; /* context of the process */
	__u8 verdict; /* enum irqgate_verdict */
	__u8 reason; /* enum irqgate_reason */
	__u8 pad[2];
};

#define MAPPED_MAX 16

/* Those that a review found. */
struct review {
	__u32 n;
	__u32 forbidden; /* without what `audit` lets pass; beyond MAPPED_MAX, counts mappings */
	struct mapped of[MAPPED_MAX];
};

/*
 * access_review - find the processes that have a device mapped which they may not use
 *
 * The kernel lets nobody unmap for another process, so the gate stops only later mappings. Writes
 * the number of forbidden ones to state.mapped.
 * Return: 0 or a negative errno. Prints the error.
 */
int access_review(struct pins *pins, struct review *review);

enum contain_when {
	CONTAIN_NOT, /* another process does it */
	CONTAIN_FIRST,
	CONTAIN_AGAIN, /* an earlier review found the same mapping */
};

/*
 * access_contain - stop or kill such a process, if the device's `on_mapped` says so
 *
 * Does not touch what `audit` lets pass, nor the owner of a device that was revoked. Says what it
 * did, or that the mapping stays.
 */
void access_contain(const struct pins *pins, const struct mapped *m, enum contain_when when);

/*
 * access_settle - review, after another process than the loader changed the table
 *
 * Contains only if no loader runs: it would do so within a second. Return: as access_review().
 */
int access_settle(struct pins *pins);

#endif
