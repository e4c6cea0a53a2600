// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <irqgate/firmware.h>
#include <irqgate/layout.h>
#include "lib/array.h"
#include "lib/log.h"
#include "table/pins.h"
#include "table/rows.h"

const char *const table_map_names[IRQGATE_TABLE_MAPS] = {
	[IRQGATE_MAP_DEVICES] = "devices", [IRQGATE_MAP_VECTORS] = "vectors",
	[IRQGATE_MAP_MATCHES] = "matches", [IRQGATE_MAP_CONTEXTS] = "contexts",
	[IRQGATE_MAP_CGROUPS] = "cgroups", [IRQGATE_MAP_PATHS] = "paths",
};

const char *const room_names[IRQGATE_ROOMS] = {
	[IRQGATE_ROOM_EVENTFDS] = "eventfds", [IRQGATE_ROOM_IRQFDS] = "irqfds",
	[IRQGATE_ROOM_VMS] = "vms",           [IRQGATE_ROOM_BINDINGS] = "bindings",
	[IRQGATE_ROOM_STATS] = "stats",
};

const char *pin_path(char *buf, const char *name)
{
	snprintf(buf, PIN_LEN, PIN_DIR "/%s", name);
	return buf;
}

static int get(const char *name)
{
	char path[PIN_LEN];

	return bpf_obj_get(pin_path(path, name));
}

int pins_trusted(const char *dir)
{
	struct statfs fs;
	struct stat st;

	if (lstat(dir, &st)) {
		/* The caller knows what a missing directory means, and prints that. */
		if (errno == ENOENT || errno == EACCES)
			return -errno;
		return fail(-errno, "%s: %s", dir, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode) || statfs(dir, &fs) || fs.f_type != BPF_FS_MAGIC)
		return fail(-ENOTDIR, "%s: expected a directory of a bpf file system", dir);
	if (st.st_uid || st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(-EPERM,
			    "%s: owned by uid %u, mode %04o, expected root alone to write: another "
			    "user may have pinned objects there; remove it",
			    dir, st.st_uid, st.st_mode & 07777);
	return 0;
}

int pins_map(const char *name, __u32 type, __u32 key, __u32 value)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = get(name), err;

	if (fd < 0)
		return fd == -ENOENT ? fd : fail(fd, PIN_DIR "/%s: %s", name, strerror(-fd));
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (!err && info.type == type && info.key_size == key && info.value_size == value)
		return fd;
	close(fd);
	if (err)
		return fail(err, PIN_DIR "/%s: %s", name, strerror(-err));
	return fail(-EINVAL, PIN_DIR "/%s: not a map of irqgate", name);
}

/* A map that is not pinned is left out. A pin that cannot be opened is an error. */
static int open_map(int *map, const char *name, __u32 type, __u32 key, __u32 value)
{
	*map = pins_map(name, type, key, value);
	return *map >= 0 || *map == -ENOENT ? 0 : *map;
}

/* Opens each map into its descriptor of @pins. */
static int open_maps(struct pins *pins)
{
#define HASH(name_, key_, value_)                                                                  \
	{                                                                                          \
#name_, &pins->name_, BPF_MAP_TYPE_HASH, sizeof(key_), sizeof(value_)              \
	}
	const struct {
		const char *name;
		int *fd;
		__u32 type, key, value;
	} maps[] = {
		HASH(bindings, struct irqgate_irq_key, struct irqgate_binding),
		HASH(eventfds, struct irqgate_ptr_key, struct irqgate_eventfd),
		HASH(irqfds, struct irqgate_ptr_key, struct irqgate_irqfd),
		HASH(vms, struct irqgate_ptr_key, struct irqgate_vm),
		HASH(stats, struct irqgate_vector_key, struct irqgate_counters),
		HASH(agents, struct irqgate_tgid_key, struct irqgate_agent),
		HASH(held, struct irqgate_tgid_key, struct irqgate_held),
		HASH(isolated, struct irqgate_device_key, struct irqgate_isolation),
		HASH(revoked, struct irqgate_device_key, struct irqgate_revocation),
		{ "passing", &pins->passing, BPF_MAP_TYPE_ARRAY, sizeof(__u32),
		  sizeof(struct irqgate_passing) },
		HASH(firmware, struct irqgate_fid_key, struct irqgate_firmware),
		HASH(handles, struct irqgate_fh_key, __u32),
		{ "early", &pins->early, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(__u64) },
		{ "events", &pins->events, BPF_MAP_TYPE_RINGBUF, 0, 0 },
	};
#undef HASH
	char name[64];
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < ARRAY_SIZE(maps); i++)
		err = open_map(maps[i].fd, maps[i].name, maps[i].type, maps[i].key, maps[i].value);
	for (i = 0; !err && i < IRQGATE_TABLE_MAPS; i++) {
		snprintf(name, sizeof(name), "table_%s", table_map_names[i]);
		err = open_map(&pins->outer[i], name, BPF_MAP_TYPE_ARRAY_OF_MAPS, sizeof(__u32),
			       sizeof(__u32));
	}
	return err;
}

__u32 loader_runs(const struct irqgate_state *state)
{
	__u32 tgid = __atomic_load_n(&state->loader_tgid, __ATOMIC_SEQ_CST);

	return tgid && process_is(tgid, state->loader_start) ? tgid : 0;
}

void pins_charge(const struct pins *pins, __u32 account, enum irqgate_room room, int n)
{
	const __u32 accounts[] = { IRQGATE_ACCOUNT_ALL, account, IRQGATE_ACCOUNT_UNLISTED };
	unsigned int i, of = account >= IRQGATE_ACCOUNT_UID ? 3 : account ? 2 : 1;

	for (i = 0; i < of && account < IRQGATE_ACCOUNTS; i++)
		__atomic_add_fetch(&pins->usage[accounts[i]].rows[room], (__u32)n,
				   __ATOMIC_RELAXED);
}

unsigned int pins_filled(const struct pins *pins, enum irqgate_room room)
{
	__u32 rows =
		__atomic_load_n(&pins->usage[IRQGATE_ACCOUNT_ALL].rows[room], __ATOMIC_RELAXED);

	return pins->max_rows[room] ? (unsigned int)((__u64)rows * 100 / pins->max_rows[room]) : 0;
}

bool pins_filling(const struct pins *pins)
{
	enum irqgate_room room;

	for (room = 0; room < IRQGATE_ROOMS; room++)
		if (pins_filled(pins, room) >= FILLING_PERCENT)
			return true;
	return false;
}

__u32 pins_size(const char *name)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = get(name);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.max_entries = 0;
	close(fd);
	return info.max_entries;
}

static size_t usage_len(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (IRQGATE_ACCOUNTS * sizeof(struct irqgate_usage) + page - 1) / page * page;
}

/* Maps a BPF array into memory, shared with the BPF programs. */
static int map_shared(void **at, const char *name, size_t len)
{
	int fd = get(name);

	if (fd < 0)
		return fail(fd, PIN_DIR "/%s: %s", name, strerror(-fd));
	*at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (*at != MAP_FAILED)
		return 0;
	*at = NULL;
	return fail(-errno, PIN_DIR "/%s: cannot map: %s", name, strerror(errno));
}

int pins_open(struct pins *pins)
{
	unsigned int i;
	int fd, err;

	memset(pins, -1, sizeof(*pins));
	pins->state = NULL;
	pins->usage = NULL;
	err = pins_trusted(PIN_DIR);
	if (err && err != -ENOENT && err != -EACCES)
		return err;
	fd = get("state");
	if (fd == -ENOENT)
		return fail(-ENOENT, "not loaded: nothing is pinned below " PIN_DIR
				     "; start it with 'irqgate run'");
	if (fd == -EPERM || fd == -EACCES)
		return fail(fd, "cannot open the pinned maps: run as root");
	if (fd < 0)
		return fail(fd, PIN_DIR "/state: %s", strerror(-fd));
	close(fd);
	err = map_shared((void **)&pins->state, "state", (size_t)sysconf(_SC_PAGESIZE));
	if (err)
		return err;
	/* 0: a loader has just created the map and not set the number yet. */
	if (pins->state->layout && pins->state->layout != IRQGATE_LAYOUT)
		return fail(-ESTALE,
			    "another version of irqgate is loaded; use its command, or let "
			    "'irqgate run' of this version take over");
	err = open_maps(pins) ?: map_shared((void **)&pins->usage, "usage", usage_len());
	if (err)
		return err;
	for (i = 0; i < IRQGATE_ROOMS; i++)
		pins->max_rows[i] = pins_size(room_names[i]);
	if (pins->bindings < 0 || pins->stats < 0 || pins->events < 0 || pins->revoked < 0)
		return fail(-EIO, PIN_DIR " is incomplete: 'irqgate unload' removes the rest");
	return 0;
}

void pins_close(struct pins *pins)
{
	int fds[] = { pins->bindings, pins->passing,  pins->eventfds, pins->irqfds,   pins->vms,
		      pins->stats,    pins->agents,   pins->held,     pins->isolated, pins->early,
		      pins->events,   pins->firmware, pins->handles,  pins->revoked };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++)
		if (pins->outer[i] >= 0)
			close(pins->outer[i]);
	if (pins->state)
		munmap(pins->state, (size_t)sysconf(_SC_PAGESIZE));
	if (pins->usage)
		munmap(pins->usage, usage_len());
}

int pins_remove(const char *pins)
{
	char path[PIN_LEN + 256];
	DIR *dir = opendir(pins);
	struct dirent *d;

	if (!dir)
		return errno == ENOENT ? -ENOENT : fail(-errno, "%s: %s", pins, strerror(errno));
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", pins, d->d_name);
		if (unlink(path))
			msg("%s: cannot remove: %s", path, strerror(errno));
	}
	closedir(dir);
	if (rmdir(pins))
		return fail(-errno, "%s: cannot remove: %s", pins, strerror(errno));
	return 0;
}

int pins_call(const char *name)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int fd = get(name), err;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fail(fd, PIN_DIR "/%s: %s", name, strerror(-fd));
	err = bpf_prog_test_run_opts(fd, &opts);
	close(fd);
	return err ? fail(err, PIN_DIR "/%s: cannot run: %s", name, strerror(-err)) : 0;
}

/* Kernels without a BPF JIT have no prog_judge, which walks the map itself. */
static int judge_each(const struct pins *pins, int fd)
{
	struct irqgate_irq_key key, *prev = NULL;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &key, .ctx_size_in = sizeof(key));
	int err = 0;

	for (; !err && map_next(pins->bindings, prev, &key) > 0; prev = &key)
		err = bpf_prog_test_run_opts(fd, &opts);
	return err ? fail(err, "bindings: cannot judge: %s", strerror(-err)) : 0;
}

int pins_judge(const struct pins *pins)
{
	int all = get("prog_judge"), one, err;

	if (all >= 0) {
		close(all);
		return pins_call("prog_judge");
	}
	if (all != -ENOENT)
		return fail(all, "bindings: cannot judge: %s", strerror(-all));
	one = get("prog_judge_one");
	if (one < 0)
		return one == -ENOENT ? 0 : fail(one, "bindings: cannot judge: %s", strerror(-one));
	err = judge_each(pins, one);
	close(one);
	return err;
}

int pins_iterate(const char *name, int (*each)(const struct irqgate_file *file, void *arg),
		 void *arg)
{
	struct irqgate_file files[64];
	char path[PIN_LEN];
	size_t have = 0, i;
	int fd, ret = 0;

	fd = open(pin_path(path, name), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "%s: %s", path, strerror(errno));
	while (!ret) {
		ssize_t n = read(fd, (char *)files + have, sizeof(files) - have);

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			ret = fail(-errno, "%s: %s", path, strerror(errno));
		if (n <= 0)
			break;
		have += n;
		for (i = 0; !ret && i < have / sizeof(files[0]); i++)
			ret = each ? each(&files[i], arg) : 0;
		memmove(files, (char *)files + have - have % sizeof(files[0]),
			have % sizeof(files[0]));
		have %= sizeof(files[0]);
	}
	close(fd);
	return ret;
}

int pins_adopt_tasks(void)
{
	char path[PIN_LEN], buf[256];
	int fd = open(pin_path(path, "iter_tasks"), O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n;

	if (fd < 0)
		return fail(-errno, "%s: %s", path, strerror(errno));
	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	if (n < 0)
		err = fail(-errno, "%s: %s", path, strerror(errno));
	close(fd);
	return err;
}

void counters_add(struct irqgate_counters *to, const struct irqgate_counters *from)
{
	unsigned int i;

	to->passed += from->passed;
	to->dropped += from->dropped;
	to->denied += from->denied;
	to->would_drop += from->would_drop;
	to->leaked += from->leaked;
	to->audited += from->audited;
	to->replayed += from->replayed;
	if (from->reported > to->reported)
		to->reported = from->reported;
	for (i = 0; i < IRQGATE_MAX_REASONS; i++)
		to->reason[i] += from->reason[i];
}

int map_next(int map, const void *prev, void *next)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int err = bpf_map_get_next_key(map, prev, next);

	if (!err || err == -ENOENT)
		return !err;
	bpf_obj_get_info_by_fd(map, &info, &len);
	return fail(err, "map %s: cannot read: %s", *info.name ? info.name : "(closed)",
		    strerror(-err));
}

int binding_find(const struct pins *pins, __u32 irq, struct irqgate_binding *out)
{
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_passing passing;
	int err = bpf_map_lookup_elem(pins->bindings, &key, out);

	if (!err && !bpf_map_lookup_elem(pins->passing, &irq, &passing))
		out->count.passed += passing.passed;
	return err;
}

int binding_next(const struct pins *pins, struct binding_walk *walk)
{
	struct irqgate_irq_key prev;
	int more;

	do {
		prev = walk->key;
		more = map_next(pins->bindings, walk->begun ? &prev : NULL, &walk->key);
		walk->begun = true;
	} while (more > 0 && binding_find(pins, walk->key.irq, &walk->b));
	return more;
}
