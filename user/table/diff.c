// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/handle.h"
#include "lib/names.h"
#include "table/diff.h"

static int add_item(struct items *items, const char *kind, const char *name, const char *text)
{
	struct item item = { .kind = kind, .name = strdup(name), .text = strdup(text) };

	if (!item.name || !item.text || !ARRAY_MORE(items->item, items->n)) {
		free(item.name);
		free(item.text);
		return -ENOMEM;
	}
	items->item[items->n++] = item;
	return 0;
}

static int add_defaults(struct items *items, const struct irqgate_defaults *def)
{
	return add_item(items, "default", "mode", name_of(&names_mode, def->mode)) ?:
	       add_item(items, "default", "unlisted_device",
			name_of(&names_action, def->unlisted_device)) ?:
	       add_item(items, "default", "unlisted_source",
			name_of(&names_action, def->unlisted_source)) ?:
	       add_item(items, "default", "unlisted_host",
			name_of(&names_action, def->unlisted_host)) ?:
	       add_item(items, "default", "on_full", name_of(&names_action, def->on_full)) ?:
	       (def->last_resort ? add_item(items, "default", "last_resort",
					    name_of(&names_last_resort, def->last_resort))
				 : 0) ?:
	       (def->access == IRQGATE_ACCESS_OWNER
			? add_item(items, "default", "access", name_of(&names_access, def->access))
			: 0) ?:
	       (def->on_mapped > IRQGATE_ON_MAPPED_REPORT
			? add_item(items, "default", "on_mapped",
				   name_of(&names_on_mapped, def->on_mapped))
			: 0);
}

struct texts {
	const struct rows *rows;
	const struct policy *const *policies;
	size_t npolicies;
};

/* All matches of a context; if @handle is not 0, of that source. */
static void print_matches(FILE *f, const struct texts *t, __u32 gd, __u64 handle)
{
	char text[MATCH_TEXT_LEN];
	size_t i;

	for (i = 0; i < t->rows->map[IRQGATE_MAP_MATCHES].n; i++) {
		const struct irqgate_match_key *key = rows_key(t->rows, IRQGATE_MAP_MATCHES, i);
		const struct irqgate_match *row = rows_value(t->rows, IRQGATE_MAP_MATCHES, i);

		if (key->kind != IRQGATE_MATCH_PROCESS && row->handle == handle &&
		    (handle || row->gd == gd))
			fprintf(f, ", %s",
				rows_match_text(t->rows, key, t->policies, t->npolicies, text));
	}
}

static int add_contexts(struct items *items, const struct texts *t)
{
	size_t i, len;
	int err = 0;

	for (i = 0; i < t->rows->map[IRQGATE_MAP_CONTEXTS].n && !err; i++) {
		const struct irqgate_context_key *key = rows_key(t->rows, IRQGATE_MAP_CONTEXTS, i);
		const struct irqgate_context *row = rows_value(t->rows, IRQGATE_MAP_CONTEXTS, i);
		char *text = NULL;
		FILE *f = open_memstream(&text, &len);

		if (!f)
			return -ENOMEM;
		fprintf(f, "gd %u%s", key->gd, row->flags & IRQGATE_CTX_STRICT ? ", strict" : "");
		print_matches(f, t, key->gd, 0);
		err = fclose(f) ? -ENOMEM : add_item(items, "context", row->name, text);
		free(text);
	}
	return err;
}

static int add_sources(struct items *items, const struct texts *t)
{
	char name[HANDLE_STRLEN], context[IRQGATE_NAME_LEN];
	size_t i, j, len;
	int err = 0;

	for (i = 0; i < t->rows->map[IRQGATE_MAP_MATCHES].n && !err; i++) {
		const struct irqgate_match *row = rows_value(t->rows, IRQGATE_MAP_MATCHES, i);
		char *text = NULL;
		FILE *f;

		if (!row->handle)
			continue;
		handle_format(row->handle, name);
		for (j = 0; j < items->n; j++)
			if (!strcmp(items->item[j].kind, "source") &&
			    !strcmp(items->item[j].name, name))
				break;
		if (j < items->n)
			continue; /* an earlier row of the source */
		f = open_memstream(&text, &len);
		if (!f)
			return -ENOMEM;
		fprintf(f, "context %s", rows_context(t->rows, row->gd, context));
		print_matches(f, t, row->gd, row->handle);
		err = fclose(f) ? -ENOMEM : add_item(items, "source", name, text);
		free(text);
	}
	return err;
}

/* The vector rows of one device. Vectors with equal rows are printed as one set. */
static void print_vectors(FILE *f, const struct rows *rows, const struct irqgate_registration *reg,
			  size_t from, size_t to)
{
	char set_text[VECTORS_STRLEN], name[IRQGATE_NAME_LEN];
	struct vector_set done = {}, set;
	size_t i, j;

	for (i = from; i < to; i++) {
		const struct irqgate_vector_key *key = rows_key(rows, IRQGATE_MAP_VECTORS, i);
		const struct irqgate_vector_auth *row = rows_value(rows, IRQGATE_MAP_VECTORS, i);

		if (vectors_has(&done, key->vector))
			continue;
		memset(&set, 0, sizeof(set));
		for (j = i; j < to; j++) {
			const struct irqgate_vector_key *k = rows_key(rows, IRQGATE_MAP_VECTORS, j);

			if (memcmp(rows_value(rows, IRQGATE_MAP_VECTORS, j), row, sizeof(*row)))
				continue;
			vectors_fill(&set, k->vector, k->vector);
			vectors_fill(&done, k->vector, k->vector);
		}
		fprintf(f, ", vectors %s", vectors_format(&set, set_text));
		if (!reg || row->gd != reg->gd)
			fprintf(f, " of context %s", rows_context(rows, row->gd, name));
	}
}

static void print_registration(FILE *f, const struct rows *rows,
			       const struct irqgate_registration *reg)
{
	char name[IRQGATE_NAME_LEN];
	__u32 i;

	fprintf(f, "context %s, on_violation %s", rows_context(rows, reg->gd, name),
		name_of(&names_action, reg->action));
	if (reg->last_resort)
		fprintf(f, ", last_resort %s", name_of(&names_last_resort, reg->last_resort));
	if (reg->access == IRQGATE_ACCESS_OWNER)
		fprintf(f, ", access %s", name_of(&names_access, reg->access));
	for (i = 0; i < reg->brokers && i < IRQGATE_MAX_BROKERS; i++)
		fprintf(f, "%s %s", i ? " and" : ", brokers",
			rows_context(rows, reg->broker[i], name));
	if (reg->on_mapped > IRQGATE_ON_MAPPED_REPORT)
		fprintf(f, ", on_mapped %s", name_of(&names_on_mapped, reg->on_mapped));
	if (reg->flags & IRQGATE_REG_ALL_VECTORS)
		fprintf(f, ", vectors all");
}

/* Devices with a registration, and devices that have only vector rows. */
static int add_devices(struct items *items, const struct rows *rows)
{
	const struct row_set *devices = &rows->map[IRQGATE_MAP_DEVICES];
	const struct row_set *vectors = &rows->map[IRQGATE_MAP_VECTORS];
	char name[HANDLE_STRLEN];
	size_t i = 0, from = 0, to, len;
	int err = 0;

	while ((i < devices->n || from < vectors->n) && !err) {
		const struct irqgate_device_key *dkey =
			i < devices->n ? rows_key(rows, IRQGATE_MAP_DEVICES, i) : NULL;
		const struct irqgate_vector_key *vkey =
			from < vectors->n ? rows_key(rows, IRQGATE_MAP_VECTORS, from) : NULL;
		const struct irqgate_registration *reg = NULL;
		char *text = NULL;
		__u64 handle;
		FILE *f;

		if (dkey && (!vkey || dkey->handle <= vkey->handle)) {
			reg = rows_value(rows, IRQGATE_MAP_DEVICES, i++);
			handle = dkey->handle;
		} else {
			assert(vkey); /* else the loop had ended */
			handle = vkey->handle;
		}
		for (to = from; to < vectors->n; to++) {
			vkey = rows_key(rows, IRQGATE_MAP_VECTORS, to);
			if (vkey->handle != handle)
				break;
		}
		f = open_memstream(&text, &len);
		if (!f)
			return -ENOMEM;
		if (reg)
			print_registration(f, rows, reg);
		else
			fprintf(f, "unlisted");
		print_vectors(f, rows, reg, from, to);
		from = to;
		err = fclose(f) ? -ENOMEM
				: add_item(items, "device", handle_format(handle, name), text);
		free(text);
	}
	return err;
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	/* The order is: default, context, device, source. Only "default" is not alphabetical. */
	if (strcmp(x->kind, y->kind))
		return !strcmp(x->kind, "default")   ? -1
		       : !strcmp(y->kind, "default") ? 1
						     : strcmp(x->kind, y->kind);
	return strcmp(x->name, y->name);
}

int items_of_rows(struct items *items, const struct rows *rows,
		  const struct policy *const policies[], size_t npolicies)
{
	struct texts t = { rows, policies, npolicies };
	int err;

	memset(items, 0, sizeof(*items));
	err = add_defaults(items, &rows->defaults) ?:
	      add_contexts(items, &t) ?:
	      add_devices(items, rows) ?:
	      add_sources(items, &t);
	if (items->n)
		qsort(items->item, items->n, sizeof(*items->item), compare_items);
	return err;
}

void items_free(struct items *items)
{
	size_t i;

	for (i = 0; i < items->n; i++) {
		free(items->item[i].name);
		free(items->item[i].text);
	}
	free(items->item);
	memset(items, 0, sizeof(*items));
}

int diff_items(const struct items *from, const struct items *to, struct diff *diff)
{
	size_t a = 0, b = 0;

	memset(diff, 0, sizeof(*diff));
	diff->change = calloc(from->n + to->n + 1, sizeof(*diff->change));
	if (!diff->change)
		return -ENOMEM;
	while (a < from->n || b < to->n) {
		struct difference c = { a < from->n ? &from->item[a] : NULL,
					b < to->n ? &to->item[b] : NULL };
		int order = !c.from ? 1 : !c.to ? -1 : compare_items(c.from, c.to);

		if (order > 0)
			c.from = NULL;
		if (order < 0)
			c.to = NULL;
		a += order <= 0;
		b += order >= 0;
		if (c.from && c.to && !strcmp(c.from->text, c.to->text))
			continue;
		diff->change[diff->n++] = c;
		diff->added += !c.from;
		diff->removed += !c.to;
		diff->changed += c.from && c.to;
	}
	return 0;
}
