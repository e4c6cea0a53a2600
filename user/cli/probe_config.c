// SPDX-License-Identifier: GPL-2.0-only
/* `irqgate probe --config FILE`: what a kernel built with this configuration would lack. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "cli/probe.h"
#include "lib/util.h"

#define VALUE_LEN 1024 /* CONFIG_LSM is the longest that irqgate reads */

/* What does not work without an option? */
enum weight {
	FOR_ALL, /* irqgate does not start */
	FOR_ENFORCE, /* only --mode audit works */
	FOR_PART, /* this part of irqgate has nothing to do, or does not work */
};

/*
 * The options that irqgate needs. An option that is a choice of several, each in a row of its own,
 * has the same @what in all of them.
 */
static const struct need {
	const char *option; /* without CONFIG_ */
	enum weight weight;
	const char *what;
	const char *arch; /* option of the architecture that needs it, NULL: all */
} needs[] = {
	{ "BPF_SYSCALL", FOR_ALL, "to load BPF programs", NULL },
	{ "BPF_EVENTS", FOR_ALL, "to load tracing programs", NULL },
	{ "DEBUG_INFO_BTF", FOR_ALL, "to find the members of the kernel's structs", NULL },
	{ "DEBUG_INFO_BTF_MODULES", FOR_ALL, "to hook KVM and VFIO where they are modules", NULL },
	{ "KALLSYMS_ALL", FOR_ALL, "to find eventfd_fops", NULL },
	{ "EVENTFD", FOR_ALL, "because eventfds carry the interrupts", NULL },
	{ "CGROUPS", FOR_ALL, "for contexts that match a cgroup", NULL },
	{ "SECCOMP_FILTER", FOR_ALL, "for the loader to give up system calls", NULL },
	{ "DYNAMIC_FTRACE_WITH_DIRECT_CALLS", FOR_ENFORCE, "for the hooks in kernel functions",
	  "X86_64" },
	{ "BPF_JIT", FOR_ENFORCE, "to run LSM programs", NULL },
	{ "BPF_LSM", FOR_ENFORCE, "to refuse anything", NULL },
	{ "IRQ_REMAP", FOR_ENFORCE, "to remap interrupts: else a device can forge any", "X86_64" },
	{ "INTEL_IOMMU", FOR_ENFORCE, "for an IOMMU that remaps interrupts", "X86_64" },
	{ "AMD_IOMMU", FOR_ENFORCE, "for an IOMMU that remaps interrupts", "X86_64" },
	{ "VFIO_PCI", FOR_PART, "to give PCI functions to VMs and to user-space drivers", NULL },
	{ "KVM", FOR_PART, "to run VMs", NULL },
	{ "FPROBE", FOR_PART, "to replace a hook that a kernel's bug makes silent", NULL },
	{ "MODULES", FOR_PART, "to load the inline gate, irqgate_hook", NULL },
	{ "DYNAMIC_FTRACE_WITH_ARGS", FOR_PART, "for the inline gate, irqgate_hook", "X86_64" },
};

static const char *const weights[] = {
	[FOR_ALL] = "all",
	[FOR_ENFORCE] = "enforce",
	[FOR_PART] = "part",
};

/* The values of those options in a file; "": not set. */
struct config {
	char value[ARRAY_SIZE(needs)][4];
	char arch[32]; /* option of the architecture */
	char lsm[VALUE_LEN];
	char kernel[128]; /* as the file's head names it */
	bool confidential; /* lockdown=confidentiality from the start */
};

/* Takes "CONFIG_NAME=VALUE". Return: false if the line is something else. */
static bool take_option(struct config *c, char *line)
{
	static const char *const archs[] = { "X86_64", "S390", "ARM64" };
	char *value = strchr(line, '=');
	size_t i;

	if (strncmp(line, "CONFIG_", 7) || !value)
		return false;
	*value++ = '\0';
	line += 7;
	for (i = 0; i < ARRAY_SIZE(needs); i++)
		if (!strcmp(line, needs[i].option))
			snprintf(c->value[i], sizeof(c->value[i]), "%s", value);
	for (i = 0; i < ARRAY_SIZE(archs); i++)
		if (!strcmp(line, archs[i]) && !strcmp(value, "y"))
			snprintf(c->arch, sizeof(c->arch), "%s", archs[i]);
	if (!strcmp(line, "LSM"))
		sscanf(value, "\"%1023[^\"]", c->lsm);
	if (!strcmp(line, "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY") && !strcmp(value, "y"))
		c->confidential = true;
	return true;
}

static int read_config(const char *path, struct config *c)
{
	char line[VALUE_LEN + 64];
	gzFile f = gzopen(path, "re"); /* reads a file that is not compressed as it is */
	const char *text;
	bool any = false;
	int err;

	if (!f)
		return fail(-errno, "%s: cannot open: %s", path, strerror(errno));
	while (gzgets(f, line, sizeof(line))) {
		line[strcspn(line, "\r\n")] = '\0';
		/* "# Linux/x86 6.12.118 Kernel Configuration" */
		if (!*c->kernel)
			sscanf(line, "# Linux/%*s %127s", c->kernel);
		any |= take_option(c, line);
	}
	text = gzerror(f, &err);
	text = err == Z_ERRNO ? strerror(errno) : err < 0 ? text : NULL;
	if (text)
		fail(-EIO, "%s: cannot read: %s", path, text);
	gzclose(f);
	if (text)
		return -EIO;
	if (!any)
		return fail(-EINVAL,
			    "%s: this is no configuration of a kernel: no line begins with "
			    "CONFIG_; use the file .config of the build tree, or "
			    "/boot/config-VERSION",
			    path);
	return 0;
}

/* Are KVM and VFIO built in? */
static bool no_modules(const struct config *c)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needs); i++)
		if (!strcmp(c->value[i], "m"))
			return false;
	return true;
}

static bool is_set(const struct config *c, size_t i)
{
	return !strcmp(c->value[i], "y") || !strcmp(c->value[i], "m");
}

/* Is the option needed there, and neither it nor another one for the same set? */
static bool lacks(const struct config *c, size_t i)
{
	size_t k;

	if (needs[i].arch && strcmp(needs[i].arch, c->arch))
		return false;
	if (!strcmp(needs[i].option, "DEBUG_INFO_BTF_MODULES") && no_modules(c))
		return false;
	for (k = 0; k < ARRAY_SIZE(needs); k++)
		if (!strcmp(needs[k].what, needs[i].what) && is_set(c, k))
			return false;
	return true;
}

/* The lacks that were found, and whether irqgate can start, and enforce, in spite of them. */
struct found {
	struct json_object *lacks;
	bool broken[ARRAY_SIZE(weights)];
	bool json;
};

static void add_lack(struct found *f, const char *option, enum weight weight, const char *why)
{
	struct json_object *o = json_object_new_object();

	f->broken[weight] = true;
	json_object_object_add(o, "option", json_object_new_string(option));
	json_object_object_add(o, "needed_for", json_object_new_string(weights[weight]));
	json_object_object_add(o, "why", json_object_new_string(why));
	json_object_array_add(f->lacks, o);
	if (!f->json)
		printf("%-40s %-8s %s\n", option, weights[weight], why);
}

static void find_lacks(const struct config *c, struct found *f)
{
	char option[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		if (!lacks(c, i))
			continue;
		snprintf(option, sizeof(option), "CONFIG_%s", needs[i].option);
		add_lack(f, option, needs[i].weight, needs[i].what);
	}
	if (c->confidential)
		add_lack(f, "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY", FOR_ALL,
			 "must not be set: it forbids BPF to read kernel memory");
	/* The command line of the kernel may have another list. */
	if (!f->broken[FOR_ENFORCE] && !text_listed(c->lsm, "bpf"))
		add_lack(f, "CONFIG_LSM", FOR_ENFORCE,
			 "has no bpf: add it, or boot with a list lsm= that has it");
}

int probe_config(const char *path, bool json)
{
	struct found f = { .lacks = json_object_new_array(), .json = json };
	struct json_object *root = json_object_new_object();
	struct config c = {};
	bool audit, enforce;
	int err;

	err = read_config(path, &c);
	if (err)
		goto out;
	if (!json)
		printf("kernel       %s, by %s\n\n%-40s %-8s %s\n", *c.kernel ? c.kernel : "-",
		       path, "LACKS", "FOR", "NEEDED");
	find_lacks(&c, &f);
	audit = !f.broken[FOR_ALL];
	enforce = audit && !f.broken[FOR_ENFORCE];
	if (json) {
		json_object_object_add(root, "kernel",
				       *c.kernel ? json_object_new_string(c.kernel) : NULL);
		json_object_object_add(root, "audit", json_object_new_boolean(audit));
		json_object_object_add(root, "enforce", json_object_new_boolean(enforce));
		json_object_object_add(root, "lacks", json_object_get(f.lacks));
		printf("%s\n",
		       json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		if (!json_object_array_length(f.lacks))
			printf("%-40s\n", "nothing");
		printf("\n%s\n",
		       enforce ? "irqgate can enforce there, if the machine remaps interrupts."
		       : audit ? "irqgate can only audit there."
			       : "irqgate does not start there.");
	}
out:
	json_object_put(f.lacks);
	json_object_put(root);
	if (err)
		return EXIT_USAGE;
	return enforce ? EXIT_DONE : EXIT_KERNEL;
}
