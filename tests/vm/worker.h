/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * worker: a process that does what a VMM, a user-space driver or an intruder
 * does, one step at a call. It is executed, not forked: irqgate takes a process's
 * identity at exec. Descriptors never pass through the caller, who is of no context:
 * a worker has an heir or a peer.
 */
#ifndef IRQGATE_TEST_WORKER_H
#define IRQGATE_TEST_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#define WORKER_TEXT 64

/* Arguments a, b, c; TEXT and FD where it says so. Result: 0 or more, or -errno. */
enum worker_op {
	W_OPEN, /* TEXT: the PCI function. Result: its vectors */
	W_CLOSE, /* the function */
	W_VM, /* a VM with routes for vectors 0..a-1; 0: with the usual ones; b: that can run */
	W_EVENTFDS, /* new eventfds for vectors 0..a-1 */
	W_VFIO, /* VFIO_DEVICE_SET_IRQS, b vectors from a on */
	W_VFIO_OFF, /* disables the index */
	W_IRQFD, /* KVM_IRQFD, b vectors from a on; the first error */
	W_RAISE, /* the device sends b vectors from a on, each c times */
	W_ARRIVES, /* the same; each must be alone in the IRR each time: else -errno */
	W_ABSENT, /* the same; none may be in the IRR: else -EEXIST */
	W_PENDING, /* how many are in the IRR? forgets them */
	W_WAIT, /* for vector a in the IRR; forgets it */
	W_TAKE, /* read(2) of the eventfd of vector a: the count */
	W_WRITE, /* write(2) to the eventfd of vector a */
	W_MSI, /* KVM_SIGNAL_MSI as vector a */
	W_LINE, /* KVM_IRQ_LINE as vector a */
	W_NONE, /* VFIO_DEVICE_SET_IRQS DATA_NONE of vector a */
	W_BOOL, /* the same with DATA_BOOL */
	W_COMPAT_VFIO, /* as W_VFIO, by the 32-bit system call */
	W_COMPAT_IRQFD, /* KVM_IRQFD of vector a, by the 32-bit system call */
	W_STREAM, /* a child raises vector a every b microseconds; c: takes each before the next */
	W_STREAM_STOP, /* Result: how many times it did */
	W_CGROUP, /* moves to TEXT */
	W_FORK, /* a child goes on in its place. Result: its pid */
	W_HEIR, /* a child moves to TEXT and executes a worker, which keeps the eventfd of
		 * vector a (W_ALL: each) and the device and serves on FD. Result: its pid */
	W_PEER, /* FD: a socket to another worker */
	W_SEND, /* the eventfd of vector a, b: the device, to the peer */
	W_RECEIVE, /* as eventfd of vector a, or (b) device with index c. Did one come? */
	W_NUMBER, /* the eventfd of vector a, b: the device, as the process numbers it */
	W_NEW, /* closes the eventfd of vector a, makes a new one */
	W_UNBIND, /* disconnects vector a */
	W_STEAL, /* pidfd_getfd(2) of descriptor c of process b as eventfd of vector a */

	/* worker-adopt.c */
	W_NAMESPACE, /* a child in a pid namespace of its own goes on */
	W_HIDE, /* the VM, b: the device, is held only where a says; see enum hiding */

	/* worker-signal.c */
	W_SIGNAL, /* writes to the eventfd of vector a by enum means b */
	W_READ, /* reads it so: the count */
	W_COUNT, /* waits up to b ms for its count and takes it */
	W_GIVE, /* has enum taker b take the eventfd of vector a */
	W_HAVE_SIGNALLED, /* has it signal */

	/* worker-device.c */
	W_INDEX, /* connects the eventfd of vector a to VFIO index b by action flag c */
	W_INDEX_NONE, /* DATA_NONE | ACTION_TRIGGER on index b */
	W_INTX, /* the INTx line of an edu becomes a */
	W_SLEEP, /* low power, with the eventfd of vector a to tell of the wake-up */
	W_TOUCH, /* wakes it */

	/* worker-vm.c */
	W_SEEN, /* 1: vector a, and nothing else, came to the IRR within b ms; forgets it */
	W_IRQFD_OFF, /* the reverse of W_IRQFD for vector a */
	W_IRQFD_INTX, /* irqfd of vector a at IOAPIC pin c, level; its end signals that of b */
	W_INTX_TAKEN, /* 1: that came within b ms, and the guest ended it; lowers the line */
	W_GUEST, /* a VM that can run */
	W_IOEVENTFD, /* a port whose writing signals the eventfd of vector a */
	W_GUEST_OUT, /* the guest writes to that */
	W_RESAMPLE, /* the end of a level-triggered interrupt of the guest signals the eventfd of vector a */
	W_GUEST_EOI, /* that interrupt comes, and the guest ends it */
	W_INJECTIONS, /* a VM where each of enum injection works, if the kernel has it */
	W_INJECT, /* enum injection a */
	W_INJECTED, /* 1: it became pending within b ms; forgets it */
	W_IRR, /* waits b ms for the vectors that are bits in a. All that are pending; forgets them */
};

#define W_ALL UINT32_MAX

/* Where a file lives that no process has under a descriptor. */
enum hiding {
	IN_FLIGHT, /* in a socket nobody reads */
	IN_URING, /* among the fixed files of an io_uring */
};

enum means {
	BY_CALL, /* read(2), write(2) */
	BY_VECTOR, /* readv, writev */
	BY_URING,
	BY_URING_FILE, /* registered files */
	BY_URING_BUFFER, /* registered buffers */
};

/* What in the kernel can be made to signal an eventfd for a process. */
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
	INJECT_SELF_IPI, /* KVM_SET_MSRS, as the next */
	INJECT_ICR,
	INJECT_XEN, /* KVM_XEN_HVM_EVTCHN_SEND */
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

/* Starts one; it dies with its parent. 0 or -errno. */
int worker_start(struct worker *w, const struct worker_options *options);

/*
 * One step. TEXT may be NULL. FD is passed unless -1. -ETIMEDOUT: no answer for
 * 30 s, -EPIPE: it died.
 */
long worker_call(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c,
		 const char *text, int fd);

/* A worker with what W inherited to it, in CGROUP. 0 or -errno. */
int worker_heir(struct worker *w, struct worker *heir, const char *cgroup, uint32_t vector);

/* What a worker executes, with the arguments after -w. */
int worker_main(int argc, char **argv);

#endif
