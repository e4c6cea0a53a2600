// SPDX-License-Identifier: GPL-2.0-only
/* Ways to signal and to read an eventfd, and to make the kernel signal it. */
#include "worker-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <linux/vhost.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define WAIT_MS 2000
#define RING_MS 200

/* ---- io_uring ------------------------------------------------------------ */

static struct io_uring *ring_new(void)
{
	struct io_uring *ring = calloc(1, sizeof(*ring));
	int ret = ring ? io_uring_queue_init(8, ring, 0) : -ENOMEM;

	if (!ret)
		return ring;
	free(ring);
	errno = -ret;
	return NULL;
}

/* Submits the prepared request. Returns its result; -EAGAIN: it would wait. */
static long ring_run(struct io_uring *ring)
{
	struct __kernel_timespec limit = { .tv_nsec = RING_MS * 1000000L };
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit(ring);

	if (ret >= 0)
		ret = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
	if (ret < 0)
		return ret == -ETIME ? -EAGAIN : ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static long ring_transfer(int fd, uint64_t *value, enum means means, bool read)
{
	struct io_uring *ring = ring_new();
	struct iovec iov = { value, sizeof(*value) };
	struct io_uring_sqe *sqe;
	long ret = 0;

	if (!ring)
		return -errno;
	sqe = io_uring_get_sqe(ring);
	if (means == BY_URING_BUFFER)
		ret = io_uring_register_buffers(ring, &iov, 1);
	else if (means == BY_URING_FILE)
		ret = io_uring_register_files(ring, &fd, 1);
	if (means == BY_URING_FILE)
		fd = 0; /* its number among the registered */
	if (means == BY_URING_BUFFER && read)
		io_uring_prep_read_fixed(sqe, fd, value, sizeof(*value), 0, 0);
	else if (means == BY_URING_BUFFER)
		io_uring_prep_write_fixed(sqe, fd, value, sizeof(*value), 0, 0);
	else if (read)
		io_uring_prep_read(sqe, fd, value, sizeof(*value), 0);
	else
		io_uring_prep_write(sqe, fd, value, sizeof(*value), 0);
	if (means == BY_URING_FILE)
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	if (!ret)
		ret = ring_run(ring);
	io_uring_queue_exit(ring);
	free(ring);
	return ret;
}

static long transfer(int fd, uint64_t *value, enum means means, bool read)
{
	struct iovec iov = { value, sizeof(*value) };
	ssize_t n;

	switch (means) {
	case BY_CALL:
		n = read ? syscall(SYS_read, fd, value, sizeof(*value))
			 : syscall(SYS_write, fd, value, sizeof(*value));
		break;
	case BY_VECTOR:
		n = read ? readv(fd, &iov, 1) : writev(fd, &iov, 1);
		break;
	default:
		return ring_transfer(fd, value, means, read);
	}
	return n < 0 ? -errno : n;
}

static long signal_by(uint32_t vector, enum means means)
{
	uint64_t one = 1;
	long n = transfer(worker_eventfds[vector], &one, means, false);

	return n < 0 ? n : n == sizeof(one) ? 0 : -EIO;
}

/* The count; 0 if there is none. */
static long read_by(uint32_t vector, enum means means)
{
	uint64_t count = 0;
	long n = transfer(worker_eventfds[vector], &count, means, true);

	return n == -EAGAIN ? 0 : n < 0 ? n : (long)count;
}

/* ---- AIO ----------------------------------------------------------------- */

/* The request completes in the context that signals the polled eventfd: here. */
static long aio_complete(int eventfd)
{
	static aio_context_t context;
	static pid_t owner; /* a child does not inherit the AIO context of its parent */
	struct io_event event;
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)rig_eventfd(),
		.aio_buf = POLLIN,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)eventfd,
	}, *list = &iocb;
	const struct timespec limit = { .tv_sec = WAIT_MS / 1000 };
	long ret = 0;

	if (owner != getpid())
		context = 0;
	owner = getpid();
	if (!context && syscall(SYS_io_setup, 8, &context))
		return -errno;
	if (syscall(SYS_io_submit, context, 1, &list) != 1)
		ret = -errno;
	if (!ret)
		ret = rig_eventfd_signal((int)iocb.aio_fildes);
	if (!ret && syscall(SYS_io_getevents, context, 1, 1, &event, &limit) != 1)
		ret = -ETIMEDOUT;
	close((int)iocb.aio_fildes);
	return ret;
}

/* ---- vhost --------------------------------------------------------------- */

#define RING_SIZE 8
#define TX 1
#define RINGS 2

/* A vsock device whose guest side is this process. */
struct vhost {
	int fd, kick;
	uint64_t cid;
	struct ring {
		struct vring_desc desc[RING_SIZE];
		struct {
			uint16_t flags, idx, ring[RING_SIZE], event;
		} avail;
		struct {
			uint16_t flags, idx;
			struct vring_used_elem ring[RING_SIZE];
			uint16_t event;
		} used __attribute__((aligned(4)));
	} __attribute__((aligned(4096))) * rings;
	struct virtio_vsock_hdr packet;
};

static long vhost_ring(struct vhost *v, unsigned int index)
{
	struct ring *ring = &v->rings[index];
	struct vhost_vring_state state = { .index = index, .num = RING_SIZE };
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)&ring->avail,
		.used_user_addr = (uintptr_t)&ring->used,
	};
	struct vhost_vring_file kick = { .index = index, .fd = v->kick };

	if (ioctl(v->fd, VHOST_SET_VRING_NUM, &state))
		return -errno;
	state.num = 0;
	if (ioctl(v->fd, VHOST_SET_VRING_BASE, &state) || ioctl(v->fd, VHOST_SET_VRING_ADDR, &addr))
		return -errno;
	return index == TX && ioctl(v->fd, VHOST_SET_VRING_KICK, &kick) ? -errno : 0;
}

static long vhost_open(struct vhost *v, uint32_t number)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} memory = { .head.nregions = 1 };
	int running = 1;
	long ret;

	v->fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	if (v->fd < 0)
		return -errno;
	v->kick = rig_eventfd();
	v->rings = mmap(NULL, RINGS * sizeof(*v->rings), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->rings == MAP_FAILED)
		return -errno;
	/* The guest's addresses are this process's. */
	memory.region.guest_phys_addr = (uintptr_t)v & ~4095UL;
	memory.region.userspace_addr = memory.region.guest_phys_addr;
	memory.region.memory_size = 8192;
	v->cid = 100 + (uint64_t)getpid() * RIG_MAX_VECTORS + number;
	if (ioctl(v->fd, VHOST_SET_OWNER) || ioctl(v->fd, VHOST_SET_MEM_TABLE, &memory))
		return -errno;
	ret = vhost_ring(v, 0);
	if (!ret)
		ret = vhost_ring(v, TX);
	if (!ret && (ioctl(v->fd, VHOST_VSOCK_SET_GUEST_CID, &v->cid) ||
		     ioctl(v->fd, VHOST_VSOCK_SET_RUNNING, &running)))
		ret = -errno;
	return ret;
}

/*
 * Gives vhost a packet without a destination, which it consumes and confirms. @broken: gives it
 * a descriptor that does not exist.
 */
static long vhost_kick(struct vhost *v, bool broken)
{
	struct ring *tx = &v->rings[TX];

	tx->desc[0].addr = (uintptr_t)&v->packet;
	tx->desc[0].len = sizeof(v->packet);
	tx->avail.ring[tx->avail.idx % RING_SIZE] = broken ? 0xffff : 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* vhost does not consume a broken descriptor, so it reads the same one at every kick. */
	if (!broken || !tx->avail.idx)
		tx->avail.idx++;
	return rig_eventfd_signal(v->kick);
}

/* ---- takers: they signal for the process --------------------------------- */

static struct taken {
	struct io_uring *ring;
	struct vhost *vhost;
} taken[RIG_MAX_VECTORS];

static long vhost_take(uint32_t vector, unsigned long request)
{
	struct vhost_vring_file file = { .index = TX, .fd = worker_eventfds[vector] };
	struct vhost *v = taken[vector].vhost;
	long ret;

	if (!v) {
		v = calloc(1, sizeof(*v));
		ret = v ? vhost_open(v, vector) : -ENOMEM;
		if (ret)
			return ret;
		taken[vector].vhost = v;
	}
	return ioctl(v->fd, request, &file) ? -errno : 0;
}

static long uring_take(uint32_t vector)
{
	struct taken *t = &taken[vector];

	if (!t->ring)
		t->ring = ring_new();
	return t->ring ? io_uring_register_eventfd(t->ring, worker_eventfds[vector]) : -errno;
}

static long take(uint32_t vector, enum taker taker)
{
	switch (taker) {
	case TAKER_AIO:
		return 0; /* each request gives it the eventfd */
	case TAKER_URING:
		return uring_take(vector);
	case TAKER_VHOST_CALL:
		return vhost_take(vector, VHOST_SET_VRING_CALL);
	case TAKER_VHOST_ERR:
		return vhost_take(vector, VHOST_SET_VRING_ERR);
	}
	return -EINVAL;
}

static long have_signalled(uint32_t vector, enum taker taker)
{
	struct taken *t = &taken[vector];

	if (taker == TAKER_AIO)
		return aio_complete(worker_eventfds[vector]);
	if (taker == TAKER_URING && t->ring) {
		io_uring_prep_nop(io_uring_get_sqe(t->ring));
		return ring_run(t->ring);
	}
	return t->vhost ? vhost_kick(t->vhost, taker == TAKER_VHOST_ERR) : -EBADF;
}

long serve_signal(const struct call *c)
{
	switch ((enum worker_op)c->op) {
	case W_SIGNAL:
		return signal_by(c->a, c->b);
	case W_READ:
		return read_by(c->a, c->b);
	case W_COUNT:
		rig_eventfd_wait(worker_eventfds[c->a], c->b);
		return rig_eventfd_take(worker_eventfds[c->a]);
	case W_GIVE:
		return take(c->a, c->b);
	case W_HAVE_SIGNALLED:
		return have_signalled(c->a, c->b);
	default:
		return -EOPNOTSUPP;
	}
}
