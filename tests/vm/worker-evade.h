/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * More steps of a worker, which worker-evade.c serves: ways around irqgate, and steps that need
 * thousands of rounds or a thread of their own.
 */
#ifndef IRQGATE_TEST_WORKER_EVADE_H
#define IRQGATE_TEST_WORKER_EVADE_H

#include "worker.h"

/* Arguments and results as in worker.h. */
enum evade_op {
	/*
	 * VFIO_DEVICE_SET_IRQS or KVM_IRQFD with arguments in memory of userfaultfd(2). The gate
	 * reads them first and sees what is allowed (shown). The kernel reads them second and gets
	 * what the worker wants (wanted). c: enum swap. -ENODATA: there was no second read.
	 */
	E_SWAP_VFIO = 256, /* vector a is shown, vector b wanted */
	E_SWAP_IRQFD, /* GSI of vector a; the eventfd of vector b is wanted */
	E_STALL, /* E_SWAP_VFIO, stopped after the gate and before the kernel's last read */
	E_STALL_END, /* lets the ioctl go on. Result: that of the ioctl */
	/*
	 * c rounds of VFIO_DEVICE_SET_IRQS of vector a while a thread changes a to b and back;
	 * b is raised after each. Result: how often b arrived.
	 */
	E_RACE,
	E_DASH, /* binds vector a and raises it at once. Result: how often it arrived */
	E_COMPAT_MSI, /* KVM_SIGNAL_MSI as vector a, by the 32-bit system call */
	/* VHOST_SET_VRING_CALL with the eventfd of vector a; b: by the 32-bit system call */
	E_VHOST,
	E_SET_IRQS, /* VFIO_DEVICE_SET_IRQS with start a, any count b, c: VFIO_IRQ_SET_* */
	E_SHARE, /* binds b vectors from a on to the eventfd of vector c */
	E_SPARSE, /* VFIO_DEVICE_SET_IRQS of b vectors, with fd -1 from vector a on */
	E_ROUTE, /* the GSI of vector a raises the local APIC vector of vector b */
	E_CLONE, /* a CLONE_VM child moves to TEXT and does step a (W_VFIO, ...) of vector b */
	E_EXEC, /* moves to TEXT and executes a worker; keeps the device, the eventfd of vector a */
	E_SETUID, /* all three uids: a */
	E_CLOSE, /* closes the eventfd of vector a */
	E_DEASSIGN, /* ends the irqfd of vector a */
	E_VM_END, /* closes the VM */
	E_RING, /* an io_uring with room for fixed files. Result: its fd */
	/* sends the eventfd of vector a (W_ALL: the device) to the io_uring, fd c of process b */
	E_RING_SEND,
	E_RING_WRITE, /* writes to the fixed file that was sent */
	E_RING_READ, /* reads from it */
	E_RING_INSTALL, /* makes an fd of it, as eventfd of vector a */
	/*
	 * a rounds, from number b on: makes a VM, an eventfd, a VFIO binding and an irqfd, and
	 * ends them in another order each round. An interrupt of vector 0 must arrive (c: must
	 * not) in each.
	 */
	E_CHURN,
	E_HALF_CHURN, /* the first half of round b: makes them and does not end them */
	E_COUNTED, /* raises vector a b times, each time after it read the interrupt before */
	E_BURST, /* raises b vectors from a on, c times without a pause */
	E_URGENT, /* SCHED_FIFO */
	E_LOOP, /* enum loop a, with arguments b, c, TEXT, in a thread */
	E_LOOP_END, /* ends it. Result: its rounds */
	E_FILL, /* makes b objects of enum fill a. Result: how many no gate refused */
};

enum fill {
	FILL_OTHER, /* vhost's ioctl with a new eventfd, on a file that is not vhost's */
	FILL_BAD_VM, /* KVM_CREATE_VM of a type that does not exist */
	FILL_IOEVENTFD, /* eventfds that writes of a guest signal */
	FILL_IRQFD, /* eventfds to which the VM listens */
	FILL_VM,
};

enum swap {
	SWAP_VECTOR, /* the number of the vector */
	SWAP_FD, /* the number of the fd */
	SWAP_DUP, /* nothing: dup2(2) puts another eventfd behind the same fd */
	SWAP_FLAGS, /* mask shown, trigger wanted; deassign shown, assign wanted */
	SWAP_INJECT, /* mask shown, DATA_NONE | TRIGGER wanted */
};

/* For E_STALL: stops inside the gate, after it has read the header. */
#define STALL_IN_GATE 0x80

/* For E_SWAP_VFIO: the number of vectors from b on; 0 means 1. */
#define SWAP_COUNT(n) ((uint32_t)(n) << 8)

enum loop {
	LOOP_BIND, /* VFIO_DEVICE_SET_IRQS of vector b; -EACCES is a round too */
	LOOP_HANGUP, /* SIGHUP to process b every c microseconds */
	LOOP_CONTINUE, /* SIGCONT to process b every c microseconds */
	LOOP_WRITE, /* write(2) to the eventfd of vector b; ends when no gate refuses it */
	LOOP_TWIST, /* two fd numbers are in turn the device's and another file's */
	LOOP_FLAP, /* irqgate revoke and allow of vector b of TEXT for blue, every c microseconds */
};

#endif
