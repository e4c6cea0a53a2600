// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the table in force first and looks at the system second. So an object that appears between
 * the two is not taken for gone.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/process.h"
#include "table/rows.h"
#include "table/table.h"
#include "table/tidy.h"

/* Rows of objects that are gone. For each row: does any identity still match it? */
struct gone {
	struct rows rows;
	bool *used[IRQGATE_TABLE_MAPS];
};

static void use(struct gone *gone, const struct irqgate_ident *id)
{
	const struct irqgate_match_key *match;
	const struct irqgate_cgroup_key *cg;
	unsigned int level;
	size_t i;

	for (i = 0; i < gone->rows.map[IRQGATE_MAP_CGROUPS].n; i++) {
		cg = rows_key(&gone->rows, IRQGATE_MAP_CGROUPS, i);
		for (level = 0; level < id->ncgroups && level < IRQGATE_IDENT_CGROUPS; level++)
			gone->used[IRQGATE_MAP_CGROUPS][i] |= id->cgroups[level] == cg->id;
	}
	for (i = 0; i < gone->rows.map[IRQGATE_MAP_MATCHES].n; i++) {
		match = rows_key(&gone->rows, IRQGATE_MAP_MATCHES, i);
		gone->used[IRQGATE_MAP_MATCHES][i] |=
			id->exe_dev == match->exe_dev && id->exe_ino == match->exe_ino;
	}
}

struct walk {
	struct gone *gone;
	int idents;
};

static int use_of_process(int pidfd, void *arg)
{
	const struct walk *w = arg;
	struct irqgate_ident id;

	if (!bpf_map_lookup_elem(w->idents, &pidfd, &id))
		use(w->gone, &id);
	return 0;
}

static int use_of_processes(struct gone *gone)
{
	struct walk w = { gone, pins_map("idents", BPF_MAP_TYPE_TASK_STORAGE, sizeof(int),
					 sizeof(struct irqgate_ident)) };
	int err;

	if (w.idents < 0)
		return w.idents;
	err = each_process(use_of_process, &w);
	close(w.idents);
	return err;
}

/* VMs and bindings may outlive the process that made them. */
static int use_of_objects(struct gone *gone, const struct pins *pins)
{
	struct irqgate_ptr_key key, *prev = NULL;
	struct binding_walk w = {};
	struct irqgate_vm vm;
	int more;

	for (; (more = map_next(pins->vms, prev, &key)) > 0; prev = &key)
		if (!bpf_map_lookup_elem(pins->vms, &key, &vm))
			use(gone, &vm.creator);
	if (more < 0)
		return more;
	while ((more = binding_next(pins, &w)) > 0)
		use(gone, &w.b.binder);
	return more;
}

/* Collects rows of one map whose object the system does not have any more. */
static int collect(struct gone *gone, const struct rows *before, const struct rows *now,
		   enum irqgate_table_map which)
{
	const struct irqgate_match_key *match;
	const void *key;
	int err = 0;
	size_t i;

	for (i = 0; i < before->map[which].n && !err; i++) {
		key = match = rows_key(before, which, i);
		/*
		 * Only matches with an executable depend on a path. Rows that `allow` made have
		 * none, and stay.
		 */
		if (which == IRQGATE_MAP_MATCHES &&
		    (match->kind == IRQGATE_MATCH_PROCESS || !(match->kind & IRQGATE_MATCH_EXE)))
			continue;
		if (!rows_find(now, which, key))
			err = rows_add(&gone->rows, which, key, rows_value(before, which, i));
	}
	if (!err) {
		gone->used[which] = calloc(gone->rows.map[which].n + 1, sizeof(bool));
		err = gone->used[which] ? 0 : -ENOMEM;
	}
	return err;
}

static int remove_unused(struct gone *gone, struct pins *pins, enum irqgate_table_map which)
{
	int map = table_map(pins, which), left = 0;
	size_t i;

	if (map < 0)
		return map;
	for (i = 0; i < gone->rows.map[which].n; i++) {
		if (gone->used[which][i])
			left++;
		else
			bpf_map_delete_elem(map, rows_key(&gone->rows, which, i));
	}
	close(map);
	return left;
}

/* Number of a cgroup's rows that stay because an identity still has the removed cgroup. */
static __u32 rows_left(const struct gone *gone, __u32 number)
{
	const struct irqgate_cgroup *row;
	__u32 left = 0;
	size_t i;

	for (i = 0; i < gone->rows.map[IRQGATE_MAP_CGROUPS].n; i++) {
		row = rows_value(&gone->rows, IRQGATE_MAP_CGROUPS, i);
		left += row->number == number && gone->used[IRQGATE_MAP_CGROUPS][i];
	}
	return left;
}

/* Updates the count that IRQGATE_CGROUPS_MADE limits: removed rows may be made again. */
static int count_made(const struct gone *gone, struct pins *pins)
{
	struct rows now = {};
	int map = table_map(pins, IRQGATE_MAP_PATHS);
	int err = map < 0 ? map : table_read_map(pins, &now, IRQGATE_MAP_PATHS);
	struct irqgate_cgroup *row;
	__u32 left;
	size_t i;

	for (i = 0; i < now.map[IRQGATE_MAP_PATHS].n && !err; i++) {
		row = rows_value(&now, IRQGATE_MAP_PATHS, i);
		if (!row->made)
			continue;
		left = rows_left(gone, row->number);
		if (left == row->made)
			continue;
		row->made = left;
		err = bpf_map_update_elem(map, rows_key(&now, IRQGATE_MAP_PATHS, i), row,
					  BPF_EXIST);
	}
	rows_free(&now);
	if (map >= 0)
		close(map);
	return err;
}

static int find_gone(struct gone *gone, struct pins *pins, const struct policy *policy)
{
	struct rows before = {}, now = {};
	int err;

	err = table_read_map(pins, &before, IRQGATE_MAP_MATCHES) ?:
	      table_read_map(pins, &before, IRQGATE_MAP_CGROUPS) ?:
	      rows_of_matches(&now, policy);
	/* An object that could not be checked may still exist. */
	if (!err && !(now.partial >> IRQGATE_MAP_MATCHES & 1))
		err = collect(gone, &before, &now, IRQGATE_MAP_MATCHES);
	if (!err && !(now.partial >> IRQGATE_MAP_CGROUPS & 1))
		err = collect(gone, &before, &now, IRQGATE_MAP_CGROUPS);
	rows_free(&before);
	rows_free(&now);
	return err;
}

static int remove_gone(struct gone *gone, struct pins *pins)
{
	int err, matches, cgroups;

	if (!gone->rows.map[IRQGATE_MAP_MATCHES].n && !gone->rows.map[IRQGATE_MAP_CGROUPS].n)
		return 0;
	err = use_of_processes(gone) ?: use_of_objects(gone, pins);
	if (err)
		return err;
	matches = remove_unused(gone, pins, IRQGATE_MAP_MATCHES);
	cgroups = remove_unused(gone, pins, IRQGATE_MAP_CGROUPS);
	return matches < 0 ? matches : cgroups < 0 ? cgroups : matches + cgroups;
}

int table_tidy(struct pins *pins, const struct policy *policy)
{
	struct gone gone = {};
	int stay = find_gone(&gone, pins, policy), err = 0;

	if (!stay)
		stay = remove_gone(&gone, pins);
	/* Also if nothing is gone: a loader may have been killed between removal and count. */
	if (stay >= 0 && gone.used[IRQGATE_MAP_CGROUPS])
		err = count_made(&gone, pins);
	rows_free(&gone.rows);
	free(gone.used[IRQGATE_MAP_MATCHES]);
	free(gone.used[IRQGATE_MAP_CGROUPS]);
	return err ?: stay;
}
