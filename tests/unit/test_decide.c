// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every combination of rows, modes and actions against expectations that are
 * written out below, not computed the way decide.h does.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <linux/types.h>
#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include "lib/names.h"

#define GD_A 5
#define GD_B 6
#define GD_C 7

/* Verdict on a violation, by mode and action. */
static const __u8 verdicts[2][5] = {
	[IRQGATE_MODE_AUDIT] = {
		[IRQGATE_ACTION_ALLOW] = IRQGATE_VERDICT_ALLOW,
		[IRQGATE_ACTION_AUDIT] = IRQGATE_VERDICT_AUDIT,
		[IRQGATE_ACTION_DROP] = IRQGATE_VERDICT_AUDIT,
		[IRQGATE_ACTION_DENY] = IRQGATE_VERDICT_AUDIT,
		[IRQGATE_ACTION_ISOLATE] = IRQGATE_VERDICT_AUDIT,
	},
	[IRQGATE_MODE_ENFORCE] = {
		[IRQGATE_ACTION_ALLOW] = IRQGATE_VERDICT_ALLOW,
		[IRQGATE_ACTION_AUDIT] = IRQGATE_VERDICT_AUDIT,
		[IRQGATE_ACTION_DROP] = IRQGATE_VERDICT_DROP,
		[IRQGATE_ACTION_DENY] = IRQGATE_VERDICT_DENY,
		[IRQGATE_ACTION_ISOLATE] = IRQGATE_VERDICT_DENY,
	},
};

/* Whose action applies. NOBODY: there is no violation. OPERATOR: also when auditing. */
enum whose { NOBODY, DEFAULT, REGISTRATION, VECTOR, OPERATOR };

enum row { NO_ROW, ROW, REVOKED };

/*
 * The registration is for GD_A. The vector's row, when there is one, is for
 * GD_B: it must win over the registration.
 */
static const struct rule {
	bool registered, all, function;
	enum row row;
	__u32 gd; /* who asks */
	enum whose whose;
	__u8 reason;
	__u32 expected;
} rules[] = {
	/* Not registered: a row that is left over does not count. */
	{ false, false, false, NO_ROW, GD_A, DEFAULT, IRQGATE_REASON_UNLISTED, IRQGATE_GD_NONE },
	{ false, false, false, NO_ROW, IRQGATE_GD_HOST, DEFAULT, IRQGATE_REASON_UNLISTED,
	  IRQGATE_GD_NONE },
	{ false, false, false, NO_ROW, IRQGATE_GD_NONE, DEFAULT, IRQGATE_REASON_UNLISTED,
	  IRQGATE_GD_NONE },
	{ false, false, true, NO_ROW, GD_A, DEFAULT, IRQGATE_REASON_UNLISTED, IRQGATE_GD_NONE },
	{ false, false, false, ROW, GD_B, DEFAULT, IRQGATE_REASON_UNLISTED, IRQGATE_GD_NONE },
	{ false, false, false, REVOKED, GD_B, OPERATOR, IRQGATE_REASON_REVOKED, IRQGATE_GD_NONE },

	/* No row for the vector. */
	{ true, false, false, NO_ROW, GD_A, REGISTRATION, IRQGATE_REASON_VECTOR, IRQGATE_GD_NONE },
	{ true, false, false, NO_ROW, GD_C, REGISTRATION, IRQGATE_REASON_VECTOR, IRQGATE_GD_NONE },
	{ true, true, false, NO_ROW, GD_A, NOBODY, IRQGATE_REASON_REGISTERED, GD_A },
	{ true, true, false, NO_ROW, GD_C, REGISTRATION, IRQGATE_REASON_CONTEXT, GD_A },
	{ true, true, false, NO_ROW, IRQGATE_GD_HOST, REGISTRATION, IRQGATE_REASON_CONTEXT, GD_A },
	{ true, true, false, NO_ROW, IRQGATE_GD_NONE, REGISTRATION, IRQGATE_REASON_CONTEXT, GD_A },

	/* The function itself needs no row. */
	{ true, false, true, NO_ROW, GD_A, NOBODY, IRQGATE_REASON_REGISTERED, GD_A },
	{ true, false, true, NO_ROW, GD_C, REGISTRATION, IRQGATE_REASON_CONTEXT, GD_A },
	{ true, false, true, NO_ROW, IRQGATE_GD_NONE, REGISTRATION, IRQGATE_REASON_CONTEXT, GD_A },
	{ true, true, true, NO_ROW, GD_A, NOBODY, IRQGATE_REASON_REGISTERED, GD_A },

	/* The vector's own row. */
	{ true, false, false, ROW, GD_B, NOBODY, IRQGATE_REASON_REGISTERED, GD_B },
	{ true, false, false, ROW, GD_A, VECTOR, IRQGATE_REASON_CONTEXT, GD_B },
	{ true, false, false, ROW, IRQGATE_GD_NONE, VECTOR, IRQGATE_REASON_CONTEXT, GD_B },
	{ true, true, false, ROW, GD_B, NOBODY, IRQGATE_REASON_REGISTERED, GD_B },
	{ true, true, false, ROW, GD_A, VECTOR, IRQGATE_REASON_CONTEXT, GD_B },
	{ true, false, true, ROW, GD_B, NOBODY, IRQGATE_REASON_REGISTERED, GD_B },
	{ true, false, true, ROW, GD_A, VECTOR, IRQGATE_REASON_CONTEXT, GD_B },

	/* Revoked: no context has it, whichever process asks. */
	{ true, false, false, REVOKED, GD_B, OPERATOR, IRQGATE_REASON_REVOKED, IRQGATE_GD_NONE },
	{ true, false, false, REVOKED, GD_A, OPERATOR, IRQGATE_REASON_REVOKED, IRQGATE_GD_NONE },
	{ true, true, false, REVOKED, GD_B, OPERATOR, IRQGATE_REASON_REVOKED, IRQGATE_GD_NONE },
	{ true, true, false, REVOKED, GD_A, OPERATOR, IRQGATE_REASON_REVOKED, IRQGATE_GD_NONE },
	{ true, true, true, REVOKED, GD_B, OPERATOR, IRQGATE_REASON_REVOKED, IRQGATE_GD_NONE },
};

static void check(struct irqgate_decision d, __u8 verdict, bool isolate, __u8 reason, __u32 gd,
		  const char *what, size_t rule)
{
	if (d.verdict != verdict || d.reason != reason || d.gd != gd || d.isolate != isolate)
		fail_msg("%s rule %zu: %s %s gd %u isolate %d, expected %s %s gd %u isolate %d",
			 what, rule, name_of(&names_verdict, d.verdict),
			 name_of(&names_reason, d.reason), d.gd, d.isolate,
			 name_of(&names_verdict, verdict), name_of(&names_reason, reason), gd,
			 isolate);
}

static void device_case(const struct rule *r, unsigned int mode, __u8 unlisted, __u8 reg_action,
			__u8 vec_action)
{
	struct irqgate_defaults def = { .mode = (__u8)mode, .unlisted_device = unlisted };
	struct irqgate_registration reg = { .gd = GD_A,
					    .action = reg_action,
					    .flags = r->all ? IRQGATE_REG_ALL_VECTORS : 0 };
	struct irqgate_vector_auth vec = { .gd = GD_B, .action = vec_action };
	struct irqgate_revocation rev = {};
	bool isolates = mode == IRQGATE_MODE_ENFORCE, isolate = false;
	__u8 verdict = IRQGATE_VERDICT_NONE;

	switch (r->whose) {
	case NOBODY:
		verdict = IRQGATE_VERDICT_ALLOW;
		break;
	case DEFAULT:
		verdict = verdicts[mode][unlisted];
		isolate = isolates && unlisted == IRQGATE_ACTION_ISOLATE;
		break;
	case REGISTRATION:
		verdict = verdicts[mode][reg_action];
		isolate = isolates && reg_action == IRQGATE_ACTION_ISOLATE;
		break;
	case VECTOR:
		verdict = verdicts[mode][vec_action];
		isolate = isolates && vec_action == IRQGATE_ACTION_ISOLATE;
		break;
	case OPERATOR:
		verdict = r->registered && reg_action >= IRQGATE_ACTION_DENY ? IRQGATE_VERDICT_DENY
									     : IRQGATE_VERDICT_DROP;
		isolate = r->registered && reg_action == IRQGATE_ACTION_ISOLATE;
		break;
	}
	/* Of others than the vector that is asked for, too. */
	rev.vectors[0] = r->row == REVOKED && !r->function ? 1 << 3 : ~(1ULL << 3);
	rev.flags = r->row == REVOKED && r->function ? IRQGATE_REVOKED_FUNCTION : 0;
	check(irqgate_decide(&def, r->registered ? &reg : NULL, r->row ? &vec : NULL, &rev,
			     r->function ? IRQGATE_VECTOR_FUNCTION : 3, r->gd, false),
	      verdict, isolate, r->reason, r->expected, "device", (size_t)(r - rules));
	/* What a row says holds for a host driver, too. */
	if (r->whose != DEFAULT)
		check(irqgate_decide(&def, r->registered ? &reg : NULL, r->row ? &vec : NULL, &rev,
				     r->function ? IRQGATE_VECTOR_FUNCTION : 3, r->gd, true),
		      verdict, isolate, r->reason, r->expected, "driver", (size_t)(r - rules));
}

static void device(void **state)
{
	const struct rule *r;
	unsigned int mode;
	__u8 a, b, c;

	(void)state;
	for (r = rules; r < rules + sizeof(rules) / sizeof(rules[0]); r++)
		for (mode = 0; mode < 2; mode++)
			for (a = 0; a < 5; a++)
				for (b = 0; b < 5; b++)
					for (c = 0; c < 5; c++)
						device_case(r, mode, a, b, c);
}

/* The rules above are picked; here all combinations are, for who may and who may not. */
static void device_complete(void **state)
{
	static const __u32 gds[] = { IRQGATE_GD_HOST, GD_A, GD_B, GD_C, IRQGATE_GD_NONE };
	struct irqgate_defaults def = { .mode = IRQGATE_MODE_ENFORCE,
					.unlisted_device = IRQGATE_ACTION_DENY };
	unsigned int bits;
	size_t i;

	(void)state;
	for (bits = 0; bits < 32; bits++)
		for (i = 0; i < sizeof(gds) / sizeof(gds[0]); i++) {
			bool registered = bits & 1, all = bits & 2, row = bits & 4;
			bool revoked = bits & 8, function = bits & 16, mine;
			struct irqgate_registration reg = { .gd = GD_A,
							    .action = IRQGATE_ACTION_DENY };
			struct irqgate_vector_auth vec = { .gd = GD_B,
							   .action = IRQGATE_ACTION_DENY };
			struct irqgate_revocation rev = {};
			struct irqgate_decision d;

			reg.flags = all ? IRQGATE_REG_ALL_VECTORS : 0;
			if (function)
				rev.flags = IRQGATE_REVOKED_FUNCTION;
			else
				rev.vectors[31] = 1ULL << 63;
			d = irqgate_decide(&def, registered ? &reg : NULL, row ? &vec : NULL,
					   revoked ? &rev : NULL,
					   function ? IRQGATE_VECTOR_FUNCTION : 2047, gds[i],
					   false);
			mine = row ? gds[i] == GD_B : (all || function) && gds[i] == GD_A;
			if (registered && mine && !revoked)
				assert_int_equal(d.verdict, IRQGATE_VERDICT_ALLOW);
			else
				assert_int_equal(d.verdict, revoked && !registered
								    ? IRQGATE_VERDICT_DROP
								    : IRQGATE_VERDICT_DENY);
		}
}

/* The host is a context like any other: gd 0 is not "no gd". */
static void device_of_host(void **state)
{
	struct irqgate_defaults def = { .mode = IRQGATE_MODE_ENFORCE };
	struct irqgate_registration reg = { .gd = IRQGATE_GD_HOST,
					    .action = IRQGATE_ACTION_DENY,
					    .flags = IRQGATE_REG_ALL_VECTORS };

	(void)state;
	check(irqgate_decide(&def, &reg, NULL, NULL, 0, IRQGATE_GD_HOST, false),
	      IRQGATE_VERDICT_ALLOW, false, IRQGATE_REASON_REGISTERED, IRQGATE_GD_HOST, "host", 0);
	check(irqgate_decide(&def, &reg, NULL, NULL, 0, GD_A, false), IRQGATE_VERDICT_DENY, false,
	      IRQGATE_REASON_CONTEXT, IRQGATE_GD_HOST, "host", 1);
	check(irqgate_decide(&def, &reg, NULL, NULL, 0, IRQGATE_GD_NONE, false),
	      IRQGATE_VERDICT_DENY, false, IRQGATE_REASON_CONTEXT, IRQGATE_GD_HOST, "host", 2);
}

/* A device its own driver has and no row names is the host's: unlisted_device is not asked. */
static void unlisted_host(void **state)
{
	struct irqgate_defaults def;
	unsigned int mode;
	__u8 device, host;

	(void)state;
	for (mode = 0; mode < 2; mode++)
		for (device = 0; device < 5; device++)
			for (host = 0; host < 5; host++) {
				def = (struct irqgate_defaults){ .mode = (__u8)mode,
								 .unlisted_device = device,
								 .unlisted_host = host };
				check(irqgate_decide(&def, NULL, NULL, NULL, 3, IRQGATE_GD_HOST,
						     true),
				      verdicts[mode][host],
				      mode == IRQGATE_MODE_ENFORCE &&
					      host == IRQGATE_ACTION_ISOLATE,
				      IRQGATE_REASON_UNLISTED, IRQGATE_GD_HOST, "unlisted host",
				      host);
			}
	/* Where nothing is set: a table of before there was this default says so, too. */
	def = (struct irqgate_defaults){ .mode = IRQGATE_MODE_ENFORCE,
					 .unlisted_device = IRQGATE_ACTION_DENY };
	check(irqgate_decide(&def, NULL, NULL, NULL, 3, IRQGATE_GD_HOST, true),
	      IRQGATE_VERDICT_ALLOW, false, IRQGATE_REASON_UNLISTED, IRQGATE_GD_HOST,
	      "default-deny", 0);
	check(irqgate_decide(&def, NULL, NULL, NULL, 3, IRQGATE_GD_HOST, false),
	      IRQGATE_VERDICT_DENY, false, IRQGATE_REASON_UNLISTED, IRQGATE_GD_NONE, "default-deny",
	      1);
}

/* The VM is of GD_A. */
static const struct source_rule {
	enum { NO_SOURCE, SAME, OTHER } row;
	bool own, strict;
	enum { FINE, DENIED, BY_DEFAULT } outcome;
	__u8 reason;
	__u32 expected;
} source_rules[] = {
	{ NO_SOURCE, false, false, BY_DEFAULT, IRQGATE_REASON_UNLISTED, GD_A },
	{ NO_SOURCE, false, true, BY_DEFAULT, IRQGATE_REASON_UNLISTED, GD_A },
	{ NO_SOURCE, true, false, FINE, IRQGATE_REASON_OWN_VMM, GD_A },
	{ NO_SOURCE, true, true, DENIED, IRQGATE_REASON_STRICT, GD_A },
	{ SAME, false, false, FINE, IRQGATE_REASON_REGISTERED, GD_A },
	{ SAME, false, true, FINE, IRQGATE_REASON_REGISTERED, GD_A },
	{ SAME, true, false, FINE, IRQGATE_REASON_REGISTERED, GD_A },
	{ SAME, true, true, FINE, IRQGATE_REASON_REGISTERED, GD_A },
	{ OTHER, false, false, DENIED, IRQGATE_REASON_CONTEXT, GD_B },
	{ OTHER, false, true, DENIED, IRQGATE_REASON_CONTEXT, GD_B },
	{ OTHER, true, false, FINE, IRQGATE_REASON_OWN_VMM, GD_A },
	{ OTHER, true, true, DENIED, IRQGATE_REASON_STRICT, GD_A },
};

static void source(void **state)
{
	unsigned int mode, action;
	size_t i;

	(void)state;
	assert_int_equal(sizeof(source_rules) / sizeof(source_rules[0]), 3 * 2 * 2);
	for (i = 0; i < sizeof(source_rules) / sizeof(source_rules[0]); i++)
		for (mode = 0; mode < 2; mode++)
			for (action = 0; action < 5; action++) {
				const struct source_rule *r = &source_rules[i];
				struct irqgate_defaults def = { .mode = (__u8)mode,
								.unlisted_source = (__u8)action };
				__u32 source =
					r->row ? r->row == SAME ? GD_A : GD_B : IRQGATE_GD_NONE;
				bool isolate = r->outcome == BY_DEFAULT &&
					       mode == IRQGATE_MODE_ENFORCE &&
					       action == IRQGATE_ACTION_ISOLATE;
				__u8 verdict = r->outcome == FINE ? IRQGATE_VERDICT_ALLOW
					       : r->outcome == DENIED
						       ? verdicts[mode][IRQGATE_ACTION_DENY]
						       : verdicts[mode][action];

				check(irqgate_decide_source(&def, source, r->own, r->strict, GD_A),
				      verdict, isolate, r->reason, r->expected, "source", i);
			}
}

/* Who owns the other process decides, and that it is a context's at all. */
static void trace(void **state)
{
	static const struct {
		__u32 owner, gd;
		bool may;
	} cases[] = {
		{ GD_A, GD_A, true },
		{ GD_A, GD_B, false },
		{ GD_A, IRQGATE_GD_NONE, false },
		{ GD_A, IRQGATE_GD_HOST, false },
		{ IRQGATE_GD_NONE, GD_A, true },
		{ IRQGATE_GD_NONE, IRQGATE_GD_NONE, true },
		{ IRQGATE_GD_HOST, GD_A, true },
	};
	struct irqgate_defaults def = {};
	struct irqgate_decision d;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		def.mode = IRQGATE_MODE_ENFORCE;
		d = irqgate_decide_trace(&def, cases[i].owner, cases[i].gd);
		assert_int_equal(d.verdict,
				 cases[i].may ? IRQGATE_VERDICT_ALLOW : IRQGATE_VERDICT_DENY);
		assert_int_equal(d.gd, cases[i].owner);
		def.mode = IRQGATE_MODE_AUDIT;
		d = irqgate_decide_trace(&def, cases[i].owner, cases[i].gd);
		assert_int_equal(d.verdict,
				 cases[i].may ? IRQGATE_VERDICT_ALLOW : IRQGATE_VERDICT_AUDIT);
	}
}

static struct irqgate_decision decision(__u8 verdict, __u8 reason, __u32 gd)
{
	return (struct irqgate_decision){ .verdict = verdict, .reason = reason, .gd = gd };
}

#define ALLOW(reason, gd) decision(IRQGATE_VERDICT_ALLOW, IRQGATE_REASON_##reason, gd)
#define AUDIT(reason, gd) decision(IRQGATE_VERDICT_AUDIT, IRQGATE_REASON_##reason, gd)
#define DROP(reason, gd) decision(IRQGATE_VERDICT_DROP, IRQGATE_REASON_##reason, gd)
#define DENY(reason, gd) decision(IRQGATE_VERDICT_DENY, IRQGATE_REASON_##reason, gd)

/* A device is no way around the question who may signal a VM. */
static void delivery(void **state)
{
	const struct {
		struct irqgate_decision vector, source;
		bool raises, by_source;
	} cases[] = {
		/* Registered for the VM's context: whatever the source. */
		{ ALLOW(REGISTERED, GD_A), ALLOW(OWN_VMM, GD_A), false, false },
		{ ALLOW(REGISTERED, GD_A), DENY(UNLISTED, GD_A), false, false },
		{ ALLOW(REGISTERED, GD_A), DENY(STRICT, GD_A), false, false },
		{ ALLOW(REGISTERED, GD_A), DENY(UNLISTED, GD_A), true, false },
		{ ALLOW(REGISTERED, GD_A), DENY(STRICT, GD_A), true, true },
		{ ALLOW(REGISTERED, GD_A), AUDIT(STRICT, GD_A), true, true },
		/* A device that no row names. */
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), ALLOW(OWN_VMM, GD_A), false, false },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), ALLOW(REGISTERED, GD_A), false, false },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), DENY(UNLISTED, GD_A), false, true },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), DENY(UNLISTED, GD_A), true, true },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), AUDIT(UNLISTED, GD_A), false, true },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), DENY(CONTEXT, GD_B), false, true },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), DENY(STRICT, GD_A), false, true },
		{ AUDIT(UNLISTED, IRQGATE_GD_NONE), AUDIT(UNLISTED, GD_A), false, false },
		{ AUDIT(UNLISTED, IRQGATE_GD_NONE), DENY(UNLISTED, GD_A), false, true },
		/* The worse of two. */
		{ DROP(CONTEXT, GD_B), DENY(UNLISTED, GD_A), false, true },
		{ DENY(CONTEXT, GD_B), DENY(UNLISTED, GD_A), false, false },
		{ DROP(REVOKED, IRQGATE_GD_NONE), ALLOW(OWN_VMM, GD_A), false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (irqgate_source_decides(cases[i].vector, cases[i].source, cases[i].raises) !=
		    cases[i].by_source)
			fail_msg("case %zu: the source decides, or does not", i);
}

static void binding(void **state)
{
	const struct {
		struct irqgate_decision binder, listener;
		__u32 standing;
		struct irqgate_decision want;
	} cases[] = {
		{ ALLOW(REGISTERED, GD_A), {}, 0, ALLOW(REGISTERED, GD_A) },
		{ ALLOW(REGISTERED, GD_A), ALLOW(REGISTERED, GD_A), IRQGATE_BINDING_LISTENED,
		  ALLOW(REGISTERED, GD_A) },
		{ ALLOW(REGISTERED, GD_A), DENY(CONTEXT, GD_A), IRQGATE_BINDING_LISTENED,
		  DENY(CONTEXT, GD_A) },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE), DENY(UNLISTED, GD_A), IRQGATE_BINDING_LISTENED,
		  DENY(UNLISTED, GD_A) },
		{ DROP(VECTOR, IRQGATE_GD_NONE), ALLOW(REGISTERED, GD_A), IRQGATE_BINDING_LISTENED,
		  DROP(VECTOR, IRQGATE_GD_NONE) },
		/* No known process bound it: the VMs answer, if there are any. */
		{ DENY(CONTEXT, GD_A), ALLOW(REGISTERED, GD_A),
		  IRQGATE_BINDING_LISTENED | IRQGATE_BINDING_UNRESOLVED, ALLOW(REGISTERED, GD_A) },
		{ DENY(CONTEXT, GD_A), {}, IRQGATE_BINDING_UNRESOLVED, DENY(UNRESOLVED, GD_A) },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE),
		  {},
		  IRQGATE_BINDING_UNRESOLVED,
		  ALLOW(UNLISTED, IRQGATE_GD_NONE) },
		/* Who listens is not known. */
		{ ALLOW(REGISTERED, GD_A),
		  {},
		  IRQGATE_BINDING_UNTOLD,
		  DENY(FULL, IRQGATE_GD_NONE) },
		{ DENY(CONTEXT, GD_A), {}, IRQGATE_BINDING_UNTOLD, DENY(CONTEXT, GD_A) },
		{ ALLOW(REGISTERED, GD_A), {}, IRQGATE_BINDING_SHARED, DENY(SHARED, GD_A) },
		{ ALLOW(UNLISTED, IRQGATE_GD_NONE),
		  {},
		  IRQGATE_BINDING_SHARED,
		  ALLOW(UNLISTED, IRQGATE_GD_NONE) },
		{ DROP(VECTOR, IRQGATE_GD_NONE),
		  {},
		  IRQGATE_BINDING_SHARED,
		  DROP(VECTOR, IRQGATE_GD_NONE) },
	};
	struct irqgate_defaults def = { .mode = IRQGATE_MODE_ENFORCE,
					.on_full = IRQGATE_ACTION_DENY };
	struct irqgate_decision d;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		d = irqgate_decide_binding(&def, cases[i].binder, cases[i].listener,
					   cases[i].standing);
		check(d, cases[i].want.verdict, false, cases[i].want.reason, cases[i].want.gd,
		      "binding", i);
	}
	/* A device no row names is asked as a source is. */
	def.unlisted_source = IRQGATE_ACTION_DENY;
	d = irqgate_decide_binding(&def, ALLOW(UNLISTED, IRQGATE_GD_NONE), decision(0, 0, 0),
				   IRQGATE_BINDING_SHARED);
	check(d, IRQGATE_VERDICT_DENY, false, IRQGATE_REASON_SHARED, IRQGATE_GD_NONE, "binding", i);
	/* Before the policy is enforced, what is not known is not told. */
	def.mode = IRQGATE_MODE_AUDIT;
	d = irqgate_decide_binding(&def, ALLOW(REGISTERED, GD_A), decision(0, 0, 0),
				   IRQGATE_BINDING_UNTOLD);
	check(d, IRQGATE_VERDICT_ALLOW, false, IRQGATE_REASON_REGISTERED, GD_A, "binding", i);
}

/* What is not known is not in order, whatever the policy. */
static void full(void **state)
{
	struct irqgate_defaults def = { .mode = IRQGATE_MODE_ENFORCE };
	__u8 on_full;

	(void)state;
	for (on_full = IRQGATE_ACTION_ALLOW; on_full <= IRQGATE_ACTION_ISOLATE; on_full++) {
		def.on_full = on_full;
		def.mode = IRQGATE_MODE_ENFORCE;
		assert_int_equal(irqgate_full(&def).verdict, on_full == IRQGATE_ACTION_ALLOW
								     ? IRQGATE_VERDICT_AUDIT
								     : IRQGATE_VERDICT_DENY);
		def.mode = IRQGATE_MODE_AUDIT;
		assert_int_equal(irqgate_full(&def).verdict, IRQGATE_VERDICT_AUDIT);
		assert_int_equal(irqgate_full(&def).reason, IRQGATE_REASON_FULL);
	}
}

/*
 * Who may hold and use a device. The registration is for GD_A, GD_B is its only broker, and
 * the element behind the used ones is GD_C.
 */
static void device_access(void **state)
{
	enum { UNLISTED, ANY, OWNER, UNSET };
	static const struct {
		__u8 access; /* of the row */
		bool owner_default, revoked;
		__u32 gd;
		enum whose hold, use;
		__u8 hold_reason, use_reason;
		__u32 hold_gd, use_gd;
	} cases[] = {
#define NONE IRQGATE_REASON_NONE
#define NOBODY_GD IRQGATE_GD_NONE
		{ UNLISTED, false, false, GD_C, NOBODY, NOBODY, NONE, NONE, NOBODY_GD, NOBODY_GD },
		{ UNLISTED, false, true, GD_C, NOBODY, NOBODY, NONE, NONE, NOBODY_GD, NOBODY_GD },
		{ UNLISTED, true, false, GD_C, DEFAULT, DEFAULT, IRQGATE_REASON_UNLISTED,
		  IRQGATE_REASON_UNLISTED, NOBODY_GD, NOBODY_GD },
		{ ANY, true, false, GD_C, NOBODY, NOBODY, NONE, NONE, NOBODY_GD, NOBODY_GD },
		{ ANY, true, true, GD_A, NOBODY, NOBODY, NONE, NONE, NOBODY_GD, NOBODY_GD },
		{ UNSET, true, false, GD_C, NOBODY, NOBODY, NONE, NONE, NOBODY_GD, NOBODY_GD },
		{ OWNER, false, false, GD_A, NOBODY, NOBODY, IRQGATE_REASON_REGISTERED,
		  IRQGATE_REASON_REGISTERED, GD_A, GD_A },
		{ OWNER, false, false, GD_B, NOBODY, REGISTRATION, IRQGATE_REASON_BROKER,
		  IRQGATE_REASON_BROKER, GD_A, GD_A },
		{ OWNER, false, false, GD_C, REGISTRATION, REGISTRATION, IRQGATE_REASON_CONTEXT,
		  IRQGATE_REASON_CONTEXT, GD_A, GD_A },
		{ OWNER, false, false, NOBODY_GD, REGISTRATION, REGISTRATION,
		  IRQGATE_REASON_CONTEXT, IRQGATE_REASON_CONTEXT, GD_A, GD_A },
		{ OWNER, false, false, IRQGATE_GD_HOST, REGISTRATION, REGISTRATION,
		  IRQGATE_REASON_CONTEXT, IRQGATE_REASON_CONTEXT, GD_A, GD_A },
		{ OWNER, false, true, GD_A, OPERATOR, OPERATOR, IRQGATE_REASON_REVOKED,
		  IRQGATE_REASON_REVOKED, NOBODY_GD, NOBODY_GD },
		/* A broker opens the device for the context that gets it after the revocation. */
		{ OWNER, false, true, GD_B, NOBODY, OPERATOR, IRQGATE_REASON_BROKER,
		  IRQGATE_REASON_REVOKED, GD_A, NOBODY_GD },
#undef NONE
#undef NOBODY_GD
	};
	static const __u8 accesses[] = { [ANY] = IRQGATE_ACCESS_ANY,
					 [OWNER] = IRQGATE_ACCESS_OWNER,
					 [UNSET] = IRQGATE_ACCESS_UNSET };
	struct irqgate_revocation rev = { .flags = IRQGATE_REVOKED_FUNCTION };
	size_t i;
	unsigned int mode, use;
	__u8 action;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (mode = 0; mode < 2; mode++)
			/* No row has `allow`: it would be a row that forbids nothing. */
			for (action = cases[i].access != UNLISTED; action < 5; action++)
				for (use = IRQGATE_HOLDS; use <= IRQGATE_USES; use++) {
					struct irqgate_registration reg = {
						.gd = GD_A,
						.action = action,
						.access = accesses[cases[i].access],
						.brokers = 1,
						.broker = { GD_B, GD_C },
					};
					struct irqgate_defaults def = {
						.mode = (__u8)mode,
						.unlisted_device = action,
						.access = cases[i].owner_default
								  ? IRQGATE_ACCESS_OWNER
								  : IRQGATE_ACCESS_ANY,
					};
					bool uses = use == IRQGATE_USES;
					enum whose whose = uses ? cases[i].use : cases[i].hold;
					__u8 verdict = verdicts[mode][action];
					bool isolate = mode == IRQGATE_MODE_ENFORCE &&
						       action == IRQGATE_ACTION_ISOLATE;

					if (whose == OPERATOR) {
						verdict = action >= IRQGATE_ACTION_DENY
								  ? IRQGATE_VERDICT_DENY
								  : IRQGATE_VERDICT_DROP;
						isolate = action == IRQGATE_ACTION_ISOLATE;
					} else if (whose == NOBODY) {
						verdict = IRQGATE_VERDICT_ALLOW;
						isolate = false;
					}
					check(irqgate_decide_access(
						      &def,
						      cases[i].access == UNLISTED ? NULL : &reg,
						      cases[i].revoked ? &rev : NULL, cases[i].gd,
						      (enum irqgate_use)use),
					      verdict, isolate,
					      uses ? cases[i].use_reason : cases[i].hold_reason,
					      uses ? cases[i].use_gd : cases[i].hold_gd,
					      uses ? "use" : "hold", i);
				}
}

/* No process without a context is a broker, and at most four contexts are. */
static void brokers(void **state)
{
	struct irqgate_registration reg = { .broker = { 1, 2, IRQGATE_GD_NONE, 4 } };

	(void)state;
	assert_false(irqgate_brokers(NULL, 1));
	assert_false(irqgate_brokers(&reg, 1));
	reg.brokers = 4;
	assert_true(irqgate_brokers(&reg, 1));
	assert_true(irqgate_brokers(&reg, 4));
	assert_false(irqgate_brokers(&reg, 3));
	assert_false(irqgate_brokers(&reg, IRQGATE_GD_NONE));
	reg.brokers = 65535;
	assert_false(irqgate_brokers(&reg, 3));
}

/* Users without a context leave half of a map, and no account takes its last eighth. */
static void quotas(void **state)
{
	__u32 i;

	(void)state;
	assert_int_equal(irqgate_quota(IRQGATE_ACCOUNT_ALL, 256), 224);
	assert_int_equal(irqgate_quota(IRQGATE_ACCOUNT_UNLISTED, 256), 128);
	for (i = 0; i < 100000; i++) {
		__u32 context = irqgate_account_context(i * 77777), uid = irqgate_account_uid(i);

		assert_in_range(context, IRQGATE_ACCOUNT_CONTEXT, IRQGATE_ACCOUNT_UID - 1);
		assert_in_range(uid, IRQGATE_ACCOUNT_UID, IRQGATE_ACCOUNTS - 1);
	}
	assert_int_equal(irqgate_quota(irqgate_account_context(1), 256), 64);
	assert_int_equal(irqgate_quota(irqgate_account_uid(1000), 256), 32);
	assert_int_not_equal(irqgate_account_context(1), irqgate_account_context(2));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device),         cmocka_unit_test(device_complete),
		cmocka_unit_test(device_of_host), cmocka_unit_test(unlisted_host),
		cmocka_unit_test(source),         cmocka_unit_test(trace),
		cmocka_unit_test(delivery),       cmocka_unit_test(binding),
		cmocka_unit_test(full),           cmocka_unit_test(quotas),
		cmocka_unit_test(device_access),  cmocka_unit_test(brokers),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
