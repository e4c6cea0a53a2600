/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts that the hardware delivers to a VM without software. */
#ifndef IRQGATE_USER_DIRECT_H
#define IRQGATE_USER_DIRECT_H

#include <stdbool.h>

/*
 * may_be_direct - can the hardware deliver interrupts to a VM without software?
 *
 * With APICv or AVIC in use, KVM or the IOMMU may post interrupts. Then the counters of a binding
 * to a VM may miss interrupts, and only a quarantine stops them.
 */
bool may_be_direct(void);

/*
 * may_stay_direct - can posted interrupts still reach the old VM after VFIO changed the eventfd?
 *
 * Yes with AVIC, if the VM's route was emptied before: avic_pi_update_irte() then returns early and
 * leaves the IOMMU's entry as it was (arch/x86/kvm/svm/avic.c up to 6.12). Kernels that have
 * kvm_kernel_irqfd.irq_bypass_vcpu know which interrupts are posted, and do not have this fault.
 * Reads KVM's BTF.
 */
bool may_stay_direct(void);

#endif
