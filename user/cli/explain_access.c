// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may hold and use a device, apart from its interrupts: the contexts that the row names, and
 * the processes that hold the device now. The decision comes from rows_decide_access(), which
 * asks the same function as the hooks.
 */
#include <errno.h>
#include <stdio.h>

#include <irqgate/event.h>
#include "cli/explain.h"
#include "cli/explainer.h"
#include "cli/holding.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/apply.h"
#include "table/table.h"

struct answer {
	struct irqgate_decision hold, use;
};

static struct answer ask(const struct question *q, __u32 gd)
{
	return (struct answer){ rows_decide_access(&q->rows, q->handle, gd, IRQGATE_HOLDS),
				rows_decide_access(&q->rows, q->handle, gd, IRQGATE_USES) };
}

static const struct irqgate_registration *registration(const struct question *q)
{
	struct irqgate_device_key key = { .handle = q->handle };

	return rows_find(&q->rows, IRQGATE_MAP_DEVICES, &key);
}

static enum irqgate_access access_of(const struct question *q)
{
	const struct irqgate_registration *reg = registration(q);
	__u8 access = reg ? reg->access : q->rows.defaults.access;

	return access == IRQGATE_ACCESS_OWNER ? IRQGATE_ACCESS_OWNER : IRQGATE_ACCESS_ANY;
}

static const char *because(const struct question *q)
{
	const struct irqgate_registration *reg = registration(q);
	bool owner = access_of(q) == IRQGATE_ACCESS_OWNER;

	if (owner && irqgate_revoked(revocations_find(&q->rows.revoked, q->handle), q->vector))
		return "the function itself was revoked, so its owner may not use it either until "
		       "'irqgate allow'";
	if (owner)
		return reg ? "only processes of the row's context may use it"
			   : "no row names the device, so it has no owner and unlisted_device "
			     "decides";
	return reg ? "every process that has its file may use it; the vectors alone have an owner"
		   : "no row names the device, and the defaults do not govern access";
}

/* What the decision says of one context or process, as "holds: allow, uses: deny, ..." */
static void step_answer(struct question *q, const struct answer *a, const char *what,
			unsigned int line, const char *who)
{
	explain_step(q, what, line, "%s: may hold it: %s, may use it: %s (%s)", who,
		     name_of(&names_verdict, a->hold.verdict),
		     name_of(&names_verdict, a->use.verdict),
		     name_of(&names_reason, a->use.reason));
}

static struct json_object *json_answer(const struct answer *a)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "hold",
			       json_object_new_string(name_of(&names_verdict, a->hold.verdict)));
	json_object_object_add(o, "use",
			       json_object_new_string(name_of(&names_verdict, a->use.verdict)));
	json_object_object_add(o, "reason",
			       json_object_new_string(name_of(&names_reason, a->use.reason)));
	return o;
}

static void explain_rows(struct question *q)
{
	const struct irqgate_defaults *def = &q->rows.defaults;
	const struct irqgate_registration *reg = registration(q);
	const struct policy_device *row = explain_row(q);
	char name[IRQGATE_NAME_LEN];

	explain_revocation(q);
	explain_step(q, "defaults", 0, "mode %s, access %s, unlisted_device %s",
		     name_of(&names_mode, def->mode),
		     name_of(&names_access, def->access ?: IRQGATE_ACCESS_ANY),
		     name_of(&names_action, def->unlisted_device));
	if (!reg)
		explain_step(q, "device row", 0, "none: the table does not name this device");
	else
		explain_step(q, "device row", row ? row->line : 0,
			     "context %s, access %s, on_mapped %s, on_violation %s%s",
			     rows_context(&q->rows, reg->gd, name),
			     name_of(&names_access, access_of(q)),
			     name_of(&names_on_mapped, reg->on_mapped ?: IRQGATE_ON_MAPPED_REPORT),
			     name_of(&names_action, reg->action),
			     row ? "" : ", made by 'irqgate allow'");
}

static void add_context(struct question *q, struct json_object *contexts, const char *role,
			__u32 gd)
{
	struct answer a = ask(q, gd);
	struct json_object *o = json_answer(&a);
	char name[IRQGATE_NAME_LEN], who[IRQGATE_NAME_LEN + 16];

	explain_put_gd(o, q, gd, "gd", "context");
	json_object_object_add(o, "role", json_object_new_string(role));
	json_object_array_add(contexts, o);
	snprintf(who, sizeof(who), "context %s", rows_context(&q->rows, gd, name));
	step_answer(q, &a, role, explain_line(q, gd), who);
}

/* @asked: the context of --to, else NULL */
static struct json_object *explain_contexts(struct question *q, const __u32 *asked)
{
	struct json_object *contexts = json_object_new_array();
	const struct irqgate_registration *reg = registration(q);
	__u32 i;

	if (asked) {
		add_context(q, contexts, "asked for", *asked);
		return contexts;
	}
	if (!reg)
		return contexts;
	add_context(q, contexts, "owner", reg->gd);
	for (i = 0; i < reg->brokers && i < IRQGATE_MAX_BROKERS; i++)
		add_context(q, contexts, "broker", reg->broker[i]);
	return contexts;
}

static struct json_object *explain_holders(struct question *q, bool *refused)
{
	struct json_object *holders = json_object_new_array();
	char comm[IRQGATE_COMM_LEN], who[IRQGATE_COMM_LEN + 64];
	struct holdings all;
	const struct holding *h;
	size_t n, i;

	holdings_find(&all);
	h = holdings_of(&all, q->handle, &n);
	for (i = 0; i < n; i++) {
		struct irqgate_ident ident;
		struct json_object *o;
		struct answer a;
		__u32 gd = IRQGATE_GD_NONE;

		if (holding_ident(&h[i], &ident))
			gd = explain_ident(q, "held by", &ident);
		a = ask(q, gd);
		*refused |= a.hold.verdict != IRQGATE_VERDICT_ALLOW;
		process_comm(h[i].tgid, comm, sizeof(comm));
		snprintf(who, sizeof(who), "process %u %s%s", h[i].tgid, comm,
			 h[i].mapped ? ", which has it mapped" : "");
		step_answer(q, &a, "its verdict", 0, who);
		o = json_answer(&a);
		json_object_object_add(o, "pid", json_object_new_int64(h[i].tgid));
		json_object_object_add(o, "comm", *comm ? json_object_new_string(comm) : NULL);
		json_object_object_add(o, "mapped", json_object_new_boolean(h[i].mapped));
		explain_put_gd(o, q, gd, "gd", "context");
		json_object_array_add(holders, o);
	}
	if (!n)
		explain_step(q, "held by", 0, "no process");
	if (all.more)
		explain_step(q, "held by", 0, "perhaps others: the search did not end");
	holdings_free(&all);
	return holders;
}

/* @refused: a process holds the device that may not */
static void find_remedies(struct question *q, bool refused)
{
	const struct policy_device *row = explain_row(q);
	char where[WHERE_LEN] = "";

	if (row)
		policy_origin(row->line, where, sizeof(where));
	if (access_of(q) == IRQGATE_ACCESS_ANY) {
		if (row)
			explain_remedy(q, "access: owner at %s: only the row's context uses it",
				       where);
		else
			explain_remedy(q, "a row under devices with a context and access: owner");
		return;
	}
	if (irqgate_revoked(revocations_find(&q->rows.revoked, q->handle), q->vector))
		explain_remedy(q, "irqgate allow %s all --to CONTEXT: ends the revocation",
			       q->name);
	if (!row)
		return;
	explain_remedy(q, "access: any at %s: every process that has its file may use it", where);
	explain_remedy(q,
		       "brokers: [CONTEXT] at %s: lets processes of CONTEXT hold it for its owner",
		       where);
	if (refused)
		explain_remedy(q,
			       "on_mapped: stop or kill at %s: ends the use by a process that has "
			       "it mapped",
			       where);
}

static void print_json(const struct question *q, struct json_object *contexts,
		       struct json_object *holders)
{
	const struct irqgate_registration *reg = registration(q);
	struct json_object *o = json_object_new_object();
	__u8 on_mapped = reg ? reg->on_mapped : q->rows.defaults.on_mapped;

	json_object_object_add(o, "handle", json_object_new_string(q->name));
	json_object_object_add(o, "access",
			       json_object_new_string(name_of(&names_access, access_of(q))));
	json_object_object_add(o, "on_mapped",
			       json_object_new_string(name_of(
				       &names_on_mapped, on_mapped ?: IRQGATE_ON_MAPPED_REPORT)));
	json_object_object_add(o, "because", json_object_new_string(because(q)));
	json_object_object_add(o, "contexts", json_object_get(contexts));
	json_object_object_add(o, "holders", json_object_get(holders));
	json_object_object_add(o, "steps", json_object_get(q->steps));
	json_object_object_add(o, "remedies", json_object_get(q->remedies));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int explain_access(struct pins *pins, __u64 handle, const char *context, bool json)
{
	struct question q = { .pins = pins, .handle = handle, .vector = IRQGATE_VECTOR_FUNCTION };
	struct json_object *contexts, *holders;
	bool refused = false;
	__u32 gd;
	int err;

	if (context && table_context(pins, context, false, &gd))
		return fail(-ENOENT, "%s: unknown context, 'irqgate show contexts' lists them",
			    context);
	err = explain_begin(&q);
	if (err)
		goto out;
	explain_rows(&q);
	contexts = explain_contexts(&q, context ? &gd : NULL);
	holders = explain_holders(&q, &refused);
	find_remedies(&q, refused);
	if (json) {
		print_json(&q, contexts, holders);
	} else {
		printf("%s access: %s, because %s\n", q.name, name_of(&names_access, access_of(&q)),
		       because(&q));
		explain_print(&q);
	}
	json_object_put(contexts);
	json_object_put(holders);
out:
	explain_end(&q);
	return err;
}
