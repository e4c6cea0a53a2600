// SPDX-License-Identifier: GPL-2.0-only
/* The policy that `irqgate learn` writes: all that was seen, with comments, checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/learner.h"
#include "lib/handle.h"
#include "lib/util.h"
#include "loader/events.h"

static void add_source(struct learner *l, const struct signaller *sig)
{
	const struct owner *o = &l->owner[sig->owner];
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN], name[IRQGATE_NAME_LEN];
	struct policy_source *s;
	struct policy_match m;
	char **notes;
	unsigned int i;

	notes = learner_more(l, l->source_note, l->out->nsources, sizeof(*notes));
	if (!notes)
		return;
	l->source_note = notes;
	if (!owner_match(o, &m)) {
		l->no_memory = true;
		return;
	}
	owner_name(l->out, o, &m, name);
	name[HANDLE_SOFT_NAME_MAX] = '\0';
	for (i = 0; i < l->out->nsources; i++)
		if (policy_match_equal(&m, &l->out->sources[i].match))
			break;
	s = i < l->out->nsources ? NULL : MORE(l, l->out->sources, l->out->nsources);
	if (!s || handle_soft_register(name, &s->handle)) {
		policy_match_free(&m);
		return;
	}
	s->match = m;
	s->context = (unsigned int)l->owner[sig->vm_owner].context;
	notes[l->out->nsources - 1] = note_text(
		"  # process %u %s, %llu reports, first %s, last %s\n", o->ident.tgid, o->comm,
		sig->count, wall_time(sig->first, first), wall_time(sig->last, last));
}

void learn_policy(struct learner *l)
{
	struct irqgate_defaults *defaults = &l->out->defaults;
	bool silent = l->rows.defaults.unlisted_source == IRQGATE_ACTION_ALLOW;
	size_t i;

	learn_contexts(l);
	if (l->no_memory)
		return;
	learn_devices(l);
	for (i = 0; i < l->nsignallers; i++)
		add_source(l, &l->signaller[i]);
	defaults->mode = IRQGATE_MODE_ENFORCE;
	defaults->unlisted_device = IRQGATE_ACTION_DENY;
	defaults->unlisted_host = IRQGATE_ACTION_ALLOW;
	/* A source that the table allows silently was not seen, so deny would break it. */
	defaults->unlisted_source = silent ? IRQGATE_ACTION_AUDIT : IRQGATE_ACTION_DENY;
}

/* The comment above a row, for policy_write(). */
static void put_note(FILE *out, const void *row, void *arg)
{
	const struct learner *l = arg;
	const struct policy *p = l->out;
	const char *note = NULL;

	if (row == &p->defaults && p->defaults.unlisted_source == IRQGATE_ACTION_AUDIT)
		note = "  # Not deny: the table in force allows unlisted sources, which leaves no\n"
		       "  # trace. Learn again under 'unlisted_source: audit'.\n";
	else if (row >= (void *)p->contexts && row < (void *)(p->contexts + p->ncontexts))
		note = l->context_note[(struct policy_context *)row - p->contexts];
	else if (p->devices && row >= (void *)p->devices &&
		 row < (void *)(p->devices + p->ndevices))
		note = l->device_note[(struct policy_device *)row - p->devices];
	else if (p->sources && row >= (void *)p->sources &&
		 row < (void *)(p->sources + p->nsources))
		note = l->source_note[(struct policy_source *)row - p->sources];
	if (note)
		fputs(note, out);
}

/* Vectors that counted interrupts while they had no owner that learn_record() saw. */
static void put_unseen(const struct learner *l, FILE *out)
{
	char handle[HANDLE_STRLEN];
	size_t i, j;
	__u64 n;

	for (i = 0; i < l->after.n; i++) {
		const struct snapshot_row *row = &l->after.row[i];

		for (j = 0; j < l->nseen; j++)
			if (l->seen[j].handle == row->handle && l->seen[j].vector == row->vector)
				break;
		n = learn_interrupts(l, row->handle, row->vector);
		if (n && row->handle && j == l->nseen)
			fprintf(out,
				"# missing: %s vector %u raised %llu interrupts, its owner "
				"was gone before irqgate saw it\n",
				handle_format(row->handle, handle), row->vector, n);
	}
}

int learn_write(const struct learner *l, FILE *out)
{
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN], host[64] = "";
	struct policy *check = NULL;
	char *text = NULL;
	size_t len;
	FILE *f;
	int err;

	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	gethostname(host, sizeof(host) - 1);
	fprintf(f, "# Learned by irqgate on %s, %s to %s.\n", host, wall_time(l->start, first),
		wall_time(boottime_ns(), last));
	fprintf(f, "# It allows what was bound and signalled then, and nothing else.\n");
	put_unseen(l, f);
	policy_write(f, l->out, put_note, (void *)l);
	fclose(f);
	/* A policy that `irqgate apply` would refuse is of no use. */
	err = policy_parse("learned policy", text, len, &check);
	policy_free(check);
	if (!err && fwrite(text, 1, len, out) != len)
		err = -errno;
	free(text);
	return err;
}
