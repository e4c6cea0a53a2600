// SPDX-License-Identifier: GPL-2.0-only
/*
 * room.*: a user without privileges fills the maps. No other user loses protection, and irqgate
 * refuses what finds no room.
 */
#include "fixture.h"
#include "worker-evade.h"

#include <irqgate/table.h>

#include <errno.h>

#define USER 1000

/* A worker of a user without privileges, of no context. */
static struct worker *user(uid_t uid)
{
	const struct worker_options options = { .cgroup = NOBODY, .uid = uid };

	open_to_users();
	return worker_as(&options);
}

/* A user makes 50 objects. None of them may get a row. */
static void expect_nothing_of(enum fill what, const char *map)
{
	struct worker *w;
	long before;

	loader_with(ENFORCE CONTEXTS);
	w = user(USER);
	before = map_count(map);
	expect_is(evade(w, E_FILL, what, 50, 0), 50, "calls that no gate refused");
	expect_is(map_count(map), before, "rows of %s", map);
}

/* irqgate ignores vhost's ioctl on a file that is not vhost's. */
static void room_other_files(void)
{
	expect_nothing_of(FILL_OTHER, "eventfds");
}

/* A VM that KVM refuses leaves no row. */
static void room_failing_vms(void)
{
	expect_nothing_of(FILL_BAD_VM, "vms");
}

/*
 * The maps are small, so that they fill soon. A user gets an eighth, all users together get half,
 * a context gets a quarter.
 */
#define ROWS 256
#define DEVICE_POLICY ENFORCE CONTEXTS "devices:\n" ROW

static void start_small(const char *defaults)
{
	const struct device *d = &edu;

	unload();
	loader_options("--max-eventfds=256");
	loader_start(DEVICE_POLICY "%s", d->handle, "blue", "all", "deny", defaults);
}

/* Blue binds and gets its interrupts. Red may not signal blue's eventfd or receive it. */
static void expect_protected(void)
{
	struct worker *w, *red;

	w = vmm(BLUE, &edu);
	expect_is(bind_all(w, &edu, IRQFD_FIRST), 0, "blue's bind");
	must(w, W_ARRIVES, 0, edu.vectors, 1);
	red = heir_of(w, RED, 0);
	mark();
	expect_is(ask(red, W_WRITE, 0, 0, 0), -EACCES, "red's write to blue's eventfd");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	COUNTS_OF(&edu, 0, 0, .denied = 1);
	red = worker_new(RED);
	make_peers(w, red);
	must(w, W_SEND, 0, 0, 0);
	expect_is(ask(red, W_RECEIVE, 0, 0, 0), 0, "red receives blue's eventfd");
	worker_end(w, false);
}

/* A user reaches its quota. irqgate refuses nothing to other users for that. */
static void room_eventfds(void)
{
	static const enum fill how[] = { FILL_IOEVENTFD, FILL_IRQFD };
	struct worker *w, *other;
	unsigned int tries;
	size_t i;
	long n;

	for (i = 0; i < 2; i++) {
		start_small("");
		w = user(USER);
		must(w, W_VM, 1, 0, 0);
		mark();
		expect_is(evade(w, E_FILL, how[i], ROWS, 0), ROWS / 8, "eventfds of one user");
		expect_reported("deny", "full", "bind", "-", IRQGATE_VECTOR_FUNCTION);
		/* Another user has room. */
		other = user(USER + 1);
		must(other, W_VM, 1, 0, 0);
		expect_is(evade(other, E_FILL, how[i], 4, 0), 4, "eventfds of another user");
		expect_protected();
		/* When the process ends, there is room again. */
		worker_end(w, false);
		w = user(USER);
		must(w, W_VM, 1, 0, 0);
		/* KVM ends an irqfd in a work queue. */
		for (n = 0, tries = 0; n < ROWS / 8 && tries < 50; tries++, nap(100))
			n += evade(w, E_FILL, how[i], (uint32_t)(ROWS / 8 - n), 0);
		expect_is(n, ROWS / 8, "eventfds, later");
	}
}

/* irqgate refuses KVM_CREATE_VM to a user that has its share of VMs. */
static void room_vms(void)
{
	struct worker *w;

	unload();
	loader_options("--max-vms=64");
	loader_start(DEVICE_POLICY, edu.handle, "blue", "all", "deny");
	w = user(USER);
	expect_is(evade(w, E_FILL, FILL_VM, 64, 0), 8, "VMs of one user");
	expect_protected();
}

/*
 * There are more VMs than the map has rows, as when many threads make one at once. irqgate
 * refuses nothing that needs no VM.
 */
static void room_lost_vms(void)
{
	struct worker *w, *owner;

	unload();
	w = user(USER);
	expect_is(evade(w, E_FILL, FILL_VM, 70, 0), 70, "VMs while there is no irqgate");
	loader_options("--max-vms=64");
	loader_start(DEVICE_POLICY, edu.handle, "blue", "all", "deny");
	expect(wait_for(3000, loader_said("ALARM: a map had no room for a VM")), "no alarm");
	expect_is(irqgate("status", NULL)->status, 1, "irqgate status");
	owner = driver(BLUE, &edu);
	expect_is(ask(owner, W_VFIO, 0, 1, 0), 0, "binding while VMs have no rows");
	must(owner, W_RAISE, 0, 1, 1);
	expect_is(ask(owner, W_COUNT, 0, 2000, 0), 1, "count of the eventfd");
	worker_end(w, false);
	expect(wait_for(5000, loader_said("the maps have room again")), "the alarm does not end");
	worker_end(owner, false);
	expect_protected();
}

/* Many users fill their half of the map, and a context its quarter. */
static void fill_all(void)
{
	struct worker *w;
	uid_t uid;

	for (uid = USER; uid < USER + 6; uid++) {
		w = user(uid);
		must(w, W_VM, 1, 0, 0);
		evade(w, E_FILL, FILL_IRQFD, ROWS, 0);
	}
	w = worker_new(RED);
	must(w, W_VM, 1, 0, 0);
	expect_is(evade(w, E_FILL, FILL_IRQFD, ROWS, 0), ROWS / 4, "eventfds of a context");
	expect_is(map_count("eventfds"), ROWS / 2 + ROWS / 4, "eventfds of all");
}

static void room_pool(void)
{
	start_small("");
	fill_all();
	expect_protected();
}

/* irqgate refuses a VMM that finds no room, its vectors arrive nowhere, and status says so. */
static void room_full(void)
{
	struct worker *w, *more;

	start_small("");
	fill_all();
	more = worker_new(BLUE);
	must(more, W_VM, 1, 0, 0);
	expect_is(evade(more, E_FILL, FILL_IRQFD, ROWS, 0), ROWS / 8, "eventfds of the last");
	w = vmm(BLUE, &edu);
	mark();
	expect_is(ask(w, W_IRQFD, 0, 1, 0), -EACCES, "KVM_IRQFD without room");
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding without room");
	must(w, W_ABSENT, 0, 1, 1);
	COUNTS_OF(&edu, 0, 0, .denied = 1);
	expect(wait_for(3000, loader_said("ALARM: the map eventfds is")),
	       "no alarm of a map that fills");
	expect_is(irqgate("status", NULL)->status, 1, "irqgate status");
	/* When there is room again, it may bind. */
	worker_end(more, false);
	expect(wait_for(5000, loader_said("the maps have room again")), "the alarm does not end");
	expect_is(irqgate("status", NULL)->status, 0, "irqgate status, later");
	expect_is(bind_all(w, &edu, IRQFD_FIRST), 0, "binding, later");
	must(w, W_ARRIVES, 0, 1, 1);
}

/* If the policy allows what finds no room, it passes and counts as audited. */
static void room_on_full(void)
{
	struct worker *w;

	start_small("defaults: { on_full: allow }\n");
	w = user(USER);
	must(w, W_VM, 1, 0, 0);
	mark();
	expect_is(evade(w, E_FILL, FILL_IRQFD, ROWS / 4, 0), ROWS / 4, "eventfds of one user");
	expect_reported("audit", "full", NULL, "-", IRQGATE_VECTOR_FUNCTION);
	expect_protected();
}

/*
 * A VM of blue listens to the eventfd of blue's device, and its irqfd finds no row. The vector
 * counts as shared with unknown VMs, until there is room again and a search finds the irqfd.
 */
static void room_lost_listener(void)
{
	struct worker *w, *crowd, *vm[3];
	unsigned int i;

	start_small("defaults: { on_full: allow }\n");
	w = driver(BLUE, &edu);
	must(w, W_VFIO, 0, 1, 0);
	for (i = 0; i < 3; i++) {
		vm[i] = heir_of(w, BLUE, 0);
		must(vm[i], W_VM, 1, 0, 0);
	}
	/* So there are more irqfds than eventfds, and their map is full first. */
	must(vm[0], W_IRQFD, 0, 1, 0);
	if (ask(vm[1], W_IRQFD, 0, 1, 0) == -EBUSY)
		test_skip("an eventfd takes one irqfd on this kernel");
	crowd = user(USER);
	must(crowd, W_VM, 1, 0, 0);
	evade(crowd, E_FILL, FILL_IRQFD, 2 * ROWS, 0);
	must(vm[2], W_IRQFD, 0, 1, 0);
	expect(wait_for(5000, vector_is(&edu, 0, "quarantined")),
	       "the vector is not shared with an unknown VM");
	worker_end(crowd, false);
	expect(wait_for(20000, vector_is(&edu, 0, "bound")),
	       "the vector stays cut when all VMs are known again");
	must(vm[0], W_PENDING, 0, 0, 0);
	must(w, W_RAISE, 0, 1, 1);
	must(vm[0], W_WAIT, 0, 0, 0);
}

struct test_set room_tests(void)
{
	static const struct test tests[] = {
		{ "room.other_files", room_other_files },
		{ "room.failing_vms", room_failing_vms },
		{ "room.eventfds", room_eventfds },
		{ "room.vms", room_vms },
		{ "room.lost_vms", room_lost_vms },
		{ "room.pool", room_pool },
		{ "room.full", room_full },
		{ "room.on_full", room_on_full },
		{ "room.lost_listener", room_lost_listener },
	};

	return TEST_SET(tests, .loader_stays = true);
}
