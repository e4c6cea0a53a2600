// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/probe.h"
#include "cli/show.h"
#include "lib/util.h"
#include "loader/hooks.h"
#include "loader/inline.h"
#include "loader/support.h"

/* The levels of docs/limits.md, and the mechanism that each needs. */
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

/* Is it a VFIO device of another bus than PCI? */
static bool not_pci(const char *path)
{
	char link[320], bus[256];
	const char *name;
	ssize_t n;

	snprintf(link, sizeof(link), "%s/device/subsystem", path);
	n = readlink(link, bus, sizeof(bus) - 1);
	bus[n > 0 ? n : 0] = '\0';
	name = strrchr(bus, '/');
	return !name || strcmp(name, "/pci");
}

static bool not_control(const char *path)
{
	return strcmp(strrchr(path, '/'), "/control") != 0;
}

/* Devices whose interrupts irqgate does not judge, and where sysfs lists them (docs/paths.md). */
static const struct {
	const char *what, *where;
	bool (*is)(const char *path); /* NULL: each entry */
} ungoverned[] = {
	{ "VFIO devices that are no PCI functions", "/sys/class/vfio-dev", not_pci },
	{ "UIO devices", "/sys/class/uio", NULL },
	{ "vDPA devices", "/sys/bus/vdpa/devices", NULL },
	{ "VDUSE devices", "/sys/class/vduse", not_control },
	{ "the hypervisor MSHV", "/sys/devices/virtual/misc/mshv", NULL },
	{ "the hypervisor ACRN", "/sys/devices/virtual/misc/acrn_hsm", NULL },
};

static unsigned int count_ungoverned(unsigned int i)
{
	DIR *dir = opendir(ungoverned[i].where);
	unsigned int count = 0;
	struct dirent *d;
	char path[300];

	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", ungoverned[i].where, d->d_name);
		count += d->d_name[0] != '.' && (!ungoverned[i].is || ungoverned[i].is(path));
	}
	if (dir)
		closedir(dir);
	return count;
}

static struct json_object *probe_ungoverned(bool json)
{
	struct json_object *arr = json_object_new_array(), *o;
	unsigned int i, count;

	for (i = 0; i < ARRAY_SIZE(ungoverned); i++) {
		count = count_ungoverned(i);
		if (!count)
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "what", json_object_new_string(ungoverned[i].what));
		json_object_object_add(o, "where", json_object_new_string(ungoverned[i].where));
		json_object_array_add(arr, o);
		if (!json)
			printf("not governed %s (%s)\n", ungoverned[i].what, ungoverned[i].where);
	}
	return arr;
}

/* Modules that irqgate cannot hook, and why. Hooks that are attached do not show that. */
static struct json_object *probe_absent(bool json)
{
	struct json_object *arr = json_object_new_array();
	enum stage stage;
	const char *lack;

	for (stage = STAGE_CORE; stage <= STAGE_KVM; stage++) {
		lack = hooks_lack(stage);
		if (!lack)
			continue;
		json_object_array_add(arr, json_object_new_string(lack));
		if (!json)
			printf("absent       %s\n", lack);
	}
	return arr;
}

int probe_verb(bool json)
{
	struct lack bpf = probe_bpf(), lsm = probe_lsm(), ir = probe_remapping();
	static const struct lack none;
	struct json_object *root = json_object_new_object(), *arr = json_object_new_array();
	struct json_object *absent;
	struct utsname uts;
	bool lacking;
	unsigned int i;

	uname(&uts);
	json_object_object_add(root, "kernel", json_object_new_string(uts.release));
	json_object_object_add(root, "interrupt_remapping", json_object_new_boolean(!ir.why));
	if (!json) {
		printf("kernel       %s\n", uts.release);
		printf("remapping    %s\n", ir.why ? ir.why : "yes");
	}
	absent = bpf.why ? json_object_new_array() : probe_absent(json);
	lacking = json_object_array_length(absent);
	json_object_object_add(root, "absent", absent);
	json_object_object_add(root, "ungoverned", probe_ungoverned(json));
	if (!json) {
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
		printf("\nNot loaded: 'irqgate run' attaches the hooks. 'irqgate show hooks' then "
		       "lists the variant of each.\n");
	}
	json_object_put(root);
	return bpf.why || lsm.why || ir.why || lacking ? EXIT_KERNEL : EXIT_DONE;
}
