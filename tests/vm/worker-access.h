/* SPDX-License-Identifier: GPL-2.0-only */
/* More steps of a worker, which worker-access.c serves: the ways to use a VFIO device. */
#ifndef IRQGATE_TEST_WORKER_ACCESS_H
#define IRQGATE_TEST_WORKER_ACCESS_H

#include "worker.h"

/*
 * A register of igb and e1000e that only keeps what is written to it, until a reset: the fourth
 * receive address. And a byte of the configuration space that VFIO keeps: the interrupt line.
 */
#define ACCESS_SCRATCH 0x5418
#define ACCESS_CONFIG 0x3c

/* Arguments and results as in worker.h. */
enum access_op {
	A_GIVE = 512, /* sends file a, enum access_file, to the peer */
	A_TAKE, /* gets it as file a. 1: it came */
	A_STEAL, /* pidfd_getfd(2) of fd c of process b, as file a */
	A_NUMBER, /* Result: the fd of file a */
	A_GROUP, /* opens the group and a container of TEXT, and connects nothing */
	A_JOIN, /* VFIO_GROUP_SET_CONTAINER */
	A_IOMMU, /* VFIO_SET_IOMMU */
	A_DEVICE, /* VFIO_GROUP_GET_DEVICE_FD of TEXT, and keeps the device */
	A_MAP, /* maps BAR 0 and keeps the mapping */
	A_PEEK, /* Result: the register, by this mapping */
	A_POKE, /* writes a to the register, by this mapping */
	A_CONFIG, /* Result: the byte of the configuration space */
	A_ASLEEP, /* 1: another process let the device sleep. Wakes it */
	A_DMA_TAKEN, /* 1: page number a of the container's addresses is mapped */
	A_HOT, /* Result: how many functions a hot reset would reset */
	A_RESETS, /* 1: VFIO can reset the device */
	A_TIE, /* VFIO writes b to the register when the eventfd of vector a is signalled */
	A_TRY, /* enum attempt a with value b, TEXT: the function. Result: that of the attempt */
	A_FLIP, /* a rounds of TRY_OPEN of TEXT while a thread changes the name and back. Result:
		 * how many devices were of any use */
};

enum access_file {
	FILE_DEVICE,
	FILE_GROUP,
	FILE_CONTAINER,
	FILE_SPARE, /* a device, beside the one that the worker has */
};

/* Each is one call that a gate may refuse, unless it says how many. */
enum attempt {
	TRY_OPEN, /* VFIO_GROUP_GET_DEVICE_FD; closes it again */
	TRY_INFO, /* the four ioctls that ask what the device has. -EIO: they differ */
	TRY_READ, /* Result: the register */
	TRY_READV,
	TRY_READ_URING,
	TRY_READ_FIXED, /* a registered file of an io_uring */
	TRY_WRITE, /* the register becomes the value */
	TRY_WRITEV,
	TRY_WRITE_URING,
	TRY_WRITE_FIXED,
	TRY_CONFIG_READ, /* Result: the byte */
	TRY_CONFIG_WRITE, /* the byte becomes the value */
	TRY_MAP, /* the register becomes the value, by a mapping that ends at once */
	TRY_RESET,
	TRY_HOT_RESET, /* of the bus; all functions there are of the group */
	TRY_IOEVENTFD, /* ties an eventfd to the register, and signals it: two calls */
	TRY_FEATURE, /* the device may sleep (VFIO_DEVICE_FEATURE) */
	TRY_DISABLE, /* VFIO_DEVICE_SET_IRQS, ends all vectors */
	TRY_MASK, /* VFIO_DEVICE_SET_IRQS, masks the INTx */
	TRY_JOIN, /* VFIO_GROUP_SET_CONTAINER; -EINVAL: it has one */
	TRY_LEAVE, /* VFIO_GROUP_UNSET_CONTAINER; -EBUSY: a device is open */
	TRY_IOMMU, /* VFIO_SET_IOMMU; -EINVAL: it has one */
	TRY_DMA_MAP, /* a page of this process becomes the page of that number */
	TRY_DMA_UNMAP,
};

/* For A_TRY: by the 32-bit system call. Only for attempts that are ioctls. */
#define TRY_COMPAT 0x100
/* For A_TRY: on FILE_SPARE. */
#define TRY_SPARE 0x200

#endif
