// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject.*: processes that write to a VM's eventfds, read them, or call KVM or VFIO to raise an
 * interrupt there.
 * irqfd.*: VMs that come to listen to an eventfd.
 */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- inject.* --------------------------------------------------------------- */

static void inject_foreign_denied(void)
{
	struct worker *w, *foreign;
	struct json_object *ev;

	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
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

	loader_with(ENFORCE CONTEXTS "defaults: { unlisted_source: allow }\n");
	w = emulator(BLUE);
	foreign = heir_of(w, RED, 0);
	must(foreign, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
}

/* The row of the device guards its eventfds, whatever the policy lets sources do. */
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
	w = bound_driver(BLUE, &nic);
	foreign = heir_of(w, RED, 1);
	must(w, W_RAISE, 1, 1, 3);
	nap(50);
	expect_is(ask(foreign, W_TAKE, 1, 0, 0), -EACCES, "a foreign read");
	expect_is(ask(w, W_TAKE, 1, 0, 0), 3, "count");
}

#define SOURCE                                                                                     \
	"sources:\n"                                                                               \
	"  - { handle: \"soft:backend\", match: { cgroup: /t/soft }, context: %s "                 \
	"}\n" NAMED_SOURCES

static void inject_soft_source(void)
{
	struct worker *w, *source, *foreign;

	loader_with(ENFORCE CONTEXTS SOURCE, "blue");
	w = emulator(BLUE);
	source = heir_of(w, SOFT, 0);
	foreign = heir_of(w, NOBODY, 0);
	must(source, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
	expect_is(ask(foreign, W_WRITE, 0, 0, 0), -EACCES, "another's write");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	loader_with(ENFORCE CONTEXTS SOURCE, "red");
	expect_is(ask(source, W_WRITE, 0, 0, 0), -EACCES, "the write of red's source");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
}

static void inject_own(void)
{
	struct worker *w;

	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
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
	struct worker *w;

	loader_with(ENFORCE "contexts:\n"
			    "  - { name: blue, match: { cgroup: /t/blue }, strict: true }\n"
			    "devices:\n" ROW,
		    nic.handle, "blue", "all", "drop");
	w = bound_vmm(BLUE, &nic);
	mark();
	expect_is(ask(w, W_WRITE, 0, 0, 0), -EACCES, "a write of its own");
	expect_is(ask(w, W_MSI, 1, 0, 0), -EACCES, "KVM_SIGNAL_MSI");
	expect_is(ask(w, W_LINE, 2, 0, 0), -EACCES, "KVM_IRQ_LINE");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	expect_reported("deny", "strict", "injection", NULL, 0);
	must(w, W_ARRIVES, 0, nic.vectors, 2);
	COUNTS_OF(&nic, 1, 4, .passed = 2);
}

/* VFIO_DEVICE_SET_IRQS without eventfds raises an interrupt. */
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
	expect_raise_refused(foreign, w, &nic, 3);
}

/* Red holds blue's device, too, and connects a vector to an eventfd of its own. */
static void inject_foreign_bind(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "deny");
	w = bound_vmm(BLUE, &nic);
	foreign = heir_of(w, RED, 1);
	must(foreign, W_EVENTFDS, 5, 0, 0);
	expect_is(ask(foreign, W_VFIO, 1, 1, 0), -EACCES, "binding by red");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	expect_is(ask(foreign, W_TAKE, 1, 0, 0), 0, "count at red's eventfd");
}

/* ---- irqfd.* ---------------------------------------------------------------- */

static void irqfd_foreign_deny(void)
{
	struct worker *w, *foreign;

	enforce(&nic, "all", "deny");
	w = bound_driver(BLUE, &nic);
	foreign = red_vm(w);
	expect_irqfd_refused(foreign, w, &nic, 2);
}

/* Red's VM listens since before irqgate enforced, so irqgate drops the vector until it ends. */
static void irqfd_foreign_gone(void)
{
	struct worker *w, *foreign;

	loader_with(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "drop");
	w = driver(BLUE, &nic);
	foreign = red_vm(w);
	must(foreign, W_IRQFD, 0, 1, 0);
	must(w, W_VFIO, 0, nic.vectors, 0);
	enforce(&nic, "all", "drop");
	expect_running(w);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(foreign, W_PENDING, 0, 0, 0), 0, "pending at red's VM");
	expect_state(nic.handle, 0, 0, "quarantined");
	worker_end(foreign, true);
	expect(wait_for(5000, vector_is(&nic, 0, "bound")),
	       "still quarantined 5 s after the VM ended");
	ask(w, W_TAKE, 0, 0, 0);
	must(w, W_RAISE, 0, 1, 2);
	expect_is(ask(w, W_TAKE, 0, 0, 0), 2, "count at the owner");
}

/* KVM_IRQFD injects a pending count at once. */
static void irqfd_charged(void)
{
	struct worker *w, *foreign;

	loader_with(ENFORCE CONTEXTS NAMED_SOURCES);
	w = worker_new(BLUE);
	must(w, W_VM, 2, 0, 0);
	must(w, W_EVENTFDS, 2, 0, 0);
	foreign = heir_of(w, RED, 0);
	must(foreign, W_WRITE, 0, 0, 0);
	expect_is(ask(w, W_IRQFD, 0, 1, 0), -EACCES, "KVM_IRQFD of an eventfd with a count");
	expect_is(ask(w, W_PENDING, 0, 0, 0), 0, "pending");
	expect_is(ask(w, W_TAKE, 0, 0, 0), 1, "count");
	must(w, W_IRQFD, 0, 1, 0);
	must(w, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
}

static const struct test tests[] = {
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
	{ "irqfd.foreign_gone", irqfd_foreign_gone },
	{ "irqfd.charged", irqfd_charged },
};

struct test_set inject_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
