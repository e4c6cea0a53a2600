// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer over maps of a foreign layout: of the input two BTFs are made, with any
 * members anywhere, and a value of one is taken over into the other.
 */
#include <bpf/btf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "lib/convert.h"

#define MAX_TYPES 24
#define MAX_VALUE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

static unsigned int byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Mostly a type that is there; now and then one that is not yet, or never. */
static int type_id(struct input *in, unsigned int i)
{
	unsigned int b = byte(in);

	return (int)(b < 240 ? b % (i + 1) : b);
}

static void add_struct(struct btf *btf, struct input *in, unsigned int i, bool is_union)
{
	unsigned int n = byte(in) % 8, k, bits, offset;
	char name[3] = "m";

	if (is_union)
		btf__add_union(btf, NULL, byte(in));
	else
		btf__add_struct(btf, NULL, byte(in));
	for (k = 0; k < n; k++) {
		name[1] = (char)('a' + byte(in) % 8);
		offset = byte(in) * (byte(in) % 4 ? 8 : 1);
		bits = byte(in) % 8 ? 0 : byte(in);
		btf__add_field(btf, name, type_id(in, i), is_union ? 0 : offset, bits);
	}
}

static struct btf *make_btf(struct input *in)
{
	struct btf *btf = btf__new_empty();
	unsigned int i, n = 1 + byte(in) % MAX_TYPES;

	for (i = 0; btf && i < n; i++) {
		switch (byte(in) % 8) {
		case 0:
		case 1:
			btf__add_int(btf, "int", 1 << byte(in) % 5, byte(in) & 7);
			break;
		case 2:
			btf__add_array(btf, 1, type_id(in, i),
				       byte(in) % 8 ? byte(in) : byte(in) << 24);
			break;
		case 3:
			btf__add_typedef(btf, "t", type_id(in, i));
			break;
		case 4:
			btf__add_ptr(btf, type_id(in, i));
			break;
		case 5:
			add_struct(btf, in, i, true);
			break;
		default:
			add_struct(btf, in, i, false);
		}
	}
	return btf;
}

/* Exactly as long as said, for AddressSanitizer. */
static struct view make_view(struct input *in, const struct btf *btf)
{
	struct view v = { .btf = btf };

	v.type = byte(in) % 8 ? btf__type_cnt(btf) - 1 : byte(in);
	v.size = (byte(in) | byte(in) << 8) % MAX_VALUE;
	v.data = malloc(v.size ? v.size : 1);
	if (v.data)
		memset(v.data, 0x5a, v.size);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct btf *a = make_btf(&in), *b = make_btf(&in);
	struct view from, to;

	if (a && b) {
		from = make_view(&in, a);
		to = make_view(&in, b);
		if (from.data && to.data)
			convert(from, to);
		free(from.data);
		free(to.data);
	}
	btf__free(a);
	btf__free(b);
	return 0;
}
