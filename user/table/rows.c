// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "lib/array.h"
#include "lib/cgroup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/names.h"
#include "lib/text.h"
#include "table/rows.h"

#define IRQGATE_MATCH_FIND(rows, key) rows_find(rows, IRQGATE_MAP_MATCHES, key)
#define IRQGATE_CGROUP_FIND(rows, key) rows_find(rows, IRQGATE_MAP_CGROUPS, key)
#include <irqgate/match.h>

const struct row_size row_sizes[IRQGATE_TABLE_MAPS] = {
	[IRQGATE_MAP_DEVICES] = { sizeof(struct irqgate_device_key),
				  sizeof(struct irqgate_registration) },
	[IRQGATE_MAP_VECTORS] = { sizeof(struct irqgate_vector_key),
				  sizeof(struct irqgate_vector_auth) },
	[IRQGATE_MAP_MATCHES] = { sizeof(struct irqgate_match_key), sizeof(struct irqgate_match) },
	[IRQGATE_MAP_CONTEXTS] = { sizeof(struct irqgate_context_key),
				   sizeof(struct irqgate_context) },
	[IRQGATE_MAP_CGROUPS] = { sizeof(struct irqgate_cgroup_key),
				  sizeof(struct irqgate_cgroup) },
	[IRQGATE_MAP_PATHS] = { sizeof(struct irqgate_path_key), sizeof(struct irqgate_cgroup) },
};

/* Keys and values are aligned for 64-bit numbers. */
static size_t value_at(enum irqgate_table_map which)
{
	return (row_sizes[which].key + 7) & ~(size_t)7;
}

static size_t row_size(enum irqgate_table_map which)
{
	return value_at(which) + ((row_sizes[which].value + 7) & ~(size_t)7);
}

void *rows_key(const struct rows *rows, enum irqgate_table_map which, size_t i)
{
	return rows->map[which].data + i * row_size(which);
}

void *rows_value(const struct rows *rows, enum irqgate_table_map which, size_t i)
{
	return (char *)rows_key(rows, which, i) + value_at(which);
}

static int compare_device(const void *a, const void *b)
{
	const struct irqgate_device_key *x = a, *y = b;

	return order_of(x->handle, y->handle);
}

static int compare_vector(const void *a, const void *b)
{
	const struct irqgate_vector_key *x = a, *y = b;

	return order_of_vectors(x->handle, x->vector, y->handle, y->vector);
}

static int compare_match(const void *a, const void *b)
{
	const struct irqgate_match_key *x = a, *y = b;

	return order_of(x->kind, y->kind) ?:
	       order_of(x->source, y->source) ?:
	       order_of(x->cgroup, y->cgroup) ?:
	       order_of(x->pid, y->pid) ?:
	       order_of(x->exe_dev, y->exe_dev) ?:
	       order_of(x->exe_ino, y->exe_ino) ?:
	       order_of(x->uid, y->uid);
}

static int compare_context(const void *a, const void *b)
{
	const struct irqgate_context_key *x = a, *y = b;

	return order_of(x->gd, y->gd);
}

static int compare_cgroup(const void *a, const void *b)
{
	const struct irqgate_cgroup_key *x = a, *y = b;

	return order_of(x->id, y->id);
}

static int compare_path(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct irqgate_path_key));
}

static int (*const compare[IRQGATE_TABLE_MAPS])(const void *, const void *) = {
	[IRQGATE_MAP_DEVICES] = compare_device, [IRQGATE_MAP_VECTORS] = compare_vector,
	[IRQGATE_MAP_MATCHES] = compare_match,  [IRQGATE_MAP_CONTEXTS] = compare_context,
	[IRQGATE_MAP_CGROUPS] = compare_cgroup, [IRQGATE_MAP_PATHS] = compare_path,
};

int rows_compare(enum irqgate_table_map which, const void *a, const void *b)
{
	return compare[which](a, b);
}

void *rows_find(const struct rows *rows, enum irqgate_table_map which, const void *key)
{
	const struct row_set *set = &rows->map[which];
	char *row =
		set->n ? bsearch(key, set->data, set->n, row_size(which), compare[which]) : NULL;

	return row ? row + value_at(which) : NULL;
}

int rows_add(struct rows *rows, enum irqgate_table_map which, const void *key, const void *value)
{
	struct row_set *set = &rows->map[which];
	char *more = array_more(set->data, set->n, row_size(which));

	if (!more)
		return -ENOMEM;
	set->data = more;
	memcpy(rows_key(rows, which, set->n), key, row_sizes[which].key);
	memcpy(rows_value(rows, which, set->n), value, row_sizes[which].value);
	set->n++;
	return 0;
}

/* Saves the sort: a policy that names devices and vectors in order makes sorted rows. */
static bool sorted(const struct rows *rows, int which)
{
	size_t i;

	for (i = 1; i < rows->map[which].n; i++)
		if (compare[which](rows_key(rows, which, i - 1), rows_key(rows, which, i)) > 0)
			return false;
	return true;
}

void rows_sort(struct rows *rows)
{
	int which;

	for (which = 0; which < IRQGATE_TABLE_MAPS; which++)
		if (!sorted(rows, which))
			qsort(rows->map[which].data, rows->map[which].n, row_size(which),
			      compare[which]);
}

void rows_free(struct rows *rows)
{
	int which;

	for (which = 0; which < IRQGATE_TABLE_MAPS; which++)
		free(rows->map[which].data);
	free(rows->revoked.of);
	memset(rows, 0, sizeof(*rows));
}

#define XFS_FILEID_64 0x80 /* fs/xfs/xfs_export.h */

/* ---- matches --------------------------------------------------------------- */

/* The kernel encodes dev_t in 12 bits of major and 20 of minor (MKDEV). */
static __u32 kernel_dev(dev_t dev)
{
	return major(dev) << 20 | minor(dev);
}

/*
 * The device of an inode in the kernel, super_block.s_dev. stat(2) gives another device on btrfs
 * and overlayfs, so take s_dev from /proc/self/mountinfo (show_mountinfo() in fs/proc_namespace.c).
 * Return: 0 or a negative errno.
 */
static int super_dev(const char *path, dev_t fallback, __u32 *dev)
{
	unsigned int ma, mi;
	struct statx st;
	char line[4096];
	int mount;
	FILE *f;

	*dev = kernel_dev(fallback);
	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st) || !(st.stx_mask & STATX_MNT_ID))
		return 0;
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%d %*d %u:%u", &mount, &ma, &mi) == 3 &&
		    (__u64)mount == st.stx_mnt_id)
			*dev = kernel_dev(makedev(ma, mi));
	return close_read(f);
}

/*
 * Generation of an inode. It distinguishes the inode from a later one that reuses the number. File
 * systems store it in the file handle, each at its own place (their encode_fh). 0: unknown file
 * system, or no generation.
 */
static __u32 inode_generation(const char *path, __u64 ino)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	struct statfs fs;
	__u32 word[3] = {};
	int mount;

	if (statfs(path, &fs) ||
	    name_to_handle_at(AT_FDCWD, path, &h.handle, &mount, AT_SYMLINK_FOLLOW))
		return 0;
	memcpy(word, h.handle.f_handle,
	       h.handle.handle_bytes < sizeof(word) ? h.handle.handle_bytes : sizeof(word));
	switch (fs.f_type) {
	case TMPFS_MAGIC:
		return word[1] == (__u32)ino ? word[0] : 0;
	case EXT4_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
		return word[0] == (__u32)ino ? word[1] : 0;
	case XFS_SUPER_MAGIC: /* with inode numbers of 64 bits or of 32 */
		return h.handle.handle_type & XFS_FILEID_64 ? word[2] : word[1];
	case BTRFS_SUPER_MAGIC:
		memcpy(word, h.handle.f_handle + 2 * sizeof(__u64), sizeof(word[0]));
		return word[0];
	default:
		return 0;
	}
}

/*
 * Finds the executable that the path names now.
 * Return: 1; 0: no file; or a negative errno, after it printed the error.
 */
static int find_exe(const char *path, struct irqgate_match_key *key, __u32 *gen, bool *partial)
{
	struct stat st;
	int err;

	if (stat(path, &st)) {
		*partial |= errno != ENOENT && errno != ENOTDIR;
		return 0;
	}
	key->exe_ino = st.st_ino;
	*gen = inode_generation(path, st.st_ino);
	err = super_dev(path, st.st_dev, &key->exe_dev);
	return err ? fail(err, "%s: cannot find its device in /proc/self/mountinfo: %s", path,
			  strerror(-err))
		   : 1;
}

int process_start(__u32 pid, __u64 *start)
{
	unsigned long long ticks;
	char path[64], text[1024], *p;
	int err;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	err = read_text(path, text, sizeof(text));
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	/* The command name may have any character, even a newline. Field 3 follows the last ')'. */
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1,
			 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			 "%*d %*d %*d %llu",
			 &ticks) != 1)
		return -EINVAL;
	*start = ticks;
	return 0;
}

int process_is(__u32 pid, __u64 start)
{
	__u64 now;
	int err = process_start(pid, &now);

	return err == -ESRCH ? 0 : err ?: !start || now == start;
}

__u64 process_ticks(__u64 start)
{
	return start / IRQGATE_NSEC_PER_TICK;
}

/* A pid means the process that has it now. The row keeps the start time of that process. */
static int add_process(struct rows *rows, __u32 pid)
{
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PROCESS, .pid = pid };
	struct irqgate_match row = { .start = IRQGATE_START_NOBODY };
	int err = process_start(pid, &row.start);

	if (err && err != -ESRCH)
		return fail(err, "pid %u: cannot find out when it started: %s", pid,
			    strerror(-err));
	return rows_add(rows, IRQGATE_MAP_MATCHES, &key, &row);
}

/* The cgroups of a policy, sorted. The number of a cgroup is its place, from 1. */
struct cgroups {
	const char **text;
	size_t n;
};

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_cgroups(struct cgroups *all, const struct policy *policy)
{
	unsigned int i;
	size_t n = 0;

	all->n = 0;
	all->text = calloc(policy->ncontexts + policy->nsources + 1, sizeof(*all->text));
	if (!all->text)
		return -ENOMEM;
	for (i = 0; i < policy->ncontexts; i++)
		if (policy->contexts[i].match.cgroup)
			all->text[n++] = policy->contexts[i].match.cgroup;
	for (i = 0; i < policy->nsources; i++)
		if (policy->sources[i].match.cgroup)
			all->text[n++] = policy->sources[i].match.cgroup;
	qsort(all->text, n, sizeof(*all->text), compare_text);
	for (i = 0; i < n; i++)
		if (!all->n || strcmp(all->text[all->n - 1], all->text[i]))
			all->text[all->n++] = all->text[i];
	return 0;
}

static __u32 cgroup_number(const struct cgroups *all, const char *text)
{
	const char **at = bsearch(&text, all->text, all->n, sizeof(*all->text), compare_text);

	return at ? (__u32)(at - all->text) + 1 : 0;
}

/*
 * Adds the row of the path, for a cgroup that appears later (bpf/lifecycle.bpf.c), and the row of
 * the id, if the cgroup exists.
 */
static int add_cgroup(struct rows *rows, const char *text, __u32 number)
{
	struct irqgate_cgroup row = { .number = number };
	struct irqgate_path_key path = {};
	struct irqgate_cgroup_key key;
	int err = 0;

	if (strlen(text) < sizeof(path.path) - 1) {
		strcpy(path.path, text);
		err = rows_add(rows, IRQGATE_MAP_PATHS, &path, &row);
	}
	if (err)
		return err;
	err = cgroup_id(text, &key.id);
	if (!err)
		return rows_add(rows, IRQGATE_MAP_CGROUPS, &key, &row);
	if (err != -ENOENT)
		rows->partial |= 1u << IRQGATE_MAP_CGROUPS;
	return 0;
}

static int add_match(struct rows *rows, const struct policy_match *m, const struct cgroups *cgroups,
		     __u32 gd, __u64 handle)
{
	struct irqgate_match_key key = {
		.kind = m->kinds, .source = handle != 0, .pid = m->pid, .uid = m->uid
	};
	struct irqgate_match row = { .gd = gd, .handle = handle };
	bool partial = false;
	int err, there;

	if (!m->kinds)
		return 0;
	err = m->kinds & IRQGATE_MATCH_PID ? add_process(rows, m->pid) : 0;
	if (err)
		return err;
	if (m->cgroup)
		key.cgroup = cgroup_number(cgroups, m->cgroup);
	/* Set it even if the executable does not exist yet: table_resolve() only adds rows. */
	rows->defaults.kinds[key.source] |= 1u << m->kinds;
	there = m->exe ? find_exe(m->exe, &key, &row.exe_gen, &partial) : 1;
	if (partial)
		rows->partial |= 1u << IRQGATE_MAP_MATCHES;
	return there > 0 ? rows_add(rows, IRQGATE_MAP_MATCHES, &key, &row) : there;
}

/*
 * Two paths may lead to one executable or one cgroup. Then the first row of the policy counts. The
 * rows that stay are sorted.
 */
static void drop_doubles(struct rows *rows, enum irqgate_table_map which)
{
	char row[sizeof(struct irqgate_match_key) + sizeof(struct irqgate_match)];
	size_t size = row_size(which), kept = 0, low, high, i;
	struct row_set *set = &rows->map[which];

	for (i = 0; i < set->n; i++) {
		memcpy(row, set->data + i * size, size);
		for (low = 0, high = kept; low < high;) {
			size_t mid = (low + high) / 2;

			if (compare[which](set->data + mid * size, row) < 0)
				low = mid + 1;
			else
				high = mid;
		}
		if (low < kept && !compare[which](set->data + low * size, row))
			continue;
		memmove(set->data + (low + 1) * size, set->data + low * size, (kept - low) * size);
		memcpy(set->data + low * size, row, size);
		kept++;
	}
	set->n = kept;
}

int rows_of_matches(struct rows *rows, const struct policy *policy)
{
	struct cgroups cgroups;
	unsigned int i;
	int err;

	memset(rows, 0, sizeof(*rows));
	rows->defaults = policy->defaults;
	rows->defaults.access = rows->defaults.access ?: IRQGATE_ACCESS_ANY;
	rows->defaults.on_mapped = rows->defaults.on_mapped ?: IRQGATE_ON_MAPPED_REPORT;
	rows->defaults.governs = rows->defaults.access == IRQGATE_ACCESS_OWNER;
	err = collect_cgroups(&cgroups, policy);
	for (i = 0; i < cgroups.n && !err; i++)
		err = add_cgroup(rows, cgroups.text[i], i + 1);
	for (i = 0; i < policy->ncontexts && !err; i++)
		err = add_match(rows, &policy->contexts[i].match, &cgroups, policy->contexts[i].gd,
				0);
	for (i = 0; i < policy->nsources && !err; i++)
		err = add_match(rows, &policy->sources[i].match, &cgroups,
				policy->contexts[policy->sources[i].context].gd,
				policy->sources[i].handle);
	free(cgroups.text);
	drop_doubles(rows, IRQGATE_MAP_MATCHES);
	drop_doubles(rows, IRQGATE_MAP_CGROUPS);
	return err;
}

static void carry_processes(struct rows *to, const struct rows *from)
{
	size_t i;

	for (i = 0; i < to->map[IRQGATE_MAP_MATCHES].n; i++) {
		const struct irqgate_match_key *key = rows_key(to, IRQGATE_MAP_MATCHES, i);
		struct irqgate_match *row = rows_value(to, IRQGATE_MAP_MATCHES, i);
		const struct irqgate_match *old;

		if (key->kind != IRQGATE_MATCH_PROCESS)
			continue;
		old = rows_find(from, IRQGATE_MAP_MATCHES, key);
		if (old)
			row->start = old->start;
	}
}

/* The number in @to of the cgroup that has @number in @from; 0: none. */
static __u32 cgroup_there(const struct rows *to, const struct rows *from, __u32 number)
{
	const struct irqgate_cgroup *row;
	size_t i;

	for (i = 0; i < from->map[IRQGATE_MAP_PATHS].n; i++) {
		row = rows_value(from, IRQGATE_MAP_PATHS, i);
		if (row->number != number)
			continue;
		row = rows_find(to, IRQGATE_MAP_PATHS, rows_key(from, IRQGATE_MAP_PATHS, i));
		return row ? row->number : 0;
	}
	return 0;
}

static int carry_cgroups(struct rows *to, const struct rows *from)
{
	struct irqgate_cgroup row = {};
	int err = 0;
	size_t i;

	for (i = 0; i < from->map[IRQGATE_MAP_CGROUPS].n && !err; i++) {
		const struct irqgate_cgroup *old = rows_value(from, IRQGATE_MAP_CGROUPS, i);

		row.number = cgroup_there(to, from, old->number);
		if (row.number)
			err = rows_add(to, IRQGATE_MAP_CGROUPS,
				       rows_key(from, IRQGATE_MAP_CGROUPS, i), &row);
	}
	drop_doubles(to, IRQGATE_MAP_CGROUPS);
	return err;
}

/* The policy's match for the context or source of a row. */
static const struct policy_match *match_of(const struct policy *p, const struct irqgate_match *row)
{
	unsigned int i;

	for (i = 0; i < p->ncontexts && !row->handle; i++)
		if (p->contexts[i].gd == row->gd)
			return &p->contexts[i].match;
	for (i = 0; i < p->nsources && row->handle; i++)
		if (p->sources[i].handle == row->handle)
			return &p->sources[i].match;
	return NULL;
}

/* Sets gd and handle as the policy sets them for a match. The executable's generation stays. */
static bool row_of(const struct policy *p, const struct policy_match *m, bool source,
		   struct irqgate_match *row)
{
	unsigned int i;

	for (i = 0; i < p->ncontexts && !source; i++)
		if (policy_match_equal(&p->contexts[i].match, m))
			return row->gd = p->contexts[i].gd, true;
	for (i = 0; i < p->nsources && source; i++) {
		if (!policy_match_equal(&p->sources[i].match, m))
			continue;
		row->gd = p->contexts[p->sources[i].context].gd;
		row->handle = p->sources[i].handle;
		return true;
	}
	return false;
}

/* Keeps rows of replaced executables, which may still run, if both policies have the match. */
static int carry_exes(struct rows *to, const struct policy *policy, const struct rows *from,
		      const struct policy *old)
{
	int err = 0;
	size_t i;

	for (i = 0; i < from->map[IRQGATE_MAP_MATCHES].n && !err; i++) {
		struct irqgate_match_key key =
			*(struct irqgate_match_key *)rows_key(from, IRQGATE_MAP_MATCHES, i);
		struct irqgate_match row =
			*(struct irqgate_match *)rows_value(from, IRQGATE_MAP_MATCHES, i);
		const struct policy_match *m;

		if (key.kind == IRQGATE_MATCH_PROCESS || !(key.kind & IRQGATE_MATCH_EXE))
			continue;
		m = match_of(old, &row);
		if (!m || m->kinds != key.kind || !row_of(policy, m, key.source, &row))
			continue;
		if (key.cgroup)
			key.cgroup = cgroup_there(to, from, key.cgroup);
		if (key.cgroup || !m->cgroup)
			err = rows_add(to, IRQGATE_MAP_MATCHES, &key, &row);
	}
	drop_doubles(to, IRQGATE_MAP_MATCHES);
	return err;
}

int rows_carry(struct rows *to, const struct policy *policy, const struct rows *from,
	       const struct policy *old)
{
	int err;

	carry_processes(to, from);
	err = carry_cgroups(to, from);
	if (!err && old)
		err = carry_exes(to, policy, from, old);
	return err;
}

static void warn_of_match(const struct rows *rows, const struct policy *policy,
			  const struct policy_match *m, unsigned int file, unsigned int line)
{
	struct irqgate_match_key key = { .kind = IRQGATE_MATCH_PROCESS, .pid = m->pid };
	const struct irqgate_match *row = rows_find(rows, IRQGATE_MAP_MATCHES, &key);

	if (m->kinds & IRQGATE_MATCH_PID && row && row->start == IRQGATE_START_NOBODY)
		msg("%s:%u: no process has pid %u: the row matches no process, not even one that "
		    "gets this pid later",
		    policy->files[file], line, m->pid);
}

void rows_warn(const struct rows *rows, const struct policy *policy)
{
	const struct policy_context *c;
	const struct policy_source *s;

	for (c = policy->contexts; c < policy->contexts + policy->ncontexts; c++)
		warn_of_match(rows, policy, &c->match, c->file, c->line);
	for (s = policy->sources; s < policy->sources + policy->nsources; s++)
		warn_of_match(rows, policy, &s->match, s->file, s->line);
}

/* ---- the rest of a policy --------------------------------------------------- */

/* Fills what is not the owner's: who may use the device, and who may hold it. */
static void add_access(struct irqgate_registration *reg, const struct rows *rows,
		       const struct policy *policy, const struct policy_device *d)
{
	const unsigned int *broker;
	unsigned int n, i;

	reg->access = (__u8)policy_access(policy, d);
	reg->on_mapped = d->on_mapped ? (__u8)d->on_mapped : rows->defaults.on_mapped;
	broker = policy_brokers(policy, d, &n);
	for (i = 0; i < n; i++)
		if (broker[i] != d->context)
			reg->broker[reg->brokers++] = policy->contexts[broker[i]].gd;
}

static int add_function(struct rows *rows, const struct policy *policy,
			const struct policy_device *d, __u64 handle)
{
	struct irqgate_device_key key = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle };
	struct irqgate_registration reg = {
		.gd = policy->contexts[d->context].gd,
		.noi = vectors_noi(&d->vectors),
		.action = d->action,
		.last_resort = (__u8)d->last_resort,
		.flags = d->vectors.all ? IRQGATE_REG_ALL_VECTORS : 0,
	};
	struct irqgate_vector_auth vec = { .gd = reg.gd, .action = reg.action };
	int err;

	add_access(&reg, rows, policy, d);
	rows->defaults.governs |= reg.access == IRQGATE_ACCESS_OWNER;
	err = rows_add(rows, IRQGATE_MAP_DEVICES, &key, &reg);
	for (; !err && !d->vectors.all && vkey.vector < reg.noi; vkey.vector++)
		if (vectors_has(&d->vectors, vkey.vector))
			err = rows_add(rows, IRQGATE_MAP_VECTORS, &vkey, &vec);
	return err;
}

static int add_context(struct rows *rows, const struct policy_context *c)
{
	struct irqgate_context_key key = { .gd = c->gd };
	struct irqgate_context row = { .flags = c->strict ? IRQGATE_CTX_STRICT : 0 };

	snprintf(row.name, sizeof(row.name), "%s", c->name);
	return rows_add(rows, IRQGATE_MAP_CONTEXTS, &key, &row);
}

int rows_of_policy(struct rows *rows, const struct policy *policy)
{
	unsigned int i, j;
	int err;

	err = rows_of_matches(rows, policy);
	for (i = 0; i < policy->ncontexts && !err; i++)
		err = add_context(rows, &policy->contexts[i]);
	for (i = 0; i < policy->ndevices; i++)
		for (j = 0; j < policy->devices[i].nfunctions && !err; j++)
			err = add_function(rows, policy, &policy->devices[i],
					   policy->devices[i].functions[j]);
	rows_sort(rows);
	return err;
}

/* ---- questions -------------------------------------------------------------- */

const char *rows_context(const struct rows *rows, __u32 gd, char buf[IRQGATE_NAME_LEN])
{
	struct irqgate_context_key key = { .gd = gd };
	const struct irqgate_context *row = rows_find(rows, IRQGATE_MAP_CONTEXTS, &key);

	snprintf(buf, IRQGATE_NAME_LEN, gd == IRQGATE_GD_NONE ? "-" : "gd:%u", gd);
	if (row)
		text_safe(row->name, buf, IRQGATE_NAME_LEN);
	return buf;
}

__u32 rows_ident(const struct rows *rows, const struct irqgate_ident *ident, __u32 source,
		 struct irqgate_match_key *key)
{
	struct irqgate_matching m = { .matches = (void *)rows,
				      .cgroups = (void *)rows,
				      .source = source,
				      .kinds = rows->defaults.kinds[source] };

	memset(key, 0, sizeof(*key));
	/* An identity that was never captured matches no row. */
	if (!ident->tgid && !ident->start)
		return IRQGATE_GD_NONE;
	return irqgate_match_ident(&m, (struct irqgate_ident *)ident, key);
}

__u32 rows_gd(const struct rows *rows, const struct irqgate_ident *ident)
{
	struct irqgate_match_key key;

	return rows_ident(rows, ident, 0, &key);
}

__u32 rows_source_gd(const struct rows *rows, const struct irqgate_ident *ident)
{
	struct irqgate_match_key key;

	return rows_ident(rows, ident, 1, &key);
}

static int compare_revocation(const void *handle, const void *revocation)
{
	return order_of(*(const __u64 *)handle, ((const struct revocation *)revocation)->handle);
}

struct irqgate_revocation *revocations_find(const struct revocations *revoked, __u64 handle)
{
	struct revocation *found = revoked->n ? bsearch(&handle, revoked->of, revoked->n,
							sizeof(*revoked->of), compare_revocation)
					      : NULL;

	return found ? &found->row : NULL;
}

static struct irqgate_decision decide(const struct rows *rows, __u64 handle, __u32 vector, __u32 gd,
				      bool host)
{
	struct irqgate_device_key dkey = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle, .vector = vector };

	return irqgate_decide(&rows->defaults, rows_find(rows, IRQGATE_MAP_DEVICES, &dkey),
			      rows_find(rows, IRQGATE_MAP_VECTORS, &vkey),
			      revocations_find(&rows->revoked, handle), vector, gd, host);
}

struct irqgate_decision rows_decide(const struct rows *rows, __u64 handle, __u32 vector, __u32 gd)
{
	return decide(rows, handle, vector, gd, false);
}

struct irqgate_decision rows_decide_host(const struct rows *rows, __u64 handle, __u32 vector)
{
	return decide(rows, handle, vector, IRQGATE_GD_HOST, true);
}

struct irqgate_decision rows_decide_access(const struct rows *rows, __u64 handle, __u32 gd,
					   enum irqgate_use use)
{
	struct irqgate_device_key key = { .handle = handle };

	return irqgate_decide_access(&rows->defaults, rows_find(rows, IRQGATE_MAP_DEVICES, &key),
				     revocations_find(&rows->revoked, handle), gd, use);
}

/* The executable's path, if the policy has one that leads to this inode. */
static const char *exe_text(const struct policy *p, const struct irqgate_match_key *key)
{
	struct irqgate_match_key own = {};
	const struct policy_match *m;
	bool partial;
	unsigned int i;
	__u32 gen;

	for (i = 0; i < p->ncontexts + p->nsources; i++) {
		m = i < p->ncontexts ? &p->contexts[i].match : &p->sources[i - p->ncontexts].match;
		if (m->exe && find_exe(m->exe, &own, &gen, &partial) > 0 &&
		    own.exe_dev == key->exe_dev && own.exe_ino == key->exe_ino)
			return m->exe;
	}
	return NULL;
}

/* Prints the cgroup's path. A path too long for a row of `paths` is found by the cgroup's id. */
static void put_cgroup(FILE *f, const struct rows *rows, __u32 number)
{
	const struct irqgate_cgroup *row;
	const struct irqgate_path_key *path;
	const struct irqgate_cgroup_key *key;
	char text[PATH_MAX];
	size_t i;

	for (i = 0; i < rows->map[IRQGATE_MAP_PATHS].n; i++) {
		path = rows_key(rows, IRQGATE_MAP_PATHS, i);
		row = rows_value(rows, IRQGATE_MAP_PATHS, i);
		if (row->number != number)
			continue;
		fprintf(f, "cgroup \"%s\"", path->path);
		return;
	}
	for (i = 0; i < rows->map[IRQGATE_MAP_CGROUPS].n; i++) {
		key = rows_key(rows, IRQGATE_MAP_CGROUPS, i);
		row = rows_value(rows, IRQGATE_MAP_CGROUPS, i);
		if (row->number != number || cgroup_path(key->id, text, sizeof(text)))
			continue;
		fprintf(f, "cgroup \"%s\"", text);
		return;
	}
	fprintf(f, "cgroup number %u", number);
}

static void put_exe(FILE *f, const struct irqgate_match_key *key,
		    const struct policy *const policies[], size_t n)
{
	const char *text = NULL;
	size_t i;

	for (i = 0; i < n && !text; i++)
		text = policies[i] ? exe_text(policies[i], key) : NULL;
	if (text)
		fprintf(f, "exe \"%s\"", text);
	else
		fprintf(f, "exe %u:%u inode %llu", key->exe_dev >> 20, key->exe_dev & 0xfffff,
			key->exe_ino);
}

const char *rows_match_text(const struct rows *rows, const struct irqgate_match_key *key,
			    const struct policy *const policies[], size_t n,
			    char buf[MATCH_TEXT_LEN])
{
	FILE *f = fmemopen(buf, MATCH_TEXT_LEN, "w");
	const char *and = "";

	*buf = '\0';
	if (!f)
		return buf;
	if (key->kind & IRQGATE_MATCH_PID) {
		fprintf(f, "pid %u", key->pid);
		and = " and ";
	}
	if (key->kind & IRQGATE_MATCH_CGROUP) {
		fputs(and, f);
		put_cgroup(f, rows, key->cgroup);
		and = " and ";
	}
	if (key->kind & IRQGATE_MATCH_EXE) {
		fputs(and, f);
		put_exe(f, key, policies, n);
		and = " and ";
	}
	if (key->kind & IRQGATE_MATCH_UID)
		fprintf(f, "%suid %u", and, key->uid);
	fclose(f);
	buf[MATCH_TEXT_LEN - 1] = '\0';
	return buf;
}
