// SPDX-License-Identifier: GPL-2.0-only
/* A policy in memory: empty, its remarks, the numbers of its contexts, and its end. */
#include "lib/array.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int policy_empty(struct policy **out)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->contexts = calloc(1, sizeof(*p->contexts));
	if (!p || !p->contexts) {
		free(p);
		return -ENOMEM;
	}
	p->defaults.mode = IRQGATE_MODE_AUDIT;
	p->defaults.unlisted_device = IRQGATE_ACTION_ALLOW;
	p->defaults.unlisted_source = IRQGATE_ACTION_ALLOW;
	p->defaults.unlisted_host = IRQGATE_ACTION_ALLOW;
	p->defaults.on_full = IRQGATE_ACTION_DENY;
	strcpy(p->contexts[0].name, "host");
	p->contexts[0].gd = IRQGATE_GD_HOST;
	p->ncontexts = 1;
	*out = p;
	return 0;
}

void policy_free(struct policy *policy)
{
	unsigned int i;

	if (!policy)
		return;
	for (i = 0; i < policy->ncontexts; i++)
		policy_match_free(&policy->contexts[i].match);
	for (i = 0; i < policy->nsources; i++)
		policy_match_free(&policy->sources[i].match);
	for (i = 0; i < policy->ndevices; i++)
		free(policy->devices[i].functions);
	for (i = 0; i < policy->nfiles; i++)
		free(policy->files[i]);
	for (i = 0; i < policy->nremarks; i++)
		free(policy->remarks[i].text);
	free(policy->remarks);
	free(policy->contexts);
	free(policy->devices);
	free(policy->sources);
	free(policy->files);
	free(policy);
}

void policy_remark(struct policy *p, unsigned int file, unsigned int line, bool warning,
		   const char *format, ...)
{
	struct policy_remark *new = ARRAY_MORE(p->remarks, p->nremarks);
	va_list args;
	int len;

	if (!new)
		return;
	va_start(args, format);
	len = vasprintf(&new->text, format, args);
	va_end(args);
	if (len < 0)
		return;
	new->file = file;
	new->line = line;
	new->warning = warning;
	p->nremarks++;
}

enum irqgate_access policy_access(const struct policy *policy, const struct policy_device *device)
{
	if (device->access)
		return device->access;
	return (enum irqgate_access)policy->defaults.access ?: IRQGATE_ACCESS_ANY;
}

const unsigned int *policy_brokers(const struct policy *policy, const struct policy_device *device,
				   unsigned int *n)
{
	*n = device->own_brokers ? device->nbrokers : policy->nbrokers;
	return device->own_brokers ? device->broker : policy->broker;
}

const struct policy_context *policy_context_by_name(const struct policy *policy, const char *name)
{
	const struct policy_context *c;

	for (c = policy->contexts; c < policy->contexts + policy->ncontexts; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static bool gd_taken(const struct policy *p, __u32 gd)
{
	unsigned int i;

	for (i = 0; i < p->ncontexts; i++)
		if (p->contexts[i].gd == gd)
			return true;
	return false;
}

/* The number after the highest one, so that a freed number is not reused soon. */
static __u32 first_number(const struct policy *old)
{
	__u32 next = 1;
	unsigned int i;

	for (i = 0; old && i < old->ncontexts; i++)
		if (old->contexts[i].gd >= next)
			next = old->contexts[i].gd + 1;
	return next < IRQGATE_GD_NONE - IRQGATE_MAX_CONTEXTS ? next : 1;
}

void policy_keep_numbers(struct policy *p, const struct policy *old)
{
	const struct policy_context *was;
	__u32 next = first_number(old);
	struct policy_context *c;

	p->contexts[0].gd = IRQGATE_GD_HOST;
	for (c = p->contexts + 1; c < p->contexts + p->ncontexts; c++)
		if (!c->numbered)
			c->gd = IRQGATE_GD_NONE;
	for (c = p->contexts + 1; c < p->contexts + p->ncontexts; c++) {
		was = old && !c->numbered ? policy_context_by_name(old, c->name) : NULL;
		if (was && !gd_taken(p, was->gd))
			c->gd = was->gd;
	}
	for (c = p->contexts + 1; c < p->contexts + p->ncontexts; c++) {
		if (c->gd != IRQGATE_GD_NONE)
			continue;
		while (gd_taken(p, next) || (old && gd_taken(old, next)))
			next++;
		c->gd = next;
	}
}
