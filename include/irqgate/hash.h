/* SPDX-License-Identifier: GPL-2.0-only */
/* FNV-1a with 64 bits, for names that become keys. Any context. */
#ifndef IRQGATE_HASH_H
#define IRQGATE_HASH_H

#include <linux/types.h>

#define IRQGATE_HASH_INIT 0xcbf29ce484222325ULL

static inline __u64 irqgate_hash_byte(__u64 hash, __u8 byte)
{
	return (hash ^ byte) * 0x100000001b3ULL;
}

/* A text of at most @max bytes, up to its NUL. */
static inline __u64 irqgate_hash_text(const char *text, __u32 max)
{
	__u64 hash = IRQGATE_HASH_INIT;
	__u32 i;

	for (i = 0; i < max && text[i]; i++)
		hash = irqgate_hash_byte(hash, text[i]);
	return hash;
}

#endif
