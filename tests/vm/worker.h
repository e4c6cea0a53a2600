/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * worker: a process that does what a VMM, a user-space driver or an intruder does, one step a
 * call. It is executed, not only forked, because irqgate takes the identity of a process at exec.
 * Fds never pass through the tests' own process, which is of no context: a worker gives them to
 * an heir or a peer.
 */
#ifndef IRQGATE_TEST_WORKER_H
#define IRQGATE_TEST_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#define WORKER_TEXT 64

/* Arguments are a, b, c, and where it says so TEXT and FD. Result: 0 or more, or -errno. */
enum worker_op {
	W_OPEN, /* TEXT: the PCI function. Result: its vectors */
	W_CLOSE, /* the function */
	W_VM, /* a VM with routes for vectors 0..a-1 (0: KVM's own routes); b: it can run */
	W_EVENTFDS, /* new eventfds for vectors 0..a-1 */
	W_VFIO, /* VFIO_DEVICE_SET_IRQS, b vectors from a on */
	W_VFIO_OFF, /* disables the index */
	W_IRQFD, /* KVM_IRQFD, b vectors from a on. Result: the first error */
	W_RAISE, /* the device sends b vectors from a on, each c times */
	W_ARRIVES, /* the same; each must be alone in the IRR each time, else -errno */
	W_ABSENT, /* the same; none may be in the IRR, else -EEXIST */
	W_PENDING, /* clears the IRR. Result: how many vectors were in it */
	W_WAIT, /* waits for vector a in the IRR, clears it */
	W_TAKE, /* read(2) of the eventfd of vector a: the count */
	W_WRITE, /* write(2) to the eventfd of vector a */
	W_FILL, /* fills the eventfd of vector a: a process that writes to it waits */
	W_MSI, /* KVM_SIGNAL_MSI as vector a */
	W_LINE, /* KVM_IRQ_LINE as vector a */
	W_NONE, /* VFIO_DEVICE_SET_IRQS DATA_NONE of vector a */
	W_BOOL, /* the same with DATA_BOOL */
	W_COMPAT_VFIO, /* as W_VFIO, by the 32-bit system call */
	W_COMPAT_IRQFD, /* KVM_IRQFD of vector a, by the 32-bit system call */
	W_STREAM, /* a child raises vector a every b microseconds; c: reads each before the next */
	W_STREAM_STOP, /* Result: how many times it raised */
	W_CGROUP, /* moves to TEXT */
	W_FORK, /* a child goes on in its place. Result: its pid */
	W_HEIR, /* a child moves to TEXT and executes a worker, which keeps the device and the
		 * eventfd of vector a (W_ALL: each), and serves on FD. Result: its pid */
	W_PEER, /* FD: a socket to another worker */
	W_SEND, /* sends the eventfd of vector a (b: the device) to the peer */
	W_RECEIVE, /* gets it as eventfd of vector a (b: as device with index c). 1: it came */
	W_NUMBER, /* Result: the fd of the eventfd of vector a (b: of the device) */
	W_NEW, /* closes the eventfd of vector a, makes a new one */
	W_UNBIND, /* disconnects vector a */
	W_TRACE, /* enum tracing a of process b; detaches again */
	W_IDLE, /* a thread (a = 1: a child) that does nothing. Result: its tid */
	W_STEAL, /* pidfd_getfd(2) of fd c of process b, as eventfd of vector a */

	/* worker-adopt.c */
	W_NAMESPACE, /* a child in a pid namespace of its own takes over */
	W_HIDE, /* moves the VM (b: the device) to where enum hiding a says */
	W_SEEK, /* takes the device back from the socket of IN_FLIGHT */
	W_RING_ENABLE, /* W_ENABLE by the io_uring of IN_URING */
	W_CROWD, /* a fds of another file come before the device fd */
	W_STUCK, /* a child binds a vectors, and is stuck in execve(2). Only the child holds a
		  * device fd; b: this process holds one, too */

	/* worker-signal.c */
	W_SIGNAL, /* writes to the eventfd of vector a by enum means b */
	W_READ, /* reads it by these means. Result: the count */
	W_COUNT, /* waits up to b ms until it is signalled, reads it. Result: the count */
	W_GIVE, /* gives the eventfd of vector a to enum taker b */
	W_HAVE_SIGNALLED, /* makes that taker signal it */

	/* worker-device.c */
	W_OPEN_PLAIN, /* TEXT: a VFIO device that need not be a PCI function */
	W_INDEX, /* connects the eventfd of vector a to VFIO index b by action flag c */
	W_INDEX_NONE, /* DATA_NONE | ACTION_TRIGGER on index b */
	W_INTX, /* the INTx line of an edu becomes a */
	W_SLEEP, /* low power; the eventfd of vector a gets the wake-up */
	W_TOUCH, /* wakes the device */
	W_ENABLE, /* makes it bus master, by its config space */

	/* worker-vm.c */
	W_SEEN, /* 1: vector a, and nothing else, came to the IRR within b ms; clears it */
	W_IRQFD_OFF, /* the reverse of W_IRQFD for vector a */
	W_IRQFD_INTX, /* irqfd of vector a at IOAPIC pin c, level; EOI signals the eventfd of b */
	W_INTX_TAKEN, /* 1: it came within b ms, and the guest sent EOI; lowers the line */
	W_GUEST, /* a VM that can run */
	W_IOEVENTFD, /* an I/O port; a write of the guest signals the eventfd of vector a */
	W_GUEST_OUT, /* the guest writes to this port */
	W_RESAMPLE, /* the guest's EOI of a level-triggered interrupt signals the eventfd of a */
	W_GUEST_EOI, /* this interrupt comes, and the guest sends EOI */
	W_INJECTIONS, /* a VM where each of enum injection works, if the kernel has it */
	W_INJECT, /* enum injection a */
	W_INJECTED, /* 1: it became pending within b ms; clears it */
	W_IRR, /* waits b ms for the vectors whose bits a has; clears the IRR. Result: all that
		* were pending, as bits */
};

#define W_ALL UINT32_MAX

/* Places that hold a file to which no process has an fd. */
enum hiding {
	IN_FLIGHT, /* a message in a socket that no process reads */
	IN_URING, /* the fixed files of an io_uring */
	IN_MAPPING, /* the mappings of the device's BARs */
	IN_CHILD, /* the mappings in a child that does nothing else */
	BY_HELPER, /* this process, until it is stopped: then a helper closes its fd */
};

enum means {
	BY_CALL, /* read(2), write(2) */
	BY_VECTOR, /* readv, writev */
	BY_URING,
	BY_URING_FILE, /* registered files */
	BY_URING_BUFFER, /* registered buffers */
};

/* How a process attaches to another or reads its memory. */
enum tracing {
	BY_MEM, /* /proc/PID/mem, to write */
	BY_SEIZE, /* ptrace(2) */
	BY_VM_READ, /* process_vm_readv(2) */
};

/* These parts of the kernel signal an eventfd for a process. */
enum taker {
	TAKER_AIO, /* completion, IOCB_FLAG_RESFD */
	TAKER_URING, /* completion, registered eventfd */
	TAKER_VHOST_CALL,
	TAKER_VHOST_ERR,
};

/* How a VMM raises an interrupt in its own VM; also the vector it uses. */
enum injection {
	INJECT_SIGNAL_MSI,
	INJECT_IRQ_LINE,
	INJECT_INTERRUPT,
	INJECT_NMI,
	INJECT_SMI,
	INJECT_SET_LAPIC,
	INJECT_SET_VCPU_EVENTS,
	INJECT_SET_IRQCHIP,
	INJECT_SET_PIT2,
	INJECT_SET_MCE,
	INJECT_SELF_IPI, /* KVM_SET_MSRS, as INJECT_ICR */
	INJECT_ICR,
	INJECT_XEN, /* KVM_XEN_HVM_EVTCHN_SEND */
	INJECT_SET_SREGS,
};

struct worker {
	pid_t pid;
	int sock;
};

struct worker_options {
	const char *cgroup; /* below /sys/fs/cgroup; NULL: the caller's */
	const char *exe; /* NULL: the caller's */
	uid_t uid;
};

/* Starts a worker, which dies with its parent. 0 or -errno. */
int worker_start(struct worker *w, const struct worker_options *options);

/*
 * One step. @text may be NULL. @fd is passed unless it is -1. -ETIMEDOUT: no answer for 30 s,
 * -EPIPE: the worker died.
 */
long worker_call(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c,
		 const char *text, int fd);

/* Has @w start @heir in @cgroup (W_HEIR). 0 or -errno. */
int worker_heir(struct worker *w, struct worker *heir, const char *cgroup, uint32_t vector);

/* The main function of a worker, with the arguments after -w. */
int worker_main(int argc, char **argv);

#endif
