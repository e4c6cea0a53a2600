/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * s390: firmware's table of interrupts, which bpf/firmware.bpf.c follows, compared with the vectors
 * that the policy authorizes.
 */
#ifndef IRQGATE_USER_FIRMWARE_H
#define IRQGATE_USER_FIRMWARE_H

#include <irqgate/firmware.h>
#include "lib/handle.h"
#include "table/pins.h"
#include "table/rows.h"

#define FIRMWARE_NONE                                                                              \
	"this machine has no firmware table of interrupts to compare the policy with; only s390 "  \
	"has one"

/* A function and its owner. */
struct firmware_row {
	struct irqgate_firmware fw;
	__u32 owner; /* receiving context: the VM's, the one that bound it by VFIO, or the host */
	bool host; /* a host driver has it */
};

/* A difference between firmware and the table. */
struct firmware_finding {
	__u64 handle;
	__u32 fid, fh;
	__u32 expected, actual; /* contexts; IRQGATE_GD_NONE: none, or does not matter */
	__u8 reason; /* IRQGATE_REASON_FW_VECTORS, _OWNER, _UNLISTED or _MISSING */
	__u8 verdict; /* the table's verdict on it, enum irqgate_verdict */
	/* OWNER: the VM's zPCI instructions reach the function, against `access: owner`. */
	bool reaches;
	struct vector_set vectors; /* VECTORS, UNLISTED: the unauthorized ones */
};

struct firmware_findings {
	struct firmware_finding *finding;
	size_t n;
};

/*
 * firmware_read - the functions of this machine
 * @rows: the table whose matches give the owners
 * @out: for free(3); in the order of fid
 *
 * First looks in the kernel for changes that no call announced.
 * Return: the number of functions; -EOPNOTSUPP: this firmware has no such table; or another
 * negative errno.
 */
int firmware_read(const struct pins *pins, const struct rows *rows, struct firmware_row **out);

/*
 * firmware_compare - find unauthorized vectors that firmware passes, functions that a VM reaches
 * which may not use them, and functions of the table that firmware passes no vector of
 * @out: for firmware_free(), also after a failure
 *
 * Uses only its arguments.
 * Return: 0 or -ENOMEM.
 */
int firmware_compare(const struct rows *rows, const struct firmware_row *fw, size_t n,
		     struct firmware_findings *out);

/* firmware_known - is @f among the findings @all? */
bool firmware_known(const struct firmware_findings *all, const struct firmware_finding *f);

void firmware_free(struct firmware_findings *findings);

/*
 * firmware_check - read firmware's table and compare it with the table in force
 * Return: 0; -EOPNOTSUPP as firmware_read(); or another negative errno. Prints the error, but not
 * for -EOPNOTSUPP.
 */
int firmware_check(const struct pins *pins, struct firmware_findings *out);

/*
 * firmware_verify - the verb `verify`
 * Return: 0: no difference; -EBADE: differences, which it prints; or as firmware_check().
 */
int firmware_verify(const struct pins *pins, bool json);

/*
 * firmware_fid - id of the function that has, or had, the function handle @fh
 * Return: the id; -1: unknown.
 */
long firmware_fid(__u32 fh);

#endif
