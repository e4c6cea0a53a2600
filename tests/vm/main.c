// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmtest: the promises of irqgate, seen from where interrupts arrive: the IRR of a VM's local
 * APIC, or the count of the eventfd at its owner. A test looks there first. Then it compares
 * irqgate's own counters, which must be exact.
 *
 * usage: vmtest [PATTERN...]   runs the tests whose names match every pattern
 */
#include "fixture.h"

#include <string.h>

/* clang-format off */
/* All tests, in this order. */
static const struct {
	struct test_set (*get)(void);
	bool joined; /* the loader goes on for the next set: loading takes long under TCG */
} order[] = {
	{ modules_tests, true },
	{ verdict_tests, true },
	{ revoke_tests, true },
	{ inject_tests, true },
	{ possession_tests, true },
	{ context_tests, true },
	{ lifecycle_tests, false },
	{ evade_tests, false },
	{ matrix_tests, false },
	{ host_tests, false },
	{ adopt_tests, false },
	{ upgrade_tests, false },
	{ policy_tests, false },
	{ ops_tests, false },
	{ inline_tests, false },
	{ soak_tests, false },
	{ property_tests, false },
	{ fault_tests, false },
	{ room_tests, false },
	{ contain_tests, false },
	{ replay_tests, false },
	{ lasts_tests, false },
	{ absent_tests, false },
	{ signal_tests, false },
	{ access_tests, true },
	{ access_matrix_tests, false },
	{ hooks_tests, true },
	{ error_tests, false }, /* the last one: its lockdown cannot be undone */
};
/* clang-format on */

#define SETS (sizeof(order) / sizeof(order[0]))

int main(int argc, char **argv)
{
	struct test_set sets[SETS];
	size_t i;

	if (argc > 2 && !strcmp(argv[1], "-w"))
		return worker_main(argc - 2, argv + 2);
	/* hooks.fire reads how often each program ran. */
	write_text("/proc/sys/kernel/bpf_stats_enabled", "1");
	if (!find_devices()) {
		fprintf(stderr, "vmtest: not a machine of tests/vm/boot\n");
		return 2;
	}
	for (i = 0; i < SETS; i++) {
		sets[i] = order[i].get();
		sets[i].joined = order[i].joined;
	}
	return tests_run(sets, SETS, argv + 1);
}
