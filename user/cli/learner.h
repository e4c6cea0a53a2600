/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `irqgate learn`, as its parts share it: learn_record.c fills the first half of struct
 * learner, the other parts make a policy of it.
 */
#ifndef IRQGATE_USER_LEARNER_H
#define IRQGATE_USER_LEARNER_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include <irqgate/event.h>
#include "policy/policy.h"
#include "table/pins.h"
#include "table/rows.h"
#include "table/snapshot.h"

/* seen.owner of the host's own driver; else an index into learner.owner. */
#define OWNER_HOST (-1)

/* A process that bound a vector, created a VM, or signalled one. */
struct owner {
	struct irqgate_ident ident;
	char comm[IRQGATE_COMM_LEN + 1];
	char cgroup[512], exe[PATH_MAX]; /* "": not known */
	__u64 first, last; /* CLOCK_BOOTTIME ns */
	int context; /* index into out->contexts; -1: needs none */
};

/* A vector that an owner had bound. */
struct seen {
	__u64 handle;
	__u32 vector;
	int owner;
	__u64 vm; /* a VM of another process that listens; 0: none */
	__u64 first, last, count;
	__u8 verdict, reason;
};

/* A process that signalled a VM of another process. */
struct signaller {
	int owner, vm_owner;
	__u64 first, last, count;
};

/* A process that held a device. */
struct held {
	__u64 handle;
	int owner;
};

struct learner {
	struct pins pins;
	struct rows rows; /* of the table in force */
	struct policy *in_force; /* NULL: not known */
	struct owner *owner;
	struct seen *seen;
	struct signaller *signaller;
	struct held *held;
	size_t nowners, nseen, nsignallers, nheld;
	bool holders_unknown; /* of a holder, or whether there are more */
	struct snapshot before, after; /* of the counters */
	__u64 start; /* CLOCK_BOOTTIME ns */

	struct policy *out; /* what was learned */
	/* Comments above the rows of out; each is for free(3). */
	char **context_note, **device_note, **source_note;
	bool no_memory; /* out is not complete */
};

/* learner_more - room for one more element; NULL: no memory, which sets no_memory. */
void *learner_more(struct learner *l, void *array, size_t n, size_t size);

/* Append a zeroed element to @array, which has @n. NULL: no memory. */
#define MORE(l, array, n)                                                                          \
	({                                                                                         \
		void *grown_ = learner_more(l, array, n, sizeof(*(array)));                        \
		if (grown_)                                                                        \
			(array) = grown_;                                                          \
		grown_ ? &(array)[(n)++] : NULL;                                                   \
	})

/* note_text - printf(3) into a text for free(3); NULL: no memory. */
char *note_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* learn_record - fill owner, seen, signaller and held, until @until (0: never) or a signal */
void learn_record(struct learner *l, __u64 until);

/* learn_stop - end learn_record(); for signal handlers */
void learn_stop(int sig);

/* learn_contexts - a context for each owner that needs one */
void learn_contexts(struct learner *l);

/*
 * owner_context - the context of the policy that has this process
 * Return: its index; -1: none has.
 */
int owner_context(struct learner *l, const struct owner *o);

/*
 * owner_match - the match that should have this process when its program is started again
 * Return: false: no memory.
 */
bool owner_match(const struct owner *o, struct policy_match *match);

/* owner_name - a name that no context of the policy has, for a row with this match */
void owner_name(const struct policy *policy, const struct owner *o,
		const struct policy_match *match, char name[IRQGATE_NAME_LEN]);

/* learn_devices - a row for each device that a process bound; after learn_contexts() */
void learn_devices(struct learner *l);

/* learn_interrupts - interrupts of a vector between both snapshots */
__u64 learn_interrupts(const struct learner *l, __u64 handle, __u32 vector);

/* learn_policy - make the whole policy */
void learn_policy(struct learner *l);

/* learn_write - write it with its comments; 0 or a negative errno. Says why. */
int learn_write(const struct learner *l, FILE *out);

#endif
