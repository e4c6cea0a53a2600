/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles and vector sets as text. <irqgate/handle.h> packs handles into numbers.
 * Not thread-safe: soft names are kept in a global tree.
 */
#ifndef IRQGATE_USER_HANDLE_H
#define IRQGATE_USER_HANDLE_H

#include <stdbool.h>
#include <linux/types.h>
#include <irqgate/handle.h>
#include <irqgate/table.h>

/* Longest soft name, without the terminating NUL. */
#define HANDLE_SOFT_NAME_MAX 48
/* Holds every handle as text, the terminating NUL included. */
#define HANDLE_STRLEN 64
/* Holds every vector set as text; the longest is pairs: 0-1,3-4,... */
#define VECTORS_STRLEN 8192

/*
 * handle_parse - read a handle
 * @text: pci:DOMAIN:BUS:SLOT.FUNCTION (hex, domain of up to 8 digits; the prefix and
 *	  a domain of 0 may be left out, as lspci does), the same function as sysfs
 *	  (/sys/bus/pci/devices/...) or libvirt (pci_0000_01_00_0) names it, zpci:FH (hex,
 *	  0x allowed), soft:NAME with NAME of [A-Za-z0-9_.-]{1,48}, or soft:#HASH as
 *	  handle_format() prints it; blanks around the handle are ignored
 * @handle: the result, written on success only
 *
 * Registers a soft name, as handle_soft_register() does.
 *
 * Return: 0, or -EINVAL when @text is none of these.
 */
int handle_parse(const char *text, __u64 *handle);

/*
 * handle_format - print a handle so that handle_parse() reads it back
 * @handle: any value; 0 prints as "-", a soft handle whose name this process has not
 *	    registered as soft:#HASH, an unknown type as #HEX
 * @buf: the text
 *
 * Return: @buf.
 */
const char *handle_format(__u64 handle, char buf[HANDLE_STRLEN]);

/*
 * handle_soft_register - compute the handle of a soft name, and keep the name
 * @name: [A-Za-z0-9_.-]{1,48}, without the prefix
 * @handle: the result, written on success only; may be NULL
 *
 * Return: 0; -EINVAL: not a valid name; -EEXIST: another name has the same hash;
 * -ENOMEM.
 */
int handle_soft_register(const char *name, __u64 *handle);

/*
 * handle_soft_name - the name that was registered for a soft handle
 * @handle: any handle
 *
 * Return: the name, valid until the process ends; NULL: no name was registered.
 */
const char *handle_soft_name(__u64 handle);

/* A set of vectors. With @all, @bits are clear and mean nothing. */
struct vector_set {
	bool all;
	__u64 bits[IRQGATE_MAX_VECTORS / 64];
};

/*
 * vectors_parse - read a set of vectors
 * @text: "all", or vectors and ranges with commas between: "3", "0-3,7".
 *	  Decimal, without leading zeros; blanks may follow a comma.
 * @set: the result, written on success only
 * @error: the mistake and the expected text, a static string, written on
 *	   failure only; may be NULL
 *
 * Return: 0, or -EINVAL.
 */
int vectors_parse(const char *text, struct vector_set *set, const char **error);

/*
 * vectors_format - print a set so that vectors_parse() reads it back
 * @set: the set; an empty set prints as "-"
 * @buf: the text
 *
 * Return: @buf.
 */
const char *vectors_format(const struct vector_set *set, char buf[VECTORS_STRLEN]);

/* vectors_fill - add vectors @first to @last, both included, both below IRQGATE_MAX_VECTORS. */
void vectors_fill(struct vector_set *set, unsigned int first, unsigned int last);

/* vectors_has - is @vector in @set? @vector may be any number. */
bool vectors_has(const struct vector_set *set, unsigned int vector);

/* vectors_count - number of vectors in @set, IRQGATE_MAX_VECTORS for all. */
unsigned int vectors_count(const struct vector_set *set);

/* vectors_noi - highest vector in @set plus 1, 0 for the empty set. */
unsigned int vectors_noi(const struct vector_set *set);

#endif
