// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static int add(struct stats *stats, __u64 handle, __u32 vector, const struct irqgate_counters *c)
{
	struct stat_row *grown = stats->row;

	if (!(stats->n & (stats->n - 1)))
		grown = realloc(grown, (stats->n ? 2 * stats->n : 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	stats->row = grown;
	grown += stats->n++;
	memset(grown, 0, sizeof(*grown));
	grown->key.handle = handle;
	grown->key.vector = vector;
	grown->count = *c;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct irqgate_vector_key *x = a, *y = b;

	if (x->handle != y->handle)
		return x->handle < y->handle ? -1 : 1;
	return (x->vector > y->vector) - (x->vector < y->vector);
}

/* Rows of one vector become one. */
static void merge(struct stats *stats)
{
	size_t i, kept = 0;

	if (stats->n)
		qsort(stats->row, stats->n, sizeof(*stats->row), compare);
	for (i = 0; i < stats->n; i++) {
		if (!kept || compare(&stats->row[kept - 1].key, &stats->row[i].key)) {
			stats->row[kept++] = stats->row[i];
			continue;
		}
		counters_add(&stats->row[kept - 1].count, &stats->row[i].count);
		if (stats->row[i].count.reported > stats->row[kept - 1].count.reported)
			stats->row[kept - 1].count.reported = stats->row[i].count.reported;
	}
	stats->n = kept;
}

int stats_read(const struct pins *pins, struct stats *stats)
{
	struct irqgate_vector_key key, *prev = NULL;
	struct irqgate_irq_key ikey, *iprev = NULL;
	struct irqgate_counters c;
	struct irqgate_binding b;
	int err = 0;

	memset(stats, 0, sizeof(*stats));
	for (; !err && !bpf_map_get_next_key(pins->stats, prev, &key); prev = &key)
		if (!bpf_map_lookup_elem(pins->stats, &key, &c))
			err = add(stats, key.handle, key.vector, &c);
	for (; !err && !bpf_map_get_next_key(pins->bindings, iprev, &ikey); iprev = &ikey)
		if (!binding_find(pins, ikey.irq, &b))
			err = add(stats, b.handle, b.vector, &b.count);
	merge(stats);
	return err;
}

void stats_free(struct stats *stats)
{
	free(stats->row);
	memset(stats, 0, sizeof(*stats));
}

const struct irqgate_counters *stats_find(const struct stats *stats, __u64 handle, __u32 vector)
{
	struct irqgate_vector_key key = { .handle = handle, .vector = vector };
	const struct stat_row *row =
		stats->n ? bsearch(&key, stats->row, stats->n, sizeof(*row), compare) : NULL;

	return row ? &row->count : NULL;
}
