/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tests in several files begin with: the devices of tests/vm/boot, the usual
 * policy, and workers that play a VMM, a user-space driver or an emulator.
 */
#ifndef IRQGATE_TEST_FIXTURE_H
#define IRQGATE_TEST_FIXTURE_H

#include "tests.h"
#include "worker-evade.h"

/* Must be called first. False: not a machine of tests/vm/boot. */
bool find_devices(void);

/* Skips the test when the machine has no such device. */
void with(const struct device *d);

void write_text(const char *path, const char *text);

/* The executable of the tests, under another name. */
void copy_self(const char *path);

/* ---- the usual policy ------------------------------------------------------ */

#define BLUE "t/blue"
#define RED "t/red"
#define NOBODY "t/nobody" /* a cgroup no context claims */
#define SOFT "t/soft"

#define CONTEXTS                                                                                   \
	"contexts:\n"                                                                              \
	"  - { name: blue, match: { cgroup: /t/blue } }\n"                                         \
	"  - { name: red, match: { cgroup: /t/red } }\n"

/* What another layout's irqgate pinned, until it is taken over. */
#define PINS_OLD "/sys/fs/bpf/irqgate_old"

/* One device, registered for blue. */
void enforce(const struct device *d, const char *vectors, const char *action);

/* ---- actors ----------------------------------------------------------------- */

/* A VMM that has opened its function and bound nothing yet. */
void equip(struct worker *w, const struct device *d);
struct worker *vmm(const char *cgroup, const struct device *d);

/* A user-space driver: the same without a VM. */
struct worker *driver(const char *cgroup, const struct device *d);

/* Emulated devices: eventfds with no source but who writes to them. */
struct worker *emulator(const char *cgroup);

enum order { IRQFD_FIRST, VFIO_FIRST };

/* All vectors. The result is VFIO's; KVM must agree. */
long bind_all(struct worker *w, const struct device *d, enum order order);
struct worker *bound_vmm(const char *cgroup, const struct device *d);

/* A worker whose pid will be PID; skips the test when it cannot be had. */
struct worker *worker_with_pid(pid_t pid);

/* ---- expectations ------------------------------------------------------------ */

/* Is W of the context a device is registered for, under deny? Ends W. */
void expect_member(struct worker *w, const struct device *d, bool member, const char *what);

/* Lets everybody use KVM and the VFIO groups there are. */
void open_to_users(void);

/* Passed, dropped, ... of every vector of a device since mark(). */
#define COUNTS(d, ...)                                                                             \
	expect_counts((d)->handle, 0, (d)->vectors - 1, (struct counts){ __VA_ARGS__ })
#define COUNTS_OF(d, first, last, ...)                                                             \
	expect_counts((d)->handle, first, last, (struct counts){ __VA_ARGS__ })

/* The process was stopped at most until its vectors were quarantined. */
void expect_running(struct worker *w);

/* A step of worker-evade.h, and one that must succeed. */
long evade(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c);
long tried(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c);

long vfio_bindings(void);

/* How full the maps are that follow the kernel's objects; within 3 s they are so again. */
#define OBJECT_MAPS 8
void count_maps(long counts[OBJECT_MAPS]);
void expect_maps(const long before[OBJECT_MAPS]);

/* Within 3 s no binding is left, and none of what belonged to one. */
void expect_forgotten(const char *after);

#endif
