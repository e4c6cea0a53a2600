// SPDX-License-Identifier: GPL-2.0-only
/*
 * libyaml parses each file into a document; the tables below say which keys each
 * mapping has, walk() checks a mapping against its table, and load_*() checks
 * what needs more than one key. Contexts of all files come before the first
 * device, so that a file may use what another one declares.
 *
 * Not libcyaml: docs/policy.md has what it was measured at.
 */
#include "policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>
#include "cgroup.h"
#include "names.h"
#include "util.h"

#define MAX_ERRORS 20
#define ERROR_LEN 512
#define WORD_LEN 96
#define PLACE_LEN 256
#define MAX_KEYS 8
#define MAX_DEPTH 16
#define MAX_MACHINE 64 /* as systemd-machined has it */
#define MAX_PID 4194304 /* PID_MAX_LIMIT of 64-bit kernels */
#define MAX_UID 4294967294LL /* (uid_t)-1 means none */

struct error {
	unsigned int file, line;
	char text[ERROR_LEN];
};

/* What walk() found for a key. */
struct value {
	unsigned int line; /* of the key, 0: absent */
	yaml_node_t *node; /* NULL: absent or refused */
	const char *text; /* KIND_TEXT */
	long long number; /* KIND_NUMBER, KIND_BOOL, KIND_ENUM */
};

/* A value that all files have in common, and where it was first. */
struct common {
	unsigned int file, line; /* line 0: nowhere yet */
	long long number;
};

struct file {
	yaml_document_t doc;
	bool has_doc;
	struct value top[MAX_KEYS]; /* by TOP_ */
};

struct loader {
	struct policy *policy;
	struct file *files; /* as many as policy->files */
	unsigned int at; /* the one that is being looked at */
	struct common mode, unlisted_device, unlisted_source;
	bool contexts_bad; /* some context was refused: its users cannot be judged */
	bool no_memory;
	unsigned int rows; /* vector rows so far */
	unsigned int nerrors;
	struct error errors[MAX_ERRORS];
};

enum kind {
	KIND_TEXT,
	KIND_NUMBER,
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

enum { TOP_VERSION, TOP_MODE, TOP_CONTEXTS, TOP_DEVICES, TOP_SOURCES, TOP_DEFAULTS };
static const struct key top_keys[] = {
	[TOP_VERSION] = { .name = "version",
			  .kind = KIND_NUMBER,
			  .required = true,
			  .min = 1,
			  .max = 1 },
	[TOP_MODE] = { .name = "mode",
		       .kind = KIND_ENUM,
		       .names = &names_mode,
		       .allowed = NAMES_ALL },
	[TOP_CONTEXTS] = { .name = "contexts", .kind = KIND_LIST },
	[TOP_DEVICES] = { .name = "devices", .kind = KIND_LIST },
	[TOP_SOURCES] = { .name = "sources", .kind = KIND_LIST },
	[TOP_DEFAULTS] = { .name = "defaults", .kind = KIND_MAPPING },
};
SECTION(top_section, "the policy", top_keys);

enum { CONTEXT_NAME, CONTEXT_GD, CONTEXT_MATCH, CONTEXT_STRICT };
static const struct key context_keys[] = {
	[CONTEXT_NAME] = { .name = "name", .kind = KIND_TEXT, .required = true },
	[CONTEXT_GD] = { .name = "gd", .kind = KIND_NUMBER, .max = IRQGATE_GD_NONE },
	[CONTEXT_MATCH] = { .name = "match", .kind = KIND_MAPPING },
	[CONTEXT_STRICT] = { .name = "strict", .kind = KIND_BOOL },
};
SECTION(context_section, "a context", context_keys);

enum { MATCH_CGROUP, MATCH_MACHINE, MATCH_PID, MATCH_EXE, MATCH_UID, MATCH_KEYS };
static const struct key match_keys[] = {
	[MATCH_CGROUP] = { .name = "cgroup", .kind = KIND_TEXT },
	[MATCH_MACHINE] = { .name = "machine", .kind = KIND_TEXT },
	[MATCH_PID] = { .name = "pid", .kind = KIND_NUMBER, .min = 1, .max = MAX_PID },
	[MATCH_EXE] = { .name = "exe", .kind = KIND_TEXT },
	[MATCH_UID] = { .name = "uid", .kind = KIND_NUMBER, .max = MAX_UID },
};
SECTION(match_section, "a match", match_keys);

enum { DEVICE_HANDLE, DEVICE_MATCH, DEVICE_CONTEXT, DEVICE_VECTORS, DEVICE_NOI, DEVICE_ACTION };
static const struct key device_keys[] = {
	[DEVICE_HANDLE] = { .name = "handle", .kind = KIND_TEXT },
	[DEVICE_MATCH] = { .name = "match", .kind = KIND_MAPPING },
	[DEVICE_CONTEXT] = { .name = "context", .kind = KIND_TEXT, .required = true },
	[DEVICE_VECTORS] = { .name = "vectors", .kind = KIND_ANY },
	[DEVICE_NOI] = { .name = "noi", .kind = KIND_NUMBER, .min = 1, .max = IRQGATE_MAX_VECTORS },
	[DEVICE_ACTION] = { .name = "on_violation",
			    .kind = KIND_ENUM,
			    .names = &names_action,
			    .allowed = NAMES_ALL & ~(1u << IRQGATE_ACTION_ALLOW) },
};
SECTION(device_section, "a device", device_keys);

enum { SELECT_ID, SELECT_COUNT, SELECT_GROUP, SELECT_PF, SELECT_VF };
static const struct key select_keys[] = {
	[SELECT_ID] = { .name = "id", .kind = KIND_TEXT },
	[SELECT_COUNT] = { .name = "count",
			   .kind = KIND_NUMBER,
			   .min = 1,
			   .max = IRQGATE_MAX_DEVICES },
	[SELECT_GROUP] = { .name = "iommu_group", .kind = KIND_NUMBER, .max = INT_MAX },
	[SELECT_PF] = { .name = "pf", .kind = KIND_TEXT },
	[SELECT_VF] = { .name = "vf", .kind = KIND_NUMBER, .max = 65535 },
};
SECTION(select_section, "a device's match", select_keys);

enum { SOURCE_HANDLE, SOURCE_MATCH, SOURCE_CONTEXT };
static const struct key source_keys[] = {
	[SOURCE_HANDLE] = { .name = "handle", .kind = KIND_TEXT, .required = true },
	[SOURCE_MATCH] = { .name = "match", .kind = KIND_MAPPING, .required = true },
	[SOURCE_CONTEXT] = { .name = "context", .kind = KIND_TEXT, .required = true },
};
SECTION(source_section, "a source", source_keys);

#define UNLISTED                                                                                   \
	(1u << IRQGATE_ACTION_ALLOW | 1u << IRQGATE_ACTION_AUDIT | 1u << IRQGATE_ACTION_DENY)

enum { DEFAULT_DEVICE, DEFAULT_SOURCE };
static const struct key default_keys[] = {
	[DEFAULT_DEVICE] = { .name = "unlisted_device",
			     .kind = KIND_ENUM,
			     .names = &names_action,
			     .allowed = UNLISTED },
	[DEFAULT_SOURCE] = { .name = "unlisted_source",
			     .kind = KIND_ENUM,
			     .names = &names_action,
			     .allowed = UNLISTED },
};
SECTION(defaults_section, "the defaults", default_keys);

__attribute__((format(printf, 3, 4))) static void complain(struct loader *l, unsigned int line,
							   const char *format, ...)
{
	unsigned int at = l->nerrors;
	va_list args;

	if (at == MAX_ERRORS)
		return;
	/* By file and line; those of one line as found. */
	for (; at && (l->errors[at - 1].file > l->at ||
		      (l->errors[at - 1].file == l->at && l->errors[at - 1].line > line));
	     at--)
		l->errors[at] = l->errors[at - 1];
	l->errors[at].file = l->at;
	l->errors[at].line = line;
	va_start(args, format);
	vsnprintf(l->errors[at].text, ERROR_LEN, format, args);
	va_end(args);
	l->nerrors++;
}

static bool enough(const struct loader *l)
{
	return l->nerrors == MAX_ERRORS || l->no_memory;
}

/* A node that is used through aliases brings its mistakes once a use. */
static void print_errors(const struct loader *l)
{
	const struct error *e;

	for (e = l->errors; e < l->errors + l->nerrors; e++)
		if (e == l->errors || e->file != e[-1].file || e->line != e[-1].line ||
		    strcmp(e->text, e[-1].text))
			fprintf(stderr, "%s:%u: %s\n", l->policy->files[e->file], e->line, e->text);
}

/* "on line 7", or with its name when that is another file. */
static const char *place(const struct loader *l, unsigned int file, unsigned int line,
			 char buf[PLACE_LEN])
{
	if (file == l->at)
		snprintf(buf, PLACE_LEN, "on line %u", line);
	else
		snprintf(buf, PLACE_LEN, "in %s:%u", l->policy->files[file], line);
	return buf;
}

static unsigned int mark_line(const yaml_mark_t *mark)
{
	return (unsigned int)mark->line + 1;
}

static unsigned int node_line(const yaml_node_t *node)
{
	return mark_line(&node->start_mark);
}

static yaml_node_t *get_node(const struct loader *l, int id)
{
	return yaml_document_get_node(&l->files[l->at].doc, id);
}

/*
 * Text of the file as it may go to a terminal: one line, not too long, between
 * two of @q unless that is NUL.
 */
static const char *quote(const char *text, size_t len, char q, char buf[WORD_LEN])
{
	size_t used = 0, i;

	if (q)
		buf[used++] = q;
	for (i = 0; i < len && used < WORD_LEN - 8; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= ' ' && c <= '~')
			buf[used++] = (char)c;
		else
			used += (size_t)sprintf(buf + used, "\\x%02x", c);
	}
	snprintf(buf + used, WORD_LEN - used, "%s%c", i < len ? "..." : "", q);
	return buf;
}

static const char *quoted(const char *text, char buf[WORD_LEN])
{
	return quote(text, strlen(text), '\'', buf);
}

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool scalar_is(const yaml_node_t *node, const char *text)
{
	return node->data.scalar.length == strlen(text) && !strcmp(scalar(node), text);
}

static bool is_plain(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_null(const yaml_node_t *node)
{
	return is_plain(node) &&
	       (scalar_is(node, "") || scalar_is(node, "~") || scalar_is(node, "null"));
}

static bool is_bool(const yaml_node_t *node)
{
	return is_plain(node) && (scalar_is(node, "true") || scalar_is(node, "false"));
}

/*
 * Integers as YAML 1.1, YAML 1.2 and JSON agree on them, and hexadecimal ones.
 * Saturates, so that what is too large is out of range and not "not a number".
 */
static bool get_number(const yaml_node_t *node, long long *number)
{
	const char *text, *digits;
	char *end;
	int base;

	if (!is_plain(node))
		return false;
	text = scalar(node);
	digits = text + (*text == '-');
	if (*digits < '0' || *digits > '9')
		return false;
	base = digits[0] == '0' && digits[1] == 'x' ? 16 : 10;
	if (base == 10 && digits[0] == '0' && digits[1])
		return false;
	*number = strtoll(text, &end, base);
	return !*end && (base == 10 || end > digits + 2);
}

static const char *describe(const yaml_node_t *node, char buf[WORD_LEN])
{
	long long number;

	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	if (is_null(node))
		return "empty";
	if (is_bool(node) || get_number(node, &number))
		return quote(scalar(node), node->data.scalar.length, '\0', buf);
	return quote(scalar(node), node->data.scalar.length, is_plain(node) ? '\'' : '"', buf);
}

static const char *expected(const struct key *key, const yaml_node_t *node, char buf[WORD_LEN])
{
	switch (key->kind) {
	case KIND_TEXT:
		return is_plain(node) && !is_null(node) ? "a string, in quotes" : "a string";
	case KIND_NUMBER:
		if (key->min == key->max)
			snprintf(buf, WORD_LEN, "%lld", key->min);
		else
			snprintf(buf, WORD_LEN, "a number from %lld to %lld", key->min, key->max);
		return buf;
	case KIND_BOOL:
		return "true or false";
	case KIND_ENUM:
		return names_list(key->names, key->allowed, buf, WORD_LEN);
	case KIND_LIST:
		return "a list";
	default:
		return "a mapping";
	}
}

static bool convert(const struct key *key, yaml_node_t *node, struct value *value)
{
	bool text =
		node->type == YAML_SCALAR_NODE && strlen(scalar(node)) == node->data.scalar.length;

	switch (key->kind) {
	case KIND_TEXT:
		value->text = text ? scalar(node) : NULL;
		return text && !is_null(node) && !is_bool(node) &&
		       !get_number(node, &value->number);
	case KIND_NUMBER:
		return get_number(node, &value->number) && value->number >= key->min &&
		       value->number <= key->max;
	case KIND_BOOL:
		value->number = is_bool(node) && scalar_is(node, "true");
		return is_bool(node);
	case KIND_ENUM:
		value->number = text ? name_value(key->names, scalar(node)) : -EINVAL;
		return value->number >= 0 && key->allowed >> value->number & 1;
	case KIND_LIST:
		return node->type == YAML_SEQUENCE_NODE;
	case KIND_MAPPING:
		return node->type == YAML_MAPPING_NODE;
	default:
		return true;
	}
}

/* What goes before element @i of @count in "a, b or c". */
static const char *separator(unsigned int i, unsigned int count)
{
	if (!i)
		return "";
	return i + 1 == count ? " or " : ", ";
}

static const char *key_list(const struct section *section, char buf[WORD_LEN])
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < section->nkeys && used < WORD_LEN; i++)
		used += (size_t)snprintf(buf + used, WORD_LEN - used, "%s%s",
					 separator(i, section->nkeys), section->keys[i].name);
	return buf;
}

/* Tags would change what a value means behind our back: only the implied ones. */
static bool tag_known(const yaml_node_t *node)
{
	const char *tag = node->type == YAML_SCALAR_NODE     ? YAML_DEFAULT_SCALAR_TAG
			  : node->type == YAML_SEQUENCE_NODE ? YAML_DEFAULT_SEQUENCE_TAG
							     : YAML_DEFAULT_MAPPING_TAG;

	return !strcmp((const char *)node->tag, tag);
}

static bool check_tag(struct loader *l, const yaml_node_t *node)
{
	char word[WORD_LEN];

	if (tag_known(node))
		return true;
	complain(l, node_line(node), "tag %s, expected a value without a tag",
		 quoted((const char *)node->tag, word));
	return false;
}

static void walk_pair(struct loader *l, const struct section *section, yaml_node_t *name,
		      yaml_node_t *node, struct value *values)
{
	char word[WORD_LEN], list[WORD_LEN];
	const struct key *key;
	struct value *value;
	unsigned int i;

	for (i = 0; i < section->nkeys; i++)
		if (name->type == YAML_SCALAR_NODE && scalar_is(name, section->keys[i].name))
			break;
	if (i == section->nkeys) {
		complain(l, node_line(name), "unknown key %s in %s, expected %s",
			 describe(name, word), section->what, key_list(section, list));
		return;
	}
	key = &section->keys[i];
	value = &values[i];
	if (value->line) {
		complain(l, node_line(name), "duplicate key '%s' in %s, first on line %u",
			 key->name, section->what, value->line);
		return;
	}
	value->line = node_line(name);
	if (!check_tag(l, node))
		return;
	if (convert(key, node, value))
		value->node = node;
	else
		complain(l, node_line(node), "'%s' is %s, expected %s", key->name,
			 describe(node, word), expected(key, node, list));
}

/*
 * Checks the mapping @node against @section and fills @values[MAX_KEYS], in the
 * order of the section's keys. Returns true when nothing was wrong.
 */
static bool walk(struct loader *l, const struct section *section, yaml_node_t *node,
		 struct value *values)
{
	unsigned int before = l->nerrors, i;
	yaml_node_pair_t *pair;
	char word[WORD_LEN];

	memset(values, 0, sizeof(*values) * MAX_KEYS);
	if (!check_tag(l, node))
		return false;
	if (node->type != YAML_MAPPING_NODE) {
		complain(l, node_line(node), "%s is %s, expected a mapping", section->what,
			 describe(node, word));
		return false;
	}
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top && !enough(l); pair++)
		walk_pair(l, section, get_node(l, pair->key), get_node(l, pair->value), values);
	for (i = 0; i < section->nkeys; i++)
		if (section->keys[i].required && !values[i].line)
			complain(l, node_line(node), "missing key '%s' in %s, expected it",
				 section->keys[i].name, section->what);
	return l->nerrors == before && !enough(l);
}

static size_t list_len(const yaml_node_t *list)
{
	return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

/* @have: rows of earlier files */
static void load_list(struct loader *l, const yaml_node_t *list, size_t have, size_t max,
		      const char *what, void (*load_row)(struct loader *, yaml_node_t *))
{
	size_t i;

	for (i = 0; i < list_len(list) && !enough(l); i++) {
		yaml_node_t *node = get_node(l, list->data.sequence.items.start[i]);

		if (have + i == max) {
			complain(l, node_line(node), "more %s than fit, expected at most %zu", what,
				 max);
			return;
		}
		load_row(l, node);
	}
}

static bool path_printable(const char *path)
{
	while (*path && !text_control(path))
		path++;
	return !*path;
}

static bool check_path(struct loader *l, const char *key, const struct value *value)
{
	const char *what = strcmp(key, "exe") ? "a path below the cgroup root that starts with '/'"
					      : "an absolute path";
	unsigned int line = node_line(value->node);
	char word[WORD_LEN];

	if (value->text[0] != '/')
		complain(l, line, "'%s' is %s, expected %s", key, quoted(value->text, word), what);
	else if (strlen(value->text) >= PATH_MAX)
		complain(l, line, "'%s' is %zu bytes long, expected at most %d", key,
			 strlen(value->text), PATH_MAX - 1);
	else if (!path_printable(value->text))
		complain(l, line, "'%s' is %s, expected no control characters or line separators",
			 key, quoted(value->text, word));
	else
		return true;
	return false;
}

/*
 * The scope systemd-machined makes for a machine: escaped as systemd-escape(1)
 * does, so that a '-' does not read as a level of the slice.
 */
static char *machine_cgroup(struct loader *l, const struct value *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789:_.";
	static const char prefix[] = "/machine.slice/machine-", suffix[] = ".scope";
	const char *c = value->text;
	char word[WORD_LEN], *path, *p;

	if (!*c || strlen(c) > MAX_MACHINE || *c == '.' || c[strspn(c, plain)] == '/' ||
	    !path_printable(c)) {
		complain(l, node_line(value->node),
			 "'machine' is %s, expected a name as machinectl(1) lists it, of up to "
			 "%d bytes",
			 quoted(c, word), MAX_MACHINE);
		return NULL;
	}
	path = malloc(sizeof(prefix) + 4 * strlen(c) + sizeof(suffix));
	if (!path) {
		l->no_memory = true;
		return NULL;
	}
	for (p = path + sprintf(path, "%s", prefix); *c; c++)
		p += strchr(plain, *c) ? sprintf(p, "%c", *c)
				       : sprintf(p, "\\x%02x", (unsigned char)*c);
	strcpy(p, suffix);
	return path;
}

/* On success match->text is the caller's to free. */
static bool load_match(struct loader *l, yaml_node_t *node, struct policy_match *match)
{
	static const enum irqgate_match_kind kinds[] = {
		[MATCH_CGROUP] = IRQGATE_MATCH_CGROUP, [MATCH_MACHINE] = IRQGATE_MATCH_CGROUP,
		[MATCH_PID] = IRQGATE_MATCH_PID,       [MATCH_EXE] = IRQGATE_MATCH_EXE,
		[MATCH_UID] = IRQGATE_MATCH_UID,
	};
	struct value values[MAX_KEYS];
	unsigned int i, found = 0, count = 0;

	if (!walk(l, &match_section, node, values))
		return false;
	for (i = 0; i < MATCH_KEYS; i++) {
		if (!values[i].line)
			continue;
		found = i;
		count++;
	}
	if (count != 1) {
		complain(l, node_line(node),
			 "match with %u keys, expected exactly one of cgroup, machine, pid, exe "
			 "or uid",
			 count);
		return false;
	}
	match->kind = kinds[found];
	match->id = 0;
	match->text = NULL;
	if (found == MATCH_PID || found == MATCH_UID) {
		match->id = (long)values[found].number;
		return true;
	}
	if (found == MATCH_MACHINE) {
		match->text = machine_cgroup(l, &values[found]);
		return match->text;
	}
	if (!check_path(l, match_keys[found].name, &values[found]))
		return false;
	if (found == MATCH_CGROUP &&
	    !strncmp(values[found].text, CGROUP_ROOT "/", strlen(CGROUP_ROOT "/"))) {
		complain(l, node_line(values[found].node),
			 "'cgroup' starts with " CGROUP_ROOT "/, expected a path below it");
		return false;
	}
	match->text = strdup(values[found].text);
	if (!match->text)
		l->no_memory = true;
	return match->text;
}

static bool match_equal(const struct policy_match *a, const struct policy_match *b)
{
	if (a->kind != b->kind)
		return false;
	return a->text ? !strcmp(a->text, b->text) : a->id == b->id;
}

const struct policy_context *policy_context_by_name(const struct policy *policy, const char *name)
{
	const struct policy_context *c;

	for (c = policy->contexts; c < policy->contexts + policy->ncontexts; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

/* Names go into labels, paths and command lines ("pid:N" is not a name there). */
static bool check_name(struct loader *l, const struct value *value)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_.-";
	const char *name = value->text;
	char word[WORD_LEN];

	if (strlen(name) >= IRQGATE_NAME_LEN)
		complain(l, node_line(value->node), "'name' is %zu bytes long, expected at most %d",
			 strlen(name), IRQGATE_NAME_LEN - 1);
	else if (!*name || strchr("_.-", *name) || name[strspn(name, alnum)])
		complain(l, node_line(value->node),
			 "'name' is %s, expected a letter or digit, then letters, digits, "
			 "'_', '.' or '-'",
			 quoted(name, word));
	else
		return true;
	return false;
}

static bool check_gd(struct loader *l, bool host, const struct value *value)
{
	unsigned int line = value->node ? node_line(value->node) : 0;
	const struct policy_context *c;
	char where[PLACE_LEN];

	if (!value->line)
		return true;
	if (host) {
		if (value->number != IRQGATE_GD_HOST)
			complain(l, line, "'gd' of host is %lld, expected 0 or none",
				 value->number);
		return value->number == IRQGATE_GD_HOST;
	}
	if (value->number == IRQGATE_GD_HOST) {
		complain(l, line, "'gd' is 0, which is the host's, expected 1 to 4294967294");
		return false;
	}
	if (value->number == IRQGATE_GD_NONE) {
		complain(l, line,
			 "'gd' is 4294967295, which means no context, expected 1 to 4294967294");
		return false;
	}
	for (c = l->policy->contexts; c < l->policy->contexts + l->policy->ncontexts; c++) {
		if (c->gd != value->number)
			continue;
		complain(l, line, "'gd' %u is that of context '%s' %s, expected another", c->gd,
			 c->name, place(l, c->file, c->line, where));
		return false;
	}
	return true;
}

/* Checks everything, so that one mistake does not hide the next. */
static bool check_context(struct loader *l, const yaml_node_t *node, const struct value *values,
			  const struct policy_match *match)
{
	const struct policy_context *same = NULL, *c;
	const char *name = values[CONTEXT_NAME].text;
	bool host = !strcmp(name, "host"), ok;
	char where[PLACE_LEN];

	ok = check_name(l, &values[CONTEXT_NAME]);
	ok &= check_gd(l, host, &values[CONTEXT_GD]);
	if (ok)
		same = policy_context_by_name(l->policy, name);
	if (same && same->line) {
		complain(l, node_line(values[CONTEXT_NAME].node),
			 "duplicate context '%s', first %s", name,
			 place(l, same->file, same->line, where));
		ok = false;
	}
	if (!host && !values[CONTEXT_MATCH].line) {
		complain(l, node_line(node),
			 "missing key 'match' in a context, expected it for all but host");
		return false;
	}
	for (c = l->policy->contexts; c < l->policy->contexts + l->policy->ncontexts; c++) {
		if (!match->kind || !match_equal(&c->match, match))
			continue;
		complain(l, node_line(values[CONTEXT_MATCH].node),
			 "same match as context '%s' %s, expected another", c->name,
			 place(l, c->file, c->line, where));
		ok = false;
	}
	return ok;
}

static void load_context(struct loader *l, yaml_node_t *node)
{
	struct policy *p = l->policy;
	struct value values[MAX_KEYS];
	struct policy_match match = { 0 };
	struct policy_context *c;

	if (!walk(l, &context_section, node, values) ||
	    (values[CONTEXT_MATCH].node && !load_match(l, values[CONTEXT_MATCH].node, &match)) ||
	    !check_context(l, node, values, &match)) {
		free(match.text);
		l->contexts_bad = true;
		return;
	}
	c = strcmp(values[CONTEXT_NAME].text, "host") ? &p->contexts[p->ncontexts++] : p->contexts;
	strcpy(c->name, values[CONTEXT_NAME].text);
	/* number_contexts() follows: others may ask for any number further down. */
	c->gd = values[CONTEXT_GD].line ? (__u32)values[CONTEXT_GD].number : IRQGATE_GD_NONE;
	c->strict = values[CONTEXT_STRICT].number;
	c->match = match;
	c->file = l->at;
	c->line = node_line(node);
}

static bool gd_taken(const struct policy *p, __u32 gd)
{
	unsigned int i;

	for (i = 0; i < p->ncontexts; i++)
		if (p->contexts[i].gd == gd)
			return true;
	return false;
}

static void number_contexts(struct policy *p)
{
	__u32 next = 1;
	unsigned int i;

	p->contexts[0].gd = IRQGATE_GD_HOST;
	for (i = 1; i < p->ncontexts; i++) {
		if (p->contexts[i].gd != IRQGATE_GD_NONE)
			continue;
		while (gd_taken(p, next))
			next++;
		p->contexts[i].gd = next;
	}
}

/* Finds the context a row names. False, with or without a complaint: there is none. */
static bool find_context(struct loader *l, const struct value *value, unsigned int *index)
{
	const struct policy *p = l->policy;
	const struct policy_context *c = policy_context_by_name(p, value->text);
	char word[WORD_LEN], list[ERROR_LEN / 2];
	size_t used = 0;
	unsigned int i;

	if (c) {
		*index = (unsigned int)(c - p->contexts);
		return true;
	}
	if (l->contexts_bad)
		return false;
	for (i = 0; i < p->ncontexts; i++) {
		if (used + IRQGATE_NAME_LEN + 16 > sizeof(list)) {
			snprintf(list + used, sizeof(list) - used, ", ...");
			break;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 separator(i, p->ncontexts), p->contexts[i].name);
	}
	complain(l, node_line(value->node), "unknown context %s, expected %s",
		 quoted(value->text, word), list);
	return false;
}

static bool parse_handle(struct loader *l, const struct value *value, bool soft, __u64 *handle)
{
	const char *what = soft ? "soft:NAME, NAME of up to 48 letters, digits, '_', '.' or '-'"
				: "pci:0000:00:0b.0 or zpci:80020002";
	char word[WORD_LEN];

	/* A hash will do to ask for a source, not to say what one is called. */
	if (handle_parse(value->text, handle) || !strncmp(value->text, "soft:#", 6))
		complain(l, node_line(value->node), "not a handle: %s, expected %s",
			 quoted(value->text, word), what);
	else if (soft != (irqgate_handle_type(*handle) == IRQGATE_HANDLE_SOFT))
		complain(l, node_line(value->node), "not the handle of %s: %s, expected %s",
			 soft ? "a source" : "a device", quoted(value->text, word), what);
	else
		return true;
	return false;
}

static bool load_vectors_text(struct loader *l, const yaml_node_t *node, bool in_list,
			      struct vector_set *vectors)
{
	const char *error;
	char word[WORD_LEN];

	if (!check_tag(l, node))
		return false;
	if (node->type != YAML_SCALAR_NODE || strlen(scalar(node)) != node->data.scalar.length) {
		complain(l, node_line(node), "'vectors' %s %s, expected %s",
			 in_list ? "contains" : "is", describe(node, word),
			 in_list ? "vectors and ranges" : "all, a vector, a range or a list");
		return false;
	}
	if (vectors_parse(scalar(node), vectors, &error)) {
		complain(l, node_line(node), "'vectors' %s %s: %s", in_list ? "contains" : "is",
			 describe(node, word), error);
		return false;
	}
	if (in_list && vectors->all) {
		complain(l, node_line(node),
			 "'vectors' contains all, expected vectors and ranges or only all");
		return false;
	}
	return true;
}

static bool load_vectors(struct loader *l, const struct value *value, struct vector_set *vectors)
{
	yaml_node_t *list = value->node;
	struct vector_set part;
	bool ok = true;
	size_t i, j;

	if (list->type != YAML_SEQUENCE_NODE)
		return load_vectors_text(l, list, false, vectors);
	if (!list_len(list) || list_len(list) > IRQGATE_MAX_VECTORS) {
		complain(l, node_line(list),
			 "'vectors' is a list of %zu, expected 1 to %u elements", list_len(list),
			 IRQGATE_MAX_VECTORS);
		return false;
	}
	memset(vectors, 0, sizeof(*vectors));
	for (i = 0; i < list_len(list) && !enough(l); i++) {
		if (!load_vectors_text(l, get_node(l, list->data.sequence.items.start[i]), true,
				       &part)) {
			ok = false;
			continue;
		}
		for (j = 0; j < IRQGATE_MAX_VECTORS / 64; j++)
			vectors->bits[j] |= part.bits[j];
	}
	return ok;
}

static bool load_device_vectors(struct loader *l, const yaml_node_t *node,
				const struct value *values, struct vector_set *vectors)
{
	const struct value *list = &values[DEVICE_VECTORS], *noi = &values[DEVICE_NOI];

	if (list->line && noi->line) {
		complain(l, node_line(node), "both 'vectors' and 'noi' in a device, expected one");
		return false;
	}
	if (list->line)
		return load_vectors(l, list, vectors);
	if (!noi->line) {
		complain(l, node_line(node),
			 "neither 'vectors' nor 'noi' in a device, expected one");
		return false;
	}
	vectors_fill(vectors, 0, (unsigned int)noi->number - 1);
	return true;
}

/* "8086:10d3", as lspci -n prints it. */
static bool parse_id(struct loader *l, const struct value *value, struct policy_select *select)
{
	char word[WORD_LEN];
	int end = 0;

	if (sscanf(value->text, "%4hx:%4hx%n", &select->vendor, &select->device, &end) == 2 &&
	    end == 9 && !value->text[9] && strspn(value->text, "0123456789abcdefABCDEF:") == 9)
		return true;
	complain(l, node_line(value->node),
		 "'id' is %s, expected VENDOR:DEVICE of four hexadecimal digits each, as 8086:10d3",
		 quoted(value->text, word));
	return false;
}

/* Which functions, where the policy does not name one by its handle. */
static bool load_select(struct loader *l, yaml_node_t *node, struct policy_select *select)
{
	struct value values[MAX_KEYS];
	unsigned int count;

	if (!walk(l, &select_section, node, values))
		return false;
	count = !!values[SELECT_ID].line + !!values[SELECT_GROUP].line + !!values[SELECT_PF].line;
	if (count != 1)
		complain(l, node_line(node),
			 "a device's match with %u of id, iommu_group and pf, expected exactly one",
			 count);
	else if (values[SELECT_COUNT].line && !values[SELECT_ID].line)
		complain(l, values[SELECT_COUNT].line, "'count' without 'id', expected both");
	else if (!values[SELECT_VF].line != !values[SELECT_PF].line)
		complain(l, node_line(node),
			 "one of 'pf' and 'vf' in a device's match, expected both");
	else if (values[SELECT_ID].line) {
		select->kind = POLICY_SELECT_ID;
		select->count =
			values[SELECT_COUNT].line ? (unsigned int)values[SELECT_COUNT].number : 1;
		return parse_id(l, &values[SELECT_ID], select);
	} else if (values[SELECT_GROUP].line) {
		select->kind = POLICY_SELECT_GROUP;
		select->group = (unsigned int)values[SELECT_GROUP].number;
		return true;
	} else {
		select->kind = POLICY_SELECT_VF;
		select->vf = (unsigned int)values[SELECT_VF].number;
		return parse_handle(l, &values[SELECT_PF], false, &select->pf);
	}
	return false;
}

static bool select_equal(const struct policy_device *a, const struct policy_device *b)
{
	const struct policy_select *x = &a->select, *y = &b->select;

	if (x->kind != y->kind)
		return false;
	switch (x->kind) {
	case POLICY_SELECT_HANDLE:
		return a->handle == b->handle;
	case POLICY_SELECT_GROUP:
		return x->group == y->group;
	case POLICY_SELECT_VF:
		return x->pf == y->pf && x->vf == y->vf;
	default:
		return false; /* each takes some of that id */
	}
}

/* Which function or functions, and that no other row has said so. */
static bool load_functions(struct loader *l, const yaml_node_t *node, const struct value *values,
			   struct policy_device *d)
{
	const struct value *handle = &values[DEVICE_HANDLE], *match = &values[DEVICE_MATCH];
	const struct policy *p = l->policy;
	char word[POLICY_SELECT_LEN], where[PLACE_LEN];
	unsigned int i;

	if (!handle->line == !match->line) {
		complain(l, node_line(node), "%s in a device, expected one",
			 handle->line ? "both 'handle' and 'match'"
				      : "neither 'handle' nor 'match'");
		return false;
	}
	if (handle->line ? !parse_handle(l, handle, false, &d->handle)
			 : !load_select(l, match->node, &d->select))
		return false;
	for (i = 0; i < p->ndevices; i++) {
		if (!select_equal(&p->devices[i], d))
			continue;
		complain(l, node_line(handle->line ? handle->node : match->node),
			 "duplicate device %s, first %s", policy_select_format(d, word),
			 place(l, p->devices[i].file, p->devices[i].line, where));
		return false;
	}
	return true;
}

static void load_device(struct loader *l, yaml_node_t *node)
{
	struct policy *p = l->policy;
	struct policy_device d = { .line = node_line(node),
				   .file = l->at,
				   .action = IRQGATE_ACTION_DENY };
	struct value values[MAX_KEYS];
	unsigned int rows;
	bool ok;

	if (!walk(l, &device_section, node, values))
		return;
	ok = load_functions(l, node, values, &d);
	ok &= find_context(l, &values[DEVICE_CONTEXT], &d.context);
	ok &= load_device_vectors(l, node, values, &d.vectors);
	if (!ok)
		return;
	rows = d.vectors.all ? 0 : vectors_count(&d.vectors);
	if (l->rows <= IRQGATE_MAX_VECTOR_ROWS && l->rows + rows > IRQGATE_MAX_VECTOR_ROWS)
		complain(l, d.line, "more vectors than fit, expected at most %d in all devices",
			 IRQGATE_MAX_VECTOR_ROWS);
	l->rows += rows;
	if (values[DEVICE_ACTION].line)
		d.action = (enum irqgate_action)values[DEVICE_ACTION].number;
	p->devices[p->ndevices++] = d;
}

static void load_source(struct loader *l, yaml_node_t *node)
{
	struct policy *p = l->policy;
	struct policy_source s = { .line = node_line(node), .file = l->at };
	struct value values[MAX_KEYS];
	char where[PLACE_LEN];
	bool ok, matches;
	unsigned int i;

	if (!walk(l, &source_section, node, values))
		return;
	ok = parse_handle(l, &values[SOURCE_HANDLE], true, &s.handle);
	ok &= find_context(l, &values[SOURCE_CONTEXT], &s.context);
	matches = load_match(l, values[SOURCE_MATCH].node, &s.match);
	for (i = 0; i < p->nsources; i++) {
		const struct policy_source *other = &p->sources[i];
		char word[HANDLE_STRLEN];

		if (ok && other->handle == s.handle) {
			complain(l, node_line(values[SOURCE_HANDLE].node),
				 "duplicate source %s, first %s", handle_format(s.handle, word),
				 place(l, other->file, other->line, where));
			ok = false;
		}
		if (matches && match_equal(&other->match, &s.match)) {
			complain(l, node_line(values[SOURCE_MATCH].node),
				 "same match as source %s %s, expected another",
				 handle_format(other->handle, word),
				 place(l, other->file, other->line, where));
			ok = false;
		}
	}
	if (ok && matches)
		p->sources[p->nsources++] = s;
	else
		free(s.match.text);
}

/* Files may agree on it or be silent, but not contradict each other. */
static bool load_common(struct loader *l, const char *key, const struct names *names,
			const struct value *value, struct common *common)
{
	char where[PLACE_LEN];

	if (!value->node)
		return false;
	if (common->line && common->number != value->number) {
		complain(l, node_line(value->node), "'%s' is %s, but %s %s, expected one value",
			 key, name_of(names, (unsigned int)value->number),
			 name_of(names, (unsigned int)common->number),
			 place(l, common->file, common->line, where));
		return false;
	}
	if (!common->line)
		*common = (struct common){ l->at, node_line(value->node), value->number };
	return true;
}

static void load_defaults(struct loader *l, yaml_node_t *node)
{
	struct irqgate_defaults *def = &l->policy->defaults;
	struct value values[MAX_KEYS], *device = &values[DEFAULT_DEVICE],
				       *source = &values[DEFAULT_SOURCE];

	walk(l, &defaults_section, node, values);
	if (load_common(l, "unlisted_device", &names_action, device, &l->unlisted_device))
		def->unlisted_device = (__u8)device->number;
	if (load_common(l, "unlisted_source", &names_action, source, &l->unlisted_source))
		def->unlisted_source = (__u8)source->number;
}

/* Room for a row for each element of @list, up to @max, behind @rows that exist. */
static void *grow(struct loader *l, void *array, size_t rows, const yaml_node_t *list, size_t max,
		  size_t size)
{
	size_t more = list_len(list) < max ? list_len(list) : max;
	char *grown = realloc(array, (rows + more + 1) * size);

	if (!grown) {
		l->no_memory = true;
		return array;
	}
	memset(grown + rows * size, 0, (more + 1) * size);
	return grown;
}

/* What needs nothing of the other files: the top level and the contexts. */
static void load_top(struct loader *l, yaml_node_t *root)
{
	struct policy *p = l->policy;
	struct value *top = l->files[l->at].top;
	const yaml_node_t *contexts;

	walk(l, &top_section, root, top);
	if (enough(l))
		return;
	if (load_common(l, "mode", &names_mode, &top[TOP_MODE], &l->mode))
		p->defaults.mode = (__u8)top[TOP_MODE].number;
	contexts = top[TOP_CONTEXTS].node;
	l->contexts_bad |= top[TOP_CONTEXTS].line && !contexts;
	if (contexts) {
		p->contexts = grow(l, p->contexts, p->ncontexts, contexts, IRQGATE_MAX_CONTEXTS,
				   sizeof(*p->contexts));
		load_list(l, contexts, p->ncontexts - 1, IRQGATE_MAX_CONTEXTS - 1, "contexts",
			  load_context);
	}
}

static void load_rows(struct loader *l)
{
	const struct value *top = l->files[l->at].top;
	struct policy *p = l->policy;
	size_t matches = IRQGATE_MAX_MATCHES;
	const yaml_node_t *devices = top[TOP_DEVICES].node, *sources = top[TOP_SOURCES].node;
	unsigned int i;

	if (devices) {
		p->devices = grow(l, p->devices, p->ndevices, devices, IRQGATE_MAX_DEVICES,
				  sizeof(*p->devices));
		load_list(l, devices, p->ndevices, IRQGATE_MAX_DEVICES, "devices", load_device);
	}
	for (i = 0; i < p->ncontexts; i++)
		matches -= p->contexts[i].match.kind != 0;
	if (sources) {
		p->sources = grow(l, p->sources, p->nsources, sources, IRQGATE_MAX_MATCHES,
				  sizeof(*p->sources));
		load_list(l, sources, p->nsources, matches, "sources", load_source);
	}
	if (top[TOP_DEFAULTS].node)
		load_defaults(l, top[TOP_DEFAULTS].node);
}

/* Whether line @line, from 1, is indented with a tab. */
static bool tab_indented(const char *data, size_t len, unsigned int line)
{
	const char *end = data + len;

	for (; line > 1 && data; line--) {
		data = memchr(data, '\n', (size_t)(end - data));
		if (data)
			data++;
	}
	for (; data && data < end && *data == ' '; data++)
		;
	return data && data < end && *data == '\t';
}

static void complain_yaml(struct loader *l, const yaml_parser_t *parser, const char *data,
			  size_t len)
{
	unsigned int line = mark_line(&parser->problem_mark);
	const char *c;

	if (parser->error == YAML_MEMORY_ERROR) {
		l->no_memory = true;
	} else if (parser->error == YAML_READER_ERROR) {
		/* No mark here: the reader is ahead of the scanner. */
		line = 1;
		for (c = data; c < data + len && c < data + parser->problem_offset; c++)
			line += *c == '\n';
		complain(l, line, "not text: %s, expected UTF-8", parser->problem);
	} else if (tab_indented(data, len, line)) {
		complain(l, line, "tab in the indentation, expected blanks");
	} else if (parser->context) {
		complain(l, line, "not YAML: %s %s from line %u, expected YAML or JSON",
			 parser->problem, parser->context, mark_line(&parser->context_mark));
	} else {
		complain(l, line, "not YAML: %s, expected YAML or JSON", parser->problem);
	}
}

static bool open_parser(struct loader *l, yaml_parser_t *parser, const char *data, size_t len)
{
	if (!yaml_parser_initialize(parser)) {
		l->no_memory = true;
		return false;
	}
	yaml_parser_set_input_string(parser, (const unsigned char *)data, len);
	return true;
}

/*
 * libyaml takes quadratic time for deep nesting, minutes for 1 MiB: look before
 * it builds the document. What else is wrong is left for it to say.
 */
static void check_depth(struct loader *l, yaml_parser_t *parser)
{
	unsigned int depth = 0, line = 1;
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_event_t event;

	while (type != YAML_STREAM_END_EVENT && depth <= MAX_DEPTH &&
	       yaml_parser_parse(parser, &event)) {
		type = event.type;
		line = mark_line(&event.start_mark);
		if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
			depth++;
		else if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
			depth--;
		yaml_event_delete(&event);
	}
	if (depth > MAX_DEPTH)
		complain(l, line, "nested deeper than %d levels, expected 4", MAX_DEPTH);
}

static void load_document(struct loader *l, yaml_parser_t *parser, const char *data, size_t len)
{
	struct file *file = &l->files[l->at];
	yaml_document_t next;
	yaml_node_t *root;

	if (!yaml_parser_load(parser, &file->doc)) {
		complain_yaml(l, parser, data, len);
		return;
	}
	file->has_doc = true;
	/* After the end of the stream this yields another document without a root. */
	if (!yaml_parser_load(parser, &next)) {
		complain_yaml(l, parser, data, len);
		return;
	}
	if (yaml_document_get_root_node(&next))
		complain(l, mark_line(&next.start_mark), "second document, expected only one");
	yaml_document_delete(&next);

	root = yaml_document_get_root_node(&file->doc);
	if (!root || is_null(root))
		complain(l, 1, "the policy is empty, expected a mapping");
	else
		load_top(l, root);
}

/* A file joins the policy. @data is of no use any more when this returns. */
static int add_file(struct loader *l, const char *name, const char *data, size_t len)
{
	struct policy *p = l->policy;
	unsigned int before = l->nerrors;
	yaml_parser_t parser;
	void *grown;

	grown = realloc(p->files, (p->nfiles + 1) * sizeof(*p->files));
	if (!grown)
		return -ENOMEM;
	p->files = grown;
	grown = realloc(l->files, (p->nfiles + 1) * sizeof(*l->files));
	if (!grown)
		return -ENOMEM;
	l->files = grown;
	p->files[p->nfiles] = strdup(name);
	if (!p->files[p->nfiles])
		return -ENOMEM;
	l->at = p->nfiles++;
	memset(&l->files[l->at], 0, sizeof(*l->files));
	if (open_parser(l, &parser, data, len)) {
		check_depth(l, &parser);
		yaml_parser_delete(&parser);
	}
	if (l->nerrors == before && !l->no_memory && open_parser(l, &parser, data, len)) {
		load_document(l, &parser, data, len);
		yaml_parser_delete(&parser);
	}
	/* What such a file declares is missing, not unknown. */
	l->contexts_bad |= l->nerrors != before;
	return 0;
}

static int loader_init(struct loader *l)
{
	memset(l, 0, sizeof(*l));
	/* Also where every default comes from. */
	return policy_empty(&l->policy);
}

/* All files are there. */
static int loader_finish(struct loader *l, int err, struct policy **out)
{
	unsigned int i;

	number_contexts(l->policy);
	for (i = 0; !err && i < l->policy->nfiles && !enough(l); i++) {
		l->at = i;
		load_rows(l);
	}
	print_errors(l);
	for (i = 0; i < l->policy->nfiles; i++)
		if (l->files[i].has_doc)
			yaml_document_delete(&l->files[i].doc);
	free(l->files);
	if (!err && l->no_memory)
		err = -ENOMEM;
	if (!err && l->nerrors)
		err = -EINVAL;
	if (err)
		policy_free(l->policy);
	else
		*out = l->policy;
	return err;
}

int policy_parse(const char *name, const char *data, size_t len, struct policy **out)
{
	struct loader l;
	int err = loader_init(&l);

	return err ?: loader_finish(&l, add_file(&l, name, data, len), out);
}

/* Whoever writes the policy decides who gets interrupts: only root may. */
static int check_owner(const char *path, const struct stat *st)
{
	int err = 0;

	if (st->st_uid != 0) {
		fprintf(stderr, "%s:1: owned by uid %u, expected root: chown root %s\n", path,
			st->st_uid, path);
		err = -EINVAL;
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		fprintf(stderr, "%s:1: mode %04o, expected root alone to write: chmod go-w %s\n",
			path, st->st_mode & 07777, path);
		err = -EINVAL;
	}
	return err;
}

static int check_file(const char *path, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return check_owner(path, st);
	fprintf(stderr, "%s: cannot open: %s, expected a regular file\n", path,
		S_ISDIR(st->st_mode)   ? "a directory"
		: S_ISLNK(st->st_mode) ? "a symbolic link"
				       : "not a file");
	return -EINVAL;
}

/*
 * The file an operator names may be a link (a ConfigMap's are): what it leads to is
 * checked. What merely lies in the directory may not.
 */
enum links { LINKS_FOLLOWED, LINKS_REFUSED };

/* Reads up to POLICY_MAX_SIZE + 1 bytes, however large the file says it is. */
static int read_file(const char *path, int fd, char *data, size_t *len)
{
	ssize_t got = 1;

	for (*len = 0; got > 0 && *len <= POLICY_MAX_SIZE; *len += (size_t)got) {
		do
			got = read(fd, data + *len, POLICY_MAX_SIZE + 1 - *len);
		while (got < 0 && errno == EINTR);
		if (got < 0) {
			got = -errno;
			fprintf(stderr, "%s: cannot read: %s\n", path, strerror(errno));
			return (int)got;
		}
	}
	if (*len > POLICY_MAX_SIZE) {
		fprintf(stderr, "%s:1: file of more than 1 MiB, expected at most %d bytes\n", path,
			POLICY_MAX_SIZE);
		return -EINVAL;
	}
	return 0;
}

static int load_file(struct loader *l, const char *path, enum links links)
{
	struct stat st;
	char *data = NULL;
	size_t len;
	int fd, err;

	/* O_NONBLOCK: a FIFO is refused below, not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
				(links == LINKS_REFUSED ? O_NOFOLLOW : 0));
	err = fd < 0 ? -errno : 0;
	if (err == -ELOOP && !lstat(path, &st) && S_ISLNK(st.st_mode)) {
		err = check_file(path, &st);
		goto out;
	}
	if (err || fstat(fd, &st)) {
		err = err ?: -errno;
		fprintf(stderr, "%s: cannot open: %s\n", path, strerror(-err));
		goto out;
	}
	err = check_file(path, &st);
	if (err)
		goto out;
	data = malloc(POLICY_MAX_SIZE + 1);
	if (!data) {
		err = -ENOMEM;
		goto out;
	}
	err = read_file(path, fd, data, &len);
	if (!err)
		err = add_file(l, path, data, len);
out:
	free(data);
	if (fd >= 0)
		close(fd);
	return err;
}

char *policy_directory(const char *path)
{
	const char *name = strrchr(path, '/'), *dot = strrchr(path, '.');
	char *dir;

	name = name ? name + 1 : path;
	if (!dot || dot <= name)
		dot = path + strlen(path);
	return asprintf(&dir, "%.*s.d", (int)(dot - path), path) < 0 ? NULL : dir;
}

static int is_part(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && d->d_name[0] != '.' && (!strcmp(dot, ".yaml") || !strcmp(dot, ".json"));
}

/* Not as alphasort(3), which depends on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_directory(struct loader *l, const char *dir)
{
	struct dirent **parts;
	struct stat st;
	int n, i, err = 0;

	if (lstat(dir, &st)) {
		if (errno == ENOENT)
			return 0;
		err = -errno;
		fprintf(stderr, "%s: cannot open: %s\n", dir, strerror(errno));
		return err;
	}
	if (!S_ISDIR(st.st_mode)) {
		fprintf(stderr, "%s: cannot open: expected a directory, no symbolic link\n", dir);
		return -ENOTDIR;
	}
	err = check_owner(dir, &st);
	if (err)
		return err;
	n = scandir(dir, &parts, is_part, by_name);
	if (n < 0) {
		err = -errno;
		fprintf(stderr, "%s: cannot open: %s\n", dir, strerror(errno));
		return err;
	}
	for (i = 0; i < n; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", dir, parts[i]->d_name) < 0)
			path = NULL;
		free(parts[i]);
		if (!err && !enough(l))
			err = path ? load_file(l, path, LINKS_REFUSED) : -ENOMEM;
		free(path);
	}
	free(parts);
	return err;
}

int policy_load(const char *path, struct policy **out)
{
	char *dir = policy_directory(path);
	struct loader l;
	int err = dir ? loader_init(&l) : -ENOMEM;

	if (!err)
		err = loader_finish(
			&l, load_file(&l, path, LINKS_FOLLOWED) ?: load_directory(&l, dir), out);
	free(dir);
	return err;
}

int policy_empty(struct policy **out)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->contexts = calloc(1, sizeof(*p->contexts));
	if (!p || !p->contexts) {
		free(p);
		return -ENOMEM;
	}
	p->defaults.mode = IRQGATE_MODE_AUDIT;
	p->defaults.unlisted_device = IRQGATE_ACTION_ALLOW;
	p->defaults.unlisted_source = IRQGATE_ACTION_ALLOW;
	strcpy(p->contexts[0].name, "host");
	p->contexts[0].gd = IRQGATE_GD_HOST;
	p->ncontexts = 1;
	*out = p;
	return 0;
}

void policy_free(struct policy *policy)
{
	unsigned int i;

	if (!policy)
		return;
	for (i = 0; i < policy->ncontexts; i++)
		free(policy->contexts[i].match.text);
	for (i = 0; i < policy->nsources; i++)
		free(policy->sources[i].match.text);
	for (i = 0; i < policy->ndevices; i++)
		free(policy->devices[i].functions);
	for (i = 0; i < policy->nfiles; i++)
		free(policy->files[i]);
	free(policy->contexts);
	free(policy->devices);
	free(policy->sources);
	free(policy->files);
	free(policy);
}
