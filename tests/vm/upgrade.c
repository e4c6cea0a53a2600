// SPDX-License-Identifier: GPL-2.0-only
/*
 * upgrade.*: an irqgate of another build takes over while devices fire and a process of another
 * context tries to signal. No unauthorized interrupt gets through meanwhile, no authorized one is
 * lost, and the new irqgate knows all that the old one knew.
 */
#include "fixture.h"
#include "worker-evade.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define POLICY                                                                                     \
	ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, igb.handle, "blue", "[0-2]", "drop",            \
		edu.handle, "red", "all", "drop", edu2.handle, "blue", "all", "drop"

/* @gated: with the kernel module and its gate, which takes the place of quarantines. */
static void take_over(const char *build, bool gated)
{
	const char *contained = gated ? "bound" : "quarantined";
	struct worker *w, *cut, *foreign, *moved, *calm;
	struct counts before, after;
	long raised, passed;

	with(&igb);
	hook_module(gated);
	loader_with(POLICY);
	/* Wait until the old build's observing hooks are detached, two seconds after the gate came.
	 */
	expect(!gated || wait_for(10000, hook_is("vfio_msi", "yielded")),
	       "vfio_msi does not yield");
	w = bound_vmm(BLUE, &igb);
	cut = bound_vmm(BLUE, &edu); /* an edu sends only on request, so its stream is exact */
	calm = bound_driver(BLUE, &edu2); /* no interrupt of this one may be lost */
	foreign = heir_of(w, RED, 0);
	moved = worker_new(BLUE);
	must(moved, W_EVENTFDS, 1, 0, 0); /* the answer proves that the worker was executed */
	expect_is(ask_text(moved, W_CGROUP, NOBODY), 0, "moving out");
	mark();
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, igb.vectors - 3, 2);
	before = counted_all(igb.handle);
	loader_stop();
	mark();

	must(cut, W_STREAM, 0, 5000, 0);
	must(calm, W_STREAM, 0, 5000, 1);
	must(foreign, (enum worker_op)E_LOOP, LOOP_WRITE, 0, 0);
	irqgate_build(build);
	loader_with(POLICY);
	expect_is(ask(foreign, (enum worker_op)E_LOOP_END, 0, 0, 0) > 0, 1,
		  "a foreign write got through");
	raised = must(cut, W_STREAM_STOP, 0, 0, 0);
	passed = must(calm, W_STREAM_STOP, 0, 0, 0);
	expect_is(ask(cut, W_PENDING, 0, 0, 0), 0, "pending at the cut VM");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending at the VM");
	expect(raised > 0 && passed > 0, "the streams raised %ld and %ld", raised, passed);
	expect_state(igb.handle, 0, 2, "bound");
	expect_state(igb.handle, 3, igb.vectors - 1, contained);

	/* The new build has the old counters, and no interrupt counts twice. */
	after = counted_all(edu.handle);
	expect(after.dropped <= raised && !after.leaked && !after.passed,
	       "%ld dropped of %ld raised meanwhile, %ld leaked, %ld passed", after.dropped, raised,
	       after.leaked, after.passed);
	after = counted_all(edu2.handle);
	expect(after.passed <= passed && !after.dropped && !after.leaked,
	       "%ld passed of %ld raised meanwhile, %ld dropped, %ld leaked", after.passed, passed,
	       after.dropped, after.leaked);
	expect(before.passed == 6 && before.dropped == 2 * (igb.vectors - 3),
	       "passed %ld, dropped %ld before", before.passed, before.dropped);
	mark();
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, igb.vectors - 3, 2);
	COUNTS_OF(&igb, 0, 2, .passed = 2);
	COUNTS_OF(&igb, 3, igb.vectors - 1, .dropped = 2);

	/* The release points at the eventfd that was bound under the old build. */
	verb(0, "allow", igb.handle, "3-9", "--to", "blue", NULL);
	must(w, W_ARRIVES, 0, igb.vectors, 2);
	worker_end(foreign, true);
	worker_end(w, false);

	/* Processes keep their identity. */
	expect_member(moved, &igb, true, "a process that was moved out before");
	expect(access(PINS_OLD, F_OK), "pins of the old build are left");
	unload();
	hook_module(false);
}

/* A test takes a minute under emulation, so the gate is in one on 6.1 and in the other on 6.12. */
static bool on_linux(const char *series)
{
	struct utsname uts;

	uname(&uts);
	return !strncmp(uts.release, series, strlen(series));
}

static void upgrade_build(void)
{
	take_over("other", on_linux("6.1."));
}

static void upgrade_layout(void)
{
	take_over("next", on_linux("6.12."));
	/* irqgate does not misread maps of another layout, nor take over while that loader runs. */
	irqgate_build("next");
	loader_with(POLICY);
	irqgate_build("");
	verb(1, "show", "stats", NULL);
	verb(1, "run", NULL);
	loader_stop();
	verb(1, "unload", NULL);
	irqgate_build("next");
	unload();
}

struct test_set upgrade_tests(void)
{
	static const struct test tests[] = {
		{ "upgrade.build", upgrade_build },
		{ "upgrade.layout", upgrade_layout },
	};

	return TEST_SET(tests, .loader_stays = true);
}
