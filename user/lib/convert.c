// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/btf.h>
#include <endian.h>
#include <string.h>

#include "lib/convert.h"

/* Types do not contain themselves, so the recursion ends. This bounds its depth. */
#define MAX_DEPTH 16

static void convert_value(struct view from, struct view to, int depth);

/* A part of a value; its size is 0 if it does not lie within the value. */
static struct view part(const struct view *v, __u32 type, size_t offset)
{
	__s64 size = btf__resolve_size(v->btf, type);
	struct view p = { v->btf, type, (char *)v->data + offset, size > 0 ? (size_t)size : 0 };

	if (offset > v->size || p.size > v->size - offset)
		p.size = 0;
	return p;
}

static void convert_scalar(const struct view *from, const struct view *to)
{
	size_t n = from->size < to->size ? from->size : to->size;
	const char *src = from->data;
	char *dst = to->data;

#if __BYTE_ORDER == __BIG_ENDIAN
	src += from->size - n;
	dst += to->size - n;
#endif
	memcpy(dst, src, n);
}

static void convert_array(const struct view *from, const struct view *to, int depth)
{
	const struct btf_array *a = btf_array(btf__type_by_id(from->btf, from->type));
	const struct btf_array *b = btf_array(btf__type_by_id(to->btf, to->type));
	__u32 i;

	for (i = 0; i < a->nelems && i < b->nelems; i++) {
		struct view x = part(from, a->type, 0), y = part(to, b->type, 0);

		x = part(from, a->type, i * x.size);
		y = part(to, b->type, i * y.size);
		if (!x.size || !y.size)
			return;
		convert_value(x, y, depth);
	}
}

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

/* A member; its size is 0 if it is a bit field. */
static struct view member(const struct view *v, const struct btf_type *t,
			  const struct btf_member *m)
{
	__u32 i = (__u32)(m - btf_members(t)), bit = btf_member_bit_offset(t, i);
	struct view p = part(v, m->type, bit / 8);

	if (bit % 8 || btf_member_bitfield_size(t, i))
		p.size = 0;
	return p;
}

static void convert_struct(const struct view *from, const struct view *to, int depth)
{
	const struct btf_type *a = btf__type_by_id(from->btf, from->type);
	const struct btf_type *b = btf__type_by_id(to->btf, to->type);
	const struct btf_member *m = btf_members(b), *old;
	int i;

	for (i = 0; i < btf_vlen(b); i++, m++) {
		old = find_member(from->btf, a, btf__name_by_offset(to->btf, m->name_off));
		if (old) /* else the member is new */
			convert_value(member(from, a, old), member(to, b, m), depth);
	}
}

static void convert_value(struct view from, struct view to, int depth)
{
	const struct btf_type *a, *b;

	from.type = (__u32)btf__resolve_type(from.btf, from.type);
	to.type = (__u32)btf__resolve_type(to.btf, to.type);
	a = btf__type_by_id(from.btf, from.type);
	b = btf__type_by_id(to.btf, to.type);
	if (!a || !b || btf_kind(a) != btf_kind(b) || !from.size || !to.size || depth == MAX_DEPTH)
		return;
	if (btf_is_composite(a))
		convert_struct(&from, &to, depth + 1);
	else if (btf_is_array(a))
		convert_array(&from, &to, depth + 1);
	else
		convert_scalar(&from, &to);
}

void convert(struct view from, struct view to)
{
	convert_value(part(&from, from.type, 0), part(&to, to.type, 0), 0);
}
