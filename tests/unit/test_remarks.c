// SPDX-License-Identifier: GPL-2.0-only
/*
 * What people paste is taken for what it means, or refused with the way out; what can never
 * match, and what is not there, is said; links lead to policy only as far as they are root's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/util.h" /* before cmocka.h, whose fail() is a macro */
#include <cmocka.h>
#include "captured.h"
#include "policy/policy.h"

static char dir[] = "/tmp/irqgate-remarks-XXXXXX";
static char path[64];

/* What check says of a policy with one context and one device; in @made how it was taken. */
static int check(const char *match, const char *handle, char made[4096])
{
	struct policy *p = NULL;
	char text[4096];
	int saved, err;
	FILE *f;

	snprintf(text, sizeof(text),
		 "version: 1\ncontexts:\n- name: a\n  match: { %s }\ndevices:\n"
		 "- { handle: %s, context: a, vectors: all }\n",
		 match, handle);
	saved = stderr_to_file();
	err = policy_parse("f", text, strlen(text), &p);
	if (!err) {
		err = policy_resolve(p, "/sys") < 0 ? -1 : 0;
		policy_lint(p, true);
		policy_print_remarks(p, true);
	}
	stderr_back(saved);
	memset(made, 0, 4096);
	if (p) {
		f = fmemopen(made, 4096, "w");
		policy_write(f, p, NULL, NULL);
		fclose(f);
	}
	policy_free(p);
	return err;
}

static void taken(const char *match, const char *handle, const char *want)
{
	char made[4096];

	if (check(match, handle, made) || !strstr(made, want))
		fail_msg("%s, %s is taken as %s, expected %s; %s", match, handle, made, want,
			 printed);
}

static void refused(const char *match, const char *want)
{
	char made[4096];

	if (!check(match, "\"0:0:1.0\"", made) || !strstr(printed, want))
		fail_msg("%s: said '%s', expected %s", match, printed, want);
}

static void said(const char *match, const char *handle, const char *want)
{
	char made[4096];

	if (check(match, handle, made) || !strstr(printed, want))
		fail_msg("%s, %s: said '%s', expected %s", match, handle, printed, want);
}

static void not_said(const char *match, const char *handle, const char *what)
{
	char made[4096];

	if (check(match, handle, made) || strstr(printed, what))
		fail_msg("%s, %s: said '%s', not expected: %s", match, handle, printed, what);
}

static void handles(void **state)
{
	static const char *const same[] = {
		"01:00.0",
		"0000:01:00.0",
		"\"01:00.0\"",
		"\"pci:01:00.0\"",
		"\" 0000:01:00.0 \"",
		"\"PCI:0000:01:00.0\"",
		"pci_0000_01_00_0",
		"\"/sys/bus/pci/devices/0000:01:00.0\"",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(same); i++)
		taken("pid: 1", same[i], "handle: \"pci:0000:01:00.0\"");
	taken("pid: 1", "0A:1F.7", "handle: \"pci:0000:0a:1f.7\"");
	taken("pid: 1", "\"ZPCI:0X8002000A\"", "handle: \"zpci:8002000a\"");
	said("pid: 1", "ff:1f.7", "f:6: note: 'ff:1f.7' is pci:0000:ff:1f.7\n");
	said("pid: 1", "ff:1f.7", "f:6: note: pci:0000:ff:1f.7 is not there\n");
}

static void cgroups(void **state)
{
	static const char *const same[] = {
		"/a.slice/b",
		"/a.slice/b/",
		"//a.slice///b//",
		"/a.slice/./b/.",
		"0::/a.slice/b",
		"/sys/fs/cgroup/a.slice/b",
		"/sys/fs/cgroup/a.slice/b/",
		" /a.slice/b ",
		"/a.slice/b / ",
	};
	char match[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(same); i++) {
		snprintf(match, sizeof(match), "cgroup: \"%s\"", same[i]);
		taken(match, "0:0:1.0", "cgroup: \"/a.slice/b\"");
	}
	taken("cgroup: /", "0:0:1.0", "cgroup: \"/\"");
	taken("cgroup: \"0::/\"", "0:0:1.0", "cgroup: \"/\"");
	taken("cgroup: /sys/fs/cgroup", "0:0:1.0", "cgroup: \"/\"");
	taken("cgroup: /sys/fs/cgroups/x", "0:0:1.0", "cgroup: \"/sys/fs/cgroups/x\"");
	/* A dot in a name is a name. */
	taken("cgroup: /a/.b/..c", "0:0:1.0", "cgroup: \"/a/.b/..c\"");
	refused("cgroup: \"4:memory:/a\"", "is of cgroup v1");
	refused("cgroup: \"12:cpu,cpuacct:/a\"", "is of cgroup v1");
	refused("cgroup: \"1:name=systemd:/a\"", "begins with 0::");
	refused("cgroup: /sys/fs/cgroup/memory/a", "is of cgroup v1");
	refused("cgroup: \"/sys/fs/cgroup/cpu,cpuacct/a\"", "is of cgroup v1");
	refused("cgroup: \"0::/../a\"", "outside of containers");
	said("cgroup: /no.slice/*", "0:0:1.0",
	     "f:3: warning: context a: no cgroup is called '/no.slice/*', and '*' is no wildcard: "
	     "name one cgroup, as '/no.slice'");
	said("cgroup: \"/a?\"", "0:0:1.0", "and '?' is no wildcard: name one cgroup, as '/'");
	said("cgroup: /no/such", "0:0:1.0", "f:3: note: context a matches no process now\n");
	said("cgroup: \"/a (deleted)\"", "0:0:1.0", "is a removed cgroup");
	said("machine: \"machine-qemu\\\\x2d1\\\\x2da.scope\"", "0:0:1.0", "no machine is called");
}

/* A value that has no effect with the others of the row, or of the defaults. */
static void without_effect(void **state)
{
	static const char handle[] = "\"0:0:1.0\", on_mapped: stop, access: ";
	char row[128];

	(void)state;
	said("pid: 1", "\"0:0:1.0\", on_mapped: stop",
	     "f:6: warning: pci:0000:00:01.0: 'on_mapped' has no effect with 'access: any'");
	snprintf(row, sizeof(row), "%sowner", handle);
	not_said("pid: 1", row, "has no effect");
	snprintf(row, sizeof(row), "%sowner, brokers: [host]", handle);
	said("pid: 1", row,
	     "f:6: warning: pci:0000:00:01.0: no process is of the broker 'host', because that "
	     "context has no match\n");
}

static void users(void **state)
{
	char match[256];
	struct group *g;

	(void)state;
	taken("uid: root", "0:0:1.0", "uid: 0 ");
	taken("uid: \" root \"", "0:0:1.0", "uid: 0 ");
	taken("uid: \"107\"", "0:0:1.0", "uid: 107 ");
	taken("uid: 0x6b", "0:0:1.0", "uid: 107 ");
	taken("uid: \"0x6b\"", "0:0:1.0", "uid: 107 ");
	said("uid: root", "0:0:1.0", "f:4: note: user 'root' is uid 0\n");
	refused("uid: no-such-user", "which is no user of this machine");
	refused("uid: 4294967295", "expected a user's name or a number from 0 to 4294967294");
	refused("uid: \"4294967295\"", "which is no user of this machine");
	refused("uid: true", "expected a user's name");
	setgrent();
	while ((g = getgrent()))
		if (!getpwnam(g->gr_name))
			break;
	if (g) {
		snprintf(match, sizeof(match), "uid: \"%s\"", g->gr_name);
		refused(match, "which is a group");
	}
	endgrent();
}

static void executables(void **state)
{
	(void)state;
	said("exe: \"/usr/bin/no-*\"", "0:0:1.0", "no file is called '/usr/bin/no-*'");
	said("exe: /usr", "0:0:1.0", "is no file");
	said("exe: /etc/passwd", "0:0:1.0", "is not executable");
	snprintf(path, sizeof(path), "%s/script", dir);
	FILE *f = fopen(path, "w");
	char match[128];

	assert_non_null(f);
	fputs("#!/bin/sh\n", f);
	fclose(f);
	chmod(path, 0755);
	snprintf(match, sizeof(match), "exe: %s", path);
	said(match, "0:0:1.0", "is a script, and the kernel executes its interpreter");
	unlink(path);
}

/* What is there is not said to be missing. */
static void present(void **state)
{
	char made[4096], match[64];

	(void)state;
	snprintf(match, sizeof(match), "pid: %d", getpid());
	assert_int_equal(check(match, "\"pci:0000:00:00.0\"", made), 0);
	assert_null(strstr(printed, "matches no process"));
	snprintf(match, sizeof(match), "uid: %u", getuid());
	assert_int_equal(check(match, "\"pci:0000:00:00.0\"", made), 0);
	assert_null(strstr(printed, "matches no process"));
	assert_int_equal(check("exe: /proc/self/exe", "\"pci:0000:00:00.0\"", made), 0);
	assert_null(strstr(printed, "warning"));
}

/* ---- files -------------------------------------------------------------------------- */

static const char *at(const char *name)
{
	static char buf[4][256];
	static unsigned int i;

	snprintf(buf[++i % 4], sizeof(buf[0]), "%s/%s", dir, name);
	return buf[i % 4];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int load(enum policy_place place, unsigned int *nfiles)
{
	int saved = stderr_to_file(), err;
	struct policy *p = NULL;

	err = policy_load_at(path, place, &p);
	stderr_back(saved);
	*nfiles = p ? p->nfiles : 0;
	policy_free(p);
	return err;
}

static void loads(unsigned int files)
{
	unsigned int n;

	if (load(POLICY_HERE, &n) || n != files)
		fail_msg("%u files, expected %u: %s", n, files, printed);
}

static void link_refused(const char *want)
{
	unsigned int n;

	if (!load(POLICY_HERE, &n) || !strstr(printed, want))
		fail_msg("said '%s', expected %s", printed, want);
	/* Whose a file is says nothing where it is not used. */
	if (load(POLICY_ELSEWHERE, &n))
		fail_msg("refused elsewhere: %s", printed);
}

/* As a ConfigMap has them, and NixOS. */
static void links(void **state)
{
	unsigned int n;

	(void)state;
	if (geteuid())
		skip();
	snprintf(path, sizeof(path), "%s/policy.yaml", dir);
	put("policy.yaml", "version: 1\n");
	mkdir(at("policy.d"), 0755);
	mkdir(at("policy.d/..1"), 0755);
	put("policy.d/..1/a.yaml", "version: 1\n");
	assert_int_equal(symlink("..1", at("policy.d/..data")), 0);
	assert_int_equal(symlink("..data/a.yaml", at("policy.d/a.yaml")), 0);
	loads(2);
	chmod(at("policy.d/..1"), 0777);
	link_refused("policy.d/..1, which others may write to");
	chmod(at("policy.d/..1"), 01777);
	loads(2);
	assert_int_equal(lchown(at("policy.d/..data"), 4321, 0), 0);
	link_refused("policy.d/..data, which is not root's");
	assert_int_equal(lchown(at("policy.d/..data"), 0, 0), 0);
	assert_int_equal(chown(at("policy.d/..1/a.yaml"), 4321, 0), 0);
	link_refused("a.yaml, which is not root's");
	assert_int_equal(chown(at("policy.d/..1/a.yaml"), 0, 0), 0);
	chmod(at("policy.d/..1/a.yaml"), 0666);
	link_refused("mode 0666, expected root alone to write");
	chmod(at("policy.d/..1/a.yaml"), 0644);
	/* By an absolute path, and up again. */
	unlink(at("policy.d/a.yaml"));
	mkdir(at("store"), 0755);
	put("store/x.yaml", "version: 1\n");
	assert_int_equal(symlink(at("store/../store/./x.yaml"), at("policy.d/a.yaml")), 0);
	loads(2);
	assert_int_equal(chown(at("store"), 4321, 0), 0);
	link_refused("store, which is not root's");
	assert_int_equal(chown(at("store"), 0, 0), 0);
	/* The directory itself. */
	assert_int_equal(rename(at("policy.d"), at("store/policy.d")), 0);
	assert_int_equal(symlink("store/policy.d", at("policy.d")), 0);
	loads(2);
	chmod(at("store"), 0777);
	link_refused("store, which others may write to");
	chmod(at("store"), 0755);
	/* One that leads nowhere, or round and round. */
	unlink(at("store/x.yaml"));
	assert_int_equal(load(POLICY_HERE, &n), -ENOENT);
}

static void links_end(void)
{
	unlink(at("store/policy.d/a.yaml"));
	unlink(at("store/policy.d/..data"));
	unlink(at("store/policy.d/..1/a.yaml"));
	rmdir(at("store/policy.d/..1"));
	rmdir(at("store/policy.d"));
	rmdir(at("store"));
	unlink(at("policy.d"));
	unlink(at("policy.yaml"));
}

static void elsewhere(void **state)
{
	unsigned int n;

	(void)state;
	snprintf(path, sizeof(path), "%s/ci.yaml", dir);
	put("ci.yaml", "version: 1\ncontexts:\n- { name: a, match: { uid: no-such-user } }\n"
		       "- { name: b, match: { uid: no-such-user2 } }\n");
	chmod(path, 0666);
	assert_int_equal(load(POLICY_ELSEWHERE, &n), 0);
	assert_int_equal(load(POLICY_HERE, &n), -EINVAL);
	unlink(path);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	links_end();
	return rmdir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles),   cmocka_unit_test(cgroups),
		cmocka_unit_test(users),     cmocka_unit_test(executables),
		cmocka_unit_test(present),   cmocka_unit_test(links),
		cmocka_unit_test(elsewhere), cmocka_unit_test(without_effect),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("remarks", tests, setup, teardown);
}
