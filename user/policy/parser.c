// SPDX-License-Identifier: GPL-2.0-only
/* Files join a policy one after the other; the errors of all are printed together. */
#include "policy/parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void parser_error(struct parser *p, unsigned int line, const char *format, ...)
{
	unsigned int at = p->nerrors;
	va_list args;

	if (at == MAX_ERRORS)
		return;
	/* Sorted by file and line; errors of one line stay in the order of discovery. */
	for (; at && (p->errors[at - 1].file > p->at ||
		      (p->errors[at - 1].file == p->at && p->errors[at - 1].line > line));
	     at--)
		p->errors[at] = p->errors[at - 1];
	p->errors[at].file = p->at;
	p->errors[at].line = line;
	va_start(args, format);
	vsnprintf(p->errors[at].text, ERROR_LEN, format, args);
	va_end(args);
	p->nerrors++;
}

bool parser_gave_up(const struct parser *p)
{
	return p->nerrors == MAX_ERRORS || p->no_memory;
}

/* Each use of a node through an alias finds the same errors again: print them once. */
static void print_errors(const struct parser *p)
{
	const struct error *e;

	for (e = p->errors; e < p->errors + p->nerrors; e++)
		if (e == p->errors || e->file != e[-1].file || e->line != e[-1].line ||
		    strcmp(e->text, e[-1].text))
			fprintf(stderr, "%s:%u: %s\n", p->policy->files[e->file], e->line, e->text);
}

const char *parser_place(const struct parser *p, unsigned int file, unsigned int line,
			 char buf[PLACE_LEN])
{
	if (file == p->at)
		snprintf(buf, PLACE_LEN, "on line %u", line);
	else
		snprintf(buf, PLACE_LEN, "in %s:%u", p->policy->files[file], line);
	return buf;
}

const char *quote(const char *text, size_t len, char q, char buf[WORD_LEN])
{
	size_t used = 0, i;

	if (q)
		buf[used++] = q;
	for (i = 0; i < len && used < WORD_LEN - 8; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= ' ' && c <= '~')
			buf[used++] = (char)c;
		else
			used += (size_t)sprintf(buf + used, "\\x%02x", c);
	}
	snprintf(buf + used, WORD_LEN - used, "%s%c", i < len ? "..." : "", q);
	return buf;
}

const char *quoted(const char *text, char buf[WORD_LEN])
{
	return quote(text, strlen(text), '\'', buf);
}

const char *separator(unsigned int i, unsigned int count)
{
	if (!i)
		return "";
	return i + 1 == count ? " or " : ", ";
}

int parser_add_file(struct parser *p, const char *name, const char *data, size_t len)
{
	struct policy *policy = p->policy;
	unsigned int before = p->nerrors;
	yaml_node_t *root;

	if (!ARRAY_MORE(policy->files, policy->nfiles) || !ARRAY_MORE(p->files, policy->nfiles))
		return -ENOMEM;
	policy->files[policy->nfiles] = strdup(name);
	if (!policy->files[policy->nfiles])
		return -ENOMEM;
	p->at = policy->nfiles++;
	memset(&p->files[p->at], 0, sizeof(*p->files));
	root = document_parse(p, data, len);
	if (root)
		parse_top(p, root);
	/* A file with errors may declare a context that the parser did not get to. */
	p->contexts_bad |= p->nerrors != before;
	return 0;
}

int parser_init(struct parser *p, enum policy_place place)
{
	memset(p, 0, sizeof(*p));
	p->place = place;
	return policy_empty(&p->policy);
}

int parser_finish(struct parser *p, int err, struct policy **out)
{
	unsigned int i;

	policy_keep_numbers(p->policy, NULL);
	for (i = 0; !err && i < p->policy->nfiles && !parser_gave_up(p); i++) {
		p->at = i;
		parse_rows(p);
	}
	print_errors(p);
	for (i = 0; i < p->policy->nfiles; i++)
		if (p->files[i].has_doc)
			yaml_document_delete(&p->files[i].doc);
	free(p->files);
	if (!err && p->no_memory)
		err = -ENOMEM;
	if (!err && p->nerrors)
		err = -EINVAL;
	if (err)
		policy_free(p->policy);
	else
		*out = p->policy;
	return err;
}

int policy_parse(const char *name, const char *data, size_t len, struct policy **out)
{
	struct parser p;
	int err = parser_init(&p, POLICY_HERE);

	return err ?: parser_finish(&p, parser_add_file(&p, name, data, len), out);
}
