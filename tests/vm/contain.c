// SPDX-License-Identifier: GPL-2.0-only
/*
 * contain.*: irqgate cuts a vector whether or not a process lets it copy the device fd. It waits
 * for no process without a limit, and no process stays stopped when the loader does not come back.
 */
#include "fixture.h"

#include <errno.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON 5000 /* ms: the loader needs a second, but the machine is busy with other tests */

static const enum hiding places[] = { IN_MAPPING, IN_FLIGHT, IN_URING };

static void policy(const char *context, const char *action, const char *last_resort)
{
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW "defaults: { last_resort: %s }\n", nic.handle,
		    context, "all", action, last_resort);
}

/* Blue's VMM. No process has an fd of its device. */
static struct worker *hidden(enum hiding where)
{
	struct worker *w = bound_vmm(BLUE, &nic);

	must(w, W_ARRIVES, 0, nic.vectors, 1);
	must(w, W_HIDE, where, 1, 0);
	return w;
}

/* After `allow` the device works as before. */
static void contain_revoke(void)
{
	struct worker *w;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		policy("blue", "drop", "isolate");
		w = hidden(places[i]);
		verb(0, "revoke", nic.handle, "all", NULL);
		must(w, W_ABSENT, 0, nic.vectors, 2);
		expect_is(status_of("uncontained"), 0, "uncontained");
		verb(0, "allow", nic.handle, "all", "--to", "blue", NULL);
		must(w, W_ARRIVES, 0, nic.vectors, 2);
		expect_is(map_count("isolated"), 0, "isolated");
		worker_end(w, false);
	}
}

/* A reload takes the device away, so the loader contains it without a verb. */
static void contain_policy(void)
{
	struct worker *w;

	policy("blue", "deny", "isolate");
	w = hidden(IN_MAPPING);
	policy("red", "deny", "isolate");
	expect(wait_for(SOON, map_count("isolated") == 1), "the device is not isolated");
	must(w, W_ABSENT, 0, nic.vectors, 2);
	policy("blue", "deny", "isolate");
	expect(wait_for(SOON, !map_count("isolated")), "the device stays isolated");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	/* A device without an owner does not stay isolated. */
	policy("red", "deny", "isolate");
	expect(wait_for(SOON, map_count("isolated") == 1), "the device is not isolated");
	worker_end(w, true);
	expect(wait_for(3000, !map_count("isolated")), "a device without an owner is isolated");
}

/* @w binds under drop and stays stopped until irqgate has quarantined the vectors. */
static pid_t bind_held(struct worker *w)
{
	pid_t asker;

	fflush(NULL);
	asker = fork();
	if (!asker) {
		worker_call(w, W_VFIO, 0, nic.vectors, 0, NULL, -1);
		_exit(0);
	}
	expect(wait_for(5000, task_state(w->pid) == 'T'), "the process that binds is not stopped");
	return asker;
}

static void expect_let_go(struct worker *w, pid_t asker)
{
	expect(wait_for(SOON, task_state(w->pid) != 'T'), "the process that bound stays stopped");
	waitpid(asker, NULL, 0);
}

/* A helper closes the device fd while irqgate holds the process that bound. */
static void contain_helper(void)
{
	struct worker *w;
	pid_t asker;

	policy("blue", "drop", "isolate");
	w = vmm(NOBODY, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	must(w, W_HIDE, BY_HELPER, 1, 0);
	loader_pause(true);
	asker = bind_held(w);
	nap(300); /* for the helper */
	mark();
	loader_pause(false);
	expect_let_go(w, asker);
	must(w, W_ABSENT, 0, nic.vectors, 2);
	expect(loader_said("isolated"), "the loader does not report it");
}

static void contain_kill(void)
{
	struct worker *w;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		policy("blue", "deny", "kill");
		w = hidden(places[i]);
		policy("red", "deny", "kill");
		expect(wait_for(SOON, !vfio_bindings()), "the vectors stay connected");
		worker_end(w, true);
		expect_is(map_count("isolated"), 0, "isolated");
	}
}

/* irqgate kills the process that bound, and another one that has the device mapped. */
static void contain_kill_heir(void)
{
	struct worker *w;

	policy("blue", "deny", "report");
	w = hidden(IN_CHILD);
	verb(0, "revoke", "--kill", nic.handle, "all", NULL);
	expect(!vfio_bindings(), "the vectors stay connected");
	worker_end(w, true);
}

/* Under `report`, irqgate only reports the leak, for as long as it lasts. */
static void contain_report(void)
{
	struct worker *w;

	policy("blue", "deny", "report");
	w = hidden(IN_FLIGHT);
	mark();
	verb(1, "revoke", nic.handle, "all", NULL);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	COUNTS(&nic, .leaked = 1);
	expect_is(status_of("uncontained"), nic.vectors, "uncontained");
	expect_is(irqgate("status", NULL)->status, 1, "status");
	verb(0, "revoke", "--isolate", nic.handle, "all", NULL);
	must(w, W_ABSENT, 0, nic.vectors, 1);
	expect_is(status_of("uncontained"), 0, "uncontained");
	expect_is(irqgate("status", NULL)->status, 0, "status");
}

/* irqgate holds a process that gets its device fd back until it has quarantined the vectors. */
static void contain_taken_back(void)
{
	struct worker *w;

	policy("blue", "drop", "isolate");
	w = hidden(IN_FLIGHT);
	verb(0, "revoke", nic.handle, "0-3", NULL);
	must(w, W_SEEK, 0, 0, 0);
	expect(wait_for(SOON, vector_is(&nic, 0, "quarantined")), "the vector is not quarantined");
	expect(wait_for(SOON, !map_count("isolated")), "the device stays isolated");
	must(w, W_ABSENT, 0, 4, 2);
	must(w, W_ARRIVES, 4, 1, 2);
	verb(0, "allow", nic.handle, "0-3", "--to", "blue", NULL);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
}

/* irqgate finds the device at an fd number that is another file's when irqgate copies it. */
static void contain_twist(void)
{
	struct worker *w;

	policy("blue", "drop", "isolate");
	w = bound_vmm(BLUE, &nic);
	tried(w, E_LOOP, LOOP_TWIST, 0, 0);
	irqgate_fault("pidfd_getfd:delay_enter=5000");
	verb(0, "revoke", nic.handle, "all", NULL);
	irqgate_fault(NULL);
	must(w, W_ABSENT, 0, nic.vectors, 2);
	expect(task_state(loader_pid()) != 'D', "the loader hangs");
	tried(w, E_LOOP_END, 0, 0, 0);
}

/* ---- a holder makes irqgate wait for the device fd -------------------------------- */

#define SHORT 3000 /* ms: much less than two seconds a vector */

/* `revoke` cuts the vectors for certain and soon, whatever the holder of the device does. */
static void expect_cut(struct worker *w)
{
	uint64_t start = rig_now_ms();

	verb(0, "revoke", nic.handle, "all", NULL);
	expect(rig_now_ms() - start < SHORT, "revoke took %lu ms",
	       (unsigned long)(rig_now_ms() - start));
	must(w, W_ENABLE, 0, 0, 0);
	must(w, W_ABSENT, 0, nic.vectors, 2);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	expect_is(map_count("isolated"), 0, "isolated");
}

/* The device fd comes after those of many other files. */
static void contain_crowd(void)
{
	struct worker *w;

	policy("blue", "drop", "isolate");
	w = bound_vmm(BLUE, &nic);
	must(w, W_CROWD, 150000, 0, 0);
	expect_cut(w);
}

/* A VMM of two processes. The one that bound the vectors does not return from execve(2). */
static struct worker *stuck(bool both)
{
	struct worker *w;

	modprobe("-a", "fuse", NULL);
	w = vmm(BLUE, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	must(w, W_STUCK, nic.vectors, both, 0);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	return w;
}

static void contain_stuck(void)
{
	policy("blue", "deny", "isolate");
	expect_cut(stuck(true));
}

static double beat_age(void)
{
	const char *name = "irqgate_loader_beat_age_seconds ", *at;

	at = strstr(irqgate("metrics", NULL)->out, "\nirqgate_loader_beat_age_seconds ");
	expect(at, "the metrics have no line irqgate_loader_beat_age_seconds");
	return strtod(at + 1 + strlen(name), NULL);
}

/*
 * No other process holds the device, so irqgate isolates it. That is no cut, because the holder
 * could undo it. The loader waits once, not once a vector, and gives its sign of life meanwhile.
 */
static void contain_stuck_alone(void)
{
	const struct output *o;
	uint64_t end;
	double age;
	struct worker *w;

	policy("blue", "deny", "isolate");
	w = stuck(false);
	policy("red", "deny", "isolate");
	for (end = rig_now_ms() + 12000; rig_now_ms() < end; nap(100)) {
		age = beat_age();
		expect(age < SHORT / 1000, "the loader was silent for %.1f s", age);
	}
	if (vector_is(&nic, 0, "quarantined"))
		test_skip("this kernel lets a device be copied while execve(2) waits");
	expect(wait_for(10000, map_count("isolated") == 1), "not isolated");
	expect_is(status_of("uncontained"), nic.vectors, "uncontained");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	o = irqgate("revoke", nic.handle, "all", NULL);
	expect_is(o->status, 1, "revoke");
	expect(strstr(o->err, "has the device open"), "revoke does not say why: %s", o->err);
	worker_end(w, true);
	expect(wait_for(SOON, !vfio_bindings()), "the vectors stay connected");
}

/* A holder of the device undoes the isolation. irqgate isolates again before an interrupt comes. */
static void contain_undone(void)
{
	struct worker *w;

	policy("blue", "deny", "isolate");
	w = hidden(IN_URING);
	verb(0, "revoke", nic.handle, "all", NULL);
	mark();
	must(w, W_RING_ENABLE, 0, 0, 0);
	expect(wait_for(SOON, loader_said("isolated again")), "the loader does not isolate again");
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .leaked = 0);
}

/*
 * The owner gave the device to a process of another context. `revoke --kill` does not kill that
 * process, and names it.
 */
static void contain_bystander(void)
{
	struct worker *w, *other;
	const struct output *o;

	/* If a row named the device, the gate would refuse red the fd. */
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, edu.handle, "blue", "all", "deny");
	w = bound_vmm(BLUE, &nic);
	other = worker_new(RED);
	make_peers(w, other);
	must(w, W_SEND, 0, 1, 0);
	expect_is(ask(other, W_RECEIVE, 0, 1, VFIO_PCI_MSIX_IRQ_INDEX), 1, "receiving the device");
	must(other, W_RAISE, 0, 0, 0); /* maps it */
	must(other, W_HIDE, IN_MAPPING, 1, 0);
	must(w, W_HIDE, IN_MAPPING, 1, 0);
	o = irqgate("revoke", "--kill", nic.handle, "all", NULL);
	expect_is(o->status, 0, "revoke: %s", o->err);
	expect(strstr(o->err, "is not killed"), "the other process is not named: %s", o->err);
	expect(strchr("Z?", task_state(w->pid)), "the process that bound still lives");
	expect(!strchr("Z?", task_state(other->pid)), "the other process was killed");
	must(other, W_EVENTFDS, 1, 0, 0);
	expect_is(map_count("isolated"), 1, "isolated");
	worker_end(other, true);
	expect(wait_for(SOON, !vfio_bindings()), "the vectors stay connected");
	expect(wait_for(SOON, !map_count("isolated")), "a device without an owner is isolated");
}

/* ---- the loader ends while it holds a process ------------------------------------ */

static struct worker *held(pid_t *asker, int signal)
{
	struct worker *w;

	policy("blue", "drop", "isolate");
	w = vmm(NOBODY, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	kill(loader_pid(), SIGSTOP);
	if (signal)
		kill(loader_pid(), signal); /* the first thing it gets after SIGCONT */
	*asker = bind_held(w);
	return w;
}

static void contain_terminated(void)
{
	struct worker *w;
	pid_t asker;

	w = held(&asker, SIGTERM);
	kill(loader_pid(), SIGCONT);
	loader_stop();
	expect_let_go(w, asker);
	must(w, W_ABSENT, 0, nic.vectors, 1);
}

static void contain_killed(void)
{
	struct worker *w;
	pid_t asker;

	w = held(&asker, 0);
	loader_kill();
	expect_let_go(w, asker);
	must(w, W_ABSENT, 0, nic.vectors, 1);
	/* Without a loader that could quarantine, drop refuses like deny. */
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding without a loader");
}

static void contain_hung(void)
{
	struct worker *w;
	pid_t asker;

	w = held(&asker, 0);
	expect(wait_for(15000, task_state(w->pid) != 'T'), "the process that bound stays stopped");
	waitpid(asker, NULL, 0);
	must(w, W_ABSENT, 0, nic.vectors, 1);
	kill(loader_pid(), SIGCONT);
}

/* ---- a process reuses the pid of one that ended --------------------------------------- */

/* irqgate misses that processes end, as when the kernel skips a preempted hook. */
static void ends_unseen(void)
{
	expect(!unlink("/sys/fs/bpf/irqgate/link_task_exited"), "unlink: %s", rig_errname(errno));
}

/* A process that reuses the loader's pid is no loader. */
static void number_loader(void)
{
	const struct output *o;
	struct worker *w;
	pid_t pid;

	policy("blue", "drop", "isolate");
	pid = loader_pid();
	ends_unseen();
	loader_kill();
	w = worker_with_pid(pid);
	o = irqgate("status", "-j", NULL);
	expect(o->status == 1 && strstr(o->out, "\"loader\":null"), "status: exit %d: %s",
	       o->status, o->out);
	policy("blue", "drop", "isolate");
	expect_is(irqgate("status", NULL)->status, 0, "status with another loader");
	worker_end(w, false);
}

/* A process that reuses the pid of one of irqgate's children gets past no gate. */
static void number_agent(void)
{
	struct json_object *agents, *row;
	struct worker *w;
	pid_t pid;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW "defaults: { last_resort: report }\n",
		    nic.handle, "blue", "all", "drop", edu.handle, "blue", "all", "deny");
	bound_vmm(BLUE, &nic);
	ends_unseen();
	/* irqgate kills its child at the time limit, before the child has done anything. */
	irqgate_fault("ioctl:delay_enter=30000000");
	irqgate("revoke", nic.handle, "0", NULL);
	irqgate_fault(NULL);
	agents = map_dump("agents");
	expect(json_object_array_length(agents), "no agent is left");
	row = json_object_object_get(json_object_array_get_idx(agents, 0), "formatted");
	pid = (pid_t)number(json_object_object_get(row, "key"), "tgid");
	json_object_put(agents);
	expect(wait_for(5000, kill(pid, 0)), "the agent does not end");
	w = worker_with_pid(pid);
	equip(w, &edu);
	mark();
	expect_is(bind_all(w, &edu, IRQFD_FIRST), -EACCES, "binding with the pid of an agent");
	must(w, W_ABSENT, 0, 1, 1);
	COUNTS(&edu, .denied = 1);
	unload();
}

/* irqgate does not continue a process that reuses the pid of one it held. */
static void number_held(void)
{
	struct worker *w;
	pid_t asker, pid;

	policy("blue", "drop", "isolate");
	w = vmm(NOBODY, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	loader_pause(true);
	asker = bind_held(w);
	pid = w->pid;
	worker_end(w, true);
	waitpid(asker, NULL, 0);
	w = worker_with_pid(pid);
	kill(pid, SIGSTOP);
	expect(wait_for(1000, task_state(pid) == 'T'), "SIGSTOP did not stop the process");
	loader_pause(false);
	expect(wait_for(SOON, !map_count("held")),
	       "irqgate does not forget the process that it held");
	nap(200);
	expect(task_state(pid) == 'T', "irqgate continued a process that it had not stopped");
	kill(pid, SIGCONT);
}

/* irqgate does not take a process that reuses a signaller's pid for the signaller. */
static void number_signaller(void)
{
	struct worker *w, *other;
	long before;
	pid_t pid;

	policy("blue", "drop", "isolate");
	modprobe("-a", "vhost_vsock", NULL);
	before = map_count("eventfds");
	w = worker_new(NOBODY);
	must(w, W_EVENTFDS, 1, 0, 0);
	other = worker_new(NOBODY);
	make_peers(w, other);
	must(w, W_SEND, 0, 0, 0);
	expect_is(ask(other, W_RECEIVE, 0, 0, 0), 1, "receiving the eventfd");
	must(w, W_GIVE, 0, TAKER_VHOST_CALL, 0);
	expect_is(map_count("eventfds"), before + 1, "rows of eventfds");
	pid = w->pid;
	/* The loader looks once a second. It must not look between the two. */
	loader_pause(true);
	worker_end(w, true);
	w = worker_with_pid(pid);
	loader_pause(false);
	expect(wait_for(SOON, map_count("eventfds") == before), "the eventfd is not forgotten");
	worker_end(other, false);
}

struct test_set contain_tests(void)
{
	static const struct test tests[] = {
		{ "contain.revoke", contain_revoke },
		{ "contain.policy", contain_policy },
		{ "contain.helper", contain_helper },
		{ "contain.kill", contain_kill },
		{ "contain.kill_heir", contain_kill_heir },
		{ "contain.report", contain_report },
		{ "contain.taken_back", contain_taken_back },
		{ "contain.twist", contain_twist },
		{ "contain.crowd", contain_crowd },
		{ "contain.stuck", contain_stuck },
		{ "contain.stuck_alone", contain_stuck_alone },
		{ "contain.undone", contain_undone },
		{ "contain.bystander", contain_bystander },
		{ "contain.terminated", contain_terminated },
		{ "contain.killed", contain_killed },
		{ "contain.hung", contain_hung },
		{ "contain.number_loader", number_loader },
		{ "contain.number_agent", number_agent },
		{ "contain.number_held", number_held },
		{ "contain.number_signaller", number_signaller },
	};

	return TEST_SET(tests, .loader_stays = true);
}
