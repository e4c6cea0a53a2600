/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of a PCI function, from sysfs. */
#ifndef IRQGATE_USER_DEVICE_H
#define IRQGATE_USER_DEVICE_H

#include <linux/types.h>

#include "lib/handle.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_DRIVERS "/sys/bus/pci/drivers"
#define DRIVER_LEN 40

enum device_state {
	DEVICE_ABSENT, /* does not exist, or is no PCI function */
	DEVICE_UNBOUND, /* exists, without a driver */
	DEVICE_HOST, /* a host driver is bound to it */
	DEVICE_VFIO, /* a VFIO driver, or one that offers it to VFIO, is bound to it */
};

/* device_bdf - "0000:00:0b.0", the function's name in sysfs; returns a part of @buf. */
const char *device_bdf(__u64 handle, char buf[HANDLE_STRLEN]);

/*
 * device_driver - name of the driver that is bound to a function
 * @driver: the name, cut off when too long; "" if no driver is bound
 * Return: 0; -ENOENT: no driver, or no such function; or another negative errno.
 */
int device_driver(__u64 handle, char driver[DRIVER_LEN]);

/* device_state - does a function exist, and which driver is bound? @driver: as device_driver(). */
enum device_state device_state(__u64 handle, char driver[DRIVER_LEN]);

#endif
