// SPDX-License-Identifier: GPL-2.0-only
/* adopt.*: what was there before irqgate is found, wherever it hides. */
#include "fixture.h"

#include <signal.h>
#include <string.h>

static const struct {
	enum hiding where;
	const char *name;
} hidings[] = { { IN_FLIGHT, "in flight" }, { IN_URING, "in an io_uring" } };

static void start(const struct device *a, const struct device *b)
{
	loader_start(ENFORCE CONTEXTS "devices:\n" ROW ROW, a->handle, "blue", "all", "drop",
		     b->handle, "blue", "all", "deny");
	mark();
}

static void expect_reason(const struct device *d, const char *reason, const char *context)
{
	struct binding b = {};

	expect(binding_of(d->handle, 0, &b), "no binding of %s", d->handle);
	expect(!strcmp(b.reason, reason), "reason %s, expected %s", b.reason, reason);
	expect(!strcmp(b.context, context), "context %s, expected %s", b.context, context);
}

/* Processes of another pid namespace are known like all others. */
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
	start(&nic, &edu);
	must(good, W_ARRIVES, 0, nic.vectors, 2);
	must(bad, W_ABSENT, 0, 1, 2);
	COUNTS(&nic, .passed = 2);
	COUNTS(&edu, .dropped = 2);
}

/* A VM nobody has under a descriptor: KVM's own list leads to it, its mm to its owner. */
static void adopt_hidden_vm(void)
{
	struct worker *good, *bad;
	unsigned int i;

	for (i = 0; i < sizeof(hidings) / sizeof(hidings[0]); i++) {
		unload();
		good = bound_vmm(BLUE, &nic);
		bad = bound_vmm(NOBODY, &edu);
		must(good, W_HIDE, hidings[i].where, 0, 0);
		must(bad, W_HIDE, hidings[i].where, 0, 0);
		start(&nic, &edu);
		expect(map_count("vms") == 2, "%ld of 2 VMs %s found", map_count("vms"),
		       hidings[i].name);
		must(good, W_ARRIVES, 0, nic.vectors, 1);
		must(bad, W_ABSENT, 0, 1, 1);
		COUNTS(&nic, .passed = 1);
		COUNTS(&edu, .dropped = 1);
		worker_end(good, true);
		worker_end(bad, true);
	}
}

/*
 * A device nobody has under a descriptor cannot be quarantined: nothing leads to its
 * file. Its binding is found and judged by the VM that listens, and what it lets
 * through is called a leak.
 */
static void adopt_hidden_device(void)
{
	struct worker *good, *bad;
	struct json_object *ev;
	unsigned int i;

	for (i = 0; i < sizeof(hidings) / sizeof(hidings[0]); i++) {
		unload();
		good = bound_vmm(BLUE, &nic);
		bad = bound_vmm(NOBODY, &edu);
		must(good, W_HIDE, hidings[i].where, 1, 0);
		must(bad, W_HIDE, hidings[i].where, 1, 0);
		start(&nic, &edu);
		expect_reason(&nic, "registered", "blue");
		expect_reason(&edu, "context", "");
		must(good, W_ARRIVES, 0, nic.vectors, 1);
		must(bad, W_ARRIVES, 0, 1, 1);
		COUNTS(&nic, .passed = 1);
		COUNTS(&edu, .leaked = 1);
		ev = event_wait("leak", "context", "none", edu.handle, 0);
		expect(ev, "no event of the leak, device %s", hidings[i].name);
		json_object_put(ev);
		worker_end(good, true);
		worker_end(bad, true);
	}
}

/* The same without a VM: nothing tells whose it is. */
static void adopt_unresolved(void)
{
	struct json_object *ev;
	struct worker *w;

	unload();
	w = driver(BLUE, &edu);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_HIDE, IN_FLIGHT, 1, 0);
	start(&nic, &edu);
	expect_reason(&edu, "unresolved", "");
	must(w, W_RAISE, 0, 1, 3);
	nap(50);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 3, "count");
	COUNTS(&edu, .leaked = 3);
	ev = event_wait("leak", "unresolved", "none", edu.handle, 0);
	expect(ev, "no event of the leak");
	json_object_put(ev);
}

/* irqgate itself must see all processes. */
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
	expect(strstr(o->err, "pid namespace"), "it says %s", o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
}

struct test_set adopt_tests(void)
{
	static const struct test tests[] = {
		{ "adopt.own_namespace", adopt_own_namespace },
		{ "adopt.namespace", adopt_namespace },
		{ "adopt.hidden_vm", adopt_hidden_vm },
		{ "adopt.hidden_device", adopt_hidden_device },
		{ "adopt.unresolved", adopt_unresolved },
	};

	return TEST_SET(tests);
}
