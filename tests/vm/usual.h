/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine the tests run on, the usual policy, and who does what under it. */
#ifndef IRQGATE_TEST_USUAL_H
#define IRQGATE_TEST_USUAL_H

#include "lib.h"

struct device {
	char bdf[RIG_BDF_LEN];
	char handle[RIG_BDF_LEN + 4];
	unsigned int vectors; /* 0: this machine has none */
};

extern struct device edu, edu2; /* MSI */
extern struct device nic, igb; /* MSI-X */

/* Fills them in; false: this is no machine of tests/vm/boot. */
bool find_devices(void);
void with(const struct device *d); /* skips the test on a machine without it */

#define BLUE "t/blue"
#define RED "t/red"
#define NOBODY "t/nobody" /* a cgroup no context claims */
#define SOFT "t/soft"

#define CONTEXTS                                                                                   \
	"contexts:\n"                                                                              \
	"  - { name: blue, match: { cgroup: /t/blue } }\n"                                         \
	"  - { name: red, match: { cgroup: /t/red } }\n"
#define ENFORCE "version: 1\nmode: enforce\n"
#define AUDIT "version: 1\nmode: audit\n"
#define ROW "  - { handle: \"%s\", context: %s, vectors: %s, on_violation: %s }\n"

void copy_self(const char *path); /* the executable of the tests */
void write_text(const char *path, const char *text);

/* One device, registered for blue. */
void enforce(const struct device *d, const char *vectors, const char *action);

/* A VMM that has opened its function and bound nothing yet. */
void equip(struct worker *w, const struct device *d);
struct worker *vmm(const char *cgroup, const struct device *d);

/* A user-space driver: the same without a VM. */
struct worker *driver(const char *cgroup, const struct device *d);

enum order { IRQFD_FIRST, VFIO_FIRST };

/* All vectors. The result is VFIO's; KVM must agree. */
long bind_all(struct worker *w, const struct device *d, enum order order);
struct worker *bound_vmm(const char *cgroup, const struct device *d);

/* Emulated devices: eventfds with no source but who writes to them. */
struct worker *emulator(const char *cgroup);

/* Is W of the context a device is registered for, under deny? */
void expect_member(struct worker *w, const struct device *d, bool member, const char *what);
void expect_running(struct worker *w);

/* Lets everybody use KVM and the VFIO groups there are. */
void open_to_users(void);

/* Passed, dropped, ... of every vector of a device since mark(). */
#define COUNTS(d, ...)                                                                             \
	expect_counts((d)->handle, 0, (d)->vectors - 1, (struct counts){ __VA_ARGS__ })
#define COUNTS_OF(d, first, last, ...)                                                             \
	expect_counts((d)->handle, first, last, (struct counts){ __VA_ARGS__ })

/* tests/vm/policy.c */
void policy_dry_run(void);
void policy_stream(void);
void policy_errors(void);
void policy_files(void);
void policy_follow(void);
void policy_select(void);
void policy_learn(void);
void policy_explain(void);
void policy_metrics(void);
void policy_monitor(void);
void policy_journal(void);
void policy_unread(void);

/* tests/vm/ops.c */
void expect_privileges(bool unhooked); /* of the loader; unhooked: a module is missing yet */
void ops_privileges(void);
void ops_top(void);
void ops_graph(void);

#endif
