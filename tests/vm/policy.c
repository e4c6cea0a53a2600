// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.*: applying, reloading and learning policies.
 * tool.*: the command does the same on every kernel, so these run on one.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROM "/run/irqgate-test.prom"
#define OTHER "/run/irqgate-other.yaml"
#define DEVICES "devices:\n"

/* ---- policies ------------------------------------------------------------------ */

PRINTF(2, 3) static void policy_to(const char *path, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write_text(path, text);
	chmod(path, 0600);
}

static void read_text(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");

	expect(f, "%s: %s", path, rig_errname(errno));
	buf[fread(buf, 1, len - 1, f)] = '\0';
	fclose(f);
}

static struct json_object *parse(const struct output *o, const char *what)
{
	struct json_object *root;

	expect(!o->status, "%s: exit %d: %s", what, o->status, o->err);
	root = json_tokener_parse(o->out);
	expect(root, "%s: no JSON: %.200s", what, o->out);
	return root;
}

static size_t length(struct json_object *o, const char *list)
{
	struct json_object *l = json_object_object_get(o, list);

	expect(json_object_is_type(l, json_type_array), "no list '%s'", list);
	return json_object_array_length(l);
}

static void expect_plan(const struct output *o, size_t added, size_t removed, size_t changed,
			size_t cut, size_t restored)
{
	struct json_object *plan = parse(o, "apply");

	expect(length(plan, "added") == added && length(plan, "removed") == removed &&
		       length(plan, "changed") == changed && length(plan, "cut") == cut &&
		       length(plan, "restored") == restored,
	       "the plan is %s", json_object_to_json_string(plan));
	json_object_put(plan);
}

static const struct output *apply(const char *path)
{
	return irqgate("apply", "-j", path, NULL);
}

static const struct output *dry_run(const char *path)
{
	return irqgate("apply", "-j", "--dry-run", path, NULL);
}

/* How many rows `show` prints with these filters. */
static size_t rows(const char *what, const char *a, const char *b)
{
	struct json_object *o = parse(irqgate("show", what, "-j", a, b, NULL), "show");
	size_t n = json_object_array_length(o);

	json_object_put(o);
	return n;
}

static const char *group_of(const struct device *d, char group[512])
{
	char path[128], target[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", d->bdf);
	n = readlink(path, target, sizeof(target) - 1);
	expect(n > 0, "%s has no IOMMU group", d->bdf);
	target[n] = '\0';
	return strcpy(group, strrchr(target, '/') + 1);
}

/* ---- apply --------------------------------------------------------------------- */

/* `apply` does what its dry run says. Vectors that both tables allow go on. */
static void policy_dry_run(void)
{
	struct worker *w;
	char *said;
	long before;

	loader_with(ENFORCE CONTEXTS DEVICES ROW ROW, nic.handle, "blue", "all", "drop", edu.handle,
		    "red", "all", "deny");
	w = bound_vmm(BLUE, &nic);
	policy_to(OTHER, ENFORCE CONTEXTS DEVICES ROW ROW, nic.handle, "blue", "[0-2]", "drop",
		  edu2.handle, "blue", "all", "deny");
	before = status_of("generation");
	said = strdup(dry_run(OTHER)->out);
	expect_plan(dry_run(OTHER), 1, 1, 1, 2, 0);
	expect_is(status_of("generation"), before, "generation after a dry run");
	must(w, W_ARRIVES, 0, nic.vectors, 1);

	mark();
	expect_plan(apply(OTHER), 1, 1, 1, 2, 0);
	expect_is(status_of("generation"), before + 1, "generation");
	expect_state(nic.handle, 3, 4, "quarantined");
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, 2, 2);
	COUNTS_OF(&nic, 0, 2, .passed = 2);
	COUNTS_OF(&nic, 3, 4, .dropped = 2);
	expect_plan(dry_run(OTHER), 0, 0, 0, 0, 0);

	expect_plan(apply(POLICY_FILE), 1, 1, 1, 0, 2);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	/* The same again: the output is, word for word, that of the dry run. */
	expect(!strcmp(apply(OTHER)->out, said), "apply differs from its dry run: %s", said);
	free(said);
	said = strdup(irqgate("apply", "--dry-run", POLICY_FILE, NULL)->out);
	expect(strstr(said, "+ device pci:") && strstr(said, "- device pci:") &&
		       strstr(said, "~ device pci:") && strstr(said, "! restore pci:"),
	       "the text is %s", said);
	free(said);
}

/* No authorized interrupt is lost, and none of a cut vector gets through. */
static void policy_stream(void)
{
	struct worker *w;
	struct counts c;
	long raised;
	int i;

	with(&igb); /* on a busy machine e1000e may send a message twice: rig_repeats() */
	enforce(&igb, "all", "drop");
	policy_to(OTHER, ENFORCE CONTEXTS DEVICES ROW, igb.handle, "blue", "[0-7]", "deny");
	w = bound_driver(BLUE, &igb);
	mark();
	must(w, W_STREAM, 1, 2000, 0);
	for (i = 0; i < 3; i++) {
		expect_plan(apply(OTHER), 0, 0, 1, 2, 0);
		expect_plan(apply(POLICY_FILE), 0, 0, 1, 0, 2);
	}
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	expect(raised > 50, "only %ld raised", raised);
	expect_is(ask(w, W_TAKE, 1, 0, 0), raised, "count at the owner");
	COUNTS_OF(&igb, 1, 1, .passed = raised);
	worker_end(w, false);

	w = bound_vmm(BLUE, &igb);
	mark();
	must(w, W_STREAM, 8, 2000, 0);
	expect_plan(apply(OTHER), 0, 0, 1, 2, 0);
	must(w, W_PENDING, 0, 0, 0); /* clears what arrived before */
	nap(300);
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after apply returned");
	must(w, W_STREAM_STOP, 0, 0, 0);
	c = counted(igb.handle, 8);
	expect(c.dropped && !c.leaked, "dropped %ld, leaked %ld", c.dropped, c.leaked);
}

static void tool_errors(void)
{
	char group[512];
	const struct output *o;
	struct worker *w;
	long before;

	enforce(&nic, "all", "deny");
	w = bound_vmm(BLUE, &nic);
	before = status_of("generation");
	policy_to(OTHER, ENFORCE CONTEXTS "devices: nonsense\n");
	verb(2, "apply", OTHER, NULL);
	verb(2, "apply", "/run/no-such-file", NULL);
	verb(2, "apply", "--mode", "nonsense", POLICY_FILE, NULL);
	/* Two rows that select one function in different ways. */
	policy_to(OTHER,
		  ENFORCE DEVICES ROW "  - { match: { iommu_group: %s }, context: host, noi: 1 }\n",
		  edu.handle, "host", "all", "deny", group_of(&edu, group));
	verb(2, "check", OTHER, NULL);
	o = irqgate("apply", OTHER, NULL);
	expect(o->status == 2 && strstr(o->err, OTHER ":5: IOMMU group ") &&
		       strstr(o->err, " which " OTHER ":4 selects"),
	       "the message is %s", o->err);
	expect_is(status_of("generation"), before, "generation after refused policies");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	verb(2, "show", "bindings", "color=red", NULL);
	verb(2, "explain", nic.handle, "0-3", NULL);
	verb(2, "explain", nic.handle, "0", "--to", "nobody-knows", NULL);
	verb(2, "monitor", "--since", "yesterday", NULL);
	verb(2, "learn", "--for", "ever", NULL);
	verb(2, "metrics", "--listen", "0.0.0.0:9876", NULL);
	verb(2, "metrics", "--every", "5", NULL);
	verb(3, "verify", NULL);
}

/* ---- reload -------------------------------------------------------------------- */

/* The loader soon puts a changed file in force. A bad file leaves the old table. */
static void policy_files(void)
{
	struct worker *w;
	char filter[64];

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	policy_to(POLICY_FILE, ENFORCE CONTEXTS DEVICES ROW, nic.handle, "blue", "[0-2]", "drop");
	expect(wait_for(5000, vector_is(&nic, 3, "quarantined")), "a written file has no effect");
	must(w, W_ABSENT, 3, 2, 1);

	policy_to(POLICY_FILE, ENFORCE "contexts:\n  - { name: blue }\n");
	expect(wait_for(5000, loader_said("the policy was not reloaded")),
	       "the loader does not report the bad file");
	must(w, W_ARRIVES, 0, 3, 1);
	must(w, W_ABSENT, 3, 2, 1);

	policy_to(OTHER, ENFORCE CONTEXTS DEVICES ROW, nic.handle, "blue", "[0-3]", "drop");
	expect(!rename(OTHER, POLICY_FILE), "rename: %s", rig_errname(errno));
	expect(wait_for(5000, vector_is(&nic, 3, "bound")), "a replaced file has no effect");
	must(w, W_ARRIVES, 0, 4, 1);

	expect(!mkdir(POLICY_DIR, 0755), "mkdir: %s", rig_errname(errno));
	policy_to(POLICY_DIR "/10-edu.yaml", "version: 1\n" DEVICES ROW, edu.handle, "blue", "all",
		  "deny");
	snprintf(filter, sizeof(filter), "handle=%s", edu.bdf);
	expect(wait_for(5000, rows("devices", filter, NULL) == 1),
	       "a file of the directory has no effect");
	must(w, W_ARRIVES, 0, 4, 1);
}

/* A running loader follows the policy that `apply` put in force, not its own file. */
static void tool_follow(void)
{
	static const char exe[] = "/run/irqgate-follow";
	const struct worker_options late = { .cgroup = NOBODY, .exe = exe };

	unlink(exe);
	loader_with(ENFORCE "contexts:\n  - { name: late, match: { exe: %s } }\n" DEVICES ROW, exe,
		    edu.handle, "late", "all", "deny");
	policy_to(OTHER, ENFORCE CONTEXTS DEVICES ROW, edu.handle, "blue", "all", "deny");
	verb(0, "apply", OTHER, NULL);
	copy_self(exe);
	nap(2500); /* by now the loader would have found the executable of its own file */
	expect(rows("contexts", "context=late", NULL) == 0, "the old context is back");
	expect_member(worker_as(&late), &edu, false, "an executable of the old policy");
	expect_member(worker_new(BLUE), &edu, true, "a context of the applied policy");
	kill(loader_pid(), SIGHUP);
	expect(wait_for(5000, rows("contexts", "context=late", NULL) == 1),
	       "SIGHUP does not reload the loader's own policy");
	expect_member(worker_as(&late), &edu, true, "an executable that appeared");
	unlink(exe);
}

/* ---- devices that `match` selects ------------------------------------------------ */

static void sysfs_write(const char *bdf, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	write_text(path, text);
}

static void policy_select(void)
{
	char group[512], filter[64];

	loader_with(ENFORCE CONTEXTS DEVICES
		    "  - { match: { id: \"1234:11e8\" }, context: blue, vectors: all }\n"
		    "  - { match: { id: \"1234:11e8\", count: 8 }, context: red, vectors: all }\n"
		    "  - { match: { iommu_group: %s }, context: blue, vectors: [0-1] }\n"
		    "%s%s%s",
		    group_of(&nic, group), igb.vectors ? "  - { match: { pf: \"" : "",
		    igb.vectors ? igb.handle : "",
		    igb.vectors ? "\", vf: 0 }, context: red, noi: 1 }\n" : "");
	expect_member(worker_new(BLUE), &edu, true, "blue of the first edu");
	expect_member(worker_new(BLUE), &edu2, false, "blue of the second edu");
	expect_member(worker_new(RED), &edu2, true, "red of the second edu");
	expect(rows("devices", "context=blue", "noi=2") == 1, "the IOMMU group has no row");
	snprintf(filter, sizeof(filter), "handle=%s", nic.bdf);
	expect(rows("devices", filter, "context=blue") == 1, "the group's function has no row");
	if (!igb.vectors || rig_pci_release(igb.bdf))
		return;
	expect(rows("devices", "context=red", NULL) == 1, "a VF that is not there has a row");
	sysfs_write(igb.bdf, "sriov_numvfs", "1");
	expect(wait_for(8000, rows("devices", "context=red", "noi=1") == 1),
	       "a VF that appeared has no row");
	sysfs_write(igb.bdf, "sriov_numvfs", "0");
	expect(wait_for(8000, rows("devices", "context=red", "noi=1") == 0),
	       "a VF that went still has a row");
}

/* ---- learn ----------------------------------------------------------------------- */

/* In enforce mode, a learned policy allows what it was learned from, and nothing else. */
static void policy_learn(void)
{
	struct worker *good, *reader, *other;
	char text[16384];

	loader_with(AUDIT "defaults: { unlisted_source: audit }\n");
	good = vmm(BLUE, &nic);
	must(good, W_IRQFD, 0, 3, 0);
	must(good, W_VFIO, 0, 3, 0);
	reader = bound_driver(RED, &edu);
	must(good, W_RAISE, 0, 2, 3);
	unlink(OTHER);
	verb(0, "learn", "--for", "1", "--output", OTHER, NULL);
	verb(0, "check", OTHER, NULL);
	read_text(OTHER, text, sizeof(text));
	expect(strstr(text, "cgroup: \"/t/blue\"") && strstr(text, "cgroup: \"/t/red\"") &&
		       strstr(text, "vectors: [0-2]") && strstr(text, "seen 20") &&
		       strstr(text, "interrupts:") && strstr(text, "unlisted_device: deny") &&
		       strstr(text, "unlisted_host: allow") && !strstr(text, "context: \"host\""),
	       "learned: %s", text);

	expect(!irqgate("apply", OTHER, NULL)->status, "the learned policy cannot be applied");
	expect_state(nic.handle, 0, 2, "bound");
	must(good, W_ARRIVES, 0, 3, 2);
	must(good, W_VFIO_OFF, 0, 0, 0);
	expect_is(ask(good, W_VFIO, 0, nic.vectors, 0), -EACCES, "binding more vectors");
	must(good, W_VFIO, 0, 3, 0);
	must(good, W_ARRIVES, 0, 3, 2);
	must(reader, W_RAISE, 0, 1, 2);
	expect(wait_for(1000, ask(reader, W_TAKE, 0, 0, 0) > 0),
	       "the driver's interrupts stay out");
	other = vmm(BLUE, &edu2);
	expect_is(bind_all(other, &edu2, IRQFD_FIRST), -EACCES, "binding another device");
	worker_end(reader, false);
	/* The learned policy gives the device to the context that had it. */
	expect_is(ask_text(worker_new(BLUE), W_OPEN, edu.bdf), -EACCES, "another context");
	expect_member(worker_new(RED), &edu, true, "the same workload again");
}

/* ---- explain --------------------------------------------------------------------- */

static void expect_explained(unsigned int vector, const char *to, const char *verdict,
			     const char *reason, const char *where)
{
	struct json_object *o;
	char number[8];
	const struct output *out;

	snprintf(number, sizeof(number), "%u", vector);
	out = irqgate("explain", "-j", nic.handle, number, to ? "--to" : NULL, to, NULL);
	expect(!where || strstr(out->out, where), "explain does not name %s: %s", where, out->out);
	o = parse(out, "explain");
	expect(!strcmp(field(o, "verdict"), verdict) && !strcmp(field(o, "reason"), reason),
	       "vector %u is %s (%s), expected %s (%s)", vector, field(o, "verdict"),
	       field(o, "reason"), verdict, reason);
	expect(length(o, "steps") >= 4 && length(o, "remedies") >= 1, "too few steps: %s",
	       json_object_to_json_string(o));
	json_object_put(o);
}

static void tool_explain(void)
{
	struct worker *w;
	struct binding b;

	enforce(&nic, "[0-2]", "drop");
	w = bound_vmm(BLUE, &nic);
	expect_running(w);
	/* Rows begin on line 7, after version, mode, contexts with two rows, and devices. */
	expect_explained(0, NULL, "allow", "registered", POLICY_FILE ":7");
	expect_explained(3, NULL, "drop", "vector", POLICY_FILE ":7");
	expect_explained(1, "red", "drop", "context", POLICY_FILE ":7");
	expect(binding_of(nic.handle, 3, &b) && !strcmp(b.verdict, "drop") &&
		       !strcmp(b.reason, "vector"),
	       "the kernel says %s (%s)", b.verdict, b.reason);
	verb(0, "allow", nic.handle, "3", "--to", "blue", NULL);
	expect_explained(3, NULL, "allow", "registered", "blue");
	verb(0, "revoke", nic.handle, "0", NULL);
	expect_explained(0, NULL, "drop", "revoked", "irqgate revoke");
	/* A policy does not allow a revoked vector. The remedy that explain names does. */
	verb(0, "apply", POLICY_FILE, NULL);
	expect_explained(0, NULL, "drop", "revoked", "irqgate allow");
	verb(0, "allow", nic.handle, "0", "--to", "blue", NULL);
	expect_explained(0, NULL, "allow", "registered", NULL);
	must(w, W_ARRIVES, 0, 3, 1);
}

/* ---- show ------------------------------------------------------------------------ */

/* `show` has the fields of docs/output.md, in that order. New ones may follow. */
static void expect_fields(const char *what, const char *want)
{
	struct json_object *all = show(what), *row;
	char got[512] = "";

	expect(json_object_array_length(all), "show %s: no rows", what);
	row = json_object_array_get_idx(all, 0);
	json_object_object_foreach(row, key, value) {
		(void)value;
		sprintf(got + strlen(got), "%s%s", *got ? ", " : "", key);
	}
	json_object_put(all);
	expect(!strncmp(got, want, strlen(want)), "show %s has the fields %s, expected %s", what,
	       got, want);
}

static void expect_gsi(struct json_object *ev, bool known, long gsi)
{
	struct json_object *o = NULL;

	expect(ev && json_object_object_get_ex(ev, "gsi", &o), "no event, or one without a gsi");
	expect(known ? o && json_object_get_int64(o) == gsi : !o, "the gsi is %s, expected %s%ld",
	       o ? json_object_get_string(o) : "null", known ? "" : "not ", gsi);
	json_object_put(ev);
}

/* The GSI of an event is the one that KVM was told, or null. */
static void tool_gsi(void)
{
	struct worker *w, *foreign, *reader;
	struct json_object *all;
	long gsi = -1;
	size_t i;

	enforce(&nic, "[0-2]", "drop");
	w = bound_vmm(BLUE, &nic);
	all = show("bindings");
	for (i = 0; i < json_object_array_length(all); i++)
		if (number(json_object_array_get_idx(all, i), "vector") == 3)
			gsi = number(json_object_array_get_idx(all, i), "gsi");
	json_object_put(all);
	expect(gsi > 0, "show bindings has no gsi of vector 3");
	mark();
	must(w, W_ABSENT, 3, 1, 1);
	expect_gsi(event_wait("drop", "vector", "quarantine", nic.handle, 3), true, gsi);
	worker_end(w, false);
	/* The gate refused KVM_IRQFD, so the GSI is that of the call. */
	enforce(&edu, "all", "deny");
	w = bound_driver(BLUE, &edu);
	foreign = red_vm(w);
	mark();
	expect_is(ask(foreign, W_IRQFD, 0, 1, 0), -EACCES, "KVM_IRQFD");
	expect_gsi(event_wait("deny", "context", "bind", edu.handle, 0), true, gsi - 3);
	worker_end(foreign, false);
	worker_end(w, false);
	/* Without a VM there is no GSI. */
	reader = driver(RED, &edu);
	mark();
	expect_is(ask(reader, W_VFIO, 0, 1, 0), -EACCES, "binding");
	expect_gsi(event_wait("deny", "context", "bind", edu.handle, 0), false, 0);
}

static void expect_device(const struct device *d, const char *state, const char *driver, long pid)
{
	struct json_object *all = show("devices"), *row = NULL;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++)
		if (!strcmp(field(json_object_array_get_idx(all, i), "handle"), d->handle))
			row = json_object_array_get_idx(all, i);
	expect(row && !strcmp(field(row, "state"), state) &&
		       !strcmp(field(row, "driver"), driver) &&
		       (pid ? number(row, "pid") == pid : !json_object_object_get(row, "pid")),
	       "%s is %s, expected %s by %s, process %ld", d->handle,
	       row ? json_object_to_json_string(row) : "not there", state, driver, pid);
	json_object_put(all);
}

/* `show devices` tells whether a device exists, its driver, and the process that bound it. */
static void tool_devices(void)
{
	const struct device gone = { .bdf = "0000:77:1f.7", .handle = "pci:0000:77:1f.7" };
	struct binding b;
	struct worker *w;

	loader_with(ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "all", "deny",
		    gone.handle, "blue", "all", "deny");
	w = vmm(BLUE, &nic);
	expect_device(&nic, "vfio", "vfio-pci", 0);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	expect(binding_of(nic.handle, 0, &b), "not bound");
	expect_device(&nic, "vfio", "vfio-pci", b.pid);
	expect_device(&gone, "absent", "", 0);
}

static long of_context(const char *name, const char *what)
{
	struct json_object *all = show("contexts");
	long n = -1;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++)
		if (!strcmp(field(json_object_array_get_idx(all, i), "context"), name))
			n = number(json_object_array_get_idx(all, i), what);
	json_object_put(all);
	return n;
}

/* How many processes and VMs a context has; a user by name; warnings of rows that match nothing. */
static void tool_contexts(void)
{
	const struct output *out;
	struct worker *w;

	loader_with(ENFORCE CONTEXTS);
	w = vmm(BLUE, &nic);
	expect_is(of_context("blue", "processes"), 1, "processes of blue");
	expect_is(of_context("blue", "vms"), 1, "VMs of blue");
	expect_is(of_context("red", "processes"), 0, "processes of red");
	expect_is(of_context("red", "vms"), 0, "VMs of red");
	worker_end(w, false);
	/* The loader resolves the name although it has given up its privileges. */
	loader_with(ENFORCE "contexts:\n  - { name: admin, match: { uid: daemon } }\n");
	expect_is(of_context("admin", "processes"), 0, "processes of a user that has none");
	write_text(OTHER, AUDIT "contexts:\n  - { name: all, match: { cgroup: \"/t/*\" } }\n");
	chmod(OTHER, 0600);
	out = irqgate("apply", OTHER, NULL);
	expect(!out->status &&
		       strstr(out->err, ":4: warning: context all: no cgroup is called '/t/*'"),
	       "apply ends with %d and says: %s", out->status, out->err);
	out = irqgate("check", OTHER, NULL);
	expect(!out->status && strstr(out->err, ":4: warning: ") &&
		       strstr(out->err, ":4: note: context all matches no process now"),
	       "check ends with %d and says: %s", out->status, out->err);
}

static void tool_fields(void)
{
	enforce(&nic, "[0-2]", "drop");
	bound_vmm(BLUE, &nic);
	expect_fields("devices", "handle, context, gd, noi, all, on_violation, last_resort, state, "
				 "driver, pid, comm, access, brokers, on_mapped, holders");
	expect_fields("vectors", "handle, vector, context, gd, on_violation, revoked");
	expect_fields("contexts", "context, gd, strict, processes, vms");
	expect_fields("bindings", "handle, vector, irq, eventfd, vm, gsi, context, gd, state, "
				  "direct, verdict, reason, pid");
	expect_fields("stats", "handle, vector, context, gd, passed, dropped, denied, would_drop, "
			       "leaked, audited, replayed");
	verb(0, "revoke", edu.handle, "0", NULL);
	expect_fields("revocations", "handle, vectors, persistent, since");
	expect_fields("hooks", "hook, function, variant, state, runs, missed, what");
	expect(rows("bindings", "state=quarantined", "context=blue") == 2 &&
		       rows("bindings", "state=bound", "verdict=allow") == 3 &&
		       rows("bindings", "state=bound", "context=red") == 0,
	       "the filters of show bindings do not filter");
}

/* ---- metrics ---------------------------------------------------------------------- */

static long metric(const char *text, const char *name)
{
	const char *p = text;
	size_t len = strlen(name);

	for (; p; p = strchr(p, '\n'), p += !!p)
		if (!strncmp(p, name, len) && p[len] == ' ')
			return atol(p + len);
	return -1;
}

static long of_vector(const char *text, const char *family, unsigned int vector, const char *label)
{
	const char *context = vector < 3 ? "blue" : "-";
	char name[256];

	snprintf(name, sizeof(name), "irqgate_%s{handle=\"%s\",vector=\"%u\",context=\"%s\",%s}",
		 family, nic.handle, vector, context, label);
	return metric(text, name);
}

static long more(const char *before, const char *after, const char *family, unsigned int vector,
		 const char *label)
{
	long was = of_vector(before, family, vector, label);

	return of_vector(after, family, vector, label) - (was < 0 ? 0 : was);
}

/* GET of @path from 127.0.0.1; "" if no process listens. */
static void http_get(const char *path, char *buf, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9876) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[128];
	size_t used = 0;
	ssize_t n;

	*buf = '\0';
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
	if (!connect(s, (void *)&to, sizeof(to)) &&
	    write(s, request, strlen(request)) == (ssize_t)strlen(request))
		while (used < len - 1 && (n = read(s, buf + used, len - 1 - used)) > 0)
			used += (size_t)n;
	buf[used] = '\0';
	close(s);
}

/* Runs irqgate in the background with its output to @out. The caller kills it. */
static pid_t background(char *const argv[], int out)
{
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(out < 0 ? null : out, 1);
		dup2(null, 2);
		execv(irqgate_path(), argv);
		_exit(127);
	}
	return pid;
}

static void tool_metrics(void)
{
	static char *const serve[] = { "irqgate", "metrics", "--listen", "9876", NULL };
	static char before[262144], text[262144];
	struct worker *w;
	pid_t pid;

	enforce(&nic, "[0-2]", "drop");
	verb(0, "metrics", "--textfile", PROM, NULL);
	read_text(PROM, before, sizeof(before));
	w = bound_vmm(BLUE, &nic);
	expect_running(w);
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, 2, 3);
	run((char *[]){ "/sbin/ip", "link", "set", "lo", "up", NULL });
	pid = background(serve, -1);
	expect(wait_for(10000, (http_get("/metrics", text, sizeof(text)), *text)),
	       "irqgate metrics --listen does not answer");
	http_get("/else", text, 4096);
	expect(strstr(text, " 404 "), "for another page: %.80s", text);
	http_get("/metrics", text, sizeof(text));
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	expect(strstr(text, " 200 ") && strstr(text, "version=0.0.4"), "the answer is %.200s",
	       text);
	expect_is(more(before, text, "interrupts_total", 1, "verdict=\"allow\""), 2, "passed");
	expect_is(more(before, text, "interrupts_total", 1, "verdict=\"leak\""), 0, "leaked");
	expect_is(more(before, text, "interrupts_total", 4, "verdict=\"drop\""), 3, "dropped");
	expect_is(more(before, text, "violations_total", 4, "reason=\"vector\""), 3, "by reason");
	expect_is(metric(text, "irqgate_bindings{state=\"quarantined\",verdict=\"drop\"}"), 2,
		  "quarantined");
	expect_is(metric(text, "irqgate_table_generation"), status_of("generation"), "generation");
	expect_is(metric(text, "irqgate_loaded"), 1, "loaded");
	expect_is(metric(text, "irqgate_loader_up"), 1, "loader");
	expect_is(metric(text, "irqgate_enforcing"), 1, "enforcing");
	expect_is(metric(text, "irqgate_events_lost_total"), status_of("lost_events"),
		  "lost events");
	expect(metric(text, "irqgate_hook_missed_total{hook=\"vfio_msi\"}") >= 0,
	       "no recursion misses");
	expect(strstr(text, "irqgate_hook_attached{hook=\"gate_ioctl\""), "no hooks");
}

/* ---- monitor ---------------------------------------------------------------------- */

/* The output of `monitor` with these options after some seconds. */
static const struct output *monitor_for(const char *seconds, const char *a, const char *b,
					const char *c)
{
	char *argv[] = { "/usr/bin/timeout", (char *)seconds, irqgate_path(), "monitor",
			 (char *)a,          (char *)b,       (char *)c,      NULL };

	return run(argv);
}

static struct worker *violate(void)
{
	struct worker *w;

	enforce(&nic, "[0-2]", "drop");
	w = bound_vmm(BLUE, &nic);
	expect_running(w);
	must(w, W_ABSENT, 4, 1, 3);
	return w;
}

static long dropped_of(const char *a, const char *b)
{
	struct json_object *o = parse(irqgate("show", "stats", "-j", a, b, NULL), "show stats");
	long n = json_object_array_length(o) == 1
			 ? atol(field(json_object_array_get_idx(o, 0), "dropped"))
			 : -1;

	json_object_put(o);
	return n;
}

static void tool_monitor(void)
{
	struct json_object *o;
	const struct output *out;
	char *line, handle[64];

	violate();
	out = monitor_for("2", "--since", "boot", "-j");
	o = NULL;
	for (line = strtok((char *)out->out, "\n"); line && !o; line = strtok(NULL, "\n")) {
		o = json_tokener_parse(line);
		expect(o, "not JSON: %s", line);
		if (!strcmp(field(o, "handle"), nic.handle) && !strcmp(field(o, "vector"), "4") &&
		    !strcmp(field(o, "verdict"), "drop"))
			break;
		json_object_put(o);
		o = NULL;
	}
	expect(o, "nothing about vector 4 since boot: %s", out->err);
	expect(!strcmp(field(o, "summary"), "true"), "the event is no summary");
	snprintf(handle, sizeof(handle), "handle=%s", nic.handle);
	expect_is(atol(field(o, "count")), dropped_of(handle, "vector=4"), "count");
	json_object_put(o);
	nap(1100);
	expect(!*monitor_for("2", "--since", "1s", NULL)->out, "an event of the last second");
}

#define JOURNAL "/run/systemd/journal/socket"

/* A stand-in for journald, which takes datagrams of FIELD=value lines. */
static int journal_listen(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = JOURNAL };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	run((char *[]){ "/bin/mkdir", "-p", "/run/systemd/journal", NULL });
	if (!access(JOURNAL, F_OK))
		test_skip("journald runs here");
	expect(!bind(s, (void *)&addr, sizeof(addr)), "bind: %s", rig_errname(errno));
	return s;
}

static void tool_journal(void)
{
	char text[8192] = "", handle[64];
	int s = journal_listen();
	bool found = false;
	ssize_t n;

	violate();
	monitor_for("2", "--since", "boot", "--journal");
	snprintf(handle, sizeof(handle), "IRQGATE_HANDLE=%s\n", nic.handle);
	while (!found && (n = recv(s, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		found = strstr(text, handle) && strstr(text, "IRQGATE_VERDICT=drop\n") &&
			strstr(text, "IRQGATE_VECTOR=4\n");
	}
	close(s);
	unlink(JOURNAL);
	expect(found, "no entry of vector 4; the last is %s", text);
	expect(strstr(text, "MESSAGE=drop ") && strstr(text, "PRIORITY=4\n") &&
		       strstr(text, "MESSAGE_ID=") && strstr(text, "SYSLOG_IDENTIFIER=irqgate"),
	       "the entry is %s", text);
}

/* A name with a newline, a journal field, an escape sequence, half a character and a quote. */
#define HOSTILE "a\nMESSAGE=x\033[\377\""
#define SHOWN "a?MESSAGE=x?[?\""
#define SHOWN_JSON "a?MESSAGE=x?[?\\\""

static void expect_plain(const char *text, const char *what)
{
	const char *c;

	expect(*text, "%s says nothing", what);
	for (c = text; *c; c++)
		expect(*c == '\n' || (*c >= ' ' && *c <= '~'), "%s prints the character %d", what,
		       *c);
	expect(!strstr(text, "\nMESSAGE=x"), "%s has a line of the process's: %s", what, text);
}

static const char *file_of(const char *path)
{
	static char text[262144];

	read_text(path, text, sizeof(text));
	return text;
}

static bool in_journal(int s)
{
	char text[8192];
	ssize_t n;

	while ((n = recv(s, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		expect_plain(text, "the journal");
		if (strstr(text, "IRQGATE_COMM=" SHOWN "\n"))
			return true;
	}
	return false;
}

/* A process may choose any name. Every output of irqgate that prints the name is safe. */
static void tool_hostile(void)
{
	static char *const follow[][4] = { { "irqgate", "monitor", NULL },
					   { "irqgate", "monitor", "-j", NULL },
					   { "irqgate", "monitor", "--journal", NULL } };
	static char *const ask_it[][5] = { { "show", "bindings" },
					   { "show", "bindings", "-j" },
					   { "show", "stats", "-j" },
					   { "top", "-b", "-n", "1" },
					   { "explain", nic.handle, "0" },
					   { "graph", "--full" },
					   { "metrics", "--textfile", PROM },
					   { "learn", "--for", "1", "--output", OTHER } };
	static const char *const files[] = { "/run/irqgate-told.text", "/run/irqgate-told.json" };
	const struct worker_options hostile = { .cgroup = BLUE, .exe = "/run/" HOSTILE };
	int s = journal_listen(), out[3], tries;
	const struct output *o;
	bool journal = false, told = false;
	struct worker *w;
	pid_t pid[3];
	size_t i;

	copy_self(hostile.exe);
	enforce(&nic, "[0-2]", "deny");
	for (i = 0; i < 3; i++) {
		out[i] = i < 2 ? open(files[i], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
		pid[i] = background(follow[i], out[i]);
	}
	w = worker_as(&hostile);
	equip(w, &nic);
	unlink(hostile.exe);
	must(w, W_VFIO, 0, 3, 0);
	must(w, W_IRQFD, 0, 3, 0);
	for (tries = 0; tries < 40 && !told; tries++) {
		expect_is(ask(w, W_VFIO, 0, nic.vectors, 0), -EACCES, "binding all");
		nap(250);
		journal = journal || in_journal(s);
		told = journal && strstr(file_of(files[0]), "by " SHOWN "[") &&
		       strstr(file_of(files[1]), "\"comm\":\"" SHOWN_JSON "\"");
	}
	for (i = 0; i < 3; i++) {
		kill(pid[i], SIGTERM);
		waitpid(pid[i], NULL, 0);
	}
	close(s);
	unlink(JOURNAL);
	expect(told, "monitor does not name %s: %s%s", SHOWN, file_of(files[0]), file_of(files[1]));
	for (i = 0; i < 2; i++) {
		close(out[i]);
		expect_plain(file_of(files[i]), "monitor");
	}
	/* Every verb that may print the name of a process. */
	for (i = 0; i < sizeof(ask_it) / sizeof(ask_it[0]); i++) {
		char *const *a = ask_it[i];

		o = irqgate(a[0], a[1], a[2], a[3], a[4], NULL);
		expect(!o->status, "%s %s: exit %d: %s", a[0], a[1], o->status, o->err);
		expect_plain(!strcmp(a[0], "metrics") ? file_of(PROM)
			     : !strcmp(a[0], "learn") ? file_of(OTHER)
						      : o->out,
			     a[0]);
	}
	verb(0, "check", OTHER, NULL);
}

/* A loader does its work even if no process reads its output. */
static void tool_unread(void)
{
	char *const argv[] = { "irqgate", "run", "--policy", POLICY_FILE, NULL };
	int full[2], flags, status;
	struct worker *w;
	pid_t pid;

	enforce(&nic, "all", "drop"); /* writes the policy */
	loader_stop();
	expect(!pipe(full), "pipe: %s", rig_errname(errno));
	flags = fcntl(full[1], F_GETFL);
	fcntl(full[1], F_SETFL, flags | O_NONBLOCK);
	while (write(full[1], "x", 1) == 1)
		;
	fcntl(full[1], F_SETFL, flags);
	pid = background(argv, full[1]);
	expect(wait_for(30000, !irqgate("status", NULL)->status), "the loader does not start");
	w = vmm(NOBODY, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	expect_running(w);
	must(w, W_ABSENT, 0, nic.vectors, 3);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	kill(pid, SIGTERM);
	expect(waitpid(pid, &status, 0) == pid && !status, "the loader ended with status %x",
	       status);
	close(full[0]);
	close(full[1]);
}

struct test_set policy_tests(void)
{
	static const struct test tests[] = {
		{ "policy.dry_run", policy_dry_run }, { "policy.stream", policy_stream },
		{ "tool.errors", tool_errors },       { "policy.files", policy_files },
		{ "tool.follow", tool_follow },       { "policy.select", policy_select },
		{ "policy.learn", policy_learn },     { "tool.explain", tool_explain },
		{ "tool.contexts", tool_contexts },   { "tool.gsi", tool_gsi },
		{ "tool.devices", tool_devices },     { "tool.fields", tool_fields },
		{ "tool.metrics", tool_metrics },     { "tool.monitor", tool_monitor },
		{ "tool.journal", tool_journal },     { "tool.unread", tool_unread },
		{ "tool.hostile", tool_hostile },
	};

	return TEST_SET(tests, .loader_stays = true);
}
