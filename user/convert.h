/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of a map in one layout into those of another, by the names in their BTF. */
#ifndef IRQGATE_USER_CONVERT_H
#define IRQGATE_USER_CONVERT_H

#include <stddef.h>
#include <linux/types.h>

struct btf;
struct btf_member;
struct btf_type;

/* One value: @size bytes that @btf says are a @type. */
struct view {
	const struct btf *btf;
	__u32 type;
	void *data;
	size_t size;
};

/*
 * convert - give the members of @to what those of the same name hold in @from
 * @from: of any layout. Its BTF is one the kernel verified, but need not be irqgate's:
 *	  what lies outside of the value, bit fields and members of another kind are
 *	  left out
 * @to: the same; members @from does not have keep what they hold
 *
 * Numbers keep their value when they become wider, arrays their first elements.
 */
void convert(struct view from, struct view to);

/* find_member - the member of the struct @t of @btf that is called @name; NULL: none. */
const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t,
				     const char *name);

#endif
