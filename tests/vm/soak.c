// SPDX-License-Identifier: GPL-2.0-only
/*
 * soak.churn: VMs, bindings and policies come and go under interrupts for SOAK_SECONDS. It passes
 * if the memory of loader and kernel does not grow, if no event was lost, and if irqgate counted
 * exactly the interrupts that the rig raised and saw arrive.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE_MS 30000
#define ROUNDS 24 /* of churn between two looks at the clock */
#define POLICY_OTHER "/run/irqgate-test.soak.yaml"

/* How much more a run may use at its end than after its first tenth. */
#define GROWTH_RSS_KB 1024
#define GROWTH_KERNEL_KB 8192
#define GROWTH_MAPS_KB 512

struct sample {
	long rss, slab, percpu, maps; /* kB */
	long map_count;
	long lost_events, lost_bindings;
	long counts[OBJECT_MAPS];
};

/* Steps of the rig and interrupts that it saw. The test compares them with irqgate's counters. */
static struct {
	long cycles, churned, refused, written, applied;
	long raised; /* by the stream that must not lose an interrupt */
	long flapped; /* arrivals of the vector that is revoked and allowed */
} rig;

/* The number after @name in a file with lines like those of /proc/meminfo. */
static long line_of(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			n = atol(line + strlen(name));
	if (f)
		fclose(f);
	expect(n >= 0, "%s has no %s", path, name);
	return n;
}

static void maps_memory(struct sample *s)
{
	char *argv[] = { "/usr/sbin/bpftool", "-j", "map", "show", NULL };
	struct json_object *all;
	size_t i;

	all = json_tokener_parse(run(argv)->out);
	expect(json_object_is_type(all, json_type_array), "bpftool map show: no JSON");
	s->map_count = (long)json_object_array_length(all);
	s->maps = 0;
	for (i = 0; i < json_object_array_length(all); i++)
		s->maps += number(json_object_array_get_idx(all, i), "bytes_memlock") / 1024;
	json_object_put(all);
}

static void take_sample(struct sample *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", loader_pid());
	s->rss = line_of(path, "VmRSS:");
	s->slab = line_of("/proc/meminfo", "SUnreclaim:");
	s->percpu = line_of("/proc/meminfo", "Percpu:");
	maps_memory(s);
	s->lost_events = status_of("lost_events");
	s->lost_bindings = status_of("lost_bindings");
	count_maps(s->counts);
}

static void print_sample(const struct sample *s, uint64_t ms)
{
	size_t i;

	printf("  soak %5.1f min: loader %ld kB, slab %ld kB, percpu %ld kB, %ld maps %ld kB, "
	       "lost %ld events %ld bindings, fill",
	       (double)ms / 60000, s->rss, s->slab, s->percpu, s->map_count, s->maps,
	       s->lost_events, s->lost_bindings);
	for (i = 0; i < OBJECT_MAPS; i++)
		printf("%c%ld", i ? '/' : ' ', s->counts[i]);
	printf("; %ld cycles, %ld + %ld churned, %ld applied, %ld written\n", rig.cycles,
	       rig.churned, rig.refused, rig.applied, rig.written);
	fflush(stdout);
}

static void expect_bounded(const struct sample *first, const struct sample *last)
{
	expect(last->rss - first->rss <= GROWTH_RSS_KB, "the loader grew from %ld to %ld kB",
	       first->rss, last->rss);
	expect(last->slab - first->slab <= GROWTH_KERNEL_KB, "slab grew from %ld to %ld kB",
	       first->slab, last->slab);
	expect(last->percpu - first->percpu <= GROWTH_KERNEL_KB,
	       "per-CPU memory grew from %ld to %ld kB", first->percpu, last->percpu);
	/* While a table is being replaced, four of its maps exist twice. */
	expect(last->map_count <= first->map_count + 4 &&
		       last->maps - first->maps <= GROWTH_MAPS_KB,
	       "maps grew from %ld with %ld kB to %ld with %ld kB", first->map_count, first->maps,
	       last->map_count, last->maps);
	expect_is(last->lost_events, 0, "lost events");
	expect_is(last->lost_bindings, 0, "lost bindings");
}

/* Each policy is another one, with the same rows for the devices that send. */
#define SOAK_POLICY                                                                                \
	ENFORCE CONTEXTS "devices:\n" ROW ROW ROW ROW, igb.handle, "blue", "all", "deny",          \
		edu.handle, "blue", "all", "drop", edu2.handle, "blue", "all", "deny", nic.handle, \
		"blue", "all", "drop"

static void apply_other(void)
{
	FILE *f = fopen(POLICY_OTHER, "we");
	long i;

	expect(f, "cannot write " POLICY_OTHER);
	fchmod(fileno(f), 0600);
	fprintf(f, SOAK_POLICY);
	for (i = 0; i < 1 + rig.applied % 50; i++)
		fprintf(f, "  - { handle: \"pci:0001:%02lx:00.0\", context: red, vectors: all }\n",
			i);
	fclose(f);
	verb(0, "apply", POLICY_OTHER, NULL);
	rig.applied++;
}

/* A VM without a device, to which its VMM writes. The VMM exits, or is killed. */
static void emulate(void)
{
	struct worker *w = emulator(BLUE);
	uint32_t i;

	for (i = 0; i < 4; i++) {
		must(w, W_WRITE, i, 0, 0);
		expect_is(ask(w, W_SEEN, i, 2000, 0), 1, "write(2) to the VMM's own eventfd");
		rig.written++;
	}
	worker_end(w, rig.cycles % 2);
}

static void cycle(struct worker *vmm, struct worker *intruder, struct worker *owner)
{
	tried(vmm, E_CHURN, ROUNDS, (uint32_t)(rig.cycles * ROUNDS), 0);
	rig.churned += ROUNDS;
	tried(intruder, E_CHURN, ROUNDS / 4, (uint32_t)(rig.cycles * ROUNDS / 4), 1);
	rig.refused += ROUNDS / 4;
	emulate();
	apply_other();
	rig.flapped += must(owner, W_TAKE, 1, 0, 0);
	rig.cycles++;
}

static void soak_churn(void)
{
	uint64_t total = (uint64_t)from_environment("SOAK_SECONDS", 10) * 1000, begin, next;
	struct worker *vmm, *intruder, *calm, *owner, *flapper, *reloader;
	struct sample first = {}, last = {};
	struct counts c;
	bool based = false;

	with(&igb);
	loader_with(SOAK_POLICY);
	vmm = driver(BLUE, &igb);
	intruder = driver(NOBODY, &edu);
	calm = bound_driver(BLUE, &edu2);
	owner = bound_driver(BLUE, &nic);
	flapper = worker_new(NOBODY);
	reloader = worker_new(NOBODY);
	mark();
	must(calm, W_STREAM, 0, 3000, 0);
	must(owner, W_STREAM, 1, 5000, 0);
	ask_all(flapper, (enum worker_op)E_LOOP, LOOP_FLAP, 1, 1000000, nic.handle, -1);
	tried(reloader, E_LOOP, LOOP_HANGUP, (uint32_t)loader_pid(), 2000000);
	begin = rig_now_ms();
	next = begin;
	while (rig_now_ms() - begin < total) {
		cycle(vmm, intruder, owner);
		if (!based && rig_now_ms() - begin >= total / 10) {
			take_sample(&first);
			based = true;
		}
		if (rig_now_ms() >= next) {
			take_sample(&last);
			print_sample(&last, rig_now_ms() - begin);
			next += SAMPLE_MS;
		}
	}
	tried(reloader, E_LOOP_END, 0, 0, 0);
	tried(flapper, E_LOOP_END, 0, 0, 0);
	must(owner, W_STREAM_STOP, 0, 0, 0);
	rig.raised = must(calm, W_STREAM_STOP, 0, 0, 0);
	nap(200);
	rig.flapped += must(owner, W_TAKE, 1, 0, 0);
	take_sample(&last);
	print_sample(&last, rig_now_ms() - begin);

	expect_is(ask(calm, W_TAKE, 0, 0, 0), rig.raised, "the stream's count at its reader");
	COUNTS(&edu2, .passed = rig.raised);
	COUNTS_OF(&igb, 0, 0, .passed = rig.churned);
	COUNTS(&edu, .dropped = rig.refused);
	c = counted(nic.handle, 1);
	expect(c.passed + c.leaked + c.replayed == rig.flapped,
	       "%ld of the flapping vector arrived; passed %ld, leaked %ld, replayed %ld",
	       rig.flapped, c.passed, c.leaked, c.replayed);
	printf("  soak: stream %ld = passed %ld; churn %ld, %ld dropped; flapping: passed %ld, "
	       "dropped %ld, leaked %ld, %ld arrived\n",
	       rig.raised, rig.raised, rig.churned, rig.refused, c.passed, c.dropped, c.leaked,
	       rig.flapped);
	expect_bounded(&first, &last);
}

static const struct test tests[] = {
	{ "soak.churn", soak_churn },
};

struct test_set soak_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
