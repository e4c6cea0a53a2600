/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * s390: the table of interrupts firmware has, as bpf/firmware.bpf.c follows it, and how it
 * compares with what the policy authorizes.
 */
#ifndef IRQGATE_USER_FIRMWARE_H
#define IRQGATE_USER_FIRMWARE_H

#include <irqgate/firmware.h>
#include "handle.h"
#include "pins.h"
#include "rows.h"

#define FIRMWARE_NONE                                                                              \
	"this machine has no firmware table of interrupts to compare the policy with; only s390 "  \
	"has"

/* One function, and who has it. */
struct firmware_row {
	struct irqgate_firmware fw;
	__u32 owner; /* context that receives: the VM's, that of whoever bound it by VFIO, or the
			host */
};

/* Something firmware does that the table does not say. */
struct firmware_finding {
	__u64 handle;
	__u32 fid, fh;
	__u32 expected, actual; /* contexts; IRQGATE_GD_NONE: none, or not the point */
	__u8 reason; /* IRQGATE_REASON_FW_VECTORS, _OWNER, _UNLISTED or _MISSING */
	__u8 verdict; /* what the table has done about it, enum irqgate_verdict */
	struct vector_set vectors; /* VECTORS, UNLISTED: which nobody authorized */
};

struct firmware_findings {
	struct firmware_finding *finding;
	size_t n;
};

/*
 * firmware_read - the functions of this machine
 * @rows: the table that says who is who
 * @out: to be freed; by fid
 *
 * Looks in the kernel for what changed without a call first.
 * Return: how many, or a negative errno; -EOPNOTSUPP: firmware has no such table here.
 */
int firmware_read(const struct pins *pins, const struct rows *rows, struct firmware_row **out);

/*
 * firmware_compare - what firmware passes and the table does not authorize, and functions
 * the table names of which it passes nothing
 * @out: for firmware_free(), also after a failure
 *
 * Asks nothing but its arguments.
 * Return: 0 or -ENOMEM.
 */
int firmware_compare(const struct rows *rows, const struct firmware_row *fw, size_t n,
		     struct firmware_findings *out);

/* firmware_known - is it among these? */
bool firmware_known(const struct firmware_findings *all, const struct firmware_finding *f);

void firmware_free(struct firmware_findings *findings);

/*
 * firmware_check - read and compare, with the table in force
 * Return: 0, -EOPNOTSUPP as firmware_read(), or another negative errno. Says why.
 */
int firmware_check(const struct pins *pins, struct firmware_findings *out);

/*
 * firmware_verify - the verb `verify`
 * Return: 0: all in order; -EBADE: not; or as firmware_check(). Says so.
 */
int firmware_verify(const struct pins *pins, bool json);

/*
 * firmware_fid - function that was seen to have a handle, now or before
 * Return: its id, -1: unknown.
 */
long firmware_fid(__u32 fh);

#endif
