/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rig: what a VMM and a user-space driver do, as small functions: open a PCI
 * function through VFIO, connect its vectors to eventfds, raise them on
 * purpose, and see them arrive in the local APIC of a VM that never runs.
 *
 * Every function that returns int returns 0 or more when it worked and a
 * negative errno otherwise, unless its comment says more. None is thread-safe.
 * The modules vfio-pci and kvm-amd (or kvm-intel) must be loaded by the caller.
 */
#ifndef IRQGATE_RIG_H
#define IRQGATE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define RIG_BDF_LEN 16
#define RIG_BARS 6
#define RIG_MAX_VECTORS 64
#define RIG_MAX_ROUTES 256

/* The devices whose every vector can be raised: 1 MSI, 5 MSI-X, 10 MSI-X. */
#define RIG_EDU 0x1234, 0x11e8
#define RIG_E1000E 0x8086, 0x10d3
#define RIG_IGB 0x8086, 0x10c9

/* Set: each ioctl of the rig prints one line there, `NAME details: ok|ERRNO`. */
extern FILE *rig_trace;

/* Name of an errno, given positive or negative: "EACCES"; "ok" for 0. */
const char *rig_errname(int err);

/* Milliseconds of the monotonic clock. */
uint64_t rig_now_ms(void);

/* ---- PCI ---------------------------------------------------------------- */

struct rig_bdf {
	uint32_t domain;
	uint8_t bus;
	/* slot << 3 | function */
	uint8_t devfn;
};

/* Reads "0000:00:0b.0". -EINVAL for anything else. */
int rig_bdf_parse(const char *text, struct rig_bdf *bdf);

/* Prints as "0000:00:0b.0" into TEXT. */
void rig_bdf_format(const struct rig_bdf *bdf, char text[RIG_BDF_LEN]);

/*
 * Finds the NTH (from 0) function VENDOR:DEVICE in order of address.
 * -ENODEV when there are not that many.
 */
int rig_pci_find(uint16_t vendor, uint16_t device, unsigned int nth, char bdf[RIG_BDF_LEN]);

/*
 * Takes BDF from whichever driver has it and gives it to vfio-pci. Nothing to
 * do when vfio-pci has it. -ENODEV no such function, or vfio-pci did not take
 * it (module not loaded); else what sysfs answered.
 */
int rig_pci_bind_vfio(const char *bdf);

/* The reverse: lets the function's own driver have it again. Errors as above. */
int rig_pci_release(const char *bdf);

/* ---- VFIO --------------------------------------------------------------- */

struct rig_dev {
	char bdf[RIG_BDF_LEN];
	uint16_t vendor;
	uint16_t device;
	int container;
	int group;
	int fd;
	/* VFIO_PCI_MSIX_IRQ_INDEX, or VFIO_PCI_MSI_IRQ_INDEX for edu. */
	uint32_t index;
	/* How many vectors that index has. */
	uint32_t vectors;
	/* NULL: not there, or not to be mapped. */
	volatile uint8_t *bar[RIG_BARS];
	size_t bar_len[RIG_BARS];
};

/*
 * Opens BDF, which vfio-pci must have: container and group (type1), device fd,
 * BARs mapped, memory and bus master enabled, device ready for rig_dev_raise().
 * -ENOENT vfio-pci does not have it, -EBUSY somebody else has it open, -EPERM
 * its group is not viable, -EOPNOTSUPP no type1 IOMMU; else the ioctl's error.
 * On failure nothing stays open.
 */
int rig_dev_open(struct rig_dev *dev, const char *bdf);

/*
 * Makes a device of which only the fd and the index are there, for they were inherited,
 * ready for rig_dev_raise(). Errors as above.
 */
int rig_dev_map(struct rig_dev *dev);

/* Closes everything; the kernel then frees the vectors. */
void rig_dev_close(struct rig_dev *dev);

/*
 * Makes the device send VECTOR once; may be repeated at will. Only edu, e1000e
 * and igb. A forked child may do it too.
 * -EINVAL no such vector, -EOPNOTSUPP unknown device.
 */
int rig_dev_raise(struct rig_dev *dev, uint32_t vector);

/*
 * How many messages an e1000e may have sent twice, since the first call of this, in this
 * process and those it forked since: QEMU repeats one when the emulated machine stood
 * still for 16 ms in the middle of rig_dev_raise().
 */
uint32_t rig_repeats(void);

/* Sets the INTx line of an edu high or low; no MSI may be enabled. -EOPNOTSUPP. */
int rig_dev_intx(struct rig_dev *dev, bool high);

/*
 * VFIO_DEVICE_SET_IRQS, on a device fd so that a process that was only handed
 * the fd can do it as well. FLAGS and LEN bytes of DATA are passed as given.
 */
int rig_irq_set(int device_fd, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		const void *data, size_t len);

/* Connects COUNT vectors from START on to FDS; -1 disconnects that one. */
int rig_irq_eventfds(int device_fd, uint32_t index, uint32_t start, uint32_t count,
		     const int32_t *fds);

/* DATA_NONE | ACTION_TRIGGER: the kernel signals those vectors' eventfds. */
int rig_irq_none(int device_fd, uint32_t index, uint32_t start, uint32_t count);

/* DATA_BOOL | ACTION_TRIGGER: the same for those whose byte is not 0. */
int rig_irq_bool(int device_fd, uint32_t index, uint32_t start, uint32_t count,
		 const uint8_t *bools);

/* Disables the whole index: all vectors disconnected and freed. */
int rig_irq_disable(int device_fd, uint32_t index);

/* ---- KVM ---------------------------------------------------------------- */

/* GSI and local APIC vector of interrupt number N, where a test has no wish. */
#define RIG_GSI(n) (24 + (n))
#define RIG_LAPIC(n) ((uint8_t)(0x30 + (n)))

struct rig_vm {
	int fd;
	int vcpu;
	/* Of a VM with a guest: its memory, and the page KVM_RUN tells its exits in. */
	uint8_t *memory;
	void *run;
	unsigned int n_routes;
	struct {
		uint32_t gsi;
		uint8_t vector;
	} route[RIG_MAX_ROUTES];
};

/*
 * Creates a VM with the in-kernel irqchip and one vCPU with its local APIC
 * enabled. The vCPU never runs: what arrives stays pending in the IRR. A VM
 * works only in the process that created it. -ENOENT no /dev/kvm.
 */
int rig_vm_create(struct rig_vm *vm);

/* Closes the VM and, with it, its irqfds. */
void rig_vm_destroy(struct rig_vm *vm);

/*
 * Routes GSI as an MSI to local APIC vector VECTOR (16..255), keeps the other
 * routes. -ENOSPC table full, -EINVAL.
 */
int rig_vm_route(struct rig_vm *vm, uint32_t gsi, uint8_t vector);

/* The same for COUNT numbers from FIRST on, RIG_GSI to RIG_LAPIC, in one ioctl. */
int rig_vm_route_range(struct rig_vm *vm, unsigned int first, unsigned int count);

/* KVM_IRQFD: connects eventfd FD to GSI. */
int rig_vm_irqfd(struct rig_vm *vm, int fd, uint32_t gsi);

/* The same for a level-triggered GSI: RESAMPLEFD is signalled on its EOI. */
int rig_vm_irqfd_resample(struct rig_vm *vm, int fd, uint32_t gsi, int resamplefd);

/* KVM_IRQFD with the DEASSIGN flag. */
int rig_vm_irqfd_off(struct rig_vm *vm, int fd, uint32_t gsi);

/* KVM_SIGNAL_MSI to local APIC vector VECTOR. 1: delivered, 0: the APIC refused it. */
int rig_vm_signal_msi(struct rig_vm *vm, uint8_t vector);

/* KVM_IRQ_LINE. A GSI routed as MSI fires on LEVEL true. */
int rig_vm_irq_line(struct rig_vm *vm, uint32_t gsi, bool level);

/*
 * KVM_SET_IRQCHIP: pin PIN (0..23) of the IOAPIC raises local APIC vector VECTOR,
 * edge- or level-triggered. GSI PIN reaches it in a VM that has set no route.
 */
int rig_vm_ioapic(struct rig_vm *vm, unsigned int pin, uint8_t vector, bool level);

/* Gives the VM memory and the guest the two functions below run. Once a VM. */
int rig_vm_guest(struct rig_vm *vm);

/*
 * Runs the vCPU until the guest has written a byte to I/O port PORT. -ETIMEDOUT
 * after 2 s, -EPROTO it exited for another reason. Uses SIGALRM.
 */
int rig_vm_guest_out(struct rig_vm *vm, uint16_t port);

/* Runs it until the guest has taken one interrupt and ended it. Errors as above. */
int rig_vm_guest_take(struct rig_vm *vm);

/* 1: VECTOR is pending in the IRR, 0: not. */
int rig_vm_pending(struct rig_vm *vm, uint8_t vector);

/* Number of vectors pending; their bits in IRR unless that is NULL. */
int rig_vm_irr(struct rig_vm *vm, uint32_t irr[8]);

/* Clears the IRR. What arrives during the call may be lost. */
int rig_vm_clear(struct rig_vm *vm);

/* Waits until VECTOR is pending. -ETIMEDOUT after TIMEOUT_MS. */
int rig_vm_wait_vector(struct rig_vm *vm, uint8_t vector, unsigned int timeout_ms);

/* Watches for SETTLE_MS that VECTOR stays clear. -EEXIST: it arrived. */
int rig_vm_absent(struct rig_vm *vm, uint8_t vector, unsigned int settle_ms);

/* ---- eventfds ----------------------------------------------------------- */

/* A new non-blocking eventfd. */
int rig_eventfd(void);

/* write(2) of 1. */
int rig_eventfd_signal(int fd);

/* Reads the count and resets it: 0 when nothing was there. */
int64_t rig_eventfd_take(int fd);

/* Waits until it is signalled, leaves the count alone. -ETIMEDOUT. */
int rig_eventfd_wait(int fd, unsigned int timeout_ms);

/* ---- other processes ---------------------------------------------------- */

/*
 * sendmsg(2) and recvmsg(2) of LEN bytes with a descriptor. Sent: FD unless -1.
 * Received: *FD, -1 when none came, or a security module kept it; close-on-exec.
 */
ssize_t rig_send_fd(int sock, const void *buf, size_t len, int fd);
ssize_t rig_recv_fd(int sock, void *buf, size_t len, int *fd);

struct rig_child {
	pid_t pid;
	int sock;
};

/* Serves one call in the child. FD is -1 or a descriptor that is now its own. */
typedef long (*rig_handler)(void *ctx, uint32_t op, uint64_t arg, int fd);

/*
 * Forks a child that answers rig_child_call() with what HANDLER returns, until
 * rig_child_stop(). CGROUP, unless NULL, is created below /sys/fs/cgroup and
 * entered first ("a/b"). The child dies with its parent.
 */
int rig_child_start(struct rig_child *child, const char *cgroup, rig_handler handler, void *ctx);

/*
 * Calls the handler in the child and returns its result. FD, unless -1, is
 * passed by SCM_RIGHTS. -EPIPE the child is gone, or the error of sendmsg(2).
 * A descriptor that a security module kept from the child arrives as -1.
 */
long rig_child_call(struct rig_child *child, uint32_t op, uint64_t arg, int fd);

/* Ends the child. Its exit status, or 128 + signal. */
int rig_child_stop(struct rig_child *child);

struct rig_proc {
	pid_t pid;
	FILE *in;
	FILE *out;
};

/*
 * Executes ARGV (a path first) with pipes for its stdin and stdout, in CGROUP
 * as above. It dies with its parent. -errno when it cannot be executed. SIGPIPE
 * is ignored in the caller from then on.
 */
int rig_proc_start(struct rig_proc *proc, const char *cgroup, char *const argv[]);

/*
 * Sends COMMAND and a newline unless NULL, reads lines until one says "done"
 * (what `msi-vm -i` prints after each command), keeps them in REPLY (cut at
 * LEN, always terminated). -EPIPE the process is gone.
 */
int rig_proc_ask(struct rig_proc *proc, const char *command, char *reply, size_t len);

/* Closes the pipes and waits. Its exit status, or 128 + signal. */
int rig_proc_stop(struct rig_proc *proc);

/* Moves the caller into CGROUP below /sys/fs/cgroup, which is created if needed. */
int rig_cgroup_enter(const char *cgroup);

#endif
