// SPDX-License-Identifier: GPL-2.0-only
/* What processes call themselves, in everything that is written about them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h" /* before cmocka.h, whose fail() is a macro */
#include <cmocka.h>
#include <json-c/json.h>
#include "cli/dot.h"
#include "lib/handle.h"
#include "loader/events.h"
#include "table/snapshot.h"
#include "table/table.h"

static const char hostile[][IRQGATE_COMM_LEN] = {
	"\033[2J\033[31mred",
	"a\nMESSAGE=b",
	"a\r\nirqgate: ok",
	"\"},{\"x\":\"",
	"a\\\"];x->y;//",
	"\xff\xfe\xc0\x80",
	/* clang-format off */
	"\xe2\x80\xae" "txt.exe",
	"\xc2\x9b" "31m",
	/* clang-format on */
	"\a\b\t\x7f",
	"</svg><script>",
	"{x=\"1\"} 1\n#",
	{ 'n', 'o', ' ', 'z', 'e', 'r', 'o', ' ', 'a', 't', ' ', 'a', 'l', 'l', '.', '.' },
	{ '\033', '\033', '\033', '\033', '\033', '\033', '\033', '\033', '\033', '\033', '\033',
	  '\033', '\033', '\033', '\033', '\033' },
};

/* Of maps, too. */
long listeners_gsi(const struct pins *pins, __u64 eventfd, __u64 vm)
{
	(void)pins;
	(void)eventfd;
	(void)vm;
	return -1;
}

/* The context's name comes from a map: the real one, which cleans it, is in user/table/table.c. */
const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN])
{
	(void)pins;
	snprintf(buf, IRQGATE_NAME_LEN, "gd:%u", gd);
	return buf;
}

static void assert_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			fail_msg("byte %02x", (unsigned char)*text);
}

static struct irqgate_event event(const char comm[IRQGATE_COMM_LEN])
{
	struct irqgate_event ev = {
		.handle = irqgate_handle_pci(0xffffffff, 0xff, 0xff),
		.vector = IRQGATE_MAX_VECTORS - 1,
		.count = ~0ull,
		.lived = ~0ull,
		.pid = ~0u,
		.gd_expected = ~0u - 1,
		.gd_actual = ~0u - 1,
		.time = ~0ull,
	};

	memcpy(ev.comm, comm, sizeof(ev.comm));
	return ev;
}

static void event_as_text(void **state)
{
	char text[EVENT_TEXT_LEN], *lines;
	size_t i, len;
	FILE *f;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct irqgate_event ev = event(hostile[i]);

		assert_plain(event_text(NULL, &ev, text));
		assert_non_null(strstr(text, "lived")); /* nothing was cut off */
		f = open_memstream(&lines, &len);
		event_print(f, NULL, &ev, false);
		fclose(f);
		assert_ptr_equal(strchr(lines, '\n'), lines + len - 1);
		free(lines);
	}
}

static void event_as_json(void **state)
{
	struct json_object *o;
	char *line, safe[IRQGATE_COMM_LEN];
	size_t i, len;
	FILE *f;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct irqgate_event ev = event(hostile[i]);

		f = open_memstream(&line, &len);
		event_print(f, NULL, &ev, true);
		fclose(f);
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
		line[len - 1] = '\0';
		assert_plain(line);
		o = json_tokener_parse(line);
		assert_non_null(o);
		assert_int_equal(json_object_object_length(o), 15);
		assert_string_equal(json_object_get_string(json_object_object_get(o, "comm")),
				    text_safe(ev.comm, safe, sizeof(safe)));
		json_object_put(o);
		free(line);
	}
}

static const char *context(__u32 gd, void *arg)
{
	(void)gd;
	return arg;
}

/* Not one quote more or less, whichever context owns the vector. */
static size_t dot_of(const char *comm, const char *name, char **text)
{
	struct dot_path path = {
		.vector = 1, .owner = 1, .gd = 1, .eventfd = 2, .vm = 3, .pid = 4, .verdict = 1
	};
	size_t len, quotes = 0;
	const char *c;
	FILE *f = open_memstream(text, &len);

	snprintf(path.comm, sizeof(path.comm), "%.*s", IRQGATE_COMM_LEN - 1, comm);
	dot_write(f, &path, 1, context, (void *)name, true);
	fclose(f);
	for (c = *text; *c; c++) {
		if (*c == '\\')
			c++;
		else
			quotes += *c == '"';
	}
	return quotes;
}

static void graph_as_dot(void **state)
{
	char *text, *c;
	size_t i, quotes = dot_of("qemu", "blue", &text);

	(void)state;
	free(text);
	for (i = 0; i < ARRAY_SIZE(hostile) - 2; i++) {
		assert_int_equal(dot_of(hostile[i], hostile[i], &text), quotes);
		for (c = text; *c; c++)
			if (*c == '\n' || *c == '\t')
				*c = ' ';
		assert_plain(text);
		free(text);
	}
}

static void safe(void **state)
{
	char buf[8];

	(void)state;
	assert_string_equal(text_safe("a\033[1m", buf, sizeof(buf)), "a?[1m");
	assert_string_equal(text_safe("123456789", buf, sizeof(buf)), "1234567");
	assert_string_equal(text_safe("ab", buf, 1), "");
	assert_true(text_is_safe("/usr/bin/a b~"));
	assert_true(text_is_safe(""));
	assert_false(text_is_safe("a\n"));
	assert_false(text_is_safe("\x7f"));
	assert_false(text_is_safe("\xc3\xa4"));
}

static void name_of_path(void **state)
{
	static const char *const cases[][2] = {
		{ "/machine.slice/machine-qemu\\x2d1\\x2dblue.scope", "qemu-1-blue" },
		{ "/system.slice/spdk.service", "spdk" },
		{ "qemu-system-x86", "qemu-system-x86" },
		{ "/a/\033[2J\nb", "2J-b" },
		{ "/a/b\\x5", "b-x5" }, /* an escape that ends too early ... */
		{ "/a/b\\x", "b-x" },
		{ "/a/b\\", "b-" },
		{ "/a/b\\x00c", "b-x00c" }, /* ... or is no character */
		{ "/a/b\\xzz", "b-xzz" },
		{ "/..", "" },
		{ "/", "" },
		{ "", "" },
		{ "\xff\xff", "" },
	};
	char buf[56], *exact;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		exact = strdup(cases[i][0]); /* for AddressSanitizer and valgrind */
		assert_string_equal(text_name(exact, buf, sizeof(buf)), cases[i][1]);
		free(exact);
	}
	assert_string_equal(text_name("0123456789", buf, 4), "012");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_as_text), cmocka_unit_test(event_as_json),
		cmocka_unit_test(graph_as_dot),  cmocka_unit_test(safe),
		cmocka_unit_test(name_of_path),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
