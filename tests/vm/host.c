// SPDX-License-Identifier: GPL-2.0-only
/*
 * matrix.host.*: a card with its host driver. No hook stops its interrupts, but irqgate can take
 * the device off the bus. The kernel's own counters say what arrived.
 */
#include "fixture.h"
#include "matrix.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void find_interface(char name[IFNAMSIZ])
{
	char path[64];
	struct dirent *e;
	DIR *dir;

	*name = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/net", nic.bdf);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, e->d_name);
	if (dir)
		closedir(dir);
}

static void interface_up(const char *name, bool up)
{
	struct ifreq ifr = {};
	struct sockaddr_in *addr = (void *)&ifr.ifr_addr;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = inet_addr("10.0.2.15");
	ok = !up || !ioctl(sock, SIOCSIFADDR, &ifr);
	ok = ok && !ioctl(sock, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags = up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP;
	ok = ok && !ioctl(sock, SIOCSIFFLAGS, &ifr);
	close(sock);
	expect(ok, "cannot set up %s: %s", name, rig_errname(errno));
}

static void send_packets(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int i;

	to.sin_addr.s_addr = inet_addr("10.0.2.2");
	for (i = 0; i < 10; i++) {
		sendto(sock, "x", 1, 0, (void *)&to, sizeof(to));
		nap(20);
	}
	close(sock);
}

/* The kernel's own count of the card's MSIs. */
static long kernel_count(void)
{
	char path[300], text[256];
	struct dirent *e;
	long sum = 0;
	FILE *f;
	DIR *dir;
	char *p;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", nic.bdf);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/irq/%s/per_cpu_count", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f))
			for (p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
				sum += atol(p);
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* Gives the card to its host driver, which may take a while to name the interface. */
static void have_driver(void)
{
	char name[IFNAMSIZ];

	find_interface(name);
	if (*name)
		return;
	if (rig_pci_release(nic.bdf))
		test_skip("e1000e has no driver here");
	expect(wait_for(5000, (find_interface(name), *name)), "no network interface");
	nap(1000);
}

static void set_interface(bool up)
{
	char name[IFNAMSIZ];

	find_interface(name);
	interface_up(name, up);
}

/* Brings the link up and sends packets. */
static void traffic(void)
{
	set_interface(true);
	nap(300);
	send_packets();
	nap(100);
}

/* Has the card no driver, or is it no bus master? */
static bool is_isolated(void)
{
	char path[64], name[IFNAMSIZ];
	uint16_t command = PCI_COMMAND_MASTER;
	int fd;

	find_interface(name);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", nic.bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	expect(fd >= 0 && pread(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command),
	       "%s: %s", path, rig_errname(errno));
	close(fd);
	return !*name || !(command & PCI_COMMAND_MASTER);
}

/* ---- cells ------------------------------------------------------------------ */

static const struct {
	const char *name, *what, *action, *why;
} paths[] = {
	{ "host.deny", "device MSI -> host driver", "deny",
	  "a host driver's interrupt passes no hook that could stop it; on_violation: isolate "
	  "takes the device off the bus" },
	{ "host.isolate", "the same with on_violation: isolate", "isolate", NULL },
};

#define PATHS (sizeof(paths) / sizeof(paths[0]))
/* In audit mode irqgate isolates nothing, so host.isolate has no cells there. */
#define CELLS (PATHS * STATES + STATES)

static struct cell {
	size_t path;
	enum mode mode;
	enum state state;
} cells[CELLS];
static struct test tests[CELLS + 1];

/* Loads the policy of a cell. It denies unlisted devices. */
static void load(const struct cell *c)
{
	const char *mode = c->mode == ENFORCED ? ENFORCE : AUDIT;
	const char *action = paths[c->path].action;
	char rows[4096];

	host_rows(rows, sizeof(rows));
	revocations_forget();
	if (c->state == UNAUTHORIZED && c->path == 0)
		loader_with("%s" MATRIX_CONTEXTS MATRIX_DEFAULTS "devices:\n%s", mode, rows);
	else
		loader_with("%s" MATRIX_CONTEXTS MATRIX_DEFAULTS "devices:\n%s" ROW, mode, rows,
			    nic.handle, c->state == WRONG ? "blue" : "host",
			    c->state == UNAUTHORIZED ? "[4]" : "all", action);
}

/* The card sends now and then by itself, so this compares in a quiet moment. */
static void expect_counted(long base, bool bad, enum mode mode)
{
	long before, after, got;
	struct counts c;
	int i;

	for (i = 0; i < 10; i++) {
		before = kernel_count();
		c = counted_all(nic.handle);
		after = kernel_count();
		if (before == after)
			break;
	}
	expect(before == after, "the card does not get quiet");
	after -= base;
	expect(after > 3, "the card sent only %ld interrupts", after);
	got = !bad ? c.passed : mode == ENFORCED ? c.leaked : c.would_drop;
	expect(got == after && c.passed + c.leaked + c.would_drop == got && !c.dropped,
	       "passed %ld, leaked %ld, would_drop %ld, dropped %ld; the kernel counted %ld",
	       c.passed, c.leaked, c.would_drop, c.dropped, after);
}

static void expect_isolated(void)
{
	long base;

	expect(wait_for(3000, is_isolated()), "not isolated");
	nap(100);
	base = kernel_count();
	send_packets();
	nap(100);
	expect(kernel_count() <= base, "%ld arrived of an isolated card", kernel_count() - base);
}

/* The loader removes the bindings when the driver frees its interrupts. */
static bool has_bindings(void)
{
	struct json_object *all = show("bindings");
	bool has = false;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++)
		has |= !strcmp(field(json_object_array_get_idx(all, i), "handle"), nic.handle);
	json_object_put(all);
	return has;
}

static void run_cell(void)
{
	const struct cell *c = &cells[test_current - tests];
	bool bad = c->state != AUTHORIZED;
	/* An operator's order holds in audit mode, too. */
	enum mode mode = c->state == REVOKED ? ENFORCED : c->mode;
	struct cell authorized = *c;
	const char *level = "leak";
	long base;

	authorized.state = AUTHORIZED;
	have_driver();
	load(c);
	if (c->state == REVOKED) {
		traffic();
		/* `revoke` fails if irqgate cannot stop the interrupts. */
		verb(paths[c->path].why ? 1 : 0, "revoke", nic.handle, "all", NULL);
	}
	/* When the card is down its bindings end, and the next ones count from 0. */
	set_interface(false);
	expect(wait_for(2000, !has_bindings()), "bindings are left of a card that is down");
	/* Without bindings, `revoke` has nothing to cut and succeeds. */
	if (c->state == REVOKED)
		verb(0, "revoke", nic.handle, "all", NULL);
	mark();
	base = kernel_count();
	traffic();
	if (bad && mode == ENFORCED && !paths[c->path].why) {
		expect_isolated();
		level = "isolate";
		load(&authorized);
	} else {
		expect_counted(base, bad, mode);
	}
	if (bad && c->mode == ENFORCED)
		printf("matrix\t%s\t%s\t%s\t%s\t%s\n", paths[c->path].name, paths[c->path].what,
		       state_names[c->state], level, paths[c->path].why ?: "");
}

static long leaks(void)
{
	struct json_object *all = show("stats");
	long sum = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++)
		sum += number(json_object_array_get_idx(all, i), "leaked");
	json_object_put(all);
	return sum;
}

/* Default-deny is about VFIO: host drivers of disk, console and network go on without leaks. */
static void host_unlisted(void)
{
	const struct output *out;
	struct worker *w;
	long base, before;

	have_driver();
	loader_with(ENFORCE MATRIX_CONTEXTS
		    "devices:\n" ROW "defaults: { unlisted_device: deny, unlisted_source: deny }\n",
		    edu.handle, "blue", "all", "drop");
	set_interface(false);
	mark();
	base = kernel_count();
	before = leaks();
	traffic();
	expect_counted(base, false, ENFORCED);
	expect(leaks() == before, "%ld interrupts of host drivers count as leaked",
	       leaks() - before);
	out = irqgate("explain", nic.handle, "0", NULL);
	expect(strstr(out->out, "vector 0: allow, because a host driver has the device"),
	       "explained as %s", out->out);
	w = vmm("t/blue", &edu2);
	expect_is(bind_all(w, &edu2, IRQFD_FIRST), -EACCES, "binding a device no row names");
	worker_end(w, false);
	/* When a row names the device for another context, each of its interrupts is a leak. */
	loader_with(ENFORCE MATRIX_CONTEXTS "devices:\n" ROW, nic.handle, "blue", "all", "deny");
	set_interface(false);
	mark();
	base = kernel_count();
	traffic();
	expect_counted(base, true, ENFORCED);
}

struct test_set host_tests(void)
{
	static char names[CELLS][64];
	size_t n = 0, path;
	int mode, state;

	for (path = 0; path < PATHS; path++) {
		for (mode = 0; mode < MODES; mode++) {
			if (mode == AUDITED && !paths[path].why)
				continue;
			for (state = 0; state < STATES; state++) {
				cells[n] = (struct cell){ path, mode, state };
				snprintf(names[n], sizeof(names[n]), "matrix.%s.%s.%s",
					 paths[path].name, mode_names[mode], state_names[state]);
				tests[n] = (struct test){ names[n], run_cell };
				n++;
			}
		}
	}
	tests[n++] = (struct test){ "host.unlisted", host_unlisted };
	return (struct test_set){ .tests = tests, .count = n, .loader_stays = true };
}
