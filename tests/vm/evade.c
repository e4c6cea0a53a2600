// SPDX-License-Identifier: GPL-2.0-only
/*
 * evade.*: attempts to get around irqgate. churn.*, race.*, loss.*: strain on it.
 * Each test looks at the far end first. An interrupt that an attempt gains for a moment must
 * count as leaked and must be contained. It never counts as passed or dropped.
 */
#include "fixture.h"
#include "worker-evade.h"

#include <irqgate/table.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long evade_text(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c,
		       const char *text)
{
	return ask_all(w, (enum worker_op)op, a, b, c, text, -1);
}

/*
 * A device with many vectors: igb, if the machine has one. e1000e sends a message twice when the
 * host is too busy for the rig to reset it in time.
 */
static const struct device *card;

/* ---- evade.*: arguments that change between check and use ----------------------- */

/* Under deny, irqgate reports how long a binding existed that the gate should have refused. */
static void expect_lived(unsigned int vector)
{
	struct json_object *ev = event_wait("deny", NULL, "quarantine", card->handle, vector);

	expect(ev, "vector %u: no event of a binding that got past the gate", vector);
	expect(number(ev, "lived_us") > 0, "vector %u lived %ld us", vector,
	       number(ev, "lived_us"));
	json_object_put(ev);
}

/* @w deceived the gate and bound a vector that it may not have. */
static void expect_contained(struct worker *w, unsigned int vector)
{
	expect_running(w);
	expect_state(card->handle, vector, vector, "quarantined");
	must(w, W_ABSENT, vector, 1, 3);
	COUNTS_OF(card, vector, vector, .dropped = 3);
}

/* Up to 6.4 the first call fixes the number of vectors of an index. */
static void enable_all(struct worker *w, const struct device *d)
{
	expect_is(evade(w, E_SPARSE, 0, d->vectors, 0), 0, "enabling vectors, none connected");
}

static void swap_vector(const char *action)
{
	struct worker *w;

	enforce(card, "[0-1]", action);
	w = vmm(BLUE, card);
	must(w, W_IRQFD, 0, card->vectors, 0);
	enable_all(w, card);
	mark();
	tried(w, E_SWAP_VFIO, 0, 3, SWAP_VECTOR);
	expect_contained(w, 3);
	tried(w, E_SWAP_VFIO, 0, 4, SWAP_FLAGS);
	expect_contained(w, 4);
	if (!strcmp(action, "deny")) {
		expect_lived(3);
		expect_lived(4);
	}
	/* A process may bind an allowed vector in this way, too. */
	tried(w, E_SWAP_VFIO, 0, 1, SWAP_VECTOR);
	must(w, W_ARRIVES, 1, 1, 2);
	COUNTS_OF(card, 1, 1, .passed = 2);
}

static void evade_swap_vector_deny(void)
{
	swap_vector("deny");
}

static void evade_swap_vector_drop(void)
{
	swap_vector("drop");
}

/* Blue binds its vector to an eventfd to which red's VM listens. */
static void evade_swap_fd(void)
{
	static const enum swap how[] = { SWAP_FD, SWAP_DUP };
	struct worker *w, *red;
	size_t i;

	enforce(card, "all", "deny");
	red = emulator(RED);
	w = vmm(BLUE, card);
	make_peers(red, w);
	must(red, W_SEND, 0, 0, 0);
	expect_is(ask(w, W_RECEIVE, 1, 0, 0), 1, "receiving an eventfd");
	for (i = 0; i < 2; i++) {
		mark();
		expect_is(evade(w, E_SWAP_VFIO, 1, 1, SWAP_VECTOR), -EACCES, "binding openly");
		tried(w, E_SWAP_VFIO, 0, 1, how[i]);
		expect_running(w);
		must(w, W_RAISE, 0, 1, 3);
		expect_is(ask(red, W_PENDING, 0, 0, 0), 0, "pending at red's VM");
		expect_state(card->handle, 0, 0, "quarantined");
		COUNTS_OF(card, 0, 0, .dropped = 3);
		expect_lived(0);
		must(w, W_VFIO_OFF, 0, 0, 0);
	}
}

/* For this test red holds the device. It may not inject into blue's VM. */
static void evade_swap_inject(void)
{
	struct worker *w, *red;
	struct counts c;
	long arrived;

	enforce(card, "all", "deny");
	w = bound_vmm(BLUE, card);
	red = heir_of(w, RED, 0);
	mark();
	expect_is(ask(red, W_NONE, 0, 0, 0), -EACCES, "injecting openly");
	arrived = evade(red, E_SWAP_VFIO, 0, 0, SWAP_INJECT);
	expect(!arrived || arrived == -EACCES, "injecting: %s", rig_errname((int)arrived));
	arrived = must(w, W_PENDING, 0, 0, 0);
	if (arrived)
		expect_reported("leak", "swapped", NULL, card->handle, 0);
	c = counted(card->handle, 0);
	expect(c.leaked == arrived && !c.passed && !c.dropped,
	       "%ld arrived; leaked %ld, passed %ld, dropped %ld", arrived, c.leaked, c.passed,
	       c.dropped);
}

/* A call waits between check and use, and meanwhile `revoke` takes the vector away. */
static void evade_stalled(void)
{
	struct worker *w, *other, *stranger;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, card->handle, "blue", "all", "deny",
		    edu.handle, "blue", "all", "deny", edu2.handle, "blue", "all", "deny");
	w = vmm(BLUE, card);
	must(w, W_IRQFD, 0, card->vectors, 0);
	other = bound_vmm(BLUE, &edu);
	stranger = driver(NOBODY, &edu2);
	mark();
	tried(w, E_STALL, 0, 0, SWAP_VECTOR);
	verb(0, "revoke", card->handle, "0", NULL);
	tried(w, E_STALL_END, 0, 0, 0);
	expect_contained(w, 0);
	/* A call that waits in the gate makes no other wait, and decides by the newest table. */
	tried(w, E_STALL, 1, 1, SWAP_VECTOR | STALL_IN_GATE);
	expect_is(ask(stranger, W_VFIO, 0, 1, 0), -EACCES, "another's bind meanwhile");
	verb(0, "revoke", card->handle, "1", NULL);
	loader_stop();
	must(other, W_ARRIVES, 0, 1, 2);
	loader_start(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, card->handle, "blue", "[2-4]",
		     "deny", edu.handle, "blue", "all", "deny", edu2.handle, "blue", "all", "deny");
	must(other, W_ARRIVES, 0, 1, 2);
	expect_is(evade(w, E_STALL_END, 0, 0, 0), -EACCES, "the call that waited in the gate");
	must(w, W_ABSENT, 1, 1, 2);
	COUNTS(&edu, .passed = 4);
}

/* The same without userfaultfd(2), at a random moment. */
static void evade_race(void)
{
	long rounds = from_environment("RACE_ROUNDS", 1000), arrived = 0, done;
	struct counts c;
	struct worker *w;

	enforce(card, "[0-1]", "deny");
	w = driver(BLUE, card);
	mark();
	for (done = 0; done < rounds; done += 500)
		arrived += tried(w, E_RACE, 0, 3, 500);
	c = counted(card->handle, 3);
	expect(c.leaked == arrived && !c.passed, "%ld arrived; leaked %ld, passed %ld, dropped %ld",
	       arrived, c.leaked, c.passed, c.dropped);
	must(w, W_VFIO, 0, 2, 0);
	mark();
	must(w, W_RAISE, 0, card->vectors, 2);
	COUNTS_OF(card, 0, 1, .passed = 2);
	COUNTS_OF(card, 2, 4, .passed = 0);
}

/* A process that binds under drop is not quicker than the loader, however quick it is. */
static void evade_dash(void)
{
	struct worker *w;
	uint32_t i;

	enforce(card, "all", "drop");
	w = driver(NOBODY, card);
	enable_all(w, card);
	mark();
	for (i = 0; i < card->vectors; i++)
		expect_is(evade(w, E_DASH, i, 0, 0), 0, "arrivals right after vector %u was bound",
			  i);
	COUNTS(card, .dropped = 1);
}

/*
 * irqgate holds a process that binds under drop until the vector is quarantined. An accomplice
 * that continues the process wins the time that the loader takes. irqgate reports that time.
 */
static void evade_continued(void)
{
	struct worker *w, *accomplice;
	struct json_object *ev;

	enforce(card, "all", "drop");
	w = vmm(NOBODY, card);
	must(w, W_IRQFD, 0, card->vectors, 0);
	accomplice = worker_new(NOBODY);
	tried(accomplice, E_LOOP, LOOP_CONTINUE, (uint32_t)w->pid, 10000);
	mark();
	loader_pause(true);
	must(w, W_VFIO, 0, card->vectors, 0);
	must(w, W_ARRIVES, 0, card->vectors, 2);
	loader_pause(false);
	expect(wait_for(5000, (ev = event_find("leak", NULL, "quarantine", card->handle, 0))),
	       "no event of the quarantine");
	expect(number(ev, "lived_us") > 0 && number(ev, "count") == 2,
	       "the event says it lived %ld us and leaked %ld", number(ev, "lived_us"),
	       number(ev, "count"));
	json_object_put(ev);
	tried(accomplice, E_LOOP_END, 0, 0, 0);
	expect_state(card->handle, 0, card->vectors - 1, "quarantined");
	must(w, W_ABSENT, 0, card->vectors, 3);
	COUNTS(card, .leaked = 2, .dropped = 3);
}

/* ---- evade.*: many at one eventfd ------------------------------------------------ */

static void evade_shared_vectors(void)
{
	struct worker *w;
	unsigned int i;

	enforce(card, "[0-2]", "drop");
	w = vmm(BLUE, card);
	must(w, W_IRQFD, 0, 1, 0);
	mark();
	tried(w, E_SHARE, 0, 5, 0);
	expect_running(w);
	must(w, W_RAISE, 3, 2, 2);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after unauthorized vectors");
	for (i = 0; i < 3; i++) {
		must(w, W_RAISE, i, 1, 1);
		must(w, W_WAIT, 0, 0, 0);
	}
	COUNTS_OF(card, 0, 2, .passed = 1);
	COUNTS_OF(card, 3, 4, .dropped = 2);
	enforce(card, "[0-2]", "deny");
	must(w, W_VFIO_OFF, 0, 0, 0);
	expect_is(evade(w, E_SHARE, 2, 2, 0), -EACCES, "binding 2-3 to one eventfd");
	must(w, W_RAISE, 2, 2, 1);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after a refused bind");
}

/* A friend with its own device that also holds @w's eventfd 0. */
static struct worker *partner(struct worker *w, const struct device *d)
{
	struct worker *friend = driver(BLUE, d);

	make_peers(w, friend);
	must(w, W_SEND, 0, 0, 0);
	expect_is(ask(friend, W_RECEIVE, 0, 0, 0), 1, "receiving an eventfd");
	return friend;
}

static void evade_shared_devices(void)
{
	struct worker *w, *friend;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, card->handle, "blue", "all", "drop",
		    edu.handle, "red", "all", "drop");
	w = bound_vmm(BLUE, card);
	friend = partner(w, &edu);
	mark();
	must(friend, W_VFIO, 0, 1, 0);
	expect_running(friend);
	must(friend, W_RAISE, 0, 1, 3);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after red's device");
	must(w, W_ARRIVES, 0, card->vectors, 1);
	COUNTS(card, .passed = 1);
	COUNTS(&edu, .dropped = 3);
	worker_end(friend, true);
	must(w, W_ARRIVES, 0, card->vectors, 1);
	COUNTS(card, .passed = 2);
}

/* An eventfd with more sources than its entry in the map has places: 5 + 10 + 1 + 1. */
static void evade_many_sources(void)
{
	static const struct device *const all[] = { &nic, &igb, &edu, &edu2 };
	long read, passed = 0, dropped = 0, leaked = 0;
	struct worker *w[4];
	struct counts c;
	size_t i;

	with(&igb);
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW ROW, nic.handle, "blue", "all",
		    "drop", igb.handle, "blue", "all", "drop", edu.handle, "blue", "all", "drop",
		    edu2.handle, "blue", "all", "drop");
	w[0] = driver(BLUE, &nic);
	for (i = 0; i < 4; i++) {
		if (i)
			w[i] = partner(w[0], all[i]);
		tried(w[i], E_SHARE, 0, all[i]->vectors, 0);
		expect_running(w[i]);
	}
	mark();
	for (i = 0; i < 4; i++)
		must(w[i], W_RAISE, 0, all[i]->vectors, 1);
	read = must(w[0], W_TAKE, 0, 0, 0);
	for (i = 0; i < 4; i++) {
		c = counted_all(all[i]->handle);
		passed += c.passed;
		dropped += c.dropped;
		leaked += c.leaked;
	}
	expect(read == passed && passed + dropped == 17 && !leaked,
	       "%ld of 17 were read; passed %ld, dropped %ld, leaked %ld", read, passed, dropped,
	       leaked);
	/* With one source less, irqgate knows all of them again. */
	worker_end(w[3], false);
	wait_for(20000, vector_is(&nic, 0, "bound") && vector_is(&igb, 9, "bound") &&
				vector_is(&edu, 0, "bound"));
	for (i = 0; i < 3; i++)
		expect_state(all[i]->handle, 0, all[i]->vectors - 1, "bound");
	must(w[0], W_TAKE, 0, 0, 0);
	for (i = 0; i < 3; i++)
		must(w[i], W_RAISE, 0, all[i]->vectors, 1);
	expect_is(ask(w[0], W_TAKE, 0, 0, 0), 16, "count of 16 sources");
}

/* Red listens before blue's device is connected. */
static void evade_listener_first(void)
{
	struct worker *w, *red;

	enforce(card, "all", "deny");
	w = driver(BLUE, card);
	red = red_vm(w);
	must(red, W_IRQFD, 0, 1, 0);
	mark();
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding under deny");
	must(w, W_RAISE, 0, 1, 1);
	expect_is(ask(red, W_PENDING, 0, 0, 0), 0, "pending at red's VM");
	COUNTS_OF(card, 0, 0, .denied = 1);
	/* Not even under drop: the vector would stay a source of an eventfd that red's VM has. */
	enforce(card, "all", "drop");
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding under drop");
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(red, W_PENDING, 0, 0, 0), 0, "pending at red's VM");
	COUNTS_OF(card, 0, 0, .denied = 2);
}

/* Up to 6.16 an eventfd takes any number of irqfds. An entry of the map has room for fewer. */
static void evade_many_listeners(void)
{
	struct worker *w, *vm[5];
	int i;

	enforce(card, "all", "drop");
	w = driver(BLUE, card);
	for (i = 0; i < 5; i++) {
		vm[i] = heir_of(w, i < 4 ? BLUE : RED, 0);
		must(vm[i], W_VM, 1, 0, 0);
	}
	must(vm[0], W_IRQFD, 0, 1, 0);
	if (ask(vm[1], W_IRQFD, 0, 1, 0) == -EBUSY)
		test_skip("an eventfd takes one irqfd on this kernel");
	must(vm[2], W_IRQFD, 0, 1, 0);
	must(vm[3], W_IRQFD, 0, 1, 0);
	tried(vm[4], E_SWAP_IRQFD, 0, 0, SWAP_FD);
	mark();
	must(w, W_VFIO, 0, 1, 0);
	expect_running(w);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(vm[4], W_PENDING, 0, 0, 0), 0, "pending at red's VM");
	COUNTS_OF(card, 0, 0, .dropped = 2);
}

/* ---- evade.*: other ways for an fd --------------------------------------------------- */

/* No hook sees that a fixed file arrives, so the gates judge each use of it. */
static void evade_io_uring(void)
{
	struct worker *w, *red, *ally;
	uint32_t ring;
	long ret;

	enforce(card, "all", "drop");
	w = bound_vmm(BLUE, card);
	ally = worker_new(BLUE);
	red = worker_new(RED);
	ring = (uint32_t)tried(ally, E_RING, 0, 0, 0);
	expect_is(evade(w, E_RING_SEND, 0, (uint32_t)ally->pid, ring), 0, "sending to a friend");
	expect_is(evade(ally, E_RING_WRITE, 0, 0, 0), 8, "a write by a friend");
	must(w, W_WAIT, 0, 0, 0);
	ring = (uint32_t)tried(red, E_RING, 0, 0, 0);
	ret = evade(w, E_RING_SEND, 1, (uint32_t)red->pid, ring);
	if (ret == -EACCES)
		return; /* this kernel asks the LSMs, which is better */
	expect_is(ret, 0, "IORING_MSG_SEND_FD");
	mark();
	expect_is(evade(red, E_RING_WRITE, 0, 0, 0), -EACCES, "a write to the fixed file");
	expect_is(evade(red, E_RING_READ, 0, 0, 0), -EACCES, "a read of the fixed file");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	COUNTS_OF(card, 1, 1, .denied = 2);
	ret = evade(red, E_RING_INSTALL, 1, 0, 0);
	expect(ret == -EACCES || ret == -EINVAL, "IORING_OP_FIXED_FD_INSTALL: %s",
	       rig_errname((int)ret));
	must(w, W_ARRIVES, 0, card->vectors, 1);
}

/* Red gets an eventfd before it carries interrupts. */
static void evade_sent_early(void)
{
	struct worker *w, *red;
	uint32_t ring;

	enforce(card, "all", "drop");
	w = vmm(BLUE, card);
	red = worker_new(RED);
	ring = (uint32_t)tried(red, E_RING, 0, 0, 0);
	expect_is(evade(w, E_RING_SEND, 1, (uint32_t)red->pid, ring), 0, "IORING_MSG_SEND_FD");
	make_peers(w, red);
	must(w, W_SEND, 2, 0, 0);
	expect_is(ask(red, W_RECEIVE, 2, 0, 0), 1, "receiving an eventfd without a vector");
	expect_is(bind_all(w, card, IRQFD_FIRST), 0, "binding");
	mark();
	expect_is(evade(red, E_RING_WRITE, 0, 0, 0), -EACCES, "a write to the fixed file");
	expect_is(ask(red, W_WRITE, 2, 0, 0), -EACCES, "a write");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	COUNTS_OF(card, 1, 2, .denied = 1);
}

/* vhost signals an eventfd for red. irqgate still knows that after blue gives it to io_uring. */
static void evade_handed_again(void)
{
	struct worker *red, *w;

	modprobe("-a", "vhost_vsock", NULL);
	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	red = worker_new(RED);
	must(red, W_EVENTFDS, 2, 0, 0);
	must(red, W_GIVE, 0, TAKER_VHOST_CALL, 0);
	w = heir_of(red, BLUE, W_ALL);
	must(w, W_GIVE, 0, TAKER_URING, 0);
	must(w, W_GIVE, 1, TAKER_VHOST_CALL, 0);
	must(w, W_VM, 2, 0, 0);
	mark();
	expect_is(ask(w, W_IRQFD, 0, 1, 0), -EACCES, "listening to what red signals");
	expect_counts("-", IRQGATE_VECTOR_FUNCTION, IRQGATE_VECTOR_FUNCTION,
		      (struct counts){ .denied = 1 });
	must(w, W_IRQFD, 1, 1, 0);
	must(red, W_HAVE_SIGNALLED, 0, TAKER_VHOST_CALL, 0);
	must(w, W_HAVE_SIGNALLED, 1, TAKER_VHOST_CALL, 0);
	expect_is(ask(w, W_IRR, 2, 2000, 0), 2, "pending: only what blue signals");
}

static void modprobe_vhost(void)
{
	char *argv[] = { "/sbin/modprobe", "vhost_net", NULL };

	if (run(argv)->status)
		test_skip("no vhost_net on this kernel");
}

/* 32-bit calls are refused. vhost signals from a kernel thread, so its ioctl is gated. */
static void evade_compat(void)
{
	struct worker *w, *red;
	long ret;

	modprobe_vhost();
	loader_with(ENFORCE "contexts:\n"
			    "  - { name: blue, match: { cgroup: /t/blue }, strict: true }\n"
			    "  - { name: red, match: { cgroup: /t/red } }\n"
			    "devices:\n" ROW,
		    card->handle, "blue", "all", "drop");
	w = bound_vmm(BLUE, card);
	red = heir_of(w, RED, 0);
	ret = evade(w, E_COMPAT_MSI, 1, 0, 0);
	if (ret == -ENOSYS)
		test_skip("this kernel has no 32-bit system calls");
	expect_is(ret, -EACCES, "KVM_SIGNAL_MSI by int 0x80");
	expect_is(ask(w, W_COMPAT_VFIO, 0, 1, 0), -EACCES, "VFIO_DEVICE_SET_IRQS by int 0x80");
	expect_is(ask(w, W_COMPAT_IRQFD, 0, 0, 0), -EACCES, "KVM_IRQFD by int 0x80");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	expect_is(evade(red, E_VHOST, 0, 0, 0), -EACCES, "VHOST_SET_VRING_CALL");
	expect_is(evade(red, E_VHOST, 0, 1, 0), -EACCES, "VHOST_SET_VRING_CALL by int 0x80");
	must(w, W_ARRIVES, 0, card->vectors, 1);
}

/* ---- evade.*: who a process is ---------------------------------------------------- */

static void evade_clone_vm(void)
{
	struct worker *w, *out, *red;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, card->handle, "blue", "all", "deny",
		    edu.handle, "blue", "all", "deny");
	w = vmm(BLUE, card);
	/* A process that shares blue's memory is of blue also in another cgroup ... */
	expect_is(evade_text(w, E_CLONE, W_VFIO, 0, 0, RED), 0, "binding by blue's child");
	expect_is(evade_text(w, E_CLONE, W_IRQFD, 0, 0, RED), 0, "KVM_IRQFD by blue's child");
	must(w, W_ARRIVES, 0, 1, 2);
	expect_is(evade_text(w, E_CLONE, W_WRITE, 0, 0, RED), 0, "writing by blue's child");
	must(w, W_WAIT, 0, 0, 0);
	/* ... and a child of another process is not, even in blue's cgroup. */
	out = vmm(NOBODY, &edu);
	mark();
	must(out, W_IRQFD, 0, 1, 0);
	expect_is(evade_text(out, E_CLONE, W_VFIO, 0, 0, BLUE), -EACCES, "another's child");
	must(out, W_ABSENT, 0, 1, 1);
	red = heir_of(w, RED, 0);
	expect_is(evade_text(red, E_CLONE, W_WRITE, 0, 0, BLUE), -EACCES, "writing by red's child");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	/* Moving a process that has bound vectors changes nothing. */
	expect_is(ask_text(w, W_CGROUP, RED), 0, "moving out");
	expect_is(ask_text(red, W_CGROUP, BLUE), 0, "moving in");
	must(w, W_ARRIVES, 0, 1, 2);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_ARRIVES, 0, 1, 1);
	expect_is(ask(red, W_WRITE, 0, 0, 0), -EACCES, "writing by red");
	COUNTS_OF(card, 0, 0, .passed = 3, .denied = 2);
}

/* A program of another context runs in the same process, with the fds and bindings of the old. */
static void evade_exec(void)
{
	struct worker *w;

	enforce(card, "all", "deny");
	w = driver(BLUE, card);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 1);
	expect_is(evade_text(w, E_EXEC, 0, 0, 0, RED), 0, "execve");
	mark();
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding");
	expect_is(ask(w, W_WRITE, 0, 0, 0), -EACCES, "writing");
	expect_is(ask(w, W_TAKE, 0, 0, 0), -EACCES, "reading");
	COUNTS_OF(card, 0, 0, .denied = 3);
	/* The process executes a program of blue again. */
	expect_is(evade_text(w, E_EXEC, 0, 0, 0, BLUE), 0, "execve");
	expect_is(ask(w, W_TAKE, 0, 0, 0), 1, "reading as blue again");
}

static void evade_setuid(void)
{
	struct worker *w;

	loader_with(ENFORCE "contexts:\n  - { name: blue, match: { uid: 12345 } }\n"
			    "devices:\n" ROW,
		    card->handle, "blue", "all", "deny");
	w = vmm(NOBODY, card);
	tried(w, E_SETUID, 12345, 0, 0);
	expect_is(bind_all(w, card, IRQFD_FIRST), -EACCES, "binding after setuid");
	must(w, W_ABSENT, 0, card->vectors, 1);
}

/* The process that the operator named has ended, and another reuses its pid. */
static void evade_pid(void)
{
	struct worker *w;
	char to[32];
	pid_t pid;

	enforce(card, "all", "deny");
	w = vmm(NOBODY, card);
	pid = w->pid;
	snprintf(to, sizeof(to), "pid:%d", pid);
	verb(0, "allow", card->handle, "all", "--to", to, NULL);
	expect_is(bind_all(w, card, IRQFD_FIRST), 0, "binding");
	must(w, W_ARRIVES, 0, card->vectors, 1);
	worker_end(w, true);
	expect_member(worker_with_pid(pid), card, false, "a process that got the same pid");
}

/* A pid row names a process. A row for its reused pid does not include its old descendants. */
static void evade_pid_heirs(void)
{
	struct worker *w, *heir;
	pid_t pid;

#define POLICY(pid)                                                                                \
	ENFORCE "contexts:\n  - { name: blue, match: { pid: %d } }\ndevices:\n" ROW, pid,          \
		card->handle, "blue", "all", "deny"
	w = driver(NOBODY, card);
	pid = w->pid;
	loader_with(POLICY(pid));
	heir = heir_of(w, NOBODY, 0);
	must(heir, W_VFIO, 0, 1, 0);
	must(heir, W_VFIO_OFF, 0, 0, 0);
	/* An heir with other credentials does not die with its parent any more. */
	tried(heir, E_SETUID, 12345, 0, 0);
	worker_end(w, true);
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, card->handle, "blue", "all", "deny");
	worker_with_pid(pid);
	loader_with(POLICY(pid));
#undef POLICY
	expect_is(ask(heir, W_VFIO, 0, 1, 0), -EACCES, "binding by an heir of the first process");
}

/* ---- evade.*: routes and ranges ----------------------------------------------------- */

static void evade_routing(void)
{
	struct worker *w, *red;

	enforce(card, "[0-2]", "drop");
	w = bound_vmm(BLUE, card);
	red = emulator(RED);
	mark();
	tried(w, E_ROUTE, 0, 40, 0);
	must(w, W_RAISE, 0, 1, 1);
	must(w, W_WAIT, 40, 0, 0);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending elsewhere");
	/* Swap the routes: vector 3's GSI raises what vector 0's did, vector 1's what 3's did. */
	tried(w, E_ROUTE, 3, 0, 0);
	must(w, W_RAISE, 3, 2, 2);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after unauthorized vectors");
	tried(w, E_ROUTE, 1, 3, 0);
	must(w, W_RAISE, 1, 1, 1);
	must(w, W_WAIT, 3, 0, 0);
	expect_is(ask(red, W_PENDING, 0, 0, 0), 0, "pending at red's VM");
	COUNTS_OF(card, 0, 1, .passed = 1);
	COUNTS_OF(card, 3, 4, .dropped = 2);
}

static void evade_ranges(void)
{
	static const struct {
		uint32_t start, count;
	} bad[] = {
		{ 0, 2 },
		{ 2, 2 },
		{ 0, 5 },
		{ 1, 2048 },
		{ 1, 2049 },
		{ 1, 0x7fffffff },
		{ 1, 0xffffffff },
		{ 3, 0xffffffff },
		{ 0xffffffff, 1 },
		{ 0xffffffff, 2 },
		{ 0xffffffff, 3 },
		{ 0x80000000, 1 },
		{ 0xfffff801, 2049 },
		{ 0x10001, 1 },
		{ 0xffff, 1 },
		{ 2048, 1 },
	};
	const uint32_t bind = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t inject = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	struct worker *w;
	long ret, rows;
	size_t i;

	enforce(card, "[1-2]", "deny");
	w = vmm(BLUE, card);
	rows = map_count("stats");
	must(w, W_IRQFD, 0, card->vectors, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ret = evade(w, E_SET_IRQS, bad[i].start, bad[i].count, bind);
		expect(ret == -EACCES || ret == -EINVAL || ret == -EFAULT, "start %u count %u: %s",
		       bad[i].start, bad[i].count, rig_errname((int)ret));
	}
	expect_is(vfio_bindings(), 0, "bindings");
	/* Refusals must not fill the map: there is a row for each vector and for the function. */
	rows = map_count("stats") - rows;
	expect(rows <= card->vectors + 1, "%ld vectors have rows of stats", rows);
	must(w, W_ABSENT, 0, card->vectors, 1);
	must(w, W_VFIO, 1, 2, 0);
	must(w, W_PENDING, 0, 0, 0); /* clears what the device kept from before */
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ret = evade(w, E_SET_IRQS, bad[i].start, bad[i].count, inject);
		expect(ret == -EACCES || ret == -EINVAL, "DATA_NONE start %u count %u: %s",
		       bad[i].start, bad[i].count, rig_errname((int)ret));
	}
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	must(w, W_ARRIVES, 1, 2, 2);
	/* Unauthorized vectors at the end of a range are no violation if they get no eventfd. */
	enforce(card, "[0-1]", "deny");
	must(w, W_VFIO_OFF, 0, 0, 0);
	mark();
	expect_is(evade(w, E_SPARSE, 2, 5, 0), 0, "binding 0-1, unbinding 2-4");
	COUNTS_OF(card, 2, 4, .denied = 0);
	must(w, W_PENDING, 0, 0, 0);
	mark();
	must(w, W_ARRIVES, 0, 2, 2);
	must(w, W_ABSENT, 2, 3, 1);
	COUNTS_OF(card, 0, 1, .passed = 2);
	expect_is(evade(w, E_SPARSE, 0, 5, 0), 0, "unbinding all");
}

/* ---- evade.*: the hooks are switched off ----------------------------------------------- */

static void ftrace(char value)
{
	int fd = open("/proc/sys/kernel/ftrace_enabled", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, &value, 1) == 1;
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (!done)
		test_skip("kernel.ftrace_enabled cannot be changed: %s", rig_errname(error));
}

/* Nothing stops interrupts meanwhile. irqgate alarms, and finds the binding when it is over. */
static void evade_ftrace(void)
{
	struct worker *w, *out, *ends;
	struct json_object *ev;
	long vms;

	enforce(card, "all", "drop");
	w = vmm(BLUE, &edu);
	out = vmm(NOBODY, card);
	vms = map_count("vms");
	ends = worker_new(BLUE);
	must(ends, W_VM, 1, 0, 0);
	expect_is(bind_all(w, &edu, IRQFD_FIRST), 0, "binding");
	verb(0, "status", NULL);
	mark();
	ftrace('0');
	ev = wait_for(10000, (ev = event_wait("alarm", "silent", NULL, NULL, 0))) ? ev : NULL;
	if (ev)
		expect_is(irqgate("status", NULL)->status, 1, "irqgate status, silent");
	if (ev)
		expect_is(bind_all(out, card, IRQFD_FIRST), 0,
			  "binding while the hooks are silent");
	worker_end(ends, false);
	mark();
	ftrace('1');
	expect(ev, "no alarm within 10 s");
	json_object_put(ev);
	expect(wait_for(10000, !irqgate("status", NULL)->status), "status does not recover");
	expect_reported("alarm", "recovered", NULL, NULL, 0);
	expect_running(out);
	must(w, W_ARRIVES, 0, 1, 2);
	expect_state(card->handle, 0, card->vectors - 1, "quarantined");
	must(out, W_ABSENT, 0, card->vectors, 2);
	expect(wait_for(5000, map_count("vms") == vms), "the row of a VM that ended unseen stays");
}

/* ---- churn.* --------------------------------------------------------------------------- */

#define ORDERS 48 /* 4! orders of ending, times 2 of beginning */

/* Rounds of one process. After every 4 * ORDERS of them it is killed in the middle of one. */
static void churn_of(const char *cgroup, const struct device *d, long rounds)
{
	struct worker *w = driver(cgroup, d);
	bool refused = strcmp(cgroup, BLUE);
	long i, n;

	for (i = 0; i < rounds; i += n) {
		n = rounds - i < ORDERS ? rounds - i : ORDERS;
		tried(w, E_CHURN, (uint32_t)n, (uint32_t)i, refused);
		if (i / ORDERS % 4 == 3) {
			tried(w, E_HALF_CHURN, 0, (uint32_t)i, refused);
			worker_end(w, true);
			w = driver(cgroup, d);
		}
	}
	tried(w, E_HALF_CHURN, 0, (uint32_t)i, refused);
	worker_end(w, true);
}

static void churn_rounds(void)
{
	long rounds = from_environment("CHURN_ROUNDS", 64), before[OBJECT_MAPS], lost, unknown, i;
	const long turn = 480;
	struct counts good, bad;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, card->handle, "blue", "all", "drop",
		    edu.handle, "blue", "all", "drop");
	churn_of(BLUE, card, 1);
	churn_of(NOBODY, &edu, 1);
	expect_forgotten("before");
	count_maps(before);
	lost = status_of("lost_bindings");
	unknown = status_of("unknown_msis");
	mark();
	for (i = 0; i < rounds; i += turn) {
		long n = rounds - i < turn ? rounds - i : turn;

		churn_of(BLUE, card, n - n / 4);
		churn_of(NOBODY, &edu, n / 4);
	}
	expect_forgotten("after the churn");
	expect_maps(before);
	expect_is(status_of("lost_bindings"), lost, "lost bindings");
	expect_is(status_of("unknown_msis"), unknown, "MSIs of no binding");
	good = counted(card->handle, 0);
	bad = counted(edu.handle, 0);
	expect(good.passed >= rounds - rounds / 4 && !good.dropped && !good.leaked,
	       "authorized: passed %ld, dropped %ld, leaked %ld", good.passed, good.dropped,
	       good.leaked);
	expect(bad.dropped >= rounds / 4 && !bad.passed && !bad.leaked,
	       "unauthorized: passed %ld, dropped %ld, leaked %ld", bad.passed, bad.dropped,
	       bad.leaked);
}

/* How many bindings in @new have an eventfd at an address that one in @old had. */
static long same_eventfds(struct json_object *old, struct json_object *new)
{
	size_t i, k;
	long n = 0;

	for (i = 0; i < json_object_array_length(old); i++)
		for (k = 0; k < json_object_array_length(new); k++)
			n += !strcmp(field(json_object_array_get_idx(old, i), "eventfd"),
				     field(json_object_array_get_idx(new, k), "eventfd"));
	return n;
}

/*
 * A protected eventfd ends, and the kernel gives its address to an eventfd of red. Nothing that
 * irqgate knew of the old one holds for the new one.
 */
static void churn_reused(void)
{
	struct json_object *old, *now;
	struct worker *w, *red;
	long reused = 0;
	unsigned int v;
	int i;

	with(&igb);
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW NAMED_SOURCES, nic.handle, "blue", "all",
		    "drop", igb.handle, "red", "all", "drop");
	w = vmm(BLUE, &nic);
	red = driver(RED, &igb);
	for (i = 0; i < 4; i++) {
		expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
		must(w, W_ARRIVES, 0, nic.vectors, 1);
		old = show("bindings");
		mark();
		must(w, W_VFIO_OFF, 0, 0, 0);
		for (v = 0; v < nic.vectors; v++) {
			tried(w, E_DEASSIGN, v, 0, 0);
			tried(w, E_CLOSE, v, 0, 0);
		}
		must(red, W_EVENTFDS, igb.vectors, 0, 0);
		for (v = 0; v < igb.vectors; v++)
			must(red, W_WRITE, v, 0, 0);
		must(red, W_VFIO, 0, igb.vectors, 0);
		must(red, W_RAISE, 0, igb.vectors, 2);
		now = show("bindings");
		for (v = 0; v < igb.vectors; v++)
			expect_is(ask(red, W_TAKE, v, 0, 0), 3, "count of a new eventfd");
		expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending at the old owner");
		COUNTS(&igb, .passed = 2);
		COUNTS(&nic, .passed = 0);
		reused += same_eventfds(old, now);
		json_object_put(old);
		json_object_put(now);
		must(red, W_VFIO_OFF, 0, 0, 0);
		for (v = 0; v < igb.vectors; v++)
			tried(red, E_CLOSE, v, 0, 0);
		must(w, W_EVENTFDS, nic.vectors, 0, 0);
	}
	if (!reused)
		test_skip("no address was used again in %d rounds: nothing was tested", i);
}

/* How many vectors of a device have no owner's eventfd any more. */
static long without_eventfd(const struct device *d)
{
	struct json_object *all = show("bindings"), *o;
	long n = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		o = json_object_array_get_idx(all, i);
		n += !strcmp(field(o, "handle"), d->handle) && !*field(o, "eventfd");
	}
	json_object_put(all);
	return n;
}

/*
 * The owner of quarantined vectors closes their eventfds while no hook runs, and the kernel gives
 * their addresses to eventfds of a stranger. A release does not connect the vectors to those.
 */
static void churn_reused_unseen(void)
{
	struct worker *w, *stranger;
	unsigned int v;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "red", "all", "drop");
	stranger = worker_new(NOBODY);
	w = bound_driver(BLUE, &nic);
	expect_running(w);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	ftrace('0');
	for (v = 0; v < nic.vectors; v++)
		evade(w, E_CLOSE, v, 0, 0);
	ftrace('1');
	tried(stranger, E_FILL, FILL_OTHER, 900, 0);
	irqgate("allow", nic.handle, "all", "--to", "blue", NULL);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	if (!without_eventfd(&nic))
		test_skip("no address was used again: nothing was tested");
	/* When the owner binds again, its vectors are in order. */
	must(w, W_EVENTFDS, nic.vectors, 0, 0);
	must(w, W_VFIO, 0, nic.vectors, 0);
	must(w, W_RAISE, 0, nic.vectors, 1);
	for (v = 0; v < nic.vectors; v++)
		expect(ask(w, W_COUNT, v, 2000, 0) > 0, "vector %u did not arrive", v);
}

/*
 * The owner closed its eventfds before the quarantine, so VFIO had the last references. The vectors
 * go to no eventfd that got one of the addresses, also after a search for existing objects.
 */
static void churn_reused_closed(void)
{
	struct worker *w, *stranger;
	unsigned int v;

	enforce(&nic, "all", "drop");
	stranger = worker_new(NOBODY);
	w = bound_driver(BLUE, &nic);
	for (v = 0; v < nic.vectors; v++)
		evade(w, E_CLOSE, v, 0, 0);
	verb(0, "revoke", nic.handle, "all", NULL);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	tried(stranger, E_FILL, FILL_OTHER, 900, 0);
	loader_stop();
	enforce(&nic, "all", "drop");
	irqgate("allow", nic.handle, "all", "--to", "blue", NULL);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	must(w, W_EVENTFDS, nic.vectors, 0, 0);
	must(w, W_VFIO, 0, nic.vectors, 0);
	must(w, W_RAISE, 0, nic.vectors, 1);
	for (v = 0; v < nic.vectors; v++)
		expect(ask(w, W_COUNT, v, 2000, 0) > 0, "vector %u did not arrive", v);
}

/* The key of the only element of the map vms. */
static void vm_address(char address[64])
{
	struct json_object *all = map_dump("vms"), *o;

	o = json_object_array_get_idx(all, 0);
	o = o ? json_object_object_get(o, "key") : NULL;
	snprintf(address, 64, "%s", o ? json_object_to_json_string(o) : "");
	json_object_put(all);
}

/* The same for VMs: red's VM at the address of blue's gets none of blue's interrupts. */
static void churn_reused_vm(void)
{
	struct worker *w, *red;
	char old[64], now[64];
	int i, reused = 0;

	enforce(card, "all", "deny");
	w = driver(BLUE, card);
	red = heir_of(w, RED, 0);
	must(w, W_VFIO, 0, 1, 0);
	for (i = 0; i < 6 && reused < 2; i++) {
		must(w, W_VM, 1, 0, 0);
		must(w, W_IRQFD, 0, 1, 0);
		must(w, W_ARRIVES, 0, 1, 1);
		vm_address(old);
		tried(w, E_VM_END, 0, 0, 0);
		/* Loading a module makes the kernel free what vfree() put aside. */
		modprobe("-a", "dummy", NULL);
		modprobe("-r", "dummy", NULL);
		must(red, W_VM, 1, 0, 0);
		vm_address(now);
		reused += *now && !strcmp(old, now);
		expect_irqfd_refused(red, w, card, 1);
		tried(red, E_VM_END, 0, 0, 0);
	}
	if (!reused)
		test_skip("no VM took the place of another in %d rounds", i);
}

/* ---- race.* ------------------------------------------------------------------------------ */

#define RACE_POLICY(action)                                                                        \
	ENFORCE CONTEXTS "devices:\n" ROW ROW, card->handle, "blue", "[0,2-4]", action,            \
		edu.handle, "blue", "all", "drop"

/*
 * Everything at once, under streams of interrupts: the test allows and revokes vector 1. Other
 * processes reload the policy, which lacks vector 1, bind vector 1 again, and revoke and allow
 * vector 4. After each revocation vector 1 does not arrive at its old target. No process touches
 * the other device, which loses no interrupt.
 */
static void race(const char *action, bool rebind)
{
	struct worker *w, *calm, *binder, *reloader, *flapper, *reader;
	long arrived = 0, reloads, i, raised, before;
	struct counts c;

	loader_with(RACE_POLICY(action));
	w = driver(BLUE, card);
	verb(0, "allow", card->handle, "1", "--to", "blue", NULL);
	must(w, W_VFIO, 0, 5, 0);
	binder = heir_of(w, BLUE, 1);
	/* The process that bound vector 1 last may read its eventfd. */
	reader = rebind ? binder : w;
	calm = bound_driver(BLUE, &edu);
	reloader = worker_new(NOBODY);
	flapper = worker_new(NOBODY);
	mark();
	must(w, W_STREAM, 1, 2000, 0);
	must(calm, W_STREAM, 0, 3000, 0);
	/* Reload seldom enough that other processes get the CPU. */
	tried(reloader, E_LOOP, LOOP_HANGUP, (uint32_t)loader_pid(), 200000);
	evade_text(flapper, E_LOOP, LOOP_FLAP, 4, 50000, card->handle);
	if (rebind)
		tried(binder, E_LOOP, LOOP_BIND, 1, 0);
	for (i = 0; i < (rebind ? 2 : 3); i++) {
		verb(0, "allow", card->handle, "1", "--to", "blue", NULL);
		nap(20);
		before = counted(card->handle, 1).leaked;
		verb(0, "revoke", card->handle, "1", NULL);
		must(reader, W_TAKE, 1, 0, 0);
		nap(200);
		arrived = must(reader, W_TAKE, 1, 0, 0);
		c = counted(card->handle, 1);
		/* A new bind may connect it for a moment. That counts as a leak. */
		expect(rebind ? arrived <= c.leaked - before : !arrived,
		       "%ld arrived after revoke returned, %ld leaked", arrived, c.leaked - before);
	}
	if (rebind)
		tried(binder, E_LOOP_END, 0, 0, 0);
	reloads = tried(reloader, E_LOOP_END, 0, 0, 0);
	tried(flapper, E_LOOP_END, 0, 0, 0);
	must(w, W_STREAM_STOP, 0, 0, 0);
	raised = must(calm, W_STREAM_STOP, 0, 0, 0);
	nap(100);
	expect(reloads > 2, "only %ld reloads", reloads);
	expect_is(ask(calm, W_TAKE, 0, 0, 0), raised, "count of the other device");
	COUNTS(&edu, .passed = raised);
	/* At the end, authorized interrupts arrive and the others do not. */
	verb(0, "allow", card->handle, "4", "--to", "blue", NULL);
	verb(0, "revoke", card->handle, "1", NULL);
	must(w, W_EVENTFDS, card->vectors, 0, 0);
	must(w, W_VFIO_OFF, 0, 0, 0);
	must(w, W_VFIO, 2, 3, 0);
	mark();
	must(w, W_RAISE, 1, 4, 2);
	COUNTS_OF(card, 2, 4, .passed = 2);
	COUNTS_OF(card, 1, 1, .passed = 0);
}

static void race_revoke(void)
{
	race("drop", false);
}

static void race_rebind_deny(void)
{
	race("deny", true);
}

static void race_rebind_drop(void)
{
	race("drop", true);
}

/*
 * A kernel with preemption skips a hook while another task is preempted in it on the same CPU.
 * So a task with a real-time priority binds while the hook cannot see it.
 */
static void race_skipped(void)
{
	const long rounds = 15;
	struct worker *binder[2], *intruder;
	long i, missed;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, edu.handle, "blue", "all", "drop",
		    card->handle, "blue", "all", "deny", edu2.handle, "blue", "all", "deny");
	binder[0] = driver(BLUE, card);
	binder[1] = driver(BLUE, &edu2);
	intruder = driver(NOBODY, &edu);
	mark();
	missed = status_of("missed_runs");
	for (i = 0; i < 2; i++) {
		must(binder[i], W_VFIO, 0, 1, 0);
		tried(binder[i], E_LOOP, LOOP_BIND, 0, 0);
	}
	tried(intruder, E_URGENT, 0, 0, 0);
	for (i = 0; i < rounds; i++)
		tried(intruder, E_CHURN, 1, (uint32_t)i, 1);
	for (i = 0; i < 2; i++)
		tried(binder[i], E_LOOP_END, 0, 0, 0);
	missed = status_of("missed_runs") - missed;
	COUNTS(&edu, .dropped = rounds);
	printf("  race: %ld runs of hooks skipped in %ld rounds\n", missed, rounds);
}

/* The test raises each interrupt after it read the one before, so the hardware merges none. */
static void race_stream(void)
{
	long total = from_environment("STREAM_INTERRUPTS", 40000), done, n, ret, reloads;
	const long chunk = 10000;
	struct worker *w, *reloader;

	enforce(&edu, "all", "drop");
	w = bound_driver(BLUE, &edu);
	reloader = worker_new(NOBODY);
	mark();
	tried(reloader, E_LOOP, LOOP_HANGUP, (uint32_t)loader_pid(), 5000);
	for (done = 0; done < total; done += n) {
		n = total - done < chunk ? total - done : chunk;
		ret = evade(w, E_COUNTED, 0, (uint32_t)n, 0);
		expect(ret == n, "interrupts %ld-%ld: %s", done, done + n, rig_errname((int)ret));
	}
	reloads = tried(reloader, E_LOOP_END, 0, 0, 0);
	COUNTS(&edu, .passed = total);
	expect(reloads > 20, "only %ld reloads", reloads);
	loader_stop();
}

/* ---- loss.* --------------------------------------------------------------------------------- */

/*
 * The loader is stopped and reads no events. The gate was deceived, so irqgate judges each
 * binding at its first interrupt. That makes eight full reports a binding, and no other event.
 */
static void loss_events(void)
{
	const long rounds = 100, each = 4 * 8;
	long lost, reported = 0, i;
	struct worker *w;

	loader_with(AUDIT CONTEXTS "devices:\n" ROW, card->handle, "blue", "[0]", "deny");
	w = driver(BLUE, card);
	mark();
	lost = status_of("lost_events");
	kill(loader_pid(), SIGSTOP);
	for (i = 0; i < rounds; i++) {
		tried(w, E_SWAP_VFIO, 0, 1, SWAP_VECTOR | SWAP_COUNT(4));
		tried(w, E_BURST, 1, 4, 8);
		must(w, W_VFIO_OFF, 0, 0, 0);
	}
	for (i = 1; i <= 4; i++)
		expect_is(ask(w, W_TAKE, (uint32_t)i, 0, 0), 8 * rounds, "count of vector %ld", i);
	COUNTS_OF(card, 1, 4, .would_drop = 8 * rounds);
	lost = status_of("lost_events") - lost;
	kill(loader_pid(), SIGCONT);
	expect(lost > 0, "%ld events fit into the ring buffer: nothing was tested", rounds * each);
	/* Printing thousands of events takes long: look once a second. */
	for (i = 0; i < 30; i++) {
		nap(1000);
		reported = events_of("audit", card->handle);
		if (reported + lost >= rounds * each)
			break;
	}
	expect(reported + lost == rounds * each, "%ld reported and %ld lost of %ld", reported, lost,
	       rounds * each);
	/* After that, events come as before. */
	mark();
	tried(w, E_SWAP_VFIO, 0, 1, SWAP_VECTOR | SWAP_COUNT(4));
	tried(w, E_BURST, 1, 4, 1);
	expect(wait_for(5000, events_of("audit", card->handle) == 4), "%ld events of 4 afterwards",
	       events_of("audit", card->handle));
}

/* irqgate reports a storm by its first events and by its growth, and counts every interrupt. */
static void loss_storm(void)
{
	const long storm = 5000;
	uint64_t start, seconds;
	struct worker *w;
	long told;

	enforce(&edu, "all", "drop");
	w = bound_driver(NOBODY, &edu);
	expect_running(w);
	mark();
	start = rig_now_ms();
	tried(w, E_BURST, 0, 1, (uint32_t)storm);
	seconds = (rig_now_ms() - start) / 1000 + 1;
	expect_is(ask(w, W_TAKE, 0, 0, 0), 0, "count at the owner");
	COUNTS(&edu, .dropped = storm);
	nap(500);
	told = events_of("drop", edu.handle);
	/* 8 in full, powers of two from 16 to 4096, one a second. */
	expect(told >= 8 + 9 && told <= 8 + 9 + (long)seconds, "%ld events of %ld interrupts", told,
	       storm);
}

static const struct test tests[] = {
	{ "evade.swap_vector_deny", evade_swap_vector_deny },
	{ "evade.swap_vector_drop", evade_swap_vector_drop },
	{ "evade.swap_fd", evade_swap_fd },
	{ "evade.swap_inject", evade_swap_inject },
	{ "evade.stalled", evade_stalled },
	{ "evade.race", evade_race },
	{ "evade.dash", evade_dash },
	{ "evade.continued", evade_continued },
	{ "evade.shared_vectors", evade_shared_vectors },
	{ "evade.shared_devices", evade_shared_devices },
	{ "evade.many_sources", evade_many_sources },
	{ "evade.listener_first", evade_listener_first },
	{ "evade.many_listeners", evade_many_listeners },
	{ "evade.io_uring", evade_io_uring },
	{ "evade.sent_early", evade_sent_early },
	{ "evade.handed_again", evade_handed_again },
	{ "evade.compat", evade_compat },
	{ "evade.clone_vm", evade_clone_vm },
	{ "evade.exec", evade_exec },
	{ "evade.setuid", evade_setuid },
	{ "evade.pid", evade_pid },
	{ "evade.pid_heirs", evade_pid_heirs },
	{ "evade.routing", evade_routing },
	{ "evade.ranges", evade_ranges },
	{ "evade.ftrace", evade_ftrace },
	{ "churn.rounds", churn_rounds },
	{ "churn.reused", churn_reused },
	{ "churn.reused_unseen", churn_reused_unseen },
	{ "churn.reused_closed", churn_reused_closed },
	{ "churn.reused_vm", churn_reused_vm },
	{ "race.revoke", race_revoke },
	{ "race.rebind_deny", race_rebind_deny },
	{ "race.rebind_drop", race_rebind_drop },
	{ "race.skipped", race_skipped },
	{ "race.stream", race_stream },
	{ "loss.events", loss_events },
	{ "loss.storm", loss_storm },
};

struct test_set evade_tests(void)
{
	card = igb.vectors ? &igb : &nic;
	return TEST_SET(tests, .loader_stays = true);
}
