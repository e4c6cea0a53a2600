/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VM tests are written in. A test is a function that returns when it
 * passed; test_fail() and test_skip() leave it at once. What it started is ended
 * by the runner: workers are killed, then irqgate is stopped.
 */
#ifndef IRQGATE_TEST_LIB_H
#define IRQGATE_TEST_LIB_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "rig.h"
#include "worker.h"

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

void test_fail(const char *fmt, ...) NORETURN PRINTF(1, 2);
void test_skip(const char *fmt, ...) NORETURN PRINTF(1, 2);

/* GOT is a result of 0 or more or -errno. */
void expect_is(long got, long want, const char *fmt, ...) PRINTF(3, 4);
#define expect(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			test_fail(__VA_ARGS__);                                                    \
	} while (0)

/* Polls CONDITION until it holds; false after MS. */
#define wait_for(ms, condition)                                                                    \
	({                                                                                         \
		uint64_t end_ = rig_now_ms() + (ms);                                               \
		bool ok_;                                                                          \
		while (!(ok_ = (condition)) && rig_now_ms() < end_)                                \
			nap(50);                                                                   \
		ok_;                                                                               \
	})
void nap(unsigned int ms);

/* How long a long test is: a number in the environment. */
long from_environment(const char *name, long usual);

struct test {
	const char *name; /* NULL ends a list */
	void (*run)(void);
};

struct test_set {
	const struct test *tests;
	size_t count;
	bool shared; /* what one starts goes on for the next, unless it failed */
	bool loader_stays; /* only the loader does */
};

/* All of an array, with the members named after it. */
#define TEST_SET(array, ...)                                                                       \
	(struct test_set)                                                                          \
	{                                                                                          \
		.tests = (array), .count = sizeof(array) / sizeof((array)[0]), ##__VA_ARGS__       \
	}

/* In a shared set: ends what those before started. */
void shared_end(void);

/* Runs the tests whose names match all of PATTERNS; returns the exit status. */
int tests_run(const struct test_set *sets, size_t count, char *const patterns[]);

/* The one that runs. */
extern const struct test *test_current;

/* Runs STEP(ARG), which may leave by test_fail(): then false, and WHY says why. */
bool test_try(void (*step)(const void *arg), const void *arg, char *why_not, size_t len);

/* ---- programs ------------------------------------------------------------ */

struct output {
	int status; /* exit status, or 128 + signal */
	char out[1 << 20], err[4096];
};

/* Runs ARGV to its end; the result is overwritten by the next call. */
const struct output *run(char *const argv[]);

/* irqgate with these arguments. Words end with NULL. */
const struct output *irqgate(const char *word, ...) __attribute__((sentinel));

/* The same for a verb that must end with STATUS. */
void verb(int status, const char *word, ...) __attribute__((sentinel));

/* The irqgate these tests are of. */
char *irqgate_path(void);

/* Until the end of the test, another build of it: "other" or "next" (Makefile). */
void irqgate_build(const char *name);

/*
 * Until it is called with NULL irqgate, the loader too, runs under strace(1), which injects
 * WHAT ("bpf:error=ENOMEM:when=3") or, if that is a path, lists the system calls there; with
 * a '+' before it also the callers of each.
 */
void irqgate_fault(const char *what);

/* The loader. It runs with the text of a policy and prints events to a file. */
void loader_start(const char *policy, ...) PRINTF(1, 2);
void loader_options(const char *option); /* one more, for the next start only */
void loader_stop(void); /* SIGTERM; must end with 0 */
void loader_kill(void); /* SIGKILL */
pid_t loader_pid(void); /* 0: none runs */
bool loader_said(const char *what); /* on stderr, since its start */
void loader_verified(void); /* prints what it said, with -v, of each program */
void loader_reload(const char *policy, ...) PRINTF(1, 2); /* SIGHUP */
void loader_with(const char *policy, ...) PRINTF(1, 2); /* either, as it runs or not */

/* The policy it runs with, and the directory of what adds to that. */
#define POLICY_FILE "/run/irqgate-test.yaml"
#define POLICY_DIR "/run/irqgate-test.d"

/* Stops the loader if it runs, unloads; nothing of irqgate may remain. */
void unload(void);
bool loaded(void);

/* ---- what irqgate says ---------------------------------------------------- */

/* `show WHAT -j`, to be released by the caller. */
struct json_object *show(const char *what);
const char *field(struct json_object *row, const char *name); /* "" if null */
long number(struct json_object *row, const char *name);

struct counts {
	long passed, dropped, denied, would_drop, leaked, audited;
};

/* From here on counts and events are new. */
void mark(void);
void mark_events(void); /* events only */

/* Does `show hooks` say that a hook is in this state? */
bool hook_is(const char *name, const char *state);

/* Since mark(). HANDLE "-" stands for what belongs to no device. */
struct counts counted(const char *handle, unsigned int vector);
struct counts counted_all(const char *handle); /* the sum of its vectors */
struct counts counted_of(const char *const *handles, size_t count); /* of all of these */
void expect_counts(const char *handle, unsigned int first, unsigned int last, struct counts want);

struct counts_step {
	struct counts now; /* of the vector, from the start */
	struct counts row, all; /* of the vector, of all but the host's: since mark() */
};

/* What was counted since mark() or the last step, from which the next counts. */
struct counts_step counts_step(const char *handle, unsigned int vector);
const char *counts_text(const struct counts *c, char buf[128]);

struct binding {
	char state[16], verdict[16], reason[16], context[64];
	long pid;
};

bool binding_of(const char *handle, unsigned int vector, struct binding *b);
void expect_state(const char *handle, unsigned int first, unsigned int last, const char *state);

/* An event since mark() with these fields (NULL: any), within 3 s. NULL: none came. */
struct json_object *event_wait(const char *verdict, const char *reason, const char *level,
			       const char *handle, unsigned int vector);

/* The same, if it has come already. */
struct json_object *event_find(const char *verdict, const char *reason, const char *level,
			       const char *handle, unsigned int vector);

/* How many events since mark() have this verdict and handle. */
long events_of(const char *verdict, const char *handle);

/* A pinned map as bpftool prints it, to be released; its elements. */
struct json_object *map_dump(const char *name);
long map_count(const char *name);

/* A number of `irqgate status`. */
long status_of(const char *name);

/* ---- workers ------------------------------------------------------------- */

/* Starts one in CGROUP (NULL: in none of a context). */
struct worker *worker_new(const char *cgroup);
struct worker *worker_as(const struct worker_options *options);
/* One in CGROUP that inherited W's device and the eventfd of VECTOR. */
struct worker *heir_of(struct worker *w, const char *cgroup, uint32_t vector);
/* Lets A pass descriptors to B. */
void make_peers(struct worker *a, struct worker *b);
void worker_end(struct worker *w, bool kill);

/* A step; no answer is a failure. */
long ask(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c);
long ask_all(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c,
	     const char *text, int fd);
long ask_text(struct worker *w, enum worker_op op, const char *text);

/* One that must succeed. */
long must(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c);

/* Letter of proc(5): R, S, T, ... */
char task_state(pid_t pid);

#endif
