// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <irqgate/hash.h>
#include "cgroup.h"
#include "names.h"
#include "rows.h"
#include "util.h"

#define IRQGATE_MATCH_FIND(rows, key) rows_find(rows, IRQGATE_MAP_MATCHES, key)
#define IRQGATE_MATCH_TAKE(row, ticks)                                                             \
	do {                                                                                       \
		if ((row)->start == 0)                                                             \
			return row; /* this one would take it */                                   \
	} while (0)
#include <irqgate/match.h>

const struct row_size row_sizes[IRQGATE_TABLE_MAPS] = {
	[IRQGATE_MAP_DEVICES] = { sizeof(struct irqgate_device_key),
				  sizeof(struct irqgate_registration) },
	[IRQGATE_MAP_VECTORS] = { sizeof(struct irqgate_vector_key),
				  sizeof(struct irqgate_vector_auth) },
	[IRQGATE_MAP_MATCHES] = { sizeof(struct irqgate_match_key), sizeof(struct irqgate_match) },
	[IRQGATE_MAP_CONTEXTS] = { sizeof(struct irqgate_context_key),
				   sizeof(struct irqgate_context) },
};

static size_t row_size(enum irqgate_table_map which)
{
	return row_sizes[which].key + row_sizes[which].value;
}

void *rows_key(const struct rows *rows, enum irqgate_table_map which, size_t i)
{
	return rows->map[which].data + i * row_size(which);
}

void *rows_value(const struct rows *rows, enum irqgate_table_map which, size_t i)
{
	return (char *)rows_key(rows, which, i) + row_sizes[which].key;
}

static int order(__u64 a, __u64 b)
{
	return (a > b) - (a < b);
}

static int compare_device(const void *a, const void *b)
{
	const struct irqgate_device_key *x = a, *y = b;

	return order(x->handle, y->handle);
}

static int compare_vector(const void *a, const void *b)
{
	const struct irqgate_vector_key *x = a, *y = b;

	return order(x->handle, y->handle) ?: order(x->vector, y->vector);
}

static int compare_match(const void *a, const void *b)
{
	const struct irqgate_match_key *x = a, *y = b;

	return order(x->kind, y->kind) ?: order(x->source, y->source) ?: order(x->a, y->a) ?:
	       order(x->b, y->b);
}

static int compare_context(const void *a, const void *b)
{
	const struct irqgate_context_key *x = a, *y = b;

	return order(x->gd, y->gd);
}

static int (*const compare[IRQGATE_TABLE_MAPS])(const void *, const void *) = {
	[IRQGATE_MAP_DEVICES] = compare_device,
	[IRQGATE_MAP_VECTORS] = compare_vector,
	[IRQGATE_MAP_MATCHES] = compare_match,
	[IRQGATE_MAP_CONTEXTS] = compare_context,
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

	return row ? row + row_sizes[which].key : NULL;
}

int rows_add(struct rows *rows, enum irqgate_table_map which, const void *key, const void *value)
{
	struct row_set *set = &rows->map[which];
	char *grown = set->data;

	/* Room doubles when it is used up. */
	if (!(set->n & (set->n - 1)))
		grown = realloc(set->data, (set->n ? 2 * set->n : 1) * row_size(which));
	if (!grown)
		return -ENOMEM;
	set->data = grown;
	memcpy(rows_key(rows, which, set->n), key, row_sizes[which].key);
	memcpy(rows_value(rows, which, set->n), value, row_sizes[which].value);
	set->n++;
	return 0;
}

/* As those of a policy that names devices and vectors in order are. */
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
	memset(rows, 0, sizeof(*rows));
}

/* ---- matches --------------------------------------------------------------- */

/* The kernel encodes dev_t in 12 bits of major and 20 of minor (MKDEV). */
static __u64 kernel_dev(dev_t dev)
{
	return (__u64)major(dev) << 20 | minor(dev);
}

/*
 * The device an inode belongs to as the kernel has it, super_block.s_dev. For btrfs and
 * overlayfs stat(2) gives another one; /proc/self/mountinfo has this one
 * (show_mountinfo() in fs/proc_namespace.c). Return: 0 or a negative errno.
 */
static int super_dev(const char *path, dev_t fallback, __u64 *dev)
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
 * Key of a match, from what the system has now. Return: 1; 0: that does not exist yet; or
 * why it cannot be had, as a negative errno.
 */
static int match_key(const struct policy_match *m, __u32 source, struct irqgate_match_key *key)
{
	char path[PATH_MAX];
	struct stat st;
	int err;

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
		key->b = st.st_ino;
		err = super_dev(m->text, st.st_dev, &key->a);
		return err ? fail(err, "%s: /proc/self/mountinfo does not say where it is: %s",
				  m->text, strerror(-err))
			   : 1;
	case IRQGATE_MATCH_PID:
	case IRQGATE_MATCH_UID:
		key->a = m->id;
		return 1;
	default:
		return 0;
	}
}

/* For a cgroup that appears later: bpf/lifecycle.bpf.c matches its path then. */
static bool path_key(const struct policy_match *m, __u32 source, struct irqgate_match_key *key)
{
	if (m->kind != IRQGATE_MATCH_CGROUP || strlen(m->text) >= IRQGATE_PATH_MAX)
		return false;
	memset(key, 0, sizeof(*key));
	key->kind = IRQGATE_MATCH_CGROUP_PATH;
	key->source = source;
	key->a = irqgate_hash_text(m->text, IRQGATE_PATH_MAX);
	return true;
}

static int add_match(struct rows *rows, const struct policy_match *m, __u32 gd, __u64 handle)
{
	struct irqgate_match row = { .gd = gd, .handle = handle };
	struct irqgate_match_key key;
	int err = 0, there;

	if (path_key(m, handle != 0, &key))
		err = rows_add(rows, IRQGATE_MAP_MATCHES, &key, &row);
	there = err ?: match_key(m, handle != 0, &key);
	if (there <= 0)
		return there;
	if (m->kind == IRQGATE_MATCH_PID)
		row.start = process_start(m->id);
	return rows_add(rows, IRQGATE_MAP_MATCHES, &key, &row);
}

/*
 * Two paths may be one executable, or one directory mounted twice: the first row
 * of the policy counts. What is kept is sorted.
 */
static void drop_doubles(struct rows *rows)
{
	size_t size = row_size(IRQGATE_MAP_MATCHES), kept = 0, low, high, i;
	char row[sizeof(struct irqgate_match_key) + sizeof(struct irqgate_match)];
	struct row_set *set = &rows->map[IRQGATE_MAP_MATCHES];

	for (i = 0; i < set->n; i++) {
		memcpy(row, set->data + i * size, size);
		for (low = 0, high = kept; low < high;) {
			size_t mid = (low + high) / 2;

			if (compare_match(set->data + mid * size, row) < 0)
				low = mid + 1;
			else
				high = mid;
		}
		if (low < kept && !compare_match(set->data + low * size, row))
			continue;
		memmove(set->data + (low + 1) * size, set->data + low * size, (kept - low) * size);
		memcpy(set->data + low * size, row, size);
		kept++;
	}
	set->n = kept;
}

static int add_matches(struct rows *rows, const struct policy *policy)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < policy->ncontexts && !err; i++)
		err = add_match(rows, &policy->contexts[i].match, policy->contexts[i].gd, 0);
	for (i = 0; i < policy->nsources && !err; i++)
		err = add_match(rows, &policy->sources[i].match,
				policy->contexts[policy->sources[i].context].gd,
				policy->sources[i].handle);
	drop_doubles(rows);
	return err;
}

int rows_of_matches(struct rows *rows, const struct policy *policy)
{
	memset(rows, 0, sizeof(*rows));
	return add_matches(rows, policy);
}

int rows_of_match(struct rows *rows, const struct policy_match *match, __u32 gd)
{
	memset(rows, 0, sizeof(*rows));
	return add_match(rows, match, gd, 0);
}

/* ---- the rest of a policy --------------------------------------------------- */

static int add_function(struct rows *rows, const struct policy *policy,
			const struct policy_device *d, __u64 handle)
{
	struct irqgate_device_key key = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle };
	struct irqgate_registration reg = {
		.gd = policy->contexts[d->context].gd,
		.noi = vectors_noi(&d->vectors),
		.action = d->action,
		.flags = d->vectors.all ? IRQGATE_REG_ALL_VECTORS : 0,
	};
	struct irqgate_vector_auth vec = { .gd = reg.gd, .action = reg.action };
	int err = rows_add(rows, IRQGATE_MAP_DEVICES, &key, &reg);

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
	rows->defaults = policy->defaults;
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

const struct irqgate_match *rows_ident(const struct rows *rows, const struct irqgate_ident *ident,
				       __u32 source)
{
	/* One that was never captured matches nothing. */
	if (!ident->tgid && !ident->start)
		return NULL;
	return irqgate_match_ident((void *)rows, (struct irqgate_ident *)ident, source);
}

__u32 rows_gd(const struct rows *rows, const struct irqgate_ident *ident)
{
	const struct irqgate_match *row = rows_ident(rows, ident, 0);

	return row ? row->gd : IRQGATE_GD_NONE;
}

struct irqgate_decision rows_decide(const struct rows *rows, __u64 handle, __u32 vector, __u32 gd)
{
	struct irqgate_device_key dkey = { .handle = handle };
	struct irqgate_vector_key vkey = { .handle = handle, .vector = vector };

	return irqgate_decide(&rows->defaults, rows_find(rows, IRQGATE_MAP_DEVICES, &dkey),
			      rows_find(rows, IRQGATE_MAP_VECTORS, &vkey), vector, gd);
}

/* Is it what this match of a policy makes? */
static bool match_is(const struct policy_match *m, const struct irqgate_match_key *key)
{
	struct irqgate_match_key own;

	if (key->kind == IRQGATE_MATCH_CGROUP_PATH)
		return path_key(m, key->source, &own) && own.a == key->a;
	return m->kind == key->kind && match_key(m, key->source, &own) > 0 &&
	       !compare_match(&own, key);
}

static const char *policy_text(const struct policy *p, const struct irqgate_match_key *key)
{
	unsigned int i;

	for (i = 0; i < p->ncontexts && !key->source; i++)
		if (match_is(&p->contexts[i].match, key))
			return p->contexts[i].match.text;
	for (i = 0; i < p->nsources && key->source; i++)
		if (match_is(&p->sources[i].match, key))
			return p->sources[i].match.text;
	return NULL;
}

const char *rows_match_text(const struct irqgate_match_key *key,
			    const struct policy *const policies[], size_t n,
			    char buf[MATCH_TEXT_LEN])
{
	char path[MATCH_TEXT_LEN - 16];
	const char *text = NULL;
	size_t i;

	switch (key->kind) {
	case IRQGATE_MATCH_CGROUP:
		if (cgroup_path(key->a, path, sizeof(path)))
			snprintf(buf, MATCH_TEXT_LEN, "cgroup id %llu (gone)", key->a);
		else
			snprintf(buf, MATCH_TEXT_LEN, "cgroup \"%s\"", path);
		return buf;
	case IRQGATE_MATCH_PID:
	case IRQGATE_MATCH_UID:
		snprintf(buf, MATCH_TEXT_LEN, "%s %llu", name_of(&names_match, key->kind), key->a);
		return buf;
	}
	for (i = 0; i < n && !text; i++)
		text = policies[i] ? policy_text(policies[i], key) : NULL;
	if (key->kind == IRQGATE_MATCH_EXE && !text)
		snprintf(buf, MATCH_TEXT_LEN, "exe %llu:%llu inode %llu", key->a >> 20,
			 key->a & 0xfffff, key->b);
	else if (!text)
		snprintf(buf, MATCH_TEXT_LEN, "cgroup #%llx", key->a);
	else
		snprintf(buf, MATCH_TEXT_LEN, "%s \"%s\"",
			 key->kind == IRQGATE_MATCH_EXE ? "exe" : "cgroup", text);
	return buf;
}
