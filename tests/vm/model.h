/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ought to happen, by docs/guarantees.md and docs/policy.md alone: which interrupt
 * may arrive where after each step of several processes. Shares nothing with irqgate but
 * those documents; tests/vm/property.c does the steps and holds reality against this.
 *
 * A step has three numbers. A process has four descriptors for eventfds; at most one VM,
 * which raises local APIC vector N for the eventfd that was descriptor N; processes 0 and
 * 1 have a device each.
 */
#ifndef IRQGATE_TEST_MODEL_H
#define IRQGATE_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#define ACTORS 6
#define SLOTS 4
#define DEVICES 2
#define VECTORS 3 /* of device 0; device 1 has one */
#define EFDS 256 /* of one run */
#define CHARGES 8
#define NONE (-1) /* no eventfd */
#define GONE (-2) /* not this process's to use any more */

/* Whom a cgroup makes a process. FRIEND is of no context: it may be a source. */
enum who { NOBODY_, BLUE_, RED_, IRON_, FRIEND_, WHOS }; /* IRON is strict */

enum step_code {
	S_SPAWN, /* process a of who b; with a device if it is to have one */
	S_HEIR, /* process a, who c, inherits what b has */
	S_END, /* process a; with its heirs */
	S_VM, /* process a gets one, or loses it */
	S_IRQFD, /* VM of process a listens to descriptor b */
	S_IRQFD_OFF,
	S_BIND, /* process a connects vector b to descriptor c */
	S_UNBIND, /* vector b */
	S_FIRE, /* device a raises vector b */
	S_WRITE, /* process a to descriptor b by means c */
	S_NONE, /* process a has vector b signalled: VFIO_DEVICE_SET_IRQS DATA_NONE */
	S_MSI, /* process a: KVM_SIGNAL_MSI of vector b */
	S_SEND, /* process a sends descriptor b to process c, as descriptor b there */
	S_NEW, /* process a: descriptor b is a new eventfd */
	S_MOVE, /* process a goes to the cgroup of who b */
	S_EXEC, /* process a executes a program, which keeps what it has but its VM */
	S_AIO, /* process a has an AIO completion signal descriptor b */
	S_GIVE, /* process a gives descriptor b to enum taker_kind c */
	S_GIVEN, /* process a has that signal what it was given for descriptor b */
	S_FORK, /* a child goes on in place of process a */
	S_RMDIR, /* the cgroup of who a goes, and is made again when it is needed */
	S_APPLY, /* the policy that a stands for */
	S_ALLOW, /* device a, vector b, to who c */
	S_REVOKE, /* device a, vector b */
	S_KILL, /* the loader */
	S_START,
	STEPS,
};

/* What signals for a process, from within the kernel, what it was given once. */
enum taker_kind { BY_RING, BY_VHOST, BY_GUEST, TAKERS }; /* io_uring, vhost, ioeventfd */

struct step {
	enum step_code code;
	int a, b, c;
};

struct policy_row {
	enum who who; /* NOBODY_: not listed */
	bool revoked;
};

/* What S_APPLY's number stands for. */
struct model_policy {
	struct policy_row row[DEVICES][VECTORS];
	bool drop[DEVICES]; /* else deny */
	enum who source; /* whom FRIEND_ may signal, NOBODY_: it is no source */
	bool anybody; /* sources that are not listed may signal */
	bool audit;
};

#define BASE_POLICY 0x0a1 /* device 0 to blue, drop; device 1 to red, deny */
void model_policy(int number, struct model_policy *p);

struct id {
	int process; /* 0: none */
	enum who who;
};

enum wait { NOT_HELD, HELD, RELEASE_PENDING, STUCK };

struct model {
	struct model_policy policy;
	bool loader;
	int processes; /* so far */
	int irqfds; /* so far */
	int nefds;
	struct actor {
		bool alive;
		struct id id;
		enum who place; /* its cgroup now */
		unsigned int parents; /* bits: cgroups of those it forked from */
		int parent; /* of an heir, else -1 */
		int device; /* it holds, else -1 */
		bool vm;
		struct id creator;
		int fd[SLOTS]; /* eventfd, -1: none */
		int listens[SLOTS]; /* its VM, as vector N, to which eventfd; -1 */
		int since[SLOTS]; /* so many listened before */
		bool kept[EFDS]; /* by the parent after a fork */
		struct given {
			int efd; /* or NONE, GONE */
			struct id by;
		} given[SLOTS][TAKERS];
	} actor[ACTORS];
	struct efd {
		int count; /* nobody took yet; while a VM listens it is 0 */
		struct id charge[CHARGES]; /* who made it so */
		int ncharges;
		bool unseen; /* some when it was no eventfd of interrupts */
		struct id toucher[CHARGES]; /* whoever made the kernel hold it, or wrote */
		int ntouchers;
		struct id last; /* the last of them but for VMMs that listen */
		bool seen_last; /* it was an eventfd of interrupts then */
		bool mixed; /* one who may not was there before, and stays answerable */
		bool lost; /* of some the cgroup is gone */
	} efd[EFDS];
	struct bound {
		int efd; /* -1: none */
		struct id by;
		enum wait wait; /* is it quarantined? */
		bool latched; /* the device may keep one to be sent when it is connected */
	} bound[DEVICES][VECTORS];
	/* Interrupts that arrived unauthorized, which no hook can stop: told as leaks. */
	long must_leak, may_leak;
};

/* What may be seen after a step. What is in neither must not be. */
struct seen {
	unsigned int must[ACTORS], may[ACTORS]; /* vectors of its VM, as bits */
	int must_count[EFDS], may_count[EFDS]; /* by how much an eventfd nobody listens to grew */
	bool leak; /* what may be seen only if it is counted as leaked of ... */
	int device, vector;
};

void model_begin(struct model *m);

/* Can the step be done at all? If not it is left out. */
bool model_can(const struct model *m, const struct step *s);

/*
 * The step was done with RESULT (0 or more, or -errno). NULL: that may be; else what is
 * wrong with it.
 */
const char *model_step(struct model *m, const struct step *s, long result, struct seen *seen);

/* A vector that is to be fired and whose release is awaited: the loader does it by and by. */
bool model_awaits_release(const struct model *m, int device, int vector);
void model_released(struct model *m, int device, int vector);

/* Who has a descriptor of an eventfd, as *SLOT; -1: no process that serves. */
int model_holder(const struct model *m, int efd, int *slot);
bool model_listened(const struct model *m, int efd);

/* A verb may fail if a quarantine cannot be released any more. */
bool model_stuck(const struct model *m);

/* One line of a reproducer, and back. False: no step. */
void step_print(const struct step *s, char buf[64]);
bool step_parse(const char *line, struct step *s);

#endif
