// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/enforce.h"
#include "loader/hooks.h"
#include "loader/loader.h"
#include "table/rows.h"

#define EVENTFDS_A_SECOND 8192

/*
 * Open the sysfs directories of PCI functions that VFIO drives: the iterator of bpf/adopt.bpf.c
 * finds the devices by these fds. @n: how many, less than @max at the end of @dir. Return: 0 or a
 * negative errno. After an error the sweep must not run, because it would forget live bindings.
 */
static int open_vfio_functions(DIR *dir, int fds[], int max, int *n)
{
	struct dirent *d;
	char path[300];

	for (*n = 0; *n < max; *n += fds[*n] >= 0) {
		errno = 0;
		d = readdir(dir);
		if (!d)
			return -errno;
		fds[*n] = -1;
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/vfio-dev", d->d_name);
		if (!faccessat(dirfd(dir), path, F_OK, 0))
			fds[*n] = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fds[*n] < 0 && errno != ENOENT && errno != ENODEV)
			return -errno;
	}
	return 0;
}

static int adopt_vfio(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	int fds[256], err = dir || errno == ENOENT ? 0 : -errno, i, n = 0;

	do {
		if (dir)
			err = open_vfio_functions(dir, fds, ARRAY_SIZE(fds), &n);
		err = err ? fail(err, "cannot see which functions are VFIO's: %s", strerror(-err))
			  : pins_iterate("iter_vfio", NULL, NULL);
		for (i = 0; i < n; i++)
			close(fds[i]);
	} while (!err && n == ARRAY_SIZE(fds));
	if (dir)
		closedir(dir);
	return err;
}

bool loader_search_cut(const struct loader *l)
{
	const struct irqgate_state *st = l->pins.state;

	/* A search that left out VMs left out their irqfds, too. */
	return st->adoption && __atomic_load_n(&st->cut_irqfds, __ATOMIC_SEQ_CST) == st->adoption;
}

int loader_search(struct loader *l)
{
	__u64 overflow = __atomic_load_n(&l->pins.state->overflow, __ATOMIC_SEQ_CST);
	__u64 unseen = __atomic_load_n(&l->pins.state->unseen, __ATOMIC_SEQ_CST);
	int err;

	__atomic_add_fetch(&l->pins.state->adoption, 1, __ATOMIC_SEQ_CST);
	err = pins_iterate("iter_kvm", NULL, NULL) ?: pins_call("prog_vms") ?: adopt_vfio();
	err = err ?: pins_call("prog_sweep");
	if (loader_search_cut(l))
		return err;
	if (!err && overflow == __atomic_load_n(&l->pins.state->overflow, __ATOMIC_SEQ_CST))
		__atomic_store_n(&l->pins.state->recovered, overflow, __ATOMIC_SEQ_CST);
	if (!err && unseen == __atomic_load_n(&l->pins.state->unseen, __ATOMIC_SEQ_CST))
		__atomic_store_n(&l->pins.state->found, unseen, __ATOMIC_SEQ_CST);
	return err;
}

int loader_search_skipped(void *arg)
{
	__u64 skipped = hooks_skipped();
	struct loader *l = arg;
	int err;

	if (skipped == l->skipped)
		return 0;
	l->skipped = skipped;
	err = loader_search(l);
	if (err)
		l->unsearched = true; /* tick() tries again */
	return err;
}

int loader_adopt(struct loader *l)
{
	int lock = lock_changes(), err;

	l->unsearched = true;
	if (lock < 0)
		return lock;
	l->skipped = hooks_skipped();
	err = loader_search(l) ?: bindings_settle(&l->pins, loader_search_skipped, l);
	close(lock);
	l->unsearched = err < 0;
	return err < 0 ? err : 0;
}

/* Did the process end? If that cannot be read: no. */
static bool process_ended(const struct irqgate_ident *id)
{
	return !id->tgid || !process_is(id->tgid, process_ticks(id->start));
}

static bool eventfd_unused(const struct irqgate_eventfd *e)
{
	unsigned int i;

	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
		if (e->source[i])
			return false;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (e->vm[i])
			return false;
	return !irqgate_crowded(e) && !e->writes[0] && !e->charged &&
	       process_ended(&e->signaller) && process_ended(&e->former);
}

/*
 * Two simultaneous puts of an eventfd leave its row, because each sees the other's reference
 * (bpf/lifecycle.bpf.c). A row that no binding, VM or signaller uses can go: a bind creates it
 * again. A check of each row takes long if there are many, so at most EVENTFDS_A_SECOND rows are
 * checked a second. A batch read would take longer and keep BPF programs from the map.
 */
void loader_forget_eventfds(struct loader *l)
{
	struct irqgate_ptr_key key, next, *prev = NULL;
	struct irqgate_eventfd e;

	if (l->eventfds >= EVENTFDS_A_SECOND) {
		l->eventfds -= EVENTFDS_A_SECOND;
		return;
	}
	l->eventfds = 0;
	while (map_next(l->pins.eventfds, prev, &next) > 0) {
		key = next;
		prev = &key;
		l->eventfds++;
		if (bpf_map_lookup_elem(l->pins.eventfds, &key, &e) || !eventfd_unused(&e))
			continue;
		if (bpf_map_lookup_and_delete_elem(l->pins.eventfds, &key, &e))
			continue;
		/* A process bound the eventfd between lookup and deletion: put the row back. */
		if (eventfd_unused(&e) ||
		    bpf_map_update_elem(l->pins.eventfds, &key, &e, BPF_NOEXIST))
			pins_charge(&l->pins, e.account, IRQGATE_ROOM_EVENTFDS, -1);
	}
}
