// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/hook.h"
#include "loader/types.h"

static const struct {
	enum stage stage;
	const char *module, *symbol;
	const char
		*where; /* of a driver: this path exists if the driver does. NULL: always needed */
} needs[] = {
	{ STAGE_CORE, "vhost_net", "vhost_net_fops", "/sys/class/misc/vhost-net" },
	{ STAGE_CORE, "vhost_scsi", "vhost_scsi_fops", "/sys/class/misc/vhost-scsi" },
	{ STAGE_CORE, "vhost_vsock", "vhost_vsock_fops", "/sys/class/misc/vhost-vsock" },
	{ STAGE_CORE, "vhost_vdpa", "vhost_vdpa_fops", "/sys/bus/vdpa/drivers/vhost_vdpa" },
	{ STAGE_VFIO, "vfio", "vfio_device_fops", NULL },
	{ STAGE_VFIO, "vfio", "vfio_group_fops", "/sys/class/vfio" },
	{ STAGE_VFIO, NULL, "pci_bus_type", NULL },
	{ STAGE_VFIO, NULL, "kernfs_dir_fops", NULL },
	{ STAGE_KVM, "kvm", "kvm_chardev_ops", NULL },
	{ STAGE_KVM, "kvm", "kvm_vm_fops", NULL },
	{ STAGE_KVM, "kvm", "kvm_vcpu_fops", NULL },
	{ STAGE_KVM, "kvm", "vm_list", NULL },
	{ STAGE_INLINE, "irqgate_hook", "irqgate_hook_msi", NULL },
};

/* The reason why a stage cannot be hooked, found with one reading of kallsyms. */
static struct {
	unsigned int reading; /* 0: not checked yet */
	char text[256]; /* empty: it can be hooked */
} lacks[STAGES];

/* Is some code of a stage built into the kernel, under whatever name? */
static bool built_in(enum stage stage)
{
	const struct symbol *s;
	unsigned int i;

	for (i = 0; i < nhooks && stage != STAGE_INLINE; i++) {
		if (hooks[i].stage != stage || hooks[i].kind != HOOK_TRACE)
			continue;
		s = kernel_symbol_found(hooks[i].function);
		if (s && s->built_in)
			return true;
	}
	return false;
}

bool stage_present(enum stage stage)
{
	enum module_state state =
		stages[stage].module ? module_state(stages[stage].module) : MODULE_BUILT_IN;

	return state >= MODULE_LIVE || (state == MODULE_NONE && built_in(stage));
}

/*
 * Returns true, and writes the reason to @text, if the kernel has no such symbol.
 * @probe: a hook: a symbol with a longer name takes a kprobe, which the kernel attaches by address
 */
static bool lacks_symbol(const char *module, const char *name, bool probe, char *text, size_t len)
{
	const struct symbol *s = kernel_symbol_found(name);

	if (s && s->addr &&
	    (!probe || s->match == SYMBOL_EXACT || kernel_symbol("register_fprobe_ips")))
		return false;
	if (!s)
		snprintf(text, len, "%s cannot be hooked: it has no symbol %s",
			 module ?: "the kernel", name);
	else
		snprintf(text, len,
			 "%s cannot be hooked: of %s it has only %s, which the compiler made of it",
			 module ?: "the kernel", name, s->found);
	return true;
}

/* The same for a module's types. The kernel drops them if it cannot parse them. */
static bool lacks_types(const char *module, char *text, size_t len)
{
	if (module_state(module) != MODULE_LIVE)
		return false; /* built in: the kernel's BTF has its types */
	/* With these errors the BTF may exist: irqgate lacks memory, descriptors or rights. */
	if (!types_kernel() || types_module(module) || errno == ENOMEM || errno == EMFILE ||
	    errno == ENFILE || errno == EACCES || errno == EPERM)
		return false;
	snprintf(text, len, "%s cannot be hooked: its BTF (/sys/kernel/btf/%s) is %s", module,
		 module, errno == ENOENT ? "missing" : "broken");
	return true;
}

static bool lacks_function(const struct hook *h, char *text, size_t len)
{
	if (h->kind != HOOK_TRACE || h->optional)
		return false;
	if (h->sibling && kernel_symbol(h->sibling))
		return false;
	return lacks_symbol(stages[h->stage].module, h->function, true, text, len);
}

/* vhost's drivers need a symbol only if they are built in: gates know a module by its name. */
static bool is_needed(unsigned int i)
{
	return !needs[i].where ||
	       (!access(needs[i].where, F_OK) &&
		(needs[i].stage != STAGE_CORE || module_state(needs[i].module) != MODULE_LIVE));
}

static void find_lack(enum stage stage, char *text, size_t len)
{
	bool lacking = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(needs) && !lacking; i++)
		lacking = needs[i].stage == stage && is_needed(i) &&
			  lacks_symbol(needs[i].module, needs[i].symbol, false, text, len);
	for (i = 0; i < nhooks && !lacking; i++)
		lacking = hooks[i].stage == stage && lacks_function(&hooks[i], text, len);
	if (lacking || (stage != STAGE_VFIO && stage != STAGE_KVM))
		return;
	if (stage != STAGE_VFIO || !lacks_types("vfio", text, len))
		lacks_types(stages[stage].module, text, len);
}

const char *hooks_lack(enum stage stage)
{
	unsigned int reading = kernel_symbols_reading();

	if (!reading || !stage_present(stage))
		return NULL;
	if (lacks[stage].reading != reading) {
		*lacks[stage].text = '\0';
		find_lack(stage, lacks[stage].text, sizeof(lacks[stage].text));
		lacks[stage].reading = reading;
	}
	return *lacks[stage].text ? lacks[stage].text : NULL;
}

/* Broken types of any module can keep the kernel from loading programs. */
static void name_broken_types(void)
{
	DIR *dir = opendir("/sys/kernel/btf");
	struct dirent *d;
	char text[256];

	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.' && lacks_types(d->d_name, text, sizeof(text)))
			msg("%s", text);
	if (dir)
		closedir(dir);
}

bool hook_is_refusal(int error)
{
	return error == EINVAL || error == EACCES || error == ENOENT || error == ESRCH;
}

int stage_refused(enum stage stage, int err)
{
	if (stage == STAGE_INLINE || !hook_is_refusal(-err))
		return err;
	name_broken_types();
	snprintf(lacks[stage].text, sizeof(lacks[stage].text),
		 "%s cannot be hooked: the kernel refuses irqgate's programs",
		 stages[stage].module ?: "the kernel");
	lacks[stage].reading = kernel_symbols_reading();
	return -EOPNOTSUPP;
}

bool stage_hookable(enum stage stage)
{
	return stage_present(stage) && !hooks_lack(stage);
}

int hooks_require(void)
{
	int err = kernel_symbols_refresh();
	enum stage stage;
	const char *lack;

	for (stage = STAGE_CORE; stage <= STAGE_KVM; stage++) {
		lack = err && err != -EOPNOTSUPP ? NULL : hooks_lack(stage);
		if (lack)
			err = fail(-EOPNOTSUPP,
				   "%s; use a kernel that irqgate can hook, unload the module, or "
				   "use --mode audit",
				   lack);
	}
	return err;
}
