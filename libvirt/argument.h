/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that QEMU opens by VFIO because of arguments which libvirt passes on unread. */
#ifndef IRQGATE_LIBVIRT_ARGUMENT_H
#define IRQGATE_LIBVIRT_ARGUMENT_H

#include "domain.h"

/*
 * argument_read - add the functions that an argument names to a domain
 * @option: the argument before it, which gives its meaning: "-device"
 * @text: the argument
 *
 * If the argument passes a function whose address the hook cannot read, sets domain->unread and
 * tells the operator.
 *
 * Return: 0 or -ENOMEM.
 */
int argument_read(struct domain *domain, const char *option, const char *text);

/*
 * argument_override - the same for a property that <qemu:override> gives a device
 * @name: its name
 * @value: its value
 */
int argument_override(struct domain *domain, const char *name, const char *value);

#endif
