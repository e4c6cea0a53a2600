/* SPDX-License-Identifier: GPL-2.0-only */
/* What only s390 has: zPCI, and KVM's forwarding of its interrupts. From vmlinux.h. */

struct airq_iv {
	unsigned long *vector;
	unsigned long end;
};

struct zpci_bus {
	int domain_nr;
};

struct zpci_dev {
	struct zpci_bus *zbus;
	struct list_head entry;
	__u32 fid;
	__u32 fh;
	__u32 gisa;
	__u32 uid;
	unsigned int devfn;
	unsigned int msi_first_bit;
	unsigned int msi_nr_irqs;
	struct airq_iv *aibv;
	unsigned long aisb;
	struct kvm_zdev *kzdev;
};

/* Where virtual and physical addresses differ, since 6.10. */
struct vm_layout {
	unsigned long identity_base;
};

struct kvm_zdev {
	struct kvm *kvm;
};

struct zpci_gaite;

struct zpci_aift {
	struct zpci_gaite *gait;
	struct airq_iv *sbv;
};
