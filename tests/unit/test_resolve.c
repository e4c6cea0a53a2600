// SPDX-License-Identifier: GPL-2.0-only
/* Selected functions, in a sysfs made of files. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "policy/policy.h"

static char sysfs[] = "/tmp/irqgate-sysfs-XXXXXX";

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static void add(const char *bdf, const char *id, const char *class)
{
	sh("cd %s/bus/pci/devices && mkdir %s && echo 0x%.4s > %s/vendor && "
	   "echo 0x%s > %s/device && echo %s > %s/class",
	   sysfs, bdf, id, bdf, id + 5, bdf, class, bdf);
}

static int machine(void **state)
{
	(void)state;
	sh("rm -rf %s/* && mkdir -p %s/bus/pci/devices %s/kernel/iommu_groups/7/devices", sysfs,
	   sysfs, sysfs);
	add("0000:00:1f.0", "8086:2918", "0x060100");
	add("0000:02:00.0", "8086:10d3", "0x020000");
	add("0000:00:12.0", "8086:10d3", "0x020000");
	add("10000:00:12.0", "8086:10d3", "0x020000");
	add("0000:01:00.0", "8086:10c9", "0x020000");
	add("0000:00:13.0", "1b36:000c", "0x060400");
	sh("cd %s/kernel/iommu_groups/7/devices && touch 0000:01:00.0 0000:00:13.0", sysfs);
	return 0;
}

static struct policy *policy(const char *rows)
{
	struct policy *p = NULL;
	char text[2048];
	int n = snprintf(text, sizeof(text), "version: 1\ndevices:\n%s", rows);

	assert_int_equal(policy_parse("f", text, (size_t)n, &p), 0);
	return p;
}

static void has(const struct policy *p, unsigned int row, const char *want)
{
	char got[512] = "", word[HANDLE_STRLEN];
	unsigned int i;

	for (i = 0; i < p->devices[row].nfunctions; i++)
		sprintf(got + strlen(got), "%s%s", i ? " " : "",
			handle_format(p->devices[row].functions[i], word) + strlen("pci:"));
	assert_string_equal(got, want);
}

#define REST "context: host, vectors: [0-3] }\n"

static void handles_need_not_exist(void **state)
{
	struct policy *p = policy("- { handle: '0:7:0.0', " REST);

	(void)state;
	assert_false(policy_selects(p));
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0000:07:00.0");
	assert_int_equal(policy_resolve(p, sysfs), 0);
	policy_free(p);
}

static void zpci(const char *bdf, const char *fid, const char *fh)
{
	sh("cd %s/bus/pci/devices && mkdir -p %s && echo %s > %s/function_id && "
	   "echo %s > %s/function_handle",
	   sysfs, bdf, fid, bdf, fh, bdf);
}

/* 0x80010007 was what function 0x11 had before. */
static long earlier(__u32 fh)
{
	return fh == 0x80010007 ? 0x11 : -1;
}

/* The row is about the function, whatever handle it gets. */
static void zpci_follows_function(void **state)
{
	/* clang-format off */
	struct policy *p = policy("- { handle: 'zpci:80020000', " REST
				  "- { handle: 'zpci:80010007', " REST
				  "- { handle: 'zpci:8002ffff', " REST);
	/* clang-format on */

	(void)state;
	zpci("0001:00:00.0", "0x00000010", "0x80020000");
	zpci("0002:00:00.0", "0x00000011", "0x80030000");
	policy_fid_of = earlier;
	assert_true(policy_selects(p));
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0001:00:00.0");
	has(p, 1, "0002:00:00.0");
	assert_int_equal(p->devices[2].functions[0], irqgate_handle_zpci(0x8002ffff));
	assert_int_equal(policy_function(irqgate_handle_zpci(0x00030000), sysfs),
			 irqgate_handle_pci(2, 0, 0));
	assert_int_equal(policy_resolve(p, sysfs), 0);

	/* After a reset it has another, and another function may get the old one. */
	zpci("0001:00:00.0", "0x00000010", "0x80020001");
	zpci("0002:00:00.0", "0x00000011", "0x80020000");
	assert_int_equal(policy_resolve(p, sysfs), 0);
	has(p, 0, "0001:00:00.0");
	has(p, 1, "0002:00:00.0");

	/* Plugged again, elsewhere. */
	sh("mv %s/bus/pci/devices/0001:00:00.0 %s/bus/pci/devices/0005:00:00.0", sysfs, sysfs);
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0005:00:00.0");
	policy_fid_of = NULL;
	policy_free(p);
}

static void ids_in_order_of_address(void **state)
{
	struct policy *p = policy("- { match: { id: '8086:10d3' }, " REST
				  "- { match: { id: '8086:10D3', count: 9 }, " REST
				  "- { handle: '0:0:12.0', " REST);

	(void)state;
	assert_true(policy_selects(p));
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0000:02:00.0");
	has(p, 1, "10000:00:12.0");
	has(p, 2, "0000:00:12.0");
	policy_free(p);
}

/* A new lower address takes nothing away; what goes is replaced. */
static void ids_stay(void **state)
{
	struct policy *p = policy("- { match: { id: '8086:10d3', count: 2 }, " REST);
	__u64 hash;

	(void)state;
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0000:00:12.0 0000:02:00.0");
	hash = policy_hash(p);
	add("0000:00:02.0", "8086:10d3", "0x020000");
	assert_int_equal(policy_resolve(p, sysfs), 0);
	has(p, 0, "0000:00:12.0 0000:02:00.0");
	sh("rm -r %s/bus/pci/devices/0000:00:12.0", sysfs);
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0000:02:00.0 0000:00:02.0");
	assert_true(policy_hash(p) != hash);
	sh("rm -r %s/bus/pci/devices/*", sysfs);
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "");
	policy_free(p);
}

static void group_without_bridges(void **state)
{
	struct policy *p = policy("- { match: { iommu_group: 7 }, " REST
				  "- { match: { iommu_group: 8 }, " REST);

	(void)state;
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0000:01:00.0");
	has(p, 1, "");
	policy_free(p);
}

static void vf_appears(void **state)
{
	struct policy *p = policy("- { match: { pf: '0:1:0.0', vf: 3 }, " REST);

	(void)state;
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "");
	sh("ln -s ../0000:01:10.6 %s/bus/pci/devices/0000:01:00.0/virtfn3", sysfs);
	assert_int_equal(policy_resolve(p, sysfs), 1);
	has(p, 0, "0000:01:10.6");
	assert_int_equal(policy_resolve(p, sysfs), 0);
	policy_free(p);
}

/* Named once, both places; the rows keep what they had. */
static void conflicts(void **state)
{
	struct policy *p = policy("- { handle: '0:1:10.6', " REST
				  "- { match: { pf: '0:1:0.0', vf: 3 }, " REST);
	FILE *said = tmpfile();
	char text[512] = "";
	int saved, i;

	(void)state;
	assert_int_equal(policy_resolve(p, sysfs), 1);
	sh("ln -s ../0000:01:10.6 %s/bus/pci/devices/0000:01:00.0/virtfn3", sysfs);
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	dup2(fileno(said), STDERR_FILENO);
	for (i = 0; i < 2; i++)
		assert_int_equal(policy_resolve(p, sysfs), -EINVAL);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(said);
	text[fread(text, 1, sizeof(text) - 1, said)] = '\0';
	fclose(said);
	assert_string_equal(text,
			    "f:4: VF 3 of pci:0000:01:00.0 selects pci:0000:01:10.6, which f:3 "
			    "selects, too, expected one row for it\n");
	has(p, 0, "0000:01:10.6");
	has(p, 1, "");
	policy_free(p);
}

/* What cannot be looked at is not gone. */
static void unreadable(void **state)
{
	struct policy *p = policy("- { match: { id: '8086:10d3', count: 2 }, " REST);
	struct rlimit few = { .rlim_cur = 0 }, before;

	(void)state;
	assert_int_equal(policy_resolve(p, sysfs), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(policy_resolve(p, sysfs), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	has(p, 0, "0000:00:12.0 0000:02:00.0");
	assert_int_equal(policy_resolve(p, sysfs), 0);
	policy_free(p);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(sysfs) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	sh("rm -rf %s", sysfs);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(handles_need_not_exist, machine),
		cmocka_unit_test_setup(zpci_follows_function, machine),
		cmocka_unit_test_setup(ids_in_order_of_address, machine),
		cmocka_unit_test_setup(ids_stay, machine),
		cmocka_unit_test_setup(group_without_bridges, machine),
		cmocka_unit_test_setup(vf_appears, machine),
		cmocka_unit_test_setup(conflicts, machine),
		cmocka_unit_test_setup(unreadable, machine),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("resolve", tests, setup, teardown);
}
