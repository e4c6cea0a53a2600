/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser of policies. Only user/policy includes this.
 *
 * parser.c reads one file after the other and keeps the errors. libyaml makes a tree of
 * nodes of each file (parse_yaml.c). parse_mapping() checks a mapping against the table of
 * its keys (parse_schema.c). The parse_*() of a section has that table, and checks all that
 * depends on more than one key.
 *
 * The parser reads the contexts of all files before the first device, because a file may
 * use a context that another file declares.
 *
 * docs/design-notes.md says why this is not libcyaml.
 */
#ifndef IRQGATE_USER_PARSER_H
#define IRQGATE_USER_PARSER_H

#include <yaml.h>
#include "lib/array.h"
#include "lib/names.h"
#include "policy/policy.h"

#define MAX_ERRORS 20
#define ERROR_LEN 512
#define WORD_LEN 96
#define PLACE_LEN 256
#define KEYS_LEN 160 /* the names of a section's keys */
#define MAX_KEYS 10
#define MAX_UID 4294967294LL /* (uid_t)-1 means none */
#define MAX_MACHINE 64 /* bytes; the limit of systemd-machined */

struct error {
	unsigned int file, line;
	char text[ERROR_LEN];
};

/* The value of one key, by parse_mapping(). */
struct value {
	unsigned int line; /* of the key, 0: absent */
	yaml_node_t *node; /* NULL: absent or refused */
	const char *text; /* KIND_TEXT, KIND_USER by name */
	long long number; /* KIND_NUMBER, KIND_USER, KIND_BOOL, KIND_ENUM; 0: absent */
};

/* A value on which all files must agree, and the first place that has it. */
struct common {
	unsigned int file, line; /* line 0: no file has it yet */
	long long number;
};

struct parsed_file {
	yaml_document_t doc;
	bool has_doc;
	struct value top[MAX_KEYS]; /* by parse_top() */
};

struct parser {
	struct policy *policy;
	enum policy_place place;
	struct parsed_file *files; /* as many as policy->files */
	unsigned int at; /* index of the file in work */
	struct common mode, defaults[MAX_KEYS];
	bool contexts_bad; /* a context was refused: an unknown context is no error then */
	bool no_memory;
	unsigned int rows; /* vector rows so far */
	unsigned int nerrors;
	struct error errors[MAX_ERRORS];
};

enum kind {
	KIND_TEXT,
	KIND_NUMBER,
	KIND_USER, /* a number, or the name of a user */
	KIND_BOOL,
	KIND_ENUM,
	KIND_LIST,
	KIND_MAPPING,
	KIND_ANY,
};

struct key {
	const char *name;
	enum kind kind;
	bool required;
	long long min, max; /* KIND_NUMBER */
	const struct names *names; /* KIND_ENUM */
	unsigned int allowed; /* KIND_ENUM: mask of its values */
};

struct section {
	const char *what;
	const struct key *keys;
	unsigned int nkeys;
};

#define SECTION(name, text, table)                                                                 \
	static const struct section name = { text, table, sizeof(table) / sizeof(table[0]) };      \
	_Static_assert(sizeof(table) / sizeof(table[0]) <= MAX_KEYS, "room in values")

/* ---- parser.c ------------------------------------------------------------------------- */

/* parser_init - start with an empty policy, which has the defaults; 0 or -ENOMEM */
int parser_init(struct parser *p, enum policy_place place);

/*
 * parser_add_file - add a file to the policy, up to its contexts
 *
 * The caller may free @data afterwards. Return: 0, also after mistakes; or -ENOMEM.
 */
int parser_add_file(struct parser *p, const char *name, const char *data, size_t len);

/*
 * parser_finish - parse the rows of all files, print the errors, free the parser
 * @err: a negative errno: a file could not be read, skip the rows
 *
 * Return: 0, -EINVAL, -ENOMEM or @err; @out is written on success only.
 */
int parser_finish(struct parser *p, int err, struct policy **out);

/* parser_error - keep a mistake, by file and line; the first MAX_ERRORS of them */
void parser_error(struct parser *p, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* parser_gave_up - there is no room for another error, or no memory */
bool parser_gave_up(const struct parser *p);

/* parser_place - "on line 7", with the file's name if that is another file; returns @buf */
const char *parser_place(const struct parser *p, unsigned int file, unsigned int line,
			 char buf[PLACE_LEN]);

/*
 * quote - a text of the file that is safe for a terminal: one line, cut off if too long
 * @q: put around it; NUL: nothing
 */
const char *quote(const char *text, size_t len, char q, char buf[WORD_LEN]);
const char *quoted(const char *text, char buf[WORD_LEN]);

/* separator - precedes element @i of @count in "a, b or c" */
const char *separator(unsigned int i, unsigned int count);

/* ---- parse_yaml.c --------------------------------------------------------------------- */

/* document_parse - make the tree of nodes of the file in work; NULL: there were errors */
yaml_node_t *document_parse(struct parser *p, const char *data, size_t len);

unsigned int node_line(const yaml_node_t *node);
yaml_node_t *node_get(const struct parser *p, int id);
const char *node_text(const yaml_node_t *node); /* of a scalar */
bool node_is(const yaml_node_t *node, const char *text); /* of a scalar */
bool node_is_text(const yaml_node_t *node); /* a scalar without NUL inside */
bool node_is_plain(const yaml_node_t *node);
bool node_is_null(const yaml_node_t *node);
bool node_is_bool(const yaml_node_t *node);
bool node_number(const yaml_node_t *node, long long *number);
const char *node_describe(const yaml_node_t *node, char buf[WORD_LEN]);
size_t list_len(const yaml_node_t *list);
yaml_node_t *list_item(const struct parser *p, const yaml_node_t *list, size_t i);

/* check_tag - is the tag of the node the one that its form implies? */
bool check_tag(struct parser *p, const yaml_node_t *node);

/* ---- parse_schema.c ------------------------------------------------------------------- */

/*
 * parse_mapping - check the mapping @node against the keys of @section
 * @values: room for MAX_KEYS, in the order of the section's keys
 *
 * Return: true if there was no mistake. Then each key that is there has its node.
 */
bool parse_mapping(struct parser *p, const struct section *section, yaml_node_t *node,
		   struct value *values);

/*
 * parse_value - check the form of one value
 * @is: "is", or "contains" for an element of the list @key
 *
 * Return: true if there was no mistake. Then @value has the node.
 */
bool parse_value(struct parser *p, const struct key *key, const char *is, yaml_node_t *node,
		 struct value *value);

/*
 * parse_list - parse the rows of a list
 * @have: rows of earlier files, which count towards @max
 */
void parse_list(struct parser *p, const yaml_node_t *list, size_t have, size_t max,
		const char *what, void (*parse_row)(struct parser *, yaml_node_t *));

/* ---- the sections --------------------------------------------------------------------- */

void parse_top(struct parser *p, yaml_node_t *root); /* of the file in work, with its contexts */
void parse_rows(struct parser *p); /* devices, sources and defaults of the file in work */
void parse_context(struct parser *p, yaml_node_t *node);
void parse_device(struct parser *p, yaml_node_t *node);
void parse_source(struct parser *p, yaml_node_t *node);

/* parse_match - read a match; the caller calls policy_match_free() also after a failure */
bool parse_match(struct parser *p, yaml_node_t *node, struct policy_match *match);

/*
 * check_other_match - refuse a match that is equal to another row's, or not told apart from it
 * @what: that row, for example "context 'blue' on line 3"
 */
bool check_other_match(struct parser *p, const yaml_node_t *node, const struct policy_match *match,
		       const struct policy_match *other, const char *what);

/*
 * parse_context_name - find the context that a row names
 *
 * Return: false: there is none. That is no error if a context was refused (contexts_bad).
 */
bool parse_context_name(struct parser *p, const struct value *value, unsigned int *index);

/*
 * parse_brokers - read a list of contexts that may hold a device
 * @owner: context of the device; NULL: the list is not of one device
 * @broker: room for IRQGATE_MAX_BROKERS indexes; @n: how many of them it used
 *
 * Return: true if there was no mistake.
 */
bool parse_brokers(struct parser *p, const struct value *value, const unsigned int *owner,
		   unsigned int *n, unsigned int broker[IRQGATE_MAX_BROKERS]);

/* parse_handle - read the handle of a soft source (@soft), or of a device */
bool parse_handle(struct parser *p, const struct value *value, bool soft, __u64 *handle);

/* ---- policy_match.c ------------------------------------------------------------------- */

/*
 * policy_match_unclear - may a process have both matches, and no rule says which one wins?
 *
 * Looks at the first key that one of them has, in the order pid, cgroup, exe, uid. If only
 * one match has it, or their values differ, <irqgate/match.h> decides by its order. If both
 * have the same value, the match that has all keys of the other wins.
 */
bool policy_match_unclear(const struct policy_match *a, const struct policy_match *b);

#endif
