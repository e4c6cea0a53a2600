/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which row of the table's matches an identity has: the same code in BPF, where
 * the rows are a map, and in the command, which asks what a table would say.
 *
 * Whoever includes this defines before
 *   IRQGATE_MATCH_FIND(rows, key)	the row of a key, or NULL
 *   IRQGATE_MATCH_TAKE(row, ticks)	a pid's row that waited for a process gets it
 */
#ifndef IRQGATE_MATCH_H
#define IRQGATE_MATCH_H

#include <irqgate/binding.h>
#include <irqgate/table.h>

#define IRQGATE_NSEC_PER_TICK 10000000ULL /* USER_HZ is 100 on every architecture that matters */
#define IRQGATE_MATCH_INLINE static inline __attribute__((always_inline))

/* Row that names pid @tgid, if it was this process that was meant. */
IRQGATE_MATCH_INLINE struct irqgate_match *irqgate_match_pid(void *rows, __u32 source, __u32 tgid,
							     __u64 start)
{
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PID, .source = source, .a = tgid };
	struct irqgate_match *row = IRQGATE_MATCH_FIND(rows, &key);
	__u64 ticks = start / IRQGATE_NSEC_PER_TICK;

	if (!row)
		return 0;
	/* The row waited for the process to appear: the first one takes it. */
	if (!row->start)
		IRQGATE_MATCH_TAKE(row, ticks);
	return row->start == ticks ? row : 0;
}

/* The row that names the forebear: that process, whoever has its pid now. */
IRQGATE_MATCH_INLINE struct irqgate_match *irqgate_match_root(void *rows, __u32 source,
							      struct irqgate_ident *id)
{
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PID,
					 .source = source,
					 .a = id->root };
	struct irqgate_match *row = id->root ? IRQGATE_MATCH_FIND(rows, &key) : 0;

	return row && row->start == id->root_start / IRQGATE_NSEC_PER_TICK ? row : 0;
}

/*
 * The row that matches an identity: the most specific kind first, the deepest
 * cgroup first. @source: 0 looks for a context, 1 for a soft source.
 */
IRQGATE_MATCH_INLINE struct irqgate_match *irqgate_match_ident(void *rows, struct irqgate_ident *id,
							       __u32 source)
{
	struct irqgate_match_key key = { .source = source };
	struct irqgate_match *row;
	__u32 i;

	row = irqgate_match_pid(rows, source, id->tgid, id->start);
	if (row)
		return row;
	row = irqgate_match_root(rows, source, id);
	if (row)
		return row;
	key.kind = IRQGATE_MATCH_CGROUP;
	for (i = 0; i < IRQGATE_IDENT_CGROUPS; i++) {
		if (i >= id->ncgroups)
			break;
		key.a = id->cgroups[i];
		row = IRQGATE_MATCH_FIND(rows, &key);
		if (row)
			return row;
	}
	key.kind = IRQGATE_MATCH_EXE;
	key.a = id->exe_dev;
	key.b = id->exe_ino;
	row = IRQGATE_MATCH_FIND(rows, &key);
	if (row)
		return row;
	key.kind = IRQGATE_MATCH_UID;
	key.a = id->uid;
	key.b = 0;
	return IRQGATE_MATCH_FIND(rows, &key);
}

#endif
