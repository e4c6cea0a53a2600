/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks: which BPF programs are attached where, in which variant, and
 * whether they are alive.
 *
 * Programs come in stages. The core stage needs nothing but the kernel; the
 * vfio and kvm stages hook functions of modules and use their types, so they are
 * loaded when the module is there. All stages are the same BPF object, opened
 * with different programs enabled, and share the pinned maps.
 */
#ifndef IRQGATE_USER_HOOKS_H
#define IRQGATE_USER_HOOKS_H

#include <stdbool.h>
#include <linux/types.h>
#include <irqgate/binding.h>

enum stage {
	STAGE_CORE,
	STAGE_VFIO,
	STAGE_KVM,
	STAGE_INLINE,
	STAGES,
};

enum hook_kind {
	HOOK_GATE, /* LSM: can refuse */
	HOOK_TRACE, /* fentry or fexit, with a kprobe variant */
	HOOK_TP, /* a tracepoint: cannot be silent */
	HOOK_ITER, /* run on demand */
	HOOK_CALL, /* run on demand */
};

struct hook {
	const char *name; /* of the program; the kprobe variant adds _kp */
	const char *function; /* kernel function it is attached to */
	enum hook_kind kind;
	enum stage stage;
	const char *pin; /* NULL: link_NAME */
	bool on_return; /* the kprobe variant needs NAME_enter_kp at the entry, too */
	bool ret_only; /* but not where the returned value is all it looks at */
	bool optional; /* not all kernels have it, nor need it */
	const char *sibling; /* the function that others have instead */
	bool reload_on_module; /* of the core, but loaded again with the types of each module */
	bool single; /* counts interrupts: two of it would count each twice */
	bool needs_jit; /* loops by callback, which takes a JIT */
	bool spare; /* silent on stock kernels: the kprobe variant is loaded along */
	bool yields; /* counts what the inline gate, on the same function, counts itself */
	bool by_need; /* a gate that only some tables need; its program is pinned by itself */
	const char *what;
};

extern const struct hook hooks[];
extern const unsigned int nhooks;

enum hook_state {
	HOOK_ABSENT, /* the kernel has no such function, or the module is not loaded */
	HOOK_LIVE, /* attached, and ftrace confirms it */
	HOOK_UNVERIFIED, /* attached, ftrace cannot be asked */
	HOOK_SILENT, /* attached without effect, and no other variant works */
	HOOK_YIELDED, /* detached, because the inline gate does its work */
	HOOK_UNNEEDED, /* loaded, but not attached, because no row of the table needs it */
	HOOK_STATES,
};

extern const char *const hook_states[HOOK_STATES];

struct hook_status {
	enum hook_state state;
	const char *variant; /* "lsm", "fentry", "fexit", "kprobe", "tracepoint", "-" */
	__u64 runs; /* 0 unless kernel.bpf_stats_enabled */
	__u64 missed; /* runs skipped by recursion */
};

/*
 * hooks_load - load and attach one stage, pin it, verify every attach
 * @stage: core must be first
 * @gates: attach the LSM programs; false where the bpf LSM is not enabled
 *
 * Links that an earlier irqgate of the same build left pinned are adopted as they
 * are. A hook that is attached but silent is replaced by its kprobe variant.
 * Return: 0; -EAGAIN: the stage's module is not loaded; -EOPNOTSUPP: it cannot be
 * hooked, which hooks_lack() names; or a negative errno. Then nothing of this stage is
 * attached. Says what is wrong, once for all calls until a module comes or goes.
 */
int hooks_load(enum stage stage, bool gates);

/*
 * hooks_lack - what keeps a stage whose module is there from being hooked
 *
 * A symbol or type that is not there, or programs that hooks_load() found refused. Goes by
 * what kernel_symbols_refresh() read last. Return: NULL: nothing, or there is no such module.
 */
const char *hooks_lack(enum stage stage);

/* hooks_require - that nothing does, of any stage. Return: 0, or a negative errno. Says why. */
int hooks_require(void);

/*
 * hooks_size - how many rows a map gets that is not pinned yet; before hooks_load()
 *
 * Of what is pinned already it stays as it is.
 */
void hooks_size(enum irqgate_room room, __u32 rows);

/* hooks_unload - detach and unpin a stage. */
void hooks_unload(enum stage stage);

/*
 * hooks_yield - detach what has nothing to do while the inline gate is in force
 *
 * A module's ftrace_ops and a trampoline on one function make ftrace ask all of the
 * system's ftrace_ops at each call of it (arch_ftrace_ops_list_func of
 * kernel/trace/ftrace.c). A call that began before the gate was in force must have ended:
 * it would not be counted.
 */
void hooks_yield(void);

/*
 * hooks_resume - attach again what yielded
 *
 * What the gate counted is not counted again as long as it does not go from in force to
 * out of force at once (IRQGATE_INLINE_IDLE).
 * Return: 0 or a negative errno. Says what is wrong.
 */
int hooks_resume(void);

/*
 * hooks_govern - attach the gates that only a table needs which says who may use a device
 * @needed: false: detach them
 *
 * The programs were loaded with their stage, so this takes no more than CAP_BPF. A gate whose
 * module is not loaded is attached when the stage is.
 * Return: 0 or a negative errno. Says what is wrong.
 */
int hooks_govern(bool needed);

/*
 * hooks_replace - programs pinned in @dir are another build's
 *
 * From now on hooks_load() adopts none: PIN_DIR's are replaced one by one, and
 * before a program that counts is attached its forerunner in @dir goes.
 */
void hooks_replace(const char *dir);

/* hooks_stage_loaded - the stage is pinned and attached. */
bool hooks_stage_loaded(enum stage stage);

/* hook_status - look at a pinned hook; works from any irqgate process. */
void hook_status(const struct hook *hook, struct hook_status *status);

/*
 * hooks_open_counters - have hooks_skipped() look at the programs that are pinned now
 *
 * Takes the right to open a program by its id, which the loader gives up later.
 */
void hooks_open_counters(void);

/*
 * hooks_skipped - runs the kernel skipped of the hooks that learn of bindings and VMs
 *
 * The kernel runs a tracing program once at a time on a CPU; with preemption another
 * task's call goes unseen meanwhile (__bpf_prog_enter_recur of kernel/bpf/trampoline.c).
 */
__u64 hooks_skipped(void);

/* hooks_missed - runs of all programs that recursion on a CPU skipped. */
__u64 hooks_missed(void);

/* hooks_btf - BTF of the BPF object; valid after hooks_load(STAGE_CORE). */
const struct btf *hooks_btf(void);

/* hooks_object_btf - BTF of the BPF object before it is loaded; btf__free() it. NULL: errno. */
struct btf *hooks_object_btf(void);

/* hooks_build - identifies the build of the BPF object; goes into state.build. */
__u64 hooks_build(void);

/*
 * hooks_trampolines - does this kernel have what fentry, fexit and LSM programs take?
 *
 * Without a BPF JIT it has not. What observes is then attached as its kprobe variant.
 */
bool hooks_trampolines(void);

/* hooks_verbose - show libbpf's own messages, the verifier's included. */
void hooks_verbose(bool verbose);

#endif
