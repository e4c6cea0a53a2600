/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An oracle of docs/guarantees.md and docs/policy.md: it says which interrupt may arrive where
 * after each step of several processes. It shares nothing with irqgate but those documents.
 * tests/vm/property.c does the steps and compares the real far ends with the oracle.
 *
 * A step has three numbers. A process has four slots for eventfds and at most one VM, which raises
 * local APIC vector N for the eventfd that was in slot N at KVM_IRQFD. Processes 0 and 1 have a
 * device each.
 */
#ifndef IRQGATE_TEST_ORACLE_H
#define IRQGATE_TEST_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

#define ACTORS 6
#define SLOTS 4
#define DEVICES 2
#define VECTORS 3 /* of device 0; device 1 has one */
#define EFDS 256 /* in one run */
#define CHARGES 8
#define NONE (-1) /* no eventfd */
#define GONE (-2) /* this process cannot use it any more */

/* The identity that a cgroup gives to a process. FRIEND_ is of no context, but may be a source. */
enum who { NOBODY_, BLUE_, RED_, IRON_, FRIEND_, WHOS }; /* IRON_ is strict */

enum step_code {
	S_SPAWN, /* process a of who b starts; processes 0 and 1 open their device */
	S_HEIR, /* process a of who c starts and inherits the fds of process b */
	S_END, /* process a ends, with its heirs */
	S_VM, /* process a makes a VM, or closes it */
	S_IRQFD, /* VM of process a listens to slot b */
	S_IRQFD_OFF, /* it does not any more */
	S_BIND, /* process a connects vector b to slot c */
	S_UNBIND, /* process a disconnects vector b */
	S_FIRE, /* device a raises vector b */
	S_WRITE, /* process a writes to slot b by means c */
	S_NONE, /* process a raises vector b: VFIO_DEVICE_SET_IRQS DATA_NONE */
	S_MSI, /* process a: KVM_SIGNAL_MSI of vector b */
	S_SEND, /* process a sends slot b to slot b of process c */
	S_NEW, /* process a puts a new eventfd into slot b */
	S_MOVE, /* process a moves to the cgroup of who b */
	S_EXEC, /* process a executes a program, which keeps all fds but the VM */
	S_AIO, /* process a makes an AIO completion signal slot b */
	S_GIVE, /* process a gives slot b to enum taker_kind c */
	S_GIVEN, /* process a makes this taker signal what it got from slot b */
	S_FORK, /* a child takes the place of process a */
	S_RMDIR, /* the cgroup of who a is removed, and made again when it is needed */
	S_APPLY, /* policy number a */
	S_ALLOW, /* device a, vector b, to who c */
	S_REVOKE, /* device a, vector b */
	S_KILL, /* kills the loader */
	S_START, /* starts a loader */
	STEPS,
};

/* These parts of the kernel signal an eventfd for a process that gave it to them. */
enum taker_kind { BY_RING, BY_VHOST, BY_GUEST, TAKERS }; /* io_uring, vhost, ioeventfd */

struct step {
	enum step_code code;
	int a, b, c;
};

struct policy_row {
	enum who who; /* NOBODY_: there is no row */
	bool revoked;
};

/* The policy that the number of S_APPLY stands for. */
struct oracle_policy {
	struct policy_row row[DEVICES][VECTORS];
	bool drop[DEVICES]; /* on_violation: drop; else deny */
	enum who source; /* the context that FRIEND_ may signal; NOBODY_: it is no source */
	bool anybody; /* unlisted_source: allow */
	bool unlisted; /* unlisted_device: allow */
	bool audit;
};

#define BASE_POLICY 0x0a1 /* device 0 to blue, drop; device 1 to red, deny */
void oracle_policy(int number, struct oracle_policy *p);

struct id {
	int process; /* 0: none */
	enum who who;
};

enum wait { NOT_HELD, HELD, RELEASE_PENDING, STUCK };

struct oracle {
	struct oracle_policy policy;
	bool loader;
	int processes; /* so far */
	int irqfds; /* so far */
	int nefds;
	struct actor {
		bool alive;
		struct id id;
		enum who place; /* its cgroup now */
		unsigned int parents; /* cgroups of the processes it forked from, as bits */
		int parent; /* of an heir; else -1 */
		int device; /* that it holds; else -1 */
		bool vm;
		struct id creator;
		int fd[SLOTS]; /* eventfd, -1: none */
		int listens[SLOTS]; /* eventfd to which its VM listens as vector N; else -1 */
		int since[SLOTS]; /* how many irqfds were made before that */
		bool kept[EFDS]; /* its parent still holds these after a fork */
		struct given {
			int efd; /* or NONE, GONE */
			struct id by;
		} given[SLOTS][TAKERS];
	} actor[ACTORS];
	struct efd {
		int count; /* pending count; 0 while a VM listens */
		struct id charge[CHARGES]; /* processes that made it */
		int ncharges;
		bool unseen; /* part of it came while the eventfd was not protected */
		struct id toucher[CHARGES]; /* processes that wrote, or gave it to the kernel */
		int ntouchers;
		struct id last; /* the last of them, without VMMs that listen */
		bool seen_last; /* it was protected at that moment */
		bool watched; /* it is protected, or was once */
		bool early; /* a ring got it while it was not protected */
		bool unwatched; /* ... and never had been, so irqgate cannot know the signaller */
		bool mixed; /* an earlier process without permission stays answerable */
		bool lost; /* the cgroup of one of these processes was removed */
	} efd[EFDS];
	struct bound {
		int efd; /* -1: none */
		struct id by;
		enum wait wait; /* is it quarantined? */
		bool dropped; /* an interrupt was dropped, and is replayed at the release */
		bool latched; /* the device may have kept one, and sends it when connected */
	} bound[DEVICES][VECTORS];
	/* Unauthorized interrupts that no hook can stop. They must, or may, count as leaked. */
	long must_leak, may_leak;
};

/* Interrupts that must arrive after a step, and those that may. No other may arrive. */
struct seen {
	unsigned int must[ACTORS], may[ACTORS]; /* vectors of its VM, as bits */
	int must_count[EFDS], may_count[EFDS]; /* growth of eventfds without a listener */
	bool leak; /* one may arrive only if it counts as leaked, of ... */
	int device, vector; /* ... this one */
};

void oracle_begin(struct oracle *m);

/* Can the step be done at all? If not, it is left out. */
bool oracle_can(const struct oracle *m, const struct step *s);

/*
 * The step was done with @result (0 or more, or -errno). NULL: the oracle allows that. Else the
 * text says what is wrong.
 */
const char *oracle_step(struct oracle *m, const struct step *s, long result, struct seen *seen);

/* The loader releases a vector some time after it is allowed. Does this one wait for that? */
bool oracle_awaits_release(const struct oracle *m, int device, int vector);
void oracle_released(struct oracle *m, int device, int vector);

/* A process that has the eventfd in *@slot. -1: no process has. */
int oracle_holder(const struct oracle *m, int efd, int *slot);
bool oracle_listened(const struct oracle *m, int efd);

/* A verb may fail if a quarantine cannot be released any more. */
bool oracle_stuck(const struct oracle *m);

/* Print and parse a line of a reproducer. False: the line is no step. */
void step_print(const struct step *s, char buf[64]);
bool step_parse(const char *line, struct step *s);

#endif
