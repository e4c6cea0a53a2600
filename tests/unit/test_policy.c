// SPDX-License-Identifier: GPL-2.0-only
/*
 * Good policies, and a corpus of bad ones: the first line of each file of
 * $IRQGATE_UNIT/bad is a comment, expect: LINE: message.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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
#include "captured.h"
#include "policy/policy.h"

#define TEXT_MAX (2 * POLICY_MAX_SIZE)
#define MIN_BAD 110
#define MIN_CONFLICTS 10

static char dir[] = "/tmp/irqgate-unit-XXXXXX";
static char path[sizeof(dir) + 16]; /* the file policies are loaded from */
static char text[TEXT_MAX];

static const char *unit_dir(void)
{
	const char *unit = getenv("IRQGATE_UNIT");

	return unit ? unit : "tests/unit";
}

static void write_to(const char *file, const char *data, size_t len)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void write_file(const char *data, size_t len)
{
	write_to(path, data, len);
}

static void write_text_to(const char *file, const char *data)
{
	write_to(file, data, strlen(data));
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip(); /* policy_load() takes files of root's only */
}

static int load(const char *file, struct policy **out)
{
	int saved = stderr_to_file();
	int err = policy_load(file, out);

	stderr_back(saved);
	return err;
}

static int parse(const char *data, size_t len, struct policy **out)
{
	int saved = stderr_to_file();
	int err = policy_parse("f", data, len, out);

	stderr_back(saved);
	return err;
}

static struct policy *good(const char *data)
{
	struct policy *p = NULL;

	if (parse(data, strlen(data), &p))
		fail_msg("refused: %s", printed);
	assert_string_equal(printed, "");
	return p;
}

static void refused(const char *data, size_t len, const char *want)
{
	struct policy *p = NULL;

	assert_int_equal(parse(data, len, &p), -EINVAL);
	assert_null(p);
	assert_string_equal(printed, want);
}

static size_t read_text(const char *file)
{
	FILE *f = fopen(file, "r");
	size_t len;

	if (!f)
		fail_msg("%s: %s", file, strerror(errno));
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	return len;
}

static struct policy *good_file(const char *name)
{
	char file[4096];

	snprintf(file, sizeof(file), "%s/good/%s", unit_dir(), name);
	read_text(file);
	return good(text);
}

static void check_device(const struct policy *p, unsigned int i, const char *handle,
			 const char *context, const char *vectors, enum irqgate_action action,
			 unsigned int line)
{
	char buf[VECTORS_STRLEN];

	assert_true(i < p->ndevices);
	assert_string_equal(handle_format(p->devices[i].handle, buf), handle);
	assert_string_equal(p->contexts[p->devices[i].context].name, context);
	assert_string_equal(vectors_format(&p->devices[i].vectors, buf), vectors);
	assert_int_equal(p->devices[i].action, action);
	assert_int_equal(p->devices[i].line, line);
}

static void check_context(const struct policy *p, unsigned int i, const char *name, __u32 gd,
			  bool strict, unsigned int kinds, const char *match, __u32 id,
			  unsigned int line)
{
	const struct policy_context *c = &p->contexts[i];

	assert_true(i < p->ncontexts);
	assert_string_equal(c->name, name);
	assert_int_equal(c->gd, gd);
	assert_int_equal(c->strict, strict);
	assert_int_equal(c->match.kinds, kinds);
	if (kinds == IRQGATE_MATCH_CGROUP)
		assert_string_equal(c->match.cgroup, match);
	else
		assert_null(c->match.cgroup);
	if (kinds == IRQGATE_MATCH_EXE)
		assert_string_equal(c->match.exe, match);
	else
		assert_null(c->match.exe);
	assert_int_equal(c->match.pid, kinds == IRQGATE_MATCH_PID ? id : 0);
	assert_int_equal(c->match.uid, kinds == IRQGATE_MATCH_UID ? id : 0);
	assert_int_equal(c->line, line);
	assert_ptr_equal(policy_context_by_name(p, name), c);
}

static void check_everything(const struct policy *p)
{
	char buf[HANDLE_STRLEN];

	assert_int_equal(p->defaults.mode, IRQGATE_MODE_ENFORCE);
	assert_int_equal(p->defaults.unlisted_device, IRQGATE_ACTION_DENY);
	assert_int_equal(p->defaults.unlisted_source, IRQGATE_ACTION_AUDIT);
	assert_int_equal(p->defaults.unlisted_host, IRQGATE_ACTION_DENY);
	assert_int_equal(p->defaults.on_full, IRQGATE_ACTION_ALLOW);
	assert_int_equal(p->defaults.last_resort, IRQGATE_LAST_RESORT_KILL);

	assert_int_equal(p->ncontexts, 6);
	check_context(p, 0, "host", 0, false, 0, NULL, 0, 0);
	check_context(p, 1, "blue", 2, false, IRQGATE_MATCH_CGROUP,
		      "/machine.slice/machine-qemu\\x2d1\\x2dblue.scope", 0, 4);
	check_context(p, 2, "dpdk", 1, false, IRQGATE_MATCH_PID, NULL, 4242, 7);
	check_context(p, 3, "user.space_drv-1", 3, true, IRQGATE_MATCH_EXE, "/usr/bin/testpmd", 0,
		      9);
	check_context(p, 4, "9", 4, false, IRQGATE_MATCH_UID, NULL, 0, 12);
	check_context(p, 5, "last", 4294967294u, false, IRQGATE_MATCH_UID, NULL, 4294967294, 14);
	assert_null(policy_context_by_name(p, "red"));

	assert_int_equal(p->ndevices, 8);
	check_device(p, 0, "pci:0000:00:0b.0", "blue", "0-3,7", IRQGATE_ACTION_DROP, 18);
	check_device(p, 1, "pci:0000:03:00.0", "host", "all", IRQGATE_ACTION_DENY, 22);
	check_device(p, 2, "pci:10000:01:00.1", "dpdk", "0-3", IRQGATE_ACTION_ISOLATE, 25);
	check_device(p, 3, "zpci:80020002", "last", "5", IRQGATE_ACTION_AUDIT, 29);
	check_device(p, 4, "pci:0000:00:01.0", "blue", "0-3,7", IRQGATE_ACTION_DENY, 33);
	check_device(p, 5, "pci:0000:00:02.0", "blue", "1-2,9-2047", IRQGATE_ACTION_DENY, 34);
	check_device(p, 6, "pci:0000:00:03.0", "blue", "0-2047", IRQGATE_ACTION_DENY, 40);
	assert_int_equal(p->devices[6].last_resort, IRQGATE_LAST_RESORT_REPORT);
	check_device(p, 7, "pci:0000:00:04.0", "blue", "2047", IRQGATE_ACTION_DENY, 41);

	assert_int_equal(p->nsources, 1);
	assert_string_equal(handle_format(p->sources[0].handle, buf), "soft:spdk");
	assert_int_equal(p->sources[0].context, 1);
	assert_int_equal(p->sources[0].match.kinds, IRQGATE_MATCH_CGROUP);
	assert_string_equal(p->sources[0].match.cgroup, "/system.slice/spdk.service");
	assert_int_equal(p->sources[0].line, 43);
}

static void everything(void **state)
{
	struct policy *p = good_file("everything.yaml");

	(void)state;
	check_everything(p);
	assert_int_equal(p->nfiles, 1);
	assert_string_equal(p->files[0], "f");
	policy_free(p);
}

static void json(void **state)
{
	struct policy *p = good_file("policy.json");

	(void)state;
	assert_int_equal(p->defaults.mode, IRQGATE_MODE_ENFORCE);
	assert_int_equal(p->ncontexts, 3);
	check_context(p, 1, "blue", 7, true, IRQGATE_MATCH_CGROUP, "/a\\x2d1/\xc3\xbc", 0, 5);
	check_context(p, 2, "green", 1, false, IRQGATE_MATCH_UID, NULL, 107, 11);
	assert_int_equal(p->ndevices, 2);
	check_device(p, 0, "pci:0000:00:0b.0", "blue", "0-3,7", IRQGATE_ACTION_DROP, 14);
	check_device(p, 1, "pci:0000:00:0c.0", "host", "all", IRQGATE_ACTION_DENY, 20);
	policy_free(p);
}

static void access_rows(void **state)
{
	struct policy *p = good_file("access.yaml");
	const struct policy_device *d = p->devices;
	unsigned int n;

	(void)state;
	assert_int_equal(p->defaults.access, IRQGATE_ACCESS_OWNER);
	assert_int_equal(p->defaults.on_mapped, IRQGATE_ON_MAPPED_STOP);
	assert_int_equal(p->nbrokers, 1);
	assert_int_equal(p->broker[0], 2);
	assert_int_equal(p->ndevices, 4);
	assert_int_equal(d[0].access, IRQGATE_ACCESS_UNSET);
	assert_int_equal(policy_access(p, &d[0]), IRQGATE_ACCESS_OWNER);
	assert_ptr_equal(policy_brokers(p, &d[0], &n), p->broker);
	assert_int_equal(n, 1);
	/* An empty list is a list. */
	assert_int_equal(policy_access(p, &d[1]), IRQGATE_ACCESS_ANY);
	assert_ptr_equal(policy_brokers(p, &d[1], &n), d[1].broker);
	assert_int_equal(n, 0);
	assert_int_equal(d[2].on_mapped, IRQGATE_ON_MAPPED_KILL);
	assert_int_equal(d[2].nbrokers, 2);
	assert_int_equal(d[2].broker[0], 3);
	assert_int_equal(d[2].broker[1], 0);
	policy_free(p);
	p = good("version: 1\ndevices: [{ handle: '0:0:1.0', context: host, noi: 1 }]\n");
	assert_int_equal(policy_access(p, p->devices), IRQGATE_ACCESS_ANY);
	policy_brokers(p, p->devices, &n);
	assert_int_equal(n, 0);
	policy_free(p);
}

static void anchors(void **state)
{
	struct policy *p = good_file("anchors.yaml");

	(void)state;
	assert_int_equal(p->ndevices, 2);
	check_device(p, 0, "pci:0000:00:0b.0", "blue", "0-3", IRQGATE_ACTION_DROP, 7);
	check_device(p, 1, "pci:0000:00:0c.0", "blue", "0-3", IRQGATE_ACTION_DROP, 8);
	policy_free(p);
}

static void minimal(void **state)
{
	struct policy *p = good("version: 1");

	(void)state;
	assert_int_equal(p->defaults.mode, IRQGATE_MODE_AUDIT);
	assert_int_equal(p->defaults.unlisted_device, IRQGATE_ACTION_ALLOW);
	assert_int_equal(p->defaults.unlisted_source, IRQGATE_ACTION_ALLOW);
	assert_int_equal(p->defaults.unlisted_host, IRQGATE_ACTION_ALLOW);
	assert_int_equal(p->defaults.on_full, IRQGATE_ACTION_DENY);
	assert_int_equal(p->ncontexts, 1);
	check_context(p, 0, "host", 0, false, 0, NULL, 0, 0);
	assert_int_equal(p->ndevices, 0);
	assert_int_equal(p->nsources, 0);
	policy_free(p);
	policy_free(good("\xef\xbb\xbf# BOM\r\n---\r\nversion: 1\r\nmode: audit\r\n...\r\n"));
	policy_free(good("version: 1\ncontexts: []\ndevices: []\nsources: []\ndefaults: {}\n"));
}

static void empty(void **state)
{
	struct policy *p = NULL, *q = good("version: 1");

	(void)state;
	assert_int_equal(policy_empty(&p), 0);
	assert_memory_equal(&p->defaults, &q->defaults, sizeof(p->defaults));
	assert_int_equal(p->defaults.mode, IRQGATE_MODE_AUDIT);
	assert_int_equal(p->ncontexts, 1);
	check_context(p, 0, "host", 0, false, 0, NULL, 0, 0);
	assert_int_equal(p->nfiles, 0);
	policy_free(p);
	policy_free(q);
	policy_free(NULL);
}

static void host_declared(void **state)
{
	struct policy *p = good("version: 1\n"
				"contexts:\n"
				"- {name: a, match: {pid: 1}}\n"
				"- {name: host, gd: 0, strict: true, match: {exe: /sbin/init}}\n"
				"- {name: b, match: {pid: 2}}\n");

	(void)state;
	assert_int_equal(p->ncontexts, 3);
	check_context(p, 0, "host", 0, true, IRQGATE_MATCH_EXE, "/sbin/init", 0, 4);
	check_context(p, 1, "a", 1, false, IRQGATE_MATCH_PID, NULL, 1, 3);
	check_context(p, 2, "b", 2, false, IRQGATE_MATCH_PID, NULL, 2, 5);
	policy_free(p);

	p = good("version: 1\ncontexts: [{name: host}]");
	assert_int_equal(p->ncontexts, 1);
	check_context(p, 0, "host", 0, false, 0, NULL, 0, 2);
	policy_free(p);
}

static void numbering(void **state)
{
	struct policy *p = good("version: 1\n"
				"contexts:\n"
				"- {name: a, match: {pid: 1}}\n"
				"- {name: b, match: {pid: 2}, gd: 2}\n"
				"- {name: c, match: {pid: 3}}\n"
				"- {name: d, match: {pid: 4}, gd: 1}\n"
				"- {name: e, match: {pid: 5}, gd: 0x10}\n"
				"- {name: f, match: {pid: 6}}\n");
	static const __u32 gds[] = { 0, 3, 2, 4, 1, 16, 5 };
	unsigned int i;

	(void)state;
	assert_int_equal(p->ncontexts, 7);
	for (i = 0; i < p->ncontexts; i++)
		assert_int_equal(p->contexts[i].gd, gds[i]);
	policy_free(p);
}

/* A context keeps its gd over policies; a new one gets none that was in use. */
static void kept_numbers(void **state)
{
	struct policy *old = good("version: 1\ncontexts:\n"
				  "- {name: a, match: {pid: 1}}\n"
				  "- {name: b, match: {pid: 2}}\n"
				  "- {name: c, match: {pid: 3}, gd: 9}\n");
	struct policy *p = good("version: 1\ncontexts:\n"
				"- {name: first, match: {pid: 4}}\n"
				"- {name: b, match: {pid: 5}}\n"
				"- {name: a, match: {pid: 1}}\n"
				"- {name: asks, match: {pid: 6}, gd: 9}\n"
				"- {name: c, match: {pid: 3}}\n");
	static const __u32 gds[] = { 0, 10, 2, 1, 9, 11 };
	unsigned int i;

	(void)state;
	policy_keep_numbers(p, old);
	for (i = 0; i < p->ncontexts; i++)
		assert_int_equal(p->contexts[i].gd, gds[i]);
	policy_free(old);
	policy_free(p);
}

/* Several keys of a match, which must all hold. */
static void combined(void **state)
{
	static const char text[] = "version: 1\n"
				   "contexts:\n"
				   "- { name: a, match: { cgroup: /c, exe: /e, uid: 7 } }\n"
				   "- { name: b, match: { uid: 7, cgroup: /c } }\n"
				   "- { name: c, match: { cgroup: /c } }\n"
				   "- { name: d, match: { uid: 8, exe: /e, cgroup: /c } }\n"
				   "- { name: e, match: { pid: 9, machine: m } }\n"
				   "- { name: f, match: { exe: /e } }\n"
				   "- { name: g, match: { uid: 7 } }\n";
	char *written = NULL;
	struct policy *p;
	size_t len;
	FILE *f;

	(void)state;
	p = good(text);
	assert_int_equal(p->contexts[1].match.kinds,
			 IRQGATE_MATCH_CGROUP | IRQGATE_MATCH_EXE | IRQGATE_MATCH_UID);
	assert_string_equal(p->contexts[1].match.cgroup, "/c");
	assert_string_equal(p->contexts[1].match.exe, "/e");
	assert_int_equal(p->contexts[1].match.uid, 7);
	assert_int_equal(p->contexts[5].match.kinds, IRQGATE_MATCH_PID | IRQGATE_MATCH_CGROUP);
	assert_string_equal(p->contexts[5].match.cgroup, "/machine.slice/machine-m.scope");
	f = open_memstream(&written, &len);
	policy_write(f, p, NULL, NULL);
	fclose(f);
	assert_non_null(strstr(written, "{ cgroup: \"/c\", exe: \"/e\", uid: 7 }"));
	assert_non_null(strstr(written, "{ pid: 9, cgroup: \"/machine.slice/machine-m.scope\" }"));
	free(written);
	policy_free(p);
}

/* The same text may match a context and a source. */
static void same_match_of_both(void **state)
{
	(void)state;
	policy_free(good("version: 1\n"
			 "contexts: [{name: a, match: {exe: /b}}]\n"
			 "sources: [{handle: 'soft:a', match: {exe: /b}, context: a}]\n"));
}

/* In the order of the file, whatever the order of the checks; a row more than one. */
static void all_errors(void **state)
{
	static const char data[] = "version: 1\n"
				   "devices:\n"
				   "- {handle: 'pci:0', context: red, vectors: 9-1}\n"
				   "- {handle: 'pci:0000:00:00.0', context: blue, noi: 4}\n"
				   "contexts:\n"
				   "- {name: 'b c', gd: 0, match: {pid: 1}}\n"
				   "mood: audit\n";

	(void)state;
	refused(data, strlen(data),
		"f:3: not a handle: 'pci:0', expected pci:0000:00:0b.0 or zpci:80020002\n"
		"f:3: 'vectors' is '9-1': reversed range, expected the lower vector first\n"
		"f:6: 'name' is 'b c', expected a letter or digit, then letters, digits, '_', '.' "
		"or '-'\n"
		"f:6: 'gd' is 0, which is the host's, expected 1 to 4294967294\n"
		"f:7: unknown key 'mood' in the policy, expected version, mode, contexts, devices, "
		"sources or defaults\n");
}

/* Who uses a context that was refused is not told that it is unknown. */
static void no_consequences(void **state)
{
	static const char bad_row[] = "version: 1\n"
				      "contexts: [{name: blue, match: {pid: 0}}]\n"
				      "devices: [{handle: '0:0:0.0', context: blue, noi: 1}]\n";
	static const char bad_list[] = "version: 1\n"
				       "contexts: blue\n"
				       "devices: [{handle: '0:0:0.0', context: blue, noi: 1}]\n";

	(void)state;
	refused(bad_row, strlen(bad_row), "f:2: 'pid' is 0, expected a number from 1 to 4194304\n");
	refused(bad_list, strlen(bad_list), "f:2: 'contexts' is 'blue', expected a list\n");
}

static void twenty_errors(void **state)
{
	size_t len = (size_t)sprintf(text, "version: 1\n"), lines = 0;
	struct policy *p = NULL;
	const char *c;
	int i;

	(void)state;
	for (i = 0; i < 30; i++)
		len += (size_t)sprintf(text + len, "k%d: 1\n", i);
	assert_int_equal(parse(text, len, &p), -EINVAL);
	for (c = printed; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 20);
	assert_non_null(strstr(printed, "f:21: unknown key 'k19'"));
}

/* What an alias repeats is one mistake. */
static void error_in_alias(void **state)
{
	static const char data[] =
		"version: 1\n"
		"devices:\n"
		"- {handle: 'pci:0000:00:00.0', context: host, vectors: &v [9-1]}\n"
		"- {handle: 'pci:0000:00:01.0', context: host, vectors: *v}\n";

	(void)state;
	refused(data, strlen(data),
		"f:3: 'vectors' contains '9-1': reversed range, expected the lower vector first\n");
}

static void not_text(void **state)
{
	static const char nul[] = "version: 1\nmode\0: audit\n",
			  *const nul_in_value =
				  "version: 1\ncontexts: [{name: \"a\\0b\", match: {pid: 1}}]\n";

	(void)state;
	refused("", 0, "f:1: the policy is empty, expected a mapping\n");
	refused("\n\n# nothing\n", 12, "f:1: the policy is empty, expected a mapping\n");
	refused("\x7f"
		"ELF\1\2",
		6, "f:1: not text: control characters are not allowed, expected UTF-8\n");
	refused("version: 1\nmode: \xff\n", 20,
		"f:2: not text: invalid leading UTF-8 octet, expected UTF-8\n");
	refused(nul, sizeof(nul) - 1,
		"f:2: not text: control characters are not allowed, expected UTF-8\n");
	refused(nul_in_value, strlen(nul_in_value),
		"f:2: 'name' is \"a\\x00b\", expected a string\n");
}

/* A message is one line that a terminal can take, whatever the file says. */
static void harmless_messages(void **state)
{
	static const char data[] = "version: 1\nmode: \"a\\nb\\e[2J\\x9b\xc3\xbc\"\n";

	(void)state;
	refused(data, strlen(data),
		"f:2: 'mode' is \"a\\x0ab\\x1b[2J\\xc2\\x9b\\xc3\\xbc\", expected audit or "
		"enforce\n");
	sprintf(text, "version: 1\nmode: %01000d\n", 1);
	assert_int_equal(parse(text, strlen(text), &(struct policy *){ NULL }), -EINVAL);
	assert_true(strlen(printed) < 200);
	assert_non_null(strstr(printed, "000...', expected audit or enforce\n"));
}

static void self_reference(void **state)
{
	static const char loop[] = "version: 1\ndevices: &d [*d]\n", root[] = "&a {*a : *a}\n";
	struct policy *p = NULL;

	(void)state;
	refused(loop, strlen(loop), "f:2: a device is a list, expected a mapping\n");
	assert_int_equal(parse(root, strlen(root), &p), -EINVAL);
}

/* Within seconds: libyaml alone takes minutes for this. */
static void deep(void **state)
{
	(void)state;
	memset(text, '[', POLICY_MAX_SIZE);
	alarm(10);
	refused(text, POLICY_MAX_SIZE, "f:1: nested deeper than 16 levels, expected 4\n");
	alarm(0);
}

static size_t device_rows(const char *vectors, unsigned int count)
{
	size_t len = (size_t)sprintf(text, "version: 1\ndevices:\n");
	unsigned int i;

	for (i = 0; i < count; i++)
		len += (size_t)sprintf(text + len,
				       "- {handle: '%x:%02x:%02x.%x', context: host, %s}\n",
				       i >> 16, i >> 8 & 0xff, i >> 3 & 0x1f, i & 7, vectors);
	return len;
}

static void too_many_devices(void **state)
{
	struct policy *p = NULL;

	(void)state;
	assert_int_equal(parse(text, device_rows("vectors: all", IRQGATE_MAX_DEVICES), &p), 0);
	assert_int_equal(p->ndevices, IRQGATE_MAX_DEVICES);
	policy_free(p);
	refused(text, device_rows("vectors: all", IRQGATE_MAX_DEVICES + 1),
		"f:4099: more devices than fit, expected at most 4096\n");
}

static void too_many_vectors(void **state)
{
	struct policy *p = NULL;
	unsigned int fit = IRQGATE_MAX_VECTOR_ROWS / IRQGATE_MAX_VECTORS;

	(void)state;
	assert_int_equal(parse(text, device_rows("noi: 2048", fit), &p), 0);
	policy_free(p);
	refused(text, device_rows("noi: 2048", 2 * fit + 2),
		"f:515: more vectors than fit, expected at most 1048576 in all devices\n");
	assert_int_equal(parse(text, device_rows("vectors: all", fit + 1), &p), 0);
	policy_free(p);
}

static size_t match_rows(unsigned int contexts, unsigned int sources)
{
	size_t len = (size_t)sprintf(text, "version: 1\ncontexts:\n");
	unsigned int i;

	for (i = 0; i < contexts; i++)
		len += (size_t)sprintf(text + len, "- {name: c%u, match: {uid: %u}}\n", i, i);
	len += (size_t)sprintf(text + len, "sources:\n");
	for (i = 0; i < sources; i++)
		len += (size_t)sprintf(text + len,
				       "- {handle: 'soft:s%u', match: {uid: %u}, context: host}\n",
				       i, i);
	return len;
}

static void too_many_matches(void **state)
{
	struct policy *p = NULL;

	(void)state;
	assert_int_equal(parse(text,
			       match_rows(IRQGATE_MAX_CONTEXTS - 1,
					  IRQGATE_MAX_MATCHES - IRQGATE_MAX_CONTEXTS + 1),
			       &p),
			 0);
	assert_int_equal(p->ncontexts, IRQGATE_MAX_CONTEXTS);
	assert_int_equal(p->nsources, 3073);
	assert_int_equal(p->contexts[1023].gd, 1023);
	policy_free(p);
	refused(text, match_rows(IRQGATE_MAX_CONTEXTS, 1),
		"f:1026: more contexts than fit, expected at most 1023\n");
	refused(text, match_rows(3, IRQGATE_MAX_MATCHES - 2),
		"f:4100: more sources than fit, expected at most 4093\n");
}

static void too_many_list_elements(void **state)
{
	size_t len =
		(size_t)sprintf(text, "version: 1\ndevices:\n"
				      "- handle: 'pci:0:0:0.0'\n  context: host\n  vectors: [0");
	int i;

	(void)state;
	for (i = 0; i < 2048; i++)
		len += (size_t)sprintf(text + len, ",0");
	len += (size_t)sprintf(text + len, "]\n");
	refused(text, len, "f:5: 'vectors' is a list of 2049, expected 1 to 2048 elements\n");
}

static void long_path(void **state)
{
	size_t len = (size_t)sprintf(text, "version: 1\ncontexts: [{name: a, match: {exe: ");
	int i;

	(void)state;
	for (i = 0; i < 2048; i++)
		len += (size_t)sprintf(text + len, "/a");
	len += (size_t)sprintf(text + len, "}}]\n");
	refused(text, len, "f:2: 'exe' is 4096 bytes long, expected at most 4095\n");
}

static void long_name(void **state)
{
	struct policy *p;

	(void)state;
	sprintf(text, "version: 1\ncontexts: [{name: %063d, match: {pid: 1}}]", 0);
	/* All digits is a number. */
	text[strlen("version: 1\ncontexts: [{name: ")] = 'a';
	p = good(text);
	assert_int_equal(strlen(p->contexts[1].name), IRQGATE_NAME_LEN - 1);
	policy_free(p);
}

static void file_good(void **state)
{
	struct policy *p = NULL;
	char file[4096];
	size_t len;

	(void)state;
	need_root();
	snprintf(file, sizeof(file), "%s/good/everything.yaml", unit_dir());
	len = read_text(file);
	write_file(text, len);
	assert_int_equal(load(path, &p), 0);
	assert_string_equal(printed, "");
	check_everything(p);
	assert_string_equal(p->files[0], path);
	policy_free(p);
}

static void file_refused(int want_err, const char *want)
{
	struct policy *p = NULL;
	char expected[256];

	assert_int_equal(load(path, &p), want_err);
	assert_null(p);
	snprintf(expected, sizeof(expected), want, path, path);
	assert_string_equal(printed, expected);
}

static void file_of_others(void **state)
{
	struct policy *p = NULL;

	(void)state;
	need_root();
	write_file("version: 1\n", 11);
	chmod(path, 0664);
	file_refused(-EINVAL, "%s:1: mode 0664, expected root alone to write: chmod go-w %s\n");
	chmod(path, 0602);
	file_refused(-EINVAL, "%s:1: mode 0602, expected root alone to write: chmod go-w %s\n");
	chmod(path, 0644);
	assert_int_equal(chown(path, 4321, 0), 0);
	file_refused(-EINVAL, "%s:1: owned by uid 4321, expected root: chown root %s\n");
	assert_int_equal(chown(path, 0, 4321), 0);
	assert_int_equal(load(path, &p), 0);
	policy_free(p);
}

static void file_missing(void **state)
{
	(void)state;
	unlink(path);
	file_refused(-ENOENT, "%s: cannot open: No such file or directory\n");
}

static void file_not_regular(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	file_refused(-EINVAL, "%s: cannot open: a directory, expected a regular file\n");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	file_refused(-EINVAL, "%s: cannot open: not a file, expected a regular file\n");
	unlink(path);
}

static void file_size(void **state)
{
	struct policy *p = NULL;

	(void)state;
	need_root();
	memset(text, '#', TEXT_MAX);
	memcpy(text, "version: 1\n", 11);
	write_file(text, POLICY_MAX_SIZE);
	assert_int_equal(load(path, &p), 0);
	policy_free(p);
	write_file(text, POLICY_MAX_SIZE + 1);
	file_refused(-EINVAL, "%s:1: file of more than 1 MiB, expected at most 1048576 bytes\n");
}

/* Through policy_load() where we are root, else without its check of the owner. */
static void bad_file(void **state)
{
	const char *file = *state;
	static const char intro[] = "# expect: ";
	char want[1024], *end;
	struct policy *p = NULL;
	size_t len = read_text(file), prefix;

	end = strchr(text, '\n');
	if (!end || strncmp(text, intro, strlen(intro)))
		fail_msg("%s does not begin with '%s'", file, intro);
	snprintf(want, sizeof(want), "%.*s", (int)(end - text - strlen(intro)),
		 text + strlen(intro));
	if (geteuid() == 0) {
		write_file(text, len);
		assert_int_equal(load(path, &p), -EINVAL);
		prefix = strlen(path);
		assert_memory_equal(printed, path, prefix);
	} else {
		assert_int_equal(parse(text, len, &p), -EINVAL);
		prefix = 1;
	}
	assert_null(p);
	assert_int_equal(printed[prefix], ':');
	end = strchr(printed, '\n');
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(printed + prefix + 1, want);
}

/* first.yaml, then a file of conflict/ in the policy's directory. */
static void conflict(void **state)
{
	char dir_d[sizeof(path)], part[sizeof(path) + 16], file[4096], want[1024];
	static const char intro[] = "# expect: ";
	struct policy *p = NULL;
	char *end;
	size_t len;

	need_root();
	snprintf(dir_d, sizeof(dir_d), "%s/policy.d", dir);
	snprintf(part, sizeof(part), "%s/b.yaml", dir_d);
	mkdir(dir_d, 0700);
	snprintf(file, sizeof(file), "%s/conflict/first.yaml", unit_dir());
	len = read_text(file);
	write_file(text, len);
	len = read_text(*state);
	end = strchr(text, '\n');
	assert_non_null(end);
	snprintf(want, sizeof(want), "%s/policy.d/b.yaml:%.*s", dir,
		 (int)(end - text - (long)strlen(intro)), text + strlen(intro));
	/* The file the message names, in full. */
	if (strstr(want, "policy.yaml:")) {
		char rest[512];

		snprintf(rest, sizeof(rest), "%s", strstr(want, "policy.yaml:"));
		snprintf(strstr(want, "policy.yaml:"), 600, "%s/%s", dir, rest);
	}
	write_to(part, text, len);
	assert_int_equal(load(path, &p), -EINVAL);
	assert_null(p);
	unlink(part);
	rmdir(dir_d);
	end = strchr(printed, '\n');
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(printed, want);
}

static void merged(void **state)
{
	char dir_d[sizeof(path)], a[sizeof(path) + 16], b[sizeof(path) + 16], c[sizeof(path) + 16];
	struct policy *p = NULL;

	(void)state;
	need_root();
	snprintf(dir_d, sizeof(dir_d), "%s/policy.d", dir);
	snprintf(a, sizeof(a), "%s/10.yaml", dir_d);
	snprintf(b, sizeof(b), "%s/20.json", dir_d);
	snprintf(c, sizeof(c), "%s/ignored.yaml~", dir_d);
	mkdir(dir_d, 0700);
	write_text_to(path, "version: 1\nmode: enforce\n"
			    "devices: [{handle: '0:0:1.0', context: red, noi: 1}]\n");
	write_text_to(a, "version: 1\nmode: enforce\ncontexts: [{name: blue, match: {pid: 1}}]\n"
			 "devices: [{handle: '0:0:2.0', context: red, noi: 1}]\n");
	write_text_to(b, "{\n\t\"version\": 1,\n\t\"contexts\": [\n\t\t{ \"name\": \"red\", "
			 "\"match\": { \"machine\": \"qemu-1-red\" } }\n\t]\n}\n");
	write_text_to(c, "nonsense");
	if (load(path, &p))
		fail_msg("refused: %s", printed);
	assert_int_equal(p->nfiles, 3);
	assert_string_equal(p->files[1], a);
	assert_int_equal(p->ncontexts, 3);
	check_context(p, 1, "blue", 1, false, IRQGATE_MATCH_PID, NULL, 1, 3);
	check_context(p, 2, "red", 2, false, IRQGATE_MATCH_CGROUP,
		      "/machine.slice/machine-qemu\\x2d1\\x2dred.scope", 0, 4);
	assert_int_equal(p->contexts[2].file, 2);
	assert_int_equal(p->ndevices, 2);
	check_device(p, 0, "pci:0000:00:01.0", "red", "0", IRQGATE_ACTION_DENY, 3);
	check_device(p, 1, "pci:0000:00:02.0", "red", "0", IRQGATE_ACTION_DENY, 4);
	assert_int_equal(p->devices[1].file, 1);
	policy_free(p);
	/* A user who may write there writes policy. */
	chmod(dir_d, 0777);
	p = NULL;
	assert_int_equal(load(path, &p), -EINVAL);
	assert_non_null(strstr(printed, "mode 0777, expected root alone to write"));
	unlink(a);
	unlink(b);
	unlink(c);
	rmdir(dir_d);
}

static void part_refused(const char *part, const char *want)
{
	struct policy *p = NULL;
	char expected[1024];

	if (load(path, &p) >= 0)
		fail_msg("%s: accepted, expected %s", part, want);
	assert_null(p);
	snprintf(expected, sizeof(expected), "%s:%s", part, want);
	printed[strcspn(printed, "\n")] = '\0';
	if (strncmp(printed, expected, strlen(expected)))
		fail_msg("expected %s, not %s", expected, printed);
}

/* What others could put there or change is no policy. */
static void directory_of_others(void **state)
{
	char dir_d[sizeof(path)], real_d[sizeof(path)], part[sizeof(path) + 16];
	struct policy *p = NULL;

	(void)state;
	need_root();
	snprintf(dir_d, sizeof(dir_d), "%s/policy.d", dir);
	snprintf(real_d, sizeof(real_d), "%s/real.d", dir);
	snprintf(part, sizeof(part), "%s/10.yaml", dir_d);
	mkdir(dir_d, 0700);
	write_text_to(path, "version: 1\n");
	assert_int_equal(symlink("/dev/full", part), 0);
	part_refused(part, " cannot open: not a file, expected a regular file");
	unlink(part);
	assert_int_equal(mkfifo(part, 0600), 0);
	part_refused(part, " cannot open: not a file, expected a regular file");
	unlink(part);
	write_text_to(part, "version: 1\n");
	assert_int_equal(chown(part, 4321, 0), 0);
	part_refused(part, "1: owned by uid 4321, expected root");
	assert_int_equal(chown(part, 0, 0), 0);
	chmod(part, 0666);
	part_refused(part, "1: mode 0666, expected root alone to write");
	chmod(part, 0644);
	assert_int_equal(load(path, &p), 0);
	policy_free(p);
	assert_int_equal(chown(dir_d, 4321, 0), 0);
	part_refused(dir_d, "1: owned by uid 4321, expected root");
	assert_int_equal(chown(dir_d, 0, 0), 0);
	assert_int_equal(rename(dir_d, real_d), 0);
	assert_int_equal(symlink("/dev/null", dir_d), 0);
	part_refused(dir_d, " cannot open: expected a directory");
	unlink(dir_d);
	write_text_to(dir_d, "version: 1\n");
	part_refused(dir_d, " cannot open: expected a directory");
	unlink(dir_d);
	rename(real_d, dir_d);
	unlink(part);
	rmdir(dir_d);
	/* The file itself may be a link: its name means the file that the link leads to. */
	snprintf(part, sizeof(part), "%s/link.yaml", dir);
	assert_int_equal(symlink(path, part), 0);
	p = NULL;
	assert_int_equal(load(part, &p), 0);
	policy_free(p);
	unlink(part);
}

static void directory(void **state)
{
	static const char *const names[][2] = {
		{ "/etc/irqgate/policy.yaml", "/etc/irqgate/policy.d" },
		{ "/etc/irq.gate/policy", "/etc/irq.gate/policy.d" },
		{ "a.json", "a.d" },
		{ ".hidden", ".hidden.d" },
		{ "/x/.a.b", "/x/.a.d" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *d = policy_directory(names[i][0]);

		assert_string_equal(d, names[i][1]);
		free(d);
		/* Only what is in /etc has one that ends with this boot. */
		if (i)
			assert_null(policy_runtime_directory(names[i][0]));
		else
			assert_string_equal(policy_runtime_directory(names[i][0]),
					    "/run/irqgate/domains.d");
	}
}

static bool not_b(const char *name)
{
	return strcmp(name, "b.yaml") != 0;
}

static void some_parts(void **state)
{
	char dir_d[sizeof(path)], a[sizeof(path) + 16], b[sizeof(path) + 16];
	struct policy *p = NULL;

	(void)state;
	need_root();
	snprintf(dir_d, sizeof(dir_d), "%s/policy.d", dir);
	snprintf(a, sizeof(a), "%s/a.yaml", dir_d);
	snprintf(b, sizeof(b), "%s/b.yaml", dir_d);
	mkdir(dir_d, 0700);
	write_text_to(path, "version: 1\n");
	write_text_to(a, "version: 1\ncontexts: [{name: a, match: {pid: 1}}]\n");
	write_text_to(b, "nonsense");
	assert_int_equal(policy_load_parts(path, not_b, &p), 0);
	assert_int_equal(p->nfiles, 2);
	assert_string_equal(p->contexts[1].name, "a");
	policy_free(p);
	unlink(a);
	unlink(b);
	rmdir(dir_d);
}

static void machines(void **state)
{
	static const char *const names[][3] = {
		{ "/machine.slice", "qemu-1-a.b",
		  "/machine.slice/machine-qemu\\x2d1\\x2da.b.scope" },
		{ "/x", ".a\\b c", "/x/machine-\\x2ea\\x5cb\\x20c.scope" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *cgroup = policy_machine_cgroup(names[i][0], names[i][1]);

		assert_string_equal(cgroup, names[i][2]);
		free(cgroup);
	}
	assert_null(policy_machine_cgroup("/", "12345678901234567890123456789012345678901234567890"
					       "123456789012345"));
}

static void written_reads_back(void **state)
{
	static const char *const files[] = { "everything.yaml", "policy.json", "anchors.yaml",
					     "selected.yaml",   "pasted.yaml", "access.yaml" };
	struct policy *p, *q;
	char *out = NULL;
	size_t len, i, j;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *f = open_memstream(&out, &len);

		p = good_file(files[i]);
		policy_write(f, p, NULL, NULL);
		fclose(f);
		q = good(out);
		assert_true(policy_hash(p) != 0);
		assert_int_equal(policy_hash(p), policy_hash(q));
		q->defaults.unlisted_device ^= 1;
		assert_true(policy_hash(p) != policy_hash(q));
		assert_int_equal(p->ncontexts, q->ncontexts);
		assert_int_equal(p->ndevices, q->ndevices);
		/* An empty list of brokers is not the list of the defaults. */
		for (j = 0; j < p->ndevices; j++)
			assert_int_equal(p->devices[j].own_brokers, q->devices[j].own_brokers);
		policy_free(p);
		policy_free(q);
		free(out);
	}
}

static size_t nbad, nconflicts;

static void corpus_is_there(void **state)
{
	(void)state;
	assert_true(nbad >= MIN_BAD);
	assert_true(nconflicts >= MIN_CONFLICTS);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/policy.yaml", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static size_t corpus(const char *files, glob_t *found)
{
	char pattern[4096];

	snprintf(pattern, sizeof(pattern), "%s/%s", unit_dir(), files);
	return glob(pattern, 0, NULL, found) ? 0 : found->gl_pathc;
}

static void add_files(struct CMUnitTest *tests, size_t *n, const glob_t *files,
		      CMUnitTestFunction function)
{
	size_t i;

	for (i = 0; i < files->gl_pathc; i++)
		tests[(*n)++] = (struct CMUnitTest){
			.name = strrchr(files->gl_pathv[i], '/') + 1,
			.test_func = function,
			.initial_state = files->gl_pathv[i],
		};
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest fixed[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(json),
		cmocka_unit_test(access_rows),
		cmocka_unit_test(anchors),
		cmocka_unit_test(minimal),
		cmocka_unit_test(empty),
		cmocka_unit_test(host_declared),
		cmocka_unit_test(numbering),
		cmocka_unit_test(kept_numbers),
		cmocka_unit_test(combined),
		cmocka_unit_test(same_match_of_both),
		cmocka_unit_test(all_errors),
		cmocka_unit_test(no_consequences),
		cmocka_unit_test(twenty_errors),
		cmocka_unit_test(error_in_alias),
		cmocka_unit_test(not_text),
		cmocka_unit_test(harmless_messages),
		cmocka_unit_test(self_reference),
		cmocka_unit_test(deep),
		cmocka_unit_test(too_many_devices),
		cmocka_unit_test(too_many_vectors),
		cmocka_unit_test(too_many_matches),
		cmocka_unit_test(too_many_list_elements),
		cmocka_unit_test(long_path),
		cmocka_unit_test(long_name),
		cmocka_unit_test(file_good),
		cmocka_unit_test(file_of_others),
		cmocka_unit_test(file_missing),
		cmocka_unit_test(file_not_regular),
		cmocka_unit_test(file_size),
		cmocka_unit_test(merged),
		cmocka_unit_test(directory),
		cmocka_unit_test(directory_of_others),
		cmocka_unit_test(some_parts),
		cmocka_unit_test(machines),
		cmocka_unit_test(written_reads_back),
		cmocka_unit_test(corpus_is_there),
	};
	size_t nfixed = sizeof(fixed) / sizeof(fixed[0]), n = nfixed;
	struct CMUnitTest *tests;
	glob_t bad, conflicts;
	int failed;

	nbad = corpus("bad/*.yaml", &bad);
	nconflicts = corpus("conflict/[!f]*.yaml", &conflicts);
	tests = calloc(nfixed + nbad + nconflicts, sizeof(*tests));
	if (!tests)
		return 1;
	memcpy(tests, fixed, sizeof(fixed));
	add_files(tests, &n, &bad, bad_file);
	add_files(tests, &n, &conflicts, conflict);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	failed = _cmocka_run_group_tests("policy", tests, n, setup, teardown);
	free(tests);
	globfree(&bad);
	globfree(&conflicts);
	return failed;
}
