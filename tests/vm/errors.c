// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last tests of a boot.
 * errors.*: irqgate refuses, with its exit status and its message.
 * persist.unload: nothing remains.
 * without.*: kernels that lack something.
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* ---- errors.* --------------------------------------------------------------- */

static void expect_one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	expect(end && !end[1], "not one line: %s", text);
}

static void expect_bad_policy(void)
{
	const struct output *o;

	write_text("/run/irqgate-bad.yaml", ENFORCE "contexts:\n  - name: blue\n    match: { }\n");
	chmod("/run/irqgate-bad.yaml", 0600);
	o = irqgate("run", "--policy", "/run/irqgate-bad.yaml", NULL);
	expect_is(o->status, 2, "irqgate run with a bad policy");
	expect(strstr(o->err, "/run/irqgate-bad.yaml:5:"), "no FILE:LINE: %s", o->err);
	o = irqgate("run", "--policy", "/run/no-such-file", NULL);
	expect_is(o->status, 2, "irqgate run with a policy that does not exist");
	expect_one_line(o->err);
}

/* After a bad policy the old table is still in force, or irqgate is still not loaded. */
static void errors_policy(void)
{
	struct worker *w;

	enforce(&nic, "all", "deny");
	loader_stop();
	expect_bad_policy();
	w = vmm(NOBODY, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), -EACCES, "binding");
	unload();
	expect_bad_policy();
	expect(!loaded(), "a bad policy loaded something");
}

static void errors_usage(void)
{
	verb(2, "nonsense", NULL);
	verb(2, "revoke", "pci:nowhere", "0", NULL);
	verb(2, "revoke", nic.handle, "5-2", NULL);
	verb(2, "allow", nic.handle, "0", NULL);
	enforce(&nic, "all", "deny");
	verb(2, "allow", nic.handle, "0", "--to", "nobody-knows", NULL);
	verb(2, "show", "nonsense", NULL);
}

/* The last test of a boot, because lockdown cannot be undone. */
static void errors_lockdown(void)
{
	const struct output *o;

	unload();
	write_text("/run/irqgate-test.yaml", ENFORCE CONTEXTS);
	write_text("/sys/kernel/security/lockdown", "confidentiality");
	o = irqgate("run", "--policy", "/run/irqgate-test.yaml", NULL);
	expect_is(o->status, 3, "irqgate run in lockdown=confidentiality");
	expect(strstr(o->err, "lockdown"), "the message is %s", o->err);
	expect_one_line(o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
	verb(3, "probe", NULL);
}

/* ---- persist.unload */

static long programs(void)
{
	char *argv[] = { "/usr/sbin/bpftool", "-j", "prog", NULL };
	struct json_object *all = json_tokener_parse(run(argv)->out);
	long n = json_object_is_type(all, json_type_array) ? (long)json_object_array_length(all)
							   : -1;

	json_object_put(all);
	return n;
}

/* The kernel frees programs some time after their last user. This waits until it did. */
static long programs_left(void)
{
	long n, last;

	for (n = programs();; n = last) {
		nap(1000);
		last = programs();
		if (n == last)
			return n;
	}
}

static void persist_unload(void)
{
	struct worker *w;
	long before, left;

	unload();
	before = programs_left();
	enforce(&nic, "[0-2]", "drop");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ABSENT, 3, 2, 1);
	verb(1, "unload", NULL); /* a loader runs */
	expect(loaded(), "unload removed what a loader uses");
	must(w, W_ABSENT, 3, 2, 1);
	loader_stop();
	must(w, W_ABSENT, 3, 2, 1);
	verb(0, "unload", NULL);
	expect(!loaded(), "unload left /sys/fs/bpf/irqgate");
	must(w, W_ARRIVES, 0, nic.vectors, 2);
	left = programs_left();
	expect(left == before, "%ld programs, %ld before irqgate ran", left, before);
	/* Nothing is loaded now. */
	verb(1, "unload", NULL);
	verb(1, "revoke", nic.handle, "0", NULL);
	verb(1, "show", "stats", NULL);
	verb(1, "apply", POLICY_FILE, NULL);
}

/* ---- without.*: each is in a boot of its own -------------------------------- */

static void expect_refused(const char *word)
{
	const struct output *o;

	write_text("/run/irqgate-test.yaml", ENFORCE CONTEXTS);
	chmod("/run/irqgate-test.yaml", 0600);
	o = irqgate("run", "--policy", "/run/irqgate-test.yaml", NULL);
	expect_is(o->status, 3, "irqgate run in enforce mode");
	expect(strstr(o->err, word), "the message lacks '%s': %s", word, o->err);
	expect_one_line(o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
	verb(3, "probe", NULL);
}

static void without_lsm(void)
{
	struct worker *w;

	expect_refused("LSM");
	loader_with(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
	w = vmm(NOBODY, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding in audit mode");
	must(w, W_ARRIVES, 0, nic.vectors, 2);
	COUNTS(&nic, .would_drop = 2);
}

static void without_remapping(void)
{
	expect_refused("remapping");
	loader_options("--allow-unsafe-interrupts");
	loader_with(ENFORCE CONTEXTS);
	loader_stop();
	loader_with(AUDIT CONTEXTS);
}

static const struct test tests[] = {
	{ "errors.usage", errors_usage },
	/* This test unloads, and the next one begins unloaded: loading takes long under TCG. */
	{ "errors.policy", errors_policy },
	{ "persist.unload", persist_unload },
	{ "without.lsm", without_lsm },
	{ "without.remapping", without_remapping },
	{ "errors.lockdown", errors_lockdown },
};

struct test_set error_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
