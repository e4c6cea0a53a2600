// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/util.h" /* before cmocka.h, whose fail() is a macro */
#include <cmocka.h>
#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include "cli/dot.h"
#include "lib/handle.h"

#define MANY 300

static const char *context(__u32 gd, void *arg)
{
	(void)arg;
	return gd == 2 ? "r\"e\\d\033[31m" : gd == 1 ? "blue" : "host";
}

/* A vector of 00:12.0 that goes to a VM of blue. */
static struct dot_path path(__u32 vector)
{
	return (struct dot_path){
		.handle = irqgate_handle_pci(0, 0, 0x90),
		.vector = vector,
		.owner = 1,
		.eventfd = 0x1000 + vector,
		.eventfd_id = 20 + vector,
		.vm = 0xff00,
		.pid = 426,
		.gd = 1,
		.gsi = 24 + vector,
		.state = IRQGATE_BINDING_BOUND,
		.verdict = IRQGATE_VERDICT_ALLOW,
		.reason = IRQGATE_REASON_REGISTERED,
		.comm = "qemu",
	};
}

static char *drawn;
static size_t drawn_len;

static const char *draw(struct dot_path *paths, size_t n, bool full)
{
	FILE *out;

	free(drawn);
	out = open_memstream(&drawn, &drawn_len);
	dot_write(out, paths, n, context, NULL, full);
	fclose(out);
	return drawn;
}

static unsigned int occurs(const char *text, const char *what)
{
	unsigned int n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void nothing(void **state)
{
	(void)state;
	assert_int_equal(occurs(draw(NULL, 0, false), "->"), 0);
}

static void one_way(void **state)
{
	struct dot_path p = path(3);
	const char *text = draw(&p, 1, false);

	(void)state;
	assert_int_equal(occurs(text, "->"), 3);
	assert_int_equal(occurs(text, "label=\"pci:0000:00:12.0\""), 1);
	assert_int_equal(occurs(text, "label=\"vector 3\\nof blue\""), 1);
	assert_int_equal(occurs(text, "label=\"eventfd 23\""), 1);
	assert_int_equal(occurs(text, "label=\"blue\\nVM of qemu[426]\""), 1);
	assert_int_equal(occurs(text, "label=\"GSI 27\""), 1);
	assert_int_equal(occurs(text, "#c00000"), 0);
}

static void violations_are_red(void **state)
{
	struct dot_path p[3] = { path(0), path(1), path(2) };
	const char *text;

	(void)state;
	p[1].state = IRQGATE_BINDING_QUARANTINED;
	p[1].verdict = IRQGATE_VERDICT_DROP;
	p[1].reason = IRQGATE_REASON_VECTOR;
	p[1].stopped = 7;
	p[2].leaked = 2;
	text = draw(p, 3, false);
	assert_int_equal(occurs(text, "label=\"drop: vector\""), 1);
	assert_int_equal(occurs(text, "label=\"sink\""), 1);
	assert_int_equal(occurs(text, "stopped 7"), 1);
	assert_int_equal(occurs(text, "LEAKED 2"), 1);
	/* vector, its edge from the device, to the sink, the sink; vector and two edges */
	assert_int_equal(occurs(text, " color=\"#c00000\"") + occurs(text, "[color=\"#c00000\""),
			 7);
	/* The eventfd it was taken from is not reached. */
	assert_int_equal(occurs(text, "-> \"e1\""), 0);
}

static void refused_bind(void **state)
{
	struct dot_path p = { .handle = irqgate_handle_pci(0, 0, 0x80),
			      .owner = 2,
			      .gd = IRQGATE_GD_NONE,
			      .eventfd_id = -1,
			      .stopped = 3 };
	const char *text = draw(&p, 1, false);

	(void)state;
	assert_int_equal(occurs(text, "->"), 1);
	assert_int_equal(occurs(text, "stopped 3"), 1);
}

static void two_listeners(void **state)
{
	struct dot_path p[2] = { path(0), path(0) };
	const char *text;

	(void)state;
	p[1].vm = 0xee00;
	p[1].gd = 2;
	text = draw(p, 2, false);
	assert_int_equal(occurs(text, "label=\"vector 0"), 1);
	assert_int_equal(occurs(text, "-> \"k"), 2);
}

static void many(void **state)
{
	static struct dot_path p[MANY];
	const char *text;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++)
		p[i] = path(i);
	p[100].verdict = IRQGATE_VERDICT_DROP;
	text = draw(p, MANY, false);
	assert_int_equal(occurs(text, "label=\"vectors 0-99\\n"), 1);
	assert_int_equal(occurs(text, "label=\"vector 100\\n"), 1);
	assert_int_equal(occurs(text, "label=\"vectors 101-299\\n"), 1);
	assert_int_equal(occurs(text, "label=\"199 eventfds\""), 1);
	text = draw(p, MANY, true);
	assert_int_equal(occurs(text, "label=\"vector "), MANY);
}

/* Names come from policies and processes: they may not end a string, or a line. */
static void hostile(void **state)
{
	struct dot_path p = path(0);
	const char *text, *c;

	(void)state;
	p.owner = p.gd = 2;
	strcpy(p.comm, "a\"];\n\x1b]0;\xe2\x80");
	text = draw(&p, 1, false);
	for (c = text; *c; c++)
		assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
	assert_int_equal(occurs(text, "r\\\"e\\\\d?[31m"), 2);
	assert_int_equal(occurs(text, "VM of a\\\"];?\?]0;?\?[426]"), 1);
}

static void safe_text(void **state)
{
	char buf[8];

	(void)state;
	assert_string_equal(text_safe("plain", buf, sizeof(buf)), "plain");
	assert_string_equal(text_safe("\033[2J\x7f\x9b!", buf, sizeof(buf)), "?[2J?\?!");
	assert_string_equal(text_safe("much too long", buf, sizeof(buf)), "much to");
	assert_string_equal(text_safe("", buf, sizeof(buf)), "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(one_way),
		cmocka_unit_test(violations_are_red),
		cmocka_unit_test(refused_bind),
		cmocka_unit_test(two_listeners),
		cmocka_unit_test(many),
		cmocka_unit_test(hostile),
		cmocka_unit_test(safe_text),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
