// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hooks.h"
#include "loader/support.h"

/* Inode number of the first pid namespace (PROC_PID_INIT_INO, linux/proc_ns.h). */
#define INIT_PID_NS 0xEFFFFFFCu

static const struct lack none;

struct lack probe_bpf(void)
{
	/* r0 = 0; exit: the smallest program there is, of a type that traces. */
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
			"irqgate runs in a pid namespace of its own and cannot see other processes",
			"run it in the host's pid namespace (in a container: hostPID)"
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
	if (!text_listed(line, "bpf"))
		return (struct lack){ "the bpf LSM is not enabled, so nothing can be refused",
				      "add bpf to the kernel's lsm= list, or use --mode audit" };
	return none;
}

/* The result of a search in sysfs. */
struct found {
	bool remapped; /* an interrupt that passes a remapping unit */
	bool plain; /* an MSI that passes none */
	bool noiommu; /* a device that VFIO gives away without an IOMMU */
	int unread; /* -errno: something could not be read */
};

#ifdef __x86_64__
/* The names of interrupt chips behind a remapping unit say so: IR-PCI-MSI, IR-IO-APIC. */
static void look_at_chips(struct found *f)
{
	DIR *dir = opendir("/sys/kernel/irq");
	char path[300], chip[64];
	struct dirent *d;
	int err;

	if (!dir)
		f->unread = -errno;
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/irq/%s/chip_name", d->d_name);
		err = read_line(path, chip, sizeof(chip));
		if (err == -EMFILE || err == -ENFILE)
			f->unread = err;
		if (err)
			continue;
		f->remapped |= !strncmp(chip, "IR-", 3) || !strncmp(chip, "AMD-IR", 6);
		f->plain |= !strncmp(chip, "PCI-MSI", 7);
	}
	if (dir)
		closedir(dir);
}
#endif

/* Looks here and not in iommu_groups, because there groups of mdev have the same name. */
static void look_for_noiommu(struct found *f)
{
	DIR *dir = opendir("/sys/class/vfio");
	struct dirent *d;

	/* The directory does not exist before vfio is loaded. */
	if (!dir && errno != ENOENT)
		f->unread = -errno;
	while (dir && (d = readdir(dir)))
		f->noiommu |= !strncmp(d->d_name, "noiommu-", 8);
	if (dir)
		closedir(dir);
}

struct lack probe_remapping(void)
{
	struct found f = {};

#ifdef __x86_64__
	look_at_chips(&f);
#else
	/* s390 has firmware for this, arm64 its ITS: both know the device. */
	f.remapped = true;
#endif
	look_for_noiommu(&f);
	/* The file that could not be read may be the one of an interrupt that is not remapped. */
	if (f.unread)
		return (struct lack){
			"/sys/kernel/irq cannot be read, so irqgate does not know whether "
			"interrupts are remapped",
			"mount sysfs, and raise the limit of open files if it is reached"
		};
	if (!f.remapped)
		return (struct lack){
			"there is no interrupt remapping: a device can forge any interrupt by DMA",
			"enable VT-d or AMD-Vi with interrupt remapping (intel_iommu=on), or "
			"accept it with --allow-unsafe-interrupts"
		};
	if (f.plain)
		return (struct lack){
			"the MSIs of some devices pass no interrupt remapping (chip PCI-MSI in "
			"/sys/kernel/irq): those can forge any interrupt by DMA",
			"enable interrupt remapping for all, or accept it with "
			"--allow-unsafe-interrupts"
		};
	if (f.noiommu)
		return (struct lack){
			"VFIO gives a device away without an IOMMU and interrupt remapping "
			"(noiommu in /sys/class/vfio): it can forge any interrupt by DMA",
			"give it back to the host, or accept it with --allow-unsafe-interrupts"
		};
	return none;
}

static int refuse(struct lack lack)
{
	return fail(-EOPNOTSUPP, "%s; %s", lack.why, lack.remedy);
}

int probe_require(bool enforce, bool unsafe)
{
	static bool bpf; /* asked once: later the loader lacks the privileges to ask */
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
