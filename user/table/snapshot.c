// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "table/snapshot.h"
#include "table/table.h"

#define MOVE_MS 50 /* longest wait for a move of counters */

/* The context that the table registers the vector for. */
static __u32 registered_gd(int devices, int vectors, const struct snapshot_row *row)
{
	struct irqgate_vector_key vkey = { .handle = row->handle, .vector = row->vector };
	struct irqgate_device_key dkey = { .handle = row->handle };
	struct irqgate_registration reg;
	struct irqgate_vector_auth vec;

	if (!bpf_map_lookup_elem(vectors, &vkey, &vec))
		return vec.gd;
	if (!bpf_map_lookup_elem(devices, &dkey, &reg) && (reg.flags & IRQGATE_REG_ALL_VECTORS))
		return reg.gd;
	return IRQGATE_GD_NONE;
}

static struct snapshot_row *add_row(struct snapshot *snap, __u64 handle, __u32 vector)
{
	struct snapshot_row *row = ARRAY_MORE(snap->row, snap->n);

	if (!row)
		return NULL;
	snap->n++;
	memset(row, 0, sizeof(*row));
	row->handle = handle;
	row->vector = vector;
	return row;
}

static int read_stats(const struct pins *pins, struct snapshot *snap)
{
	struct irqgate_vector_key key, *prev = NULL;
	struct irqgate_counters count;
	struct snapshot_row *row;
	int more;

	for (; (more = map_next(pins->stats, prev, &key)) > 0; prev = &key) {
		if (bpf_map_lookup_elem(pins->stats, &key, &count))
			continue;
		row = add_row(snap, key.handle, key.vector);
		if (!row)
			return -ENOMEM;
		row->count = count;
	}
	return more;
}

static int read_bindings(const struct pins *pins, struct snapshot *snap)
{
	struct binding_walk w = {};
	struct snapshot_row *row;
	int more;

	while ((more = binding_next(pins, &w)) > 0) {
		row = add_row(snap, w.b.handle, w.b.vector);
		if (!row)
			return -ENOMEM;
		row->count = w.b.count;
		row->bound = true;
		row->binding = w.b;
	}
	return more;
}

int snapshot_order(const void *a, const void *b)
{
	const struct snapshot_row *x = a, *y = b;

	return order_of_vectors(x->handle, x->vector, y->handle, y->vector);
}

/*
 * Merges the rows of a vector: the counters of ended bindings, and the live binding. A walk over a
 * map that changes may return an element twice, so a second row of the same kind is skipped.
 */
static void merge(struct snapshot *snap)
{
	bool ended = false, live = false;
	size_t i, n = 0;

	if (snap->n)
		qsort(snap->row, snap->n, sizeof(*snap->row), snapshot_order);
	for (i = 0; i < snap->n; i++) {
		struct snapshot_row *row = &snap->row[i], *last = n ? &snap->row[n - 1] : NULL;

		if (!last || snapshot_order(last, row)) {
			ended = !row->bound;
			live = row->bound;
			snap->row[n++] = *row;
		} else if (row->bound ? !live : !ended) {
			counters_add(&last->count, &row->count);
			ended |= !row->bound;
			live |= row->bound;
			if (row->bound)
				last->binding = row->binding;
			last->bound = live;
		}
	}
	snap->n = n;
}

/*
 * Read both maps while the loader moves no counters from one to the other. If a loader was killed
 * in such a move, .moves stays odd until the next loader starts: then the last reading counts.
 */
static int read_all(const struct pins *pins, struct snapshot *snap)
{
	const __u32 *moves = &pins->state->moves;
	unsigned int tries = 0;
	__u32 before;
	int err;

	memset(snap, 0, sizeof(*snap));
	do {
		snapshot_free(snap);
		before = __atomic_load_n(moves, __ATOMIC_SEQ_CST);
		while (before & 1 && tries++ < MOVE_MS) {
			usleep(1000);
			before = __atomic_load_n(moves, __ATOMIC_SEQ_CST);
		}
		err = read_stats(pins, snap) ?: read_bindings(pins, snap);
	} while (!err && tries++ < MOVE_MS && before != __atomic_load_n(moves, __ATOMIC_SEQ_CST));
	if (err)
		snapshot_free(snap);
	return err;
}

int snapshot_take(const struct pins *pins, struct snapshot *snap)
{
	int devices = table_map(pins, IRQGATE_MAP_DEVICES);
	int vectors = table_map(pins, IRQGATE_MAP_VECTORS);
	size_t i;
	int err = read_all(pins, snap);

	merge(snap);
	for (i = 0; i < snap->n; i++)
		snap->row[i].owner = registered_gd(devices, vectors, &snap->row[i]);
	if (devices >= 0)
		close(devices);
	if (vectors >= 0)
		close(vectors);
	return err;
}

void snapshot_free(struct snapshot *snap)
{
	free(snap->row);
	memset(snap, 0, sizeof(*snap));
}

/* ---- listeners ------------------------------------------------------------------ */

static int listener_order(const void *a, const void *b)
{
	const struct irqgate_irqfd *x = a, *y = b;

	return order_of(x->eventfd, y->eventfd) ?: order_of(x->vm, y->vm) ?: order_of(x->gsi, y->gsi);
}

int listeners_read(const struct pins *pins, struct listeners *l)
{
	struct irqgate_ptr_key key, *prev = NULL;
	struct irqgate_irqfd *irqfd;
	int more = 0;

	memset(l, 0, sizeof(*l));
	for (; pins->irqfds >= 0 && (more = map_next(pins->irqfds, prev, &key)) > 0; prev = &key) {
		irqfd = ARRAY_MORE(l->irqfd, l->n);
		if (!irqfd) {
			more = -ENOMEM;
			break;
		}
		l->n += !bpf_map_lookup_elem(pins->irqfds, &key, irqfd);
	}
	if (more < 0)
		listeners_free(l);
	else if (l->n)
		qsort(l->irqfd, l->n, sizeof(*l->irqfd), listener_order);
	return more;
}

void listeners_free(struct listeners *l)
{
	free(l->irqfd);
	memset(l, 0, sizeof(*l));
}

const struct irqgate_irqfd *listeners_of(const struct listeners *l, __u64 eventfd, size_t *n)
{
	size_t low = 0, high = l->n, end;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->irqfd[mid].eventfd < eventfd)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < l->n && l->irqfd[end].eventfd == eventfd; end++)
		;
	*n = end - low;
	return *n ? &l->irqfd[low] : NULL;
}

long listeners_gsi(const struct pins *pins, __u64 eventfd, __u64 vm)
{
	static struct listeners known;
	static __u64 epoch; /* of state, + 1; 0: not read yet */
	const struct irqgate_irqfd *first;
	__u64 now = *(volatile __u64 *)&pins->state->epoch + 1;
	long gsi = -1;
	size_t n, i;

	if (now != epoch) {
		listeners_free(&known);
		epoch = listeners_read(pins, &known) ? 0 : now;
	}
	first = eventfd ? listeners_of(&known, eventfd, &n) : NULL;
	for (i = 0; first && i < n; i++) {
		if (vm && first[i].vm != vm)
			continue;
		if (gsi >= 0)
			return -1;
		gsi = first[i].gsi;
	}
	return gsi;
}
