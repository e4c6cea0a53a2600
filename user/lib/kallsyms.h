/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses of kernel symbols, and of the functions of modules, from /proc/kallsyms. */
#ifndef IRQGATE_USER_KALLSYMS_H
#define IRQGATE_USER_KALLSYMS_H

#include <stdbool.h>
#include <linux/types.h>

/*
 * kernel_symbol - address of a symbol; 0: kallsyms does not have it, or is unreadable
 * @name: a name in symbols[] of kallsyms.c
 *
 * Reading kallsyms takes long, so answers are cached.
 */
__u64 kernel_symbol(const char *name);

/*
 * kernel_symbols_refresh - read kallsyms again if the loaded modules changed
 *
 * Call it when modules may have been loaded or removed.
 * Return: 0 or a negative errno. Prints the error.
 */
int kernel_symbols_refresh(void);

/* kernel_symbols_reading - changes with each reading of kallsyms; 0: none succeeded. */
unsigned int kernel_symbols_reading(void);

/* How like a symbol a name in kallsyms is; in ascending order. */
enum symbol_match {
	SYMBOL_OTHER,
	SYMBOL_PART, /* .part, .cold (gcc): some of the function's code */
	SYMBOL_CHANGED, /* .isra, .constprop (gcc): with other arguments */
	SYMBOL_RENAMED, /* .llvm.HASH (clang), .lto_priv (gcc): the same under a longer name */
	SYMBOL_EXACT,
};

/*
 * symbol_match - compare a name in kallsyms with the name of a symbol
 *
 * For the suffixes see gcc's ipa-sra.cc, ipa-cp.cc, ipa-split.cc, predict.cc and
 * lto-partition.cc, and LLVM's lib/Transforms/Utils/FunctionImportUtils.cpp.
 */
enum symbol_match symbol_match(const char *found, const char *name);

/* The entry of kallsyms most like a symbol. */
struct symbol {
	const char *name;
	enum symbol_match match;
	bool built_in; /* not in a module */
	__u64 addr; /* 0 unless RENAMED or EXACT */
	char found[128]; /* its name in kallsyms */
};

/* kernel_symbol_found - as kernel_symbol(), with name and likeness; NULL: nothing is like it. */
const struct symbol *kernel_symbol_found(const char *name);

/* Address range of a module's functions, from @from up to @to; both 0 if it is not loaded. */
struct module_text {
	const char *module; /* NULL ends a list */
	__u64 from, to;
	__u64 last; /* start of the last function */
};

/* module_texts - fill a list whose addresses are 0. Return: 0 or a negative errno. */
int module_texts(struct module_text *modules);

#endif
