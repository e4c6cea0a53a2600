// SPDX-License-Identifier: GPL-2.0-only
/* The command line: verbs, each with its own options. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "daemon.h"
#include "explain.h"
#include "firmware.h"
#include "graph.h"
#include "handle.h"
#include "hooks.h"
#include "learn.h"
#include "metrics.h"
#include "monitor.h"
#include "pins.h"
#include "policy.h"
#include "probe.h"
#include "quarantine.h"
#include "show.h"
#include "status.h"
#include "table.h"
#include "top.h"
#include "util.h"

#ifndef IRQGATE_VERSION
#define IRQGATE_VERSION "0.1"
#endif

const char *argp_program_version = "irqgate " IRQGATE_VERSION;

#define MAX_ARGS 12

/* What any verb may be given; each lists the options it takes. */
struct args {
	struct run_options run;
	struct top_options top;
	struct graph_options graph;
	struct learn_options learn;
	struct monitor_options monitor;
	struct metrics_options metrics;
	bool json, dry_run;
	const char *to;
	char *word[MAX_ARGS];
	int nwords;
	const struct verb *verb;
};

struct verb {
	const char *name;
	const char *usage; /* of its arguments */
	const char *doc;
	const struct argp_option *options;
	int min, max; /* words */
	int (*run)(struct args *args);
};

enum {
	KEY_POLICY = 256,
	KEY_MODE,
	KEY_UNSAFE,
	KEY_TO,
	KEY_DRY_RUN,
	KEY_FOR,
	KEY_SINCE,
	KEY_JOURNAL,
	KEY_LISTEN,
	KEY_TEXTFILE,
	KEY_EVERY,
	KEY_SVG,
	KEY_FULL,
};

#define OPTION_JSON                                                                                \
	{                                                                                          \
		"json", 'j', NULL, 0, "JSON output", 0                                             \
	}
#define OPTION_VERBOSE                                                                             \
	{                                                                                          \
		"verbose", 'v', NULL, 0, "Show libbpf's messages", 0                               \
	}

#define OPTION_MODE                                                                                \
	{                                                                                          \
		"mode", KEY_MODE, "audit|enforce", 0, "Instead of what the policy says", 0         \
	}
#define OPTION_UNSAFE                                                                              \
	{                                                                                          \
		"allow-unsafe-interrupts", KEY_UNSAFE, NULL, 0,                                    \
			"Enforce without interrupt remapping, where a device can forge any "       \
			"interrupt",                                                               \
			0                                                                          \
	}

static const struct argp_option options_run[] = {
	{ "policy", KEY_POLICY, "FILE", 0, "Policy (default " DEFAULT_POLICY ")", 0 },
	OPTION_MODE,
	OPTION_UNSAFE,
	OPTION_JSON,
	OPTION_VERBOSE,
	{},
};
static const struct argp_option options_json[] = { OPTION_JSON, {} };
static const struct argp_option options_allow[] = {
	{ "to", KEY_TO, "CONTEXT", 0, "A context of the policy, host, or pid:N", 0 },
	{},
};
static const struct argp_option options_top[] = {
	{ "batch", 'b', NULL, 0, "Plain text, one table after the other", 0 },
	{ "all", 'a', NULL, 0, "Also vectors of host drivers that nothing is wrong with", 0 },
	{ "delay", 'd', "SECONDS", 0, "Between updates (default 1)", 0 },
	{ "count", 'n', "N", 0, "End after N updates", 0 },
	{},
};
static const struct argp_option options_graph[] = {
	{ "svg", KEY_SVG, NULL, 0, "SVG, drawn by Graphviz's dot, instead of DOT", 0 },
	{ "full", KEY_FULL, NULL, 0, "A node for every vector", 0 },
	{ "all", 'a', NULL, 0, "Also vectors of host drivers that nothing is wrong with", 0 },
	{},
};
static const struct argp_option options_apply[] = {
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Only print what would change", 0 },
	OPTION_MODE,
	OPTION_UNSAFE,
	OPTION_JSON,
	{},
};
static const struct argp_option options_learn[] = {
	{ "for", KEY_FOR, "SECONDS", 0, "How long (default: until interrupted; 0: what is now)",
	  0 },
	{ "output", 'o', "FILE", 0, "Write there, all at once (default: standard output)", 0 },
	{},
};
static const struct argp_option options_explain[] = {
	{ "to", KEY_TO, "CONTEXT", 0, "As if that context had it", 0 },
	OPTION_JSON,
	{},
};
static const struct argp_option options_monitor[] = {
	{ "since", KEY_SINCE, "TIME", 0,
	  "First what was counted and last reported since then: boot, 90s, 10m, 2h, 1d or "
	  "2026-11-22T12:00:00Z",
	  0 },
	{ "journal", KEY_JOURNAL, NULL, 0, "Into systemd's journal, with structured fields", 0 },
	OPTION_JSON,
	{},
};
static const struct argp_option options_metrics[] = {
	{ "listen", KEY_LISTEN, "[ADDRESS:]PORT", 0, "Serve them by HTTP on loopback", 0 },
	{ "textfile", KEY_TEXTFILE, "FILE", 0, "Write them there, all at once", 0 },
	{ "every", KEY_EVERY, "SECONDS", 0, "Write them again and again", 0 },
	{},
};
static const struct argp_option options_none[] = { {} };

static int verb_run(struct args *args)
{
	args->run.stay = true;
	args->run.json = args->json;
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
	/* What is not ours stays: who could remove it might be led to another's pins. */
	err = pins_trusted(PIN_DIR);
	if (err && err != -ENOENT)
		return EXIT_RUNTIME;
	if (!access(PIN_OLD, F_OK)) {
		fail(0, "unload: another version's hooks are not taken over in full: let 'irqgate "
			"run' do that, then unload");
		return EXIT_RUNTIME;
	}
	/* Without its state it is what an unload that failed left over. */
	if (!err && access(PIN_DIR "/state", F_OK) && errno == ENOENT)
		return pins_remove(PIN_DIR) ? EXIT_RUNTIME : EXIT_DONE;
	err = pins_open(&pins);
	/* Of maps of another layout nobody could tell what to release. */
	if (err == -ENOENT || err == -ESTALE)
		return EXIT_RUNTIME;
	/* What is not complete goes as it is, but not for what may succeed now. */
	if (err) {
		pins_close(&pins);
		err = pins_open(&pins);
	}
	if (!err) {
		loader = pins.state->loader_tgid;
		if (!loader)
			err = release_all(&pins, &left);
		pins_close(&pins);
		if (loader) {
			fail(0, "unload: irqgate runs as process %u: stop it first", loader);
			return EXIT_RUNTIME;
		}
		if (err) {
			fail(0, "unload: stopped half-way, what is pinned stays: run it again");
			return EXIT_RUNTIME;
		}
	}
	unlink(POLICY_IN_FORCE);
	return pins_remove(PIN_DIR) || err || left ? EXIT_RUNTIME : EXIT_DONE;
}

static int verb_apply(struct args *args)
{
	const struct apply_options opts = {
		.file = args->word[0],
		.mode = args->run.mode,
		.dry_run = args->dry_run,
		.unsafe_interrupts = args->run.unsafe_interrupts,
		.json = args->json,
	};

	return apply_verb(&opts);
}

/* Rows that are fine, but about functions this machine does not have (yet). */
static void note_absent(const struct policy *p)
{
	char word[POLICY_SELECT_LEN];
	unsigned int i;

	for (i = 0; i < p->ndevices; i++) {
		const struct policy_device *d = &p->devices[i];
		unsigned int want = d->select.kind == POLICY_SELECT_ID ? d->select.count : 1;

		if (d->nfunctions < want)
			printf("%s:%u: %s: %u of %u functions are here\n", p->files[d->file],
			       d->line, policy_select_format(d, word), d->nfunctions, want);
	}
}

static int verb_check(struct args *args)
{
	struct policy *policy;
	int err = policy_load(args->word[0], &policy);

	if (err)
		return EXIT_USAGE;
	err = policy_resolve(policy, "/sys");
	if (err >= 0) {
		note_absent(policy);
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

/* What `allow` and `revoke` change; the rest they have in common. */
struct change {
	struct pins pins;
	__u64 handle;
	struct vector_set vectors;
};

/* @change returns 0; -EINVAL for what the operator got wrong; or another errno. */
static int change_vectors(struct args *args,
			  int (*change)(struct change *change, const struct args *args))
{
	struct change c;
	const char *why;
	int lock, err;

	if (handle_parse(args->word[0], &c.handle)) {
		fail(0, "%s: not a handle, expected pci:DDDD:BB:SS.F or zpci:FH", args->word[0]);
		return EXIT_USAGE;
	}
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
		err = bindings_enforce(&c.pins);
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
	return err ?: table_allow(&c->pins, c->handle, &c->vectors, gd);
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
	int failed = bindings_cut(&c->pins, c->handle, &c->vectors);

	(void)args;
	return table_revoke(&c->pins, c->handle, &c->vectors) ?: failed;
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
	int err;

	if (handle_parse(args->word[0], &handle)) {
		fail(0, "%s: not a handle, expected pci:DDDD:BB:SS.F or zpci:FH", args->word[0]);
		return EXIT_USAGE;
	}
	if (vectors_parse(args->word[1], &set, &why) || set.all || vectors_count(&set) != 1) {
		fail(0, "%s: not a vector, expected a number from 0 to 2047", args->word[1]);
		return EXIT_USAGE;
	}
	if (pins_open(&pins))
		return EXIT_RUNTIME;
	err = explain(&pins, policy_function(handle, "/sys"), vectors_noi(&set) - 1, args->to,
		      args->json);
	pins_close(&pins);
	return err == -ENOENT ? EXIT_USAGE : err ? EXIT_RUNTIME : EXIT_DONE;
}

static int verb_learn(struct args *args)
{
	return learn_verb(&args->learn);
}

/* What s390 firmware holds; other machines have none to compare with. */
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
	args->monitor.json = args->json;
	return monitor_verb(&args->monitor);
}

static int verb_metrics(struct args *args)
{
	return metrics_verb(&args->metrics);
}

static int verb_probe(struct args *args)
{
	return probe_verb(args->json);
}

/* For verbs about what is loaded. */
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
	{ "run", "", "Load, attach, stay and report", options_run, 0, 0, verb_run },
	{ "load", "", "Load, attach, leave everything pinned", options_run, 0, 0, verb_load },
	{ "unload", "", "Release and remove everything", options_none, 0, 0, verb_unload },
	{ "apply", "FILE", "Put a policy in force, all of it at once", options_apply, 1, 1,
	  verb_apply },
	{ "check", "FILE", "Check a policy", options_none, 1, 1, verb_check },
	{ "show", "WHAT [FIELD=VALUE...]", "Show " SHOW_KINDS, options_json, 1, MAX_ARGS,
	  verb_show },
	{ "allow", "HANDLE VECTORS", "Register vectors for a context", options_allow, 2, 2,
	  verb_allow },
	{ "revoke", "HANDLE VECTORS", "Take vectors away; none arrives once this returned",
	  options_none, 2, 2, verb_revoke },
	{ "explain", "HANDLE VECTOR", "Why a vector has its verdict, and what would change it",
	  options_explain, 2, 2, verb_explain },
	{ "learn", "", "Watch, and write the smallest policy that allows what was seen",
	  options_learn, 0, 0, verb_learn },
	{ "verify", "", "Compare the policy with the firmware's table (s390)", options_json, 0, 0,
	  verb_verify },
	{ "monitor", "", "Print events as they happen", options_monitor, 0, 0, verb_monitor },
	{ "top", "", "Live view: rates, verdicts, owners, leaks first", options_top, 0, 0,
	  verb_top },
	{ "graph", "", "What is connected, as DOT or SVG", options_graph, 0, 0, verb_graph },
	{ "metrics", "", "Counters and state as Prometheus text", options_metrics, 0, 0,
	  verb_metrics },
	{ "status", "", "Is everything in force? Exit status 1 if not", options_json, 0, 0,
	  verb_status },
	{ "probe", "", "What this kernel and machine can honour", options_json, 0, 0, verb_probe },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct args *args = state->input;
	char *end;

	switch (key) {
	case 'j':
		args->json = true;
		break;
	case 'v':
		hooks_verbose(true);
		break;
	case KEY_POLICY:
		args->run.policy = value;
		break;
	case KEY_MODE:
		args->run.mode = value;
		break;
	case KEY_UNSAFE:
		args->run.unsafe_interrupts = true;
		break;
	case KEY_DRY_RUN:
		args->dry_run = true;
		break;
	case KEY_SINCE:
		args->monitor.since = value;
		break;
	case KEY_JOURNAL:
		args->monitor.journal = true;
		break;
	case KEY_LISTEN:
		args->metrics.listen = value;
		break;
	case KEY_TEXTFILE:
		args->metrics.textfile = value;
		break;
	case KEY_EVERY:
		args->metrics.every = value;
		break;
	case KEY_FOR:
		args->learn.seconds = value;
		break;
	case 'o':
		args->learn.output = value;
		break;
	case KEY_TO:
		args->to = value;
		break;
	case KEY_SVG:
		args->graph.svg = true;
		break;
	case KEY_FULL:
		args->graph.full = true;
		break;
	case 'a':
		args->graph.host = args->top.all = true;
		break;
	case 'b':
		args->top.batch = true;
		break;
	case 'd':
		args->top.delay = strtod(value, &end);
		if (*end || end == value || !(args->top.delay >= 0.1 && args->top.delay <= 3600))
			argp_error(state, "--delay: '%s': expected seconds, 0.1 to 3600", value);
		break;
	case 'n':
		args->top.count = strtoul(value, &end, 10);
		if (*end || !isdigit((unsigned char)*value) || !args->top.count)
			argp_error(state, "--count: '%s': expected a number above 0", value);
		break;
	case ARGP_KEY_ARG:
		if (args->nwords == args->verb->max)
			argp_error(state, "unexpected argument '%s'", value);
		else
			args->word[args->nwords++] = value;
		break;
	case ARGP_KEY_END:
		if (args->nwords < args->verb->min)
			argp_error(state, "expected %s", args->verb->usage);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int usage(FILE *out, int status)
{
	unsigned int i;

	fprintf(out, "Usage: irqgate VERB [OPTION...] [ARGUMENT...]\n\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-8s %-21s %s\n", verbs[i].name, verbs[i].usage, verbs[i].doc);
	fprintf(out, "\n'irqgate VERB --help' shows a verb's options.\n");
	return status;
}

int main(int argc, char **argv)
{
	struct args args = { .top.delay = 1 };
	struct argp argp = { .parser = parse_option };
	char name[64];
	unsigned int i;

	argp_err_exit_status = EXIT_USAGE;
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
	for (i = 0; i < ARRAY_SIZE(verbs) && strcmp(verbs[i].name, argv[1]); i++)
		;
	if (i == ARRAY_SIZE(verbs)) {
		msg("unknown verb '%s'; 'irqgate --help' lists them", argv[1]);
		return EXIT_USAGE;
	}
	args.verb = &verbs[i];
	argp.options = args.verb->options;
	argp.args_doc = args.verb->usage;
	argp.doc = args.verb->doc;
	snprintf(name, sizeof(name), "irqgate %s", args.verb->name);
	argv[1] = name;
	if (argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &args))
		return EXIT_USAGE;
	return args.verb->run(&args);
}
