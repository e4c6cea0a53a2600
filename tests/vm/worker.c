// SPDX-License-Identifier: GPL-2.0-only
#include "worker.h"
#include "rig.h"
#include "worker-evade.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRIVE_MS 2000
#define SETTLE_MS 100
#define ANSWER_S 30

struct call {
	uint32_t op, a, b, c;
	char text[WORKER_TEXT];
};

struct stream {
	volatile int stop;
	volatile long raised;
};

static struct rig_dev dev;
static struct rig_vm vm;
static int32_t eventfds[RIG_MAX_VECTORS];
static int peer = -1;
static int server; /* the socket steps come from */
static struct stream *stream;
static pid_t streamer;

static ssize_t send_fd(int sock, const void *buf, size_t len, int fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
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

static ssize_t recv_fd(int sock, void *buf, size_t len, int *fd)
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
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return n;
}

/* Not /proc/self/exe: the process would be named after it. */
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
	if (send_fd(w->sock, &call, sizeof(call), fd) < 0)
		return -errno;
	n = recv_fd(w->sock, &result, sizeof(result), &none);
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
		ret = rig_dev_open(&dev, bdf);
	return ret ? ret : (long)dev.vectors;
}

static long create_vm(uint32_t vectors)
{
	int ret = rig_vm_create(&vm);

	return ret ? ret : rig_vm_route_range(&vm, 0, vectors);
}

static long create_eventfds(uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		eventfds[i] = rig_eventfd();
		if (eventfds[i] < 0)
			return eventfds[i];
	}
	return 0;
}

static long bind_irqfds(uint32_t start, uint32_t count)
{
	long first = 0;
	uint32_t i;
	int ret;

	for (i = start; i < start + count; i++) {
		ret = rig_vm_irqfd(&vm, eventfds[i], RIG_GSI(i));
		if (ret && !first)
			first = ret;
	}
	return first;
}

/* Apart, so that the hardware does not merge two into one. */
static long raise_all(const struct call *c)
{
	uint32_t i, t;
	int ret;

	for (t = 0; t < c->c; t++) {
		for (i = c->a; i < c->a + c->b; i++) {
			ret = rig_dev_raise(&dev, i);
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

	rig_vm_clear(&vm);
	for (t = 0; t < c->c; t++) {
		for (i = c->a; i < c->a + c->b; i++) {
			ret = rig_dev_raise(&dev, i);
			if (!ret)
				ret = rig_vm_wait_vector(&vm, RIG_LAPIC(i), ARRIVE_MS);
			if (!ret && rig_vm_irr(&vm, NULL) != 1)
				ret = -EEXIST;
			if (ret)
				return ret;
			rig_vm_clear(&vm);
		}
	}
	return 0;
}

static long pending(void)
{
	int n;

	usleep(SETTLE_MS * 1000);
	n = rig_vm_irr(&vm, NULL);
	rig_vm_clear(&vm);
	return n;
}

static long all_absent(const struct call *c)
{
	long ret;

	rig_vm_clear(&vm);
	ret = raise_all(c);
	return ret ? ret : pending() ? -EEXIST : 0;
}

static long await(uint32_t vector)
{
	int ret = rig_vm_wait_vector(&vm, RIG_LAPIC(vector), ARRIVE_MS);

	rig_vm_clear(&vm);
	return ret;
}

/* int 0x80 takes its pointers in 32 bits. */
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
	char buf[sizeof(struct vfio_irq_set) + sizeof(eventfds)];
	struct vfio_irq_set set = {
		.argsz = sizeof(set) + count * sizeof(int32_t),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = dev.index,
		.start = start,
		.count = count,
	};

	memcpy(buf, &set, sizeof(set));
	memcpy(buf + sizeof(set), &eventfds[start], count * sizeof(int32_t));
	return worker_ioctl32(dev.fd, VFIO_DEVICE_SET_IRQS, buf, set.argsz);
}

static long compat_irqfd(uint32_t vector)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)eventfds[vector], .gsi = RIG_GSI(vector) };

	return worker_ioctl32(vm.fd, KVM_IRQFD, &irqfd, sizeof(irqfd));
}

static long stream_start(uint32_t vector, uint32_t gap)
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
		if (rig_dev_raise(&dev, vector))
			_exit(1);
		stream->raised++;
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

/* The child serves from here on; who waits for the parent waits for both. */
static long go_on_in_child(void)
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

void worker_become(uint32_t vector, const char *cgroup, int sock)
{
	char number[5][12], self[512];
	char *argv[] = {
		"vmtest", "-w", number[0], number[1], number[2], number[3], number[4], NULL
	};
	const int values[] = { sock, (int)vector, eventfds[vector], dev.fd, (int)dev.index };
	int i;

	for (i = 0; i < 5; i++)
		snprintf(number[i], sizeof(number[i]), "%d", values[i]);
	keep_at_exec(sock);
	keep_at_exec(eventfds[vector]);
	keep_at_exec(dev.fd);
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
	if (!pid)
		worker_become(vector, cgroup, sock);
	return pid < 0 ? -errno : pid;
}

static long receive(uint32_t vector)
{
	char byte;
	int fd;

	if (recv_fd(peer, &byte, 1, &fd) != 1)
		return -errno;
	eventfds[vector] = fd;
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
		eventfds[vector] = got;
	close(pidfd);
	return got < 0 ? got : 0;
}

static long serve(const struct call *c, int fd)
{
	uint8_t yes = 1;

	switch ((enum worker_op)c->op) {
	case W_OPEN:
		return open_device(c->text);
	case W_CLOSE:
		rig_dev_close(&dev);
		return 0;
	case W_VM:
		return create_vm(c->a);
	case W_EVENTFDS:
		return create_eventfds(c->a);
	case W_VFIO:
		return rig_irq_eventfds(dev.fd, dev.index, c->a, c->b, &eventfds[c->a]);
	case W_VFIO_OFF:
		return rig_irq_disable(dev.fd, dev.index);
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
		return rig_eventfd_take(eventfds[c->a]);
	case W_WRITE:
		return rig_eventfd_signal(eventfds[c->a]);
	case W_MSI:
		return rig_vm_signal_msi(&vm, RIG_LAPIC(c->a));
	case W_LINE:
		return rig_vm_irq_line(&vm, RIG_GSI(c->a), true);
	case W_NONE:
		return rig_irq_none(dev.fd, dev.index, c->a, 1);
	case W_BOOL:
		return rig_irq_bool(dev.fd, dev.index, c->a, 1, &yes);
	case W_COMPAT_VFIO:
		return compat_vfio(c->a, c->b);
	case W_COMPAT_IRQFD:
		return compat_irqfd(c->a);
	case W_STREAM:
		return stream_start(c->a, c->b);
	case W_STREAM_STOP:
		return stream_stop();
	case W_CGROUP:
		return rig_cgroup_enter(c->text);
	case W_FORK:
		return go_on_in_child();
	case W_HEIR:
		return start_heir(c->a, c->text, fd);
	case W_PEER:
		peer = dup(fd);
		return peer < 0 ? -errno : 0;
	case W_SEND:
		return send_fd(peer, "", 1, c->b ? dev.fd : eventfds[c->a]) == 1 ? 0 : -errno;
	case W_RECEIVE:
		return receive(c->a);
	case W_NUMBER:
		return c->b ? dev.fd : eventfds[c->a];
	case W_STEAL:
		return steal(c->a, c->b, c->c);
	}
	return evade_serve(&(struct evade_call){
		.op = c->op,
		.a = c->a,
		.b = c->b,
		.c = c->c,
		.text = c->text,
		.dev = &dev,
		.vm = &vm,
		.eventfds = eventfds,
		.sock = server,
	});
}

int worker_main(int argc, char **argv)
{
	struct call call;
	int64_t result;
	int fd;

	server = atoi(argv[0]);
	dev.fd = -1;
	if (argc == 5) {
		eventfds[atoi(argv[1])] = atoi(argv[2]);
		dev.fd = atoi(argv[3]);
		dev.index = (uint32_t)atoi(argv[4]);
	}
	while (recv_fd(server, &call, sizeof(call), &fd) == sizeof(call)) {
		result = serve(&call, fd);
		if (fd >= 0)
			close(fd);
		if (send_fd(server, &result, sizeof(result), -1) != sizeof(result))
			return 1;
	}
	return 0;
}
