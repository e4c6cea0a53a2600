// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/layout.h>
#include "lib/util.h"
#include "loader/apply.h"
#include "loader/enforce.h"
#include "loader/guard.h"
#include "loader/held.h"
#include "loader/hooks.h"
#include "loader/inline.h"
#include "loader/loader.h"
#include "loader/support.h"
#include "loader/upgrade.h"
#include "policy/policy.h"
#include "table/revoke.h"
#include "table/rows.h"
#include "table/table.h"

/* A gate reads the loader's pid first and stops the binding process later: at most so much later.
 */
#define LAST_HOLD_US 20000

/* From here on the gates know this loader, and leave it binds to quarantine. */
static int claim_ownership(struct loader *l)
{
	static const struct irqgate_vector_key nobody;
	static const struct irqgate_counters none;
	__u64 start;
	int err;

	l->pins.state->layout = IRQGATE_LAYOUT;
	l->pins.state->moves = 0; /* odd, if a loader was killed */
	/* The programs that count kernel-side signals cannot create a row. */
	if (!bpf_map_update_elem(l->pins.stats, &nobody, &none, BPF_NOEXIST))
		pins_charge(&l->pins, IRQGATE_ACCOUNT_ALL, IRQGATE_ROOM_STATS, 1);
	if (!l->opts->stay)
		return 0;
	err = process_start((__u32)getpid(), &start);
	if (err)
		return fail(err, "cannot find out when it started: %s", strerror(-err));
	loader_beat(l);
	__atomic_store_n(&l->pins.state->loader_start, start, __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->pins.state->loader_tgid, getpid(), __ATOMIC_SEQ_CST);
	return 0;
}

/* Until the upgrade ends, the old build counts what its inline gate decides. */
static int load_idle_inline(struct loader *l)
{
	if (inline_lack().why)
		return 0;
	l->pins.state->inline_gate = IRQGATE_INLINE_IDLE;
	hooks_load(STAGE_INLINE, false);
	return 0;
}

/* Before the old build's programs go, so that each vector always has a gate. */
static int attach_inline(struct loader *l)
{
	if (inline_present())
		inline_attach(&l->pins);
	return 0;
}

int loader_start(struct loader *l)
{
	bool fresh = !hooks_stage_loaded(STAGE_CORE);
	int upgrade = upgrade_begin(), err;

	if (upgrade < 0)
		return upgrade;
	l->fresh = fresh && upgrade == UPGRADE_NONE;
	l->replacing = upgrade == UPGRADE_BUILD;
	if (upgrade != UPGRADE_NONE)
		hooks_replace(l->replacing ? PIN_DIR : PIN_OLD);
	err = hooks_load(STAGE_CORE, l->gates) ?: pins_open(&l->pins) ?: claim_ownership(l);
	if (err)
		return err;
	/* An upgrade to another layout restores the old build's revocations later. */
	if (upgrade != UPGRADE_LAYOUT && revocations_restore(&l->pins))
		return -EIO;
	policy_number(l->policy);
	/* After a crash the loader adopts the table as it is, with the rows that `allow` added. */
	if (l->pins.state->policy != policy_hash(l->policy))
		err = loader_publish(l);
	else
		err = pins_adopt_tasks();
	l->generation = l->pins.state->generation;
	err = err ?: stages_load_first(l);
	if (!err && upgrade == UPGRADE_LAYOUT)
		err = load_idle_inline(l) ?: upgrade_migrate() ?: revocations_restore(&l->pins) ?:
		      loader_search(l) ?: attach_inline(l) ?: upgrade_finish();
	if (err)
		return err;
	l->pins.state->build = hooks_build();
	l->replacing = false;
	hooks_replace(NULL);
	hooks_open_counters();
	err = loader_adopt(l) ?: pins_call("prog_firmware");
	/* Hooks may have yielded to an inline gate whose removal was interrupted. */
	if (!err && !irqgate_inline_decides(l->pins.state))
		err = hooks_resume();
	/* The inline gate is optional. It has printed its own error. */
	if (!err)
		stages_check_inline(l);
	return err;
}

int release_all(struct pins *pins, bool *left)
{
	int lock = lock_changes(), err;

	if (lock < 0)
		return lock;
	pins->state->defaults[0] = pins->state->defaults[1] = (struct irqgate_defaults){};
	err = table_clear(pins);
	/* Twice, because no loader will repeat what fails for lack of memory or descriptors. */
	*left = !err && bindings_settle(pins, NULL, NULL) && bindings_settle(pins, NULL, NULL);
	if (!err)
		err = inline_detach(pins);
	close(lock);
	return err;
}

void loader_undo_start(struct loader *l)
{
	bool left;

	if (l->pins.state)
		__atomic_store_n(&l->pins.state->loader_tgid, 0, __ATOMIC_SEQ_CST);
	if (!l->fresh)
		return;
	if (l->pins.state && l->pins.state->layout) /* claim_ownership() has run */
		release_all(&l->pins, &left);
	unlink(POLICY_IN_FORCE);
	pins_remove(PIN_DIR);
}

void loader_leave(struct loader *l)
{
	int lock, tries;

	__atomic_store_n(&l->pins.state->loader_tgid, 0, __ATOMIC_SEQ_CST);
	usleep(LAST_HOLD_US);
	for (tries = 0; tries < 5 && held_any(&l->pins); tries++) {
		lock = lock_changes();
		loader_settle(l);
		if (lock >= 0)
			close(lock);
	}
	guard_end();
}
