// SPDX-License-Identifier: GPL-2.0-only
/* Matches: compare, copy, free; the cgroup that a machine's name stands for. */
#include "policy/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h"

char *policy_machine_cgroup(const char *slice, const char *machine)
{
	char escaped[4 * MAX_MACHINE + 1], *path;

	if (strlen(machine) > MAX_MACHINE)
		return NULL;
	unit_escape(machine, escaped);
	return asprintf(&path, "%s/machine-%s.scope", slice, escaped) < 0 ? NULL : path;
}

/* Have both matches this key, with one value? */
static bool kind_equal(const struct policy_match *a, const struct policy_match *b,
		       unsigned int kind)
{
	if (!(a->kinds & b->kinds & kind))
		return false;
	switch (kind) {
	case IRQGATE_MATCH_CGROUP:
		return !strcmp(a->cgroup, b->cgroup);
	case IRQGATE_MATCH_EXE:
		return !strcmp(a->exe, b->exe);
	case IRQGATE_MATCH_PID:
		return a->pid == b->pid;
	default:
		return a->uid == b->uid;
	}
}

bool policy_match_equal(const struct policy_match *a, const struct policy_match *b)
{
	unsigned int kind;

	if (a->kinds != b->kinds)
		return false;
	for (kind = IRQGATE_MATCH_UID; kind <= IRQGATE_MATCH_PID; kind <<= 1)
		if (a->kinds & kind && !kind_equal(a, b, kind))
			return false;
	return true;
}

bool policy_match_unclear(const struct policy_match *a, const struct policy_match *b)
{
	unsigned int kind = IRQGATE_MATCH_PID, both = a->kinds & b->kinds;

	while (kind && !((a->kinds | b->kinds) & kind))
		kind >>= 1;
	if (!kind || !kind_equal(a, b, kind) || both == a->kinds || both == b->kinds)
		return false;
	while (kind >>= 1)
		if (both & kind && !kind_equal(a, b, kind))
			return false;
	return true;
}

void policy_match_free(struct policy_match *match)
{
	free(match->cgroup);
	free(match->exe);
	memset(match, 0, sizeof(*match));
}

bool policy_match_copy(struct policy_match *to, const struct policy_match *from)
{
	*to = *from;
	to->cgroup = from->cgroup ? strdup(from->cgroup) : NULL;
	to->exe = from->exe ? strdup(from->exe) : NULL;
	if ((!from->cgroup || to->cgroup) && (!from->exe || to->exe))
		return true;
	policy_match_free(to);
	return false;
}
