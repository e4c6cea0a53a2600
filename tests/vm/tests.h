/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of tests share: the machine, how a policy begins. */
#ifndef IRQGATE_TESTS_H
#define IRQGATE_TESTS_H

#include "lib.h"

struct device {
	char bdf[RIG_BDF_LEN];
	char handle[RIG_BDF_LEN + 4];
	unsigned int vectors; /* 0: this machine has none */
};

extern struct device edu, edu2; /* MSI */
extern struct device nic, igb; /* MSI-X */

#define ENFORCE "version: 1\nmode: enforce\n"
#define AUDIT "version: 1\nmode: audit\n"
#define ROW "  - { handle: \"%s\", context: %s, vectors: %s, on_violation: %s }\n"

/* modprobe OPTION A B; one that fails is a failure. */
void modprobe(const char *option, const char *a, const char *b);

/* adopt.c: what was there before irqgate. */
struct test_set adopt_tests(void);

/* upgrade.c: another irqgate takes over. */
struct test_set upgrade_tests(void);

/* matrix.c, host.c: paths x states x modes. */
struct test_set matrix_tests(void);
struct test_set host_tests(void);

/* policy.c: applying, reloading, learning and explaining policies, and telling. */
struct test_set policy_tests(void);

/* ops.c: what operators look at, and what the loader may do. */
struct test_set ops_tests(void);
void expect_privileges(bool unhooked); /* unhooked: a module is missing yet */

/* evade.c: ways around irqgate, churn, races, loss. */
struct test_set evade_tests(void);

/* property.c: random steps, held against a model. */
struct test_set property_tests(void);

/* faults.c: system calls that fail, and what else goes wrong. */
struct test_set fault_tests(void);

/* soak.c: whether anything grows. */
struct test_set soak_tests(void);

/* inline.c: the kernel module. */
struct test_set inline_tests(void);

/* Loads irqgate_hook or has irqgate let go of it; skips the test if there is none. */
void hook_module(bool load);

#endif
