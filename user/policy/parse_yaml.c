// SPDX-License-Identifier: GPL-2.0-only
/* libyaml: from the text of a file to its nodes, and what a node says. */
#include "policy/parser.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16

static unsigned int mark_line(const yaml_mark_t *mark)
{
	return (unsigned int)mark->line + 1;
}

unsigned int node_line(const yaml_node_t *node)
{
	return mark_line(&node->start_mark);
}

yaml_node_t *node_get(const struct parser *p, int id)
{
	return yaml_document_get_node(&p->files[p->at].doc, id);
}

const char *node_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

bool node_is(const yaml_node_t *node, const char *text)
{
	return node->data.scalar.length == strlen(text) && !strcmp(node_text(node), text);
}

bool node_is_text(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE &&
	       strlen(node_text(node)) == node->data.scalar.length;
}

bool node_is_plain(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool node_is_null(const yaml_node_t *node)
{
	return node_is_plain(node) &&
	       (node_is(node, "") || node_is(node, "~") || node_is(node, "null"));
}

bool node_is_bool(const yaml_node_t *node)
{
	return node_is_plain(node) && (node_is(node, "true") || node_is(node, "false"));
}

/*
 * Takes decimal integers that mean the same in YAML 1.1, YAML 1.2 and JSON, and hexadecimal
 * ones. Saturates, so that the error about a huge number is its range.
 */
bool node_number(const yaml_node_t *node, long long *number)
{
	const char *text, *digits;
	char *end;
	int base;

	if (!node_is_plain(node))
		return false;
	text = node_text(node);
	digits = text + (*text == '-');
	if (*digits < '0' || *digits > '9')
		return false;
	base = digits[0] == '0' && digits[1] == 'x' ? 16 : 10;
	if (base == 10 && digits[0] == '0' && digits[1])
		return false;
	*number = strtoll(text, &end, base);
	return !*end && (base == 10 || end > digits + 2);
}

const char *node_describe(const yaml_node_t *node, char buf[WORD_LEN])
{
	long long number;

	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	if (node_is_null(node))
		return "empty";
	if (node_is_bool(node) || node_number(node, &number))
		return quote(node_text(node), node->data.scalar.length, '\0', buf);
	return quote(node_text(node), node->data.scalar.length, node_is_plain(node) ? '\'' : '"',
		     buf);
}

size_t list_len(const yaml_node_t *list)
{
	return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

/* Another tag than the implied one changes the meaning of a value, so it is refused. */
static bool tag_known(const yaml_node_t *node)
{
	const char *tag = node->type == YAML_SCALAR_NODE     ? YAML_DEFAULT_SCALAR_TAG
			  : node->type == YAML_SEQUENCE_NODE ? YAML_DEFAULT_SEQUENCE_TAG
							     : YAML_DEFAULT_MAPPING_TAG;

	return !strcmp((const char *)node->tag, tag);
}

yaml_node_t *list_item(const struct parser *p, const yaml_node_t *list, size_t i)
{
	return node_get(p, list->data.sequence.items.start[i]);
}

bool check_tag(struct parser *p, const yaml_node_t *node)
{
	char word[WORD_LEN];

	if (tag_known(node))
		return true;
	parser_error(p, node_line(node), "tag %s, expected a value without a tag",
		     quoted((const char *)node->tag, word));
	return false;
}

/* Has line @line, from 1, a tab in its indentation? */
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

static void document_error(struct parser *p, const yaml_parser_t *yaml, const char *data,
			   size_t len)
{
	unsigned int line = mark_line(&yaml->problem_mark);
	const char *c;

	if (yaml->error == YAML_MEMORY_ERROR) {
		p->no_memory = true;
	} else if (yaml->error == YAML_READER_ERROR) {
		/* The reader sets no mark, because it is ahead of the scanner: count lines. */
		line = 1;
		for (c = data; c < data + len && c < data + yaml->problem_offset; c++)
			line += *c == '\n';
		parser_error(p, line, "not text: %s, expected UTF-8", yaml->problem);
	} else if (tab_indented(data, len, line)) {
		parser_error(p, line, "tab in the indentation, expected blanks");
	} else if (yaml->context) {
		parser_error(p, line, "not YAML: %s %s from line %u, expected YAML or JSON",
			     yaml->problem, yaml->context, mark_line(&yaml->context_mark));
	} else {
		parser_error(p, line, "not YAML: %s, expected YAML or JSON", yaml->problem);
	}
}

static bool open_yaml(struct parser *p, yaml_parser_t *yaml, const char *data, size_t len)
{
	if (!yaml_parser_initialize(yaml)) {
		p->no_memory = true;
		return false;
	}
	yaml_parser_set_input_string(yaml, (const unsigned char *)data, len);
	return true;
}

/*
 * libyaml takes quadratic time to build a deeply nested document, minutes for 1 MiB. So this
 * checks the depth first, by events. Other errors end the check; document_parse() finds them
 * again.
 */
static bool check_depth(struct parser *p, const char *data, size_t len)
{
	unsigned int depth = 0, line = 1;
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_parser_t yaml;
	yaml_event_t event;

	if (!open_yaml(p, &yaml, data, len))
		return false;
	while (type != YAML_STREAM_END_EVENT && depth <= MAX_DEPTH &&
	       yaml_parser_parse(&yaml, &event)) {
		type = event.type;
		line = mark_line(&event.start_mark);
		if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
			depth++;
		else if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
			depth--;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&yaml);
	if (depth > MAX_DEPTH)
		parser_error(p, line, "nested deeper than %d levels, expected 4", MAX_DEPTH);
	return depth <= MAX_DEPTH;
}

yaml_node_t *document_parse(struct parser *p, const char *data, size_t len)
{
	struct parsed_file *file = &p->files[p->at];
	yaml_node_t *root = NULL;
	yaml_document_t next;
	yaml_parser_t yaml;

	if (!check_depth(p, data, len) || !open_yaml(p, &yaml, data, len))
		return NULL;
	if (!yaml_parser_load(&yaml, &file->doc)) {
		document_error(p, &yaml, data, len);
		goto out;
	}
	file->has_doc = true;
	/* After the end of the stream libyaml yields one more document, without a root. */
	if (!yaml_parser_load(&yaml, &next)) {
		document_error(p, &yaml, data, len);
		goto out;
	}
	if (yaml_document_get_root_node(&next))
		parser_error(p, mark_line(&next.start_mark), "second document, expected only one");
	yaml_document_delete(&next);

	root = yaml_document_get_root_node(&file->doc);
	if (!root || node_is_null(root)) {
		parser_error(p, 1, "the policy is empty, expected a mapping");
		root = NULL;
	}
out:
	yaml_parser_delete(&yaml);
	return root;
}
