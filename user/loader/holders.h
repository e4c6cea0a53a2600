/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes that hold a VFIO device. A BPF iterator finds them. It walks the tables of
 * fds and takes no lock of their owners, so it finds the right fd however many fds a process
 * has, and whatever call the process is in.
 */
#ifndef IRQGATE_USER_HOLDERS_H
#define IRQGATE_USER_HOLDERS_H

#include <stdbool.h>
#include "table/pins.h"

#define HOLDERS_MAX 24

struct holder {
	__u64 start; /* of the process, as in struct irqgate_ident */
	__u32 tgid;
	__u32 tid; /* a thread can have fds that its process does not have */
	__s32 fd; /* -1: mapped */
	__u32 pad;
};

struct holders {
	__u64 device; /* struct vfio_pci_core_device */
	__u32 n;
	bool more; /* there are more than HOLDERS_MAX */
	struct holder of[HOLDERS_MAX];
};

/*
 * holders_find - look for the processes that hold a device
 * @device: struct vfio_pci_core_device
 * @mapped: also those that have it mapped and hold no fd
 * @budget: as of bounded_spend()
 *
 * A moment later another process may hold it. Lists at most four fds of a thread.
 * Return: 0 or a negative errno.
 */
int holders_find(struct holders *holders, __u64 device, bool mapped, int *budget);

/* holders_drop - remove the holder at @i; @process: with all others of its process */
void holders_drop(struct holders *holders, __u32 i, bool process);

#endif
