// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmtest: what irqgate promises, seen from where interrupts arrive: the IRR of a
 * VM's local APIC, or the eventfd's count at its owner. Only then irqgate's own
 * counters are compared, which must be exact.
 *
 * usage: vmtest [PATTERN...]   runs the tests whose names match every pattern
 */
#include "fixture.h"
#include "worker-evade.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- modules.* -------------------------------------------------------------- */

void modprobe(const char *option, const char *a, const char *b)
{
	char *argv[] = { "/sbin/modprobe", (char *)option, (char *)a, (char *)b, NULL };
	const struct output *o = run(argv);

	expect(!o->status, "modprobe %s %s: %s", option, a, o->err);
}

static bool module_here(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static bool try_unload_modules(void)
{
	static const char *const names[] = { "vfio_pci", "vfio_pci_core", "kvm_amd", "kvm" };
	bool here = false;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *argv[] = { "/sbin/modprobe", "-r", (char *)names[i], NULL };

		if (module_here(names[i]))
			run(argv);
		here |= module_here(names[i]);
	}
	return !here;
}

/* The kernel lets go of a module some time after the last program left it. */
static void modules_gone(void)
{
	unload();
	if (!wait_for(10000, try_unload_modules()))
		test_skip("vfio or kvm cannot be unloaded");
}

static bool hook_live(struct json_object *all, const char *name)
{
	size_t n = json_object_array_length(all), i;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		if (!strcmp(field(o, "hook"), name))
			return !strcmp(field(o, "state"), "live");
	}
	return false;
}

/* Every hook, but of the two for irqfds the one this kernel has. */
static const char *hook_missing(void)
{
	static char name[64];
	struct json_object *all = show("hooks");
	size_t n = json_object_array_length(all), i;

	*name = '\0';
	for (i = 0; i < n && !*name; i++) {
		const char *hook = field(json_object_array_get_idx(all, i), "hook");

		if (strncmp(hook, "inline_", 7) && strcmp(hook, "vector_changing") &&
		    strncmp(hook, "irqfd_queued", 12) && strncmp(hook, "irqfd_registered", 16) &&
		    !hook_live(all, hook))
			snprintf(name, sizeof(name), "%s", hook);
	}
	if (!*name && hook_live(all, "irqfd_queued") == hook_live(all, "irqfd_registered"))
		strcpy(name, "one of irqfd_queued and irqfd_registered");
	json_object_put(all);
	return *name ? name : NULL;
}

/* Modules that appear are hooked, and what was bound before that is found. */
static void modules_late(void)
{
	struct worker *early, *late;
	const char *missing = "";

	modules_gone();
	loader_start(ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "all", "drop",
		     edu.handle, "blue", "all", "deny");
	expect_privileges(true);
	/* Stopped, it cannot be quicker than the VMM. */
	kill(loader_pid(), SIGSTOP);
	modprobe("-a", "vfio-pci", "kvm-amd");
	early = bound_vmm(NOBODY, &nic);
	must(early, W_ARRIVES, 0, nic.vectors, 1);
	kill(loader_pid(), SIGCONT);
	wait_for(60000, !(missing = hook_missing()));
	expect(!missing, "%s is not live after the modules were loaded", missing);
	expect_privileges(false);
	mark();
	must(early, W_ABSENT, 0, nic.vectors, 2);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	COUNTS(&nic, .dropped = 2);
	late = vmm(NOBODY, &edu);
	expect_is(bind_all(late, &edu, IRQFD_FIRST), -EACCES, "binding after hooking");
	must(late, W_ABSENT, 0, 1, 1);
	COUNTS(&edu, .denied = 1);
}

/* The same, with loader and VMM racing. */
static void modules_race(void)
{
	const char *missing = "";
	struct worker *w;
	int i;

	modules_gone();
	enforce(&nic, "all", "drop");
	modprobe("-a", "vfio-pci", "kvm-amd");
	w = vmm(NOBODY, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	for (i = 0; i < 20; i++) {
		must(w, W_VFIO, 0, nic.vectors, 0);
		must(w, W_VFIO_OFF, 0, 0, 0);
	}
	must(w, W_VFIO, 0, nic.vectors, 0);
	wait_for(60000, !(missing = hook_missing()));
	expect(!missing, "%s is not live after the modules were loaded", missing);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .dropped = 2);
}

/* Where a vector may stay with the VM whatever VFIO is told, nothing is promised. */
static void modules_avic(void)
{
	const struct output *o;
	struct worker *w;
	bool promises;

	modules_gone();
	modprobe("-a", "vfio-pci", "kvm");
	modprobe("kvm-amd", "avic=1", "force_avic=1");
	promises = !system("grep -q irq_bypass_vcpu /sys/kernel/btf/kvm");
	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	mark();
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	o = irqgate("revoke", nic.handle, "1", NULL);
	expect(o->status == !promises && promises == !strstr(o->err, "AMD AVIC may go on posting"),
	       "revoke: exit %d: %s", o->status, o->err);
	/* As far as software goes it is cut all the same. */
	must(w, W_ABSENT, 1, 1, 2);
	COUNTS_OF(&nic, 1, 1, .passed = 1, .dropped = 2);
	shared_end();
	modules_gone();
}

/* ---- deny.* ----------------------------------------------------------------- */

static void deny_context(void)
{
	struct json_object *ev;
	struct worker *w;

	enforce(&edu, "all", "deny");
	w = vmm(NOBODY, &edu);
	mark();
	expect_is(bind_all(w, &edu, IRQFD_FIRST), -EACCES, "binding");
	must(w, W_ABSENT, 0, 1, 2);
	COUNTS(&edu, .denied = 1);
	must(w, W_EVENTFDS, 1, 0, 0);
	expect_is(bind_all(w, &edu, VFIO_FIRST), -EACCES, "binding in the other order");
	COUNTS(&edu, .denied = 2);
	ev = event_wait("deny", "context", "bind", edu.handle, 0);
	expect(ev, "no event of the refusal");
	expect(!strcmp(field(ev, "gd_expected"), "1"), "gd_expected is %s",
	       field(ev, "gd_expected"));
	expect(!*field(ev, "gd_actual"), "gd_actual is %s", field(ev, "gd_actual"));
	expect(atoi(field(ev, "pid")) == w->pid, "pid is %s", field(ev, "pid"));
	expect(!strcmp(field(ev, "comm"), "vmtest"), "comm is %s", field(ev, "comm"));
	expect(*field(ev, "time") && *field(ev, "count"), "time or count is missing");
	json_object_put(ev);
}

/* Another context, not just an unknown one. */
static void deny_other_context(void)
{
	struct json_object *ev;
	struct worker *w;

	enforce(&nic, "all", "deny");
	w = vmm(RED, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), -EACCES, "binding");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	COUNTS(&nic, .denied = 1);
	ev = event_wait("deny", "context", "bind", nic.handle, 4);
	expect(ev, "no event of the refusal");
	expect(!strcmp(field(ev, "gd_actual"), "2") && !strcmp(field(ev, "context"), "red"),
	       "the event says %s, context %s", field(ev, "gd_actual"), field(ev, "context"));
	json_object_put(ev);
}

static void deny_vectors(void)
{
	struct worker *w;

	enforce(&nic, "[0-1]", "deny");
	w = vmm(BLUE, &nic);
	must(w, W_IRQFD, 0, nic.vectors, 0);
	mark();
	expect_is(ask(w, W_VFIO, 0, 5, 0), -EACCES, "binding 0-4 where 0-1 are registered");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	COUNTS_OF(&nic, 0, 1, .denied = 0);
	COUNTS_OF(&nic, 2, 4, .denied = 1);
	expect_is(ask(w, W_VFIO, 1, 2, 0), -EACCES, "binding 1-2");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	COUNTS_OF(&nic, 2, 2, .denied = 2);
	must(w, W_VFIO, 0, 2, 0);
	must(w, W_ARRIVES, 0, 2, 3);
	COUNTS_OF(&nic, 0, 1, .passed = 3);
	json_object_put(event_wait("deny", "vector", "bind", nic.handle, 3));
}

static void deny_unlisted(void)
{
	struct json_object *ev;
	struct worker *w;

	loader_start(ENFORCE CONTEXTS "defaults: { unlisted_device: deny }\n");
	w = vmm(BLUE, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), -EACCES, "binding");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	COUNTS(&nic, .denied = 1);
	ev = event_wait("deny", "unlisted", "bind", nic.handle, 0);
	expect(ev, "no event of the refusal");
	json_object_put(ev);
}

/* 32-bit calls reach their own hook, which cannot see what is asked for. */
static void deny_compat(void)
{
	struct worker *w;
	long ret;

	enforce(&edu, "all", "deny");
	w = vmm(BLUE, &edu);
	must(w, W_IRQFD, 0, 1, 0);
	ret = ask(w, W_COMPAT_VFIO, 0, 1, 0);
	if (ret == -ENOSYS)
		test_skip("this kernel has no 32-bit system calls");
	expect_is(ret, -EACCES, "VFIO_DEVICE_SET_IRQS by int 0x80");
	expect_is(ask(w, W_COMPAT_IRQFD, 0, 0, 0), -EACCES, "KVM_IRQFD by int 0x80");
	must(w, W_ABSENT, 0, 1, 1);
	must(w, W_VFIO, 0, 1, 0);
	must(w, W_ARRIVES, 0, 1, 1);
}

/* ---- allow.* ---------------------------------------------------------------- */

static void allow_context(void)
{
	struct worker *w;
	enum order order;

	for (order = IRQFD_FIRST; order <= VFIO_FIRST; order++) {
		enforce(&nic, "all", "deny");
		w = vmm(BLUE, &nic);
		mark();
		expect_is(bind_all(w, &nic, order), 0, "binding");
		must(w, W_ARRIVES, 0, nic.vectors, 3);
		COUNTS(&nic, .passed = 3);
		worker_end(w, false);
		COUNTS(&nic, .passed = 3);
		loader_stop();
	}
}

static void allow_unlisted(void)
{
	struct worker *w;

	loader_start(ENFORCE CONTEXTS);
	w = vmm(NOBODY, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_ARRIVES, 0, nic.vectors, 3);
	COUNTS(&nic, .passed = 3);
}

static void allow_to_pid(void)
{
	struct worker *w, *other;
	char to[32];

	enforce(&nic, "all", "deny");
	w = vmm(NOBODY, &nic);
	other = vmm(NOBODY, &edu);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), -EACCES, "binding before");
	snprintf(to, sizeof(to), "pid:%d", w->pid);
	verb(0, "allow", nic.handle, "0-4", "--to", to, NULL);
	verb(0, "allow", edu.handle, "all", "--to", to, NULL);
	must(w, W_VFIO, 0, nic.vectors, 0);
	must(w, W_ARRIVES, 0, nic.vectors, 3);
	COUNTS(&nic, .passed = 3, .denied = 1);
	expect_is(bind_all(other, &edu, IRQFD_FIRST), -EACCES, "binding by another process");
	must(other, W_ABSENT, 0, 1, 1);
}

/* ---- drop.* ----------------------------------------------------------------- */

static void drop(const struct device *d, enum order order)
{
	struct json_object *ev;
	struct worker *w;

	with(d);
	enforce(d, "all", "drop");
	w = vmm(NOBODY, d);
	mark();
	expect_is(bind_all(w, d, order), 0, "binding");
	expect_running(w);
	must(w, W_ABSENT, 0, d->vectors, 3);
	expect_state(d->handle, 0, d->vectors - 1, "quarantined");
	COUNTS(d, .dropped = 3);
	ev = event_wait("drop", "context", "quarantine", d->handle, d->vectors - 1);
	expect(ev, "no event of the drop");
	json_object_put(ev);
	worker_end(w, false);
	COUNTS(d, .dropped = 3);
}

static void drop_msi_irqfd_first(void)
{
	drop(&edu, IRQFD_FIRST);
}

static void drop_msi_vfio_first(void)
{
	drop(&edu, VFIO_FIRST);
}

static void drop_msix_irqfd_first(void)
{
	drop(&nic, IRQFD_FIRST);
}

static void drop_msix_vfio_first(void)
{
	drop(&nic, VFIO_FIRST);
}

static void drop_igb_irqfd_first(void)
{
	drop(&igb, IRQFD_FIRST);
}

static void drop_igb_vfio_first(void)
{
	drop(&igb, VFIO_FIRST);
}

static void drop_partial(void)
{
	struct worker *w;

	enforce(&nic, "[0-2]", "drop");
	w = vmm(BLUE, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding 0-4 where 0-2 are registered");
	expect_running(w);
	must(w, W_ARRIVES, 0, 3, 3);
	must(w, W_ABSENT, 3, 2, 3);
	COUNTS_OF(&nic, 0, 2, .passed = 3);
	COUNTS_OF(&nic, 3, 4, .dropped = 3);
}

static void drop_reader(void)
{
	struct worker *w;
	unsigned int i;

	enforce(&nic, "[0-2]", "drop");
	w = driver(BLUE, &nic);
	mark();
	must(w, W_VFIO, 0, nic.vectors, 0);
	expect_running(w);
	must(w, W_RAISE, 0, nic.vectors, 4);
	nap(100);
	for (i = 0; i < nic.vectors; i++)
		expect_is(ask(w, W_TAKE, i, 0, 0), i < 3 ? 4 : 0, "count of vector %u", i);
	COUNTS_OF(&nic, 0, 2, .passed = 4);
	COUNTS_OF(&nic, 3, 4, .dropped = 4);
}

/* Binding anew is no way out. */
static void drop_rebind(void)
{
	struct worker *w;

	enforce(&nic, "all", "drop");
	w = vmm(NOBODY, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_VFIO, 0, nic.vectors, 0);
	must(w, W_ABSENT, 0, nic.vectors, 1);
	must(w, W_VFIO_OFF, 0, 0, 0);
	must(w, W_VFIO, 0, nic.vectors, 0);
	expect_running(w);
	must(w, W_ABSENT, 0, nic.vectors, 2);
	expect_state(nic.handle, 0, nic.vectors - 1, "quarantined");
	COUNTS(&nic, .dropped = 3);
}

/* ---- audit.* ---------------------------------------------------------------- */

static void audited(void)
{
	struct worker *w = vmm(NOBODY, &nic);
	struct json_object *ev;

	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_ARRIVES, 0, nic.vectors, 3);
	COUNTS(&nic, .would_drop = 3, .audited = 1);
	ev = event_wait("audit", "context", "none", nic.handle, 1);
	expect(ev, "no event");
	json_object_put(ev);
}

static void audit_mode(void)
{
	loader_start(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "deny");
	audited();
}

static void audit_action(void)
{
	enforce(&nic, "all", "audit");
	audited();
}

static void audit_injection(void)
{
	struct worker *w, *foreign;

	loader_start(AUDIT CONTEXTS "defaults: { unlisted_source: deny }\n");
	w = emulator(BLUE);
	foreign = heir_of(w, RED, 0);
	mark();
	must(foreign, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
	expect_counts("-", 0, 0, (struct counts){ .would_drop = 1 });
}

/* ---- adopt.* ---------------------------------------------------------------- */

/* What was bound before irqgate started is judged like the rest. */
static void adopt_bound(void)
{
	struct worker *good, *bad, *in, *out;

	unload();
	good = bound_vmm(BLUE, &nic);
	bad = bound_vmm(NOBODY, &edu);
	in = worker_new(BLUE);
	out = worker_new(NOBODY);
	must(in, W_EVENTFDS, 1, 0, 0); /* they run */
	must(out, W_EVENTFDS, 1, 0, 0);
	must(bad, W_ARRIVES, 0, 1, 1);
	loader_start(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, nic.handle, "blue", "[0-3]", "drop",
		     edu.handle, "blue", "all", "deny", edu2.handle, "blue", "all", "deny");
	mark();
	must(good, W_ARRIVES, 0, 4, 2);
	must(good, W_ABSENT, 4, 1, 2);
	must(bad, W_ABSENT, 0, 1, 2);
	COUNTS_OF(&nic, 0, 3, .passed = 2);
	COUNTS_OF(&nic, 4, 4, .dropped = 2);
	COUNTS(&edu, .dropped = 2);
	/* Processes that ran already have their identity since irqgate started. */
	expect_is(ask_text(in, W_CGROUP, NOBODY), 0, "moving out");
	expect_is(ask_text(out, W_CGROUP, BLUE), 0, "moving in");
	expect_member(in, &edu2, true, "an older process that was moved out");
	expect_member(out, &edu2, false, "an older process that was moved in");
}

/* ---- revoke.* --------------------------------------------------------------- */

/* Under a stream of interrupts; several times, for it is a matter of timing. */
static void revoke_stream(void)
{
	const int rounds = 3;
	struct worker *w;
	struct counts c;
	long raised;
	int i;

	with(&igb); /* the other card repeats itself on a busy machine */
	enforce(&igb, "all", "drop");
	w = bound_vmm(BLUE, &igb);
	mark();
	must(w, W_STREAM, 1, 2000, 0);
	for (i = 0; i < rounds; i++) {
		verb(0, "revoke", igb.handle, "1", NULL);
		must(w, W_PENDING, 0, 0, 0); /* forgets */
		nap(300);
		expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending after revoke returned");
		/* To the eventfd the VMM bound, which it has not touched since. */
		verb(0, "allow", igb.handle, "1", "--to", "blue", NULL);
		must(w, W_PENDING, 0, 0, 0);
		must(w, W_WAIT, 1, 0, 0);
	}
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	c = counted(igb.handle, 1);
	expect(!c.leaked && !c.denied && !c.would_drop, "leaked %ld, denied %ld, would_drop %ld",
	       c.leaked, c.denied, c.would_drop);
	expect(c.passed && c.dropped, "passed %ld, dropped %ld", c.passed, c.dropped);
	/*
	 * While the vector is retargeted it is masked, and what the device raises
	 * meanwhile is merged into one by the hardware.
	 */
	expect(c.passed + c.dropped <= raised && c.passed + c.dropped >= raised - 6 * rounds,
	       "passed %ld and dropped %ld of %ld raised", c.passed, c.dropped, raised);
	mark();
	must(w, W_ARRIVES, 0, igb.vectors, 2);
	COUNTS(&igb, .passed = 2);
	verb(0, "revoke", igb.handle, "1", NULL);
	must(w, W_ABSENT, 1, 1, 3);
	must(w, W_ARRIVES, 2, 3, 1);
	must(w, W_ARRIVES, 0, 1, 1);
	COUNTS_OF(&igb, 1, 1, .passed = 2, .dropped = 3);
}

static void revoke_audit(void)
{
	struct worker *w;

	loader_start(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
	w = bound_vmm(BLUE, &nic);
	mark();
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	verb(0, "revoke", nic.handle, "0-1", NULL);
	must(w, W_ABSENT, 0, 2, 2);
	must(w, W_ARRIVES, 2, 3, 2);
	COUNTS_OF(&nic, 0, 1, .passed = 1, .dropped = 2);
	COUNTS_OF(&nic, 2, 4, .passed = 3);
}

static void revoke_unlisted(void)
{
	struct worker *w;

	loader_start(ENFORCE CONTEXTS);
	w = bound_vmm(NOBODY, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	mark();
	verb(0, "revoke", nic.handle, "2", NULL);
	must(w, W_ABSENT, 2, 1, 2);
	must(w, W_ARRIVES, 0, 2, 1);
	must(w, W_ARRIVES, 3, 2, 1);
	COUNTS_OF(&nic, 2, 2, .dropped = 2);
}

/* A vector that is not bound yet; and a device whose violations are denied. */
static void revoke_deny(void)
{
	struct json_object *ev;
	struct worker *w;

	enforce(&nic, "all", "deny");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	verb(0, "revoke", nic.handle, "all", NULL);
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .dropped = 2);
	must(w, W_VFIO_OFF, 0, 0, 0);
	expect_is(ask(w, W_VFIO, 0, 1, 0), -EACCES, "binding a revoked vector");
	must(w, W_ABSENT, 0, 1, 1);
	COUNTS_OF(&nic, 0, 0, .dropped = 2, .denied = 1);
	ev = event_wait("deny", "revoked", "bind", nic.handle, 0);
	expect(ev, "no event of the refusal");
	json_object_put(ev);
}

/* ---- inject.* --------------------------------------------------------------- */

static void inject_foreign_denied(void)
{
	struct worker *w, *foreign;
	struct json_object *ev;

	loader_start(ENFORCE CONTEXTS "defaults: { unlisted_source: deny }\n");
	w = emulator(BLUE);
	foreign = heir_of(w, RED, 0);
	mark();
	expect_is(ask(foreign, W_WRITE, 0, 0, 0), -EACCES, "a foreign write");
	expect_is(ask(foreign, W_TAKE, 0, 0, 0), -EACCES, "a foreign read");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	expect_counts("-", 0, 0, (struct counts){ .denied = 2 });
	ev = event_wait("deny", "unlisted", "injection", NULL, 0);
	expect(ev, "no event of the refusal");
	expect(atoi(field(ev, "pid")) == foreign->pid, "pid is %s", field(ev, "pid"));
	json_object_put(ev);
}

static void inject_foreign_allowed(void)
{
	struct worker *w, *foreign;

	loader_start(ENFORCE CONTEXTS "defaults: { unlisted_source: allow }\n");
	w = emulator(BLUE);
	foreign = heir_of(w, RED, 0);
	must(foreign, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
}

/* The eventfd of a device's vector is the device's, whatever sources may do. */
static void inject_device_eventfd(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	foreign = heir_of(w, RED, 2);
	mark();
	expect_is(ask(foreign, W_WRITE, 2, 0, 0), -EACCES, "a foreign write");
	expect_is(ask(foreign, W_TAKE, 2, 0, 0), -EACCES, "a foreign read");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	COUNTS_OF(&nic, 2, 2, .denied = 2);
	must(w, W_WRITE, 2, 0, 0);
	must(w, W_WAIT, 2, 0, 0);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
}

/* A reader in another context would steal a user-space driver's interrupts. */
static void inject_foreign_read(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "drop");
	w = driver(BLUE, &nic);
	must(w, W_VFIO, 0, nic.vectors, 0);
	foreign = heir_of(w, RED, 1);
	must(w, W_RAISE, 1, 1, 3);
	nap(50);
	expect_is(ask(foreign, W_TAKE, 1, 0, 0), -EACCES, "a foreign read");
	expect_is(ask(w, W_TAKE, 1, 0, 0), 3, "count");
}

#define SOURCE                                                                                     \
	"sources:\n"                                                                               \
	"  - { handle: \"soft:backend\", match: { cgroup: /t/soft }, context: %s }\n"              \
	"defaults: { unlisted_source: deny }\n"

static void inject_soft_source(void)
{
	struct worker *w, *source, *foreign;

	loader_start(ENFORCE CONTEXTS SOURCE, "blue");
	w = emulator(BLUE);
	source = heir_of(w, SOFT, 0);
	foreign = heir_of(w, NOBODY, 0);
	must(source, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
	expect_is(ask(foreign, W_WRITE, 0, 0, 0), -EACCES, "another's write");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	loader_stop();
	loader_start(ENFORCE CONTEXTS SOURCE, "red");
	expect_is(ask(source, W_WRITE, 0, 0, 0), -EACCES, "the write of red's source");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
}

static void inject_own(void)
{
	struct worker *w;

	loader_start(ENFORCE CONTEXTS "defaults: { unlisted_source: deny }\n");
	w = emulator(NOBODY);
	must(w, W_WRITE, 1, 0, 0);
	must(w, W_WAIT, 1, 0, 0);
	must(w, W_MSI, 2, 0, 0);
	must(w, W_WAIT, 2, 0, 0);
	must(w, W_LINE, 3, 0, 0);
	must(w, W_WAIT, 3, 0, 0);
}

static void inject_strict(void)
{
	struct json_object *ev;
	struct worker *w;

	loader_start(ENFORCE "contexts:\n"
			     "  - { name: blue, match: { cgroup: /t/blue }, strict: true }\n"
			     "devices:\n" ROW,
		     nic.handle, "blue", "all", "drop");
	w = bound_vmm(BLUE, &nic);
	mark();
	expect_is(ask(w, W_WRITE, 0, 0, 0), -EACCES, "a write of its own");
	expect_is(ask(w, W_MSI, 1, 0, 0), -EACCES, "KVM_SIGNAL_MSI");
	expect_is(ask(w, W_LINE, 2, 0, 0), -EACCES, "KVM_IRQ_LINE");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	ev = event_wait("deny", "strict", "injection", NULL, 0);
	expect(ev, "no event of the refusal");
	json_object_put(ev);
	must(w, W_ARRIVES, 0, nic.vectors, 2);
	COUNTS_OF(&nic, 1, 4, .passed = 2);
}

/* VFIO_DEVICE_SET_IRQS without eventfds raises the interrupt. */
static void inject_set_irqs(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	foreign = heir_of(w, RED, 3);
	mark();
	must(w, W_NONE, 1, 0, 0);
	must(w, W_WAIT, 1, 0, 0);
	must(w, W_BOOL, 2, 0, 0);
	must(w, W_WAIT, 2, 0, 0);
	expect_is(ask(foreign, W_NONE, 3, 0, 0), -EACCES, "DATA_NONE by another");
	expect_is(ask(foreign, W_BOOL, 3, 0, 0), -EACCES, "DATA_BOOL by another");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	COUNTS_OF(&nic, 3, 3, .denied = 2);
}

/* Another holder of the device connects the vector to an eventfd of its own. */
static void inject_foreign_bind(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "deny");
	w = bound_vmm(BLUE, &nic);
	foreign = heir_of(w, RED, 1);
	must(foreign, W_EVENTFDS, 5, 0, 0);
	expect_is(ask(foreign, W_VFIO, 1, 1, 0), -EACCES, "binding by another");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	expect_is(ask(foreign, W_TAKE, 1, 0, 0), 0, "count at the other's eventfd");
}

/* ---- possession.* ----------------------------------------------------------- */

/* Descriptors that can raise interrupts do not get into foreign hands. */
static void possession_scm_rights(void)
{
	struct worker *w, *foreign, *friend;

	loader_start(ENFORCE CONTEXTS "devices:\n" ROW "defaults: { unlisted_source: deny }\n",
		     nic.handle, "blue", "all", "drop");
	w = bound_vmm(BLUE, &nic);
	foreign = worker_new(RED);
	friend = worker_new(BLUE);
	mark();
	make_peers(w, foreign);
	must(w, W_SEND, 1, 0, 0);
	expect_is(ask(foreign, W_RECEIVE, 1, 0, 0), 0, "the eventfd at another's");
	must(w, W_SEND, 0, 1, 0);
	expect_is(ask(foreign, W_RECEIVE, 1, 0, 0), 0, "the device at another's");
	COUNTS_OF(&nic, 1, 1, .denied = 1);
	json_object_put(event_wait("deny", "context", "possession", nic.handle, 1));
	make_peers(w, friend);
	must(w, W_SEND, 1, 0, 0);
	expect_is(ask(friend, W_RECEIVE, 1, 0, 0), 1, "the eventfd at its own context's");
	must(friend, W_WRITE, 1, 0, 0);
	must(w, W_WAIT, 1, 0, 0);
}

static void possession_pidfd_getfd(void)
{
	struct worker *w, *foreign, *friend;
	uint32_t pid, fd, device;

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	foreign = worker_new(RED);
	friend = worker_new(BLUE);
	pid = (uint32_t)w->pid;
	fd = (uint32_t)must(w, W_NUMBER, 2, 0, 0);
	device = (uint32_t)must(w, W_NUMBER, 0, 1, 0);
	expect_is(ask(foreign, W_STEAL, 2, pid, fd), -EACCES, "taking the eventfd");
	expect_is(ask(foreign, W_STEAL, 2, pid, device), -EACCES, "taking the device");
	expect_is(ask(friend, W_STEAL, 2, pid, fd), 0, "taking the eventfd of its own context");
	must(friend, W_WRITE, 2, 0, 0);
	must(w, W_WAIT, 2, 0, 0);
}

/* ---- irqfd.* ---------------------------------------------------------------- */

/* Red's VM is to listen to the eventfd of blue's vector 0. */
static struct worker *listener(struct worker *owner)
{
	struct worker *w = heir_of(owner, RED, 0);

	must(w, W_VM, 1, 0, 0);
	return w;
}

static void irqfd_foreign_deny(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "deny");
	w = driver(BLUE, &nic);
	must(w, W_VFIO, 0, nic.vectors, 0);
	foreign = listener(w);
	mark();
	expect_is(ask(foreign, W_IRQFD, 0, 1, 0), -EACCES, "KVM_IRQFD by another");
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(foreign, W_PENDING, 0, 0, 0), 0, "pending at the other's VM");
	expect_is(ask(w, W_TAKE, 0, 0, 0), 2, "count at the owner");
	COUNTS_OF(&nic, 0, 0, .passed = 2, .denied = 1);
}

static bool is_bound(const struct device *d, unsigned int vector)
{
	struct binding b = {};

	return binding_of(d->handle, vector, &b) && !strcmp(b.state, "bound");
}

static void irqfd_foreign_drop(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "drop");
	w = driver(BLUE, &nic);
	must(w, W_VFIO, 0, nic.vectors, 0);
	foreign = listener(w);
	mark();
	must(foreign, W_IRQFD, 0, 1, 0);
	expect_running(foreign);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(foreign, W_PENDING, 0, 0, 0), 0, "pending at the other's VM");
	expect_state(nic.handle, 0, 0, "quarantined");
	COUNTS_OF(&nic, 0, 0, .dropped = 2);
}

/* The foreign listener is gone: what is blue's is blue's again. */
static void irqfd_foreign_gone(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "drop");
	w = driver(BLUE, &nic);
	must(w, W_VFIO, 0, nic.vectors, 0);
	foreign = listener(w);
	must(foreign, W_IRQFD, 0, 1, 0);
	expect_running(foreign);
	expect_state(nic.handle, 0, 0, "quarantined");
	worker_end(foreign, true);
	expect(wait_for(5000, is_bound(&nic, 0)), "still quarantined 5 s after the VM ended");
	ask(w, W_TAKE, 0, 0, 0);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 2, "count at the owner");
}

/* A count that is there when the eventfd is bound is injected at once. */
static void irqfd_charged(void)
{
	struct worker *w, *foreign;

	loader_start(ENFORCE CONTEXTS "defaults: { unlisted_source: deny }\n");
	w = worker_new(BLUE);
	must(w, W_VM, 2, 0, 0);
	must(w, W_EVENTFDS, 2, 0, 0);
	foreign = heir_of(w, RED, 0);
	must(foreign, W_WRITE, 0, 0, 0);
	expect_is(ask(w, W_IRQFD, 0, 1, 0), -EACCES, "KVM_IRQFD of a charged eventfd");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	expect_is(ask(w, W_TAKE, 0, 0, 0), 1, "count");
	must(w, W_IRQFD, 0, 1, 0);
	must(w, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
}

/* ---- context.* -------------------------------------------------------------- */

static void context_cgroup(void)
{
	struct worker *w;

	enforce(&nic, "all", "deny");
	expect_member(worker_new(BLUE), &nic, true, "a process in the cgroup");
	expect_member(worker_new(BLUE "/a/b"), &nic, true, "a process in a descendant");
	expect_member(worker_new("t/bluegreen"), &nic, false,
		      "a process in a cgroup of similar name");
	w = worker_new(BLUE);
	must(w, W_EVENTFDS, 1, 0, 0); /* it runs */
	expect_is(ask_text(w, W_CGROUP, NOBODY), 0, "moving out");
	expect_member(w, &nic, true, "a process that was moved out");
	w = worker_new(NOBODY);
	must(w, W_EVENTFDS, 1, 0, 0);
	expect_is(ask_text(w, W_CGROUP, BLUE), 0, "moving in");
	expect_member(w, &nic, false, "a process that was moved in");
	w = worker_new(BLUE);
	must(w, W_FORK, 0, 0, 0);
	expect_is(ask_text(w, W_CGROUP, NOBODY), 0, "moving out");
	expect_member(w, &nic, true, "a child that was moved out");
}

static void context_exe(void)
{
	const char *path = "/run/irqgate-vmm";
	const struct worker_options options = { .exe = path };

	copy_self(path);
	loader_start(ENFORCE "contexts:\n  - { name: blue, match: { exe: %s } }\n"
			     "devices:\n" ROW,
		     path, nic.handle, "blue", "all", "deny");
	expect_member(worker_as(&options), &nic, true, "the program");
	expect_member(worker_new(NULL), &nic, false, "another program");
	unlink(path);
}

/* There, stat(2) names another device than the kernel's inode has. */
static void context_exe_overlay(void)
{
	const char *path = "/run/irqgate-overlay/all/vmm";
	const struct worker_options options = { .exe = path };

	expect(!system("mkdir -p /run/irqgate-overlay/low /run/irqgate-overlay/up /run/irqgate-overlay/all &&"
		       "mount -t tmpfs low /run/irqgate-overlay/low &&"
		       "mount -t tmpfs up /run/irqgate-overlay/up &&"
		       "mkdir /run/irqgate-overlay/up/up /run/irqgate-overlay/up/work"),
	       "no file systems");
	copy_self("/run/irqgate-overlay/low/vmm");
	if (system("mount -t overlay -o lowerdir=/run/irqgate-overlay/low,upperdir=/run/"
		   "irqgate-overlay/up/up,workdir=/run/irqgate-overlay/up/work all "
		   "/run/irqgate-overlay/all"))
		test_skip("no overlayfs");
	loader_start(ENFORCE "contexts:\n  - { name: blue, match: { exe: %s } }\n"
			     "devices:\n" ROW,
		     path, nic.handle, "blue", "all", "deny");
	expect_member(worker_as(&options), &nic, true, "the program on overlayfs");
	shared_end();
	expect(!system("cd /run/irqgate-overlay && umount all up low"), "not unmounted");
}

static void context_uid(void)
{
	const struct worker_options options = { .uid = 12345 };

	loader_start(ENFORCE "contexts:\n  - { name: blue, match: { uid: 12345 } }\n"
			     "devices:\n" ROW,
		     nic.handle, "blue", "all", "deny");
	expect_is(rig_pci_bind_vfio(nic.bdf), 0, "vfio-pci");
	open_to_users();
	expect_member(worker_as(&options), &nic, true, "the user");
	expect_member(worker_new(NULL), &nic, false, "root");
}

static void enforce_pid(pid_t pid)
{
	loader_start(ENFORCE "contexts:\n  - { name: blue, match: { pid: %d } }\n"
			     "devices:\n" ROW,
		     pid, nic.handle, "blue", "all", "deny");
}

static void context_pid(void)
{
	struct worker *parent, *other;
	pid_t pid;

	parent = worker_new(NOBODY);
	other = worker_new(NOBODY);
	must(parent, W_EVENTFDS, 1, 0, 0);
	pid = parent->pid;
	enforce_pid(pid);
	expect_member(other, &nic, false, "another process");
	expect(must(parent, W_FORK, 0, 0, 0) != pid, "no child");
	expect_member(parent, &nic, true, "a child of the process");
	/* The number comes back, the process does not. */
	expect_member(worker_with_pid(pid), &nic, false, "a process that got the same pid");
}

static void context_later(void)
{
	const pid_t pid = 20000;

	expect(kill(pid, 0), "pid %d is in use", pid);
	rmdir("/sys/fs/cgroup/t/later");
	loader_start(ENFORCE "contexts:\n"
			     "  - { name: blue, match: { pid: %d } }\n"
			     "  - { name: red, match: { cgroup: /t/later } }\n"
			     "devices:\n" ROW ROW,
		     pid, nic.handle, "blue", "all", "deny", edu.handle, "red", "all", "deny");
	expect_member(worker_with_pid(pid), &nic, true, "a process that came later");
	mkdir("/sys/fs/cgroup/t", 0755);
	expect(!mkdir("/sys/fs/cgroup/t/later", 0755), "mkdir: %s", rig_errname(errno));
	nap(50);
	/* No second to wait: it may be started right after its cgroup was made. */
	bound_vmm("t/later", &edu);
}

/* ---- lifecycle.* ------------------------------------------------------------ */

static void lifecycle(bool kill)
{
	struct worker *good, *bad, *lone;

	loader_start(ENFORCE CONTEXTS "devices:\n" ROW ROW ROW, nic.handle, "blue", "[0-2]", "drop",
		     edu.handle, "blue", "all", "drop", edu2.handle, "blue", "all", "drop");
	good = bound_vmm(BLUE, &nic);
	bad = bound_vmm(NOBODY, &edu);
	lone = driver(NOBODY, &edu2);
	must(lone, W_VFIO, 0, 1, 0);
	must(good, W_ARRIVES, 0, 3, 1);
	must(bad, W_ABSENT, 0, 1, 1);
	expect_is(vfio_bindings(), 7, "bindings");
	expect_is(map_count("vms"), 2, "VMs");
	expect_is(map_count("irqfds"), 6, "irqfds");
	worker_end(good, kill);
	worker_end(bad, kill);
	worker_end(lone, kill);
	expect_forgotten(kill ? "after kill -9" : "after their owners ended");
}

static void lifecycle_exit(void)
{
	lifecycle(false);
}

static void lifecycle_kill(void)
{
	lifecycle(true);
}

static void lifecycle_unbind(void)
{
	struct worker *w;
	int i;

	enforce(&nic, "all", "drop");
	for (i = 0; i < 10; i++) {
		w = bound_vmm(i % 2 ? BLUE : NOBODY, &nic);
		must(w, W_VFIO_OFF, 0, 0, 0);
		must(w, W_VFIO, 0, nic.vectors, 0);
		worker_end(w, i % 3);
	}
	expect_forgotten("after ten VMMs");
}

/* ---- persist.* -------------------------------------------------------------- */

static void persist_kill(void)
{
	struct worker *w, *bad, *late, *foreign;
	struct json_object *ev;

#define POLICY                                                                                     \
	ENFORCE CONTEXTS "devices:\n" ROW ROW, nic.handle, "blue", "[0-2]", "drop", edu.handle,    \
		"blue", "all", "deny"
	loader_start(POLICY);
	w = bound_vmm(BLUE, &nic);
	bad = vmm(NOBODY, &edu);
	foreign = heir_of(w, RED, 0);
	mark();
	must(w, W_ARRIVES, 0, 3, 2);
	must(w, W_ABSENT, 3, 2, 2);
	loader_kill();

	expect_is(bind_all(bad, &edu, IRQFD_FIRST), -EACCES, "binding under deny, no loader");
	must(bad, W_ABSENT, 0, 1, 1);
	expect_is(ask(foreign, W_WRITE, 0, 0, 0), -EACCES, "a foreign write, no loader");
	must(w, W_ARRIVES, 0, 3, 1);
	must(w, W_ABSENT, 3, 2, 1);
	COUNTS(&edu, .denied = 1);

	loader_start(POLICY);
	must(w, W_ARRIVES, 0, 3, 1);
	must(w, W_ABSENT, 3, 2, 1);
	expect_state(nic.handle, 0, 2, "bound");
	expect_state(nic.handle, 3, 4, "quarantined");
	COUNTS_OF(&nic, 0, 0, .passed = 4, .denied = 1);
	COUNTS_OF(&nic, 1, 2, .passed = 4);
	COUNTS_OF(&nic, 3, 4, .dropped = 4);
	loader_kill();

	worker_end(w, false);
	late = vmm(NOBODY, &nic);
	must(late, W_IRQFD, 0, nic.vectors, 0);
	expect_is(ask(late, W_VFIO, 0, nic.vectors, 0), -EACCES, "binding under drop, no loader");
	must(late, W_ABSENT, 0, nic.vectors, 1);
	loader_start(POLICY);
	ev = event_wait("deny", "no-loader", "bind", nic.handle, 0);
	expect(ev, "the next loader does not report what happened without it");
	json_object_put(ev);
	must(late, W_VFIO, 0, nic.vectors, 0);
	expect_running(late);
	must(late, W_ABSENT, 0, nic.vectors, 1);
#undef POLICY
}

/* Not one authorized interrupt is lost while loaders come and go. */
static void persist_lossless(void)
{
	struct worker *w;
	long raised;

	with(&igb); /* the other card repeats itself on a busy machine */
	enforce(&igb, "all", "drop");
	w = driver(BLUE, &igb);
	must(w, W_VFIO, 0, igb.vectors, 0);
	mark();
	must(w, W_STREAM, 1, 2000, 0);
	loader_kill();
	enforce(&igb, "all", "drop");
	loader_stop();
	enforce(&igb, "[0-3]", "deny");
	raised = must(w, W_STREAM_STOP, 0, 0, 0);
	nap(50);
	expect(raised > 100, "only %ld raised", raised);
	expect_is(ask(w, W_TAKE, 1, 0, 0), raised, "count at the owner");
	COUNTS_OF(&igb, 1, 1, .passed = raised);
}

static long programs(void)
{
	char *argv[] = { "/usr/sbin/bpftool", "-j", "prog", NULL };
	struct json_object *all = json_tokener_parse(run(argv)->out);
	long n = json_object_is_type(all, json_type_array) ? (long)json_object_array_length(all)
							   : -1;

	json_object_put(all);
	return n;
}

/* The kernel frees programs some time after their last user: wait for the end of that. */
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
	/* Nothing is there. */
	verb(1, "unload", NULL);
	verb(1, "revoke", nic.handle, "0", NULL);
	verb(1, "show", "stats", NULL);
	verb(1, "apply", POLICY_FILE, NULL);
}

/* ---- reload.* --------------------------------------------------------------- */

/* The next policy takes a device away and gives it back while it is bound. */
static void reload_bound(void)
{
	struct worker *w;

	enforce(&nic, "all", "drop");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	loader_stop();
	loader_start(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "red", "all", "drop");
	mark();
	must(w, W_ABSENT, 0, nic.vectors, 2);
	COUNTS(&nic, .dropped = 2);
	loader_stop();
	must(w, W_ABSENT, 0, nic.vectors, 1);
	enforce(&nic, "[0-3]", "deny");
	must(w, W_ARRIVES, 0, 4, 2);
	must(w, W_ABSENT, 4, 1, 1);
	COUNTS_OF(&nic, 0, 3, .passed = 2, .dropped = 3);
}

/* ---- hooks.* ---------------------------------------------------------------- */

/* Attached is not enough: each hook must have run. */
static void hooks_fire(void)
{
	char *true_argv[] = { "/bin/true", NULL };
	struct json_object *all, *o;
	char silent[512] = "";
	struct worker *w;
	const char *missing;
	size_t i;

	enforce(&nic, "all", "drop");
	missing = hook_missing();
	expect(!missing, "%s is not live", missing);
	run(true_argv);
	mkdir("/sys/fs/cgroup/t", 0755);
	rmdir("/sys/fs/cgroup/t/hooks");
	expect(!mkdir("/sys/fs/cgroup/t/hooks", 0755), "mkdir: %s", rig_errname(errno));
	modprobe("-a", "dummy", NULL);
	modprobe("-r", "dummy", NULL);
	w = bound_vmm(BLUE, &nic);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	ask(w, W_COMPAT_VFIO, 0, 1, 0);
	ask(w, W_COMPAT_IRQFD, 0, 0, 0);
	modprobe("-a", "vhost_net", NULL);
	ask(w, (enum worker_op)E_VHOST, 0, 1, 0);
	verb(0, "revoke", nic.handle, "0", NULL);
	worker_end(w, false);
	expect_forgotten("at the end");
	all = show("hooks");
	for (i = 0; i < json_object_array_length(all); i++) {
		o = json_object_array_get_idx(all, i);
		if (strcmp(field(o, "state"), "live"))
			continue;
		expect(*field(o, "runs"), "show hooks -j has no field 'runs'");
		if (atol(field(o, "runs")) > 0)
			continue;
		if (strlen(silent) + 64 < sizeof(silent))
			sprintf(silent + strlen(silent), " %s", field(o, "hook"));
	}
	json_object_put(all);
	expect(!*silent, "never ran:%s", silent);
}

/* Is it in force? And what was lost or skipped, if anything. */
static void hooks_status(void)
{
	static const char *const losses[] = { "lost_events", "lost_bindings", "unknown_msis",
					      "missed_runs" };
	struct json_object *all, *o;
	const struct output *out;
	size_t i;

	enforce(&nic, "all", "drop");
	out = irqgate("status", "-j", NULL);
	expect_is(out->status, 0, "irqgate status");
	o = json_tokener_parse(out->out);
	expect(atoi(field(o, "loader")) == loader_pid(), "loader is %s", field(o, "loader"));
	expect(!strcmp(field(o, "mode"), "enforce"), "mode is %s", field(o, "mode"));
	all = show("stats");
	for (i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
		expect(*field(o, losses[i]) && *field(json_object_array_get_idx(all, 0), losses[i]),
		       "status or show stats has no field '%s'", losses[i]);
	json_object_put(all);
	json_object_put(o);
	loader_kill();
	verb(1, "status", NULL);
	unload();
	verb(1, "status", NULL);
}

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
	expect_is(o->status, 2, "irqgate run without the policy it was told");
	expect_one_line(o->err);
}

/* What was in force is in force; what was not loaded is not loaded. */
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

/* Cannot be undone: the last test of a boot. */
static void errors_lockdown(void)
{
	const struct output *o;

	unload();
	write_text("/run/irqgate-test.yaml", ENFORCE CONTEXTS);
	write_text("/sys/kernel/security/lockdown", "confidentiality");
	o = irqgate("run", "--policy", "/run/irqgate-test.yaml", NULL);
	expect_is(o->status, 3, "irqgate run in lockdown=confidentiality");
	expect(strstr(o->err, "lockdown"), "it says %s", o->err);
	expect_one_line(o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
	verb(3, "probe", NULL);
}

/* ---- without.*: kernels that lack something, each in a boot of its own ------- */

static void expect_refused(const char *word)
{
	const struct output *o;

	write_text("/run/irqgate-test.yaml", ENFORCE CONTEXTS);
	chmod("/run/irqgate-test.yaml", 0600);
	o = irqgate("run", "--policy", "/run/irqgate-test.yaml", NULL);
	expect_is(o->status, 3, "irqgate run in enforce mode");
	expect(strstr(o->err, word), "it does not say '%s': %s", word, o->err);
	expect_one_line(o->err);
	expect(!loaded(), "something is left below /sys/fs/bpf");
	verb(3, "probe", NULL);
}

static void without_lsm(void)
{
	struct worker *w;

	expect_refused("LSM");
	loader_start(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
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
	loader_start(ENFORCE CONTEXTS);
	loader_stop();
	loader_start(AUDIT CONTEXTS);
}

/* ---- all of them, in this order ----------------------------------------------- */

static const struct test tests[] = {
	{ "modules.late", modules_late },
	{ "modules.race", modules_race },
	{ "modules.avic", modules_avic },
	{ "allow.context", allow_context },
	{ "allow.unlisted", allow_unlisted },
	{ "allow.to_pid", allow_to_pid },
	{ "deny.context", deny_context },
	{ "deny.other_context", deny_other_context },
	{ "deny.vectors", deny_vectors },
	{ "deny.unlisted", deny_unlisted },
	{ "deny.compat", deny_compat },
	{ "drop.msi_irqfd_first", drop_msi_irqfd_first },
	{ "drop.msi_vfio_first", drop_msi_vfio_first },
	{ "drop.msix_irqfd_first", drop_msix_irqfd_first },
	{ "drop.msix_vfio_first", drop_msix_vfio_first },
	{ "drop.igb_irqfd_first", drop_igb_irqfd_first },
	{ "drop.igb_vfio_first", drop_igb_vfio_first },
	{ "drop.partial", drop_partial },
	{ "drop.reader", drop_reader },
	{ "drop.rebind", drop_rebind },
	{ "audit.mode", audit_mode },
	{ "audit.action", audit_action },
	{ "audit.injection", audit_injection },
	{ "adopt.bound", adopt_bound },
	{ "revoke.stream", revoke_stream },
	{ "revoke.audit", revoke_audit },
	{ "revoke.unlisted", revoke_unlisted },
	{ "revoke.deny", revoke_deny },
	{ "inject.foreign_denied", inject_foreign_denied },
	{ "inject.foreign_allowed", inject_foreign_allowed },
	{ "inject.device_eventfd", inject_device_eventfd },
	{ "inject.foreign_read", inject_foreign_read },
	{ "inject.soft_source", inject_soft_source },
	{ "inject.own", inject_own },
	{ "inject.strict", inject_strict },
	{ "inject.set_irqs", inject_set_irqs },
	{ "inject.foreign_bind", inject_foreign_bind },
	{ "irqfd.foreign_deny", irqfd_foreign_deny },
	{ "irqfd.foreign_drop", irqfd_foreign_drop },
	{ "irqfd.foreign_gone", irqfd_foreign_gone },
	{ "irqfd.charged", irqfd_charged },
	{ "possession.scm_rights", possession_scm_rights },
	{ "possession.pidfd_getfd", possession_pidfd_getfd },
	{ "context.cgroup", context_cgroup },
	{ "context.exe", context_exe },
	{ "context.exe_overlay", context_exe_overlay },
	{ "context.uid", context_uid },
	{ "context.pid", context_pid },
	{ "context.later", context_later },
	{ "lifecycle.exit", lifecycle_exit },
	{ "lifecycle.kill", lifecycle_kill },
	{ "lifecycle.unbind", lifecycle_unbind },
	{ "reload.bound", reload_bound },
	{ "persist.kill", persist_kill },
	{ "persist.lossless", persist_lossless },
};

static const struct test last_tests[] = {
	{ "hooks.fire", hooks_fire },
	{ "hooks.status", hooks_status },
	{ "errors.usage", errors_usage },
	/* This one unloads, the next begins like that: loading takes long under TCG. */
	{ "errors.policy", errors_policy },
	{ "persist.unload", persist_unload },
	{ "without.lsm", without_lsm },
	{ "without.remapping", without_remapping },
	{ "errors.lockdown", errors_lockdown },
};

int main(int argc, char **argv)
{
	struct test_set sets[10];

	if (argc > 2 && !strcmp(argv[1], "-w"))
		return worker_main(argc - 2, argv + 2);
	/* For hooks.fire. */
	write_text("/proc/sys/kernel/bpf_stats_enabled", "1");
	if (!find_devices()) {
		fprintf(stderr, "vmtest: not a machine of tests/vm/boot\n");
		return 2;
	}
	sets[0] = TEST_SET(tests);
	sets[1] = evade_tests();
	sets[2] = matrix_tests();
	sets[3] = host_tests();
	sets[4] = adopt_tests();
	sets[5] = upgrade_tests();
	sets[6] = policy_tests();
	sets[7] = ops_tests();
	sets[8] = inline_tests();
	sets[9] = TEST_SET(last_tests);
	return tests_run(sets, 10, argv + 1);
}
