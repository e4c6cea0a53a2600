// SPDX-License-Identifier: GPL-2.0-only
#include <irqgate/hash.h>
#include "lib/array.h"
#include "lib/handle.h"

#include <ctype.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCI_SYSFS "/sys/bus/pci/devices/"

struct soft {
	__u64 handle;
	char name[HANDLE_SOFT_NAME_MAX + 1];
};

static void *softs; /* tsearch(3) tree of struct soft, by handle */

static int soft_compare(const void *a, const void *b)
{
	const struct soft *x = a, *y = b;

	return order_of(x->handle, y->handle);
}

/* isalnum() depends on the locale. */
static bool soft_name_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_.-");

	return len > 0 && len <= HANDLE_SOFT_NAME_MAX && !name[len];
}

int handle_soft_register(const char *name, __u64 *handle)
{
	struct soft *soft, **found;

	if (!soft_name_valid(name))
		return -EINVAL;
	soft = calloc(1, sizeof(*soft));
	if (!soft)
		return -ENOMEM;
	soft->handle = irqgate_handle_soft(irqgate_hash_text(name, HANDLE_SOFT_NAME_MAX));
	strcpy(soft->name, name);
	found = tsearch(soft, &softs, soft_compare);
	if (!found) {
		free(soft);
		return -ENOMEM;
	}
	if (*found != soft) {
		free(soft);
		if (strcmp((*found)->name, name))
			return -EEXIST;
	}
	if (handle)
		*handle = (*found)->handle;
	return 0;
}

const char *handle_soft_name(__u64 handle)
{
	struct soft key = { .handle = handle };
	struct soft **found = tfind(&key, &softs, soft_compare);

	return found ? (*found)->name : NULL;
}

/* The text without blanks around it: users paste handles. */
static const char *normalized(const char *text, char *buf, size_t size)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t", text[len - 1]))
		len--;
	if (len >= size)
		len = 0;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return buf;
}

/* Reads 1 to @max hex digits and moves *@text past them. */
static bool read_hex(const char **text, int max, __u64 *value)
{
	int digits;

	*value = 0;
	for (digits = 0; digits < max && isxdigit((unsigned char)**text); digits++, (*text)++) {
		int c = tolower((unsigned char)**text);

		*value = *value << 4 | (__u64)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return digits > 0;
}

static bool skip_word(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(*text, word, len))
		return false;
	*text += len;
	return true;
}

/* lspci omits the domain 0, so a handle may, too. */
static int parse_pci(const char *text, __u64 *handle)
{
	__u64 domain, bus, slot, function;
	const char *start = text;

	if (!read_hex(&text, 8, &domain) || !skip_word(&text, ":") || !read_hex(&text, 2, &bus))
		return -EINVAL;
	if (!skip_word(&text, ":")) {
		if (start[0] != ':' && start[1] != ':' && start[2] != ':')
			return -EINVAL;
		slot = bus;
		bus = domain;
		domain = 0;
	} else if (!read_hex(&text, 2, &slot)) {
		return -EINVAL;
	}
	if (!skip_word(&text, ".") || !read_hex(&text, 1, &function) || *text || slot > 0x1f ||
	    function > 7)
		return -EINVAL;
	*handle = irqgate_handle_pci((__u32)domain, (__u8)bus, (__u8)(slot << 3 | function));
	return 0;
}

static int parse_zpci(const char *text, __u64 *handle)
{
	__u64 fh;

	skip_word(&text, "0x"); /* sysfs prints function_handle with 0x */
	if (!read_hex(&text, 8, &fh) || *text)
		return -EINVAL;
	*handle = irqgate_handle_zpci((__u32)fh);
	return 0;
}

static int parse_soft(const char *text, __u64 *handle)
{
	__u64 hash;

	if (skip_word(&text, "#")) {
		if (!read_hex(&text, 14, &hash) || *text)
			return -EINVAL;
		*handle = irqgate_handle_soft(hash);
		return 0;
	}
	return handle_soft_register(text, handle) ? -EINVAL : 0;
}

/* libvirt's name of a node device: pci_0000_01_00_0 */
static int parse_nodedev(const char *text, __u64 *handle)
{
	unsigned int domain, bus, slot, function;
	char bdf[HANDLE_STRLEN];
	int end = 0;

	if (text[strspn(text, "0123456789abcdefABCDEF_")] ||
	    sscanf(text, "%8x_%2x_%2x_%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    text[end])
		return -EINVAL;
	snprintf(bdf, sizeof(bdf), "%x:%x:%x.%x", domain, bus, slot, function);
	return parse_pci(bdf, handle);
}

int handle_parse(const char *text, __u64 *handle)
{
	char buf[HANDLE_STRLEN];

	text = normalized(text, buf, sizeof(buf));
	if (skip_word(&text, "pci_"))
		return parse_nodedev(text, handle);
	skip_word(&text, PCI_SYSFS);
	if (skip_word(&text, "zpci:"))
		return parse_zpci(text, handle);
	if (skip_word(&text, "soft:"))
		return parse_soft(text, handle);
	skip_word(&text, "pci:");
	return parse_pci(text, handle);
}

const char *handle_format(__u64 handle, char buf[HANDLE_STRLEN])
{
	const char *name;

	switch (irqgate_handle_type(handle)) {
	case IRQGATE_HANDLE_PCI:
		snprintf(buf, HANDLE_STRLEN, "pci:%04x:%02x:%02x.%x", irqgate_handle_domain(handle),
			 irqgate_handle_bus(handle), irqgate_handle_devfn(handle) >> 3,
			 irqgate_handle_devfn(handle) & 7);
		break;
	case IRQGATE_HANDLE_ZPCI:
		snprintf(buf, HANDLE_STRLEN, "zpci:%08x", (__u32)handle);
		break;
	case IRQGATE_HANDLE_SOFT:
		name = handle_soft_name(handle);
		if (name)
			snprintf(buf, HANDLE_STRLEN, "soft:%s", name);
		else
			snprintf(buf, HANDLE_STRLEN, "soft:#%014llx", handle & IRQGATE_SOFT_MASK);
		break;
	default:
		if (handle)
			snprintf(buf, HANDLE_STRLEN, "#%016llx", handle);
		else
			strcpy(buf, "-");
	}
	return buf;
}

enum {
	VECTOR_SYNTAX = -1,
	VECTOR_BEYOND = -2,
};

/* A decimal number below IRQGATE_MAX_VECTORS, or a VECTOR_ error. */
static int read_vector(const char **text)
{
	const char *start = *text;
	unsigned int value = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++)
		if (value < IRQGATE_MAX_VECTORS)
			value = value * 10 + (unsigned int)(**text - '0');
	if (*text == start)
		return VECTOR_SYNTAX;
	/* YAML 1.1 reads 010 as 8, YAML 1.2 as 10. */
	if (*start == '0' && *text > start + 1)
		return VECTOR_SYNTAX;
	return value < IRQGATE_MAX_VECTORS ? (int)value : VECTOR_BEYOND;
}

int vectors_parse(const char *text, struct vector_set *set, const char **error)
{
	static const char *const syntax =
		"not a set of vectors, expected all, a vector as 3, or a list as 0-3,7";
	static const char *const beyond = "vector beyond the last one, expected 0 to 2047";
	static const char *const reversed = "reversed range, expected the lower vector first";
	struct vector_set result = { .all = false };
	const char *why;
	int first, last;

	if (!strcmp(text, "all")) {
		result.all = true;
		*set = result;
		return 0;
	}
	for (;;) {
		first = last = read_vector(&text);
		if (first >= 0 && skip_word(&text, "-"))
			last = read_vector(&text);
		if (first == VECTOR_BEYOND || last == VECTOR_BEYOND) {
			why = beyond;
			break;
		}
		if (first < 0 || last < 0) {
			why = syntax;
			break;
		}
		if (last < first) {
			why = reversed;
			break;
		}
		vectors_fill(&result, (unsigned int)first, (unsigned int)last);
		if (!*text) {
			*set = result;
			return 0;
		}
		if (!skip_word(&text, ",")) {
			why = syntax;
			break;
		}
		text += strspn(text, " \t");
	}
	if (error)
		*error = why;
	return -EINVAL;
}

const char *vectors_format(const struct vector_set *set, char buf[VECTORS_STRLEN])
{
	unsigned int first, last;
	int len = 0;

	strcpy(buf, set->all ? "all" : "-");
	if (set->all)
		return buf;
	for (first = 0; first < IRQGATE_MAX_VECTORS; first = last + 1) {
		last = first;
		if (!vectors_has(set, first))
			continue;
		while (vectors_has(set, last + 1))
			last++;
		len += snprintf(buf + len, (size_t)(VECTORS_STRLEN - len), "%s%u", len ? "," : "",
				first);
		if (last > first)
			len += snprintf(buf + len, (size_t)(VECTORS_STRLEN - len), "-%u", last);
	}
	return buf;
}

void vectors_fill(struct vector_set *set, unsigned int first, unsigned int last)
{
	for (; first <= last; first++)
		set->bits[first / 64] |= 1ULL << first % 64;
}

bool vectors_has(const struct vector_set *set, unsigned int vector)
{
	if (vector >= IRQGATE_MAX_VECTORS)
		return false;
	return set->all || set->bits[vector / 64] >> vector % 64 & 1;
}

unsigned int vectors_count(const struct vector_set *set)
{
	unsigned int count = 0, i;

	if (set->all)
		return IRQGATE_MAX_VECTORS;
	for (i = 0; i < IRQGATE_MAX_VECTORS / 64; i++)
		count += (unsigned int)__builtin_popcountll(set->bits[i]);
	return count;
}

unsigned int vectors_noi(const struct vector_set *set)
{
	unsigned int noi = IRQGATE_MAX_VECTORS;

	while (noi && !vectors_has(set, noi - 1))
		noi--;
	return noi;
}
