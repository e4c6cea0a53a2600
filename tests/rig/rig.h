/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rig: the steps of a VMM and of a user-space driver as small functions: open a PCI function
 * through VFIO, connect its vectors to eventfds, raise them on purpose, and see them arrive in
 * the local APIC of a VM that never runs.
 *
 * Every function that returns int returns 0 or more if it worked and a negative errno otherwise,
 * unless its comment says more. None is thread-safe. The caller must load the modules vfio-pci
 * and kvm-amd (or kvm-intel).
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

/* The rig can raise every vector of these devices: 1 MSI, 5 MSI-X, 10 MSI-X. */
#define RIG_EDU 0x1234, 0x11e8
#define RIG_E1000E 0x8086, 0x10d3
#define RIG_IGB 0x8086, 0x10c9

/* If it is set, each ioctl of the rig prints a line there: `NAME details: ok|ERRNO`. */
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
 * Finds function number NTH (from 0) of VENDOR:DEVICE in order of address.
 * -ENODEV: there are not that many.
 */
int rig_pci_find(uint16_t vendor, uint16_t device, unsigned int nth, char bdf[RIG_BDF_LEN]);

/*
 * Takes BDF from its driver and gives it to vfio-pci, unless vfio-pci has it already. -ENODEV: no
 * such function, or vfio-pci did not take it (module not loaded). Else the error of sysfs.
 */
int rig_pci_bind_vfio(const char *bdf);

/* The reverse: gives the function back to its own driver. Errors as above. */
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
	/* NULL: there is no such BAR, or it cannot be mapped. */
	volatile uint8_t *bar[RIG_BARS];
	size_t bar_len[RIG_BARS];
};

/*
 * Opens BDF, which vfio-pci must have: container and group (type1), device fd,
 * BARs mapped, memory and bus master enabled, device ready for rig_dev_raise().
 * -ENOENT: vfio-pci does not have it, -EBUSY: another process has it open, -EPERM: its group is
 * not viable, -EOPNOTSUPP: no type1 IOMMU. Else the error of the ioctl. On failure nothing stays
 * open.
 */
int rig_dev_open(struct rig_dev *dev, const char *bdf);

/* Opens a VFIO device that need not be a PCI function: container, group and device fd only. */
int rig_dev_open_plain(struct rig_dev *dev, const char *name);

/* The first step of these two: opens a container and the group, and connects nothing. */
int rig_dev_group(struct rig_dev *dev, const char *name);

/*
 * Makes an inherited device, of which only the fd and the index are known, ready for
 * rig_dev_raise(). Errors as above.
 */
int rig_dev_map(struct rig_dev *dev);

/* The offset of a configuration space register in the device fd, or -errno. */
off_t rig_dev_config(struct rig_dev *dev, unsigned int reg);

/* Enables memory and bus mastering in the configuration space, as a driver does. */
int rig_dev_enable(struct rig_dev *dev);

/* Closes everything; the kernel then frees the vectors. */
void rig_dev_close(struct rig_dev *dev);

/*
 * Makes the device send VECTOR once. A forked child may do so, too. Only edu, e1000e and igb.
 * -EINVAL: no such vector, -EOPNOTSUPP: unknown device.
 */
int rig_dev_raise(struct rig_dev *dev, uint32_t vector);

/*
 * How many messages an e1000e may have sent twice since the first call of this function, in this
 * process and in children that it forked since. QEMU sends a message twice if the emulated
 * machine stands still for 16 ms in the middle of rig_dev_raise().
 */
uint32_t rig_repeats(void);

/* Sets the INTx line of an edu high or low; no MSI may be enabled. -EOPNOTSUPP. */
int rig_dev_intx(struct rig_dev *dev, bool high);

/*
 * VFIO_DEVICE_SET_IRQS. It takes a device fd, so that a process that only received the fd can do
 * it as well. FLAGS and LEN bytes of DATA are passed as given.
 */
int rig_irq_set(int device_fd, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		const void *data, size_t len);

/* Connects COUNT vectors from START on to FDS; an fd of -1 disconnects its vector. */
int rig_irq_eventfds(int device_fd, uint32_t index, uint32_t start, uint32_t count,
		     const int32_t *fds);

/* DATA_NONE | ACTION_TRIGGER: the kernel signals those vectors' eventfds. */
int rig_irq_none(int device_fd, uint32_t index, uint32_t start, uint32_t count);

/* DATA_BOOL | ACTION_TRIGGER: the same for vectors whose byte is not 0. */
int rig_irq_bool(int device_fd, uint32_t index, uint32_t start, uint32_t count,
		 const uint8_t *bools);

/* Disables the whole index: the kernel disconnects and frees all vectors. */
int rig_irq_disable(int device_fd, uint32_t index);

/* ---- KVM ---------------------------------------------------------------- */

/* GSI and local APIC vector of interrupt number N, unless a test needs others. */
#define RIG_GSI(n) (24 + (n))
#define RIG_LAPIC(n) ((uint8_t)(0x30 + (n)))

struct rig_vm {
	int fd;
	int vcpu;
	/* Only for a VM with a guest: its memory, and the page in which KVM_RUN reports exits. */
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
 * enabled. The vCPU never runs, so interrupts stay pending in the IRR. A VM
 * works only in the process that created it. -ENOENT: no /dev/kvm.
 */
int rig_vm_create(struct rig_vm *vm);

/* Closes the VM and, with it, its irqfds. */
void rig_vm_destroy(struct rig_vm *vm);

/*
 * Routes GSI as an MSI to local APIC vector VECTOR (16..255), and keeps the other
 * routes. -ENOSPC: the table is full.
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

/* Gives the VM memory and the guest that the next two functions run. Call it once a VM. */
int rig_vm_guest(struct rig_vm *vm);

/*
 * Runs the vCPU until the guest has written a byte to I/O port PORT. -ETIMEDOUT
 * after 2 s, -EPROTO: it exited for another reason. Uses SIGALRM.
 */
int rig_vm_guest_out(struct rig_vm *vm, uint16_t port);

/* Runs the vCPU until the guest has taken one interrupt and sent EOI. Errors as above. */
int rig_vm_guest_take(struct rig_vm *vm);

/* 1: VECTOR is pending in the IRR, 0: not. */
int rig_vm_pending(struct rig_vm *vm, uint8_t vector);

/* The number of pending vectors. Stores their bits in IRR unless that is NULL. */
int rig_vm_irr(struct rig_vm *vm, uint32_t irr[8]);

/* Clears the IRR. An interrupt that arrives during the call may be lost. */
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

/* Reads the count and resets it. 0: there was none. */
int64_t rig_eventfd_take(int fd);

/* Waits until the eventfd is signalled, and does not read it. -ETIMEDOUT. */
int rig_eventfd_wait(int fd, unsigned int timeout_ms);

/* ---- other processes ---------------------------------------------------- */

/*
 * sendmsg(2) and recvmsg(2) of LEN bytes with an fd. Sends FD unless it is -1. Receives *FD with
 * close-on-exec; -1: none came, or a security module refused it.
 */
ssize_t rig_send_fd(int sock, const void *buf, size_t len, int fd);
ssize_t rig_recv_fd(int sock, void *buf, size_t len, int *fd);

struct rig_child {
	pid_t pid;
	int sock;
};

/* Serves one call in the child. FD is -1, or an fd that the child holds now. */
typedef long (*rig_handler)(void *ctx, uint32_t op, uint64_t arg, int fd);

/*
 * Forks a child that answers rig_child_call() with what HANDLER returns, until
 * rig_child_stop(). CGROUP, unless NULL, is created below /sys/fs/cgroup and
 * entered first ("a/b"). The child dies with its parent.
 */
int rig_child_start(struct rig_child *child, const char *cgroup, rig_handler handler, void *ctx);

/*
 * Calls the handler in the child and returns its result. SCM_RIGHTS passes FD unless it is -1.
 * -EPIPE: the child has ended. Else the error of sendmsg(2). An fd that a security module refuses
 * to the child arrives as -1.
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
 * Executes ARGV (a path first) with pipes for its stdin and stdout, in CGROUP as above. It dies
 * with its parent. -errno: it cannot be executed. The caller ignores SIGPIPE from then on.
 */
int rig_proc_start(struct rig_proc *proc, const char *cgroup, char *const argv[]);

/*
 * Sends COMMAND and a newline unless it is NULL. Reads lines until one says "done", which
 * `msi-vm -i` prints after each command, and keeps them in REPLY (cut at LEN, always terminated).
 * -EPIPE: the process has ended.
 */
int rig_proc_ask(struct rig_proc *proc, const char *command, char *reply, size_t len);

/* Closes the pipes and waits. Its exit status, or 128 + signal. */
int rig_proc_stop(struct rig_proc *proc);

/* Moves the caller into CGROUP below /sys/fs/cgroup, which is created if needed. */
int rig_cgroup_enter(const char *cgroup);

#endif
