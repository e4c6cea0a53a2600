// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/device.h"

const char *device_bdf(__u64 handle, char buf[HANDLE_STRLEN])
{
	return strchr(handle_format(handle, buf), ':') + 1;
}

static bool has(__u64 handle, const char *what)
{
	char path[PATH_MAX], buf[HANDLE_STRLEN];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s%s", device_bdf(handle, buf), what);
	return !access(path, F_OK);
}

int device_driver(__u64 handle, char driver[DRIVER_LEN])
{
	char path[PATH_MAX], target[PATH_MAX], buf[HANDLE_STRLEN];
	ssize_t n;

	driver[0] = '\0';
	if (irqgate_handle_type(handle) != IRQGATE_HANDLE_PCI)
		return -ENOENT;
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver", device_bdf(handle, buf));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	snprintf(driver, DRIVER_LEN, "%s", basename(target));
	return 0;
}

enum device_state device_state(__u64 handle, char driver[DRIVER_LEN])
{
	if (!device_driver(handle, driver))
		/* Drivers for one kind of device are not called vfio-pci: mlx5_vfio_pci. */
		return strstr(driver, "vfio") || has(handle, "/vfio-dev") ? DEVICE_VFIO
									  : DEVICE_HOST;
	if (irqgate_handle_type(handle) != IRQGATE_HANDLE_PCI || !has(handle, ""))
		return DEVICE_ABSENT;
	return DEVICE_UNBOUND;
}
