// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt does not parse <qemu:arg> and <qemu:override>, so the hook parses them as QEMU does:
 * util/qemu-option.c (KEY=VALUE, with commas between), system/vl.c (-set, JSON), hw/vfio/pci.c and
 * block/nvme.c. If an option has several values, QEMU takes the last one and the hook takes all.
 * So the hook registers every function that QEMU may open.
 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "argument.h"
#include "lib/handle.h"

struct reading {
	struct domain *domain;
	const char *option; /* without dashes */
	bool device; /* keys are properties of a device, not of a block driver */
	bool vfio, nvme, blkio; /* one of the drivers is of this kind and opens a function */
	bool named; /* the function, or the mediated device, is known */
	bool unread;
	int err;
};

typedef void (*visit_fn)(struct reading *r, const char *key, const char *value);

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static void take_address(struct reading *r, const char *address)
{
	__u64 handle;

	if (handle_parse(address, &handle) || irqgate_handle_type(handle) != IRQGATE_HANDLE_PCI) {
		r->unread = true;
		return;
	}
	r->named = true;
	r->err = r->err ?: domain_add(r->domain, handle);
}

/* The last component of a path, for free(3). */
static char *last_of(const char *path)
{
	size_t len = strlen(path), start;

	while (len && path[len - 1] == '/')
		len--;
	for (start = len; start && path[start - 1] != '/';)
		start--;
	return strndup(path + start, len - start);
}

/*
 * QEMU asks the group for the device by the last component of the path, but with iommufd it opens
 * the character device of the path's target. If the two names differ, the hook cannot tell which
 * function QEMU opens.
 */
static void take_path(struct reading *r, const char *path)
{
	char *name = last_of(path), *real = realpath(path, NULL), *target, uuid[UUID_LEN];

	target = last_of(real ?: path);
	if (!name || !target) {
		r->err = -ENOMEM;
	} else if (strcmp(name, target)) {
		r->unread = true;
	} else {
		domain_uuid(name, uuid);
		if (*uuid) {
			r->named = true;
			domain_tell_mdev(r->domain, uuid);
		} else {
			take_address(r, name);
		}
	}
	free(target);
	free(real);
	free(name);
}

/* nvme://0000:44:00.0/1 */
static void take_url(struct reading *r, const char *url)
{
	const char *device = url + strlen("nvme://");
	char *address = strndup(device, strcspn(device, "/"));

	if (address)
		take_address(r, address);
	else
		r->err = -ENOMEM;
	free(address);
}

/* The prefix covers drivers that QEMU may get later. The bridge opens no function. */
static bool is_vfio(const char *driver)
{
	return begins(driver, "vfio-pci") && !is(driver, "vfio-pci-igd-lpc-bridge");
}

static void take_driver(struct reading *r, const char *key, const char *value)
{
	if (!is(key, "driver"))
		return;
	if (r->device) {
		r->vfio |= is_vfio(value);
		return;
	}
	r->nvme |= is(value, "nvme"); /* as a device, "nvme" is an emulated one */
	r->blkio |= is(value, "virtio-blk-vfio-pci");
}

static void take_function(struct reading *r, const char *key, const char *value)
{
	if (r->vfio && is(key, "host"))
		take_address(r, value);
	else if (r->vfio && is(key, "sysfsdev"))
		take_path(r, value);
	else if (r->vfio && is(key, "fd"))
		r->unread = true; /* the fd is open already, and QEMU then ignores host */
	else if (r->nvme && is(key, "device"))
		take_address(r, value);
	else if (r->blkio && is(key, "path"))
		take_path(r, value);
	else if (!r->device && begins(value, "nvme://"))
		take_url(r, value);
}

/* "driver" of "file.driver". The part before the dot is the place of the node. */
static const char *last_key(const char *key)
{
	const char *dot = strrchr(key, '.');

	return dot ? dot + 1 : key;
}

static void walk_json(struct reading *r, const char *key, struct json_object *value, visit_fn visit)
{
	size_t i;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			walk_json(r, name, member, visit);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (i = 0; i < json_object_array_length(value); i++)
			walk_json(r, key, json_object_array_get_idx(value, i), visit);
	} else if (value) {
		visit(r, last_key(key), json_object_get_string(value));
	}
}

static void walk_json_text(struct reading *r, const char *text, visit_fn visit)
{
	struct json_object *root = json_tokener_parse(text);

	if (root)
		walk_json(r, "", root, visit);
	else
		r->unread = true;
	json_object_put(root);
}

/* A doubled comma in a value means one comma. A key has none. */
static const char *next_pair(const char *text, bool first, char *key, char *value)
{
	size_t len = strcspn(text, "=,");

	strcpy(key, "driver"); /* the key of a first value without a key */
	if (text[len] == '=') {
		*stpncpy(key, text, len) = '\0';
		text += len + 1;
	} else if (!first) {
		*key = *value = '\0'; /* a flag */
		return text + len + (text[len] == ',');
	}
	while (*text && (*text != ',' || text[1] == ',')) {
		text += *text == ',';
		*value++ = *text++;
	}
	*value = '\0';
	return text + (*text == ',');
}

static void walk_pairs(struct reading *r, const char *text, visit_fn visit)
{
	size_t size = strlen(text) + sizeof("driver");
	char *key = malloc(size), *value = malloc(size);
	const char *next = text;

	if (!key || !value)
		r->err = -ENOMEM;
	while (!r->err && *next) {
		next = next_pair(next, next == text, key, value);
		if (begins(value, "json:"))
			walk_json_text(r, value + strlen("json:"), visit);
		else
			visit(r, last_key(key), value);
	}
	free(key);
	free(value);
}

static void walk(struct reading *r, const char *text, visit_fn visit)
{
	if (*text == '{')
		walk_json_text(r, text, visit);
	else if (begins(text, "json:"))
		walk_json_text(r, text + strlen("json:"), visit);
	else
		walk_pairs(r, text, visit);
}

/* A property of a device that another argument describes. */
static void take_property(struct reading *r, const char *key, const char *value)
{
	r->vfio = r->device;
	r->unread |= r->device && is(key, "driver") && is_vfio(value);
	take_function(r, key, value);
}

/* driver=vfio-pci,property=host,value=01:00.0 */
static void take_global(struct reading *r, const char *key, const char *value)
{
	r->unread |= is(key, "property") &&
		     (is(value, "host") || is(value, "sysfsdev") || is(value, "fd"));
}

/* -set device.ID.KEY=VALUE, -set drive.ID.KEY=VALUE, -global DRIVER.KEY=VALUE */
static void read_setting(struct reading *r, const char *text)
{
	char *key = strndup(text, strcspn(text, "="));

	if (!key) {
		r->err = -ENOMEM;
	} else if (text[strlen(key)] && strchr(key, '.')) {
		r->device = is(r->option, "global") || begins(key, "device.");
		r->nvme = begins(key, "drive.");
		take_property(r, last_key(key), text + strlen(key) + 1);
	} else {
		walk_pairs(r, text, take_global);
	}
	free(key);
}

/*
 * A file with lines like host = "01:00.0". The hook does not register its functions: it only checks
 * that the file passes none.
 */
static void read_config(struct reading *r, const char *path)
{
	char *line = NULL, key[64], value[1024];
	FILE *f = fopen(path, "re");
	size_t size = 0;

	r->unread = !f;
	while (f && getline(&line, &size, f) > 0) {
		if (sscanf(line, " %63s = \"%1023[^\"]\"", key, value) != 2)
			continue;
		take_global(r, key, value);
		r->unread |= strstr(value, "vfio-pci") || is(last_key(key), "device") ||
			     begins(value, "nvme://") || begins(value, "json:");
	}
	free(line);
	if (f)
		fclose(f);
}

static int finish(struct reading *r, const char *what)
{
	if (r->unread && !r->err) {
		if (r->domain->first)
			tell("domain %s: cannot tell which PCI function its QEMU gets by '%.200s': "
			     "pass the function by <hostdev>, or by -device "
			     "vfio-pci,host=DDDD:BB:DD.F",
			     r->domain->name, what);
		r->domain->unread = true;
	}
	return r->err;
}

int argument_read(struct domain *d, const char *option, const char *text)
{
	struct reading r = { .domain = d, .option = option };

	/* QEMU takes two dashes for one. */
	r.option += *r.option == '-';
	r.option += *r.option == '-';
	r.device = is(r.option, "device");
	if (is(r.option, "set") || is(r.option, "global")) {
		read_setting(&r, text);
	} else if (is(r.option, "readconfig")) {
		read_config(&r, text);
	} else if (*text != '{' || r.device || is(r.option, "blockdev")) {
		walk(&r, text, take_driver);
		walk(&r, text, take_function);
		r.unread |= r.vfio && !r.named;
	}
	return finish(&r, text);
}

int argument_override(struct domain *d, const char *name, const char *value)
{
	struct reading r = { .domain = d, .option = "", .device = true };
	char what[256];

	take_property(&r, name, value);
	snprintf(what, sizeof(what), "%s=%s", name, value);
	return finish(&r, what);
}
