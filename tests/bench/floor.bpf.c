// SPDX-License-Identifier: GPL-2.0-only
/* Programs that do nothing, where irqgate has its own: what being called costs. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("lsm/file_permission") int BPF_PROG(floor_permission, struct file *file, int mask)
{
	return 0;
}

SEC("lsm.s/file_ioctl") int BPF_PROG(floor_ioctl, struct file *file, unsigned int cmd)
{
	return 0;
}

SEC("lsm/mmap_file") int BPF_PROG(floor_mmap, struct file *file)
{
	return 0;
}

SEC("fentry/handle_irq_event") int BPF_PROG(floor_irq, void *desc)
{
	return 0;
}

SEC("fentry/vfio_msihandler") int BPF_PROG(floor_msi, int irq)
{
	return 0;
}

SEC("fentry/eventfd_signal_mask") int BPF_PROG(floor_signal, void *efd)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
