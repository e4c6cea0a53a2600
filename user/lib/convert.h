/* SPDX-License-Identifier: GPL-2.0-only */
/* Conversion of map values from one layout to another, by the names in their BTF. */
#ifndef IRQGATE_USER_CONVERT_H
#define IRQGATE_USER_CONVERT_H

#include <stddef.h>
#include <linux/types.h>

struct btf;
struct btf_member;
struct btf_type;

/* A value of @size bytes, of the type @type in @btf. */
struct view {
	const struct btf *btf;
	__u32 type;
	void *data;
	size_t size;
};

/*
 * convert - copy each member of @from to the member of @to with the same name
 * @from: of any layout. The kernel verified its BTF, but the BTF may be another program's. So
 *	  members outside of the value, bit fields and members of another kind are left out
 * @to: of any layout; a member that @from does not have keeps its value
 *
 * A number keeps its value in a wider member. Arrays keep the elements that both have.
 */
void convert(struct view from, struct view to);

/* find_member - the member @name of the struct @t of @btf, or NULL. */
const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t,
				     const char *name);

#endif
