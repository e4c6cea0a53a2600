// SPDX-License-Identifier: GPL-2.0-only
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

FILE *rig_trace;

const char *rig_errname(int err)
{
	const char *name;

	if (err < 0)
		err = -err;
	if (!err)
		return "ok";
	name = strerrorname_np(err);
	return name ? name : "unknown errno";
}

uint64_t rig_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void nap_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* Turns the -1 of a system call into -errno, and prints the result to the trace. */
__attribute__((format(printf, 2, 3))) static int outcome(int ret, const char *what, ...)
{
	int err = ret < 0 ? errno : 0;
	va_list ap;

	if (rig_trace) {
		va_start(ap, what);
		vfprintf(rig_trace, what, ap);
		va_end(ap);
		fprintf(rig_trace, ": %s\n", rig_errname(err));
		fflush(rig_trace);
	}
	return err ? -err : ret;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- PCI ---------------------------------------------------------------- */

#define SYS_PCI "/sys/bus/pci/devices"

int rig_bdf_parse(const char *text, struct rig_bdf *bdf)
{
	unsigned int domain, bus, slot, fn;
	int end = 0;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &fn, &end) != 4 || text[end] ||
	    slot > 31 || fn > 7)
		return -EINVAL;
	bdf->domain = domain;
	bdf->bus = (uint8_t)bus;
	bdf->devfn = (uint8_t)(slot << 3 | fn);
	return 0;
}

void rig_bdf_format(const struct rig_bdf *bdf, char text[RIG_BDF_LEN])
{
	snprintf(text, RIG_BDF_LEN, "%04x:%02x:%02x.%x", bdf->domain, bdf->bus, bdf->devfn >> 3,
		 bdf->devfn & 7);
}

static int read_hex(const char *bdf, const char *attr, unsigned int *value)
{
	char path[PATH_MAX];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), SYS_PCI "/%s/%s", bdf, attr);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ENODEV : -errno;
	n = fscanf(f, "%x", value);
	fclose(f);
	return n == 1 ? 0 : -EIO;
}

static int write_text(const char *path, const char *text)
{
	ssize_t len = (ssize_t)strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		ret = -errno;
	close(fd);
	return ret;
}

int rig_pci_find(uint16_t vendor, uint16_t device, unsigned int nth, char bdf[RIG_BDF_LEN])
{
	struct dirent **list;
	int ret = -ENODEV;
	int i, n;

	n = scandir(SYS_PCI, &list, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		unsigned int v, d;

		if (ret && list[i]->d_name[0] != '.' && !read_hex(list[i]->d_name, "vendor", &v) &&
		    !read_hex(list[i]->d_name, "device", &d) && v == vendor && d == device &&
		    !nth--) {
			snprintf(bdf, RIG_BDF_LEN, "%.15s", list[i]->d_name);
			ret = 0;
		}
		free(list[i]);
	}
	free(list);
	return ret;
}

/* Is @bdf bound to @driver, or to any if that is NULL? */
static bool has_driver(const char *bdf, const char *driver)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), SYS_PCI "/%s/driver", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	return !driver || !strcmp(basename(link), driver);
}

/* @override: the only driver that may take the function; "\n": the one that matches. */
static int change_driver(const char *bdf, const char *override)
{
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), SYS_PCI "/%s/driver_override", bdf);
	ret = write_text(path, override);
	if (ret)
		return ret == -ENOENT ? -ENODEV : ret;
	if (has_driver(bdf, NULL)) {
		snprintf(path, sizeof(path), SYS_PCI "/%s/driver/unbind", bdf);
		ret = write_text(path, bdf);
		if (ret)
			return ret;
	}
	return write_text("/sys/bus/pci/drivers_probe", bdf);
}

int rig_pci_bind_vfio(const char *bdf)
{
	int ret;

	if (has_driver(bdf, "vfio-pci"))
		return 0;
	ret = change_driver(bdf, "vfio-pci");
	if (ret)
		return ret;
	return has_driver(bdf, "vfio-pci") ? 0 : -ENODEV;
}

int rig_pci_release(const char *bdf)
{
	if (!has_driver(bdf, "vfio-pci"))
		return 0;
	return change_driver(bdf, "\n");
}

/* ---- devices that raise interrupts on request --------------------------- */

static uint32_t get32(struct rig_dev *dev, size_t reg)
{
	return *(volatile uint32_t *)(dev->bar[0] + reg);
}

static void put32(struct rig_dev *dev, size_t reg, uint32_t value)
{
	*(volatile uint32_t *)(dev->bar[0] + reg) = value;
}

#define EDU_RAISE 0x60
#define EDU_ACK 0x64

static void edu_raise(struct rig_dev *dev, uint32_t vector)
{
	(void)vector;
	put32(dev, EDU_RAISE, 1);
	put32(dev, EDU_ACK, 1);
}

#define E1000E_CTRL 0x00
#define E1000E_CTRL_RST (1U << 26)
#define E1000E_ICS 0xc8
#define E1000E_IMS 0xd0
#define E1000E_IVAR 0xe4
#define E1000E_EITR(vector) (0xe8 + 4 * (vector))
#define E1000E_EITR_MAX 0xffff /* in units of 256 ns */
#define E1000E_EITR_MAX_MS 16
/* Causes RXQ0, RXQ1, TXQ0, TXQ1, OTHER in that order, one MSI-X vector each. */
#define E1000E_CAUSE(vector) (1U << (20 + (vector)))
/* Four bits for each cause: a valid bit, and the vector. */
#define E1000E_IVAR_SAME 0xcba98U

static uint32_t *repeats; /* shared with children */

uint32_t rig_repeats(void)
{
	if (!repeats)
		repeats = mmap(NULL, sizeof(*repeats), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (repeats == MAP_FAILED)
		repeats = NULL;
	return repeats ? __atomic_load_n(repeats, __ATOMIC_SEQ_CST) : 0;
}

/*
 * QEMU always throttles these vectors, and sends every message a second time when the interval
 * is over. So this makes the interval long and resets the device before it ends: the message has
 * left, and the second one has not. A process that the interrupt wakes must not run in between,
 * so this runs with a real-time priority. It cannot prevent that the whole machine stands still,
 * but it notices (rig_repeats()).
 */
static void e1000e_raise(struct rig_dev *dev, uint32_t vector)
{
	const struct sched_param first = { .sched_priority = 1 }, usual = {};
	uint64_t begin;

	sched_setscheduler(0, SCHED_FIFO, &first);
	begin = rig_now_ms();
	put32(dev, E1000E_IVAR, E1000E_IVAR_SAME);
	put32(dev, E1000E_EITR(vector), E1000E_EITR_MAX);
	put32(dev, E1000E_IMS, E1000E_CAUSE(vector));
	put32(dev, E1000E_ICS, E1000E_CAUSE(vector));
	put32(dev, E1000E_CTRL, E1000E_CTRL_RST);
	/* The clock of a machine that booted on a busy host may be slow. */
	if (repeats && rig_now_ms() - begin >= E1000E_EITR_MAX_MS / 2)
		__atomic_add_fetch(repeats, 1, __ATOMIC_SEQ_CST);
	sched_setscheduler(0, SCHED_OTHER, &usual);
}

static void e1000e_init(struct rig_dev *dev)
{
	put32(dev, E1000E_CTRL, E1000E_CTRL_RST);
}

#define IGB_GPIE 0x1514
#define IGB_GPIE_MSIX 0x10
#define IGB_EICS 0x1520
#define IGB_EIMS 0x1524
#define IGB_EIMC 0x1528
#define IGB_EIAC 0x152c
#define IGB_EIAM 0x1530
#define IGB_EICR 0x1580
#define IGB_EITR 0x1680
#define IGB_VECTORS 10

static void igb_init(struct rig_dev *dev)
{
	unsigned int i;

	put32(dev, IGB_EIMC, ~0U);
	put32(dev, IGB_GPIE, IGB_GPIE_MSIX);
	put32(dev, IGB_EIAC, 0);
	put32(dev, IGB_EIAM, 0);
	/* Without throttling each raise is one message. */
	for (i = 0; i < IGB_VECTORS; i++)
		put32(dev, IGB_EITR + 4 * i, 0);
}

/*
 * With multiple MSI-X enabled, EICS bit n is vector n. A cause sends a message only if it was
 * not pending and is not masked. All others stay masked, so that a link change sends no message.
 */
static void igb_raise(struct rig_dev *dev, uint32_t vector)
{
	put32(dev, IGB_EIMC, ~0U);
	put32(dev, IGB_EICR, ~0U);
	put32(dev, IGB_EIMS, 1U << vector);
	put32(dev, IGB_EICS, 1U << vector);
	put32(dev, IGB_EIMC, ~0U);
	put32(dev, IGB_EICR, ~0U);
}

static const struct model {
	uint16_t vendor;
	uint16_t device;
	uint32_t index;
	void (*init)(struct rig_dev *dev);
	void (*raise)(struct rig_dev *dev, uint32_t vector);
} models[] = {
	{ RIG_EDU, VFIO_PCI_MSI_IRQ_INDEX, NULL, edu_raise },
	{ RIG_E1000E, VFIO_PCI_MSIX_IRQ_INDEX, e1000e_init, e1000e_raise },
	{ RIG_IGB, VFIO_PCI_MSIX_IRQ_INDEX, igb_init, igb_raise },
};

static const struct model *model_of(const struct rig_dev *dev)
{
	size_t i;

	for (i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (models[i].vendor == dev->vendor && models[i].device == dev->device)
			return &models[i];
	return NULL;
}

int rig_dev_raise(struct rig_dev *dev, uint32_t vector)
{
	const struct model *model = model_of(dev);

	if (!model || !dev->bar[0])
		return -EOPNOTSUPP;
	if (vector >= dev->vectors)
		return -EINVAL;
	model->raise(dev, vector);
	/* A read flushes the posted writes, so the message has left. */
	get32(dev, 0);
	return 0;
}

int rig_dev_intx(struct rig_dev *dev, bool high)
{
	if (dev->index != VFIO_PCI_MSI_IRQ_INDEX || !dev->bar[0])
		return -EOPNOTSUPP;
	put32(dev, high ? EDU_RAISE : EDU_ACK, 1);
	get32(dev, 0);
	return 0;
}

/* ---- VFIO --------------------------------------------------------------- */

static int open_files(struct rig_dev *dev)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;
	int ret;

	snprintf(path, sizeof(path), SYS_PCI "/%s/iommu_group", dev->bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0) {
		snprintf(path, sizeof(path), "/sys/devices/platform/%s/iommu_group", dev->bdf);
		n = readlink(path, link, sizeof(link) - 1);
	}
	if (n < 0)
		return -errno;
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%.32s", basename(link));

	dev->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (dev->container < 0)
		return -errno;
	if (ioctl(dev->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return -EOPNOTSUPP;
	dev->group = open(path, O_RDWR | O_CLOEXEC);
	ret = outcome(dev->group, "open %s", path);
	return ret < 0 ? ret : 0;
}

static int open_group(struct rig_dev *dev)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int ret = open_files(dev);

	if (ret < 0)
		return ret;
	if (ioctl(dev->group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -errno;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EPERM;
	ret = outcome(ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container),
		      "VFIO_GROUP_SET_CONTAINER");
	if (ret < 0)
		return ret;
	ret = outcome(ioctl(dev->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
	if (ret < 0)
		return ret;
	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, dev->bdf);
	return outcome(dev->fd, "VFIO_GROUP_GET_DEVICE_FD %s", dev->bdf);
}

off_t rig_dev_config(struct rig_dev *dev, unsigned int reg)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return -errno;
	return (off_t)config.offset + reg;
}

int rig_dev_enable(struct rig_dev *dev)
{
	off_t at = rig_dev_config(dev, PCI_COMMAND);
	uint16_t cmd;

	if (at < 0)
		return (int)at;
	if (pread(dev->fd, &cmd, sizeof(cmd), at) != sizeof(cmd))
		return -EIO;
	/* PCI is little-endian, and so are all machines that have these devices. */
	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(dev->fd, &cmd, sizeof(cmd), at) != sizeof(cmd))
		return -EIO;
	return 0;
}

static int map_bars(struct rig_dev *dev)
{
	unsigned int i;

	for (i = 0; i < RIG_BARS; i++) {
		struct vfio_region_info bar = { .argsz = sizeof(bar), .index = i };
		void *at;

		if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &bar) < 0)
			return -errno;
		if (!bar.size || !(bar.flags & VFIO_REGION_INFO_FLAG_MMAP))
			continue;
		at = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd,
			  (off_t)bar.offset);
		if (at == MAP_FAILED)
			return -errno;
		dev->bar[i] = at;
		dev->bar_len[i] = bar.size;
	}
	return 0;
}

static int count_vectors(struct rig_dev *dev)
{
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = dev->index };

	if (ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) < 0)
		return -errno;
	dev->vectors = irq.count;
	return 0;
}

int rig_dev_map(struct rig_dev *dev)
{
	off_t at = rig_dev_config(dev, PCI_VENDOR_ID);
	uint16_t id[2];

	if (at < 0)
		return (int)at;
	if (pread(dev->fd, id, sizeof(id), at) != sizeof(id))
		return -EIO;
	dev->vendor = id[0];
	dev->device = id[1];
	return map_bars(dev) ?: count_vectors(dev);
}

static void dev_init(struct rig_dev *dev, const char *name)
{
	memset(dev, 0, sizeof(*dev));
	dev->container = dev->group = dev->fd = -1;
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", name);
}

int rig_dev_group(struct rig_dev *dev, const char *name)
{
	int ret;

	dev_init(dev, name);
	ret = open_files(dev);
	if (ret < 0)
		rig_dev_close(dev);
	return ret;
}

int rig_dev_open_plain(struct rig_dev *dev, const char *name)
{
	int ret;

	dev_init(dev, name);
	ret = open_group(dev);
	if (ret < 0)
		rig_dev_close(dev);
	return ret < 0 ? ret : 0;
}

int rig_dev_open(struct rig_dev *dev, const char *bdf)
{
	const struct model *model;
	unsigned int vendor = 0, device = 0;
	int ret;

	dev_init(dev, bdf);
	ret = read_hex(bdf, "vendor", &vendor);
	if (!ret)
		ret = read_hex(bdf, "device", &device);
	if (ret)
		return ret;
	dev->vendor = (uint16_t)vendor;
	dev->device = (uint16_t)device;
	model = model_of(dev);
	dev->index = model ? model->index : VFIO_PCI_MSIX_IRQ_INDEX;

	ret = open_group(dev);
	if (ret >= 0)
		ret = rig_dev_enable(dev);
	if (!ret)
		ret = map_bars(dev);
	if (!ret)
		ret = count_vectors(dev);
	if (ret < 0) {
		rig_dev_close(dev);
		return ret;
	}
	if (model && model->init && dev->bar[0])
		model->init(dev);
	return 0;
}

void rig_dev_close(struct rig_dev *dev)
{
	unsigned int i;

	for (i = 0; i < RIG_BARS; i++) {
		if (dev->bar[i])
			munmap((void *)dev->bar[i], dev->bar_len[i]);
		dev->bar[i] = NULL;
	}
	close_fd(&dev->fd);
	close_fd(&dev->group);
	close_fd(&dev->container);
}

static const char *index_name(uint32_t index)
{
	static const char *const names[] = {
		[VFIO_PCI_INTX_IRQ_INDEX] = "INTX", [VFIO_PCI_MSI_IRQ_INDEX] = "MSI",
		[VFIO_PCI_MSIX_IRQ_INDEX] = "MSIX", [VFIO_PCI_ERR_IRQ_INDEX] = "ERR",
		[VFIO_PCI_REQ_IRQ_INDEX] = "REQ",
	};

	return index < sizeof(names) / sizeof(names[0]) ? names[index] : "?";
}

int rig_irq_set(int device_fd, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		const void *data, size_t len)
{
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + len);
	const char *type = flags & VFIO_IRQ_SET_DATA_EVENTFD ? "eventfd"
			   : flags & VFIO_IRQ_SET_DATA_BOOL  ? "bool"
							     : "none";
	int ret;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)(sizeof(*set) + len);
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (len)
		memcpy(set->data, data, len);
	ret = outcome(ioctl(device_fd, VFIO_DEVICE_SET_IRQS, set),
		      "VFIO_DEVICE_SET_IRQS %s %s start %u count %u", index_name(index), type,
		      start, count);
	free(set);
	return ret;
}

int rig_irq_eventfds(int device_fd, uint32_t index, uint32_t start, uint32_t count,
		     const int32_t *fds)
{
	return rig_irq_set(device_fd, index,
			   VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, start, count,
			   fds, count * sizeof(*fds));
}

int rig_irq_none(int device_fd, uint32_t index, uint32_t start, uint32_t count)
{
	return rig_irq_set(device_fd, index, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			   start, count, NULL, 0);
}

int rig_irq_bool(int device_fd, uint32_t index, uint32_t start, uint32_t count,
		 const uint8_t *bools)
{
	return rig_irq_set(device_fd, index, VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER,
			   start, count, bools, count);
}

int rig_irq_disable(int device_fd, uint32_t index)
{
	return rig_irq_none(device_fd, index, 0, 0);
}

/* ---- KVM ---------------------------------------------------------------- */

#define MSI_ADDRESS 0xfee00000U
#define APIC_SVR 0xf0
#define APIC_SVR_ENABLED 0x1ff
#define APIC_IRR 0x200
#define APIC_IRR_STEP 0x10
#define APIC_IRR_WORDS 8
#define GUEST_MEMORY 0x10000

int rig_vm_create(struct rig_vm *vm)
{
	struct kvm_lapic_state lapic;
	uint32_t svr = APIC_SVR_ENABLED;
	int kvm, ret;

	memset(vm, 0, sizeof(*vm));
	vm->fd = vm->vcpu = -1;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return -errno;
	/* Pending work of io_uring interrupts the call (mm_take_all_locks of mm/mmap.c). */
	do {
		vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	ret = outcome(vm->fd, "KVM_CREATE_VM");
	close(kvm);
	if (ret < 0)
		return ret;
	ret = outcome(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	if (ret < 0)
		goto fail;
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	ret = outcome(vm->vcpu, "KVM_CREATE_VCPU");
	if (ret < 0)
		goto fail;
	ret = outcome(ioctl(vm->vcpu, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	if (ret < 0)
		goto fail;
	memcpy(&lapic.regs[APIC_SVR], &svr, sizeof(svr));
	ret = outcome(ioctl(vm->vcpu, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
	if (ret < 0)
		goto fail;
	return 0;
fail:
	rig_vm_destroy(vm);
	return ret;
}

void rig_vm_destroy(struct rig_vm *vm)
{
	if (vm->run)
		munmap(vm->run, (size_t)getpagesize());
	if (vm->memory)
		munmap(vm->memory, GUEST_MEMORY);
	vm->run = vm->memory = NULL;
	close_fd(&vm->vcpu);
	close_fd(&vm->fd);
	vm->n_routes = 0;
}

static int note_route(struct rig_vm *vm, uint32_t gsi, uint8_t vector)
{
	unsigned int i;

	for (i = 0; i < vm->n_routes; i++)
		if (vm->route[i].gsi == gsi)
			break;
	if (i == RIG_MAX_ROUTES)
		return -ENOSPC;
	vm->route[i].gsi = gsi;
	vm->route[i].vector = vector;
	if (i == vm->n_routes)
		vm->n_routes++;
	return 0;
}

static int set_routes(struct rig_vm *vm)
{
	struct kvm_irq_routing *table;
	unsigned int i;
	int ret;

	table = calloc(1, sizeof(*table) + vm->n_routes * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	table->nr = vm->n_routes;
	for (i = 0; i < vm->n_routes; i++) {
		table->entries[i].gsi = vm->route[i].gsi;
		table->entries[i].type = KVM_IRQ_ROUTING_MSI;
		table->entries[i].u.msi.address_lo = MSI_ADDRESS;
		table->entries[i].u.msi.data = vm->route[i].vector;
	}
	ret = outcome(ioctl(vm->fd, KVM_SET_GSI_ROUTING, table), "KVM_SET_GSI_ROUTING %u entries",
		      vm->n_routes);
	free(table);
	return ret;
}

int rig_vm_route(struct rig_vm *vm, uint32_t gsi, uint8_t vector)
{
	int ret = note_route(vm, gsi, vector);

	return ret ? ret : set_routes(vm);
}

int rig_vm_route_range(struct rig_vm *vm, unsigned int first, unsigned int count)
{
	unsigned int n;
	int ret;

	for (n = first; n < first + count; n++) {
		ret = note_route(vm, RIG_GSI(n), RIG_LAPIC(n));
		if (ret)
			return ret;
	}
	return set_routes(vm);
}

static int irqfd(struct rig_vm *vm, int fd, uint32_t gsi, uint32_t flags, int resamplefd)
{
	struct kvm_irqfd arg = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = resamplefd < 0 ? 0 : (uint32_t)resamplefd,
	};

	return outcome(ioctl(vm->fd, KVM_IRQFD, &arg), "KVM_IRQFD%s%s gsi %u",
		       flags & KVM_IRQFD_FLAG_DEASSIGN ? " deassign" : "",
		       flags & KVM_IRQFD_FLAG_RESAMPLE ? " resample" : "", gsi);
}

int rig_vm_irqfd(struct rig_vm *vm, int fd, uint32_t gsi)
{
	return irqfd(vm, fd, gsi, 0, -1);
}

int rig_vm_irqfd_resample(struct rig_vm *vm, int fd, uint32_t gsi, int resamplefd)
{
	return irqfd(vm, fd, gsi, KVM_IRQFD_FLAG_RESAMPLE, resamplefd);
}

int rig_vm_irqfd_off(struct rig_vm *vm, int fd, uint32_t gsi)
{
	return irqfd(vm, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN, -1);
}

int rig_vm_signal_msi(struct rig_vm *vm, uint8_t vector)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = vector };

	return outcome(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), "KVM_SIGNAL_MSI vector 0x%x", vector);
}

int rig_vm_irq_line(struct rig_vm *vm, uint32_t gsi, bool level)
{
	struct kvm_irq_level arg = { .irq = gsi, .level = level };

	return outcome(ioctl(vm->fd, KVM_IRQ_LINE, &arg), "KVM_IRQ_LINE gsi %u level %d", gsi,
		       level);
}

int rig_vm_ioapic(struct rig_vm *vm, unsigned int pin, uint8_t vector, bool level)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	if (pin >= KVM_IOAPIC_NUM_PINS)
		return -EINVAL;
	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chip) < 0)
		return -errno;
	chip.chip.ioapic.redirtbl[pin].bits = 0;
	chip.chip.ioapic.redirtbl[pin].fields.vector = vector;
	chip.chip.ioapic.redirtbl[pin].fields.trig_mode = level;
	return outcome(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), "KVM_SET_IRQCHIP pin %u vector 0x%x",
		       pin, vector);
}

#define GUEST_OUT 0x1000
#define GUEST_WAIT 0x1100
#define GUEST_HANDLER 0x1200
#define GUEST_STACK 0x8000
#define GUEST_EXIT_PORT 0xf4
#define GUEST_EXIT 0xba, GUEST_EXIT_PORT, 0, 0xee /* mov dx, 0xf4; out dx, al */
#define GUEST_S 2

int rig_vm_guest(struct rig_vm *vm)
{
	static const uint8_t out[] = { 0xee /* out dx, al */, GUEST_EXIT };
	static const uint8_t wait[] = { 0xfb /* sti */, 0xeb, 0xfe /* jmp . */ };
	/* mov dword [0xb0], 0: the EOI register, because DS starts at the local APIC */
	static const uint8_t handler[] = { 0x66, 0xc7, 0x06, 0xb0, 0, 0, 0, 0, 0, GUEST_EXIT };
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_MEMORY };
	struct kvm_sregs sregs;
	unsigned int i;
	int ret;

	vm->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	vm->run =
		mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->memory == MAP_FAILED || vm->run == MAP_FAILED)
		return -errno;
	memcpy(vm->memory + GUEST_OUT, out, sizeof(out));
	memcpy(vm->memory + GUEST_WAIT, wait, sizeof(wait));
	memcpy(vm->memory + GUEST_HANDLER, handler, sizeof(handler));
	for (i = 0; i < 256; i++)
		memcpy(vm->memory + 4 * i, &(const uint32_t){ GUEST_HANDLER }, 4);
	region.userspace_addr = (uintptr_t)vm->memory;
	ret = outcome(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region),
		      "KVM_SET_USER_MEMORY_REGION");
	if (ret < 0)
		return ret;
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.ds.base = MSI_ADDRESS;
	return outcome(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static void on_alarm(int sig)
{
	(void)sig;
}

static int run_guest(struct rig_vm *vm, uint16_t ip, uint16_t dx)
{
	struct kvm_regs regs = { .rip = ip, .rdx = dx, .rsp = GUEST_STACK, .rflags = 2 };
	const struct sigaction action = { .sa_handler = on_alarm }; /* ends KVM_RUN */
	struct kvm_run *run = vm->run;
	int ret;

	if (ioctl(vm->vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	sigaction(SIGALRM, &action, NULL);
	alarm(GUEST_S);
	ret = outcome(ioctl(vm->vcpu, KVM_RUN, 0), "KVM_RUN at 0x%x", ip);
	alarm(0);
	if (ret < 0)
		return ret == -EINTR ? -ETIMEDOUT : ret;
	return run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_EXIT_PORT ? 0 : -EPROTO;
}

int rig_vm_guest_out(struct rig_vm *vm, uint16_t port)
{
	return run_guest(vm, GUEST_OUT, port);
}

int rig_vm_guest_take(struct rig_vm *vm)
{
	return run_guest(vm, GUEST_WAIT, 0);
}

static uint32_t irr_word(const struct kvm_lapic_state *lapic, unsigned int word)
{
	uint32_t value;

	memcpy(&value, &lapic->regs[APIC_IRR + word * APIC_IRR_STEP], sizeof(value));
	return value;
}

int rig_vm_irr(struct rig_vm *vm, uint32_t irr[8])
{
	struct kvm_lapic_state lapic;
	unsigned int i;
	int n = 0;

	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &lapic) < 0)
		return -errno;
	for (i = 0; i < APIC_IRR_WORDS; i++) {
		n += __builtin_popcount(irr_word(&lapic, i));
		if (irr)
			irr[i] = irr_word(&lapic, i);
	}
	return n;
}

int rig_vm_pending(struct rig_vm *vm, uint8_t vector)
{
	uint32_t irr[APIC_IRR_WORDS];
	int ret = rig_vm_irr(vm, irr);

	return ret < 0 ? ret : (int)(irr[vector / 32] >> vector % 32 & 1);
}

int rig_vm_clear(struct rig_vm *vm)
{
	struct kvm_lapic_state lapic;
	unsigned int i;

	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &lapic) < 0)
		return -errno;
	for (i = 0; i < APIC_IRR_WORDS; i++)
		memset(&lapic.regs[APIC_IRR + i * APIC_IRR_STEP], 0, sizeof(uint32_t));
	return ioctl(vm->vcpu, KVM_SET_LAPIC, &lapic) < 0 ? -errno : 0;
}

int rig_vm_wait_vector(struct rig_vm *vm, uint8_t vector, unsigned int timeout_ms)
{
	uint64_t end = rig_now_ms() + timeout_ms;
	int ret;

	for (;;) {
		/* Read the clock first: then a late look at the IRR still counts. */
		bool last = rig_now_ms() >= end;

		ret = rig_vm_pending(vm, vector);
		if (ret)
			return ret < 0 ? ret : 0;
		if (last)
			return -ETIMEDOUT;
		nap_ms(1);
	}
}

int rig_vm_absent(struct rig_vm *vm, uint8_t vector, unsigned int settle_ms)
{
	int ret = rig_vm_wait_vector(vm, vector, settle_ms);

	if (ret == -ETIMEDOUT)
		return 0;
	return ret ? ret : -EEXIST;
}

/* ---- eventfds ----------------------------------------------------------- */

int rig_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int rig_eventfd_signal(int fd)
{
	uint64_t one = 1;

	return outcome(write(fd, &one, sizeof(one)) == sizeof(one) ? 0 : -1, "write eventfd");
}

int64_t rig_eventfd_take(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		return (int64_t)count;
	return errno == EAGAIN ? 0 : -errno;
}

int rig_eventfd_wait(int fd, unsigned int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ret = poll(&p, 1, (int)timeout_ms);

	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIMEDOUT;
}

/* ---- other processes ---------------------------------------------------- */

int rig_cgroup_enter(const char *cgroup)
{
	char path[PATH_MAX];
	char *slash;
	int n;

	n = snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/cgroup.procs", cgroup);
	if (n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (slash = path + strlen("/sys/fs/cgroup/"); (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return write_text(path, "0");
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The first steps of a child. The parent may have ended before prctl(2) returns. */
static int become_child(pid_t parent, const char *cgroup)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH;
	return cgroup ? rig_cgroup_enter(cgroup) : 0;
}

struct call {
	uint64_t arg;
	uint32_t op;
};

ssize_t rig_send_fd(int sock, const void *buf, size_t len, int fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

ssize_t rig_recv_fd(int sock, void *buf, size_t len, int *fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

static void serve(int sock, rig_handler handler, void *ctx)
{
	struct call call;
	long result;
	int fd;

	while (rig_recv_fd(sock, &call, sizeof(call), &fd) == sizeof(call)) {
		result = handler(ctx, call.op, call.arg, fd);
		if (rig_send_fd(sock, &result, sizeof(result), -1) != sizeof(result))
			break;
	}
}

int rig_child_start(struct rig_child *child, const char *cgroup, rig_handler handler, void *ctx)
{
	pid_t parent = getpid();
	long ready;
	int pair[2];
	int fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	fflush(NULL);
	child->pid = fork();
	if (child->pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!child->pid) {
		close(pair[0]);
		ready = become_child(parent, cgroup);
		if (rig_send_fd(pair[1], &ready, sizeof(ready), -1) == sizeof(ready) && !ready)
			serve(pair[1], handler, ctx);
		fflush(NULL);
		_exit(ready ? 1 : 0);
	}
	close(pair[1]);
	child->sock = pair[0];
	if (rig_recv_fd(child->sock, &ready, sizeof(ready), &fd) != sizeof(ready))
		ready = -EPIPE;
	if (ready)
		rig_child_stop(child);
	return (int)ready;
}

long rig_child_call(struct rig_child *child, uint32_t op, uint64_t arg, int fd)
{
	struct call call = { .arg = arg, .op = op };
	long result;
	int none;

	if (rig_send_fd(child->sock, &call, sizeof(call), fd) < 0)
		return -errno;
	if (rig_recv_fd(child->sock, &result, sizeof(result), &none) != sizeof(result))
		return -EPIPE;
	return result;
}

int rig_child_stop(struct rig_child *child)
{
	close_fd(&child->sock);
	return reap(child->pid);
}

int rig_proc_start(struct rig_proc *proc, const char *cgroup, char *const argv[])
{
	pid_t parent = getpid();
	int in[2], out[2], err[2];
	int failed = 0;

	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0)
		goto fail_in;
	if (pipe2(err, O_CLOEXEC) < 0)
		goto fail_out;
	fflush(NULL);
	proc->pid = fork();
	if (proc->pid < 0)
		goto fail_err;
	if (!proc->pid) {
		signal(SIGPIPE, SIG_DFL);
		failed = become_child(parent, cgroup);
		if (!failed && (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0))
			failed = -errno;
		if (!failed) {
			execv(argv[0], argv);
			failed = -errno;
		}
		/* A successful execve(2) closes this pipe, and the parent reads nothing. */
		if (write(err[1], &failed, sizeof(failed)) != sizeof(failed))
			_exit(126);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	/* A command to a process that died must be an error, not SIGPIPE. */
	signal(SIGPIPE, SIG_IGN);
	proc->in = fdopen(in[1], "w");
	proc->out = fdopen(out[0], "r");
	if (read(err[0], &failed, sizeof(failed)) != sizeof(failed))
		failed = 0;
	close(err[0]);
	if (failed)
		rig_proc_stop(proc);
	return failed;
fail_err:
	failed = -errno;
	close(err[0]);
	close(err[1]);
	errno = -failed;
fail_out:
	failed = -errno;
	close(out[0]);
	close(out[1]);
	errno = -failed;
fail_in:
	failed = -errno;
	close(in[0]);
	close(in[1]);
	return failed;
}

int rig_proc_ask(struct rig_proc *proc, const char *command, char *reply, size_t len)
{
	char *line = NULL;
	size_t size = 0, at = 0;
	int ret = -EPIPE;

	if (len)
		reply[0] = '\0';
	if (command && (fprintf(proc->in, "%s\n", command) < 0 || fflush(proc->in)))
		return -EPIPE;
	while (getline(&line, &size, proc->out) > 0) {
		if (!strcmp(line, "done\n")) {
			ret = 0;
			break;
		}
		if (at < len)
			at += (size_t)snprintf(reply + at, len - at, "%s", line);
	}
	free(line);
	return ret;
}

int rig_proc_stop(struct rig_proc *proc)
{
	fclose(proc->in);
	fclose(proc->out);
	return reap(proc->pid);
}
