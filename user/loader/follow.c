// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/access.h"
#include "loader/apply.h"
#include "loader/hooks.h"
#include "loader/loader.h"
#include "loader/upgrade.h"
#include "policy/policy.h"
#include "table/table.h"
#include "table/tidy.h"

int loader_publish(struct loader *l)
{
	struct policy *old = policy_in_force();
	struct rows before = {}, rows = {};
	int err = table_read(&l->pins, &before) ?:
		  upgrade_processes(&before) ?:
		  rows_of_policy(&rows, l->policy) ?:
		  rows_carry(&rows, l->policy, &before, old);

	if (!err) {
		rows_warn(&rows, l->policy);
		err = access_publish(&l->pins, hooks_btf(), &rows);
	}
	policy_free(old);
	rows_free(&before);
	rows_free(&rows);
	if (err)
		return err;
	l->pins.state->policy = policy_hash(l->policy);
	policy_save(l->policy); /* for operators and other commands */
	return pins_adopt_tasks();
}

/* Put a policy in force; the loader owns it from here on. Call under lock_changes(). */
static void put_in_force(struct loader *l, struct policy *policy, const char *why)
{
	__u64 before = l->pins.state->generation;
	char summary[PLAN_SUMMARY_LEN];
	struct plan plan;
	int err;

	err = plan_make(&plan, &l->pins, policy) ?: plan_execute(&plan, &l->pins, hooks_btf());
	if (err < 0)
		msg("%s, but it could not be put in force in full", why);
	else
		msg("%s: %s", why, plan_summary(&plan, summary));
	plan_free(&plan);
	/* Follow the policy that the table in force was made of. */
	if (before == l->pins.state->generation) {
		if (policy != l->policy)
			policy_free(policy);
		return;
	}
	if (policy != l->policy)
		policy_free(l->policy);
	l->policy = policy;
	l->generation = l->pins.state->generation;
}

void loader_reload(struct loader *l, bool always)
{
	struct policy *policy;
	int lock;

	if (loader_load_policy(l->opts, &policy)) {
		msg("the policy was not reloaded, the one in force stays");
		return;
	}
	lock = lock_changes();
	policy_number(policy);
	if (lock < 0 || (!always && policy_hash(policy) == l->pins.state->policy)) {
		policy_free(policy);
	} else {
		put_in_force(l, policy, always ? "reloaded the policy" : "the policy file changed");
	}
	loader_notify_status(l);
	if (lock >= 0)
		close(lock);
}

/*
 * Remove rows of cgroups and executables that are gone. If a process still needs some of these
 * rows, the next check comes later each time, because a check reads the identity of each process.
 */
static void tidy(struct loader *l)
{
	int stay;

	if (!l->policy->nfiles || l->until_tidy-- > 0)
		return;
	stay = table_tidy(&l->pins, l->policy);
	if (stay <= 0 || !l->tidy_ticks)
		l->tidy_ticks = 2;
	else if (l->tidy_ticks < 64)
		l->tidy_ticks *= 2;
	l->until_tidy = (int)l->tidy_ticks;
}

/*
 * Cgroups, executables and functions that the policy names may have appeared or gone.
 * `irqgate apply` may have put another policy in force.
 */
void loader_follow(struct loader *l)
{
	int lock = lock_changes();
	struct policy *policy;

	if (lock < 0)
		return;
	if (l->generation != l->pins.state->generation) {
		policy = policy_in_force();
		/* For lack of descriptors or memory: try again a second later. */
		if (!policy && errno != ENOENT && errno != EINVAL)
			goto out;
		/* Without a file irqgate follows an empty policy. It does not go back to the old
		 * policy. */
		if (policy || !policy_empty(&policy)) {
			policy_free(l->policy);
			l->policy = policy;
		}
		l->generation = l->pins.state->generation;
		l->enforce = true;
	}
	/* A stage may have been loaded while another process put such a table in force. */
	if (table_governs(&l->pins))
		hooks_govern(true);
	if (policy_selects(l->policy) && policy_resolve(l->policy, "/sys") > 0)
		put_in_force(l, l->policy, "functions the policy selects came or went");
	else if (table_resolve(&l->pins, l->policy) > 0)
		l->enforce = true;
	tidy(l);
out:
	close(lock);
}
