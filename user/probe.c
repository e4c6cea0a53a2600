// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "hooks.h"
#include "inline.h"
#include "pins.h"
#include "probe.h"
#include "show.h"
#include "util.h"

/* Inode number of the first pid namespace (PROC_PID_INIT_INO, linux/proc_ns.h). */
#define INIT_PID_NS 0xEFFFFFFCu

static const struct lack none;

/* Does a comma-separated list hold a word? */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p;

	for (p = strstr(list, word); p; p = strstr(p + 1, word))
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}

struct lack probe_bpf(void)
{
	/* r0 = 0; exit: the smallest program there is, of a kind that traces. */
	struct bpf_insn insns[] = { { .code = 0xb7 }, { .code = 0x95 } };
	struct stat st;
	char line[256];
	int fd;

	if (geteuid())
		return (struct lack){
			"not root: loading BPF needs CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN",
			"run as root"
		};
	if (!stat("/proc/self/ns/pid", &st) && st.st_ino != INIT_PID_NS)
		return (struct lack){
			"this is a pid namespace of its own, where other processes cannot be seen",
			"run in the host's, in a container with its pid namespace (hostPID)"
		};
	mounted("securityfs", "/sys/kernel/security", SECURITYFS_MAGIC);
	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line)) &&
	    strstr(line, "[confidentiality]"))
		return (struct lack){ "the kernel is in lockdown=confidentiality, which forbids "
				      "BPF to read kernel memory",
				      "boot with lockdown=integrity or none" };
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return (struct lack){ "the kernel has no BTF (/sys/kernel/btf/vmlinux)",
				      "use a kernel with CONFIG_DEBUG_INFO_BTF=y" };
	fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "irqgate_probe", "GPL", insns, ARRAY_SIZE(insns),
			   NULL);
	if (fd == -ENOSYS)
		return (struct lack){ "the kernel has no bpf system call",
				      "use a kernel with CONFIG_BPF_SYSCALL=y" };
	if (fd == -EPERM)
		return (struct lack){ "the kernel refuses BPF programs to this process",
				      "run as root outside containers, with CAP_BPF, CAP_PERFMON "
				      "and CAP_SYS_ADMIN" };
	if (fd < 0)
		return (struct lack){ "the kernel refuses tracing programs",
				      "use a kernel with CONFIG_BPF_EVENTS=y" };
	close(fd);
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_TRACING, NULL) != 1)
		return (struct lack){
			"the kernel refuses BPF programs that trace functions: "
			"lockdown=confidentiality, or no BPF JIT",
			"boot with lockdown=integrity or none, and CONFIG_BPF_JIT=y"
		};
	if (!kernel_symbol("eventfd_fops"))
		return (struct lack){
			"/proc/kallsyms cannot be read, or has no address of eventfd_fops",
			"set kernel.kptr_restrict to 0 or 1, run with CAP_SYSLOG, and use a "
			"kernel with CONFIG_KALLSYMS_ALL=y"
		};
	if (!mounted("bpf", "/sys/fs/bpf", BPF_FS_MAGIC))
		return (struct lack){
			"no bpf file system can be mounted at /sys/fs/bpf to pin maps in",
			"use a kernel with CONFIG_BPF_SYSCALL=y, outside containers"
		};
	return none;
}

struct lack probe_lsm(void)
{
	char line[256];

	if (!hooks_trampolines())
		return (struct lack){
			"the kernel has no BPF JIT, without which there are no LSM programs and "
			"nothing can be refused",
			"use a kernel with CONFIG_BPF_JIT=y and CONFIG_BPF_LSM=y, or --mode audit"
		};
	mounted("securityfs", "/sys/kernel/security", SECURITYFS_MAGIC);
	if (read_line("/sys/kernel/security/lsm", line, sizeof(line)) &&
	    !access("/sys/kernel/security/lsm", F_OK))
		return (struct lack){ "/sys/kernel/security/lsm cannot be read",
				      "try again, or use --mode audit" };
	if (access("/sys/kernel/security/lsm", F_OK))
		return (struct lack){
			"the kernel has no security modules (/sys/kernel/security/lsm)",
			"use a kernel with CONFIG_BPF_LSM=y, or --mode audit"
		};
	if (!listed(line, "bpf"))
		return (struct lack){ "the bpf LSM is not enabled, so nothing can be refused",
				      "add bpf to the kernel's lsm= list, or use --mode audit" };
	return none;
}

/* Interrupt chips behind a remapping unit say so: IR-PCI-MSI, IR-IO-APIC. */
struct lack probe_remapping(void)
{
	DIR *dir = opendir("/sys/kernel/irq");
	int err, unread = dir ? 0 : -errno;
	char path[300], chip[64];
	bool found = false;
	struct dirent *d;

#ifndef __x86_64__
	/* s390 has firmware for this, arm64 its ITS: both know the device. */
	found = true;
#endif
	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/irq/%s/chip_name", d->d_name);
		err = read_line(path, chip, sizeof(chip));
		found = !err && (!strncmp(chip, "IR-", 3) || !strncmp(chip, "AMD-IR", 6));
		if (err == -EMFILE || err == -ENFILE)
			unread = err;
	}
	if (dir)
		closedir(dir);
	if (!found && unread)
		return (struct lack){
			"/sys/kernel/irq cannot be read, so nothing is known of interrupt "
			"remapping",
			"see that sysfs is mounted and the limit of open files not reached"
		};
	if (!found)
		return (struct lack){
			"there is no interrupt remapping: a device can forge any interrupt by DMA",
			"enable VT-d or AMD-Vi with interrupt remapping (intel_iommu=on), or "
			"accept it with --allow-unsafe-interrupts"
		};
	return none;
}

static int refuse(struct lack lack)
{
	return fail(-EOPNOTSUPP, "%s; %s", lack.why, lack.remedy);
}

int probe_require(bool enforce, bool unsafe)
{
	static bool bpf; /* asked once: a loader gives up the privileges it takes */
	struct lack lack = bpf ? none : probe_bpf();

	if (lack.why)
		return refuse(lack);
	bpf = true;
	if (!enforce)
		return 0;
	lack = probe_lsm();
	if (lack.why)
		return refuse(lack);
	lack = probe_remapping();
	if (lack.why && !unsafe)
		return refuse(lack);
	return 0;
}

/* A level of design.md 3 and what it takes. */
static const struct {
	const char *name, *mechanism;
	bool lsm;
} levels[] = {
	{ "bind", "lsm.s/file_ioctl", true },
	{ "possession", "lsm/file_receive", true },
	{ "injection", "lsm/file_permission", true },
	{ "quarantine", "pidfd_getfd, VFIO_DEVICE_SET_IRQS", false },
	{ "inline", "module irqgate_hook", false },
};

int probe_verb(bool json)
{
	struct lack bpf = probe_bpf(), lsm = probe_lsm(), ir = probe_remapping();
	struct json_object *root = json_object_new_object(), *arr = json_object_new_array();
	struct utsname uts;
	unsigned int i;

	uname(&uts);
	json_object_object_add(root, "kernel", json_object_new_string(uts.release));
	json_object_object_add(root, "interrupt_remapping", json_object_new_boolean(!ir.why));
	if (!json) {
		printf("kernel       %s\n", uts.release);
		printf("remapping    %s\n", ir.why ? ir.why : "yes");
		printf("\n%-12s %-40s %s\n", "LEVEL", "MECHANISM", "HONOURED");
	}
	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		struct lack lack = bpf.why ? bpf : levels[i].lsm ? lsm : none;
		struct json_object *o = json_object_new_object();

		if (!strcmp(levels[i].name, "inline"))
			lack = bpf.why ? bpf : inline_lack();
		json_object_object_add(o, "level", json_object_new_string(levels[i].name));
		json_object_object_add(o, "mechanism", json_object_new_string(levels[i].mechanism));
		json_object_object_add(o, "honoured", json_object_new_boolean(!lack.why));
		if (lack.why) {
			json_object_object_add(o, "why", json_object_new_string(lack.why));
			json_object_object_add(o, "remedy", json_object_new_string(lack.remedy));
		}
		json_object_array_add(arr, o);
		if (!json)
			printf("%-12s %-40s %s%s%s%s\n", levels[i].name, levels[i].mechanism,
			       lack.why ? "no: " : "yes", lack.why ? lack.why : "",
			       lack.why && *lack.remedy ? "; " : "", lack.why ? lack.remedy : "");
	}
	json_object_object_add(root, "levels", arr);
	if (json) {
		printf("%s\n",
		       json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else if (hooks_stage_loaded(STAGE_CORE)) {
		printf("\n");
		show(NULL, "hooks", NULL, 0, false);
	} else {
		printf("\nNot loaded: 'irqgate run' attaches the hooks, 'irqgate show hooks' then "
		       "lists which variant of each is in use.\n");
	}
	json_object_put(root);
	return bpf.why || lsm.why || ir.why ? EXIT_KERNEL : EXIT_DONE;
}
