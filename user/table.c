// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"
#include "util.h"

#define SPARE_VECTOR_ROWS 65536
#define BATCH_ROWS 4096

/* One table map kind: its room, and the BTF types that give bpftool names. */
static const struct {
	const char *key_type, *value_type;
	__u32 max_entries;
} kinds[IRQGATE_TABLE_MAPS] = {
	[IRQGATE_MAP_DEVICES] = { "irqgate_device_key", "irqgate_registration",
				  IRQGATE_MAX_DEVICES },
	[IRQGATE_MAP_VECTORS] = { "irqgate_vector_key", "irqgate_vector_auth", 0 },
	/* A cgroup has two rows: its path and, when it is there, its id. */
	[IRQGATE_MAP_MATCHES] = { "irqgate_match_key", "irqgate_match", 2 * IRQGATE_MAX_MATCHES },
	[IRQGATE_MAP_CONTEXTS] = { "irqgate_context_key", "irqgate_context", IRQGATE_MAX_CONTEXTS },
};

/* The types of the map that is in force, where the BPF object is not at hand. */
static int inherit_btf(const struct pins *pins, int kind, struct bpf_map_create_opts *opts)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int map = table_map(pins, kind), err, btf;

	if (map < 0)
		return map == -ENOENT ? 0 : map;
	err = bpf_obj_get_info_by_fd(map, &info, &len);
	if (!err && info.btf_id) {
		btf = bpf_btf_get_fd_by_id(info.btf_id);
		if (btf < 0)
			err = btf;
		else
			opts->btf_fd = (__u32)btf;
		opts->btf_key_type_id = info.btf_key_type_id;
		opts->btf_value_type_id = info.btf_value_type_id;
	}
	close(map);
	return err;
}

/*
 * Room for @rows and what `allow` and `revoke` may add. The kernel takes memory for the
 * rows there are, and 16 bytes for each there may be.
 */
static __u32 map_room(int kind, size_t rows)
{
	if (kind != IRQGATE_MAP_VECTORS)
		return kinds[kind].max_entries;
	return rows + rows / 2 + SPARE_VECTOR_ROWS;
}

static int create_map(const struct pins *pins, const struct btf *btf, int kind, size_t rows)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	char name[16];
	int key, value, fd, err;

	if (btf && btf__fd(btf) >= 0) {
		key = btf__find_by_name_kind(btf, kinds[kind].key_type, BTF_KIND_STRUCT);
		value = btf__find_by_name_kind(btf, kinds[kind].value_type, BTF_KIND_STRUCT);
		if (key > 0 && value > 0) {
			opts.btf_fd = btf__fd(btf);
			opts.btf_key_type_id = key;
			opts.btf_value_type_id = value;
		}
	} else if (!btf) {
		err = inherit_btf(pins, kind, &opts);
		if (err)
			return fail(err,
				    "cannot create the map %s, no types of the one in force: %s",
				    table_map_names[kind], strerror(-err));
	}
	snprintf(name, sizeof(name), "irqgate_%.7s", table_map_names[kind]);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, row_sizes[kind].key, row_sizes[kind].value,
			    map_room(kind, rows), &opts);
	if (!btf && (int)opts.btf_fd > 0)
		close(opts.btf_fd);
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

/* All rows of a kind: one system call for many. */
static int add_rows(int map, const struct rows *rows, int kind)
{
	size_t key_size = row_sizes[kind].key, value_size = row_sizes[kind].value, i;
	char *keys = malloc(BATCH_ROWS * key_size), *values = malloc(BATCH_ROWS * value_size);
	int err = keys && values ? 0 : fail(-ENOMEM, "not enough memory for the table");
	__u32 n, j;

	for (i = 0; !err && i < rows->map[kind].n; i += n) {
		n = rows->map[kind].n - i < BATCH_ROWS ? rows->map[kind].n - i : BATCH_ROWS;
		for (j = 0; j < n; j++) {
			memcpy(keys + j * key_size, rows_key(rows, kind, i + j), key_size);
			memcpy(values + j * value_size, rows_value(rows, kind, i + j), value_size);
		}
		err = bpf_map_update_batch(map, keys, values, &n, NULL);
		if (err)
			fail(err, "cannot add rows to the table: %s", strerror(-err));
	}
	free(keys);
	free(values);
	return err;
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

static int add_context(int map, const char *name, __u32 gd)
{
	struct irqgate_context_key key = { .gd = gd };
	struct irqgate_context row = {};

	snprintf(row.name, sizeof(row.name), "%s", name);
	return add(map, &key, &row);
}

/*
 * Maps are pinned under the names operators and bpftool know, and beside that until they
 * are in force: whoever may not look for a map by its id finds it in either place, also
 * when who published it was killed in between.
 */
static const char *new_path(char buf[PIN_LEN], int kind)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_new", table_map_names[kind]); /* bpffs refuses dots */
	return pin_path(buf, name);
}

static int pin_new(int fd, int kind)
{
	char path[PIN_LEN];
	int err;

	unlink(new_path(path, kind));
	err = bpf_obj_pin(fd, path);
	return err ? fail(err, "%s: cannot pin: %s", path, strerror(-err)) : 0;
}

static int pin_final(int kind)
{
	char path[PIN_LEN], new[PIN_LEN];

	if (!rename(new_path(new, kind), pin_path(path, table_map_names[kind])))
		return 0;
	return fail(-errno, "%s: cannot pin: %s", path, strerror(errno));
}

/* The map pinned at a path, if it has this id. */
static int map_at(const char *path, __u32 id)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0 || (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.id == id))
		return fd;
	close(fd);
	return -ESTALE;
}

/* What one who was killed had in force and not under its name yet. */
static void finish_pins(const struct pins *pins)
{
	__u32 slot = pins->state->generation & 1, id;
	char path[PIN_LEN];
	int i, fd;

	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		if (bpf_map_lookup_elem(pins->outer[i], &slot, &id))
			continue;
		fd = map_at(new_path(path, i), id);
		if (fd < 0)
			continue;
		close(fd);
		pin_final(i);
	}
}

/* Only those that are not there yet. Return: how many, or a negative errno. */
static int add_matches(int map, const struct rows *rows)
{
	int added = 0, err;
	size_t i;

	for (i = 0; i < rows->map[IRQGATE_MAP_MATCHES].n; i++) {
		err = bpf_map_update_elem(map, rows_key(rows, IRQGATE_MAP_MATCHES, i),
					  rows_value(rows, IRQGATE_MAP_MATCHES, i), BPF_NOEXIST);
		if (err && err != -EEXIST)
			return fail(err, "cannot add a match to the table: %s", strerror(-err));
		added += !err;
	}
	return added;
}

static void epoch_bump(struct pins *pins)
{
	__atomic_add_fetch(&pins->state->epoch, 1, __ATOMIC_SEQ_CST);
}

/*
 * Wait for the programs that run: one that judges by the table as it was could write
 * its verdict over a newer one, and what is enforced next would go by that. A map put
 * into a map, here the one that is there already, returns after an RCU grace period
 * (maybe_wait_bpf_programs() of the kernel). docs/model.md, BREAK_SETTLE.
 */
static void settle(struct pins *pins)
{
	__u32 slot = pins->state->generation & 1;
	int map = table_map(pins, IRQGATE_MAP_CONTEXTS);

	if (map < 0)
		return;
	bpf_map_update_elem(pins->outer[IRQGATE_MAP_CONTEXTS], &slot, &map, BPF_ANY);
	close(map);
	epoch_bump(pins); /* whatever a late one left is stale */
}

int table_publish(struct pins *pins, const struct btf *btf, const struct rows *rows)
{
	int maps[IRQGATE_TABLE_MAPS] = { -1, -1, -1, -1 };
	__u32 slot = (pins->state->generation + 1) & 1;
	bool published = false;
	unsigned int i;
	char path[PIN_LEN];
	int err = 0;

	finish_pins(pins);
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		maps[i] = create_map(pins, btf, i, rows->map[i].n);
		if (maps[i] < 0) {
			err = maps[i];
			goto out;
		}
		err = add_rows(maps[i], rows, i);
		if (!err)
			err = pin_new(maps[i], i);
		if (err)
			goto out;
	}
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		err = bpf_map_update_elem(pins->outer[i], &slot, &maps[i], BPF_ANY);
		if (err) {
			fail(err, "cannot publish the table: %s", strerror(-err));
			goto out;
		}
	}
	pins->state->defaults[slot] = rows->defaults;
	__atomic_add_fetch(&pins->state->generation, 1, __ATOMIC_SEQ_CST);
	epoch_bump(pins);
	for (i = 0; i < IRQGATE_TABLE_MAPS && !err; i++)
		err = pin_final(i);
	settle(pins); /* with the pins, by which it finds its map */
	published = true;
out:
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		if (maps[i] >= 0)
			close(maps[i]);
		if (!published)
			unlink(new_path(path, i));
	}
	return err;
}

/* All rows of a map: one system call for many, with room for any bucket of the hash. */
static int read_rows(int map, struct rows *rows, int kind)
{
	size_t key_size = row_sizes[kind].key, value_size = row_sizes[kind].value;
	char *keys = malloc(BATCH_ROWS * key_size), *values = malloc(BATCH_ROWS * value_size);
	int err = keys && values ? 0 : -ENOMEM, end = 0;
	__u32 batch, n, i;
	bool first = true;

	while (!err && !end) {
		n = BATCH_ROWS;
		end = bpf_map_lookup_batch(map, first ? NULL : &batch, &batch, keys, values, &n,
					   NULL);
		if (end && end != -ENOENT)
			err = end;
		for (i = 0; !err && i < n; i++)
			err = rows_add(rows, kind, keys + i * key_size, values + i * value_size);
		first = false;
	}
	free(keys);
	free(values);
	return err;
}

int table_read(const struct pins *pins, struct rows *rows)
{
	int which, map, err = 0;

	memset(rows, 0, sizeof(*rows));
	rows->defaults = pins->state->defaults[pins->state->generation & 1];
	for (which = 0; which < IRQGATE_TABLE_MAPS && !err; which++) {
		map = table_map(pins, which);
		if (map == -ENOENT)
			continue; /* nothing was published yet */
		if (map < 0)
			return fail(map, "cannot open the table: %s", strerror(-map));
		err = read_rows(map, rows, which);
		if (err)
			fail(err, "cannot read the map %s: %s", table_map_names[which],
			     strerror(-err));
		close(map);
	}
	rows_sort(rows);
	return err;
}

static int pinned_map(enum irqgate_table_map which, __u32 id)
{
	char path[PIN_LEN];
	int fd = map_at(pin_path(path, table_map_names[which]), id);

	return fd >= 0 ? fd : map_at(new_path(path, which), id);
}

/*
 * By the pin, for a map by its id takes CAP_SYS_ADMIN, which the loader gives up
 * (user/privilege.c). While a table is published they differ for a moment.
 */
int table_map(const struct pins *pins, enum irqgate_table_map which)
{
	__u32 slot, id;
	int tries, fd;

	for (tries = 0;; tries++) {
		slot = pins->state->generation & 1;
		fd = bpf_map_lookup_elem(pins->outer[which], &slot, &id);
		if (fd)
			return fd;
		fd = pinned_map(which, id);
		if (fd < 0)
			fd = bpf_map_get_fd_by_id(id);
		if (fd != -EPERM || tries == 100)
			return fd;
		usleep(1000);
	}
}

/* The same where it must be there. */
static int open_table(const struct pins *pins, enum irqgate_table_map which)
{
	int map = table_map(pins, which);

	return map < 0 ? fail(map, "cannot open the table: %s", strerror(-map)) : map;
}

int table_clear(struct pins *pins)
{
	__u64 key[3];
	int i, map, more;

	/* Registrations first: without one a vector is unlisted, hence allowed. */
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		map = table_map(pins, i);
		if (map == -ENOENT)
			continue;
		if (map < 0)
			return fail(map, "cannot open the table: %s", strerror(-map));
		while ((more = map_next(map, NULL, key)) > 0) {
			more = bpf_map_delete_elem(map, key);
			if (more && more != -ENOENT) {
				fail(more, "a row of the table cannot be removed: %s",
				     strerror(-more));
				break;
			}
		}
		close(map);
		if (more)
			return more;
	}
	epoch_bump(pins);
	settle(pins);
	return 0;
}

int table_resolve(struct pins *pins, const struct policy *policy)
{
	int map = open_table(pins, IRQGATE_MAP_MATCHES), added;
	struct rows rows;

	if (map < 0)
		return map;
	added = rows_of_matches(&rows, policy) ?: add_matches(map, &rows);
	rows_free(&rows);
	close(map);
	if (added > 0)
		epoch_bump(pins);
	return added;
}

static bool read_name(const struct pins *pins, __u32 gd, char name[IRQGATE_NAME_LEN])
{
	struct irqgate_context_key key = { .gd = gd };
	struct irqgate_context row;
	int map = table_map(pins, IRQGATE_MAP_CONTEXTS);
	bool found = map >= 0 && !bpf_map_lookup_elem(map, &key, &row);

	if (found)
		text_safe(row.name, name, IRQGATE_NAME_LEN);
	if (map >= 0)
		close(map);
	return found;
}

/* Every event names two contexts, and most name the same: a name holds until the epoch moves. */
const char *table_context_name(const struct pins *pins, __u32 gd, char buf[IRQGATE_NAME_LEN])
{
	static struct {
		const struct irqgate_state *state;
		__u64 epoch;
		__u32 gd;
		char name[IRQGATE_NAME_LEN];
	} known[64];
	__u64 epoch;
	size_t i = gd % ARRAY_SIZE(known);

	snprintf(buf, IRQGATE_NAME_LEN, gd == IRQGATE_GD_NONE ? "-" : "gd:%u", gd);
	if (gd == IRQGATE_GD_NONE)
		return buf;
	epoch = __atomic_load_n(&pins->state->epoch, __ATOMIC_ACQUIRE);
	if (known[i].state == pins->state && known[i].epoch == epoch && known[i].gd == gd)
		return memcpy(buf, known[i].name, IRQGATE_NAME_LEN);
	if (read_name(pins, gd, buf)) {
		known[i].state = pins->state;
		known[i].epoch = epoch;
		known[i].gd = gd;
		memcpy(known[i].name, buf, IRQGATE_NAME_LEN);
	}
	return buf;
}

/* The context of one process and its children, made for `allow --to pid:N`. */
static int context_of_pid(struct pins *pins, int contexts, const char *name, __u32 gd)
{
	struct policy_match m = { .kind = IRQGATE_MATCH_PID };
	struct rows rows;
	char *end;
	int map, err;

	errno = 0;
	m.id = strtol(name + 4, &end, 10);
	if (errno || *end || end == name + 4 || m.id <= 0 || m.id > INT_MAX)
		return fail(-EINVAL, "%s: not a process: expected pid:N with N above 0", name);
	err = add_context(contexts, name, gd);
	if (err)
		return err;
	map = open_table(pins, IRQGATE_MAP_MATCHES);
	if (map < 0)
		return map;
	err = rows_of_match(&rows, &m, gd) ?: add_matches(map, &rows);
	rows_free(&rows);
	close(map);
	if (!err)
		return fail(-EEXIST, "%s: the process is matched by another context already", name);
	return err < 0 ? err : 0;
}

int table_context(struct pins *pins, const char *name, bool create, __u32 *gd)
{
	struct irqgate_context_key key, *prev = NULL;
	int map = open_table(pins, IRQGATE_MAP_CONTEXTS), err = -ENOENT, more;
	struct irqgate_context row;
	__u32 next = 1;

	if (map < 0)
		return map;
	while ((more = map_next(map, prev, &key)) > 0) {
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
	if (more < 0) {
		err = more;
	} else if (create && !strncmp(name, "pid:", 4)) {
		err = context_of_pid(pins, map, name, next);
		*gd = next;
	}
out:
	close(map);
	return err;
}

/* The two maps in force a change of vectors is about. */
struct changed {
	int devices, vectors;
};

static int rows_open(const struct pins *pins, struct changed *rows)
{
	rows->devices = open_table(pins, IRQGATE_MAP_DEVICES);
	rows->vectors = rows->devices < 0 ? -1 : open_table(pins, IRQGATE_MAP_VECTORS);
	if (rows->devices < 0)
		return rows->devices;
	return rows->vectors < 0 ? rows->vectors : 0;
}

/* The change is complete: every cached verdict is stale now. */
static void rows_close(struct pins *pins, const struct changed *rows)
{
	epoch_bump(pins);
	settle(pins);
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
	struct changed rows;
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
	struct changed rows;
	int err = rows_open(pins, &rows);

	if (err)
		goto out;
	/* An unlisted device keeps running with its vectors swallowed. */
	vec.action = IRQGATE_ACTION_DROP;
	if (!bpf_map_lookup_elem(rows.devices, &dkey, &reg) && reg.action >= IRQGATE_ACTION_DENY)
		vec.action = reg.action;
	err = add_vectors(rows.vectors, handle, vectors, &vec);
	/* All there is: INTx, too. */
	vkey.vector = IRQGATE_VECTOR_FUNCTION;
	if (!err && vectors->all)
		err = add(rows.vectors, &vkey, &vec);
out:
	rows_close(pins, &rows);
	return err;
}
