// SPDX-License-Identifier: GPL-2.0-only
/*
 * property.random: several processes do random steps (oracle.h), while another device sends a
 * stream of interrupts. After each step the test reads the far ends: the local APICs of all VMs,
 * and the eventfds without a listener. The oracle says what may be there.
 *
 * Processes give eventfds to io_uring, AIO, an ioeventfd and vhost-vsock, which stands for all of
 * vhost: the rings are those of drivers/vhost/vhost.c, and /dev/vhost-net would need a network.
 *
 * The test shrinks a sequence that fails, by leaving out steps as long as it still fails, and
 * prints it. Put it into a file of tests/vm/reproducers, and property.reproducers plays it.
 *
 * From the environment: PROPERTY_OPS, how many steps; PROPERTY_SEED, the first sequence's.
 */
#include "fixture.h"
#include "oracle.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEQUENCE 64 /* steps */
#define SETTLE_MS 10
#define ARRIVE_MS 2000
#define RELEASE_MS 20000
#define SHRINK_RUNS 150
#define CALM "t/calm"
#define POLICY_APPLIED "/run/irqgate-test.oracle.yaml"
#define REPRODUCERS "tests/vm/reproducers"

static const char *const cgroups[WHOS] = { "t/nobody", "t/blue", "t/red", "t/iron", "t/friend" };
static const char *const contexts[] = { "", "blue", "red", "iron" };

static const struct device *devices[DEVICES];

static struct oracle oracle;
static struct {
	struct worker *w;
	pid_t pid; /* of the process that serves, which may be a child of the worker */
	int number[SLOTS]; /* its fds */
} actors[ACTORS];
static long counts[EFDS]; /* of eventfds without a listener, -1: not known */
static int policy_number;
static long told[DEVICES][VECTORS]; /* interrupts counted as leaked up to now */
static struct worker *calm;
static char oops[256];

/* ---- doing it ---------------------------------------------------------------------- */

static void put_policy(FILE *f, int number)
{
	struct oracle_policy p;
	int d, v, sep;

	oracle_policy(number, &p);
	fprintf(f,
		"version: 1\nmode: %s\ncontexts:\n"
		"  - { name: blue, match: { cgroup: /t/blue } }\n"
		"  - { name: red, match: { cgroup: /t/red } }\n"
		"  - { name: iron, match: { cgroup: /t/iron }, strict: true }\n"
		"  - { name: calm, match: { cgroup: /" CALM " } }\n"
		"defaults: { unlisted_device: %s, unlisted_source: %s }\n"
		"devices:\n" ROW,
		p.audit ? "audit" : "enforce",
		p.unlisted ? "allow"
		: p.audit  ? "audit"
			   : "deny",
		p.anybody ? "allow" : "deny", edu2.handle, "calm", "all", "drop");
	for (d = 0; d < DEVICES; d++) {
		for (v = 0; v < VECTORS && !p.row[d][v].who; v++)
			;
		if (v == VECTORS)
			continue;
		fprintf(f, "  - { handle: \"%s\", context: %s, on_violation: %s, vectors: ",
			devices[d]->handle, contexts[p.row[d][v].who], p.drop[d] ? "drop" : "deny");
		for (sep = '['; v < VECTORS; v++)
			if (p.row[d][v].who) {
				fprintf(f, "%c%d", sep, v);
				sep = ',';
			}
		fprintf(f, "] }\n");
	}
	if (p.source)
		fprintf(f,
			"sources:\n  - { handle: \"soft:friend\", match: { cgroup: /t/friend }, "
			"context: %s }\n",
			contexts[p.source]);
}

static char *policy_text(int number)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");

	put_policy(f, number);
	fclose(f);
	return text;
}

static long apply(int number)
{
	write_text(POLICY_APPLIED, policy_text(number));
	chmod(POLICY_APPLIED, 0600);
	policy_number = number;
	return irqgate("apply", POLICY_APPLIED, NULL)->status;
}

/* Asks the process for the numbers of its fds, to read their fdinfo. */
static void ask_numbers(int i)
{
	int s;

	for (s = 0; s < SLOTS; s++)
		actors[i].number[s] = (int)ask(actors[i].w, W_NUMBER, (uint32_t)s, 0, 0);
}

static void serves(int i, struct worker *w)
{
	actors[i].w = w;
	actors[i].pid = w->pid;
	ask_numbers(i);
}

static long spawn(const struct step *s)
{
	struct worker *w = worker_new(cgroups[s->b]);
	long ret = 0;

	if (s->a < DEVICES) {
		/* The process that held the device before takes a moment to end. */
		wait_for(5000,
			 (ret = ask_text(w, W_OPEN, devices[s->a]->bdf)) >= 0 || ret != -EBUSY);
		expect(ret >= 0, "cannot open %s: %s", devices[s->a]->bdf, rig_errname((int)ret));
		expect_is(evade(w, E_SPARSE, 0, devices[s->a]->vectors, 0), 0, "enabling vectors");
	}
	must(w, W_EVENTFDS, SLOTS, 0, 0);
	serves(s->a, w);
	return 0;
}

static bool ended(pid_t pid)
{
	return strchr("Z?", task_state(pid));
}

static long end(int i)
{
	int k;

	for (k = 0; k < ACTORS; k++)
		if (oracle.actor[k].alive && oracle.actor[k].parent == i)
			end(k);
	worker_end(actors[i].w, true);
	expect(wait_for(5000, ended(actors[i].pid)), "process %d does not end", actors[i].pid);
	return 0;
}

static long pass(const struct step *s)
{
	struct worker *from = actors[s->a].w, *to = actors[s->c].w;
	long ret;

	make_peers(from, to);
	if (oracle.actor[s->c].fd[s->b] >= 0)
		tried(to, E_CLOSE, (uint32_t)s->b, 0, 0);
	must(from, W_SEND, (uint32_t)s->b, 0, 0);
	ret = ask(to, W_RECEIVE, (uint32_t)s->b, 0, 0);
	ask_numbers(s->c);
	return ret;
}

static long row_verb(const struct step *s)
{
	char vector[12];

	snprintf(vector, sizeof(vector), "%d", s->b);
	if (s->code == S_REVOKE)
		return irqgate("revoke", devices[s->a]->handle, vector, NULL)->status;
	return irqgate("allow", devices[s->a]->handle, vector, "--to", contexts[s->c], NULL)
		->status;
}

/* The processes of the cgroup have ended, but may take a moment to leave it. */
static long remove_cgroup(const char *cgroup)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", cgroup);
	wait_for(5000, !rmdir(path) || errno != EBUSY);
	return access(path, F_OK) ? 0 : -EBUSY;
}

/* Does the step @op for a taker. For a guest it is @guest_op. */
static long by_taker(struct worker *w, uint32_t slot, enum taker_kind kind, enum worker_op op,
		     enum worker_op guest_op)
{
	switch (kind) {
	case BY_RING:
		return ask(w, op, slot, TAKER_URING, 0);
	case BY_VHOST:
		return ask(w, op, slot, TAKER_VHOST_CALL, 0);
	default:
		return ask(w, guest_op, slot, 0, 0);
	}
}

static long give(struct worker *w, uint32_t slot, enum taker_kind kind)
{
	return by_taker(w, slot, kind, W_GIVE, W_IOEVENTFD);
}

static long given(struct worker *w, uint32_t slot, enum taker_kind kind)
{
	return by_taker(w, slot, kind, W_HAVE_SIGNALLED, W_GUEST_OUT);
}

static long do_step(const struct step *s)
{
	struct worker *w = s->code <= S_FORK && s->code > S_HEIR ? actors[s->a].w : NULL;
	uint32_t b = (uint32_t)s->b;
	long ret;

	switch (s->code) {
	case S_SPAWN:
		return spawn(s);
	case S_HEIR:
		serves(s->a, heir_of(actors[s->b].w, cgroups[s->c], W_ALL));
		return 0;
	case S_END:
		return end(s->a);
	case S_VM:
		if (oracle.actor[s->a].vm)
			return evade(w, E_VM_END, 0, 0, 0);
		return ask(w, W_VM, SLOTS, 1, 0);
	case S_IRQFD:
		return ask(w, W_IRQFD, b, 1, 0);
	case S_IRQFD_OFF:
		return ask(w, W_IRQFD_OFF, b, 0, 0);
	case S_BIND:
		return evade(w, E_SHARE, b, 1, (uint32_t)s->c);
	case S_UNBIND:
		return ask(w, W_UNBIND, b, 0, 0);
	case S_FIRE:
		return ask(w, W_RAISE, b, 1, 1);
	case S_WRITE:
		return ask(w, W_SIGNAL, b, (uint32_t)s->c, 0);
	case S_NONE:
		return ask(w, W_NONE, b, 0, 0);
	case S_MSI:
		return ask(w, W_MSI, b, 0, 0);
	case S_SEND:
		return pass(s);
	case S_NEW:
		ret = ask(w, W_NEW, b, 0, 0);
		ask_numbers(s->a);
		return ret < 0 ? ret : 0;
	case S_MOVE:
		return ask_text(w, W_CGROUP, cgroups[s->b]);
	case S_EXEC:
		ret = ask_all(w, (enum worker_op)E_EXEC, W_ALL, 0, 0,
			      cgroups[oracle.actor[s->a].place], -1);
		ask_numbers(s->a);
		return ret;
	case S_AIO:
		return ask(w, W_HAVE_SIGNALLED, b, TAKER_AIO, 0);
	case S_GIVE:
		return give(w, b, s->c);
	case S_GIVEN:
		return given(w, b, s->c);
	case S_RMDIR:
		return remove_cgroup(cgroups[s->a]);
	case S_FORK:
		ret = ask(w, W_FORK, 0, 0, 0);
		actors[s->a].pid = (pid_t)ret;
		return ret < 0 ? ret : 0;
	case S_APPLY:
		return apply(s->a);
	case S_ALLOW:
	case S_REVOKE:
		return row_verb(s);
	case S_KILL:
		loader_kill();
		return 0;
	case S_START:
		loader_start("%s", policy_text(policy_number));
		return 0;
	case STEPS:
		break;
	}
	return -EINVAL;
}

/* ---- looking at the far ends --------------------------------------------------------- */

/* This interrupt may arrive only if irqgate counted it as leaked. */
static void expect_told(const struct seen *seen)
{
	long leaked;

	if (!seen->leak)
		return;
	leaked = counted(devices[seen->device]->handle, (unsigned int)seen->vector).leaked;
	expect(leaked > told[seen->device][seen->vector],
	       "vector %d of device %d arrived and was not counted as leaked", seen->vector,
	       seen->device);
	told[seen->device][seen->vector] = leaked;
}

static void look_at_vms(const struct seen *seen)
{
	long got;
	int i;

	for (i = 0; i < ACTORS; i++) {
		if (!oracle.actor[i].vm)
			continue;
		got = must(actors[i].w, W_IRR, seen->must[i], seen->must[i] ? ARRIVE_MS : 0, 0);
		expect(!((unsigned long)got & ~(seen->must[i] | seen->may[i])),
		       "vectors %lx are pending in the VM of process %d, allowed are %x", got, i,
		       seen->must[i] | seen->may[i]);
		expect(((unsigned long)got & seen->must[i]) == seen->must[i],
		       "vectors %lx are pending in the VM of process %d, expected are %x", got, i,
		       seen->must[i]);
		if (got)
			expect_told(seen);
	}
}

static long count_of(int i, int slot)
{
	unsigned long long n;
	char path[64], line[128];
	long count = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", actors[i].pid, actors[i].number[slot]);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "eventfd-count: %llx", &n) == 1)
			count = (long)n;
	if (f)
		fclose(f);
	expect(count >= 0, "%s has no count", path);
	return count;
}

static void look_at_eventfds(const struct seen *seen)
{
	long count, grew;
	int e, i, slot;

	for (e = 0; e < oracle.nefds; e++) {
		i = oracle_holder(&oracle, e, &slot);
		if (i < 0 || oracle_listened(&oracle, e)) {
			counts[e] = -1;
			continue;
		}
		count = count_of(i, slot);
		grew = count - counts[e];
		if (counts[e] < 0) {
			counts[e] = count;
			continue;
		}
		/* Interrupts that must come may take a moment. */
		if (grew < seen->must_count[e]) {
			wait_for(ARRIVE_MS,
				 (count = count_of(i, slot)) - counts[e] >= seen->must_count[e]);
			grew = count - counts[e];
		}
		counts[e] = count;
		expect(grew >= seen->must_count[e] &&
			       grew <= seen->must_count[e] + seen->may_count[e],
		       "the count of process %d's fd %d grew by %ld, expected %d to %d", i, slot,
		       grew, seen->must_count[e], seen->must_count[e] + seen->may_count[e]);
		if (grew)
			expect_told(seen);
	}
}

static bool is_bound(int device, int vector)
{
	struct binding b = {};

	return binding_of(devices[device]->handle, (unsigned int)vector, &b) &&
	       !strcmp(b.state, "bound");
}

static void one_step(const struct step *s)
{
	const char *wrong;
	struct seen seen;
	long result;
	int e;

	if (s->code == S_FIRE && oracle_awaits_release(&oracle, s->a, s->b)) {
		expect(wait_for(RELEASE_MS, is_bound(s->a, s->b)),
		       "vector %d of device %d is allowed again and not released", s->b, s->a);
		oracle_released(&oracle, s->a, s->b);
	}
	result = do_step(s);
	e = oracle.nefds;
	wrong = oracle_step(&oracle, s, result, &seen);
	for (; e < oracle.nefds; e++)
		counts[e] = 0;
	expect(!wrong, "%s: %s", wrong, result < 0 ? rig_errname((int)result) : "the step worked");
	nap(SETTLE_MS);
	look_at_vms(&seen);
	look_at_eventfds(&seen);
}

/* Interrupts of the devices, and of eventfds without one, that leaked since mark(). */
static long leaks(void)
{
	const char *const handles[] = { "-", devices[0]->handle, devices[1]->handle };
	struct counts c = counted_of(handles, sizeof(handles) / sizeof(handles[0]));

	return c.leaked;
}

/* ---- sequences ----------------------------------------------------------------------- */

struct sequence {
	struct step step[1024];
	int n;
	int failed; /* the step it failed at */
};

/* Removes all that a sequence left, but the counters. The loader may be another one. */
static void clean_state(void)
{
	int i;

	for (i = 0; i < ACTORS; i++) {
		if (actors[i].w && actors[i].w->pid) {
			worker_end(actors[i].w, true);
			wait_for(5000, ended(actors[i].pid));
		}
		actors[i].w = NULL;
	}
	if (!loader_pid())
		loader_start("%s", policy_text(BASE_POLICY));
	revocations_forget();
	expect_is(apply(BASE_POLICY), 0, "the policy a sequence begins with");
	oracle_begin(&oracle);
}

/* As many leaks as the oracle says, of any vector. */
static void expect_leaks(long before)
{
	long leaked = leaks() - before;

	expect(leaked >= oracle.must_leak && leaked <= oracle.must_leak + oracle.may_leak,
	       "%ld interrupts were counted as leaked, expected %ld to %ld", leaked,
	       oracle.must_leak, oracle.must_leak + oracle.may_leak);
}

static void play(const void *arg)
{
	struct sequence *q = (struct sequence *)arg;
	long before;

	clean_state();
	before = leaks();
	for (q->failed = 0; q->failed < q->n; q->failed++)
		if (oracle_can(&oracle, &q->step[q->failed]))
			one_step(&q->step[q->failed]);
	q->failed--; /* if expect_leaks() fails, the last step is the one that failed */
	expect_leaks(before);
}

static uint64_t random_state;

/* xorshift64*, so that a seed gives the same sequence on every machine. */
static unsigned int chance(unsigned int n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned int)(random_state * 0x2545f4914f6cdd1dULL >> 33) % n;
}

/* Relative frequencies of the steps. Slow steps are rare. */
static const int weights[STEPS] = {
	[S_SPAWN] = 90,     [S_HEIR] = 40,  [S_END] = 15,    [S_VM] = 60,     [S_IRQFD] = 130,
	[S_IRQFD_OFF] = 20, [S_BIND] = 110, [S_UNBIND] = 12, [S_FIRE] = 170,  [S_WRITE] = 110,
	[S_NONE] = 40,      [S_MSI] = 25,   [S_SEND] = 90,   [S_NEW] = 20,    [S_MOVE] = 15,
	[S_FORK] = 12,      [S_APPLY] = 10, [S_ALLOW] = 14,  [S_REVOKE] = 12, [S_KILL] = 2,
	[S_START] = 8,      [S_EXEC] = 12,  [S_AIO] = 40,    [S_GIVE] = 45,   [S_GIVEN] = 90,
	[S_RMDIR] = 12,
};

static struct step random_step(void)
{
	struct step s = { .code = S_SPAWN };
	int total = 0, at, i;

	for (i = 0; i < STEPS; i++)
		total += weights[i];
	at = (int)chance((unsigned int)total);
	for (i = 0; at >= weights[i]; i++)
		at -= weights[i];
	s.code = (enum step_code)i;
	s.a = (int)chance(s.code == S_FIRE || s.code >= S_ALLOW ? DEVICES : ACTORS);
	s.b = (int)chance(SLOTS);
	s.c = (int)chance(SLOTS);
	switch (s.code) {
	case S_SPAWN:
	case S_MOVE:
		s.b = (int)chance(2) ? 1 + s.a % 2 : (int)chance(WHOS);
		break;
	case S_HEIR:
		s.b = (int)chance(ACTORS);
		s.c = (int)chance(WHOS);
		break;
	case S_BIND:
	case S_NONE:
	case S_UNBIND:
	case S_FIRE:
	case S_REVOKE:
		s.b = (int)chance(VECTORS);
		break;
	case S_WRITE:
		s.c = (int)chance(BY_URING_BUFFER + 1);
		break;
	case S_SEND:
		s.c = (int)chance(ACTORS);
		break;
	case S_GIVE:
	case S_GIVEN:
		s.c = (int)chance(TAKERS);
		break;
	case S_RMDIR:
		s.a = (int)chance(WHOS);
		break;
	case S_APPLY:
		s.a = (int)chance(1 << 16);
		break;
	case S_ALLOW:
		s.b = (int)chance(VECTORS);
		s.c = 1 + (int)chance(3);
		break;
	default:
		break;
	}
	return s;
}

/* Chooses steps while it runs the oracle, so that each can be done. */
static void random_sequence(struct sequence *q, int n)
{
	struct seen seen;
	struct step s;

	oracle_begin(&oracle);
	for (q->n = 0; q->n < n;) {
		s = random_step();
		/* It assumes success. If irqgate refuses a step, later ones may be left out. */
		if (!oracle_can(&oracle, &s))
			continue;
		q->step[q->n++] = s;
		oracle_step(&oracle, &s, s.code == S_SEND, &seen);
	}
}

static bool fails(struct sequence *q)
{
	return !test_try(play, q, oops, sizeof(oops));
}

/* Leaves out smaller and smaller parts, as long as the rest fails. */
static void shrink(struct sequence *q)
{
	static struct sequence less;
	int part, from, runs = 0;
	char why[sizeof(oops)];

	memcpy(why, oops, sizeof(why));
	q->n = q->failed + 1;
	for (part = q->n / 2; part >= 1; part = part > 1 ? (part + 1) / 2 : 0) {
		for (from = 0; from < q->n && runs < SHRINK_RUNS;) {
			int count = q->n - from < part ? q->n - from : part;

			memcpy(less.step, q->step, (size_t)from * sizeof(less.step[0]));
			memcpy(less.step + from, q->step + from + count,
			       (size_t)(q->n - from - count) * sizeof(less.step[0]));
			less.n = q->n - count;
			runs++;
			if (less.n && fails(&less)) {
				memcpy(why, oops, sizeof(why));
				less.n = less.failed + 1;
				*q = less;
			} else {
				from += count;
			}
		}
	}
	memcpy(oops, why, sizeof(oops));
}

static void print_sequence(const struct sequence *q, uint64_t seed)
{
	char line[64];
	int i;

	printf("# %s\n# seed %llu\n", oops, (unsigned long long)seed);
	for (i = 0; i < q->n; i++) {
		step_print(&q->step[i], line);
		printf("%s\n", line);
	}
	fflush(stdout);
}

static void stream_begin(void)
{
	memset(actors, 0, sizeof(actors));
	memset(told, 0, sizeof(told));
	devices[0] = &igb;
	devices[1] = &edu;
	/* Remove cgroups of earlier tests: S_RMDIR cannot remove a cgroup that has others in it. */
	run((char *[]){ "/usr/bin/find", "/sys/fs/cgroup/t", "-mindepth", "2", "-depth", "-type",
			"d", "-exec", "/bin/rmdir", "{}", ";", NULL });
	with(&igb);
	modprobe("-a", "vhost_vsock", NULL);
	loader_with("%s", policy_text(BASE_POLICY));
	calm = bound_driver(CALM, &edu2);
	must(calm, W_STREAM, 0, 20000, 0);
	mark();
}

/* The device that no step touched has lost no interrupt. */
static void stream_end(void)
{
	long raised = must(calm, W_STREAM_STOP, 0, 0, 0);

	nap(100);
	expect_is(ask(calm, W_TAKE, 0, 0, 0), raised, "count of the device that no step touched");
}

static void property_random(void)
{
	long total = from_environment("PROPERTY_OPS", 640), done;
	uint64_t seed = (uint64_t)from_environment("PROPERTY_SEED", 1);
	static struct sequence q;

	stream_begin();
	for (done = 0; done < total; done += q.n, seed++) {
		random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
		random_sequence(&q, SEQUENCE);
		if (fails(&q)) {
			printf("  seed %llu fails at step %d: %s\n", (unsigned long long)seed,
			       q.failed, oops);
			fflush(stdout);
			shrink(&q);
			print_sequence(&q, seed);
			test_fail("%s (%d steps, above)", oops, q.n);
		}
		if (done / 5000 != (done + q.n) / 5000)
			printf("  %ld steps, next seed %llu\n", done + q.n,
			       (unsigned long long)seed + 1),
				fflush(stdout);
	}
	stream_end();
	printf("  property: %ld steps, seeds %ld to %llu\n", done,
	       from_environment("PROPERTY_SEED", 1), (unsigned long long)seed - 1);
}

static bool read_sequence(const char *path, struct sequence *q)
{
	FILE *f = fopen(path, "re");
	char line[128];
	bool ok = f;

	for (q->n = 0; ok && fgets(line, sizeof(line), f);)
		if (*line != '#' && *line != '\n')
			ok = q->n < 1024 && step_parse(line, &q->step[q->n++]);
	if (f)
		fclose(f);
	return ok;
}

static void property_reproducers(void)
{
	static struct sequence q;
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;

	stream_begin();
	dir = opendir(REPRODUCERS);
	expect(dir, REPRODUCERS ": %s", rig_errname(errno));
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), REPRODUCERS "/%s", d->d_name);
		expect(read_sequence(path, &q), "%s: not a sequence of steps", path);
		expect(!fails(&q), "%s: step %d: %s", d->d_name, q.failed, oops);
	}
	closedir(dir);
	stream_end();
}

static const struct test tests[] = {
	{ "property.reproducers", property_reproducers },
	{ "property.random", property_random },
};

struct test_set property_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
