// SPDX-License-Identifier: GPL-2.0-only
/* s390: blocks firmware reads, as bytes; and its table beside the policy's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "policy/policy.h"
#include "s390/firmware.h"

/*
 * What zpci_mod_fc was given for fh 80020001 by Linux 6.12 under QEMU, read with the
 * kernel's own kprobe events (tests/s390x/guest, firmware.kprobe).
 */
/* clang-format off */
static const __u8 floating[IRQGATE_FIB_SIZE] = {
	[40] = 0x20, 0x02, 0x00, 0x81, /* isc 2, noi 2, aibvo 0, sum, aisbo 1 */
	[48] = 0, 0, 0, 0, 0x00, 0x7a, 0x10, 0x38, [56] = 0, 0, 0, 0, 0x00, 0x7a, 0x10, 0x08,
};
/* clang-format on */

static void fib_floating(void **state)
{
	struct irqgate_fib fib;

	(void)state;
	memset(&fib, 0xff, sizeof(fib));
	irqgate_fib_decode(floating, 0, &fib);
	assert_int_equal(fib.format, IRQGATE_AIRQ_FLOATING);
	assert_int_equal(fib.isc, 2);
	assert_int_equal(fib.noi, 2);
	assert_int_equal(fib.aibvo, 0);
	assert_int_equal(fib.sum, 1);
	assert_int_equal(fib.aisbo, 1);
	assert_int_equal(fib.aibv, 0x7a1038);
	assert_int_equal(fib.aisb, 0x7a1008);
	assert_int_equal(fib.gd, 0);
	assert_int_equal(fib.dibvo, 0);
}

/* Every field at its largest, with the bits between them set. */
static void fib_limits(void **state)
{
	__u8 b[IRQGATE_FIB_SIZE];
	struct irqgate_fib fib;

	(void)state;
	memset(b, 0xff, sizeof(b));
	irqgate_fib_decode(b, 0, &fib);
	assert_int_equal(fib.isc, 7);
	assert_int_equal(fib.noi, 4095);
	assert_int_equal(fib.aibvo, 63);
	assert_int_equal(fib.aisbo, 63);
	assert_int_equal(fib.gd, 0xffffffff);
	assert_true(fib.aibv == ~0ULL && fib.aisb == ~0ULL);
	/* And the bits between alone: no field has any. */
	memset(b, 0, sizeof(b));
	b[40] = 0x80;
	b[42] = 0xc0;
	b[43] = 0x40;
	irqgate_fib_decode(b, 0, &fib);
	assert_false(fib.isc || fib.noi || fib.aibvo || fib.aisbo || fib.sum);
}

static void fib_directed(void **state)
{
	/* clang-format off */
	static const __u8 b[IRQGATE_FIB_SIZE] = {
		[0] = 1, [40] = 0x00, 0x20, 0, 0, 0x01, 0x40, [76] = 0x12, 0x34, 0x50, 0x00
	};
	/* clang-format on */
	struct irqgate_fib fib;

	(void)state;
	irqgate_fib_decode(b, 1, &fib);
	assert_int_equal(fib.format, IRQGATE_AIRQ_DIRECTED);
	assert_int_equal(fib.noi, 32);
	assert_int_equal(fib.dibvo, 0x140);
	assert_int_equal(fib.gd, 0x12345000);
	assert_false(fib.aibv || fib.aisb || fib.sum || fib.isc);
}

/* An entry as kvm_s390_pci_aif_enable fills it. */
static void gaite(void **state)
{
	static const __u8 b[IRQGATE_GAITE_SIZE] = { 0x1f, 0xe5, 0xd0, 0x00, 3, 1, 0xee, 9,
						    0,    0,    0,    1,    2, 3, 4,    5 };
	static const __u8 none[IRQGATE_GAITE_SIZE];
	struct irqgate_gaite g;

	(void)state;
	irqgate_gaite_decode(b, &g);
	assert_int_equal(g.gisa, 0x1fe5d000);
	assert_int_equal(g.gisc, 3);
	assert_int_equal(g.count, 1);
	assert_int_equal(g.aisbo, 9);
	assert_true(g.aisb == 0x102030405ULL);
	irqgate_gaite_decode(none, &g);
	assert_int_equal(g.count, 0);
}

static void clears(void **state)
{
	(void)state;
	assert_true(irqgate_mod_fc_clears(0, 0));
	assert_true(irqgate_mod_fc_clears(3, 0));
	assert_true(irqgate_mod_fc_clears(1, 24));
	assert_false(irqgate_mod_fc_clears(1, 0));
	assert_false(irqgate_mod_fc_clears(2, 24));
}

/* The GISA of the function in expect(); 0: no VM has it for interpretation. */
static __u32 gisa;

/* The findings of one function with @noi vectors for @owner, as "REASON VECTORS". */
static void expect(const char *devices, int noi, __u32 owner, const char *want)
{
	struct firmware_row fw = { .owner = owner,
				   .fw = { .handle = irqgate_handle_pci(1, 0, 0),
					   .fid = 0x10,
					   .fh = 0x80020000,
					   .state = noi ? IRQGATE_FIRMWARE_REGISTERED
							: IRQGATE_FIRMWARE_DEREGISTERED,
					   .fib = { .noi = noi ?: 2, .gd = gisa } } };
	char text[1024], got[256] = "", vectors[VECTORS_STRLEN];
	struct firmware_findings found;
	struct policy *p = NULL;
	struct rows rows;
	size_t i;
	int n;

	n = snprintf(
		text, sizeof(text),
		"version: 1\ncontexts:\n- { name: blue, gd: 5, match: { uid: 7 } }\ndevices: %s\n",
		devices);
	assert_int_equal(policy_parse("f", text, n, &p), 0);
	assert_true(policy_resolve(p, "/nowhere") >= 0);
	assert_int_equal(rows_of_policy(&rows, p), 0);
	assert_int_equal(firmware_compare(&rows, &fw, 1, &found), 0);
	for (i = 0; i < found.n; i++)
		sprintf(got + strlen(got), "%s%s%s %s", i ? "; " : "",
			found.finding[i].reaches ? "reaching " : "",
			found.finding[i].reason == IRQGATE_REASON_FW_VECTORS    ? "vectors"
			: found.finding[i].reason == IRQGATE_REASON_FW_OWNER    ? "owner"
			: found.finding[i].reason == IRQGATE_REASON_FW_UNLISTED ? "unlisted"
										: "missing",
			vectors_format(&found.finding[i].vectors, vectors));
	assert_string_equal(got, want);
	for (i = 0; i < found.n; i++)
		assert_true(firmware_known(&found, &found.finding[i]));
	if (found.n) {
		struct firmware_finding other = found.finding[0];

		other.actual = 77;
		assert_false(firmware_known(&found, &other));
	}
	firmware_free(&found);
	rows_free(&rows);
	policy_free(p);
}

static void compared(void **state)
{
	(void)state;
	expect("[ { handle: '1:0:0.0', context: host, vectors: all } ]", 4, 0, "");
	expect("[ { handle: '1:0:0.0', context: host, noi: 4 } ]", 4, 0, "");
	expect("[ { handle: '1:0:0.0', context: host, noi: 6 } ]", 4, 0, "");
	expect("[ { handle: '1:0:0.0', context: host, noi: 3 } ]", 4, 0, "vectors 3");
	expect("[ { handle: '1:0:0.0', context: host, vectors: [0, 2] } ]", 4, 0, "vectors 1,3");
	expect("[ { handle: '1:0:0.0', context: blue, vectors: all } ]", 4, 0, "owner 0-3");
	expect("[ { handle: '1:0:0.0', context: blue, vectors: all } ]", 4, 5, "");
	expect("[ { handle: '1:0:0.0', context: host, vectors: all } ]", 4, 5, "owner 0-3");
	expect("[ { handle: '1:0:0.0', context: blue, noi: 2 } ]", 3, IRQGATE_GD_NONE,
	       "vectors 2; owner 0-1");
	expect("[]", 2, 0, "unlisted 0-1");
	expect("[ { handle: '1:0:0.0', context: host, vectors: all } ]", 0, 0, "missing -");
	expect("[ { handle: '1:0:0.0', context: host, vectors: all }, "
	       "{ handle: '2:0:0.0', context: host, vectors: all } ]",
	       2, 0, "missing -");
	/* One that no function has is missing under its own name. */
	expect("[ { handle: 'zpci:80020000', context: host, vectors: all } ]", 2, 0,
	       "unlisted 0-1; missing -");
}

/* The VM that a GISA names reaches the function; a function without one is reached by nobody. */
static void reached(void **state)
{
	static const char owner[] = "[ { handle: '1:0:0.0', context: host, vectors: all, "
				    "access: owner } ]";

	(void)state;
	expect(owner, 2, 5, "owner 0-1");
	gisa = 0x12345000;
	expect(owner, 2, 5, "reaching owner 0-1");
	expect(owner, 2, 0, "");
	expect("[ { handle: '1:0:0.0', context: host, vectors: all } ]", 2, 5, "owner 0-1");
	expect("[ { handle: '1:0:0.0', context: blue, vectors: all, access: owner } ]", 2, 5, "");
	/* A broker may hold the function; no VM of it may have it. */
	expect("[ { handle: '1:0:0.0', context: host, vectors: [9], access: owner, "
	       "brokers: [blue] } ]",
	       2, 5, "vectors 0-1; reaching owner -");
	expect("[]\ndefaults: { access: owner, unlisted_device: deny }", 2, 5, "unlisted 0-1");
	gisa = 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fib_floating), cmocka_unit_test(fib_limits),
		cmocka_unit_test(fib_directed), cmocka_unit_test(gaite),
		cmocka_unit_test(clears),       cmocka_unit_test(compared),
		cmocka_unit_test(reached),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("firmware", tests, NULL, NULL);
}
