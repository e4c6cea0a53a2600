// SPDX-License-Identifier: GPL-2.0-only
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/args.h"
#include "lib/util.h"

/* argp's keys of options without a letter; no character has such a number. */
#define FIRST_KEY 256

struct parser {
	const struct syntax *syntax;
	void *into;
	char **word;
	int nwords;
};

const char *args_flag(void *to, const char *value)
{
	(void)value;
	*(bool *)to = true;
	return NULL;
}

const char *args_text(void *to, const char *value)
{
	*(const char **)to = value;
	return NULL;
}

static int key_of(const struct verb_option *option, int index)
{
	return option->letter ?: FIRST_KEY + index;
}

static error_t parse_option(const struct parser *p, int key, const char *value,
			    struct argp_state *state)
{
	const struct verb_option *o = p->syntax->options;
	const char *expected;
	int i;

	for (i = 0; o[i].name && key_of(&o[i], i) != key; i++)
		;
	if (!o[i].name)
		return ARGP_ERR_UNKNOWN;
	expected = o[i].set((char *)p->into + o[i].offset, value);
	if (expected)
		argp_error(state, "--%s: '%s': expected %s", o[i].name, value, expected);
	return 0;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct parser *p = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (p->nwords == p->syntax->max)
			argp_error(state, "unexpected argument '%s'", value);
		else
			p->word[p->nwords++] = value;
		return 0;
	case ARGP_KEY_END:
		if (p->nwords < p->syntax->min)
			argp_error(state, "expected %s", p->syntax->usage);
		return 0;
	default:
		return parse_option(p, key, value, state);
	}
}

int args_parse(const struct syntax *syntax, int argc, char **argv, void *into, char **word)
{
	static char name[64];
	struct parser p = { .syntax = syntax, .into = into, .word = word };
	struct argp argp = { .parser = parse, .args_doc = syntax->usage, .doc = syntax->help };
	struct argp_option *options;
	int n = 0, i;

	while (syntax->options[n].name)
		n++;
	options = calloc(n + 1, sizeof(*options));
	if (!options)
		exit(fail(EXIT_RUNTIME, "%s: not enough memory", syntax->name));
	for (i = 0; i < n; i++) {
		options[i].name = syntax->options[i].name;
		options[i].key = key_of(&syntax->options[i], i);
		options[i].arg = syntax->options[i].value;
		options[i].doc = syntax->options[i].help;
	}
	argp.options = options;
	/* argp begins its messages with this name. */
	snprintf(name, sizeof(name), "irqgate %s", syntax->name);
	argv[0] = name;
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &p))
		exit(EXIT_USAGE);
	free(options);
	return p.nwords;
}
