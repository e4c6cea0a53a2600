// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of the loader: publish the table, attach the gates, find what exists,
 * enforce, then follow the ring buffer. Enforcement is in the kernel; what needs
 * the loader is quarantine, hooking modules that appear, and telling.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "apply.h"
#include "daemon.h"
#include "events.h"
#include "firmware.h"
#include "handle.h"
#include "hooks.h"
#include "inline.h"
#include "names.h"
#include "pins.h"
#include "policy.h"
#include "privilege.h"
#include "probe.h"
#include "quarantine.h"
#include "table.h"
#include "upgrade.h"
#include "util.h"
#include "watch.h"

/* Events to take from the ring before something else has its turn. */
#define RING_TURN 2048
#define EVENTFDS_A_SECOND 8192

/* What failed for want of memory or descriptors may succeed a second later. */
#define ENFORCE_TRIES 5

struct loader {
	const struct run_options *opts;
	struct policy *policy;
	__u64 generation; /* of the table l->policy made */
	struct pins pins;
	bool gates; /* the bpf LSM is enabled */
	bool fresh; /* nothing was in force before */
	bool replacing; /* the programs of another build, from start to ready */
	struct ring_buffer *ring;
	int epoll, signals, timer, listener, sentinel, files;
	bool check_modules, enforce, check_firmware; /* to be done after the ring was read */
	nlink_t modules; /* directories of modules there are, and two */
	unsigned int modules_ticks; /* for how long to look whether one is ready */
	bool inline_tried; /* of this time the module is loaded */
	unsigned int gate_ticks; /* since the inline gate came, or this loader */
	__u64 epoch; /* when bindings were last enforced */
	unsigned int failures; /* to do so since then */
	bool unsearched; /* what there is to adopt could not be looked at */
	unsigned int taken; /* events, in this turn */
	unsigned int eventfds; /* looked at whether they are used, more than one second's share */
	__u64 skipped; /* runs of hooks, when bindings were last searched for */
	__u64 unprinted; /* events, for nobody read */
	struct firmware_findings firmware; /* what is known not to be in order */
	__u64 compared; /* generation of the table that was compared with */
};

static const char *policy_path(const struct run_options *opts)
{
	return opts->policy || access(DEFAULT_POLICY, F_OK) ? opts->policy : DEFAULT_POLICY;
}

static int load_policy(const struct run_options *opts, struct policy **policy)
{
	return policy_prepare(policy_path(opts), opts->mode, opts->unsafe_interrupts, policy);
}

/* A sign of life: without one the gates refuse what only a loader could swallow. */
static void beat(struct loader *l)
{
	__atomic_store_n(&l->pins.state->loader_beat, now_ns(), __ATOMIC_RELAXED);
}

/* What systemctl status shows; no-ops unless systemd started this. */
static void notify_status(struct loader *l)
{
	if (l->pins.state->alarm)
		sd_notify(0, "STATUS=ALARM: the hooks do not fire, nothing is enforced");
	else
		sd_notifyf(0, "STATUS=%s, %u contexts, %u devices",
			   name_of(&names_mode, l->policy->defaults.mode), l->policy->ncontexts,
			   l->policy->ndevices);
}

static bool all_hooked(void)
{
	return hooks_stage_loaded(STAGE_VFIO) && hooks_stage_loaded(STAGE_KVM);
}

/* The modules' stages, as far as their modules are there. */
static int load_stages(struct loader *l)
{
	enum stage stage;
	int err;

	for (stage = STAGE_VFIO; stage <= STAGE_KVM; stage++) {
		if (hooks_stage_loaded(stage) && !l->replacing)
			continue;
		err = hooks_load(stage, l->gates);
		if (err && err != -EAGAIN)
			return err;
	}
	/* The old programs answer first until they go. */
	if (l->replacing && l->pins.state->inline_gate)
		hooks_load(STAGE_INLINE, l->gates);
	l->pins.state->vfio_msihandler = kernel_symbol("vfio_msihandler");
	return 0;
}

/*
 * Open the sysfs directories of PCI functions that belong to VFIO, for the iterator
 * to find (bpf/adopt.bpf.c): @n of them, less than @max at the end of @dir. Return: 0; or
 * a negative errno, for what cannot be looked at is not to be forgotten.
 */
static int open_vfio_functions(DIR *dir, int fds[], int max, int *n)
{
	struct dirent *d;
	char path[300];

	for (*n = 0; *n < max; *n += fds[*n] >= 0) {
		errno = 0;
		d = readdir(dir);
		if (!d)
			return -errno;
		fds[*n] = -1;
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/vfio-dev", d->d_name);
		if (!faccessat(dirfd(dir), path, F_OK, 0))
			fds[*n] = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fds[*n] < 0 && errno != ENOENT && errno != ENODEV)
			return -errno;
	}
	return 0;
}

static int adopt_vfio(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	int fds[256], err = dir || errno == ENOENT ? 0 : -errno, i, n = 0;

	do {
		if (dir)
			err = open_vfio_functions(dir, fds, ARRAY_SIZE(fds), &n);
		err = err ? fail(err, "cannot see which functions are VFIO's: %s", strerror(-err))
			  : pins_iterate("iter_vfio", NULL, NULL);
		for (i = 0; i < n; i++)
			close(fds[i]);
	} while (!err && n == ARRAY_SIZE(fds));
	if (dir)
		closedir(dir);
	return err;
}

/* Find what the hooks did not see being made, forget what they did not see ending. */
static int search(struct loader *l)
{
	int err;

	__atomic_add_fetch(&l->pins.state->adoption, 1, __ATOMIC_SEQ_CST);
	err = pins_iterate("iter_kvm", NULL, NULL) ?: pins_call("prog_vms") ?: adopt_vfio();
	return err ?: pins_call("prog_sweep");
}

/* The same, if the kernel skipped a hook since. */
static int search_skipped(void *arg)
{
	__u64 skipped = hooks_skipped();
	struct loader *l = arg;

	if (skipped == l->skipped)
		return 0;
	l->skipped = skipped;
	return search(l);
}

/* Search, and act on what is not in order. */
static int adopt(struct loader *l)
{
	int lock = lock_changes(), err;

	l->unsearched = true;
	if (lock < 0)
		return lock;
	l->skipped = hooks_skipped();
	err = search(l) ?: bindings_settle(&l->pins, search_skipped, l);
	close(lock);
	l->unsearched = err < 0;
	return err < 0 ? err : 0;
}

/* The binding of a host driver's vector goes, what it counted stays. */
static void end_host_irq(struct loader *l, __u32 irq)
{
	static const struct irqgate_passing nothing;
	struct irqgate_irq_key key = { .irq = irq };
	struct irqgate_vector_key vkey = {};
	struct irqgate_counters kept = {};
	struct irqgate_binding b;

	if (binding_find(&l->pins, irq, &b) || b.state != IRQGATE_BINDING_HOST)
		return;
	bpf_map_delete_elem(l->pins.bindings, &key);
	bpf_map_update_elem(l->pins.passing, &irq, &nothing, BPF_ANY);
	vkey.handle = b.handle;
	vkey.vector = b.vector;
	bpf_map_lookup_elem(l->pins.stats, &vkey, &kept);
	counters_add(&kept, &b.count);
	bpf_map_update_elem(l->pins.stats, &vkey, &kept, BPF_ANY);
}

/* An MSI of a host driver: its binding is made here, for BPF cannot in an interrupt. */
static void learn_host_irq(struct loader *l, const struct irqgate_event *ev)
{
	struct irqgate_irq_key key = { .irq = ev->irq };
	struct irqgate_binding b = {
		.handle = ev->handle,
		.vector = ev->vector,
		.irq = ev->irq,
		.line = ev->irq,
		.device = ev->device,
		.state = IRQGATE_BINDING_HOST,
	};

	end_host_irq(l, ev->irq);
	bpf_map_update_elem(l->pins.bindings, &key, &b, BPF_NOEXIST);
	l->enforce = true; /* judges it, with the interrupts it had until now */
}

static void tell(struct loader *l, const struct irqgate_event *ev)
{
	if (may_write(stdout))
		event_print(stdout, &l->pins, ev, l->opts->json);
	else
		l->unprinted++;
	monitor_send(ev);
}

/* An event that is about no device. */
static void tell_own(struct loader *l, enum irqgate_verdict verdict, enum irqgate_reason reason,
		     enum irqgate_level level)
{
	struct irqgate_event ev = {
		.time = boottime_ns(),
		.type = IRQGATE_EVENT_VERDICT,
		.verdict = verdict,
		.reason = reason,
		.level = level,
		.gd_expected = IRQGATE_GD_NONE,
		.gd_actual = IRQGATE_GD_NONE,
		.count = 1,
	};

	tell(l, &ev);
}

/* The inline gate came or went: said, and an event. */
static void tell_gate(struct loader *l, enum irqgate_reason reason)
{
	tell_own(l, IRQGATE_VERDICT_NONE, reason, IRQGATE_LEVEL_INLINE);
	msg(reason == IRQGATE_REASON_GATE_ON
		    ? "the inline gate is in force"
		    : "the inline gate is no longer in force, quarantine takes its place");
}

/*
 * Follow the kernel module. While the programs are attached it cannot be unloaded:
 * whoever wants it back writes 0 to its parameter `armed`.
 */
static void check_inline(struct loader *l)
{
	bool on = irqgate_inline_decides(l->pins.state);
	int lock;

	if (!inline_present()) {
		l->inline_tried = false;
		return;
	}
	/* The module needs VFIO's, but that one's hooks come first. */
	if (!hooks_stage_loaded(STAGE_VFIO))
		return;
	if (on ? inline_armed() : l->inline_tried) {
		/* Two ticks after it came, no interrupt is on its way that it has not seen. */
		if (on && ++l->gate_ticks == 3)
			hooks_yield();
		return;
	}
	lock = lock_changes();
	if (lock < 0)
		return;
	l->inline_tried = true;
	l->gate_ticks = 0;
	if (on) {
		/* It decides also unarmed: it may stay until this succeeds. */
		if (hooks_resume())
			goto out;
		inline_detach(&l->pins);
		tell_gate(l, IRQGATE_REASON_GATE_OFF);
	} else if (!inline_attach(&l->pins)) {
		tell_gate(l, IRQGATE_REASON_GATE_ON);
	}
out:
	close(lock);
}

/* What firmware does that the table does not say is told when it begins. */
static void check_firmware(struct loader *l)
{
	struct firmware_findings found;
	struct irqgate_event ev;
	size_t i;

	l->check_firmware = false;
	l->compared = l->pins.state->generation;
	if (firmware_check(&l->pins, &found)) {
		l->compared = 0; /* again in a second */
		return;
	}
	for (i = 0; i < found.n; i++) {
		const struct firmware_finding *f = &found.finding[i];

		if (firmware_known(&l->firmware, f))
			continue;
		ev = (struct irqgate_event){
			.time = boottime_ns(),
			.type = IRQGATE_EVENT_VERDICT,
			.handle = f->handle,
			.vector = IRQGATE_VECTOR_FUNCTION,
			.verdict = f->verdict,
			.reason = f->reason,
			.gd_expected = f->expected,
			.gd_actual = f->actual,
			.count = vectors_count(&f->vectors) ?: 1,
		};
		tell(l, &ev);
	}
	firmware_free(&l->firmware);
	l->firmware = found;
}

static int on_event(void *arg, void *data, size_t len)
{
	const struct irqgate_event *ev = data;
	struct loader *l = arg;

	if (len < sizeof(*ev))
		return 0;
	l->taken++;
	switch (ev->type) {
	case IRQGATE_EVENT_VERDICT:
		tell(l, ev);
		break;
	case IRQGATE_EVENT_QUARANTINE:
		l->enforce = true;
		break;
	case IRQGATE_EVENT_MODULE:
		l->check_modules = true;
		if (!strcmp(ev->comm, "irqgate_hook"))
			l->inline_tried = false;
		break;
	case IRQGATE_EVENT_HOST_IRQ:
		learn_host_irq(l, ev);
		break;
	case IRQGATE_EVENT_FIRMWARE:
		l->check_firmware = true;
		tell(l, ev);
		break;
	}
	return l->taken < RING_TURN
		       ? 0
		       : -EAGAIN; /* whoever floods the ring gets no more than its turn */
}

static void enforce(struct loader *l)
{
	int lock = lock_changes();

	if (lock < 0)
		return; /* until the next second */
	l->enforce = false;
	if (l->epoch != l->pins.state->epoch)
		l->failures = 0;
	l->epoch = l->pins.state->epoch;
	l->failures = bindings_settle(&l->pins, search_skipped, l) ? l->failures + 1 : 0;
	close(lock);
}

static void forget_host_irqs(struct loader *l)
{
	struct irqgate_irq_key key, next, *prev = NULL;

	while (map_next(l->pins.bindings, prev, &next) > 0) {
		key = next;
		prev = &key;
		if (irq_unused(key.irq))
			end_host_irq(l, key.irq);
	}
}

static bool gone(const struct irqgate_ident *id)
{
	return !id->tgid || kill(id->tgid, 0);
}

static bool eventfd_unused(const struct irqgate_eventfd *e)
{
	unsigned int i;

	for (i = 0; i < IRQGATE_EVENTFD_SOURCES; i++)
		if (e->source[i])
			return false;
	for (i = 0; i < IRQGATE_EVENTFD_VMS; i++)
		if (e->vm[i])
			return false;
	return !e->untracked && !e->charged && gone(&e->signaller) && gone(&e->former);
}

/*
 * Entries whose last reference went unseen: two puts at a time each took the
 * other's for the last (bpf/lifecycle.bpf.c). An unused entry is worth nothing, and
 * is made anew when its eventfd is bound. Of many, it takes long to look at each; to
 * read many with one system call would keep probes from running meanwhile.
 */
static void forget_eventfds(struct loader *l)
{
	struct irqgate_ptr_key key, next, *prev = NULL;
	struct irqgate_eventfd e;

	if (l->eventfds >= EVENTFDS_A_SECOND) {
		l->eventfds -= EVENTFDS_A_SECOND;
		return;
	}
	l->eventfds = 0;
	while (map_next(l->pins.eventfds, prev, &next) > 0) {
		key = next;
		prev = &key;
		l->eventfds++;
		if (bpf_map_lookup_elem(l->pins.eventfds, &key, &e) || !eventfd_unused(&e))
			continue;
		/* Bound between the two: put it back. */
		if (!bpf_map_lookup_and_delete_elem(l->pins.eventfds, &key, &e) &&
		    !eventfd_unused(&e))
			bpf_map_update_elem(l->pins.eventfds, &key, &e, BPF_NOEXIST);
	}
}

/*
 * Proof that the hooks fire: a write of our own must be seen by the injection
 * gate. kernel.ftrace_enabled=0 detaches every trampoline in silence.
 */
static void check_sentinel(struct loader *l)
{
	__u64 one = 1, seen = __atomic_load_n(&l->pins.state->sentinel, __ATOMIC_RELAXED);
	bool alive;

	if (!l->gates)
		return;
	if (write(l->sentinel, &one, sizeof(one)) < 0 && errno == EAGAIN &&
	    read(l->sentinel, &one, sizeof(one)) > 0 && write(l->sentinel, &one, sizeof(one)) < 0)
		return;
	alive = __atomic_load_n(&l->pins.state->sentinel, __ATOMIC_RELAXED) != seen;
	if (alive == !l->pins.state->alarm)
		return;
	l->pins.state->alarm = alive ? 0 : boottime_ns();
	tell_own(l, IRQGATE_VERDICT_ALARM, alive ? IRQGATE_REASON_RECOVERED : IRQGATE_REASON_SILENT,
		 IRQGATE_LEVEL_NONE);
	notify_status(l);
	if (alive)
		adopt(l); /* what was made or ended meanwhile */
	msg(alive ? "the hooks fire again"
		  : "ALARM: the hooks do not fire, nothing is enforced; is kernel.ftrace_enabled "
		    "0?");
}

static void handle_modules(struct loader *l)
{
	bool vfio = hooks_stage_loaded(STAGE_VFIO), kvm = hooks_stage_loaded(STAGE_KVM);

	l->check_modules = false;
	if (vfio && kvm)
		return;
	if (load_stages(l))
		return;
	if (vfio == hooks_stage_loaded(STAGE_VFIO) && kvm == hooks_stage_loaded(STAGE_KVM))
		return;
	msg("hooked modules that appeared:%s%s",
	    !vfio && hooks_stage_loaded(STAGE_VFIO) ? " vfio" : "",
	    !kvm && hooks_stage_loaded(STAGE_KVM) ? " kvm" : "");
	hooks_watch();
	adopt(l); /* what was bound in between is found and judged */
	/* With KVM there, interrupts may get past the inline gate. */
	if (irqgate_inline_decides(l->pins.state))
		inline_attach(&l->pins);
	if (all_hooked() && privilege_limit(!inline_expected()))
		msg("the capabilities to attach hooks stay");
}

static int publish(struct loader *l)
{
	struct rows rows;
	int err = rows_of_policy(&rows, l->policy) ?: table_publish(&l->pins, hooks_btf(), &rows);

	rows_free(&rows);
	if (err)
		return err;
	l->pins.state->policy = policy_hash(l->policy);
	policy_save(l->policy); /* only for people and for other commands */
	return pins_adopt_tasks();
}

/* Puts a policy in force and keeps it. Call under lock_changes(). */
static void apply(struct loader *l, struct policy *policy, const char *why)
{
	__u64 before = l->pins.state->generation;
	char summary[PLAN_SUMMARY_LEN];
	struct plan plan;
	int err;

	err = plan_make(&plan, &l->pins, policy) ?: plan_execute(&plan, &l->pins, hooks_btf());
	if (err < 0)
		msg("%s, but it could not be put in force in full", why);
	else
		msg("%s: %s", why, plan_summary(&plan, summary));
	plan_free(&plan);
	/* Whose table is in force, that policy is the one to follow. */
	if (before == l->pins.state->generation) {
		if (policy != l->policy)
			policy_free(policy);
		return;
	}
	if (policy != l->policy)
		policy_free(l->policy);
	l->policy = policy;
	l->generation = l->pins.state->generation;
}

/*
 * A new policy takes the place of the old one, or nothing changes.
 * @always: also when it says the same, which undoes `allow` and `revoke`
 */
static void reload(struct loader *l, bool always)
{
	struct policy *policy;
	int lock;

	if (load_policy(l->opts, &policy)) {
		msg("the policy was not reloaded, the one in force stays");
		return;
	}
	lock = lock_changes();
	if (lock < 0 || (!always && policy_hash(policy) == l->pins.state->policy)) {
		policy_free(policy);
	} else {
		apply(l, policy, "reloaded the policy");
	}
	notify_status(l);
	if (lock >= 0)
		close(lock);
}

/*
 * What the policy names may have come or gone: cgroups and executables, and the
 * functions it selects. `irqgate apply` may have put another one in force.
 */
static void follow(struct loader *l)
{
	int lock = lock_changes();
	struct policy *policy;

	if (lock < 0)
		return;
	if (l->generation != l->pins.state->generation) {
		policy = policy_in_force();
		/* What cannot be read for want of descriptors can be, a second later. */
		if (!policy && errno != ENOENT && errno != EINVAL)
			goto out;
		/* Without it what appears later is not found, but nothing old comes back. */
		if (policy || !policy_empty(&policy)) {
			policy_free(l->policy);
			l->policy = policy;
		}
		l->generation = l->pins.state->generation;
		l->enforce = true;
	}
	if (policy_selects(l->policy) && policy_resolve(l->policy, "/sys") > 0)
		apply(l, l->policy, "functions the policy selects came or went");
	else if (table_resolve(&l->pins, l->policy) > 0)
		l->enforce = true;
out:
	close(lock);
}

/*
 * Did a module come within the last seconds? One that is listed may not be ready yet. To
 * ask kallsyms each time takes long.
 */
static bool modules_change(struct loader *l)
{
	struct stat st;

	if (!stat("/sys/module", &st) && st.st_nlink != l->modules) {
		l->modules = st.st_nlink;
		l->modules_ticks = 10;
	}
	return l->modules_ticks && l->modules_ticks--;
}

/* Once a second: a sign of life, and whatever events may have missed. */
static void tick(struct loader *l)
{
	beat(l);
	sd_notify(0, "WATCHDOG=1");
	check_sentinel(l);
	if (l->unprinted && may_write(stdout)) {
		msg("%llu events were not printed, for nobody read standard output", l->unprinted);
		l->unprinted = 0;
	}
	forget_host_irqs(l);
	forget_eventfds(l);
	follow(l);
	/* A listener that went may have been what was wrong with a binding. */
	if (l->epoch != l->pins.state->epoch || bindings_waiting(&l->pins) ||
	    l->skipped != hooks_skipped() || (l->failures && l->failures < ENFORCE_TRIES))
		l->enforce = true;
	if (l->unsearched)
		adopt(l);
	/* Without the module's event, which a full ring can lose. */
	if (!all_hooked() && modules_change(l))
		l->check_modules = true;
	check_inline(l);
	/* Handles change without a call, the table by other commands. */
	if (l->pins.firmware >= 0 &&
	    (pins_call("prog_firmware") || l->compared != l->pins.state->generation))
		l->check_firmware = true;
}

static int watch(struct loader *l, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int opened(int *slot, int fd)
{
	*slot = fd;
	return fd < 0 ? -errno : 0;
}

static int open_loop(struct loader *l)
{
	struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	err = opened(&l->signals, signalfd(-1, &set, SFD_CLOEXEC)) ?:
	      opened(&l->timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) ?:
	      opened(&l->epoll, epoll_create1(EPOLL_CLOEXEC));
	if (!err && timerfd_settime(l->timer, 0, &second, NULL))
		err = -errno;
	if (err)
		return fail(err, "cannot set up the event loop: %s", strerror(-err));
	l->listener = monitor_listen();
	if (l->listener < 0)
		return l->listener;
	l->ring = ring_buffer__new(l->pins.events, on_event, l, NULL);
	if (!l->ring)
		return fail(-errno, "cannot read the ring buffer: %s", strerror(errno));
	err = watch(l, l->signals) ?: watch(l, l->timer) ?: watch(l, l->listener) ?:
	      watch(l, ring_buffer__epoll_fd(l->ring));
	if (!err && policy_path(l->opts)) {
		l->files = watch_open(policy_path(l->opts));
		if (l->files < 0)
			return l->files;
		err = watch(l, l->files);
	}
	return err ? fail(err, "cannot set up the event loop: %s", strerror(-err)) : 0;
}

static int loop(struct loader *l)
{
	struct signalfd_siginfo info;
	struct epoll_event ev;
	__u64 ticks;

	for (;;) {
		int n = epoll_wait(l->epoll, &ev, 1, -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(-errno, "cannot wait for events: %s", strerror(errno));
		if (ev.data.fd == l->signals) {
			if (read(l->signals, &info, sizeof(info)) != sizeof(info))
				continue; /* it is still there */
			if (info.ssi_signo != SIGHUP)
				return 0;
			reload(l, true);
		} else if (ev.data.fd == l->files) {
			if (watch_changed(l->files))
				reload(l, false);
		} else if (ev.data.fd == l->timer) {
			if (read(l->timer, &ticks, sizeof(ticks)) > 0)
				tick(l);
		} else if (ev.data.fd == l->listener) {
			monitor_accept(l->listener);
		}
		l->taken = 0;
		ring_buffer__consume(l->ring);
		monitor_flush();
		if (l->enforce)
			enforce(l);
		if (l->check_modules)
			handle_modules(l);
		if (l->check_firmware)
			check_firmware(l);
		monitor_flush();
		beat(l); /* those may have taken long */
	}
}

/* As the loader the gates know of, from here on: what they let through is for us to quarantine. */
static void take_charge(struct loader *l)
{
	static const struct irqgate_vector_key nobody;
	static const struct irqgate_counters none;

	l->pins.state->layout = IRQGATE_LAYOUT;
	/* No row can be made where kernel-side signals are counted. */
	bpf_map_update_elem(l->pins.stats, &nobody, &none, BPF_NOEXIST);
	if (!l->opts->stay)
		return;
	beat(l);
	__atomic_store_n(&l->pins.state->loader_tgid, getpid(), __ATOMIC_SEQ_CST);
}

/* What the gate of another version decides meanwhile is counted once, and as what it was. */
static int gate_follows(struct loader *l)
{
	if (inline_lack().why)
		return 0;
	l->pins.state->inline_gate = IRQGATE_INLINE_IDLE;
	hooks_load(STAGE_INLINE, false);
	return 0;
}

/* Before the programs of another version go, so that no vector is without a gate. */
static int gate_stays(struct loader *l)
{
	if (inline_present())
		inline_attach(&l->pins);
	return 0;
}

/*
 * In force before this returns: the table, then the gates that ask it, then
 * everything that existed before them.
 */
static int bring_up(struct loader *l)
{
	bool fresh = !hooks_stage_loaded(STAGE_CORE);
	int upgrade = upgrade_begin(), err;

	if (upgrade < 0)
		return upgrade;
	l->fresh = fresh && upgrade == UPGRADE_NONE;
	l->replacing = upgrade == UPGRADE_BUILD;
	if (upgrade != UPGRADE_NONE)
		hooks_replace(l->replacing ? PIN_DIR : PIN_OLD);
	err = hooks_load(STAGE_CORE, l->gates) ?: pins_open(&l->pins);
	if (err)
		return err;
	take_charge(l);
	/* After a crash the table is adopted as it is: revocations stay revoked. */
	if (l->pins.state->policy != policy_hash(l->policy))
		err = publish(l);
	else
		err = pins_adopt_tasks();
	l->generation = l->pins.state->generation;
	err = err ?: load_stages(l);
	if (!err && upgrade == UPGRADE_LAYOUT)
		err = gate_follows(l) ?: upgrade_take() ?: search(l) ?: gate_stays(l) ?: upgrade_finish();
	if (err)
		return err;
	l->pins.state->build = hooks_build();
	l->replacing = false;
	hooks_replace(NULL);
	hooks_watch();
	err = adopt(l) ?: pins_call("prog_firmware");
	/* What yielded to a gate whose end was cut short. */
	if (!err && !irqgate_inline_decides(l->pins.state))
		err = hooks_resume();
	/* Optional: what is wrong with it was said. */
	if (!err)
		check_inline(l);
	return err;
}

int release_all(struct pins *pins, bool *left)
{
	int lock = lock_changes(), err;

	if (lock < 0)
		return lock;
	pins->state->defaults[0] = pins->state->defaults[1] = (struct irqgate_defaults){};
	err = table_clear(pins);
	/* Nobody is there to try again what failed for want of memory or descriptors. */
	*left = !err && bindings_settle(pins, NULL, NULL) && bindings_settle(pins, NULL, NULL);
	if (!err)
		err = inline_detach(pins);
	close(lock);
	return err;
}

/* Nothing stays of what came in force, but of an earlier irqgate's all does. */
static void take_back(struct loader *l)
{
	bool left;

	if (l->pins.state)
		__atomic_store_n(&l->pins.state->loader_tgid, 0, __ATOMIC_SEQ_CST);
	if (!l->fresh)
		return;
	if (l->pins.state && l->pins.state->layout) /* from take_charge() on */
		release_all(&l->pins, &left);
	unlink(POLICY_IN_FORCE);
	pins_remove(PIN_DIR);
}

int daemon_run(const struct run_options *opts)
{
	struct loader l = { .opts = opts, .epoll = -1, .listener = -1, .files = -1 };
	int err;

	/* From the beginning, so that a reload may read what the first load may. */
	if (privilege_start())
		return EXIT_RUNTIME;
	err = load_policy(opts, &l.policy);
	if (err)
		return err == -EOPNOTSUPP ? EXIT_KERNEL : EXIT_USAGE;
	if (!policy_path(opts))
		msg("no policy file: empty table, audit mode");
	l.gates = !probe_lsm().why;
	l.sentinel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = run_dir() ?: bring_up(&l);
	if (!err && !opts->stay) {
		msg("loaded, %s; the programs stay pinned below " PIN_DIR,
		    name_of(&names_mode, l.policy->defaults.mode));
		goto out;
	}
	err = err ?: open_loop(&l) ?: privilege_limit(all_hooked() && !inline_expected());
	if (err) {
		take_back(&l);
		goto out;
	}
	beat(&l);
	never_block();
	msg("ready");
	notify_status(&l);
	sd_notify(0, "READY=1");
	err = loop(&l);
	sd_notify(0, "STOPPING=1");
	__atomic_store_n(&l.pins.state->loader_tgid, 0, __ATOMIC_SEQ_CST);
	l.pins.state->policy = 0;
	unlink(MONITOR_SOCKET);
	msg("stopped; what is pinned below " PIN_DIR
	    " stays in force, 'irqgate unload' removes it");
out:
	ring_buffer__free(l.ring);
	firmware_free(&l.firmware);
	policy_free(l.policy);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
