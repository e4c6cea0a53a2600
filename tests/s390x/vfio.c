// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: vfio BDF VECTORS
 * A user-space driver of a virtio-rng function: binds VECTORS MSI-X vectors to eventfds,
 * then does what it reads, a word a line, and answers with a line:
 *   raise  has the device raise vector 1: "arrived", or "none" within a second
 *   irqs   binds the vectors again: "bound", or "refused ERROR"
 *   quit
 * Also answers once the vectors are bound first.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUE 8
#define VECTOR 1

/* A page the device reads and writes. */
struct memory {
	struct vring_desc desc[QUEUE];
	uint8_t buffer[64];
	struct {
		uint16_t flags, idx, ring[QUEUE];
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[QUEUE];
	} used __attribute__((aligned(4096)));
};

static int device, container, efd[16];
static unsigned int vectors;
static uint64_t notify, iova;
static struct memory *mem;

static void die(const char *what)
{
	printf("vfio: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t region(unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("region");
	return info.offset;
}

static void put(uint64_t at, uint64_t value, int size)
{
	value = htole64(value);
	if (pwrite(device, &value, size, at) != size)
		die("write");
}

static uint64_t get(uint64_t at, int size)
{
	uint64_t value = 0;

	if (pread(device, &value, size, at) != size)
		die("read");
	return le64toh(value);
}

/* Where the virtio structure of a type begins; its multiplier. */
static uint64_t structure(uint8_t type, uint32_t *multiplier)
{
	uint64_t config = region(VFIO_PCI_CONFIG_REGION_INDEX);
	uint8_t at = get(config + PCI_CAPABILITY_LIST, 1);

	for (; at; at = get(config + at + 1, 1)) {
		if (get(config + at, 1) != PCI_CAP_ID_VNDR ||
		    get(config + at + offsetof(struct virtio_pci_cap, cfg_type), 1) != type)
			continue;
		if (multiplier)
			*multiplier = get(config + at + sizeof(struct virtio_pci_cap), 4);
		return region(get(config + at + offsetof(struct virtio_pci_cap, bar), 1)) +
		       get(config + at + offsetof(struct virtio_pci_cap, offset), 4);
	}
	errno = ENXIO;
	die("virtio structure");
	return 0;
}

/* The lowest address the device may use. */
static uint64_t first_iova(void)
{
	char buf[4096] = "";
	struct vfio_iommu_type1_info *info = (void *)buf;
	struct vfio_iommu_type1_info_cap_iova_range *range;
	struct vfio_info_cap_header *cap;

	info->argsz = sizeof(buf);
	if (ioctl(container, VFIO_IOMMU_GET_INFO, info))
		die("VFIO_IOMMU_GET_INFO");
	for (cap = (void *)(buf + info->cap_offset); info->cap_offset;
	     cap = (void *)(buf + cap->next)) {
		range = (void *)cap;
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			return range->iova_ranges[0].start;
		if (!cap->next)
			break;
	}
	return 0;
}

static void open_device(const char *bdf)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.size = 8192 };
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;
	int group;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		die(path);
	target[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%.32s", strrchr(target, '/') + 1);
	group = open(path, O_RDWR | O_CLOEXEC);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (group < 0 || container < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die(path);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	mem = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (device < 0 || mem == MAP_FAILED)
		die(bdf);
	map.vaddr = (uintptr_t)mem;
	map.iova = iova = first_iova();
	if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
		die("VFIO_IOMMU_MAP_DMA");
}

static int bind_vectors(void)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(efd)];
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set){ .argsz = sizeof(*set) + vectors * sizeof(efd[0]),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX,
				      .count = vectors };
	memcpy(set->data, efd, vectors * sizeof(efd[0]));
	return ioctl(device, VFIO_DEVICE_SET_IRQS, set);
}

/* Common configuration of virtio 1: one queue, whose interrupt is VECTOR. */
static void start(void)
{
	uint64_t config = region(VFIO_PCI_CONFIG_REGION_INDEX);
	uint64_t common = structure(VIRTIO_PCI_CAP_COMMON_CFG, NULL);
	uint32_t multiplier;

	put(config + PCI_COMMAND,
	    get(config + PCI_COMMAND, 2) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	notify = structure(VIRTIO_PCI_CAP_NOTIFY_CFG, &multiplier);
	put(common + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	memset(mem, 0, sizeof(*mem));
	put(common + VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
	    1);
	put(common + VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	put(common + VIRTIO_PCI_COMMON_GF,
	    1 << (VIRTIO_F_VERSION_1 - 32) | 1 << (VIRTIO_F_ACCESS_PLATFORM - 32), 4);
	put(common + VIRTIO_PCI_COMMON_STATUS,
	    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK, 1);
	put(common + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(common + VIRTIO_PCI_COMMON_Q_SIZE, QUEUE, 2);
	put(common + VIRTIO_PCI_COMMON_Q_MSIX, VECTOR, 2);
	put(common + VIRTIO_PCI_COMMON_Q_DESCLO, iova + offsetof(struct memory, desc), 4);
	put(common + VIRTIO_PCI_COMMON_Q_DESCHI, iova >> 32, 4);
	put(common + VIRTIO_PCI_COMMON_Q_AVAILLO, iova + offsetof(struct memory, avail), 4);
	put(common + VIRTIO_PCI_COMMON_Q_AVAILHI, iova >> 32, 4);
	put(common + VIRTIO_PCI_COMMON_Q_USEDLO, iova + offsetof(struct memory, used), 4);
	put(common + VIRTIO_PCI_COMMON_Q_USEDHI, iova >> 32, 4);
	put(common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	put(common + VIRTIO_PCI_COMMON_STATUS,
	    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
		    VIRTIO_CONFIG_S_DRIVER_OK,
	    1);
	notify += get(common + VIRTIO_PCI_COMMON_Q_NOFF, 2) * multiplier;
}

/* Ask for random numbers; the device is done when it raises the vector. */
static void raise_vector(void)
{
	struct pollfd p = { .fd = efd[VECTOR], .events = POLLIN };
	uint16_t idx, used;
	int i;

	start(); /* a queue that is new each time */
	idx = le16toh(mem->avail.idx);
	used = mem->used.idx;

	mem->desc[0].addr = htole64(iova + offsetof(struct memory, buffer));
	mem->desc[0].len = htole32(sizeof(mem->buffer));
	mem->desc[0].flags = htole16(VRING_DESC_F_WRITE);
	mem->avail.ring[idx % QUEUE] = 0;
	__sync_synchronize();
	mem->avail.idx = htole16(idx + 1);
	__sync_synchronize();
	put(notify, 0, 2);
	/* That it did is seen in its memory, whatever becomes of the interrupt. */
	for (i = 0; i < 1000 && *(volatile uint16_t *)&mem->used.idx == used; i++)
		usleep(1000);
	if (i == 1000) {
		printf("the device does nothing\n");
		return;
	}
	printf("%s\n", poll(&p, 1, 1000) > 0 ? "arrived" : "none");
	if (p.revents)
		(void)!read(efd[VECTOR], &(uint64_t){ 0 }, 8);
}

static void bind_and_tell(void)
{
	if (bind_vectors())
		printf("refused %s\n", strerror(errno));
	else
		printf("bound\n");
}

int main(int argc, char **argv)
{
	char word[64];
	unsigned int i;

	setlinebuf(stdout);
	vectors = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (vectors <= VECTOR || vectors > sizeof(efd) / sizeof(efd[0])) {
		fprintf(stderr, "usage: vfio BDF VECTORS, 2 to 16\n");
		return 2;
	}
	open_device(argv[1]);
	for (i = 0; i < vectors; i++)
		efd[i] = eventfd(0, EFD_CLOEXEC);
	bind_and_tell();
	while (fgets(word, sizeof(word), stdin)) {
		word[strcspn(word, "\n")] = '\0';
		if (!strcmp(word, "raise"))
			raise_vector();
		else if (!strcmp(word, "irqs"))
			bind_and_tell();
		else if (!strcmp(word, "quit"))
			break;
	}
	return 0;
}
