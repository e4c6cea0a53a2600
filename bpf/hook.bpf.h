/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Observing hooks in two variants with one body. The trampoline variant (fentry, fexit) is
 * cheaper. The kprobe variant replaces it where a kernel has no trampolines or attaches them
 * without effect; user/loader/hooks.c finds that out. Bodies read kernel memory only with
 * BPF_CORE_READ, so that both variants verify.
 */
#ifndef IRQGATE_HOOK_BPF_H
#define IRQGATE_HOOK_BPF_H

#include "maps.bpf.h"

/*
 * A pointer argument as a number: a shared function takes no kernel pointers, and the verifier
 * refuses arithmetic that goes below the start of one.
 */
static __always_inline __u64 as_number(const void *ptr)
{
	__u64 n = 0;

	bpf_probe_read_kernel(&n, sizeof(n), &ptr);
	return n;
}

/*
 * HOOK - a hook at the entry of a kernel function, and its kprobe twin
 * @args: the function's first arguments, each with its type, as BPF_PROG() takes them
 *
 * The block behind it is the body of both.
 */
/* clang-format off */
#define HOOK(name, function, args...)                                                              \
	static __always_inline int do_##name(void *ctx, ##args);                                   \
	_Pragma("GCC diagnostic push")                                                             \
	_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                                     \
	SEC("fentry/" function) int name(unsigned long long *ctx)                                  \
	{                                                                                          \
		return do_##name(___bpf_ctx_cast(args));                                           \
	}                                                                                          \
	SEC("kprobe.multi") int name##_kp(struct pt_regs *ctx)                                     \
	{                                                                                          \
		return do_##name(___bpf_kprobe_args(args));                                        \
	}                                                                                          \
	_Pragma("GCC diagnostic pop")                                                              \
	static __always_inline int do_##name(void *ctx, ##args)
/* clang-format on */

/*
 * The arguments of a function, up to three, for the hook at its return. A kretprobe does not see
 * them, so the probe at the entry saves them by task. A task is in one such function at a time.
 */
struct irqgate_call {
	__u64 a, b, c;
	__u64 entered;
};

/* Task storage: other tasks cannot fill it, and it ends with the task. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct irqgate_call);
} calls SEC(".maps") __weak;

static __always_inline struct irqgate_call *current_call(__u64 flags)
{
	return bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL, flags);
}

static __always_inline int call_enter3(__u64 a, __u64 b, __u64 c)
{
	struct irqgate_call *call = current_call(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!call) {
		overflowed();
		return 0;
	}
	call->a = a;
	call->b = b;
	call->c = c;
	call->entered = 1;
	return 0;
}

static __always_inline int call_enter(__u64 a, __u64 b)
{
	return call_enter3(a, b, 0);
}

static __always_inline bool call_exit(struct irqgate_call *call)
{
	struct irqgate_call *c = current_call(0);

	if (!c || !c->entered)
		return false;
	*call = *c;
	c->entered = 0;
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
