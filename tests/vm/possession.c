// SPDX-License-Identifier: GPL-2.0-only
/* possession.*: a process gets an fd that can raise interrupts, or traces one that has it. */
#include "fixture.h"

#include <errno.h>
#include <irqgate/table.h>

/* ---- possession.* ----------------------------------------------------------- */

/* A process of another context does not get fds that can raise interrupts. */
static void possession_scm_rights(void)
{
	struct worker *w, *foreign, *friend;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW NAMED_SOURCES, nic.handle, "blue", "all",
		    "drop");
	w = bound_vmm(BLUE, &nic);
	foreign = worker_new(RED);
	friend = worker_new(BLUE);
	mark();
	make_peers(w, foreign);
	must(w, W_SEND, 1, 0, 0);
	expect_is(ask(foreign, W_RECEIVE, 1, 0, 0), 0, "the eventfd at red");
	must(w, W_SEND, 0, 1, 0);
	expect_is(ask(foreign, W_RECEIVE, 1, 0, 0), 0, "the device at red");
	COUNTS_OF(&nic, 1, 1, .denied = 1);
	expect_reported("deny", "unlisted", "possession", nic.handle, 1);
	make_peers(w, friend);
	must(w, W_SEND, 1, 0, 0);
	expect_is(ask(friend, W_RECEIVE, 1, 0, 0), 1, "the eventfd at a friend");
	must(friend, W_WRITE, 1, 0, 0);
	must(w, W_WAIT, 1, 0, 0);
}

static void possession_pidfd_getfd(void)
{
	struct worker *w, *foreign, *friend;
	uint32_t pid, fd, device;

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	foreign = worker_new(RED);
	friend = worker_new(BLUE);
	pid = (uint32_t)w->pid;
	fd = (uint32_t)must(w, W_NUMBER, 2, 0, 0);
	device = (uint32_t)must(w, W_NUMBER, 0, 1, 0);
	expect_is(ask(foreign, W_STEAL, 2, pid, fd), -EACCES, "taking the eventfd");
	expect_is(ask(foreign, W_STEAL, 2, pid, device), -EACCES, "taking the device");
	expect_is(ask(friend, W_STEAL, 2, pid, fd), 0, "taking the eventfd of its own context");
	must(friend, W_WRITE, 2, 0, 0);
	must(w, W_WAIT, 2, 0, 0);
}

/* Two contexts of one user: the kernel would let them trace each other, irqgate refuses. */
static void possession_trace(void)
{
	const struct worker_options owner = { .cgroup = BLUE, .uid = 12345 };
	const struct worker_options other = { .cgroup = RED, .uid = 12345 };
	const struct worker_options other_cgroup = { .cgroup = NOBODY, .uid = 12345 };
	struct worker *w, *friend, *foreign, *nobody;
	enum tracing how;
	long ret, idle;
	unsigned int i;

	write_text("/proc/sys/kernel/yama/ptrace_scope", "0");
	loader_with(ENFORCE CONTEXTS);
	w = worker_as(&owner);
	friend = worker_as(&owner);
	foreign = worker_as(&other);
	mark();
	for (how = BY_MEM; how <= BY_VM_READ; how++) {
		expect_is(ask(friend, W_TRACE, how, (uint32_t)w->pid, 0), 0,
			  "way %d by its own context", how);
		ret = ask(foreign, W_TRACE, how, (uint32_t)w->pid, 0);
		expect(ret == -EACCES || ret == -EPERM, "way %d by another context: %ld", how, ret);
	}
	/* A thread and a child that never reached a gate are of the context, too. */
	for (i = 0; i < 2; i++) {
		idle = must(w, W_IDLE, i, 0, 0);
		expect_is(ask(friend, W_TRACE, BY_MEM, (uint32_t)idle, 0), 0,
			  "idle task %u by its own context", i);
		ret = ask(foreign, W_TRACE, BY_MEM, (uint32_t)idle, 0);
		expect(ret == -EACCES || ret == -EPERM, "idle task %u by another context: %ld", i,
		       ret);
	}
	expect_counts("-", IRQGATE_VECTOR_FUNCTION, IRQGATE_VECTOR_FUNCTION,
		      (struct counts){ .denied = 5 });
	/* irqgate lets any process trace one of no context, if the kernel does. */
	nobody = worker_as(&other_cgroup);
	ret = ask(nobody, W_TRACE, BY_MEM, (uint32_t)w->pid, 0);
	expect(ret == -EACCES || ret == -EPERM, "by a process of no context: %ld", ret);
	expect_is(ask(w, W_TRACE, BY_MEM, (uint32_t)nobody->pid, 0), 0,
		  "tracing a process of no context");
}

static const struct test tests[] = {
	{ "possession.scm_rights", possession_scm_rights },
	{ "possession.pidfd_getfd", possession_pidfd_getfd },
	{ "possession.trace", possession_trace },
};

struct test_set possession_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
