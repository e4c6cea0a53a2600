/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a worker does to get around irqgate, and what needs thousands of rounds or
 * a thread of its own. Steps beyond those of worker.h, served in worker-evade.c.
 */
#ifndef IRQGATE_TEST_WORKER_EVADE_H
#define IRQGATE_TEST_WORKER_EVADE_H

#include "worker.h"

/* Arguments and results as in worker.h. */
enum evade_op {
	/*
	 * VFIO_DEVICE_SET_IRQS or KVM_IRQFD whose arguments lie in memory of
	 * userfaultfd(2): who reads them first, the gate, is shown what is allowed;
	 * who reads them second, the kernel, gets what is wanted. c: enum swap.
	 * -ENODATA: there was no second reader.
	 */
	E_SWAP_VFIO = 256, /* vector a is shown, vector b wanted */
	E_SWAP_IRQFD, /* GSI of vector a; the eventfd of vector b is wanted */
	E_STALL, /* E_SWAP_VFIO, stopped after the gate and before the kernel's last read */
	E_STALL_END, /* goes on. Result: the ioctl's */
	/*
	 * c rounds of VFIO_DEVICE_SET_IRQS of vector a while a thread makes it b and
	 * back; b is raised after each. Result: how often that arrived.
	 */
	E_RACE,
	E_DASH, /* binds vector a and raises it at once. Result: how often that arrived */
	E_COMPAT_MSI, /* KVM_SIGNAL_MSI as vector a, by the 32-bit system call */
	/* VHOST_SET_VRING_CALL with the eventfd of vector a; b: by the 32-bit system call */
	E_VHOST,
	E_SET_IRQS, /* start a, count b whatever it is, c: VFIO_IRQ_SET_* */
	E_SHARE, /* binds b vectors from a on to the eventfd of vector c */
	E_SPARSE, /* VFIO_DEVICE_SET_IRQS of b vectors, -1 for those from a on */
	E_ROUTE, /* the GSI of vector a raises what vector b does */
	E_CLONE, /* a CLONE_VM child moves to TEXT and does step a (W_VFIO, ...) of vector b */
	E_EXEC, /* moves to TEXT and executes a worker, keeps the eventfd of vector a, the device */
	E_SETUID, /* all three uids: a */
	E_CLOSE, /* the eventfd of vector a */
	E_DEASSIGN, /* the irqfd of vector a */
	E_VM_END, /* closes the VM */
	E_RING, /* an io_uring with room for fixed files. Result: its descriptor */
	E_RING_SEND, /* the eventfd of vector a to the ring that is descriptor c of process b */
	E_RING_WRITE, /* to the fixed file that was sent */
	E_RING_READ, /* from it */
	E_RING_INSTALL, /* makes a descriptor of it, the eventfd of vector a */
	/*
	 * a rounds of VM, eventfd, VFIO binding and irqfd that end in every order,
	 * from the bth on. An interrupt of vector 0 must arrive (c: must not) in each.
	 */
	E_CHURN,
	E_HALF_CHURN, /* one round without its end */
	E_COUNTED, /* vector a is raised b times, each when the one before was read */
	E_BURST, /* b vectors from a on, raised c times without a pause */
	E_URGENT, /* SCHED_FIFO */
	E_LOOP, /* a: enum loop, its arguments b, c, TEXT; in a thread */
	E_LOOP_END, /* Result: rounds */
};

enum swap {
	SWAP_VECTOR, /* the number of the vector */
	SWAP_FD, /* the descriptor */
	SWAP_DUP, /* nothing: dup2(2) puts another eventfd behind the same descriptor */
	SWAP_FLAGS, /* mask shown, trigger wanted; deassign shown, assign wanted */
	SWAP_INJECT, /* mask shown, DATA_NONE | TRIGGER wanted */
};

/* For E_STALL: stopped within the gate, which has read the header. */
#define STALL_IN_GATE 0x80

/* So many vectors from b on, for E_SWAP_VFIO; 0 means 1. */
#define SWAP_COUNT(n) ((uint32_t)(n) << 8)

enum loop {
	LOOP_BIND, /* VFIO_DEVICE_SET_IRQS of vector b; -EACCES is a round too */
	LOOP_HANGUP, /* SIGHUP to process b every c microseconds */
	LOOP_CONTINUE, /* SIGCONT to process b every c microseconds */
	LOOP_WRITE, /* write(2) to the eventfd of vector b; ends when one is not refused */
	LOOP_FLAP, /* irqgate revoke and allow of vector b of TEXT for blue, every c microseconds */
};

#endif
