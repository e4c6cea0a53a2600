/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of a device during one round over the bindings. The loader finds it out once, and
 * not for each vector. So a device that makes the loader wait does so once in a round.
 */
#ifndef IRQGATE_USER_ROUND_H
#define IRQGATE_USER_ROUND_H

#include <stdbool.h>
#include "loader/holders.h"
#include "loader/resort.h"

struct round_device {
	__u64 object; /* struct vfio_pci_core_device */
	struct holders holders; /* the first is asked next */
	bool searched; /* for the holders */
	int budget; /* ms */
	int quarantine_err, release_err; /* 0, or the negative errno with which that failed */
	bool held; /* a process may hold it whose fd irqgate could not copy or use */
	__u32 held_by; /* tgid; 0: not known */
	bool resorted; /* the last resort was taken, with the result .contained */
	enum contained contained;
};

/* round_begin - begin a round: forget what is known of devices */
void round_begin(void);

/*
 * round_get - what this round knows of a device
 * @object: struct vfio_pci_core_device
 *
 * The result is valid until the next call, which may move it. NULL: no memory.
 */
struct round_device *round_get(__u64 object);

#endif
