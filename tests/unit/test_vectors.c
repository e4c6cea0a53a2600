// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "lib/handle.h"

static struct vector_set parse(const char *text)
{
	struct vector_set set;

	memset(&set, 0xff, sizeof(set));
	if (vectors_parse(text, &set, NULL))
		fail_msg("refused: %s", text);
	return set;
}

static void prints(const char *text, const char *printed, unsigned int count, unsigned int noi)
{
	struct vector_set set = parse(text), again;
	char buf[VECTORS_STRLEN];

	assert_string_equal(vectors_format(&set, buf), printed);
	assert_int_equal(vectors_count(&set), count);
	assert_int_equal(vectors_noi(&set), noi);
	again = parse(buf);
	assert_memory_equal(&set, &again, sizeof(set));
}

static void good(void **state)
{
	(void)state;
	prints("0", "0", 1, 1);
	prints("3", "3", 1, 4);
	prints("2047", "2047", 1, 2048);
	prints("0-3,7", "0-3,7", 5, 8);
	prints("0-3, 7", "0-3,7", 5, 8);
	prints("7,0-3", "0-3,7", 5, 8);
	prints("1,2,3", "1-3", 3, 4);
	prints("5-5", "5", 1, 6);
	prints("0-3,2-9,4", "0-9", 10, 10);
	prints("62-65,127-128", "62-65,127-128", 6, 129);
	prints("0-2047", "0-2047", 2048, 2048);
	prints("all", "all", 2048, 2048);
}

static void members(void **state)
{
	struct vector_set set = parse("0,63-64,2047"), all = parse("all");
	unsigned int v;

	(void)state;
	assert_false(set.all);
	assert_true(all.all);
	for (v = 0; v < IRQGATE_MAX_VECTORS; v++) {
		assert_int_equal(vectors_has(&set, v), v == 0 || v == 63 || v == 64 || v == 2047);
		assert_true(vectors_has(&all, v));
	}
	assert_false(vectors_has(&set, IRQGATE_MAX_VECTORS));
	assert_false(vectors_has(&all, IRQGATE_MAX_VECTORS));
	assert_false(vectors_has(&all, IRQGATE_VECTOR_FUNCTION));
	assert_false(vectors_has(&all, ~0u));
}

static void empty(void **state)
{
	struct vector_set set = { .all = false };
	char buf[VECTORS_STRLEN];

	(void)state;
	assert_string_equal(vectors_format(&set, buf), "-");
	assert_int_equal(vectors_count(&set), 0);
	assert_int_equal(vectors_noi(&set), 0);
}

/* The longest texts: pairs with a gap of one between, and every other vector. */
static void longest(void **state)
{
	unsigned int step, v;

	(void)state;
	for (step = 2; step <= 3; step++) {
		struct vector_set set = { .all = false }, again;
		char buf[VECTORS_STRLEN];

		for (v = 0; v + 1 < IRQGATE_MAX_VECTORS; v += step)
			vectors_fill(&set, v, v + step - 2);
		vectors_format(&set, buf);
		again = parse(buf);
		assert_memory_equal(&set, &again, sizeof(set));
	}
}

static void refused(const char *text, const char *want)
{
	struct vector_set set = { .all = true };
	const char *error = NULL;

	if (vectors_parse(text, &set, &error) != -EINVAL)
		fail_msg("accepted: %s", text);
	if (strncmp(error, want, strlen(want)))
		fail_msg("%s: %s", text, error);
	assert_true(set.all);
	assert_int_equal(vectors_parse(text, &set, NULL), -EINVAL);
}

static void reversed(void **state)
{
	(void)state;
	refused("3-1", "reversed range");
	refused("0-3,9-8", "reversed range");
}

static void beyond(void **state)
{
	(void)state;
	refused("2048", "vector beyond");
	refused("0-2048", "vector beyond");
	refused("9999-3", "vector beyond");
	refused("4294967296", "vector beyond");
	refused("18446744073709551616", "vector beyond");
}

static void syntax(void **state)
{
	static const char *const texts[] = {
		"",      "-",     ",",    "1,",  ",1",   "1,,2", "1-",   "-1",   "1-2-3",
		"a",     "1 2",   " 1",   "1 ",  "1 ,2", "0x3",  "010",  "1;2",  "ALL",
		"all,1", "1,all", "all ", "1.5", "1\n",  "+1",   "1--2", "0-03", "\xd9\xa3",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refused(texts[i], "not a set of vectors");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),    cmocka_unit_test(members),  cmocka_unit_test(empty),
		cmocka_unit_test(longest), cmocka_unit_test(reversed), cmocka_unit_test(beyond),
		cmocka_unit_test(syntax),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
