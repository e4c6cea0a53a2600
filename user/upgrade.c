// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "convert.h"
#include "hooks.h"
#include "upgrade.h"
#include "util.h"

/* A map and what its BTF says of it. */
struct typed_map {
	int fd;
	struct bpf_map_info info;
	struct btf *btf;
};

static void close_map(struct typed_map *m)
{
	btf__free(m->btf);
	if (m->fd >= 0)
		close(m->fd);
}

static int open_map(const char *dir, const char *name, struct typed_map *m)
{
	__u32 len = sizeof(m->info);
	char path[PIN_LEN];

	memset(m, 0, sizeof(*m));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	m->fd = bpf_obj_get(path);
	if (m->fd < 0)
		return m->fd;
	if (bpf_obj_get_info_by_fd(m->fd, &m->info, &len))
		return -errno;
	/* One value an entry; the other kinds have one a CPU. */
	if (!m->info.btf_id ||
	    (m->info.type != BPF_MAP_TYPE_HASH && m->info.type != BPF_MAP_TYPE_ARRAY &&
	     m->info.type != BPF_MAP_TYPE_TASK_STORAGE))
		return -EINVAL;
	m->btf = btf__load_from_kernel_by_id(m->info.btf_id);
	return m->btf ? 0 : -errno;
}

static void convert_key(const struct typed_map *from, const struct typed_map *to, void *old,
			void *new)
{
	memset(new, 0, to->info.key_size);
	convert((struct view){ from->btf, from->info.btf_key_type_id, old, from->info.key_size },
		(struct view){ to->btf, to->info.btf_key_type_id, new, to->info.key_size });
}

static void convert_value(const struct typed_map *from, const struct typed_map *to, void *old,
			  void *new)
{
	memset(new, 0, to->info.value_size);
	convert((struct view){ from->btf, from->info.btf_value_type_id, old,
			       from->info.value_size },
		(struct view){ to->btf, to->info.btf_value_type_id, new, to->info.value_size });
}

/*
 * What the new hooks counted so far is added. The old ones go before: a start that is cut
 * short is followed by one that does this again.
 */
static int take_counters(const struct typed_map *from, const void *old_key,
			 const struct typed_map *to, const void *key,
			 struct irqgate_counters *value)
{
	struct irqgate_counters now;
	int err;

	if (bpf_map_delete_elem(from->fd, old_key))
		return 0;
	if (!bpf_map_lookup_elem(to->fd, key, &now))
		counters_add(value, &now);
	err = bpf_map_update_elem(to->fd, key, value, BPF_ANY);
	return err == -E2BIG ? 0 : err; /* where new rows took the place */
}

/* Of an eventfd only who signals it: the search finds who listens and what it carries. */
static void keep_signaller(struct irqgate_eventfd *e)
{
	memset(e->source, 0, sizeof(e->source));
	memset(e->vm, 0, sizeof(e->vm));
	memset(&e->pass, 0, sizeof(e->pass));
	e->untracked = 0;
}

/* What passed without a look at the binding (struct irqgate_passing). */
static void add_passing(struct irqgate_binding *b)
{
	struct typed_map from, to = { .fd = -1 };
	struct irqgate_passing passing = {};
	void *old = NULL;

	if (!open_map(PIN_OLD, "passing", &from) && !open_map(PIN_DIR, "passing", &to))
		old = malloc(from.info.value_size);
	if (old && !bpf_map_lookup_elem(from.fd, &b->irq, old))
		convert_value(&from, &to, old, &passing);
	b->count.passed += passing.passed;
	free(old);
	close_map(&from);
	close_map(&to);
}

/*
 * What the new hooks learned already is newer than what the old map says; what ended
 * unseen the search for what exists does not find.
 */
static int take_all(const char *name, const struct typed_map *from, const struct typed_map *to)
{
	bool counters = !strcmp(name, "stats");
	void *old_key = malloc(from->info.key_size), *old = malloc(from->info.value_size);
	void *key = malloc(to->info.key_size), *value = malloc(to->info.value_size);
	int err = old_key && old && key && value ? 0 : -ENOMEM, more = 1;
	void *prev = NULL;
	__u32 turns;

	/* The old gates go on counting, in rows that are taken. */
	for (turns = from->info.max_entries; !err && turns; turns--) {
		more = map_next(from->fd, prev, old_key);
		if (more <= 0)
			break;
		prev = old_key;
		if (bpf_map_lookup_elem(from->fd, old_key, old))
			continue;
		convert_key(from, to, old_key, key);
		convert_value(from, to, old, value);
		if (!strcmp(name, "eventfds"))
			keep_signaller(value);
		if (!strcmp(name, "bindings"))
			add_passing(value);
		err = counters ? take_counters(from, old_key, to, key, value)
			       : bpf_map_update_elem(to->fd, key, value, BPF_NOEXIST);
		if (err == -EEXIST)
			err = 0;
	}
	free(old_key);
	free(old);
	free(key);
	free(value);
	return more < 0 ? more : err;
}

/* Who every process is lies in its task storage, which only a pidfd leads to. */
static int take_idents(const struct typed_map *from, const struct typed_map *to)
{
	void *old = malloc(from->info.value_size), *new = malloc(to->info.value_size);
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int err = !proc ? -errno : old && new ? 0 : -ENOMEM;

	while (!err && (errno = 0, d = readdir(proc))) {
		int pid = atoi(d->d_name), pidfd;

		if (pid <= 0)
			continue;
		pidfd = syscall(SYS_pidfd_open, pid, 0);
		if (pidfd < 0) {
			err = errno == ESRCH || errno == EINVAL ? 0 : -errno; /* gone */
			continue;
		}
		if (!bpf_map_lookup_elem(from->fd, &pidfd, old)) {
			convert_value(from, to, old, new);
			err = bpf_map_update_elem(to->fd, &pidfd, new, BPF_ANY);
		}
		close(pidfd);
		if (err == -ESRCH || err == -ENOENT)
			err = 0;
	}
	if (!err)
		err = -errno;
	if (proc)
		closedir(proc);
	free(old);
	free(new);
	return err;
}

static int carry(const char *name)
{
	struct typed_map from, to = { .fd = -1 };
	int err = open_map(PIN_OLD, name, &from) ?: open_map(PIN_DIR, name, &to);

	if (!err)
		err = strcmp(name, "idents") ? take_all(name, &from, &to) : take_idents(&from, &to);
	close_map(&from);
	close_map(&to);
	return err == -ENOENT ? 0 : err; /* there was none yet, or it was taken */
}

int upgrade_take(void)
{
	static const char *const names[] = { "idents", "stats", "bindings", "bound",    "eventfds",
					     "vms",    "held",  "isolated", "firmware", "handles" };
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(names) && !err; i++)
		err = carry(names[i]);
	return err ? fail(err,
			  "cannot take over from the irqgate of another version: %s; it stays in "
			  "force",
			  strerror(-err))
		   : 0;
}

int upgrade_finish(void)
{
	int err = pins_remove(PIN_OLD);

	if (!err)
		msg("took over from an irqgate of another version");
	return err;
}

/* The state of what is loaded, whatever its layout. */
static int read_state(struct irqgate_state *st)
{
	struct typed_map m, own = { .fd = -1 };
	int err = open_map(PIN_DIR, "state", &m);
	__u32 zero = 0, type;
	void *value;

	memset(st, 0, sizeof(*st));
	if (err)
		goto out;
	value = calloc(1, m.info.value_size);
	own.btf = hooks_object_btf();
	err = value && own.btf ? bpf_map_lookup_elem(m.fd, &zero, value) : -ENOMEM;
	if (!err) {
		type = btf__find_by_name_kind(own.btf, "irqgate_state", BTF_KIND_STRUCT);
		convert((struct view){ m.btf, m.info.btf_value_type_id, value, m.info.value_size },
			(struct view){ own.btf, type, st, sizeof(*st) });
	}
	free(value);
out:
	close_map(&m);
	btf__free(own.btf);
	return err;
}

int upgrade_begin(void)
{
	struct irqgate_state st;
	int err = pins_trusted(PIN_DIR);

	if (!err || err == -ENOENT)
		err = pins_trusted(PIN_OLD);
	if (err && err != -ENOENT && err != -EACCES)
		return err;
	err = read_state(&st);
	if (err == -ENOENT)
		return access(PIN_OLD, F_OK) ? UPGRADE_NONE : UPGRADE_LAYOUT;
	if (err)
		return fail(err, PIN_DIR "/state: not the state of an irqgate: %s", strerror(-err));
	if (st.loader_tgid && !kill(st.loader_tgid, 0))
		return fail(-EBUSY, "irqgate runs already, as process %u", st.loader_tgid);
	if (!access(PIN_OLD, F_OK))
		return UPGRADE_LAYOUT; /* begun, but killed */
	if (st.layout == IRQGATE_LAYOUT)
		return st.build == hooks_build() ? UPGRADE_NONE : UPGRADE_BUILD;
	if (rename(PIN_DIR, PIN_OLD))
		return fail(-errno, PIN_DIR ": cannot move aside: %s", strerror(errno));
	return UPGRADE_LAYOUT;
}
