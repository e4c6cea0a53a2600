/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions that VM tests call. A test is a function that returns when it passed;
 * test_fail() and test_skip() leave it at once. The runner ends what the test started: it
 * kills the workers, then it stops irqgate.
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

/* @got is 0 or more, or -errno. */
void expect_is(long got, long want, const char *fmt, ...) PRINTF(3, 4);
#define expect(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			test_fail(__VA_ARGS__);                                                    \
	} while (0)

/* Polls @condition until it holds. False if it does not within @ms. */
#define wait_for(ms, condition)                                                                    \
	({                                                                                         \
		uint64_t end_ = rig_now_ms() + (ms);                                               \
		bool ok_;                                                                          \
		while (!(ok_ = (condition)) && rig_now_ms() < end_)                                \
			nap(50);                                                                   \
		ok_;                                                                               \
	})
void nap(unsigned int ms);

/* A number in the environment that says how long a long test is; @usual if it is not set. */
long from_environment(const char *name, long usual);

struct test {
	const char *name; /* PART.NAME */
	void (*run)(void);
};

struct test_set {
	const struct test *tests;
	size_t count;
	bool shared; /* loader and workers go on for the next test, unless a test fails */
	bool loader_stays; /* only the loader goes on */
	bool joined; /* the next set goes on where this one ended, as if both were one */
};

/* A set of all tests of @array. Values of other members may follow it. */
#define TEST_SET(array, ...)                                                                       \
	(struct test_set)                                                                          \
	{                                                                                          \
		.tests = (array), .count = sizeof(array) / sizeof((array)[0]), ##__VA_ARGS__       \
	}

/* In a shared set: ends all that earlier tests started, or only their workers. */
void shared_end(void);
void workers_end(void);

/*
 * Runs the tests whose names match every pattern; a pattern after '!' must not match. Returns the
 * exit status.
 */
int tests_run(const struct test_set *sets, size_t count, char *const patterns[]);

/* The test that runs. */
extern const struct test *test_current;

/* Runs @step(@arg). False if it leaves by test_fail(), whose text is in @why_not. */
bool test_try(void (*step)(const void *arg), const void *arg, char *why_not, size_t len);

/* ---- programs ------------------------------------------------------------ */

struct output {
	int status; /* exit status, or 128 + signal */
	char out[1 << 20], err[4096];
};

/* Runs @argv to its end. The next call overwrites the result. */
const struct output *run(char *const argv[]);

/* irqgate with these arguments. Words end with NULL. */
const struct output *irqgate(const char *word, ...) __attribute__((sentinel));

/* The same for a verb that must end with @status. */
void verb(int status, const char *word, ...) __attribute__((sentinel));

/* Path of the irqgate under test. */
char *irqgate_path(void);

/* Until the end of the test, use another build of irqgate: "other" or "next" (Makefile). */
void irqgate_build(const char *name);

/*
 * Until a call with NULL, irqgate and its loader run under strace(1). strace injects @what
 * ("bpf:error=ENOMEM:when=3"). If @what is a path, strace lists the system calls there; with a
 * '+' before the path, also the callers of each.
 */
void irqgate_fault(const char *what);

/* The loader runs with the text of a policy and prints events to a file. */
void loader_start(const char *policy, ...) PRINTF(1, 2); /* stops the old one first */
void loader_options(const char *option); /* one more, for the next start only */
void loader_stop(void); /* SIGTERM; must end with 0 */
void loader_kill(void); /* SIGKILL */
pid_t loader_pid(void); /* 0: no loader runs */
void loader_pause(bool on); /* SIGSTOP or SIGCONT to it and its children */
bool loader_said(const char *what); /* on stderr, since it or the test started */
void loader_verified(void); /* prints the verifier's numbers, if it runs with -v */
void loader_reload(const char *policy, ...) PRINTF(1, 2); /* SIGHUP */
void loader_with(const char *policy, ...) PRINTF(1, 2); /* reloads, or starts if none runs */

/* The loader's policy, and the directory of files that add to it. */
#define POLICY_FILE "/run/irqgate-test.yaml"
#define POLICY_DIR "/run/irqgate-test.d"

/* Revocations outlast tables and tests. This removes all; the next table is without them. */
void revocations_forget(void);

/* Stops the loader if it runs, and unloads. Nothing of irqgate may remain. */
void unload(void);
bool loaded(void);

/* ---- what irqgate says ---------------------------------------------------- */

/* `show WHAT -j`. The caller releases it. */
struct json_object *show(const char *what);
const char *field(struct json_object *row, const char *name); /* "" if null */
long number(struct json_object *row, const char *name);

struct counts {
	long passed, dropped, denied, would_drop, leaked, audited;
	long replayed; /* not compared by expect_counts() */
};

/* Counts and events count from here on. */
void mark(void);
void mark_events(void); /* events only */

/* Does `show hooks` say that a hook is in this state? */
bool hook_is(const char *name, const char *state);

/* Counts since mark(). Handle "-" has those that belong to no device. */
struct counts counted(const char *handle, unsigned int vector);
struct counts counted_all(const char *handle); /* the sum of its vectors */
struct counts counted_of(const char *const *handles, size_t count); /* the sum of these */
void expect_counts(const char *handle, unsigned int first, unsigned int last, struct counts want);

struct counts_step {
	struct counts now; /* of the vector, from the start */
	struct counts row; /* of the vector, since mark() */
	struct counts all; /* of all rows but those of context host, since mark() */
};

/* Counts since mark() or the last step. The next step counts from here. */
struct counts_step counts_step(const char *handle, unsigned int vector);
const char *counts_text(const struct counts *c, char buf[128]);

struct binding {
	char state[16], verdict[16], reason[16], context[64];
	long pid;
};

bool binding_of(const char *handle, unsigned int vector, struct binding *b);
void expect_state(const char *handle, unsigned int first, unsigned int last, const char *state);

/*
 * Waits up to 3 s for an event with these fields (NULL: any). It may have come since mark(). NULL:
 * no such event came.
 */
struct json_object *event_wait(const char *verdict, const char *reason, const char *level,
			       const char *handle, unsigned int vector);

/* The same without waiting. */
struct json_object *event_find(const char *verdict, const char *reason, const char *level,
			       const char *handle, unsigned int vector);

/* Did such an event of process @pid come since mark()? */
bool event_by(pid_t pid, const char *verdict, const char *reason, const char *level,
	      const char *handle);

/* How many events since mark() have this verdict and handle. */
long events_of(const char *verdict, const char *handle);

/* A pinned map as bpftool prints it, which the caller releases; the number of its elements. */
struct json_object *map_dump(const char *name);
long map_count(const char *name);

/* A number of `irqgate status`. */
long status_of(const char *name);

/* ---- workers ------------------------------------------------------------- */

/* Starts a worker in @cgroup. NULL: in the cgroup of the tests, which no context has. */
struct worker *worker_new(const char *cgroup);
struct worker *worker_as(const struct worker_options *options);
/* Starts a worker in @cgroup that inherits @w's device and the eventfd of @vector. */
struct worker *heir_of(struct worker *w, const char *cgroup, uint32_t vector);
/* Connects @a and @b, so that each can pass fds to the other. */
void make_peers(struct worker *a, struct worker *b);
void worker_end(struct worker *w, bool kill);

/* A step. The test fails if the worker does not answer. */
long ask(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c);
long ask_all(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c,
	     const char *text, int fd);
long ask_text(struct worker *w, enum worker_op op, const char *text);

/* A step that must succeed. */
long must(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c);

/* Letter of proc(5): R, S, T, ... */
char task_state(pid_t pid);

#endif
