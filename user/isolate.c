// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "handle.h"
#include "isolate.h"
#include "table.h"
#include "util.h"

/* Interrupts raised before may be counted a little later. */
#define SETTLE_NS 1000000000ULL

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_DRIVERS "/sys/bus/pci/drivers"

/* Handles print as pci:BDF. */
static const char *bdf(__u64 handle, char buf[HANDLE_STRLEN])
{
	return strchr(handle_format(handle, buf), ':') + 1;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Config space is little-endian; the command register is at an even address. */
static int set_bus_master(__u64 handle, bool on)
{
	char path[PATH_MAX], buf[HANDLE_STRLEN];
	unsigned char command[2];
	int fd, err = -EIO;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", bdf(handle, buf));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, command, 2, PCI_COMMAND) != 2)
		goto out;
	command[0] = on ? command[0] | PCI_COMMAND_MASTER : command[0] & ~PCI_COMMAND_MASTER;
	if (pwrite(fd, command, 2, PCI_COMMAND) != 2) {
		err = -errno;
		goto out;
	}
	if (pread(fd, command, 2, PCI_COMMAND) == 2 && !(command[0] & PCI_COMMAND_MASTER) == !on)
		err = 0;
out:
	close(fd);
	return err;
}

static int unbind_driver(__u64 handle, struct irqgate_isolation *iso)
{
	char path[PATH_MAX], target[PATH_MAX], buf[HANDLE_STRLEN];
	ssize_t n;
	int err;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver", bdf(handle, buf));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	snprintf(iso->driver, sizeof(iso->driver), "%s", basename(target));
	snprintf(path, sizeof(path), PCI_DRIVERS "/%s/unbind", iso->driver);
	err = write_text(path, bdf(handle, buf));
	if (!err)
		iso->means = IRQGATE_ISOLATED_UNBOUND;
	return err;
}

/* What the host driver's vectors of a function leaked so far. */
static __u64 leaked_by(const struct pins *pins, __u64 handle)
{
	struct irqgate_irq_key key, *prev = NULL;
	struct irqgate_binding b;
	__u64 leaked = 0;

	for (; !bpf_map_get_next_key(pins->bindings, prev, &key); prev = &key)
		if (!binding_find(pins, key.irq, &b) && b.handle == handle)
			leaked += b.count.leaked;
	return leaked;
}

int isolate(struct pins *pins, __u64 handle, __u32 vector)
{
	struct irqgate_device_key key = { .handle = handle };
	struct irqgate_isolation iso = {};
	char buf[HANDLE_STRLEN];
	int err = -EIO;

	if (bpf_map_lookup_elem(pins->isolated, &key, &iso)) {
		err = set_bus_master(handle, false);
		iso.vector = vector;
		iso.means = IRQGATE_ISOLATED_BUS_MASTER;
		iso.since = now_ns();
	} else if (iso.means == IRQGATE_ISOLATED_UNBOUND || leaked_by(pins, handle) <= iso.leaked) {
		return 0;
	} else if (now_ns() - iso.since < SETTLE_NS) {
		iso.leaked = leaked_by(pins, handle);
		return bpf_map_update_elem(pins->isolated, &key, &iso, BPF_ANY);
	}
	if (err)
		err = unbind_driver(handle, &iso);
	iso.leaked = leaked_by(pins, handle);
	if (!err)
		err = bpf_map_update_elem(pins->isolated, &key, &iso, BPF_ANY);
	if (err)
		return fail(err, "%s: cannot be isolated: %s", handle_format(handle, buf),
			    strerror(-err));
	if (iso.means == IRQGATE_ISOLATED_UNBOUND)
		msg("%s: isolated, its driver %s is unbound", handle_format(handle, buf),
		    iso.driver);
	else
		msg("%s: isolated, it is not bus master any more", handle_format(handle, buf));
	return 0;
}

static int undo(struct pins *pins, __u64 handle, const struct irqgate_isolation *iso)
{
	struct irqgate_device_key key = { .handle = handle };
	char path[PATH_MAX], buf[HANDLE_STRLEN];
	int err;

	if (iso->means == IRQGATE_ISOLATED_UNBOUND) {
		snprintf(path, sizeof(path), PCI_DRIVERS "/%.*s/bind",
			 (int)sizeof(iso->driver), iso->driver);
		err = write_text(path, bdf(handle, buf));
	} else {
		err = set_bus_master(handle, true);
	}
	if (err)
		return fail(err, "%s: cannot be released from isolation: %s",
			    handle_format(handle, buf), strerror(-err));
	bpf_map_delete_elem(pins->isolated, &key);
	msg("%s: released from isolation", handle_format(handle, buf));
	return 0;
}

int isolate_review(struct pins *pins)
{
	const struct irqgate_defaults *def = &pins->state->defaults[pins->state->generation & 1];
	int devices = table_map(pins, IRQGATE_MAP_DEVICES);
	int vectors = table_map(pins, IRQGATE_MAP_VECTORS), failed = 0;
	struct irqgate_device_key key, next, *prev = NULL;
	struct irqgate_registration reg;
	struct irqgate_vector_auth vec;
	struct irqgate_isolation iso;
	struct irqgate_decision d;
	bool listed, named;

	while (!bpf_map_get_next_key(pins->isolated, prev, &next)) {
		struct irqgate_vector_key vkey = { .handle = next.handle };

		key = next;
		prev = &key;
		if (bpf_map_lookup_elem(pins->isolated, &key, &iso))
			continue;
		vkey.vector = iso.vector;
		listed = devices >= 0 && !bpf_map_lookup_elem(devices, &key, &reg);
		named = vectors >= 0 && !bpf_map_lookup_elem(vectors, &vkey, &vec);
		d = irqgate_decide(def, listed ? &reg : NULL, named ? &vec : NULL, iso.vector,
				   IRQGATE_GD_HOST);
		if (d.verdict <= IRQGATE_VERDICT_AUDIT)
			failed += !!undo(pins, key.handle, &iso);
	}
	if (devices >= 0)
		close(devices);
	if (vectors >= 0)
		close(vectors);
	return failed;
}
