// SPDX-License-Identifier: GPL-2.0-only
#include "worker-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRIVE_MS 2000
#define SETTLE_MS 100
#define ANSWER_S 30
#define LOST_MS 20000 /* an interrupt that did not come is lost, however busy the machine is */

struct stream {
	volatile int stop;
	volatile long raised;
};

struct rig_dev worker_dev;
struct rig_vm worker_vm;
int32_t worker_eventfds[RIG_MAX_VECTORS];
int worker_peer = -1;
int worker_sock;
static struct stream *stream;
static pid_t streamer;

/* The worker must not execute /proc/self/exe: the process would be named "exe". */
static const char *own_path(char *buf, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", buf, len - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void be_patient(int sock)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

int worker_start(struct worker *w, const struct worker_options *options)
{
	pid_t parent = getpid();
	char self[512];
	int pair[2];
	char number[12];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	be_patient(pair[0]);
	fflush(NULL);
	w->pid = fork();
	if (w->pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (!w->pid) {
		const char *exe = options->exe ? options->exe : own_path(self, sizeof(self));
		int sock = dup(pair[1]); /* without close-on-exec */

		snprintf(number, sizeof(number), "%d", sock);
		if (sock < 0 || (options->cgroup && rig_cgroup_enter(options->cgroup)) ||
		    (options->uid && setresuid(options->uid, options->uid, options->uid)) ||
		    prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
			_exit(126);
		execl(exe, exe, "-w", number, NULL);
		_exit(127);
	}
	close(pair[1]);
	w->sock = pair[0];
	return 0;
}

long worker_call(struct worker *w, enum worker_op op, uint32_t a, uint32_t b, uint32_t c,
		 const char *text, int fd)
{
	struct call call = { .op = op, .a = a, .b = b, .c = c };
	int64_t result;
	int none;
	ssize_t n;

	if (text)
		snprintf(call.text, sizeof(call.text), "%s", text);
	if (rig_send_fd(w->sock, &call, sizeof(call), fd) < 0)
		return -errno;
	n = rig_recv_fd(w->sock, &result, sizeof(result), &none);
	if (n < 0 && errno == EAGAIN)
		return -ETIMEDOUT;
	return n == sizeof(result) ? result : -EPIPE;
}

int worker_heir(struct worker *w, struct worker *heir, const char *cgroup, uint32_t vector)
{
	int pair[2];
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	be_patient(pair[0]);
	pid = worker_call(w, W_HEIR, vector, 0, 0, cgroup, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return (int)pid;
	}
	heir->pid = (pid_t)pid;
	heir->sock = pair[0];
	return 0;
}

/* ---- the other side ------------------------------------------------------ */

static long open_device(const char *bdf)
{
	int ret = rig_pci_bind_vfio(bdf);

	if (!ret)
		ret = rig_dev_open(&worker_dev, bdf);
	return ret ? ret : (long)worker_dev.vectors;
}

static long create_vm(uint32_t vectors, bool runs)
{
	int ret = rig_vm_create(&worker_vm);

	if (!ret && vectors)
		ret = rig_vm_route_range(&worker_vm, 0, vectors);
	return ret || !runs ? ret : rig_vm_guest(&worker_vm);
}

static long create_eventfds(uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		worker_eventfds[i] = rig_eventfd();
		if (worker_eventfds[i] < 0)
			return worker_eventfds[i];
	}
	return 0;
}

static long bind_irqfds(uint32_t start, uint32_t count)
{
	long first = 0;
	uint32_t i;
	int ret;

	for (i = start; i < start + count; i++) {
		ret = rig_vm_irqfd(&worker_vm, worker_eventfds[i], RIG_GSI(i));
		if (ret && !first)
			first = ret;
	}
	return first;
}

/* It pauses between interrupts, so that the hardware does not merge two into one. */
static long raise_all(const struct call *c)
{
	uint32_t i, t;
	int ret;

	/* An inherited device is not mapped yet. */
	if (worker_dev.fd >= 0 && !worker_dev.bar[0]) {
		ret = rig_dev_map(&worker_dev);
		if (ret)
			return ret;
	}
	for (t = 0; t < c->c; t++) {
		for (i = c->a; i < c->a + c->b; i++) {
			ret = rig_dev_raise(&worker_dev, i);
			if (ret)
				return ret;
			usleep(2000);
		}
	}
	return 0;
}

static long all_arrive(const struct call *c)
{
	uint32_t i, t;
	int ret;

	rig_vm_clear(&worker_vm);
	for (t = 0; t < c->c; t++) {
		for (i = c->a; i < c->a + c->b; i++) {
			ret = rig_dev_raise(&worker_dev, i);
			if (!ret)
				ret = rig_vm_wait_vector(&worker_vm, RIG_LAPIC(i), ARRIVE_MS);
			if (!ret && rig_vm_irr(&worker_vm, NULL) != 1)
				ret = -EEXIST;
			if (ret)
				return ret;
			rig_vm_clear(&worker_vm);
		}
	}
	return 0;
}

static long pending(void)
{
	int n;

	usleep(SETTLE_MS * 1000);
	n = rig_vm_irr(&worker_vm, NULL);
	rig_vm_clear(&worker_vm);
	return n;
}

static long all_absent(const struct call *c)
{
	long ret;

	rig_vm_clear(&worker_vm);
	ret = raise_all(c);
	return ret ? ret : pending() ? -EEXIST : 0;
}

static long await(uint32_t vector)
{
	int ret = rig_vm_wait_vector(&worker_vm, RIG_LAPIC(vector), ARRIVE_MS);

	rig_vm_clear(&worker_vm);
	return ret;
}

/* int 0x80 takes pointers of 32 bits. */
long worker_ioctl32(int fd, unsigned int cmd, const void *data, size_t len)
{
	long ret = -ENOSYS;
#ifdef __x86_64__
	void *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED)
		return -errno;
	memcpy(low, data, len);
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "0"(54L /* ioctl */), "b"((long)fd), "c"((long)cmd), "d"(low)
			 : "memory", "r8", "r9", "r10", "r11");
	munmap(low, 4096);
	ret = (int)ret;
#endif
	return ret;
}

static long compat_vfio(uint32_t start, uint32_t count)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(worker_eventfds)];
	struct vfio_irq_set set = {
		.argsz = sizeof(set) + count * sizeof(int32_t),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = worker_dev.index,
		.start = start,
		.count = count,
	};

	memcpy(buf, &set, sizeof(set));
	memcpy(buf + sizeof(set), &worker_eventfds[start], count * sizeof(int32_t));
	return worker_ioctl32(worker_dev.fd, VFIO_DEVICE_SET_IRQS, buf, set.argsz);
}

static long compat_irqfd(uint32_t vector)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)worker_eventfds[vector],
		.gsi = RIG_GSI(vector),
	};

	return worker_ioctl32(worker_vm.fd, KVM_IRQFD, &irqfd, sizeof(irqfd));
}

/* One at a time, so the hardware merges nothing, whatever the number of CPUs. */
static bool arrives(uint32_t vector)
{
	int fd = worker_eventfds[vector];

	return !rig_eventfd_wait(fd, LOST_MS) && rig_eventfd_take(fd) == 1;
}

static long stream_start(uint32_t vector, uint32_t gap, bool counted)
{
	pid_t parent = getpid();

	if (!stream)
		stream = mmap(NULL, sizeof(*stream), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stream == MAP_FAILED)
		return -errno;
	stream->stop = 0;
	stream->raised = 0;
	streamer = fork();
	if (streamer)
		return streamer < 0 ? -errno : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!stream->stop && getppid() == parent) {
		if (rig_dev_raise(&worker_dev, vector))
			_exit(1);
		stream->raised++;
		if (counted && !arrives(vector))
			_exit(1);
		usleep(gap);
	}
	_exit(0);
}

static long stream_stop(void)
{
	int status;

	stream->stop = 1;
	if (waitpid(streamer, &status, 0) != streamer || status)
		return -ECHILD;
	return stream->raised;
}

long go_on_in_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return getpid();
	}
	waitpid(pid, &status, 0);
	_exit(0);
}

static void keep_at_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

/* The last argument names the eventfds that an heir keeps, each as "VECTOR:FD,". */
void worker_become(uint32_t vector, const char *cgroup)
{
	char number[3][12], kept[1024] = "", self[512];
	char *argv[] = { "vmtest", "-w", number[0], number[1], number[2], kept, NULL };
	const int values[] = { worker_sock, worker_dev.fd, (int)worker_dev.index };
	size_t at = 0;
	uint32_t v;
	int i;

	for (i = 0; i < 3; i++)
		snprintf(number[i], sizeof(number[i]), "%d", values[i]);
	keep_at_exec(worker_sock);
	keep_at_exec(worker_dev.fd);
	for (v = 0; v < RIG_MAX_VECTORS; v++) {
		if ((v != vector && vector != W_ALL) || worker_eventfds[v] < 0)
			continue;
		keep_at_exec(worker_eventfds[v]);
		at += (size_t)snprintf(kept + at, sizeof(kept) - at, "%u:%d,", v,
				       worker_eventfds[v]);
	}
	if (!rig_cgroup_enter(cgroup) && !prctl(PR_SET_PDEATHSIG, SIGKILL))
		execv(own_path(self, sizeof(self)), argv);
	_exit(127);
}

static long start_heir(uint32_t vector, const char *cgroup, int sock)
{
	pid_t pid;

	if (sock < 0)
		return -EBADF;
	pid = fork();
	if (!pid) {
		worker_sock = sock;
		worker_become(vector, cgroup);
	}
	return pid < 0 ? -errno : pid;
}

static long receive(uint32_t vector, bool device, uint32_t index)
{
	char byte;
	int fd;

	if (rig_recv_fd(worker_peer, &byte, 1, &fd) != 1)
		return -errno;
	if (device) {
		worker_dev.fd = fd;
		worker_dev.index = index;
	} else {
		worker_eventfds[vector] = fd;
	}
	return fd >= 0;
}

static long steal(uint32_t vector, uint32_t pid, uint32_t fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), got;

	if (pidfd < 0)
		return -errno;
	got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (got < 0)
		got = -errno;
	else
		worker_eventfds[vector] = got;
	close(pidfd);
	return got < 0 ? got : 0;
}

static long trace(enum tracing how, pid_t pid)
{
	struct iovec here = { .iov_len = sizeof(here) }, there = { .iov_len = sizeof(there) };
	char path[64];
	long ret;

	switch (how) {
	case BY_MEM:
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		ret = open(path, O_RDWR | O_CLOEXEC);
		if (ret >= 0)
			close((int)ret);
		break;
	case BY_SEIZE:
		ret = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
		if (!ret && !ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) &&
		    waitpid(pid, NULL, __WALL) == pid)
			ret = ptrace(PTRACE_DETACH, pid, NULL, NULL);
		break;
	default:
		/* Any address does: EFAULT means that the kernel allowed the access. */
		here.iov_base = &here;
		there.iov_base = &worker_sock;
		there.iov_len = sizeof(worker_sock);
		ret = process_vm_readv(pid, &here, 1, &there, 1, 0);
	}
	return ret < 0 && errno != EIO && errno != EFAULT ? -errno : 0;
}

static void *be_idle(void *number)
{
	__atomic_store_n((pid_t *)number, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	while (pause() < 0)
		;
	return NULL;
}

static long start_idle(bool child)
{
	static pid_t number;
	pthread_t thread;
	pid_t pid;

	number = 0;
	if (child) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			be_idle(&number);
		}
		return pid < 0 ? -errno : pid;
	}
	if (pthread_create(&thread, NULL, be_idle, &number))
		return -EAGAIN;
	while (!__atomic_load_n(&number, __ATOMIC_SEQ_CST))
		usleep(1000);
	return number;
}

static long serve(const struct call *c, int fd)
{
	const int32_t none = -1;
	uint8_t yes = 1;
	uint64_t full = UINT64_MAX - 1;
	long ret;

	switch ((enum worker_op)c->op) {
	case W_OPEN:
		return open_device(c->text);
	case W_CLOSE:
		rig_dev_close(&worker_dev);
		return 0;
	case W_VM:
		return create_vm(c->a, c->b);
	case W_EVENTFDS:
		return create_eventfds(c->a);
	case W_VFIO:
		return rig_irq_eventfds(worker_dev.fd, worker_dev.index, c->a, c->b,
					&worker_eventfds[c->a]);
	case W_VFIO_OFF:
		return rig_irq_disable(worker_dev.fd, worker_dev.index);
	case W_IRQFD:
		return bind_irqfds(c->a, c->b);
	case W_RAISE:
		return raise_all(c);
	case W_ARRIVES:
		return all_arrive(c);
	case W_ABSENT:
		return all_absent(c);
	case W_PENDING:
		return pending();
	case W_WAIT:
		return await(c->a);
	case W_TAKE:
		return rig_eventfd_take(worker_eventfds[c->a]);
	case W_WRITE:
		return rig_eventfd_signal(worker_eventfds[c->a]);
	case W_FILL:
		return write(worker_eventfds[c->a], &full, sizeof(full)) != sizeof(full) ||
				       fcntl(worker_eventfds[c->a], F_SETFL, 0)
			       ? -errno
			       : 0;
	case W_MSI:
		return rig_vm_signal_msi(&worker_vm, RIG_LAPIC(c->a));
	case W_LINE:
		return rig_vm_irq_line(&worker_vm, RIG_GSI(c->a), true);
	case W_NONE:
		return rig_irq_none(worker_dev.fd, worker_dev.index, c->a, 1);
	case W_BOOL:
		return rig_irq_bool(worker_dev.fd, worker_dev.index, c->a, 1, &yes);
	case W_COMPAT_VFIO:
		return compat_vfio(c->a, c->b);
	case W_COMPAT_IRQFD:
		return compat_irqfd(c->a);
	case W_STREAM:
		return stream_start(c->a, c->b, c->c);
	case W_STREAM_STOP:
		return stream_stop();
	case W_CGROUP:
		return rig_cgroup_enter(c->text);
	case W_FORK:
		return go_on_in_child();
	case W_HEIR:
		return start_heir(c->a, c->text, fd);
	case W_NEW:
		close(worker_eventfds[c->a]);
		worker_eventfds[c->a] = rig_eventfd();
		return worker_eventfds[c->a];
	case W_UNBIND:
		return rig_irq_eventfds(worker_dev.fd, worker_dev.index, c->a, 1, &none);
	case W_PEER:
		if (worker_peer >= 0)
			close(worker_peer);
		worker_peer = dup(fd);
		return worker_peer < 0 ? -errno : 0;
	case W_SEND:
		fd = c->b ? worker_dev.fd : worker_eventfds[c->a];
		return rig_send_fd(worker_peer, "", 1, fd) == 1 ? 0 : -errno;
	case W_RECEIVE:
		return receive(c->a, c->b, c->c);
	case W_NUMBER:
		return c->b ? worker_dev.fd : worker_eventfds[c->a];
	case W_TRACE:
		return trace((enum tracing)c->a, (pid_t)c->b);
	case W_IDLE:
		return start_idle(c->a);
	case W_STEAL:
		return steal(c->a, c->b, c->c);
	default:
		ret = serve_adopt(c);
		if (ret == -EOPNOTSUPP)
			ret = serve_signal(c);
		if (ret == -EOPNOTSUPP)
			ret = serve_device(c);
		if (ret == -EOPNOTSUPP)
			ret = serve_vm(c);
		if (ret == -EOPNOTSUPP)
			ret = serve_access(c);
		return ret == -EOPNOTSUPP ? serve_evade(c) : ret;
	}
}

int worker_main(int argc, char **argv)
{
	struct call call;
	int64_t result;
	const char *p;
	unsigned int v;
	int fd, n;

	worker_sock = atoi(argv[0]);
	worker_dev.fd = worker_dev.group = worker_dev.container = -1;
	memset(worker_eventfds, -1, sizeof(worker_eventfds));
	if (argc == 4) {
		worker_dev.fd = atoi(argv[1]);
		worker_dev.index = (uint32_t)atoi(argv[2]);
		for (p = argv[3]; sscanf(p, "%u:%d,%n", &v, &fd, &n) == 2 && v < RIG_MAX_VECTORS;
		     p += n)
			worker_eventfds[v] = fd;
	}
	while (rig_recv_fd(worker_sock, &call, sizeof(call), &fd) == sizeof(call)) {
		result = serve(&call, fd);
		if (fd >= 0)
			close(fd);
		if (rig_send_fd(worker_sock, &result, sizeof(result), -1) != sizeof(result))
			return 1;
	}
	return 0;
}
