// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt has systemd-machined create a scope, or creates a cgroup itself if there is no machined
 * (virCgroupNewMachine in src/util/vircgroup.c), and starts QEMU in it. The hook registers that
 * place before QEMU starts, so it has to predict the place. When QEMU runs, the hook checks.
 */
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "place.h"
#include "lib/cgroup.h"
#include "lib/file.h"
#include "lib/text.h"

#define LIBVIRT_RUN "/run/libvirt/qemu" /* has the pid of each QEMU */
#define BUS_TIMEOUT 2000000 /* us */

const char *setting(const char *variable, const char *usual)
{
	const char *value = getenv(variable);

	return value ? value : usual;
}

/* virDomainDriverGenerateMachineName() in src/hypervisor/domain_driver.c. */
static void machine_name(const struct domain *d, char machine[MACHINE_LEN])
{
	static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789";
	size_t n = (size_t)snprintf(machine, MACHINE_LEN, "qemu-%ld-", d->id);
	const char *name;
	bool skip = true;

	for (name = d->name; *name && n < MACHINE_LEN - 1; name++) {
		bool mark = *name == '.' || *name == '-';

		if (mark ? skip : !strchr(valid, *name))
			continue;
		skip = mark;
		machine[n++] = *name;
	}
	while (n && strchr("-.", machine[n - 1]))
		n--;
	machine[n] = '\0';
}

/* irqgate can match cgroups only in the unified hierarchy (v2). */
static bool unified(void)
{
	struct statfs fs;

	return !statfs(CGROUP_ROOT, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static bool listed(char **names, const char *name)
{
	bool found = false;
	char **n;

	for (n = names; n && *n; n++) {
		found |= !strcmp(*n, name);
		free(*n);
	}
	free(names);
	return found;
}

/* libvirt asks the same: virSystemdHasMachined() in src/util/virsystemd.c. */
static bool has_machined(void)
{
	const char *told = setting("IRQGATE_MACHINED", NULL);
	char **acquired = NULL, **activatable = NULL;
	bool systemd, machined;
	sd_bus *bus = NULL;

	if (told)
		return !strcmp(told, "yes");
	if (!unified())
		return true; /* does not matter: place_found() corrects the place */
	if (sd_bus_open_system(&bus) < 0)
		return false;
	sd_bus_set_method_call_timeout(bus, BUS_TIMEOUT);
	sd_bus_list_names(bus, &acquired, &activatable);
	sd_bus_flush_close_unref(bus);
	systemd = listed(acquired, "org.freedesktop.systemd1");
	machined = listed(activatable, "org.freedesktop.machine1");
	return systemd && machined;
}

/* Calls @put for each part of a partition such as "/machine/production". */
static char *join(const char *partition, void (*put)(FILE *out, const char *part, unsigned int i))
{
	char *copy = strdup(partition), *path = NULL, *part, *rest = copy;
	unsigned int i = 0;
	size_t len;
	FILE *out = copy ? open_memstream(&path, &len) : NULL;

	while (out && (part = strsep(&rest, "/")))
		if (*part)
			put(out, part, i++);
	if (out)
		fclose(out);
	free(copy);
	return path;
}

static void put_unit(FILE *out, const char *part, unsigned int i)
{
	char *escaped = malloc(4 * strlen(part) + 1);

	if (!escaped)
		return;
	unit_escape(part, escaped);
	fprintf(out, "%s%s", i ? "-" : "", escaped);
	free(escaped);
}

/* virSystemdMakeSliceName(); systemd nests a-b.slice in a.slice. */
static char *slice_path(const char *partition)
{
	char *unit = join(partition, put_unit), *path = NULL, *c;
	size_t len;
	FILE *out = unit ? open_memstream(&path, &len) : NULL;

	if (!out) {
		free(unit);
		return NULL;
	}
	for (c = unit; *c;) {
		c += strcspn(c + 1, "-") + 1;
		fprintf(out, "/%.*s.slice", (int)(c - unit), unit);
	}
	fclose(out);
	free(unit);
	return path;
}

/* virCgroupSetPartitionSuffix() */
static void put_partition(FILE *out, const char *part, unsigned int i)
{
	bool top = !i &&
		   (!strcmp(part, "machine") || !strcmp(part, "system") || !strcmp(part, "user"));

	fprintf(out, "/%s%s%s", *part == '_' || *part == '.' ? "_" : "", part,
		top || strchr(part, '.') ? "" : ".partition");
}

int place_expected(const struct domain *d, struct place *place)
{
	const char *partition = *d->partition ? d->partition : "/machine";
	bool machined = has_machined();
	char *parent = machined ? slice_path(partition) : join(partition, put_partition), *path;

	memset(place, 0, sizeof(*place));
	place->match.kinds = IRQGATE_MATCH_CGROUP;
	machine_name(d, place->machine);
	if (parent && machined)
		place->match.cgroup = policy_machine_cgroup(parent, place->machine);
	else if (parent && asprintf(&path, "%s/%s.libvirt-qemu", parent, place->machine) >= 0)
		place->match.cgroup = path;
	if (!machined || (parent && strcmp(parent, "/machine.slice")))
		*place->machine = '\0';
	free(parent);
	return place->match.cgroup ? 0 : -ENOMEM;
}

/* Is it the cgroup @path, or one below it? */
static bool below(const char *cgroup, const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return !strncmp(cgroup, path, len) && (!cgroup[len] || cgroup[len] == '/');
}

/* QEMU's pid, from libvirt's pid file; 0: none. */
static long pid_of(const char *name)
{
	char path[PATH_MAX], line[64];
	long pid;

	snprintf(path, sizeof(path), "%s/%s.pid", setting("IRQGATE_LIBVIRT_RUN", LIBVIRT_RUN),
		 name);
	if (!*name || read_line(path, line, sizeof(line)))
		return 0;
	pid = strtol(line, NULL, 10);
	return pid > 0 ? pid : 0;
}

bool place_runs(const char *name)
{
	long pid = pid_of(name);

	return pid && (!kill((pid_t)pid, 0) || errno != ESRCH);
}

/* QEMU's pid and its cgroup; 0: QEMU does not run. */
static long running(const struct domain *d, char cgroup[PATH_MAX])
{
	char path[PATH_MAX], line[PATH_MAX];
	long pid = pid_of(d->name);
	FILE *f;

	*cgroup = '\0';
	snprintf(path, sizeof(path), "/proc/%ld/cgroup", pid);
	f = pid ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3))
			snprintf(cgroup, PATH_MAX, "%s", line + 3);
	}
	if (f)
		fclose(f);
	return *cgroup ? pid : 0;
}

/* The ancestor of @cgroup, or @cgroup itself, that has the domain's name, for free(3). */
static char *own_cgroup(const char *cgroup, const struct place *expected)
{
	const char *name = strrchr(expected->match.cgroup, '/') + 1, *part = cgroup;
	size_t len = strlen(name);

	for (; (part = strchr(part, '/')); part++)
		if (!strncmp(part + 1, name, len) && (!part[len + 1] || part[len + 1] == '/'))
			return strndup(cgroup, (size_t)(part - cgroup) + len + 1);
	return NULL;
}

int place_found(const struct domain *d, struct place *place)
{
	char cgroup[PATH_MAX], *own;
	long pid = running(d, cgroup);

	if (!pid || (unified() && below(cgroup, place->match.cgroup)))
		return 0;
	own = unified() ? own_cgroup(cgroup, place) : NULL;
	tell("domain %s: its QEMU, process %ld, is in cgroup %s, not in %s; its context now "
	     "matches that %s",
	     d->name, pid, cgroup, place->match.cgroup, own ? "cgroup" : "process");
	place_free(place);
	place->match.kinds = own ? IRQGATE_MATCH_CGROUP : IRQGATE_MATCH_PID;
	place->match.cgroup = own;
	place->match.pid = own ? 0 : (__u32)pid;
	*place->machine = '\0';
	return 1;
}

/* Is @exe the domain's emulator? */
static bool emulator_is(const struct domain *d, const char *exe)
{
	char *program = realpath(d->emulator, NULL), *other = realpath(exe, NULL);
	bool same = program && other && !strcmp(program, other);

	free(program);
	free(other);
	return same;
}

/* Ignores the uid of a match: libvirt chooses the user of QEMU, so any uid may be right. */
bool place_is(const struct domain *d, const struct place *place, const struct policy_match *m)
{
	const struct policy_match *own = &place->match;

	if (!m->kinds)
		return false;
	/* A match of a cgroup below the domain's counts before the domain's: it is deeper. */
	if (m->cgroup &&
	    !(own->cgroup && (below(own->cgroup, m->cgroup) || below(m->cgroup, own->cgroup))))
		return false;
	if (m->kinds & IRQGATE_MATCH_PID && own->pid != m->pid)
		return false;
	return !m->exe || emulator_is(d, m->exe);
}

void place_write(FILE *out, const struct place *place)
{
	if (*place->machine)
		fprintf(out, "{ machine: \"%s\" }", place->machine);
	else
		policy_write_match(out, &place->match);
}

void place_free(struct place *place)
{
	policy_match_free(&place->match);
}
