// SPDX-License-Identifier: GPL-2.0-only
/* The top level of a file, and the values on which all files must agree. */
#include "policy/parser.h"

#include <stdlib.h>
#include <string.h>

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

#define UNLISTED                                                                                   \
	(1u << IRQGATE_ACTION_ALLOW | 1u << IRQGATE_ACTION_AUDIT | 1u << IRQGATE_ACTION_DENY)

enum {
	DEFAULT_DEVICE,
	DEFAULT_SOURCE,
	DEFAULT_HOST,
	DEFAULT_FULL,
	DEFAULT_LAST_RESORT,
	DEFAULT_ACCESS,
	DEFAULT_ON_MAPPED,
	DEFAULT_WORDS, /* keys with a word as value; the others follow */
	DEFAULT_BROKERS = DEFAULT_WORDS,
};
static const struct key default_keys[] = {
	[DEFAULT_DEVICE] = { .name = "unlisted_device",
			     .kind = KIND_ENUM,
			     .names = &names_action,
			     .allowed = UNLISTED },
	[DEFAULT_SOURCE] = { .name = "unlisted_source",
			     .kind = KIND_ENUM,
			     .names = &names_action,
			     .allowed = UNLISTED },
	[DEFAULT_HOST] = { .name = "unlisted_host",
			   .kind = KIND_ENUM,
			   .names = &names_action,
			   .allowed = UNLISTED },
	[DEFAULT_FULL] = { .name = "on_full",
			   .kind = KIND_ENUM,
			   .names = &names_action,
			   .allowed = 1u << IRQGATE_ACTION_ALLOW | 1u << IRQGATE_ACTION_DENY },
	[DEFAULT_LAST_RESORT] = { .name = "last_resort",
				  .kind = KIND_ENUM,
				  .names = &names_last_resort,
				  .allowed = NAMES_ALL },
	[DEFAULT_ACCESS] = { .name = "access",
			     .kind = KIND_ENUM,
			     .names = &names_access,
			     .allowed = NAMES_ALL },
	[DEFAULT_ON_MAPPED] = { .name = "on_mapped",
				.kind = KIND_ENUM,
				.names = &names_on_mapped,
				.allowed = NAMES_ALL },
	[DEFAULT_BROKERS] = { .name = "brokers", .kind = KIND_LIST },
};
SECTION(defaults_section, "the defaults", default_keys);

/* Several files may have the value if all have the same. Writes it to @out. */
static void parse_common(struct parser *p, const struct key *key, const struct value *value,
			 struct common *common, __u8 *out)
{
	char where[PLACE_LEN];

	if (!value->node)
		return;
	if (common->line && common->number != value->number) {
		parser_error(p, node_line(value->node), "'%s' is %s, but %s %s, expected one value",
			     key->name, name_of(key->names, (unsigned int)value->number),
			     name_of(key->names, (unsigned int)common->number),
			     parser_place(p, common->file, common->line, where));
		return;
	}
	if (!common->line)
		*common = (struct common){ p->at, node_line(value->node), value->number };
	*out = (__u8)value->number;
}

static bool same_brokers(const struct policy *p, unsigned int n, const unsigned int *broker)
{
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < p->nbrokers && p->broker[j] != broker[i]; j++)
			;
		if (j == p->nbrokers)
			return false;
	}
	return n == p->nbrokers;
}

/* As parse_common(). The order of the list does not matter. */
static void parse_common_brokers(struct parser *p, const struct value *value, struct common *common)
{
	unsigned int n, broker[IRQGATE_MAX_BROKERS];
	struct policy *policy = p->policy;
	char where[PLACE_LEN];

	if (!value->node || !parse_brokers(p, value, NULL, &n, broker))
		return;
	if (common->line && !same_brokers(policy, n, broker)) {
		parser_error(p, node_line(value->node),
			     "'brokers' differs from the list %s, expected one list",
			     parser_place(p, common->file, common->line, where));
		return;
	}
	if (common->line)
		return;
	*common = (struct common){ p->at, node_line(value->node), 0 };
	policy->nbrokers = n;
	memcpy(policy->broker, broker, n * sizeof(*broker));
}

static void parse_defaults(struct parser *p, yaml_node_t *node)
{
	struct irqgate_defaults *d = &p->policy->defaults;
	__u8 *const out[] = {
		[DEFAULT_DEVICE] = &d->unlisted_device,  [DEFAULT_SOURCE] = &d->unlisted_source,
		[DEFAULT_HOST] = &d->unlisted_host,      [DEFAULT_FULL] = &d->on_full,
		[DEFAULT_LAST_RESORT] = &d->last_resort, [DEFAULT_ACCESS] = &d->access,
		[DEFAULT_ON_MAPPED] = &d->on_mapped,
	};
	struct value values[MAX_KEYS];
	unsigned int i;

	parse_mapping(p, &defaults_section, node, values);
	for (i = 0; i < DEFAULT_WORDS; i++)
		parse_common(p, &default_keys[i], &values[i], &p->defaults[i], out[i]);
	parse_common_brokers(p, &values[DEFAULT_BROKERS], &p->defaults[DEFAULT_BROKERS]);
}

/*
 * Makes room for one row for each element of @list, up to @max, behind the @rows that exist.
 * One more, so that an empty list is no failed allocation.
 */
static void *grow(struct parser *p, void *array, size_t rows, const yaml_node_t *list, size_t max,
		  size_t size)
{
	size_t more = list_len(list) < max ? list_len(list) : max;
	char *grown = realloc(array, (rows + more + 1) * size);

	if (!grown) {
		p->no_memory = true;
		return array;
	}
	memset(grown + rows * size, 0, (more + 1) * size);
	return grown;
}

void parse_top(struct parser *p, yaml_node_t *root)
{
	struct policy *policy = p->policy;
	struct value *top = p->files[p->at].top;
	const yaml_node_t *contexts;

	parse_mapping(p, &top_section, root, top);
	if (parser_gave_up(p))
		return;
	parse_common(p, &top_keys[TOP_MODE], &top[TOP_MODE], &p->mode, &policy->defaults.mode);
	contexts = top[TOP_CONTEXTS].node;
	p->contexts_bad |= top[TOP_CONTEXTS].line && !contexts;
	if (contexts) {
		policy->contexts = grow(p, policy->contexts, policy->ncontexts, contexts,
					IRQGATE_MAX_CONTEXTS, sizeof(*policy->contexts));
		parse_list(p, contexts, policy->ncontexts - 1, IRQGATE_MAX_CONTEXTS - 1, "contexts",
			   parse_context);
	}
}

void parse_rows(struct parser *p)
{
	const struct value *top = p->files[p->at].top;
	struct policy *policy = p->policy;
	size_t matches = IRQGATE_MAX_MATCHES;
	const yaml_node_t *devices = top[TOP_DEVICES].node, *sources = top[TOP_SOURCES].node;
	unsigned int i;

	if (devices) {
		policy->devices = grow(p, policy->devices, policy->ndevices, devices,
				       IRQGATE_MAX_DEVICES, sizeof(*policy->devices));
		parse_list(p, devices, policy->ndevices, IRQGATE_MAX_DEVICES, "devices",
			   parse_device);
	}
	/* Contexts and sources share the rows of `matches`. */
	for (i = 0; i < policy->ncontexts; i++)
		matches -= policy->contexts[i].match.kinds != 0;
	if (sources) {
		policy->sources = grow(p, policy->sources, policy->nsources, sources,
				       IRQGATE_MAX_MATCHES, sizeof(*policy->sources));
		parse_list(p, sources, policy->nsources, matches, "sources", parse_source);
	}
	if (top[TOP_DEFAULTS].node)
		parse_defaults(p, top[TOP_DEFAULTS].node);
}
