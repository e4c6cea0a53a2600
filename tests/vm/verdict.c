// SPDX-License-Identifier: GPL-2.0-only
/* allow.*, deny.*, drop.*, audit.*: what the policy says of a vector that a process binds. */
#include "fixture.h"

#include <errno.h>
#include <irqgate/table.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

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
	}
}

static void allow_unlisted(void)
{
	struct worker *w;

	loader_with(ENFORCE CONTEXTS);
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

/* The process is of another context; in deny_context() it is of none. */
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
	expect_reported("deny", "vector", "bind", nic.handle, 3);
}

static void deny_unlisted(void)
{
	struct worker *w;

	loader_with(ENFORCE CONTEXTS "defaults: { unlisted_device: deny }\n");
	w = vmm(BLUE, &nic);
	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), -EACCES, "binding");
	must(w, W_ABSENT, 0, nic.vectors, 1);
	COUNTS(&nic, .denied = 1);
	expect_reported("deny", "unlisted", "bind", nic.handle, 0);
}

/* No row can name a VFIO device that is not a PCI function, so the default decides. */
static void deny_unnamed(void)
{
	const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
	struct worker *w, *friend;

	if (!module_here("irqgate_nameless"))
		expect(!insmod_built("irqgate_nameless"), "insmod irqgate_nameless.ko failed");
	loader_with(ENFORCE CONTEXTS "defaults: { unlisted_device: audit }\n");
	expect(strstr(irqgate("probe", NULL)->out, "not governed VFIO devices"),
	       "probe does not report it");
	w = worker_new(BLUE);
	friend = worker_new(BLUE);
	make_peers(w, friend);
	expect_is(ask_text(w, W_OPEN_PLAIN, "nameless"), 0, "opening it");
	must(w, W_EVENTFDS, 1, 0, 0);
	mark();
	expect_is(ask(w, W_INDEX, 0, 0, trigger), 0, "binding under audit");
	expect_counts("-", IRQGATE_VECTOR_FUNCTION, IRQGATE_VECTOR_FUNCTION,
		      (struct counts){ .audited = 1 });
	loader_with(ENFORCE CONTEXTS "defaults: { unlisted_device: deny }\n");
	mark();
	expect_is(ask(w, W_INDEX, 0, 0, trigger), -EACCES, "binding");
	expect_is(ask(w, W_INDEX_NONE, 0, 0, 0), -EACCES, "raising");
	must(w, W_SEND, 0, 1, 0);
	expect_is(ask(friend, W_RECEIVE, 0, 1, 0), 0, "the device at a friend");
	expect_counts("-", IRQGATE_VECTOR_FUNCTION, IRQGATE_VECTOR_FUNCTION,
		      (struct counts){ .denied = 3 });
	expect_reported("deny", "unlisted", "bind", NULL, IRQGATE_VECTOR_FUNCTION);
	worker_end(w, false);
	loader_with(ENFORCE CONTEXTS);
	w = worker_new(BLUE);
	expect_is(ask_text(w, W_OPEN_PLAIN, "nameless"), 0, "opening it again");
	must(w, W_EVENTFDS, 1, 0, 0);
	expect_is(ask(w, W_INDEX, 0, 0, trigger), 0, "binding under allow");
}

/* 32-bit calls reach a hook of their own, which cannot see their arguments. */
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

/* ---- drop.* ----------------------------------------------------------------- */

static void drop(const struct device *d, enum order order)
{
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
	expect_reported("drop", "context", "quarantine", d->handle, d->vectors - 1);
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

/* A process that binds again gets no interrupts either. */
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

	mark();
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_ARRIVES, 0, nic.vectors, 3);
	COUNTS(&nic, .would_drop = 3, .audited = 1);
	expect_reported("audit", "context", "none", nic.handle, 1);
}

static void audit_mode(void)
{
	loader_with(AUDIT CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "deny");
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

	loader_with(AUDIT CONTEXTS NAMED_SOURCES);
	w = emulator(BLUE);
	foreign = heir_of(w, RED, 0);
	mark();
	must(foreign, W_WRITE, 0, 0, 0);
	must(w, W_WAIT, 0, 0, 0);
	expect_counts("-", 0, 0, (struct counts){ .would_drop = 1 });
}

static const struct test tests[] = {
	{ "allow.context", allow_context },
	{ "allow.unlisted", allow_unlisted },
	{ "allow.to_pid", allow_to_pid },
	{ "deny.context", deny_context },
	{ "deny.other_context", deny_other_context },
	{ "deny.vectors", deny_vectors },
	{ "deny.unlisted", deny_unlisted },
	{ "deny.unnamed", deny_unnamed },
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
};

struct test_set verdict_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
