// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <irqgate/hash.h>
#include "hooks.h"
#include "pins.h"
#include "util.h"
#include "irqgate.skel.h"

#define TRACEFS "/sys/kernel/tracing"
#define VERIFIER_LOG 65536
#define VERIFIER_STATS 4 /* BPF_LOG_STATS of the kernel's bpf_verifier.h */

/* clang-format off */
const struct hook hooks[] = {
	{ "task_forked", "bpf_lsm_task_alloc", HOOK_GATE, STAGE_CORE, .what = "identity at fork" },
	{ "task_execed", "bpf_lsm_bprm_committed_creds", HOOK_GATE, STAGE_CORE, .what = "identity at exec" },
	{ "gate_file_permission", "bpf_lsm_file_permission", HOOK_GATE, STAGE_CORE, .what = "injection gate: eventfd read and write" },
	{ "gate_file_receive", "bpf_lsm_file_receive", HOOK_GATE, STAGE_CORE, .what = "possession gate: eventfds" },
	{ "gate_ioctl", "bpf_lsm_file_ioctl", HOOK_GATE, STAGE_CORE, .modules = true, .what = "bind gate: VFIO, KVM and vhost; injection gate: a VMM into its own VM" },
	{ "gate_vhost_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_CORE, .optional = true, .what = "bind gate: 32-bit vhost" },
	{ "task_exited", "sched_process_exit", HOOK_TP, STAGE_CORE, .what = "loader's end" },
	{ "cgroup_made", "cgroup_mkdir", HOOK_TP, STAGE_CORE, .what = "cgroups that appear" },
	{ "module_loaded", "module_load", HOOK_TP, STAGE_CORE, .what = "modules that appear" },
	{ "eventfd_ctx_dropped", "eventfd_ctx_put", HOOK_TRACE, STAGE_CORE, .what = "eventfd's end" },
	{ "eventfd_closed", "eventfd_release", HOOK_TRACE, STAGE_CORE, .what = "eventfd's end" },
	{ "eventfd_signalled", "eventfd_signal_mask", HOOK_TRACE, STAGE_CORE, .counts = true, .yields = true, .what = "kernel-side signals" },
	{ "eventfd_taken", "eventfd_ctx_fdget", HOOK_TRACE, STAGE_CORE, .on_return = true, .by_value = true, .what = "who makes the kernel signal an eventfd" },
#if defined(__s390x__)
	{ "host_irq", "handle_percpu_irq", HOOK_TRACE, STAGE_CORE, .counts = true, .what = "interrupts of host drivers" },
	{ "firmware_told", "zpci_mod_fc", HOOK_TRACE, STAGE_CORE, .on_return = true, .what = "what firmware is told to pass" },
	{ "judge_one", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_judge_one", .what = "judging one binding" },
	{ "firmware_walk", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_firmware", .what = "what firmware was told before" },
#else
	{ "host_irq", "handle_irq_event", HOOK_TRACE, STAGE_CORE, .counts = true, .what = "interrupts of host drivers" },
#endif
	{ "adopt_tasks", "task", HOOK_ITER, STAGE_CORE, .pin = "iter_tasks", .what = "processes that exist" },
	{ "adopt_sweep", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_sweep", .callbacks = true, .what = "forgetting what is gone" },
	{ "judge_all", "-", HOOK_CALL, STAGE_CORE, .pin = "prog_judge", .callbacks = true, .what = "judging all bindings" },

	{ "gate_vfio_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_VFIO, .optional = true, .what = "bind gate: 32-bit VFIO" },
	{ "gate_vfio_receive", "bpf_lsm_file_receive", HOOK_GATE, STAGE_VFIO, .what = "possession gate: VFIO devices" },
	{ "vector_signal", "vfio_msi_set_vector_signal", HOOK_TRACE, STAGE_VFIO, .on_return = true, .what = "vector -> eventfd" },
	{ "irqs_set", "vfio_pci_set_irqs_ioctl", HOOK_TRACE, STAGE_VFIO, .on_return = true, .callbacks = true, .what = "INTx -> eventfd, vectors raised by hand" },
	{ "vfio_msi", "vfio_msihandler", HOOK_TRACE, STAGE_VFIO, .counts = true, .yields = true, .what = "device MSIs" },
	{ "adopt_vfio", "task_file", HOOK_ITER, STAGE_VFIO, .pin = "iter_vfio", .what = "VFIO bindings that exist" },

	{ "gate_own_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_KVM,
	  .optional = true, .what = "injection gate: 32-bit VMMs" },
	{ "gate_kvm_compat", "bpf_lsm_file_ioctl_compat", HOOK_GATE, STAGE_KVM, .optional = true, .what = "bind gate: 32-bit KVM" },
	{ "vm_created", "kvm_arch_init_vm", HOOK_TRACE, STAGE_KVM, .what = "VM -> context" },
	{ "vm_destroyed", "kvm_destroy_vm", HOOK_TRACE, STAGE_KVM, .what = "VM's end" },
	{ "irqfd_queued", "irqfd_ptable_queue_proc", HOOK_TRACE, STAGE_KVM, .optional = true, .what = "eventfd -> VM GSI (up to 6.16)" },
	{ "irqfd_registered", "kvm_irqfd_register", HOOK_TRACE, STAGE_KVM, .on_return = true, .optional = true, .what = "eventfd -> VM GSI (since 6.17)" },
	{ "irqfd_ended", "irqfd_shutdown", HOOK_TRACE, STAGE_KVM, .what = "irqfd's end" },
	{ "adopt_kvm", "task_file", HOOK_ITER, STAGE_KVM, .pin = "iter_kvm", .what = "VMs of processes" },
	{ "adopt_vms", "-", HOOK_CALL, STAGE_KVM, .pin = "prog_vms", .callbacks = true, .what = "VMs and irqfds that exist" },
#if defined(__s390x__)
	{ "gate_zpci_op", "bpf_lsm_file_ioctl", HOOK_GATE, STAGE_KVM, .what = "bind gate: KVM_S390_ZPCI_OP" },
	{ "firmware_owners", "-", HOOK_CALL, STAGE_KVM, .pin = "prog_owners", .what = "whom functions were given to" },
	{ "forward_alert", "gib_alert_irq_handler", HOOK_TRACE, STAGE_KVM, .optional = true, .counts = true, .what = "interrupts KVM forwards" },
#endif

	{ "vector_changing", "vfio_msi_set_vector_signal", HOOK_TRACE, STAGE_INLINE, .what = "who binds a vector" },
	{ "inline_msi", "irqgate_msi_tp", HOOK_TP, STAGE_INLINE, .what = "inline gate: device MSIs" },
	{ "inline_signal", "irqgate_signal_tp", HOOK_TP, STAGE_INLINE, .what = "inline gate: kernel-side signals" },
};
/* clang-format on */
const unsigned int nhooks = ARRAY_SIZE(hooks);

const char *const hook_states[HOOK_STATES] = { "absent", "live", "unverified", "silent",
					       "yielded" };

/* The symbol that shows a stage's code is there, and the module it comes in. */
static const struct {
	const char *name, *symbol, *module;
} stages[STAGES] = {
	[STAGE_CORE] = { "core", NULL, NULL },
	[STAGE_VFIO] = { "vfio", "vfio_msi_set_vector_signal", "vfio_pci_core" },
	[STAGE_KVM] = { "kvm", "kvm_arch_init_vm", "kvm" },
	[STAGE_INLINE] = { "inline", "irqgate_hook_msi", "irqgate_hook" },
};

static struct irqgate_bpf *core; /* kept for its BTF */
static const char *replaced; /* where another build's programs are pinned */
static bool verbose;

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!verbose || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

void hooks_verbose(bool on)
{
	verbose = on;
	libbpf_set_print(print_libbpf);
}

const struct btf *hooks_btf(void)
{
	return core ? bpf_object__btf(core->obj) : NULL;
}

static const char *kprobe_name(const struct hook *h, bool enter, char buf[64])
{
	snprintf(buf, 64, "%s%s_kp", h->name, enter ? "_enter" : "");
	return buf;
}

/* The address ftrace attaches to, which with IBT is not the symbol's. */
static __u64 ftrace_address(const char *function)
{
	FILE *f = open_seq_file(TRACEFS "/available_filter_functions_addrs"); /* since 6.5 */
	size_t len = strlen(function);
	char line[512], *name;
	__u64 found = 0;

	if (!f)
		return kernel_symbol(function);
	while (!found && fgets(line, sizeof(line), f)) {
		name = strchr(line, ' ');
		if (name && !strncmp(name + 1, function, len) && strchr(" \t\n", name[1 + len]))
			found = strtoull(line, NULL, 16);
	}
	fclose(f);
	return found;
}

/* NULL: with errno 0 when this kernel has no such list, else why it cannot be opened. */
static FILE *enabled_functions(void)
{
	FILE *f;

	mounted("tracefs", TRACEFS, TRACEFS_MAGIC);
	f = fopen(TRACEFS "/enabled_functions", "re");
	if (!f && errno == ENOENT)
		errno = 0;
	return f;
}

/*
 * Does ftrace really call this trampoline? With IBT, looking up the record of a
 * function may find a disabled one of dead code before it, and attaching then
 * succeeds without effect (register_fentry and lookup_rec, kernel/bpf/
 * trampoline.c and kernel/trace/ftrace.c of 6.12). What is in effect shows in
 * enabled_functions, with the key bpf_trampoline_compute_key made. HOOK_UNVERIFIED comes
 * with errno, 0 when the kernel does not tell.
 */
static enum hook_state trampoline_state(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char line[512], key[64];
	enum hook_state state = HOOK_SILENT;
	FILE *f;

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return HOOK_UNVERIFIED;
	f = enabled_functions();
	if (!f)
		return HOOK_UNVERIFIED;
	snprintf(key, sizeof(key), "bpf_trampoline_%llu",
		 (unsigned long long)info.attach_btf_obj_id << 32 | 0x80000000 |
			 info.attach_btf_id);
	while (state == HOOK_SILENT && fgets(line, sizeof(line), f))
		if (strstr(line, key))
			state = HOOK_LIVE;
	return close_read(f) ? HOOK_UNVERIFIED : state;
}

/* Does ftrace list the function as hooked, with FLAGS among what it says of it? */
static enum hook_state function_state(const char *function, const char *flags)
{
	enum hook_state state = HOOK_SILENT;
	FILE *f = enabled_functions();
	char line[512], name[256];

	if (!f)
		return HOOK_UNVERIFIED;
	while (state == HOOK_SILENT && fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s", name) == 1 && !strcmp(name, function) &&
		    strstr(line, flags))
			state = HOOK_LIVE;
	return close_read(f) ? HOOK_UNVERIFIED : state;
}

static enum hook_state kprobe_state(const char *function)
{
	return function_state(function, "");
}

/* A hook just attached: 0; -ENOTSUP: ftrace does not call it; another: that cannot be told. */
static int check_called(enum hook_state state)
{
	if (state == HOOK_UNVERIFIED && errno)
		return -errno;
	return state == HOOK_SILENT ? -ENOTSUP : 0;
}

static int fail_called(int err, const char *hook, const char *function)
{
	if (err == -ENOTSUP)
		return fail(err, "%s is attached to %s, but ftrace does not call it", hook,
			    function);
	return fail(err, "%s is attached to %s, but whether ftrace calls it cannot be read: %s",
		    hook, function, strerror(-err));
}

/* r0 = 0; exit: a program to be called where a function begins. */
static bool loads_fentry(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	struct bpf_insn insns[] = { { .code = 0xb7 }, { .code = 0x95 } };
	int fd, id = libbpf_find_vmlinux_btf_id("eventfd_signal_mask", BPF_TRACE_FENTRY);

	if (id <= 0)
		return true; /* whatever is missing, it is not that */
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "irqgate_probe", "GPL", insns, ARRAY_SIZE(insns),
			   &opts);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool hooks_trampolines(void)
{
	static int known = -1;

	if (known < 0)
		known = !access("/proc/sys/net/core/bpf_jit_enable", F_OK) || loads_fentry();
	return known;
}

/* Once pinned, the attachment outlives the link object. */
static int pin_link(struct bpf_link *link, const char *pin)
{
	char path[PIN_LEN];
	int err;

	unlink(pin_path(path, pin));
	err = bpf_link__pin(link, path);
	return err ? fail(err, "%s: cannot pin: %s", path, strerror(-err)) : 0;
}

static bool pinned(const char *pin)
{
	char path[PIN_LEN];

	return !access(pin_path(path, pin), F_OK);
}

/* What a hook is pinned as: itself, its kprobe variant, that one's probe at the entry. */
enum variant { PLAIN, KPROBE, KPROBE_ENTER, VARIANTS };

static const char *hook_pin(const struct hook *h, enum variant variant, char buf[64])
{
	static const char *const suffix[VARIANTS] = { "", "_kp", "_enter_kp" };

	if (h->pin)
		snprintf(buf, 64, "%s%s", h->pin, suffix[variant]);
	else
		snprintf(buf, 64, "link_%s%s", h->name, suffix[variant]);
	return buf;
}

static bool hook_pinned(const struct hook *h)
{
	char pin[64];

	return pinned(hook_pin(h, PLAIN, pin)) || pinned(hook_pin(h, KPROBE, pin));
}

bool hooks_stage_loaded(enum stage stage)
{
	unsigned int i;

	for (i = 0; i < nhooks; i++)
		if (hooks[i].stage == stage && hooks[i].kind == HOOK_TRACE && !hooks[i].optional)
			return hook_pinned(&hooks[i]);
	return false;
}

static void unpin_variant(const char *dir, const struct hook *h, enum variant v)
{
	char pin[64], path[PIN_LEN];

	snprintf(path, sizeof(path), "%s/%s", dir, hook_pin(h, v, pin));
	unlink(path);
}

static void unpin_hook(const char *dir, const struct hook *h)
{
	enum variant v;

	for (v = PLAIN; v < VARIANTS; v++)
		unpin_variant(dir, h, v);
}

/*
 * The link of a pin that is unlinked goes some time later (its inode is freed by RCU),
 * and its id before it lets go of the function: wait for the program itself.
 */
static void detach(const char *dir, const struct hook *h, enum variant v)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char pin[64], path[PIN_LEN];
	int fd, i;

	snprintf(path, sizeof(path), "%s/%s", dir, hook_pin(h, v, pin));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.prog_id = 0;
	close(fd);
	unlink(path);
	for (i = 0; info.prog_id && i < 1000; i++) {
		fd = bpf_prog_get_fd_by_id(info.prog_id);
		if (fd < 0)
			return;
		close(fd);
		usleep(1000);
	}
}

void hooks_replace(const char *dir)
{
	replaced = dir;
}

static bool adoptable(const struct hook *h)
{
	return hook_pinned(h) && (!replaced || strcmp(replaced, PIN_DIR));
}

/* The kprobe variant needs arguments at the return. */
static bool needs_enter(const struct hook *h)
{
	return h->on_return && !h->by_value;
}

/* Have the verifier's account of each program kept, with its log if that fails. */
static void ask_verifier(struct irqgate_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj) {
		char *log = bpf_program__autoload(prog) ? calloc(1, VERIFIER_LOG) : NULL;

		if (log && !bpf_program__set_log_buf(prog, log, VERIFIER_LOG))
			bpf_program__set_log_level(prog, VERIFIER_STATS);
	}
}

/* What verifying a program took; of one that failed, what the kernel said. */
static void tell_verifier(struct irqgate_bpf *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj) {
		unsigned int processed, states;
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		char stack[256] = "0", *p;
		size_t size;
		const char *log = bpf_program__log_buf(prog, &size);

		if (!log || !*log)
			continue;
		p = strstr(log, "stack depth ");
		if (p && sscanf(p, "stack depth max %255s", stack) != 1) /* max: since 7.x */
			sscanf(p, "stack depth %255s", stack);
		p = strstr(log, "processed ");
		if (bpf_program__fd(prog) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) || !p ||
		    sscanf(p, "processed %u insns %*[^)]) max_states_per_insn %*u total_states %u",
			   &processed, &states) != 2)
			fprintf(stderr, "%s: %s\n", bpf_program__name(prog), log);
		else
			fprintf(stderr,
				"verifier: %s: %u instructions processed, %u states, stack %s, "
				"%u bytes\n",
				bpf_program__name(prog), processed, states, stack,
				info.xlated_prog_len);
		free((void *)log);
	}
}

/* Is the module there? Its types are in its BTF: what uses them does not load without. */
static bool stage_present(enum stage stage)
{
	return (!stages[stage].symbol || kernel_symbol(stages[stage].symbol)) &&
	       (!stages[stage].module || module_live(stages[stage].module));
}

/*
 * An instance of the object with only the wanted programs enabled. Maps that
 * are pinned are reused, the others pinned.
 */
static struct irqgate_bpf *open_object(bool (*want)(const struct hook *h, const char *prog,
						    void *arg),
				       void *arg)
{
	/* Whose signals are VFIO's own; virqfds were a module of their own up to 6.1. */
	struct module_text vfio[] = {
		{ .module = "vfio_pci_core" }, { .module = "vfio_virqfd" }, { .module = "vfio" }, {}
	};
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = PIN_DIR);
	struct irqgate_bpf *skel = irqgate_bpf__open_opts(&opts);
	struct bpf_program *prog;
	unsigned int i;
	int err;

	if (!skel) {
		fail(-errno, "cannot open the BPF object: %s", strerror(errno));
		return NULL;
	}
	skel->rodata->eventfd_fops_addr = kernel_symbol("eventfd_fops");
	if (stage_present(STAGE_VFIO))
		skel->rodata->vfio_device_fops_addr = kernel_symbol("vfio_device_fops");
	if (stage_present(STAGE_KVM)) {
		skel->rodata->kvm_vm_fops_addr = kernel_symbol("kvm_vm_fops");
		skel->rodata->kvm_vcpu_fops_addr = kernel_symbol("kvm_vcpu_fops");
	}
	skel->rodata->pci_bus_type_addr = kernel_symbol("pci_bus_type");
	skel->rodata->kernfs_dir_fops_addr = kernel_symbol("kernfs_dir_fops");
	skel->rodata->vm_list_addr = kernel_symbol("vm_list");
	skel->rodata->zpci_list_addr = kernel_symbol("zpci_list");
	skel->rodata->zpci_sbv_addr = kernel_symbol("zpci_sbv");
	skel->rodata->vm_layout_addr = kernel_symbol("vm_layout");
	skel->rodata->aift_addr = kernel_symbol("aift");
	skel->rodata->irq_delivery_addr = kernel_symbol("irq_delivery");
	err = kernel_symbol("irqgate_hook_msi") ? module_texts(vfio) : 0;
	if (err) {
		irqgate_bpf__destroy(skel);
		errno = -err;
		return NULL;
	}
	for (i = 0; vfio[i].module; i++) {
		skel->rodata->vfio_text[i][0] = vfio[i].from;
		skel->rodata->vfio_text[i][1] = vfio[i].to;
	}
	bpf_object__for_each_program(prog, skel->obj) {
		const char *name = bpf_program__name(prog);
		bool on = false;

		for (i = 0; i < nhooks && !on; i++)
			on = !strncmp(name, hooks[i].name, strlen(hooks[i].name)) &&
			     want(&hooks[i], name, arg);
		bpf_program__set_autoload(prog, on);
	}
	if (verbose)
		ask_verifier(skel);
	err = irqgate_bpf__load(skel);
	if (verbose)
		tell_verifier(skel);
	if (err) {
		irqgate_bpf__destroy(skel);
		errno = -err;
		return NULL;
	}
	return skel;
}

/* A hook the kprobe variant is loaded for. */
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
	LIBBPF_OPTS(bpf_kprobe_multi_opts, opts);
	unsigned long addr = ftrace_address(h->function);
	char name[64];
	struct bpf_program *prog;

	prog = bpf_object__find_program_by_name(skel->obj, kprobe_name(h, enter, name));
	if (!prog || !addr) {
		errno = ENOENT;
		return NULL;
	}
	opts.addrs = &addr;
	opts.cnt = 1;
	opts.retprobe = h->on_return && !enter;
	return bpf_program__attach_kprobe_multi_opts(prog, NULL, &opts);
}

/* Attach and pin the kprobe variant of a hook, from an object that was loaded with it. */
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
	errno = -check_called(kprobe_state(h->function));
	if (errno)
		goto out;
	err = pin_link(link, hook_pin(h, KPROBE, pin));
	if (!err && enter)
		err = pin_link(enter, hook_pin(h, KPROBE_ENTER, pin));
	unpin_variant(PIN_DIR, h, PLAIN);
out:
	if (err == -EIO)
		err = fail(-errno, "%s: neither a trampoline nor a kprobe works: %s", h->function,
			   strerror(errno));
	if (err)
		unpin_hook(PIN_DIR, h);
	bpf_link__destroy(enter);
	bpf_link__destroy(link);
	return err;
}

/* Replace a silent trampoline, or one the kernel refused, by the kprobe variant. */
static int use_kprobe(const struct hook *h)
{
	struct irqgate_bpf *skel = open_object(want_kprobe, (void *)h);
	int err;

	if (!skel)
		return fail(-errno, "%s: the kprobe variant does not load: %s", h->function,
			    strerror(errno));
	err = pin_kprobe(skel, h);
	irqgate_bpf__destroy(skel);
	return err;
}

struct stage_want {
	enum stage stage;
	bool gates;
};

/* To be loaded with a stage, though it may be of the core and pinned already? */
static bool of_stage(const struct hook *h, enum stage stage)
{
	return h->stage == stage || (h->modules && (stage == STAGE_VFIO || stage == STAGE_KVM));
}

/*
 * Programs of a stage in their first variant, where the kernel has the function; those
 * that trace as kprobes where it has no trampolines.
 */
static bool want_stage(const struct hook *h, const char *prog, void *arg)
{
	const struct stage_want *w = arg;

	if (!of_stage(h, w->stage) || (h->stage == w->stage && adoptable(h)))
		return false;
	if (!hooks_trampolines() && h->callbacks)
		return false;
	if (!hooks_trampolines() && h->kind == HOOK_TRACE)
		return kernel_symbol(h->function) && want_kprobe(h, prog, (void *)h);
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
			unpin_hook(PIN_DIR, &hooks[i]);
}

static int attach_hook(struct irqgate_bpf *skel, const struct hook *h)
{
	bool kprobe = h->kind == HOOK_TRACE && !hooks_trampolines();
	char name[64], pin[64], path[PIN_LEN];
	struct bpf_program *prog;
	struct bpf_link *link;
	enum variant v;
	int err;

	prog = bpf_object__find_program_by_name(skel->obj,
						kprobe ? kprobe_name(h, false, name) : h->name);
	if (!prog || !bpf_program__autoload(prog))
		return 0;
	for (v = PLAIN; replaced && h->counts && v < VARIANTS; v++)
		detach(replaced, h, v);
	if (kprobe)
		return pin_kprobe(skel, h);
	if (h->kind == HOOK_CALL) {
		unlink(pin_path(path, hook_pin(h, PLAIN, pin)));
		err = bpf_program__pin(prog, pin_path(path, hook_pin(h, PLAIN, pin)));
		return err ? fail(err, "%s: cannot pin: %s", path, strerror(-err)) : 0;
	}
	link = bpf_program__attach(prog);
	if (!link && h->kind == HOOK_TRACE)
		return use_kprobe(h);
	if (!link)
		return fail(-errno, "cannot attach %s to %s: %s", h->name, h->function,
			    strerror(errno));
	err = h->kind == HOOK_TRACE || h->kind == HOOK_GATE
		      ? check_called(trampoline_state(bpf_program__fd(prog)))
		      : 0;
	if (err) {
		bpf_link__destroy(link);
		if (err == -ENOTSUP && h->kind == HOOK_TRACE)
			return use_kprobe(h);
		return fail_called(err, h->name, h->function);
	}
	err = pin_link(link, hook_pin(h, PLAIN, pin));
	bpf_link__destroy(link);
	unpin_variant(PIN_DIR, h, KPROBE);
	unpin_variant(PIN_DIR, h, KPROBE_ENTER);
	return err;
}

struct btf *hooks_object_btf(void)
{
	struct irqgate_bpf *skel = irqgate_bpf__open();
	struct btf *copy = NULL;
	const void *data;
	__u32 size;

	if (!skel)
		return NULL;
	data = btf__raw_data(bpf_object__btf(skel->obj), &size);
	if (data)
		copy = btf__new(data, size);
	irqgate_bpf__destroy(skel);
	return copy;
}

__u64 hooks_build(void)
{
	__u64 hash = IRQGATE_HASH_INIT;
	const __u8 *data;
	size_t size, i;

	data = irqgate_bpf__elf_bytes(&size);
	for (i = 0; i < size; i++)
		hash = irqgate_hash_byte(hash, data[i]);
	return hash;
}

int hooks_load(enum stage stage, bool gates)
{
	static const char *const redirected[] = { "vfio_msihandler", "eventfd_signal_mask" };
	struct stage_want want = { stage, gates };
	struct irqgate_bpf *skel;
	unsigned int i;
	int err;

	if (stage == STAGE_CORE) {
		if (mkdir(PIN_DIR, 0700) && errno != EEXIST)
			return fail(-errno, PIN_DIR ": cannot create: %s", strerror(errno));
		err = pins_trusted(PIN_DIR);
		if (err)
			return err;
	}
	err = kernel_symbols_refresh();
	if (err)
		return err;
	if (!stage_present(stage))
		return -EAGAIN;
	skel = open_object(want_stage, &want);
	if (!skel) {
		err = -errno;
		return fail(err, "the kernel refuses the %s programs: %s; -v shows its reasons",
			    stages[stage].name, strerror(-err));
	}
	for (i = 0; i < nhooks && !err; i++)
		if (of_stage(&hooks[i], stage))
			err = attach_hook(skel, &hooks[i]);
	/* ftrace must have been told that these functions may be redirected. */
	for (i = 0; i < ARRAY_SIZE(redirected) && !err && stage == STAGE_INLINE; i++) {
		err = check_called(function_state(redirected[i], " I "));
		if (err)
			fail_called(err, "irqgate_hook", redirected[i]);
	}
	if (err && !replaced)
		hooks_unload(stage);
	if (!err && stage == STAGE_CORE)
		core = skel;
	else
		irqgate_bpf__destroy(skel);
	return err;
}

void hooks_yield(void)
{
	unsigned int i;

	/* Only as a trampoline does it come back. */
	for (i = 0; i < nhooks && hooks_trampolines(); i++)
		if (hooks[i].yields)
			unpin_hook(PIN_DIR, &hooks[i]);
}

static bool yielded(const struct hook *h)
{
	return h->yields && hooks_stage_loaded(h->stage) && !hook_pinned(h) &&
	       kernel_symbol(h->function);
}

/* The kprobe variant takes its place where that proves necessary. */
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
		skel = open_object(want_yielded, (void *)&hooks[i]);
		if (!skel)
			return fail(-errno, "%s does not load again: %s", hooks[i].name,
				    strerror(errno));
		err = attach_hook(skel, &hooks[i]);
		irqgate_bpf__destroy(skel);
	}
	return err;
}

/* Opens what is pinned of a hook: a link, or the program where there is none. */
static int open_pinned(const struct hook *h, bool *kprobe)
{
	char pin[64], path[PIN_LEN];
	int fd = bpf_obj_get(pin_path(path, hook_pin(h, PLAIN, pin)));

	*kprobe = fd < 0;
	return *kprobe ? bpf_obj_get(pin_path(path, hook_pin(h, KPROBE, pin))) : fd;
}

static int program_of(const struct hook *h, int fd)
{
	struct bpf_link_info link = {};
	__u32 len = sizeof(link);

	if (h->kind == HOOK_CALL)
		return dup(fd);
	return bpf_obj_get_info_by_fd(fd, &link, &len) ? -1 : bpf_prog_get_fd_by_id(link.prog_id);
}

static void program_runs(int prog_fd, struct hook_status *st)
{
	struct bpf_prog_info prog = {};
	__u32 len = sizeof(prog);

	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &prog, &len))
		return;
	st->runs = prog.run_cnt;
	st->missed = prog.recursion_misses;
}

void hook_status(const struct hook *h, struct hook_status *st)
{
	bool kprobe;
	int fd = open_pinned(h, &kprobe), prog_fd;

	memset(st, 0, sizeof(*st));
	st->variant = "-";
	if (fd < 0) {
		if (h->yields && hooks_stage_loaded(STAGE_INLINE))
			st->state = HOOK_YIELDED;
		return;
	}
	prog_fd = program_of(h, fd);
	st->state = HOOK_LIVE;
	if (kprobe) {
		st->variant = "kprobe";
		st->state = kprobe_state(h->function);
	} else if (h->kind == HOOK_TP) {
		st->variant = "tracepoint";
	} else if (h->kind == HOOK_ITER) {
		st->variant = "iterator";
	} else if (h->kind == HOOK_CALL) {
		st->variant = "call";
	} else {
		st->variant = h->kind == HOOK_GATE ? "lsm" : h->on_return ? "fexit" : "fentry";
		st->state = trampoline_state(prog_fd);
	}
	program_runs(prog_fd, st);
	if (prog_fd >= 0)
		close(prog_fd);
	close(fd);
}

/* The program of a hook, if it is pinned. */
static int open_program(const struct hook *h)
{
	bool kprobe;
	int fd = open_pinned(h, &kprobe), prog_fd;

	if (fd < 0)
		return fd;
	prog_fd = program_of(h, fd);
	close(fd);
	return prog_fd;
}

/* Those whose bindings come and go by: that one of them was skipped matters. */
static bool binds(const struct hook *h)
{
	return h->kind == HOOK_TRACE && !h->counts &&
	       (h->stage == STAGE_VFIO || h->stage == STAGE_KVM);
}

static int watched[ARRAY_SIZE(hooks)]; /* descriptors of the programs, and one */

void hooks_watch(void)
{
	unsigned int i;
	int fd;

	for (i = 0; i < nhooks; i++) {
		if (!binds(&hooks[i]))
			continue;
		if (watched[i])
			close(watched[i] - 1);
		fd = open_program(&hooks[i]);
		watched[i] = fd < 0 ? 0 : fd + 1;
	}
}

__u64 hooks_skipped(void)
{
	struct hook_status st;
	__u64 skipped = 0;
	unsigned int i;

	for (i = 0; i < nhooks; i++) {
		st.missed = 0;
		program_runs(watched[i] - 1, &st);
		skipped += st.missed;
	}
	return skipped;
}

__u64 hooks_missed(void)
{
	__u64 missed = 0;
	unsigned int i;

	for (i = 0; i < nhooks; i++) {
		struct hook_status st = {};
		int fd = open_program(&hooks[i]);

		program_runs(fd, &st);
		missed += st.missed;
		if (fd >= 0)
			close(fd);
	}
	return missed;
}
