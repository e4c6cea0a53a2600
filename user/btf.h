/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IRQGATE_USER_BTF_H
#define IRQGATE_USER_BTF_H

#include <bpf/btf.h>

/* find_member - the member of the struct @t of @btf that is called @name; NULL: none. */
const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t,
				     const char *name);

#endif
