/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The identity of a task, and the context of an identity.
 *
 * The identity is taken at exec and handed on at fork (lifecycle.bpf.c). The context is computed
 * from it and the table in force, so a reload need not touch any task.
 */
#ifndef IRQGATE_IDENT_BPF_H
#define IRQGATE_IDENT_BPF_H

#include "maps.bpf.h"

#define IRQGATE_MATCH_FIND(rows, key) bpf_map_lookup_elem(rows, key)
#define IRQGATE_CGROUP_FIND(rows, key) bpf_map_lookup_elem(rows, key)
#define IRQGATE_MATCH_MEANT(m, pid, start) ident_meant((m)->table, pid, start)
/* By value: Linux 6.1 does not look up a key to which a function got a pointer. */
#define IRQGATE_MATCH_MORE(m, id, key)                                                             \
	ident_more(id, (m)->table, (key)->kind, (key)->cgroup, (key)->pid)

SHARED int ident_meant(__u32 table, __u32 pid, __u64 start);
SHARED __u32 ident_more(struct irqgate_ident *id, __u32 table, __u32 kind, __u32 cgroup, __u32 pid);

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
	id->exe_gen = BPF_CORE_READ(exe, i_generation);
	id->ncgroups = 0;
	for (i = 0; i < IRQGATE_IDENT_CGROUPS; i++) {
		if (!cg)
			break;
		id->cgroups[i] = BPF_CORE_READ(cg, kn, id);
		id->ncgroups = i + 1;
		cg = BPF_CORE_READ(cg, self.parent, cgroup);
	}
}

/* A forked task: its pid and start were not set yet in task_alloc. */
static __always_inline void ident_start(struct irqgate_ident *id, struct task_struct *t)
{
	if (id->tgid)
		return;
	id->tgid = BPF_CORE_READ(t, tgid);
	id->start = BPF_CORE_READ(t, group_leader, start_boottime);
}

/*
 * Identity of the current task. NULL only if task storage is exhausted or busy; the caller then
 * treats the task as one without a context.
 */
static __noinline struct irqgate_ident *ident_current(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct irqgate_ident *id = bpf_task_storage_get(&idents, t, NULL, 0);

	if (!id) {
		id = bpf_task_storage_get(&idents, t, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!id)
			return NULL;
		ident_capture(id, t);
	}
	ident_start(id, t);
	return id;
}

/* When the current process started, as in struct irqgate_ident. */
static __always_inline __u64 current_start(void)
{
	struct task_struct *t = bpf_get_current_task_btf();

	return BPF_CORE_READ(t, group_leader, start_boottime);
}

/* The same process and the same program: a program that it executes later is judged for itself. */
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

/* Does the identity belong to a process? One that was never taken matches nothing. */
static __always_inline bool ident_known(struct irqgate_ident *id)
{
	return id && (id->tgid || id->start);
}

/* In the table that the caller found, although another table may be in force by now. */
SHARED int ident_meant(__u32 table, __u32 pid, __u64 start)
{
	__u32 slot = table & 1;
	void *matches = bpf_map_lookup_elem(&table_matches, &slot);

	return matches && irqgate_match_process(matches, pid, start);
}

SHARED __u32 ident_more(struct irqgate_ident *id, __u32 table, __u32 kind, __u32 cgroup, __u32 pid)
{
	struct irqgate_match_key key = {
		.kind = kind, .source = table >> 1, .cgroup = cgroup, .pid = pid
	};
	struct irqgate_state *st = the_state();
	struct irqgate_matching m = {};
	__u32 slot = table & 1;

	m.matches = bpf_map_lookup_elem(&table_matches, &slot);
	if (!id || !st || !m.matches)
		return IRQGATE_GD_NONE;
	m.kinds = slot_defaults(st, slot)->kinds[table >> 1 & 1];
	return irqgate_match_more(&m, id, &key);
}

/* GD of an identity, IRQGATE_GD_NONE: it belongs to no context. */
SHARED __u32 ident_find(struct irqgate_ident *id, __u32 source)
{
	struct irqgate_state *st = the_state();
	struct irqgate_matching m = { .source = source & 1 };
	struct irqgate_match_key key = {};
	__u32 slot;

	if (!st || !ident_known(id))
		return IRQGATE_GD_NONE;
	slot = st->generation & 1;
	m.cgroups = bpf_map_lookup_elem(&table_cgroups, &slot);
	if (!m.cgroups)
		return IRQGATE_GD_NONE;
	m.table = slot | (source & 1) << 1;
	m.kinds = slot_defaults(st, slot)->kinds[source & 1];
	return irqgate_match_ident(&m, id, &key);
}

static __always_inline __u32 ident_gd(struct irqgate_ident *id)
{
	return ident_find(id, 0);
}

/* GD of the context that it may signal as a soft source, IRQGATE_GD_NONE: it is no source. */
static __always_inline __u32 ident_source_gd(struct irqgate_ident *id)
{
	return ident_find(id, 1);
}

/* The account that is charged for rows that a process causes. */
SHARED __u32 account_of(struct irqgate_ident *id)
{
	__u32 gd = ident_gd(id);

	if (gd != IRQGATE_GD_NONE)
		return irqgate_account_context(gd);
	return ident_known(id) ? irqgate_account_uid(id->uid) : IRQGATE_ACCOUNT_UNLISTED;
}

#endif
