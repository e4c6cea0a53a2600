// SPDX-License-Identifier: GPL-2.0-only
/* Places where irqgate finds the files of a process with difficulty. */
#include "lib.h"
#include "worker-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <linux/fuse.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

static int flight[2];

static long put_in_flight(int fd)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, flight))
		return -errno;
	return rig_send_fd(flight[0], "", 1, fd) == 1 ? 0 : -errno;
}

static long seek(void)
{
	char byte;

	if (rig_recv_fd(flight[1], &byte, 1, &worker_dev.fd) != 1)
		return -errno;
	return worker_dev.fd < 0 ? -EACCES : 0;
}

static long put_in_child(int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : 0;
	close(fd);
	close(worker_sock);
	sleep(20);
	_exit(0);
}

/* The helper shares the fds of this process and is not one of its threads. */
static long have_closed(int fd)
{
	pid_t parent = getpid(), pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (pid)
		return pid < 0 ? -errno : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (task_state(parent) != 'T')
		usleep(1000);
	close(fd);
	_exit(0);
}

static struct io_uring ring;
static off_t command_at;

static long put_in_uring(int fd)
{
	int ret = io_uring_queue_init(1, &ring, 0);

	command_at = rig_dev_config(&worker_dev, PCI_COMMAND);
	return ret ?: io_uring_register_files(&ring, &fd, 1);
}

static long enable_by_uring(void)
{
	static const uint16_t on = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER; /* of x86 */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_write(sqe, 0, &on, sizeof(on), (uint64_t)command_at);
	sqe->flags |= IOSQE_FIXED_FILE;
	ret = io_uring_submit_and_wait(&ring, 1);
	if (ret < 0 || (ret = io_uring_wait_cqe(&ring, &cqe)))
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret == sizeof(on) ? 0 : ret < 0 ? ret : -EIO;
}

static long hide(enum hiding where, bool device)
{
	int *fd = device ? &worker_dev.fd : &worker_vm.fd;
	long ret = 0;

	switch (where) {
	case IN_FLIGHT:
		ret = put_in_flight(*fd);
		break;
	case IN_URING:
		ret = put_in_uring(*fd);
		break;
	case IN_CHILD:
		ret = put_in_child(*fd);
		break;
	case BY_HELPER:
		return have_closed(*fd);
	case IN_MAPPING:
		break;
	}
	if (ret)
		return ret;
	close(*fd);
	*fd = -1;
	return 0;
}

/* ---- a process that wants a copy of the device fd has to wait ------------------------- */

static long crowd(uint32_t n)
{
	const struct rlimit files = { n + 16, n + 16 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	if (null < 0 || setrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	do {
		fd = fcntl(null, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
	} while ((uint32_t)fd < n);
	if (dup2(worker_dev.fd, fd) < 0)
		return -errno;
	close(worker_dev.fd);
	worker_dev.fd = fd;
	return 0;
}

/* A file system of one file. It answers every request but a read. */
static void serve_file(int fuse, volatile int *asked)
{
	union {
		struct fuse_in_header head;
		char text[FUSE_MIN_READ_BUFFER];
	} in;
	struct {
		struct fuse_out_header head;
		union {
			struct fuse_init_out init;
			struct fuse_attr_out attr;
			struct fuse_open_out open;
		} body;
	} out;

	while (read(fuse, &in, sizeof(in)) > 0) {
		memset(&out, 0, sizeof(out));
		out.head.unique = in.head.unique;
		out.head.len = sizeof(out.head);
		switch (in.head.opcode) {
		case FUSE_INIT:
			out.body.init.major = FUSE_KERNEL_VERSION;
			out.body.init.minor = 31;
			out.body.init.max_write = 4096;
			out.body.init.flags = FUSE_ASYNC_DIO;
			out.head.len += sizeof(out.body.init);
			break;
		case FUSE_GETATTR:
			out.body.attr.attr.ino = FUSE_ROOT_ID;
			out.body.attr.attr.mode = S_IFREG | 0600;
			out.body.attr.attr.nlink = 1;
			out.body.attr.attr.size = PAGE;
			out.head.len += sizeof(out.body.attr);
			break;
		case FUSE_OPEN:
			out.head.len += sizeof(out.body.open);
			break;
		case FUSE_READ:
			*asked = 1;
			continue;
		default:
			out.head.error = -ENOSYS;
		}
		if (write(fuse, &out, out.head.len) < 0)
			break;
	}
	_exit(0);
}

/* The server ends with this process. Then every process that waits for the file goes on. */
static long mount_file(const char *path, volatile int *asked)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), file;
	char options[64];
	pid_t pid;

	file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fuse < 0 || file < 0)
		return -errno;
	close(file);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100600,user_id=0,group_id=0", fuse);
	if (mount("test", path, "fuse", MS_NOSUID | MS_NODEV, options))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fuse, STDERR_FILENO + 1);
		close_range(STDERR_FILENO + 2, ~0u, 0);
		serve_file(STDERR_FILENO + 1, asked);
	}
	close(fuse);
	return 0;
}

/*
 * execve(2) waits for the aio(7) requests of the process, and holds a lock meanwhile.
 * pidfd_getfd(2) on this process takes the same lock.
 */
static void bind_and_exec(uint32_t vectors, const char *file)
{
	static char buf[PAGE] __attribute__((aligned(PAGE)));
	struct iocb read = { .aio_lio_opcode = IOCB_CMD_PREAD }, *reads[] = { &read };
	aio_context_t aio = 0;
	struct stat st;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(worker_sock);
	if (rig_irq_eventfds(worker_dev.fd, worker_dev.index, 0, vectors, worker_eventfds))
		_exit(1);
	fcntl(worker_dev.fd, F_SETFD, 0); /* the new program holds it, too */
	read.aio_fildes = (uint32_t)open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);
	read.aio_buf = (uint64_t)buf;
	read.aio_nbytes = sizeof(buf);
	if (fstat((int)read.aio_fildes, &st) || syscall(SYS_io_setup, 1, &aio) ||
	    syscall(SYS_io_submit, aio, 1, reads) != 1)
		_exit(1);
	execl("/bin/true", "true", NULL);
	_exit(1);
}

static long be_stuck(uint32_t vectors, bool both)
{
	volatile int *asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[64];
	pid_t pid;
	long ret;
	int i;

	if (asked == MAP_FAILED)
		return -errno;
	snprintf(path, sizeof(path), "/run/irqgate-test-file.%d", getpid());
	ret = mount_file(path, asked);
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		bind_and_exec(vectors, path);
	if (pid < 0)
		return -errno;
	for (i = 0; i < 5000 && !*asked; i++)
		usleep(1000);
	usleep(500000); /* reading /proc/PID/stat to see whether it waits would wait, too */
	umount2(path, MNT_DETACH);
	unlink(path);
	if (i == 5000)
		return -ETIMEDOUT;
	if (!both) {
		close(worker_dev.fd);
		worker_dev.fd = -1;
	}
	return pid;
}

long serve_adopt(const struct call *c)
{
	switch ((enum worker_op)c->op) {
	case W_NAMESPACE:
		return unshare(CLONE_NEWPID) ? -errno : go_on_in_child();
	case W_HIDE:
		return hide(c->a, c->b);
	case W_SEEK:
		return seek();
	case W_RING_ENABLE:
		return enable_by_uring();
	case W_CROWD:
		return crowd(c->a);
	case W_STUCK:
		return be_stuck(c->a, c->b);
	default:
		return -EOPNOTSUPP;
	}
}
