// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts of a device beside MSI: INTx, the ERR and REQ indexes, wake-up. */
#include "worker-impl.h"

#include <errno.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SUSPEND_MS 200

static long bind_index(uint32_t vector, uint32_t index, uint32_t action)
{
	return rig_irq_set(worker_dev.fd, index, VFIO_IRQ_SET_DATA_EVENTFD | action, 0, 1,
			   &worker_eventfds[vector], sizeof(worker_eventfds[vector]));
}

/* The device may sleep. VFIO signals the eventfd when a process wakes it. */
static long sleep_till_touched(uint32_t vector)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_low_power_entry_with_wakeup wakeup;
	} feature = {
		.head.argsz = sizeof(feature),
		.head.flags =
			VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		.wakeup.wakeup_eventfd = worker_eventfds[vector],
	};

	return ioctl(worker_dev.fd, VFIO_DEVICE_FEATURE, &feature) ? -errno : 0;
}

static long touch(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	usleep(SUSPEND_MS * 1000); /* until it has fallen asleep */
	return ioctl(worker_dev.fd, VFIO_DEVICE_GET_INFO, &info) ? -errno : 0;
}

long serve_device(const struct call *c)
{
	switch ((enum worker_op)c->op) {
	case W_OPEN_PLAIN:
		return rig_dev_open_plain(&worker_dev, c->text);
	case W_INDEX:
		return bind_index(c->a, c->b, c->c);
	case W_INDEX_NONE:
		return rig_irq_none(worker_dev.fd, c->b, 0, 1);
	case W_INTX:
		return rig_dev_intx(&worker_dev, c->a);
	case W_SLEEP:
		return sleep_till_touched(c->a);
	case W_ENABLE:
		return rig_dev_enable(&worker_dev);
	case W_TOUCH:
		return touch();
	default:
		return -EOPNOTSUPP;
	}
}
