// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hook.h"
#include "loader/types.h"
#include "table/pins.h"
#include "irqgate.skel.h"

#define ENDBR_LEN 4

static struct irqgate_bpf *core; /* stays open for hooks_btf() */

const struct btf *hooks_btf(void)
{
	return core ? bpf_object__btf(core->obj) : NULL;
}

static const char *kprobe_name(const struct hook *h, bool enter, char buf[64])
{
	snprintf(buf, 64, "%s%s_kp", h->name, enter ? "_enter" : "");
	return buf;
}

/* Does the kprobe variant use arguments at the return, which a probe at the entry saves? */
static bool needs_enter(const struct hook *h)
{
	return h->on_return && !h->ret_only;
}

/* Accepts the kprobe variant of the hook @arg. */
static bool want_kprobe(const struct hook *h, const char *prog, void *arg)
{
	char name[64];

	if (h != arg)
		return false;
	return !strcmp(prog, kprobe_name(h, false, name)) ||
	       (needs_enter(h) && !strcmp(prog, kprobe_name(h, true, name)));
}

static struct bpf_link *attach_kprobe(struct irqgate_bpf *skel, const struct hook *h, bool enter)
{
	LIBBPF_OPTS(bpf_kprobe_multi_opts, opts, .cnt = 1);
	unsigned long addr = kernel_symbol(h->function);
	struct bpf_link *link = NULL;
	struct bpf_program *prog;
	char name[64];

	prog = bpf_object__find_program_by_name(skel->obj, kprobe_name(h, enter, name));
	if (!prog || !addr) {
		errno = ENOENT;
		return NULL;
	}
	opts.addrs = &addr;
	opts.retprobe = h->on_return && !enter;
#ifdef __x86_64__
	/*
	 * With IBT (ibt_save() is there only then) ftrace attaches behind the ENDBR, which a
	 * function has whose address is taken. At another address a probe could attach and never
	 * run.
	 */
	if (h->spare && kernel_symbol("ibt_save")) {
		addr += ENDBR_LEN;
		link = bpf_program__attach_kprobe_multi_opts(prog, NULL, &opts);
	}
#endif
	/* Otherwise ask the kernel: its list of 50,000 functions takes long to read. */
	if (!link) {
		addr = hook_ftrace_address(h->function);
		link = bpf_program__attach_kprobe_multi_opts(prog, NULL, &opts);
	}
	return link;
}

/* Attach and pin the kprobe variant of a hook. @skel: has it loaded. */
static int pin_kprobe(struct irqgate_bpf *skel, const struct hook *h)
{
	struct bpf_link *enter = NULL, *link = NULL;
	char pin[64];
	int err = -EIO;

	if (needs_enter(h)) {
		enter = attach_kprobe(skel, h, true);
		if (!enter)
			goto out;
	}
	link = attach_kprobe(skel, h, false);
	if (!link)
		goto out;
	errno = -hook_check_called(hook_kprobe_state(h->function));
	if (errno)
		goto out;
	err = hook_pin_link(link, hook_pin(h, KPROBE, pin));
	if (!err && enter)
		err = hook_pin_link(enter, hook_pin(h, KPROBE_ENTER, pin));
	hook_unpin_variant(PIN_DIR, h, PLAIN);
out:
	if (err == -EIO)
		err = fail(-errno, "%s: neither a trampoline nor a kprobe works: %s", h->function,
			   strerror(errno));
	if (err)
		hook_unpin(PIN_DIR, h);
	bpf_link__destroy(enter);
	bpf_link__destroy(link);
	return err;
}

/*
 * Replace a silent trampoline, or one the kernel refused, by the kprobe variant.
 * @loaded: the object with the trampoline's program; has the kprobe variant of a spare hook
 */
static int use_kprobe(struct irqgate_bpf *loaded, const struct hook *h)
{
	struct irqgate_bpf *skel;
	int err;

	if (h->spare)
		return pin_kprobe(loaded, h);
	skel = hook_object_open(want_kprobe, (void *)h);
	if (!skel)
		return fail(-errno, "%s: the kprobe variant does not load: %s", h->function,
			    strerror(errno));
	err = pin_kprobe(skel, h);
	irqgate_bpf__destroy(skel);
	return err;
}

/*
 * The kernel finds a trampoline's function by its BTF name, which is the name in the source.
 * If the compiler renamed the function, only a kprobe can be attached, by address.
 */
static bool no_trampoline(const struct hook *h)
{
	const struct symbol *s = kernel_symbol_found(h->function);

	return !hooks_trampolines() || (s && s->match == SYMBOL_RENAMED);
}

struct stage_want {
	unsigned int stages; /* a set */
	bool gates;
};

#define MODULE_STAGES (1u << STAGE_VFIO | 1u << STAGE_KVM)

/* Are these stages loaded with this hook? The core's gate_ioctl is loaded with each module. */
static bool of_stages(const struct hook *h, unsigned int stages)
{
	return stages >> h->stage & 1 || (h->reload_on_module && stages & MODULE_STAGES);
}

/*
 * Accepts the programs of some stages whose functions the kernel has. Tracing programs are
 * kprobes if the kernel has no trampolines.
 */
static bool want_stage(const struct hook *h, const char *prog, void *arg)
{
	const struct stage_want *w = arg;

	if (!of_stages(h, w->stages))
		return false;
	if (hook_adoptable(h) && !(h->reload_on_module && w->stages & MODULE_STAGES))
		return false;
	if (!hooks_trampolines() && h->needs_jit)
		return false;
	if (h->kind == HOOK_TRACE && no_trampoline(h))
		return kernel_symbol(h->function) && want_kprobe(h, prog, (void *)h);
	if (h->spare && kernel_symbol(h->function) && want_kprobe(h, prog, (void *)h))
		return true;
	if (strcmp(prog, h->name))
		return false;
	if (h->kind == HOOK_GATE)
		return w->gates && (!h->optional || kernel_symbol(h->function));
	return h->kind != HOOK_TRACE || kernel_symbol(h->function);
}

void hooks_unload(enum stage stage)
{
	unsigned int i;

	for (i = 0; i < nhooks; i++)
		if (hooks[i].stage == stage)
			hook_unpin(PIN_DIR, &hooks[i]);
}

/* Attach a gate by its pinned program, beside or instead of an older one that is attached. */
static int attach_pinned(const struct hook *h)
{
	char pin[64], link_pin[64], path[PIN_LEN], fresh[PIN_LEN + 8];
	int prog = bpf_obj_get(pin_path(path, hook_pin(h, PLAIN, pin))), link, err;

	if (prog < 0)
		return prog == -ENOENT ? 0
				       : fail(prog, "%s: cannot open: %s", path, strerror(-prog));
	link = bpf_link_create(prog, 0, BPF_LSM_MAC, NULL);
	err = link < 0 ? link : 0;
	if (err)
		fail(err, "cannot attach %s to %s: %s", h->name, h->function, strerror(-err));
	if (!err) {
		err = hook_check_called(hook_trampoline_state(prog));
		if (err)
			hook_fail_called(err, h->name, h->function);
	}
	/* By a rename, so that a process that dies here leaves the older one attached. */
	if (!err) {
		pin_path(path, hook_link(h, link_pin));
		snprintf(fresh, sizeof(fresh), "%s_new", path);
		unlink(fresh);
		err = bpf_obj_pin(link, fresh) ?: rename(fresh, path) ? -errno : 0;
		if (err)
			fail(err, "%s: cannot pin: %s", path, strerror(-err));
	}
	if (link >= 0)
		close(link);
	close(prog);
	return err;
}

int hooks_govern(bool needed)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nhooks && !err; i++) {
		if (!hooks[i].by_need)
			continue;
		if (!needed)
			hook_unpin_link(PIN_DIR, &hooks[i]);
		else if (!hook_attached(&hooks[i]))
			err = attach_pinned(&hooks[i]);
	}
	return err;
}

static int pin_program(struct bpf_program *prog, const struct hook *h)
{
	char pin[64], path[PIN_LEN];
	int err;

	unlink(pin_path(path, hook_pin(h, PLAIN, pin)));
	err = bpf_program__pin(prog, pin_path(path, hook_pin(h, PLAIN, pin)));
	return err ? fail(err, "%s: cannot pin: %s", path, strerror(-err)) : 0;
}

static int attach_hook(struct irqgate_bpf *skel, const struct hook *h)
{
	bool kprobe = h->kind == HOOK_TRACE && no_trampoline(h);
	struct bpf_program *prog;
	struct bpf_link *link;
	char name[64], pin[64];
	enum variant v;
	int err;

	prog = bpf_object__find_program_by_name(skel->obj,
						kprobe ? kprobe_name(h, false, name) : h->name);
	if (!prog || !bpf_program__autoload(prog))
		return 0;
	for (v = PLAIN; hook_replaced && h->single && v < VARIANTS; v++)
		hook_detach(hook_replaced, h, v);
	if (kprobe)
		return pin_kprobe(skel, h);
	if (h->kind == HOOK_CALL || h->by_need) {
		err = pin_program(prog, h);
		/* Another build's program may be attached. */
		return !err && h->by_need && hook_attached(h) ? attach_pinned(h) : err;
	}
	link = bpf_program__attach(prog);
	if (!link && h->kind == HOOK_TRACE)
		return use_kprobe(skel, h);
	if (!link)
		return fail(-errno, "cannot attach %s to %s: %s", h->name, h->function,
			    strerror(errno));
	err = h->kind == HOOK_TRACE || h->kind == HOOK_GATE
		      ? hook_check_called(hook_trampoline_state(bpf_program__fd(prog)))
		      : 0;
	if (err) {
		bpf_link__destroy(link);
		if (err == -ENOTSUP && h->kind == HOOK_TRACE)
			return use_kprobe(skel, h);
		return hook_fail_called(err, h->name, h->function);
	}
	err = hook_pin_link(link, hook_pin(h, PLAIN, pin));
	bpf_link__destroy(link);
	hook_unpin_variant(PIN_DIR, h, KPROBE);
	hook_unpin_variant(PIN_DIR, h, KPROBE_ENTER);
	return err;
}

/* Stages whose programs are loaded in `core` and not attached yet. */
static unsigned int together;
static unsigned int together_reading; /* of kallsyms, whose addresses these programs have */

/*
 * Open the core together with the stages of the modules that are loaded. Each open of the object
 * costs a good part of a start, and gate_ioctl must be loaded again for a module that comes later.
 */
static struct irqgate_bpf *open_core(bool gates)
{
	struct stage_want want = { 1u << STAGE_CORE, gates };
	struct irqgate_bpf *skel;
	enum stage stage;

	for (stage = STAGE_VFIO; stage <= STAGE_KVM; stage++)
		if (stage_hookable(stage) && (!hooks_stage_loaded(stage) || hook_replaced))
			want.stages |= 1u << stage;
	skel = hook_object_open(want_stage, &want);
	/* Load each stage by itself, so that the error names the stage that the kernel refuses. */
	if (!skel && want.stages & MODULE_STAGES && hook_is_refusal(errno)) {
		want.stages = 1u << STAGE_CORE;
		skel = hook_object_open(want_stage, &want);
	}
	together = skel ? want.stages : 0;
	together_reading = kernel_symbols_reading();
	return skel;
}

static int attach_stage(struct irqgate_bpf *skel, enum stage stage, bool own)
{
	static const char *const redirected[] = { "vfio_msihandler", "eventfd_signal_mask" };
	unsigned int i;
	int err = 0;

	for (i = 0; i < nhooks && !err; i++)
		if (hooks[i].stage == stage || (own && of_stages(&hooks[i], 1u << stage)))
			err = attach_hook(skel, &hooks[i]);
	/* The module redirects these functions: ftrace must have the flag I (IPMODIFY) on them. */
	for (i = 0; i < ARRAY_SIZE(redirected) && !err && stage == STAGE_INLINE; i++) {
		err = hook_check_called(hook_function_state(redirected[i], " I "));
		if (err)
			hook_fail_called(err, "irqgate_hook", redirected[i]);
	}
	if (err && !hook_replaced)
		hooks_unload(stage);
	return err ? stage_refused(stage, err) : 0;
}

/* A pinned link keeps its program. A descriptor would also keep the module loaded. */
static void close_programs(struct irqgate_bpf *skel, enum stage stage)
{
	struct bpf_program *prog;
	unsigned int i;

	bpf_object__for_each_program(prog, skel->obj)
		for (i = 0; i < nhooks; i++)
			if (hooks[i].stage == stage &&
			    !strncmp(bpf_program__name(prog), hooks[i].name, strlen(hooks[i].name)))
				bpf_program__unload(prog);
}

/* This stage's programs in `core` are attached, or of no use. */
static void leave_core(enum stage stage)
{
	if (together >> stage & 1)
		close_programs(core, stage);
	together &= ~(1u << stage);
}

/* Is this stage to be loaded? Return: 0 or the error of hooks_load(). */
static int check_stage(enum stage stage)
{
	int err = kernel_symbols_refresh();

	if (err)
		return err;
	if (!stage_present(stage))
		return -EAGAIN;
	/* The core's other programs work without what it lacks. */
	return hooks_lack(stage) && stage != STAGE_CORE ? -EOPNOTSUPP : 0;
}

int hooks_load(enum stage stage, bool gates)
{
	struct stage_want want = { 1u << stage, gates };
	struct irqgate_bpf *skel = NULL;
	int err;

	if (stage == STAGE_CORE) {
		if (mkdir(PIN_DIR, 0700) && errno != EEXIST)
			return fail(-errno, PIN_DIR ": cannot create: %s", strerror(errno));
		err = pins_trusted(PIN_DIR);
		if (err)
			return err;
	}
	err = check_stage(stage);
	/* If modules came or went, the programs may compare with addresses of one that is gone. */
	if (err || together_reading != kernel_symbols_reading())
		leave_core(stage);
	if (err)
		return err;
	if (stage == STAGE_CORE)
		skel = core = open_core(gates);
	else
		skel = together >> stage & 1 ? core : hook_object_open(want_stage, &want);
	if (!skel) {
		err = -errno;
		fail(err, "the kernel refuses the %s programs: %s; -v shows its reasons",
		     stages[stage].name, strerror(-err));
		return stage_refused(stage, err);
	}
	err = attach_stage(skel, stage, skel != core);
	if (skel == core)
		leave_core(stage);
	else
		irqgate_bpf__destroy(skel);
	/* This stage comes alone. After the others stages_load() forgets. */
	if (stage == STAGE_INLINE)
		types_forget();
	return err;
}

void hooks_yield(void)
{
	unsigned int i;

	/* hooks_resume() attaches trampolines only. */
	for (i = 0; i < nhooks; i++)
		if (hooks[i].yields && !no_trampoline(&hooks[i]))
			hook_unpin(PIN_DIR, &hooks[i]);
}

static bool yielded(const struct hook *h)
{
	return h->yields && hooks_stage_loaded(h->stage) && !hook_pinned(h) &&
	       kernel_symbol(h->function);
}

static bool want_yielded(const struct hook *h, const char *prog, void *arg)
{
	return h == arg && !strcmp(prog, h->name);
}

int hooks_resume(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nhooks && !err; i++) {
		struct irqgate_bpf *skel;

		if (!yielded(&hooks[i]))
			continue;
		skel = hook_object_open(want_yielded, (void *)&hooks[i]);
		if (!skel) {
			err = fail(-errno, "%s does not load again: %s", hooks[i].name,
				   strerror(errno));
			break;
		}
		err = attach_hook(skel, &hooks[i]);
		irqgate_bpf__destroy(skel);
	}
	types_forget();
	return err;
}
