// SPDX-License-Identifier: GPL-2.0-only
#include "worker-evade.h"
#include "lib.h"
#include "worker-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define ARRIVE_MS 2000

/* ---- arguments that change between check and use ------------------------------ */

/* The longest argument: VFIO_DEVICE_SET_IRQS of every vector. */
union argument {
	struct {
		struct vfio_irq_set set;
		int32_t fd[RIG_MAX_VECTORS];
	} vfio;
	struct kvm_irqfd irqfd;
};

/*
 * The argument begins @split bytes before the end of the first of two pages. Each reader, first
 * the gate and then the kernel, faults on the first page and then on the second. While a reader
 * waits for the second page, trap_fault() takes away the first, and the other way round. So
 * each read causes a fault.
 */
struct trap {
	int uffd, stop, file;
	unsigned long cmd;
	uint8_t *mem;
	size_t split;
	union argument shown, wanted;
	unsigned int faults[2];
	int dup_from, dup_to; /* dup2(2) between the readers; -1: none */
	int at, go; /* eventfds: the reader is at the second page; it may go on. -1: no stop */
	bool in_gate; /* stop the first reader, not the second */
	pthread_t thread, caller;
	long result;
};

static void *trap_arg(struct trap *t)
{
	return t->mem + PAGE - t->split;
}

static void trap_fill(struct trap *t, unsigned int page, const union argument *arg)
{
	uint8_t buf[PAGE] __attribute__((aligned(PAGE))) = {};
	struct uffdio_copy copy = {
		.dst = (uint64_t)(t->mem + page * PAGE),
		.src = (uint64_t)buf,
		.len = PAGE,
	};
	struct uffdio_range range = { .start = copy.dst, .len = PAGE };
	const uint8_t *from = (const uint8_t *)arg;

	if (page)
		memcpy(buf, from + t->split, sizeof(*arg) - t->split);
	else
		memcpy(buf + PAGE - t->split, from, t->split);
	if (ioctl(t->uffd, UFFDIO_COPY, &copy) && errno == EEXIST)
		ioctl(t->uffd, UFFDIO_WAKE, &range);
}

static void trap_fault(struct trap *t, unsigned int page)
{
	bool kernel = t->faults[page]++;
	eventfd_t n;

	if (page && !kernel)
		madvise(t->mem, PAGE, MADV_DONTNEED);
	if (!page && kernel) {
		madvise(t->mem + PAGE, PAGE, MADV_DONTNEED);
		if (t->dup_to >= 0)
			dup2(t->dup_from, t->dup_to);
	}
	if (page && kernel != t->in_gate && t->at >= 0) {
		eventfd_write(t->at, 1);
		eventfd_read(t->go, &n);
	}
	trap_fill(t, page, kernel ? &t->wanted : &t->shown);
}

static void *trap_run(void *arg)
{
	struct trap *t = arg;
	struct pollfd p[] = { { t->uffd, POLLIN, 0 }, { t->stop, POLLIN, 0 } };
	struct uffd_msg msg;

	while (poll(p, 2, -1) > 0 && !p[1].revents)
		if (read(t->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT)
			trap_fault(t, (msg.arg.pagefault.address - (uint64_t)t->mem) / PAGE);
	return NULL;
}

static long trap_set(struct trap *t)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range.len = 2 * PAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	t->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (t->uffd < 0)
		return -errno;
	t->stop = eventfd(0, EFD_CLOEXEC);
	t->mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uint64_t)t->mem;
	if (t->stop < 0 || t->mem == MAP_FAILED || ioctl(t->uffd, UFFDIO_API, &api) ||
	    ioctl(t->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return -pthread_create(&t->thread, NULL, trap_run, t);
}

static void trap_remove(struct trap *t)
{
	eventfd_write(t->stop, 1);
	pthread_join(t->thread, NULL);
	close(t->uffd);
	close(t->stop);
	munmap(t->mem, 2 * PAGE);
}

static void *trap_call(void *arg)
{
	struct trap *t = arg;

	t->result = ioctl(t->file, t->cmd, trap_arg(t)) ? -errno : 0;
	return NULL;
}

static long trap_result(struct trap *t)
{
	trap_remove(t);
	if (!t->result && (t->faults[0] < 2 || t->faults[1] < 2))
		return -ENODATA;
	return t->result;
}

static long trap_spring(struct trap *t)
{
	long ret = trap_set(t);

	if (ret)
		return ret;
	trap_call(t);
	return trap_result(t);
}

/* Makes another fd of the file behind @fd. trap_fault() replaces it by dup2(2). */
static void trap_dup(struct trap *t, int fd, int wanted)
{
	t->dup_from = wanted;
	t->dup_to = dup(fd);
}

static void trap_init(struct trap *t, int file, unsigned long cmd, size_t split)
{
	*t = (struct trap){
		.file = file,
		.cmd = cmd,
		.split = split,
		.dup_to = -1,
		.at = -1,
	};
}

/* The caller closes the fd that trap_dup() made. */
static void trap_vfio(struct trap *t, const struct call *c)
{
	uint32_t count = c->c >> 8 ? c->c >> 8 : 1, i;
	union argument *shown = &t->shown, *wanted = &t->wanted;

	trap_init(t, worker_dev.fd, VFIO_DEVICE_SET_IRQS, sizeof(struct vfio_irq_set));
	shown->vfio.set = (struct vfio_irq_set){
		.argsz = sizeof(shown->vfio),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = worker_dev.index,
		.start = c->a,
		.count = 1,
	};
	for (i = 0; i < count; i++)
		shown->vfio.fd[i] = worker_eventfds[c->b + i];
	*wanted = *shown;
	switch (c->c & 0x7f) {
	case SWAP_VECTOR:
		wanted->vfio.set.start = c->b;
		wanted->vfio.set.count = count;
		break;
	case SWAP_FD:
		shown->vfio.fd[0] = worker_eventfds[c->a];
		break;
	case SWAP_DUP:
		trap_dup(t, worker_eventfds[c->a], worker_eventfds[c->b]);
		shown->vfio.fd[0] = wanted->vfio.fd[0] = t->dup_to;
		break;
	case SWAP_INJECT:
		wanted->vfio.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
		/* fallthrough */
	case SWAP_FLAGS:
		shown->vfio.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
		wanted->vfio.set.start = c->b;
		/* The gate reads no more than the header of such a call. */
		t->split = offsetof(struct vfio_irq_set, index);
		break;
	}
}

static void trap_irqfd(struct trap *t, const struct call *c, int unbound)
{
	struct kvm_irqfd *shown = &t->shown.irqfd, *wanted = &t->wanted.irqfd;

	/* The split is a multiple of 8: the CPU would repeat a load that needs both pages. */
	trap_init(t, worker_vm.fd, KVM_IRQFD, offsetof(struct kvm_irqfd, flags));
	*wanted = (struct kvm_irqfd){ .fd = (uint32_t)worker_eventfds[c->b], .gsi = RIG_GSI(c->a) };
	*shown = *wanted;
	switch (c->c) {
	case SWAP_FD:
		shown->fd = (uint32_t)unbound;
		break;
	case SWAP_DUP:
		trap_dup(t, unbound, worker_eventfds[c->b]);
		shown->fd = wanted->fd = (uint32_t)t->dup_to;
		break;
	case SWAP_FLAGS:
		shown->flags = KVM_IRQFD_FLAG_DEASSIGN;
		t->split = offsetof(struct kvm_irqfd, pad);
		break;
	}
}

static long swap_vfio(const struct call *c)
{
	struct trap t;
	long ret;

	trap_vfio(&t, c);
	ret = trap_spring(&t);
	if (t.dup_to >= 0)
		close(t.dup_to);
	return ret;
}

static long swap_irqfd(const struct call *c)
{
	int unbound = rig_eventfd();
	struct trap t;
	long ret;

	if (unbound < 0)
		return unbound;
	trap_irqfd(&t, c, unbound);
	ret = trap_spring(&t);
	if (t.dup_to >= 0)
		close(t.dup_to);
	close(unbound);
	return ret;
}

static struct trap stalled;

static long stall(const struct call *c)
{
	eventfd_t n;
	long ret;

	trap_vfio(&stalled, c);
	stalled.at = eventfd(0, EFD_CLOEXEC);
	stalled.go = eventfd(0, EFD_CLOEXEC);
	stalled.in_gate = c->c & STALL_IN_GATE;
	ret = trap_set(&stalled);
	if (!ret)
		ret = -pthread_create(&stalled.caller, NULL, trap_call, &stalled);
	return ret ? ret : eventfd_read(stalled.at, &n) ? -errno : 0;
}

static long stall_end(void)
{
	eventfd_write(stalled.go, 1);
	pthread_join(stalled.caller, NULL);
	close(stalled.at);
	close(stalled.go);
	return trap_result(&stalled);
}

struct flipper {
	struct vfio_irq_set *set;
	uint32_t a, b;
	bool stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;
	volatile uint32_t *start = &f->set->start;
	const struct sched_param none = {};

	/* On a shared CPU this thread would take most of the time. */
	pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		*start = f->a;
		*start = f->b;
	}
	return NULL;
}

static long race(const struct call *c)
{
	union argument arg = {};
	struct flipper f = { .set = &arg.vfio.set, .a = c->a, .b = c->b };
	long arrived = 0, got;
	pthread_t thread;
	uint32_t i;
	int ret;

	arg.vfio.set = (struct vfio_irq_set){
		.argsz = sizeof(arg.vfio.set) + sizeof(int32_t),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = worker_dev.index,
		.start = c->a,
		.count = 1,
	};
	arg.vfio.fd[0] = worker_eventfds[c->b];
	ret = -pthread_create(&thread, NULL, flip, &f);
	if (ret)
		return ret;
	for (i = 0; i < c->c && !ret; i++) {
		if (ioctl(worker_dev.fd, VFIO_DEVICE_SET_IRQS, &arg))
			continue;
		ret = rig_dev_raise(&worker_dev, c->b);
		got = rig_eventfd_take(worker_eventfds[c->b]);
		arrived += got > 0 ? got : 0;
		if (!ret)
			ret = rig_irq_disable(worker_dev.fd, worker_dev.index);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return ret ? ret : arrived;
}

static long dash(const struct call *c)
{
	long ret =
		rig_irq_eventfds(worker_dev.fd, worker_dev.index, c->a, 1, &worker_eventfds[c->a]);

	if (!ret)
		ret = rig_dev_raise(&worker_dev, c->a);
	if (!ret)
		usleep(10000);
	return ret ? ret : rig_eventfd_take(worker_eventfds[c->a]);
}

/* ---- odd arguments ------------------------------------------------------------ */

static long compat_msi(const struct call *c)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = RIG_LAPIC(c->a) };

	return worker_ioctl32(worker_vm.fd, KVM_SIGNAL_MSI, &msi, sizeof(msi));
}

static long vhost_call(const struct call *c)
{
	struct vhost_vring_file file = { .fd = worker_eventfds[c->a] };
	int vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	long ret;

	if (vhost < 0)
		return -errno;
	ret = ioctl(vhost, VHOST_SET_OWNER) ? -errno : 0;
	if (!ret && c->b)
		ret = worker_ioctl32(vhost, VHOST_SET_VRING_CALL, &file, sizeof(file));
	else if (!ret)
		ret = ioctl(vhost, VHOST_SET_VRING_CALL, &file) ? -errno : 0;
	close(vhost);
	return ret;
}

static long set_irqs(const struct call *c)
{
	union argument arg;

	arg.vfio.set = (struct vfio_irq_set){
		.argsz = sizeof(arg.vfio),
		.flags = c->c,
		.index = worker_dev.index,
		.start = c->a,
		.count = c->b,
	};
	memcpy(arg.vfio.fd, worker_eventfds, sizeof(arg.vfio.fd));
	return ioctl(worker_dev.fd, VFIO_DEVICE_SET_IRQS, &arg) ? -errno : 0;
}

static long share(const struct call *c)
{
	int32_t fds[RIG_MAX_VECTORS];
	uint32_t i;

	for (i = 0; i < c->b; i++)
		fds[i] = worker_eventfds[c->c];
	return rig_irq_eventfds(worker_dev.fd, worker_dev.index, c->a, c->b, fds);
}

static long sparse(const struct call *c)
{
	int32_t fds[RIG_MAX_VECTORS];
	uint32_t i;

	for (i = 0; i < c->b; i++)
		fds[i] = i < c->a ? worker_eventfds[i] : -1;
	return rig_irq_eventfds(worker_dev.fd, worker_dev.index, 0, c->b, fds);
}

/* ---- other processes ---------------------------------------------------------- */

struct clone {
	const struct call *call;
	long result;
};

static int clone_main(void *arg)
{
	struct clone *clone = arg;
	const struct call *c = clone->call;
	int fd = worker_eventfds[c->b];

	clone->result = rig_cgroup_enter(c->text);
	if (clone->result)
		return 0;
	switch (c->a) {
	case W_VFIO:
		clone->result = rig_irq_eventfds(worker_dev.fd, worker_dev.index, c->b, 1, &fd);
		break;
	case W_IRQFD:
		clone->result = rig_vm_irqfd(&worker_vm, fd, RIG_GSI(c->b));
		break;
	case W_WRITE:
		clone->result = rig_eventfd_signal(fd);
		break;
	default:
		clone->result = -EOPNOTSUPP;
	}
	return 0;
}

static long clone_vm(const struct call *c)
{
	struct clone result = { .call = c };
	size_t size = 256 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	/* CLONE_VFORK, because both share errno. */
	pid = clone(clone_main, stack + size, CLONE_VM | CLONE_VFORK | SIGCHLD, &result);
	if (pid < 0)
		result.result = -errno;
	else
		waitpid(pid, NULL, 0);
	munmap(stack, size);
	return result.result;
}

static long become(const struct call *c)
{
	const int64_t ok = 0;

	/* Answer now: the caller's next step waits in the socket for the new program. */
	if (send(worker_sock, &ok, sizeof(ok), MSG_NOSIGNAL) != sizeof(ok))
		return -errno;
	worker_become(c->a, c->text);
}

/* ---- io_uring ------------------------------------------------------------------ */

#define OP_FIXED_FD_INSTALL 54 /* 6.8 */

static struct io_uring ring;

/* Submits one request. Returns its result. */
static long ring_do(struct io_uring *r, void (*prepare)(struct io_uring_sqe *, void *), void *arg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(r);
	struct io_uring_cqe *cqe;
	long ret;

	prepare(sqe, arg);
	ret = io_uring_submit_and_wait(r, 1);
	if (ret < 0)
		return ret;
	ret = io_uring_peek_cqe(r, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(r, cqe);
	return ret;
}

static long ring_new(void)
{
	int ret = io_uring_queue_init(4, &ring, 0);

	if (!ret)
		ret = io_uring_register_files_sparse(&ring, 1);
	return ret ? ret : ring.ring_fd;
}

static void prepare_send(struct io_uring_sqe *sqe, void *target)
{
	/* Fixed file 0 of this ring becomes fixed file 0 of the target. */
	io_uring_prep_rw(IORING_OP_MSG_RING, sqe, *(int *)target, NULL, 0, 0);
	sqe->addr = IORING_MSG_SEND_FD;
	sqe->file_index = 1;
	sqe->msg_ring_flags = IORING_MSG_RING_CQE_SKIP;
}

static long ring_send(const struct call *c)
{
	int pidfd = (int)syscall(SYS_pidfd_open, c->b, 0), target;
	struct io_uring own;
	long ret;

	if (pidfd < 0)
		return -errno;
	target = (int)syscall(SYS_pidfd_getfd, pidfd, c->c, 0);
	close(pidfd);
	if (target < 0)
		return -errno;
	ret = io_uring_queue_init(4, &own, 0);
	if (!ret) {
		ret = io_uring_register_files(
			&own, c->a == W_ALL ? &worker_dev.fd : &worker_eventfds[c->a], 1);
		if (!ret)
			ret = ring_do(&own, prepare_send, &target);
		io_uring_queue_exit(&own);
	}
	close(target);
	return ret;
}

static uint64_t ring_value = 1;

static void prepare_write(struct io_uring_sqe *sqe, void *arg)
{
	(void)arg;
	io_uring_prep_write(sqe, 0, &ring_value, sizeof(ring_value), 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prepare_read(struct io_uring_sqe *sqe, void *arg)
{
	(void)arg;
	io_uring_prep_read(sqe, 0, &ring_value, sizeof(ring_value), 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void prepare_install(struct io_uring_sqe *sqe, void *arg)
{
	(void)arg;
	io_uring_prep_rw(OP_FIXED_FD_INSTALL, sqe, 0, NULL, 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
}

static long ring_install(const struct call *c)
{
	long ret = ring_do(&ring, prepare_install, NULL);

	if (ret >= 0)
		worker_eventfds[c->a] = (int32_t)ret;
	return ret < 0 ? ret : 0;
}

/* ---- thousands of rounds --------------------------------------------------------- */

enum part { PART_EVENTFD, PART_IRQFD, PART_DEVICE, PART_VM, PARTS };

/* Permutation @n of the parts. */
static void order_of(uint32_t n, enum part order[PARTS])
{
	enum part left[PARTS] = { PART_EVENTFD, PART_IRQFD, PART_DEVICE, PART_VM };
	uint32_t i, k;

	for (i = 0; i < PARTS; i++) {
		k = n % (PARTS - i);
		n /= PARTS - i;
		order[i] = left[k];
		left[k] = left[PARTS - i - 1];
	}
}

static long churn_make(const struct call *c, uint32_t round)
{
	long ret;

	worker_eventfds[0] = rig_eventfd();
	if (worker_eventfds[0] < 0)
		return worker_eventfds[0];
	ret = rig_vm_create(&worker_vm);
	if (!ret)
		ret = rig_vm_route_range(&worker_vm, 0, 1);
	if (!ret && round & 1)
		ret = rig_vm_irqfd(&worker_vm, worker_eventfds[0], RIG_GSI(0));
	if (!ret)
		ret = rig_irq_eventfds(worker_dev.fd, worker_dev.index, 0, 1, worker_eventfds);
	if (!ret && !(round & 1))
		ret = rig_vm_irqfd(&worker_vm, worker_eventfds[0], RIG_GSI(0));
	if (!ret)
		ret = rig_dev_raise(&worker_dev, 0);
	if (ret)
		return ret;
	ret = rig_vm_wait_vector(&worker_vm, RIG_LAPIC(0), c->c ? 1 : ARRIVE_MS);
	if (c->c)
		return ret == -ETIMEDOUT ? 0 : ret ? ret : -EEXIST;
	return ret;
}

static long churn_end(enum part part)
{
	switch (part) {
	case PART_EVENTFD:
		close(worker_eventfds[0]);
		worker_eventfds[0] = -1;
		break;
	case PART_IRQFD:
		/* KVM_IRQFD needs the fds of both. Without one of them the irqfd ends by itself. */
		if (worker_eventfds[0] >= 0 && worker_vm.fd >= 0)
			return rig_vm_irqfd_off(&worker_vm, worker_eventfds[0], RIG_GSI(0));
		break;
	case PART_DEVICE:
		return rig_irq_disable(worker_dev.fd, worker_dev.index);
	case PART_VM:
		rig_vm_destroy(&worker_vm);
		break;
	case PARTS:
		break;
	}
	return 0;
}

static long churn(const struct call *c)
{
	enum part order[PARTS];
	uint32_t i, k;
	long ret = 0;

	for (i = c->b; i < c->b + c->a && !ret; i++) {
		ret = churn_make(c, i);
		/* Odd and even rounds bind in different order, so each order of ending comes twice.
		 */
		order_of(i / 2, order);
		for (k = 0; k < PARTS && !ret; k++)
			ret = churn_end(order[k]);
	}
	return ret;
}

static long counted_stream(const struct call *c)
{
	int fd = worker_eventfds[c->a];
	uint32_t i;
	long ret;

	for (i = 0; i < c->b; i++) {
		ret = rig_dev_raise(&worker_dev, c->a);
		if (!ret)
			ret = rig_eventfd_wait(fd, ARRIVE_MS);
		if (!ret)
			ret = rig_eventfd_take(fd) == 1 ? 0 : -EOVERFLOW;
		if (ret)
			return ret;
	}
	return i;
}

static long burst(const struct call *c)
{
	uint32_t i, t;
	int ret = 0;

	for (t = 0; t < c->c; t++)
		for (i = c->a; i < c->a + c->b && !ret; i++)
			ret = rig_dev_raise(&worker_dev, i);
	return ret;
}

/* ---- loops ----------------------------------------------------------------------- */

static struct call loop_call;
static char loop_text[WORKER_TEXT];
static pthread_t loop_thread;
static bool loop_stop;

static long run_irqgate(const char *verb)
{
	char vector[12],
		*argv[] = { irqgate_path(), (char *)verb, loop_text, vector, NULL, NULL, NULL };
	pid_t pid;
	int status;

	snprintf(vector, sizeof(vector), "%u", loop_call.b);
	if (!strcmp(verb, "allow")) {
		argv[4] = "--to";
		argv[5] = "blue";
	}
	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, NULL) || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return status ? -EIO : 0;
}

/* At any time one of the two numbers is the device's. */
static long twist(void)
{
	static int number[2], other = -1;
	int i;

	if (other < 0) {
		other = open("/dev/null", O_RDWR | O_CLOEXEC);
		number[0] = worker_dev.fd;
		number[1] = dup(worker_dev.fd);
	}
	for (i = 0; i < 2; i++) {
		if (dup2(number[i], number[!i]) < 0 || usleep(100) || dup2(other, number[i]) < 0)
			return -errno;
		usleep(1000);
	}
	return dup2(number[0], number[1]) < 0 ? -errno : 0;
}

static long loop_round(const struct call *c)
{
	long ret;

	switch ((enum loop)c->a) {
	case LOOP_BIND:
		ret = rig_irq_eventfds(worker_dev.fd, worker_dev.index, c->b, 1,
				       &worker_eventfds[c->b]);
		return ret == -EACCES ? 0 : ret;
	case LOOP_WRITE:
		usleep(2000);
		ret = rig_eventfd_signal(worker_eventfds[c->b]);
		return ret == -EACCES ? 0 : -EEXIST;
	case LOOP_HANGUP:
	case LOOP_CONTINUE:
		usleep(c->c);
		return kill((pid_t)c->b, c->a == LOOP_HANGUP ? SIGHUP : SIGCONT) ? -errno : 0;
	case LOOP_TWIST:
		return twist();
	case LOOP_FLAP:
		usleep(c->c);
		ret = run_irqgate("revoke");
		return ret ? ret : run_irqgate("allow");
	}
	return -EOPNOTSUPP;
}

static void *loop_run(void *arg)
{
	long rounds = 0, ret = 0;

	(void)arg;
	while (!ret && !__atomic_load_n(&loop_stop, __ATOMIC_RELAXED)) {
		ret = loop_round(&loop_call);
		rounds++;
	}
	return (void *)(ret ? ret : rounds);
}

static long loop_start(const struct call *c)
{
	snprintf(loop_text, sizeof(loop_text), "%s", c->text);
	loop_call = *c;
	loop_stop = false;
	return -pthread_create(&loop_thread, NULL, loop_run, NULL);
}

static long loop_end(void)
{
	void *result;

	__atomic_store_n(&loop_stop, true, __ATOMIC_RELAXED);
	pthread_join(loop_thread, &result);
	return (long)result;
}

/* ---- filling what irqgate remembers -------------------------------------------- */

static long create_vm(unsigned long type)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, type);
	long ret = vm < 0 ? -errno : 0;

	close(kvm);
	return ret;
}

static long fill_one(enum fill what, uint32_t i)
{
	int fd = what == FILL_VM || what == FILL_BAD_VM ? -1 : rig_eventfd();
	struct vhost_vring_file ring = { .fd = fd };
	struct kvm_ioeventfd io = {
		.addr = 0x1000,
		.len = 4,
		.fd = fd,
		.datamatch = i,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = RIG_GSI(0) };
	long ret;

	switch (what) {
	case FILL_OTHER:
		ret = ioctl(fd, VHOST_SET_VRING_CALL, &ring) ? -errno : 0;
		return ret == -ENOTTY ? 0 : ret;
	case FILL_BAD_VM:
		ret = create_vm(0x5a5a);
		return ret == -EINVAL ? 0 : ret;
	case FILL_IOEVENTFD:
		return ioctl(worker_vm.fd, KVM_IOEVENTFD, &io) ? -errno : 0;
	case FILL_IRQFD:
		return ioctl(worker_vm.fd, KVM_IRQFD, &irqfd) ? -errno : 0;
	case FILL_VM:
		return create_vm(0);
	}
	return -EINVAL;
}

static long fill(const struct call *c)
{
	struct rlimit files;
	long ret = 0;
	uint32_t i;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < c->b && !ret; i++)
		ret = fill_one((enum fill)c->a, i);
	if (ret == -EACCES)
		return (long)i - 1;
	return ret ? ret : (long)i;
}

long serve_evade(const struct call *c)
{
	switch ((enum evade_op)c->op) {
	case E_SWAP_VFIO:
		return swap_vfio(c);
	case E_SWAP_IRQFD:
		return swap_irqfd(c);
	case E_STALL:
		return stall(c);
	case E_STALL_END:
		return stall_end();
	case E_RACE:
		return race(c);
	case E_DASH:
		return dash(c);
	case E_COMPAT_MSI:
		return compat_msi(c);
	case E_VHOST:
		return vhost_call(c);
	case E_SET_IRQS:
		return set_irqs(c);
	case E_SHARE:
		return share(c);
	case E_SPARSE:
		return sparse(c);
	case E_ROUTE:
		return rig_vm_route(&worker_vm, RIG_GSI(c->a), RIG_LAPIC(c->b));
	case E_CLONE:
		return clone_vm(c);
	case E_EXEC:
		return become(c);
	case E_SETUID:
		return setresuid(c->a, c->a, c->a) ? -errno : 0;
	case E_CLOSE:
		return close(worker_eventfds[c->a]) ? -errno : 0;
	case E_DEASSIGN:
		return rig_vm_irqfd_off(&worker_vm, worker_eventfds[c->a], RIG_GSI(c->a));
	case E_VM_END:
		rig_vm_destroy(&worker_vm);
		return 0;
	case E_RING:
		return ring_new();
	case E_RING_SEND:
		return ring_send(c);
	case E_RING_WRITE:
		ring_value = 1;
		return ring_do(&ring, prepare_write, NULL);
	case E_RING_READ:
		return ring_do(&ring, prepare_read, NULL);
	case E_RING_INSTALL:
		return ring_install(c);
	case E_CHURN:
		return churn(c);
	case E_HALF_CHURN:
		return churn_make(c, c->b);
	case E_COUNTED:
		return counted_stream(c);
	case E_BURST:
		return burst(c);
	case E_URGENT:
		return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 1 }) ? -errno : 0;
	case E_LOOP:
		return loop_start(c);
	case E_LOOP_END:
		return loop_end();
	case E_FILL:
		return fill(c);
	}
	return -EOPNOTSUPP;
}
