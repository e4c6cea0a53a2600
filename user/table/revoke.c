// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "table/revoke.h"
#include "table/table.h"

#define WORDS (IRQGATE_MAX_VECTORS / 64)

static void add_vectors(struct irqgate_revocation *row, const struct vector_set *vectors)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		row->vectors[i] |= vectors->all ? ~0ULL : vectors->bits[i];
	if (vectors->all)
		row->flags |= IRQGATE_REVOKED_FUNCTION;
}

/* Return: is anything of the function still revoked? */
static bool remove_vectors(struct irqgate_revocation *row, const struct vector_set *vectors)
{
	__u64 left = 0;
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		row->vectors[i] &= vectors->all ? 0 : ~vectors->bits[i];
		left |= row->vectors[i];
	}
	if (vectors->all)
		row->flags &= ~IRQGATE_REVOKED_FUNCTION;
	return left || row->flags;
}

void revocation_vectors(const struct irqgate_revocation *row, struct vector_set *vectors)
{
	unsigned int i;

	memset(vectors, 0, sizeof(*vectors));
	vectors->all = row->flags & IRQGATE_REVOKED_FUNCTION;
	for (i = 0; i < WORDS; i++)
		vectors->all &= row->vectors[i] == ~0ULL;
	if (!vectors->all)
		memcpy(vectors->bits, row->vectors, sizeof(vectors->bits));
}

/* ---- in memory -------------------------------------------------------------- */

static int order(const void *a, const void *b)
{
	const struct revocation *x = a, *y = b;

	return order_of(x->handle, y->handle);
}

/* Adds an empty entry. */
static struct revocation *append(struct revocations *all, __u64 handle)
{
	struct revocation *new = ARRAY_MORE(all->of, all->n);

	if (!new)
		return NULL;
	all->n++;
	memset(new, 0, sizeof(*new));
	new->handle = handle;
	return new;
}

static struct irqgate_revocation *find_or_add(struct revocations *all, __u64 handle)
{
	struct revocation *new;
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->of[i].handle == handle)
			return &all->of[i].row;
	new = append(all, handle);
	return new ? &new->row : NULL;
}

static int no_memory(void)
{
	return fail(-ENOMEM, "not enough memory for the revocations");
}

int revocations_read(const struct pins *pins, struct revocations *revoked)
{
	struct irqgate_device_key key, *prev = NULL;
	struct irqgate_revocation row;
	struct revocation *new;
	int more;

	free(revoked->of);
	memset(revoked, 0, sizeof(*revoked));
	for (; (more = map_next(pins->revoked, prev, &key)) > 0; prev = &key) {
		if (bpf_map_lookup_elem(pins->revoked, &key, &row))
			continue;
		new = append(revoked, key.handle);
		if (!new)
			return no_memory();
		new->row = row;
	}
	if (revoked->n)
		qsort(revoked->of, revoked->n, sizeof(*revoked->of), order);
	return more;
}

/* ---- the file ---------------------------------------------------------------- */

/* An unreadable line may be a revocation, so it is an error. */
static int parse_line(char *line, unsigned int number, struct revocations *kept)
{
	char *save = NULL, *handle = strtok_r(line, " \t\n", &save);
	char *words = handle ? strtok_r(NULL, "\n", &save) : NULL;
	struct irqgate_revocation *row;
	struct vector_set vectors;
	__u64 number_of;

	if (!handle || *handle == '#')
		return 0;
	if (!words || handle_parse(handle, &number_of) || vectors_parse(words, &vectors, NULL))
		return fail(-EINVAL,
			    REVOKED_FILE ":%u: expected HANDLE VECTORS; correct or remove the line",
			    number);
	row = find_or_add(kept, number_of);
	if (!row)
		return no_memory();
	add_vectors(row, &vectors);
	return 0;
}

int revocations_kept(struct revocations *kept)
{
	FILE *f = fopen(REVOKED_FILE, "re");
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	memset(kept, 0, sizeof(*kept));
	if (!f && errno == ENOENT)
		return 0;
	if (!f)
		return fail(-errno, REVOKED_FILE ": cannot read: %s", strerror(errno));
	while (!err && getline(&line, &size, f) > 0)
		err = parse_line(line, ++number, kept);
	if (!err && ferror(f))
		err = fail(-EIO, REVOKED_FILE ": cannot read: %s", strerror(EIO));
	free(line);
	fclose(f);
	if (kept->n)
		qsort(kept->of, kept->n, sizeof(*kept->of), order);
	return err;
}

static int write_kept(const struct revocations *kept)
{
	char handle[HANDLE_STRLEN], text[VECTORS_STRLEN];
	struct vector_set vectors;
	size_t i;
	FILE *f;

	if (mkdir(REVOKED_DIR, 0700) && errno != EEXIST)
		return fail(-errno, REVOKED_DIR ": cannot make: %s", strerror(errno));
	f = replace_open(REVOKED_FILE, 0600);
	if (!f)
		return -EIO;
	fprintf(f, "# Revoked by 'irqgate revoke --persist' until 'irqgate allow'.\n");
	for (i = 0; i < kept->n; i++) {
		revocation_vectors(&kept->of[i].row, &vectors);
		if (vectors_count(&vectors))
			fprintf(f, "%s %s\n", handle_format(kept->of[i].handle, handle),
				vectors_format(&vectors, text));
	}
	return replace_close(f, REVOKED_FILE, 0);
}

static int keep(__u64 handle, const struct vector_set *vectors)
{
	struct irqgate_revocation *row;
	struct revocations kept;
	int err = revocations_kept(&kept);

	row = err ? NULL : find_or_add(&kept, handle);
	if (row)
		add_vectors(row, vectors);
	else if (!err)
		err = no_memory();
	err = err ?: write_kept(&kept);
	free(kept.of);
	return err;
}

static int forget(__u64 handle, const struct vector_set *vectors)
{
	struct irqgate_revocation *row;
	struct revocations kept;
	int err = revocations_kept(&kept);

	row = err ? NULL : revocations_find(&kept, handle);
	if (row) {
		remove_vectors(row, vectors);
		err = write_kept(&kept);
	}
	free(kept.of);
	return err;
}

/* ---- in force ----------------------------------------------------------------- */

static int put(struct pins *pins, __u64 handle, const struct irqgate_revocation *row)
{
	struct irqgate_device_key key = { .handle = handle };
	char name[HANDLE_STRLEN];
	int err;

	if (row)
		err = bpf_map_update_elem(pins->revoked, &key, row, BPF_ANY);
	else
		err = bpf_map_delete_elem(pins->revoked, &key);
	return err && err != -ENOENT ? fail(err, "%s: cannot change the revocation: %s",
					    handle_format(handle, name), strerror(-err))
				     : 0;
}

/* Return: 0, also if there is no row; @row is empty then. */
static int get(const struct pins *pins, __u64 handle, struct irqgate_revocation *row)
{
	struct irqgate_device_key key = { .handle = handle };
	int err;

	memset(row, 0, sizeof(*row));
	err = bpf_map_lookup_elem(pins->revoked, &key, row);
	return err && err != -ENOENT ? fail(err, "revocations: cannot read: %s", strerror(-err))
				     : 0;
}

int revocation_add(struct pins *pins, __u64 handle, const struct vector_set *vectors, bool persist)
{
	struct irqgate_revocation row;
	int err = get(pins, handle, &row);

	if (err)
		return err;
	add_vectors(&row, vectors);
	row.since = boottime_ns();
	err = put(pins, handle, &row);
	table_end_change(pins);
	return err || !persist ? err : keep(handle, vectors);
}

int revocation_end(struct pins *pins, __u64 handle, const struct vector_set *vectors)
{
	struct irqgate_revocation row;
	/* The file first: if that fails, the vectors stay revoked, now and after the next boot. */
	int err = forget(handle, vectors) ?: get(pins, handle, &row);

	if (err)
		return err;
	err = put(pins, handle, remove_vectors(&row, vectors) ? &row : NULL);
	table_end_change(pins);
	return err;
}

int revocations_restore(struct pins *pins)
{
	struct irqgate_revocation row;
	struct vector_set vectors;
	struct revocations kept;
	int err = revocations_kept(&kept);
	size_t i;

	for (i = 0; !err && i < kept.n; i++) {
		err = get(pins, kept.of[i].handle, &row);
		if (err)
			break;
		revocation_vectors(&kept.of[i].row, &vectors);
		add_vectors(&row, &vectors);
		if (!row.since)
			row.since = boottime_ns();
		err = put(pins, kept.of[i].handle, &row);
	}
	if (kept.n)
		table_end_change(pins);
	free(kept.of);
	return err;
}

int revocations_clear(struct pins *pins)
{
	struct irqgate_device_key key;
	int more, err = 0;

	while (!err && (more = map_next(pins->revoked, NULL, &key)) > 0)
		err = put(pins, key.handle, NULL);
	return err ?: more;
}
