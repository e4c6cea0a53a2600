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
#include <sys/prctl.h>
#include <unistd.h>
#include <cmocka.h>
#include "table/diff.h"

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
	/* A pid and whom it means, a uid, a cgroup, of which the path alone is there. */
	assert_int_equal(r.map[IRQGATE_MAP_MATCHES].n, 4);
	assert_int_equal(r.map[IRQGATE_MAP_CGROUPS].n, 0);
	assert_int_equal(r.map[IRQGATE_MAP_PATHS].n, 1);
	assert_int_equal(r.defaults.kinds[0], 1u << IRQGATE_MATCH_PID | 1u << IRQGATE_MATCH_UID |
						      1u << IRQGATE_MATCH_CGROUP);
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

/* Rows have what the defaults say; a broker that owns the device is none. */
static const char access_table[] = HEAD
	"contexts:\n"
	"- { name: blue, match: { uid: 7 } }\n"
	"- { name: mgmt, match: { uid: 8 } }\n"
	"- { name: other, match: { uid: 9 } }\n"
	"devices:\n"
	"- { handle: '0:0:1.0', context: blue, vectors: all }\n"
	"- { handle: '0:0:2.0', context: mgmt, vectors: all, access: any, on_mapped: kill }\n"
	"- { handle: '0:0:3.0', context: blue, vectors: all, brokers: [] }\n"
	"defaults: { unlisted_device: deny, access: owner, brokers: [mgmt], on_mapped: stop }\n";

static const struct irqgate_registration *device_row(const struct rows *r, unsigned int slot)
{
	struct irqgate_device_key key = { .handle = irqgate_handle_pci(0, 0, (__u8)(slot << 3)) };
	const struct irqgate_registration *row = rows_find(r, IRQGATE_MAP_DEVICES, &key);

	assert_non_null(row);
	return row;
}

static void access_rows(void **state)
{
	const struct irqgate_registration *row;
	struct rows r;

	(void)state;
	rows(&r, access_table);
	assert_int_equal(r.defaults.access, IRQGATE_ACCESS_OWNER);
	assert_int_equal(r.defaults.on_mapped, IRQGATE_ON_MAPPED_STOP);
	assert_int_equal(r.defaults.governs, 1);
	row = device_row(&r, 1);
	assert_int_equal(row->access, IRQGATE_ACCESS_OWNER);
	assert_int_equal(row->on_mapped, IRQGATE_ON_MAPPED_STOP);
	assert_int_equal(row->brokers, 1);
	assert_int_equal(row->broker[0], 2);
	row = device_row(&r, 2);
	assert_int_equal(row->access, IRQGATE_ACCESS_ANY);
	assert_int_equal(row->on_mapped, IRQGATE_ON_MAPPED_KILL);
	assert_int_equal(row->brokers, 0);
	assert_int_equal(device_row(&r, 3)->brokers, 0);
	rows_free(&r);
	rows(&r, table);
	assert_int_equal(r.defaults.access, IRQGATE_ACCESS_ANY);
	assert_int_equal(r.defaults.on_mapped, IRQGATE_ON_MAPPED_REPORT);
	assert_int_equal(r.defaults.governs, 0);
	assert_int_equal(device_row(&r, 1)->access, IRQGATE_ACCESS_ANY);
	assert_int_equal(device_row(&r, 1)->on_mapped, IRQGATE_ON_MAPPED_REPORT);
	rows_free(&r);
	/* One row is enough. */
	rows(&r, HEAD "devices: [{ handle: '0:0:1.0', context: host, noi: 1, access: owner }]\n");
	assert_int_equal(r.defaults.access, IRQGATE_ACCESS_ANY);
	assert_int_equal(r.defaults.governs, 1);
	rows_free(&r);
}

/* A broker keeps its number, and the row has that number. */
static void broker_numbers(void **state)
{
	static const char old[] = HEAD "contexts: [{ name: mgmt, gd: 9, match: { uid: 8 } }]\n";
	struct policy *p = policy(access_table), *q = policy(old);
	struct rows r;

	(void)state;
	policy_keep_numbers(p, q);
	assert_int_equal(rows_of_policy(&r, p), 0);
	assert_int_equal(device_row(&r, 1)->broker[0], 9);
	rows_free(&r);
	policy_free(p);
	policy_free(q);
}

static void access_decides(void **state)
{
	static const struct {
		unsigned int slot;
		__u32 gd;
		enum irqgate_use use;
		enum irqgate_verdict verdict;
		enum irqgate_reason reason;
	} cases[] = {
		{ 1, 1, IRQGATE_USES, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_REGISTERED },
		{ 1, 2, IRQGATE_HOLDS, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_BROKER },
		{ 1, 2, IRQGATE_USES, IRQGATE_VERDICT_DENY, IRQGATE_REASON_BROKER },
		{ 1, 3, IRQGATE_HOLDS, IRQGATE_VERDICT_DENY, IRQGATE_REASON_CONTEXT },
		{ 2, 3, IRQGATE_USES, IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_NONE },
		{ 3, 2, IRQGATE_HOLDS, IRQGATE_VERDICT_DENY, IRQGATE_REASON_CONTEXT },
		{ 9, 1, IRQGATE_HOLDS, IRQGATE_VERDICT_DENY, IRQGATE_REASON_UNLISTED },
	};
	struct irqgate_decision d;
	struct rows r;
	size_t i;

	(void)state;
	rows(&r, access_table);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		d = rows_decide_access(&r, irqgate_handle_pci(0, 0, (__u8)(cases[i].slot << 3)),
				       cases[i].gd, cases[i].use);
		assert_int_equal(d.verdict, cases[i].verdict);
		assert_int_equal(d.reason, cases[i].reason);
	}
	r.revoked.of = calloc(1, sizeof(*r.revoked.of));
	r.revoked.n = 1;
	r.revoked.of->handle = irqgate_handle_pci(0, 0, 1 << 3);
	r.revoked.of->row.flags = IRQGATE_REVOKED_FUNCTION;
	d = rows_decide_access(&r, r.revoked.of->handle, 1, IRQGATE_HOLDS);
	assert_int_equal(d.verdict, IRQGATE_VERDICT_DENY);
	assert_int_equal(d.reason, IRQGATE_REASON_REVOKED);
	rows_free(&r);
}

static void set_start(struct rows *r, __u32 pid, __u64 start)
{
	const struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PROCESS, .pid = pid };
	struct irqgate_match *row = rows_find(r, IRQGATE_MAP_MATCHES, &key);

	assert_non_null(row);
	row->start = start;
}

#define TICK 10000000ULL

static void identities(void **state)
{
	struct irqgate_ident nobody = {}, user = { .tgid = 5, .start = 1, .uid = 7 },
			     process = { .tgid = 4194304, .start = 99 * TICK, .uid = 7 },
			     child = { .tgid = 6,
				       .start = 2,
				       .root = 4194304,
				       .root_start = 99 * TICK },
			     later = { .tgid = 4194304, .start = 100 * TICK };
	struct rows r;

	(void)state;
	rows(&r, table);
	assert_int_equal(rows_gd(&r, &nobody), IRQGATE_GD_NONE);
	assert_int_equal(rows_gd(&r, &user), 2);
	/* No process has the pid, and no later process gets the row. */
	assert_int_equal(rows_gd(&r, &process), 2);
	assert_int_equal(rows_gd(&r, &later), IRQGATE_GD_NONE);
	set_start(&r, 4194304, 99);
	assert_int_equal(rows_gd(&r, &process), 1); /* the pid goes before the uid */
	assert_int_equal(rows_gd(&r, &child), 1);
	assert_int_equal(rows_gd(&r, &later), IRQGATE_GD_NONE);
	rows_free(&r);
}

/* A pid keeps its meaning, whichever process has the number now. */
static void carried(void **state)
{
	static const char other[] = HEAD "contexts:\n"
					 "- { name: x, match: { pid: 4194304, uid: 7 } }\n"
					 "- { name: y, match: { pid: 1 } }\n";
	struct irqgate_ident process = { .tgid = 4194304, .start = 99 * TICK, .uid = 7 };
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PROCESS, .pid = 1 };
	const struct irqgate_match *init;
	struct rows from, to;
	__u64 start;

	(void)state;
	rows(&from, table);
	rows(&to, other);
	set_start(&from, 4194304, 99);
	assert_int_equal(rows_carry(&to, NULL, &from, NULL), 0);
	assert_int_equal(rows_gd(&to, &process), 1);
	process.start += TICK;
	assert_int_equal(rows_gd(&to, &process), IRQGATE_GD_NONE);
	init = rows_find(&to, IRQGATE_MAP_MATCHES, &key);
	assert_non_null(init);
	assert_int_equal(process_start(1, &start), 0);
	assert_int_equal(init->start, start);
	rows_free(&from);
	rows_free(&to);
}

/* Who runs an executable that was replaced goes on, if the policy says the same of it. */
static void carried_exe(void **state)
{
	static const char before[] = HEAD "contexts:\n"
					  "- { name: a, match: { exe: /, uid: 7 } }\n"
					  "- { name: b, match: { uid: 8, exe: /, cgroup: /c } }\n"
					  "- { name: c, match: { exe: / } }\n",
			  after[] = HEAD "contexts:\n"
					 "- { name: n, match: { cgroup: /b } }\n"
					 "- { name: x, match: { uid: 7, exe: / } }\n"
					 "- { name: y, match: { cgroup: /c, exe: /, uid: 8 } }\n"
					 "- { name: z, match: { exe: /bin } }\n";
	struct irqgate_ident id = { .tgid = 5, .start = 1, .uid = 7, .exe_dev = 1, .exe_ino = 2 };
	struct irqgate_cgroup_key cgroup = { .id = 11 };
	struct irqgate_cgroup number = { .number = 1 };
	struct policy *p = policy(before), *q = policy(after);
	struct rows from, to;
	size_t i;

	(void)state;
	assert_int_equal(rows_of_policy(&from, p), 0);
	assert_int_equal(rows_of_policy(&to, q), 0);
	/* As if / had been another file then. */
	for (i = 0; i < from.map[IRQGATE_MAP_MATCHES].n; i++) {
		struct irqgate_match_key *key = rows_key(&from, IRQGATE_MAP_MATCHES, i);

		key->exe_dev = 1;
		key->exe_ino = 2;
	}
	from.map[IRQGATE_MAP_CGROUPS].n = 0;
	rows_add(&from, IRQGATE_MAP_CGROUPS, &cgroup, &number);
	assert_int_equal(rows_gd(&from, &id), 1);
	assert_int_equal(rows_gd(&to, &id), IRQGATE_GD_NONE);
	assert_int_equal(rows_carry(&to, q, &from, p), 0);
	assert_int_equal(rows_gd(&to, &id), 2);
	id.uid = 8;
	assert_int_equal(rows_gd(&to, &id), IRQGATE_GD_NONE); /* c's match is no more */
	id.ncgroups = 1;
	id.cgroups[0] = 11; /* which was removed meanwhile */
	assert_int_equal(rows_gd(&to, &id), 3);
	rows_free(&from);
	rows_free(&to);
	policy_free(p);
	policy_free(q);
}

/* Several keys must all hold; of rows that do, the order is that of docs/policy.md. */
static void combined(void **state)
{
	static const char text[] = HEAD "contexts:\n"
					"- { name: all, match: { cgroup: /, exe: /, uid: 7 } }\n"
					"- { name: two, match: { cgroup: /, exe: / } }\n"
					"- { name: one, match: { cgroup: / } }\n"
					"- { name: exe-uid, match: { exe: /, uid: 7 } }\n"
					"- { name: uid, match: { uid: 7 } }\n"
					"- { name: deep, match: { cgroup: /deep, uid: 9 } }\n"
					"sources:\n"
					"- { handle: 'soft:s', match: { exe: /, uid: 9 }, "
					"context: uid }\n";
	static const struct {
		unsigned int cgroup, exe, uid, gd, source;
	} cases[] = {
		{ 1, 1, 7, 1, 0 }, { 1, 1, 8, 2, 0 }, { 1, 0, 7, 3, 0 }, { 0, 1, 7, 4, 0 },
		{ 0, 0, 7, 5, 0 }, { 0, 1, 8, 0, 0 }, { 2, 1, 9, 6, 0 }, { 2, 1, 7, 1, 0 },
		{ 3, 1, 7, 1, 0 }, { 0, 1, 9, 5, 1 }, { 0, 1, 7, 0, 1 }, { 0, 0, 9, 0, 1 },
	};
	struct irqgate_cgroup_key root = { .id = 11 }, deep = { .id = 12 };
	struct irqgate_cgroup number;
	struct irqgate_match_key exe, key;
	const struct irqgate_match *row;
	struct irqgate_ident id;
	struct rows r;
	__u32 gd;
	size_t i;

	(void)state;
	rows(&r, text);
	/* cgroups of a machine that has these two; a directory is as good as an executable. */
	r.map[IRQGATE_MAP_CGROUPS].n = 0;
	number = (struct irqgate_cgroup){ .number = 1 };
	rows_add(&r, IRQGATE_MAP_CGROUPS, &root, &number);
	number.number = 2;
	rows_add(&r, IRQGATE_MAP_CGROUPS, &deep, &number);
	exe = *(struct irqgate_match_key *)rows_key(&r, IRQGATE_MAP_MATCHES,
						    r.map[IRQGATE_MAP_MATCHES].n - 1);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		id = (struct irqgate_ident){ .tgid = 5, .start = 1, .uid = cases[i].uid };
		if (cases[i].exe) {
			id.exe_dev = exe.exe_dev;
			id.exe_ino = exe.exe_ino;
		}
		/* deep and then root; deep's row does not hold for all, so the root's counts */
		if (cases[i].cgroup >= 2)
			id.cgroups[id.ncgroups++] = cases[i].cgroup == 2 ? deep.id : 13;
		if (cases[i].cgroup)
			id.cgroups[id.ncgroups++] = root.id;
		gd = rows_ident(&r, &id, cases[i].source, &key);
		assert_int_equal(gd == IRQGATE_GD_NONE ? 0 : gd, cases[i].gd);
		/* The row it names is the one. */
		row = rows_find(&r, IRQGATE_MAP_MATCHES, &key);
		assert_true(cases[i].gd ? row && row->gd == gd : !row);
	}
	rows_free(&r);
}

/* A file that got the number of an executable's inode is not that. */
static void generations(void **state)
{
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_EXE, .exe_dev = 1, .exe_ino = 2 };
	struct irqgate_match row = { .gd = 3, .exe_gen = 4 };
	struct irqgate_ident id = {
		.tgid = 5, .start = 1, .exe_dev = 1, .exe_ino = 2, .exe_gen = 4
	};
	struct rows r = { .defaults.kinds = { 1u << IRQGATE_MATCH_EXE } };

	(void)state;
	rows_add(&r, IRQGATE_MAP_MATCHES, &key, &row);
	assert_int_equal(rows_gd(&r, &id), 3);
	id.exe_gen = 5;
	assert_int_equal(rows_gd(&r, &id), IRQGATE_GD_NONE);
	id.exe_gen = 0; /* captured by an irqgate that did not know of it */
	assert_int_equal(rows_gd(&r, &id), 3);
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
	expect_diff(
		access_table,
		HEAD "contexts:\n"
		     "- { name: blue, match: { uid: 7 } }\n"
		     "- { name: mgmt, match: { uid: 8 } }\n"
		     "- { name: other, match: { uid: 9 } }\n"
		     "devices:\n"
		     "- { handle: '0:0:1.0', context: blue, vectors: all }\n"
		     "- { handle: '0:0:2.0', context: mgmt, vectors: all }\n"
		     "- { handle: '0:0:3.0', context: blue, vectors: all, "
		     "access: owner, brokers: [mgmt, other] }\n"
		     "defaults: { unlisted_device: deny }\n",
		"default access: from owner\n"
		"default on_mapped: from stop\n"
		"device pci:0000:00:01.0: from context blue, on_violation deny, access owner, "
		"brokers mgmt, on_mapped stop, vectors all to context blue, on_violation deny, "
		"vectors all\n"
		"device pci:0000:00:02.0: from context mgmt, on_violation deny, on_mapped kill, "
		"vectors all to context mgmt, on_violation deny, vectors all\n"
		"device pci:0000:00:03.0: from context blue, on_violation deny, access owner, "
		"on_mapped stop, vectors all to context blue, on_violation deny, access owner, "
		"brokers mgmt and other, vectors all\n");
	/* A cgroup that does not exist has its text from the row that names it. */
	expect_diff(HEAD, HEAD "contexts: [{ name: a, match: { cgroup: /no/such } }]\n",
		    "context a: to gd 1, cgroup \"/no/such\"\n");
	expect_diff(HEAD "contexts: [{ name: a, match: { cgroup: /no/such } }]\n",
		    HEAD "contexts: [{ name: b, match: { cgroup: /no/such } }]\n",
		    "context a: from gd 1, cgroup \"/no/such\"\n"
		    "context b: to gd 1, cgroup \"/no/such\"\n");
}

/* What `allow` made of a table shows up; what `revoke` took is no part of it. */
static void run_time_rows(void **state)
{
	struct irqgate_vector_key key = { .handle = irqgate_handle_pci(0, 0, 1 << 3), .vector = 9 },
				  lone = { .handle = irqgate_handle_pci(0, 0, 9 << 3) };
	struct irqgate_vector_auth foreign = { .gd = 2 };
	struct items items;
	struct rows r;

	(void)state;
	rows(&r, table);
	rows_add(&r, IRQGATE_MAP_VECTORS, &key, &foreign);
	rows_add(&r, IRQGATE_MAP_VECTORS, &lone, &foreign);
	rows_sort(&r);
	assert_int_equal(items_of_rows(&items, &r, NULL, 0), 0);
	assert_int_equal(items.n, 5 + 4 + 3);
	assert_string_equal(items.item[9].text, "context blue, on_violation drop, vectors 0-2,7, "
						"vectors 9 of context red");
	assert_string_equal(items.item[11].name, "pci:0000:00:09.0");
	assert_string_equal(items.item[11].text, "unlisted, vectors 0 of context red");
	items_free(&items);
	r.revoked.of = calloc(1, sizeof(*r.revoked.of));
	r.revoked.n = 1;
	r.revoked.of->handle = key.handle;
	r.revoked.of->row.vectors[0] = 1 << 9;
	assert_int_equal(rows_decide(&r, key.handle, 9, 2).reason, IRQGATE_REASON_REVOKED);
	assert_int_equal(rows_decide(&r, key.handle, 8, 2).reason, IRQGATE_REASON_VECTOR);
	assert_int_equal(rows_decide(&r, lone.handle, 9, 2).reason, IRQGATE_REASON_UNLISTED);
	rows_free(&r);
}

/* The name of a process is its own to choose. */
static void starts(void **state)
{
	__u64 was, now;

	(void)state;
	assert_int_equal(process_start((__u32)getpid(), &was), 0);
	assert_int_equal(prctl(PR_SET_NAME, "v) R 1\n(x"), 0);
	assert_int_equal(process_start((__u32)getpid(), &now), 0);
	assert_true(now == was);
	assert_int_equal(process_is((__u32)getpid(), was), 1);
	assert_int_equal(process_is((__u32)getpid(), was + 1), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts),         cmocka_unit_test(counts),
		cmocka_unit_test(decides),        cmocka_unit_test(identities),
		cmocka_unit_test(carried),        cmocka_unit_test(carried_exe),
		cmocka_unit_test(combined),       cmocka_unit_test(generations),
		cmocka_unit_test(doubles),        cmocka_unit_test(differences),
		cmocka_unit_test(run_time_rows),  cmocka_unit_test(access_rows),
		cmocka_unit_test(broker_numbers), cmocka_unit_test(access_decides),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
