// SPDX-License-Identifier: GPL-2.0-only
/*
 * absent.*: irqgate cannot hook a loaded module. In enforce mode it does not start. If the module
 * comes later, irqgate alarms and refuses new binds of the module. The tests mount changed copies
 * over the files of the kernel that irqgate reads.
 */
#include "fixture.h"

#include <errno.h>
#include <irqgate/table.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KALLSYMS "/proc/kallsyms"
#define DOCTORED "/run/irqgate-test.kallsyms"
#define BROKEN "/run/irqgate-test.btf"

/* The copy of kallsyms has the symbol with a suffix. NULL: it lacks the symbol. */
struct change {
	const char *symbol, *suffix;
};

/* Prints the line as one of @changes has it. False: no change is for this symbol. */
static bool change_line(const struct change *changes, const char *line, FILE *to)
{
	const char *name = strchr(line, ' ') + 3;
	size_t len = strcspn(name, "\t\n");

	for (; changes->symbol; changes++) {
		if (strlen(changes->symbol) != len || strncmp(name, changes->symbol, len))
			continue;
		if (changes->suffix)
			fprintf(to, "%.*s%s%s", (int)(name - line + (long)len), line,
				changes->suffix, name + len);
		return true;
	}
	return false;
}

static void doctor(const struct change *changes)
{
	FILE *from = fopen(KALLSYMS, "re"), *to = fopen(DOCTORED, "we");
	int changed = 0;
	char line[1024];

	expect(from && to, "cannot copy " KALLSYMS);
	while (fgets(line, sizeof(line), from)) {
		if (change_line(changes, line, to))
			changed++;
		else
			fputs(line, to);
	}
	fclose(from);
	expect(!fclose(to), DOCTORED ": %s", rig_errname(errno));
	expect(changed, "%s is not in " KALLSYMS, changes->symbol);
	expect(!mount(DOCTORED, KALLSYMS, NULL, MS_BIND, NULL), "mount: %s", rig_errname(errno));
}

static void heal(const char *path)
{
	while (!umount2(path, MNT_DETACH))
		;
}

static void load_modules(void)
{
	modprobe("-a", "vfio-pci", "kvm-amd");
}

/* Runs @step without irqgate, then restores the kernel's own files. */
static void apart(void (*step)(const void *arg), const void *arg)
{
	char why[512];
	bool ok;

	unload();
	ok = test_try(step, arg, why, sizeof(why));
	heal(KALLSYMS);
	workers_end();
	if (!ok)
		loader_kill();
	unload();
	load_modules();
	expect(ok, "%s", why);
}

/* `run` and `probe` refuse. The message names @module, @word and the remedy. */
static void expect_refused(const char *module, const char *word)
{
	const struct output *o;

	write_text("/run/irqgate-test.yaml", ENFORCE CONTEXTS);
	chmod("/run/irqgate-test.yaml", 0600);
	o = irqgate("run", "--policy", "/run/irqgate-test.yaml", NULL);
	expect_is(o->status, 3, "irqgate run without %s", word);
	expect(strstr(o->err, module) && strstr(o->err, word) && strstr(o->err, "--mode audit"),
	       "the message does not name %s, %s and --mode audit: %s", module, word, o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
	o = irqgate("probe", NULL);
	expect(o->status == 3 && strstr(o->out, word), "probe: exit %d: %s", o->status, o->out);
}

/* ---- absent.symbol, absent.changed ------------------------------------------ */

static void start_without(const void *arg)
{
	const char *const *needed = arg; /* module, symbol, suffix */

	doctor((struct change[]){ { needed[1], needed[2] }, {} });
	expect_refused(needed[0], needed[1]);
	if (needed[2])
		expect_refused(needed[0], needed[2]);
}

static void each_without(const char *const needed[][3], size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		apart(start_without, needed[i]);
}

static void symbol(void)
{
	static const char *const needed[][3] = {
		{ "the kernel", "eventfd_signal_mask" },
		{ "vfio", "vfio_device_fops" },
		{ "vfio_pci_core", "vfio_msi_set_vector_signal" },
		{ "kvm", "kvm_vm_fops" },
		{ "kvm", "kvm_arch_init_vm" },
	};

	each_without(needed, sizeof(needed) / sizeof(needed[0]));
}

/* The compiler made a variant of a function, which irqgate must not take for the function. */
static void changed(void)
{
	static const char *const needed[][3] = {
		{ "kvm", "irqfd_shutdown", ".constprop.0" },
		{ "vfio_pci_core", "vfio_pci_set_irqs_ioctl", ".isra.0.cold" },
	};

	each_without(needed, sizeof(needed) / sizeof(needed[0]));
}

/* ---- absent.renamed ----------------------------------------------------------- */

static void start_renamed(const void *arg)
{
	struct worker *w;

	doctor(arg);
	if (system("grep -q ' register_fprobe_ips$' " KALLSYMS)) {
		expect_refused("kvm", ".llvm.1234567890123456789");
		return;
	}
	enforce(&nic, "[0-2]", "drop");
	expect(hook_is("vector_signal", "live") && hook_is("vm_created", "live"),
	       "the renamed functions are not hooked");
	expect_is(irqgate("status", NULL)->status, 0, "status");
	w = bound_vmm(BLUE, &nic);
	mark();
	must(w, W_ARRIVES, 0, 3, 1);
	must(w, W_ABSENT, 3, 2, 1);
	COUNTS_OF(&nic, 0, 2, .passed = 1);
	COUNTS_OF(&nic, 3, 4, .dropped = 1);
	expect_state(nic.handle, 3, 4, "quarantined");
	worker_end(w, false);
	expect_forgotten("at the end");
}

/* The names of static functions after clang's link time optimization. */
static void renamed(void)
{
	static const struct change changes[] = {
		{ "vfio_msi_set_vector_signal", ".llvm.123" },
		{ "vfio_device_fops", ".llvm.4" },
		{ "kvm_arch_init_vm", ".llvm.1234567890123456789" },
		{},
	};

	apart(start_renamed, changes);
}

/* ---- absent.types ------------------------------------------------------------- */

static void break_types(const char *module, char path[64])
{
	snprintf(path, 64, "/sys/kernel/btf/%s", module);
	write_text(BROKEN, "this is not BTF, so irqgate finds no types");
	expect(!mount(BROKEN, path, NULL, MS_BIND, NULL), "%s: %s", path, rig_errname(errno));
}

static void start_broken(const void *arg)
{
	char path[64];

	(void)arg;
	break_types("kvm", path);
	expect_refused("kvm", path);
	heal(path);
	/* irqgate hooks nothing in e1000e, so it does not need the types. */
	break_types("e1000e", path);
	enforce(&nic, "all", "drop");
	expect_is(irqgate("status", NULL)->status, 0, "status");
}

static void types(void)
{
	modprobe("-a", "e1000e", NULL);
	apart(start_broken, NULL);
	heal("/sys/kernel/btf/kvm");
	heal("/sys/kernel/btf/e1000e");
}

/* ---- absent.audit --------------------------------------------------------------- */

static void expect_unhooked(const char *module, bool is)
{
	char line[64];
	const struct output *o;

	/* Reading kallsyms takes so long here that the loader seems to hang. */
	expect(wait_for(20000, (o = irqgate("status", "-j", NULL))->status == is),
	       "status: exit %d, expected %d: %s", o->status, is, strchr(o->out, ',') ?: "");
	expect((!!strstr(o->out, module)) == is, "status %s %s", is ? "lacks" : "has", module);
	snprintf(line, sizeof(line), "irqgate_hooks_absent{module=\"%s\"} %d\n", module, is);
	o = irqgate("metrics", NULL);
	expect(strstr(o->out, line), "metrics have no line %s", line);
}

#define DEVICES "devices:\n" ROW, nic.handle, "blue", "all", "drop"

static void start_audit(const void *arg)
{
	const char *const *needed = arg; /* module, symbol */
	bool vfio = !strcmp(needed[0], "vfio");
	struct worker *w;

	doctor((struct change[]){ { needed[1], NULL }, {} });
	loader_with(AUDIT CONTEXTS DEVICES);
	expect(loader_said("ALARM: ") && loader_said(needed[1]),
	       "the loader does not alarm about %s", needed[1]);
	expect_unhooked(needed[0], true);
	w = vmm(BLUE, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding in audit mode");
	expect_reported("audit", "unhooked", NULL, NULL, IRQGATE_VECTOR_FUNCTION);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	worker_end(w, false);
	/* In enforce mode irqgate refuses binds that it could not follow. */
	loader_reload(ENFORCE CONTEXTS DEVICES);
	w = vmm(BLUE, &nic);
	mark();
	expect_is(ask(w, W_IRQFD, 0, nic.vectors, 0), vfio ? 0 : -EACCES, "KVM_IRQFD");
	expect_is(ask(w, W_VFIO, 0, nic.vectors, 0), vfio ? -EACCES : 0, "VFIO_DEVICE_SET_IRQS");
	expect_reported("deny", "unhooked", "bind", NULL, IRQGATE_VECTOR_FUNCTION);
	must(w, W_ABSENT, 0, nic.vectors, 1);
	if (vfio) {
		expect_is(ask(w, W_COMPAT_VFIO, 0, 1, 0), -EACCES, "the same, 32-bit");
		expect_is(ask(w, W_NONE, 0, 0, 0), -EACCES, "DATA_NONE");
		/* The gate lets disabling pass. VFIO refuses, because nothing is enabled. */
		expect_is(ask(w, W_VFIO_OFF, 0, 0, 0), -EINVAL, "disabling");
	} else {
		expect_is(ask(w, W_COMPAT_IRQFD, 0, 0, 0), -EACCES, "the same, 32-bit");
	}
	must(w, W_ABSENT, 0, nic.vectors, 1);
}

/* In audit mode irqgate starts, and `status` says that it is not healthy. */
static void audit(void)
{
	static const char *const needed[][2] = {
		{ "vfio", "vfio_msi_set_vector_signal" },
		{ "kvm", "kvm_arch_init_vm" },
	};
	size_t i;

	for (i = 0; i < 2; i++)
		apart(start_audit, needed[i]);
}

/* ---- absent.teardown ------------------------------------------------------------ */

/* irqgate refuses new binds of a module that it could not hook. An owner may end its old ones. */
static void start_bound(const void *arg)
{
	struct worker *w;

	(void)arg;
	doctor((struct change[]){ { "vfio_msi_set_vector_signal", NULL }, {} });
	loader_with(AUDIT CONTEXTS DEVICES);
	w = vmm(BLUE, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding in audit mode");
	loader_reload(ENFORCE CONTEXTS DEVICES);
	expect_is(ask(w, W_UNBIND, 0, 0, 0), 0, "disconnecting a vector");
	must(w, W_ABSENT, 0, 1, 1);
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "connecting it again");
	/* One of these would be connected. */
	expect_is(evade(w, E_SPARSE, 1, nic.vectors, 0), -EACCES, "disconnecting all others");
	expect_is(evade(w, E_SPARSE, 0, nic.vectors, 0), 0, "disconnecting all");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	expect_is(ask(w, W_VFIO_OFF, 0, 0, 0), 0, "disabling");
}

static void teardown(void)
{
	apart(start_bound, NULL);
}

/* ---- absent.late, absent.refused ------------------------------------------------ */

/* The modules come while the loader is stopped, so it looks only after kallsyms has changed. */
static void arrive(const struct change *changes)
{
	modules_gone();
	enforce(&nic, "all", "drop");
	expect_unhooked("kvm", false);
	loader_pause(true);
	load_modules();
	if (changes)
		doctor(changes);
	mark();
}

static void expect_alarm(const char *reason)
{
	struct json_object *ev = NULL;

	expect(wait_for(60000, (ev = event_find("alarm", reason, NULL, NULL, 0))),
	       "no alarm with the reason %s", reason);
	json_object_put(ev);
}

static void come_without(const void *arg)
{
	const char *const *needed = arg; /* module, symbol */
	bool vfio = !strcmp(needed[0], "vfio");
	struct worker *w;

	arrive((struct change[]){ { needed[1], NULL }, {} });
	loader_pause(false);
	expect_alarm("unhooked");
	expect_unhooked(needed[0], true);
	/* The loader hooks the other module. */
	expect(wait_for(60000, hook_is(vfio ? "vm_created" : "vector_signal", "live")),
	       "the other module is not hooked");
	w = vmm(BLUE, &nic);
	expect_is(ask(w, W_IRQFD, 0, nic.vectors, 0), vfio ? 0 : -EACCES, "KVM_IRQFD");
	expect_is(ask(w, W_VFIO, 0, nic.vectors, 0), vfio ? -EACCES : 0, "VFIO_DEVICE_SET_IRQS");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	worker_end(w, false);
	/* The module is unloaded and loaded again, now with a complete kallsyms. */
	mark();
	if (vfio)
		modprobe("-r", "vfio-pci", NULL);
	else
		modprobe("-r", "kvm-amd", "kvm");
	expect_alarm("hooked");
	expect_unhooked(needed[0], false);
	heal(KALLSYMS);
	load_modules();
	expect(wait_for(60000, hook_is("vector_signal", "live") && hook_is("vm_created", "live")),
	       "the module is not hooked when it comes again");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	expect_unhooked(needed[0], false);
}

static void late(void)
{
	static const char *const needed[][2] = {
		{ "kvm", "kvm_arch_destroy_vm" },
		{ "vfio", "vfio_msi_set_vector_signal" },
	};
	size_t i;

	for (i = 0; i < 2; i++)
		apart(come_without, needed[i]);
}

static void limit_files(rlim_t files)
{
	struct rlimit limit = { files, 65536 };

	expect(!prlimit(loader_pid(), RLIMIT_NOFILE, &limit, NULL), "prlimit: %s",
	       rig_errname(errno));
}

/* The kernel refuses the loader fds for a while. irqgate refuses binds for that time. */
static void come_refused(const void *arg)
{
	struct worker *w;

	(void)arg;
	arrive(NULL);
	limit_files(8);
	loader_pause(false);
	expect_alarm("unhooked");
	expect_unhooked("vfio", true);
	w = vmm(BLUE, &nic);
	expect_is(ask(w, W_VFIO, 0, nic.vectors, 0), -EACCES, "VFIO_DEVICE_SET_IRQS");
	expect_is(ask(w, W_IRQFD, 0, nic.vectors, 0), -EACCES, "KVM_IRQFD");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	limit_files(1024);
	expect_alarm("hooked");
	expect_unhooked("vfio", false);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
}

static void refused(void)
{
	apart(come_refused, NULL);
}

struct test_set absent_tests(void)
{
	static const struct test tests[] = {
		{ "absent.symbol", symbol },   { "absent.changed", changed },
		{ "absent.renamed", renamed }, { "absent.types", types },
		{ "absent.audit", audit },     { "absent.teardown", teardown },
		{ "absent.late", late },       { "absent.refused", refused },
	};

	return TEST_SET(tests);
}
