/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options and arguments of a verb. Each option is a row of the verb's table; the row says
 * where its value is stored and how.
 */
#ifndef IRQGATE_USER_ARGS_H
#define IRQGATE_USER_ARGS_H

#include <stddef.h>

struct verb_option {
	char letter; /* of the short form; 0: none */
	const char *name; /* NULL ends the table */
	const char *value; /* name of its value in the help; NULL: it takes none */
	const char *help;
	/* Stores @value at @to. Returns NULL, or what it expects instead of @value. */
	const char *(*set)(void *to, const char *value);
	size_t offset; /* of @to in the struct that args_parse() fills */
};

/* args_flag - set a bool; args_text - set a const char pointer. For verb_option.set. */
const char *args_flag(void *to, const char *value);
const char *args_text(void *to, const char *value);

struct syntax {
	const char *name; /* of the verb */
	const char *usage; /* names of its arguments */
	const char *help; /* one line */
	const struct verb_option *options;
	int min, max; /* number of arguments */
};

/*
 * args_parse - parse the command line behind the verb
 * @argv: [0] is the verb
 * @into: filled by the options
 * @word: filled with the arguments, room for syntax.max
 *
 * Ends the process after --help, --usage and --version, and with EXIT_USAGE after a mistake.
 * Return: number of arguments.
 */
int args_parse(const struct syntax *syntax, int argc, char **argv, void *into, char **word);

#endif
