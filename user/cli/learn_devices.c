// SPDX-License-Identifier: GPL-2.0-only
/* The rows of devices that `irqgate learn` writes, and the comments above them. */
#include <stdlib.h>

#include "cli/learner.h"
#include "lib/array.h"
#include "lib/names.h"
#include "loader/events.h"

/* All that was seen of one device. */
struct sightings {
	__u64 handle;
	const struct seen *of;
	size_t n;
	int context; /* that of its row */
};

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return order_of_vectors(x->handle, x->vector, y->handle, y->vector);
}

static __u64 interrupts(const struct snapshot *snap, __u64 handle, __u32 vector)
{
	const struct snapshot_row key = { .handle = handle, .vector = vector }, *row;

	row = snap->n ? bsearch(&key, snap->row, snap->n, sizeof(key), snapshot_order) : NULL;
	return row ? row->count.passed + row->count.dropped + row->count.would_drop +
			       row->count.leaked
		   : 0;
}

__u64 learn_interrupts(const struct learner *l, __u64 handle, __u32 vector)
{
	return interrupts(&l->after, handle, vector) - interrupts(&l->before, handle, vector);
}

static int seen_context(const struct learner *l, const struct seen *s)
{
	return s->owner == OWNER_HOST ? 0 : l->owner[s->owner].context;
}

/* A row names one context: the one that has most of the device's vectors. */
static int main_context(const struct learner *l, const struct seen *s, size_t n)
{
	int best = 0;
	size_t i, j, most = 0;

	for (i = 0; i < n; i++) {
		size_t count = 0;

		for (j = 0; j < n; j++)
			count += seen_context(l, &s[j]) == seen_context(l, &s[i]);
		if (count > most) {
			most = count;
			best = seen_context(l, &s[i]);
		}
	}
	return best;
}

static bool in_row(const struct learner *l, const struct sightings *seen, size_t i)
{
	return seen_context(l, &seen->of[i]) == seen->context;
}

/* ---- the comment ------------------------------------------------------------------ */

static const char *vector_text(__u32 vector, char buf[24])
{
	if (vector == IRQGATE_VECTOR_FUNCTION)
		return "INTx";
	snprintf(buf, 24, "vector %u", vector);
	return buf;
}

static void note_vector(const struct learner *l, const struct sightings *seen, size_t i, FILE *f)
{
	const struct seen *s = &seen->of[i];
	char vector[24];

	if (!in_row(l, seen, i)) {
		fprintf(f, "  # not in this row: %s was bound by context %s, too\n",
			vector_text(s->vector, vector), l->out->contexts[seen_context(l, s)].name);
		return;
	}
	if (s->vm)
		fprintf(f, "  # %s also reaches a VM of another process\n",
			vector_text(s->vector, vector));
	if (s->verdict > IRQGATE_VERDICT_AUDIT)
		fprintf(f, "  # %s was not allowed (%s, reason %s)\n",
			vector_text(s->vector, vector), name_of(&names_verdict, s->verdict),
			name_of(&names_reason, s->reason));
	if (s->vector == IRQGATE_VECTOR_FUNCTION)
		fprintf(f, "  # INTx: a row with any vector allows it\n");
}

static void note_counts(const struct learner *l, const struct policy_device *d, FILE *f)
{
	__u64 sum = 0, count;
	unsigned int i;

	fprintf(f, "  # interrupts:");
	for (i = 0; i < IRQGATE_MAX_VECTORS; i++) {
		if (!vectors_has(&d->vectors, i))
			continue;
		count = learn_interrupts(l, d->handle, i);
		sum += count;
		if (count)
			fprintf(f, " vector %u: %llu,", i, count);
	}
	fprintf(f, " %llu in all", sum);
}

static bool foreign(struct learner *l, const struct sightings *seen, int owner)
{
	return owner != OWNER_HOST && owner_context(l, &l->owner[owner]) != seen->context;
}

/* A process that had the device and is of another context than its row; NULL: none. */
static const struct owner *other_holder(struct learner *l, const struct sightings *seen)
{
	size_t i;

	for (i = 0; i < l->nheld; i++)
		if (l->held[i].handle == seen->handle && foreign(l, seen, l->held[i].owner))
			return &l->owner[l->held[i].owner];
	for (i = 0; i < seen->n; i++)
		if (foreign(l, seen, seen->of[i].owner))
			return &l->owner[seen->of[i].owner];
	return NULL;
}

/*
 * `access: owner` must break nothing that runs now: all processes that had the device are of the
 * row's context, and the search found all of them.
 */
static enum irqgate_access learned_access(struct learner *l, const struct sightings *seen)
{
	return l->holders_unknown || other_holder(l, seen) ? IRQGATE_ACCESS_ANY
							   : IRQGATE_ACCESS_OWNER;
}

static void note_access(struct learner *l, const struct sightings *seen, FILE *f)
{
	const struct owner *o = other_holder(l, seen);

	if (o)
		fprintf(f,
			"  # access: any, because process %u %s of another context holds it, too\n",
			o->ident.tgid, o->comm);
	else if (l->holders_unknown)
		fprintf(f, "  # access: any, because not all holders of devices are known\n");
}

static void note_times(const struct learner *l, const struct sightings *seen, FILE *f)
{
	char first[WALL_TIME_LEN], last[WALL_TIME_LEN];
	__u64 from = 0, to = 0;
	size_t i;

	for (i = 0; i < seen->n; i++) {
		if (!in_row(l, seen, i))
			continue;
		from = !from || seen->of[i].first < from ? seen->of[i].first : from;
		to = seen->of[i].last > to ? seen->of[i].last : to;
	}
	fprintf(f, "; first seen %s, last %s\n", wall_time(from, first), wall_time(to, last));
}

/* For free(3); NULL: no memory. */
static char *note_device(struct learner *l, const struct sightings *seen,
			 const struct policy_device *d)
{
	char *note = NULL;
	size_t len, i;
	FILE *f = open_memstream(&note, &len);

	if (!f)
		return NULL;
	for (i = 0; i < seen->n; i++)
		note_vector(l, seen, i, f);
	note_access(l, seen, f);
	note_counts(l, d, f);
	note_times(l, seen, f);
	fclose(f);
	return note;
}

/* ---- the row ---------------------------------------------------------------------- */

static struct policy_device *new_device(struct learner *l, const struct sightings *seen)
{
	struct irqgate_device_key key = { .handle = seen->handle };
	const struct irqgate_registration *reg = rows_find(&l->rows, IRQGATE_MAP_DEVICES, &key);
	char **notes = learner_more(l, l->device_note, l->out->ndevices, sizeof(*notes));
	struct policy_device *d;

	if (!notes)
		return NULL;
	l->device_note = notes;
	d = MORE(l, l->out->devices, l->out->ndevices);
	if (!d)
		return NULL;
	d->handle = seen->handle;
	d->context = (unsigned int)seen->context;
	d->action = reg ? (enum irqgate_action)reg->action : IRQGATE_ACTION_DENY;
	return d;
}

static void add_device(struct learner *l, const struct sightings *seen)
{
	struct policy_device *d = new_device(l, seen);
	__u32 vector;
	char *note;
	size_t i;

	if (!d)
		return;
	for (i = 0; i < seen->n; i++) {
		if (!in_row(l, seen, i))
			continue;
		/* The context of the row is enough for INTx, but a row needs a vector. */
		vector = seen->of[i].vector == IRQGATE_VECTOR_FUNCTION ? 0 : seen->of[i].vector;
		vectors_fill(&d->vectors, vector, vector);
	}
	d->access = learned_access(l, seen);
	note = note_device(l, seen, d);
	l->no_memory |= !note;
	l->device_note[l->out->ndevices - 1] = note;
}

/* A device that only its host driver had needs no row, because unlisted_host allows it. */
void learn_devices(struct learner *l)
{
	size_t i, n, host;

	if (l->nseen)
		qsort(l->seen, l->nseen, sizeof(*l->seen), compare_seen);
	for (i = 0; i < l->nseen; i += n) {
		const struct seen *s = &l->seen[i];

		host = s->owner == OWNER_HOST;
		for (n = 1; i + n < l->nseen && s[n].handle == s->handle; n++)
			host += s[n].owner == OWNER_HOST;
		if (host < n)
			add_device(l, &(struct sightings){ .handle = s->handle,
							   .of = s,
							   .n = n,
							   .context = main_context(l, s, n) });
	}
}
