// SPDX-License-Identifier: GPL-2.0-only
/* A policy as rows, what they decide, and how two tables differ. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <irqgate/hash.h>
#include "diff.h"

#define HEAD "version: 1\nmode: enforce\n"

static struct policy *policy(const char *text)
{
	struct policy *p = NULL;

	assert_int_equal(policy_parse("f", text, strlen(text), &p), 0);
	assert_true(policy_resolve(p, "/nowhere") >= 0);
	return p;
}

static void rows(struct rows *r, const char *text)
{
	struct policy *p = policy(text);

	assert_int_equal(rows_of_policy(r, p), 0);
	policy_free(p);
}

static const char table[] = HEAD "contexts:\n"
				 "- { name: blue, match: { pid: 4194304 } }\n"
				 "- { name: red, strict: true, match: { uid: 7 } }\n"
				 "- { name: green, match: { cgroup: /no/such } }\n"
				 "devices:\n"
				 "- { handle: '0:0:2.0', context: red, vectors: all }\n"
				 "- { handle: '0:0:1.0', context: blue, vectors: [0-2, 7], "
				 "on_violation: drop }\n";

static void counts(void **state)
{
	struct rows r;

	(void)state;
	rows(&r, table);
	assert_int_equal(r.defaults.mode, IRQGATE_MODE_ENFORCE);
	assert_int_equal(r.map[IRQGATE_MAP_CONTEXTS].n, 4); /* the host, too */
	assert_int_equal(r.map[IRQGATE_MAP_DEVICES].n, 2);
	assert_int_equal(r.map[IRQGATE_MAP_VECTORS].n, 4);
	/* A pid and a uid; of the cgroup that is not there only its path. */
	assert_int_equal(r.map[IRQGATE_MAP_MATCHES].n, 3);
	rows_free(&r);
	rows_free(&r);
}

static void decides(void **state)
{
	static const struct {
		unsigned int slot, vector;
		__u32 gd;
		enum irqgate_verdict verdict;
		enum irqgate_reason reason;
	} cases[] = {
		{ 1, 0, 1, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_REGISTERED },
		{ 1, 7, 1, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_REGISTERED },
		{ 1, 3, 1, IRQGATE_VERDICT_DROP, IRQGATE_REASON_VECTOR },
		{ 1, 0, 2, IRQGATE_VERDICT_DROP, IRQGATE_REASON_CONTEXT },
		{ 2, 2047, 2, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_REGISTERED },
		{ 2, 0, 0, IRQGATE_VERDICT_DENY, IRQGATE_REASON_CONTEXT },
		{ 3, 0, 1, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_UNLISTED },
	};
	struct irqgate_decision d;
	struct rows r;
	size_t i;

	(void)state;
	rows(&r, table);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		d = rows_decide(&r, irqgate_handle_pci(0, 0, (__u8)(cases[i].slot << 3)),
				cases[i].vector, cases[i].gd);
		assert_int_equal(d.verdict, cases[i].verdict);
		assert_int_equal(d.reason, cases[i].reason);
	}
	rows_free(&r);
}

static void identities(void **state)
{
	struct irqgate_ident nobody = {}, user = { .tgid = 5, .start = 1, .uid = 7 },
			     waiting = { .tgid = 4194304, .start = 99, .uid = 7 },
			     child = { .tgid = 6, .start = 2, .root = 4194304 };
	struct rows r;

	(void)state;
	rows(&r, table);
	assert_int_equal(rows_gd(&r, &nobody), IRQGATE_GD_NONE);
	assert_int_equal(rows_gd(&r, &user), 2);
	assert_int_equal(rows_gd(&r, &waiting), 1); /* the pid goes before the uid */
	assert_int_equal(rows_gd(&r, &child), 1);
	rows_free(&r);
}

/* Two names of one executable: the first row counts, as the kernel's map has one. */
static void doubles(void **state)
{
	char text[1024], self[512];
	const struct irqgate_match *row;
	struct stat a, b;
	char exe[64];
	struct rows r;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(n > 0);
	self[n] = '\0';
	snprintf(exe, sizeof(exe), "/proc/%d/exe", getpid());
	if (stat(self, &a) || stat(exe, &b) || a.st_ino != b.st_ino)
		skip(); /* valgrind is what really runs */
	snprintf(text, sizeof(text),
		 HEAD "contexts:\n- { name: a, match: { exe: %s } }\n"
		      "- { name: b, match: { exe: /proc/%d/exe } }\n",
		 self, getpid());
	rows(&r, text);
	assert_int_equal(r.map[IRQGATE_MAP_MATCHES].n, 1);
	row = rows_value(&r, IRQGATE_MAP_MATCHES, 0);
	assert_int_equal(row->gd, 1);
	rows_free(&r);
}

/* Every change, as "+ kind name: text" lines. */
static void expect_diff(const char *from, const char *to, const char *want)
{
	struct policy *p = policy(from), *q = policy(to);
	const struct policy *const texts[] = { q, p };
	struct items a, b;
	struct rows r, s;
	struct diff diff;
	char *got = NULL;
	size_t len, i;
	FILE *f = open_memstream(&got, &len);

	assert_int_equal(rows_of_policy(&r, p), 0);
	assert_int_equal(rows_of_policy(&s, q), 0);
	assert_int_equal(items_of_rows(&a, &r, texts, 2), 0);
	assert_int_equal(items_of_rows(&b, &s, texts, 2), 0);
	assert_int_equal(diff_items(&a, &b, &diff), 0);
	for (i = 0; i < diff.n; i++) {
		const struct difference *c = &diff.change[i];

		fprintf(f, "%s %s:%s%s%s%s\n", (c->to ? c->to : c->from)->kind,
			(c->to ? c->to : c->from)->name, c->from ? " from " : "",
			c->from ? c->from->text : "", c->to ? " to " : "",
			c->to ? c->to->text : "");
	}
	fclose(f);
	assert_string_equal(got, want);
	assert_int_equal(diff.added + diff.removed + diff.changed, diff.n);
	free(got);
	free(diff.change);
	items_free(&a);
	items_free(&b);
	rows_free(&r);
	rows_free(&s);
	policy_free(p);
	policy_free(q);
}

static void differences(void **state)
{
	(void)state;
	expect_diff(table, table, "");
	expect_diff(table,
		    "version: 1\nmode: audit\ncontexts:\n"
		    "- { name: blue, match: { pid: 4194303 } }\n"
		    "- { name: green, gd: 3, match: { cgroup: /no/such } }\n"
		    "devices:\n"
		    "- { handle: '0:0:3.0', context: green, noi: 1 }\n"
		    "- { handle: '0:0:1.0', context: blue, vectors: [0-1], on_violation: drop }\n"
		    "sources: [{ handle: 'soft:s', match: { uid: 9 }, context: blue }]\n"
		    "defaults: { unlisted_device: deny }\n",
		    "default mode: from enforce to audit\n"
		    "default unlisted_device: from allow to deny\n"
		    "context blue: from gd 1, pid 4194304 to gd 1, pid 4194303\n"
		    "context red: from gd 2, strict, uid 7\n"
		    "device pci:0000:00:01.0: from context blue, on_violation drop, vectors 0-2,7 "
		    "to context blue, on_violation drop, vectors 0-1\n"
		    "device pci:0000:00:02.0: from context red, on_violation deny, vectors all\n"
		    "device pci:0000:00:03.0: to context green, on_violation deny, vectors 0\n"
		    "source soft:s: to context blue, uid 9\n");
	/* A cgroup that does not exist has its text from whoever names it. */
	expect_diff(HEAD, HEAD "contexts: [{ name: a, match: { cgroup: /no/such } }]\n",
		    "context a: to gd 1, cgroup \"/no/such\"\n");
	expect_diff(HEAD "contexts: [{ name: a, match: { cgroup: /no/such } }]\n",
		    HEAD "contexts: [{ name: b, match: { cgroup: /no/such } }]\n",
		    "context a: from gd 1, cgroup \"/no/such\"\n"
		    "context b: to gd 1, cgroup \"/no/such\"\n");
}

/* What `allow` and `revoke` made of a table shows up. */
static void run_time_rows(void **state)
{
	struct irqgate_vector_key key = { .handle = irqgate_handle_pci(0, 0, 1 << 3), .vector = 9 },
				  lone = { .handle = irqgate_handle_pci(0, 0, 9 << 3) };
	struct irqgate_vector_auth revoked = { .gd = IRQGATE_GD_NONE,
					       .flags = IRQGATE_VEC_REVOKED },
				   foreign = { .gd = 2 };
	struct items items;
	struct rows r;

	(void)state;
	rows(&r, table);
	rows_add(&r, IRQGATE_MAP_VECTORS, &key, &foreign);
	key.vector = 11;
	rows_add(&r, IRQGATE_MAP_VECTORS, &key, &revoked);
	rows_add(&r, IRQGATE_MAP_VECTORS, &lone, &revoked);
	rows_sort(&r);
	assert_int_equal(items_of_rows(&items, &r, NULL, 0), 0);
	assert_int_equal(items.n, 3 + 4 + 3);
	assert_string_equal(items.item[7].text, "context blue, on_violation drop, vectors 0-2,7, "
						"vectors 9 of context red, revoked 11");
	assert_string_equal(items.item[9].name, "pci:0000:00:09.0");
	assert_string_equal(items.item[9].text, "unlisted, revoked 0");
	items_free(&items);
	rows_free(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),      cmocka_unit_test(decides),
		cmocka_unit_test(identities),  cmocka_unit_test(doubles),
		cmocka_unit_test(differences), cmocka_unit_test(run_time_rows),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
