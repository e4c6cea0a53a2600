// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hooks.h"
#include "loader/inline.h"
#include "loader/loader.h"
#include "loader/privilege.h"
#include "loader/types.h"
#include "table/table.h"

bool stages_all_hooked(const struct loader *l)
{
	return hooks_stage_loaded(STAGE_VFIO) && hooks_stage_loaded(STAGE_KVM) && !l->unhooked;
}

_Static_assert(IRQGATE_MODULE_KERNEL == 1u << STAGE_CORE &&
		       IRQGATE_MODULE_VFIO == 1u << STAGE_VFIO &&
		       IRQGATE_MODULE_KVM == 1u << STAGE_KVM,
	       "each stage has its bit");

/* An alarm when a module without hooks appears, a message when no such module is left. */
static void report_unhooked(struct loader *l, __u32 unhooked)
{
	__u32 begin = unhooked & ~l->unhooked, end = l->unhooked & ~unhooked;
	enum stage stage;

	/* First, because from here on the gates refuse new binds of these modules. */
	__atomic_store_n(&l->pins.state->unhooked, unhooked, __ATOMIC_SEQ_CST);
	l->unhooked = unhooked;
	for (stage = STAGE_CORE; stage <= STAGE_KVM; stage++)
		if (begin & 1u << stage)
			msg("ALARM: %s; enforce mode refuses what it would bind",
			    hooks_lack(stage) ?: "a module is not hooked, which is tried again");
	if (end)
		msg("what could not be hooked is hooked, or gone");
	if (begin || end)
		loader_report_own(l, IRQGATE_VERDICT_ALARM,
				  begin ? IRQGATE_REASON_UNHOOKED : IRQGATE_REASON_HOOKED,
				  IRQGATE_LEVEL_NONE);
}

int stages_load(struct loader *l)
{
	__u32 unhooked = hooks_lack(STAGE_CORE) ? IRQGATE_MODULE_KERNEL : 0;
	enum stage stage;
	int err, last = 0;

	for (stage = STAGE_VFIO; stage <= STAGE_KVM; stage++) {
		if (hooks_stage_loaded(stage) && !l->replacing)
			continue;
		err = hooks_load(stage, l->gates);
		if (!err || err == -EAGAIN)
			continue;
		unhooked |= 1u << stage;
		last = err;
	}
	if (table_governs(&l->pins)) {
		err = hooks_govern(true);
		if (err) {
			unhooked |= IRQGATE_MODULE_VFIO;
			last = err;
		}
	}
	/* Until an upgrade ends, the old build's programs answer the inline gate. */
	if (l->replacing && l->pins.state->inline_gate)
		hooks_load(STAGE_INLINE, l->gates);
	types_forget();
	l->pins.state->vfio_msihandler = kernel_symbol("vfio_msihandler");
	report_unhooked(l, unhooked);
	return last;
}

int stages_load_first(struct loader *l)
{
	int err = stages_load(l);

	return err == -EOPNOTSUPP && l->policy->defaults.mode != IRQGATE_MODE_ENFORCE ? 0 : err;
}

static void report_gate(struct loader *l, enum irqgate_reason reason)
{
	loader_report_own(l, IRQGATE_VERDICT_NONE, reason, IRQGATE_LEVEL_INLINE);
	msg(reason == IRQGATE_REASON_GATE_ON
		    ? "the inline gate is in force"
		    : "the inline gate is no longer in force, quarantine takes its place");
}

/*
 * Attached programs keep the kernel module loaded. To unload it, the operator writes 0 to its
 * parameter `armed`, and the loader detaches.
 */
void stages_check_inline(struct loader *l)
{
	bool on = irqgate_inline_decides(l->pins.state);
	int lock;

	if (!inline_present()) {
		l->inline_tried = false;
		return;
	}
	/* The hooks of VFIO come first. */
	if (!hooks_stage_loaded(STAGE_VFIO))
		return;
	if (on ? inline_armed() : l->inline_tried) {
		/* After two ticks no interrupt is in flight that the gate has not seen. */
		if (on && ++l->gate_ticks == 3)
			hooks_yield();
		return;
	}
	lock = lock_changes();
	if (lock < 0)
		return;
	l->inline_tried = true;
	l->gate_ticks = 0;
	if (on) {
		/* The gate also decides while it is unarmed. So it may stay until this succeeds. */
		if (hooks_resume())
			goto out;
		inline_detach(&l->pins);
		report_gate(l, IRQGATE_REASON_GATE_OFF);
	} else if (!inline_attach(&l->pins)) {
		report_gate(l, IRQGATE_REASON_GATE_ON);
	}
out:
	close(lock);
}

void stages_handle_modules(struct loader *l)
{
	bool vfio = hooks_stage_loaded(STAGE_VFIO), kvm = hooks_stage_loaded(STAGE_KVM);

	l->check_modules = false;
	/* Without its pins the core seems not loaded either: they were moved away. */
	if (stages_all_hooked(l) || !hooks_stage_loaded(STAGE_CORE))
		return;
	stages_load(l);
	if (vfio == hooks_stage_loaded(STAGE_VFIO) && kvm == hooks_stage_loaded(STAGE_KVM))
		return;
	msg("hooked modules that appeared:%s%s",
	    !vfio && hooks_stage_loaded(STAGE_VFIO) ? " vfio" : "",
	    !kvm && hooks_stage_loaded(STAGE_KVM) ? " kvm" : "");
	hooks_open_counters();
	l->reviewed = 0; /* a mapping may be older than the hooks */
	loader_adopt(l); /* finds and judges what was bound before the hooks */
	/* With KVM there, interrupts may get past the inline gate. */
	if (irqgate_inline_decides(l->pins.state))
		inline_attach(&l->pins);
	if (stages_all_hooked(l) && privilege_limit(!inline_expected()))
		msg("the capabilities to attach hooks stay");
}

bool stages_due(struct loader *l)
{
	if (!l->unhooked || ++l->unhooked_ticks < ENFORCE_EVERY)
		return false;
	l->unhooked_ticks = 0;
	return true;
}

/*
 * A listed module may not be ready yet, so irqgate looks for some seconds. It looks at the
 * directory, because reading kallsyms each time takes long.
 */
bool stages_change(struct loader *l)
{
	struct stat st;

	if (!stat("/sys/module", &st) && st.st_nlink != l->modules) {
		l->modules = st.st_nlink;
		l->modules_ticks = 10;
	}
	return l->modules_ticks && l->modules_ticks--;
}
