// SPDX-License-Identifier: GPL-2.0-only
/* A policy as text that policy_load() reads back, and its hash. */
#include <stdlib.h>
#include <string.h>

#include <irqgate/hash.h>
#include "lib/handle.h"
#include "lib/names.h"
#include "policy/policy.h"

/* Other characters need no escape: the parser refuses control characters in such texts. */
static void put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

void policy_write_match(FILE *out, const struct policy_match *m)
{
	const char *separator = "{";

	if (m->kinds & IRQGATE_MATCH_PID) {
		fprintf(out, "%s pid: %u", separator, m->pid);
		separator = ",";
	}
	if (m->cgroup) {
		fprintf(out, "%s cgroup: ", separator);
		put_text(out, m->cgroup);
		separator = ",";
	}
	if (m->exe) {
		fprintf(out, "%s exe: ", separator);
		put_text(out, m->exe);
		separator = ",";
	}
	if (m->kinds & IRQGATE_MATCH_UID)
		fprintf(out, "%s uid: %u", separator, m->uid);
	fprintf(out, " }");
}

static void put_select(FILE *out, const struct policy_device *d)
{
	const struct policy_select *s = &d->select;
	char buf[HANDLE_STRLEN];

	switch (s->kind) {
	case POLICY_SELECT_ID:
		fprintf(out, "match: { id: \"%04x:%04x\", count: %u }", s->vendor, s->device,
			s->count);
		break;
	case POLICY_SELECT_GROUP:
		fprintf(out, "match: { iommu_group: %u }", s->group);
		break;
	case POLICY_SELECT_VF:
		fprintf(out, "match: { pf: \"%s\", vf: %u }", handle_format(s->pf, buf), s->vf);
		break;
	default:
		fprintf(out, "handle: \"%s\"", handle_format(d->handle, buf));
	}
}

static void put_context(FILE *out, const struct policy_context *c)
{
	fprintf(out, "  - name: \"%s\"\n    gd: %u\n", c->name, c->gd);
	if (c->match.kinds) {
		fprintf(out, "    match: ");
		policy_write_match(out, &c->match);
		fputc('\n', out);
	}
	if (c->strict)
		fprintf(out, "    strict: true\n");
}

static void put_brokers(FILE *out, const struct policy *p, const unsigned int *broker,
			unsigned int n)
{
	unsigned int i;

	fprintf(out, "brokers: [");
	for (i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", p->contexts[broker[i]].name);
	fprintf(out, "]\n");
}

static void put_device(FILE *out, const struct policy *p, const struct policy_device *d)
{
	char vectors[VECTORS_STRLEN];

	fprintf(out, "  - ");
	put_select(out, d);
	fprintf(out, "\n    context: \"%s\"\n    vectors: %s%s%s\n    on_violation: %s\n",
		p->contexts[d->context].name, d->vectors.all ? "" : "[",
		vectors_format(&d->vectors, vectors), d->vectors.all ? "" : "]",
		name_of(&names_action, d->action));
	if (d->last_resort)
		fprintf(out, "    last_resort: %s\n", name_of(&names_last_resort, d->last_resort));
	if (d->access)
		fprintf(out, "    access: %s\n", name_of(&names_access, d->access));
	if (d->own_brokers) {
		fprintf(out, "    ");
		put_brokers(out, p, d->broker, d->nbrokers);
	}
	if (d->on_mapped)
		fprintf(out, "    on_mapped: %s\n", name_of(&names_on_mapped, d->on_mapped));
}

static void put_source(FILE *out, const struct policy *p, const struct policy_source *s)
{
	char buf[HANDLE_STRLEN];

	fprintf(out, "  - handle: \"%s\"\n    match: ", handle_format(s->handle, buf));
	policy_write_match(out, &s->match);
	fprintf(out, "\n    context: \"%s\"\n", p->contexts[s->context].name);
}

void policy_write(FILE *out, const struct policy *p,
		  void (*note)(FILE *out, const void *row, void *arg), void *arg)
{
	unsigned int i, first = !p->contexts[0].line; /* no file declares the host */

	fprintf(out, "version: 1\nmode: %s\n", name_of(&names_mode, p->defaults.mode));
	if (p->ncontexts > first)
		fprintf(out, "contexts:\n");
	for (i = first; i < p->ncontexts; i++) {
		if (note)
			note(out, &p->contexts[i], arg);
		put_context(out, &p->contexts[i]);
	}
	if (p->ndevices)
		fprintf(out, "devices:\n");
	for (i = 0; i < p->ndevices; i++) {
		if (note)
			note(out, &p->devices[i], arg);
		put_device(out, p, &p->devices[i]);
	}
	if (p->nsources)
		fprintf(out, "sources:\n");
	for (i = 0; i < p->nsources; i++) {
		if (note)
			note(out, &p->sources[i], arg);
		put_source(out, p, &p->sources[i]);
	}
	fprintf(out, "defaults:\n");
	if (note)
		note(out, &p->defaults, arg);
	fprintf(out,
		"  unlisted_device: %s\n  unlisted_source: %s\n  unlisted_host: %s\n"
		"  on_full: %s\n",
		name_of(&names_action, p->defaults.unlisted_device),
		name_of(&names_action, p->defaults.unlisted_source),
		name_of(&names_action, p->defaults.unlisted_host),
		name_of(&names_action, p->defaults.on_full));
	if (p->defaults.last_resort)
		fprintf(out, "  last_resort: %s\n",
			name_of(&names_last_resort, p->defaults.last_resort));
	if (p->defaults.access)
		fprintf(out, "  access: %s\n", name_of(&names_access, p->defaults.access));
	if (p->nbrokers) {
		fprintf(out, "  ");
		put_brokers(out, p, p->broker, p->nbrokers);
	}
	if (p->defaults.on_mapped)
		fprintf(out, "  on_mapped: %s\n", name_of(&names_on_mapped, p->defaults.on_mapped));
}

__u64 policy_hash(const struct policy *p)
{
	__u64 hash = IRQGATE_HASH_INIT;
	unsigned int i, j, k;
	char *text = NULL;
	size_t len, n;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return 0;
	policy_write(f, p, NULL, NULL);
	fclose(f);
	for (n = 0; n < len; n++)
		hash = irqgate_hash_byte(hash, (__u8)text[n]);
	free(text);
	for (i = 0; i < p->ndevices; i++)
		for (j = 0; j < p->devices[i].nfunctions; j++)
			for (k = 0; k < 64; k += 8)
				hash = irqgate_hash_byte(hash,
							 (__u8)(p->devices[i].functions[j] >> k));
	return hash;
}
