/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files that make up loader/hooks.h share: hook_table.c (which hooks there are),
 * hook_need.c (can this kernel be hooked?), hook_object.c (open and load the BPF object),
 * hooks.c (attach), hook_ftrace.c (does ftrace call it?), hook_pin.c, hook_status.c.
 */
#ifndef IRQGATE_USER_HOOK_H
#define IRQGATE_USER_HOOK_H

#include <errno.h>
#include "loader/hooks.h"

struct bpf_link;
struct irqgate_bpf;

/* ---- hook_table.c ---- */

/* The module that has a stage's code, and how messages name the stage. */
struct stage_info {
	const char *name, *module;
};
extern const struct stage_info stages[STAGES];

#define HOOKS_MAX 64 /* no less than nhooks */

/* ---- hook_need.c ---- */

/* stage_present - the module of a stage is loaded, or built in */
bool stage_present(enum stage stage);

/* stage_hookable - and all that its programs use is there */
bool stage_hookable(enum stage stage);

/* hook_is_refusal - does this errno of a load mean that the kernel will always refuse? */
bool hook_is_refusal(int error);

/*
 * stage_refused - note that the kernel refused a stage's programs with @err
 *
 * Return: @err, or -EOPNOTSUPP for a refusal that stays as long as no module comes or goes.
 * Lack of memory or of rights does not stay, nor does an ftrace that is switched off.
 */
int stage_refused(enum stage stage, int err);

/* ---- hook_object.c ---- */

/*
 * hook_object_open - an instance of the BPF object with only the programs that @want accepts
 *
 * Reuses maps that are pinned and pins the others. Return: NULL with errno.
 */
struct irqgate_bpf *hook_object_open(bool (*want)(const struct hook *h, const char *prog,
						  void *arg),
				     void *arg);

/* ---- hook_ftrace.c ---- */

/*
 * Does ftrace call what was attached? HOOK_UNVERIFIED comes with errno, 0: the kernel does not
 * tell.
 * hook_trampoline_state - a program that is attached by a BPF trampoline
 * hook_function_state - a function, with @flags in its line of enabled_functions
 * hook_kprobe_state - a function
 */
enum hook_state hook_trampoline_state(int prog_fd);
enum hook_state hook_function_state(const char *function, const char *flags);
enum hook_state hook_kprobe_state(const char *function);

/* hook_check_called - 0; -ENOTSUP: ftrace does not call it; another: that cannot be told */
int hook_check_called(enum hook_state state);

/* hook_fail_called - say so. Returns @err. */
int hook_fail_called(int err, const char *hook, const char *function);

/* hook_ftrace_address - the address that ftrace attaches to, 0: none. Takes long. */
__u64 hook_ftrace_address(const char *function);

/* ---- hook_pin.c ---- */

/* A hook is pinned as itself, as its kprobe variant, or as the probe at that one's entry. */
enum variant { PLAIN, KPROBE, KPROBE_ENTER, VARIANTS };

extern const char *hook_replaced; /* where another build's programs are pinned, or NULL */

const char *hook_pin(const struct hook *h, enum variant variant, char buf[64]);
bool hook_pinned(const struct hook *h);

/*
 * A hook by need has its program pinned as hook_pin(), and while it is attached also a link.
 * hook_link - the name of the link's pin; returns @buf
 * hook_attached - is it attached?
 * hook_unpin_link - detach it
 */
const char *hook_link(const struct hook *h, char buf[64]);
bool hook_attached(const struct hook *h);
void hook_unpin_link(const char *dir, const struct hook *h);

/* hook_adoptable - is it pinned by an earlier irqgate of this build? */
bool hook_adoptable(const struct hook *h);

/* hook_pin_link - pin an attachment, which then outlives the link object. Says what fails. */
int hook_pin_link(struct bpf_link *link, const char *pin);

void hook_unpin_variant(const char *dir, const struct hook *h, enum variant v);
void hook_unpin(const char *dir, const struct hook *h);

/* hook_detach - unpin, and wait until the program is gone */
void hook_detach(const char *dir, const struct hook *h, enum variant v);

#endif
