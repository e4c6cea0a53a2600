// SPDX-License-Identifier: GPL-2.0-only
#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"
#include "loader/access.h"
#include "loader/apply.h"
#include "loader/cut.h"
#include "loader/enforce.h"
#include "loader/round.h"
#include "loader/support.h"
#include "table/judge.h"
#include "table/revoke.h"
#include "table/table.h"

int policy_prepare(const char *path, const char *mode, bool unsafe_interrupts, struct policy **out)
{
	struct policy *policy;
	int value, err;

	err = path ? policy_load(path, &policy) : policy_empty(&policy);
	if (err)
		return err;
	if (mode) {
		value = name_value(&names_mode, mode);
		if (value < 0) {
			msg("--mode: unknown '%s', expected audit or enforce", mode);
			err = -EINVAL;
			goto bad;
		}
		policy->defaults.mode = (__u8)value;
	}
	err = policy_resolve(policy, "/sys");
	if (err < 0)
		goto bad;
	policy_lint(policy, false);
	policy_print_remarks(policy, false);
	err = probe_require(policy->defaults.mode == IRQGATE_MODE_ENFORCE, unsafe_interrupts);
	if (err)
		goto bad;
	*out = policy;
	return 0;
bad:
	policy_free(policy);
	return err;
}

/* ---- the stored policy in force ------------------------------------------------ */

static void put_origin(FILE *out, const void *row, void *arg)
{
	const struct policy *p = arg;
	unsigned int i, file = 0, line = 0;

	for (i = 0; i < p->ncontexts; i++)
		if (row == &p->contexts[i])
			file = p->contexts[i].file, line = p->contexts[i].line;
	for (i = 0; i < p->ndevices; i++)
		if (row == &p->devices[i])
			file = p->devices[i].file, line = p->devices[i].line;
	for (i = 0; i < p->nsources; i++)
		if (row == &p->sources[i])
			file = p->sources[i].file, line = p->sources[i].line;
	if (line)
		fprintf(out, "  # %s:%u\n", p->files[file], line);
}

int policy_save(const struct policy *policy)
{
	FILE *f = replace_open(POLICY_IN_FORCE, 0600);

	if (!f)
		return -EIO;
	fprintf(f, "# The policy irqgate has in force; made by irqgate, changes are lost.\n");
	policy_write(f, policy, put_origin, (void *)policy);
	return replace_close(f, POLICY_IN_FORCE, 0);
}

struct policy *policy_in_force(void)
{
	struct policy *policy;
	int err = access(POLICY_IN_FORCE, F_OK) ? -errno : policy_load(POLICY_IN_FORCE, &policy);

	if (err) {
		errno = -err;
		return NULL;
	}
	policy_resolve(policy, "/sys");
	return policy;
}

void policy_number(struct policy *policy)
{
	struct policy *old = policy_in_force();

	policy_keep_numbers(policy, old);
	policy_free(old);
}

const char *policy_origin(unsigned int line, char *buf, size_t len)
{
	FILE *f = line > 1 ? fopen(POLICY_IN_FORCE, "re") : NULL;
	char *text = NULL;
	size_t size = 0;

	snprintf(buf, len, "-");
	while (f && --line && getline(&text, &size, f) > 0)
		;
	if (f && text && !line && !strncmp(text, "  # ", 4)) {
		text[strcspn(text, "\n")] = '\0';
		snprintf(buf, len, "%s", text + 4);
	}
	free(text);
	if (f)
		fclose(f);
	return buf;
}

/* ---- the plan ------------------------------------------------------------------ */

/* Add a live binding to the plan if the new table cuts or restores it. */
static int plan_binding(struct plan *plan, const struct pins *pins, const struct irqgate_binding *b)
{
	struct judgement j;
	bool cut, restored;

	judge_binding(&plan->to, pins, b, &j);
	/* irqgate cannot point a host driver's MSIs elsewhere, only isolate the device. */
	cut = j.d.verdict >= IRQGATE_VERDICT_DROP &&
	      (b->state == IRQGATE_BINDING_BOUND ||
	       (b->state == IRQGATE_BINDING_HOST && j.d.isolate));
	restored = j.d.verdict <= IRQGATE_VERDICT_AUDIT && b->state == IRQGATE_BINDING_QUARANTINED;
	if (!cut && !restored)
		return 0;
	if (!ARRAY_MORE(plan->cut, plan->ncuts))
		return -ENOMEM;
	plan->cut[plan->ncuts++] = (struct cut){
		.binding = *b,
		.gd = j.gd,
		.verdict = j.d.verdict,
		.reason = j.d.reason,
		.restored = restored,
	};
	plan->cuts += cut;
	plan->restored += restored;
	return 0;
}

static int compare_cuts(const void *a, const void *b)
{
	const struct irqgate_binding *x = &((const struct cut *)a)->binding;
	const struct irqgate_binding *y = &((const struct cut *)b)->binding;

	return order_of_vectors(x->handle, x->vector, y->handle, y->vector);
}

int plan_make(struct plan *plan, struct pins *pins, struct policy *policy)
{
	const struct policy *texts[2];
	struct binding_walk w = {};
	int err, more = 1;

	memset(plan, 0, sizeof(*plan));
	plan->policy = policy;
	plan->old = policy_in_force();
	policy_keep_numbers(policy, plan->old);
	texts[0] = policy;
	texts[1] = plan->old;
	err = table_read(pins, &plan->from) ?: rows_of_policy(&plan->to, policy) ?:
	      revocations_read(pins, &plan->to.revoked);
	err = err ?: rows_carry(&plan->to, policy, &plan->from, plan->old);
	if (!err)
		rows_warn(&plan->to, policy);
	err = err ?: items_of_rows(&plan->from_items, &plan->from, texts, 2) ?:
	      items_of_rows(&plan->to_items, &plan->to, texts, 2) ?:
	      diff_items(&plan->from_items, &plan->to_items, &plan->diff);
	while (!err && (more = binding_next(pins, &w)) > 0)
		err = plan_binding(plan, pins, &w.b);
	if (more < 0)
		err = more;
	if (plan->ncuts)
		qsort(plan->cut, plan->ncuts, sizeof(*plan->cut), compare_cuts);
	return err == -ENOMEM ? fail(err, "not enough memory for the table") : err;
}

void plan_free(struct plan *plan)
{
	items_free(&plan->from_items);
	items_free(&plan->to_items);
	rows_free(&plan->from);
	rows_free(&plan->to);
	free(plan->diff.change);
	free(plan->cut);
	policy_free(plan->old);
	memset(plan, 0, sizeof(*plan));
}

int plan_execute(struct plan *plan, struct pins *pins, const struct btf *btf)
{
	int err, enforced;
	size_t i;

	/* If a cut fails, bindings_enforce() tries again below, under the new table. */
	round_begin();
	for (i = 0; i < plan->ncuts; i++)
		if (!plan->cut[i].restored && plan->cut[i].binding.state == IRQGATE_BINDING_BOUND)
			binding_cut(pins, plan->cut[i].binding.irq);
	err = access_publish(pins, btf, &plan->to);
	if (err) {
		bindings_enforce(pins); /* the old table is in force: release what was cut */
		return err;
	}
	pins->state->policy = policy_hash(plan->policy);
	policy_save(plan->policy);
	err = pins_adopt_tasks();
	/* A cgroup that was made meanwhile got its row in the old table, so look again. */
	if (!err)
		err = table_resolve(pins, plan->policy);
	enforced = bindings_enforce(pins); /* also after an error: the new table is in force */
	return err < 0 ? err : enforced;
}

/* ---- output --------------------------------------------------------------------- */

const char *plan_summary(const struct plan *plan, char buf[PLAN_SUMMARY_LEN])
{
	snprintf(buf, PLAN_SUMMARY_LEN,
		 "%zu added, %zu removed, %zu changed; %zu live bindings cut, %zu restored",
		 plan->diff.added, plan->diff.removed, plan->diff.changed, plan->cuts,
		 plan->restored);
	return buf;
}

static void print_text(const struct plan *plan, FILE *out)
{
	char handle[HANDLE_STRLEN], name[IRQGATE_NAME_LEN], text[VECTORS_STRLEN];
	const struct revocations *revoked = &plan->to.revoked;
	struct vector_set vectors;
	size_t i;

	for (i = 0; i < revoked->n; i++) {
		revocation_vectors(&revoked->of[i].row, &vectors);
		fprintf(out,
			"= revoked %s vectors %s: until 'irqgate allow', whatever a policy says\n",
			handle_format(revoked->of[i].handle, handle),
			vectors_format(&vectors, text));
	}
	for (i = 0; i < plan->diff.n; i++) {
		const struct difference *c = &plan->diff.change[i];
		const struct item *item = c->to ? c->to : c->from;

		assert(item);
		fprintf(out, "%c %s %s: ",
			c->from && c->to ? '~'
			: c->to          ? '+'
					 : '-',
			item->kind, item->name);
		if (c->from && c->to)
			fprintf(out, "%s -> %s\n", c->from->text, c->to->text);
		else
			fprintf(out, "%s\n", item->text);
	}
	for (i = 0; i < plan->ncuts; i++) {
		const struct cut *c = &plan->cut[i];

		fprintf(out, "! %s %s vector %u of process %u: ",
			c->restored                                ? "restore"
			: c->binding.state == IRQGATE_BINDING_HOST ? "isolate"
								   : "cut",
			handle_format(c->binding.handle, handle), c->binding.vector,
			c->binding.binder.tgid);
		fprintf(out, "context %s, verdict %s, reason %s\n",
			rows_context(&plan->to, c->gd, name), name_of(&names_verdict, c->verdict),
			name_of(&names_reason, c->reason));
	}
}

static void put(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *cut_json(const struct plan *plan, const struct cut *c)
{
	char handle[HANDLE_STRLEN], name[IRQGATE_NAME_LEN];
	struct json_object *o = json_object_new_object();

	put(o, "handle", handle_format(c->binding.handle, handle));
	json_object_object_add(o, "vector", json_object_new_int64(c->binding.vector));
	json_object_object_add(o, "irq", json_object_new_int64(c->binding.line));
	json_object_object_add(o, "pid", json_object_new_int64(c->binding.binder.tgid));
	put(o, "context", rows_context(&plan->to, c->gd, name));
	put(o, "verdict", name_of(&names_verdict, c->verdict));
	put(o, "reason", name_of(&names_reason, c->reason));
	return o;
}

static struct json_object *revocation_json(const struct revocation *r)
{
	char handle[HANDLE_STRLEN], text[VECTORS_STRLEN];
	struct json_object *o = json_object_new_object();
	struct vector_set vectors;

	revocation_vectors(&r->row, &vectors);
	put(o, "handle", handle_format(r->handle, handle));
	put(o, "vectors", vectors_format(&vectors, text));
	return o;
}

static void print_json(const struct plan *plan, FILE *out)
{
	static const char *const lists[] = { "added", "removed",  "changed",
					     "cut",   "restored", "revoked" };
	struct json_object *root = json_object_new_object(), *list[ARRAY_SIZE(lists)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		list[i] = json_object_new_array();
		json_object_object_add(root, lists[i], list[i]);
	}
	for (i = 0; i < plan->diff.n; i++) {
		const struct difference *c = &plan->diff.change[i];
		struct json_object *o = json_object_new_object();

		put(o, "kind", (c->to ? c->to : c->from)->kind);
		put(o, "name", (c->to ? c->to : c->from)->name);
		if (c->from)
			put(o, "from", c->from->text);
		if (c->to)
			put(o, "to", c->to->text);
		json_object_array_add(list[!c->from ? 0 : !c->to ? 1 : 2], o);
	}
	for (i = 0; i < plan->ncuts; i++)
		json_object_array_add(list[plan->cut[i].restored ? 4 : 3],
				      cut_json(plan, &plan->cut[i]));
	for (i = 0; i < plan->to.revoked.n; i++)
		json_object_array_add(list[5], revocation_json(&plan->to.revoked.of[i]));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

void plan_print(const struct plan *plan, FILE *out, bool json)
{
	if (json)
		print_json(plan, out);
	else
		print_text(plan, out);
}

int apply_verb(const struct apply_options *opts)
{
	char summary[PLAN_SUMMARY_LEN];
	struct policy *policy;
	struct plan plan;
	struct pins pins;
	int lock, err;

	err = policy_prepare(opts->file, opts->mode, opts->unsafe_interrupts, &policy);
	if (err)
		return err == -EOPNOTSUPP ? EXIT_KERNEL : EXIT_USAGE;
	err = pins_open(&pins);
	if (err)
		goto out;
	lock = lock_changes();
	if (lock < 0) {
		err = lock;
		goto out_pins;
	}
	err = plan_make(&plan, &pins, policy);
	if (!err && !opts->dry_run)
		err = plan_execute(&plan, &pins, NULL) ?: access_settle(&pins);
	if (err >= 0) {
		plan_print(&plan, stdout, opts->json);
		msg("%s%s: %s", opts->dry_run ? "would apply " : "applied ", opts->file,
		    plan_summary(&plan, summary));
	}
	if (err > 0)
		msg("%d bindings could not be brought in order, see above", err);
	plan_free(&plan);
	close(lock);
out_pins:
	pins_close(&pins);
out:
	policy_free(policy);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
