// SPDX-License-Identifier: GPL-2.0-only
/* Finds the PCI functions that the rows of a policy select, in sysfs. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/handle.h"
#include "lib/util.h"
#include "policy/policy.h"

/* A function and the row that selects it. */
struct claim {
	__u64 handle;
	unsigned int row;
};

long (*policy_fid_of)(__u32 fh);

#define FH_ENABLED 0x80000000u /* bit of a handle: the function is enabled */

struct resolver {
	struct policy *policy;
	const char *sysfs;
	struct claim *claims;
	size_t nclaims;
	unsigned int rows; /* of vectors */
	int err;
};

const char *policy_select_format(const struct policy_device *d, char buf[POLICY_SELECT_LEN])
{
	const struct policy_select *s = &d->select;
	char pf[HANDLE_STRLEN];

	switch (s->kind) {
	case POLICY_SELECT_ID:
		snprintf(buf, POLICY_SELECT_LEN, "id %04x:%04x", s->vendor, s->device);
		break;
	case POLICY_SELECT_GROUP:
		snprintf(buf, POLICY_SELECT_LEN, "IOMMU group %u", s->group);
		break;
	case POLICY_SELECT_VF:
		snprintf(buf, POLICY_SELECT_LEN, "VF %u of %s", s->vf, handle_format(s->pf, pf));
		break;
	default:
		snprintf(buf, POLICY_SELECT_LEN, "%s", handle_format(d->handle, pf));
	}
	return buf;
}

bool policy_selects(const struct policy *policy)
{
	unsigned int i;

	for (i = 0; i < policy->ndevices; i++)
		if (policy->devices[i].select.kind != POLICY_SELECT_HANDLE ||
		    irqgate_handle_type(policy->devices[i].handle) == IRQGATE_HANDLE_ZPCI)
			return true;
	return false;
}

__attribute__((format(printf, 3, 4))) static void complain(struct resolver *r, unsigned int row,
							   const char *fmt, ...)
{
	const struct policy_device *d = &r->policy->devices[row];
	va_list ap;

	r->err = -EINVAL;
	if (r->policy->failed == -EINVAL)
		return; /* printed last time; a conflict is printed once */
	fprintf(stderr, "%s:%u: ", r->policy->files[d->file], d->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static const struct claim *claim_of(const struct resolver *r, __u64 handle)
{
	size_t i;

	for (i = 0; i < r->nclaims; i++)
		if (r->claims[i].handle == handle)
			return &r->claims[i];
	return NULL;
}

static void claim(struct resolver *r, unsigned int row, __u64 handle)
{
	const struct policy_device *d = &r->policy->devices[row];
	const struct claim *other = claim_of(r, handle);
	char word[POLICY_SELECT_LEN], text[HANDLE_STRLEN];

	if (other) {
		const struct policy_device *o = &r->policy->devices[other->row];

		complain(r, row, "%s selects %s, which %s:%u selects, too, expected one row for it",
			 policy_select_format(d, word), handle_format(handle, text),
			 r->policy->files[o->file], o->line);
		return;
	}
	if (r->nclaims == IRQGATE_MAX_DEVICES) {
		complain(r, row, "more functions than fit, expected at most %d in all devices",
			 IRQGATE_MAX_DEVICES);
		return;
	}
	r->rows += d->vectors.all ? 0 : vectors_count(&d->vectors);
	if (r->rows > IRQGATE_MAX_VECTOR_ROWS) {
		complain(r, row, "more vectors than fit, expected at most %d in all devices",
			 IRQGATE_MAX_VECTOR_ROWS);
		return;
	}
	if (!ARRAY_MORE(r->claims, r->nclaims)) {
		r->err = -ENOMEM;
		return;
	}
	r->claims[r->nclaims++] = (struct claim){ handle, row };
}

/*
 * A hexadecimal attribute of a function; -1: the function has none, or is absent. Reading
 * gives ENODEV if the kernel removes the function meanwhile.
 */
static long attribute(struct resolver *r, __u64 handle, const char *name)
{
	char path[PATH_MAX], bdf[HANDLE_STRLEN], text[32];
	int err;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", r->sysfs,
		 handle_format(handle, bdf) + strlen("pci:"), name);
	err = read_line(path, text, sizeof(text));
	if (err && err != -ENOENT && err != -ENODEV)
		r->err = err;
	return err ? -1 : strtol(text, NULL, 16);
}

static int compare(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return order_of(*x, *y);
}

/* The functions in a directory of sysfs, sorted by address; NULL: none. */
static __u64 *functions(struct resolver *r, const char *dir, size_t *n)
{
	char path[PATH_MAX];
	__u64 *all = NULL;
	struct dirent *e;
	DIR *d;

	*n = 0;
	snprintf(path, sizeof(path), "%s/%s", r->sysfs, dir);
	d = opendir(path);
	if (!d && errno != ENOENT)
		r->err = -errno;
	while (d && (errno = 0, e = readdir(d))) {
		__u64 handle;

		if (handle_parse(e->d_name, &handle))
			continue;
		if (!ARRAY_MORE(all, *n)) {
			r->err = -ENOMEM;
			break;
		}
		all[(*n)++] = handle;
	}
	if (d && !e && errno)
		r->err = -errno;
	if (d)
		closedir(d);
	if (all)
		qsort(all, *n, sizeof(*all), compare);
	return all;
}

/* The function whose attribute has this value, apart from the bits of @except; 0: none. */
static __u64 function_with(struct resolver *r, const char *name, __u32 value, __u32 except)
{
	__u64 *all, found = 0;
	size_t n, i;

	all = functions(r, "bus/pci/devices", &n);
	for (i = 0; i < n && !found; i++) {
		long v = attribute(r, all[i], name);

		if (v >= 0 && !(((__u32)v ^ value) & ~except))
			found = all[i];
	}
	free(all);
	return found;
}

/*
 * The function of an s390 handle: by its id, if that is known. Else by the handle, enabled or
 * not. Else by the id of the function that had the handle before.
 */
static __u64 zpci_function(struct resolver *r, __u32 fh, const __u32 *fid)
{
	__u64 handle;
	long id;

	if (fid)
		return function_with(r, "function_id", *fid, 0);
	handle = function_with(r, "function_handle", fh, FH_ENABLED);
	if (handle || !policy_fid_of)
		return handle;
	id = policy_fid_of(fh);
	return id < 0 ? 0 : function_with(r, "function_id", (__u32)id, 0);
}

__u64 policy_function(__u64 handle, const char *sysfs)
{
	struct resolver r = { .sysfs = sysfs };

	if (irqgate_handle_type(handle) != IRQGATE_HANDLE_ZPCI)
		return handle;
	return zpci_function(&r, (__u32)handle, NULL) ?: handle;
}

static void claim_handle(struct resolver *r, unsigned int row)
{
	struct policy_device *d = &r->policy->devices[row];
	__u64 handle = d->handle;
	long id;

	if (irqgate_handle_type(handle) == IRQGATE_HANDLE_ZPCI) {
		handle = zpci_function(r, (__u32)handle, d->found ? &d->fid : NULL);
		id = handle ? attribute(r, handle, "function_id") : -1;
		if (id >= 0) {
			d->found = true;
			d->fid = (__u32)id;
		}
	}
	claim(r, row, handle ?: d->handle);
}

/* Bridges stay with the host: VFIO lets a group be used while a host driver has its bridges. */
static void claim_group(struct resolver *r, unsigned int row)
{
	char dir[64];
	__u64 *all;
	size_t n, i;

	snprintf(dir, sizeof(dir), "kernel/iommu_groups/%u/devices",
		 r->policy->devices[row].select.group);
	all = functions(r, dir, &n);
	for (i = 0; i < n && !r->err; i++) {
		bool bridge = attribute(r, all[i], "class") >> 8 == 0x0604;

		if (!r->err && !bridge)
			claim(r, row, all[i]);
	}
	free(all);
}

static void claim_vf(struct resolver *r, unsigned int row)
{
	const struct policy_select *s = &r->policy->devices[row].select;
	char path[PATH_MAX], target[PATH_MAX], pf[HANDLE_STRLEN], *name;
	__u64 handle;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/virtfn%u", r->sysfs,
		 handle_format(s->pf, pf) + strlen("pci:"), s->vf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0 && errno != ENOENT)
		r->err = -errno;
	if (n <= 0)
		return; /* not yet */
	target[n] = '\0';
	name = strrchr(target, '/');
	if (!handle_parse(name ? name + 1 : target, &handle))
		claim(r, row, handle);
}

static bool has_id(struct resolver *r, const struct policy_select *s, __u64 handle)
{
	return attribute(r, handle, "vendor") == s->vendor &&
	       attribute(r, handle, "device") == s->device;
}

static void claim_id(struct resolver *r, unsigned int row, const __u64 *all, size_t n)
{
	const struct policy_device *d = &r->policy->devices[row];
	unsigned int have = 0;
	size_t i;

	for (i = 0; i < n && have < d->select.count && !r->err; i++) {
		if (claim_of(r, all[i]) || !has_id(r, &d->select, all[i]))
			continue;
		claim(r, row, all[i]);
		have++;
	}
}

/* A row with an id keeps the functions that it had and that are still present. */
static unsigned int keep_id(struct resolver *r, unsigned int row)
{
	const struct policy_device *d = &r->policy->devices[row];
	unsigned int i, have = 0;

	for (i = 0; i < d->nfunctions && !r->err; i++) {
		if (claim_of(r, d->functions[i]) || !has_id(r, &d->select, d->functions[i]))
			continue;
		claim(r, row, d->functions[i]);
		have++;
	}
	return have;
}

static void claim_ids(struct resolver *r)
{
	struct policy *p = r->policy;
	unsigned int i, have[IRQGATE_MAX_DEVICES] = {};
	__u64 *all;
	size_t n;

	all = functions(r, "bus/pci/devices", &n);
	for (i = 0; i < p->ndevices && !r->err; i++)
		have[i] = p->devices[i].select.kind == POLICY_SELECT_ID ? keep_id(r, i) : 0;
	for (i = 0; i < p->ndevices && !r->err; i++) {
		struct policy_select *s = &p->devices[i].select;

		if (s->kind != POLICY_SELECT_ID)
			continue;
		s->count -= have[i];
		claim_id(r, i, all, n);
		s->count += have[i];
	}
	free(all);
}

/* Gives the claims to their rows. Returns 1 if the functions of a row changed. */
static int assign(struct resolver *r)
{
	struct policy *p = r->policy;
	int changed = 0;
	unsigned int i;
	size_t j, n;

	for (i = 0; i < p->ndevices; i++) {
		struct policy_device *d = &p->devices[i];
		__u64 *own;

		for (j = n = 0; j < r->nclaims; j++)
			n += r->claims[j].row == i;
		own = calloc(n + 1, sizeof(*own));
		if (!own)
			return -ENOMEM;
		for (j = n = 0; j < r->nclaims; j++)
			if (r->claims[j].row == i)
				own[n++] = r->claims[j].handle;
		if (!d->functions || n != d->nfunctions ||
		    memcmp(own, d->functions, n * sizeof(*own)))
			changed = 1;
		free(d->functions);
		d->functions = own;
		d->nfunctions = (unsigned int)n;
	}
	return changed;
}

int policy_resolve(struct policy *policy, const char *sysfs)
{
	struct resolver r = { .policy = policy, .sysfs = sysfs };
	bool ids = false;
	unsigned int i;

	for (i = 0; i < policy->ndevices && !r.err; i++) {
		switch (policy->devices[i].select.kind) {
		case POLICY_SELECT_HANDLE:
			claim_handle(&r, i);
			break;
		case POLICY_SELECT_GROUP:
			claim_group(&r, i);
			break;
		case POLICY_SELECT_VF:
			claim_vf(&r, i);
			break;
		case POLICY_SELECT_ID:
			ids = true;
		}
	}
	if (ids && !r.err)
		claim_ids(&r);
	if (!r.err)
		r.err = assign(&r);
	if (r.err < 0 && r.err != -EINVAL && r.err != policy->failed)
		fail(r.err, "cannot see which functions the policy selects: %s", strerror(-r.err));
	policy->failed = r.err < 0 ? r.err : 0;
	free(r.claims);
	return r.err;
}
