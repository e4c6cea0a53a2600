// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <irqgate/hash.h>
#include "table.h"
#include "util.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

/* One table map kind: its layout, and the BTF types that give bpftool names. */
static const struct {
	const char *key_type, *value_type;
	__u32 key_size, value_size, max_entries;
} kinds[IRQGATE_TABLE_MAPS] = {
	[IRQGATE_MAP_DEVICES] = { "irqgate_device_key", "irqgate_registration",
				  sizeof(struct irqgate_device_key),
				  sizeof(struct irqgate_registration), IRQGATE_MAX_DEVICES },
	[IRQGATE_MAP_VECTORS] = { "irqgate_vector_key", "irqgate_vector_auth",
				  sizeof(struct irqgate_vector_key),
				  sizeof(struct irqgate_vector_auth), IRQGATE_MAX_VECTOR_ROWS },
	[IRQGATE_MAP_MATCHES] = { "irqgate_match_key", "irqgate_match",
				  sizeof(struct irqgate_match_key), sizeof(struct irqgate_match),
				  IRQGATE_MAX_MATCHES },
	[IRQGATE_MAP_CONTEXTS] = { "irqgate_context_key", "irqgate_context",
				   sizeof(struct irqgate_context_key),
				   sizeof(struct irqgate_context), IRQGATE_MAX_CONTEXTS },
};

static int create_map(const struct btf *btf, int kind)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	char name[16];
	int key, value, fd;

	key = btf__find_by_name_kind(btf, kinds[kind].key_type, BTF_KIND_STRUCT);
	value = btf__find_by_name_kind(btf, kinds[kind].value_type, BTF_KIND_STRUCT);
	if (btf__fd(btf) >= 0 && key > 0 && value > 0) {
		opts.btf_fd = btf__fd(btf);
		opts.btf_key_type_id = key;
		opts.btf_value_type_id = value;
	}
	snprintf(name, sizeof(name), "irqgate_%.7s", table_map_names[kind]);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, kinds[kind].key_size, kinds[kind].value_size,
			    kinds[kind].max_entries, &opts);
	if (fd < 0)
		return fail(fd, "cannot create the map %s: %s", table_map_names[kind],
			    strerror(-fd));
	return fd;
}

static int add(int map, const void *key, const void *value)
{
	int err = bpf_map_update_elem(map, key, value, BPF_ANY);

	return err ? fail(err, "cannot add a row to the table: %s", strerror(-err)) : 0;
}

/* The kernel encodes dev_t in 12 bits of major and 20 of minor (MKDEV). */
static __u64 kernel_dev(dev_t dev)
{
	return (__u64)major(dev) << 20 | minor(dev);
}

static __u64 process_start(long pid)
{
	char path[64], line[1024], *p;
	unsigned long long start = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (read_line(path, line, sizeof(line)))
		return 0;
	/* The command name may hold anything; field 3 follows its last ')'. */
	p = strrchr(line, ')');
	if (p)
		sscanf(p + 1,
		       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
		       "%*d %*d %*d %llu",
		       &start);
	return start;
}

/*
 * Key of a match, from what the system has now. Return: 1, or 0 when what it
 * names does not exist yet.
 */
static int match_key(const struct policy_match *m, __u32 source, struct irqgate_match_key *key)
{
	char path[PATH_MAX];
	struct stat st;

	memset(key, 0, sizeof(*key));
	key->kind = m->kind;
	key->source = source;
	switch (m->kind) {
	case IRQGATE_MATCH_CGROUP:
		snprintf(path, sizeof(path), CGROUP_ROOT "%s", m->text);
		if (stat(path, &st))
			return 0;
		key->a = st.st_ino; /* the id of a cgroup is its inode number on 64 bit */
		return 1;
	case IRQGATE_MATCH_EXE:
		if (stat(m->text, &st))
			return 0;
		key->a = kernel_dev(st.st_dev);
		key->b = st.st_ino;
		return 1;
	case IRQGATE_MATCH_PID:
	case IRQGATE_MATCH_UID:
		key->a = m->id;
		return 1;
	default:
		return 0;
	}
}

/* For a cgroup that appears later: bpf/lifecycle.bpf.c matches its path then. */
static int add_cgroup_path(int map, const struct policy_match *m, __u32 gd, __u64 handle)
{
	struct irqgate_match row = { .gd = gd, .handle = handle };
	struct irqgate_match_key key = {};

	if (m->kind != IRQGATE_MATCH_CGROUP || strlen(m->text) >= IRQGATE_PATH_MAX)
		return 0;
	key.kind = IRQGATE_MATCH_CGROUP_PATH;
	key.source = handle != 0;
	key.a = irqgate_hash_text(m->text, IRQGATE_PATH_MAX);
	return add(map, &key, &row);
}

/* Return: 1 when a row was added, 0 when it waits or is there, or a negative errno. */
static int add_match(int map, const struct policy_match *m, __u32 gd, __u64 handle)
{
	struct irqgate_match row = { .gd = gd, .handle = handle };
	struct irqgate_match_key key;
	int err;

	err = add_cgroup_path(map, m, gd, handle);
	if (err || !m->kind || !match_key(m, handle != 0, &key))
		return err;
	if (m->kind == IRQGATE_MATCH_PID)
		row.start = process_start(m->id);
	err = bpf_map_update_elem(map, &key, &row, BPF_NOEXIST);
	if (err == -EEXIST)
		return 0;
	return err ? fail(err, "cannot add a match to the table: %s", strerror(-err)) : 1;
}

static int add_matches(int map, const struct policy *policy)
{
	int added = 0, ret;
	unsigned int i;

	for (i = 0; i < policy->ncontexts; i++) {
		const struct policy_context *c = &policy->contexts[i];

		ret = add_match(map, &c->match, c->gd, 0);
		if (ret < 0)
			return ret;
		added += ret;
	}
	for (i = 0; i < policy->nsources; i++) {
		const struct policy_source *s = &policy->sources[i];

		ret = add_match(map, &s->match, policy->contexts[s->context].gd, s->handle);
		if (ret < 0)
			return ret;
		added += ret;
	}
	return added;
}

static int add_vectors(int map, __u64 handle, const struct vector_set *set,
		       const struct irqgate_vector_auth *row)
{
	struct irqgate_vector_key key = { .handle = handle };
	int err;

	for (key.vector = 0; key.vector < IRQGATE_MAX_VECTORS; key.vector++) {
		if (!set->all && !vectors_has(set, key.vector))
			continue;
		err = add(map, &key, row);
		if (err)
			return err;
	}
	return 0;
}

static int add_device(const int maps[], const struct policy *policy, const struct policy_device *d)
{
	struct irqgate_device_key key = { .handle = d->handle };
	struct irqgate_registration reg = {
		.gd = policy->contexts[d->context].gd,
		.noi = vectors_noi(&d->vectors),
		.action = d->action,
		.flags = d->vectors.all ? IRQGATE_REG_ALL_VECTORS : 0,
	};
	struct irqgate_vector_auth vec = { .gd = reg.gd, .action = reg.action };
	int err = add(maps[IRQGATE_MAP_DEVICES], &key, &reg);

	if (err || d->vectors.all)
		return err;
	return add_vectors(maps[IRQGATE_MAP_VECTORS], d->handle, &d->vectors, &vec);
}

static int add_context(int map, const char *name, __u32 gd, __u32 flags)
{
	struct irqgate_context_key key = { .gd = gd };
	struct irqgate_context row = { .flags = flags };

	snprintf(row.name, sizeof(row.name), "%s", name);
	return add(map, &key, &row);
}

/* Under the names operators and bpftool know, replaced in one step. */
static int pin_map(int fd, int kind)
{
	char path[PIN_LEN], tmp[PIN_LEN + 8];
	int err;

	pin_path(path, table_map_names[kind]);
	snprintf(tmp, sizeof(tmp), "%s_new", path); /* bpffs refuses dots */
	unlink(tmp);
	err = bpf_obj_pin(fd, tmp);
	if (!err && rename(tmp, path))
		err = -errno;
	return err ? fail(err, "%s: cannot pin: %s", path, strerror(-err)) : 0;
}

int table_publish(struct pins *pins, const struct btf *btf, const struct policy *policy)
{
	int maps[IRQGATE_TABLE_MAPS] = { -1, -1, -1, -1 };
	__u32 slot = (pins->state->generation + 1) & 1;
	unsigned int i;
	int err = 0;

	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		maps[i] = create_map(btf, i);
		if (maps[i] < 0) {
			err = maps[i];
			goto out;
		}
	}
	for (i = 0; i < policy->ncontexts && !err; i++)
		err = add_context(maps[IRQGATE_MAP_CONTEXTS], policy->contexts[i].name,
				  policy->contexts[i].gd,
				  policy->contexts[i].strict ? IRQGATE_CTX_STRICT : 0);
	for (i = 0; i < policy->ndevices && !err; i++)
		err = add_device(maps, policy, &policy->devices[i]);
	if (!err)
		err = add_matches(maps[IRQGATE_MAP_MATCHES], policy);
	if (err < 0)
		goto out;

	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		err = bpf_map_update_elem(pins->outer[i], &slot, &maps[i], BPF_ANY);
		if (err) {
			fail(err, "cannot publish the table: %s", strerror(-err));
			goto out;
		}
	}
	pins->state->defaults[slot] = policy->defaults;
	__atomic_add_fetch(&pins->state->generation, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&pins->state->epoch, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < IRQGATE_TABLE_MAPS && !err; i++)
		err = pin_map(maps[i], i);
out:
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++)
		if (maps[i] >= 0)
			close(maps[i]);
	return err;
}

int table_map(const struct pins *pins, enum irqgate_table_map which)
{
	__u32 slot = pins->state->generation & 1, id;
	int err = bpf_map_lookup_elem(pins->outer[which], &slot, &id);

	return err ? err : bpf_map_get_fd_by_id(id);
}

static void epoch_bump(struct pins *pins)
{
	__atomic_add_fetch(&pins->state->epoch, 1, __ATOMIC_SEQ_CST);
}

int table_clear(struct pins *pins)
{
	__u64 key[3];
	int i, map;

	/* Registrations first: without one a vector is unlisted, hence allowed. */
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		map = table_map(pins, i);
		if (map == -ENOENT)
			continue;
		if (map < 0)
			return fail(map, "cannot open the table: %s", strerror(-map));
		while (!bpf_map_get_next_key(map, NULL, key))
			bpf_map_delete_elem(map, key);
		close(map);
	}
	epoch_bump(pins);
	return 0;
}

int table_resolve(struct pins *pins, const struct policy *policy)
{
	int map = table_map(pins, IRQGATE_MAP_MATCHES), added;

	if (map < 0)
		return map;
	added = add_matches(map, policy);
	close(map);
	if (added > 0)
		epoch_bump(pins);
	return added;
}

const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN])
{
	struct irqgate_context_key key = { .gd = gd };
	struct irqgate_context row;
	int map;

	snprintf(buf, IRQGATE_NAME_LEN, gd == IRQGATE_GD_NONE ? "-" : "gd:%u", gd);
	if (gd == IRQGATE_GD_NONE)
		return buf;
	map = table_map(pins, IRQGATE_MAP_CONTEXTS);
	if (map >= 0 && !bpf_map_lookup_elem(map, &key, &row))
		snprintf(buf, IRQGATE_NAME_LEN, "%s", row.name);
	if (map >= 0)
		close(map);
	return buf;
}

/* The context of one process and its children, made for `allow --to pid:N`. */
static int context_of_pid(struct pins *pins, int contexts, const char *name, __u32 gd)
{
	struct policy_match m = { .kind = IRQGATE_MATCH_PID };
	char *end;
	int map, err;

	errno = 0;
	m.id = strtol(name + 4, &end, 10);
	if (errno || *end || end == name + 4 || m.id <= 0 || m.id > INT_MAX)
		return fail(-EINVAL, "%s: not a process: expected pid:N with N above 0", name);
	err = add_context(contexts, name, gd, 0);
	if (err)
		return err;
	map = table_map(pins, IRQGATE_MAP_MATCHES);
	if (map < 0)
		return map;
	err = add_match(map, &m, gd, 0);
	close(map);
	if (!err)
		return fail(-EEXIST, "%s: the process is matched by another context already", name);
	return err < 0 ? err : 0;
}

int table_context(struct pins *pins, const char *name, bool create, __u32 *gd)
{
	struct irqgate_context_key key, *prev = NULL;
	int map = table_map(pins, IRQGATE_MAP_CONTEXTS), err = -ENOENT;
	struct irqgate_context row;
	__u32 next = 1;

	if (map < 0)
		return fail(map, "cannot open the table: %s", strerror(-map));
	while (!bpf_map_get_next_key(map, prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(map, &key, &row))
			continue;
		if (key.gd >= next)
			next = key.gd + 1;
		if (!strcmp(row.name, name)) {
			*gd = key.gd;
			err = 0;
			goto out;
		}
	}
	if (create && !strncmp(name, "pid:", 4)) {
		err = context_of_pid(pins, map, name, next);
		*gd = next;
	}
out:
	close(map);
	return err;
}

/* The two maps in force a change of vectors is about. */
struct rows {
	int devices, vectors;
};

static int rows_open(const struct pins *pins, struct rows *rows)
{
	rows->devices = table_map(pins, IRQGATE_MAP_DEVICES);
	rows->vectors = table_map(pins, IRQGATE_MAP_VECTORS);
	return rows->devices < 0 || rows->vectors < 0 ? fail(-EIO, "cannot open the table") : 0;
}

/* The change is complete: every cached verdict is stale now. */
static void rows_close(struct pins *pins, const struct rows *rows)
{
	epoch_bump(pins);
	if (rows->devices >= 0)
		close(rows->devices);
	if (rows->vectors >= 0)
		close(rows->vectors);
}

int table_allow(struct pins *pins, __u64 handle, const struct vector_set *vectors, __u32 gd)
{
	struct irqgate_device_key dkey = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle };
	struct irqgate_vector_auth vec = { .gd = gd };
	struct irqgate_registration reg;
	struct rows rows;
	int err = rows_open(pins, &rows);

	if (err)
		goto out;
	if (bpf_map_lookup_elem(rows.devices, &dkey, &reg)) {
		memset(&reg, 0, sizeof(reg));
		reg.gd = gd;
		reg.action = IRQGATE_ACTION_DENY;
	}
	if (reg.noi < vectors_noi(vectors))
		reg.noi = vectors_noi(vectors);
	vec.action = reg.action;
	if (vectors->all) {
		reg.gd = gd;
		reg.flags |= IRQGATE_REG_ALL_VECTORS;
		err = add(rows.devices, &dkey, &reg);
		for (; !err && vkey.vector < IRQGATE_MAX_VECTORS; vkey.vector++)
			bpf_map_delete_elem(rows.vectors, &vkey);
		vkey.vector = IRQGATE_VECTOR_FUNCTION;
		bpf_map_delete_elem(rows.vectors, &vkey);
		goto out;
	}
	/* Rows first: with the registration the vectors it does not name turn unlisted. */
	err = add_vectors(rows.vectors, handle, vectors, &vec);
	if (!err)
		err = add(rows.devices, &dkey, &reg);
out:
	rows_close(pins, &rows);
	return err;
}

int table_revoke(struct pins *pins, __u64 handle, const struct vector_set *vectors)
{
	struct irqgate_device_key dkey = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle };
	struct irqgate_vector_auth vec = { .gd = IRQGATE_GD_NONE, .flags = IRQGATE_VEC_REVOKED };
	struct irqgate_registration reg;
	struct rows rows;
	int err = rows_open(pins, &rows);

	if (err)
		goto out;
	/* An unlisted device keeps running with its vectors swallowed. */
	vec.action = IRQGATE_ACTION_DROP;
	if (!bpf_map_lookup_elem(rows.devices, &dkey, &reg) && reg.action == IRQGATE_ACTION_DENY)
		vec.action = IRQGATE_ACTION_DENY;
	err = add_vectors(rows.vectors, handle, vectors, &vec);
	/* All there is: INTx, too. */
	vkey.vector = IRQGATE_VECTOR_FUNCTION;
	if (!err && vectors->all)
		err = add(rows.vectors, &vkey, &vec);
out:
	rows_close(pins, &rows);
	return err;
}
