// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command and the BPF programs judge alike: random tables, VMs, eventfds and bindings, which
 * the code of the hooks judges in the kernel, and judge_binding() in this process. So `explain`,
 * `apply --dry-run` and `learn` say what is enforced.
 *
 * From the environment: JUDGE_SEED, the first table's number; JUDGE_TABLES, how many.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <irqgate/handle.h>

#include "table/judge.h"
#include "table/table.h"
#include "../bench/own_pins.h"
#include "judge.skel.h"

#define BINDINGS 48
#define EVENTFDS 8
#define VMS 6
#define DEVICES 4
#define CONTEXTS 4
#define TICK 10000000ULL

static struct judge_bpf *skel;
static struct pins pins;
static uint64_t random_state;

/* A number below @n. */
static unsigned int any(unsigned int n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(random_state >> 33) % n;
}

static bool often(void)
{
	return any(4) != 0;
}

/* One of @n addresses that objects of a kind have, or one that none has. */
static __u64 address(__u64 kind, unsigned int n)
{
	return kind << 12 | (1 + any(n + 1));
}

static __u64 any_handle(void)
{
	return irqgate_handle_pci(0, 0, 0) + any(DEVICES + 1);
}

static __u32 any_vector(void)
{
	return often() ? any(4) : IRQGATE_VECTOR_FUNCTION;
}

static __u32 any_gd(void)
{
	return any(CONTEXTS);
}

static struct irqgate_ident any_ident(void)
{
	struct irqgate_ident id = { .ncgroups = any(3) };
	__u32 i;

	if (any(8) == 0)
		return (struct irqgate_ident){}; /* not known */
	id.tgid = 1 + any(4);
	id.start = id.tgid * TICK;
	id.exec = any(2);
	id.uid = any(3);
	id.exe_ino = any(3);
	id.exe_dev = any(2);
	id.exe_gen = any(3);
	id.root = any(4);
	id.root_start = id.root * TICK;
	for (i = 0; i < id.ncgroups; i++)
		id.cgroups[i] = 100 + any(5);
	return id;
}

static void add(struct rows *rows, enum irqgate_table_map which, const void *key, const void *value)
{
	size_t i;

	for (i = 0; i < rows->map[which].n; i++)
		if (!rows_compare(which, rows_key(rows, which, i), key))
			return;
	assert_int_equal(rows_add(rows, which, key, value), 0);
}

static void add_match(struct rows *rows)
{
	struct irqgate_match_key key = { .kind = 1 + any(15), .source = any(2) };
	struct irqgate_match row = { .gd = any_gd() };

	if (key.kind & IRQGATE_MATCH_UID)
		key.uid = any(3);
	if (key.kind & IRQGATE_MATCH_EXE) {
		key.exe_ino = any(3);
		key.exe_dev = any(2);
		row.exe_gen = any(3);
	}
	if (key.kind & IRQGATE_MATCH_CGROUP)
		key.cgroup = 1 + any(4);
	if (key.kind & IRQGATE_MATCH_PID)
		key.pid = 1 + any(4);
	rows->defaults.kinds[key.source] |= 1 << key.kind;
	add(rows, IRQGATE_MAP_MATCHES, &key, &row);
}

static void make_rows(struct rows *rows)
{
	unsigned int i;

	memset(rows, 0, sizeof(*rows));
	rows->defaults.mode = often() ? IRQGATE_MODE_ENFORCE : IRQGATE_MODE_AUDIT;
	rows->defaults.unlisted_device = any(4);
	rows->defaults.unlisted_source = any(4);
	rows->defaults.unlisted_host = any(4);
	rows->defaults.on_full = any(2) ? IRQGATE_ACTION_ALLOW : IRQGATE_ACTION_DENY;
	for (i = 0; i < CONTEXTS; i++) {
		struct irqgate_context_key key = { .gd = i };
		struct irqgate_context row = { .flags = any(2) ? IRQGATE_CTX_STRICT : 0 };

		snprintf(row.name, sizeof(row.name), "context%u", i);
		add(rows, IRQGATE_MAP_CONTEXTS, &key, &row);
	}
	for (i = 0; i < 4; i++) {
		struct irqgate_cgroup_key key = { .id = 100 + i };
		struct irqgate_cgroup row = { .number = 1 + any(4) };
		struct irqgate_match_key pid = { .kind = IRQGATE_MATCH_PROCESS, .pid = 1 + i };
		struct irqgate_match process = { .start = 1 + i };

		if (often())
			add(rows, IRQGATE_MAP_CGROUPS, &key, &row);
		if (!often())
			process.start = IRQGATE_START_NOBODY;
		add(rows, IRQGATE_MAP_MATCHES, &pid, &process);
	}
	for (i = any(12); i > 0; i--)
		add_match(rows);
	for (i = any(2 * DEVICES); i > 0; i--) {
		struct irqgate_device_key key = { .handle = any_handle() };
		struct irqgate_registration row = {
			.gd = any_gd(), .noi = any(5), .action = 1 + any(4), .flags = any(2)
		};

		add(rows, IRQGATE_MAP_DEVICES, &key, &row);
	}
	for (i = any(4 * DEVICES); i > 0; i--) {
		struct irqgate_vector_key key = { .handle = any_handle(), .vector = any_vector() };
		struct irqgate_vector_auth row = { .gd = any_gd(), .action = 1 + any(4) };

		add(rows, IRQGATE_MAP_VECTORS, &key, &row);
	}
	rows_sort(rows);
}

static void put(int map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(map, key, value, BPF_ANY), 0);
}

/* Objects of the kernel; some that others name do not exist. */
static void make_objects(void)
{
	unsigned int i, j;

	for (i = 0; i < DEVICES; i++) {
		struct irqgate_device_key key = { .handle = irqgate_handle_pci(0, 0, 0) + i };
		struct irqgate_revocation row = { .flags = any(2) };

		row.vectors[0] = any(16);
		bpf_map_delete_elem(pins.revoked, &key);
		if (!often())
			put(pins.revoked, &key, &row);
	}
	for (i = 0; i < VMS; i++) {
		struct irqgate_ptr_key key = { .ptr = 1 << 12 | (1 + i) };
		struct irqgate_vm row = { .creator = any_ident() };

		put(pins.vms, &key, &row);
	}
	for (i = 0; i < EVENTFDS; i++) {
		struct irqgate_ptr_key key = { .ptr = 2 << 12 | (1 + i) };
		struct irqgate_eventfd row = {};

		for (j = 0; j < IRQGATE_EVENTFD_VMS; j++)
			row.vm[j] = !often() ? address(1, VMS) : 0;
		row.untracked = any(8) == 0;
		row.lost = any(8) == 0;
		put(pins.eventfds, &key, &row);
	}
	for (i = 0; i < BINDINGS; i++) {
		struct irqgate_irq_key key = { .irq = 1 + i };
		struct irqgate_binding row = { .irq = 1 + i, .state = 1 + any(3) };

		row.handle = any_handle();
		row.vector = any_vector();
		row.binder = any_ident();
		if (row.state != IRQGATE_BINDING_HOST)
			row.trigger = address(2, EVENTFDS);
		if (row.state == IRQGATE_BINDING_QUARANTINED)
			row.original = often() ? address(2, EVENTFDS) : 0;
		put(pins.bindings, &key, &row);
	}
}

/* What the programs say is in the binding then. */
static void judge_in_kernel(__u32 irq, struct irqgate_binding *b)
{
	static char packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet));
	struct irqgate_irq_key key = { .irq = irq };

	skel->bss->asked.irq = irq;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.judge), &opts), 0);
	assert_int_equal(opts.retval, 1);
	assert_int_equal(bpf_map_lookup_elem(pins.bindings, &key, b), 0);
}

static void judges_alike(void **state)
{
	const char *seed = getenv("JUDGE_SEED"), *tables = getenv("JUDGE_TABLES");
	unsigned long first = seed ? strtoul(seed, NULL, 10) : 1, n, verdicts[8] = {};
	struct rows made, rows;
	struct irqgate_binding b;
	struct judgement j;
	__u32 irq;

	(void)state;
	for (n = first; n < first + (tables ? strtoul(tables, NULL, 10) : 100); n++) {
		random_state = n;
		make_rows(&made);
		make_objects();
		assert_int_equal(table_publish(&pins, bpf_object__btf(skel->obj), &made), 0);
		assert_int_equal(table_read(&pins, &rows), 0);
		for (irq = 1; irq <= BINDINGS; irq++) {
			judge_in_kernel(irq, &b);
			judge_binding(&rows, &pins, &b, &j);
			if (b.verdict != j.d.verdict || b.reason != j.d.reason ||
			    b.expected != j.d.gd || b.isolate != j.d.isolate || b.gd != j.gd)
				fail_msg(
					"JUDGE_SEED=%lu, binding %u: the kernel says verdict %u, "
					"reason %u, expected %u, isolate %u, context %u; the command "
					"%u, %u, %u, %u, %u",
					n, irq, b.verdict, b.reason, b.expected, b.isolate, b.gd,
					j.d.verdict, j.d.reason, j.d.gd, j.d.isolate, j.gd);
			verdicts[b.verdict & 7]++;
		}
		rows_free(&rows);
		rows_free(&made);
	}
	/* Else the tables would prove little. */
	assert_true(verdicts[IRQGATE_VERDICT_ALLOW] && verdicts[IRQGATE_VERDICT_AUDIT] &&
		    verdicts[IRQGATE_VERDICT_DROP] && verdicts[IRQGATE_VERDICT_DENY]);
}

static int load(void **state)
{
	struct bpf_map *map;

	(void)state;
	skel = judge_bpf__open();
	if (!skel || own_pins())
		return -1;
	bpf_object__for_each_map(map, skel->obj)
		bpf_map__set_pin_path(map, NULL);
	if (judge_bpf__load(skel))
		return -1;
	pins = (struct pins){
		.outer = { [IRQGATE_MAP_DEVICES] = bpf_map__fd(skel->maps.table_devices),
			   [IRQGATE_MAP_VECTORS] = bpf_map__fd(skel->maps.table_vectors),
			   [IRQGATE_MAP_MATCHES] = bpf_map__fd(skel->maps.table_matches),
			   [IRQGATE_MAP_CONTEXTS] = bpf_map__fd(skel->maps.table_contexts),
			   [IRQGATE_MAP_CGROUPS] = bpf_map__fd(skel->maps.table_cgroups),
			   [IRQGATE_MAP_PATHS] = bpf_map__fd(skel->maps.table_paths) },
		.bindings = bpf_map__fd(skel->maps.bindings),
		.eventfds = bpf_map__fd(skel->maps.eventfds),
		.vms = bpf_map__fd(skel->maps.vms),
		.revoked = bpf_map__fd(skel->maps.revoked)
	};
	pins.state = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_map__fd(skel->maps.state), 0);
	return pins.state == MAP_FAILED ? -1 : 0;
}

static int unload(void **state)
{
	(void)state;
	judge_bpf__destroy(skel);
	return 0;
}

static void needs_root(void **state)
{
	(void)state;
	skip(); /* only root may load BPF programs */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(judges_alike, load, unload),
	};
	const struct CMUnitTest without[] = { { "judges_alike", needs_root, NULL, NULL, NULL } };

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return geteuid() ? cmocka_run_group_tests_name("judge", without, NULL, NULL)
			 : cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
