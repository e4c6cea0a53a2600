// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hook.h"

#define TRACEFS "/sys/kernel/tracing"

/* Is @name the kernel's name of the function? */
static bool is_function(const char *name, const char *function)
{
	return symbol_match(name, function) >= SYMBOL_RENAMED;
}

/* With IBT ftrace attaches behind the ENDBR, not at the symbol's address. */
__u64 hook_ftrace_address(const char *function)
{
	FILE *f = open_seq_file(TRACEFS "/available_filter_functions_addrs"); /* since 6.5 */
	char line[512], name[256];
	__u64 found = 0;

	if (!f)
		return kernel_symbol(function);
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %255s", name) == 1 && is_function(name, function))
			found = strtoull(line, NULL, 16);
	fclose(f);
	return found;
}

/* NULL with errno 0: this kernel has no such list; another errno: it cannot be opened. */
static FILE *enabled_functions(void)
{
	FILE *f;

	mounted("tracefs", TRACEFS, TRACEFS_MAGIC);
	f = fopen(TRACEFS "/enabled_functions", "re");
	if (!f && errno == ENOENT)
		errno = 0;
	return f;
}

/*
 * With IBT the kernel can find the wrong ftrace record for a function: a disabled record of dead
 * code in front of it. Attaching then succeeds without effect (register_fentry and lookup_rec,
 * kernel/bpf/trampoline.c and kernel/trace/ftrace.c of 6.12). enabled_functions lists the
 * trampolines that ftrace calls, by the key of bpf_trampoline_compute_key().
 */
enum hook_state hook_trampoline_state(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char line[512], key[64];
	enum hook_state state = HOOK_SILENT;
	FILE *f;

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return HOOK_UNVERIFIED;
	f = enabled_functions();
	if (!f)
		return HOOK_UNVERIFIED;
	snprintf(key, sizeof(key), "bpf_trampoline_%llu",
		 (unsigned long long)info.attach_btf_obj_id << 32 | 0x80000000 |
			 info.attach_btf_id);
	while (state == HOOK_SILENT && fgets(line, sizeof(line), f))
		if (strstr(line, key))
			state = HOOK_LIVE;
	return close_read(f) ? HOOK_UNVERIFIED : state;
}

enum hook_state hook_function_state(const char *function, const char *flags)
{
	enum hook_state state = HOOK_SILENT;
	FILE *f = enabled_functions();
	char line[512], name[256];

	if (!f)
		return HOOK_UNVERIFIED;
	while (state == HOOK_SILENT && fgets(line, sizeof(line), f))
		if (sscanf(line, "%255s", name) == 1 && is_function(name, function) &&
		    strstr(line, flags))
			state = HOOK_LIVE;
	return close_read(f) ? HOOK_UNVERIFIED : state;
}

enum hook_state hook_kprobe_state(const char *function)
{
	return hook_function_state(function, "");
}

int hook_check_called(enum hook_state state)
{
	if (state == HOOK_UNVERIFIED && errno)
		return -errno;
	return state == HOOK_SILENT ? -ENOTSUP : 0;
}

int hook_fail_called(int err, const char *hook, const char *function)
{
	if (err == -ENOTSUP)
		return fail(err, "%s is attached to %s, but ftrace does not call it", hook,
			    function);
	return fail(err, "%s is attached to %s, but whether ftrace calls it cannot be read: %s",
		    hook, function, strerror(-err));
}

/* Does the kernel load an fentry program of two instructions: r0 = 0; exit? */
static bool loads_fentry(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	struct bpf_insn insns[] = { { .code = 0xb7 }, { .code = 0x95 } };
	int fd, id = libbpf_find_vmlinux_btf_id("eventfd_signal_mask", BPF_TRACE_FENTRY);

	if (id <= 0)
		return true; /* another error, which the load of the real programs names */
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "irqgate_probe", "GPL", insns, ARRAY_SIZE(insns),
			   &opts);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool hooks_trampolines(void)
{
	static int known = -1;

	if (known < 0)
		known = !access("/proc/sys/net/core/bpf_jit_enable", F_OK) || loads_fentry();
	return known;
}
