/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of tests: the machine, how a policy begins, and the sets of tests. */
#ifndef IRQGATE_TESTS_H
#define IRQGATE_TESTS_H

#include "lib.h"

struct device {
	char bdf[RIG_BDF_LEN];
	char handle[RIG_BDF_LEN + 4];
	unsigned int vectors; /* 0: this machine has no such device */
};

extern struct device edu, edu2; /* MSI */
extern struct device nic, igb; /* MSI-X */

#define ENFORCE "version: 1\nmode: enforce\n"
#define AUDIT "version: 1\nmode: audit\n"
#define ROW "  - { handle: \"%s\", context: %s, vectors: %s, on_violation: %s }\n"

/* ---- modules ----------------------------------------------------------------- */

/* Runs modprobe OPTION A B, which must succeed. */
void modprobe(const char *option, const char *a, const char *b);

bool module_here(const char *name);

/* Unloads irqgate, vfio and kvm. Skips the test if vfio or kvm cannot be unloaded. */
void modules_gone(void);

/*
 * Loads a module that tests/vm/module built. Returns the exit status of insmod. Skips the test
 * if tests/vm/module did not build it for this kernel.
 */
int insmod_built(const char *name);

/* Loads irqgate_hook, or unloads it. Skips the test if it was not built for this kernel. */
void hook_module(bool load);

/* ---- sets of tests -------------------------------------------------------------- */

struct test_set modules_tests(void); /* hooks.c: modules come after the loader */
struct test_set verdict_tests(void); /* allow, deny, drop and audit */
struct test_set revoke_tests(void); /* bindings that exist lose their interrupts */
struct test_set inject_tests(void); /* other processes write, read, raise and listen */
struct test_set possession_tests(void); /* how a process gets an fd or another process */
struct test_set context_tests(void); /* which processes a context has */
struct test_set lifecycle_tests(void); /* processes, loaders and policies come and go */
struct test_set evade_tests(void); /* ways around irqgate, churn, races, loss */
struct test_set matrix_tests(void); /* all paths in all states and modes */
struct test_set host_tests(void); /* the same for a card with a host driver */
struct test_set adopt_tests(void); /* irqgate finds what existed before it */
struct test_set upgrade_tests(void); /* another build takes over */
struct test_set policy_tests(void); /* apply, reload, learn and explain policies; reports */
struct test_set ops_tests(void); /* the views of operators, the privileges of the loader */
struct test_set inline_tests(void); /* the kernel module */
struct test_set soak_tests(void); /* memory and maps do not grow */
struct test_set property_tests(void); /* random steps, compared with an oracle */
struct test_set fault_tests(void); /* system calls fail, and other accidents */
struct test_set room_tests(void); /* a full map harms no other user */
struct test_set contain_tests(void); /* irqgate cuts vectors whichever process holds the device */
struct test_set replay_tests(void); /* irqgate gives back what it dropped */
struct test_set lasts_tests(void); /* a revocation lasts until allow */
struct test_set absent_tests(void); /* irqgate is not healthy if it cannot hook a module */
struct test_set signal_tests(void); /* which processes may signal a VM */
struct test_set access_tests(void); /* which processes may use a device */
struct test_set access_matrix_tests(void); /* all ways to use it, by all kinds of processes */
struct test_set hooks_tests(void); /* each hook runs */
struct test_set error_tests(void); /* refusals, unload, kernels that lack something */

/*
 * The loader has exactly the capabilities that it needs. @unhooked: a module is missing, so it
 * keeps those to attach.
 */
void expect_privileges(bool unhooked);

#endif
