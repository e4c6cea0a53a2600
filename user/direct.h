/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts that reach a VM without passing software. */
#ifndef IRQGATE_USER_DIRECT_H
#define IRQGATE_USER_DIRECT_H

#include <stdbool.h>

/*
 * may_be_direct - can interrupts reach a VM without passing software?
 *
 * KVM or the IOMMU may post them with APICv or AVIC in use: then what a binding to
 * a VM counts may not be all there is, and only quarantine stops it.
 */
bool may_be_direct(void);

/*
 * may_stay_direct - can they go on to the old VM after VFIO has pointed them elsewhere?
 *
 * With AVIC, where the VM's route was emptied before: avic_pi_update_irte() returns early
 * then and leaves the IOMMU's entry as it was (arch/x86/kvm/svm/avic.c up to 6.12). Kernels
 * that know what is posted have kvm_kernel_irqfd.irq_bypass_vcpu. Reads KVM's BTF.
 */
bool may_stay_direct(void);

#endif
