// SPDX-License-Identifier: GPL-2.0-only
/*
 * lifecycle.*: processes with bindings end.
 * reload.*: the next policy changes the context of a bound device.
 * persist.*: loaders come and go; persist.unload is in errors.c, because it unloads.
 */
#include "fixture.h"

#include <errno.h>

/* ---- lifecycle.* ------------------------------------------------------------ */

static void lifecycle(bool kill)
{
	struct worker *good, *bad, *lone;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, nic.handle, "blue", "[0-2]", "drop",
		    edu.handle, "blue", "all", "drop", edu2.handle, "blue", "all", "drop");
	good = bound_vmm(BLUE, &nic);
	bad = bound_vmm(NOBODY, &edu);
	lone = bound_driver(NOBODY, &edu2);
	must(good, W_ARRIVES, 0, 3, 1);
	must(bad, W_ABSENT, 0, 1, 1);
	expect_is(vfio_bindings(), 7, "bindings");
	expect_is(map_count("vms"), 2, "VMs");
	expect_is(map_count("irqfds"), 6, "irqfds");
	worker_end(good, kill);
	worker_end(bad, kill);
	worker_end(lone, kill);
	expect_forgotten(kill ? "after kill -9" : "after their owners ended");
}

static void lifecycle_exit(void)
{
	lifecycle(false);
}

static void lifecycle_kill(void)
{
	lifecycle(true);
}

static void lifecycle_unbind(void)
{
	struct worker *w;
	int i;

	enforce(&nic, "all", "drop");
	for (i = 0; i < 10; i++) {
		w = bound_vmm(i % 2 ? BLUE : NOBODY, &nic);
		must(w, W_VFIO_OFF, 0, 0, 0);
		must(w, W_VFIO, 0, nic.vectors, 0);
		worker_end(w, i % 3);
	}
	expect_forgotten("after ten VMMs");
}

/* ---- reload.* --------------------------------------------------------------- */

/* The next policies take a bound device away from its context and give it back. */
static void reload_bound(void)
{
	struct worker *w;

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	loader_stop();
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "red", "all", "drop");
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .dropped = 2);
	loader_stop();
	must(w, W_ABSENT, 0, nic.vectors, 1);
	enforce(&nic, "[0-3]", "deny");
	must(w, W_ARRIVES, 0, 4, 2);
	must(w, W_ABSENT, 4, 1, 1);
	COUNTS_OF(&nic, 0, 3, .passed = 2, .dropped = 3);
}

/* ---- persist.* -------------------------------------------------------------- */

static void persist_kill(void)
{
	struct worker *w, *bad, *late, *foreign;

#define POLICY                                                                                     \
	ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "[0-2]", "drop", edu.handle,    \
		"blue", "all", "deny"
	loader_with(POLICY);
	w = bound_vmm(BLUE, &nic);
	bad = vmm(NOBODY, &edu);
	foreign = heir_of(w, RED, 0);
	mark();
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, 2, 2);
	loader_kill();

	expect_is(bind_all(bad, &edu, IRQFD_FIRST), -EACCES, "binding under deny, no loader");
	must(bad, W_ABSENT, 0, 1, 1);
	expect_is(ask(foreign, W_WRITE, 0, 0, 0), -EACCES, "a foreign write, no loader");
	must(w, W_ARRIVES, 0, 3, 1);
	must(w, W_ABSENT, 3, 2, 1);
	COUNTS(&edu, .denied = 1);

	loader_with(POLICY);
	must(w, W_ARRIVES, 0, 3, 1);
	must(w, W_ABSENT, 3, 2, 1);
	expect_state(nic.handle, 0, 2, "bound");
	expect_state(nic.handle, 3, 4, "quarantined");
	COUNTS_OF(&nic, 0, 0, .passed = 4, .denied = 1);
	COUNTS_OF(&nic, 1, 2, .passed = 4);
	COUNTS_OF(&nic, 3, 4, .dropped = 4);
	loader_kill();

	worker_end(w, false);
	late = vmm(NOBODY, &nic);
	must(late, W_IRQFD, 0, nic.vectors, 0);
	expect_is(ask(late, W_VFIO, 0, nic.vectors, 0), -EACCES, "binding under drop, no loader");
	must(late, W_ABSENT, 0, nic.vectors, 1);
	loader_with(POLICY);
	expect_reported("deny", "no-loader", "bind", nic.handle, 0);
	must(late, W_VFIO, 0, nic.vectors, 0);
	expect_running(late);
	must(late, W_ABSENT, 0, nic.vectors, 1);
#undef POLICY
}

/* No authorized interrupt is lost while loaders come and go. */
static void persist_lossless(void)
{
	struct worker *w;
	long raised;

	with(&igb); /* on a busy machine e1000e may send a message twice: rig_repeats() */
	enforce(&igb, "all", "drop");
	w = bound_driver(BLUE, &igb);
	mark();
	must(w, W_STREAM, 1, 2000, 0);
	loader_kill();
	enforce(&igb, "all", "drop");
	loader_stop();
	enforce(&igb, "[0-3]", "deny");
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	expect(raised > 100, "only %ld raised", raised);
	expect_is(ask(w, W_TAKE, 1, 0, 0), raised, "count at the owner");
	COUNTS_OF(&igb, 1, 1, .passed = raised);
}

static const struct test tests[] = {
	{ "lifecycle.exit", lifecycle_exit },     { "lifecycle.kill", lifecycle_kill },
	{ "lifecycle.unbind", lifecycle_unbind }, { "reload.bound", reload_bound },
	{ "persist.kill", persist_kill },         { "persist.lossless", persist_lossless },
};

struct test_set lifecycle_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
