/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a policy in force. A plan says what the policy changes and which live bindings it
 * cuts; its execution does exactly that. The caller holds lock_changes() from plan_make() on.
 */
#ifndef IRQGATE_USER_APPLY_H
#define IRQGATE_USER_APPLY_H

#include <stdbool.h>
#include <stdio.h>
#include "lib/util.h"
#include "policy/policy.h"
#include "table/diff.h"
#include "table/pins.h"

/* The policy in force: the process that puts a policy in force writes it for the others. */
#define POLICY_IN_FORCE RUN_DIR "/policy.yaml"

struct btf;

/* A live binding that the plan cuts or restores. */
struct cut {
	struct irqgate_binding binding;
	__u32 gd; /* the context that receives, by the new table */
	__u8 verdict, reason; /* by the new table */
	bool restored; /* true: out of quarantine; false: cut */
};

struct plan {
	struct policy *old; /* the policy in force, for its texts; NULL: not known */
	const struct policy *policy;
	struct rows from, to;
	struct items from_items, to_items;
	struct diff diff;
	struct cut *cut;
	size_t ncuts, cuts, restored; /* ncuts is the sum */
};

/*
 * plan_make - find out what putting a policy in force would do
 * @plan: for plan_free(), also after a failure
 * @policy: resolved; the plan refers to it. Its contexts get the numbers they have in force.
 * Return: 0 or a negative errno. Prints why.
 */
int plan_make(struct plan *plan, struct pins *pins, struct policy *policy);

/*
 * plan_execute - do it
 * @btf: as for table_publish()
 *
 * Cuts the bindings that the new table forbids before that table is in force, so that
 * none of their interrupts arrives in between. Never touches a binding that both tables
 * authorize.
 * Return: 0; above 0: in force, but so many bindings could not be brought in order;
 * or a negative errno: state.generation says which table is in force. Prints why.
 */
int plan_execute(struct plan *plan, struct pins *pins, const struct btf *btf);

void plan_print(const struct plan *plan, FILE *out, bool json);
/* plan_summary - "1 added, 0 removed, ..."; returns @buf. */
#define PLAN_SUMMARY_LEN 160
const char *plan_summary(const struct plan *plan, char buf[PLAN_SUMMARY_LEN]);
void plan_free(struct plan *plan);

/*
 * policy_save - store a policy as the one in force, with the origin of each row
 * policy_in_force - read the stored policy, for policy_free(); NULL: it cannot be, see errno
 * policy_number - give the contexts of another policy the numbers they have in that one
 * policy_origin - FILE:LINE where a row of policy_in_force() comes from
 * @line: of the row; 0: none
 */
int policy_save(const struct policy *policy);
struct policy *policy_in_force(void);
void policy_number(struct policy *policy);
const char *policy_origin(unsigned int line, char *buf, size_t len);

struct apply_options {
	const char *file;
	const char *mode; /* NULL: as the policy says */
	bool dry_run;
	bool unsafe_interrupts;
	bool json;
};

/* apply_verb - `irqgate apply`; returns the exit status. */
int apply_verb(const struct apply_options *opts);

/*
 * policy_prepare - load a policy, resolve it, and refuse one that the machine cannot enforce
 * @path: NULL: the empty policy
 * @mode: replaces the policy's own mode; NULL: keep that
 * Return: 0; -EOPNOTSUPP: this machine cannot enforce it; or another negative errno, such
 * as -EINVAL: the policy is not valid. Prints why.
 */
int policy_prepare(const char *path, const char *mode, bool unsafe_interrupts, struct policy **out);

#endif
