/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types the BPF programs use, trimmed to the members in use. libbpf
 * relocates every access to the running kernel (CO-RE), so order and size here
 * mean nothing. A member some kernels lack is read behind
 * bpf_core_field_exists, in bpf/compat.bpf.h only. A suffix after ___ names a
 * flavour of the same kernel type.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/types.h>

typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)
#define offsetof(type, member) __builtin_offsetof(type, member)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_s390)
typedef struct {
	unsigned long mask, addr;
} psw_t;
typedef struct {
	unsigned long args[1];
	psw_t psw;
	unsigned long gprs[16];
} user_pt_regs;
struct pt_regs {
	user_pt_regs user_regs;
};
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

struct list_head {
	struct list_head *next, *prev;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct kref {
	refcount_t refcount;
};

/* processes */

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	__u32 i_generation;
	void *i_private;
	struct super_block *i_sb;
};

struct module;

struct file_operations {
	struct module *owner;
};

struct file {
	const struct file_operations *f_op;
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	struct task_struct *owner;
	struct file *exe_file;
};

typedef struct {
	__u32 val;
} kuid_t;

struct user_namespace {
	int level;
};

typedef struct {
	__u64 val; /* before 6.3 two words of 32 bits, the lower one first */
} kernel_cap_t;

struct cred {
	kuid_t uid;
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
};

struct kernfs_node {
	__u64 id;
	void *priv;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct cgroup_root *root;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	int pid;
	int tgid;
	__u64 start_boottime;
	__u64 self_exec_id;
	unsigned int flags;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct mm_struct *mm;
	const struct cred *cred;
	struct css_set *cgroups;
	struct files_struct *files;
	char comm[16];
};

struct linux_binprm;

/* interrupts and PCI */

struct msi_desc;

struct irq_common_data {
	struct msi_desc *msi_desc;
};

struct irq_data {
	unsigned int irq;
};

struct irqaction {
	void *handler;
	void *dev_id;
};

struct irq_desc {
	struct irq_common_data irq_common_data;
	struct irq_data irq_data;
	struct irqaction *action;
};

struct bus_type {
	const char *name;
};

struct kobject {
	const char *name;
};

struct device {
	struct kobject kobj;
	const struct bus_type *bus;
	void *driver_data;
};

struct msi_desc {
	struct device *dev;
	__u16 msi_index;
};

struct pci_sysdata {
	int domain;
};

struct pci_bus {
	struct list_head devices;
	struct pci_dev *self;
	unsigned char number;
	void *sysdata;
	int domain_nr;
};

struct pci_dev {
	struct list_head bus_list;
	struct pci_bus *bus;
	struct pci_bus *subordinate;
	unsigned int devfn;
	unsigned int irq;
	struct device dev;
};

struct xarray {
	void *xa_head;
};

struct xa_node {
	unsigned char shift;
	void *slots[64];
};

/* eventfd */

struct eventfd_ctx {
	struct kref kref;
	__u64 count;
	unsigned int flags;
	int id;
};

/* VFIO */

struct vfio_device {
	struct device *dev;
	struct list_head group_next;
};

struct vfio_group {
	struct list_head device_list;
	struct list_head container_next;
};

struct vfio_container {
	struct list_head group_list;
};

/* What private_data of a device file is, since 6.6 (vfio: Introduce vfio_device_file). */
struct vfio_device_file {
	struct vfio_device *device;
};

struct irq_bypass_producer {
	void *token;
	int irq;
};

struct vfio_pci_irq_ctx {
	struct eventfd_ctx *trigger;
	struct irq_bypass_producer producer;
};

struct vfio_pci_core_device {
	struct vfio_device vdev;
	struct pci_dev *pdev;
	int irq_type;
	__u16 msix_size;
	struct xarray ctx; /* since 6.5 */
	struct list_head ioeventfds_list;
};

struct virqfd {
	struct eventfd_ctx *eventfd;
};

struct vfio_pci_ioeventfd {
	struct list_head next;
	struct virqfd *virqfd;
};

/* Up to 6.4 the contexts are an array. */
struct vfio_pci_core_device___array {
	struct vfio_pci_irq_ctx *ctx;
	int num_ctx;
};

/* KVM */

struct kvm_vcpu {
	struct kvm *kvm;
	void *pid;
};

struct kvm {
	struct mm_struct *mm;
	struct list_head vm_list;
	refcount_t users_count;
	struct xarray vcpu_array;
	atomic_t online_vcpus;
	struct {
		struct list_head items;
	} irqfds;
};

struct wait_queue_entry {
	unsigned int flags;
};
typedef struct wait_queue_entry wait_queue_entry_t;

struct poll_table_struct {
	unsigned int _key;
};
typedef struct poll_table_struct poll_table;

struct work_struct {
	void *func;
};

struct kvm_kernel_irqfd {
	struct kvm *kvm;
	wait_queue_entry_t wait;
	int gsi;
	struct eventfd_ctx *eventfd;
	struct list_head list;
	poll_table pt; /* up to 6.16 */
	struct work_struct shutdown;
	struct irq_bypass_producer *producer;
};

/* Since 6.17 (KVM: Initialize irqfd waitqueue callback when adding to the queue). */
struct kvm_irqfd_pt {
	struct kvm_kernel_irqfd *irqfd;
	poll_table pt;
	int ret;
};

struct wait_queue_head;

#if defined(__TARGET_ARCH_s390)
#include "s390.h"
#endif

/* modules */

struct module {
	char name[56];
	struct list_head target_list;
};

struct module_use {
	struct list_head target_list;
	struct module *target;
};

/* iterators */

struct bpf_map;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct vm_area_struct {
	struct file *vm_file;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif
