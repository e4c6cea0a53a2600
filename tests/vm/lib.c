// SPDX-License-Identifier: GPL-2.0-only
#include "lib.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <irqgate/table.h>

#define EVENTS "/run/irqgate-test.events"
#define ERRORS "/run/irqgate-test.err"
#define PINS "/sys/fs/bpf/irqgate"
#define BPFTOOL "/usr/sbin/bpftool"
#define READY_MS 180000 /* loading takes long where CPUs are emulated and shared */
#define EVENT_MS 3000
#define MAX_WORDS 24
#define STRACE "/usr/bin/strace"
#define MAX_WORKERS 16
#define MAX_ROWS 256

const struct test *test_current;

static jmp_buf leave;
static enum { PASSED, FAILED, SKIPPED } outcome;
static char why[512];

static pid_t loader;
static const char *loader_option;
static long events_from, errors_from; /* offsets in EVENTS and ERRORS */
static struct worker workers[MAX_WORKERS];

struct row {
	char handle[32];
	long vector;
	bool host; /* registered for context host */
	struct counts count;
};

static struct row marked[MAX_ROWS];
static unsigned int nmarked;

/* ---- outcome ------------------------------------------------------------- */

static NORETURN void end_test(int as, const char *fmt, va_list ap)
{
	outcome = as;
	vsnprintf(why, sizeof(why), fmt, ap);
	longjmp(leave, 1);
}

void test_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end_test(FAILED, fmt, ap);
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end_test(SKIPPED, fmt, ap);
}

bool test_try(void (*step)(const void *arg), const void *arg, char *why_not, size_t len)
{
	jmp_buf outer;
	bool ok;

	memcpy(&outer, &leave, sizeof(outer));
	ok = !setjmp(leave);
	if (ok)
		step(arg);
	memcpy(&leave, &outer, sizeof(outer));
	if (!ok) {
		snprintf(why_not, len, "%s", why);
		outcome = PASSED;
		why[0] = '\0';
	}
	return ok;
}

static const char *result_text(long result, char buf[24])
{
	if (result < 0)
		return rig_errname((int)result);
	snprintf(buf, 24, "%ld", result);
	return buf;
}

void expect_is(long got, long want, const char *fmt, ...)
{
	char what[256], a[24], b[24];
	va_list ap;

	if (got == want)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	test_fail("%s: %s, expected %s", what, result_text(got, a), result_text(want, b));
}

void nap(unsigned int ms)
{
	usleep(ms * 1000);
}

/* ---- programs ------------------------------------------------------------ */

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void read_from(const char *path, long offset, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");
	size_t n = f && !fseek(f, offset, SEEK_SET) ? fread(buf, 1, len - 1, f) : 0;

	buf[n] = '\0';
	if (f)
		fclose(f);
}

static void read_file(const char *path, char *buf, size_t len)
{
	read_from(path, 0, buf, len);
}

static long size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_size;
}

static pid_t spawn(char *const argv[], const char *out, const char *err)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		test_fail("fork: %s", rig_errname(errno));
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);
		int o = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		int e = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		if (dup2(null, 0) < 0 || dup2(o, 1) < 0 || dup2(e, 2) < 0)
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

const struct output *run(char *const argv[])
{
	static struct output o;
	static const char out[] = "/run/irqgate-test.run.out", err[] = "/run/irqgate-test.run.err";

	o.status = reap(spawn(argv, out, err));
	read_file(out, o.out, sizeof(o.out));
	read_file(err, o.err, sizeof(o.err));
	return &o;
}

static const char *build = "";

void irqgate_build(const char *name)
{
	build = name;
}

/* irqgate is beside the directory of this program. */
char *irqgate_path(void)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	char *slash;
	int i;

	path[n > 0 ? n : 0] = '\0';
	for (i = 0; i < 2; i++) {
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
	}
	snprintf(path + strlen(path), 32, "%s%s/irqgate", *build ? "/" : "", build);
	return path;
}

static const char *fault;

void irqgate_fault(const char *what)
{
	fault = what;
}

/*
 * The path of irqgate, after the words of strace if a fault is set. @apart: strace is no parent
 * of the loader.
 */
static int command(char *argv[MAX_WORDS], bool apart)
{
	static char option[128], trace[64];
	int n = 0;

	if (fault) {
		bool lists = strchr("+/", *fault);

		snprintf(option, sizeof(option), "%s%s",
			 lists ? "" : "inject=", fault + (*fault == '+'));
		snprintf(trace, sizeof(trace), "trace=%.*s", (int)strcspn(fault, ":"), fault);
		argv[n++] = STRACE;
		if (apart)
			argv[n++] = "-D";
		argv[n++] = *fault == '+' ? "-qqfk" : "-qqf";
		argv[n++] = "-o";
		argv[n++] = lists ? option : "/dev/null";
		if (!lists) {
			/*
			 * With --seccomp-bpf the loader does not stop at other system calls, of
			 * which it makes tens of thousands. But strace cannot inject a signal
			 * where a filter stops the process.
			 */
			if (!strstr(fault, ":signal="))
				argv[n++] = "--seccomp-bpf";
			argv[n++] = "-e";
			argv[n++] = trace;
			argv[n++] = "-e";
			argv[n++] = option;
		}
	}
	argv[n++] = irqgate_path();
	return n;
}

static void words(char *argv[MAX_WORDS], const char *word, va_list ap)
{
	int n = command(argv, false);

	for (; word && n < MAX_WORDS - 1; word = va_arg(ap, const char *))
		argv[n++] = (char *)word;
	argv[n] = NULL;
}

const struct output *irqgate(const char *word, ...)
{
	char *argv[MAX_WORDS];
	va_list ap;

	va_start(ap, word);
	words(argv, word, ap);
	va_end(ap);
	return run(argv);
}

void verb(int status, const char *word, ...)
{
	char *argv[MAX_WORDS];
	const struct output *o;
	va_list ap;

	va_start(ap, word);
	words(argv, word, ap);
	va_end(ap);
	o = run(argv);
	if (o->status != status)
		test_fail("irqgate %s %s: exit %d, expected %d: %s", word, argv[2] ? argv[2] : "",
			  o->status, status, o->err);
}

pid_t loader_pid(void)
{
	return loader;
}

void loader_pause(bool on)
{
	char path[64];
	int pid;
	FILE *f;

	kill(loader_pid(), on ? SIGSTOP : SIGCONT);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", loader_pid(), loader_pid());
	f = fopen(path, "re");
	expect(f, "%s: %s", path, rig_errname(errno));
	while (fscanf(f, "%d", &pid) == 1)
		kill(pid, on ? SIGSTOP : SIGCONT);
	fclose(f);
}

void loader_options(const char *option)
{
	loader_option = option;
}

bool loader_said(const char *what)
{
	char text[32768];

	read_from(ERRORS, errors_from, text, sizeof(text));
	return strstr(text, what);
}

void loader_verified(void)
{
	unsigned int processed, states, bytes;
	char line[512], name[64], stack[256];
	FILE *f = fopen(ERRORS, "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line,
			   "verifier: %63[^:]: %u instructions processed, %u states, stack "
			   "%255[^,], %u bytes",
			   name, &processed, &states, stack, &bytes) == 5)
			printf("budget\t%s %u %u %s %u\n", name, processed, states, stack, bytes);
	if (f)
		fclose(f);
}

static void write_policy(const char *policy, va_list ap)
{
	/* The loader watches the file, so rename(2) replaces it as a whole. */
	static const char new[] = POLICY_FILE ".new";
	FILE *f = fopen(new, "we");

	if (!f)
		test_fail("%s: %s", new, rig_errname(errno));
	fchmod(fileno(f), 0600);
	vfprintf(f, policy, ap);
	if (fclose(f) || rename(new, POLICY_FILE))
		test_fail(POLICY_FILE ": %s", rig_errname(errno));
}

/* Starts the loader with the policy that was written. */
static void start(void)
{
	char *argv[MAX_WORDS];
	int n = command(argv, true);
	/* Looking for the callers of each system call takes far longer. */
	long ready_ms = fault && *fault == '+' ? 20 * READY_MS : READY_MS;
	uint64_t end = rig_now_ms() + (uint64_t)ready_ms;
	char text[512];

	argv[n++] = "run";
	argv[n++] = "-j";
	argv[n++] = "--policy";
	argv[n++] = POLICY_FILE;
	argv[n++] = (char *)loader_option;
	argv[n] = NULL;
	loader_option = NULL;
	unlink(ERRORS); /* an earlier loader's "ready" must not count for this one */
	unlink(EVENTS);
	events_from = 0;
	errors_from = 0;
	loader = spawn(argv, EVENTS, ERRORS);
	while (!loader_said("irqgate: ready")) {
		int status;

		if (waitpid(loader, &status, WNOHANG) == loader) {
			loader = 0;
			read_file(ERRORS, text, sizeof(text));
			test_fail("irqgate run: exit %d: %s", WEXITSTATUS(status), text);
		}
		if (rig_now_ms() > end)
			test_fail("irqgate run: not ready after %ld s", ready_ms / 1000);
		nap(20);
	}
}

/* How often the loader has reloaded the policy since it or the test started. */
static unsigned int reloads(void)
{
	char text[32768], *p = text;
	unsigned int n = 0;

	read_from(ERRORS, errors_from, text, sizeof(text));
	for (; (p = strstr(p, "reloaded the policy")); p++)
		n++;
	return n;
}

static void reload(void)
{
	unsigned int before = reloads();

	/* SIGHUP forces a reload: the loader may have noticed the new file before. */
	kill(loader, SIGHUP);
	/* The loader may be loading programs, which takes long on a busy machine. */
	expect(wait_for(30000, reloads() != before), "the policy was not reloaded");
}

#define WRITE_POLICY(policy)                                                                       \
	do {                                                                                       \
		va_list ap_;                                                                       \
                                                                                                   \
		va_start(ap_, policy);                                                             \
		write_policy(policy, ap_);                                                         \
		va_end(ap_);                                                                       \
	} while (0)

void loader_start(const char *policy, ...)
{
	if (loader)
		loader_stop();
	WRITE_POLICY(policy);
	start();
}

void loader_reload(const char *policy, ...)
{
	WRITE_POLICY(policy);
	reload();
}

void loader_with(const char *policy, ...)
{
	WRITE_POLICY(policy);
	if (loader)
		reload();
	else
		start();
}

static int loader_end(int sig)
{
	pid_t pid = loader;

	loader = 0;
	if (!pid)
		return 0;
	kill(pid, sig);
	kill(pid, SIGCONT);
	return reap(pid);
}

void loader_stop(void)
{
	int status = loader_end(SIGTERM);

	expect(!status, "irqgate run: exit %d after SIGTERM", status);
}

void loader_kill(void)
{
	loader_end(SIGKILL);
}

bool loaded(void)
{
	return !access(PINS, F_OK);
}

void unload(void)
{
	loader_stop();
	if (!loaded())
		return;
	verb(0, "unload", NULL);
	expect(!loaded(), "unload left " PINS);
}

/* ---- what irqgate says ---------------------------------------------------- */

struct json_object *show(const char *what)
{
	const struct output *o = irqgate("show", what, "-j", NULL);
	struct json_object *rows;

	expect(!o->status, "show %s: exit %d: %s", what, o->status, o->err);
	rows = json_tokener_parse(o->out);
	expect(json_object_is_type(rows, json_type_array), "show %s -j: no JSON array", what);
	return rows;
}

const char *field(struct json_object *row, const char *name)
{
	struct json_object *value = json_object_object_get(row, name);

	return value ? json_object_get_string(value) : "";
}

long number(struct json_object *row, const char *name)
{
	return json_object_get_int64(json_object_object_get(row, name));
}

static unsigned int counts_read(struct row rows[MAX_ROWS])
{
	struct json_object *all = show("stats");
	size_t n = json_object_array_length(all), i;

	for (i = 0; i < n && i < MAX_ROWS; i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		snprintf(rows[i].handle, sizeof(rows[i].handle), "%s", field(o, "handle"));
		rows[i].vector = number(o, "vector");
		rows[i].host = !strcmp(field(o, "context"), "host");
		rows[i].count = (struct counts){ number(o, "passed"),  number(o, "dropped"),
						 number(o, "denied"),  number(o, "would_drop"),
						 number(o, "leaked"),  number(o, "audited"),
						 number(o, "replayed") };
	}
	json_object_put(all);
	return (unsigned int)i;
}

static struct counts find_counts(const struct row *rows, unsigned int n, const char *handle,
				 unsigned int vector)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (rows[i].vector == vector && !strcmp(rows[i].handle, handle))
			return rows[i].count;
	return (struct counts){};
}

void mark_events(void)
{
	events_from = size_of(EVENTS);
}

void mark(void)
{
	nmarked = loaded() ? counts_read(marked) : 0;
	mark_events();
}

static struct counts delta(const struct row *rows, unsigned int n, const char *handle,
			   unsigned int vector)
{
	struct counts then = find_counts(marked, nmarked, handle, vector);
	struct counts now = find_counts(rows, n, handle, vector);

	return (struct counts){ now.passed - then.passed,    now.dropped - then.dropped,
				now.denied - then.denied,    now.would_drop - then.would_drop,
				now.leaked - then.leaked,    now.audited - then.audited,
				now.replayed - then.replayed };
}

bool hook_is(const char *name, const char *state)
{
	struct json_object *all = show("hooks"), *o;
	bool is = false;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		o = json_object_array_get_idx(all, i);
		is |= !strcmp(field(o, "hook"), name) && !strcmp(field(o, "state"), state);
	}
	json_object_put(all);
	return is;
}

struct counts counted(const char *handle, unsigned int vector)
{
	static struct row rows[MAX_ROWS];
	unsigned int n = counts_read(rows);

	return delta(rows, n, handle, vector);
}

static void counts_add(struct counts *sum, struct counts c)
{
	sum->passed += c.passed;
	sum->dropped += c.dropped;
	sum->denied += c.denied;
	sum->would_drop += c.would_drop;
	sum->leaked += c.leaked;
	sum->audited += c.audited;
	sum->replayed += c.replayed;
}

struct counts counted_of(const char *const *handles, size_t count)
{
	static struct row rows[MAX_ROWS];
	unsigned int n = counts_read(rows), i;
	struct counts sum = {};
	size_t h;

	for (h = 0; h < count; h++)
		for (i = 0; i < n; i++)
			if (!strcmp(rows[i].handle, handles[h]))
				counts_add(&sum, delta(rows, n, handles[h],
						       (unsigned int)rows[i].vector));
	return sum;
}

struct counts counted_all(const char *handle)
{
	return counted_of(&handle, 1);
}

struct counts_step counts_step(const char *handle, unsigned int vector)
{
	static struct row rows[MAX_ROWS];
	unsigned int n = counts_read(rows), i;
	struct counts_step step = {
		.now = find_counts(rows, n, handle, vector),
		.row = delta(rows, n, handle, vector),
	};

	for (i = 0; i < n; i++)
		if (!rows[i].host)
			counts_add(&step.all,
				   delta(rows, n, rows[i].handle, (unsigned int)rows[i].vector));
	memcpy(marked, rows, n * sizeof(rows[0]));
	nmarked = n;
	return step;
}

const char *counts_text(const struct counts *c, char buf[128])
{
	snprintf(buf, 128,
		 "passed %ld dropped %ld denied %ld would_drop %ld leaked %ld audited %ld",
		 c->passed, c->dropped, c->denied, c->would_drop, c->leaked, c->audited);
	return buf;
}

void expect_counts(const char *handle, unsigned int first, unsigned int last, struct counts want)
{
	static struct row rows[MAX_ROWS];
	unsigned int n = counts_read(rows), vector;
	char a[128], b[128];

	for (vector = first; vector <= last; vector++) {
		struct counts got = delta(rows, n, handle, vector);

		/* Replays depend on timing; replay.* compares them. */
		want.replayed = got.replayed;
		if (memcmp(&got, &want, sizeof(got)))
			test_fail("%s vector %u counted %s, expected %s", handle, vector,
				  counts_text(&got, a), counts_text(&want, b));
	}
}

static bool find_binding(struct json_object *all, const char *handle, unsigned int vector,
			 struct binding *b)
{
	size_t n = json_object_array_length(all), i;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		if (strcmp(field(o, "handle"), handle) || number(o, "vector") != vector)
			continue;
		snprintf(b->state, sizeof(b->state), "%s", field(o, "state"));
		snprintf(b->verdict, sizeof(b->verdict), "%s", field(o, "verdict"));
		snprintf(b->reason, sizeof(b->reason), "%s", field(o, "reason"));
		snprintf(b->context, sizeof(b->context), "%s", field(o, "context"));
		b->pid = number(o, "pid");
		return true;
	}
	return false;
}

bool binding_of(const char *handle, unsigned int vector, struct binding *b)
{
	struct json_object *all = show("bindings");
	bool found = find_binding(all, handle, vector, b);

	json_object_put(all);
	return found;
}

void expect_state(const char *handle, unsigned int first, unsigned int last, const char *state)
{
	struct json_object *all = show("bindings");
	struct binding b = {};
	unsigned int v;

	for (v = first; v <= last; v++)
		if (!find_binding(all, handle, v, &b) || strcmp(b.state, state))
			break;
	json_object_put(all);
	expect(v > last, "%s vector %u is %s (%s, %s), expected %s", handle, v,
	       *b.state ? b.state : "not bound", b.verdict, b.reason, state);
}

/* The next event in a file; NULL at its end. */
static struct json_object *next_event(FILE *f)
{
	struct json_object *o = NULL;
	char *line = NULL;
	size_t size = 0;

	while (!o && getline(&line, &size, f) > 0)
		o = strchr(line, '\n') ? json_tokener_parse(line) : NULL;
	free(line);
	return o;
}

static FILE *open_events(void)
{
	FILE *f = fopen(EVENTS, "re");

	if (f)
		fseek(f, events_from, SEEK_SET);
	return f;
}

long events_of(const char *verdict, const char *handle)
{
	struct json_object *o;
	FILE *f = open_events();
	long n = 0;

	while (f && (o = next_event(f))) {
		n += !strcmp(field(o, "verdict"), verdict) && !strcmp(field(o, "handle"), handle);
		json_object_put(o);
	}
	if (f)
		fclose(f);
	return n;
}

struct json_object *event_find(const char *verdict, const char *reason, const char *level,
			       const char *handle, unsigned int vector)
{
	struct json_object *found = NULL, *o;
	FILE *f = open_events();

	if (!f)
		return NULL;
	while (!found && (o = next_event(f))) {
		if ((!verdict || !strcmp(field(o, "verdict"), verdict)) &&
		    (!reason || !strcmp(field(o, "reason"), reason)) &&
		    (!level || !strcmp(field(o, "level"), level)) &&
		    (!handle || !strcmp(field(o, "handle"), handle)) &&
		    number(o, "vector") == vector)
			found = o;
		else
			json_object_put(o);
	}
	fclose(f);
	return found;
}

bool event_by(pid_t pid, const char *verdict, const char *reason, const char *level,
	      const char *handle)
{
	struct json_object *o;
	FILE *f = open_events();
	bool found = false;

	while (f && !found && (o = next_event(f))) {
		found = number(o, "pid") == pid && !strcmp(field(o, "verdict"), verdict) &&
			!strcmp(field(o, "reason"), reason) && !strcmp(field(o, "level"), level) &&
			!strcmp(field(o, "handle"), handle);
		json_object_put(o);
	}
	if (f)
		fclose(f);
	return found;
}

struct json_object *event_wait(const char *verdict, const char *reason, const char *level,
			       const char *handle, unsigned int vector)
{
	struct json_object *event = NULL;

	wait_for(EVENT_MS, (event = event_find(verdict, reason, level, handle, vector)));
	return event;
}

struct json_object *map_dump(const char *name)
{
	char path[128];
	char *argv[] = { BPFTOOL, "-j", "map", "dump", "pinned", path, NULL };
	struct json_object *all;
	const struct output *o;

	snprintf(path, sizeof(path), PINS "/%s", name);
	o = run(argv);
	expect(!o->status, "bpftool map dump %s: %s%s", path, o->out, o->err);
	all = json_tokener_parse(o->out);
	expect(json_object_is_type(all, json_type_array), "bpftool map dump %s: no JSON", path);
	return all;
}

long map_count(const char *name)
{
	struct json_object *all = map_dump(name);
	long n = (long)json_object_array_length(all);

	json_object_put(all);
	return n;
}

long status_of(const char *name)
{
	struct json_object *o = json_tokener_parse(irqgate("status", "-j", NULL)->out);
	long n;

	expect(json_object_object_get(o, name), "irqgate status -j has no %s", name);
	n = number(o, name);
	json_object_put(o);
	return n;
}

/* ---- workers ------------------------------------------------------------- */

/* An entry that is unused, or whose worker has ended. */
static struct worker *new_entry(void)
{
	unsigned int i;

	for (i = 0; i < MAX_WORKERS && workers[i].pid; i++)
		;
	expect(i < MAX_WORKERS, "too many workers");
	return &workers[i];
}

static struct worker *started(struct worker *w, int ret)
{
	if (ret)
		w->pid = 0;
	expect(!ret, "a worker does not start: %s", rig_errname(ret));
	return w;
}

struct worker *worker_as(const struct worker_options *options)
{
	struct worker *w = new_entry();

	return started(w, worker_start(w, options));
}

struct worker *worker_new(const char *cgroup)
{
	struct worker_options options = { .cgroup = cgroup };

	return worker_as(&options);
}

void worker_end(struct worker *w, bool violently)
{
	if (!w->pid)
		return;
	if (violently)
		kill(w->pid, SIGKILL);
	kill(w->pid, SIGCONT);
	close(w->sock);
	/* An heir is a child of another worker. */
	if (reap(w->pid) < 0)
		wait_for(2000, strchr("Z?", task_state(w->pid)));
	w->pid = 0;
}

long ask_all(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c,
	     const char *text, int fd)
{
	long ret = worker_call(w, op, a, b, c, text, fd);

	if (ret == -ETIMEDOUT)
		ret = task_state(w->pid) == 'T' ? -ESTALE : -ETIMEDOUT;
	expect(ret != -ESTALE, "a worker stays stopped (step %d)", op);
	expect(ret != -EPIPE, "a worker died (step %d)", op);
	return ret;
}

long ask(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c)
{
	return ask_all(w, op, a, b, c, NULL, -1);
}

long ask_text(struct worker *w, enum worker_op op, const char *text)
{
	return ask_all(w, op, 0, 0, 0, text, -1);
}

struct worker *heir_of(struct worker *w, const char *cgroup, uint32_t vector)
{
	struct worker *heir = new_entry();

	return started(heir, worker_heir(w, heir, cgroup, vector));
}

void make_peers(struct worker *a, struct worker *b)
{
	int pair[2];

	expect(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair: %s",
	       rig_errname(errno));
	expect_is(ask_all(a, W_PEER, 0, 0, 0, NULL, pair[0]), 0, "passing a socket");
	expect_is(ask_all(b, W_PEER, 0, 0, 0, NULL, pair[1]), 0, "passing a socket");
	close(pair[0]);
	close(pair[1]);
}

long must(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c)
{
	static const char *const names[] = {
		[W_VM] = "creating a VM",
		[W_EVENTFDS] = "making eventfds",
		[W_VFIO] = "VFIO_DEVICE_SET_IRQS",
		[W_VFIO_OFF] = "disabling the interrupts",
		[W_IRQFD] = "KVM_IRQFD",
		[W_RAISE] = "raising",
		[W_ARRIVES] = "interrupts that must arrive",
		[W_ABSENT] = "interrupts that must not arrive",
	};
	long ret = ask(w, op, a, b, c);

	if (ret >= 0)
		return ret;
	if ((size_t)op < sizeof(names) / sizeof(names[0]) && names[op])
		test_fail("%s (vectors %u-%u): %s", names[op], a, a + (b ? b - 1 : 0),
			  rig_errname((int)ret));
	test_fail("step %d(%u, %u, %u): %s", op, a, b, c, rig_errname((int)ret));
}

char task_state(pid_t pid)
{
	char path[64], text[512], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	read_file(path, text, sizeof(text));
	p = strrchr(text, ')');
	return p && p[1] ? p[2] : '?';
}

long from_environment(const char *name, long usual)
{
	const char *text = getenv(name);

	return text && *text ? atol(text) : usual;
}

/* ---- runner -------------------------------------------------------------- */

static bool wanted(const struct test *t, char *const patterns[])
{
	for (; *patterns; patterns++) {
		bool unwanted = **patterns == '!';
		const char *text = *patterns + unwanted;
		char pattern[128];

		snprintf(pattern, sizeof(pattern), strpbrk(text, "*?[") ? "%s" : "*%s*", text);
		if (!fnmatch(pattern, t->name, 0) == unwanted)
			return false;
	}
	return true;
}

void workers_end(void)
{
	unsigned int i;

	for (i = 0; i < MAX_WORKERS; i++)
		worker_end(&workers[i], true);
}

void shared_end(void)
{
	workers_end();
	loader_end(SIGTERM);
	run((char *[]){ "/bin/rm", "-rf", POLICY_DIR, NULL });
	irqgate_fault(NULL);
	irqgate_build("");
}

static void run_once(const struct test *t, const struct test_set *set)
{
	outcome = PASSED;
	why[0] = '\0';
	test_current = t;
	mark_events();
	errors_from = size_of(ERRORS);
	if (!setjmp(leave))
		t->run();
	/* The next test must not get another build or files that this test added to the policy. */
	if (outcome == FAILED ||
	    (!set->shared && (!set->loader_stays || *build || !access(POLICY_DIR, F_OK))))
		shared_end();
	else if (!set->shared)
		workers_end();
	why[strcspn(why, "\n")] = '\0';
}

/* A test that counts interrupts proves nothing if the device sent a message twice. */
static void run_one(const struct test *t, const struct test_set *set)
{
	uint32_t before = rig_repeats();
	int tries;

	run_once(t, set);
	for (tries = 0; tries < 3 && outcome == FAILED && rig_repeats() != before; tries++) {
		printf("  %s: again, the e1000e may have sent a message twice: %s\n", t->name, why);
		if (!set->shared && loaded())
			irqgate("unload", NULL);
		before = rig_repeats();
		run_once(t, set);
	}
}

void revocations_forget(void)
{
	struct irqgate_device_key key;
	int map = bpf_obj_get(PINS "/revoked");

	while (map >= 0 && !bpf_map_get_next_key(map, NULL, &key))
		if (bpf_map_delete_elem(map, &key))
			break;
	if (map >= 0)
		close(map);
}

/* What irqgate said since the test began. The next test begins a new line. */
static void print_from(const char *path, long offset)
{
	char text[4096];
	size_t n;

	read_from(path, offset, text, sizeof(text));
	n = strlen(text);
	printf("%s%s", text, n && text[n - 1] != '\n' ? "\n" : "");
}

static void report(const struct test *t, bool shared, uint64_t start)
{
	static const char *const words[] = { "ok", "not ok", "skip" };

	printf("%s %s%s%s (%.1f s)\n", words[outcome], t->name, *why ? ": " : "", why,
	       (double)(rig_now_ms() - start) / 1000);
	if (outcome == FAILED) {
		print_from(ERRORS, errors_from);
		print_from(EVENTS, events_from);
	}
	fflush(stdout);
	if (outcome == FAILED && !shared && loaded())
		irqgate("unload", NULL);
}

int tests_run(const struct test_set *sets, size_t count, char *const patterns[])
{
	unsigned int numbers[3] = {};
	uint64_t start;
	size_t s, i;

	for (s = 0; s < count; s++) {
		for (i = 0; i < sets[s].count; i++) {
			if (!wanted(&sets[s].tests[i], patterns))
				continue;
			start = rig_now_ms();
			if (!sets[s].shared)
				revocations_forget();
			run_one(&sets[s].tests[i], &sets[s]);
			numbers[outcome]++;
			report(&sets[s].tests[i], sets[s].shared, start);
		}
		if (!sets[s].joined)
			shared_end();
	}
	printf("%u passed, %u failed, %u skipped\n", numbers[PASSED], numbers[FAILED],
	       numbers[SKIPPED]);
	return numbers[FAILED] ? 1 : 0;
}
