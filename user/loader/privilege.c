// SPDX-License-Identifier: GPL-2.0-only
#include <cap-ng.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <linux/vfio.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "loader/privilege.h"

/* The flags of clone(2) are this argument. */
#if defined(__s390x__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

static __u64 had; /* bit mask of the capabilities it was started with */

/* The loader always needs these. */
static const int keep[] = {
	CAP_BPF, /* maps and BTF of the table that a reload publishes */
	CAP_PERFMON, /* running the iterators and the program that judges */
	CAP_SYS_PTRACE, /* pidfd_getfd: the fds that a quarantine copies */
	CAP_KILL, /* continue what a quarantine stopped; last_resort: kill; on_mapped */
};

/* Only attaching needs these. */
static const int attach[] = {
	CAP_SYS_ADMIN, /* BTF of modules, mounting bpffs and tracefs */
	CAP_SYSLOG, /* addresses in kallsyms */
};

/* Takes only those that this process has, because a container may have fewer. */
static void choose(const int *caps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (had >> caps[i] & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, caps[i]);
}

static int set_capabilities(bool attaching, capng_select_t sets)
{
	int ret;

	capng_clear(CAPNG_SELECT_BOTH);
	choose(keep, ARRAY_SIZE(keep));
	if (attaching)
		choose(attach, ARRAY_SIZE(attach));
	ret = capng_apply(sets);
	return ret ? fail(-EPERM, "cannot give up capabilities: capng_apply: %d", ret) : 0;
}

int privilege_start(void)
{
	bool bounds;
	int cap;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail(-errno, "cannot give up new privileges: %s", strerror(errno));
	if (capng_get_caps_process())
		return fail(-EPERM, "cannot read its own capabilities");
	for (cap = 0; cap <= CAP_LAST_CAP && cap < 64; cap++)
		if (capng_have_capability(CAPNG_PERMITTED, cap))
			had |= 1ULL << cap;
	bounds = had >> CAP_SETPCAP & 1;
	return set_capabilities(true, bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
}

/* System calls with any arguments; measured with strace over all VM tests. */
/* clang-format off */
static const int allowed[] = {
	/* the event loop */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(read),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	/* monitors, sd_notify and the journal */
	SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(connect),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	/* policy files, pins, sysfs and cgroups */
	SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(getdents64), SCMP_SYS(lseek),
	SCMP_SYS(statfs64), SCMP_SYS(fstatfs64), /* s390 */
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(name_to_handle_at), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rename),
	SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(fchmod), SCMP_SYS(umask), SCMP_SYS(flock), SCMP_SYS(fcntl), SCMP_SYS(dup),
	SCMP_SYS(dup3), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_rm_watch), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate),
	/* quarantine */
	SCMP_SYS(eventfd2), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pipe2),
	SCMP_SYS(setitimer),
	/* the child that makes calls which may wait (bounded.c) */
	SCMP_SYS(close_range), SCMP_SYS(wait4), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	/* memory and the C library */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
	SCMP_SYS(membarrier),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(geteuid),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(prlimit64), SCMP_SYS(tgkill),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* to give up more */
	SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(seccomp),
};
/* clang-format on */

/* System calls, each with the one value that an argument, or the bits in a mask, may have. */
static const struct {
	int call;
	unsigned int arg;
	scmp_datum_t mask, value;
} limited[] = {
	{ SCMP_SYS(socket), 0, 0xffffffff, AF_UNIX },
	{ SCMP_SYS(ioctl), 1, 0xffffffff, VFIO_DEVICE_SET_IRQS },
	{ SCMP_SYS(ioctl), 1, 0xffffffff, TCGETS }, /* stdio asks whether it is a terminal */
	{ SCMP_SYS(kill), 1, 0xffffffff, SIGKILL },
	{ SCMP_SYS(pidfd_send_signal), 1, 0xffffffff, SIGCONT },
	{ SCMP_SYS(pidfd_send_signal), 1, 0xffffffff, SIGKILL }, /* last_resort, on_mapped: kill */
	{ SCMP_SYS(pidfd_send_signal), 1, 0xffffffff, SIGSTOP }, /* on_mapped: stop */
	{ SCMP_SYS(socketpair), 0, 0xffffffff, AF_UNIX },
	/* fork(3), and nothing that makes threads or namespaces */
	{ SCMP_SYS(clone), CLONE_FLAGS_ARG, 0xffffffff,
	  CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD },
#if defined(__s390x__)
	/* The arguments of mmap lie in memory, where a filter cannot look. */
	{ SCMP_SYS(mmap), 0, 0, 0 },
#else
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
#endif
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
};

/* Commands of bpf(2) that load no program. A link attaches one that is pinned (hooks_govern()). */
static const int bpf_commands[] = {
	BPF_MAP_CREATE,
	BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_MAP_FREEZE,
	BPF_MAP_LOOKUP_BATCH,
	BPF_MAP_UPDATE_BATCH,
	BPF_OBJ_PIN,
	BPF_OBJ_GET,
	BPF_PROG_TEST_RUN,
	BPF_OBJ_GET_INFO_BY_FD,
	BPF_MAP_GET_FD_BY_ID,
	BPF_LINK_CREATE,
};

static int add_rules(scmp_filter_ctx ctx, bool hooked)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(allowed) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (i = 0; i < ARRAY_SIZE(limited) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, limited[i].call, 1,
				       SCMP_CMP(limited[i].arg, SCMP_CMP_MASKED_EQ, limited[i].mask,
						limited[i].value));
	if (!hooked)
		return err ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 0);
	for (i = 0; i < ARRAY_SIZE(bpf_commands) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)bpf_commands[i], 0));
	return err;
}

/*
 * A call that is not in the lists fails with EPERM, and the kernel's log shows it.
 * Filters add up: a second filter can only forbid more.
 */
static int filter(bool hooked)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0); /* privilege_start() set it */
	if (!err && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1) == -EOPNOTSUPP)
		err = 0; /* an outer filter forbids to ask for it; this one works without the log */
	err = err ?: add_rules(ctx, hooked) ?: seccomp_load(ctx);
	seccomp_release(ctx);
	return err ? fail(err, "cannot set a seccomp filter: %s", strerror(-err)) : 0;
}

int privilege_limit(bool hooked)
{
	/*
	 * A later policy may name users. Load the C library's modules that look users up now,
	 * because the filter does not let them in later.
	 */
	getpwnam("root");
	return set_capabilities(!hooked, CAPNG_SELECT_CAPS) ?: filter(hooked);
}
