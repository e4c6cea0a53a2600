// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/layout.h>
#include "lib/convert.h"
#include "lib/util.h"
#include "loader/hooks.h"
#include "loader/upgrade.h"

/* A map with its BTF. */
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
	/* Takes only types with one value an entry; the other types have one a CPU. */
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
 * Add the old counters to what the new hooks counted so far. Deletes the old row first: after
 * a start that is cut short, the next one does this again and must not add the row twice.
 */
static int migrate_counters(const struct pins *pins, const struct typed_map *from,
			    const void *old_key, const struct typed_map *to, const void *key,
			    struct irqgate_counters *value)
{
	struct irqgate_counters now;
	bool known;
	int err;

	if (bpf_map_delete_elem(from->fd, old_key))
		return 0;
	known = !bpf_map_lookup_elem(to->fd, key, &now);
	if (known)
		counters_add(value, &now);
	err = bpf_map_update_elem(to->fd, key, value, BPF_ANY);
	if (!err && !known)
		pins_charge(pins, IRQGATE_ACCOUNT_ALL, IRQGATE_ROOM_STATS, 1);
	return err == -E2BIG ? 0 : err; /* new rows took the place */
}

/* Keep only an eventfd's signallers: the search finds its listeners, vectors and devices. */
static void keep_signaller(struct irqgate_eventfd *e)
{
	memset(e->source, 0, sizeof(e->source));
	memset(e->vm, 0, sizeof(e->vm));
	memset(&e->pass, 0, sizeof(e->pass));
	memset(e->writes, 0, sizeof(e->writes));
	e->writes_seen = 0;
	e->untracked = 0;
	e->lost = 0;
}

/* Add the interrupts that passed without a look at the binding (struct irqgate_passing). */
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

/* A row that was taken over counts for the account that it had, in the new `usage`. */
static void charge_migrated(const struct pins *pins, const char *name, const void *value)
{
	const struct irqgate_eventfd *e = value;
	const struct irqgate_binding *b = value;
	const struct irqgate_vm *vm = value;

	if (!strcmp(name, "eventfds"))
		pins_charge(pins, e->account, IRQGATE_ROOM_EVENTFDS, 1);
	else if (!strcmp(name, "vms"))
		pins_charge(pins, vm->account, IRQGATE_ROOM_VMS, 1);
	else if (!strcmp(name, "bindings"))
		pins_charge(pins, b->account, IRQGATE_ROOM_BINDINGS, 1);
}

/*
 * Copy the rows of one map. A row that the new hooks made already stays, because it is newer
 * than the old one. The search for what exists does not find objects that ended unseen, and
 * so their rows go.
 */
static int migrate_rows(const struct pins *pins, const char *name, const struct typed_map *from,
			const struct typed_map *to)
{
	bool counters = !strcmp(name, "stats");
	void *old_key = malloc(from->info.key_size), *old = malloc(from->info.value_size);
	void *key = malloc(to->info.key_size), *value = malloc(to->info.value_size);
	int err = old_key && old && key && value ? 0 : -ENOMEM, more = 1;
	void *prev = NULL;
	__u32 turns;

	/* Limits the turns, because the old gates go on counting and make taken rows again. */
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
		err = counters ? migrate_counters(pins, from, old_key, to, key, value)
			       : bpf_map_update_elem(to->fd, key, value, BPF_NOEXIST);
		if (!err)
			charge_migrated(pins, name, value);
		if (err == -EEXIST)
			err = 0;
	}
	free(old_key);
	free(old);
	free(key);
	free(value);
	return more < 0 ? more : err;
}

struct migration {
	const struct typed_map *from, *to;
	void *old, *new;
};

static int migrate_ident(int pidfd, void *arg)
{
	struct migration *t = arg;
	int err = 0;

	if (!bpf_map_lookup_elem(t->from->fd, &pidfd, t->old)) {
		convert_value(t->from, t->to, t->old, t->new);
		err = bpf_map_update_elem(t->to->fd, &pidfd, t->new, BPF_ANY);
	}
	return err == -ESRCH || err == -ENOENT ? 0 : err;
}

static int migrate_idents(const struct typed_map *from, const struct typed_map *to)
{
	struct migration t = { from, to, malloc(from->info.value_size),
			       malloc(to->info.value_size) };
	int err = t.old && t.new ? each_process(migrate_ident, &t) : -ENOMEM;

	free(t.old);
	free(t.new);
	return err;
}

static int migrate_map(const struct pins *pins, const char *name)
{
	struct typed_map from, to = { .fd = -1 };
	int err = open_map(PIN_OLD, name, &from) ?: open_map(PIN_DIR, name, &to);

	if (!err)
		err = strcmp(name, "idents") ? migrate_rows(pins, name, &from, &to)
					     : migrate_idents(&from, &to);
	close_map(&from);
	close_map(&to);
	return err == -ENOENT ? 0 : err; /* the old build had none, or an earlier start took it */
}

int upgrade_migrate(void)
{
	/* Eventfds come before bindings: a binding without a known eventfd is not in order. */
	static const char *const names[] = { "idents",   "stats",   "vms",    "eventfds",
					     "bindings", "bound",   "held",   "isolated",
					     "firmware", "handles", "revoked" };
	struct pins pins;
	unsigned int i;
	int err = pins_open(&pins);

	for (i = 0; i < ARRAY_SIZE(names) && !err; i++)
		err = migrate_map(&pins, names[i]);
	pins_close(&pins);
	return err ? fail(err,
			  "cannot take over from the irqgate of another version: %s; it stays in "
			  "force",
			  strerror(-err))
		   : 0;
}

static struct view own_view(struct btf *btf, const char *type, void *data, size_t size)
{
	return (struct view){ btf, (__u32)btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT), data,
			      size };
}

int upgrade_processes(struct rows *rows)
{
	char old_key[IRQGATE_PATH_MAX], old[IRQGATE_PATH_MAX], *prev = NULL;
	struct irqgate_match_key key;
	struct irqgate_match row;
	struct btf *btf = NULL;
	struct typed_map from;
	int err = open_map(PIN_OLD, "matches", &from), more = 1;

	if (!err && (from.info.key_size > sizeof(old_key) || from.info.value_size > sizeof(old)))
		err = -EINVAL;
	if (!err && !(btf = hooks_object_btf()))
		err = -ENOMEM;
	while (!err && (more = map_next(from.fd, prev, old_key)) > 0) {
		prev = old_key;
		if (bpf_map_lookup_elem(from.fd, old_key, old))
			continue;
		memset(&key, 0, sizeof(key));
		memset(&row, 0, sizeof(row));
		convert((struct view){ from.btf, from.info.btf_key_type_id, old_key,
				       from.info.key_size },
			own_view(btf, "irqgate_match_key", &key, sizeof(key)));
		convert((struct view){ from.btf, from.info.btf_value_type_id, old,
				       from.info.value_size },
			own_view(btf, "irqgate_match", &row, sizeof(row)));
		if (key.kind == IRQGATE_MATCH_PROCESS)
			err = rows_add(rows, IRQGATE_MAP_MATCHES, &key, &row);
	}
	btf__free(btf);
	close_map(&from);
	rows_sort(rows);
	err = err ?: more < 0 ? more : 0;
	return err == -ENOENT ? 0 : err;
}

int upgrade_finish(void)
{
	int err = pins_remove(PIN_OLD);

	if (!err)
		msg("took over from an irqgate of another version");
	return err;
}

/* Read the state of the irqgate that is loaded, whatever its layout. */
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
	if (loader_runs(&st))
		return fail(-EBUSY, "irqgate runs already, as process %u", st.loader_tgid);
	if (!access(PIN_OLD, F_OK))
		return UPGRADE_LAYOUT; /* an earlier start began it and was killed */
	if (st.layout == IRQGATE_LAYOUT)
		return st.build == hooks_build() ? UPGRADE_NONE : UPGRADE_BUILD;
	if (rename(PIN_DIR, PIN_OLD))
		return fail(-errno, PIN_DIR ": cannot move aside: %s", strerror(errno));
	return UPGRADE_LAYOUT;
}
