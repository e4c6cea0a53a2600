// SPDX-License-Identifier: GPL-2.0-only
/*
 * msi-vm: a small VMM. It opens a PCI function through VFIO, connects its vectors to its own VM,
 * raises them and says which arrived. It prints the result of every ioctl, so a user can also see
 * what irqgate refuses.
 */
#include "rig.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 1000
#define SETTLE_MS 100

struct state {
	struct rig_dev dev;
	struct rig_vm vm;
	bool vfio_first;
	int32_t fd[RIG_MAX_VECTORS];
	bool irqfd[RIG_MAX_VECTORS];
};

static const char usage[] =
	"usage: msi-vm [-i] [-q] [-n VECTORS] [-o irqfd-first|vfio-first] DOMAIN:BUS:SLOT.FN\n"
	"Takes the PCI function from its driver, connects vectors 0..VECTORS-1 (default: all)\n"
	"to a VM through eventfds, raises each and prints `vector N: arrived|absent`.\n"
	"  -i  connect nothing, read commands from stdin; `done` follows each answer:\n"
	"      bind START COUNT   eventfds, VFIO_DEVICE_SET_IRQS and KVM_IRQFD\n"
	"      unbind             the reverse, for all vectors\n"
	"      raise N            the device sends vector N\n"
	"      check N            did vector N arrive since the last check? forgets it\n"
	"      stream N COUNT     raise and check COUNT times\n"
	"      write N            write(2) to the eventfd of vector N\n"
	"      msi N | line N     KVM_SIGNAL_MSI, KVM_IRQ_LINE\n"
	"      none N | bool N    VFIO_DEVICE_SET_IRQS with DATA_NONE, DATA_BOOL\n"
	"      quit\n"
	"  -n  number of vectors\n"
	"  -o  which side is connected first (default irqfd-first)\n"
	"  -q  print results only, not the ioctls\n"
	"Exit status: 0 all arrived, 1 some did not, 2 bad usage, 3 setup failed.\n"
	"In the VM, vector N is GSI 24+N and local APIC vector 0x30+N.\n";

static int bind_vfio(struct state *s, uint32_t start, uint32_t count)
{
	return rig_irq_eventfds(s->dev.fd, s->dev.index, start, count, &s->fd[start]);
}

static int bind_irqfd(struct state *s, uint32_t start, uint32_t count)
{
	int first_error = 0;
	uint32_t n;

	for (n = start; n < start + count; n++) {
		int ret = s->irqfd[n] ? 0 : rig_vm_irqfd(&s->vm, s->fd[n], RIG_GSI(n));

		if (!ret)
			s->irqfd[n] = true;
		else if (!first_error)
			first_error = ret;
	}
	return first_error;
}

/* It tries both sides even if the kernel refuses the first, to print both results. */
static int bind_range(struct state *s, uint32_t start, uint32_t count)
{
	int a, b;

	if (start > s->dev.vectors || count > s->dev.vectors - start)
		return -EINVAL;
	if (s->vfio_first) {
		a = bind_vfio(s, start, count);
		b = bind_irqfd(s, start, count);
	} else {
		a = bind_irqfd(s, start, count);
		b = bind_vfio(s, start, count);
	}
	return a ? a : b;
}

static int unbind_all(struct state *s)
{
	int ret = rig_irq_disable(s->dev.fd, s->dev.index);
	uint32_t n;

	for (n = 0; n < s->dev.vectors; n++) {
		if (!s->irqfd[n])
			continue;
		rig_vm_irqfd_off(&s->vm, s->fd[n], RIG_GSI(n));
		s->irqfd[n] = false;
	}
	return ret;
}

/* 1: arrived, 0: not. */
static int arrived(struct state *s, uint32_t n, unsigned int timeout_ms)
{
	int ret = rig_vm_wait_vector(&s->vm, RIG_LAPIC(n), timeout_ms);

	rig_vm_clear(&s->vm);
	return !ret;
}

static int raise_all(struct state *s, uint32_t count)
{
	int missing = 0;
	uint32_t n;

	for (n = 0; n < count; n++) {
		int ret, here;

		rig_vm_clear(&s->vm);
		ret = rig_dev_raise(&s->dev, n);
		if (ret) {
			printf("vector %u: %s\n", n, rig_errname(ret));
			missing++;
			continue;
		}
		here = arrived(s, n, WAIT_MS);
		printf("vector %u: %s\n", n, here ? "arrived" : "absent");
		fflush(stdout);
		missing += !here;
	}
	return missing;
}

static int stream(struct state *s, uint32_t n, uint32_t count)
{
	uint32_t i, here = 0;
	int ret = 0;

	for (i = 0; i < count && !ret; i++) {
		ret = rig_dev_raise(&s->dev, n);
		/* A dropped interrupt costs the whole timeout, so that is short. */
		if (!ret)
			here += (uint32_t)arrived(s, n, SETTLE_MS);
	}
	if (!ret)
		printf("stream %u: arrived %u of %u\n", n, here, count);
	return ret;
}

/* `check` and `stream` print answers. Every command ends with ok or an errno. */
static int command(struct state *s, const char *verb, uint32_t n, uint32_t count)
{
	uint8_t yes = 1;

	if (!strcmp(verb, "bind"))
		return bind_range(s, n, count);
	if (!strcmp(verb, "unbind"))
		return unbind_all(s);
	if (n >= s->dev.vectors)
		return -EINVAL;
	if (!strcmp(verb, "raise"))
		return rig_dev_raise(&s->dev, n);
	if (!strcmp(verb, "check")) {
		printf("vector %u: %s\n", n, arrived(s, n, SETTLE_MS) ? "arrived" : "absent");
		return 0;
	}
	if (!strcmp(verb, "stream"))
		return stream(s, n, count);
	if (!strcmp(verb, "write"))
		return rig_eventfd_signal(s->fd[n]);
	if (!strcmp(verb, "msi"))
		return rig_vm_signal_msi(&s->vm, RIG_LAPIC(n));
	if (!strcmp(verb, "line"))
		return rig_vm_irq_line(&s->vm, RIG_GSI(n), true);
	if (!strcmp(verb, "none"))
		return rig_irq_none(s->dev.fd, s->dev.index, n, 1);
	if (!strcmp(verb, "bool"))
		return rig_irq_bool(s->dev.fd, s->dev.index, n, 1, &yes);
	return -EOPNOTSUPP;
}

static void interact(struct state *s)
{
	char line[128], verb[16];
	uint32_t n, count;
	int ret;

	while (fgets(line, sizeof(line), stdin)) {
		n = count = 0;
		if (sscanf(line, "%15s %u %u", verb, &n, &count) < 1)
			continue;
		if (!strcmp(verb, "quit"))
			break;
		ret = command(s, verb, n, count);
		printf("%s: %s\ndone\n", verb, ret > 0 ? "ok" : rig_errname(ret));
		fflush(stdout);
	}
}

static int setup(struct state *s, const char *bdf)
{
	uint32_t n;
	int ret;

	ret = rig_pci_bind_vfio(bdf);
	if (ret) {
		fprintf(stderr, "msi-vm: vfio-pci does not take %s: %s (is it loaded?)\n", bdf,
			rig_errname(ret));
		return ret;
	}
	ret = rig_dev_open(&s->dev, bdf);
	if (ret) {
		fprintf(stderr, "msi-vm: cannot open %s: %s\n", bdf, rig_errname(ret));
		return ret;
	}
	if (s->dev.vectors > RIG_MAX_VECTORS)
		s->dev.vectors = RIG_MAX_VECTORS;
	ret = rig_vm_create(&s->vm);
	if (ret) {
		fprintf(stderr,
			"msi-vm: cannot create a VM: %s (is kvm-amd or kvm-intel loaded?)\n",
			rig_errname(ret));
		return ret;
	}
	ret = rig_vm_route_range(&s->vm, 0, s->dev.vectors);
	for (n = 0; n < s->dev.vectors; n++) {
		s->fd[n] = rig_eventfd();
		if (s->fd[n] < 0)
			return s->fd[n];
	}
	return ret;
}

int main(int argc, char **argv)
{
	static struct state s;
	long vectors = -1;
	bool interactive = false;
	uint32_t count;
	char *end;
	int c;

	rig_trace = stdout;
	while ((c = getopt(argc, argv, "hin:o:q")) != -1) {
		switch (c) {
		case 'i':
			interactive = true;
			break;
		case 'n':
			vectors = strtol(optarg, &end, 10);
			if (*end || vectors < 1 || vectors > RIG_MAX_VECTORS) {
				fprintf(stderr, "msi-vm: -n %s: not 1..%d\n", optarg,
					RIG_MAX_VECTORS);
				return 2;
			}
			break;
		case 'o':
			s.vfio_first = !strcmp(optarg, "vfio-first");
			if (!s.vfio_first && strcmp(optarg, "irqfd-first")) {
				fprintf(stderr, "msi-vm: -o %s: irqfd-first or vfio-first\n",
					optarg);
				return 2;
			}
			break;
		case 'q':
			rig_trace = NULL;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return 2;
	}
	if (setup(&s, argv[optind]))
		return 3;
	if (interactive) {
		printf("msi-vm: %s has %u vectors\ndone\n", s.dev.bdf, s.dev.vectors);
		fflush(stdout);
		interact(&s);
		return 0;
	}
	count = vectors < 0 || vectors > s.dev.vectors ? s.dev.vectors : (uint32_t)vectors;
	/* A refused binding shows as a vector that does not arrive. */
	bind_range(&s, 0, count);
	return raise_all(&s, count) ? 1 : 0;
}
