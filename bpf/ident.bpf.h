/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who a task is, and which context that makes it.
 *
 * The identity is captured at exec and handed on at fork (lifecycle.bpf.c); the
 * context is computed from it and the table in force, so a reload needs to
 * touch no task.
 */
#ifndef IRQGATE_IDENT_BPF_H
#define IRQGATE_IDENT_BPF_H

#include "maps.bpf.h"

#define IRQGATE_MATCH_FIND(rows, key) bpf_map_lookup_elem(rows, key)
#define IRQGATE_MATCH_TAKE(row, ticks) __sync_val_compare_and_swap(&(row)->start, 0, ticks)
#include <irqgate/match.h>

static __always_inline void ident_capture(struct irqgate_ident *id, struct task_struct *t)
{
	struct task_struct *leader = BPF_CORE_READ(t, group_leader);
	struct inode *exe = BPF_CORE_READ(t, mm, exe_file, f_inode);
	struct cgroup *cg = BPF_CORE_READ(t, cgroups, dfl_cgrp);
	int i;

	id->start = BPF_CORE_READ(leader, start_boottime);
	id->exec = BPF_CORE_READ(t, self_exec_id);
	id->tgid = BPF_CORE_READ(t, tgid);
	id->uid = BPF_CORE_READ(t, cred, uid.val);
	id->exe_ino = BPF_CORE_READ(exe, i_ino);
	id->exe_dev = BPF_CORE_READ(exe, i_sb, s_dev);
	id->ncgroups = 0;
	for (i = 0; i < IRQGATE_IDENT_CGROUPS; i++) {
		if (!cg)
			break;
		id->cgroups[i] = BPF_CORE_READ(cg, kn, id);
		id->ncgroups = i + 1;
		cg = BPF_CORE_READ(cg, self.parent, cgroup);
	}
}

/*
 * Identity of the current task. NULL only when task storage is exhausted or
 * busy; the caller then treats the task as of no known context.
 */
static __always_inline struct irqgate_ident *ident_current(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct irqgate_ident *id = bpf_task_storage_get(&idents, t, NULL, 0);

	if (!id) {
		id = bpf_task_storage_get(&idents, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!id)
			return NULL;
		ident_capture(id, t);
	}
	if (!id->tgid) { /* forked: pid and start were not set yet in task_alloc */
		id->tgid = BPF_CORE_READ(t, tgid);
		id->start = BPF_CORE_READ(t, group_leader, start_boottime);
	}
	return id;
}

/* And the same program: what it executes next has to answer for itself. */
static __always_inline bool same_process(struct irqgate_ident *a, struct irqgate_ident *b)
{
	return a && a->tgid == b->tgid && a->start == b->start && a->exec == b->exec;
}

static __always_inline void *table_map(void *outer)
{
	struct irqgate_state *st = the_state();
	__u32 slot = st ? st->generation & 1 : 0;

	return bpf_map_lookup_elem(outer, &slot);
}

static __always_inline struct irqgate_match *ident_row(struct irqgate_ident *id, __u32 source)
{
	void *rows = id ? table_map(&table_matches) : NULL;

	return rows ? irqgate_match_ident(rows, id, source) : NULL;
}

/* Is it somebody's at all? One that was never captured matches nothing. */
static __always_inline bool ident_known(struct irqgate_ident *id)
{
	return id && (id->tgid || id->start);
}

/* GD of an identity, IRQGATE_GD_NONE when no context claims it. */
SHARED __u32 ident_gd(struct irqgate_ident *id)
{
	struct irqgate_match *row = ident_known(id) ? ident_row(id, 0) : NULL;

	return row ? row->gd : IRQGATE_GD_NONE;
}

#endif
