// SPDX-License-Identifier: GPL-2.0-only
/* The command line: verbs, each with its own options. */
#include <argp.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "events.h"
#include "handle.h"
#include "hooks.h"
#include "inline.h"
#include "pins.h"
#include "policy.h"
#include "probe.h"
#include "quarantine.h"
#include "show.h"
#include "status.h"
#include "table.h"
#include "util.h"

#ifndef IRQGATE_VERSION
#define IRQGATE_VERSION "0.1"
#endif

const char *argp_program_version = "irqgate " IRQGATE_VERSION;

#define MAX_ARGS 2

/* What any verb may be given; each lists the options it takes. */
struct args {
	struct run_options run;
	bool json;
	const char *to;
	const char *word[MAX_ARGS];
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

enum { KEY_POLICY = 256, KEY_MODE, KEY_UNSAFE, KEY_TO };

#define OPTION_JSON                                                                                \
	{                                                                                          \
		"json", 'j', NULL, 0, "JSON output", 0                                             \
	}
#define OPTION_VERBOSE                                                                             \
	{                                                                                          \
		"verbose", 'v', NULL, 0, "Show libbpf's messages", 0                               \
	}

static const struct argp_option options_run[] = {
	{ "policy", KEY_POLICY, "FILE", 0, "Policy (default " DEFAULT_POLICY ")", 0 },
	{ "mode", KEY_MODE, "audit|enforce", 0, "Instead of what the policy says", 0 },
	{ "allow-unsafe-interrupts", KEY_UNSAFE, NULL, 0,
	  "Enforce without interrupt remapping, where a device can forge any interrupt", 0 },
	OPTION_JSON,
	OPTION_VERBOSE,
	{},
};
static const struct argp_option options_json[] = { OPTION_JSON, {} };
static const struct argp_option options_allow[] = {
	{ "to", KEY_TO, "CONTEXT", 0, "A context of the policy, host, or pid:N", 0 },
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
	__u32 loader;
	int lock, err;

	(void)args;
	err = pins_open(&pins);
	if (err == -ENOENT)
		return EXIT_RUNTIME;
	if (!err) {
		loader = pins.state->loader_tgid;
		if (loader) {
			pins_close(&pins);
			fail(0, "unload: irqgate runs as process %u: stop it first", loader);
			return EXIT_RUNTIME;
		}
		/* An empty table allows everything: what is quarantined is released. */
		lock = lock_changes();
		pins.state->defaults[0] = pins.state->defaults[1] = (struct irqgate_defaults){};
		err = table_clear(&pins) ?: bindings_enforce(&pins) ?: inline_detach(&pins);
		if (lock >= 0)
			close(lock);
		pins_close(&pins);
	}
	return pins_remove(PIN_DIR) || err ? EXIT_RUNTIME : EXIT_DONE;
}

static int verb_check(struct args *args)
{
	struct policy *policy;
	int err = policy_load(args->word[0], &policy);

	if (err)
		return EXIT_USAGE;
	printf("%s: %u contexts, %u devices, %u sources\n", args->word[0], policy->ncontexts,
	       policy->ndevices, policy->nsources);
	policy_free(policy);
	return EXIT_DONE;
}

static int verb_show(struct args *args)
{
	struct pins pins;
	int err;

	if (!strcmp(args->word[0], "hooks")) {
		err = show(NULL, "hooks", args->json);
		return err ? EXIT_RUNTIME : EXIT_DONE;
	}
	if (pins_open(&pins))
		return EXIT_RUNTIME;
	err = show(&pins, args->word[0], args->json);
	pins_close(&pins);
	return err == -ENOENT ? EXIT_USAGE : err ? EXIT_RUNTIME : EXIT_DONE;
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

struct monitor {
	struct pins pins;
	bool json;
};

static int monitor_event(void *arg, void *data, size_t len)
{
	struct monitor *m = arg;
	struct irqgate_event *ev = data;

	if (len >= sizeof(*ev) && ev->type == IRQGATE_EVENT_VERDICT)
		event_print(stdout, &m->pins, ev, m->json);
	return 0;
}

/* From the loader where one runs, else straight from the ring buffer. */
static int verb_monitor(struct args *args)
{
	struct monitor m = { .json = args->json };
	struct irqgate_event ev;
	struct ring_buffer *ring;
	int fd;

	if (pins_open(&m.pins))
		return EXIT_RUNTIME;
	fd = monitor_connect();
	if (fd >= 0) {
		while (read(fd, &ev, sizeof(ev)) == sizeof(ev))
			monitor_event(&m, &ev, sizeof(ev));
		close(fd);
		return EXIT_DONE;
	}
	ring = ring_buffer__new(m.pins.events, monitor_event, &m, NULL);
	if (!ring) {
		fail(0, "cannot read the ring buffer: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	while (ring_buffer__poll(ring, -1) >= 0)
		;
	ring_buffer__free(ring);
	return EXIT_DONE;
}

static int verb_probe(struct args *args)
{
	return probe_verb(args->json);
}

static int verb_status(struct args *args)
{
	struct pins pins;
	int err = pins_open(&pins);

	if (!err) {
		err = status(&pins, args->json);
		pins_close(&pins);
	}
	return err ? EXIT_RUNTIME : EXIT_DONE;
}

static const struct verb verbs[] = {
	{ "run", "", "Load, attach, stay and report", options_run, 0, 0, verb_run },
	{ "load", "", "Load, attach, leave everything pinned", options_run, 0, 0, verb_load },
	{ "unload", "", "Release and remove everything", options_none, 0, 0, verb_unload },
	{ "check", "FILE", "Check a policy", options_none, 1, 1, verb_check },
	{ "show", "WHAT", "Show " SHOW_KINDS, options_json, 1, 1, verb_show },
	{ "allow", "HANDLE VECTORS", "Register vectors for a context", options_allow, 2, 2,
	  verb_allow },
	{ "revoke", "HANDLE VECTORS", "Take vectors away; none arrives once this returned",
	  options_none, 2, 2, verb_revoke },
	{ "monitor", "", "Print events as they happen", options_json, 0, 0, verb_monitor },
	{ "status", "", "Is everything in force? Exit status 1 if not", options_json, 0, 0,
	  verb_status },
	{ "probe", "", "What this kernel and machine can honour", options_json, 0, 0, verb_probe },
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct args *args = state->input;

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
	case KEY_TO:
		args->to = value;
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
		fprintf(out, "  %-8s %-15s %s\n", verbs[i].name, verbs[i].usage, verbs[i].doc);
	fprintf(out, "\n'irqgate VERB --help' shows a verb's options.\n");
	return status;
}

int main(int argc, char **argv)
{
	struct args args = {};
	struct argp argp = { .parser = parse_option };
	char name[64];
	unsigned int i;

	argp_err_exit_status = EXIT_USAGE;
	hooks_verbose(false);
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
