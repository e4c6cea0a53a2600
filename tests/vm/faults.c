// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.*: strace(1) makes every system call of irqgate fail once, at every place that makes it.
 * That includes libbpf's calls. After each fault, the table is the old one or the new one, only
 * interrupts that it allows arrive, no process stays stopped, nothing new stays pinned, and the
 * program that failed said why.
 *
 * FAULT_SECONDS: the time for each test, which then tries some places; 0: all places.
 * FAULT_PART=K/N: only part K of N of the places, for machines that share the work.
 * The loader's start makes the same call by the same path through the code for each map and
 * program. The tests try the first and the last place of each path.
 */
#include "fixture.h"

#include <irqgate/hash.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACE "/run/irqgate-test.trace"
#define TRACE_PATHS "+" TRACE
#define POLICY_A "/run/irqgate-test.a.yaml"
#define POLICY_B "/run/irqgate-test.b.yaml"
#define MAX_PLACES 16384
#define VECTORS 4
#define SETTLE_MS 20000

/* ---- places --------------------------------------------------------------------- */

struct place {
	char call[24];
	unsigned int nth; /* among calls of this name */
	__u64 path; /* hash of the callers, 0: not known */
};

static struct place places[MAX_PLACES];
static unsigned int nplaces, most, stride, part, parts;
static uint64_t until;
static unsigned int tried_places, failed_places, silent_places;
static bool kills; /* SIGKILL at each place, not an error */

/*
 * These calls never fail, or irqgate could not report the failure: output, and calls that end or
 * wait. brk(2) and mmap(2) ask for memory. A real close(2) that fails has closed the file, but one
 * that strace makes fail has not.
 */
static bool can_fail(const char *line, const char *call)
{
	static const char *const never[] = { "close",        "exit",           "exit_group",
					     "munmap",       "getpid",         "gettid",
					     "rt_sigreturn", "rt_sigaction",   "rt_sigprocmask",
					     "brk",          "getuid",         "geteuid",
					     "umask",        "restart_syscall" };
	size_t i;

	for (i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (!strcmp(call, never[i]))
			return false;
	return strncmp(line, "write(1,", 8) && strncmp(line, "write(2,", 8);
}

/* The last place is complete now. Keep only the first and the last place of a path. */
static void end_place(void)
{
	struct place *last = &places[nplaces - 1], *p, *before = NULL;

	for (p = places; nplaces && last->path && p < last; p++) {
		if (p->path != last->path || strcmp(p->call, last->call))
			continue;
		if (before) {
			*p = *last;
			nplaces--;
			return;
		}
		before = p;
	}
}

/* Reads the places from strace's list, without those of the dynamic loader. */
static void read_places(bool whole)
{
	static struct place seen[128]; /* how often each name was there */
	FILE *f = fopen(TRACE, "re");
	bool loaded = whole, begun = whole, is_place = false;
	char line[512], call[24], last[24] = "";
	unsigned int nseen = 0, turn = 0, i;
	char *at;

	expect(f, TRACE ": %s", rig_errname(errno));
	for (nplaces = 0; fgets(line, sizeof(line), f) && nplaces < MAX_PLACES;) {
		/* The line names a caller. */
		if (!strncmp(line, " > ", 3)) {
			for (at = line; is_place && *at; at++)
				places[nplaces - 1].path = irqgate_hash_byte(
					places[nplaces - 1].path, (unsigned char)*at);
			continue;
		}
		if (is_place)
			end_place();
		is_place = false;
		at = line + strspn(line, "0123456789 ");
		if (sscanf(at, "%23[a-z0-9_](", call) != 1 || !strchr(at, '('))
			continue;
		for (i = 0; i < nseen && strcmp(seen[i].call, call); i++)
			;
		expect(i < sizeof(seen) / sizeof(seen[0]), "too many system calls");
		if (i == nseen)
			seen[nseen++] = (struct place){ .nth = 0 };
		snprintf(seen[i].call, sizeof(seen[i].call), "%s", call);
		seen[i].nth++;
		if (!loaded || !begun) {
			loaded = loaded || strstr(at, "RLIMIT_STACK");
			begun = loaded && !strcmp(call, "munmap");
			continue;
		}
		if (!can_fail(at, call)) {
			*last = '\0';
			continue;
		}
		/* Keep two calls of a loop and the last: a file of the kernel has thousands. */
		turn = strcmp(last, call) ? 0 : turn + 1;
		snprintf(last, sizeof(last), "%s", call);
		if (turn > 2 && !places[nplaces - 1].path)
			nplaces--;
		places[nplaces++] = seen[i];
		is_place = true;
	}
	if (is_place)
		end_place();
	fclose(f);
	expect(nplaces, "strace listed nothing");
}

static const char *error_for(const struct place *p, unsigned int i)
{
	static const char *const bpf[] = { "ENOMEM", "EBUSY", "E2BIG", "EPERM" };

	if (!strcmp(p->call, "bpf"))
		return bpf[i % 4];
	if (!strncmp(p->call, "open", 4))
		return i % 2 ? "EMFILE" : "EACCES";
	if (!strcmp(p->call, "mmap"))
		return "ENOMEM";
	return i % 2 ? "EIO" : "EPERM";
}

static unsigned int found_places;
static char found[512]; /* the first */

/* A failure at one place does not end the test, which may run for an hour. */
static void try_place(void (*step)(const void *fault), const char *fault)
{
	char why[512];

	if (test_try(step, fault, why, sizeof(why)))
		return;
	printf("  FOUND: %s\n", why);
	fflush(stdout);
	if (!found_places++)
		snprintf(found, sizeof(found), "%s", why);
	irqgate_fault(NULL);
	irqgate_build("");
	loader_kill();
	irqgate("unload", NULL);
}

/*
 * Tries a few places. With FAULT_SECONDS it tries as many as there is time for, in steps that are
 * far apart, or all. With FAULT_PART=K/N it tries part K of N of these.
 */
static void begin_places_for(const char *what, long usual)
{
	long seconds = from_environment("FAULT_SECONDS", usual);

	most = getenv("FAULT_SECONDS") || nplaces < 6 ? nplaces : 6;
	until = seconds ? rig_now_ms() + (uint64_t)seconds * 1000 : UINT64_MAX;
	/* A stride coprime with the number of places visits each place once. */
	stride = seconds ? 7919 : 1;
	while (nplaces % stride == 0 && stride > 1)
		stride = 7907;
	part = parts = 1;
	sscanf(getenv("FAULT_PART") ?: "", "%u/%u", &part, &parts);
	expect(part && part <= parts, "FAULT_PART is not as 1/2");
	tried_places = failed_places = silent_places = found_places = 0;
	printf("  %s: %u places\n", what, nplaces);
	fflush(stdout);
}

static void begin_places(const char *what)
{
	begin_places_for(what, 15);
}

/* The next place as an option of strace. NULL: there is none. */
static const char *next_place(bool kill)
{
	static char what[96];
	unsigned int turn = tried_places * parts + part - 1;
	unsigned int i = (unsigned int)((uint64_t)turn * stride % nplaces);
	const struct place *p = &places[i];

	if (turn >= most || rig_now_ms() >= until)
		return NULL;
	tried_places++;
	kills = kill;
	if (kill)
		snprintf(what, sizeof(what), "%s:signal=KILL:when=%u", p->call, p->nth);
	else
		snprintf(what, sizeof(what), "%s:error=%s:when=%u", p->call, error_for(p, i),
			 p->nth);
	return what;
}

static void end_places(const char *what)
{
	printf("  %s: %u of %u places, %u of them failed the command\n", what, tried_places,
	       nplaces, failed_places);
	expect(!kills || failed_places, "%s: nobody was killed", what);
	expect(!found_places, "%u places, the first: %s", found_places, found);
}

/* ---- what must hold after a fault ---------------------------------------------------- */

static struct worker *vmm_of_blue;
static char table[2][512];

/* Prints the card's rows in order of vectors, because a map has no order. */
static void read_table(char *text, size_t len)
{
	struct json_object *rows = show("vectors");
	size_t at = 0, i;
	long v;

	*text = '\0';
	for (v = 0; v < igb.vectors; v++) {
		for (i = 0; i < json_object_array_length(rows); i++) {
			struct json_object *o = json_object_array_get_idx(rows, i);

			if (number(o, "vector") != v || strcmp(field(o, "handle"), igb.handle))
				continue;
			at += (size_t)snprintf(text + at, len - at, " %ld %s%s", v,
					       field(o, "context"),
					       number(o, "revoked") ? " revoked" : "");
		}
	}
	json_object_put(rows);
}

/* Which of the two is in force? */
static int table_now(const char *after)
{
	static char now[sizeof(table[0])];

	read_table(now, sizeof(now));
	if (!strcmp(now, table[0]))
		return 0;
	expect(!strcmp(now, table[1]), "after %s the table is neither the old nor the new: %s",
	       after, now);
	return 1;
}

static long raised; /* interrupts that arrives() raised: an upper bound of the counters */

static bool arrives(unsigned int vector, bool ought)
{
	raised++;
	return !ask(vmm_of_blue, ought ? W_ARRIVES : W_ABSENT, vector, 1, 1);
}

/* Only vectors whose bits are set arrive. The loader may have to quarantine or release first. */
static void expect_arrivals(unsigned int ought, const char *after)
{
	unsigned int v;

	for (v = 0; v < VECTORS; v++)
		expect(wait_for(SETTLE_MS, arrives(v, ought >> v & 1)), "after %s vector %u %s",
		       after, v, ought >> v & 1 ? "does not arrive" : "arrives");
}

static void expect_sane(const char *after)
{
	expect(wait_for(SETTLE_MS, task_state(vmm_of_blue->pid) != 'T'),
	       "after %s the VMM stays stopped", after);
	expect(wait_for(3000, !map_count("agents")), "after %s an agent is left", after);
}

/* A failed command prints a line that begins with its name, or with a place in a policy. */
static bool says_why(const char *text)
{
	return strstr(text, "irqgate: ") || strstr(text, ".yaml:") || strstr(text, ".d: ");
}

static void expect_said(const struct output *o, const char *after)
{
	expect(o->status == 1 || o->status == 2 || o->status == 3, "after %s exit %d: %s", after,
	       o->status, o->err);
	expect(says_why(o->err), "after %s exit %d, and it said: '%s'", after, o->status, o->err);
	printf("  %s -> %d %.150s\n", after, o->status, o->err);
}

/* ---- verbs ---------------------------------------------------------------------------- */

struct verb {
	char *argv[6]; /* the words after irqgate */
	unsigned int arrives; /* the vectors that arrive afterwards, as bits */
};

static const struct output *do_verb(const struct verb *v)
{
	return irqgate(v->argv[0], v->argv[1], v->argv[2], v->argv[3], v->argv[4], NULL);
}

static void write_policies(void)
{
	FILE *f;
	int i;

	for (i = 0; i < 2; i++) {
		f = fopen(i ? POLICY_B : POLICY_A, "we");
		expect(f, "cannot write a policy");
		fchmod(fileno(f), 0600);
		fprintf(f, ENFORCE CONTEXTS "devices:\n" ROW, igb.handle, "blue",
			i ? "[1-2]" : "[0-1]", "drop");
		fclose(f);
	}
}

static void begin(void)
{
	with(&igb);
	if (access("/usr/bin/strace", X_OK))
		test_skip("no strace");
	/* reloads() reads only the first messages of a loader, so begin with a new one. */
	loader_stop();
	write_policies();
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, igb.handle, "blue", "[0-1]", "drop");
	vmm_of_blue = bound_vmm(BLUE, &igb);
}

/* @forward fails at each place. @back, which never fails, undoes it. */
static void verbs(const char *what, struct verb forward, struct verb back, bool kill)
{
	const struct output *o;
	const char *fault;
	int now, status;

	begin();
	do_verb(&back);
	read_table(table[0], sizeof(table[0]));
	irqgate_fault(TRACE);
	o = do_verb(&forward);
	irqgate_fault(NULL);
	expect(!o->status, "%s: %s", what, o->err);
	read_places(false);
	read_table(table[1], sizeof(table[1]));
	expect_arrivals(forward.arrives, what);
	do_verb(&back);
	begin_places(what);
	while ((fault = next_place(kill))) {
		irqgate_fault(fault);
		o = do_verb(&forward);
		irqgate_fault(NULL);
		status = o->status;
		if (status)
			failed_places++;
		if (status && !kill)
			expect_said(o, fault);
		now = table_now(fault);
		expect(status || now == 1, "after %s exit 0, and the old table is in force", fault);
		expect_sane(fault);
		expect_arrivals(now ? forward.arrives : back.arrives, fault);
		if (now) {
			o = do_verb(&back);
			expect(!o->status, "undoing it after %s: %s", fault, o->err);
		}
	}
	end_places(what);
}

static void fault_apply(void)
{
	verbs("apply", (struct verb){ { "apply", POLICY_B }, 6 },
	      (struct verb){ { "apply", POLICY_A }, 3 }, false);
}

static void fault_killed(void)
{
	verbs("apply that is killed", (struct verb){ { "apply", POLICY_B }, 6 },
	      (struct verb){ { "apply", POLICY_A }, 3 }, true);
}

static void fault_allow(void)
{
	verbs("allow", (struct verb){ { "allow", igb.handle, "3", "--to", "blue" }, 0xb },
	      (struct verb){ { "apply", POLICY_A }, 3 }, false);
}

static void fault_revoke(void)
{
	verbs("revoke", (struct verb){ { "revoke", igb.handle, "1" }, 1 },
	      (struct verb){ { "allow", igb.handle, "1", "--to", "blue" }, 3 }, false);
}

/* ---- the loader ------------------------------------------------------------------------- */

#define TWO_DEVICES                                                                                \
	ENFORCE CONTEXTS "devices:\n" ROW ROW, igb.handle, "blue", "[0-1]", "drop", edu.handle,    \
		"blue", "all", "drop"

static void start_loader(const void *arg)
{
	(void)arg;
	loader_start(TWO_DEVICES);
}

/* A process of no context that holds a device of blue's. */
static struct worker *intruder(void)
{
	begin();
	loader_reload(TWO_DEVICES);
	return driver(NOBODY, &edu);
}

static bool loader_lives(void)
{
	return task_state(loader_pid()) != 'Z';
}

static void stop_loader(const void *arg)
{
	(void)arg;
	loader_stop();
}

/* A loader may meet the fault after it was ready, and end. Its table stays in force. */
static void expect_up(const char *fault)
{
	int status = irqgate("status", NULL)->status;
	char why[512];

	expect(!status || !loader_lives(), "irqgate status after %s: %d", fault, status);
	expect_sane(fault);
	expect_arrivals(3, fault);
	if (!test_try(stop_loader, NULL, why, sizeof(why)))
		printf("  %s -> %s\n", fault, why);
}

/* Runs @step for each place of a loader's start. */
static void each_start_place(const char *what, void (*step)(const void *fault), bool kill)
{
	const char *fault;

	irqgate_fault(from_environment("FAULT_SECONDS", 1) ? TRACE : TRACE_PATHS);
	start_loader(NULL);
	irqgate_fault(NULL);
	unload();
	nap(500); /* until strace has ended and written the list */
	read_places(false);
	begin_places(what);
	while ((fault = next_place(kill)))
		try_place(step, fault);
	end_places(what);
}

/*
 * The loader starts from nothing while unauthorized vectors are bound. Either it comes up and
 * stops them, or it leaves nothing and all vectors arrive.
 */
static void start_place(const void *arg)
{
	const unsigned int all = (1u << VECTORS) - 1;
	const char *fault = arg;
	char why[512];
	bool up;

	irqgate_fault(fault);
	up = test_try(start_loader, NULL, why, sizeof(why));
	irqgate_fault(NULL);
	if (up) {
		expect_up(fault);
		unload();
	} else {
		failed_places++;
		printf("  %s -> %.200s\n", fault, why);
		fflush(stdout);
		expect(!strncmp(why, "irqgate run: exit ", 18), "after %s: %s", fault, why);
		expect(says_why(strchr(why + 18, ':') ?: ""), "after %s it said nothing: %s", fault,
		       why);
		expect(!loaded(), "after %s something stays pinned: %s", fault, why);
		expect(task_state(vmm_of_blue->pid) != 'T', "after %s the VMM stays stopped",
		       fault);
	}
	expect_arrivals(all, fault);
}

static void fault_start(void)
{
	begin();
	unload();
	each_start_place("run", start_place, false);
}

static const char *other; /* name of the other build */

static void start_other(void)
{
	irqgate_build(other);
	start_loader(NULL);
	mark();
	raised = 0;
	expect_arrivals(3, "the start of the other build");
	loader_stop();
	irqgate_build("");
}

/*
 * The loader starts over an irqgate of another build, and fails. Meanwhile the old table holds,
 * and the next start takes over as usual.
 */
static void take_over_place(const void *arg)
{
	const char *fault = arg;
	struct counts counted;
	char why[512];

	start_other();
	irqgate_fault(fault);
	if (!test_try(start_loader, NULL, why, sizeof(why))) {
		irqgate_fault(NULL);
		failed_places++;
		printf("  %s -> %.200s\n", fault, why);
		fflush(stdout);
		expect(kills || says_why(why), "after %s it said nothing: %s", fault, why);
		expect_arrivals(3, fault);
		if (!access(PINS_OLD, F_OK))
			verb(1, "unload", NULL);
		start_loader(NULL);
	}
	irqgate_fault(NULL);
	expect_up(fault);
	counted = counted_all(igb.handle);
	expect(counted.passed + counted.dropped <= raised && !counted.leaked,
	       "after %s %ld passed, %ld dropped, %ld leaked of %ld", fault, counted.passed,
	       counted.dropped, counted.leaked, raised);
	expect(access(PINS_OLD, F_OK), "after %s something of the old one is left", fault);
	unload();
}

static void take_over(const char *build, bool kill)
{
	other = build;
	begin();
	unload();
	start_other();
	each_start_place("run over another", take_over_place, kill);
}

static void fault_build(void)
{
	take_over("other", false);
}

static void fault_layout(void)
{
	take_over("next", false);
}

static void fault_layout_killed(void)
{
	take_over("next", true);
}

/*
 * Attaches strace to the running loader until detach(). @fault NULL: strace lists the calls. @file:
 * only calls on this file; NULL: all.
 */
static pid_t attach(const char *fault, const char *file)
{
	char pid[12], option[128], path[64], line[128];
	/* clang-format off */
	char *argv[] = { "strace", "-qqf", "-o", fault ? "/dev/null" : TRACE, "-p", pid,
			 fault ? "-e" : NULL, option, file ? "-P" : NULL, (char *)file, NULL };
	/* clang-format on */
	bool there = false;
	pid_t tracer;

	snprintf(pid, sizeof(pid), "%d", loader_pid());
	snprintf(option, sizeof(option), "inject=%s", fault ? fault : "");
	tracer = fork();
	if (!tracer) {
		execv("/usr/bin/strace", argv);
		_exit(127);
	}
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	wait_for(5000, ({
			 FILE *f = fopen(path, "re");

			 while (f && fgets(line, sizeof(line), f))
				 there = there ||
					 (!strncmp(line, "TracerPid:", 10) && atoi(line + 10));
			 if (f)
				 fclose(f);
			 there = there || !loader_lives(); /* the fault came at once */
			 there;
		 }));
	expect(there, "strace does not attach");
	return tracer;
}

static void detach(pid_t tracer)
{
	kill(tracer, SIGTERM);
	waitpid(tracer, NULL, 0);
}

/* The loader may end if it says why. */
static void restart_if_ended(const char *after)
{
	if (loader_lives())
		return;
	failed_places++;
	expect(loader_said("irqgate: "), "after %s the loader ended and said nothing", after);
	loader_kill();
	start_loader(NULL);
}

/* A reload that fails puts the whole new table in force, or keeps the old one. */
static void fault_reload(void)
{
	static const unsigned int ought[2] = { 3, 6 };
	const char *fault;
	pid_t tracer;
	int now, turn;

	begin();
	read_table(table[0], sizeof(table[0]));
	tracer = attach(NULL, NULL);
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW, igb.handle, "blue", "[1-2]", "drop");
	nap(1500);
	detach(tracer);
	read_places(true);
	read_table(table[1], sizeof(table[1]));
	begin_places("reload");
	for (turn = 0; (fault = next_place(false)); turn++) {
		tracer = attach(fault, NULL);
		write_text(POLICY_FILE ".new", "");
		run((char *[]){ "/bin/cp", turn % 2 ? POLICY_B : POLICY_A, POLICY_FILE ".new",
				NULL });
		rename(POLICY_FILE ".new", POLICY_FILE);
		kill(loader_pid(), SIGHUP);
		nap(1500);
		detach(tracer);
		restart_if_ended(fault);
		now = table_now(fault);
		expect_sane(fault);
		expect_arrivals(ought[now], fault);
	}
	end_places("reload");
}

/* A process binds under drop. In the end it is quarantined, and it does not stay stopped. */
static void fault_quarantine(void)
{
	struct worker *w = intruder();
	const char *fault;
	pid_t tracer, asker;
	bool ended;
	int status;

	tracer = attach(NULL, NULL);
	must(w, W_VFIO, 0, 1, 0);
	nap(300);
	detach(tracer);
	read_places(true);
	begin_places("quarantine");
	while ((fault = next_place(false))) {
		must(w, W_VFIO_OFF, 0, 0, 0);
		tracer = attach(fault, NULL);
		/* A child asks for the bind, because the worker is stopped while no loader runs. */
		fflush(NULL);
		asker = fork();
		if (!asker)
			_exit((int)-worker_call(w, W_VFIO, 0, 1, 0, NULL, -1) & 0x7f);
		nap(300);
		detach(tracer);
		ended = !loader_lives();
		restart_if_ended(fault);
		expect(wait_for(SETTLE_MS, waitpid(asker, &status, WNOHANG) == asker),
		       "after %s the process that bound stays stopped", fault);
		/* Without a loader, drop refuses like deny. */
		status = WEXITSTATUS(status);
		expect(!status || (status == EACCES && ended), "binding, with %s: %s", fault,
		       rig_errname(-status));
		if (status)
			must(w, W_VFIO, 0, 1, 0);
		expect(wait_for(SETTLE_MS, ({
					struct binding b = {};

					binding_of(edu.handle, 0, &b) &&
						!strcmp(b.state, "quarantined");
				})),
		       "after %s the vector is not quarantined", fault);
		ask(w, W_TAKE, 0, 0, 0);
		must(w, W_RAISE, 0, 1, 2);
		expect_is(ask(w, W_TAKE, 0, 0, 0), 0, "arrivals after %s", fault);
		expect_sane(fault);
	}
	end_places("quarantine");
}

/* The loader ends at SIGTERM, and its pins stay in force. */
static void fault_stop(void)
{
	const char *fault;
	pid_t tracer;

	begin();
	tracer = attach(NULL, NULL);
	loader_stop();
	detach(tracer);
	read_places(true);
	start_loader(NULL);
	begin_places_for("stop", 6);
	while ((fault = next_place(false))) {
		tracer = attach(fault, NULL);
		kill(loader_pid(), SIGTERM);
		expect(wait_for(SETTLE_MS, !loader_lives()), "after %s the loader does not end",
		       fault);
		detach(tracer);
		failed_places += !loader_said("irqgate: stopped");
		loader_kill(); /* reaps it */
		expect_sane(fault);
		expect_arrivals(3, fault);
		start_loader(NULL);
		expect_arrivals(3, fault);
	}
	end_places("stop");
}

/* A failed unload may leave all pins or some. The next one leaves none, and all vectors arrive. */
static void fault_unload(void)
{
	const struct output *o;
	const char *fault;

	begin();
	loader_stop();
	irqgate_fault(TRACE);
	o = irqgate("unload", NULL);
	irqgate_fault(NULL);
	expect(!o->status, "unload: exit %d: %s", o->status, o->err);
	read_places(false);
	begin_places_for("unload", 10);
	while ((fault = next_place(false))) {
		start_loader(NULL);
		expect_arrivals(3, fault); /* the other two are quarantined */
		loader_stop();
		irqgate_fault(fault);
		o = irqgate("unload", NULL);
		irqgate_fault(NULL);
		if (o->status) {
			failed_places++;
			expect_said(o, fault);
			expect(wait_for(3000, !loaded() || !irqgate("unload", NULL)->status),
			       "after %s unload cannot be done any more", fault);
		}
		expect(!loaded(), "after %s something stays pinned", fault);
		expect_arrivals(0xf, fault);
	}
	end_places("unload");
}

/* ---- other accidents -------------------------------------------------------------------- */

/* The command must have failed, kept the old table, and said @why. */
static void expect_refused(const struct output *o, const char *why, const char *after)
{
	static char now[sizeof(table[0])];

	expect(o->status, "%s succeeded", after);
	expect_said(o, after);
	expect(strstr(o->err, why), "%s: no '%s' in: %s", after, why, o->err);
	read_table(now, sizeof(now));
	expect(!strcmp(now, table[0]), "%s changed the table to: %s", after, now);
	expect_arrivals(3, after);
}

/* The policy has more devices than the map takes. */
static void fault_full(void)
{
	FILE *f;
	int i;

	begin();
	read_table(table[0], sizeof(table[0]));
	f = fopen(POLICY_B, "we");
	expect(f, "cannot write a policy");
	fchmod(fileno(f), 0600);
	fprintf(f, ENFORCE CONTEXTS "devices:\n" ROW, igb.handle, "blue", "[1-2]", "drop");
	for (i = 0; i < 4096; i++)
		fprintf(f, "  - { handle: \"pci:0001:%02x:%02x.%d\", context: red, noi: 1 }\n",
			i >> 8, i >> 3 & 31, i & 7);
	fclose(f);
	expect_refused(irqgate("apply", POLICY_B, NULL), "devices", "a policy of 4097 devices");
}

/* Under a limit of fds, apply does all or nothing. */
static void fault_descriptors(void)
{
	unsigned int failed = 0, limit;
	const struct output *o;
	char command[600];
	int status;

	begin();
	read_table(table[0], sizeof(table[0]));
	do_verb(&(struct verb){ { "apply", POLICY_B }, 6 });
	read_table(table[1], sizeof(table[1]));
	do_verb(&(struct verb){ { "apply", POLICY_A }, 3 });
	for (limit = 4; limit < 48; limit += 3) {
		char *argv[] = { "/bin/bash", "-c", command, NULL };

		snprintf(command, sizeof(command), "ulimit -n %u; exec %s apply " POLICY_B, limit,
			 irqgate_path());
		o = run(argv);
		/* The limit is so low that the program does not start. */
		if (o->status == 127)
			continue;
		status = o->status; /* which the next command overwrites */
		failed += !!status;
		if (status)
			expect_said(o, command);
		if (table_now(command)) {
			expect_arrivals(6, command);
			do_verb(&(struct verb){ { "apply", POLICY_A }, 3 });
		} else {
			expect(status, "%s: exit 0, and nothing was done", command);
			expect_arrivals(3, command);
		}
	}
	expect(failed, "no limit was low enough");
}

/* For seconds, the loader cannot read a function's files. It must not take it for removed. */
static void fault_starved(void)
{
	struct worker *w, *cut;
	char path[96];
	pid_t tracer;

	with(&edu2);
	loader_stop();
	loader_with(
		ENFORCE CONTEXTS
		"devices:\n  - { match: { id: \"1234:11e8\" }, context: blue, vectors: all }\n" ROW,
		edu2.handle, "red", "all", "drop");
	w = bound_vmm(BLUE, &edu);
	must(w, W_ARRIVES, 0, 1, 1);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor", edu.bdf);
	tracer = attach("openat:error=ENFILE", path);
	expect(wait_for(5000, loader_said("cannot see which functions")), "it does not say so");
	nap(1500); /* it looks once a second */
	detach(tracer);
	must(w, W_ARRIVES, 0, 1, 1);
	cut = bound_vmm(BLUE, &edu2);
	must(cut, W_ABSENT, 0, 1, 1);
}

/* @w binds and is stopped until the loader, which is stopped as well, quarantines the vector. */
static void bind_and_wait(struct worker *w)
{
	pid_t asker;

	kill(loader_pid(), SIGSTOP);
	fflush(NULL);
	asker = fork();
	if (!asker) {
		worker_call(w, W_VFIO, 0, 1, 0, NULL, -1);
		_exit(0);
	}
	expect(wait_for(5000, task_state(w->pid) == 'T'), "who binds is not stopped");
}

/* The VMM is killed while irqgate holds it. No trace of it stays, and the loader goes on. */
static void fault_vmm_dies(void)
{
	struct worker *w = intruder();

	bind_and_wait(w);
	worker_end(w, true);
	kill(loader_pid(), SIGCONT);
	expect(wait_for(SETTLE_MS, !map_count("held")), "who died is held");
	expect_arrivals(3, "the death of another");
	w = driver(BLUE, &edu);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 1);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 1, "arrivals at the next owner");
}

/* The loader is killed while it holds a process. The next one quarantines and continues it. */
static void fault_loader_dies(void)
{
	struct worker *w = intruder();

	bind_and_wait(w);
	loader_kill();
	start_loader(NULL);
	expect(wait_for(SETTLE_MS, task_state(w->pid) != 'T'), "a process stays stopped");
	wait(NULL); /* the child that asked for the bind gets the answer */
	expect_state(edu.handle, 0, 0, "quarantined");
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 0, "arrivals");
	expect_arrivals(3, "a restart");
}

/* The cgroup of a context goes and comes while `apply` puts policies in force that name it. */
static void fault_cgroup(void)
{
	const char *path = "/sys/fs/cgroup/" BLUE;
	const struct output *o;
	struct worker *w;
	int i, status;
	pid_t pid;

	begin();
	loader_reload(TWO_DEVICES);
	/* The VMM keeps the identity that it got at exec. */
	expect_is(ask_text(vmm_of_blue, W_CGROUP, NOBODY), 0, "moving");
	expect(wait_for(5000, !rmdir(path)), "rmdir: %s", rig_errname(errno));
	nap(1500); /* the loader looks for it once a second */
	expect_arrivals(3, "the end of its cgroup");
	fflush(NULL);
	pid = fork();
	while (!pid) {
		mkdir(path, 0755);
		rmdir(path);
	}
	for (i = 0; i < 6; i++) {
		o = irqgate("apply", i % 2 ? POLICY_A : POLICY_B, NULL);
		expect(!o->status, "apply: exit %d: %s", o->status, o->err);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	expect_sane("apply while its cgroup comes and goes");
	loader_reload(TWO_DEVICES);
	/* A new cgroup of that name belongs to the context, from its first process on. */
	w = driver(BLUE, &edu);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 1);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 1, "arrivals at one of the new cgroup");
	worker_end(w, true);
	w = driver(NOBODY, &edu);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 0, "arrivals at one of no context");
}

#define PINS "/sys/fs/bpf/irqgate"
#define AWAY "/sys/fs/bpf/away" /* a bpf file system takes no names with a dot */

/* The pins are moved away while a loader runs. Verbs say so, and the table stays in force. */
static void fault_pins(void)
{
	struct worker *w = intruder();
	const struct output *o;

	read_table(table[0], sizeof(table[0]));
	expect(!rename(PINS, AWAY), "rename: %s", rig_errname(errno));
	o = irqgate("apply", POLICY_B, NULL);
	expect(o->status == 1 && strstr(o->err, "not loaded"), "apply without pins: exit %d: %s",
	       o->status, o->err);
	o = irqgate("unload", NULL);
	expect(o->status == 1 && strstr(o->err, "not loaded"), "unload without pins: exit %d: %s",
	       o->status, o->err);
	expect_arrivals(3, "the pins are gone");
	expect(!rename(AWAY, PINS), "rename: %s", rig_errname(errno));
	expect(!table_now("the pins came back"), "the table is another");
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 0, "arrivals after the pins came back");
}

/* A link of another user is in the place of the pins. Unload removes nothing behind it. */
static void fault_foreign_unload(void)
{
	const struct output *o;

	unload();
	expect(!symlink("/sys/fs/bpf", PINS), "symlink: %s", rig_errname(errno));
	expect(!mkdir("/sys/fs/bpf/theirs", 0700), "mkdir: %s", rig_errname(errno));
	o = irqgate("unload", NULL);
	unlink(PINS);
	expect(o->status == 1 && strstr(o->err, "expected a directory"), "unload: exit %d: %s",
	       o->status, o->err);
	expect(!rmdir("/sys/fs/bpf/theirs"), "what was beside it is gone");
}

/* No bpf file system is mounted. irqgate mounts one and pins nothing outside. */
static void fault_bpffs(void)
{
	char command[600], *argv[] = { "/usr/bin/unshare", "-m", "/bin/sh", "-c", command, NULL };
	const struct output *o;

	unload();
	snprintf(command, sizeof(command),
		 "umount /sys/fs/bpf && %s load --policy " POLICY_A " && %s status && "
		 "grep -q ' /sys/fs/bpf bpf ' /proc/mounts",
		 irqgate_path(), irqgate_path());
	write_policies();
	o = run(argv);
	expect(strstr(o->out, "mode           enforce") && strstr(o->err, "loaded"),
	       "exit %d: %s%s", o->status, o->out, o->err);
	expect(!loaded(), "something is pinned outside");
}

/* The kernel hides the addresses of its functions. irqgate refuses, and names the remedy. */
static void fault_addresses(void)
{
	static const char hide[] = "/proc/sys/kernel/kptr_restrict";
	const struct output *o;

	unload();
	write_policies();
	write_text(hide, "2");
	o = irqgate("load", "--policy", POLICY_A, NULL);
	write_text(hide, "0");
	expect(o->status == 3 && strstr(o->err, "kernel.kptr_restrict"), "exit %d: %s", o->status,
	       o->err);
	expect(!loaded(), "something is pinned");
}

static const struct test tests[] = {
	{ "fault.full", fault_full },
	{ "fault.descriptors", fault_descriptors },
	{ "fault.vmm_dies", fault_vmm_dies },
	{ "fault.loader_dies", fault_loader_dies },
	{ "fault.apply", fault_apply },
	{ "fault.killed", fault_killed },
	{ "fault.allow", fault_allow },
	{ "fault.revoke", fault_revoke },
	{ "fault.reload", fault_reload },
	{ "fault.quarantine", fault_quarantine },
	{ "fault.cgroup", fault_cgroup },
	{ "fault.pins", fault_pins },
	{ "fault.stop", fault_stop },
	{ "fault.unload", fault_unload },
	{ "fault.foreign_unload", fault_foreign_unload },
	{ "fault.bpffs", fault_bpffs },
	{ "fault.start", fault_start },
	{ "fault.build", fault_build },
	{ "fault.layout", fault_layout },
	{ "fault.layout_killed", fault_layout_killed },
	{ "fault.addresses", fault_addresses },
	{ "fault.starved", fault_starved },
};

struct test_set fault_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
