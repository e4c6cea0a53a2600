/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages, exit codes and small helpers every part of the command uses. */
#ifndef IRQGATE_USER_UTIL_H
#define IRQGATE_USER_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/types.h>

/* Exit status of the command (design: fixed for those who script it). */
enum {
	EXIT_DONE = 0,
	EXIT_RUNTIME = 1, /* failed at run time */
	EXIT_USAGE = 2, /* bad usage or policy */
	EXIT_KERNEL = 3, /* this kernel cannot honour it */
};

/* What a running irqgate shares with its commands, root's alone. */
#define RUN_DIR "/run/irqgate"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* "irqgate: ..." as one line on stderr, without control characters, of at most 1 KiB. */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As msg(), and returns @error, so that an error path is one statement. */
int fail(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * never_block - from now on messages are left out while nobody reads them
 * may_write - a line can be written without waiting; always true before
 *
 * For the loader: whoever does not read its output must not keep it from its work.
 */
void never_block(void);
bool may_write(FILE *out);

/*
 * read_line - first line of a small file, without its newline
 * Return: 0 or a negative errno; @buf is empty on failure.
 */
int read_line(const char *path, char *buf, size_t len);

/*
 * open_seq_file - for reading a long file of the kernel's, one at a time
 *
 * NULL when it cannot be opened, with errno.
 */
FILE *open_seq_file(const char *path);

/*
 * close_read - close a file that fgets(3) says nothing more of
 *
 * Return: 0: that was its end; else why no more could be read, as a negative errno, which
 * is in errno, too.
 */
int close_read(FILE *f);

/*
 * kernel_symbol - address of a symbol from kallsyms, 0 when there is none, or none can be read
 *
 * Reading kallsyms takes long, so answers are kept until kernel_symbols_refresh(), which
 * looks whether modules came or went: call that when they may have. It returns 0 or a
 * negative errno; says why.
 */
__u64 kernel_symbol(const char *name);
int kernel_symbols_refresh(void);

/* Where a module's functions lie: from @from up to @to; both 0 when it is not there. */
struct module_text {
	const char *module; /* NULL ends a list */
	__u64 from, to;
	__u64 last; /* start of the last function */
};

/* module_texts - find those of a list, whose addresses are 0; 0 or a negative errno */
int module_texts(struct module_text *modules);

/*
 * replace_open - begin to write a file that will take the place of another
 * @path: NULL: standard output
 * @mode: permissions
 * Return: where to write, for replace_close(); or NULL. Says why.
 */
FILE *replace_open(const char *path, mode_t mode);

/*
 * replace_close - put it in its place, all at once
 * @err: a negative errno: something went wrong, leave the old file
 * Return: 0 or a negative errno. Says why.
 */
int replace_close(FILE *f, const char *path, int err);

/* module_live - not in the middle of loading or going; also true when built in. */
bool module_live(const char *name);

/*
 * mounted - is a file system of this type at its usual place? Mounts it if not.
 * @magic: as in statfs(2)
 */
bool mounted(const char *type, const char *path, long magic);

/* irq_unused - no driver handles this Linux interrupt number. */
bool irq_unused(__u32 irq);

/* now_ns - CLOCK_MONOTONIC in ns, what bpf_ktime_get_ns gives. */
__u64 now_ns(void);

/* run_dir - make RUN_DIR if it is not there; returns 0 or a negative errno. Says why. */
int run_dir(void);

/*
 * text_safe - a text others chose, fit for a terminal and a log
 * @from: NUL-terminated
 * @buf: where to; cut off when too small
 * @len: size of @buf
 *
 * What is not printable ASCII becomes '?': no escape sequences, no bidirectional
 * text, one column a character.
 * Return: @buf.
 */
const char *text_safe(const char *from, char *buf, size_t len);

/* text_is_safe - is there nothing in it that text_safe() would replace? */
bool text_is_safe(const char *text);

/*
 * text_control - does a control character begin at @c, or what YAML does not take as it is?
 *
 * The controls of ASCII and those from U+0080; U+2028, U+2029, which break a line; U+FFFE
 * and U+FFFF, which are no characters. Of UTF-8; false at the end.
 */
bool text_control(const char *c);

/*
 * text_name - a name a policy allows, from the path of a cgroup or a program
 *
 * "/machine.slice/machine-qemu\x2d1\x2dblue.scope" becomes "qemu-1-blue"; what names
 * may not have becomes '-'.
 * Return: @buf, empty when nothing is left.
 */
const char *text_name(const char *from, char *buf, size_t len);

/* boottime_ns - CLOCK_BOOTTIME in ns, what bpf_ktime_get_boot_ns gives. */
__u64 boottime_ns(void);

/*
 * lock_changes - let one irqgate at a time change table and bindings
 * Return: a descriptor to close when done, or a negative errno.
 */
int lock_changes(void);

#endif
