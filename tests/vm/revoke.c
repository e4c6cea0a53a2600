// SPDX-License-Identifier: GPL-2.0-only
/* adopt.bound, revoke.*: bindings that exist lose their interrupts. */
#include "fixture.h"

#include <errno.h>

/* ---- adopt.* ---------------------------------------------------------------- */

/* irqgate judges what was bound before it started, as it judges later binds. */
static void adopt_bound(void)
{
	struct worker *good, *bad, *in, *out;

	unload();
	good = bound_vmm(BLUE, &nic);
	bad = bound_vmm(NOBODY, &edu);
	in = worker_new(BLUE);
	out = worker_new(NOBODY);
	must(in, W_EVENTFDS, 1, 0, 0); /* the answer proves that the worker was executed */
	must(out, W_EVENTFDS, 1, 0, 0);
	must(bad, W_ARRIVES, 0, 1, 1);
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, nic.handle, "blue", "[0-3]", "drop",
		    edu.handle, "blue", "all", "deny", edu2.handle, "blue", "all", "deny");
	mark();
	must(good, W_ARRIVES, 0, 4, 2);
	must(good, W_ABSENT, 4, 1, 2);
	must(bad, W_ABSENT, 0, 1, 2);
	COUNTS_OF(&nic, 0, 3, .passed = 2);
	COUNTS_OF(&nic, 4, 4, .dropped = 2);
	COUNTS(&edu, .dropped = 2);
	/* Processes that ran before irqgate got their identity when it started. */
	expect_is(ask_text(in, W_CGROUP, NOBODY), 0, "moving out");
	expect_is(ask_text(out, W_CGROUP, BLUE), 0, "moving in");
	expect_member(in, &edu2, true, "an older process that was moved out");
	expect_member(out, &edu2, false, "an older process that was moved in");
}

/* ---- revoke.* --------------------------------------------------------------- */

/* Under a stream of interrupts; several times, because the outcome may depend on timing. */
static void revoke_stream(void)
{
	const int rounds = 3;
	struct worker *w;
	struct counts c;
	long raised;
	int i;

	with(&igb); /* on a busy machine e1000e may send a message twice: rig_repeats() */
	enforce(&igb, "all", "drop");
	w = bound_vmm(BLUE, &igb);
	mark();
	must(w, W_STREAM, 1, 2000, 0);
	for (i = 0; i < rounds; i++) {
		verb(0, "revoke", igb.handle, "1", NULL);
		must(w, W_PENDING, 0, 0, 0); /* clears what arrived before */
		nap(300);
		expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after revoke returned");
		/* The release points at the eventfd that the VMM bound and did not touch since. */
		verb(0, "allow", igb.handle, "1", "--to", "blue", NULL);
		must(w, W_PENDING, 0, 0, 0);
		must(w, W_WAIT, 1, 0, 0);
	}
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	c = counted(igb.handle, 1);
	expect(!c.leaked && !c.denied && !c.would_drop, "leaked %ld, denied %ld, would_drop %ld",
	       c.leaked, c.denied, c.would_drop);
	expect(c.passed && c.dropped, "passed %ld, dropped %ld", c.passed, c.dropped);
	/*
	 * VFIO masks the vector while irqgate points it elsewhere. The hardware merges what the
	 * device raises meanwhile into one message.
	 */
	expect(c.passed + c.dropped <= raised && c.passed + c.dropped >= raised - 6 * rounds,
	       "passed %ld and dropped %ld of %ld raised", c.passed, c.dropped, raised);
	mark();
	must(w, W_ARRIVES, 0, igb.vectors, 2);
	COUNTS(&igb, .passed = 2);
	verb(0, "revoke", igb.handle, "1", NULL);
	must(w, W_ABSENT, 1, 1, 3);
	must(w, W_ARRIVES, 2, 3, 1);
	must(w, W_ARRIVES, 0, 1, 1);
	COUNTS_OF(&igb, 1, 1, .passed = 2, .dropped = 3);
}

static void revoke_audit(void)
{
	struct worker *w;

	loader_with(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
	w = bound_vmm(BLUE, &nic);
	mark();
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	verb(0, "revoke", nic.handle, "0-1", NULL);
	must(w, W_ABSENT, 0, 2, 2);
	must(w, W_ARRIVES, 2, 3, 2);
	COUNTS_OF(&nic, 0, 1, .passed = 1, .dropped = 2);
	COUNTS_OF(&nic, 2, 4, .passed = 3);
}

static void revoke_unlisted(void)
{
	struct worker *w;

	loader_with(ENFORCE CONTEXTS);
	w = bound_vmm(NOBODY, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	mark();
	verb(0, "revoke", nic.handle, "2", NULL);
	must(w, W_ABSENT, 2, 1, 2);
	must(w, W_ARRIVES, 0, 2, 1);
	must(w, W_ARRIVES, 3, 2, 1);
	COUNTS_OF(&nic, 2, 2, .dropped = 2);
}

/* Revoked vectors of a device under deny: bound ones are cut, and a later bind is refused. */
static void revoke_deny(void)
{
	struct worker *w;

	enforce(&nic, "all", "deny");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	verb(0, "revoke", nic.handle, "all", NULL);
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .dropped = 2);
	must(w, W_VFIO_OFF, 0, 0, 0);
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding a revoked vector");
	must(w, W_ABSENT, 0, 1, 1);
	COUNTS_OF(&nic, 0, 0, .dropped = 2, .denied = 1);
	expect_reported("deny", "revoked", "bind", nic.handle, 0);
}

static const struct test tests[] = {
	{ "adopt.bound", adopt_bound },   { "revoke.stream", revoke_stream },
	{ "revoke.audit", revoke_audit }, { "revoke.unlisted", revoke_unlisted },
	{ "revoke.deny", revoke_deny },
};

struct test_set revoke_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
