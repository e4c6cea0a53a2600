/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Observing hooks in two variants with one body. The trampoline variant
 * (fentry, fexit) is cheaper; the kprobe variant takes its place where a kernel
 * has no trampolines or attaches them without effect (user/hooks.c tells how
 * that is found out). Bodies read kernel memory with BPF_CORE_READ only, so that
 * both verify.
 */
#ifndef IRQGATE_HOOK_BPF_H
#define IRQGATE_HOOK_BPF_H

#include "maps.bpf.h"

/*
 * A pointer argument as a number: a shared function takes no kernel pointers, and
 * the verifier lets no arithmetic pass below their start.
 */
static __always_inline __u64 as_number(const void *ptr)
{
	__u64 n = 0;

	bpf_probe_read_kernel(&n, sizeof(n), &ptr);
	return n;
}

#define HOOK1(name, function, t1, a1)                                                              \
	static __always_inline int do_##name(t1 a1);                                               \
	SEC("fentry/" function) int BPF_PROG(name, t1 a1)                                          \
	{                                                                                          \
		return do_##name(a1);                                                              \
	}                                                                                          \
	SEC("kprobe.multi") int BPF_KPROBE(name##_kp, t1 a1)                                       \
	{                                                                                          \
		return do_##name(a1);                                                              \
	}                                                                                          \
	static __always_inline int do_##name(t1 a1)

#define HOOK2(name, function, t1, a1, t2, a2)                                                      \
	static __always_inline int do_##name(t1 a1, t2 a2);                                        \
	SEC("fentry/" function) int BPF_PROG(name, t1 a1, t2 a2)                                   \
	{                                                                                          \
		return do_##name(a1, a2);                                                          \
	}                                                                                          \
	SEC("kprobe.multi") int BPF_KPROBE(name##_kp, t1 a1, t2 a2)                                \
	{                                                                                          \
		return do_##name(a1, a2);                                                          \
	}                                                                                          \
	static __always_inline int do_##name(t1 a1, t2 a2)

#define HOOK4(name, function, t1, a1, t2, a2, t3, a3, t4, a4)                                      \
	static __always_inline int do_##name(t1 a1, t2 a2, t3 a3, t4 a4);                          \
	SEC("fentry/" function) int BPF_PROG(name, t1 a1, t2 a2, t3 a3, t4 a4)                     \
	{                                                                                          \
		return do_##name(a1, a2, a3, a4);                                                  \
	}                                                                                          \
	SEC("kprobe.multi") int BPF_KPROBE(name##_kp, t1 a1, t2 a2, t3 a3, t4 a4)                  \
	{                                                                                          \
		return do_##name(a1, a2, a3, a4);                                                  \
	}                                                                                          \
	static __always_inline int do_##name(t1 a1, t2 a2, t3 a3, t4 a4)

/*
 * A function's return, with up to three of its arguments. A kprobe at the return
 * does not see them: the entry puts them aside, by task. A task is in one such
 * function at a time.
 */
struct irqgate_call {
	__u64 a, b, c;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct irqgate_call);
} calls SEC(".maps") __weak;

static __always_inline int call_enter3(__u64 a, __u64 b, __u64 c)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct irqgate_call call = { a, b, c };

	bpf_map_update_elem(&calls, &id, &call, BPF_ANY);
	return 0;
}

static __always_inline int call_enter(__u64 a, __u64 b)
{
	return call_enter3(a, b, 0);
}

static __always_inline bool call_exit(struct irqgate_call *call)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct irqgate_call *c = bpf_map_lookup_elem(&calls, &id);

	if (!c)
		return false;
	*call = *c;
	bpf_map_delete_elem(&calls, &id);
	return true;
}

#define HOOK_EXIT_KPROBE(name)                                                                     \
	SEC("kretprobe.multi") int BPF_KRETPROBE(name##_kp)                                        \
	{                                                                                          \
		struct irqgate_call call;                                                          \
                                                                                                   \
		if (!call_exit(&call))                                                             \
			return 0;                                                                  \
		return do_##name(call.a, call.b);                                                  \
	}

#endif
