/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests in several files begin with these: the devices of tests/vm/boot, the usual
 * policy, and workers that play a VMM, a user-space driver or an emulator.
 */
#ifndef IRQGATE_TEST_FIXTURE_H
#define IRQGATE_TEST_FIXTURE_H

#include "tests.h"
#include "worker-evade.h"

/* main() calls this first. False: this is not a machine of tests/vm/boot. */
bool find_devices(void);

/* Skips the test if the machine has no such device. */
void with(const struct device *d);

void write_text(const char *path, const char *text);

/* Copies the executable of the tests to @path. */
void copy_self(const char *path);

/* ---- the usual policy ------------------------------------------------------ */

#define BLUE "t/blue"
#define RED "t/red"
#define NOBODY "t/nobody" /* no context claims this cgroup */
#define SOFT "t/soft"

#define CONTEXTS                                                                                   \
	"contexts:\n"                                                                              \
	"  - { name: blue, match: { cgroup: /t/blue } }\n"                                         \
	"  - { name: red, match: { cgroup: /t/red } }\n"

/* Blue's VMM may not inject into its own VM. */
#define STRICT_BLUE "  - { name: blue, match: { cgroup: /t/blue }, strict: true }\n"

/* Only sources that the policy names may signal. */
#define NAMED_SOURCES "defaults: { unlisted_source: deny }\n"

/* Here an upgrade keeps the pins of another layout until it has taken over. */
#define PINS_OLD "/sys/fs/bpf/irqgate_old"

/* The policy registers @vectors of one device for blue. */
void enforce(const struct device *d, const char *vectors, const char *action);

/* ---- actors ----------------------------------------------------------------- */

/* @w opens the function and makes a VM and eventfds. It binds nothing. */
void equip(struct worker *w, const struct device *d);

/* A VMM after equip(); and one that has bound all vectors to its VM. */
struct worker *vmm(const char *cgroup, const struct device *d);
struct worker *bound_vmm(const char *cgroup, const struct device *d);

/* A user-space driver, which has no VM; and one that has bound all vectors. */
struct worker *driver(const char *cgroup, const struct device *d);
struct worker *bound_driver(const char *cgroup, const struct device *d);

/* A VM with emulated devices: only write(2) signals the eventfds it listens to. */
struct worker *emulator(const char *cgroup);

/* Red inherits @owner's device and eventfd 0, and makes a VM, which does not listen yet. */
struct worker *red_vm(struct worker *owner);

/* Binds all vectors to the VM. Returns the result of VFIO; KVM_IRQFD must succeed. */
enum order { IRQFD_FIRST, VFIO_FIRST };
long bind_all(struct worker *w, const struct device *d, enum order order);

/* A worker whose pid is @pid. */
struct worker *worker_with_pid(pid_t pid);

/* Lets all users open KVM and the VFIO groups that exist. */
void open_to_users(void);

/* A step of worker-evade.h; tried() fails the test if the step fails. */
long evade(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c);
long tried(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c);

/* ---- expectations ------------------------------------------------------------ */

/* @w may bind @d under deny only if it is of the device's context. Ends @w. */
void expect_member(struct worker *w, const struct device *d, bool member, const char *what);

/* @red may not listen to eventfd 0 of @owner's driver, which gets all of @times interrupts. */
void expect_irqfd_refused(struct worker *red, struct worker *owner, const struct device *d,
			  unsigned int times);

/* @red, which holds the device of @owner's VMM, may not have VFIO raise @vector. */
void expect_raise_refused(struct worker *red, struct worker *owner, const struct device *d,
			  unsigned int vector);

/* irqgate reports such an event within 3 s. The arguments are those of event_wait(). */
void expect_reported(const char *verdict, const char *reason, const char *level, const char *handle,
		     unsigned int vector);

/* Passed, dropped, ... of all vectors of a device, or of some, since mark(). */
#define COUNTS(d, ...)                                                                             \
	expect_counts((d)->handle, 0, (d)->vectors - 1, (struct counts){ __VA_ARGS__ })
#define COUNTS_OF(d, first, last, ...)                                                             \
	expect_counts((d)->handle, first, last, (struct counts){ __VA_ARGS__ })

/* irqgate stops a process that binds only until it has quarantined the vectors. */
void expect_running(struct worker *w);

/* Does `show bindings` say that the vector is in this state? */
bool vector_is(const struct device *d, unsigned int vector, const char *state);

/* How many bindings are not of host drivers. */
long vfio_bindings(void);

/* How many elements the maps have that follow the kernel's objects. */
#define OBJECT_MAPS 8
void count_maps(long counts[OBJECT_MAPS]);

/* Within 3 s each of these maps has as many elements as @before. */
void expect_maps(const long before[OBJECT_MAPS]);

/* Within 10 s no binding is left, and no eventfd, irqfd or VM that belonged to one. */
void expect_forgotten(const char *after);

#endif
