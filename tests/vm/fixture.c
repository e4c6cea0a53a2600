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

void enforce(const struct device *d, const char *vectors, const char *action)
{
	loader_with(ENFORCE CONTEXTS "devices:\n" ROW, d->handle, "blue", vectors, action);
}

void with(const struct device *d)
{
	if (!d->vectors)
		test_skip("this machine has no such device");
}

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

struct worker *driver(const char *cgroup, const struct device *d)
{
	struct worker *w = worker_new(cgroup);

	expect(ask_text(w, W_OPEN, d->bdf) >= d->vectors, "cannot open %s", d->bdf);
	must(w, W_EVENTFDS, d->vectors, 0, 0);
	return w;
}

struct worker *bound_driver(const char *cgroup, const struct device *d)
{
	struct worker *w = driver(cgroup, d);

	must(w, W_VFIO, 0, d->vectors, 0);
	return w;
}

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

struct worker *emulator(const char *cgroup)
{
	struct worker *w = worker_new(cgroup);

	must(w, W_VM, 4, 0, 0);
	must(w, W_EVENTFDS, 4, 0, 0);
	must(w, W_IRQFD, 0, 4, 0);
	return w;
}

struct worker *red_vm(struct worker *owner)
{
	struct worker *w = heir_of(owner, RED, 0);

	must(w, W_VM, 1, 0, 0);
	return w;
}

struct worker *bound_vmm(const char *cgroup, const struct device *d)
{
	struct worker *w = vmm(cgroup, d);

	expect_is(bind_all(w, d, IRQFD_FIRST), 0, "binding %s", d->bdf);
	return w;
}

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

void expect_irqfd_refused(struct worker *red, struct worker *owner, const struct device *d,
			  unsigned int times)
{
	mark();
	expect_is(ask(red, W_IRQFD, 0, 1, 0), -EACCES, "KVM_IRQFD by red");
	must(owner, W_RAISE, 0, 1, times);
	expect_is(ask(red, W_PENDING, 0, 0, 0), 0, "pending at red's VM");
	expect_is(ask(owner, W_TAKE, 0, 0, 0), times, "count at the owner");
	COUNTS_OF(d, 0, 0, .passed = times, .denied = 1);
}

void expect_raise_refused(struct worker *red, struct worker *owner, const struct device *d,
			  unsigned int vector)
{
	expect_is(ask(red, W_NONE, vector, 0, 0), -EACCES, "DATA_NONE by red");
	expect_is(ask(red, W_BOOL, vector, 0, 0), -EACCES, "DATA_BOOL by red");
	expect_is(ask(owner, W_PENDING, 0, 0, 0), 0, "pending at the owner's VM");
	COUNTS_OF(d, vector, vector, .denied = 2);
}

void expect_reported(const char *verdict, const char *reason, const char *level, const char *handle,
		     unsigned int vector)
{
	struct json_object *ev = event_wait(verdict, reason, level, handle, vector);

	expect(ev, "no event: %s (%s) at level %s of %s vector %u", verdict, reason ?: "any",
	       level ?: "any", handle ?: "any", vector);
	json_object_put(ev);
}

void expect_running(struct worker *w)
{
	expect(wait_for(1000, task_state(w->pid) != 'T'),
	       "the process that bound the vectors stays stopped");
}

bool vector_is(const struct device *d, unsigned int vector, const char *state)
{
	struct binding b = {};

	return binding_of(d->handle, vector, &b) && !strcmp(b.state, state);
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

/* Another process may take the pid in between, so this function tries again. */
struct worker *worker_with_pid(pid_t pid)
{
	struct worker *w;
	char before[12];
	int tries;

	snprintf(before, sizeof(before), "%d", pid - 1);
	for (tries = 0; tries < 10; tries++) {
		write_text("/proc/sys/kernel/ns_last_pid", before);
		w = worker_new(NOBODY);
		if (w->pid == pid)
			return w;
		worker_end(w, true);
	}
	test_fail("pid %d is taken", pid);
}

bool find_devices(void)
{
	find(&edu, RIG_EDU, 0, 1);
	find(&edu2, RIG_EDU, 1, 1);
	find(&nic, RIG_E1000E, 0, 5);
	find(&igb, RIG_IGB, 0, 10);
	return edu2.vectors && nic.vectors;
}

void modprobe(const char *option, const char *a, const char *b)
{
	char *argv[] = { "/sbin/modprobe", (char *)option, (char *)a, (char *)b, NULL };
	const struct output *o = run(argv);

	expect(!o->status, "modprobe %s %s: %s", option, a, o->err);
}

bool module_here(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static bool try_unload_modules(void)
{
	static const char *const names[] = { "vfio_pci", "vfio_pci_core", "kvm_amd", "kvm" };
	bool here = false;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *argv[] = { "/sbin/modprobe", "-r", (char *)names[i], NULL };

		if (module_here(names[i]))
			run(argv);
		here |= module_here(names[i]);
	}
	return !here;
}

/* The kernel releases a module some time after the last program that was attached there. */
void modules_gone(void)
{
	unload();
	if (!wait_for(10000, try_unload_modules()))
		test_skip("vfio or kvm cannot be unloaded");
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

static const char *const object_maps[OBJECT_MAPS] = { "bindings", "bound", "eventfds", "irqfds",
						      "vms",      "held",  "agents",   "stats" };

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
