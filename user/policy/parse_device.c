// SPDX-License-Identifier: GPL-2.0-only
/* The section `devices`. */
#include "policy/parser.h"

#include <limits.h>
#include <string.h>

enum {
	DEVICE_HANDLE,
	DEVICE_MATCH,
	DEVICE_CONTEXT,
	DEVICE_VECTORS,
	DEVICE_NOI,
	DEVICE_ACTION,
	DEVICE_LAST_RESORT,
	DEVICE_ACCESS,
	DEVICE_BROKERS,
	DEVICE_ON_MAPPED,
};
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
	[DEVICE_LAST_RESORT] = { .name = "last_resort",
				 .kind = KIND_ENUM,
				 .names = &names_last_resort,
				 .allowed = NAMES_ALL },
	[DEVICE_ACCESS] = { .name = "access",
			    .kind = KIND_ENUM,
			    .names = &names_access,
			    .allowed = NAMES_ALL },
	[DEVICE_BROKERS] = { .name = "brokers", .kind = KIND_LIST },
	[DEVICE_ON_MAPPED] = { .name = "on_mapped",
			       .kind = KIND_ENUM,
			       .names = &names_on_mapped,
			       .allowed = NAMES_ALL },
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

bool parse_handle(struct parser *p, const struct value *value, bool soft, __u64 *handle)
{
	const char *what = soft ? "soft:NAME, NAME of up to 48 letters, digits, '_', '.' or '-'"
				: "pci:0000:00:0b.0 or zpci:80020002";
	unsigned int before = p->nerrors;
	char word[WORD_LEN], text[HANDLE_STRLEN];

	/* A hash can select a source on the command line, but it does not define a name. */
	if (handle_parse(value->text, handle) || !strncmp(value->text, "soft:#", 6))
		parser_error(p, node_line(value->node), "not a handle: %s, expected %s",
			     quoted(value->text, word), what);
	else if (soft != (irqgate_handle_type(*handle) == IRQGATE_HANDLE_SOFT))
		parser_error(p, node_line(value->node), "not the handle of %s: %s, expected %s",
			     soft ? "a source" : "a device", quoted(value->text, word), what);
	else if (strcmp(handle_format(*handle, text), value->text))
		policy_remark(p->policy, p->at, node_line(value->node), false, "%s is %s",
			      quoted(value->text, word), text);
	return !parser_gave_up(p) && p->nerrors == before;
}

static bool parse_vectors_text(struct parser *p, const yaml_node_t *node, bool in_list,
			       struct vector_set *vectors)
{
	const char *error;
	char word[WORD_LEN];

	if (!check_tag(p, node))
		return false;
	if (!node_is_text(node)) {
		parser_error(p, node_line(node), "'vectors' %s %s, expected %s",
			     in_list ? "contains" : "is", node_describe(node, word),
			     in_list ? "vectors and ranges" : "all, a vector, a range or a list");
		return false;
	}
	if (vectors_parse(node_text(node), vectors, &error)) {
		parser_error(p, node_line(node), "'vectors' %s %s: %s", in_list ? "contains" : "is",
			     node_describe(node, word), error);
		return false;
	}
	if (in_list && vectors->all) {
		parser_error(p, node_line(node),
			     "'vectors' contains all, expected vectors and ranges or only all");
		return false;
	}
	return true;
}

static bool parse_vectors(struct parser *p, const struct value *value, struct vector_set *vectors)
{
	yaml_node_t *list = value->node;
	struct vector_set part;
	bool ok = true;
	size_t i, j;

	if (list->type != YAML_SEQUENCE_NODE)
		return parse_vectors_text(p, list, false, vectors);
	if (!list_len(list) || list_len(list) > IRQGATE_MAX_VECTORS) {
		parser_error(p, node_line(list),
			     "'vectors' is a list of %zu, expected 1 to %u elements",
			     list_len(list), IRQGATE_MAX_VECTORS);
		return false;
	}
	memset(vectors, 0, sizeof(*vectors));
	for (i = 0; i < list_len(list) && !parser_gave_up(p); i++) {
		if (!parse_vectors_text(p, list_item(p, list, i), true, &part)) {
			ok = false;
			continue;
		}
		for (j = 0; j < IRQGATE_MAX_VECTORS / 64; j++)
			vectors->bits[j] |= part.bits[j];
	}
	return ok;
}

static bool parse_device_vectors(struct parser *p, const yaml_node_t *node,
				 const struct value *values, struct vector_set *vectors)
{
	const struct value *list = &values[DEVICE_VECTORS], *noi = &values[DEVICE_NOI];

	if (list->line && noi->line) {
		parser_error(p, node_line(node),
			     "both 'vectors' and 'noi' in a device, expected one");
		return false;
	}
	if (list->line)
		return parse_vectors(p, list, vectors);
	if (!noi->line) {
		parser_error(p, node_line(node),
			     "neither 'vectors' nor 'noi' in a device, expected one");
		return false;
	}
	vectors_fill(vectors, 0, (unsigned int)noi->number - 1);
	return true;
}

/* The form of lspci -n, for example 8086:10d3. */
static bool parse_id(struct parser *p, const struct value *value, struct policy_select *select)
{
	char word[WORD_LEN];
	int end = 0;

	if (sscanf(value->text, "%4hx:%4hx%n", &select->vendor, &select->device, &end) == 2 &&
	    end == 9 && !value->text[9] && strspn(value->text, "0123456789abcdefABCDEF:") == 9)
		return true;
	parser_error(
		p, node_line(value->node),
		"'id' is %s, expected VENDOR:DEVICE of four hexadecimal digits each, as 8086:10d3",
		quoted(value->text, word));
	return false;
}

/* The `match` of a device, which selects functions without a handle. */
static bool parse_select(struct parser *p, yaml_node_t *node, struct policy_select *select)
{
	struct value values[MAX_KEYS];
	unsigned int count;

	if (!parse_mapping(p, &select_section, node, values))
		return false;
	count = !!values[SELECT_ID].line + !!values[SELECT_GROUP].line + !!values[SELECT_PF].line;
	if (count != 1)
		parser_error(
			p, node_line(node),
			"a device's match with %u of id, iommu_group and pf, expected exactly one",
			count);
	else if (values[SELECT_COUNT].line && !values[SELECT_ID].line)
		parser_error(p, values[SELECT_COUNT].line, "'count' without 'id', expected both");
	else if (!values[SELECT_VF].line != !values[SELECT_PF].line)
		parser_error(p, node_line(node),
			     "one of 'pf' and 'vf' in a device's match, expected both");
	else if (values[SELECT_ID].line) {
		select->kind = POLICY_SELECT_ID;
		select->count =
			values[SELECT_COUNT].line ? (unsigned int)values[SELECT_COUNT].number : 1;
		return parse_id(p, &values[SELECT_ID], select);
	} else if (values[SELECT_GROUP].line) {
		select->kind = POLICY_SELECT_GROUP;
		select->group = (unsigned int)values[SELECT_GROUP].number;
		return true;
	} else {
		select->kind = POLICY_SELECT_VF;
		select->vf = (unsigned int)values[SELECT_VF].number;
		return parse_handle(p, &values[SELECT_PF], false, &select->pf);
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
		return false; /* several rows may share the functions of one id */
	}
}

/* Reads which functions the row selects, and refuses what another row selects already. */
static bool parse_functions(struct parser *p, const yaml_node_t *node, const struct value *values,
			    struct policy_device *d)
{
	const struct value *handle = &values[DEVICE_HANDLE], *match = &values[DEVICE_MATCH];
	const struct policy *policy = p->policy;
	char word[POLICY_SELECT_LEN], where[PLACE_LEN];
	unsigned int i;

	if (!handle->line == !match->line) {
		parser_error(p, node_line(node), "%s in a device, expected one",
			     handle->line ? "both 'handle' and 'match'"
					  : "neither 'handle' nor 'match'");
		return false;
	}
	if (handle->line ? !parse_handle(p, handle, false, &d->handle)
			 : !parse_select(p, match->node, &d->select))
		return false;
	for (i = 0; i < policy->ndevices; i++) {
		if (!select_equal(&policy->devices[i], d))
			continue;
		parser_error(
			p, node_line(handle->line ? handle->node : match->node),
			"duplicate device %s, first %s", policy_select_format(d, word),
			parser_place(p, policy->devices[i].file, policy->devices[i].line, where));
		return false;
	}
	return true;
}

void parse_device(struct parser *p, yaml_node_t *node)
{
	struct policy *policy = p->policy;
	struct policy_device d = { .line = node_line(node),
				   .file = p->at,
				   .action = IRQGATE_ACTION_DENY };
	struct value values[MAX_KEYS];
	bool ok, known;
	unsigned int rows;

	if (!parse_mapping(p, &device_section, node, values))
		return;
	ok = parse_functions(p, node, values, &d);
	known = parse_context_name(p, &values[DEVICE_CONTEXT], &d.context);
	ok &= known;
	ok &= parse_device_vectors(p, node, values, &d.vectors);
	d.own_brokers = values[DEVICE_BROKERS].line;
	if (d.own_brokers)
		ok &= parse_brokers(p, &values[DEVICE_BROKERS], known ? &d.context : NULL,
				    &d.nbrokers, d.broker);
	if (!ok)
		return;
	rows = d.vectors.all ? 0 : vectors_count(&d.vectors);
	if (p->rows <= IRQGATE_MAX_VECTOR_ROWS && p->rows + rows > IRQGATE_MAX_VECTOR_ROWS)
		parser_error(p, d.line, "more vectors than fit, expected at most %d in all devices",
			     IRQGATE_MAX_VECTOR_ROWS);
	p->rows += rows;
	if (values[DEVICE_ACTION].line)
		d.action = (enum irqgate_action)values[DEVICE_ACTION].number;
	if (values[DEVICE_LAST_RESORT].line)
		d.last_resort = (enum irqgate_last_resort)values[DEVICE_LAST_RESORT].number;
	if (values[DEVICE_ACCESS].line)
		d.access = (enum irqgate_access)values[DEVICE_ACCESS].number;
	if (values[DEVICE_ON_MAPPED].line)
		d.on_mapped = (enum irqgate_on_mapped)values[DEVICE_ON_MAPPED].number;
	policy->devices[policy->ndevices++] = d;
}
