/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine of tests/vm/boot, and the usual policy on it. */
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

/* irqgate with one device, registered for blue. */
void enforce(const struct device *d, const char *vectors, const char *action);

/* Lets a worker open a function and make a VM with eventfds; nothing is bound yet. */
void equip(struct worker *w, const struct device *d);

/* This program under another name, for a worker's. */
void copy_self(const char *path);

/* Lets everybody use KVM and the VFIO groups there are. */
void open_to_users(void);

enum order { IRQFD_FIRST, VFIO_FIRST };

/* All vectors. The result is VFIO's; KVM must agree. */
long bind_all(struct worker *w, const struct device *d, enum order order);

/* A VMM in CGROUP that has opened its function and bound nothing yet. */
struct worker *vmm(const char *cgroup, const struct device *d);

/* One that has bound all vectors. */
struct worker *bound_vmm(const char *cgroup, const struct device *d);

/* Passed, dropped, ... of every vector of a device since mark(). */
#define COUNTS(d, ...)                                                                             \
	expect_counts((d)->handle, 0, (d)->vectors - 1, (struct counts){ __VA_ARGS__ })
#define COUNTS_OF(d, first, last, ...)                                                             \
	expect_counts((d)->handle, first, last, (struct counts){ __VA_ARGS__ })

/* ---- ops.c: what operators use --------------------------------------------- */

/* The loader holds just what it needs; UNHOOKED: a module is missing yet. */
void expect_privileges(bool unhooked);

void ops_privileges(void);
void ops_top(void);
void ops_graph(void);

#endif
