// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "lib/device.h"
#include "lib/handle.h"
#include "lib/util.h"
#include "loader/bounded.h"
#include "loader/isolate.h"
#include "table/table.h"

/* Interrupts that were raised before the isolation may be counted so much later. */
#define SETTLE_NS 1000000000ULL

/* The reset of a function may take 100 ms and more. */
#define SYSFS_MS 2000

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

/* A change of the command register. */
struct command {
	__u64 handle;
	__u16 clear, set;
};

/* Config space is little-endian; the command register is at an even address. */
static int write_command(void *arg)
{
	const struct command *c = arg;
	char path[PATH_MAX], buf[HANDLE_STRLEN];
	unsigned char byte[2];
	int fd, err = -EIO;
	__u16 want;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", device_bdf(c->handle, buf));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, byte, 2, PCI_COMMAND) != 2)
		goto out;
	want = (__u16)(((byte[0] | byte[1] << 8) & ~c->clear) | c->set);
	byte[0] = want & 0xff;
	byte[1] = want >> 8;
	if (pwrite(fd, byte, 2, PCI_COMMAND) != 2) {
		err = -errno;
		goto out;
	}
	if (pread(fd, byte, 2, PCI_COMMAND) == 2 &&
	    ((byte[0] | byte[1] << 8) & (c->clear | c->set)) == c->set)
		err = 0;
out:
	close(fd);
	return err;
}

/* A child does it, because access to config space waits for a reset that is going on. */
static int set_bus_master(__u64 handle, bool on, bool intx)
{
	struct command c = { .handle = handle };

	if (on)
		c.set = PCI_COMMAND_MASTER, c.clear = intx ? PCI_COMMAND_INTX_DISABLE : 0;
	else
		c.clear = PCI_COMMAND_MASTER, c.set = intx ? PCI_COMMAND_INTX_DISABLE : 0;
	return bounded_call(write_command, &c, sizeof(c), SYSFS_MS);
}

/* Return: 1: it is bus master; 0: it is not; or a negative errno. In a child, as above. */
static int read_master(void *handle)
{
	char path[PATH_MAX], buf[HANDLE_STRLEN];
	unsigned char byte[2];
	int fd, ret = -EIO;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", device_bdf(*(__u64 *)handle, buf));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, byte, 2, PCI_COMMAND) == 2)
		ret = !!((byte[0] | byte[1] << 8) & PCI_COMMAND_MASTER);
	close(fd);
	return ret;
}

/* Did the VFIO user, which can write to config space, make the function bus master again? */
static bool undone(const struct irqgate_device_key *key, const struct irqgate_isolation *iso)
{
	__u64 handle = key->handle;

	return iso->means == IRQGATE_ISOLATED_OWNED &&
	       bounded_call(read_master, &handle, sizeof(handle), SYSFS_MS) > 0;
}

/* In a child: a process that unbinds the driver holds the lock until the owner closes the fd. */
static int write_reset(void *handle)
{
	char path[PATH_MAX], buf[HANDLE_STRLEN];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/reset", device_bdf(*(__u64 *)handle, buf));
	return write_text(path, "1");
}

static int unbind_driver(__u64 handle, struct irqgate_isolation *iso)
{
	char path[PATH_MAX], buf[HANDLE_STRLEN];
	int err = device_driver(handle, iso->driver);

	if (err)
		return err;
	snprintf(path, sizeof(path), PCI_DRIVERS "/%s/unbind", iso->driver);
	err = write_text(path, device_bdf(handle, buf));
	if (!err)
		iso->means = IRQGATE_ISOLATED_UNBOUND;
	return err;
}

/* How many interrupts leaked so far from the vectors of a function. */
static __u64 leaked_by(const struct pins *pins, __u64 handle)
{
	struct binding_walk w = {};
	__u64 leaked = 0;

	while (binding_next(pins, &w) > 0)
		if (w.b.handle == handle)
			leaked += w.b.count.leaked;
	return leaked;
}

int isolate(struct pins *pins, __u64 handle, __u32 vector)
{
	struct irqgate_device_key key = { .handle = handle };
	struct irqgate_isolation iso = {};
	char buf[HANDLE_STRLEN];
	int err = -EIO;

	if (bpf_map_lookup_elem(pins->isolated, &key, &iso)) {
		err = set_bus_master(handle, false, false);
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

static bool is_owned(const struct irqgate_isolation *iso)
{
	return iso->means == IRQGATE_ISOLATED_OWNED || iso->means == IRQGATE_ISOLATED_RESET;
}

static enum contained how_far(const struct irqgate_isolation *iso)
{
	/* The line of INTx is no write to memory, and VFIO may enable the line for a guest. */
	return iso->means == IRQGATE_ISOLATED_OWNED && iso->vector != IRQGATE_VECTOR_FUNCTION
		       ? CONTAINED_CUT
		       : CONTAINED_SILENT;
}

enum contained isolate_owned(struct pins *pins, const struct irqgate_binding *b, bool begin)
{
	struct irqgate_device_key key = { .handle = b->handle };
	bool intx = b->vector == IRQGATE_VECTOR_FUNCTION;
	struct irqgate_isolation iso = {};
	__u64 leaked = leaked_by(pins, b->handle), handle = b->handle;
	char buf[HANDLE_STRLEN];
	bool known, stands;
	int err;

	known = !bpf_map_lookup_elem(pins->isolated, &key, &iso) && is_owned(&iso);
	if (!known && !begin)
		return CONTAINED_NOT;
	stands = known && !undone(&key, &iso);
	if (stands && leaked <= iso.leaked && !(intx && iso.vector != b->vector))
		return how_far(&iso);
	if (stands && now_ns() - iso.since < SETTLE_NS) {
		iso.leaked = leaked;
		bpf_map_update_elem(pins->isolated, &key, &iso, BPF_ANY);
		return how_far(&iso);
	}
	iso = (struct irqgate_isolation){
		.leaked = leaked,
		.since = now_ns(),
		.means = IRQGATE_ISOLATED_OWNED,
		.vector = b->vector,
	};
	err = set_bus_master(b->handle, false, intx);
	if (err) {
		iso.means = IRQGATE_ISOLATED_RESET;
		err = bounded_call(write_reset, &handle, sizeof(handle), SYSFS_MS);
	}
	err = err ?: bpf_map_update_elem(pins->isolated, &key, &iso, BPF_ANY);
	if (err) {
		msg("%s: cannot be isolated: %s", handle_format(b->handle, buf), strerror(-err));
		return CONTAINED_NOT;
	}
	if (known && !stands && iso.means == IRQGATE_ISOLATED_OWNED)
		msg("%s: isolated again: a process that holds it had made it bus master; only "
		    "'revoke --kill' ends that",
		    handle_format(b->handle, buf));
	else
		msg(iso.means == IRQGATE_ISOLATED_OWNED
			    ? "%s: isolated, it is not bus master any more"
			    : "%s: reset, irqgate may not write to its config space; its owner "
			      "can use it again",
		    handle_format(b->handle, buf));
	return how_far(&iso);
}

/* Has the function a binding of VFIO, or (@bad) one that must be stopped? */
static bool has_binding(const struct pins *pins, __u64 handle, bool bad)
{
	struct binding_walk w = {};

	while (binding_next(pins, &w) > 0)
		if (w.b.handle == handle && w.b.state != IRQGATE_BINDING_HOST &&
		    (!bad ||
		     (w.b.state == IRQGATE_BINDING_BOUND && w.b.verdict >= IRQGATE_VERDICT_DROP)))
			return true;
	return false;
}

static int undo(struct pins *pins, __u64 handle, const struct irqgate_isolation *iso)
{
	struct irqgate_device_key key = { .handle = handle };
	char path[PATH_MAX], buf[HANDLE_STRLEN];
	int err = 0;

	if (iso->means == IRQGATE_ISOLATED_UNBOUND) {
		snprintf(path, sizeof(path), PCI_DRIVERS "/%.*s/bind", (int)sizeof(iso->driver),
			 iso->driver);
		err = write_text(path, device_bdf(handle, buf));
	} else if (iso->means != IRQGATE_ISOLATED_RESET &&
		   (!is_owned(iso) || has_binding(pins, handle, false))) {
		err = set_bus_master(handle, true, iso->vector == IRQGATE_VECTOR_FUNCTION);
	}
	if (err)
		return fail(err, "%s: cannot be released from isolation: %s",
			    handle_format(handle, buf), strerror(-err));
	bpf_map_delete_elem(pins->isolated, &key);
	msg("%s: released from isolation", handle_format(handle, buf));
	return 0;
}

bool isolate_due(const struct pins *pins)
{
	struct irqgate_device_key key, *prev = NULL;
	struct irqgate_isolation iso;

	for (; map_next(pins->isolated, prev, &key) > 0; prev = &key)
		if (!bpf_map_lookup_elem(pins->isolated, &key, &iso) && is_owned(&iso) &&
		    (!has_binding(pins, key.handle, false) || undone(&key, &iso)))
			return true;
	return false;
}

int isolate_review(struct pins *pins)
{
	const struct irqgate_defaults *def = &pins->state->defaults[pins->state->generation & 1];
	int devices = table_map(pins, IRQGATE_MAP_DEVICES);
	int vectors = table_map(pins, IRQGATE_MAP_VECTORS), failed = 0, more;
	struct irqgate_device_key key, next, *prev = NULL;
	struct irqgate_registration reg;
	struct irqgate_vector_auth vec;
	struct irqgate_revocation rev;
	struct irqgate_isolation iso;
	struct irqgate_decision d;
	bool listed, named, revoked;

	while ((more = map_next(pins->isolated, prev, &next)) > 0) {
		struct irqgate_vector_key vkey = { .handle = next.handle };

		key = next;
		prev = &key;
		if (bpf_map_lookup_elem(pins->isolated, &key, &iso))
			continue;
		if (is_owned(&iso)) {
			if (!has_binding(pins, key.handle, true))
				failed += !!undo(pins, key.handle, &iso);
			continue;
		}
		vkey.vector = iso.vector;
		listed = devices >= 0 && !bpf_map_lookup_elem(devices, &key, &reg);
		named = vectors >= 0 && !bpf_map_lookup_elem(vectors, &vkey, &vec);
		revoked = !bpf_map_lookup_elem(pins->revoked, &key, &rev);
		d = irqgate_decide(def, listed ? &reg : NULL, named ? &vec : NULL,
				   revoked ? &rev : NULL, iso.vector, IRQGATE_GD_HOST, true);
		if (d.verdict <= IRQGATE_VERDICT_AUDIT)
			failed += !!undo(pins, key.handle, &iso);
	}
	failed += more < 0;
	if (devices >= 0)
		close(devices);
	if (vectors >= 0)
		close(vectors);
	return failed;
}
