// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "argument.h"
#include "domain.h"
#include "lib/array.h"
#include "lib/handle.h"
#include "lib/log.h"
#include "lib/text.h"

void tell(const char *fmt, ...)
{
	char text[1024], *c;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (c = text; *c; c++)
		if (text_control(c))
			*c = '?';
	msg("libvirt hook: %s", text);
	syslog(LOG_WARNING, "%s", text);
}

/* The string that an XPath expression yields, for free(3). */
static char *text_of(xmlXPathContext *xpath, const char *expression)
{
	xmlXPathObject *o = xmlXPathEvalExpression((const xmlChar *)expression, xpath);
	xmlChar *text = o ? xmlXPathCastToString(o) : NULL;
	char *copy = strdup(text ? (const char *)text : "");

	xmlFree(text);
	xmlXPathFreeObject(o);
	return copy;
}

/* libvirt's virUUIDParse() takes 32 digits, with dashes and blanks at any place. */
void domain_uuid(const char *text, char uuid[UUID_LEN])
{
	size_t n = 0;

	for (; *text && n < UUID_LEN - 1; text++) {
		if (n == 8 || n == 13 || n == 18 || n == 23)
			uuid[n++] = '-';
		if (isxdigit((unsigned char)*text))
			uuid[n++] = (char)tolower((unsigned char)*text);
		else if (*text != '-' && !isspace((unsigned char)*text))
			break;
	}
	text += strspn(text, " \t\n\r");
	uuid[n == UUID_LEN - 1 && !*text ? n : 0] = '\0';
}

int domain_add(struct domain *d, __u64 handle)
{
	unsigned int i;

	for (i = 0; i < d->nfunctions; i++)
		if (d->functions[i] == handle)
			return 0; /* two namespaces of one NVMe controller */
	if (!ARRAY_MORE(d->functions, d->nfunctions))
		return -ENOMEM;
	d->functions[d->nfunctions++] = handle;
	return 0;
}

/* An attribute, for xmlFree(), or NULL. */
static char *property(xmlNode *node, const char *name)
{
	return (char *)xmlGetProp(node, (const xmlChar *)name);
}

/* A number as libvirt reads it: hexadecimal, decimal or octal; 0 if it is missing. */
static bool attribute(xmlNode *node, const char *name, unsigned long max, unsigned long *value)
{
	char *text = property(node, name), *end = "";
	bool ok;

	errno = 0;
	*value = text ? strtoul(text, &end, 0) : 0;
	ok = !text || (isdigit((unsigned char)*text) && !*end && !errno && *value <= max);
	xmlFree(text);
	return ok;
}

static int read_address(struct domain *d, xmlNode *node)
{
	unsigned long domain, bus, slot, function;

	if (attribute(node, "domain", 0xffffffff, &domain) && attribute(node, "bus", 0xff, &bus) &&
	    attribute(node, "slot", 0x1f, &slot) && attribute(node, "function", 7, &function))
		return domain_add(d, irqgate_handle_pci((__u32)domain, (__u8)bus,
							(__u8)(slot << 3 | function)));
	tell("domain %s: line %ld: ignored: not the address of a PCI function", d->name,
	     xmlGetLineNo(node));
	return 0;
}

static int each(struct domain *d, xmlXPathContext *xpath, const char *expression,
		int (*read)(struct domain *d, xmlNode *node))
{
	xmlXPathObject *found = xmlXPathEvalExpression((const xmlChar *)expression, xpath);
	int n = found && found->nodesetval ? found->nodesetval->nodeNr : 0, err = 0, i;

	for (i = 0; i < n && !err; i++)
		err = read(d, found->nodesetval->nodeTab[i]);
	xmlXPathFreeObject(found);
	return err;
}

void domain_tell_mdev(const struct domain *d, const char *uuid)
{
	if (d->first)
		tell("domain %s: irqgate cannot govern the mediated device %s; the domain starts "
		     "with it",
		     d->name, uuid);
}

static int read_mdev(struct domain *d, xmlNode *node)
{
	char *uuid = property(node, "uuid");

	domain_tell_mdev(d, uuid ?: "without a UUID");
	xmlFree(uuid);
	return 0;
}

/* The argument before it is its option. An <env> may stand between the two. */
static int read_argument(struct domain *d, xmlNode *node)
{
	char *text = property(node, "value"), *option = NULL;
	xmlNode *before = xmlPreviousElementSibling(node);
	int err = 0;

	while (before && strcmp((const char *)before->name, "arg"))
		before = xmlPreviousElementSibling(before);
	if (before)
		option = property(before, "value");
	if (text)
		err = argument_read(d, option ?: "", text);
	xmlFree(option);
	xmlFree(text);
	return err;
}

/* <qemu:property name='host' type='string' value='01:00.0'/> */
static int read_override(struct domain *d, xmlNode *node)
{
	char *name = property(node, "name"), *value = property(node, "value");
	int err = name && value ? argument_override(d, name, value) : 0;

	xmlFree(value);
	xmlFree(name);
	return err;
}

/*
 * Finds the functions that QEMU opens by VFIO. An <interface> of a network that is a pool of
 * functions has the type 'hostdev' in the live XML, or the function in <actual>. An NVMe disk may
 * also be the backing store of another disk.
 */
static int read_functions(struct domain *d, xmlXPathContext *xpath)
{
	static const char addresses[] =
		"/domain/devices/hostdev[(@mode='subsystem' or not(@mode)) and @type='pci'"
		" and not(driver/@name='xen')]/source/address"
		" | /domain/devices/interface[@type='hostdev']/source/address[@type='pci' or "
		"not(@type)]"
		" | /domain/devices/interface/actual[@type='hostdev']/source/address[@type='pci' "
		"or "
		"not(@type)]"
		" | /domain/devices/disk/descendant-or-self::*[@type='nvme']/source/address";

	int err = each(d, xpath, addresses, read_address);

	d->ngiven = d->nfunctions;
	return err ?: each(d, xpath, "/domain/*[local-name()='commandline']/*[local-name()='arg']",
			   read_argument)
			      ?: each(d, xpath,
				      "/domain/*[local-name()='override']//*[local-name()="
				      "'property']",
				      read_override);
}

int domain_read(int fd, bool first, struct domain *d)
{
	xmlDoc *doc = xmlReadFd(fd, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
	xmlXPathContext *xpath = doc ? xmlXPathNewContext(doc) : NULL;
	char *uuid, *id, *end;
	int err;

	memset(d, 0, sizeof(*d));
	d->first = first;
	if (!xpath) {
		xmlFreeDoc(doc);
		tell("there is no domain XML on the input");
		return -EINVAL;
	}
	uuid = text_of(xpath, "string(/domain/uuid)");
	id = text_of(xpath, "string(/domain/@id)");
	d->name = text_of(xpath, "string(/domain/name)");
	d->emulator = text_of(xpath, "normalize-space(/domain/devices/emulator)");
	d->partition = text_of(xpath, "normalize-space(/domain/resource/partition)");
	if (!uuid || !id || !d->name || !d->emulator || !d->partition) {
		err = -ENOMEM;
		goto out;
	}
	domain_uuid(uuid, d->uuid);
	d->id = strtol(id, &end, 10);
	if (!isdigit((unsigned char)*id) || *end || d->id > 0x7fffffff)
		d->id = -1;
	err = read_functions(d, xpath);
	if (!err)
		err = each(d, xpath,
			   "/domain/devices/hostdev[@mode='subsystem' and @type='mdev']/source/"
			   "address",
			   read_mdev);
out:
	free(uuid);
	free(id);
	xmlXPathFreeContext(xpath);
	xmlFreeDoc(doc);
	return err;
}

void domain_free(struct domain *d)
{
	free(d->name);
	free(d->emulator);
	free(d->partition);
	free(d->functions);
}
