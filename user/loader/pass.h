/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of a device during one pass over the bindings. The loader finds it out once, and
 * not for each vector. So a device that makes the loader wait does so once in a pass.
 */
#ifndef IRQGATE_USER_PASS_H
#define IRQGATE_USER_PASS_H

#include <stdbool.h>
#include "loader/holders.h"
#include "loader/resort.h"

struct pass_device {
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

/* pass_begin - begin a pass: forget what is known of devices */
void pass_begin(void);

/*
 * pass_get - what this pass knows of a device
 * @object: struct vfio_pci_core_device
 *
 * The result is valid until the next call, which may move it. NULL: no memory.
 */
struct pass_device *pass_get(__u64 object);

#endif
