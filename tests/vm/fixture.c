// SPDX-License-Identifier: GPL-2.0-only
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct device edu, edu2, nic, igb;

void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fputs(text, f) >= 0;

	ok = f && !fclose(f) && ok;
	expect(ok, "%s: %s", path, rig_errname(errno));
}

static void find(struct device *d, uint16_t vendor, uint16_t device, unsigned int nth,
		 unsigned int vectors)
{
	if (rig_pci_find(vendor, device, nth, d->bdf))
		return;
	d->vectors = vectors;
	snprintf(d->handle, sizeof(d->handle), "pci:%s", d->bdf);
}

/* One device, registered for blue. */
void enforce(const struct device *d, const char *vectors, const char *action)
{
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, d->handle, "blue", vectors, action);
}

void with(const struct device *d)
{
	if (!d->vectors)
		test_skip("this machine has no such device");
}

/* A VMM that has opened its function and bound nothing yet. */
void equip(struct worker *w, const struct device *d)
{
	long n = ask_text(w, W_OPEN, d->bdf);

	expect(n >= d->vectors, "cannot open %s: %s", d->bdf, rig_errname((int)n));
	must(w, W_VM, d->vectors, 0, 0);
	must(w, W_EVENTFDS, d->vectors, 0, 0);
}

struct worker *vmm(const char *cgroup, const struct device *d)
{
	struct worker *w = worker_new(cgroup);

	equip(w, d);
	return w;
}

/* A user-space driver: the same without a VM. */
struct worker *driver(const char *cgroup, const struct device *d)
{
	struct worker *w = worker_new(cgroup);

	expect(ask_text(w, W_OPEN, d->bdf) >= d->vectors, "cannot open %s", d->bdf);
	must(w, W_EVENTFDS, d->vectors, 0, 0);
	return w;
}

/* All vectors. The result is VFIO's; KVM must agree. */
long bind_all(struct worker *w, const struct device *d, enum order order)
{
	long ret;

	if (order == IRQFD_FIRST)
		must(w, W_IRQFD, 0, d->vectors, 0);
	ret = ask(w, W_VFIO, 0, d->vectors, 0);
	if (order == VFIO_FIRST)
		must(w, W_IRQFD, 0, d->vectors, 0);
	return ret;
}

/* Emulated devices: eventfds with no source but who writes to them. */
struct worker *emulator(const char *cgroup)
{
	struct worker *w = worker_new(cgroup);

	must(w, W_VM, 4, 0, 0);
	must(w, W_EVENTFDS, 4, 0, 0);
	must(w, W_IRQFD, 0, 4, 0);
	return w;
}

struct worker *bound_vmm(const char *cgroup, const struct device *d)
{
	struct worker *w = vmm(cgroup, d);

	expect_is(bind_all(w, d, IRQFD_FIRST), 0, "binding %s", d->bdf);
	return w;
}

/* Is W of the context a device is registered for, under deny? */
void expect_member(struct worker *w, const struct device *d, bool member, const char *what)
{
	equip(w, d);
	expect_is(bind_all(w, d, IRQFD_FIRST), member ? 0 : -EACCES, "binding by %s", what);
	if (member)
		must(w, W_ARRIVES, 0, d->vectors, 1);
	else
		must(w, W_ABSENT, 0, d->vectors, 1);
	worker_end(w, false);
}

void expect_running(struct worker *w)
{
	expect(wait_for(1000, task_state(w->pid) != 'T'), "the process that bound stays stopped");
}

long vfio_bindings(void)
{
	struct json_object *all = show("bindings");
	size_t n = json_object_array_length(all), i;
	long count = 0;

	for (i = 0; i < n; i++)
		count += !!strcmp(field(json_object_array_get_idx(all, i), "state"), "host");
	json_object_put(all);
	return count;
}

void expect_forgotten(const char *after)
{
	static const char *const maps[] = { "eventfds", "irqfds", "vms" };
	size_t i;

	expect(wait_for(10000, !vfio_bindings()), "%ld bindings are left %s", vfio_bindings(),
	       after);
	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		expect(wait_for(10000, !map_count(maps[i])), "%ld %s are left %s",
		       map_count(maps[i]), maps[i], after);
}

/* A worker whose pid will be PID. */
struct worker *worker_with_pid(pid_t pid)
{
	struct worker *w;
	FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "we");

	if (!f)
		test_skip("this kernel cannot choose pids");
	fprintf(f, "%d", pid - 1);
	fclose(f);
	w = worker_new(NOBODY);
	if (w->pid != pid)
		test_skip("pid %d was taken", pid);
	return w;
}

bool find_devices(void)
{
	find(&edu, RIG_EDU, 0, 1);
	find(&edu2, RIG_EDU, 1, 1);
	find(&nic, RIG_E1000E, 0, 5);
	find(&igb, RIG_IGB, 0, 10);
	return edu2.vectors && nic.vectors;
}

void copy_self(const char *path)
{
	char *argv[] = { "/bin/cp", "/proc/self/exe", (char *)path, NULL };
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	expect(n > 0, "/proc/self/exe: %s", rig_errname(errno));
	self[n] = '\0';
	argv[1] = self;
	expect(!run(argv)->status, "cannot copy %s to %s", self, path);
}

void open_to_users(void)
{
	struct dirent *d;
	char path[300];
	DIR *dir;

	chmod("/dev/kvm", 0666);
	dir = opendir("/dev/vfio");
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/dev/vfio/%s", d->d_name);
		if (d->d_name[0] != '.' && d->d_type == DT_CHR)
			chmod(path, 0666);
	}
	if (dir)
		closedir(dir);
}

long evade(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c)
{
	return ask(w, (enum worker_op)op, a, b, c);
}

long tried(struct worker *w, enum evade_op op, uint32_t a, uint32_t b, uint32_t c)
{
	long ret = evade(w, op, a, b, c);

	expect(ret >= 0, "step %d(%u, %u, %u): %s", op, a, b, c, rig_errname((int)ret));
	return ret;
}

static const char *const object_maps[OBJECT_MAPS] = {
	"bindings", "bound", "eventfds", "irqfds", "vms", "held", "agents", "stats"
};

void count_maps(long counts[OBJECT_MAPS])
{
	size_t i;

	for (i = 0; i < OBJECT_MAPS; i++)
		counts[i] = map_count(object_maps[i]);
}

void expect_maps(const long before[OBJECT_MAPS])
{
	size_t i;

	for (i = 0; i < OBJECT_MAPS; i++)
		expect(wait_for(3000, map_count(object_maps[i]) == before[i]),
		       "%s has %ld elements, %ld before", object_maps[i], map_count(object_maps[i]),
		       before[i]);
}
