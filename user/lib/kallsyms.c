// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <irqgate/hash.h>
#include "lib/array.h"
#include "lib/file.h"
#include "lib/kallsyms.h"
#include "lib/log.h"

/*
 * All symbols that irqgate asks for. kallsyms has two hundred thousand lines, so one pass looks
 * them all up.
 */
static struct symbol symbols[] = {
	{ .name = "eventfd_fops" },
	{ .name = "vfio_device_fops" },
	{ .name = "vfio_group_fops" },
	{ .name = "vfio_fops" },
	{ .name = "kvm_chardev_ops" },
	{ .name = "kvm_vm_fops" },
	{ .name = "kvm_vcpu_fops" },
	{ .name = "vhost_net_fops" },
	{ .name = "vhost_scsi_fops" },
	{ .name = "vhost_vsock_fops" },
	{ .name = "vhost_vdpa_fops" },
	{ .name = "vhost_test_fops" },
	{ .name = "pci_bus_type" },
	{ .name = "kernfs_dir_fops" },
	{ .name = "vm_list" },
	{ .name = "vfio_msihandler" },
	{ .name = "vfio_msi_set_vector_signal" },
	{ .name = "kvm_arch_init_vm" },
	{ .name = "kvm_arch_destroy_vm" },
	{ .name = "irqfd_ptable_queue_proc" },
	{ .name = "kvm_irqfd_register" },
	{ .name = "irqfd_shutdown" },
	{ .name = "vfio_pci_set_irqs_ioctl" },
	{ .name = "vfio_pci_ioeventfd" },
	{ .name = "eventfd_ctx_put" },
	{ .name = "eventfd_ctx_fdget" },
	{ .name = "eventfd_release" },
	{ .name = "anon_inode_getfile" },
	{ .name = "anon_inode_getfile_fmode" },
	{ .name = "eventfd_signal_mask" },
	{ .name = "handle_irq_event" },
	{ .name = "handle_percpu_irq" },
	{ .name = "zpci_list" },
	{ .name = "zpci_sbv" },
	{ .name = "zpci_mod_fc" },
	{ .name = "vm_layout" },
	{ .name = "aift" },
	{ .name = "irq_delivery" },
	{ .name = "gib_alert_irq_handler" },
	{ .name = "irqgate_hook_msi" },
	{ .name = "register_fprobe_ips" }, /* CONFIG_FPROBE */
	{ .name = "ibt_save" }, /* CONFIG_X86_KERNEL_IBT */
	{ .name = "bpf_lsm_file_ioctl" },
	{ .name = "bpf_lsm_file_ioctl_compat" },
};
static bool symbols_known;
static __u64 symbols_modules; /* modules_now() at the last reading */
static unsigned int symbols_reading;

/* Length of a dot and the digits after it; 0 if the suffix is not a number. */
static size_t number_len(const char *text)
{
	size_t n = *text == '.' ? strspn(text + 1, "0123456789") : 0;

	return n && strchr(".", text[n + 1]) ? n + 1 : 0;
}

enum symbol_match symbol_match(const char *found, const char *name)
{
	static const struct {
		const char *text;
		enum symbol_match match;
	} suffixes[] = {
		{ ".llvm", SYMBOL_RENAMED }, { ".lto_priv", SYMBOL_RENAMED },
		{ ".isra", SYMBOL_CHANGED }, { ".constprop", SYMBOL_CHANGED },
		{ ".part", SYMBOL_PART },    { ".cold", SYMBOL_PART },
	};
	enum symbol_match match = SYMBOL_EXACT;
	size_t len = strlen(name), i;

	if (strncmp(found, name, len))
		return SYMBOL_OTHER;
	/* Each pass of a compiler adds its own suffix. */
	for (found += len; *found; found += len + number_len(found + len)) {
		len = 1 + strcspn(found + 1, ".");
		for (i = 0; i < ARRAY_SIZE(suffixes); i++)
			if (len == strlen(suffixes[i].text) &&
			    !strncmp(found, suffixes[i].text, len))
				break;
		if (i == ARRAY_SIZE(suffixes))
			return SYMBOL_OTHER;
		if (suffixes[i].match < match)
			match = suffixes[i].match;
	}
	return match;
}

/* Checksum of the loaded modules and their addresses; 0: unknown. */
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

/*
 * Keeps the name most like the symbol. The last of equally like names wins, because modules
 * stand at the end of kallsyms.
 */
static void symbol_found(struct symbol *s, const char *name, __u64 addr, bool built_in)
{
	enum symbol_match match = symbol_match(name, s->name);

	if (match == SYMBOL_OTHER || match < s->match)
		return;
	s->match = match;
	s->addr = match >= SYMBOL_RENAMED ? addr : 0;
	s->built_in = built_in;
	snprintf(s->found, sizeof(s->found), "%s", name);
}

/* Does a name begin like one of the symbols? Most of two hundred thousand do not. */
static bool symbol_likely(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(symbols); i++)
		if (name[0] == symbols[i].name[0] && name[1] == symbols[i].name[1])
			return true;
	return false;
}

static int symbols_read(void)
{
	char line[1024], *name;
	bool in_module;
	size_t i;
	FILE *f;
	int err;

	symbols_reading++;
	symbols_modules = modules_now();
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		symbols[i].match = SYMBOL_OTHER;
		symbols[i].addr = 0;
	}
	f = open_seq_file("/proc/kallsyms");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		name = strchr(line, ' ');
		if (!name || !name[1] || !name[2])
			continue;
		name += 3; /* past the type */
		if (!symbol_likely(name))
			continue;
		in_module = strchr(name, '\t');
		name[strcspn(name, "\t\n")] = '\0';
		for (i = 0; i < ARRAY_SIZE(symbols); i++)
			symbol_found(&symbols[i], name, strtoull(line, NULL, 16), !in_module);
	}
	err = close_read(f);
	symbols_known = !err;
	return err;
}

const struct symbol *kernel_symbol_found(const char *name)
{
	size_t i;

	if (!symbols_known)
		symbols_read();
	for (i = 0; symbols_known && i < ARRAY_SIZE(symbols); i++)
		if (!strcmp(name, symbols[i].name))
			return symbols[i].match ? &symbols[i] : NULL;
	return NULL;
}

__u64 kernel_symbol(const char *name)
{
	const struct symbol *s = kernel_symbol_found(name);

	return s ? s->addr : 0;
}

unsigned int kernel_symbols_reading(void)
{
	return symbols_known ? symbols_reading : 0;
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

/* Calls @each for every function of every module. */
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

/*
 * kallsyms has no sizes. So the last function ends where the next function of any module begins,
 * or after 64 KiB.
 */
int module_texts(struct module_text *modules)
{
	int err = each_module_function(find_ends, modules);
	struct module_text *t;

	for (t = modules; t->module; t++)
		t->to = t->last ? t->last + 0x10000 : 0;
	return err ?: each_module_function(find_next, modules);
}
