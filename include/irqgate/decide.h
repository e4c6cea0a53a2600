/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decision: may this source raise this vector for this context?
 *
 * Pure functions over table rows, the same code in BPF, in the command and in
 * the unit tests. Whoever looks the rows up (bpf/decide.bpf.h, user/explain.c)
 * passes NULL for a row that does not exist. No other place has rules.
 */
#ifndef IRQGATE_DECIDE_H
#define IRQGATE_DECIDE_H

#include <irqgate/table.h>

enum irqgate_verdict {
	IRQGATE_VERDICT_NONE = 0, /* not decided yet */
	IRQGATE_VERDICT_ALLOW = 1,
	IRQGATE_VERDICT_AUDIT = 2, /* passes; would have been stopped */
	IRQGATE_VERDICT_DROP = 3,
	IRQGATE_VERDICT_DENY = 4,
	IRQGATE_VERDICT_LEAK = 5, /* reported only: it should have been stopped */
	IRQGATE_VERDICT_ALARM = 6, /* reported only: whether irqgate itself works */
};

enum irqgate_reason {
	IRQGATE_REASON_NONE = 0,
	IRQGATE_REASON_REGISTERED = 1, /* allow: the table has the row */
	IRQGATE_REASON_UNLISTED = 2, /* the table does not name the source */
	IRQGATE_REASON_VECTOR = 3, /* the source is listed, this vector is not */
	IRQGATE_REASON_CONTEXT = 4, /* registered for another context */
	IRQGATE_REASON_REVOKED = 5,
	IRQGATE_REASON_STRICT = 6, /* own VMM, but the context is strict */
	IRQGATE_REASON_OWN_VMM = 7, /* allow: a VMM signals its own VM */
	IRQGATE_REASON_SHARED = 8, /* more bindings on one eventfd than are tracked */
	IRQGATE_REASON_COMPAT = 9, /* governed command from a 32-bit process */
	IRQGATE_REASON_NO_LOADER = 10, /* drop asked for, nobody there to quarantine */
	IRQGATE_REASON_UNREADABLE = 11, /* arguments could not be read */
	IRQGATE_REASON_UNRESOLVED = 12, /* binding found, its owner was not */
	IRQGATE_REASON_SILENT = 13, /* alarm: the hooks do not fire, nothing is enforced */
	IRQGATE_REASON_RECOVERED = 14, /* alarm: they fire again */
	IRQGATE_REASON_SWAPPED = 15, /* arguments were changed after the gate had looked */
	IRQGATE_REASON_GATE_ON = 16, /* no verdict: the inline gate is in force from now on */
	IRQGATE_REASON_GATE_OFF = 17, /* no verdict: it no longer is */
	/* No verdict: what s390's firmware was told of a function's interrupts. */
	IRQGATE_REASON_FW_REGISTERED = 18,
	IRQGATE_REASON_FW_DEREGISTERED = 19,
	IRQGATE_REASON_FW_FAILED = 20, /* it refused */
	IRQGATE_REASON_FW_HANDLE = 21, /* the function has another handle */
	/* What it passes is not what the table authorizes (user/firmware.c). */
	IRQGATE_REASON_FW_VECTORS = 22, /* more vectors */
	IRQGATE_REASON_FW_OWNER = 23, /* to another context */
	IRQGATE_REASON_FW_UNLISTED = 24, /* of a function the table does not name */
	IRQGATE_REASON_FW_MISSING = 25, /* nothing of one it does */
	IRQGATE_REASON_FW_FORWARD = 26, /* KVM had nobody to forward one to */
};

struct irqgate_decision {
	__u8 verdict; /* enum irqgate_verdict */
	__u8 reason; /* enum irqgate_reason */
	__u8 isolate; /* the action was isolate */
	__u8 pad;
	__u32 gd; /* context the table expects, IRQGATE_GD_NONE if it names none */
};

static inline struct irqgate_decision irqgate_act(const struct irqgate_defaults *def, __u8 action,
						  __u8 reason, __u32 gd)
{
	struct irqgate_decision d = { .reason = reason, .gd = gd };

	if (action == IRQGATE_ACTION_ALLOW)
		d.verdict = IRQGATE_VERDICT_ALLOW;
	else if (action == IRQGATE_ACTION_AUDIT || def->mode != IRQGATE_MODE_ENFORCE)
		d.verdict = IRQGATE_VERDICT_AUDIT;
	else if (action == IRQGATE_ACTION_DROP)
		d.verdict = IRQGATE_VERDICT_DROP;
	else
		d.verdict = IRQGATE_VERDICT_DENY;
	d.isolate = d.verdict == IRQGATE_VERDICT_DENY && action == IRQGATE_ACTION_ISOLATE;
	return d;
}

/*
 * irqgate_decide - a device's vector
 * @def: defaults of the table in force
 * @reg: registration of the device, or NULL
 * @vec: row of the vector, or NULL
 * @vector: MSI or MSI-X index, or IRQGATE_VECTOR_FUNCTION
 * @gd: context that receives, or asks to
 */
static inline struct irqgate_decision irqgate_decide(const struct irqgate_defaults *def,
						     const struct irqgate_registration *reg,
						     const struct irqgate_vector_auth *vec,
						     __u32 vector, __u32 gd)
{
	__u32 want;

	/* An order of the operator, not policy: in force in audit mode too. */
	if (vec && (vec->flags & IRQGATE_VEC_REVOKED))
		return (struct irqgate_decision){ .verdict = vec->action == IRQGATE_ACTION_DROP
								     ? IRQGATE_VERDICT_DROP
								     : IRQGATE_VERDICT_DENY,
						  .reason = IRQGATE_REASON_REVOKED,
						  .isolate = vec->action == IRQGATE_ACTION_ISOLATE,
						  .gd = IRQGATE_GD_NONE };
	if (!reg)
		return irqgate_act(def, def->unlisted_device, IRQGATE_REASON_UNLISTED,
				   IRQGATE_GD_NONE);
	if (!vec && vector != IRQGATE_VECTOR_FUNCTION && !(reg->flags & IRQGATE_REG_ALL_VECTORS))
		return irqgate_act(def, reg->action, IRQGATE_REASON_VECTOR, IRQGATE_GD_NONE);
	want = vec ? vec->gd : reg->gd;
	if (gd != want)
		return irqgate_act(def, vec ? vec->action : reg->action, IRQGATE_REASON_CONTEXT,
				   want);
	return (struct irqgate_decision){ .verdict = IRQGATE_VERDICT_ALLOW,
					  .reason = IRQGATE_REASON_REGISTERED,
					  .gd = want };
}

/*
 * irqgate_decide_source - a process that signals a VM
 * @def: defaults of the table in force
 * @row: row that matches the process as a soft source, or NULL
 * @own: the process is the VM's own VMM, or of the VM's context
 * @strict: the VM's context is strict
 * @gd: context of the VM
 */
static inline struct irqgate_decision irqgate_decide_source(const struct irqgate_defaults *def,
							    const struct irqgate_match *row,
							    int own, int strict, __u32 gd)
{
	if (row && row->gd == gd)
		return (struct irqgate_decision){ .verdict = IRQGATE_VERDICT_ALLOW,
						  .reason = IRQGATE_REASON_REGISTERED,
						  .gd = gd };
	if (own && !strict)
		return (struct irqgate_decision){ .verdict = IRQGATE_VERDICT_ALLOW,
						  .reason = IRQGATE_REASON_OWN_VMM,
						  .gd = gd };
	if (own)
		return irqgate_act(def, IRQGATE_ACTION_DENY, IRQGATE_REASON_STRICT, gd);
	if (row)
		return irqgate_act(def, IRQGATE_ACTION_DENY, IRQGATE_REASON_CONTEXT, row->gd);
	return irqgate_act(def, def->unlisted_source, IRQGATE_REASON_UNLISTED, gd);
}

#endif
