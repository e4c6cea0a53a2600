/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt table of s390's firmware, as the kernel was seen to fill it: the arguments and
 * the answers of MODIFY PCI FUNCTION CONTROLS (zpci_mod_fc).
 *
 * Firmware's blocks are decoded byte by byte, because the machine defines their layout, not the
 * kernel. So the code is the same in BPF, in the command, and in tests on machines of either byte
 * order. Pure code, any context.
 */
#ifndef IRQGATE_FIRMWARE_H
#define IRQGATE_FIRMWARE_H

#include <linux/types.h>

/* Function codes of MPCIFC (arch/s390/include/asm/pci_insn.h). */
#define IRQGATE_MOD_FC_REG_INT 2
#define IRQGATE_MOD_FC_DEREG_INT 3
#define IRQGATE_MOD_FC_REG_INT_D 16
#define IRQGATE_MOD_FC_DEREG_INT_D 17

#define IRQGATE_FIB_SIZE 80
#define IRQGATE_GAITE_SIZE 16
#define IRQGATE_MAX_FUNCTIONS 1024 /* Debian builds with CONFIG_PCI_NR_FUNCTIONS=512 */

enum irqgate_airq_format {
	IRQGATE_AIRQ_FLOATING = 0, /* any CPU takes it; the function has its own indicators */
	IRQGATE_AIRQ_DIRECTED = 1, /* to one CPU; its functions share indicators */
};

/* The interrupt members of a Function Information Block. */
struct irqgate_fib {
	__u64 aibv; /* floating: absolute address of the interrupt bit vector */
	__u64 aisb; /* floating: absolute address of the doubleword with the summary bit */
	__u32 gd; /* GISA designation */
	__u16 noi;
	__u16 dibvo; /* directed: first bit in the vector of each CPU */
	__u8 format; /* enum irqgate_airq_format */
	__u8 isc;
	__u8 aibvo; /* first bit within aibv */
	__u8 aisbo; /* bit within aisb */
	__u8 sum; /* the summary bit is in use */
	__u8 pad[11];
};

/*
 * An entry of the Guest Adapter Interrupt Table: where KVM has a function's interrupts forwarded.
 */
struct irqgate_gaite {
	__u64 aisb; /* absolute address of the guest's summary byte, 0: it has none */
	__u32 gisa; /* absolute address of the GISA, 0: alerts go to the host */
	__u8 gisc; /* the guest's ISC */
	__u8 count; /* 0: KVM drops the interrupt without a trace */
	__u8 aisbo;
	__u8 pad;
};

enum irqgate_firmware_state {
	IRQGATE_FIRMWARE_NONE = 0, /* nothing was ever registered */
	IRQGATE_FIRMWARE_REGISTERED = 1,
	IRQGATE_FIRMWARE_DEREGISTERED = 2,
	IRQGATE_FIRMWARE_GONE = 3, /* the function left the machine */
};

enum irqgate_firmware_source {
	IRQGATE_FIRMWARE_SEEN = 0, /* irqgate saw the call */
	IRQGATE_FIRMWARE_FOUND = 1, /* a call before irqgate: read from the kernel's structures */
};

/* Key of `firmware`: the function's id. It stays the same when the handle changes. */
struct irqgate_fid_key {
	__u32 fid;
};

struct irqgate_firmware {
	struct irqgate_fib fib; /* as firmware last accepted it */
	struct irqgate_gaite gaite; /* if fib.gd is not 0 */
	__u64 handle; /* handle of the PCI function, as in the table */
	__u64 vm; /* struct kvm to which the function is given for interpretation, 0: none */
	__u64 changed; /* CLOCK_BOOTTIME ns of the last change */
	__u64 registered; /* calls that firmware accepted */
	__u64 deregistered; /* calls accepted, or that found the function gone */
	__u64 failed; /* calls that firmware refused */
	__u64 handles; /* times the handle was seen to change */
	__u32 fid;
	__u32 fh;
	__u32 uid;
	__u8 state; /* enum irqgate_firmware_state */
	__u8 source; /* enum irqgate_firmware_source */
	__u8 cc; /* condition code of the last call */
	__u8 pad;
	__u32 seen; /* state.walks of the last walk that found the function */
	__u32 pad2;
};

/* Key of `handles`: each handle that a function was seen to have. The value is its fid. */
struct irqgate_fh_key {
	__u32 fh;
};

/* @n bytes at @p, most significant first. */
static inline __u64 irqgate_be(const __u8 *p, int n)
{
	__u64 v = 0;
	int i;

	for (i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* the call registered directed interrupts, so the block has format 1 */
static inline void irqgate_fib_decode(const __u8 *b, int directed, struct irqgate_fib *out)
{
	out->format = directed ? IRQGATE_AIRQ_DIRECTED : IRQGATE_AIRQ_FLOATING;
	out->gd = (__u32)irqgate_be(b + 76, 4);
	out->noi = (__u16)(irqgate_be(b + 40, 2) & 0xfff);
	out->isc = directed ? 0 : b[40] >> 4 & 7;
	out->aibvo = directed ? 0 : b[42] & 63;
	out->sum = directed ? 0 : b[43] >> 7;
	out->aisbo = directed ? 0 : b[43] & 63;
	out->dibvo = directed ? (__u16)irqgate_be(b + 44, 2) : 0;
	out->aibv = directed ? 0 : irqgate_be(b + 48, 8);
	out->aisb = directed ? 0 : irqgate_be(b + 56, 8);
	__builtin_memset(out->pad, 0, sizeof(out->pad));
}

/*
 * irqgate_gaite_decode - struct zpci_gaite of arch/s390/kvm/pci.h
 * @b: IRQGATE_GAITE_SIZE bytes
 * @out: every member is set
 */
static inline void irqgate_gaite_decode(const __u8 *b, struct irqgate_gaite *out)
{
	out->gisa = (__u32)irqgate_be(b, 4);
	out->gisc = b[4];
	out->count = b[5];
	out->aisbo = b[7];
	out->aisb = irqgate_be(b + 8, 8);
	out->pad = 0;
}

/*
 * irqgate_mod_fc_clears - does firmware hold no registration now?
 * @cc: condition code of the call that deregistered
 * @status: its status
 *
 * As zpci_clear_airq does: with cc 3 the function is gone; with cc 1 and status 24 nothing was
 * registered.
 */
static inline int irqgate_mod_fc_clears(__u8 cc, __u8 status)
{
	return !cc || cc == 3 || (cc == 1 && status == 24);
}

_Static_assert(sizeof(struct irqgate_fib) == 40, "shared layout");
_Static_assert(sizeof(struct irqgate_gaite) == 16, "shared layout");
_Static_assert(sizeof(struct irqgate_firmware) == 136, "shared layout");

#endif
