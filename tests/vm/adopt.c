// SPDX-License-Identifier: GPL-2.0-only
/* adopt.*: irqgate finds devices and VMs that existed before it, wherever they hide. */
#include "fixture.h"

#include <signal.h>
#include <string.h>

static void expect_reason(const struct device *d, const char *reason, const char *context)
{
	struct binding b = {};

	expect(binding_of(d->handle, 0, &b), "no binding of %s", d->handle);
	expect(!strcmp(b.reason, reason), "reason %s, expected %s", b.reason, reason);
	expect(!strcmp(b.context, context), "context %s, expected %s", b.context, context);
}

/* irqgate finds processes of another pid namespace, too. */
static void adopt_namespace(void)
{
	struct worker *good, *bad;

	unload();
	good = worker_new(BLUE);
	bad = worker_new(NOBODY);
	must(good, W_NAMESPACE, 0, 0, 0);
	must(bad, W_NAMESPACE, 0, 0, 0);
	equip(good, &nic);
	equip(bad, &edu);
	expect_is(bind_all(good, &nic, IRQFD_FIRST), 0, "binding %s", nic.bdf);
	expect_is(bind_all(bad, &edu, IRQFD_FIRST), 0, "binding %s", edu.bdf);
	must(bad, W_ARRIVES, 0, 1, 1);
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "all", "drop",
		    edu.handle, "blue", "all", "deny");
	mark();
	must(good, W_ARRIVES, 0, nic.vectors, 2);
	must(bad, W_ABSENT, 0, 1, 2);
	COUNTS(&nic, .passed = 2);
	COUNTS(&edu, .dropped = 2);
}

static void expect_leak(const struct device *d, const char *reason)
{
	struct json_object *ev = event_wait("leak", reason, "none", d->handle, 0);

	expect(ev, "no event of the leak of %s", d->handle);
	json_object_put(ev);
}

/*
 * No process has an fd of these files. irqgate finds a VM on KVM's own list, and its owner by the
 * mm. It finds a device in sysfs and judges it by the listening VMs; without one the reason is
 * `unresolved`. It cannot quarantine such a device, because it has no fd to copy. Without a last
 * resort (contain.*) that is a leak.
 */
static void adopt_hidden(void)
{
	struct worker *good, *bad, *cut, *silent = NULL;

	unload();
	good = bound_vmm(BLUE, &nic);
	cut = bound_vmm(NOBODY, &edu);
	bad = bound_vmm(NOBODY, &edu2);
	must(good, W_HIDE, IN_FLIGHT, 0, 0);
	must(good, W_HIDE, IN_URING, 1, 0);
	must(cut, W_HIDE, IN_URING, 0, 0);
	must(bad, W_HIDE, IN_FLIGHT, 1, 0);
	if (igb.vectors) {
		silent = driver(BLUE, &igb);
		must(silent, W_VFIO, 0, 1, 0);
		must(silent, W_HIDE, IN_URING, 1, 0);
	}
	loader_with(ENFORCE CONTEXTS "defaults: { last_resort: report }\n"
				     "devices:\n" ROW ROW ROW ROW,
		    nic.handle, "blue", "all", "drop", edu.handle, "blue", "all", "deny",
		    edu2.handle, "blue", "all", "deny",
		    igb.vectors ? igb.handle : "pci:0000:ff:1f.0", "blue", "all", "deny");
	mark();
	expect(map_count("vms") == 3, "%ld of 3 VMs found", map_count("vms"));
	expect_reason(&nic, "registered", "blue");
	must(good, W_ARRIVES, 0, nic.vectors, 1);
	COUNTS(&nic, .passed = 1);
	must(cut, W_ABSENT, 0, 1, 1);
	COUNTS(&edu, .dropped = 1);
	expect_reason(&edu2, "context", "");
	must(bad, W_ARRIVES, 0, 1, 1);
	COUNTS(&edu2, .leaked = 1);
	expect_leak(&edu2, "context");
	if (!silent)
		return;
	expect_reason(&igb, "unresolved", "");
	must(silent, W_RAISE, 0, 1, 3);
	nap(50);
	expect_is(ask(silent, W_TAKE, 0, 0, 0), 3, "count");
	COUNTS_OF(&igb, 0, 0, .leaked = 3);
	expect_leak(&igb, "unresolved");
}

/* irqgate must see all processes, so it does not run in a pid namespace of its own. */
static void adopt_own_namespace(void)
{
	char *const argv[] = { "/usr/bin/unshare",       "--pid", "--fork",
			       irqgate_path(),           "run",   "--policy",
			       "/run/irqgate-test.yaml", NULL };
	const struct output *o;

	unload();
	write_text("/run/irqgate-test.yaml", ENFORCE CONTEXTS);
	o = run(argv);
	expect_is(o->status, 3, "irqgate run in a pid namespace of its own");
	expect(strstr(o->err, "pid namespace"), "the message is %s", o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
}

struct test_set adopt_tests(void)
{
	static const struct test tests[] = {
		{ "adopt.own_namespace", adopt_own_namespace },
		{ "adopt.namespace", adopt_namespace },
		{ "adopt.hidden", adopt_hidden },
	};

	return TEST_SET(tests, .loader_stays = true);
}
