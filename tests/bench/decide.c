// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: decide [-s]
 * What one decision costs on this machine, for tables of 1 to 10^6 vectors: the code of
 * the hooks against an empty program and a bare look-up, all in one run. Prints
 * "NAME VALUE", times in ns: the least of many repetitions, which take turns. Needs
 * root, attaches nothing.
 *   -s  short: fewer sizes and repetitions
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include <irqgate/handle.h>
#include <irqgate/table.h>
#include "decide.skel.h"

#define BATCH 4096
#define GD 1

struct timed {
	const char *name;
	struct bpf_program *prog;
	__u32 first, gd;
	double least;
};

static struct decide_bpf *skel;

static void die(const char *what)
{
	fprintf(stderr, "decide: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *zalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("memory");
	return p;
}

/* Fills @map with @n rows, made by @make(i, key, value). */
static void fill(int map, __u32 n, size_t key_size, size_t value_size,
		 void (*make)(__u32 i, void *key, void *value))
{
	char *keys = zalloc(BATCH, key_size), *values = zalloc(BATCH, value_size);
	__u32 i, j, count;

	for (i = 0; i < n; i += count) {
		count = n - i < BATCH ? n - i : BATCH;
		for (j = 0; j < count; j++)
			make(i + j, keys + j * key_size, values + j * value_size);
		if (bpf_map_update_batch(map, keys, values, &count, NULL))
			die("filling a map");
	}
	free(keys);
	free(values);
}

static __u8 verdict; /* of the bindings that are made */
static __u64 epoch;

static void make_binding(__u32 i, void *key, void *value)
{
	struct irqgate_irq_key *k = key;
	struct irqgate_binding *b = value;

	k->irq = i + 1;
	b->irq = b->line = i + 1;
	b->trigger = i + 1;
	b->handle = irqgate_handle_pci(0, 0, 0) + i / IRQGATE_MAX_VECTORS;
	b->vector = i % IRQGATE_MAX_VECTORS;
	b->state = IRQGATE_BINDING_BOUND;
	b->judged = irqgate_judged(epoch, verdict);
	b->verdict = verdict;
	b->reason = verdict == IRQGATE_VERDICT_ALLOW ? IRQGATE_REASON_REGISTERED
						     : IRQGATE_REASON_CONTEXT;
}

static void make_device(__u32 i, void *key, void *value)
{
	struct irqgate_device_key *k = key;
	struct irqgate_registration *reg = value;

	k->handle = irqgate_handle_pci(0, 0, 0) + i;
	reg->gd = GD;
	reg->action = IRQGATE_ACTION_DENY;
}

static void make_vector(__u32 i, void *key, void *value)
{
	struct irqgate_vector_key *k = key;
	struct irqgate_vector_auth *vec = value;

	k->handle = irqgate_handle_pci(0, 0, 0) + i / IRQGATE_MAX_VECTORS;
	k->vector = i % IRQGATE_MAX_VECTORS;
	vec->gd = GD;
	vec->action = IRQGATE_ACTION_DENY;
}

static void fill_table(struct bpf_map *outer, __u32 n, size_t key_size, size_t value_size,
		       void (*make)(__u32 i, void *key, void *value))
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int map = bpf_map_create(BPF_MAP_TYPE_HASH, NULL, key_size, value_size, n, &opts);
	__u32 slot = 0;

	if (map < 0)
		die("creating a map");
	fill(map, n, key_size, value_size, make);
	if (bpf_map_update_elem(bpf_map__fd(outer), &slot, &map, BPF_ANY))
		die("the table");
}

static void open_bench(__u32 vectors)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	skel = decide_bpf__open();
	if (!skel)
		die("opening the programs");
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, !strncmp(bpf_program__name(prog), "bench_", 6));
	bpf_object__for_each_map(map, skel->obj)
		bpf_map__set_pin_path(map, NULL);
	bpf_map__set_max_entries(skel->maps.bindings, vectors);
	bpf_map__set_max_entries(skel->maps.passing, vectors + 1);
	if (decide_bpf__load(skel))
		die("loading the programs");
	fill_table(skel->maps.table_devices, vectors / IRQGATE_MAX_VECTORS + 1,
		   sizeof(struct irqgate_device_key), sizeof(struct irqgate_registration),
		   make_device);
	fill_table(skel->maps.table_vectors, vectors, sizeof(struct irqgate_vector_key),
		   sizeof(struct irqgate_vector_auth), make_vector);
	skel->bss->bench.vectors = vectors;
}

/* What was cached of those before is stale. */
static void fill_bindings(__u8 with)
{
	struct irqgate_state state = { .defaults[0].mode = IRQGATE_MODE_ENFORCE };
	__u32 zero = 0;

	verdict = with;
	state.epoch = ++epoch;
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.state), &zero, &state, BPF_ANY))
		die("the state");
	fill(bpf_map__fd(skel->maps.bindings), skel->bss->bench.vectors,
	     sizeof(struct irqgate_irq_key), sizeof(struct irqgate_binding), make_binding);
}

static void run(const struct timed *t, unsigned int repeat, double *took)
{
	static char packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = repeat);

	skel->bss->bench.first = t->first;
	skel->bss->bench.gd = t->gd;
	if (bpf_prog_test_run_opts(bpf_program__fd(t->prog), &opts))
		die(t->name);
	*took = opts.duration;
}

static void take_turns(struct timed *timed, unsigned int n, unsigned int rounds,
		       unsigned int repeat)
{
	double took;
	unsigned int i, r;

	for (r = 0; r < rounds; r++)
		for (i = 0; i < n; i++) {
			run(&timed[i], repeat, &took);
			if (r && (!timed[i].least || took < timed[i].least))
				timed[i].least = took;
		}
}

int main(int argc, char **argv)
{
	static const __u32 sizes[] = { 1, 1000, 65536, 1000000 };
	bool is_short = argc > 1 && !strcmp(argv[1], "-s");
	unsigned int rounds = is_short ? 4 : 15, repeat = is_short ? 200000 : 2000000, i, j;
	double bare[4], msi[4], took;

	for (i = 0; i < 4; i++) {
		__u32 n = sizes[i], beyond = 0x7f000000;

		if (is_short && (i == 1 || i == 2))
			continue;
		open_bench(n);
		struct timed timed[] = {
			{ "empty", skel->progs.bench_empty, 1, GD, 0 },
			{ "lookup", skel->progs.bench_lookup, 1, GD, 0 },
			{ "read", skel->progs.bench_read, 1, GD, 0 },
			{ "msi_hit", skel->progs.bench_msi, 1, GD, 0 },
			{ "msi_miss", skel->progs.bench_msi, beyond, GD, 0 },
			{ "decide_hit", skel->progs.bench_decide, 0, GD, 0 },
			{ "decide_miss", skel->progs.bench_decide, beyond, GD, 0 },
			{ "decide_wrong_owner", skel->progs.bench_decide, 0, GD + 1, 0 },
		}, wrong = { "msi_wrong_owner", skel->progs.bench_msi, 1, GD, 0 };

		fill_bindings(IRQGATE_VERDICT_ALLOW);
		run(&timed[3], 8 * n, &took); /* the steady state: all of them came before */
		take_turns(timed, sizeof(timed) / sizeof(timed[0]), rounds, repeat);
		fill_bindings(IRQGATE_VERDICT_AUDIT);
		take_turns(&wrong, 1, 3, repeat);
		for (j = 0; j < sizeof(timed) / sizeof(timed[0]); j++)
			printf("native_%s_%u_ns %g\n", timed[j].name, n, timed[j].least);
		printf("native_%s_%u_ns %g\n", wrong.name, n, wrong.least);
		bare[i] = timed[1].least - timed[0].least;
		msi[i] = timed[3].least - timed[0].least;
		printf("native_ratio_%u %.3f\n", n, msi[i] / bare[i]);
		decide_bpf__destroy(skel);
	}
	/* Of a table that fits into the cache: there the instructions count. */
	printf("native_authorized_ratio %.3f\n", msi[0] / bare[0]);
	printf("native_growth_1_to_1e6 %.3f\n", (msi[3] - msi[0]) / (bare[3] - bare[0]));
	return 0;
}
