// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a device, and eventfds by which it is written. bind.bpf.c gates the ioctls and
 * inject.bpf.c reads and writes, because there is one program for all ioctls and one for all reads
 * and writes.
 */
#include "access.bpf.h"
#include "hook.bpf.h"

/*
 * A mapping reaches the device without a system call. The loader attaches this program only while
 * the table says who may use a device, because it runs at every mmap of the system.
 */
SEC("lsm/mmap_file")
int BPF_PROG(gate_mmap, struct file *file)
{
	if (!file || (__u64)file->f_op != vfio_device_fops_addr)
		return 0;
	return refusal(gate_access(vfio_file_handle(file), IRQGATE_USES));
}

/*
 * vfio_pci_ioeventfd(vdev, offset, data, count, fd), 6.1 to 7.3: the gate saw the eventfd that the
 * caller's number meant then. This hook reads which ones VFIO has.
 */
static __always_inline int do_ioeventfd_set(__u64 vdev, __u64 unused)
{
	sync_ioeventfds(vdev, account_of(ident_current()));
	return 0;
}

SEC("fexit/vfio_pci_ioeventfd")
int BPF_PROG(ioeventfd_set, struct vfio_pci_core_device *vdev)
{
	return do_ioeventfd_set(as_number(vdev), 0);
}

SEC("kprobe.multi")
int BPF_KPROBE(ioeventfd_set_enter_kp, __u64 vdev)
{
	return call_enter(vdev, 0);
}

HOOK_EXIT_KPROBE(ioeventfd_set)

char _license[] SEC("license") = "GPL";
