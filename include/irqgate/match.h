/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Find the row of the table's matches for an identity. BPF, where the rows are a map, and the
 * command, which asks what a table would say, share the code.
 *
 * The includer defines before
 *   IRQGATE_MATCH_FIND(rows, key)	the row of a key of `matches`, or NULL
 *   IRQGATE_CGROUP_FIND(rows, key)	the row of a key of `cgroups`, or NULL
 * and may define these as functions of their own, so that the kernel's verifier walks them once:
 *   IRQGATE_MATCH_MEANT(m, pid, start)	irqgate_match_process()
 *   IRQGATE_MATCH_MORE(m, id, key)	irqgate_match_more()
 */
#ifndef IRQGATE_MATCH_H
#define IRQGATE_MATCH_H

#include <irqgate/binding.h>
#include <irqgate/table.h>

#define IRQGATE_NSEC_PER_TICK 10000000ULL /* USER_HZ is 100 on every architecture that matters */
#define IRQGATE_MATCH_INLINE static inline __attribute__((always_inline))
/*
 * Unroll loops, so they have no counter: Linux 6.1 cannot tell a counter on BPF's stack from its
 * value one turn later, and takes the loop for an endless one.
 */
#ifdef __bpf__
#define IRQGATE_MATCH_UNROLL _Pragma("clang loop unroll(full)")
#else
#define IRQGATE_MATCH_UNROLL
#endif

/* The rows of one table. */
struct irqgate_matching {
	void *matches, *cgroups;
	__u32 source; /* 0 looks for a context, 1 for a soft source */
	__u32 kinds; /* irqgate_defaults.kinds of @source */
	__u32 table; /* in BPF, which has two tables: the slot, and @source << 1 */
};

/* Does a pid of the policy mean the process with this pid and start? */
IRQGATE_MATCH_INLINE int irqgate_match_process(void *matches, __u32 pid, __u64 start)
{
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PROCESS, .pid = pid };
	struct irqgate_match *row = pid ? IRQGATE_MATCH_FIND(matches, &key) : 0;

	return row && row->start == start / IRQGATE_NSEC_PER_TICK;
}

/*
 * irqgate_match_more - find the row with @key and the executable or the user. A row with both
 * comes first, one with neither last.
 *
 * Return: its context, or IRQGATE_GD_NONE if there is no such row. @key becomes the row's
 * key, or stays as it was if there is no row. The functions below do the same.
 */
IRQGATE_MATCH_INLINE __u32 irqgate_match_more(const struct irqgate_matching *m,
					      struct irqgate_ident *id,
					      struct irqgate_match_key *key)
{
	struct irqgate_match *row;
	__u32 kind = key->kind, more;

	IRQGATE_MATCH_UNROLL
	for (more = 4; more-- > 0;) {
		if (!(m->kinds >> (kind | more) & 1))
			continue;
		key->kind = kind | more;
		key->exe_dev = more & IRQGATE_MATCH_EXE ? id->exe_dev : 0;
		key->exe_ino = more & IRQGATE_MATCH_EXE ? id->exe_ino : 0;
		key->uid = more & IRQGATE_MATCH_UID ? id->uid : 0;
		row = IRQGATE_MATCH_FIND(m->matches, key);
		/* File systems reuse the number of an inode, but not its generation. */
		if (row && !(row->exe_gen && id->exe_gen && row->exe_gen != id->exe_gen))
			return row->gd;
	}
	key->kind = kind;
	key->exe_dev = 0;
	key->exe_ino = 0;
	key->uid = 0;
	return IRQGATE_GD_NONE;
}

#ifndef IRQGATE_MATCH_MEANT
#define IRQGATE_MATCH_MEANT(m, pid, start) irqgate_match_process((m)->matches, pid, start)
#endif
#ifndef IRQGATE_MATCH_MORE
#define IRQGATE_MATCH_MORE(m, id, key) irqgate_match_more(m, id, key)
#endif

/* Find the row with @key and more: the deepest cgroup first. */
IRQGATE_MATCH_INLINE __u32 irqgate_match_from(const struct irqgate_matching *m,
					      struct irqgate_ident *id,
					      struct irqgate_match_key *key)
{
	const __u32 cgroups = 0xfu << IRQGATE_MATCH_CGROUP; /* also with exe, uid or both */
	struct irqgate_cgroup_key ckey;
	struct irqgate_cgroup *cg;
	__u32 i, gd;

	for (i = 0; m->kinds & cgroups << key->kind && i < IRQGATE_IDENT_CGROUPS; i++) {
		if (i >= id->ncgroups)
			break;
		ckey.id = id->cgroups[i];
		cg = IRQGATE_CGROUP_FIND(m->cgroups, &ckey);
		if (!cg)
			continue;
		key->kind |= IRQGATE_MATCH_CGROUP;
		key->cgroup = cg->number;
		gd = IRQGATE_MATCH_MORE(m, id, key);
		if (gd != IRQGATE_GD_NONE)
			return gd;
		key->kind &= ~IRQGATE_MATCH_CGROUP;
		key->cgroup = 0;
	}
	return IRQGATE_MATCH_MORE(m, id, key);
}

/* Find the row of a process that a pid of the policy means, or of a descendant of it. */
IRQGATE_MATCH_INLINE __u32 irqgate_match_pid(const struct irqgate_matching *m,
					     struct irqgate_ident *id,
					     struct irqgate_match_key *key, __u32 pid, __u64 start)
{
	if (!(m->kinds >> IRQGATE_MATCH_PID) || !IRQGATE_MATCH_MEANT(m, pid, start))
		return IRQGATE_GD_NONE;
	key->kind = IRQGATE_MATCH_PID;
	key->pid = pid;
	return irqgate_match_from(m, id, key);
}

/*
 * irqgate_match_ident - the context of an identity, by the row that matches it
 *
 * If several rows match, one with a pid precedes one without; then the deeper cgroup decides,
 * then the executable, then the user. @key is zeroes.
 */
IRQGATE_MATCH_INLINE __u32 irqgate_match_ident(const struct irqgate_matching *m,
					       struct irqgate_ident *id,
					       struct irqgate_match_key *key)
{
	__u32 gd;

	key->source = m->source;
	gd = irqgate_match_pid(m, id, key, id->tgid, id->start);
	if (gd == IRQGATE_GD_NONE)
		gd = irqgate_match_pid(m, id, key, id->root, id->root_start);
	if (gd != IRQGATE_GD_NONE)
		return gd;
	key->kind = 0;
	key->pid = 0;
	return irqgate_match_from(m, id, key);
}

#endif
