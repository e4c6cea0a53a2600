// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/process.h"
#include "table/census.h"

static struct census_row *find(const struct census *c, __u32 gd)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->row[i].gd == gd)
			return &c->row[i];
	return NULL;
}

const struct census_row *census_of(const struct census *census, __u32 gd)
{
	return find(census, gd);
}

struct count {
	const struct rows *rows;
	struct census *out;
	int idents;
};

static int count_process(int pidfd, void *arg)
{
	const struct count *c = arg;
	struct irqgate_ident ident;
	struct census_row *row;

	row = bpf_map_lookup_elem(c->idents, &pidfd, &ident)
		      ? NULL
		      : find(c->out, rows_gd(c->rows, &ident));
	if (row)
		row->processes++;
	return 0;
}

static int count_processes(const struct rows *rows, struct census *out)
{
	struct count c = { rows, out, bpf_obj_get(PIN_DIR "/idents") };
	int err = c.idents < 0 ? c.idents : each_process(count_process, &c);

	if (c.idents >= 0)
		close(c.idents);
	return err;
}

static int count_vms(const struct pins *pins, const struct rows *rows, struct census *out)
{
	struct irqgate_ptr_key key, *prev = NULL;
	struct census_row *row;
	struct irqgate_vm vm;
	int more;

	for (; (more = map_next(pins->vms, prev, &key)) > 0; prev = &key) {
		row = bpf_map_lookup_elem(pins->vms, &key, &vm)
			      ? NULL
			      : find(out, rows_gd(rows, &vm.creator));
		if (row)
			row->vms++;
	}
	return more;
}

int census_take(const struct pins *pins, const struct rows *rows, struct census *out)
{
	const struct row_set *contexts = &rows->map[IRQGATE_MAP_CONTEXTS];
	const struct irqgate_context_key *key;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->row = calloc(contexts->n + 1, sizeof(*out->row));
	if (!out->row)
		return -ENOMEM;
	for (i = 0; i < contexts->n; i++) {
		key = rows_key(rows, IRQGATE_MAP_CONTEXTS, i);
		out->row[out->n++].gd = key->gd;
	}
	return count_processes(rows, out) ?: count_vms(pins, rows, out);
}

void census_free(struct census *census)
{
	free(census->row);
	memset(census, 0, sizeof(*census));
}
