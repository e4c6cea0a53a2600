/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles: the 64-bit identity of an interrupt source. BPF programs and user space pack it the
 * same way. Pure integer code, any context.
 *
 *   63      56 55        48 47             16 15     8 7      0
 *   +---------+------------+-----------------+--------+--------+
 *   | type    | 0          | PCI domain      | bus    | devfn  |  pci
 *   | type    | 0                  | fh (32 bits)             |  zpci
 *   | type    | hash of the name, 56 bits                     |  soft
 *   +---------+-----------------------------------------------+
 *
 * A PCI domain takes 32 bits, because VMD numbers its domains from 0x10000
 * (drivers/pci/controller/vmd.c, vmd_find_free_domain).
 */
#ifndef IRQGATE_HANDLE_H
#define IRQGATE_HANDLE_H

#include <linux/types.h>

enum irqgate_handle_type {
	IRQGATE_HANDLE_NONE = 0,
	IRQGATE_HANDLE_PCI = 1,
	IRQGATE_HANDLE_ZPCI = 2,
	IRQGATE_HANDLE_SOFT = 3,
};

#define IRQGATE_HANDLE_TYPE_SHIFT 56
#define IRQGATE_SOFT_MASK ((1ULL << IRQGATE_HANDLE_TYPE_SHIFT) - 1)

/* devfn is (slot << 3 | function), as in struct pci_dev. */
static inline __u64 irqgate_handle_pci(__u32 domain, __u8 bus, __u8 devfn)
{
	return (__u64)IRQGATE_HANDLE_PCI << IRQGATE_HANDLE_TYPE_SHIFT | (__u64)domain << 16 |
	       (__u64)bus << 8 | devfn;
}

/* fh: function handle as in struct zpci_dev. */
static inline __u64 irqgate_handle_zpci(__u32 fh)
{
	return (__u64)IRQGATE_HANDLE_ZPCI << IRQGATE_HANDLE_TYPE_SHIFT | fh;
}

/* hash: any hash of the source's name; its upper 8 bits are dropped. */
static inline __u64 irqgate_handle_soft(__u64 hash)
{
	return (__u64)IRQGATE_HANDLE_SOFT << IRQGATE_HANDLE_TYPE_SHIFT | (hash & IRQGATE_SOFT_MASK);
}

static inline enum irqgate_handle_type irqgate_handle_type(__u64 handle)
{
	return (enum irqgate_handle_type)(handle >> IRQGATE_HANDLE_TYPE_SHIFT);
}

static inline __u32 irqgate_handle_domain(__u64 handle)
{
	return (__u32)(handle >> 16);
}

static inline __u8 irqgate_handle_bus(__u64 handle)
{
	return (__u8)(handle >> 8);
}

static inline __u8 irqgate_handle_devfn(__u64 handle)
{
	return (__u8)handle;
}

#endif
