// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "lib/handle.h"
#include "lib/names.h"
#include <irqgate/binding.h>
#include <irqgate/decide.h>
#include <irqgate/event.h>

static void same_text(const char *text, __u64 handle, const char *printed)
{
	char buf[HANDLE_STRLEN];
	__u64 parsed = 0;

	assert_int_equal(handle_parse(text, &parsed), 0);
	assert_int_equal(parsed, handle);
	assert_string_equal(handle_format(parsed, buf), printed);
	parsed = 0;
	assert_int_equal(handle_parse(buf, &parsed), 0);
	assert_int_equal(parsed, handle);
}

static void refused(const char *text)
{
	__u64 handle = 42;

	if (handle_parse(text, &handle) != -EINVAL)
		fail_msg("accepted: %s", text);
	assert_int_equal(handle, 42);
}

static void pci(void **state)
{
	(void)state;
	same_text("pci:0000:00:0b.0", irqgate_handle_pci(0, 0, 0x58), "pci:0000:00:0b.0");
	same_text("0000:00:0b.0", irqgate_handle_pci(0, 0, 0x58), "pci:0000:00:0b.0");
	same_text("0:0:b.0", irqgate_handle_pci(0, 0, 0x58), "pci:0000:00:0b.0");
	/* As lspci, virsh and sysfs print it. */
	same_text("00:0b.0", irqgate_handle_pci(0, 0, 0x58), "pci:0000:00:0b.0");
	same_text(" PCI:0000:00:0B.0\t", irqgate_handle_pci(0, 0, 0x58), "pci:0000:00:0b.0");
	same_text("pci_0000_00_0b_0", irqgate_handle_pci(0, 0, 0x58), "pci:0000:00:0b.0");
	same_text("/sys/bus/pci/devices/0000:00:0b.0", irqgate_handle_pci(0, 0, 0x58),
		  "pci:0000:00:0b.0");
	same_text("pci:10000:e1:1F.7", irqgate_handle_pci(0x10000, 0xe1, 0xff),
		  "pci:10000:e1:1f.7");
	same_text("pci:ffffffff:ff:1f.7", irqgate_handle_pci(0xffffffff, 0xff, 0xff),
		  "pci:ffffffff:ff:1f.7");
}

static void pci_every_devfn(void **state)
{
	char buf[HANDLE_STRLEN];
	unsigned int bus, devfn;
	__u64 handle;

	(void)state;
	for (bus = 0; bus < 256; bus++)
		for (devfn = 0; devfn < 256; devfn++) {
			__u64 want = irqgate_handle_pci(0xabcd, (__u8)bus, (__u8)devfn);

			assert_int_equal(handle_parse(handle_format(want, buf), &handle), 0);
			assert_int_equal(handle, want);
		}
}

static void zpci(void **state)
{
	(void)state;
	same_text("zpci:80020002", irqgate_handle_zpci(0x80020002), "zpci:80020002");
	same_text("zpci:0x80020002", irqgate_handle_zpci(0x80020002), "zpci:80020002");
	same_text("zpci:2", irqgate_handle_zpci(2), "zpci:00000002");
	same_text("zpci:FFFFFFFF", irqgate_handle_zpci(0xffffffff), "zpci:ffffffff");
}

static void soft(void **state)
{
	static const char longest[] = "soft:abcdefghijklmnopqrstuvwxyz-0123456789_.ABCDEFGHI";
	__u64 handle, again;

	(void)state;
	/* Published FNV-1a test values of 64 bits, without their upper 8. */
	same_text("soft:a", irqgate_handle_soft(0xaf63dc4c8601ec8cULL), "soft:a");
	same_text("soft:foobar", irqgate_handle_soft(0x85944171f73967e8ULL), "soft:foobar");
	assert_int_equal(strlen(longest), 5 + HANDLE_SOFT_NAME_MAX);
	assert_int_equal(handle_parse(longest, &handle), 0);
	assert_string_equal(handle_soft_name(handle), longest + 5);

	assert_int_equal(handle_soft_register("vhost.0", &handle), 0);
	assert_int_equal(handle_soft_register("vhost.0", &again), 0);
	assert_int_equal(handle, again);
	assert_int_equal(handle_soft_register("vhost.0", NULL), 0);
	assert_int_equal(handle_soft_register("", &handle), -EINVAL);
	assert_int_equal(handle_soft_register("a b", &handle), -EINVAL);
}

static void soft_unknown(void **state)
{
	char buf[HANDLE_STRLEN];
	__u64 handle = irqgate_handle_soft(0xabc);

	(void)state;
	assert_null(handle_soft_name(handle));
	assert_string_equal(handle_format(handle, buf), "soft:#00000000000abc");
	same_text("soft:#abc", handle, "soft:#00000000000abc");
}

static void soft_many(void **state)
{
	char name[HANDLE_STRLEN], buf[HANDLE_STRLEN];
	__u64 handle;
	int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "soft:many-%d", i);
		assert_int_equal(handle_parse(name, &handle), 0);
	}
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "soft:many-%d", i);
		assert_int_equal(handle_parse(name, &handle), 0);
		assert_string_equal(handle_format(handle, buf), name);
	}
}

static void bad(void **state)
{
	static const char *const texts[] = {
		"",
		"-",
		"0",
		"pci:",
		"pci:000:0b.0",
		"pci_0000_00_0b",
		"pci_0000_00_0b_8",
		"pci_0000_-1_0b_0",
		"/sys/bus/pci/devices/",
		"pci:0000:00:0b.0 x",
		"0b.0",
		":0b.0",
		"pci:0000:00:0b",
		"pci:0000:00:0b.",
		"pci:0000:00:0b.8",
		"pci:0000:00:20.0",
		"pci:0000:00:0b.00",
		"pci:0000:000:0b.0",
		"pci:0000:100:0b.0",
		"pci:100000000:00:0b.0",
		"pci:0x00:00:0b.0",
		"pci:-1:00:0b.0",
		"pci:000g:00:0b.0",
		"pci::00:0b.0",
		"pci:pci:0000:00:0b.0",
		"zpci:",
		"zpci:0x",
		"zpci:100000000",
		"zpci:8002000g",
		"zpci:-1",
		"80020002",
		"soft:",
		"soft:a b",
		"soft:a/b",
		"soft:\xc3\xbc",
		"soft:#",
		"soft:#100000000000000",
		"soft:#g",
		"soft:abcdefghijklmnopqrstuvwxyz-0123456789_.ABCDEFGHIJ",
		"soft",
		"usb:1",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refused(texts[i]);
}

static void format_other(void **state)
{
	char buf[HANDLE_STRLEN];

	(void)state;
	assert_string_equal(handle_format(0, buf), "-");
	assert_string_equal(handle_format(1, buf), "#0000000000000001");
	assert_string_equal(handle_format(~0ULL, buf), "#ffffffffffffffff");
}

/* An enumerator without a word would print as "?". */
static void names_complete(void **state)
{
	static const struct {
		const struct names *names;
		unsigned int first, last;
	} all[] = {
		{ &names_verdict, IRQGATE_VERDICT_NONE, IRQGATE_VERDICT_ALARM },
		{ &names_reason, IRQGATE_REASON_NONE, IRQGATE_REASON_HOOKED },
		{ &names_level, IRQGATE_LEVEL_NONE, IRQGATE_LEVEL_ACCESS },
		{ &names_action, IRQGATE_ACTION_ALLOW, IRQGATE_ACTION_ISOLATE },
		{ &names_access, IRQGATE_ACCESS_ANY, IRQGATE_ACCESS_OWNER },
		{ &names_on_mapped, IRQGATE_ON_MAPPED_REPORT, IRQGATE_ON_MAPPED_KILL },
		{ &names_mode, IRQGATE_MODE_AUDIT, IRQGATE_MODE_ENFORCE },
		{ &names_binding, IRQGATE_BINDING_HOST, IRQGATE_BINDING_QUARANTINED },
		{ &names_module, 0, 2 },
	};
	unsigned int value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (value = all[i].first; value <= all[i].last; value++) {
			const char *text = name_of(all[i].names, value);

			assert_string_not_equal(text, "?");
			assert_int_equal(name_value(all[i].names, text), value);
		}
		assert_string_equal(name_of(all[i].names, all[i].last + 1), "?");
		assert_string_equal(name_of(all[i].names, ~0u), "?");
		assert_int_equal(name_value(all[i].names, "?"), -EINVAL);
		assert_int_equal(name_value(all[i].names, ""), -EINVAL);
	}
	assert_string_equal(name_of(&names_binding, 0), "?");
	assert_string_equal(name_of(&names_reason, IRQGATE_REASON_OWN_VMM), "own-vmm");
	assert_string_equal(name_of(&names_level, IRQGATE_LEVEL_POSSESSION), "possession");
	assert_int_equal(name_value(&names_mode, "Audit"), -EINVAL);
}

static void names_listed(void **state)
{
	char buf[64], small[8];

	(void)state;
	assert_string_equal(names_list(&names_mode, NAMES_ALL, buf, sizeof(buf)),
			    "audit or enforce");
	assert_string_equal(names_list(&names_action, 1u << IRQGATE_ACTION_DROP, buf, sizeof(buf)),
			    "drop");
	assert_string_equal(names_list(&names_action, NAMES_ALL, buf, sizeof(buf)),
			    "allow, audit, drop, deny or isolate");
	assert_string_equal(names_list(&names_mode, NAMES_ALL, small, sizeof(small)), "audit o");
	assert_string_equal(names_list(&names_mode, 0, buf, sizeof(buf)), "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pci),
		cmocka_unit_test(pci_every_devfn),
		cmocka_unit_test(zpci),
		cmocka_unit_test(soft),
		cmocka_unit_test(soft_unknown),
		cmocka_unit_test(soft_many),
		cmocka_unit_test(bad),
		cmocka_unit_test(format_other),
		cmocka_unit_test(names_complete),
		cmocka_unit_test(names_listed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
