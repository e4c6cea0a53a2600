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
#include <irqgate/decide.h>
#include "names.h"

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

/* Whose action applies; nobody's: no violation; the operator's: also when auditing. */
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
	/* Not registered: a row that is left over counts only when revoked. */
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

	/* Revoked: nobody's, whoever asks. */
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
	struct irqgate_vector_auth vec = { .gd = GD_B,
					   .action = vec_action,
					   .flags = r->row == REVOKED ? IRQGATE_VEC_REVOKED : 0 };
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
		verdict = vec_action == IRQGATE_ACTION_DROP ? IRQGATE_VERDICT_DROP
							    : IRQGATE_VERDICT_DENY;
		isolate = vec_action == IRQGATE_ACTION_ISOLATE;
		break;
	}
	check(irqgate_decide(&def, r->registered ? &reg : NULL, r->row ? &vec : NULL,
			     r->function ? IRQGATE_VECTOR_FUNCTION : 3, r->gd),
	      verdict, isolate, r->reason, r->expected, "device", (size_t)(r - rules));
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
			struct irqgate_decision d;

			reg.flags = all ? IRQGATE_REG_ALL_VECTORS : 0;
			vec.flags = revoked ? IRQGATE_VEC_REVOKED : 0;
			d = irqgate_decide(&def, registered ? &reg : NULL, row ? &vec : NULL,
					   function ? IRQGATE_VECTOR_FUNCTION : 2047, gds[i]);
			mine = row ? !revoked && gds[i] == GD_B
				   : (all || function) && gds[i] == GD_A;
			assert_int_equal(d.verdict, registered && mine ? IRQGATE_VERDICT_ALLOW
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
	check(irqgate_decide(&def, &reg, NULL, 0, IRQGATE_GD_HOST), IRQGATE_VERDICT_ALLOW, false,
	      IRQGATE_REASON_REGISTERED, IRQGATE_GD_HOST, "host", 0);
	check(irqgate_decide(&def, &reg, NULL, 0, GD_A), IRQGATE_VERDICT_DENY, false,
	      IRQGATE_REASON_CONTEXT, IRQGATE_GD_HOST, "host", 1);
	check(irqgate_decide(&def, &reg, NULL, 0, IRQGATE_GD_NONE), IRQGATE_VERDICT_DENY, false,
	      IRQGATE_REASON_CONTEXT, IRQGATE_GD_HOST, "host", 2);
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
				struct irqgate_match row = { .gd = r->row == SAME ? GD_A : GD_B };
				bool isolate = r->outcome == BY_DEFAULT &&
					       mode == IRQGATE_MODE_ENFORCE &&
					       action == IRQGATE_ACTION_ISOLATE;
				__u8 verdict = r->outcome == FINE ? IRQGATE_VERDICT_ALLOW
					       : r->outcome == DENIED
						       ? verdicts[mode][IRQGATE_ACTION_DENY]
						       : verdicts[mode][action];

				check(irqgate_decide_source(&def, r->row ? &row : NULL, r->own,
							    r->strict, GD_A),
				      verdict, isolate, r->reason, r->expected, "source", i);
			}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device),
		cmocka_unit_test(device_complete),
		cmocka_unit_test(device_of_host),
		cmocka_unit_test(source),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
