// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/vfio.h>

#include "lib/kernel.h"
#include "loader/cut.h"
#include "loader/isolate.h"
#include "loader/quarantine.h"
#include "loader/round.h"
#include "table/direct.h"
#include "table/table.h"

/* irqgate cuts a host driver's vector only with the whole function, if the policy says so. */
static int cut_host(struct pins *pins, const struct irqgate_binding *b)
{
	struct irqgate_registration reg;

	table_registration(pins, b->handle, &reg);
	if (reg.action == IRQGATE_ACTION_ISOLATE)
		return isolate(pins, b->handle, b->vector);
	return binding_fail(
		-EOPNOTSUPP, b,
		"cut: a host driver handles it; only 'on_violation: isolate' can cut it");
}

/* VFIO has pointed the vector at the sink, but the IOMMU may still post it to the old VM. */
static int cut_direct(const struct irqgate_binding *b)
{
	if (b->index == VFIO_PCI_INTX_IRQ_INDEX)
		return 0;
	return binding_fail(
		-EOPNOTSUPP, b,
		"cut for certain: AMD AVIC may go on posting it to the old VM on this kernel; "
		"load kvm_amd with avic=0, or use a newer kernel");
}

/* The binding exists. Its device raises nothing now, but the owner can use the device again. */
static int cut_silent(const struct irqgate_binding *b)
{
	return binding_fail(-EOPNOTSUPP, b,
			    "cut for certain: a holder can use its device again; 'revoke --kill' "
			    "kills the holders");
}

static int cut(struct pins *pins, const struct irqgate_binding *b, enum irqgate_last_resort how)
{
	switch (binding_quarantine(pins, b, how)) {
	case CONTAINED_NOT:
	case CONTAINED_HELD: /* print_held() printed it once for the device */
		return -EIO;
	case CONTAINED_SILENT:
		return cut_silent(b);
	default:
		return 0;
	}
}

int bindings_cut(struct pins *pins, __u64 handle, const struct vector_set *vectors,
		 enum irqgate_last_resort how)
{
	const struct irqgate_binding *b;
	bool stays = may_stay_direct();
	struct binding_walk w = {};
	int failed = 0, more;

	round_begin();
	while ((more = binding_next(pins, &w)) > 0) {
		b = &w.b;
		if (b->handle != handle)
			continue;
		if (!vectors->all && !vectors_has(vectors, b->vector))
			continue;
		/* The loader sees only once a second that a driver freed its interrupt. */
		if (b->state == IRQGATE_BINDING_HOST)
			failed += !irq_unused(b->irq) && cut_host(pins, b);
		else if (b->state == IRQGATE_BINDING_BOUND && !gated_inline(pins, b))
			failed += cut(pins, b, how) || (stays && cut_direct(b));
		else if (b->state == IRQGATE_BINDING_QUARANTINED && stays)
			failed += !!cut_direct(b);
	}
	return failed + (more < 0);
}

int binding_cut(struct pins *pins, __u32 irq)
{
	struct irqgate_binding b;

	if (binding_find(pins, irq, &b) || b.state != IRQGATE_BINDING_BOUND)
		return 0;
	return binding_quarantine(pins, &b, IRQGATE_LAST_RESORT_UNSET) <= CONTAINED_HELD ? -EIO : 0;
}
