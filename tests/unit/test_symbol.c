// SPDX-License-Identifier: GPL-2.0-only
/* Which names of kallsyms are a symbol's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/util.h" /* before cmocka.h, whose fail() is a macro */
#include <cmocka.h>

static void suffixes(void **state)
{
	static const struct {
		const char *found;
		enum symbol_match match;
	} cases[] = {
		{ "f", SYMBOL_EXACT },
		{ "f.llvm.10498394827834618123", SYMBOL_RENAMED },
		{ "f.lto_priv.0", SYMBOL_RENAMED },
		{ "f.isra.0", SYMBOL_CHANGED },
		{ "f.constprop.12", SYMBOL_CHANGED },
		{ "f.part.0", SYMBOL_PART },
		{ "f.cold", SYMBOL_PART },
		{ "f.cold.3", SYMBOL_PART },
		/* The least like it counts. */
		{ "f.constprop.0.isra.0", SYMBOL_CHANGED },
		{ "f.isra.0.cold", SYMBOL_PART },
		{ "f.llvm.123.cold", SYMBOL_PART },
		{ "f.llvm.123.constprop.0", SYMBOL_CHANGED },
		/* Another function. */
		{ "", SYMBOL_OTHER },
		{ "g", SYMBOL_OTHER },
		{ "ff", SYMBOL_OTHER },
		{ "f_kp", SYMBOL_OTHER },
		{ "f.", SYMBOL_OTHER },
		{ "f.0", SYMBOL_OTHER },
		{ "f.llvm.12x", SYMBOL_OTHER },
		{ "f.llvmx", SYMBOL_OTHER },
		{ "f.ll", SYMBOL_OTHER },
		{ "f.isra.0.g", SYMBOL_OTHER },
		{ "f.isra..cold", SYMBOL_OTHER },
		{ "f.cold.", SYMBOL_OTHER },
		{ "f$llvm$1", SYMBOL_OTHER },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (symbol_match(cases[i].found, "f") != cases[i].match)
			fail_msg("'%s' is %d", cases[i].found, symbol_match(cases[i].found, "f"));
	assert_int_equal(
		symbol_match("vfio_msi_set_vector_signal.llvm.1", "vfio_msi_set_vector_signal"),
		SYMBOL_RENAMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suffixes),
	};

	return cmocka_run_group_tests_name("symbol", tests, NULL, NULL);
}
