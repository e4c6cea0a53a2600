// SPDX-License-Identifier: GPL-2.0-only
/*
 * modules.*: modules that the loader must hook come after it.
 * hooks.*: each hook runs, and `status` and `show` tell.
 */
#include "fixture.h"
#include "worker-access.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- modules.* -------------------------------------------------------------- */

static bool hook_live(struct json_object *all, const char *name)
{
	size_t n = json_object_array_length(all), i;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		if (!strcmp(field(o, "hook"), name))
			return !strcmp(field(o, "state"), "live");
	}
	return false;
}

/*
 * The name of a hook that is not live, NULL if all are. A kernel has one of irqfd_queued and
 * irqfd_registered.
 */
static const char *hook_missing(void)
{
	static char name[64];
	struct json_object *all = show("hooks");
	size_t n = json_object_array_length(all), i;

	*name = '\0';
	for (i = 0; i < n && !*name; i++) {
		const char *hook = field(json_object_array_get_idx(all, i), "hook");

		if (strncmp(hook, "inline_", 7) && strcmp(hook, "vector_changing") &&
		    strcmp(hook, "gate_mmap") && /* no row needs it */
		    strncmp(hook, "eventfd_made_fmode", 18) && /* not in 6.1 */
		    strncmp(hook, "irqfd_queued", 12) && strncmp(hook, "irqfd_registered", 16) &&
		    !hook_live(all, hook))
			snprintf(name, sizeof(name), "%s", hook);
	}
	if (!*name && hook_live(all, "irqfd_queued") == hook_live(all, "irqfd_registered"))
		strcpy(name, "one of irqfd_queued and irqfd_registered");
	json_object_put(all);
	return *name ? name : NULL;
}

/* The loader hooks modules when they appear, and finds what was bound before that. */
static void modules_late(void)
{
	struct worker *early, *late;
	const char *missing = "";

	modules_gone();
	loader_options("-v");
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "all", "drop",
		    edu.handle, "blue", "all", "deny");
	expect_privileges(true);
	/* A stopped loader cannot be quicker than the VMM. */
	kill(loader_pid(), SIGSTOP);
	modprobe("-a", "vfio-pci", "kvm-amd");
	early = bound_vmm(NOBODY, &nic);
	must(early, W_ARRIVES, 0, nic.vectors, 1);
	kill(loader_pid(), SIGCONT);
	wait_for(60000, !(missing = hook_missing()));
	expect(!missing, "%s is not live after the modules were loaded", missing);
	expect_privileges(false);
	mark();
	must(early, W_ABSENT, 0, nic.vectors, 2);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	COUNTS(&nic, .dropped = 2);
	late = vmm(NOBODY, &edu);
	expect_is(bind_all(late, &edu, IRQFD_FIRST), -EACCES, "binding after hooking");
	must(late, W_ABSENT, 0, 1, 1);
	COUNTS(&edu, .denied = 1);
	/* All programs are loaded: print for tests/vm/budget what the verifier said. */
	loader_verified();
}

/* The same, while loader and VMM race. */
static void modules_race(void)
{
	const char *missing = "";
	struct worker *w;
	int i;

	modules_gone();
	enforce(&nic, "all", "drop");
	modprobe("-a", "vfio-pci", "kvm-amd");
	w = vmm(NOBODY, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	for (i = 0; i < 20; i++) {
		must(w, W_VFIO, 0, nic.vectors, 0);
		must(w, W_VFIO_OFF, 0, 0, 0);
	}
	must(w, W_VFIO, 0, nic.vectors, 0);
	wait_for(60000, !(missing = hook_missing()));
	expect(!missing, "%s is not live after the modules were loaded", missing);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .dropped = 2);
}

/*
 * With AMD AVIC the hardware may go on posting a vector to the VM although VFIO connected it
 * elsewhere. `revoke` must say that, unless the kernel has irq_bypass_vcpu.
 */
static void modules_avic(void)
{
	const struct output *o;
	struct worker *w;
	bool promises;

	modules_gone();
	modprobe("-a", "vfio-pci", "kvm");
	modprobe("kvm-amd", "avic=1", "force_avic=1");
	promises = !system("grep -q irq_bypass_vcpu /sys/kernel/btf/kvm");
	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	mark();
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	o = irqgate("revoke", nic.handle, "1", NULL);
	expect(o->status == !promises && promises == !strstr(o->err, "AMD AVIC may go on posting"),
	       "revoke: exit %d: %s", o->status, o->err);
	/* Interrupts that software delivers are cut in any case. */
	must(w, W_ABSENT, 1, 1, 2);
	COUNTS_OF(&nic, 1, 1, .passed = 1, .dropped = 2);
	shared_end();
	modules_gone();
}

/* ---- hooks.* ---------------------------------------------------------------- */

/* Each hook must have run: a hook may be attached and never called. */
static void hooks_fire(void)
{
	char *true_argv[] = { "/bin/true", NULL };
	struct json_object *all, *o;
	char silent[512] = "";
	struct worker *w;
	const char *missing;
	size_t i;

	enforce(&nic, "all", "drop");
	missing = hook_missing();
	expect(!missing, "%s is not live", missing);
	run(true_argv);
	mkdir("/sys/fs/cgroup/t", 0755);
	rmdir("/sys/fs/cgroup/t/hooks");
	expect(!mkdir("/sys/fs/cgroup/t/hooks", 0755), "mkdir: %s", rig_errname(errno));
	modprobe("-a", "dummy", NULL);
	modprobe("-r", "dummy", NULL);
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	ask(w, W_COMPAT_VFIO, 0, 1, 0);
	ask(w, W_COMPAT_IRQFD, 0, 0, 0);
	must(w, (enum worker_op)A_TIE, 1, 0, 0);
	modprobe("-a", "vhost_net", NULL);
	ask(w, (enum worker_op)E_VHOST, 0, 1, 0);
	verb(0, "revoke", nic.handle, "0", NULL);
	worker_end(w, false);
	expect_forgotten("at the end");
	all = show("hooks");
	for (i = 0; i < json_object_array_length(all); i++) {
		o = json_object_array_get_idx(all, i);
		if (strcmp(field(o, "state"), "live"))
			continue;
		expect(*field(o, "runs"), "show hooks -j has no field 'runs'");
		/* This hook looks for processes to kill, and runs in contain.kill_heir. */
		if (atol(field(o, "runs")) > 0 || !strcmp(field(o, "hook"), "find_maps"))
			continue;
		/* 6.12 has the function, and makes no eventfd by it. */
		if (!strncmp(field(o, "hook"), "eventfd_made_fmode", 18))
			continue;
		if (strlen(silent) + 64 < sizeof(silent))
			sprintf(silent + strlen(silent), " %s", field(o, "hook"));
	}
	json_object_put(all);
	expect(!*silent, "never ran:%s", silent);
}

/* `status` tells whether irqgate is in force, and how much was lost or skipped. */
static void hooks_status(void)
{
	static const char *const losses[] = { "lost_events", "lost_bindings", "unknown_msis",
					      "missed_runs" };
	struct json_object *all, *o;
	const struct output *out;
	size_t i;

	enforce(&nic, "all", "drop");
	out = irqgate("status", "-j", NULL);
	expect_is(out->status, 0, "irqgate status");
	o = json_tokener_parse(out->out);
	expect(atoi(field(o, "loader")) == loader_pid(), "loader is %s", field(o, "loader"));
	expect(!strcmp(field(o, "mode"), "enforce"), "mode is %s", field(o, "mode"));
	all = show("stats");
	for (i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		expect(*field(o, losses[i]) && *field(json_object_array_get_idx(all, 0), losses[i]),
		       "status or show stats has no field '%s'", losses[i]);
	json_object_put(all);
	json_object_put(o);
	loader_kill();
	verb(1, "status", NULL);
	unload();
	verb(1, "status", NULL);
}

static const struct test modules[] = {
	{ "modules.late", modules_late },
	{ "modules.race", modules_race },
	{ "modules.avic", modules_avic },
};

struct test_set modules_tests(void)
{
	return TEST_SET(modules, .loader_stays = true);
}

static const struct test hooks[] = {
	{ "hooks.fire", hooks_fire },
	{ "hooks.status", hooks_status },
};

struct test_set hooks_tests(void)
{
	return TEST_SET(hooks, .loader_stays = true);
}
