// SPDX-License-Identifier: GPL-2.0-only
/* The section `contexts`. */
#include "policy/parser.h"

#include <string.h>

enum { CONTEXT_NAME, CONTEXT_GD, CONTEXT_MATCH, CONTEXT_STRICT };
static const struct key context_keys[] = {
	[CONTEXT_NAME] = { .name = "name", .kind = KIND_TEXT, .required = true },
	[CONTEXT_GD] = { .name = "gd", .kind = KIND_NUMBER, .max = IRQGATE_GD_NONE },
	[CONTEXT_MATCH] = { .name = "match", .kind = KIND_MAPPING },
	[CONTEXT_STRICT] = { .name = "strict", .kind = KIND_BOOL },
};
SECTION(context_section, "a context", context_keys);

/* A name must fit labels, paths and command lines, where "pid:N" means a process. */
static bool check_name(struct parser *p, const struct value *value)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_.-";
	const char *name = value->text;
	char word[WORD_LEN];

	if (strlen(name) >= IRQGATE_NAME_LEN)
		parser_error(p, node_line(value->node),
			     "'name' is %zu bytes long, expected at most %d", strlen(name),
			     IRQGATE_NAME_LEN - 1);
	else if (!*name || strchr("_.-", *name) || name[strspn(name, alnum)])
		parser_error(p, node_line(value->node),
			     "'name' is %s, expected a letter or digit, then letters, digits, "
			     "'_', '.' or '-'",
			     quoted(name, word));
	else
		return true;
	return false;
}

static bool check_gd(struct parser *p, bool host, const struct value *value)
{
	const struct policy_context *c;
	char where[PLACE_LEN];
	unsigned int line;

	if (!value->line)
		return true;
	line = node_line(value->node);
	if (host) {
		if (value->number != IRQGATE_GD_HOST)
			parser_error(p, line, "'gd' of host is %lld, expected 0 or none",
				     value->number);
		return value->number == IRQGATE_GD_HOST;
	}
	if (value->number == IRQGATE_GD_HOST) {
		parser_error(p, line, "'gd' is 0, which is the host's, expected 1 to 4294967294");
		return false;
	}
	if (value->number == IRQGATE_GD_NONE) {
		parser_error(
			p, line,
			"'gd' is 4294967295, which means no context, expected 1 to 4294967294");
		return false;
	}
	for (c = p->policy->contexts; c < p->policy->contexts + p->policy->ncontexts; c++) {
		if (c->gd != value->number)
			continue;
		parser_error(p, line, "'gd' %u is that of context '%s' %s, expected another", c->gd,
			     c->name, parser_place(p, c->file, c->line, where));
		return false;
	}
	return true;
}

/* Checks everything, so that no mistake hides another. */
static bool check_context(struct parser *p, const yaml_node_t *node, const struct value *values,
			  const struct policy_match *match)
{
	const struct policy_context *same = NULL, *c;
	const char *name = values[CONTEXT_NAME].text;
	bool host = !strcmp(name, "host"), ok;
	char where[PLACE_LEN], what[PLACE_LEN + IRQGATE_NAME_LEN + 16];

	ok = check_name(p, &values[CONTEXT_NAME]);
	ok &= check_gd(p, host, &values[CONTEXT_GD]);
	if (ok)
		same = policy_context_by_name(p->policy, name);
	if (same && same->line) {
		parser_error(p, node_line(values[CONTEXT_NAME].node),
			     "duplicate context '%s', first %s", name,
			     parser_place(p, same->file, same->line, where));
		ok = false;
	}
	if (!host && !values[CONTEXT_MATCH].line) {
		parser_error(p, node_line(node),
			     "missing key 'match' in a context, expected it for all but host");
		return false;
	}
	for (c = p->policy->contexts; c < p->policy->contexts + p->policy->ncontexts; c++) {
		if (!match->kinds || !c->match.kinds)
			continue;
		snprintf(what, sizeof(what), "context '%s' %s", c->name,
			 parser_place(p, c->file, c->line, where));
		ok &= check_other_match(p, values[CONTEXT_MATCH].node, match, &c->match, what);
	}
	return ok;
}

void parse_context(struct parser *p, yaml_node_t *node)
{
	struct policy *policy = p->policy;
	struct value values[MAX_KEYS];
	struct policy_match match = { 0 };
	struct policy_context *c;

	if (!parse_mapping(p, &context_section, node, values) ||
	    (values[CONTEXT_MATCH].node && !parse_match(p, values[CONTEXT_MATCH].node, &match)) ||
	    !check_context(p, node, values, &match)) {
		policy_match_free(&match);
		p->contexts_bad = true;
		return;
	}
	c = strcmp(values[CONTEXT_NAME].text, "host") ? &policy->contexts[policy->ncontexts++]
						      : policy->contexts;
	strcpy(c->name, values[CONTEXT_NAME].text);
	/* policy_keep_numbers() gives it a number later: a context further down may ask for any. */
	c->numbered = values[CONTEXT_GD].line;
	c->gd = c->numbered ? (__u32)values[CONTEXT_GD].number : IRQGATE_GD_NONE;
	c->strict = values[CONTEXT_STRICT].number;
	c->match = match;
	c->file = p->at;
	c->line = node_line(node);
}

bool parse_context_name(struct parser *p, const struct value *value, unsigned int *index)
{
	const struct policy *policy = p->policy;
	const struct policy_context *c = policy_context_by_name(policy, value->text);
	char word[WORD_LEN], list[ERROR_LEN / 2];
	size_t used = 0;
	unsigned int i;

	if (c) {
		*index = (unsigned int)(c - policy->contexts);
		return true;
	}
	if (p->contexts_bad)
		return false;
	for (i = 0; i < policy->ncontexts; i++) {
		if (used + IRQGATE_NAME_LEN + 16 > sizeof(list)) {
			snprintf(list + used, sizeof(list) - used, ", ...");
			break;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 separator(i, policy->ncontexts), policy->contexts[i].name);
	}
	parser_error(p, node_line(value->node), "unknown context %s, expected %s",
		     quoted(value->text, word), list);
	return false;
}

/* @used: the brokers so far, which are different contexts */
static bool check_broker(struct parser *p, const yaml_node_t *node, const unsigned int *owner,
			 unsigned int index, unsigned int used, const unsigned int *broker)
{
	const char *name = p->policy->contexts[index].name;
	unsigned int i;

	if (owner && *owner == index) {
		parser_error(p, node_line(node),
			     "'brokers' contains '%s', which is the device's own context, "
			     "expected other contexts",
			     name);
		return false;
	}
	for (i = 0; i < used; i++) {
		if (broker[i] != index)
			continue;
		parser_error(p, node_line(node), "'brokers' contains '%s' twice, expected it once",
			     name);
		return false;
	}
	return true;
}

bool parse_brokers(struct parser *p, const struct value *value, const unsigned int *owner,
		   unsigned int *n, unsigned int broker[IRQGATE_MAX_BROKERS])
{
	static const struct key element = { .name = "brokers", .kind = KIND_TEXT };
	const yaml_node_t *list = value->node;
	unsigned int before = p->nerrors, index;
	bool ok = true;
	size_t i;

	*n = 0;
	if (list_len(list) > IRQGATE_MAX_BROKERS) {
		parser_error(p, node_line(list), "'brokers' is a list of %zu, expected at most %d",
			     list_len(list), IRQGATE_MAX_BROKERS);
		return false;
	}
	for (i = 0; i < list_len(list) && !parser_gave_up(p); i++) {
		struct value name = {};

		if (!parse_value(p, &element, "contains", list_item(p, list, i), &name) ||
		    !parse_context_name(p, &name, &index) ||
		    !check_broker(p, name.node, owner, index, *n, broker))
			ok = false;
		else
			broker[(*n)++] = index;
	}
	return ok && p->nerrors == before;
}
