// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <irqgate/hash.h>

#include "util.h"

#define MESSAGE_LEN 1024
#define LOCK_PATH RUN_DIR "/lock"

static bool blocks = true;

void never_block(void)
{
	blocks = false;
}

bool may_write(FILE *out)
{
	struct pollfd p = { .fd = fileno(out), .events = POLLOUT };

	/* A pipe that is ready takes a line at once; a broken one says so, as one poll fails on. */
	return blocks || poll(&p, 1, 0);
}

static void vmsg(const char *fmt, va_list ap)
{
	char text[MESSAGE_LEN], *c;

	if (!may_write(stderr))
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	/* It may quote what others chose. */
	for (c = text; *c; c++)
		if (text_control(c))
			*c = '?';
	fprintf(stderr, "irqgate: %s\n", text);
}

void msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

int fail(int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
	return error;
}

int read_line(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/*
 * The symbols irqgate asks for; kallsyms has two hundred thousand, so they are
 * looked up together in one pass.
 */
static struct {
	const char *name;
	__u64 addr;
} symbols[] = {
	{ "eventfd_fops", 0 },
	{ "vfio_device_fops", 0 },
	{ "kvm_vm_fops", 0 },
	{ "kvm_vcpu_fops", 0 },
	{ "pci_bus_type", 0 },
	{ "kernfs_dir_fops", 0 },
	{ "vm_list", 0 },
	{ "vfio_msihandler", 0 },
	{ "vfio_msi_set_vector_signal", 0 },
	{ "kvm_arch_init_vm", 0 },
	{ "kvm_destroy_vm", 0 },
	{ "irqfd_ptable_queue_proc", 0 },
	{ "kvm_irqfd_register", 0 },
	{ "irqfd_shutdown", 0 },
	{ "vfio_pci_set_irqs_ioctl", 0 },
	{ "eventfd_ctx_put", 0 },
	{ "eventfd_ctx_fdget", 0 },
	{ "eventfd_release", 0 },
	{ "eventfd_signal_mask", 0 },
	{ "handle_irq_event", 0 },
	{ "handle_percpu_irq", 0 },
	{ "zpci_list", 0 },
	{ "zpci_sbv", 0 },
	{ "zpci_mod_fc", 0 },
	{ "vm_layout", 0 },
	{ "aift", 0 },
	{ "irq_delivery", 0 },
	{ "gib_alert_irq_handler", 0 },
	{ "irqgate_hook_msi", 0 },
	{ "bpf_lsm_file_ioctl", 0 },
	{ "bpf_lsm_file_ioctl_compat", 0 },
};
static bool symbols_known;
static __u64 symbols_modules; /* modules_now() when they were read */

FILE *open_seq_file(const char *path)
{
	static char page[4096]; /* as much as the kernel gives at once; stdio would ask for 1 KiB */
	FILE *f = fopen(path, "re");

	if (f)
		setvbuf(f, page, _IOFBF, sizeof(page));
	return f;
}

int close_read(FILE *f)
{
	int err = ferror(f) ? -errno : 0;

	fclose(f);
	errno = -err;
	return err;
}

/* Changes with which modules there are, and where; 0: unknown. */
static __u64 modules_now(void)
{
	FILE *f = open_seq_file("/proc/modules");
	char line[4096], module[sizeof(line)], *addr;
	__u64 sum = 0;

	while (f && fgets(line, sizeof(line), f)) {
		addr = strstr(line, " 0x");
		snprintf(module, sizeof(module), "%.*s%s", (int)strcspn(line, " "), line,
			 addr ?: "");
		sum += irqgate_hash_text(module, strlen(module));
	}
	return f && !close_read(f) ? sum : 0;
}

static int symbols_read(void)
{
	char line[512];
	size_t i;
	FILE *f;
	int err;

	symbols_modules = modules_now();
	for (i = 0; i < ARRAY_SIZE(symbols); i++)
		symbols[i].addr = 0;
	f = open_seq_file("/proc/kallsyms");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		char *name = strchr(line, ' ');

		if (!name || strlen(name) < 4)
			continue;
		name += 3; /* past the type */
		name[strcspn(name, "\t\n")] = '\0';
		for (i = 0; i < ARRAY_SIZE(symbols); i++)
			if (*name == *symbols[i].name && !strcmp(name, symbols[i].name))
				symbols[i].addr = strtoull(line, NULL, 16);
	}
	err = close_read(f);
	symbols_known = !err;
	return err;
}

__u64 kernel_symbol(const char *name)
{
	size_t i;

	if (!symbols_known)
		symbols_read();
	for (i = 0; symbols_known && i < ARRAY_SIZE(symbols); i++)
		if (!strcmp(name, symbols[i].name))
			return symbols[i].addr;
	return 0;
}

int kernel_symbols_refresh(void)
{
	int err = 0;

	if (!symbols_known || !symbols_modules || modules_now() != symbols_modules) {
		symbols_known = false;
		err = symbols_read();
	}
	if (err)
		return fail(err, "/proc/kallsyms: cannot read: %s", strerror(-err));
	if (!kernel_symbol("eventfd_fops"))
		return fail(-EACCES, "/proc/kallsyms has no address of eventfd_fops: is "
				     "kernel.kptr_restrict 2?");
	return 0;
}

/* Calls @each for every function of a module. */
static int each_module_function(void (*each)(__u64 addr, const char *module, void *arg), void *arg)
{
	FILE *f = open_seq_file("/proc/kallsyms");
	char line[512], module[64], type;
	unsigned long long addr;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (strchr(line, '[') &&
		    sscanf(line, "%llx %c %*s [%63[^]]", &addr, &type, module) == 3 &&
		    (type == 't' || type == 'T'))
			each(addr, module, arg);
	return close_read(f);
}

static void find_ends(__u64 addr, const char *module, void *arg)
{
	struct module_text *t;

	for (t = arg; t->module; t++) {
		if (strcmp(module, t->module))
			continue;
		if (!t->from || addr < t->from)
			t->from = addr;
		if (addr > t->last)
			t->last = addr;
	}
}

static void find_next(__u64 addr, const char *module, void *arg)
{
	struct module_text *t;

	(void)module;
	for (t = arg; t->module; t++)
		if (t->last && addr > t->last && addr < t->to)
			t->to = addr;
}

/* kallsyms has no sizes: the last function ends before whatever comes next. */
int module_texts(struct module_text *modules)
{
	int err = each_module_function(find_ends, modules);
	struct module_text *t;

	for (t = modules; t->module; t++)
		t->to = t->last ? t->last + 0x10000 : 0;
	return err ?: each_module_function(find_next, modules);
}

FILE *replace_open(const char *path, mode_t mode)
{
	char tmp[PATH_MAX];
	FILE *f = NULL;
	int fd;

	if (!path)
		return stdout;
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp); /* of one that was killed, or a trap */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f)
		fail(0, "%s: cannot write: %s", tmp, strerror(errno));
	if (!f && fd >= 0)
		close(fd);
	return f;
}

int replace_close(FILE *f, const char *path, int err)
{
	char tmp[PATH_MAX];

	if (ferror(f) && !err)
		err = -EIO;
	if ((path ? fclose(f) : fflush(f)) && !err)
		err = -errno;
	if (path) {
		snprintf(tmp, sizeof(tmp), "%s.new", path);
		if (!err && rename(tmp, path))
			err = -errno;
		if (err)
			unlink(tmp);
	}
	return err ? fail(err, "%s: cannot write: %s", path ? path : "standard output",
			  strerror(-err))
		   : 0;
}

bool module_live(const char *name)
{
	char path[128], state[16];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return read_line(path, state, sizeof(state)) || !strcmp(state, "live");
}

bool mounted(const char *type, const char *path, long magic)
{
	struct statfs fs;

	/* What cannot be looked at may be mounted, and another one would hide it. */
	if (statfs(path, &fs))
		return false;
	return fs.f_type == magic || !mount(type, path, type, 0, NULL);
}

static __u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int run_dir(void)
{
	if (mkdir(RUN_DIR, 0700) && errno != EEXIST)
		return fail(-errno, RUN_DIR ": cannot create: %s", strerror(errno));
	return 0;
}

const char *text_safe(const char *from, char *buf, size_t len)
{
	size_t i;

	for (i = 0; from[i] && i + 1 < len; i++)
		buf[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	if (len)
		buf[i] = '\0';
	return buf;
}

bool text_is_safe(const char *text)
{
	while (*text >= ' ' && *text <= '~')
		text++;
	return !*text;
}

bool text_control(const char *c)
{
	const unsigned char *u = (const unsigned char *)c;

	return (*u && *u < ' ') || *u == 0x7f || (*u == 0xc2 && u[1] < 0xa0) ||
	       !strncmp(c, "\xe2\x80\xa8", 3) || !strncmp(c, "\xe2\x80\xa9", 3) ||
	       !strncmp(c, "\xef\xbf\xbe", 3) || !strncmp(c, "\xef\xbf\xbf", 3);
}

/* "\x2d", as systemd escapes what a unit's name may not have; 0 when it is none. */
static int unescape(const char *text)
{
	const char hex[] = { text[0] == '\\' && text[1] == 'x' ? text[2] : '\0',
			     text[0] && text[1] && text[2] ? text[3] : '\0', '\0' };

	return isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1])
		       ? (int)strtol(hex, NULL, 16)
		       : 0;
}

const char *text_name(const char *from, char *buf, size_t len)
{
	const char *base = strrchr(from, '/');
	size_t n = 0;
	int c;

	base = base ? base + 1 : from;
	if (!strncmp(base, "machine-", 8))
		base += 8;
	while (*base && n + 1 < len && strcmp(base, ".scope") && strcmp(base, ".service")) {
		c = unescape(base);
		base += c ? 4 : 1;
		c = c ?: (unsigned char)base[-1];
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-", c))
			c = '-';
		if (n || !strchr("_.-", c))
			buf[n++] = (char)c;
	}
	if (len)
		buf[n] = '\0';
	return buf;
}

bool irq_unused(__u32 irq)
{
	char path[64], actions[256];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/actions", irq);
	return read_line(path, actions, sizeof(actions)) || !*actions;
}

__u64 now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

__u64 boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

int lock_changes(void)
{
	int fd = run_dir();

	if (fd < 0)
		return fd;
	fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(-errno, "%s: cannot open: %s", LOCK_PATH, strerror(errno));
	if (flock(fd, LOCK_EX)) {
		close(fd);
		return fail(-errno, "%s: cannot lock: %s", LOCK_PATH, strerror(errno));
	}
	return fd;
}
