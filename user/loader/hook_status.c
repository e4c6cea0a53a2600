// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hook.h"
#include "table/pins.h"

/* Open a hook's pin: the link, or the program of a HOOK_CALL. */
static int open_pinned(const struct hook *h, bool *kprobe)
{
	char pin[64], path[PIN_LEN];
	int fd = bpf_obj_get(pin_path(path, hook_pin(h, PLAIN, pin)));

	*kprobe = fd < 0;
	return *kprobe ? bpf_obj_get(pin_path(path, hook_pin(h, KPROBE, pin))) : fd;
}

static int program_of(const struct hook *h, int fd)
{
	struct bpf_link_info link = {};
	__u32 len = sizeof(link);

	if (h->kind == HOOK_CALL || h->by_need)
		return dup(fd);
	return bpf_obj_get_info_by_fd(fd, &link, &len) ? -1 : bpf_prog_get_fd_by_id(link.prog_id);
}

static void program_runs(int prog_fd, struct hook_status *st)
{
	struct bpf_prog_info prog = {};
	__u32 len = sizeof(prog);

	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &prog, &len))
		return;
	st->runs = prog.run_cnt;
	st->missed = prog.recursion_misses;
}

void hook_status(const struct hook *h, struct hook_status *st)
{
	bool kprobe;
	int fd = open_pinned(h, &kprobe), prog_fd;

	memset(st, 0, sizeof(*st));
	st->variant = "-";
	if (fd < 0) {
		if (h->yields && hooks_stage_loaded(STAGE_INLINE))
			st->state = HOOK_YIELDED;
		return;
	}
	prog_fd = program_of(h, fd);
	st->state = HOOK_LIVE;
	if (kprobe) {
		st->variant = "kprobe";
		st->state = hook_kprobe_state(h->function);
	} else if (h->kind == HOOK_TP) {
		st->variant = "tracepoint";
	} else if (h->kind == HOOK_ITER) {
		st->variant = "iterator";
	} else if (h->kind == HOOK_CALL) {
		st->variant = "call";
	} else if (h->by_need && !hook_attached(h)) {
		st->state = HOOK_UNNEEDED;
	} else {
		st->variant = h->kind == HOOK_GATE ? "lsm" : h->on_return ? "fexit" : "fentry";
		st->state = hook_trampoline_state(prog_fd);
	}
	program_runs(prog_fd, st);
	if (prog_fd >= 0)
		close(prog_fd);
	close(fd);
}

static int open_program(const struct hook *h)
{
	bool kprobe;
	int fd = open_pinned(h, &kprobe), prog_fd;

	if (fd < 0)
		return fd;
	prog_fd = program_of(h, fd);
	close(fd);
	return prog_fd;
}

/* Does irqgate learn of bindings by this hook? Then a run that the kernel skips matters. */
static bool binds(const struct hook *h)
{
	return h->kind == HOOK_TRACE && !h->single &&
	       (h->stage == STAGE_VFIO || h->stage == STAGE_KVM);
}

static int counters[HOOKS_MAX]; /* program fd + 1, 0: none */

void hooks_open_counters(void)
{
	unsigned int i;
	int fd;

	for (i = 0; i < nhooks; i++) {
		if (!binds(&hooks[i]))
			continue;
		if (counters[i])
			close(counters[i] - 1);
		fd = open_program(&hooks[i]);
		counters[i] = fd < 0 ? 0 : fd + 1;
	}
}

__u64 hooks_skipped(void)
{
	struct hook_status st;
	__u64 skipped = 0;
	unsigned int i;

	for (i = 0; i < nhooks; i++) {
		st.missed = 0;
		program_runs(counters[i] - 1, &st);
		skipped += st.missed;
	}
	return skipped;
}

__u64 hooks_missed(void)
{
	__u64 missed = 0;
	unsigned int i;

	for (i = 0; i < nhooks; i++) {
		struct hook_status st = {};
		int fd = open_program(&hooks[i]);

		program_runs(fd, &st);
		missed += st.missed;
		if (fd >= 0)
			close(fd);
	}
	return missed;
}
