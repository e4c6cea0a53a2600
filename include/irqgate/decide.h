/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decision: may this source raise this vector for this context?
 *
 * Pure functions over table rows. BPF, the command and the unit tests share the code. The caller
 * (bpf/decide.bpf.h, user/cli/explain.c) looks up the rows and passes NULL for a row that does
 * not exist. No other file has rules.
 */
#ifndef IRQGATE_DECIDE_H
#define IRQGATE_DECIDE_H

#include <irqgate/table.h>

/* A BPF function cannot return a struct, so it must contain these functions. */
#define IRQGATE_INLINE static inline __attribute__((always_inline))

enum irqgate_verdict {
	IRQGATE_VERDICT_NONE = 0, /* not decided yet */
	IRQGATE_VERDICT_ALLOW = 1,
	IRQGATE_VERDICT_AUDIT = 2, /* passes, although the table forbids it */
	IRQGATE_VERDICT_DROP = 3,
	IRQGATE_VERDICT_DENY = 4,
	IRQGATE_VERDICT_LEAK = 5, /* reported only: an unauthorized interrupt passed */
	IRQGATE_VERDICT_ALARM = 6, /* reported only: the state of irqgate itself */
};

enum irqgate_reason {
	IRQGATE_REASON_NONE = 0,
	IRQGATE_REASON_REGISTERED = 1, /* allow: the table has the row */
	IRQGATE_REASON_UNLISTED = 2, /* the table does not name the source */
	IRQGATE_REASON_VECTOR = 3, /* the table names the source, not this vector */
	IRQGATE_REASON_CONTEXT = 4, /* the vector is registered for another context */
	IRQGATE_REASON_REVOKED = 5,
	IRQGATE_REASON_STRICT = 6, /* the VM's own VMM, but the context is strict */
	IRQGATE_REASON_OWN_VMM = 7, /* allow: a VMM signals its own VM */
	IRQGATE_REASON_SHARED = 8, /* more bindings on one eventfd than irqgate tracks */
	IRQGATE_REASON_COMPAT = 9, /* a command that binds, from a 32-bit process */
	IRQGATE_REASON_NO_LOADER = 10, /* the action is drop, but no loader can quarantine */
	IRQGATE_REASON_FULL = 11, /* no room or memory to keep track of it */
	IRQGATE_REASON_UNRESOLVED = 12, /* a search found the binding, but not its owner */
	/* The loader could not hook the code that binds it. As an alarm: from now on. */
	IRQGATE_REASON_UNHOOKED = 13,
	IRQGATE_REASON_SWAPPED = 14, /* the caller changed the arguments after the gate read them */
	IRQGATE_REASON_BROKER = 15, /* a broker may hold the device, and not use it */
	/* The vectors' counters have none of those below (IRQGATE_MAX_REASONS). */
	IRQGATE_REASON_GATE_ON = 16, /* no verdict: the inline gate is in force from now on */
	IRQGATE_REASON_GATE_OFF = 17, /* no verdict: the inline gate is no longer in force */
	/* No verdict: the kernel told s390's firmware about the interrupts of a function. */
	IRQGATE_REASON_FW_REGISTERED = 18,
	IRQGATE_REASON_FW_DEREGISTERED = 19,
	IRQGATE_REASON_FW_FAILED = 20, /* firmware refused */
	IRQGATE_REASON_FW_HANDLE = 21, /* the function has another handle */
	/* Firmware's registration is not what the table authorizes (user/s390/firmware.c). */
	IRQGATE_REASON_FW_VECTORS = 22, /* more vectors */
	IRQGATE_REASON_FW_OWNER = 23, /* to another context */
	IRQGATE_REASON_FW_UNLISTED = 24, /* for a function that the table does not name */
	IRQGATE_REASON_FW_MISSING = 25, /* none for a function that the table names */
	IRQGATE_REASON_FW_FORWARD = 26, /* KVM found no VM to forward an interrupt to */
	IRQGATE_REASON_FILLING = 27, /* alarm: a map is four fifths full */
	IRQGATE_REASON_OVERFLOW = 28, /* alarm: an object exists for which a map had no room */
	IRQGATE_REASON_EMPTIED = 29, /* alarm: there is room again */
	IRQGATE_REASON_REPLAYED = 30, /* allow: a swallowed interrupt was given back, once */
	IRQGATE_REASON_SILENT = 31, /* alarm: the hooks do not run, nothing is enforced */
	IRQGATE_REASON_RECOVERED = 32, /* alarm: the hooks run again */
	IRQGATE_REASON_HOOKED = 33, /* alarm: UNHOOKED has ended */
};

struct irqgate_decision {
	__u8 verdict; /* enum irqgate_verdict */
	__u8 reason; /* enum irqgate_reason */
	__u8 isolate; /* 1: the action was isolate */
	__u8 shared; /* irqgate_decide_access(): a vector may belong to another context */
	__u32 gd; /* context the table expects, IRQGATE_GD_NONE if it names none */
};

IRQGATE_INLINE struct irqgate_decision irqgate_act(const struct irqgate_defaults *def, __u8 action,
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

/* irqgate_revoked - did the operator revoke this vector? @rev: row of its device, or NULL */
static inline int irqgate_revoked(const struct irqgate_revocation *rev, __u32 vector)
{
	if (!rev)
		return 0;
	if (vector >= IRQGATE_MAX_VECTORS)
		return rev->flags & IRQGATE_REVOKED_FUNCTION;
	return rev->vectors[vector / 64 % (IRQGATE_MAX_VECTORS / 64)] >> (vector % 64) & 1;
}

/*
 * irqgate_full - an object that irqgate cannot keep track of, because there was no room for it
 * @def: defaults of the table in force
 *
 * If `on_full` is allow, the object passes, but as in audit: it never counts as authorized.
 */
IRQGATE_INLINE struct irqgate_decision irqgate_full(const struct irqgate_defaults *def)
{
	return irqgate_act(def,
			   def->on_full == IRQGATE_ACTION_ALLOW ? IRQGATE_ACTION_AUDIT
								: IRQGATE_ACTION_DENY,
			   IRQGATE_REASON_FULL, IRQGATE_GD_NONE);
}

/*
 * irqgate_decide - a device's vector
 * @def: defaults of the table in force
 * @reg: registration of the device, or NULL
 * @vec: row of the vector, or NULL
 * @rev: revocation of the device, or NULL
 * @vector: MSI or MSI-X index, or IRQGATE_VECTOR_FUNCTION
 * @gd: context that receives, or asks to
 * @host: a host driver has the device, so VFIO cannot connect the vector
 */
IRQGATE_INLINE struct irqgate_decision irqgate_decide(const struct irqgate_defaults *def,
						      const struct irqgate_registration *reg,
						      const struct irqgate_vector_auth *vec,
						      const struct irqgate_revocation *rev,
						      __u32 vector, __u32 gd, int host)
{
	__u32 want;

	/*
	 * A revocation is an order of the operator, not policy, so it holds in audit mode, too.
	 * An unlisted device, or one whose action is below deny, keeps running; only its
	 * interrupts are swallowed.
	 */
	if (irqgate_revoked(rev, vector))
		return (struct irqgate_decision){
			.verdict = reg && reg->action >= IRQGATE_ACTION_DENY ? IRQGATE_VERDICT_DENY
									     : IRQGATE_VERDICT_DROP,
			.reason = IRQGATE_REASON_REVOKED,
			.isolate = reg && reg->action == IRQGATE_ACTION_ISOLATE,
			.gd = IRQGATE_GD_NONE
		};
	/* A host driver's device belongs to the host, unless a row says otherwise. */
	if (!reg && host)
		return irqgate_act(def, def->unlisted_host, IRQGATE_REASON_UNLISTED,
				   IRQGATE_GD_HOST);
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

/* What a process does with a device, apart from its interrupts. */
enum irqgate_use {
	IRQGATE_RECEIVES = 0, /* it gets the file from another process */
	IRQGATE_HOLDS = 1, /* it opens the device, or asks what the device has */
	IRQGATE_USES = 2, /* it reads, writes, maps, resets or changes the device */
};

/* Is the context a broker of the device? @reg: its registration, or NULL */
static inline int irqgate_brokers(const struct irqgate_registration *reg, __u32 gd)
{
	__u32 i;

	if (!reg || gd == IRQGATE_GD_NONE)
		return 0;
	for (i = 0; i < IRQGATE_MAX_BROKERS; i++)
		if (i < reg->brokers && reg->broker[i] == gd)
			return 1;
	return 0;
}

/*
 * irqgate_decide_access - a process that holds or uses a device which VFIO drives
 * @def, @reg, @rev: as irqgate_decide()
 * @gd: context of the process
 * @use: enum irqgate_use
 *
 * On s390, zdev->gisa names the one VM that may reach the function by a zPCI instruction. Here
 * the context of the registration takes that place, if the policy says `access: owner`. A device
 * without a row has no owner, so `unlisted_device` decides. `access: any` allows everything but to
 * receive the file.
 */
IRQGATE_INLINE struct irqgate_decision irqgate_decide_access(const struct irqgate_defaults *def,
							     const struct irqgate_registration *reg,
							     const struct irqgate_revocation *rev,
							     __u32 gd, enum irqgate_use use)
{
	struct irqgate_decision d;

	if (use != IRQGATE_RECEIVES && (reg ? reg->access : def->access) != IRQGATE_ACCESS_OWNER)
		return irqgate_act(def, IRQGATE_ACTION_ALLOW, IRQGATE_REASON_NONE, IRQGATE_GD_NONE);
	d = irqgate_decide(def, reg, 0, rev, IRQGATE_VECTOR_FUNCTION, gd, 0);
	d.shared = reg && reg->flags & IRQGATE_REG_SHARED;
	if (d.verdict == IRQGATE_VERDICT_ALLOW || !irqgate_brokers(reg, gd))
		return d;
	if (use != IRQGATE_USES)
		return irqgate_act(def, IRQGATE_ACTION_ALLOW, IRQGATE_REASON_BROKER, reg->gd);
	if (d.reason == IRQGATE_REASON_CONTEXT)
		d.reason = IRQGATE_REASON_BROKER;
	return d;
}

/*
 * irqgate_decide_trace - a process that traces another one: it gets that process' memory and
 * descriptors, and controls its further execution
 * @def: defaults of the table in force
 * @owner: context of the other process
 * @gd: context of the process
 *
 * If one could trace the other, two contexts of the same user would not be separate.
 */
IRQGATE_INLINE struct irqgate_decision irqgate_decide_trace(const struct irqgate_defaults *def,
							    __u32 owner, __u32 gd)
{
	if (owner == IRQGATE_GD_NONE || owner == IRQGATE_GD_HOST || owner == gd)
		return irqgate_act(def, IRQGATE_ACTION_ALLOW, IRQGATE_REASON_NONE, owner);
	return irqgate_act(def, IRQGATE_ACTION_DENY, IRQGATE_REASON_CONTEXT, owner);
}

/*
 * irqgate_decide_source - a process that signals a VM
 * @def: defaults of the table in force
 * @source: the context that the process may signal as a soft source, or IRQGATE_GD_NONE
 * @own: the process is the VM's own VMM, or of the VM's context
 * @strict: the VM's context is strict
 * @gd: context of the VM
 */
IRQGATE_INLINE struct irqgate_decision irqgate_decide_source(const struct irqgate_defaults *def,
							     __u32 source, int own, int strict,
							     __u32 gd)
{
	if (source != IRQGATE_GD_NONE && source == gd)
		return (struct irqgate_decision){ .verdict = IRQGATE_VERDICT_ALLOW,
						  .reason = IRQGATE_REASON_REGISTERED,
						  .gd = gd };
	if (own && !strict)
		return (struct irqgate_decision){ .verdict = IRQGATE_VERDICT_ALLOW,
						  .reason = IRQGATE_REASON_OWN_VMM,
						  .gd = gd };
	if (own)
		return irqgate_act(def, IRQGATE_ACTION_DENY, IRQGATE_REASON_STRICT, gd);
	if (source != IRQGATE_GD_NONE)
		return irqgate_act(def, IRQGATE_ACTION_DENY, IRQGATE_REASON_CONTEXT, source);
	return irqgate_act(def, def->unlisted_source, IRQGATE_REASON_UNLISTED, gd);
}

/*
 * irqgate_source_decides - does the source decide, if a device's vector is to reach a VM?
 * @vector: irqgate_decide() of the vector for the VM's context
 * @source: irqgate_decide_source() of the process that bound or raises the vector, for
 *	the VM
 * @raises: the process raises it by a system call, without the device
 *
 * A device is one more way to signal a VM. So a vector that is not registered for the VM needs a
 * source that may signal the VM. The VMM of a strict context must not raise even a registered
 * vector, unless the policy names the VMM as a source.
 */
static inline int irqgate_source_decides(struct irqgate_decision vector,
					 struct irqgate_decision source, int raises)
{
	if (vector.verdict == IRQGATE_VERDICT_ALLOW && vector.reason == IRQGATE_REASON_REGISTERED &&
	    !(raises && source.reason == IRQGATE_REASON_STRICT))
		return 0;
	return source.verdict > vector.verdict;
}

/* Facts about a binding, besides the decisions on its binder and its listeners. A set. */
enum irqgate_standing {
	IRQGATE_BINDING_LISTENED = 1, /* a VM listens to its eventfd */
	IRQGATE_BINDING_UNRESOLVED = 2, /* its binder is unknown */
	IRQGATE_BINDING_UNTOLD = 4, /* its listeners are unknown, because a map had no room */
	IRQGATE_BINDING_SHARED = 8, /* more bindings share its eventfd than irqgate tracks */
};

/*
 * irqgate_listener_decides - does the decision on the listeners overrule that on the binder?
 *
 * If the binder is unknown, only the listening VMs are judged.
 */
static inline int irqgate_listener_decides(struct irqgate_decision binder,
					   struct irqgate_decision listener, __u32 standing)
{
	const __u32 theirs = IRQGATE_BINDING_UNRESOLVED | IRQGATE_BINDING_LISTENED;

	return listener.verdict > binder.verdict || (standing & theirs) == theirs;
}

/*
 * irqgate_decide_binding - a vector that is connected
 * @def: defaults of the table in force
 * @binder: irqgate_decide() for the context of the binder
 * @listener: the worst of the decisions for the VMs that listen
 * @standing: set of enum irqgate_standing
 */
IRQGATE_INLINE struct irqgate_decision irqgate_decide_binding(const struct irqgate_defaults *def,
							      struct irqgate_decision binder,
							      struct irqgate_decision listener,
							      __u32 standing)
{
	struct irqgate_decision d = binder, full = irqgate_full(def), shared;

	if (irqgate_listener_decides(binder, listener, standing))
		d = listener;
	else if (standing & IRQGATE_BINDING_UNRESOLVED && d.reason == IRQGATE_REASON_CONTEXT)
		d.reason = IRQGATE_REASON_UNRESOLVED;
	/* Not in audit mode: every start begins in it, before irqgate knows the listeners. */
	if (standing & IRQGATE_BINDING_UNTOLD && def->mode == IRQGATE_MODE_ENFORCE &&
	    full.verdict > d.verdict)
		return full;
	if (!(standing & IRQGATE_BINDING_SHARED) || d.verdict != IRQGATE_VERDICT_ALLOW)
		return d;
	/* An unlisted device counts as an unlisted source here. */
	shared = irqgate_act(def,
			     d.reason == IRQGATE_REASON_REGISTERED ? IRQGATE_ACTION_DENY
								   : def->unlisted_source,
			     IRQGATE_REASON_SHARED, d.gd);
	return shared.verdict > d.verdict ? shared : d;
}

#endif
