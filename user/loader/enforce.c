// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include <irqgate/decide.h>
#include "loader/enforce.h"
#include "loader/held.h"
#include "loader/isolate.h"
#include "loader/quarantine.h"
#include "loader/round.h"

/* One round over the bindings; returns how many it changed. */
static int enforce_once(struct pins *pins, int *failed)
{
	const struct irqgate_binding *b;
	struct binding_walk w = {};
	int changed = 0, more, err;
	enum contained contained;

	*failed = 0;
	while ((more = binding_next(pins, &w)) > 0) {
		b = &w.b;
		if (b->state == IRQGATE_BINDING_BOUND && b->verdict >= IRQGATE_VERDICT_DROP) {
			if (gated_inline(pins, b))
				continue;
			contained = binding_quarantine(pins, b, IRQGATE_LAST_RESORT_UNSET);
			changed += contained == CONTAINED_GONE;
			*failed += contained <= CONTAINED_HELD;
			continue;
		} else if (b->state == IRQGATE_BINDING_QUARANTINED &&
			   b->verdict <= IRQGATE_VERDICT_AUDIT) {
			err = binding_release(pins, b);
		} else if (b->state == IRQGATE_BINDING_BOUND && b->pending &&
			   b->verdict <= IRQGATE_VERDICT_AUDIT) {
			*failed += !!binding_replay(pins, b);
			continue;
		} else if (b->state == IRQGATE_BINDING_HOST && b->isolate &&
			   b->verdict >= IRQGATE_VERDICT_DROP && b->count.leaked) {
			*failed += !!isolate(pins, b->handle, b->vector);
			continue; /* that does not change the binding */
		} else {
			continue;
		}
		changed += !err;
		*failed += !!err;
	}
	*failed += more < 0;
	return changed;
}

int bindings_enforce(struct pins *pins)
{
	int failed = 0, err = pins_judge(pins), round;

	if (err)
		return err;
	round_begin();
	/*
	 * An owner that binds several vectors in one call holds VFIO's igate until all
	 * are bound, so the first quarantine waits for the rest. By then the walk may have
	 * passed their entries, so walk again.
	 */
	for (round = 0; round < 16 && enforce_once(pins, &failed); round++)
		;
	pins->state->uncontained = (__u64)failed;
	return failed + isolate_review(pins);
}

int bindings_settle(struct pins *pins, int (*search)(void *arg), void *arg)
{
	struct held held;
	int err = held_read(pins, &held);

	if (err)
		return err;
	if (search)
		held_wait(&held);
	err = (search ? search(arg) : 0) ?: bindings_enforce(pins);
	if (err >= 0)
		held_continue(pins, &held);
	return err;
}
