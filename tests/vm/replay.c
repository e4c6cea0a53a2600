// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay.*: irqgate drops interrupts while a vector is cut. When it releases the vector, it gives
 * back one interrupt, as a masked MSI-X vector keeps a pending bit. Only the receiver that the
 * dropped interrupts were for gets it.
 */
#include "fixture.h"

#include <errno.h>
#include <linux/vfio.h>

static void expect_replayed(const struct device *d, unsigned int vector, long want)
{
	expect_is(counted(d->handle, vector).replayed, want, "replayed of vector %u", vector);
}

/* Exactly @want interrupts arrived at the eventfd of a vector. */
static void expect_taken(struct worker *w, unsigned int vector, long want)
{
	expect_is(ask(w, W_COUNT, vector, want ? 2000 : 200, 0), want, "count of vector %u",
		  vector);
	nap(20);
	expect_is(ask(w, W_TAKE, vector, 0, 0), 0, "count of vector %u, later", vector);
}

static void revoke(const struct device *d, const char *vectors)
{
	verb(0, "revoke", d->handle, vectors, NULL);
}

static void allow(const struct device *d, const char *vectors)
{
	verb(0, "allow", d->handle, vectors, "--to", "blue", NULL);
}

/* irqgate gives back one of any number of interrupts, and none of none. The receiver is a VM. */
static void replay_msi(void)
{
	struct worker *w;

	enforce(&edu, "all", "drop");
	w = bound_vmm(BLUE, &edu);
	mark();
	must(w, W_ARRIVES, 0, 1, 1);
	revoke(&edu, "0");
	must(w, W_ABSENT, 0, 1, 3);
	allow(&edu, "0");
	must(w, W_WAIT, 0, 0, 0);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after the replayed interrupt");
	COUNTS(&edu, .passed = 1, .dropped = 3);
	expect_replayed(&edu, 0, 1);
	expect_reported("allow", "replayed", "quarantine", edu.handle, 0);
	revoke(&edu, "0");
	allow(&edu, "0");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending though nothing was dropped");
	must(w, W_ARRIVES, 0, 1, 1);
	expect_replayed(&edu, 0, 1);
}

/* Each vector gets its own replay. */
static void replay_msix(void)
{
	struct worker *w;

	enforce(&nic, "all", "drop");
	w = bound_driver(BLUE, &nic);
	mark();
	revoke(&nic, "all");
	must(w, W_RAISE, 0, 2, 2);
	must(w, W_RAISE, 3, 1, 1);
	allow(&nic, "0,2-3");
	expect_taken(w, 0, 1);
	expect_taken(w, 1, 0);
	expect_taken(w, 2, 0);
	expect_taken(w, 3, 1);
	allow(&nic, "1");
	expect_taken(w, 1, 1);
	expect_replayed(&nic, 1, 1);
	expect_replayed(&nic, 2, 0);
	must(w, W_RAISE, 0, 2, 1);
	expect_taken(w, 0, 1);
	expect_taken(w, 1, 1);
}

/* The device holds its INTx line, so the interrupt comes again at the unmask, and only once. */
static void replay_intx(void)
{
	struct worker *w;
	long passed;

	enforce(&edu, "all", "drop");
	w = driver(BLUE, &edu);
	must(w, W_INDEX, 0, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER);
	passed = counted(edu.handle, 65535).passed;
	revoke(&edu, "all");
	must(w, W_INTX, 1, 0, 0);
	expect_taken(w, 0, 0);
	allow(&edu, "all");
	expect_taken(w, 0, 1);
	must(w, W_INTX, 0, 0, 0);
	expect_is(counted(edu.handle, 65535).passed - passed, 1, "passed");
}

/* A new policy allows a vector that was under `drop`; and a wrong policy is corrected. */
static void replay_drop_row(void)
{
	struct worker *w;

	enforce(&nic, "[0-3]", "drop");
	w = bound_driver(BLUE, &nic);
	mark();
	must(w, W_RAISE, 4, 1, 2);
	expect_taken(w, 4, 0);
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
	expect_taken(w, 4, 1);
	expect_replayed(&nic, 4, 1);
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "red", "all", "deny");
	must(w, W_RAISE, 0, 2, 1);
	expect_taken(w, 0, 0);
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
	expect_taken(w, 0, 1);
	expect_taken(w, 1, 1);
	expect_taken(w, 2, 0);
}

/* The loader dies in between, and another one releases the vector. */
static void replay_restart(void)
{
	struct worker *w;

	enforce(&edu, "all", "drop");
	w = bound_driver(BLUE, &edu);
	mark();
	revoke(&edu, "0");
	must(w, W_RAISE, 0, 1, 2);
	loader_kill();
	enforce(&edu, "all", "drop");
	expect_taken(w, 0, 0);
	allow(&edu, "0");
	expect_taken(w, 0, 1);
	/* The same while no loader runs. */
	revoke(&edu, "0");
	loader_kill();
	must(w, W_RAISE, 0, 1, 2);
	allow(&edu, "0");
	expect_taken(w, 0, 1);
	expect_replayed(&edu, 0, 2);
}

/* If the owner binds again, even to the same eventfd, that is another binding: no replay. */
static void replay_rebound_not(void)
{
	struct worker *w;

	enforce(&edu, "all", "drop");
	w = bound_driver(BLUE, &edu);
	mark();
	revoke(&edu, "0");
	must(w, W_RAISE, 0, 1, 1);
	must(w, W_VFIO, 0, 1, 0);
	allow(&edu, "0");
	expect_taken(w, 0, 0);
	revoke(&edu, "0");
	must(w, W_RAISE, 0, 1, 1);
	must(w, W_VFIO_OFF, 0, 0, 0);
	must(w, W_VFIO, 0, 1, 0);
	allow(&edu, "0");
	expect_taken(w, 0, 0);
	/* The new binding gets a replay of its own interrupts. */
	revoke(&edu, "0");
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 1);
	allow(&edu, "0");
	expect_taken(w, 0, 1);
	expect_replayed(&edu, 0, 1);
}

/* Another context or another listener does not get the replay. */
static void replay_other_receiver_not(void)
{
	struct worker *w;

	enforce(&edu, "all", "drop");
	w = bound_vmm(BLUE, &edu);
	mark();
	revoke(&edu, "0");
	must(w, W_ABSENT, 0, 1, 1);
	verb(0, "allow", edu.handle, "0", "--to", "red", NULL);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending at blue's VM while the vector is red's");
	expect_replayed(&edu, 0, 0);
	allow(&edu, "0");
	must(w, W_WAIT, 0, 0, 0);
	expect_replayed(&edu, 0, 1);
	revoke(&edu, "0");
	must(w, W_ABSENT, 0, 1, 1);
	must(w, W_IRQFD_OFF, 0, 0, 0);
	must(w, W_IRQFD, 0, 1, 0);
	allow(&edu, "0");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending at a listener that came later");
	expect_replayed(&edu, 0, 1);
}

/*
 * The owner has filled its eventfd, or closed it. `allow` does not wait, and fails if it cannot
 * release.
 */
static void replay_hostile(void)
{
	struct worker *w;
	uint64_t start;

	enforce(&edu, "all", "drop");
	w = bound_driver(BLUE, &edu);
	mark();
	revoke(&edu, "0");
	must(w, W_RAISE, 0, 1, 1);
	must(w, W_FILL, 0, 0, 0);
	start = rig_now_ms();
	allow(&edu, "0");
	expect(rig_now_ms() - start < 5000, "allow waited for the owner");
	expect_is(map_count("agents"), 0, "agents");
	revoke(&edu, "0");
	must(w, W_NEW, 0, 0, 0);
	verb(1, "allow", edu.handle, "0", "--to", "blue", NULL);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 1);
	expect_taken(w, 0, 1);
}

static void replay_inline(void)
{
	struct worker *w;

	loader_stop(); /* a new loader has the gate in force when it is ready */
	hook_module(true);
	enforce(&edu, "all", "drop");
	w = bound_driver(BLUE, &edu);
	mark();
	revoke(&edu, "0");
	must(w, W_RAISE, 0, 1, 2);
	expect_taken(w, 0, 0);
	expect_state(edu.handle, 0, 0, "bound");
	allow(&edu, "0");
	expect_taken(w, 0, 1);
	expect_replayed(&edu, 0, 1);
	expect_reported("allow", "replayed", "inline", edu.handle, 0);
	/* No process has an fd of the eventfd. */
	revoke(&edu, "0");
	must(w, W_RAISE, 0, 1, 1);
	must(w, W_NEW, 0, 0, 0);
	allow(&edu, "0");
	revoke(&edu, "0");
	must(w, W_VFIO, 0, 1, 0);
	allow(&edu, "0");
	expect_taken(w, 0, 0);
	expect_replayed(&edu, 0, 1);
	worker_end(w, false);
	hook_module(false);
}

static void replay_unload(void)
{
	struct worker *w;

	enforce(&nic, "[0-3]", "drop");
	w = bound_driver(BLUE, &nic);
	revoke(&nic, "1");
	must(w, W_RAISE, 1, 1, 2);
	must(w, W_RAISE, 4, 1, 1);
	loader_stop();
	expect_taken(w, 1, 0);
	verb(0, "unload", NULL);
	expect_taken(w, 1, 1);
	expect_taken(w, 4, 1);
	expect_taken(w, 0, 0);
}

static const struct test tests[] = {
	{ "replay.msi", replay_msi },
	{ "replay.msix", replay_msix },
	{ "replay.intx", replay_intx },
	{ "replay.drop_row", replay_drop_row },
	{ "replay.restart", replay_restart },
	{ "replay.rebound_not", replay_rebound_not },
	{ "replay.other_receiver_not", replay_other_receiver_not },
	{ "replay.hostile", replay_hostile },
	{ "replay.inline", replay_inline },
	{ "replay.unload", replay_unload }, /* unloads */
};

struct test_set replay_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
