/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernels, and nothing else. No other file asks whether a type or a member
 * exists.
 */
#ifndef IRQGATE_COMPAT_BPF_H
#define IRQGATE_COMPAT_BPF_H

#include "maps.bpf.h"

#include <linux/vfio.h>

/* container_of with the running kernel's offset. Takes and returns an address as a number. */
#define core_container_of(addr, type, member) ((__u64)(addr)-bpf_core_field_offset(type, member))

/*
 * Addresses of file_operations, of pci_bus_type and of KVM's list of VMs, from kallsyms. 0: the
 * module is not loaded, so no such object exists.
 */
const volatile __u64 eventfd_fops_addr __weak = 0;
const volatile __u64 vfio_device_fops_addr __weak = 0;
const volatile __u64 vfio_group_fops_addr __weak = 0;
const volatile __u64 vfio_container_fops_addr __weak = 0;
const volatile __u64 kvm_dev_fops_addr __weak = 0;
const volatile __u64 kvm_vm_fops_addr __weak = 0;
const volatile __u64 kvm_vcpu_fops_addr __weak = 0;
/* Built-in vhost drivers. A driver in a module is recognized by its module. */
const volatile __u64 vhost_fops_addr[IRQGATE_VHOST_TYPES] __weak = {};
const volatile __u64 pci_bus_type_addr __weak = 0;
const volatile __u64 kernfs_dir_fops_addr __weak = 0;
const volatile __u64 vm_list_addr __weak = 0;
/* s390's zPCI functions and summary bits, KVM's forwarding; 0 elsewhere. */
const volatile __u64 zpci_list_addr __weak = 0;
const volatile __u64 zpci_sbv_addr __weak = 0;
const volatile __u64 vm_layout_addr __weak = 0;
const volatile __u64 aift_addr __weak = 0;
const volatile __u64 irq_delivery_addr __weak = 0;

static __always_inline bool file_is(struct file *file, __u64 fops)
{
	return fops && (__u64)BPF_CORE_READ(file, f_op) == fops;
}

/* Number of used modules that are looked at; vhost's drivers use about five. */
#define MODULE_USES 16

/* The start of a module's name, long enough for every name that it is compared with. */
union module_name {
	char text[16];
	__u64 word[2];
};

static __always_inline bool module_is(struct module *mod, union module_name want)
{
	union module_name name = {};

	bpf_core_read_str(name.text, sizeof(name.text), &mod->name);
	return name.word[0] == want.word[0] && name.word[1] == want.word[1];
}

#define MODULE_IS(mod, name) module_is(mod, (union module_name){ .text = name })

/* Does a module use vhost's? The list does not change from the module's load to its end. */
static __always_inline bool module_uses_vhost(struct module *mod)
{
	struct list_head *head, *at;
	int i;

	if (!bpf_core_field_exists(mod->target_list))
		return false; /* CONFIG_MODULE_UNLOAD is not set */
	head = (void *)mod + bpf_core_field_offset(struct module, target_list);
	at = BPF_CORE_READ(head, next);
	for (i = 0; i < MODULE_USES && at && at != head; i++) {
		struct module_use *use =
			(void *)core_container_of(at, struct module_use, target_list);

		if (MODULE_IS(BPF_CORE_READ(use, target), "vhost"))
			return true;
		at = BPF_CORE_READ(at, next);
	}
	return false;
}

/*
 * Is it a file of a vhost driver, which signals eventfds from the kernel? The check asks the
 * file's own driver, so it knows a driver that was loaded this moment: a module by the vhost code
 * it uses, or by its name if that code is built in.
 */
static __noinline bool file_is_vhost(struct file *file)
{
	__u64 fops = (__u64)BPF_CORE_READ(file, f_op);
	struct module *mod = BPF_CORE_READ(file, f_op, owner);
	__u32 i;

	if (mod)
		return module_uses_vhost(mod) || MODULE_IS(mod, "vhost_net") ||
		       MODULE_IS(mod, "vhost_vsock") || MODULE_IS(mod, "vhost_scsi") ||
		       MODULE_IS(mod, "vhost_vdpa") || MODULE_IS(mod, "vhost_test");
	for (i = 0; i < IRQGATE_VHOST_TYPES; i++)
		if (vhost_fops_addr[i] && vhost_fops_addr[i] == fops)
			return true;
	return false;
}

static __always_inline __u64 pci_handle(struct pci_dev *pdev)
{
	struct pci_bus *bus = BPF_CORE_READ(pdev, bus);
	__u32 domain = 0;

#if defined(__TARGET_ARCH_s390)
	struct zpci_bus *zbus = BPF_CORE_READ(bus, sysdata);

	domain = BPF_CORE_READ(zbus, domain_nr);
#else
	struct pci_sysdata *sd;

	/* x86 keeps the domain in sysdata, for VMD too (pci_domain_nr). */
	if (bpf_core_type_exists(struct pci_sysdata)) {
		sd = BPF_CORE_READ(bus, sysdata);
		domain = BPF_CORE_READ(sd, domain);
	} else if (bpf_core_field_exists(struct pci_bus, domain_nr)) {
		domain = BPF_CORE_READ(bus, domain_nr);
	}
#endif
	return irqgate_handle_pci(domain, BPF_CORE_READ(bus, number),
				  (__u8)BPF_CORE_READ(pdev, devfn));
}

/* Handle of a device, 0: it is no PCI function. */
static __always_inline __u64 device_handle(struct device *dev)
{
	if (!dev || (__u64)BPF_CORE_READ(dev, bus) != pci_bus_type_addr)
		return 0;
	return pci_handle((void *)core_container_of(dev, struct pci_dev, dev));
}

/* The VFIO device behind a file whose f_op is vfio_device_fops. */
static __always_inline struct vfio_device *vfio_file_device(struct file *file)
{
	void *private = BPF_CORE_READ(file, private_data);

	/* Since 6.6 private_data is a vfio_device_file. */
	if (bpf_core_type_exists(struct vfio_device_file))
		return BPF_CORE_READ((struct vfio_device_file *)private, device);
	return private;
}

/* xa_load: at most 4 levels of 64 slots cover any MSI-X index. */
static __always_inline void *xa_entry(struct xarray *xa, __u64 index)
{
	__u64 entry = (__u64)BPF_CORE_READ(xa, xa_head);
	int i;

	for (i = 0; i < 4; i++) {
		struct xa_node *node;
		__u8 shift;

		if ((entry & 3) != 2 || entry <= 4096) /* xa_is_node */
			break;
		node = (struct xa_node *)(entry - 2);
		shift = BPF_CORE_READ(node, shift);
		if (index >> shift >> 6)
			return NULL;
		entry = 0;
		bpf_core_read(&entry, sizeof(entry), &node->slots[(index >> shift) & 63]);
		index &= (1ULL << shift) - 1;
		if (!shift)
			return (void *)entry;
	}
	return index ? NULL : (void *)entry;
}

struct vcpus {
	struct kvm *kvm;
	bool ran;
};

static long vcpu_ran_cb(__u32 i, struct vcpus *v)
{
	struct kvm_vcpu *vcpu = xa_entry(&v->kvm->vcpu_array, i);

	v->ran = vcpu && BPF_CORE_READ(vcpu, pid);
	return v->ran;
}

/* Did a vCPU ever run? KVM_RUN stores the thread that runs it (kvm_vcpu_ioctl). */
static __noinline bool vm_ran(__u64 vm)
{
	struct kvm *kvm = (void *)vm;
	struct vcpus v = { .kvm = kvm };

	if (!bpf_core_field_exists(struct kvm, vcpu_array) ||
	    !bpf_core_field_exists(struct kvm_vcpu, pid))
		return true;
	bpf_loop(BPF_CORE_READ(kvm, online_vcpus.counter), vcpu_ran_cb, &v, 0);
	return v.ran;
}

/* VFIO's context of a vector, NULL: nothing is connected. */
static __always_inline struct vfio_pci_irq_ctx *vfio_vector(struct vfio_pci_core_device *vdev,
							    __u32 vector)
{
	struct vfio_pci_core_device___array *old = (void *)vdev;

	if (bpf_core_field_exists(struct vfio_pci_core_device___array, num_ctx)) {
		struct vfio_pci_irq_ctx *ctx = BPF_CORE_READ(old, ctx);

		if (!ctx || vector >= BPF_CORE_READ(old, num_ctx))
			return NULL;
		return (void *)ctx + vector * bpf_core_type_size(struct vfio_pci_irq_ctx);
	}
	return xa_entry(&vdev->ctx, vector);
}

/* Number of vectors to look at with vfio_vector(). */
static __always_inline __u32 vfio_vectors(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_core_device___array *old = (void *)vdev;

	if (bpf_core_field_exists(struct vfio_pci_core_device___array, num_ctx))
		return BPF_CORE_READ(old, num_ctx);
	return BPF_CORE_READ(vdev, ctx.xa_head) ? IRQGATE_MAX_VECTORS : 0;
}

/*
 * Highest number of vectors of an index of a VFIO PCI device (vfio_pci_get_irq_count).
 * vfio_pci_core_enable stored the size of the MSI-X table, 16 bytes a vector.
 */
static __always_inline __u32 vfio_index_vectors(struct vfio_pci_core_device *vdev, __u32 index)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return BPF_CORE_READ(vdev, msix_size) / 16;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return 32;
	default:
		return 1;
	}
}

/*
 * The file behind a descriptor of the current task, as it is right now: only a first filter. Later
 * hooks read from the kernel's objects what the kernel connects.
 */
static __always_inline struct file *fd_file(__s32 fd)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct fdtable *fdt = BPF_CORE_READ(t, files, fdt);
	struct file **slots = BPF_CORE_READ(fdt, fd);
	struct file *file = NULL;

	if (fd < 0 || fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &slots[fd]);
	return file;
}

/* The eventfd behind a descriptor. */
static __always_inline struct eventfd_ctx *fd_eventfd(__s32 fd)
{
	struct file *file = fd_file(fd);

	return file && file_is(file, eventfd_fops_addr) ? BPF_CORE_READ(file, private_data) : NULL;
}

#endif
