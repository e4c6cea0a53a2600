// SPDX-License-Identifier: GPL-2.0-only
/* Mappings against the tables of their keys, and lists of rows. */
#include "policy/parser.h"

#include <errno.h>
#include <string.h>

static const char *expected(const struct key *key, const yaml_node_t *node, char buf[WORD_LEN])
{
	switch (key->kind) {
	case KIND_TEXT:
		return node_is_plain(node) && !node_is_null(node) ? "a string, in quotes"
								  : "a string";
	case KIND_NUMBER:
		if (key->min == key->max)
			snprintf(buf, WORD_LEN, "%lld", key->min);
		else
			snprintf(buf, WORD_LEN, "a number from %lld to %lld", key->min, key->max);
		return buf;
	case KIND_USER:
		snprintf(buf, WORD_LEN, "a user's name or a number from 0 to %lld", key->max);
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
	bool text = node_is_text(node);

	switch (key->kind) {
	case KIND_TEXT:
		value->text = text ? node_text(node) : NULL;
		return text && !node_is_null(node) && !node_is_bool(node) &&
		       !node_number(node, &value->number);
	case KIND_NUMBER:
		return node_number(node, &value->number) && value->number >= key->min &&
		       value->number <= key->max;
	case KIND_USER:
		if (node_number(node, &value->number))
			return value->number >= 0 && value->number <= key->max;
		value->text = text ? node_text(node) : NULL;
		return text && *node_text(node) && !node_is_null(node) && !node_is_bool(node);
	case KIND_BOOL:
		value->number = node_is_bool(node) && node_is(node, "true");
		return node_is_bool(node);
	case KIND_ENUM:
		value->number = text ? name_value(key->names, node_text(node)) : -EINVAL;
		return value->number >= 0 && key->allowed >> value->number & 1;
	case KIND_LIST:
		return node->type == YAML_SEQUENCE_NODE;
	case KIND_MAPPING:
		return node->type == YAML_MAPPING_NODE;
	default:
		return true;
	}
}

static const char *key_list(const struct section *section, char buf[KEYS_LEN])
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < section->nkeys && used < KEYS_LEN; i++)
		used += (size_t)snprintf(buf + used, KEYS_LEN - used, "%s%s",
					 separator(i, section->nkeys), section->keys[i].name);
	return buf;
}

bool parse_value(struct parser *p, const struct key *key, const char *is, yaml_node_t *node,
		 struct value *value)
{
	char word[WORD_LEN], list[WORD_LEN];

	if (!check_tag(p, node))
		return false;
	if (convert(key, node, value))
		value->node = node;
	else
		parser_error(p, node_line(node), "'%s' %s %s, expected %s", key->name, is,
			     node_describe(node, word), expected(key, node, list));
	return value->node;
}

static void parse_pair(struct parser *p, const struct section *section, yaml_node_t *name,
		       yaml_node_t *node, struct value *values)
{
	char word[WORD_LEN], list[KEYS_LEN];
	const struct key *key;
	struct value *value;
	unsigned int i;

	for (i = 0; i < section->nkeys; i++)
		if (name->type == YAML_SCALAR_NODE && node_is(name, section->keys[i].name))
			break;
	if (i == section->nkeys) {
		parser_error(p, node_line(name), "unknown key %s in %s, expected %s",
			     node_describe(name, word), section->what, key_list(section, list));
		return;
	}
	key = &section->keys[i];
	value = &values[i];
	if (value->line) {
		parser_error(p, node_line(name), "duplicate key '%s' in %s, first on line %u",
			     key->name, section->what, value->line);
		return;
	}
	value->line = node_line(name);
	parse_value(p, key, "is", node, value);
}

bool parse_mapping(struct parser *p, const struct section *section, yaml_node_t *node,
		   struct value *values)
{
	unsigned int before = p->nerrors, i;
	yaml_node_pair_t *pair;
	char word[WORD_LEN];

	memset(values, 0, sizeof(*values) * MAX_KEYS);
	if (!check_tag(p, node))
		return false;
	if (node->type != YAML_MAPPING_NODE) {
		parser_error(p, node_line(node), "%s is %s, expected a mapping", section->what,
			     node_describe(node, word));
		return false;
	}
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top && !parser_gave_up(p); pair++)
		parse_pair(p, section, node_get(p, pair->key), node_get(p, pair->value), values);
	for (i = 0; i < section->nkeys; i++)
		if (section->keys[i].required && !values[i].line)
			parser_error(p, node_line(node), "missing key '%s' in %s, expected it",
				     section->keys[i].name, section->what);
	return p->nerrors == before && !parser_gave_up(p);
}

void parse_list(struct parser *p, const yaml_node_t *list, size_t have, size_t max,
		const char *what, void (*parse_row)(struct parser *, yaml_node_t *))
{
	size_t i;

	for (i = 0; i < list_len(list) && !parser_gave_up(p); i++) {
		yaml_node_t *node = list_item(p, list, i);

		if (have + i == max) {
			parser_error(p, node_line(node), "more %s than fit, expected at most %zu",
				     what, max);
			return;
		}
		parse_row(p, node);
	}
}
