// SPDX-License-Identifier: GPL-2.0-only
/*
 * inline.*: the kernel module of hook/, and the inline gate that irqgate makes of it. matrix.c has
 * the paths that the gate stops. These tests load and unload the module, and look at what happens
 * in between.
 */
#include "tests.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SYSFS "/sys/module/irqgate_hook"
#define TRACEFS "/sys/kernel/tracing"
#define CONTEXTS                                                                                   \
	"contexts:\n"                                                                              \
	"  - { name: blue, match: { cgroup: /t/blue } }\n"

static bool text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

static void parameter(const char *name, char value[32])
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), SYSFS "/parameters/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, value, 31);
	close(fd);
	expect(n > 0, "%s: %s", path, rig_errname(errno));
	value[n] = '\0';
}

static long number_of(const char *name)
{
	char value[32];

	parameter(name, value);
	return atol(value);
}

static bool armed(void)
{
	char value[32];

	parameter("armed", value);
	return *value == 'Y';
}

int insmod_built(const char *name)
{
	static char path[512];
	char *argv[] = { "/sbin/insmod", path, NULL };
	struct utsname uts;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 128);
	char *slash;

	uname(&uts);
	path[n > 0 ? n : 0] = '\0';
	slash = strstr(path, "/tests/vmtest");
	snprintf(slash ? slash : path, 128, "/hook/%.64s/%s.ko", uts.release, name);
	if (access(path, R_OK))
		test_skip("no %s.ko was built for this kernel", name);
	return run(argv)->status;
}

static bool rmmod(void)
{
	char *argv[] = { "/sbin/rmmod", "irqgate_hook", NULL };

	return !run(argv)->status;
}

static bool hooked(void)
{
	return !access(SYSFS, F_OK);
}

void hook_module(bool load)
{
	if (load == hooked())
		return;
	if (load) {
		expect(!insmod_built("irqgate_hook"), "insmod irqgate_hook.ko failed");
		return;
	}
	if (armed() && !loader_pid())
		unload(); /* no loader runs that could release the module */
	text_write(SYSFS "/parameters/armed", "0");
	expect(wait_for(30000, rmmod()), "irqgate_hook cannot be unloaded");
}

/*
 * Lists the module in modules.dep, as depmod does. Then a loader that starts without the module
 * keeps the capabilities to attach to it.
 */
static void install(void)
{
	static const char copy[] = "/run/irqgate-modules.dep";
	static bool done;
	char path[256];
	struct utsname uts;
	FILE *f;

	if (done)
		return;
	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", uts.release);
	run((char *[]){ "/bin/cp", path, (char *)copy, NULL });
	f = fopen(copy, "ae");
	expect(f, "%s: %s", copy, rig_errname(errno));
	fputs("updates/dkms/irqgate_hook.ko:\n", f);
	fclose(f);
	expect(!mount(copy, path, NULL, MS_BIND, NULL), "%s: %s", path, rig_errname(errno));
	done = true;
}

/* The kernel's messages since kernel_log_mark(). */
static int kernel_log = -1;

static void kernel_log_mark(void)
{
	if (kernel_log >= 0)
		close(kernel_log);
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(kernel_log, 0, SEEK_END);
}

static void expect_clean_log(void)
{
	static const char *const bad[] = { "WARNING",         "BUG",    "Oops",
					   "INFO: ",          "lockup", "ftrace faults",
					   "failed to modify" };
	char line[2048];
	size_t i;
	ssize_t n;

	while ((n = read(kernel_log, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		line[n > 0 ? n : 0] = '\0';
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			expect(!strstr(line, bad[i]), "the kernel says: %s", line);
	}
}

/*
 * @vectors of the card are blue's, and so is the edu. An edu sends only on request, so tests that
 * account for every interrupt use it.
 */
static void start(const char *vectors)
{
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", vectors, "drop",
		    edu.handle, "blue", "all", "drop");
}

static void expect_gate(bool on)
{
	const char *reason = on ? "gate-on" : "gate-off";
	struct json_object *ev = NULL;

	/* Loading programs takes long under emulation. */
	wait_for(60000, (ev = event_find("none", reason, "inline", NULL, 0)));
	expect(ev, "no event that the inline gate %s", on ? "is in force" : "went");
	json_object_put(ev);
	expect(on == (hooked() && armed()), "the module is %sarmed", on ? "not " : "");
}

/* The module comes or goes while a loader lives. */
static void gate(bool on)
{
	mark_events();
	hook_module(on);
	expect_gate(on);
}

static void start_gated(const char *vectors)
{
	bool late = loader_pid() && !hooked();

	if (!late)
		hook_module(true);
	start(vectors);
	if (late)
		gate(true);
	expect(armed(), "the gate is not in force when the loader is ready");
}

/* Binds all vectors of a function: a VMM, or a user-space driver. */
static struct worker *binder(const char *cgroup, const struct device *d, bool vm)
{
	struct worker *w = worker_new(cgroup);

	expect(ask_text(w, W_OPEN, d->bdf) >= d->vectors, "cannot open %s", d->bdf);
	must(w, W_EVENTFDS, nic.vectors, 0, 0);
	if (vm) {
		must(w, W_VM, d->vectors, 0, 0);
		must(w, W_IRQFD, 0, d->vectors, 0);
	}
	must(w, W_VFIO, 0, d->vectors, 0);
	return w;
}

static struct worker *card(const char *cgroup, bool vm)
{
	return binder(cgroup, &nic, vm);
}

#define COUNTS(first, last, ...)                                                                   \
	expect_counts(nic.handle, first, last, (struct counts){ __VA_ARGS__ })

/*
 * The module comes and goes while an unauthorized vector sends, and an authorized one, of which
 * no interrupt may be lost.
 */
static void inline_comes_and_goes(void)
{
	struct worker *w, *calm;
	const struct output *o;
	struct counts c;
	long raised;

	install();
	hook_module(false);
	kernel_log_mark();
	start("[0-2]");
	o = irqgate("probe", NULL);
	expect(strstr(o->out, "irqgate_hook is not loaded"), "probe says %s", o->out);
	calm = binder("t/blue", &edu, false);
	mark();
	must(calm, W_STREAM, 0, 3000, 1);
	gate(true);
	o = irqgate("probe", NULL);
	expect(!strstr(o->out, "irqgate_hook is not loaded"), "probe says %s", o->out);
	expect(!rmmod(), "the module can be unloaded while the gate is in force");
	expect(!text_write("/proc/sys/kernel/ftrace_enabled", "0"), "ftrace can be switched off");

	w = card("t/blue", true);
	must(w, W_STREAM, 3, 3000, 0);
	nap(200);
	expect_state(nic.handle, 3, 3, "bound");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending under the gate");
	gate(false);
	expect_state(nic.handle, 3, 3, "quarantined");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending without the gate");
	must(w, W_STREAM_STOP, 0, 0, 0);
	raised = must(calm, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	c = counted(nic.handle, 3);
	expect(!c.leaked && !c.passed && c.dropped, "leaked %ld, passed %ld, dropped %ld", c.leaked,
	       c.passed, c.dropped);
	expect_counts(edu.handle, 0, 0, (struct counts){ .passed = raised });
	must(w, W_ARRIVES, 0, 3, 2);
	expect_clean_log();
}

/* How many ftrace_ops hook a function. */
static long hooked_by(const char *function)
{
	FILE *f = fopen(TRACEFS "/enabled_functions", "re");
	char line[512], name[256];
	long n = 0;

	expect(f, TRACEFS "/enabled_functions: %s", rig_errname(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s", name) == 1 && !strcmp(name, function))
			n = atol((strchr(line, '(') ?: "(0") + 1);
	fclose(f);
	return n;
}

/*
 * While the gate is in force, no other hook is at its two functions, and an interrupt counts once.
 * Hooks that come back miss no interrupt, not even the first one on this CPU.
 */
static void inline_yields(void)
{
	static const char *const yields[][2] = { { "vfio_msi", "vfio_msihandler" },
						 { "eventfd_signalled", "eventfd_signal_mask" } };
	struct worker *w, *vmm, *bad;
	unsigned int round, i;

	install();
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	hook_module(false);
	loader_with(ENFORCE CONTEXTS "defaults: { unlisted_source: deny }\n"
				     "devices:\n" ROW ROW,
		    nic.handle, "blue", "[0-2]", "drop", edu.handle, "blue", "all", "drop");
	w = binder("t/blue", &edu, false);
	bad = card("t/blue", false);
	vmm = worker_new("t/blue");
	must(vmm, W_EVENTFDS, 1, 0, 0);
	must(vmm, W_VM, 1, 0, 0);
	must(vmm, W_IRQFD, 0, 1, 0);
	for (round = 0; round < 2; round++) {
		gate(true);
		for (i = 0; i < 2; i++) {
			expect(wait_for(10000, hook_is(yields[i][0], "yielded")),
			       "%s does not yield", yields[i][0]);
			expect(wait_for(5000, hooked_by(yields[i][1]) == 1),
			       "%s has %ld ftrace_ops", yields[i][1], hooked_by(yields[i][1]));
		}
		mark();
		must(w, W_RAISE, 0, 1, 3);
		must(bad, W_RAISE, 3, 1, 2);
		must(vmm, W_HAVE_SIGNALLED, 0, TAKER_AIO, 0);
		expect_is(ask(vmm, W_PENDING, 0, 0, 0), 0, "pending under the gate");
		expect_counts(edu.handle, 0, 0, (struct counts){ .passed = 3 });
		COUNTS(3, 3, .dropped = 2);
		expect_counts("-", 0, 0, (struct counts){ .dropped = 1 });
		gate(false);
		for (i = 0; i < 2; i++)
			expect(hook_is(yields[i][0], "live"), "%s is not back", yields[i][0]);
		mark();
		must(w, W_RAISE, 0, 1, 1);
		must(bad, W_RAISE, 3, 1, 1);
		must(vmm, W_HAVE_SIGNALLED, 0, TAKER_AIO, 0);
		expect(wait_for(2000, ask(vmm, W_PENDING, 0, 0, 0)),
		       "nothing pending without the gate");
		expect_counts(edu.handle, 0, 0, (struct counts){ .passed = 1 });
		COUNTS(3, 3, .dropped = 1);
		expect_counts("-", 0, 0, (struct counts){ .leaked = 1 });
	}
	expect_is(ask(w, W_TAKE, 0, 0, 0), 8, "count of the authorized vector");
}

/* irqgate does not use a module of another version. */
static void inline_version(void)
{
	struct json_object *ev;

	loader_stop();
	hook_module(true);
	expect(!close(creat("/run/irqgate-version", 0644)) &&
		       text_write("/run/irqgate-version", "999\n"),
	       "/run/irqgate-version: %s", rig_errname(errno));
	expect(!mount("/run/irqgate-version", SYSFS "/version", NULL, MS_BIND, NULL), "mount: %s",
	       rig_errname(errno));
	mark_events();
	start("all");
	ev = event_find("none", "gate-on", NULL, NULL, 0);
	umount(SYSFS "/version");
	expect(!ev, "irqgate uses a module of another version");
	expect(!armed(), "the module is armed");
	expect(strstr(irqgate("show", "hooks", NULL)->out, "inline_msi"), "no row inline_msi");
	hook_module(false);
}

/*
 * Without a loader, the bind gate need not refuse under drop, no MSI gets through, and a process
 * that is authorized again gets the next one.
 */
static void inline_without_loader(void)
{
	struct worker *w;
	int i;

	kernel_log_mark();
	start_gated("all");
	loader_kill();
	w = card("t/nobody", true);
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 3);
	COUNTS(0, nic.vectors - 1, .dropped = 3);
	expect_state(nic.handle, 0, nic.vectors - 1, "bound");
	worker_end(w, false);

	w = card("t/blue", true);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	mark();
	for (i = 0; i < 5; i++) {
		verb(0, "revoke", nic.handle, "1", NULL);
		must(w, W_ABSENT, 1, 1, 1);
		verb(0, "allow", nic.handle, "1", "--to", "blue", NULL);
		must(w, W_ARRIVES, 1, 1, 1);
	}
	COUNTS(1, 1, .passed = 5, .dropped = 5);
	worker_end(w, false);

	/* The same with a reader. Its eventfd must not count dropped interrupts. */
	w = card("t/blue", false);
	mark();
	for (i = 0; i < 3; i++) {
		verb(0, "revoke", nic.handle, "2", NULL);
		must(w, W_RAISE, 2, 1, 2);
		verb(0, "allow", nic.handle, "2", "--to", "blue", NULL);
		expect_is(ask(w, W_TAKE, 2, 0, 0), 1, "count after drops: one replay");
		must(w, W_RAISE, 2, 1, 1);
		nap(20);
		expect_is(ask(w, W_TAKE, 2, 0, 0), 1, "count after one");
	}
	COUNTS(2, 2, .passed = 3, .dropped = 6);
	expect_clean_log();
}

/* MSIs come in the middle of a bind, before irqgate can know of the binding. */
static void inline_early(void)
{
	struct worker *w;
	struct counts c;
	int i;

	start_gated("all");
	w = card("t/nobody", true);
	mark();
	must(w, W_STREAM, 1, 100, 0);
	for (i = 0; i < 30; i++)
		must(w, W_VFIO, 0, nic.vectors, 0);
	must(w, W_STREAM_STOP, 0, 0, 0);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	c = counted(nic.handle, 1);
	expect(c.dropped && !c.leaked && !c.passed, "dropped %ld, leaked %ld, passed %ld",
	       c.dropped, c.leaked, c.passed);
	worker_end(w, false);

	w = card("t/blue", false);
	mark();
	must(w, W_STREAM, 1, 100, 0);
	for (i = 0; i < 30; i++)
		must(w, W_VFIO, 0, nic.vectors, 0);
	must(w, W_STREAM_STOP, 0, 0, 0);
	c = counted(nic.handle, 1);
	expect(!c.dropped && !c.leaked && c.passed, "authorized vector: dropped %ld, leaked %ld",
	       c.dropped, c.leaked);
	expect_is(ask(w, W_TAKE, 1, 0, 0), c.passed, "count at the owner");
}

/* Attaches a program that decides nothing. It is attached until the fd is closed. */
static int attach(enum bpf_prog_type type, const char *tracepoint,
		  const struct bpf_prog_load_opts *opts)
{
	const struct bpf_insn insns[] = { { .code = 0xb7 }, { .code = 0x95 } }; /* r0 = 0; exit */
	int prog = bpf_prog_load(type, NULL, "GPL", insns, 2, opts), link;

	expect(prog >= 0, "BPF_PROG_LOAD: %s", rig_errname(prog));
	link = bpf_raw_tracepoint_open(tracepoint, prog);
	expect(link >= 0, "attaching to %s: %s", tracepoint ?: "a function", rig_errname(link));
	close(prog);
	return link;
}

static int observe(const char *tracepoint)
{
	return attach(BPF_PROG_TYPE_RAW_TRACEPOINT, tracepoint, NULL);
}

static void expect_count(struct worker *w, long count, const char *when)
{
	must(w, W_RAISE, 0, 1, 3);
	nap(50);
	expect_is(ask(w, W_TAKE, 0, 0, 0), count, "count %s", when);
}

/*
 * Programs do not decide. If the module is not armed they only observe, and interrupts pass. If
 * it is armed, the module drops undecided MSIs.
 */
static void inline_undecided(void)
{
	struct worker *w;
	int msi, sig;

	start("all");
	hook_module(false);
	loader_stop();
	hook_module(true);
	w = binder("t/blue", &edu, false);
	must(w, W_GIVE, 4, TAKER_AIO, 0);
	expect_count(w, 3, "without a program");
	msi = observe("irqgate_msi_tp");
	sig = observe("irqgate_signal_tp");
	expect_count(w, 3, "with observers");
	expect(text_write(SYSFS "/parameters/armed", "1"), "armed: %s", rig_errname(errno));
	expect_count(w, 0, "undecided");
	expect_is(number_of("undecided_dropped"), 3, "undecided_dropped");
	must(w, W_HAVE_SIGNALLED, 4, TAKER_AIO, 0);
	expect_is(ask(w, W_COUNT, 4, 2000, 0), 1, "a signal of an unrelated eventfd");
	expect(number_of("undecided_passed") >= 1, "undecided_passed is 0");
	close(msi);
	close(sig);
	/* The kernel drops the last reference after a grace period. */
	expect(wait_for(5000, (must(w, W_RAISE, 0, 1, 1), nap(20), ask(w, W_TAKE, 0, 0, 0) == 1)),
	       "nothing arrives after the programs are detached");
	expect(!armed(), "still armed without a program");
	worker_end(w, false);

	/* An eventfd that a program called protected stays protected when no program decides. */
	start("all");
	w = binder("t/blue", &edu, false);
	must(w, W_GIVE, 0, TAKER_AIO, 0);
	expect_count(w, 3, "under the gate");
	sig = observe("irqgate_signal_tp");
	msi = observe("irqgate_msi_tp");
	loader_kill();
	run((char *[]){ "/bin/rm", "-r", "/sys/fs/bpf/irqgate", NULL });
	nap(1500);
	expect(armed(), "not armed any more");
	must(w, W_HAVE_SIGNALLED, 0, TAKER_AIO, 0);
	expect_is(ask(w, W_COUNT, 0, 200, 0), 0, "an undecided signal to a protected eventfd");
	close(msi);
	close(sig);
	hook_module(false);
}

/* Other users of the functions that the module hooks. */
enum { TRACER = 1, KPROBES = 2, TRAMPOLINE = 4 };

static void tracer(bool on)
{
	if (on) {
		text_write(TRACEFS "/set_ftrace_filter", "vfio_msihandler\n");
		text_write(TRACEFS "/set_ftrace_filter", "eventfd_signal_mask\n");
	}
	expect(text_write(TRACEFS "/current_tracer", on ? "function" : "nop"), "current_tracer: %s",
	       rig_errname(errno));
}

static void kprobes(bool on)
{
	if (on)
		expect(text_write(TRACEFS "/kprobe_events", "p:test/msi vfio_msihandler\n"
							    "p:test/signal eventfd_signal_mask\n"),
		       "kprobe_events: %s", rig_errname(errno));
	expect(text_write(TRACEFS "/events/test/enable", on ? "1" : "0"), "kprobes: %s",
	       rig_errname(errno));
	if (!on)
		text_write(TRACEFS "/kprobe_events", "-:test/msi\n-:test/signal\n");
}

/* Attaches one more program beside irqgate's, which changes their trampoline. */
static void trampoline(bool on)
{
	static int id, link;

	if (!on) {
		close(link);
		return;
	}
	if (!id)
		id = libbpf_find_vmlinux_btf_id("eventfd_signal_mask", BPF_TRACE_FENTRY);
	expect(id > 0, "no BTF of eventfd_signal_mask");
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_btf_id = (uint32_t)id);
	link = attach(BPF_PROG_TYPE_TRACING, NULL, &opts);
}

static void others(unsigned int wanted)
{
	static unsigned int there;
	unsigned int change = there ^ wanted;

	there = wanted;
	if (change & TRACER)
		tracer(wanted & TRACER);
	if (change & KPROBES)
		kprobes(wanted & KPROBES);
	if (change & TRAMPOLINE)
		trampoline(wanted & TRAMPOLINE);
}

/* Lets the next CPU handle the interrupt of a device. */
static void migrate(const struct device *d, unsigned int round)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), irq = -1;
	struct json_object *all, *o;
	char path[64], cpu[16];
	size_t i;

	if (cpus < 2)
		return;
	all = show("bindings");
	for (i = 0; i < json_object_array_length(all); i++) {
		o = json_object_array_get_idx(all, i);
		if (!strcmp(field(o, "handle"), d->handle))
			irq = number(o, "irq");
	}
	json_object_put(all);
	snprintf(path, sizeof(path), "/proc/irq/%ld/smp_affinity_list", irq);
	snprintf(cpu, sizeof(cpu), "%ld", round % cpus);
	expect(text_write(path, cpu), "%s: %s", path, rig_errname(errno));
}

/*
 * Under a stream of interrupts, tracers, kprobes and trampolines come and go on the functions of
 * the module, which is loaded and unloaded meanwhile.
 */
static void inline_churn(void)
{
	unsigned int rounds = (unsigned int)from_environment("HOOK_ROUNDS", 16), i;
	long raised, wanted = from_environment("STREAM_INTERRUPTS", 10000) / 10;
	struct worker *w, *bad;

	install();
	kernel_log_mark();
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	start("all");
	hook_module(false);
	loader_stop(); /* a loader would attach each time */
	w = binder("t/blue", &edu, false);
	mark();
	must(w, W_STREAM, 0, 200, 1);
	for (i = 0; i < rounds || counted(edu.handle, 0).passed < wanted; i++) {
		if (i % 8 == 0)
			migrate(&edu, i / 8);
		others(i % 8);
		hook_module(true);
		others((i + 3) % 8);
		hook_module(false);
	}
	others(0);
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	printf("  churn: %u rounds, %ld interrupts\n", i, raised);
	expect_counts(edu.handle, 0, 0, (struct counts){ .passed = raised });
	worker_end(w, false);

	/* Now irqgate's programs come and go, too, and it drops another vector. */
	rounds /= 20;
	if (!rounds)
		goto out;
	start("all");
	w = binder("t/blue", &edu, false);
	bad = card("t/nobody", false);
	mark();
	must(w, W_STREAM, 0, 1000, 1);
	for (i = 0; i < rounds; i++) {
		gate(true);
		must(bad, W_RAISE, 1, 1, 2);
		gate(false);
		must(bad, W_RAISE, 1, 1, 2);
	}
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	expect_is(ask(bad, W_TAKE, 1, 0, 0), 0, "count of the vector that is not authorized");
	expect_counts(edu.handle, 0, 0, (struct counts){ .passed = raised });
	COUNTS(1, 1, .dropped = 4 * (long)rounds);
out:
	expect_clean_log();
}

/* No authorized interrupt is lost, and no other gets through. */
static void inline_lossless(void)
{
	const long wanted = from_environment("STREAM_INTERRUPTS", 5000);
	struct worker *w, *bad;
	long raised, stopped = 0, twice = rig_repeats();
	struct counts c;

	kernel_log_mark();
	start_gated("all");
	w = binder("t/blue", &edu, false);
	bad = card("t/nobody", false);
	mark();
	must(w, W_STREAM, 0, 0, 1);
	while (counted(edu.handle, 0).passed < wanted) {
		must(bad, W_RAISE, 1, 1, 1);
		stopped++;
		nap(500);
	}
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	printf("  lossless: %ld interrupts, %ld of another dropped\n", raised, stopped);
	expect_is(ask(bad, W_TAKE, 1, 0, 0), 0, "count of the vector that is not authorized");
	expect_counts(edu.handle, 0, 0, (struct counts){ .passed = raised });
	/* The test takes too long to run again, so it allows for messages that came twice. */
	twice = rig_repeats() - twice;
	c = counted(nic.handle, 1);
	expect(!c.leaked && !c.passed && c.dropped >= stopped && c.dropped <= stopped + twice,
	       "%ld raised, at most %ld sent twice: dropped %ld, leaked %ld, passed %ld", stopped,
	       twice, c.dropped, c.leaked, c.passed);
	expect(!number_of("undecided_dropped") && !number_of("undecided_passed"),
	       "calls were left undecided");
	expect_clean_log();
}

/* The tests of other sets run without the module. */
static void inline_gone(void)
{
	hook_module(false);
}

static const struct test tests[] = {
	{ "inline.comes_and_goes", inline_comes_and_goes },
	{ "inline.yields", inline_yields },
	{ "inline.version", inline_version },
	{ "inline.without_loader", inline_without_loader },
	{ "inline.early", inline_early },
	{ "inline.lossless", inline_lossless },
	{ "inline.churn", inline_churn },
	{ "inline.undecided", inline_undecided }, /* unloads */
	{ "inline.gone", inline_gone },
};

struct test_set inline_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
