// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: cost [-d] [NAME...]
 * What single operations cost, in instructions. Runs in a machine of one CPU under
 * -icount shift=0, where the time stamp counter counts instructions, user space and
 * kernel. Prints "NAME INSTRUCTIONS", the median of many rounds, of each operation or
 * of those named. The cost of irqgate is the difference to what this program prints
 * without irqgate.
 *   -d  the inline gate drops device MSIs: they must not arrive, otherwise they must
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "rig.h"

#define ROUNDS 301
#define IGB_EICS 0x1520
#define PAGE 4096

static struct rig_dev edu;
static struct rig_vm vm;
static int null, zero, pipes[2], plain, gated, triggers[2], file;
static volatile uint8_t *igb;
static void *page;

static void die(const char *what, int err)
{
	fprintf(stderr, "cost: %s: %s\n", what, rig_errname(err));
	exit(1);
}

static void must(const char *what, int ret)
{
	if (ret < 0)
		die(what, ret);
}

static void nothing(void)
{
}

static void thousand(void)
{
	int i;

	for (i = 0; i < 500; i++) /* two instructions a turn */
		__asm__ volatile("");
}

static void write_unrelated(void)
{
	if (write(null, "x", 1) != 1)
		die("write", errno);
}

static void read_unrelated(void)
{
	char c;

	if (read(zero, &c, 1) != 1)
		die("read", errno);
}

static void ioctl_unrelated(void)
{
	int n;

	if (ioctl(pipes[0], FIONREAD, &n))
		die("FIONREAD", errno);
}

/* In the place of the same mapping, so that the process has as many as before. */
static void mmap_unrelated(void)
{
	if (mmap(page, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) != page)
		die("mmap", errno);
}

/* A command KVM has, but none that connects or injects. */
static void ioctl_vm(void)
{
	ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD);
}

static void write_eventfd(void)
{
	rig_eventfd_signal(plain);
}

static void write_gated(void)
{
	rig_eventfd_signal(gated);
}

static void msi(void)
{
	rig_dev_raise(&edu, 0);
}

static void host_irq(void)
{
	*(volatile uint32_t *)(igb + IGB_EICS) = 1; /* the link's vector */
	(void)*(volatile uint32_t *)igb;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(void (*run)(void))
{
	static uint64_t took[ROUNDS];
	unsigned int i;
	uint64_t t;

	for (i = 0; i < ROUNDS; i++) {
		t = __rdtsc();
		run();
		took[i] = __rdtsc() - t;
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	return took[ROUNDS / 2];
}

/* ---- before and after ------------------------------------------------------ */

static void connect_vm(void)
{
	must("irqfd", rig_vm_irqfd(&vm, triggers[0], RIG_GSI(0)));
	must("VFIO_DEVICE_SET_IRQS", rig_irq_eventfds(edu.fd, edu.index, 0, 1, &triggers[0]));
	rig_vm_clear(&vm);
}

static int arrived_vm(void)
{
	int pending = rig_vm_pending(&vm, RIG_LAPIC(0));

	rig_irq_disable(edu.fd, edu.index);
	rig_vm_irqfd_off(&vm, triggers[0], RIG_GSI(0));
	return pending;
}

static void connect_driver(void)
{
	must("VFIO_DEVICE_SET_IRQS", rig_irq_eventfds(edu.fd, edu.index, 0, 1, &triggers[1]));
}

static int arrived_driver(void)
{
	int64_t n = rig_eventfd_take(triggers[1]);

	rig_irq_disable(edu.fd, edu.index);
	return n > 0;
}

/* irqgate learns of a host driver's vector by its first interrupt, a moment later. */
static void host_irq_known(void)
{
	host_irq();
	sleep(2);
}

static const struct cost {
	const char *name;
	void (*run)(void);
	void (*before)(void);
	int (*arrived)(void);
} costs[] = {
	{ "thousand", thousand, NULL, NULL },
	{ "write_unrelated", write_unrelated, NULL, NULL },
	{ "read_unrelated", read_unrelated, NULL, NULL },
	{ "ioctl_unrelated", ioctl_unrelated, NULL, NULL },
	{ "mmap_unrelated", mmap_unrelated, NULL, NULL },
	{ "ioctl_vm", ioctl_vm, NULL, NULL },
	{ "eventfd_unrelated", write_eventfd, NULL, NULL },
	{ "irq_unrelated", host_irq, host_irq_known, NULL },
	{ "gated_write", write_gated, NULL, NULL },
	{ "msi_irqfd", msi, connect_vm, arrived_vm },
	{ "msi_eventfd", msi, connect_driver, arrived_driver },
};

static void open_all(void)
{
	char bdf[RIG_BDF_LEN], path[64];
	int fd;

	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (null < 0 || zero < 0 || pipe(pipes))
		die("open", errno);
	file = memfd_create("bench", MFD_CLOEXEC);
	page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	if (file < 0 || page == MAP_FAILED)
		die("memfd", errno);
	must("no igb", rig_pci_find(RIG_IGB, 0, bdf));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	igb = mmap(NULL, 0x20000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || igb == MAP_FAILED)
		die(path, errno);

	must("no edu", rig_pci_find(RIG_EDU, 0, bdf));
	must("vfio-pci", rig_pci_bind_vfio(bdf));
	must("open VFIO", rig_dev_open(&edu, bdf));
	must("KVM", rig_vm_create(&vm));
	must("route", rig_vm_route_range(&vm, 0, 2));
	plain = rig_eventfd();
	gated = rig_eventfd();
	triggers[0] = rig_eventfd();
	triggers[1] = rig_eventfd();
	must("eventfd", triggers[1]);
	must("irqfd", rig_vm_irqfd(&vm, gated, RIG_GSI(1)));
}

static int wanted(const char *name, char *const names[])
{
	if (!*names)
		return 1;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int dropped = argc > 1 && !strcmp(argv[1], "-d");
	char *const *names = argv + 1 + dropped;
	const struct cost *c;
	uint64_t empty;

	open_all();
	empty = median(nothing);
	for (c = costs; c < costs + sizeof(costs) / sizeof(costs[0]); c++) {
		if (!wanted(c->name, names))
			continue;
		if (c->before)
			c->before();
		printf("%s %llu\n", c->name, (unsigned long long)(median(c->run) - empty));
		if (c->arrived && c->arrived() == dropped) {
			fprintf(stderr, "cost: %s: %s\n", c->name,
				dropped ? "arrived" : "did not arrive");
			return 1;
		}
	}
	return 0;
}
