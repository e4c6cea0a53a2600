// SPDX-License-Identifier: GPL-2.0-only
/* context.*: which processes a context has, by cgroup, executable, user and pid. */
#include "fixture.h"

#include <irqgate/table.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- context.* -------------------------------------------------------------- */

static void context_cgroup(void)
{
	struct worker *w;

	enforce(&nic, "all", "deny");
	expect_member(worker_new(BLUE), &nic, true, "a process in the cgroup");
	expect_member(worker_new(BLUE "/a/b"), &nic, true, "a process in a descendant");
	expect_member(worker_new("t/bluegreen"), &nic, false,
		      "a process in a cgroup of similar name");
	w = worker_new(BLUE);
	must(w, W_EVENTFDS, 1, 0, 0); /* the answer proves that the worker was executed */
	expect_is(ask_text(w, W_CGROUP, NOBODY), 0, "moving out");
	expect_member(w, &nic, true, "a process that was moved out");
	w = worker_new(NOBODY);
	must(w, W_EVENTFDS, 1, 0, 0);
	expect_is(ask_text(w, W_CGROUP, BLUE), 0, "moving in");
	expect_member(w, &nic, false, "a process that was moved in");
	w = worker_new(BLUE);
	must(w, W_FORK, 0, 0, 0);
	expect_is(ask_text(w, W_CGROUP, NOBODY), 0, "moving out");
	expect_member(w, &nic, true, "a child that was moved out");
}

/*
 * Any user may make this cgroup. Its path has the same FNV-1a hash as /t/blue. A process in it
 * is not of blue, whichever of the two cgroups is made first.
 */
static void context_collision(void)
{
	static const char name[] =
		"t/nobody/"
		"\x7a\x74\x79\x72\x34\x1a\x02\x7a\x23\x13\x0c\x21\x1d\x02\x36\x0f"
		"\x23\x39";
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", name);
	rmdir(path);
	rmdir("/sys/fs/cgroup/t/blue");
	enforce(&nic, "all", "deny");
	expect_member(worker_new(name), &nic, false, "a process in a cgroup of the same hash");
	rmdir(path);
	expect_member(worker_new(BLUE), &nic, true, "a process in the cgroup");
	expect_member(worker_new(name), &nic, false, "a process in a cgroup made later");
	rmdir(path);
}

/* All keys of a match must hold, and of two matches the one with more keys counts. */
static void context_combined(void)
{
	static const char path[] = "/run/irqgate-vmm";
	const struct worker_options both = { .cgroup = BLUE, .uid = 12345 },
				    all = { .cgroup = BLUE, .uid = 12345, .exe = path },
				    elsewhere = { .cgroup = NOBODY, .uid = 12345 };

	copy_self(path);
	rmdir("/sys/fs/cgroup/t/blue"); /* the loader makes the rows before the cgroup exists */
	loader_start(ENFORCE
		     "contexts:\n"
		     "  - { name: red, match: { cgroup: /t/blue } }\n"
		     "  - { name: blue, match: { uid: 12345, cgroup: /t/blue } }\n"
		     "  - { name: green, match: { uid: 12345, cgroup: /t/blue, exe: %s } }\n"
		     "devices:\n" ROW ROW ROW,
		     path, nic.handle, "blue", "all", "deny", edu.handle, "red", "all", "deny",
		     edu2.handle, "green", "all", "deny");
	rig_pci_bind_vfio(nic.bdf);
	rig_pci_bind_vfio(edu2.bdf);
	open_to_users();
	expect_member(worker_as(&both), &nic, true, "cgroup and user");
	expect_member(worker_as(&both), &edu2, false, "cgroup and user, but another program");
	expect_member(worker_as(&elsewhere), &nic, false, "the user alone");
	expect_member(worker_new(BLUE), &nic, false, "the cgroup alone");
	expect_member(worker_new(BLUE "/a"), &edu, true, "the cgroup alone, of its own context");
	expect_member(worker_as(&all), &edu2, true, "cgroup, user and program");
	expect_member(worker_as(&all), &nic, false, "a match with fewer keys");
	unlink(path);
}

/* The loader removes rows of cgroups that are gone, unless a binding uses them. */
static void context_restarts(void)
{
	struct worker *w;
	int i;

	enforce(&nic, "all", "deny");
	w = worker_new(BLUE);
	must(w, W_EVENTFDS, 1, 0, 0); /* the answer proves that the worker was executed */
	/* A later move would leave a thread of its VM (kvm-nx-lpage-recovery) in the cgroup. */
	expect_is(ask_text(w, W_CGROUP, NOBODY), 0, "moving out");
	equip(w, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	/* Another test left descendants of the cgroup, and processes that end in them. */
	expect(wait_for(3000, (rmdir("/sys/fs/cgroup/t/blue/a/b"), rmdir("/sys/fs/cgroup/t/blue/a"),
			       !rmdir("/sys/fs/cgroup/t/blue"))),
	       "rmdir: %s", rig_errname(errno));
	for (i = 0; i < 500; i++)
		expect(!mkdir("/sys/fs/cgroup/t/blue", 0755) && !rmdir("/sys/fs/cgroup/t/blue"),
		       "%s", rig_errname(errno));
	/* Until the loader removes them. */
	expect(wait_for(3000, (mkdir("/sys/fs/cgroup/t/blue", 0755), rmdir("/sys/fs/cgroup/t/blue"),
			       map_count("cgroups") > 1)),
	       "new cgroups leave no row");
	expect(wait_for(8000, map_count("cgroups") <= 2),
	       "%ld rows of cgroups are left, and one cgroup exists", map_count("cgroups"));
	verb(0, "apply", POLICY_FILE, NULL);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	worker_end(w, false);
	expect_member(worker_new(BLUE), &nic, true, "a process in a new cgroup");
}

/* A file that reuses the inode number of an executable is not that executable. */
static void context_exe_inode(void)
{
	static const char first[] = "/run/irqgate-ext4/vmm", second[] = "/run/irqgate-ext4/other";
	const struct worker_options old = { .cgroup = NOBODY, .exe = first },
				    new = { .cgroup = NOBODY, .exe = second };
	struct worker *w;
	struct stat a, b;

	if (system("umount -q /run/irqgate-ext4; mkdir -p /run/irqgate-ext4 && truncate -s 64M "
		   "/run/irqgate-ext4.img &&"
		   "/usr/sbin/mkfs.ext4 -qF /run/irqgate-ext4.img && modprobe ext4 && modprobe "
		   "loop &&"
		   "mount -o loop /run/irqgate-ext4.img /run/irqgate-ext4"))
		test_skip("no ext4");
	copy_self(first);
	loader_start(ENFORCE "contexts:\n  - { name: blue, match: { exe: %s } }\n"
			     "devices:\n" ROW ROW,
		     first, nic.handle, "blue", "all", "deny", edu2.handle, "blue", "all", "deny");
	rig_pci_bind_vfio(edu2.bdf);
	/* A process that runs a replaced executable keeps its context over a reload. */
	w = worker_as(&old);
	equip(w, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	expect(!stat(first, &a) && !unlink(first), "%s", rig_errname(errno));
	verb(0, "apply", POLICY_FILE, NULL);
	nap(2500);
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	copy_self(first);
	nap(2500); /* the loader looks for it once a second */
	expect_member(worker_as(&old), &edu2, true, "the new executable");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	worker_end(w, false);
	nap(500);
	copy_self(second);
	expect(!stat(second, &b), "%s", rig_errname(errno));
	expect_is((long)b.st_ino, (long)a.st_ino, "inode of the other file");
	expect_member(worker_as(&new), &nic, false, "a file that reuses the inode number");
	shared_end();
	expect(!system("umount /run/irqgate-ext4 && rm /run/irqgate-ext4.img"), "not unmounted");
}

static void context_exe(void)
{
	const char *path = "/run/irqgate-vmm";
	const struct worker_options options = { .exe = path };

	copy_self(path);
	loader_with(ENFORCE "contexts:\n  - { name: blue, match: { exe: %s } }\n"
			    "devices:\n" ROW,
		    path, nic.handle, "blue", "all", "deny");
	expect_member(worker_as(&options), &nic, true, "the program");
	expect_member(worker_new(NULL), &nic, false, "another program");
	unlink(path);
}

/* On overlayfs, stat(2) returns another device number than the kernel's inode has. */
static void context_exe_overlay(void)
{
	const char *path = "/run/irqgate-overlay/all/vmm";
	const struct worker_options options = { .exe = path };

	expect(!system("mkdir -p /run/irqgate-overlay/low /run/irqgate-overlay/up "
		       "/run/irqgate-overlay/all &&"
		       "mount -t tmpfs low /run/irqgate-overlay/low &&"
		       "mount -t tmpfs up /run/irqgate-overlay/up &&"
		       "mkdir /run/irqgate-overlay/up/up /run/irqgate-overlay/up/work"),
	       "no file systems");
	copy_self("/run/irqgate-overlay/low/vmm");
	if (system("mount -t overlay -o lowerdir=/run/irqgate-overlay/low,upperdir=/run/"
		   "irqgate-overlay/up/up,workdir=/run/irqgate-overlay/up/work all "
		   "/run/irqgate-overlay/all"))
		test_skip("no overlayfs");
	loader_with(ENFORCE "contexts:\n  - { name: blue, match: { exe: %s } }\n"
			    "devices:\n" ROW,
		    path, nic.handle, "blue", "all", "deny");
	expect_member(worker_as(&options), &nic, true, "the program on overlayfs");
	shared_end();
	expect(!system("cd /run/irqgate-overlay && umount all up low"), "not unmounted");
}

static void context_uid(void)
{
	const struct worker_options options = { .uid = 12345 };

	loader_with(ENFORCE "contexts:\n  - { name: blue, match: { uid: 12345 } }\n"
			    "devices:\n" ROW,
		    nic.handle, "blue", "all", "deny");
	expect_is(rig_pci_bind_vfio(nic.bdf), 0, "vfio-pci");
	open_to_users();
	expect_member(worker_as(&options), &nic, true, "the user");
	expect_member(worker_new(NULL), &nic, false, "root");
}

static void enforce_pid(pid_t pid, void (*with)(const char *policy, ...))
{
	with(ENFORCE "contexts:\n  - { name: blue, match: { pid: %d } }\n"
		     "devices:\n" ROW,
	     pid, nic.handle, "blue", "all", "deny");
}

static void context_pid(void)
{
	struct worker *parent, *other;
	pid_t pid;

	parent = worker_new(NOBODY);
	other = worker_new(NOBODY);
	must(parent, W_EVENTFDS, 1, 0, 0);
	pid = parent->pid;
	enforce_pid(pid, loader_start);
	expect_member(other, &nic, false, "another process");
	expect(must(parent, W_FORK, 0, 0, 0) != pid, "no child");
	expect_member(parent, &nic, true, "a child of the process");
	/* Other processes reuse the pid. */
	expect_member(worker_with_pid(pid), &nic, false, "a process that got the same pid");
	other = worker_with_pid(pid);
	enforce_pid(pid, loader_reload);
	verb(0, "apply", POLICY_FILE, NULL);
	loader_kill();
	enforce_pid(pid, loader_start);
	expect_member(other, &nic, false, "a process that had the same pid at a reload");
}

static void context_later(void)
{
	const pid_t pid = 20000;

	expect(kill(pid, 0), "pid %d is in use", pid);
	rmdir("/sys/fs/cgroup/t/later");
	loader_with(ENFORCE "contexts:\n"
			    "  - { name: blue, match: { pid: %d } }\n"
			    "  - { name: red, match: { cgroup: /t/later } }\n"
			    "devices:\n" ROW ROW,
		    pid, nic.handle, "blue", "all", "deny", edu.handle, "red", "all", "deny");
	expect(loader_said("no process has pid 20000"),
	       "no warning about pid 20000, which is free");
	expect_member(worker_with_pid(pid), &nic, false, "a process that came later");
	mkdir("/sys/fs/cgroup/t", 0755);
	expect(!mkdir("/sys/fs/cgroup/t/later", 0755), "mkdir: %s", rig_errname(errno));
	nap(50);
	/* A VMM may start right after its cgroup was made, not a second later. */
	bound_vmm("t/later", &edu);
}

#define MADE_MAX 512

struct made {
	unsigned int n;
	__u64 id[MADE_MAX];
};

/* Makes and removes a cgroup until it is killed, and notes the id of each. */
static void make_cgroups(const char *path, struct made *made)
{
	struct stat st;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
	while (made->n < MADE_MAX) {
		if (mkdir(path, 0755) || stat(path, &st))
			_exit(1);
		made->id[made->n] = st.st_ino; /* on cgroup v2 its inode number */
		__atomic_add_fetch(&made->n, 1, __ATOMIC_SEQ_CST);
		rmdir(path);
		nap(30);
	}
	pause();
}

/* How many rows of `cgroups` give one of these cgroups another number than @number. */
static int wrong_numbers(const struct made *made, __u32 number)
{
	unsigned int i, n = __atomic_load_n(&made->n, __ATOMIC_SEQ_CST);
	int map = bpf_obj_get("/sys/fs/bpf/irqgate/cgroups"), wrong = 0;
	struct irqgate_cgroup row;

	expect(map >= 0, "cgroups: %s", rig_errname(errno));
	for (i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(map, &made->id[i], &row))
			wrong += row.number != number;
	close(map);
	return wrong;
}

/*
 * A path has another number in each policy. A cgroup that is made while a policy comes in force
 * must not get the number that its path had in another one: that is another context's.
 */
static void context_numbers(void)
{
	static const char path[] = "/sys/fs/cgroup/t/zz";
	static const char *const earlier[] = { "", "  - { name: aa, match: { cgroup: /t/aa } }\n",
					       "  - { name: aa, match: { cgroup: /t/aa } }\n"
					       "  - { name: ab, match: { cgroup: /t/ab } }\n" };
	struct made *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	__u32 round;
	pid_t pid;

	expect(made != MAP_FAILED, "mmap: %s", rig_errname(errno));
	mkdir("/sys/fs/cgroup/t", 0755);
	rmdir(path);
	fflush(NULL);
	pid = fork();
	if (!pid)
		make_cgroups(path, made);
	for (round = 0; round < 15; round++) {
		loader_with(ENFORCE "contexts:\n%s"
				    "  - { name: zz, match: { cgroup: /t/zz } }\n",
			    earlier[round % 3]);
		expect_is(wrong_numbers(made, round % 3 + 1), 0, "wrong numbers, round %u", round);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rmdir(path);
	expect(made->n > 15, "only %u cgroups were made", made->n);
	munmap(made, sizeof(*made));
}

static const struct test tests[] = {
	{ "context.cgroup", context_cgroup },
	{ "context.numbers", context_numbers },
	{ "context.collision", context_collision },
	{ "context.combined", context_combined },
	{ "context.restarts", context_restarts },
	{ "context.exe_inode", context_exe_inode },
	{ "context.exe", context_exe },
	{ "context.exe_overlay", context_exe_overlay },
	{ "context.uid", context_uid },
	{ "context.pid", context_pid },
	{ "context.later", context_later },
};

struct test_set context_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
