// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest: proves on a kernel without irqgate that the rig sees interrupts where they arrive,
 * and none where none arrives. The other tests rely on that.
 */
#include "rig.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 2000
#define SETTLE_MS 50
#define COUNT 10

static unsigned int passed, failed, skipped;

/* @why: NULL if the check passed. */
static void report(const char *why, const char *fmt, ...)
{
	char name[96];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (why) {
		failed++;
		printf("not ok %s: %s\n", name, why);
	} else {
		passed++;
		printf("ok %s\n", name);
	}
	fflush(stdout);
}

static const char *why_of(int ret)
{
	return ret < 0 ? rig_errname(ret) : NULL;
}

struct bench {
	const char *name;
	struct rig_dev dev;
	struct rig_vm vm;
	int32_t fd[RIG_MAX_VECTORS];
	int32_t sink;
};

/* The vector arrives, and no other. */
static int only(struct bench *b, uint32_t n)
{
	int ret = rig_vm_wait_vector(&b->vm, RIG_LAPIC(n), WAIT_MS);

	if (!ret && rig_vm_irr(&b->vm, NULL) != 1)
		ret = -EEXIST;
	rig_vm_clear(&b->vm);
	return ret;
}

static int raise_only(struct bench *b, uint32_t n)
{
	int ret = rig_dev_raise(&b->dev, n);

	return ret ? ret : only(b, n);
}

static int connect_vm(struct bench *b)
{
	uint32_t n;
	int ret = 0;

	for (n = 0; n < b->dev.vectors && !ret; n++)
		ret = rig_vm_irqfd(&b->vm, b->fd[n], RIG_GSI(n));
	return ret;
}

static int connect_device(struct bench *b)
{
	return rig_irq_eventfds(b->dev.fd, b->dev.index, 0, b->dev.vectors, b->fd);
}

static int disconnect(struct bench *b)
{
	int ret = rig_irq_disable(b->dev.fd, b->dev.index);
	uint32_t n;

	for (n = 0; n < b->dev.vectors && !ret; n++)
		ret = rig_vm_irqfd_off(&b->vm, b->fd[n], RIG_GSI(n));
	return ret;
}

static void check_vectors(struct bench *b, const char *order)
{
	uint32_t n;
	int ret = 0;
	int i;

	for (n = 0; n < b->dev.vectors; n++) {
		/* Three times, because a device that the rig does not rearm sends only once. */
		for (i = 0; i < 3; i++) {
			ret = raise_only(b, n);
			if (ret)
				break;
		}
		report(why_of(ret), "%s vector %u reaches the APIC, %s", b->name, n, order);
	}
}

/* Without a VM the eventfds count. No interrupt is lost or sent twice. */
static void check_counts(struct bench *b)
{
	int ret = connect_device(b);
	unsigned int i;
	uint32_t n;

	for (i = 0; i < COUNT && !ret; i++) {
		for (n = 0; n < b->dev.vectors && !ret; n++)
			ret = rig_dev_raise(&b->dev, n);
		/* A message that the device sends twice takes a while. */
		usleep(SETTLE_MS * 1000);
	}
	for (n = 0; n < b->dev.vectors && !ret; n++)
		if (rig_eventfd_take(b->fd[n]) != COUNT)
			ret = -ERANGE;
	report(why_of(ret), "%s sends one message a raise", b->name);
	rig_irq_disable(b->dev.fd, b->dev.index);
}

static void check_order(struct bench *b, bool vfio_first)
{
	const char *order = vfio_first ? "vfio first" : "irqfd first";
	int ret;

	ret = vfio_first ? connect_device(b) : connect_vm(b);
	if (!ret)
		ret = vfio_first ? connect_vm(b) : connect_device(b);
	if (ret) {
		report(why_of(ret), "%s connects, %s", b->name, order);
		return;
	}
	check_vectors(b, order);
	report(why_of(disconnect(b)), "%s disconnects, %s", b->name, order);
}

static void check_software(struct bench *b)
{
	uint32_t last = b->dev.vectors - 1;
	uint8_t yes = 1, no = 0;
	int ret;

	ret = rig_eventfd_signal(b->fd[last]);
	report(why_of(ret ? ret : only(b, last)), "%s write(2) reaches the APIC", b->name);
	ret = rig_vm_signal_msi(&b->vm, RIG_LAPIC(last));
	report(why_of(ret < 0 ? ret : only(b, last)), "%s KVM_SIGNAL_MSI reaches the APIC",
	       b->name);
	ret = rig_vm_irq_line(&b->vm, RIG_GSI(last), true);
	report(why_of(ret ? ret : only(b, last)), "%s KVM_IRQ_LINE reaches the APIC", b->name);
	ret = rig_irq_none(b->dev.fd, b->dev.index, last, 1);
	report(why_of(ret ? ret : only(b, last)), "%s DATA_NONE reaches the APIC", b->name);
	ret = rig_irq_bool(b->dev.fd, b->dev.index, last, 1, &yes);
	report(why_of(ret ? ret : only(b, last)), "%s DATA_BOOL reaches the APIC", b->name);
	ret = rig_irq_bool(b->dev.fd, b->dev.index, last, 1, &no);
	report(why_of(ret ? ret : rig_vm_absent(&b->vm, RIG_LAPIC(last), SETTLE_MS)),
	       "%s DATA_BOOL of 0 does not", b->name);
}

/* One vector is pointed at a sink and back. The others stay connected. */
static void check_sink(struct bench *b)
{
	uint32_t last = b->dev.vectors - 1;
	int ret;

	ret = rig_irq_eventfds(b->dev.fd, b->dev.index, last, 1, &b->sink);
	if (!ret)
		ret = rig_dev_raise(&b->dev, last);
	if (!ret)
		ret = rig_eventfd_wait(b->sink, WAIT_MS);
	if (!ret && rig_eventfd_take(b->sink) != 1)
		ret = -ERANGE;
	report(why_of(ret), "%s vector %u reaches the sink", b->name, last);
	report(why_of(rig_vm_absent(&b->vm, RIG_LAPIC(last), SETTLE_MS)),
	       "%s vector %u no longer reaches the APIC", b->name, last);
	if (last)
		report(why_of(raise_only(b, 0)), "%s vector 0 still does", b->name);
	ret = rig_irq_eventfds(b->dev.fd, b->dev.index, last, 1, &b->fd[last]);
	report(why_of(ret ? ret : raise_only(b, last)), "%s vector %u does so again", b->name,
	       last);
}

static void check_absent(struct bench *b)
{
	int ret = disconnect(b);

	if (!ret)
		ret = rig_dev_raise(&b->dev, 0);
	if (!ret)
		ret = rig_vm_absent(&b->vm, RIG_LAPIC(0), SETTLE_MS);
	report(why_of(ret), "%s disconnected: nothing arrives", b->name);
}

static void check_intx(struct bench *b)
{
	int32_t fd = b->fd[0];
	int ret;

	if (b->dev.index != VFIO_PCI_MSI_IRQ_INDEX)
		return;
	ret = rig_irq_eventfds(b->dev.fd, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd);
	if (!ret)
		ret = rig_dev_intx(&b->dev, true);
	if (!ret)
		ret = rig_eventfd_wait(fd, WAIT_MS);
	rig_dev_intx(&b->dev, false);
	rig_eventfd_take(fd);
	rig_irq_disable(b->dev.fd, VFIO_PCI_INTX_IRQ_INDEX);
	report(why_of(ret), "%s INTx reaches the eventfd", b->name);
}

static int open_bench(struct bench *b, const char *bdf)
{
	uint32_t n;
	int ret;

	ret = rig_pci_bind_vfio(bdf);
	if (!ret)
		ret = rig_dev_open(&b->dev, bdf);
	if (ret)
		return ret;
	ret = rig_vm_create(&b->vm);
	if (!ret)
		ret = rig_vm_route_range(&b->vm, 0, b->dev.vectors);
	if (ret) {
		rig_dev_close(&b->dev);
		return ret;
	}
	for (n = 0; n < b->dev.vectors; n++)
		b->fd[n] = rig_eventfd();
	b->sink = rig_eventfd();
	return 0;
}

static void close_bench(struct bench *b)
{
	uint32_t n;

	rig_vm_destroy(&b->vm);
	rig_dev_close(&b->dev);
	for (n = 0; n < b->dev.vectors; n++)
		close(b->fd[n]);
	close(b->sink);
}

static void check_device(const char *name, uint16_t vendor, uint16_t device, unsigned int nth,
			 uint32_t vectors)
{
	static struct bench b;
	char bdf[RIG_BDF_LEN];
	int ret;

	if (rig_pci_find(vendor, device, nth, bdf)) {
		skipped++;
		printf("skip %s: this machine has none\n", name);
		return;
	}
	b.name = name;
	ret = open_bench(&b, bdf);
	report(why_of(ret), "%s %s opens", name, bdf);
	if (ret)
		return;
	report(b.dev.vectors == vectors ? NULL : "a different number", "%s has %u vectors", name,
	       vectors);
	check_counts(&b);
	check_order(&b, false);
	check_order(&b, true);
	if (!connect_vm(&b) && !connect_device(&b)) {
		check_software(&b);
		check_sink(&b);
		check_absent(&b);
	}
	check_intx(&b);
	close_bench(&b);
}

enum { OP_ECHO, OP_SIGNAL, OP_VM };

static long child_op(void *ctx, uint32_t op, uint64_t arg, int fd)
{
	struct rig_vm *vm = ctx;
	long ret;

	switch (op) {
	case OP_ECHO:
		return (long)arg;
	case OP_SIGNAL:
		return fd < 0 ? -EBADF : rig_eventfd_signal(fd);
	case OP_VM:
		ret = rig_vm_create(vm);
		if (!ret)
			ret = rig_vm_route(vm, RIG_GSI(0), RIG_LAPIC(0));
		if (!ret)
			ret = rig_vm_irqfd(vm, fd, RIG_GSI(0));
		if (!ret)
			ret = rig_vm_wait_vector(vm, RIG_LAPIC(0), WAIT_MS);
		return ret;
	}
	return -EOPNOTSUPP;
}

static void check_children(void)
{
	char *const cat[] = { "/bin/sh", "-c", "read line && echo \"got $line\" && echo done",
			      NULL };
	struct rig_child child;
	struct rig_proc proc;
	struct rig_vm vm;
	char reply[64];
	int fd = rig_eventfd();
	int ret;

	ret = rig_child_start(&child, "rig/child", child_op, &vm);
	report(why_of(ret), "a child starts in a cgroup of its own");
	if (!ret) {
		report(rig_child_call(&child, OP_ECHO, 42, -1) == 42 ? NULL : "it does not",
		       "a child answers");
		ret = (int)rig_child_call(&child, OP_SIGNAL, 0, fd);
		if (!ret && rig_eventfd_take(fd) != 1)
			ret = -ERANGE;
		report(why_of(ret), "a child signals an eventfd it was passed");
		rig_eventfd_signal(fd);
		report(why_of((int)rig_child_call(&child, OP_VM, 0, fd)),
		       "a charged eventfd reaches the child's VM when it is assigned");
		report(rig_child_stop(&child) ? "exit status" : NULL, "a child stops");
	}
	ret = rig_proc_start(&proc, "rig/proc", cat);
	if (!ret) {
		ret = rig_proc_ask(&proc, "a line", reply, sizeof(reply));
		if (!ret && strcmp(reply, "got a line\n"))
			ret = -EBADMSG;
		rig_proc_stop(&proc);
	}
	report(why_of(ret), "a program answers through its pipes");
	close(fd);
}

int main(void)
{
	check_device("edu0", RIG_EDU, 0, 1);
	check_device("edu1", RIG_EDU, 1, 1);
	check_device("e1000e", RIG_E1000E, 0, 5);
	check_device("igb", RIG_IGB, 0, 10);
	check_children();
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed ? 1 : 0;
}
