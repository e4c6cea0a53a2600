// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "direct.h"
#include "handle.h"
#include "isolate.h"
#include "quarantine.h"
#include "table.h"
#include "util.h"

/* How long to wait for who is about to stop, ms, and after which time not any more. */
#define HELD_TRIES 20
#define HELD_NS 5000000000ULL

/* Where in which process a file is to be found. */
struct wanted {
	enum irqgate_file_kind kind;
	__u64 object;
	__u32 tgid; /* 0: nobody has it */
	int fd;
};

static int is_wanted(const struct irqgate_file *file, void *arg)
{
	struct wanted *w = arg;

	if (file->kind != w->kind || file->object != w->object)
		return 0;
	w->tgid = file->tgid;
	w->fd = file->fd;
	return 1;
}

/* A copy of a file some process holds. */
static int copy_file(enum irqgate_file_kind kind, __u64 object)
{
	struct wanted w = { .kind = kind, .object = object };
	int ret = pins_iterate("iter_vfio", is_wanted, &w);
	int pidfd, fd;

	if (ret < 0)
		return ret;
	if (!w.tgid)
		return -ESRCH;
	pidfd = syscall(SYS_pidfd_open, w.tgid, 0);
	if (pidfd < 0)
		return -errno;
	fd = syscall(SYS_pidfd_getfd, pidfd, w.fd, 0);
	if (fd < 0)
		fd = -errno;
	close(pidfd);
	return fd;
}

/* INTx is the only vector of its index. */
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

/* The interrupt that went to the sink left the line masked: nobody there acknowledged it. */
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

/*
 * As an agent, the gates let a process take copies of protected files and know
 * the change it makes for a quarantine.
 */
static int retrigger(struct pins *pins, const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	struct irqgate_tgid_key key = { .tgid = getpid() };
	struct irqgate_agent agent = { .op = op, .irq = b->irq };
	int device = -1, target = -1, err;

	err = bpf_map_update_elem(pins->agents, &key, &agent, BPF_ANY);
	if (err)
		return err;
	target = op == IRQGATE_AGENT_QUARANTINE ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
						: copy_file(IRQGATE_FILE_EVENTFD, b->original);
	if (target == -ESRCH)
		err = -ENOENT;
	else if (target < 0)
		err = op == IRQGATE_AGENT_QUARANTINE ? -errno : target;
	if (!err)
		err = device = copy_file(IRQGATE_FILE_VFIO_DEVICE, b->device);
	if (device >= 0)
		err = set_vector(device, b->index, b->vector, target);
	if (device >= 0 && !err && op == IRQGATE_AGENT_RELEASE &&
	    b->index == VFIO_PCI_INTX_IRQ_INDEX)
		err = unmask_intx(device);
	bpf_map_delete_elem(pins->agents, &key);
	if (target >= 0)
		close(target);
	if (device >= 0)
		close(device); /* it would pin the device beyond its owner's exit */
	return err;
}

static int fail_binding(int err, const struct irqgate_binding *b, const char *what)
{
	char handle[HANDLE_STRLEN];

	return fail(err, "%s vector %u: cannot be %s: %s", handle_format(b->handle, handle),
		    b->vector, what, strerror(-err));
}

/*
 * Until the hooks have seen it: the kernel may have skipped them. A binding that is not
 * there any more was unbound by its owner meanwhile.
 */
static int retrigger_seen(struct pins *pins, const struct irqgate_binding *b,
			  enum irqgate_agent_op op, enum irqgate_binding_state state)
{
	struct irqgate_binding now;
	int tries, err;

	for (tries = 0; tries < 10; tries++) {
		err = retrigger(pins, b, op);
		if (err || binding_find(pins, b->irq, &now) || now.state == state)
			return err;
		usleep(1000); /* for who was preempted in a hook to go on */
	}
	return -EIO;
}

static int quarantine(struct pins *pins, const struct irqgate_binding *b)
{
	int err = retrigger_seen(pins, b, IRQGATE_AGENT_QUARANTINE, IRQGATE_BINDING_QUARANTINED);

	return err ? fail_binding(err, b, "quarantined") : 0;
}

static int release(struct pins *pins, const struct irqgate_binding *b)
{
	int err = retrigger_seen(pins, b, IRQGATE_AGENT_RELEASE, IRQGATE_BINDING_BOUND);

	if (err == -ENOENT)
		return fail_binding(err, b,
				    "released, its owner closed the eventfd and must bind again");
	return err ? fail_binding(err, b, "released") : 0;
}

/* Processes the gates stopped until their vectors are in order, and since when. */
struct held {
	struct irqgate_tgid_key key[256];
	__u64 since[256];
	unsigned int n;
};

static int held_read(const struct pins *pins, struct held *held)
{
	struct irqgate_tgid_key key, *prev = NULL;
	int more;

	held->n = 0;
	for (; (more = map_next(pins->held, prev, &key)) > 0; prev = &key) {
		if (held->n == ARRAY_SIZE(held->key))
			return 0;
		if (!bpf_map_lookup_elem(pins->held, &key, &held->since[held->n]))
			held->key[held->n++] = key;
	}
	return more;
}

/* What cannot be read of a process may be that it is not there any more. */
static bool gone(void)
{
	return errno == ENOENT || errno == ESRCH;
}

/* Has the thread come back from the call it was in, or ended? proc(5), stat. */
static bool thread_stopped(int tasks, const char *tid)
{
	char path[NAME_MAX + 8], text[64], *state;
	bool ended;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", tid);
	fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return gone();
	n = read(fd, text, sizeof(text) - 1);
	ended = n < 0 && gone();
	close(fd);
	if (n <= 0)
		return ended;
	text[n] = '\0';
	state = strrchr(text, ')');
	return state && state[1] && state[2] && strchr("TtZX", state[2]);
}

static bool process_stopped(__u32 tgid)
{
	bool stopped = true;
	struct dirent *d;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", tgid);
	dir = opendir(path);
	if (!dir)
		return gone();
	while (stopped && (errno = 0, d = readdir(dir)))
		stopped = d->d_name[0] == '.' || thread_stopped(dirfd(dir), d->d_name);
	if (stopped && errno)
		stopped = gone();
	closedir(dir);
	return stopped;
}

/*
 * Leave those that are stopped: what they were binding is bound. One that is not yet
 * may be in that call; it waits for the next time, but not for ever, for another of its
 * threads may be in one that does not end.
 */
static void held_wait(struct held *held)
{
	unsigned int i, n = 0, tries = HELD_TRIES;
	bool stopped;

	for (i = 0; i < held->n; i++) {
		while (!(stopped = process_stopped(held->key[i].tgid)) && tries) {
			usleep(1000);
			tries--;
		}
		if (!stopped && boottime_ns() - held->since[i] < HELD_NS)
			continue;
		held->key[n] = held->key[i];
		held->since[n++] = held->since[i];
	}
	held->n = n;
}

/* Those go on; one that was stopped anew meanwhile waits for its own turn. */
static void held_let_go(const struct pins *pins, const struct held *held)
{
	unsigned int i;
	__u64 since;

	for (i = 0; i < held->n; i++) {
		if (bpf_map_lookup_elem(pins->held, &held->key[i], &since) ||
		    since != held->since[i])
			continue;
		/* First: killed between the two, nobody would know of it any more. */
		if (kill(held->key[i].tgid, SIGCONT) && errno != ESRCH)
			continue; /* tried again in a second */
		if (!bpf_map_lookup_and_delete_elem(pins->held, &held->key[i], &since) &&
		    since != held->since[i])
			bpf_map_update_elem(pins->held, &held->key[i], &since, BPF_NOEXIST);
	}
}

bool bindings_waiting(const struct pins *pins)
{
	struct irqgate_tgid_key key;

	return !bpf_map_get_next_key(pins->held, NULL, &key);
}

/*
 * Does the inline gate drop what comes, so that no quarantine is needed? INTx, whose
 * line is masked by then, needs one: its release unmasks it.
 */
static bool gated_inline(const struct pins *pins, const struct irqgate_binding *b)
{
	return pins->state->inline_gate == IRQGATE_INLINE_ALONE &&
	       b->vector != IRQGATE_VECTOR_FUNCTION;
}

/* One pass over the bindings; returns how many it changed. */
static int enforce_pass(struct pins *pins, int *failed)
{
	struct irqgate_irq_key key, next, *prev = NULL;
	struct irqgate_binding b;
	int changed = 0, more, err;

	*failed = 0;
	while ((more = map_next(pins->bindings, prev, &next)) > 0) {
		key = next;
		prev = &key;
		if (binding_find(pins, key.irq, &b))
			continue;
		if (b.state == IRQGATE_BINDING_BOUND && b.verdict >= IRQGATE_VERDICT_DROP) {
			if (gated_inline(pins, &b))
				continue;
			err = quarantine(pins, &b);
		} else if (b.state == IRQGATE_BINDING_QUARANTINED &&
			   b.verdict <= IRQGATE_VERDICT_AUDIT) {
			err = release(pins, &b);
		} else if (b.state == IRQGATE_BINDING_HOST && b.isolate &&
			   b.verdict >= IRQGATE_VERDICT_DROP && b.count.leaked) {
			*failed += !!isolate(pins, b.handle, b.vector);
			continue; /* the binding stays what it is */
		} else {
			continue;
		}
		changed += !err;
		*failed += !!err;
	}
	*failed += more < 0;
	return changed;
}

int bindings_enforce(struct pins *pins)
{
	int failed = 0, err = pins_judge(pins), pass;

	if (err)
		return err;
	/*
	 * An owner that binds several vectors in one call holds VFIO's igate until
	 * all are bound, so the first quarantine waits for the rest; they may be
	 * entries the walk has passed by then.
	 */
	for (pass = 0; pass < 16 && enforce_pass(pins, &failed); pass++)
		;
	return failed + isolate_review(pins);
}

int bindings_settle(struct pins *pins, int (*search)(void *arg), void *arg)
{
	struct held held;
	int err = held_read(pins, &held);

	if (err)
		return err;
	if (search)
		held_wait(&held);
	err = (search ? search(arg) : 0) ?: bindings_enforce(pins);
	if (err >= 0)
		held_let_go(pins, &held);
	return err;
}

int binding_cut(struct pins *pins, __u32 irq)
{
	struct irqgate_binding b;

	if (binding_find(pins, irq, &b) || b.state != IRQGATE_BINDING_BOUND)
		return 0;
	return quarantine(pins, &b);
}

/* A host driver's vector can only be cut with the whole function, if the policy says so. */
static int cut_host(struct pins *pins, const struct irqgate_binding *b)
{
	struct irqgate_device_key key = { .handle = b->handle };
	int devices = table_map(pins, IRQGATE_MAP_DEVICES);
	struct irqgate_registration reg = {};

	if (devices >= 0) {
		bpf_map_lookup_elem(devices, &key, &reg);
		close(devices);
	}
	if (reg.action == IRQGATE_ACTION_ISOLATE)
		return isolate(pins, b->handle, b->vector);
	return fail_binding(-EOPNOTSUPP, b,
			    "cut, a host driver handles it: only 'on_violation: isolate' could");
}

/* What VFIO has pointed elsewhere may not have gone there. */
static int cut_direct(const struct irqgate_binding *b)
{
	if (b->index == VFIO_PCI_INTX_IRQ_INDEX)
		return 0;
	return fail_binding(
		-EOPNOTSUPP, b,
		"promised to be cut, AMD AVIC may go on posting it to the old VM on this "
		"kernel: load kvm_amd with avic=0, or take a newer kernel");
}

int bindings_cut(struct pins *pins, __u64 handle, const struct vector_set *vectors)
{
	struct irqgate_irq_key key, next, *prev = NULL;
	bool stays = may_stay_direct();
	struct irqgate_binding b;
	int failed = 0, more;

	while ((more = map_next(pins->bindings, prev, &next)) > 0) {
		key = next;
		prev = &key;
		if (binding_find(pins, key.irq, &b) || b.handle != handle)
			continue;
		if (!vectors->all && !vectors_has(vectors, b.vector))
			continue;
		/* The loader sees only once a second that a driver let go. */
		if (b.state == IRQGATE_BINDING_HOST)
			failed += !irq_unused(b.irq) && cut_host(pins, &b);
		else if (b.state == IRQGATE_BINDING_BOUND && !gated_inline(pins, &b))
			failed += quarantine(pins, &b) || (stays && cut_direct(&b));
		else if (b.state == IRQGATE_BINDING_QUARANTINED && stays)
			failed += !!cut_direct(&b);
	}
	return failed + (more < 0);
}
