// SPDX-License-Identifier: GPL-2.0-only
/* The section `sources`: processes that signal. */
#include "policy/parser.h"

#include <stdio.h>

enum { SOURCE_HANDLE, SOURCE_MATCH, SOURCE_CONTEXT };
static const struct key source_keys[] = {
	[SOURCE_HANDLE] = { .name = "handle", .kind = KIND_TEXT, .required = true },
	[SOURCE_MATCH] = { .name = "match", .kind = KIND_MAPPING, .required = true },
	[SOURCE_CONTEXT] = { .name = "context", .kind = KIND_TEXT, .required = true },
};
SECTION(source_section, "a source", source_keys);

void parse_source(struct parser *p, yaml_node_t *node)
{
	struct policy *policy = p->policy;
	struct policy_source s = { .line = node_line(node), .file = p->at };
	struct value values[MAX_KEYS];
	char where[PLACE_LEN];
	bool ok, matches;
	unsigned int i;

	if (!parse_mapping(p, &source_section, node, values))
		return;
	ok = parse_handle(p, &values[SOURCE_HANDLE], true, &s.handle);
	ok &= parse_context_name(p, &values[SOURCE_CONTEXT], &s.context);
	matches = parse_match(p, values[SOURCE_MATCH].node, &s.match);
	for (i = 0; i < policy->nsources; i++) {
		const struct policy_source *other = &policy->sources[i];
		char word[HANDLE_STRLEN], what[PLACE_LEN + HANDLE_STRLEN + 16];

		if (ok && other->handle == s.handle) {
			parser_error(p, node_line(values[SOURCE_HANDLE].node),
				     "duplicate source %s, first %s", handle_format(s.handle, word),
				     parser_place(p, other->file, other->line, where));
			ok = false;
		}
		if (!matches)
			continue;
		snprintf(what, sizeof(what), "source %s %s", handle_format(other->handle, word),
			 parser_place(p, other->file, other->line, where));
		ok &= check_other_match(p, values[SOURCE_MATCH].node, &s.match, &other->match,
					what);
	}
	if (ok && matches)
		policy->sources[policy->nsources++] = s;
	else
		policy_match_free(&s.match);
}
