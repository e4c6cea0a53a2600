// SPDX-License-Identifier: GPL-2.0-only
/*
 * explain() collects the steps in the order of the decision, then prints them. The decision
 * comes from rows_decide() or rows_decide_host(), which ask the same function as the hooks.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/explainer.h"
#include "lib/cgroup.h"
#include "lib/device.h"
#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/apply.h"
#include "loader/events.h"
#include "table/judge.h"
#include "table/revoke.h"
#include "table/table.h"

void explain_step(struct question *q, const char *what, unsigned int line, const char *fmt, ...)
{
	struct json_object *o = json_object_new_object();
	char text[TEXT_LEN], where[WHERE_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_object_add(o, "step", json_object_new_string(what));
	json_object_object_add(o, "found", json_object_new_string(text));
	json_object_object_add(
		o, "where",
		line ? json_object_new_string(policy_origin(line, where, sizeof(where))) : NULL);
	json_object_array_add(q->steps, o);
}

void explain_remedy(struct question *q, const char *fmt, ...)
{
	char text[TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_array_add(q->remedies, json_object_new_string(text));
}

const struct policy_device *explain_row(const struct question *q)
{
	unsigned int i, j;

	for (i = 0; q->policy && i < q->policy->ndevices; i++)
		for (j = 0; j < q->policy->devices[i].nfunctions; j++)
			if (q->policy->devices[i].functions[j] == q->handle)
				return &q->policy->devices[i];
	return NULL;
}

unsigned int explain_line(const struct question *q, __u32 gd)
{
	unsigned int i;

	for (i = 0; q->policy && i < q->policy->ncontexts; i++)
		if (q->policy->contexts[i].gd == gd)
			return q->policy->contexts[i].line;
	return 0;
}

void explain_revocation(struct question *q)
{
	const struct irqgate_revocation *row = revocations_find(&q->rows.revoked, q->handle);
	struct revocations kept = {};
	char time[WALL_TIME_LEN];

	if (!irqgate_revoked(row, q->vector))
		return;
	revocations_kept(&kept);
	explain_step(q, "revocation", 0, "by 'irqgate revoke', %s%s", wall_time(row->since, time),
		     irqgate_revoked(revocations_find(&kept, q->handle), q->vector)
			     ? ", also after a reboot"
			     : "");
	free(kept.of);
}

static void explain_table(struct question *q)
{
	const struct irqgate_defaults *def = &q->rows.defaults;
	struct irqgate_device_key dkey = { .handle = q->handle };
	struct irqgate_vector_key vkey = { .handle = q->handle, .vector = q->vector };
	const struct irqgate_registration *reg = rows_find(&q->rows, IRQGATE_MAP_DEVICES, &dkey);
	const struct irqgate_vector_auth *vec = rows_find(&q->rows, IRQGATE_MAP_VECTORS, &vkey);
	const struct policy_device *row = explain_row(q);
	char name[IRQGATE_NAME_LEN], select[POLICY_SELECT_LEN], vectors[VECTORS_STRLEN];

	explain_revocation(q);
	explain_step(q, "defaults", 0, "mode %s, unlisted_%s %s", name_of(&names_mode, def->mode),
		     q->host ? "host" : "device",
		     name_of(&names_action, q->host ? def->unlisted_host : def->unlisted_device));
	if (!reg)
		explain_step(q, "device row", 0, "none: the table does not name this device");
	else if (row)
		explain_step(q, "device row", row->line,
			     "%s: context %s, vectors %.200s, on_violation %s",
			     policy_select_format(row, select),
			     rows_context(&q->rows, reg->gd, name),
			     vectors_format(&row->vectors, vectors),
			     name_of(&names_action, reg->action));
	else
		explain_step(
			q, "device row", 0, "context %s, on_violation %s, made by 'irqgate allow'",
			rows_context(&q->rows, reg->gd, name), name_of(&names_action, reg->action));
	if (vec)
		explain_step(q, "vector row",
			     row && vectors_has(&row->vectors, q->vector) &&
					     q->policy->contexts[row->context].gd == vec->gd
				     ? row->line
				     : 0,
			     "registered for context %s", rows_context(&q->rows, vec->gd, name));
	else if (reg && reg->flags & IRQGATE_REG_ALL_VECTORS)
		explain_step(q, "vector row", 0, "none needed: the device's row has all vectors");
	else
		explain_step(q, "vector row", 0, "none: the table does not name this vector");
}

__u32 explain_ident(struct question *q, const char *what, const struct irqgate_ident *id)
{
	struct irqgate_match_key key;
	__u32 gd = rows_ident(&q->rows, id, 0, &key);
	const struct policy *const policies[] = { q->policy };
	char name[IRQGATE_NAME_LEN], text[MATCH_TEXT_LEN], cgroup[256];

	if (gd == IRQGATE_GD_NONE) {
		if (!id->ncgroups || cgroup_path(id->cgroups[0], cgroup, sizeof(cgroup)))
			strcpy(cgroup, "gone");
		explain_step(q, what, 0, "process %u: of no context (cgroup %s, uid %u)", id->tgid,
			     cgroup, (__u32)id->uid);
		return gd;
	}
	explain_step(q, what, explain_line(q, gd), "process %u: context %s (gd %u) by %s", id->tgid,
		     rows_context(&q->rows, gd, name), gd,
		     rows_match_text(&q->rows, &key, policies, 1, text));
	return gd;
}

static bool find_binding(const struct question *q, struct irqgate_binding *b)
{
	struct binding_walk w = {};

	while (binding_next(q->pins, &w) > 0)
		if (w.b.handle == q->handle && w.b.vector == q->vector) {
			*b = w.b;
			return true;
		}
	return false;
}

static void explain_binding(struct question *q, const struct irqgate_binding *b)
{
	struct irqgate_eventfd e = {};
	struct irqgate_vm vm;
	unsigned int i;

	if (b->state == IRQGATE_BINDING_HOST) {
		explain_step(q, "binding", 0, "irq %u, handled by a host driver", b->line);
		return;
	}
	binding_eventfd(q->pins, b, &e);
	explain_step(q, "binding", 0, "irq %u, eventfd %d, %s", b->line, e.id,
		     name_of(&names_binding, b->state));
	if (b->binder.tgid)
		explain_ident(q, "bound by", &b->binder);
	else
		explain_step(
			q, "bound by", 0,
			"not known: it was bound before irqgate watched, and no process holds the "
			"device fd");
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++) {
		if (!e.vm[i])
			continue;
		if (judge_vm(q->pins, e.vm[i], &vm))
			explain_ident(q, "listening VM of", &vm.creator);
		else
			explain_step(q, "listening VM of", 0, "an unknown owner");
	}
}

/* The device's row allows the vector, but its binder may not signal a VM that listens. */
static int because_of_source(const struct question *q, const struct judgement *j,
			     char buf[TEXT_LEN])
{
	char want[IRQGATE_NAME_LEN], got[IRQGATE_NAME_LEN];

	rows_context(&q->rows, j->d.gd, want);
	rows_context(&q->rows, j->gd, got);
	switch (j->d.reason) {
	case IRQGATE_REASON_STRICT:
		return snprintf(
			buf, TEXT_LEN,
			"no row registers the vector for %s, which is strict: a vector that "
			"it binds itself needs a row, too",
			want);
	case IRQGATE_REASON_CONTEXT:
		return snprintf(buf, TEXT_LEN,
				"its binder is a source for %s, but the VM of another context "
				"listens",
				want);
	case IRQGATE_REASON_UNLISTED:
		return snprintf(buf, TEXT_LEN,
				"%s bound it and the VM of %s listens, so unlisted_source decides: "
				"%s",
				j->gd == IRQGATE_GD_NONE ? "a process of no context" : got, want,
				name_of(&names_action, q->rows.defaults.unlisted_source));
	default:
		return snprintf(buf, TEXT_LEN,
				"irqgate does not know the VM that listens, so on_full "
				"decides: %s",
				name_of(&names_action, q->rows.defaults.on_full));
	}
}

static const char *because(const struct question *q, const struct judgement *j, char buf[TEXT_LEN])
{
	struct irqgate_device_key dkey = { .handle = q->handle };
	const struct irqgate_registration *reg = rows_find(&q->rows, IRQGATE_MAP_DEVICES, &dkey);
	char want[IRQGATE_NAME_LEN], got[IRQGATE_NAME_LEN];
	const char *rule = reg ? name_of(&names_action, reg->action) : "-";
	int n;

	rows_context(&q->rows, j->d.gd, want);
	rows_context(&q->rows, j->gd, got);
	switch (j->source ? IRQGATE_REASON_NONE : j->d.reason) {
	case IRQGATE_REASON_NONE:
		n = because_of_source(q, j, buf);
		break;
	case IRQGATE_REASON_REGISTERED:
		n = snprintf(buf, TEXT_LEN, "the vector is registered for %s, which receives it",
			     want);
		break;
	case IRQGATE_REASON_UNLISTED:
		n = q->host ? snprintf(buf, TEXT_LEN,
				       "a host driver has the device and no row names it, so "
				       "unlisted_host decides: %s",
				       name_of(&names_action, q->rows.defaults.unlisted_host))
			    : snprintf(buf, TEXT_LEN,
				       "no row names the device, so unlisted_device decides: %s",
				       name_of(&names_action, q->rows.defaults.unlisted_device));
		break;
	case IRQGATE_REASON_VECTOR:
		n = snprintf(
			buf, TEXT_LEN,
			"the device is listed without this vector, so on_violation decides: %s",
			rule);
		break;
	case IRQGATE_REASON_CONTEXT:
		n = snprintf(buf, TEXT_LEN,
			     "the vector is registered for %s, but %s receives it, so on_violation "
			     "decides: %s",
			     want, j->gd == IRQGATE_GD_NONE ? "no known context" : got, rule);
		break;
	case IRQGATE_REASON_REVOKED:
		return strcpy(buf, "the vector was revoked, which holds in audit mode too and "
				   "lasts until 'irqgate allow'");
	case IRQGATE_REASON_SHARED:
		n = snprintf(
			buf, TEXT_LEN,
			"its eventfd has more sources or listeners than irqgate can tell apart");
		break;
	case IRQGATE_REASON_FULL:
		n = snprintf(
			buf, TEXT_LEN,
			"irqgate has no room to keep track of its eventfd, so on_full decides: "
			"%s",
			name_of(&names_action, q->rows.defaults.on_full));
		break;
	default:
		n = snprintf(buf, TEXT_LEN, "%s", name_of(&names_reason, j->d.reason));
	}
	if (j->d.verdict == IRQGATE_VERDICT_AUDIT && q->rows.defaults.mode != IRQGATE_MODE_ENFORCE)
		snprintf(buf + n, TEXT_LEN - n, "; in audit mode it passes and is reported");
	return buf;
}

static void find_remedies(struct question *q, const struct judgement *j)
{
	const struct policy_device *row = explain_row(q);
	char where[WHERE_LEN] = "", got[IRQGATE_NAME_LEN];
	const char *to = j->gd == IRQGATE_GD_NONE ? "CONTEXT" : rows_context(&q->rows, j->gd, got);

	if (row)
		policy_origin(row->line, where, sizeof(where));
	if (j->source) {
		explain_remedy(
			q,
			"a row under devices that registers the vector for the VM's context, if the "
			"VM's own process binds it; or a row under sources that matches the binder");
		return;
	}
	switch (j->d.reason) {
	case IRQGATE_REASON_REGISTERED:
		explain_remedy(q, "irqgate revoke %s %u: takes it away at once", q->name,
			       q->vector);
		if (row)
			explain_remedy(q, "remove vector %u at %s: takes it away for good",
				       q->vector, where);
		return;
	case IRQGATE_REASON_REVOKED:
		explain_remedy(q, "irqgate allow %s %u --to %s: ends the revocation", q->name,
			       q->vector, to);
		return;
	case IRQGATE_REASON_UNLISTED:
		explain_remedy(q, "a row under devices: handle: \"%s\", context: %s, vectors: [%u]",
			       q->name, to, q->vector);
		break;
	case IRQGATE_REASON_VECTOR:
		if (row)
			explain_remedy(q, "add vector %u at %s: allows it for good", q->vector,
				       where);
		break;
	case IRQGATE_REASON_CONTEXT:
		if (j->gd == IRQGATE_GD_NONE)
			explain_remedy(q,
				       "a context that matches the process, see above; or "
				       "irqgate allow %s %u --to pid:N",
				       q->name, q->vector);
		if (row)
			explain_remedy(q, "context: %s at %s", to, where);
		break;
	case IRQGATE_REASON_FULL:
		explain_remedy(
			q, "irqgate status: shows which map is full; irqgate run --max-eventfds, "
			   "after irqgate unload, makes it larger");
		return;
	case IRQGATE_REASON_SHARED:
		explain_remedy(q, "one eventfd for each vector, in the process that binds them");
		return;
	}
	if (j->gd != IRQGATE_GD_NONE)
		explain_remedy(q, "irqgate allow %s %u --to %s: allows it until the next reload",
			       q->name, q->vector, to);
}

void explain_put_gd(struct json_object *o, const struct question *q, __u32 gd, const char *number,
		    const char *context)
{
	char name[IRQGATE_NAME_LEN];
	bool none = gd == IRQGATE_GD_NONE;

	json_object_object_add(o, number, none ? NULL : json_object_new_int64(gd));
	json_object_object_add(
		o, context, none ? NULL : json_object_new_string(rows_context(&q->rows, gd, name)));
}

void explain_print(const struct question *q)
{
	const char *where;
	size_t i;

	for (i = 0; i < json_object_array_length(q->steps); i++) {
		struct json_object *s = json_object_array_get_idx(q->steps, i);

		where = json_object_get_string(json_object_object_get(s, "where"));
		printf("  %-16s%s%s%s\n", json_object_get_string(json_object_object_get(s, "step")),
		       json_object_get_string(json_object_object_get(s, "found")),
		       where ? "  # " : "", where ? where : "");
	}
	printf("to change it:\n");
	for (i = 0; i < json_object_array_length(q->remedies); i++)
		printf("  %s\n", json_object_get_string(json_object_array_get_idx(q->remedies, i)));
}

static void print_text(const struct question *q, const struct judgement *j)
{
	char why[TEXT_LEN];

	printf("%s vector %u: %s, because %s\n", q->name, q->vector,
	       name_of(&names_verdict, j->d.verdict), because(q, j, why));
	explain_print(q);
}

/* @state: of the binding; NULL: there is none */
static void print_json(const struct question *q, const struct judgement *j, const char *state)
{
	struct json_object *o = json_object_new_object();
	char why[TEXT_LEN];

	json_object_object_add(o, "handle", json_object_new_string(q->name));
	json_object_object_add(o, "vector", json_object_new_int64(q->vector));
	json_object_object_add(o, "verdict",
			       json_object_new_string(name_of(&names_verdict, j->d.verdict)));
	json_object_object_add(o, "reason",
			       json_object_new_string(name_of(&names_reason, j->d.reason)));
	explain_put_gd(o, q, j->d.gd, "gd_expected", "context_expected");
	explain_put_gd(o, q, j->gd, "gd_actual", "context");
	json_object_object_add(o, "state", state ? json_object_new_string(state) : NULL);
	json_object_object_add(o, "because", json_object_new_string(because(q, j, why)));
	json_object_object_add(o, "steps", json_object_get(q->steps));
	json_object_object_add(o, "remedies", json_object_get(q->remedies));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/*
 * Is the question about the host driver that has the device now? Any other context can get
 * the device only through VFIO.
 */
static bool of_host(const struct question *q, const struct irqgate_binding *b, bool asked, __u32 gd)
{
	char driver[DRIVER_LEN];

	if (asked && gd != IRQGATE_GD_HOST)
		return false;
	return b ? b->state == IRQGATE_BINDING_HOST
		 : device_state(q->handle, driver) == DEVICE_HOST;
}

static struct irqgate_decision decide(const struct question *q, __u32 gd)
{
	struct irqgate_decision d = rows_decide(&q->rows, q->handle, q->vector, gd);

	/* A row decides for every receiver. unlisted_host decides only without a row. */
	return q->host && d.reason == IRQGATE_REASON_UNLISTED
		       ? rows_decide_host(&q->rows, q->handle, q->vector)
		       : d;
}

/* No process has the vector bound: ask for the context that it is registered for. */
static __u32 expected_gd(const struct question *q)
{
	return decide(q, IRQGATE_GD_NONE).gd;
}

/* A context can have a vector by `allow`, and still not get the device. */
static void explain_use(struct question *q, const struct judgement *j)
{
	char name[IRQGATE_NAME_LEN];

	if (q->host || j->d.verdict != IRQGATE_VERDICT_ALLOW ||
	    rows_decide_access(&q->rows, q->handle, j->gd, IRQGATE_HOLDS).verdict ==
		    IRQGATE_VERDICT_ALLOW)
		return;
	explain_step(q, "access", 0,
		     "%s may not hold the device itself, see 'irqgate explain %s access'",
		     j->gd == IRQGATE_GD_NONE ? "a process of no context"
					      : rows_context(&q->rows, j->gd, name),
		     q->name);
}

int explain_begin(struct question *q)
{
	int err = table_read(q->pins, &q->rows);

	if (err)
		return err;
	q->policy = policy_in_force();
	q->steps = json_object_new_array();
	q->remedies = json_object_new_array();
	handle_format(q->handle, q->name);
	return 0;
}

void explain_end(struct question *q)
{
	json_object_put(q->steps);
	json_object_put(q->remedies);
	policy_free(q->policy);
	rows_free(&q->rows);
}

int explain(struct pins *pins, __u64 handle, __u32 vector, const char *context, bool json)
{
	struct question q = { .pins = pins, .handle = handle, .vector = vector };
	char name[IRQGATE_NAME_LEN];
	struct irqgate_binding b;
	struct judgement j = {};
	bool bound;
	int err;

	if (context && table_context(pins, context, false, &j.gd))
		return fail(-ENOENT, "%s: unknown context, 'irqgate show contexts' lists them",
			    context);
	err = explain_begin(&q);
	if (err)
		goto out;
	bound = find_binding(&q, &b);
	q.host = of_host(&q, bound ? &b : NULL, context, j.gd);
	explain_table(&q);
	if (bound)
		explain_binding(&q, &b);
	else
		explain_step(&q, "binding", 0, "none: no process has bound this vector");
	if (bound && !context) {
		judge_binding(&q.rows, pins, &b, &j);
	} else {
		if (!context)
			j.gd = expected_gd(&q);
		j.d = decide(&q, j.gd);
		explain_step(&q, "asked for", 0, "%s",
			     j.gd == IRQGATE_GD_NONE ? "a process of no context"
						     : rows_context(&q.rows, j.gd, name));
	}
	explain_use(&q, &j);
	find_remedies(&q, &j);
	if (json)
		print_json(&q, &j, bound ? name_of(&names_binding, b.state) : NULL);
	else
		print_text(&q, &j);
out:
	explain_end(&q);
	return err;
}
