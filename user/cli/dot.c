// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include "cli/dot.h"
#include "lib/handle.h"
#include "lib/names.h"
#include "lib/util.h"

#define RED "#c00000"
#define ORANGE "#b35900"
#define GREY "#888888"

/* Fill of contexts, by number; none is near red. */
static const char *const fills[] = {
	"#eeeeee", "#cfe2f3", "#d9ead3", "#fff2cc", "#d9d2e9", "#d0e0e3", "#e6dbc9", "#c9daf8",
};

struct writer {
	FILE *out;
	const struct dot_path *path;
	const char *(*context)(__u32 gd, void *arg);
	void *arg;
};

static const char *fill(__u32 gd)
{
	return gd == IRQGATE_GD_NONE ? "#ffffff" : fills[gd % (ARRAY_SIZE(fills))];
}

/* Write a text into a quoted string of DOT. */
static void put_text(FILE *out, const char *text)
{
	char safe[128], *c;

	for (c = (char *)text_safe(text, safe, sizeof(safe)); *c; c++)
		fprintf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
}

/* Nodes have numbers, not kernel addresses, because people pass such pictures on. */
static size_t eventfd_number(const struct writer *w, const struct dot_path *p)
{
	const struct dot_path *q = w->path;

	while (q->eventfd != p->eventfd)
		q++;
	return q - w->path;
}

static size_t vm_number(const struct writer *w, const struct dot_path *p)
{
	const struct dot_path *q = w->path;

	while (q->vm != p->vm)
		q++;
	return q - w->path;
}

static void put_context(const struct writer *w, __u32 gd)
{
	put_text(w->out, gd == IRQGATE_GD_NONE ? "no context" : w->context(gd, w->arg));
}

static bool violation(const struct dot_path *p)
{
	return p->verdict >= IRQGATE_VERDICT_DROP || p->stopped || p->leaked;
}

static int path_order(const void *a, const void *b)
{
	const struct dot_path *x = a, *y = b;

	return order_of_vectors(x->handle, x->vector, y->handle, y->vector)
		       ?: order_of(x->vm, y->vm);
}

/*
 * May one node show @a and the next vector, @b? A vector with two listeners has two paths of
 * one number, so it has a node of its own.
 */
static bool same_kind(const struct dot_path *a, const struct dot_path *b)
{
	return a->handle == b->handle && b->vector == a->vector + 1 && a->owner == b->owner &&
	       !a->eventfd == !b->eventfd && a->vm == b->vm && a->pid == b->pid && a->gd == b->gd &&
	       a->state == b->state && a->verdict == b->verdict && a->reason == b->reason &&
	       violation(a) == violation(b) && !a->leaked == !b->leaked &&
	       !a->stopped == !b->stopped;
}

static void put_device(const struct writer *w, const struct dot_path *p)
{
	char buf[HANDLE_STRLEN];

	fprintf(w->out,
		"  \"d%llx\" [shape=box ordering=out style=\"filled,rounded\" "
		"fillcolor=\"#ffffff\" "
		"penwidth=1.5 label=\"",
		(unsigned long long)p->handle);
	put_text(w->out, p->handle ? handle_format(p->handle, buf) : "no device");
	fprintf(w->out, "\"];\n");
}

/* A node: one vector, or a run of vectors of the same kind. */
struct run {
	const struct dot_path *first, *last;
	__u64 stopped, leaked;
};

static void put_vector(const struct writer *w, const struct run *r)
{
	const struct dot_path *p = r->first;
	bool bad = violation(p);

	fprintf(w->out, "  \"v%llx.%x\" [shape=box style=filled fillcolor=\"%s\"%s label=\"",
		(unsigned long long)p->handle, p->vector, fill(p->owner),
		bad ? " color=\"" RED "\" fontcolor=\"" RED "\" penwidth=2" : "");
	if (p->vector == IRQGATE_VECTOR_FUNCTION)
		fprintf(w->out, "function");
	else if (r->last != p)
		fprintf(w->out, "vectors %u-%u", p->vector, r->last->vector);
	else
		fprintf(w->out, "vector %u", p->vector);
	fprintf(w->out, "\\nof ");
	put_context(w, p->owner);
	if (r->stopped)
		fprintf(w->out, "\\nstopped %llu", (unsigned long long)r->stopped);
	if (r->leaked)
		fprintf(w->out, "\\nLEAKED %llu", (unsigned long long)r->leaked);
	fprintf(w->out, "\"];\n  \"d%llx\" -> \"v%llx.%x\"%s;\n", (unsigned long long)p->handle,
		(unsigned long long)p->handle, p->vector, bad ? " [color=\"" RED "\"]" : "");
}

/* Attributes of the edge that shows the verdict. */
static void put_verdict(const struct writer *w, const struct dot_path *p)
{
	if (p->verdict >= IRQGATE_VERDICT_DROP || p->leaked)
		fprintf(w->out, " color=\"" RED "\" fontcolor=\"" RED "\" penwidth=2");
	else if (p->verdict == IRQGATE_VERDICT_AUDIT)
		fprintf(w->out, " color=\"" ORANGE "\" fontcolor=\"" ORANGE "\"");
	if (p->verdict > IRQGATE_VERDICT_ALLOW)
		fprintf(w->out, " label=\"%s: %s\"", name_of(&names_verdict, p->verdict),
			name_of(&names_reason, p->reason));
}

static void put_eventfd(const struct writer *w, const struct run *r)
{
	const struct dot_path *p = r->first;

	fprintf(w->out, "  \"e%zu\" [shape=ellipse label=\"", eventfd_number(w, p));
	if (r->last != p)
		fprintf(w->out, "%u eventfds", r->last->vector - p->vector + 1);
	else if (p->eventfd_id >= 0)
		fprintf(w->out, "eventfd %d", p->eventfd_id);
	else
		fprintf(w->out, "eventfd");
	fprintf(w->out, "\"%s];\n",
		p->state == IRQGATE_BINDING_QUARANTINED ? " style=dashed color=\"" GREY
							  "\" fontcolor=\"" GREY "\""
							: "");
}

/* The last node of a path: a VM, a process, or the host drivers. */
static void receiver_id(const struct writer *w, const struct dot_path *p, char buf[32])
{
	if (p->state == IRQGATE_BINDING_HOST)
		snprintf(buf, 32, "host");
	else if (p->vm)
		snprintf(buf, 32, "k%zu", vm_number(w, p));
	else
		snprintf(buf, 32, "p%u", p->pid);
}

static void put_receiver(const struct writer *w, const struct dot_path *p)
{
	char id[32];

	receiver_id(w, p, id);
	fprintf(w->out, "  \"%s\" [shape=%s style=filled fillcolor=\"%s\" label=\"", id,
		p->vm ? "box3d" : "box", fill(p->gd));
	if (p->state == IRQGATE_BINDING_HOST) {
		fprintf(w->out, "host drivers\"];\n");
		return;
	}
	put_context(w, p->gd);
	fprintf(w->out, p->vm ? "\\nVM of " : "\\nprocess ");
	put_text(w->out, *p->comm ? p->comm : "?");
	fprintf(w->out, "[%u]\"];\n", p->pid);
}

/* The rest of the path, behind the vector. */
static void put_way(const struct writer *w, const struct run *r)
{
	const struct dot_path *p = r->first;
	bool cut = p->state == IRQGATE_BINDING_QUARANTINED;
	char id[32], vector[40];

	if (!p->state)
		return; /* never bound: the vector's node has the refusals */
	snprintf(vector, sizeof(vector), "v%llx.%x", (unsigned long long)p->handle, p->vector);
	receiver_id(w, p, id);
	put_receiver(w, p);
	if (cut) {
		fprintf(w->out,
			"  \"s%s\" [shape=octagon label=\"sink\" color=\"" RED "\" fontcolor=\"" RED
			"\"];\n  \"%s\" -> \"s%s\" [",
			vector, vector, vector);
		put_verdict(w, p);
		fprintf(w->out, "];\n");
	}
	if (!p->eventfd) {
		fprintf(w->out, "  \"%s\" -> \"%s\" [", vector, id);
		put_verdict(w, p);
		fprintf(w->out, "];\n");
		return;
	}
	put_eventfd(w, r);
	if (!cut) {
		fprintf(w->out, "  \"%s\" -> \"e%zu\" [", vector, eventfd_number(w, p));
		put_verdict(w, p);
		fprintf(w->out, "];\n");
	}
	fprintf(w->out, "  \"e%zu\" -> \"%s\" [%s", eventfd_number(w, p), id,
		cut ? "style=dashed color=\"" GREY "\" fontcolor=\"" GREY "\"" : "");
	if (p->vm && r->first == r->last)
		fprintf(w->out, " label=\"GSI %u\"", p->gsi);
	fprintf(w->out, "];\n");
}

void dot_write(FILE *out, struct dot_path *path, size_t n,
	       const char *(*context)(__u32 gd, void *arg), void *arg, bool full)
{
	struct writer w = { out, path, context, arg };
	size_t i, end;

	if (n)
		qsort(path, n, sizeof(*path), path_order);
	fprintf(out,
		"digraph irqgate {\n"
		"  rankdir=LR; ranksep=0.9; nodesep=0.12;\n"
		"  node [fontname=\"sans-serif\" fontsize=10 margin=\"0.1,0.04\" height=0.3];\n"
		"  edge [fontname=\"sans-serif\" fontsize=9 arrowsize=0.6];\n");
	for (i = 0; i < n; i = end) {
		struct run r = { .first = &path[i] };

		for (end = i + 1; !full && end < n && same_kind(&path[end - 1], &path[end]); end++)
			;
		for (r.last = r.first; r.last < &path[end]; r.last++) {
			r.stopped += r.last->stopped;
			r.leaked += r.last->leaked;
		}
		r.last--;
		if (!i || path[i - 1].handle != path[i].handle)
			put_device(&w, &path[i]);
		if (!i || path[i - 1].handle != path[i].handle ||
		    path[i - 1].vector != path[i].vector)
			put_vector(&w, &r);
		put_way(&w, &r);
	}
	fprintf(out, "}\n");
}
