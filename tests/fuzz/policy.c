// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer over policy_parse(). Run with -close_fd_mask=2: every input that is
 * refused prints why. Seeds: tests/unit/good, tests/unit/bad.
 */
#include <stdint.h>
#include <stdlib.h>
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is written says the same as what was read. */
static void check_written(const struct policy *policy)
{
	struct policy *again = NULL;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	policy_write(f, policy, NULL, NULL);
	fclose(f);
	if (policy_parse("written", text, len, &again) || policy_hash(policy) != policy_hash(again))
		abort();
	policy_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *policy = NULL;
	char text[VECTORS_STRLEN];
	unsigned int i;

	if (policy_parse("fuzz", (const char *)data, size, &policy))
		return 0;
	/* What is promised of a policy that was accepted. */
	if (policy->contexts[0].gd != IRQGATE_GD_HOST)
		abort();
	for (i = 0; i < policy->ndevices; i++) {
		struct policy_device *d = &policy->devices[i];
		struct vector_set again;

		if (d->context >= policy->ncontexts || !vectors_noi(&d->vectors) ||
		    vectors_parse(vectors_format(&d->vectors, text), &again, NULL))
			abort();
	}
	for (i = 1; i < policy->ncontexts; i++)
		if (policy->contexts[i].gd == IRQGATE_GD_HOST ||
		    policy->contexts[i].gd == IRQGATE_GD_NONE || !policy->contexts[i].match.kinds)
			abort();
	for (i = 0; i < policy->nsources; i++)
		if (policy->sources[i].context >= policy->ncontexts ||
		    !handle_soft_name(policy->sources[i].handle))
			abort();
	check_written(policy);
	policy_free(policy);
	return 0;
}
