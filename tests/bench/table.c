// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: table [-s]
 * A table of 10^6 vectors on this machine: how long it takes to put in force, from the
 * text of a policy on, how much memory a row takes, and how long the swap. Prints
 * "NAME VALUE". Needs root; works in mount name spaces of its own, attaches nothing.
 *   -s  short: fewer repetitions
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loader/apply.h"
#include "maps.h"
#include "table/pins.h"
#include "table/rows.h"
#include "table/table.h"

#define VECTORS 1000000
#define BATCH 4096

static void die(const char *what)
{
	fprintf(stderr, "table: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What passed, and what of it this process ran: the rest others had the CPU. */
struct took {
	double ms, cpu;
};

static double clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static struct took now(void)
{
	return (struct took){ clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_PROCESS_CPUTIME_ID) };
}

static void take_least(double *least, double ms)
{
	if (!*least || ms < *least)
		*least = ms;
}

/* Since @from. */
static void least(struct took *least, struct took from)
{
	struct took t = now();

	take_least(&least->ms, t.ms - from.ms);
	take_least(&least->cpu, t.cpu - from.cpu);
}

static void print(const char *name, const struct took *took)
{
	printf("%s_ms %.2f\n%s_cpu_ms %.2f\n", name, took->ms, name, took->cpu);
}

/* 488 devices with all vectors one by one, and one with the rest. */
static void write_policy(const char *path)
{
	FILE *f = fopen(path, "we");
	int i, left;

	if (!f)
		die(path);
	fprintf(f,
		"version: 1\nmode: audit\ncontexts:\n  - { name: c, match: { uid: 1 } }\ndevices:\n");
	for (i = 0, left = VECTORS; left > 0; i++, left -= 2048)
		fprintf(f,
			"  - { handle: \"pci:0000:%02x:%02x.%d\", context: c, vectors: [0-%d] }\n",
			i >> 8, i >> 3 & 31, i & 7, left > 2048 ? 2047 : left - 1);
	if (fclose(f))
		die(path);
}

static void raw_batch(const struct rows *rows, struct took *took)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	static struct irqgate_vector_key keys[VECTORS];
	static struct irqgate_vector_auth values[VECTORS];
	struct took from;
	__u32 i, n;
	int map;

	for (i = 0; i < VECTORS; i++) {
		keys[i] = *(struct irqgate_vector_key *)rows_key(rows, IRQGATE_MAP_VECTORS, i);
		values[i] = *(struct irqgate_vector_auth *)rows_value(rows, IRQGATE_MAP_VECTORS, i);
	}
	from = now();
	map = bpf_map_create(BPF_MAP_TYPE_HASH, NULL, sizeof(keys[0]), sizeof(values[0]), VECTORS,
			     &opts);
	for (i = 0; map >= 0 && i < VECTORS; i += n) {
		n = VECTORS - i < BATCH ? VECTORS - i : BATCH;
		if (bpf_map_update_batch(map, keys + i, values + i, &n, NULL))
			die("raw batch");
	}
	if (map < 0)
		die("raw map");
	least(took, from);
	close(map);
}

/* The kernel's own account of a map. */
static double memory_of(int map)
{
	char path[64], line[256];
	double bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "memlock: %lf", &bytes);
	if (f)
		fclose(f);
	return bytes;
}

/* policy_prepare() without the question whether this kernel can be hooked. */
static int load(const char *path, struct policy **policy)
{
	return policy_load(path, policy) ?: policy_resolve(*policy, "/sys") < 0;
}

int main(int argc, char **argv)
{
	const char *path = "/run/irqgate-bench.yaml";
	int rounds = argc > 1 && !strcmp(argv[1], "-s") ? 2 : 7, i, map;
	struct took raw = {}, publish = {}, apply = {}, read = {}, swap = {}, from;
	struct policy *policy, *empty;
	struct rows rows, none;
	struct pins pins;

	make_maps();
	if (pins_open(&pins))
		return 1;
	write_policy(path);
	if (load(path, &policy) || rows_of_policy(&rows, policy) || policy_empty(&empty) ||
	    rows_of_policy(&none, empty))
		return 1;
	for (i = 0; i < rounds; i++) {
		struct rows back;
		struct plan plan;

		raw_batch(&rows, &raw);
		from = now();
		if (table_publish(&pins, NULL, &rows))
			return 1;
		least(&publish, from);
		from = now();
		if (table_read(&pins, &back) || back.map[IRQGATE_MAP_VECTORS].n != VECTORS)
			die("reading the table");
		least(&read, from);
		rows_free(&back);
		policy_free(policy);
		from = now();
		/* What `irqgate apply` does, but for the bindings, of which there are none. */
		if (load(path, &policy) || plan_make(&plan, &pins, policy) ||
		    table_publish(&pins, NULL, &plan.to) || policy_save(policy))
			return 1;
		least(&apply, from);
		plan_free(&plan);
	}
	map = table_map(&pins, IRQGATE_MAP_VECTORS);
	printf("bytes_per_row %.1f\n", memory_of(map) / VECTORS);
	for (i = 0; i < 2 * rounds; i++) {
		from = now();
		if (table_publish(&pins, NULL, &none))
			return 1;
		least(&swap, from);
	}
	print("raw_batch_1e6", &raw);
	print("load_1e6", &publish);
	print("read_1e6", &read);
	print("apply_1e6", &apply);
	print("swap", &swap);
	printf("load_1e6_over_raw_batch %.3f\n", publish.cpu / raw.cpu);
	printf("apply_1e6_over_raw_batch %.3f\n", apply.cpu / raw.cpu);
	return 0;
}
