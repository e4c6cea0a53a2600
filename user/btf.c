// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "btf.h"

const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t,
				     const char *name)
{
	const struct btf_member *m = btf_members(t);
	int i;

	for (i = 0; i < btf_vlen(t); i++, m++)
		if (!strcmp(btf__name_by_offset(btf, m->name_off), name))
			return m;
	return NULL;
}
