// SPDX-License-Identifier: GPL-2.0-only
/* The contexts that `irqgate learn` writes: one for each kind of process that it saw. */
#include <stdlib.h>
#include <string.h>

#include "cli/learner.h"
#include "lib/util.h"
#include "loader/events.h"

#define MAX_NOTED 8 /* processes named above a context */

static bool ends_with(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && !strncmp(name + len - n, suffix, n);
}

/*
 * Cut a cgroup's path to the part that stays the same when systemd starts the unit again:
 * up to the last service or scope. False: there is none, because a login makes its own
 * cgroups each time.
 */
static bool stable_cgroup(char *path)
{
	char *part, *end, *keep = NULL;

	if (!strcmp(path, "/") || !strncmp(path, "/user.slice/", 12) ||
	    !strcmp(path, "/user.slice") || !strcmp(path, "/init.scope"))
		return false;
	for (part = path; *part; part = end) {
		end = part + 1 + strcspn(part + 1, "/");
		if (ends_with(part, (size_t)(end - part), ".service") ||
		    ends_with(part, (size_t)(end - part), ".scope"))
			keep = end;
	}
	if (keep)
		*keep = '\0';
	return true;
}

bool owner_match(const struct owner *o, struct policy_match *m)
{
	char cgroup[sizeof(o->cgroup)];

	strcpy(cgroup, o->cgroup);
	memset(m, 0, sizeof(*m));
	if (*cgroup && stable_cgroup(cgroup) && text_is_safe(cgroup)) {
		m->kinds = IRQGATE_MATCH_CGROUP;
		m->cgroup = strdup(cgroup);
		return m->cgroup;
	}
	if (o->exe[0] == '/' && !ends_with(o->exe, strlen(o->exe), " (deleted)") &&
	    text_is_safe(o->exe)) {
		m->kinds = IRQGATE_MATCH_EXE;
		m->exe = strdup(o->exe);
		return m->exe;
	}
	m->kinds = IRQGATE_MATCH_UID;
	m->uid = o->ident.uid;
	return true;
}

void owner_name(const struct policy *policy, const struct owner *o,
		const struct policy_match *match, char name[IRQGATE_NAME_LEN])
{
	const char *from = match->cgroup ?: match->exe ?: o->comm;
	char plain[IRQGATE_NAME_LEN - 8];
	unsigned int n;

	if (!*text_name(from, plain, sizeof(plain)))
		strcpy(plain, "context");
	strcpy(name, plain);
	for (n = 2; policy_context_by_name(policy, name); n++)
		snprintf(name, IRQGATE_NAME_LEN, "%s-%u", plain, n);
}

/* A number that neither this policy nor the one in force uses. */
static __u32 free_gd(const struct learner *l)
{
	__u32 gd = 1;
	unsigned int i;

	for (i = 0; i < l->out->ncontexts; i++)
		if (l->out->contexts[i].gd >= gd)
			gd = l->out->contexts[i].gd + 1;
	for (i = 0; l->in_force && i < l->in_force->ncontexts; i++)
		if (l->in_force->contexts[i].gd >= gd)
			gd = l->in_force->contexts[i].gd + 1;
	return gd;
}

/* The process's context in the policy in force; NULL: it has none. */
static const struct policy_context *known_context(const struct learner *l, const struct owner *o)
{
	__u32 gd = rows_gd(&l->rows, &o->ident);
	unsigned int i;

	for (i = 0; l->in_force && i < l->in_force->ncontexts; i++)
		if (l->in_force->contexts[i].gd == gd)
			return &l->in_force->contexts[i];
	return NULL;
}

static struct policy_context *add_context(struct learner *l)
{
	struct policy *out = l->out;
	char **notes = learner_more(l, l->context_note, out->ncontexts, sizeof(*notes));
	struct policy_context *c;

	if (!notes)
		return NULL;
	l->context_note = notes;
	c = MORE(l, out->contexts, out->ncontexts);
	if (c)
		c->line = 1;
	return c;
}

/* The process is the host's in the policy in force, so the host keeps that match. */
static int host_context(struct learner *l, const struct policy_context *known)
{
	struct policy_context *host = l->out->contexts;

	if (host->match.kinds)
		return 0;
	l->no_memory |= !policy_match_copy(&host->match, &known->match);
	host->strict = known->strict;
	host->line = 1;
	return 0;
}

int owner_context(struct learner *l, const struct owner *o)
{
	const struct policy_context *known = known_context(l, o), *c = l->out->contexts;
	struct policy_match m = {};
	int found = -1, i;

	if (!known && !owner_match(o, &m)) {
		l->no_memory = true;
		return -1;
	}
	for (i = 0; i < (int)l->out->ncontexts && found < 0; i++)
		if (c[i].match.kinds &&
		    (known ? c[i].gd == known->gd : policy_match_equal(&m, &c[i].match)))
			found = i;
	policy_match_free(&m);
	return found;
}

/* The index of the owner's context, a new one if need be; 0 also without memory. */
static int context_of(struct learner *l, const struct owner *o)
{
	const struct policy_context *known = known_context(l, o);
	int found = owner_context(l, o);
	struct policy_context *c;
	struct policy_match m;
	char name[IRQGATE_NAME_LEN];
	__u32 gd;

	if (known && known->gd == IRQGATE_GD_HOST)
		return host_context(l, known);
	if (found >= 0)
		return found;
	if (!(known ? policy_match_copy(&m, &known->match) : owner_match(o, &m))) {
		l->no_memory = true;
		return 0;
	}
	if (known) {
		strcpy(name, known->name);
		gd = known->gd;
	} else {
		owner_name(l->out, o, &m, name);
		gd = free_gd(l);
	}
	c = add_context(l);
	if (!c) {
		policy_match_free(&m);
		return 0;
	}
	strcpy(c->name, name);
	c->gd = gd;
	c->match = m;
	c->strict = known && known->strict;
	return (int)l->out->ncontexts - 1;
}

static void note_context(struct learner *l, int context)
{
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN];
	const struct policy_match *m = &l->out->contexts[context].match;
	char *note = strdup(""), *longer;
	int owners = 0;
	size_t i;

	for (i = 0; i < l->nowners && note; i++) {
		const struct owner *o = &l->owner[i];

		if (o->context != context || owners++ >= MAX_NOTED)
			continue;
		longer = note_text("%s  # process %u %s, uid %u, seen %s to %s\n", note,
				   o->ident.tgid, o->comm, (__u32)o->ident.uid,
				   wall_time(o->first, first), wall_time(o->last, last));
		free(note);
		note = longer;
	}
	if (note && owners > 1 && !(m->kinds & IRQGATE_MATCH_CGROUP)) {
		longer = note_text("%s  # %d processes; give each a cgroup to tell them apart\n",
				   note, owners);
		free(note);
		note = longer;
	}
	l->no_memory |= !note;
	l->context_note[context] = note;
}

void learn_contexts(struct learner *l)
{
	struct owner *o;
	size_t i;
	int c;

	l->context_note = calloc(1, sizeof(*l->context_note)); /* the host's */
	if (!l->context_note) {
		l->no_memory = true;
		return;
	}
	for (i = 0; i < l->nowners; i++)
		l->owner[i].context = -1;
	/* A process that only signals needs no context, because its source has a match. */
	for (i = 0; i < l->nseen; i++) {
		if (l->seen[i].owner == OWNER_HOST)
			continue;
		o = &l->owner[l->seen[i].owner];
		o->context = context_of(l, o);
	}
	for (i = 0; i < l->nsignallers; i++) {
		o = &l->owner[l->signaller[i].vm_owner];
		o->context = context_of(l, o);
	}
	for (c = 1; c < (int)l->out->ncontexts; c++)
		note_context(l, c);
}
