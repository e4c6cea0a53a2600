/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Putting a policy in force: what it changes, which live bindings it cuts, and
 * then exactly that. The caller holds lock_changes() from plan_make() on.
 */
#ifndef IRQGATE_USER_APPLY_H
#define IRQGATE_USER_APPLY_H

#include <stdbool.h>
#include <stdio.h>
#include "diff.h"
#include "pins.h"
#include "policy.h"
#include "util.h"

/* The policy in force, written by whoever puts one in force, for everybody else. */
#define POLICY_IN_FORCE RUN_DIR "/policy.yaml"

struct btf;

/* A live binding that changes hands. */
struct cut {
	struct irqgate_binding binding;
	__u32 gd; /* that receives, by the new table */
	__u8 verdict, reason; /* by the new table */
	bool restored; /* out of quarantine; else into it */
};

struct plan {
	struct policy *old; /* in force, for texts; NULL: not known */
	const struct policy *policy;
	struct rows from, to;
	struct items from_items, to_items;
	struct diff diff;
	struct cut *cut;
	size_t ncuts, cuts, restored; /* ncuts is the sum */
};

/*
 * plan_make - what putting a policy in force would do
 * @plan: for plan_free(), also after a failure
 * @policy: resolved; kept by reference
 * Return: 0 or a negative errno. Says why.
 */
int plan_make(struct plan *plan, struct pins *pins, const struct policy *policy);

/*
 * plan_execute - do it
 * @btf: as for table_publish()
 *
 * Bindings that the new table cuts are cut before it is in force, so that none of
 * their interrupts gets through in between. One authorized by both tables is never
 * touched.
 * Return: 0; above 0: in force, but so many bindings could not be brought in order;
 * or a negative errno, with the old table in force. Says why.
 */
int plan_execute(struct plan *plan, struct pins *pins, const struct btf *btf);

void plan_print(const struct plan *plan, FILE *out, bool json);
/* plan_summary - "1 added, 0 removed, ..."; returns @buf. */
#define PLAN_SUMMARY_LEN 160
const char *plan_summary(const struct plan *plan, char buf[PLAN_SUMMARY_LEN]);
void plan_free(struct plan *plan);

/*
 * policy_save - remember a policy as the one in force, with where each row is from
 * policy_in_force - what was remembered, for policy_free(); NULL: nothing, as errno says
 * policy_origin - FILE:LINE where a row of policy_in_force() comes from
 * @line: the row's; 0 is nowhere
 */
int policy_save(const struct policy *policy);
struct policy *policy_in_force(void);
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
 * policy_prepare - load a policy, resolve it, and refuse what cannot be honoured
 * @path: NULL: the empty policy
 * @mode: instead of its own, or NULL
 * Return: 0; -EINVAL and others: no policy; -EOPNOTSUPP: not on this machine.
 * Says why.
 */
int policy_prepare(const char *path, const char *mode, bool unsafe_interrupts, struct policy **out);

#endif
