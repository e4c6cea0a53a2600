// SPDX-License-Identifier: GPL-2.0-only
/* The command line: verbs, each with its own options. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/explain.h"
#include "cli/graph.h"
#include "cli/learn.h"
#include "cli/metrics.h"
#include "cli/monitor.h"
#include "cli/probe.h"
#include "cli/show.h"
#include "cli/status.h"
#include "cli/top.h"
#include "lib/handle.h"
#include "lib/util.h"
#include "loader/access.h"
#include "loader/apply.h"
#include "loader/cut.h"
#include "loader/daemon.h"
#include "loader/enforce.h"
#include "loader/hooks.h"
#include "policy/policy.h"
#include "s390/firmware.h"
#include "table/pins.h"
#include "table/revoke.h"
#include "table/table.h"

#ifndef IRQGATE_VERSION
#define IRQGATE_VERSION "of unknown version"
#endif

const char *argp_program_version = "irqgate " IRQGATE_VERSION;

#define MAX_ARGS 12

/* All that a command line can say. Each verb fills and reads its own members. */
struct args {
	char *word[MAX_ARGS];
	int nwords;
	struct run_options run;
	struct apply_options apply;
	struct learn_options learn;
	struct monitor_options monitor;
	struct top_options top;
	struct graph_options graph;
	struct metrics_options metrics;
	bool json; /* of verbs without a struct above */
	bool unprivileged; /* check */
	const char *to; /* allow, explain */
	const char *config; /* probe */
	enum irqgate_last_resort resort; /* revoke; UNSET: the policy's */
	bool persist; /* revoke */
};

struct verb {
	struct syntax syntax;
	int (*run)(struct args *args); /* returns the exit status */
};

/* ---- options -------------------------------------------------------------------- */

/* Where an option's value goes. It does not compile if the member has another type. */
#define AT(type, member) _Generic(((struct args *)0)->member, type : offsetof(struct args, member))
#define FLAG(member) args_flag, AT(bool, member)
#define TEXT(member) args_text, AT(const char *, member)

/* The number of rows of a map. */
static const char *set_rows(void *to, const char *value)
{
	static char expected[64];
	unsigned long rows;
	char *end;

	errno = 0;
	rows = strtoul(value, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*value) || rows < MIN_ROWS ||
	    rows > MAX_ROWS) {
		snprintf(expected, sizeof(expected), "a number from %d to %d", MIN_ROWS, MAX_ROWS);
		return expected;
	}
	*(__u32 *)to = (__u32)rows;
	return NULL;
}

static const char *set_delay(void *to, const char *value)
{
	double *delay = to;
	char *end;

	*delay = strtod(value, &end);
	if (*end || end == value || !(*delay >= 0.1 && *delay <= 3600))
		return "seconds, 0.1 to 3600";
	return NULL;
}

static const char *set_count(void *to, const char *value)
{
	unsigned long *count = to;
	char *end;

	*count = strtoul(value, &end, 10);
	if (*end || !isdigit((unsigned char)*value) || !*count)
		return "a number above 0";
	return NULL;
}

static const char *set_isolate(void *to, const char *value)
{
	(void)value;
	*(enum irqgate_last_resort *)to = IRQGATE_LAST_RESORT_ISOLATE;
	return NULL;
}

static const char *set_kill(void *to, const char *value)
{
	(void)value;
	*(enum irqgate_last_resort *)to = IRQGATE_LAST_RESORT_KILL;
	return NULL;
}

static const char *set_verbose(void *to, const char *value)
{
	(void)to, (void)value;
	hooks_verbose(true);
	return NULL;
}

/* Rows of several verbs. */
#define JSON(member) 'j', "json", NULL, "JSON output", FLAG(member)
#define MODE(member) 0, "mode", "audit|enforce", "The mode, instead of the policy's", TEXT(member)
#define UNSAFE(member)                                                                             \
	0, "allow-unsafe-interrupts", NULL,                                                        \
		"Enforce without interrupt remapping: a device can then forge any interrupt",      \
		FLAG(member)
#define HOST_TOO(member) 'a', "all", NULL, "Include healthy vectors of host drivers", FLAG(member)
#define POLICY 0, "policy", "FILE", "The policy (default " DEFAULT_POLICY ")", TEXT(run.policy)
#define MAX_EVENTFDS                                                                               \
	0, "max-eventfds", "N", "Room for N eventfds that carry interrupts", set_rows,             \
		AT(__u32, run.max_eventfds)
#define MAX_VMS 0, "max-vms", "N", "Room for N virtual machines", set_rows, AT(__u32, run.max_vms)
#define VERBOSE 'v', "verbose", NULL, "Show libbpf's messages", set_verbose, 0
#define RESORT(set) set, AT(enum irqgate_last_resort, resort)

static const struct verb_option no_options[] = { {} };
static const struct verb_option json_only[] = { { JSON(json) }, {} };

static const struct verb_option probe_options[] = {
	{ JSON(json) },
	{ 0, "config", "FILE", "Say what a kernel with this .config would lack instead",
	  TEXT(config) },
	{}
};

static const struct verb_option run_options[] = {
	{ POLICY },
	{ MODE(run.mode) },
	{ UNSAFE(run.unsafe_interrupts) },
	{ MAX_EVENTFDS },
	{ MAX_VMS },
	{ JSON(run.json) },
	{ VERBOSE },
	{},
};

static const struct verb_option load_options[] = {
	{ POLICY },
	{ MODE(run.mode) },
	{ UNSAFE(run.unsafe_interrupts) },
	{ MAX_EVENTFDS },
	{ MAX_VMS },
	{ VERBOSE },
	{},
};

static const struct verb_option check_options[] = {
	{ 0, "unprivileged", NULL, "For CI: take files of any owner, do not look at this machine",
	  FLAG(unprivileged) },
	{},
};

static const struct verb_option apply_options[] = {
	{ 0, "dry-run", NULL, "Only print what would change", FLAG(apply.dry_run) },
	{ MODE(apply.mode) },
	{ UNSAFE(apply.unsafe_interrupts) },
	{ JSON(apply.json) },
	{},
};

static const struct verb_option allow_options[] = {
	{ 0, "to", "CONTEXT", "A context of the policy, host, or pid:N", TEXT(to) },
	{},
};

static const struct verb_option revoke_options[] = {
	{ 0, "isolate", NULL, "If no process holds the device fd: isolate the device",
	  RESORT(set_isolate) },
	{ 0, "kill", NULL,
	  "If no process holds the device fd: kill the processes that keep the device open",
	  RESORT(set_kill) },
	{ 0, "persist", NULL, "Keep them revoked after a reboot, until 'irqgate allow'",
	  FLAG(persist) },
	{},
};

static const struct verb_option explain_options[] = {
	{ 0, "to", "CONTEXT", "Suppose that this context receives the vector, or uses the device",
	  TEXT(to) },
	{ JSON(json) },
	{},
};

static const struct verb_option learn_options[] = {
	{ 0, "for", "SECONDS", "How long to watch (default: until interrupted; 0: look once)",
	  TEXT(learn.seconds) },
	{ 'o', "output", "FILE", "Write the policy to FILE, all at once (default: standard output)",
	  TEXT(learn.output) },
	{},
};

static const struct verb_option monitor_options[] = {
	{ 0, "since", "TIME",
	  "First print the counts and the last reports since then: boot, 90s, 10m, 2h, 1d or "
	  "2026-11-22T12:00:00Z",
	  TEXT(monitor.since) },
	{ 0, "journal", NULL, "Write to systemd's journal, with structured fields",
	  FLAG(monitor.journal) },
	{ JSON(monitor.json) },
	{},
};

static const struct verb_option top_options[] = {
	{ 'b', "batch", NULL, "Plain text, one table after the other", FLAG(top.batch) },
	{ HOST_TOO(top.all) },
	{ 'd', "delay", "SECONDS", "Time between updates (default 1)", set_delay,
	  AT(double, top.delay) },
	{ 'n', "count", "N", "End after N updates", set_count, AT(unsigned long, top.count) },
	{},
};

static const struct verb_option graph_options[] = {
	{ 0, "svg", NULL, "SVG, drawn by Graphviz's dot, instead of DOT text", FLAG(graph.svg) },
	{ 0, "full", NULL, "A node for every vector", FLAG(graph.full) },
	{ HOST_TOO(graph.host) },
	{},
};

static const struct verb_option metrics_options[] = {
	{ 0, "listen", "[ADDRESS:]PORT", "Serve the metrics by HTTP, on loopback",
	  TEXT(metrics.listen) },
	{ 0, "textfile", "FILE", "Write the metrics to FILE, all at once", TEXT(metrics.textfile) },
	{ 0, "every", "SECONDS", "Write the textfile again, every SECONDS", TEXT(metrics.every) },
	{},
};

/* ---- verbs ---------------------------------------------------------------------- */

static int verb_run(struct args *args)
{
	args->run.stay = true;
	return daemon_run(&args->run);
}

static int verb_load(struct args *args)
{
	return daemon_run(&args->run);
}

static int verb_unload(struct args *args)
{
	struct pins pins;
	bool left = false;
	__u32 loader;
	int err;

	(void)args;
	/* Leave pins that another user could change: a link could redirect the removal. */
	err = pins_trusted(PIN_DIR);
	if (err && err != -ENOENT)
		return EXIT_RUNTIME;
	if (!access(PIN_OLD, F_OK)) {
		fail(0, "unload: another version's hooks are not taken over in full: let 'irqgate "
			"run' do that, then unload");
		return EXIT_RUNTIME;
	}
	/* No state map: an earlier unload failed half-way and left these pins. */
	if (!err && access(PIN_DIR "/state", F_OK) && errno == ENOENT)
		return pins_remove(PIN_DIR) ? EXIT_RUNTIME : EXIT_DONE;
	err = pins_open(&pins);
	/* This build cannot read maps of another layout, so it cannot release what they hold. */
	if (err == -ENOENT || err == -ESTALE)
		return EXIT_RUNTIME;
	/* Incomplete pins go without a release. Try again first: the error may have passed. */
	if (err) {
		pins_close(&pins);
		err = pins_open(&pins);
	}
	if (!err) {
		loader = loader_runs(pins.state);
		if (!loader)
			err = release_all(&pins, &left);
		pins_close(&pins);
		if (loader) {
			fail(0, "unload: irqgate runs as process %u: stop it first", loader);
			return EXIT_RUNTIME;
		}
		if (err) {
			fail(0, "unload: stopped half-way, the pins stay; run it again");
			return EXIT_RUNTIME;
		}
	}
	unlink(POLICY_IN_FORCE);
	return pins_remove(PIN_DIR) || err || left ? EXIT_RUNTIME : EXIT_DONE;
}

static int verb_apply(struct args *args)
{
	args->apply.file = args->word[0];
	return apply_verb(&args->apply);
}

static int verb_check(struct args *args)
{
	struct policy *policy;
	enum policy_place place = args->unprivileged ? POLICY_ELSEWHERE : POLICY_HERE;
	int err = policy_load_at(args->word[0], place, &policy);

	if (err)
		return EXIT_USAGE;
	if (place == POLICY_HERE)
		err = policy_resolve(policy, "/sys");
	if (err >= 0) {
		policy_lint(policy, place == POLICY_HERE);
		policy_print_remarks(policy, true);
		printf("%s: %u contexts, %u devices, %u sources\n", args->word[0],
		       policy->ncontexts, policy->ndevices, policy->nsources);
	}
	policy_free(policy);
	return err < 0 ? EXIT_USAGE : EXIT_DONE;
}

static int verb_show(struct args *args)
{
	struct pins pins;
	int err;

	if (!strcmp(args->word[0], "hooks")) {
		err = show(NULL, "hooks", args->word + 1, args->nwords - 1, args->json);
		return err == -ENOENT ? EXIT_USAGE : err ? EXIT_RUNTIME : EXIT_DONE;
	}
	if (pins_open(&pins))
		return EXIT_RUNTIME;
	err = show(&pins, args->word[0], args->word + 1, args->nwords - 1, args->json);
	pins_close(&pins);
	return err == -ENOENT       ? EXIT_USAGE
	       : err == -EOPNOTSUPP ? EXIT_KERNEL
	       : err                ? EXIT_RUNTIME
				    : EXIT_DONE;
}

static int parse_handle(const char *text, __u64 *handle)
{
	int err = handle_parse(text, handle);

	return err ? fail(err, "%s: not a handle, expected pci:DDDD:BB:SS.F or zpci:FH", text) : 0;
}

/* The operands of `allow` and `revoke`. */
struct change {
	struct pins pins;
	__u64 handle;
	struct vector_set vectors;
};

/* @change returns 0, -EINVAL for a mistake of the operator, or another negative errno. */
static int change_vectors(struct args *args,
			  int (*change)(struct change *change, const struct args *args))
{
	struct change c;
	const char *why;
	int lock, err;

	if (parse_handle(args->word[0], &c.handle))
		return EXIT_USAGE;
	if (vectors_parse(args->word[1], &c.vectors, &why)) {
		fail(0, "%s: %s", args->word[1], why);
		return EXIT_USAGE;
	}
	c.handle = policy_function(c.handle, "/sys");
	if (pins_open(&c.pins))
		return EXIT_RUNTIME;
	lock = lock_changes();
	err = lock < 0 ? lock : change(&c, args);
	if (!err)
		err = bindings_enforce(&c.pins) ?: access_settle(&c.pins);
	if (lock >= 0)
		close(lock);
	pins_close(&c.pins);
	return err == -EINVAL ? EXIT_USAGE : err ? EXIT_RUNTIME : EXIT_DONE;
}

static int do_allow(struct change *c, const struct args *args)
{
	__u32 gd;
	int err = table_context(&c->pins, args->to, true, &gd);

	if (err == -ENOENT)
		return fail(-EINVAL,
			    "%s: unknown context, 'irqgate show contexts' lists them; or use pid:N",
			    args->to);
	if (!err)
		err = pins_adopt_tasks();
	/* The revocation ends last, so a failure before it leaves the vectors revoked. */
	return err ?: table_allow(&c->pins, c->handle, &c->vectors, gd)
	       ?: revocation_end(&c->pins, c->handle, &c->vectors);
}

static int verb_allow(struct args *args)
{
	if (!args->to) {
		fail(0, "allow: --to CONTEXT is missing");
		return EXIT_USAGE;
	}
	return change_vectors(args, do_allow);
}

static int do_revoke(struct change *c, const struct args *args)
{
	int failed = bindings_cut(&c->pins, c->handle, &c->vectors, args->resort);

	return revocation_add(&c->pins, c->handle, &c->vectors, args->persist) ?: failed;
}

static int verb_revoke(struct args *args)
{
	return change_vectors(args, do_revoke);
}

static int verb_explain(struct args *args)
{
	struct vector_set set;
	struct pins pins;
	const char *why;
	__u64 handle;
	bool access;
	int err;

	if (parse_handle(args->word[0], &handle))
		return EXIT_USAGE;
	access = !strcmp(args->word[1], "access");
	if (!access &&
	    (vectors_parse(args->word[1], &set, &why) || set.all || vectors_count(&set) != 1)) {
		fail(0, "%s: not a vector, expected a number from 0 to 2047, or access",
		     args->word[1]);
		return EXIT_USAGE;
	}
	if (pins_open(&pins))
		return EXIT_RUNTIME;
	handle = policy_function(handle, "/sys");
	err = access ? explain_access(&pins, handle, args->to, args->json)
		     : explain(&pins, handle, vectors_noi(&set) - 1, args->to, args->json);
	pins_close(&pins);
	return err == -ENOENT ? EXIT_USAGE : err ? EXIT_RUNTIME : EXIT_DONE;
}

static int verb_learn(struct args *args)
{
	return learn_verb(&args->learn);
}

/* Only the firmware of s390 has a table to compare with. */
static int verb_verify(struct args *args)
{
	struct pins pins;
	int err;

	if (!kernel_symbol("zpci_mod_fc")) {
		fail(0, "verify: " FIRMWARE_NONE);
		return EXIT_KERNEL;
	}
	err = pins_open(&pins);
	if (!err) {
		err = firmware_verify(&pins, args->json);
		pins_close(&pins);
	}
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

static int verb_monitor(struct args *args)
{
	return monitor_verb(&args->monitor);
}

static int verb_metrics(struct args *args)
{
	return metrics_verb(&args->metrics);
}

static int verb_probe(struct args *args)
{
	return args->config ? probe_config(args->config, args->json) : probe_verb(args->json);
}

/* Run a verb that needs the maps of a loaded irqgate. */
static int with_pins(const struct args *args,
		     int (*run)(struct pins *pins, const struct args *args))
{
	struct pins pins;
	int err = pins_open(&pins);

	if (!err) {
		err = run(&pins, args);
		pins_close(&pins);
	}
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

static int do_top(struct pins *pins, const struct args *args)
{
	return top(pins, &args->top);
}

static int verb_top(struct args *args)
{
	return with_pins(args, do_top);
}

static int do_graph(struct pins *pins, const struct args *args)
{
	return graph(pins, &args->graph);
}

static int verb_graph(struct args *args)
{
	return with_pins(args, do_graph);
}

static int do_status(struct pins *pins, const struct args *args)
{
	return status(pins, args->json);
}

static int verb_status(struct args *args)
{
	return with_pins(args, do_status);
}

static const struct verb verbs[] = {
	{ { "run", "", "Load, attach, stay and report", run_options, 0, 0 }, verb_run },
	{ { "load", "", "Load, attach, leave everything pinned", load_options, 0, 0 }, verb_load },
	{ { "unload", "", "Release and remove everything", no_options, 0, 0 }, verb_unload },
	{ { "apply", "FILE", "Put a policy in force, all of it at once", apply_options, 1, 1 },
	  verb_apply },
	{ { "check", "FILE", "Check a policy", check_options, 1, 1 }, verb_check },
	{ { "show", "KIND [FIELD=VALUE...]", "Show " SHOW_KINDS, json_only, 1, MAX_ARGS },
	  verb_show },
	{ { "allow", "HANDLE VECTORS", "Register vectors for a context", allow_options, 2, 2 },
	  verb_allow },
	{ { "revoke", "HANDLE VECTORS",
	    "Revoke vectors until 'allow'; on success nothing reaches the old target",
	    revoke_options, 2, 2 },
	  verb_revoke },
	{ { "explain", "HANDLE VECTOR|access",
	    "Say why a vector has its verdict, or who may use the device", explain_options, 2, 2 },
	  verb_explain },
	{ { "learn", "", "Watch, and write the smallest policy that allows what was seen",
	    learn_options, 0, 0 },
	  verb_learn },
	{ { "verify", "", "Compare the policy with the firmware's table (s390)", json_only, 0, 0 },
	  verb_verify },
	{ { "monitor", "", "Print events as they happen", monitor_options, 0, 0 }, verb_monitor },
	{ { "top", "", "Show a live view: rates, verdicts, owners; leaks first", top_options, 0,
	    0 },
	  verb_top },
	{ { "graph", "", "Draw the connections, as DOT or SVG", graph_options, 0, 0 }, verb_graph },
	{ { "metrics", "", "Print counters and state as Prometheus text", metrics_options, 0, 0 },
	  verb_metrics },
	{ { "status", "", "Say whether everything is in force; exit status 1 if not", json_only, 0,
	    0 },
	  verb_status },
	{ { "probe", "", "Say which levels this kernel and machine can honour", probe_options, 0,
	    0 },
	  verb_probe },
};

static int usage(FILE *out, int status)
{
	unsigned int i;

	fprintf(out, "Usage: irqgate VERB [OPTION...] [ARGUMENT...]\n\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-8s %-21s %s\n", verbs[i].syntax.name, verbs[i].syntax.usage,
			verbs[i].syntax.help);
	fprintf(out, "\n'irqgate VERB --help' shows a verb's options.\n");
	return status;
}

static const struct verb *find_verb(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].syntax.name, name))
			return &verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct args args = { .top.delay = 1 };
	const struct verb *verb;

	hooks_verbose(false);
	policy_fid_of = firmware_fid;
	if (argc < 2)
		return usage(stderr, EXIT_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout, EXIT_DONE);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts(argp_program_version);
		return EXIT_DONE;
	}
	verb = find_verb(argv[1]);
	if (!verb) {
		msg("unknown verb '%s'; 'irqgate --help' lists them", argv[1]);
		return EXIT_USAGE;
	}
	args.nwords = args_parse(&verb->syntax, argc - 1, argv + 1, &args, args.word);
	return verb->run(&args);
}
