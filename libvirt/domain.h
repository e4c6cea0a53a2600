/* SPDX-License-Identifier: GPL-2.0-only */
/* A domain, as the hook reads it from libvirt's XML. */
#ifndef IRQGATE_LIBVIRT_DOMAIN_H
#define IRQGATE_LIBVIRT_DOMAIN_H

#include <stdbool.h>
#include <linux/types.h>

#define UUID_LEN 37

struct domain {
	char uuid[UUID_LEN]; /* lower case, with dashes; empty: none, or no UUID */
	long id; /* -1: none, because the domain does not run */
	char *name; /* empty: none */
	char *emulator; /* path of QEMU, may be empty */
	char *partition; /* of its cgroup, as libvirt writes it: "/machine" */
	__u64 *functions; /* handles of the PCI functions that QEMU opens by VFIO, each once */
	unsigned int nfunctions;
	unsigned int ngiven; /* the first ones, from libvirt; the rest is from QEMU's arguments */
	bool unread; /* an argument passes a function at an unknown address */
	bool first; /* at the start: tell which devices irqgate cannot govern */
};

/*
 * tell - write a line for the operator: to stderr, which libvirt shows only if the hook fails,
 *	  and to the system's log
 */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * domain_read - read the XML of a domain
 * @fd: libvirt's live XML
 * @first: tell which devices irqgate cannot govern
 *
 * Return: 0; -EINVAL: not the XML of a domain, which it tells; or another negative errno.
 */
int domain_read(int fd, bool first, struct domain *domain);

/* domain_add - add a function to those of a domain. Return: 0 or -ENOMEM. */
int domain_add(struct domain *domain, __u64 handle);

/* domain_tell_mdev - at the start, tell that irqgate cannot govern a mediated device */
void domain_tell_mdev(const struct domain *domain, const char *uuid);

/* domain_uuid - read a UUID as libvirt does; @uuid becomes empty if @text is no UUID */
void domain_uuid(const char *text, char uuid[UUID_LEN]);

void domain_free(struct domain *domain);

#endif
