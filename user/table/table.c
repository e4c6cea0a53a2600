// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/cgroup.h"
#include "lib/log.h"
#include "lib/text.h"
#include "table/revoke.h"
#include "table/table.h"

#define SPARE_VECTOR_ROWS 65536
#define BATCH_ROWS 4096

/* For each map: the BTF types, by which bpftool prints names, and the size; 0: see map_room(). */
static const struct {
	const char *key_type, *value_type;
	__u32 max_entries;
} kinds[IRQGATE_TABLE_MAPS] = {
	[IRQGATE_MAP_DEVICES] = { "irqgate_device_key", "irqgate_registration",
				  IRQGATE_MAX_DEVICES },
	[IRQGATE_MAP_VECTORS] = { "irqgate_vector_key", "irqgate_vector_auth", 0 },
	/*
	 * A match by pid has a second row, for the process. A replaced executable keeps its row as
	 * long as a process runs it.
	 */
	[IRQGATE_MAP_MATCHES] = { "irqgate_match_key", "irqgate_match", 2 * IRQGATE_MAX_MATCHES },
	[IRQGATE_MAP_CONTEXTS] = { "irqgate_context_key", "irqgate_context", IRQGATE_MAX_CONTEXTS },
	[IRQGATE_MAP_CGROUPS] = { "irqgate_cgroup_key", "irqgate_cgroup", 4 * IRQGATE_MAX_MATCHES },
	[IRQGATE_MAP_PATHS] = { "irqgate_path_key", "irqgate_cgroup", IRQGATE_MAX_MATCHES },
};

/* Takes the types of the map in force, if the caller has no BPF object. */
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
 * The size has room for @rows and for rows that `allow` adds. The kernel takes memory only for
 * existing rows, and 16 bytes for each possible row.
 */
static __u32 map_room(int kind, size_t rows)
{
	switch (kind) {
	case IRQGATE_MAP_VECTORS:
		return rows + rows / 2 + SPARE_VECTOR_ROWS;
	case IRQGATE_MAP_CGROUPS: /* rows that table_tidy() has not removed yet must not block it */
		return rows + kinds[kind].max_entries;
	default:
		return kinds[kind].max_entries;
	}
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
			return fail(err, "map %s: cannot create: no BTF of the map in force: %s",
				    table_map_names[kind], strerror(-err));
	}
	snprintf(name, sizeof(name), "irqgate_%.7s", table_map_names[kind]);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, row_sizes[kind].key, row_sizes[kind].value,
			    map_room(kind, rows), &opts);
	if (!btf && (int)opts.btf_fd > 0)
		close(opts.btf_fd);
	if (fd < 0)
		return fail(fd, "map %s: cannot create: %s", table_map_names[kind], strerror(-fd));
	return fd;
}

static int add(int map, const void *key, const void *value)
{
	int err = bpf_map_update_elem(map, key, value, BPF_ANY);

	return err ? fail(err, "table: cannot add a row: %s", strerror(-err)) : 0;
}

/* Adds all rows of a map, many with one system call. */
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
			fail(err, "table: cannot add rows: %s", strerror(-err));
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
 * A new map is pinned as NAME_new until it is in force, and then as NAME, which operators and
 * bpftool know. A process that must not get a map by its id finds the map by one of the two pins,
 * even if the publisher was killed in between.
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

/* Renames the pins of maps that are in force, if a killed publisher did not. */
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

/* Adds only rows with new keys. Return: their number, or a negative errno. */
static int add_new(int map, const struct rows *rows, enum irqgate_table_map which)
{
	int added = 0, err;
	size_t i;

	for (i = 0; i < rows->map[which].n; i++) {
		err = bpf_map_update_elem(map, rows_key(rows, which, i), rows_value(rows, which, i),
					  BPF_NOEXIST);
		if (err && err != -EEXIST)
			return fail(err, "table: cannot add a match: %s", strerror(-err));
		added += !err;
	}
	return added;
}

static void epoch_bump(struct pins *pins)
{
	__atomic_add_fetch(&pins->state->epoch, 1, __ATOMIC_SEQ_CST);
}

/*
 * Waits for running programs. A program that judges by the old table could overwrite a newer
 * verdict, and the loader would then enforce the old one. An update of a map in a map returns after
 * an RCU grace period (maybe_wait_bpf_programs() of the kernel), so put the same map in again.
 * docs/model.md, BREAK_SETTLE.
 */
static void wait_for_programs(struct pins *pins)
{
	__u32 slot = pins->state->generation & 1;
	int map = table_map(pins, IRQGATE_MAP_CONTEXTS);

	if (map < 0)
		return;
	bpf_map_update_elem(pins->outer[IRQGATE_MAP_CONTEXTS], &slot, &map, BPF_ANY);
	close(map);
	epoch_bump(pins); /* makes verdicts of such late programs stale */
}

void table_end_change(struct pins *pins)
{
	__atomic_add_fetch(&pins->state->changes, 1, __ATOMIC_SEQ_CST);
	epoch_bump(pins);
	wait_for_programs(pins);
}

/*
 * Adds cgroups that were created since rows_of_matches() looked. From now on cgroup_made() of
 * bpf/lifecycle.bpf.c adds new cgroups, because it knows the map.
 */
static int add_new_cgroups(int map, const struct rows *rows)
{
	const struct irqgate_path_key *path;
	struct irqgate_cgroup_key key;
	size_t i;

	for (i = 0; i < rows->map[IRQGATE_MAP_PATHS].n; i++) {
		path = rows_key(rows, IRQGATE_MAP_PATHS, i);
		if (!cgroup_id(path->path, &key.id) &&
		    bpf_map_update_elem(map, &key, rows_value(rows, IRQGATE_MAP_PATHS, i), BPF_ANY))
			return fail(-errno, "cgroup \"%s\": cannot add to the table: %s",
				    path->path, strerror(errno));
	}
	return 0;
}

int table_publish(struct pins *pins, const struct btf *btf, const struct rows *rows)
{
	int maps[IRQGATE_TABLE_MAPS];
	__u32 slot = (pins->state->generation + 1) & 1;
	bool published = false;
	unsigned int i;
	char path[PIN_LEN];
	int err = 0;

	memset(maps, -1, sizeof(maps));
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
	/*
	 * PATHS before CGROUPS. The numbers of another table's paths mean other cgroups here, and
	 * cgroup_made() of bpf/lifecycle.bpf.c must not write them into this table. An update
	 * returns after an RCU grace period, so no program uses the old paths when the next one
	 * begins.
	 */
	_Static_assert(IRQGATE_MAP_PATHS > IRQGATE_MAP_CGROUPS, "the loop runs backwards");
	for (i = IRQGATE_TABLE_MAPS; i-- > 0;) {
		err = bpf_map_update_elem(pins->outer[i], &slot, &maps[i], BPF_ANY);
		if (err) {
			fail(err, "table: cannot publish: %s", strerror(-err));
			goto out;
		}
	}
	err = add_new_cgroups(maps[IRQGATE_MAP_CGROUPS], rows);
	if (err)
		goto out;
	pins->state->defaults[slot] = rows->defaults;
	__atomic_add_fetch(&pins->state->generation, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&pins->state->changes, 1, __ATOMIC_SEQ_CST);
	epoch_bump(pins);
	for (i = 0; i < IRQGATE_TABLE_MAPS && !err; i++)
		err = pin_final(i);
	wait_for_programs(pins); /* after pin_final(), because table_map() uses the pins */
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

/* Reads all rows of a map, many with one system call. BATCH_ROWS has room for any hash bucket. */
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

int table_read_map(const struct pins *pins, struct rows *rows, enum irqgate_table_map which)
{
	int map = table_map(pins, which), err;

	if (map == -ENOENT)
		return 0; /* no table was published yet */
	if (map < 0)
		return fail(map, "table: cannot open: %s", strerror(-map));
	err = read_rows(map, rows, which);
	if (err)
		fail(err, "map %s: cannot read: %s", table_map_names[which], strerror(-err));
	close(map);
	return err;
}

int table_read(const struct pins *pins, struct rows *rows)
{
	int which, err = 0;

	memset(rows, 0, sizeof(*rows));
	rows->defaults = pins->state->defaults[pins->state->generation & 1];
	for (which = 0; which < IRQGATE_TABLE_MAPS && !err; which++)
		err = table_read_map(pins, rows, which);
	rows_sort(rows);
	return err ?: revocations_read(pins, &rows->revoked);
}

static int pinned_map(enum irqgate_table_map which, __u32 id)
{
	char path[PIN_LEN];
	int fd = map_at(pin_path(path, table_map_names[which]), id);

	return fd >= 0 ? fd : map_at(new_path(path, which), id);
}

/*
 * Opens the map by its pin, because opening by id needs CAP_SYS_ADMIN, which the loader gives up
 * (user/loader/privilege.c). While a table is published, pin and id differ for a moment, so retry.
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

int table_registration(const struct pins *pins, __u64 handle, struct irqgate_registration *reg)
{
	struct irqgate_device_key key = { .handle = handle };
	int devices = table_map(pins, IRQGATE_MAP_DEVICES), found;

	memset(reg, 0, sizeof(*reg));
	if (devices < 0)
		return devices;
	found = !bpf_map_lookup_elem(devices, &key, reg);
	close(devices);
	return found;
}

bool table_governs(const struct pins *pins)
{
	return pins->state->defaults[pins->state->generation & 1].governs;
}

/* The same, but a missing map is an error. */
static int open_table(const struct pins *pins, enum irqgate_table_map which)
{
	int map = table_map(pins, which);

	return map < 0 ? fail(map, "table: cannot open: %s", strerror(-map)) : map;
}

int table_clear(struct pins *pins)
{
	char key[IRQGATE_PATH_MAX]; /* the largest key of all maps */
	int i, map, more, err;

	/* Devices first: a vector without a registration is unlisted, and so allowed. */
	for (i = 0; i < IRQGATE_TABLE_MAPS; i++) {
		map = table_map(pins, i);
		if (map == -ENOENT)
			continue;
		if (map < 0)
			return fail(map, "table: cannot open: %s", strerror(-map));
		while ((more = map_next(map, NULL, key)) > 0) {
			more = bpf_map_delete_elem(map, key);
			if (more && more != -ENOENT) {
				fail(more, "table: cannot remove a row: %s", strerror(-more));
				break;
			}
		}
		close(map);
		if (more)
			return more;
	}
	err = revocations_clear(pins);
	table_end_change(pins);
	return err;
}

int table_resolve(struct pins *pins, const struct policy *policy)
{
	int matches = open_table(pins, IRQGATE_MAP_MATCHES);
	int cgroups = matches < 0 ? matches : open_table(pins, IRQGATE_MAP_CGROUPS);
	int added = cgroups < 0 ? cgroups : 0, more;
	struct rows rows;

	if (!added) {
		added = rows_of_matches(&rows, policy)
				?: add_new(matches, &rows, IRQGATE_MAP_MATCHES);
		more = added < 0 ? 0 : add_new(cgroups, &rows, IRQGATE_MAP_CGROUPS);
		added = more < 0 ? more : added + more;
		rows_free(&rows);
	}
	if (matches >= 0)
		close(matches);
	if (cgroups >= 0)
		close(cgroups);
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

/* Each event names two contexts, mostly the same ones. So cache names until the epoch moves. */
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

/* N of "pid:N"; 0: not such a text. */
static __u32 named_pid(const char *name)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(name + 4, &end, 10);
	return errno || *end || end == name + 4 || pid <= 0 || pid > INT_MAX ? 0 : (__u32)pid;
}

/*
 * Finds the running process of "pid:N". If an earlier process with this pid was allowed a vector,
 * the running one does not inherit that.
 */
static int living_process(int matches, const char *name, struct irqgate_match_key *key,
			  struct irqgate_match *row)
{
	struct irqgate_match meant;
	int err;

	*key = (struct irqgate_match_key){ .kind = IRQGATE_MATCH_PROCESS, .pid = named_pid(name) };
	if (!key->pid)
		return fail(-EINVAL, "%s: not a process: expected pid:N with N above 0", name);
	err = process_start(key->pid, &row->start);
	if (err)
		return fail(err, "%s: cannot be found: %s", name, strerror(-err));
	if (bpf_map_lookup_elem(matches, key, &meant) || meant.start == row->start)
		return 0;
	return fail(-ESTALE,
		    "%s: the table names an earlier process with this pid, which has ended; "
		    "'irqgate apply' of a policy without this pid removes the row",
		    name);
}

/* Creates the context of one process and its children, for `allow --to pid:N`. */
static int context_of_pid(struct pins *pins, int matches, int contexts, const char *name, __u32 gd)
{
	struct irqgate_match process = {}, row = { .gd = gd };
	struct irqgate_match_key key, own;
	__u16 *kinds = pins->state->defaults[pins->state->generation & 1].kinds;
	int err = living_process(matches, name, &key, &process);

	if (err)
		return err;
	own = (struct irqgate_match_key){ .kind = IRQGATE_MATCH_PID, .pid = key.pid };
	if (!bpf_map_lookup_elem(matches, &own, &row))
		return fail(-EEXIST, "%s: another context already matches the process", name);
	err = add_context(contexts, name, gd) ?:
	      add(matches, &key, &process) ?:
	      add(matches, &own, &row);
	__atomic_or_fetch(&kinds[0], (__u16)(1u << IRQGATE_MATCH_PID), __ATOMIC_SEQ_CST);
	return err;
}

int table_context(struct pins *pins, const char *name, bool create, __u32 *gd)
{
	struct irqgate_context_key key, *prev = NULL;
	int map = open_table(pins, IRQGATE_MAP_CONTEXTS), err = -ENOENT, more;
	int matches = map < 0 ? map : open_table(pins, IRQGATE_MAP_MATCHES);
	bool process = create && !strncmp(name, "pid:", 4);
	struct irqgate_match_key process_key;
	struct irqgate_match process_row;
	struct irqgate_context row;
	__u32 next = 1;

	if (matches < 0) {
		err = matches;
		goto out;
	}
	while ((more = map_next(map, prev, &key)) > 0) {
		prev = &key;
		if (bpf_map_lookup_elem(map, &key, &row))
			continue;
		if (key.gd >= next)
			next = key.gd + 1;
		if (!strcmp(row.name, name)) {
			*gd = key.gd;
			err = process ? living_process(matches, name, &process_key, &process_row)
				      : 0;
			goto out;
		}
	}
	if (more < 0) {
		err = more;
	} else if (process) {
		err = context_of_pid(pins, matches, map, name, next);
		*gd = next;
	}
out:
	if (matches >= 0)
		close(matches);
	if (map >= 0)
		close(map);
	return err;
}

/* The two maps in force that a change of vectors writes. */
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

static void rows_close(struct pins *pins, const struct changed *rows)
{
	table_end_change(pins);
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
	const struct irqgate_defaults *def = &pins->state->defaults[pins->state->generation & 1];
	struct irqgate_registration reg;
	struct changed rows;
	int err = rows_open(pins, &rows);

	if (err)
		goto out;
	if (bpf_map_lookup_elem(rows.devices, &dkey, &reg)) {
		memset(&reg, 0, sizeof(reg));
		reg.gd = gd;
		reg.action = IRQGATE_ACTION_DENY;
		reg.access = def->access;
		reg.on_mapped = def->on_mapped;
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
	/*
	 * Vector rows first: with the registration, a vector without a row is unauthorized at once.
	 */
	if (gd != reg.gd)
		reg.flags |= IRQGATE_REG_SHARED;
	err = add_vectors(rows.vectors, handle, vectors, &vec);
	if (!err)
		err = add(rows.devices, &dkey, &reg);
out:
	rows_close(pins, &rows);
	return err;
}
