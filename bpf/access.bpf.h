/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access gate: which process may hold or use a device, apart from its interrupts.
 *
 * It judges the file of a call and the devices to which that file leads, never a name from the
 * caller's memory. Two numbers it must read: the container that a group joins, and the vectors of a
 * device some of which belong to the caller. In a race the caller may show it others.
 */
#ifndef IRQGATE_ACCESS_BPF_H
#define IRQGATE_ACCESS_BPF_H

#include "vfio.bpf.h"

#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18) /* since 6.6 */
#endif

/* Devices that one walk looks at. If there are more, nothing beyond them is authorized. */
#define WALK_MAX 4096

static __always_inline int refuse_access(__u64 handle, __u32 gd, __u64 decision)
{
	struct attempt a = {};

	a.handle = handle;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = gd;
	a.level = IRQGATE_LEVEL_ACCESS;
	return refusal(gate(&a, decision));
}

/* May the current process hold or use a device? @use: enum irqgate_use */
SHARED int gate_access(__u64 handle, __u32 use)
{
	__u32 gd;

	if (!governs_access())
		return 0;
	gd = gd_current();
	return refuse_access(handle, gd, decide_access(handle, gd, use));
}

/* A walk through devices without the kernel's locks: the worst decision on any of them. */
struct access_walk {
	struct list_head *head, *next; /* devices */
	struct list_head *groups, *next_group; /* groups of a container, whose devices come next */
	struct pci_bus *top, *bus; /* of a walk through a bus: .next is on .bus */
	union decision worst;
	__u64 handle; /* device of .worst */
	__u32 gd;
	__u32 use;
	bool ended; /* it came to the end of the list */
};

static __always_inline void walk_judge(struct access_walk *w, struct device *dev)
{
	__u64 handle = device_handle(dev);
	union decision r;

	r.raw = decide_access(handle, w->gd, w->use);
	if (r.d.verdict <= w->worst.d.verdict)
		return;
	w->worst = r;
	w->handle = handle;
}

/* What the kernel changes during the walk, the walk may not see. Then it comes to no end. */
static __always_inline int walk_refuse(struct access_walk *w)
{
	struct attempt a = {};

	if (w->worst.d.verdict > IRQGATE_VERDICT_ALLOW)
		return refuse_access(w->handle, w->gd, w->worst.raw);
	if (w->ended)
		return 0;
	a.vector = IRQGATE_VECTOR_FUNCTION;
	a.gd = w->gd;
	a.level = IRQGATE_LEVEL_ACCESS;
	return refusal(gate_full(&a));
}

static long walk_groups_cb(__u32 i, struct access_walk *w)
{
	struct list_head *entry = w->next;
	struct vfio_device *dev;
	struct vfio_group *group;

	if (entry && entry != w->head) {
		dev = (void *)core_container_of(entry, struct vfio_device, group_next);
		walk_judge(w, BPF_CORE_READ(dev, dev));
		w->next = BPF_CORE_READ(entry, next);
		return 0;
	}
	entry = w->next_group;
	w->ended = w->next == w->head && entry == w->groups;
	if (w->next != w->head || !entry || w->ended)
		return 1;
	group = (void *)core_container_of(entry, struct vfio_group, container_next);
	w->head = (void *)group + bpf_core_field_offset(struct vfio_group, device_list);
	w->next = BPF_CORE_READ(group, device_list.next);
	w->next_group = BPF_CORE_READ(entry, next);
	return 0;
}

/*
 * A group leads to its devices: VFIO_GROUP_GET_DEVICE_FD opens one of them. All must be
 * authorized, because they are not isolated from each other.
 * @container: struct vfio_container that the group is to join, or 0. Its devices get the DMA
 *	mappings of the group's, and the other way round, so they must be authorized, too.
 */
static __noinline int gate_group(struct file *file, __u64 container)
{
	struct vfio_group *group = BPF_CORE_READ(file, private_data);
	struct vfio_container *joined = (void *)container;
	struct access_walk w = {};

	w.gd = gd_current();
	w.use = IRQGATE_HOLDS;
	w.head = (void *)group + bpf_core_field_offset(struct vfio_group, device_list);
	w.next = BPF_CORE_READ(group, device_list.next);
	if (container) {
		w.groups =
			(void *)joined + bpf_core_field_offset(struct vfio_container, group_list);
		w.next_group = BPF_CORE_READ(joined, group_list.next);
	}
	bpf_loop(WALK_MAX, walk_groups_cb, &w, 0);
	return walk_refuse(&w);
}

/* From the uapi's linux/vfio.h: what a container has, without a change of it. */
static __always_inline bool container_asks(unsigned int cmd)
{
	return cmd == VFIO_GET_API_VERSION || cmd == VFIO_CHECK_EXTENSION ||
	       cmd == VFIO_IOMMU_GET_INFO;
}

/*
 * A container has the IOMMU mappings of its groups' devices: what they may reach by DMA.
 * @address: struct vfio_container
 */
static __noinline int gate_container(__u64 address, __u32 use)
{
	struct vfio_container *container = (void *)address;
	struct access_walk w = {};

	w.gd = gd_current();
	w.use = use;
	w.groups = (void *)container + bpf_core_field_offset(struct vfio_container, group_list);
	w.next_group = BPF_CORE_READ(container, group_list.next);
	/*
	 * An empty list of devices. Not NULL: up to 6.6 the verifier looks only at the first turn
	 * of a loop, and removes the code that it then finds dead.
	 */
	w.head = w.next = w.groups;
	bpf_loop(WALK_MAX, walk_groups_cb, &w, 0);
	return walk_refuse(&w);
}

/* A broker chooses the IOMMU's type, too: without one, VFIO opens no device. */
static __always_inline __u32 container_use(unsigned int cmd)
{
	return container_asks(cmd) || cmd == VFIO_SET_IOMMU ? IRQGATE_HOLDS : IRQGATE_USES;
}

/* Steps through all functions on a bus and below: along it, down, and up at the end of a bus. */
static long walk_bus_cb(__u32 i, struct access_walk *w)
{
	struct list_head *entry = w->next;
	struct pci_bus *bus = w->bus, *below; /* CO-RE would look up w->bus in the kernel's types */
	struct pci_dev *pdev;

	if (!entry)
		return 1;
	if (entry == (void *)bus + bpf_core_field_offset(struct pci_bus, devices)) {
		w->ended = bus == w->top;
		if (w->ended)
			return 1;
		pdev = BPF_CORE_READ(bus, self);
		w->bus = BPF_CORE_READ(pdev, bus);
		w->next = BPF_CORE_READ(pdev, bus_list.next);
		return 0;
	}
	pdev = (void *)core_container_of(entry, struct pci_dev, bus_list);
	walk_judge(w, (void *)pdev + bpf_core_field_offset(struct pci_dev, dev));
	below = BPF_CORE_READ(pdev, subordinate);
	w->bus = below ?: bus;
	w->next = below ? BPF_CORE_READ(below, devices.next) : BPF_CORE_READ(entry, next);
	return 0;
}

/*
 * VFIO_DEVICE_PCI_HOT_RESET resets the slot or the bus of a function. The gate asks for all
 * functions on the bus, which are no fewer.
 */
static __noinline int gate_hot_reset(struct vfio_pci_core_device *vdev)
{
	struct access_walk w = {};
	struct pci_bus *bus;

	if (!vdev)
		return 0;
	bus = BPF_CORE_READ(vdev, pdev, bus);
	w.gd = gd_current();
	w.use = IRQGATE_USES;
	w.top = w.bus = bus;
	w.next = BPF_CORE_READ(bus, devices.next);
	bpf_loop(WALK_MAX, walk_bus_cb, &w, 0);
	return walk_refuse(&w);
}

/* Commands on a device that only ask what it has. */
static __always_inline bool device_asks(unsigned int cmd)
{
	return cmd == VFIO_DEVICE_GET_INFO || cmd == VFIO_DEVICE_GET_REGION_INFO ||
	       cmd == VFIO_DEVICE_GET_IRQ_INFO || cmd == VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
}

/*
 * A command on a device file, except VFIO_DEVICE_SET_IRQS, which gate_vfio_ioctl() judges by the
 * vectors. A device file of a character device is open before its process may use it:
 * VFIO_DEVICE_BIND_IOMMUFD opens the device.
 */
static __noinline int gate_device(struct file *file, unsigned int cmd)
{
	struct vfio_device *dev = vfio_file_device(file);
	__u64 handle = device_handle(BPF_CORE_READ(dev, dev));
	bool holds = device_asks(cmd) || cmd == VFIO_DEVICE_BIND_IOMMUFD;

	if (cmd == VFIO_DEVICE_PCI_HOT_RESET && handle)
		return gate_hot_reset(
			(void *)core_container_of(dev, struct vfio_pci_core_device, vdev));
	return gate_access(handle, holds ? IRQGATE_HOLDS : IRQGATE_USES);
}

/*
 * A command on a file of VFIO, by its object alone. The gates that also read arguments judge
 * VFIO_DEVICE_SET_IRQS and VFIO_GROUP_SET_CONTAINER.
 */
static __always_inline int gate_vfio_access(struct file *file, unsigned int cmd)
{
	if (!governs_access())
		return 0;
	if (file_is(file, vfio_device_fops_addr))
		return cmd == VFIO_DEVICE_SET_IRQS || current_is_agent() ? 0
									 : gate_device(file, cmd);
	if (file_is(file, vfio_group_fops_addr))
		return cmd == VFIO_GROUP_SET_CONTAINER ? 0 : gate_group(file, 0);
	return file_is(file, vfio_container_fops_addr)
		       ? gate_container((__u64)BPF_CORE_READ(file, private_data),
					container_use(cmd))
		       : 0;
}

#endif
