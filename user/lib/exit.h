/* SPDX-License-Identifier: GPL-2.0-only */
/* Exit statuses of irqgate and of the libvirt hook. Scripts test them, so they never change. */
#ifndef IRQGATE_USER_EXIT_H
#define IRQGATE_USER_EXIT_H

enum {
	EXIT_DONE = 0,
	EXIT_RUNTIME = 1, /* failed at run time */
	EXIT_USAGE = 2, /* bad usage or policy */
	EXIT_KERNEL = 3, /* this kernel cannot enforce the policy */
};

#endif
