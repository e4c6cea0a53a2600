// SPDX-License-Identifier: GPL-2.0-only
/* Compares firmware's table with the policy's. It asks no kernel, so tests run on any machine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "s390/firmware.h"

static int add(struct firmware_findings *out, const struct firmware_finding *f)
{
	if (!ARRAY_MORE(out->finding, out->n))
		return -ENOMEM;
	out->finding[out->n++] = *f;
	return 0;
}

/*
 * A GISA in the function's block names the VM whose zPCI instructions the machine interprets for
 * this function. May that VM's context use the device? An unlisted function is another finding.
 */
static void compare_access(const struct rows *rows, const struct firmware_row *row,
			   struct firmware_finding *owner)
{
	struct irqgate_decision d =
		rows_decide_access(rows, row->fw.handle, row->owner, IRQGATE_USES);

	if (row->host || !row->fw.fib.gd || d.verdict == IRQGATE_VERDICT_ALLOW ||
	    d.reason == IRQGATE_REASON_UNLISTED)
		return;
	owner->reaches = true;
	owner->expected = d.gd;
	owner->verdict = d.verdict;
}

/* Finds wrong owners and wrong vectors of a registered function. */
static int compare_row(const struct rows *rows, const struct firmware_row *row,
		       struct firmware_findings *out)
{
	struct irqgate_device_key key = { .handle = row->fw.handle };
	struct firmware_finding vectors = {
		.handle = row->fw.handle,
		.fid = row->fw.fid,
		.fh = row->fw.fh,
		.actual = row->owner,
		.expected = IRQGATE_GD_NONE,
		.reason = rows_find(rows, IRQGATE_MAP_DEVICES, &key) ? IRQGATE_REASON_FW_VECTORS
								     : IRQGATE_REASON_FW_UNLISTED,
	};
	struct firmware_finding owner = vectors;
	unsigned int i;
	int err = 0;

	owner.reason = IRQGATE_REASON_FW_OWNER;
	compare_access(rows, row, &owner);
	for (i = 0; i < row->fw.fib.noi && i < IRQGATE_MAX_VECTORS; i++) {
		struct irqgate_decision d =
			row->host ? rows_decide_host(rows, row->fw.handle, i)
				  : rows_decide(rows, row->fw.handle, i, row->owner);
		struct firmware_finding *f = d.reason == IRQGATE_REASON_CONTEXT ? &owner : &vectors;

		if (d.reason == IRQGATE_REASON_REGISTERED)
			continue;
		vectors_fill(&f->vectors, i, i);
		f->expected = d.gd;
		if (d.verdict > f->verdict)
			f->verdict = d.verdict;
	}
	if (vectors_count(&vectors.vectors))
		err = add(out, &vectors);
	if (!err && (owner.reaches || vectors_count(&owner.vectors)))
		err = add(out, &owner);
	return err;
}

int firmware_compare(const struct rows *rows, const struct firmware_row *fw, size_t n,
		     struct firmware_findings *out)
{
	const struct row_set *devices = &rows->map[IRQGATE_MAP_DEVICES];
	size_t i, j;
	int err = 0;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < n && !err; i++)
		if (fw[i].fw.state == IRQGATE_FIRMWARE_REGISTERED)
			err = compare_row(rows, &fw[i], out);
	for (i = 0; i < devices->n && !err; i++) {
		const struct irqgate_device_key *key = rows_key(rows, IRQGATE_MAP_DEVICES, i);
		const struct irqgate_registration *reg = rows_value(rows, IRQGATE_MAP_DEVICES, i);
		struct firmware_finding f = {
			.handle = key->handle,
			.expected = reg->gd,
			.actual = IRQGATE_GD_NONE,
			.reason = IRQGATE_REASON_FW_MISSING,
		};

		for (j = 0; j < n && fw[j].fw.handle != key->handle; j++)
			;
		if (j < n && fw[j].fw.state == IRQGATE_FIRMWARE_REGISTERED)
			continue;
		if (j < n) {
			f.fid = fw[j].fw.fid;
			f.fh = fw[j].fw.fh;
		}
		err = add(out, &f);
	}
	return err;
}

bool firmware_known(const struct firmware_findings *all, const struct firmware_finding *f)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		const struct firmware_finding *k = &all->finding[i];

		if (k->handle == f->handle && k->reason == f->reason &&
		    k->expected == f->expected && k->actual == f->actual &&
		    k->reaches == f->reaches && k->vectors.all == f->vectors.all &&
		    !memcmp(k->vectors.bits, f->vectors.bits, sizeof(k->vectors.bits)))
			return true;
	}
	return false;
}

void firmware_free(struct firmware_findings *findings)
{
	free(findings->finding);
	memset(findings, 0, sizeof(*findings));
}
