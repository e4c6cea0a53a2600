// SPDX-License-Identifier: GPL-2.0-only
/*
 * upgrade.*: an irqgate of another build takes over while devices fire and others
 * try to signal: nothing gets through meanwhile, nothing authorized is lost, and
 * what the old one knew the new one knows.
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
	loader_start(POLICY);
	/* The old one's hooks that observe are gone, as with any gate that is two seconds old. */
	expect(!gated || wait_for(10000, hook_is("vfio_msi", "yielded")), "vfio_msi does not yield");
	w = bound_vmm(BLUE, &igb);
	cut = bound_vmm(BLUE, &edu); /* sends nothing of its own, so its stream is exact */
	calm = driver(BLUE, &edu2); /* as does this one, of which nothing may be lost */
	must(calm, W_VFIO, 0, 1, 0);
	foreign = heir_of(w, RED, 0);
	moved = worker_new(BLUE);
	must(moved, W_EVENTFDS, 1, 0, 0); /* it runs */
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
	loader_start(POLICY);
	expect_is(ask(foreign, (enum worker_op)E_LOOP_END, 0, 0, 0) > 0, 1, "a foreign write got through");
	raised = must(cut, W_STREAM_STOP, 0, 0, 0);
	passed = must(calm, W_STREAM_STOP, 0, 0, 0);
	expect_is(ask(cut, W_PENDING, 0, 0, 0), 0, "pending at the cut VM");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending at the VM");
	expect(raised > 0 && passed > 0, "the streams raised %ld and %ld", raised, passed);
	expect_state(igb.handle, 0, 2, "bound");
	expect_state(igb.handle, 3, igb.vectors - 1, contained);

	/* Counters went along, and no interrupt counts twice. */
	after = counted_all(edu.handle);
	expect(after.dropped <= raised && !after.leaked && !after.passed,
	       "%ld dropped of %ld raised meanwhile, %ld leaked, %ld passed", after.dropped, raised,
	       after.leaked, after.passed);
	after = counted_all(edu2.handle);
	expect(after.passed <= passed && !after.dropped && !after.leaked,
	       "%ld passed of %ld raised meanwhile, %ld dropped, %ld leaked", after.passed, passed,
	       after.dropped, after.leaked);
	expect(before.passed == 6 && before.dropped == 2 * (igb.vectors - 3), "passed %ld, dropped %ld before",
	       before.passed, before.dropped);
	mark();
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, igb.vectors - 3, 2);
	COUNTS_OF(&igb, 0, 2, .passed = 2);
	COUNTS_OF(&igb, 3, igb.vectors - 1, .dropped = 2);

	/* To the eventfd it came from, under the old build. */
	verb(0, "allow", igb.handle, "3-9", "--to", "blue", NULL);
	must(w, W_ARRIVES, 0, igb.vectors, 2);
	worker_end(foreign, true);
	worker_end(w, false);

	/* Who a process is has not changed. */
	expect_member(moved, &igb, true, "a process that was moved out before");
	expect(access(PINS_OLD, F_OK), "something of the old one is left");
	unload();
	hook_module(false);
}

/* Each takes a minute under emulation: without and with the gate on different kernels. */
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
	/* What is of another layout is not misread, nor taken over while it runs. */
	irqgate_build("next");
	loader_start(POLICY);
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

	return TEST_SET(tests);
}
