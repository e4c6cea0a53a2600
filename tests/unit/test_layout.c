// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the maps look like, by the BTF of the objects that were built, against
 * tests/unit/layout.txt. An upgrade goes by IRQGATE_LAYOUT: a change that does not raise it
 * would have a new irqgate read the maps of an old one as its own.
 *
 * usage: test_layout [PATTERN]
 *        test_layout --keep	write layout.txt
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <irqgate/layout.h>

#define ADVICE                                                                                     \
	"raise IRQGATE_LAYOUT in include/irqgate/layout.h, then 'make layout' keeps what the "     \
	"maps look like"

static void put_type(FILE *f, const struct btf *btf, __u32 id);

static void put_members(FILE *f, const struct btf *btf, const struct btf_type *t, int depth)
{
	const struct btf_type *inner;
	const struct btf_member *m;
	__u16 i;

	for (i = 0; i < btf_vlen(t); i++) {
		m = &btf_members(t)[i];
		fprintf(f, "%*s%u %s: ", 2 * depth, "", btf_member_bit_offset(t, i) / 8,
			btf__name_by_offset(btf, m->name_off));
		put_type(f, btf, m->type);
		fputc('\n', f);
		inner = btf__type_by_id(btf, m->type);
		if (btf_is_composite(inner) && !inner->name_off)
			put_members(f, btf, inner, depth + 1);
	}
}

static void put_type(FILE *f, const struct btf *btf, __u32 id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);
	const char *name = btf__name_by_offset(btf, t->name_off);

	switch (btf_kind(t)) {
	case BTF_KIND_ARRAY:
		put_type(f, btf, btf_array(t)->type);
		fprintf(f, "[%u]", btf_array(t)->nelems);
		break;
	case BTF_KIND_PTR:
		put_type(f, btf, t->type);
		fputs(" *", f);
		break;
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
		put_type(f, btf, t->type);
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		fprintf(f, "%s %s", btf_is_struct(t) ? "struct" : "union", name);
		break;
	case BTF_KIND_ENUM:
		fprintf(f, "enum %s", name);
		break;
	default:
		fputs(*name ? name : "?", f);
	}
}

static int by_value(const void *a, const void *b)
{
	const struct btf_enum *x = a, *y = b;

	return (x->val > y->val) - (x->val < y->val);
}

/* One type or map a line of its own, with what belongs to it. */
struct texts {
	char *text[512];
	size_t n;
};

static FILE *new_text(struct texts *all, size_t *len)
{
	assert_true(all->n < sizeof(all->text) / sizeof(all->text[0]));
	return open_memstream(&all->text[all->n++], len);
}

static void put_types(struct texts *all, const char *path)
{
	struct btf *btf = btf__parse(path, NULL);
	const struct btf_type *t;
	struct btf_enum *values;
	const char *name;
	size_t len;
	__u32 id;
	__u16 i;
	FILE *f;

	assert_non_null(btf);
	for (id = 1; id < btf__type_cnt(btf); id++) {
		t = btf__type_by_id(btf, id);
		name = btf__name_by_offset(btf, t->name_off);
		if (strncmp(name, "irqgate_", 8) || (!btf_is_composite(t) && !btf_is_enum(t)))
			continue;
		f = new_text(all, &len);
		fprintf(f, "%s %s: %u bytes\n",
			btf_is_enum(t)     ? "enum"
			: btf_is_struct(t) ? "struct"
					   : "union",
			name, t->size);
		if (btf_is_composite(t)) {
			put_members(f, btf, t, 1);
			fclose(f);
			continue;
		}
		values = calloc(btf_vlen(t), sizeof(*values));
		memcpy(values, btf_enum(t), btf_vlen(t) * sizeof(*values));
		qsort(values, btf_vlen(t), sizeof(*values), by_value);
		for (i = 0; i < btf_vlen(t); i++)
			fprintf(f, "  %d %s\n", values[i].val,
				btf__name_by_offset(btf, values[i].name_off));
		free(values);
		fclose(f);
	}
	btf__free(btf);
}

static void put_side(FILE *f, const struct btf *btf, __u32 type, __u32 size)
{
	if (type)
		put_type(f, btf, type);
	else
		fprintf(f, "%u bytes", size);
}

static void put_map(FILE *f, const struct btf *btf, const struct bpf_map *map)
{
	fprintf(f, "%s, %u entries, flags %x: ", libbpf_bpf_map_type_str(bpf_map__type(map)),
		bpf_map__max_entries(map), bpf_map__map_flags(map));
	put_side(f, btf, bpf_map__btf_key_type_id(map), bpf_map__key_size(map));
	fputs(" -> ", f);
	put_side(f, btf, bpf_map__btf_value_type_id(map), bpf_map__value_size(map));
	fputc('\n', f);
}

static void put_maps(struct texts *all, const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_map *map, *inner;
	size_t len;
	FILE *f;

	assert_non_null(object);
	bpf_object__for_each_map(map, object) {
		if (bpf_map__is_internal(map))
			continue;
		f = new_text(all, &len);
		fprintf(f, "map %s: ", bpf_map__name(map));
		put_map(f, bpf_object__btf(object), map);
		inner = bpf_map__inner_map(map);
		if (inner) {
			fputs("  of: ", f);
			put_map(f, bpf_object__btf(object), inner);
		}
		fclose(f);
	}
	bpf_object__close(object);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The objects lie where the program was built. */
static const char *beside(const char *what, char buf[4096])
{
	ssize_t n = readlink("/proc/self/exe", buf, 2048);

	assert_true(n > 0);
	buf[n] = '\0';
	strcpy(strrchr(buf, '/'), what);
	return buf;
}

/* All of it but the number. */
static char *describe(void)
{
	struct texts all = {};
	char path[4096], *text;
	size_t len, i;
	FILE *f;

	put_types(&all, beside("/../layout.bpf.o", path));
	put_maps(&all, beside("/../../irqgate.bpf.o", path));
	qsort(all.text, all.n, sizeof(all.text[0]), by_text);
	f = open_memstream(&text, &len);
	for (i = 0; i < all.n; i++) {
		/* A type that several maps have is there once. */
		if (!i || strcmp(all.text[i], all.text[i - 1]))
			fputs(all.text[i], f);
	}
	fclose(f);
	for (i = 0; i < all.n; i++)
		free(all.text[i]);
	return text;
}

/* What was kept, and in @number its IRQGATE_LAYOUT; "" where nothing was. */
static char *kept(const char *path, unsigned int *number)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n;

	*number = 0;
	*text = '\0';
	if (!f || fscanf(f, "IRQGATE_LAYOUT %u\n", number) != 1)
		*number = 0;
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	return text;
}

static const char *layout_path(char buf[4096])
{
	const char *dir = getenv("IRQGATE_UNIT");

	snprintf(buf, 4096, "%s/layout.txt", dir ? dir : "tests/unit");
	return buf;
}

/* s390 has maps of its own; the types are the same everywhere. */
static void leave_out_maps(char *text)
{
#ifdef __s390x__
	char *maps = strstr(text, "\nmap "), *structs = strstr(text, "\nstruct ");

	assert_true(maps && structs && maps < structs);
	memmove(maps, structs, strlen(structs) + 1);
#else
	(void)text;
#endif
}

/* The first line that differs. */
static void print_difference(const char *was, const char *is)
{
	size_t n = 0, line = 0;

	for (; was[n] && was[n] == is[n]; n++)
		if (was[n] == '\n')
			line = n + 1;
	print_error("was: %.*s\nis:  %.*s\n", (int)strcspn(was + line, "\n"), was + line,
		    (int)strcspn(is + line, "\n"), is + line);
}

static void layout(void **state)
{
	char path[4096], *is = describe();
	unsigned int number;
	char *was = kept(layout_path(path), &number);

	(void)state;
	leave_out_maps(was);
	leave_out_maps(is);
	if (strcmp(was, is)) {
		print_difference(was, is);
		fail_msg("%s", number == IRQGATE_LAYOUT
				       ? ADVICE
				       : "IRQGATE_LAYOUT is raised: run 'make layout'");
	}
	if (number != IRQGATE_LAYOUT)
		fail_msg("IRQGATE_LAYOUT is %u, but the maps are those of %u: leave it or run "
			 "'make layout'",
			 IRQGATE_LAYOUT, number);
	free(is);
}

static int keep(void)
{
	char path[4096], *is = describe();
	unsigned int number;
	const char *was = kept(layout_path(path), &number);
	FILE *f;

	if (strcmp(was, is) && number == IRQGATE_LAYOUT) {
		fprintf(stderr, "layout: the maps have changed: " ADVICE "\n");
		return 1;
	}
	f = fopen(path, "we");
	if (!f || fprintf(f, "IRQGATE_LAYOUT %u\n%s", IRQGATE_LAYOUT, is) < 0 || fclose(f)) {
		perror(path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),
	};

	if (argc > 1 && !strcmp(argv[1], "--keep"))
		return keep();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
