// SPDX-License-Identifier: GPL-2.0-only
/* The ways to use a VFIO device, apart from its interrupts. */
#include "worker-access.h"
#include "worker-impl.h"

#include <errno.h>
#include <liburing.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define MAPPED 0x6000 /* of BAR 0, with the register in it */
#define RING_S 2
#define MAX_HOT 16

/* vfio-pci has the regions here. A process that may not ask would know that, too. */
#define REGION(index) ((off_t)(index) << 40)
#define SCRATCH (REGION(VFIO_PCI_BAR0_REGION_INDEX) + ACCESS_SCRATCH)
#define CONFIG (REGION(VFIO_PCI_CONFIG_REGION_INDEX) + ACCESS_CONFIG)

static int spare = -1; /* FILE_SPARE */
static int device; /* the one that the attempt uses */
static bool compat;

static int *file_of(enum access_file which)
{
	switch (which) {
	case FILE_GROUP:
		return &worker_dev.group;
	case FILE_CONTAINER:
		return &worker_dev.container;
	case FILE_SPARE:
		return &spare;
	default:
		return &worker_dev.fd;
	}
}

/* The index of an inherited or received device is not known. Both cards have MSI-X. */
static long keep(enum access_file which, int fd)
{
	int *file = file_of(which);

	if (*file >= 0)
		close(*file);
	*file = fd;
	if (which == FILE_DEVICE)
		worker_dev.index = VFIO_PCI_MSIX_IRQ_INDEX;
	return fd >= 0;
}

static long take(enum access_file which)
{
	char byte;
	int fd;

	if (rig_recv_fd(worker_peer, &byte, 1, &fd) != 1)
		return -errno;
	return keep(which, fd);
}

static long steal(enum access_file which, uint32_t pid, uint32_t fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	long ret;

	if (pidfd < 0)
		return -errno;
	ret = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	ret = ret < 0 ? -errno : keep(which, (int)ret) - 1;
	close(pidfd);
	return ret;
}

/* ---- reading, writing, mapping ---------------------------------------------- */

struct transfer {
	void *buf;
	size_t len;
	off_t at;
	bool writes;
};

static long by_ring(const struct transfer *t, bool fixed)
{
	struct __kernel_timespec limit = { .tv_sec = RING_S };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret = io_uring_queue_init(1, &ring, 0);

	if (ret)
		return ret;
	if (fixed)
		ret = io_uring_register_files(&ring, &device, 1);
	sqe = io_uring_get_sqe(&ring);
	if (t->writes)
		io_uring_prep_write(sqe, fixed ? 0 : device, t->buf, (unsigned int)t->len,
				    (uint64_t)t->at);
	else
		io_uring_prep_read(sqe, fixed ? 0 : device, t->buf, (unsigned int)t->len,
				   (uint64_t)t->at);
	if (fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
	if (!ret)
		ret = io_uring_submit(&ring);
	if (ret >= 0)
		ret = io_uring_wait_cqe_timeout(&ring, &cqe, &limit);
	if (!ret)
		ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret;
}

static long transfer(const struct transfer *t, enum means means)
{
	struct iovec iov = { t->buf, t->len };
	ssize_t n;

	switch (means) {
	case BY_CALL:
		n = t->writes ? pwrite(device, t->buf, t->len, t->at)
			      : pread(device, t->buf, t->len, t->at);
		break;
	case BY_VECTOR:
		n = t->writes ? pwritev(device, &iov, 1, t->at) : preadv(device, &iov, 1, t->at);
		break;
	default:
		return by_ring(t, means == BY_URING_FILE);
	}
	return n < 0 ? -errno : n;
}

/* Reads or writes @len bytes. Result: the value that was read, 0 if it wrote. */
static long access_at(off_t at, size_t len, enum means means, bool writes, uint32_t value)
{
	struct transfer t = { &value, len, at, writes };
	long n;

	if (!writes)
		value = 0;
	n = transfer(&t, means);
	if (n < 0)
		return n;
	return n != (long)len ? -EIO : writes ? 0 : (long)value;
}

static long scratch(enum means means, bool writes, uint32_t value)
{
	return access_at(SCRATCH, sizeof(value), means, writes, value);
}

static long config(bool writes, uint32_t value)
{
	return access_at(CONFIG, 1, BY_CALL, writes, value);
}

static volatile uint32_t *map_bar(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, device,
			REGION(VFIO_PCI_BAR0_REGION_INDEX));

	return at == MAP_FAILED ? NULL : at;
}

static long map_and_keep(void)
{
	volatile uint32_t *at = map_bar(MAPPED);

	if (!at)
		return -errno;
	worker_dev.bar[0] = (volatile uint8_t *)at;
	worker_dev.bar_len[0] = MAPPED;
	return 0;
}

static long map_and_write(uint32_t value)
{
	volatile uint32_t *at = map_bar(MAPPED);

	if (!at)
		return -errno;
	at[ACCESS_SCRATCH / sizeof(*at)] = value;
	munmap((void *)at, MAPPED);
	return 0;
}

static volatile uint32_t *mapped(void)
{
	return (volatile uint32_t *)(worker_dev.bar[0] + ACCESS_SCRATCH);
}

/* ---- ioctls ------------------------------------------------------------------ */

static long call(int fd, unsigned int cmd, void *arg, size_t len)
{
	int ret;

	if (compat)
		return worker_ioctl32(fd, cmd, arg ? arg : "", arg ? len : 1);
	ret = ioctl(fd, cmd, arg);
	return ret < 0 ? -errno : ret;
}

static long device_fd(const char *name)
{
	char text[WORKER_TEXT];

	snprintf(text, sizeof(text), "%s", name);
	return call(worker_dev.group, VFIO_GROUP_GET_DEVICE_FD, text, sizeof(text));
}

static long open_and_close(const char *name)
{
	long fd = device_fd(name);

	if (fd >= 0)
		close((int)fd);
	return fd < 0 ? fd : 0;
}

static long open_and_keep(const char *name)
{
	long fd = device_fd(name);

	if (fd >= 0)
		keep(FILE_DEVICE, (int)fd);
	return fd < 0 ? fd : 0;
}

static long hot_info(void)
{
	struct {
		struct vfio_pci_hot_reset_info head;
		struct vfio_pci_dependent_device device[MAX_HOT];
	} info = { .head.argsz = sizeof(info) };
	long ret = call(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info, sizeof(info));

	return ret ? ret : info.head.count;
}

static long resets(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	long ret = call(device, VFIO_DEVICE_GET_INFO, &info, sizeof(info));

	return ret ? ret : !!(info.flags & VFIO_DEVICE_FLAGS_RESET);
}

/* A device that no hot reset reaches has no information about it. */
static long ask_all_info(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	long first = call(device, VFIO_DEVICE_GET_INFO, &info, sizeof(info)), hot;

	if (call(device, VFIO_DEVICE_GET_REGION_INFO, &region, sizeof(region)) != first ||
	    call(device, VFIO_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq)) != first)
		return -EIO;
	hot = hot_info();
	if (hot >= 0 || hot == -ENODEV)
		hot = 0;
	return hot == first ? first : -EIO;
}

static long hot_reset(void)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t group;
	} reset = {
		.head.argsz = sizeof(reset),
		.head.count = 1,
		.group = worker_dev.group,
	};

	return call(device, VFIO_DEVICE_PCI_HOT_RESET, &reset, sizeof(reset));
}

static long tie(int eventfd, uint32_t value)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = (uint64_t)SCRATCH,
		.data = value,
		.fd = eventfd,
	};

	return call(device, VFIO_DEVICE_IOEVENTFD, &arg, sizeof(arg));
}

/* The eventfd stays open: VFIO would forget what is tied to it. */
static long tie_and_signal(uint32_t value)
{
	int eventfd = rig_eventfd();
	long ret = eventfd < 0 ? eventfd : tie(eventfd, value);

	return ret ? ret : rig_eventfd_signal(eventfd);
}

static long feature(uint32_t which)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_FEATURE_SET | which,
	};

	return call(device, VFIO_DEVICE_FEATURE, &arg, sizeof(arg));
}

/* Who lets it sleep a second time gets EINVAL. */
static long asleep(void)
{
	long ret = feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	long end = feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);

	return end ? end : ret == -EINVAL ? 1 : ret;
}

static long set_irqs(uint32_t index, uint32_t action, uint32_t count)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | action,
		.index = index,
		.count = count,
	};

	return call(device, VFIO_DEVICE_SET_IRQS, &set, sizeof(set));
}

static long join(void)
{
	return call(worker_dev.group, VFIO_GROUP_SET_CONTAINER, &worker_dev.container,
		    sizeof(worker_dev.container));
}

/* These take no pointer. */
static long set_iommu(void)
{
	return ioctl(worker_dev.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ? -errno : 0;
}

static long leave(void)
{
	return call(worker_dev.group, VFIO_GROUP_UNSET_CONTAINER, NULL, 0);
}

#define IOVA(number) (((uint64_t)(number) + 0x1000) * PAGE)

static long dma_map(uint32_t number)
{
	static uint8_t page[PAGE] __attribute__((aligned(PAGE)));
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)page,
		.iova = IOVA(number),
		.size = PAGE,
	};

	return call(worker_dev.container, VFIO_IOMMU_MAP_DMA, &map, sizeof(map));
}

static long dma_unmap(uint32_t number)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA(number),
		.size = PAGE,
	};

	return call(worker_dev.container, VFIO_IOMMU_UNMAP_DMA, &unmap, sizeof(unmap));
}

static long dma_taken(uint32_t number)
{
	long ret = dma_map(number);

	if (!ret)
		ret = dma_unmap(number);
	return ret == -EEXIST ? 1 : ret;
}

static long try(enum attempt what, uint32_t value, const char *name)
{
	switch (what) {
	case TRY_OPEN:
		return open_and_close(name);
	case TRY_INFO:
		return ask_all_info();
	case TRY_READ:
		return scratch(BY_CALL, false, 0);
	case TRY_READV:
		return scratch(BY_VECTOR, false, 0);
	case TRY_READ_URING:
		return scratch(BY_URING, false, 0);
	case TRY_READ_FIXED:
		return scratch(BY_URING_FILE, false, 0);
	case TRY_WRITE:
		return scratch(BY_CALL, true, value);
	case TRY_WRITEV:
		return scratch(BY_VECTOR, true, value);
	case TRY_WRITE_URING:
		return scratch(BY_URING, true, value);
	case TRY_WRITE_FIXED:
		return scratch(BY_URING_FILE, true, value);
	case TRY_CONFIG_READ:
		return config(false, 0);
	case TRY_CONFIG_WRITE:
		return config(true, value);
	case TRY_MAP:
		return map_and_write(value);
	case TRY_RESET:
		return call(device, VFIO_DEVICE_RESET, NULL, 0);
	case TRY_HOT_RESET:
		return hot_reset();
	case TRY_IOEVENTFD:
		return tie_and_signal(value);
	case TRY_FEATURE:
		return feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	case TRY_DISABLE:
		return set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0);
	case TRY_MASK:
		return set_irqs(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_MASK, 1);
	case TRY_JOIN:
		return join();
	case TRY_LEAVE:
		return leave();
	case TRY_IOMMU:
		return set_iommu();
	case TRY_DMA_MAP:
		return dma_map(value);
	case TRY_DMA_UNMAP:
		return dma_unmap(value);
	}
	return -EINVAL;
}

/* ---- a name that changes while the kernel reads it ----------------------------- */

struct flipped {
	volatile char name[WORKER_TEXT];
	size_t last;
	bool stop;
};

static void *flip(void *arg)
{
	struct flipped *f = arg;
	char real = f->name[f->last];
	const struct sched_param none = {};

	/* On a shared CPU this thread would take most of the time. */
	pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		f->name[f->last] = '7'; /* a function that does not exist */
		f->name[f->last] = real;
	}
	return NULL;
}

static long flip_name(uint32_t rounds, const char *name)
{
	struct flipped f = { .last = strlen(name) - 1 };
	pthread_t thread;
	long useful = 0;
	uint32_t i;
	int ret;

	memcpy((char *)f.name, name, f.last + 1);
	ret = -pthread_create(&thread, NULL, flip, &f);
	if (ret)
		return ret;
	for (i = 0; i < rounds; i++) {
		device = ioctl(worker_dev.group, VFIO_GROUP_GET_DEVICE_FD, f.name);
		if (device < 0)
			continue;
		useful += scratch(BY_CALL, false, 0) >= 0 || !map_and_write(i) || resets() >= 0;
		close(device);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return useful;
}

long serve_access(const struct call *c)
{
	device = worker_dev.fd;
	compat = false;
	switch ((enum access_op)c->op) {
	case A_GIVE:
		return rig_send_fd(worker_peer, "", 1, *file_of(c->a)) == 1 ? 0 : -errno;
	case A_TAKE:
		return take(c->a);
	case A_STEAL:
		return steal(c->a, c->b, c->c);
	case A_NUMBER:
		return *file_of(c->a);
	case A_GROUP:
		return rig_pci_bind_vfio(c->text) ?: rig_dev_group(&worker_dev, c->text);
	case A_JOIN:
		return join();
	case A_IOMMU:
		return set_iommu();
	case A_DEVICE:
		return open_and_keep(c->text);
	case A_MAP:
		return map_and_keep();
	case A_PEEK:
		return *mapped();
	case A_POKE:
		*mapped() = c->a;
		return 0;
	case A_CONFIG:
		return config(false, 0);
	case A_ASLEEP:
		return asleep();
	case A_DMA_TAKEN:
		return dma_taken(c->a);
	case A_HOT:
		return hot_info();
	case A_RESETS:
		return resets();
	case A_TIE:
		return tie(worker_eventfds[c->a], c->b);
	case A_TRY:
		compat = c->a & TRY_COMPAT;
		if (c->a & TRY_SPARE)
			device = spare;
		return try(c->a & ~(TRY_COMPAT | TRY_SPARE), c->b, c->text);
	case A_FLIP:
		return flip_name(c->a, c->text);
	}
	return -EOPNOTSUPP;
}
