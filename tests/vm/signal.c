// SPDX-License-Identifier: GPL-2.0-only
/*
 * signal.*: irqgate asks whether a process may signal a VM, whichever way it takes: a device that
 * no row names, a call that raises the device's vector, another VM that listens beside it, or
 * something in the kernel to which the process gave the eventfd long before.
 */
#include "fixture.h"

#include <irqgate/table.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define STRICT_POLICY ENFORCE "contexts:\n" STRICT_BLUE

static struct worker *blue, *red;

/* Red holds a device that no row names, and blue's eventfd 1, to which blue's VM may listen. */
static void begin(void)
{
	blue = worker_new(BLUE);
	must(blue, W_VM, 4, 0, 0);
	must(blue, W_EVENTFDS, 4, 0, 0);
	red = vmm(RED, &nic);
	make_peers(blue, red);
	must(blue, W_SEND, 1, 0, 0);
	expect_is(ask(red, W_RECEIVE, 1, 0, 0), 1, "receiving an eventfd without a listener");
	expect_is(evade(red, E_SPARSE, 0, nic.vectors, 0), 0, "enabling vectors");
}

/* The same, and blue's VM listens. */
static void begin_listening(void)
{
	begin();
	must(blue, W_IRQFD, 1, 1, 0);
	mark();
}

/* Red may bind its vector 1 to that eventfd, and the interrupt arrives at blue's VM. */
static void expect_signalled(void)
{
	must(red, W_VFIO, 1, 1, 0);
	must(red, W_RAISE, 1, 1, 1);
	must(blue, W_WAIT, 1, 0, 0);
}

/* The device fires, and nothing arrives at blue's VM. */
static void expect_silent(unsigned int vector)
{
	must(red, W_RAISE, vector, 1, 3);
	expect_is(ask(blue, W_PENDING, 0, 0, 0), 0, "pending at blue's VM");
}

static void signal_bind(void)
{
	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	begin_listening();
	expect_is(ask(red, W_VFIO, 1, 1, 0), -EACCES, "binding to what blue's VM listens to");
	expect_silent(1);
	expect_reported("deny", "unlisted", "bind", nic.handle, 1);
	COUNTS_OF(&nic, 1, 1, .denied = 1);
	/* Red may bind to its own VM. */
	must(red, W_IRQFD, 0, 1, 0);
	must(red, W_VFIO, 0, 1, 0);
	must(red, W_ARRIVES, 0, 1, 2);
	COUNTS_OF(&nic, 0, 0, .passed = 2);
}

/*
 * Red binds a vector that it was not given to what blue's VM listens to. Under drop, too, the gate
 * refuses it, so that blue is not judged by red's vector when it signals its own VM.
 */
static void signal_bind_dropped(void)
{
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "red", "[0]", "drop");
	begin_listening();
	expect_is(ask(red, W_VFIO, 1, 1, 0), -EACCES, "binding to what blue's VM listens to");
	expect_silent(1);
	expect_reported("deny", "vector", "bind", nic.handle, 1);
	COUNTS_OF(&nic, 1, 1, .denied = 1);
	must(blue, W_WRITE, 1, 0, 0);
	must(blue, W_WAIT, 1, 0, 0);
	/* At red's own VM such a vector is bound and swallowed. */
	must(red, W_IRQFD, 2, 1, 0);
	must(red, W_VFIO, 2, 1, 0);
	expect_running(red);
	must(red, W_ABSENT, 2, 1, 1);
	expect_state(nic.handle, 2, 2, "quarantined");
}

/*
 * Of two processes without a context one has a quarantined vector, and the VM of the other comes to
 * listen. They are not of one context, so the gate refuses the VM.
 */
static void signal_listen_dropped(void)
{
	struct worker *w, *foreign;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "red", "all", "drop");
	w = driver(NOBODY, &nic);
	foreign = heir_of(w, NOBODY, 0);
	must(foreign, W_VM, 1, 0, 0);
	must(w, W_VFIO, 0, 1, 0);
	expect_running(w);
	expect_state(nic.handle, 0, 0, "quarantined");
	expect_is(ask(foreign, W_IRQFD, 0, 1, 0), -EACCES, "listening to the other's vector");
	must(w, W_RAISE, 0, 1, 1);
	expect_is(ask(foreign, W_PENDING, 0, 0, 0), 0, "pending at the VM");
	/* The process's own VM may listen: nothing arrives there. */
	must(w, W_VM, 1, 0, 0);
	must(w, W_IRQFD, 0, 1, 0);
	must(w, W_ABSENT, 0, 1, 1);
}

/* Red deceives the gate. irqgate then judges what the kernel holds by the same question. */
static void signal_bind_raced(void)
{
	const struct output *o;

	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	begin_listening();
	tried(red, E_SWAP_VFIO, 0, 1, SWAP_FD);
	expect_running(red);
	expect_silent(0);
	expect_state(nic.handle, 0, 0, "quarantined");
	COUNTS_OF(&nic, 0, 0, .dropped = 3);
	o = irqgate("explain", nic.handle, "0", NULL);
	expect(!o->status && strstr(o->out, "unlisted_source decides: deny"), "explain: %s",
	       o->out);
}

/* Red's device fires already when blue's VM comes to listen. */
static void signal_listen(void)
{
	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	begin();
	must(red, W_VFIO, 1, 1, 0);
	mark();
	expect_is(ask(blue, W_IRQFD, 1, 1, 0), -EACCES, "listening to what red's device fires");
	expect_silent(1);
}

/* The policy names red as a source for blue, so red may use a device that no row names. */
static void signal_source(void)
{
	loader_with(ENFORCE CONTEXTS NAMED_SOURCES
		    "sources:\n"
		    "  - { handle: \"soft:red\", match: { cgroup: /t/red }, context: blue }\n");
	begin_listening();
	expect_signalled();
	COUNTS_OF(&nic, 1, 1, .passed = 1);
}

/* In audit mode the interrupt arrives, and counts as one that enforce mode would stop. */
static void signal_audit(void)
{
	loader_with(AUDIT CONTEXTS NAMED_SOURCES);
	begin_listening();
	expect_signalled();
	COUNTS_OF(&nic, 1, 1, .audited = 1, .would_drop = 1);
}

/* VFIO_DEVICE_SET_IRQS without eventfds, on a device whose vectors blue has bound. */
static void signal_raise(void)
{
	long arrived;

	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	blue = bound_vmm(BLUE, &nic);
	red = heir_of(blue, RED, 0);
	mark();
	expect_raise_refused(red, blue, &nic, 1);
	must(blue, W_NONE, 1, 0, 0);
	must(blue, W_WAIT, 1, 0, 0);
	must(blue, W_ARRIVES, 0, nic.vectors, 1);
	/* If red deceives the gate, nothing can stop the interrupt, and it counts as a leak. */
	mark();
	evade(red, E_SWAP_VFIO, 0, 0, SWAP_INJECT);
	arrived = must(blue, W_PENDING, 0, 0, 0);
	expect_is(counted(nic.handle, 0).leaked, arrived, "leaked");
}

/* A strict VMM may not have an unlisted device signal its own VM, as it may not write to it. */
static void signal_strict(void)
{
	loader_with(STRICT_POLICY);
	blue = vmm(BLUE, &nic);
	must(blue, W_IRQFD, 0, nic.vectors, 0);
	mark();
	expect_is(ask(blue, W_VFIO, 0, 1, 0), -EACCES, "binding an unlisted device");
	must(blue, W_ABSENT, 0, 1, 1);
	expect_reported("deny", "strict", "bind", nic.handle, 0);
	loader_reload(STRICT_POLICY "devices:\n" ROW, nic.handle, "blue", "all", "deny");
	must(blue, W_VFIO, 0, nic.vectors, 0);
	must(blue, W_ARRIVES, 0, nic.vectors, 1);
}

/* ---- a VM that comes later ---------------------------------------------------------- */

/* Red's VM comes to listen to a vector of blue's device, which a user-space driver reads. */
static void expect_newcomer_refused(const struct device *d, const char *action)
{
	enforce(d, "all", action);
	blue = bound_driver(BLUE, d);
	red = red_vm(blue);
	expect_irqfd_refused(red, blue, d, 3);
	expect_state(d->handle, 0, 0, "bound");
}

static void signal_newcomer(void)
{
	expect_newcomer_refused(&nic, "deny");
	expect_newcomer_refused(&edu, "drop");
}

/* Red's VM comes to listen to the eventfd of an emulated device, which carries no vector. */
static void signal_newcomer_vm(void)
{
	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	begin_listening();
	expect_is(ask(red, W_IRQFD, 1, 1, 0), -EACCES, "KVM_IRQFD by the newcomer");
	must(blue, W_WRITE, 1, 0, 0);
	must(blue, W_WAIT, 1, 0, 0);
	expect_is(ask(red, W_PENDING, 0, 0, 0), 0, "pending at the newcomer's VM");
	expect_reported("deny", "unlisted", "bind", "-", IRQGATE_VECTOR_FUNCTION);
}

/* Ended with all its threads, so its fds are closed, and its VM is gone with the last one. */
static bool gone(const struct worker *w)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/task", w->pid);
	return strchr("Z?", task_state(w->pid)) && (stat(path, &st) || st.st_nlink <= 3);
}

/* A newcomer that deceives the gate is killed, and the owner gets every interrupt. */
static void signal_newcomer_raced(void)
{
	static const enum swap how[] = { SWAP_FD, SWAP_DUP, SWAP_FLAGS };
	size_t i;

	enforce(&nic, "all", "drop");
	blue = bound_driver(BLUE, &nic);
	for (i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		red = red_vm(blue);
		mark();
		worker_call(red, (enum worker_op)E_SWAP_IRQFD, 0, 0, how[i], NULL, -1);
		expect(wait_for(5000, gone(red)), "the newcomer still runs after 5 s");
		expect_reported("deny", "context", "bind", nic.handle, 0);
		must(blue, W_RAISE, 0, 1, 3);
		expect(wait_for(2000, ask(blue, W_TAKE, 0, 0, 0) == 3),
		       "the owner did not get 3 interrupts");
		expect_state(nic.handle, 0, 0, "bound");
		COUNTS_OF(&nic, 0, 0, .passed = 3, .denied = 1);
	}
}

/* ---- a signaller from before any hook looked --------------------------------------------- */

/*
 * io_uring signals an eventfd for red. irqgate does not attribute these signals to blue, which
 * gives the same eventfd to vhost later.
 */
static void signal_early(void)
{
	modprobe("-a", "vhost_vsock", NULL);
	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	red = worker_new(RED);
	must(red, W_EVENTFDS, 2, 0, 0);
	must(red, W_GIVE, 0, TAKER_URING, 0);
	blue = heir_of(red, BLUE, W_ALL);
	must(blue, W_VM, 2, 0, 0);
	must(blue, W_IRQFD, 0, 2, 0);
	must(blue, W_GIVE, 0, TAKER_VHOST_CALL, 0);
	must(blue, W_GIVE, 1, TAKER_VHOST_CALL, 0);
	mark();
	must(red, W_HAVE_SIGNALLED, 0, TAKER_URING, 0);
	must(blue, W_WAIT, 0, 0, 0);
	expect_is(counted_all("-").leaked, 1, "leaked");
	/* No process had given eventfd 1 to the kernel before, so its signals are blue's. */
	must(blue, W_HAVE_SIGNALLED, 1, TAKER_VHOST_CALL, 0);
	must(blue, W_WAIT, 1, 0, 0);
	expect_is(counted_all("-").leaked, 1, "leaked, with what blue signals alone");
}

/* ---- state that a VMM sets in its own VM ------------------------------------------------ */

static const enum injection states[] = { INJECT_SET_LAPIC, INJECT_SET_VCPU_EVENTS,
					 INJECT_SET_SREGS };

/* Blue's VMM sets each state that raises an interrupt, with @result. 0: it becomes pending. */
static void expect_states(long result)
{
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		expect_is(ask(blue, W_INJECT, states[i], 0, 0), result, "state %zu", i);
		expect_is(ask(blue, W_INJECTED, states[i], 100, 0), !result, "state %zu, pending",
			  i);
	}
}

static void run_vcpu(void)
{
	must(blue, W_IOEVENTFD, 0, 0, 0);
	must(blue, W_GUEST_OUT, 0, 0, 0);
}

/* A strict VMM may set pending interrupts while it builds or restores its VM, until a vCPU ran. */
static void signal_states(void)
{
	loader_with(STRICT_POLICY);
	blue = worker_new(BLUE);
	must(blue, W_GUEST, 0, 0, 0);
	must(blue, W_EVENTFDS, 1, 0, 0);
	expect_states(0);
	run_vcpu();
	mark();
	expect_states(-EACCES);
	expect_is(counted_all("-").denied, sizeof(states) / sizeof(states[0]), "denied");
	/* A VMM that is not strict, or that the policy names as a source, may still do so. */
	loader_reload(ENFORCE CONTEXTS NAMED_SOURCES);
	expect_states(0);
	loader_reload(STRICT_POLICY
		      "sources:\n"
		      "  - { handle: \"soft:blue\", match: { cgroup: /t/blue }, context: blue }\n");
	expect_states(0);
}

static const struct test tests[] = {
	{ "signal.bind", signal_bind },
	{ "signal.bind_dropped", signal_bind_dropped },
	{ "signal.listen_dropped", signal_listen_dropped },
	{ "signal.bind_raced", signal_bind_raced },
	{ "signal.listen", signal_listen },
	{ "signal.source", signal_source },
	{ "signal.audit", signal_audit },
	{ "signal.raise", signal_raise },
	{ "signal.strict", signal_strict },
	{ "signal.newcomer", signal_newcomer },
	{ "signal.newcomer_vm", signal_newcomer_vm },
	{ "signal.newcomer_raced", signal_newcomer_raced },
	{ "signal.early", signal_early },
	{ "signal.states", signal_states },
};

struct test_set signal_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
