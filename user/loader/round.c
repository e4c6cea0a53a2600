// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "lib/array.h"
#include "loader/round.h"

/* How long all steps for one device may take in one round, ms; quick steps do not count. */
#define DEVICE_MS 4000

static struct {
	struct round_device *of;
	size_t n;
} devices;

void round_begin(void)
{
	free(devices.of);
	devices.of = NULL;
	devices.n = 0;
}

struct round_device *round_get(__u64 object)
{
	struct round_device *new;
	size_t i;

	for (i = 0; i < devices.n; i++)
		if (devices.of[i].object == object)
			return &devices.of[i];
	new = ARRAY_MORE(devices.of, devices.n);
	if (!new)
		return NULL;
	devices.n++;
	*new = (struct round_device){ .object = object, .budget = DEVICE_MS };
	return new;
}
