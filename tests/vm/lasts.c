// SPDX-License-Identifier: GPL-2.0-only
/* lasts.*: a revocation lasts until `allow`, whatever happens to policy and loader. */
#include "fixture.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/handle.h>
#include <irqgate/table.h>

#define KEPT "/var/lib/irqgate/revoked"
#define ALL_BLUE ENFORCE CONTEXTS "devices:\n" ROW

static struct worker *w;

/* Blue's VMM has bound all vectors, and vector 1 is revoked. */
static void begin(const char *persist)
{
	unlink(KEPT);
	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	verb(0, "revoke", nic.handle, "1", persist, NULL);
}

static void expect_revoked(const char *after)
{
	struct binding b;

	must(w, W_ABSENT, 1, 1, 1);
	must(w, W_ARRIVES, 2, 1, 1);
	expect(binding_of(nic.handle, 1, &b) && !strcmp(b.reason, "revoked"),
	       "the reason is %s after %s", b.reason, after);
	expect(strstr(irqgate("show", "revocations", NULL)->out, nic.handle),
	       "show revocations does not name it after %s", after);
}

static void expect_ended(void)
{
	verb(0, "allow", nic.handle, "1", "--to", "blue", NULL);
	must(w, W_ARRIVES, 1, 1, 1);
	expect(strstr(irqgate("show", "revocations", NULL)->out, "none"), "a revocation is left");
}

/* Under any policy, whichever way it came into force. `apply --dry-run` says so. */
static void lasts_reload(void)
{
	const struct output *o;

	begin(NULL);
	loader_reload(ALL_BLUE, nic.handle, "blue", "all", "drop");
	expect_revoked("SIGHUP");
	o = irqgate("apply", "--dry-run", POLICY_FILE, NULL);
	expect(strstr(o->out, "= revoked ") && strstr(o->out, "vectors 1: until"),
	       "apply --dry-run says %s", o->out);
	verb(0, "apply", POLICY_FILE, NULL);
	expect_revoked("apply");
	o = irqgate("explain", nic.handle, "1", NULL);
	expect(strstr(o->out, "irqgate allow"), "explain names no remedy: %s", o->out);
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "all", "drop",
		      edu.handle, "red", "all", "drop");
	expect_revoked("another policy");
	expect_ended();
	loader_reload(ALL_BLUE, nic.handle, "blue", "all", "drop");
	must(w, W_ARRIVES, 1, 1, 1);
}

static void lasts_restart(void)
{
	begin(NULL);
	loader_kill();
	loader_start(ALL_BLUE, nic.handle, "blue", "all", "drop");
	expect_revoked("kill -9");
	loader_stop();
	must(w, W_ABSENT, 1, 1, 1);
	loader_start(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "[0-3]", "drop");
	expect_revoked("a restart with another policy");
	expect_ended();
}

/* A revocation of all vectors is one row. After `allow` of some, the others stay revoked. */
static void lasts_all(void)
{
	begin(NULL);
	verb(0, "revoke", nic.handle, "all", NULL);
	expect_is(map_count("revoked"), 1, "rows");
	verb(0, "allow", nic.handle, "2-3", "--to", "blue", NULL);
	loader_reload(ALL_BLUE, nic.handle, "blue", "all", "drop");
	must(w, W_ABSENT, 0, 2, 1);
	must(w, W_ARRIVES, 2, 2, 1);
	must(w, W_ABSENT, 4, 1, 1);
	verb(0, "allow", nic.handle, "all", "--to", "blue", NULL);
	expect_is(map_count("revoked"), 0, "rows");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
}

#define MANY 3000

static void lasts_many(void)
{
	struct irqgate_revocation row = { .flags = IRQGATE_REVOKED_FUNCTION };
	struct irqgate_device_key key = {};
	int map, i;

	begin(NULL);
	memset(row.vectors, 0xff, sizeof(row.vectors));
	map = bpf_obj_get("/sys/fs/bpf/irqgate/revoked");
	expect(map >= 0, "revoked: %s", rig_errname(errno));
	for (i = 1; i < MANY; i++) {
		key.handle = irqgate_handle_pci(1, (__u8)(i >> 8), (__u8)i);
		expect(!bpf_map_update_elem(map, &key, &row, BPF_NOEXIST), "row %d: %s", i,
		       rig_errname(errno));
	}
	verb(0, "revoke", edu.handle, "all", NULL);
	loader_reload(ALL_BLUE, nic.handle, "blue", "all", "drop");
	expect_revoked("a reload with many");
	for (i = 0; !bpf_map_get_next_key(map, i ? &key : NULL, &key); i++)
		;
	close(map);
	expect_is(i, MANY + 1, "rows");
}

/* Only --persist outlasts `unload` and a reboot, in a file. `unload` ends other revocations. */
static void lasts_persist(void)
{
	begin("--persist");
	verb(0, "revoke", nic.handle, "3", NULL);
	loader_stop();
	verb(0, "unload", NULL);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	loader_start(ALL_BLUE, nic.handle, "blue", "all", "drop");
	expect_revoked("unload");
	must(w, W_ARRIVES, 3, 1, 1);
	expect_ended();
	expect(!strstr(run((char *[]){ "/bin/cat", KEPT, NULL })->out, nic.handle),
	       "an allowed vector is still in " KEPT);
	/* A file that irqgate cannot read must not mean that nothing is revoked. */
	loader_stop();
	write_text(KEPT, "pci:nonsense 1\n");
	expect_is(irqgate("run", "--policy", POLICY_FILE, NULL)->status, 1, "run with a bad " KEPT);
	unlink(KEPT);
}

static const struct test tests[] = {
	{ "lasts.reload", lasts_reload },   { "lasts.restart", lasts_restart },
	{ "lasts.all", lasts_all },         { "lasts.many", lasts_many },
	{ "lasts.persist", lasts_persist }, /* unloads */
};

struct test_set lasts_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
