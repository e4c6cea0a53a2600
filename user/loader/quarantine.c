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
#include <sys/time.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "lib/handle.h"
#include "lib/util.h"
#include "loader/bounded.h"
#include "loader/holders.h"
#include "loader/isolate.h"
#include "loader/quarantine.h"
#include "table/direct.h"
#include "table/rows.h"
#include "table/table.h"

/* How often one call looks whether a held process is stopped, 1 ms apart. */
#define HELD_TRIES 20
/* After this time the loader continues a held process even if a thread of it did not stop. */
#define HELD_NS 5000000000ULL

/* How long a process may delay a look at it, or a signal to it, ms. */
#define LOOK_MS 100

/* How long the work with a copy may take, ms: the device's owner may hold VFIO's locks. */
#define RETRIGGER_MS 2000

/* How long to wait for a copy from one holder, ms: another holder may not make irqgate wait. */
#define COPY_MS 500

/* How long all steps for one device may take in one pass, ms; quick steps do not count. */
#define DEVICE_MS 4000

/* How often to search again for a device that its holder moves from fd to fd. */
#define MOVES 40

/* How long to wait for a holder that is about to end, ms. */
#define ENDS_MS 20

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* since 6.9 */
#endif

/* A file to look for in all processes, and its copy. */
struct wanted {
	enum irqgate_file_kind kind;
	__u64 object;
	int copy; /* an fd, or a negative errno */
};

/* Asks the thread, because a thread can have fds that its process does not have. */
static int copy_number(__u32 tgid, __u32 tid, int number)
{
	int pidfd = syscall(SYS_pidfd_open, tid, tid == tgid ? 0 : PIDFD_THREAD), fd;

	if (pidfd < 0)
		return -errno;
	fd = syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0)
		fd = -errno;
	close(pidfd);
	return fd;
}

static int copy_wanted(const struct irqgate_file *file, void *arg)
{
	struct wanted *w = arg;

	if (file->kind != w->kind || file->object != w->object)
		return 0;
	w->copy = copy_number(file->tgid, file->tid, file->fd);
	return w->copy >= 0; /* if this process closed it meanwhile, another one may hold it */
}

/*
 * Does the gate refuse an agent every file that its row does not name (gate_vfio_receive)?
 * Then the agent can simply try fds. It asks for a pipe to find out, because the gate may
 * have been switched off.
 */
static bool gate_chooses(void)
{
	int pair[2], copy;

	if (pipe2(pair, O_CLOEXEC))
		return false;
	copy = copy_number(getpid(), getpid(), pair[0]);
	close(pair[0]);
	close(pair[1]);
	if (copy >= 0)
		close(copy);
	return copy == -EACCES;
}

/* An agent may receive the device and the eventfd. Is this the eventfd? */
static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[32], text[sizeof(name)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, text, sizeof(text)) == sizeof(name) - 1 &&
	       !memcmp(text, name, sizeof(name) - 1);
}

/* Copy the eventfd that the agent may receive: try every fd of a process. */
static int copy_from(__u32 tgid)
{
	struct dirent *d;
	int copy = -ESRCH;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fd", tgid);
	dir = opendir(path);
	while (dir && copy < 0 && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			copy = copy_number(tgid, tgid, atoi(d->d_name));
		if (copy >= 0 && !is_eventfd(copy)) {
			close(copy);
			copy = -ESRCH;
		}
	}
	if (dir)
		closedir(dir);
	return copy < 0 ? -ESRCH : copy;
}

/* Copy a file from any process that holds it. */
static int copy_file(enum irqgate_file_kind kind, __u64 object)
{
	struct wanted w = { .kind = kind, .object = object, .copy = -ESRCH };
	int ret = pins_iterate("iter_vfio", copy_wanted, &w);

	return ret < 0 ? ret : w.copy;
}

/* What is known of a device in one pass, so that it is found out once and not for each vector. */
struct device {
	__u64 object; /* struct vfio_pci_core_device */
	struct holders holders; /* the first is asked next */
	bool searched; /* for the holders */
	int budget; /* ms */
	int quarantine, give_back; /* 0, or the negative errno with which that failed */
	bool held; /* a process may hold it whose fd irqgate could not copy or use */
	__u32 held_by; /* tgid; 0: not known */
	bool resorted; /* the last resort was taken, with the result .contained */
	enum contained contained;
};

static struct {
	struct device *of;
	size_t n;
} pass;

void pass_begin(void)
{
	free(pass.of);
	pass.of = NULL;
	pass.n = 0;
}

/* The result is valid until the next call, which may move the array. NULL: no memory. */
static struct device *pass_device(__u64 object)
{
	struct device *grown;
	size_t i;

	for (i = 0; i < pass.n; i++)
		if (pass.of[i].object == object)
			return &pass.of[i];
	grown = realloc(pass.of, (pass.n + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	pass.of = grown;
	grown += pass.n++;
	*grown = (struct device){ .object = object, .budget = DEVICE_MS };
	return grown;
}

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

/* Tries again on an error: the hooks would take a row that stays for an agent at work. */
static void agent_end(const struct pins *pins, const struct irqgate_tgid_key *key)
{
	int tries;

	for (tries = 0; tries < 3; tries++)
		if (!bpf_map_delete_elem(pins->agents, key) || errno == ENOENT)
			return;
}

static int agent_begin(const struct pins *pins, struct irqgate_tgid_key *key, __u32 tgid,
		       const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	struct irqgate_agent agent = {
		.op = op,
		.irq = b->irq,
		.device = b->device,
		.eventfd = op == IRQGATE_AGENT_RELEASE  ? b->original
			   : op == IRQGATE_AGENT_REPLAY ? b->trigger
							: 0,
	};
	int err = process_start(tgid, &agent.start);

	key->tgid = tgid;
	return err ?: bpf_map_update_elem(pins->agents, key, &agent, BPF_ANY);
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

struct work {
	struct irqgate_binding b;
	enum irqgate_agent_op op;
};

static bool needs_device(const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	return op != IRQGATE_AGENT_REPLAY || b->vector == IRQGATE_VECTOR_FUNCTION;
}

/*
 * Copy the owner's eventfd. -ENOENT: the owner has closed it. Asks the binder first: it most
 * likely holds the eventfd, and a search through all processes takes long.
 */
static int copy_eventfd(const struct irqgate_binding *b, __u64 eventfd)
{
	int fd = b->binder.tgid && gate_chooses() ? copy_from(b->binder.tgid) : -ESRCH;

	if (fd < 0)
		fd = copy_file(IRQGATE_FILE_EVENTFD, eventfd);
	return fd == -ESRCH ? -ENOENT : fd;
}

static int turn(int device, const struct irqgate_binding *b, enum irqgate_agent_op op)
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

/*
 * The agent's copy of the device, -1: none. The agent is a child, which runs copy_device()
 * and work_bounded().
 */
static int copied = -1;

static void drop_copy(void)
{
	if (copied >= 0)
		close(copied); /* a copy would keep the device open after its owner's exit */
	copied = -1;
}

struct copy {
	__u64 device;
	struct holder from;
};

static int copy_device(void *arg)
{
	const struct copy *c = arg;

	drop_copy();
	/* If no gate refuses other files, the fd may be another file by now: search again. */
	copied = gate_chooses() ? copy_number(c->from.tgid, c->from.tid, c->from.fd)
				: copy_file(IRQGATE_FILE_VFIO_DEVICE, c->device);
	return copied < 0 ? copied : 0;
}

static int work_bounded(void *arg)
{
	const struct work *w = arg;
	int err =
		w->op == IRQGATE_AGENT_REPLAY ? replay(copied, &w->b) : turn(copied, &w->b, w->op);

	drop_copy();
	return err;
}

/* Errors that may be over a moment later. */
static bool passes_by(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EAGAIN ||
	       err == -ECHILD;
}

/* Was the device no longer at the fd that the search had found? */
static bool moved(int err)
{
	return err == -EBADF || err == -EACCES || err == -ESRCH;
}

/* Make the child of bounded_pid() an agent. */
static int agent_start(const struct pins *pins, struct irqgate_tgid_key *key,
		       const struct irqgate_binding *b, enum irqgate_agent_op op)
{
	pid_t pid = bounded_pid();

	return pid < 0 ? pid : agent_begin(pins, key, (__u32)pid, b, op);
}

/*
 * Make an agent, and have it copy the device from one of the known holders. Drops each
 * holder from which that fails. Return: 0; -EBUSY: a holder had the device at another fd; or
 * another negative errno.
 */
static int agent_copies(const struct pins *pins, struct irqgate_tgid_key *key,
			const struct irqgate_binding *b, enum irqgate_agent_op op, struct device *d)
{
	struct copy copy = { .device = b->device };
	int err, last = -ESRCH;

	while (d->holders.n) {
		copy.from = d->holders.of[0];
		err = agent_start(pins, key, b, op);
		if (err)
			return err;
		err = bounded_spend(copy_device, &copy, sizeof(copy), COPY_MS, &d->budget);
		if (!err)
			return 0;
		if (err != -ETIMEDOUT)
			agent_end(pins, key);
		if (passes_by(err))
			return err;
		d->held = true;
		d->held_by = copy.from.tgid;
		holders_drop(&d->holders, 0, err == -ETIMEDOUT);
		if (last != -EBUSY)
			last = moved(err) ? -EBUSY : err;
	}
	return last;
}

/*
 * Make an agent with a copy of the device. Searches again if a holder moves the device from
 * fd to fd, but not for ever.
 */
static int agent_takes(const struct pins *pins, struct irqgate_tgid_key *key,
		       const struct irqgate_binding *b, enum irqgate_agent_op op, struct device *d)
{
	int tries, err = -ESRCH;

	for (tries = 0; tries < MOVES; tries++) {
		if (!d->searched) {
			err = holders_find(&d->holders, d->object, false, &d->budget);
			d->held = err || d->holders.more;
			d->held_by = 0;
			if (err)
				return err;
			d->searched = true;
			if (!d->holders.n)
				return -ESRCH;
		}
		err = agent_copies(pins, key, b, op, d);
		if (!err || passes_by(err))
			return err;
		d->searched = false;
		if (err != -EBUSY)
			return err;
	}
	return err;
}

/*
 * Do @op in a child that is an agent. The gates let an agent copy the files that its row
 * names, and the hooks know by the row that the change is irqgate's. An agent that takes
 * too long keeps its row, because it may yet make the change. The row goes when it ends.
 */
static int as_agent(struct pins *pins, const struct irqgate_binding *b, enum irqgate_agent_op op,
		    struct device *d)
{
	struct work w = { .b = *b, .op = op };
	bool device = needs_device(b, op);
	struct irqgate_tgid_key key;
	int err;

	_Static_assert(sizeof(w) <= BOUNDED_ARG_MAX, "an argument");
	err = device ? agent_takes(pins, &key, b, op, d) : agent_start(pins, &key, b, op);
	if (err)
		return err;
	err = bounded_spend(work_bounded, &w, sizeof(w), RETRIGGER_MS, &d->budget);
	if (err != -ETIMEDOUT)
		agent_end(pins, &key);
	if (err && device) {
		d->held = true;
		d->held_by = d->holders.of[0].tgid;
	}
	return err;
}

/* If the replay fails, the next pass over the bindings tries it again. */
static int retrigger(struct pins *pins, const struct irqgate_binding *b, enum irqgate_agent_op op,
		     struct device *d)
{
	struct irqgate_binding now;
	int err = as_agent(pins, b, op, d);

	if (!err && op == IRQGATE_AGENT_RELEASE && b->index != VFIO_PCI_INTX_IRQ_INDEX &&
	    !binding_find(pins, b->irq, &now) && now.pending &&
	    now.state == IRQGATE_BINDING_BOUND && now.verdict < IRQGATE_VERDICT_DROP)
		as_agent(pins, &now, IRQGATE_AGENT_REPLAY, d);
	return err;
}

static int fail_binding(int err, const struct irqgate_binding *b, const char *what)
{
	char handle[HANDLE_STRLEN];

	return fail(err, "%s vector %u: cannot be %s: %s", handle_format(b->handle, handle),
		    b->vector, what,
		    err == -ESRCH ? "no process holds the device fd" : strerror(-err));
}

/*
 * Repeat a change until the hooks have seen it, because the kernel may skip them. If the
 * binding does not exist any more, its owner has unbound it meanwhile.
 */
static int retrigger_seen(struct pins *pins, const struct irqgate_binding *b,
			  enum irqgate_agent_op op, enum irqgate_binding_state state,
			  struct device *d)
{
	struct irqgate_binding now;
	int tries, err;

	for (tries = 0; tries < 10; tries++) {
		err = retrigger(pins, b, op, d);
		if (err || binding_find(pins, b->irq, &now) || now.state == state)
			return err;
		usleep(1000); /* let a task that was preempted in a hook go on */
	}
	return -EIO;
}

/* The function is not bus master any more, but a process that holds it can undo that. */
static void tell_held(const struct irqgate_binding *b, const struct device *d)
{
	char handle[HANDLE_STRLEN], who[32] = "another process";

	if (d->held_by)
		snprintf(who, sizeof(who), "process %u", d->held_by);
	msg("%s: %s has the device open and can use it again: irqgate could not use a copy of its "
	    "fd: %s; 'revoke --kill' kills the binder",
	    handle_format(b->handle, handle), who, strerror(-d->quarantine));
}

/* Take the last resort once for all vectors of a device. */
static enum contained resort(struct pins *pins, const struct irqgate_binding *b,
			     enum irqgate_last_resort how, struct device *d)
{
	if (d->resorted && d->contained != CONTAINED_GONE)
		return d->contained;
	/* The first call has killed every process that it may kill. */
	if (d->resorted)
		how = IRQGATE_LAST_RESORT_ISOLATE;
	d->contained = last_resort(pins, b, how);
	d->resorted = true;
	if (d->held && (d->contained == CONTAINED_CUT || d->contained == CONTAINED_SILENT)) {
		d->contained = CONTAINED_HELD;
		tell_held(b, d);
	}
	return d->contained;
}

/* Return: how far the binding is contained; GONE also if it is quarantined. */
static enum contained quarantine(struct pins *pins, const struct irqgate_binding *b,
				 enum irqgate_last_resort how)
{
	struct device *d = pass_device(b->device);
	enum contained contained = CONTAINED_NOT;
	int err = d ? d->quarantine : -ENOMEM, tries;

	/* Try twice before the whole device is cut for one vector. */
	for (tries = 0; d && !d->quarantine && tries < 2; tries++) {
		err = retrigger_seen(pins, b, IRQGATE_AGENT_QUARANTINE, IRQGATE_BINDING_QUARANTINED,
				     d);
		if (!err)
			return CONTAINED_GONE;
		if (err == -ESRCH || err == -ETIMEDOUT || passes_by(err))
			break;
	}
	/* The holder may be exiting: its fd is gone before VFIO ends the binding. */
	if (binding_ends(pins, b, d && !d->quarantine && err == -ESRCH ? ENDS_MS : 0))
		return CONTAINED_GONE;
	if (d)
		d->quarantine = err;
	if (!passes_by(err))
		contained = resort(pins, b, how, d);
	if (contained == CONTAINED_NOT)
		fail_binding(err, b, "quarantined");
	return contained;
}

/*
 * Does the result concern one vector, and not its whole device? -ENOENT: the owner closed the
 * eventfd; -EACCES: the binding changed meanwhile.
 */
static bool of_vector(int err)
{
	return !err || err == -ENOENT || err == -EACCES;
}

static int release(struct pins *pins, const struct irqgate_binding *b)
{
	struct device *d = pass_device(b->device);
	int err = d ? d->give_back : -ENOMEM;

	if (!err)
		err = retrigger_seen(pins, b, IRQGATE_AGENT_RELEASE, IRQGATE_BINDING_BOUND, d);
	if (d && !of_vector(err))
		d->give_back = err;
	if (err == -ENOENT)
		return fail_binding(err, b,
				    "released: its owner closed the eventfd and must bind again");
	return err ? fail_binding(err, b, "released") : 0;
}

static int fail_replay(int err, const struct irqgate_binding *b, const char *why)
{
	char handle[HANDLE_STRLEN];

	return fail(err, "%s vector %u: cannot give back the interrupt that was dropped: %s",
		    handle_format(b->handle, handle), b->vector, why);
}

/*
 * Give back the swallowed interrupt of a binding that is in order and connected. No release
 * gave it back: with the inline gate there was no quarantine, or the process that released
 * the vector was killed before the replay.
 */
static int give_back(struct pins *pins, const struct irqgate_binding *b)
{
	struct device *d = pass_device(b->device);
	int err = d ? d->give_back : -ENOMEM;
	struct irqgate_tgid_key key;

	if (!err)
		err = as_agent(pins, b, IRQGATE_AGENT_REPLAY, d);
	if (d && !of_vector(err))
		d->give_back = err;
	if (err == -ENOENT) {
		fail_replay(err, b,
			    "its owner closed the eventfd; the driver must reset the device");
		err = agent_begin(pins, &key, (__u32)getpid(), b, IRQGATE_AGENT_FORGET)
			      ?: pins_judge(pins);
		agent_end(pins, &key);
	} else if (err == -EACCES) {
		err = 0; /* the binding changed meanwhile */
	} else if (err) {
		fail_replay(err, b, strerror(-err));
	}
	return err;
}

/* Processes that the gates stopped until their vectors are in order. */
struct held {
	struct irqgate_tgid_key key[256];
	struct irqgate_held entry[256];
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
		if (!bpf_map_lookup_elem(pins->held, &key, &held->entry[held->n]))
			held->key[held->n++] = key;
	}
	return more;
}

/* Did a read from /proc fail because the process or thread has ended? */
static bool gone(void)
{
	return errno == ENOENT || errno == ESRCH;
}

/* Is the thread stopped, and so out of the call it was in, or has it ended? proc(5), stat. */
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

/* A read from /proc may wait for the process' execve(2), so a child reads (bounded.h). */
struct process {
	__u32 tgid;
	__u64 start; /* ns since boot, 0: not known */
};

static int all_stopped(void *arg)
{
	const struct process *p = arg;
	bool stopped = true;
	struct dirent *d;
	char path[32];
	DIR *dir;

	if (!process_is(p->tgid, process_ticks(p->start)))
		return true;
	snprintf(path, sizeof(path), "/proc/%u/task", p->tgid);
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

static bool process_stopped(__u32 tgid, __u64 start)
{
	struct process p = { .tgid = tgid, .start = start };

	return bounded_call(all_stopped, &p, sizeof(p), LOOK_MS) > 0;
}

/*
 * Keep the processes that are stopped: what they were binding is bound. A process that is not
 * stopped yet may be in that call, so it stays for the next time. But not for ever, because
 * another of its threads may be in a system call that does not end.
 */
static void held_wait(struct held *held)
{
	unsigned int i, n = 0, tries = HELD_TRIES;
	bool stopped;

	for (i = 0; i < held->n; i++) {
		while (!(stopped = process_stopped(held->key[i].tgid, held->entry[i].start)) &&
		       tries) {
			usleep(1000);
			tries--;
		}
		if (!stopped && boottime_ns() - held->entry[i].since < HELD_NS)
			continue;
		held->key[n] = held->key[i];
		held->entry[n++] = held->entry[i];
	}
	held->n = n;
}

/* A process that reuses the pid was not stopped by irqgate. Return: 0, also if it is gone. */
static int continue_process(__u32 tgid, __u64 start)
{
	int err = bounded_signal(tgid, start, SIGCONT, LOOK_MS);

	return err == -ESRCH ? 0 : err;
}

/* Continue these processes. One that was stopped again meanwhile waits for its own turn. */
static void held_let_go(const struct pins *pins, const struct held *held)
{
	struct irqgate_held now;
	unsigned int i;

	for (i = 0; i < held->n; i++) {
		if (bpf_map_lookup_elem(pins->held, &held->key[i], &now) ||
		    now.since != held->entry[i].since)
			continue;
		/*
		 * Continue it before its row goes: if this process is killed in between, the
		 * row still says that it is stopped.
		 */
		if (continue_process(held->key[i].tgid, now.start))
			continue; /* tried again in a second */
		if (!bpf_map_lookup_and_delete_elem(pins->held, &held->key[i], &now) &&
		    now.since != held->entry[i].since)
			bpf_map_update_elem(pins->held, &held->key[i], &now, BPF_NOEXIST);
	}
}

bool bindings_waiting(const struct pins *pins)
{
	struct irqgate_tgid_key key;

	return !bpf_map_get_next_key(pins->held, NULL, &key);
}

/*
 * Does the inline gate drop the interrupts, so that no quarantine is needed? INTx needs one:
 * a dropped interrupt leaves its line masked, and the release of the quarantine unmasks it.
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
	enum contained contained;

	*failed = 0;
	while ((more = map_next(pins->bindings, prev, &next)) > 0) {
		key = next;
		prev = &key;
		if (binding_find(pins, key.irq, &b))
			continue;
		if (b.state == IRQGATE_BINDING_BOUND && b.verdict >= IRQGATE_VERDICT_DROP) {
			if (gated_inline(pins, &b))
				continue;
			contained = quarantine(pins, &b, IRQGATE_LAST_RESORT_UNSET);
			changed += contained == CONTAINED_GONE;
			*failed += contained <= CONTAINED_HELD;
			continue;
		} else if (b.state == IRQGATE_BINDING_QUARANTINED &&
			   b.verdict <= IRQGATE_VERDICT_AUDIT) {
			err = release(pins, &b);
		} else if (b.state == IRQGATE_BINDING_BOUND && b.pending &&
			   b.verdict <= IRQGATE_VERDICT_AUDIT) {
			*failed += !!give_back(pins, &b);
			continue;
		} else if (b.state == IRQGATE_BINDING_HOST && b.isolate &&
			   b.verdict >= IRQGATE_VERDICT_DROP && b.count.leaked) {
			*failed += !!isolate(pins, b.handle, b.vector);
			continue; /* that does not change the binding */
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
	pass_begin();
	/*
	 * An owner that binds several vectors in one call holds VFIO's igate until all
	 * are bound, so the first quarantine waits for the rest. By then the walk may have
	 * passed their entries, so walk again.
	 */
	for (pass = 0; pass < 16 && enforce_pass(pins, &failed); pass++)
		;
	pins->state->uncontained = (__u64)failed;
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
	return quarantine(pins, &b, IRQGATE_LAST_RESORT_UNSET) <= CONTAINED_HELD ? -EIO : 0;
}

/* irqgate cuts a host driver's vector only with the whole function, if the policy says so. */
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
	return fail_binding(
		-EOPNOTSUPP, b,
		"cut: a host driver handles it; only 'on_violation: isolate' can cut it");
}

/* VFIO has pointed the vector at the sink, but the IOMMU may still post it to the old VM. */
static int cut_direct(const struct irqgate_binding *b)
{
	if (b->index == VFIO_PCI_INTX_IRQ_INDEX)
		return 0;
	return fail_binding(
		-EOPNOTSUPP, b,
		"cut for certain: AMD AVIC may go on posting it to the old VM on this kernel; "
		"load kvm_amd with avic=0, or use a newer kernel");
}

/* The binding exists. Its device raises nothing now, but the owner can use the device again. */
static int cut_silent(const struct irqgate_binding *b)
{
	return fail_binding(-EOPNOTSUPP, b,
			    "cut for certain: a holder can use its device again; 'revoke --kill' "
			    "kills the holders");
}

static int cut(struct pins *pins, const struct irqgate_binding *b, enum irqgate_last_resort how)
{
	switch (quarantine(pins, b, how)) {
	case CONTAINED_NOT:
	case CONTAINED_HELD: /* tell_held() printed it once for the device */
		return -EIO;
	case CONTAINED_SILENT:
		return cut_silent(b);
	default:
		return 0;
	}
}

int bindings_cut(struct pins *pins, __u64 handle, const struct vector_set *vectors,
		 enum irqgate_last_resort how)
{
	struct irqgate_irq_key key, next, *prev = NULL;
	bool stays = may_stay_direct();
	struct irqgate_binding b;
	int failed = 0, more;

	pass_begin();
	while ((more = map_next(pins->bindings, prev, &next)) > 0) {
		key = next;
		prev = &key;
		if (binding_find(pins, key.irq, &b) || b.handle != handle)
			continue;
		if (!vectors->all && !vectors_has(vectors, b.vector))
			continue;
		/* The loader sees only once a second that a driver freed its interrupt. */
		if (b.state == IRQGATE_BINDING_HOST)
			failed += !irq_unused(b.irq) && cut_host(pins, &b);
		else if (b.state == IRQGATE_BINDING_BOUND && !gated_inline(pins, &b))
			failed += cut(pins, &b, how) || (stays && cut_direct(&b));
		else if (b.state == IRQGATE_BINDING_QUARANTINED && stays)
			failed += !!cut_direct(&b);
	}
	return failed + (more < 0);
}
