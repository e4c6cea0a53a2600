// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "loader/pass.h"

/* How long all steps for one device may take in one pass, ms; quick steps do not count. */
#define DEVICE_MS 4000

static struct {
	struct pass_device *of;
	size_t n;
} pass;

void pass_begin(void)
{
	free(pass.of);
	pass.of = NULL;
	pass.n = 0;
}

struct pass_device *pass_get(__u64 object)
{
	struct pass_device *grown;
	size_t i;

	for (i = 0; i < pass.n; i++)
		if (pass.of[i].object == object)
			return &pass.of[i];
	grown = realloc(pass.of, (pass.n + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	pass.of = grown;
	grown += pass.n++;
	*grown = (struct pass_device){ .object = object, .budget = DEVICE_MS };
	return grown;
}
