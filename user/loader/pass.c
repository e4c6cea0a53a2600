// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "lib/array.h"
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
	struct pass_device *new;
	size_t i;

	for (i = 0; i < pass.n; i++)
		if (pass.of[i].object == object)
			return &pass.of[i];
	new = ARRAY_MORE(pass.of, pass.n);
	if (!new)
		return NULL;
	pass.n++;
	*new = (struct pass_device){ .object = object, .budget = DEVICE_MS };
	return new;
}
