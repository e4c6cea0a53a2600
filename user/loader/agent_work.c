// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/vfio.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "loader/agent_work.h"
#include "loader/fd_copy.h"

/* INTx is the only vector of its index, so its number there is 0. */
static int set_vector(int device, __u32 index, __u32 vector, int eventfd)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int)];
	struct vfio_irq_set *set = (void *)buf;

	set->argsz = sizeof(buf);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->start = index == VFIO_PCI_INTX_IRQ_INDEX ? 0 : vector;
	set->count = 1;
	memcpy(set->data, &eventfd, sizeof(int));
	return ioctl(device, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}

/* An interrupt that went to the sink left the line masked, because no guest acknowledged it. */
static int unmask_intx(int device)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(device, VFIO_DEVICE_SET_IRQS, &set) ? -errno : 0;
}

static void on_alarm(int signal)
{
	(void)signal; /* it only has to interrupt write(2) */
}

/*
 * Signal an eventfd for the device. A hostile owner can keep the eventfd full, so that the
 * write waits. The timer interrupts the write; it fires repeatedly, because it may fire
 * before the write begins. That loses nothing: the reader of a full eventfd has a signal.
 */
static int signal_eventfd(int eventfd)
{
	const struct itimerval soon = { { 0, 10000 }, { 0, 10000 } }, never = {};
	struct sigaction act = { .sa_handler = on_alarm }, old;
	__u64 one = 1;
	int err;

	sigaction(SIGALRM, &act, &old);
	err = setitimer(ITIMER_REAL, &soon, NULL) ? -errno : 0;
	if (!err && write(eventfd, &one, sizeof(one)) < 0)
		err = errno == EINTR || errno == EAGAIN ? 0 : -errno;
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	return err;
}

/*
 * Copy the owner's eventfd. -ENOENT: the owner has closed it. Asks the binder first: it most
 * likely holds the eventfd, and a search through all processes takes long.
 */
static int copy_eventfd(const struct irqgate_binding *b, __u64 eventfd)
{
	int fd = b->binder.tgid && fd_copy_gated() ? fd_copy_eventfd(b->binder.tgid) : -ESRCH;

	if (fd < 0)
		fd = fd_copy_file(IRQGATE_FILE_EVENTFD, eventfd);
	return fd == -ESRCH ? -ENOENT : fd;
}

static int point_vector(int device, const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	int target, err;

	target = op == IRQGATE_AGENT_QUARANTINE ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
						: copy_eventfd(b, b->original);
	if (target < 0)
		return op == IRQGATE_AGENT_QUARANTINE ? -errno : target;
	err = set_vector(device, b->index, b->vector, target);
	if (!err && op == IRQGATE_AGENT_RELEASE && b->index == VFIO_PCI_INTX_IRQ_INDEX)
		err = unmask_intx(device);
	close(target);
	return err;
}

/*
 * Give back the interrupt that was swallowed. The injection gate checks that there is one,
 * and that the receiver is still the same (gate_replay() in bpf/inject.bpf.c).
 */
static int replay(int device, const struct irqgate_binding *b)
{
	int fd, err;

	if (device >= 0)
		return unmask_intx(device);
	fd = copy_eventfd(b, b->trigger);
	if (fd < 0)
		return fd;
	err = signal_eventfd(fd);
	close(fd);
	return err;
}

/* The copy of the device, -1: none. */
static int copied = -1;

static void close_copy(void)
{
	if (copied >= 0)
		close(copied); /* a copy would keep the device open after its owner's exit */
	copied = -1;
}

int agent_copy_device(void *arg)
{
	const struct agent_copy *c = arg;

	close_copy();
	/* If no gate refuses other files, the fd may be another file by now: search again. */
	copied = fd_copy_gated() ? fd_copy(c->from.tgid, c->from.tid, c->from.fd)
				 : fd_copy_file(IRQGATE_FILE_VFIO_DEVICE, c->device);
	return copied < 0 ? copied : 0;
}

int agent_work(void *arg)
{
	const struct agent_work *w = arg;
	int err = w->op == IRQGATE_AGENT_REPLAY ? replay(copied, &w->b)
						: point_vector(copied, &w->b, w->op);

	close_copy();
	return err;
}
