// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loop of the loader. BPF enforces in the kernel. The loader quarantines and releases, hooks
 * modules that appear, follows the policy and prints events.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "lib/names.h"
#include "lib/util.h"
#include "loader/apply.h"
#include "loader/bounded.h"
#include "loader/enforce.h"
#include "loader/events.h"
#include "loader/guard.h"
#include "loader/held.h"
#include "loader/hooks.h"
#include "loader/inline.h"
#include "loader/isolate.h"
#include "loader/loader.h"
#include "loader/privilege.h"
#include "loader/support.h"
#include "loader/watch.h"
#include "policy/policy.h"

/* Events that the loader takes from the ring before it does anything else. */
#define RING_TURN 2048

const char *loader_policy_path(const struct run_options *opts)
{
	return opts->policy || access(DEFAULT_POLICY, F_OK) ? opts->policy : DEFAULT_POLICY;
}

int loader_load_policy(const struct run_options *opts, struct policy **policy)
{
	return policy_prepare(loader_policy_path(opts), opts->mode, opts->unsafe_interrupts,
			      policy);
}

void loader_beat(struct loader *l)
{
	__atomic_store_n(&l->pins.state->loader_beat, now_ns(), __ATOMIC_RELAXED);
}

/* Called while the loader waits for a child, for a bounded time. */
static void wait_alive(void *loader)
{
	loader_beat(loader);
	sd_notify(0, "WATCHDOG=1");
}

/* sd_notify() does nothing unless systemd started the loader. */
void loader_notify_status(struct loader *l)
{
	if (l->pins.state->alarm)
		sd_notify(0, "STATUS=ALARM: the hooks do not fire, nothing is enforced");
	else if (l->unhooked)
		sd_notify(0, "STATUS=ALARM: a module is there that could not be hooked");
	else
		sd_notifyf(0, "STATUS=%s, %u contexts, %u devices",
			   name_of(&names_mode, l->policy->defaults.mode), l->policy->ncontexts,
			   l->policy->ndevices);
}

static int on_event(void *arg, void *data, size_t len)
{
	const struct irqgate_event *ev = data;
	struct loader *l = arg;

	if (len < sizeof(*ev))
		return 0;
	l->events_read++;
	switch (ev->type) {
	case IRQGATE_EVENT_VERDICT:
		loader_report(l, ev);
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
		host_irq_learn(l, ev);
		break;
	case IRQGATE_EVENT_FIRMWARE:
		l->check_firmware = true;
		loader_report(l, ev);
		break;
	}
	/* A process that floods the ring does not keep the loader from the rest. */
	return l->events_read < RING_TURN ? 0 : -EAGAIN;
}

int loader_settle(void *loader)
{
	struct loader *l = loader;

	return bindings_settle(&l->pins, loader_search_skipped, l);
}

static void enforce(struct loader *l)
{
	int lock = lock_changes();

	if (lock < 0)
		return; /* tick() tries again */
	l->enforce = false;
	if (l->epoch != l->pins.state->epoch)
		l->failures = 0;
	l->epoch = l->pins.state->epoch;
	l->failures = bindings_settle(&l->pins, loader_search_skipped, l) ? l->failures + 1 : 0;
	l->retry_ticks = 0;
	close(lock);
}

/*
 * A vector of an isolated device may have become possible to quarantine. Then the device gets its
 * other vectors back.
 */
static bool isolated_due(struct loader *l)
{
	struct irqgate_device_key key;

	if (map_next(l->pins.isolated, NULL, &key) <= 0 || ++l->isolated_ticks < ENFORCE_EVERY)
		return isolate_due(&l->pins);
	l->isolated_ticks = 0;
	return true;
}

/* Once a second: all that does not depend on an event, because the ring can lose events. */
static void tick(struct loader *l)
{
	loader_beat(l);
	sd_notify(0, "WATCHDOG=1");
	guard_keep(&l->pins, loader_settle, l);
	loader_check_sentinel(l);
	if (l->unprinted && may_write(stdout)) {
		msg("%llu events were not printed: standard output is blocked", l->unprinted);
		l->unprinted = 0;
	}
	host_irqs_forget(l);
	loader_forget_eventfds(l);
	loader_follow(l);
	/* The epoch also moves when a VM stops listening, which can put a binding in order. */
	if (l->epoch != l->pins.state->epoch || held_any(&l->pins) ||
	    l->skipped != hooks_skipped() || isolated_due(l) ||
	    (l->failures && ++l->retry_ticks >= (l->failures < ENFORCE_TRIES ? 1 : ENFORCE_EVERY)))
		l->enforce = true;
	if (l->unsearched || loader_search_cut(l) ||
	    l->pins.state->overflow != l->pins.state->recovered)
		loader_adopt(l);
	loader_check_room(l);
	loader_check_mapped(l);
	if ((!stages_all_hooked(l) && stages_change(l)) || stages_due(l))
		l->check_modules = true;
	stages_check_inline(l);
	/* Firmware changes handles without a call that irqgate hooks. Other commands change the
	 * table. */
	if (l->pins.firmware >= 0 &&
	    (pins_call("prog_firmware") || l->compared != l->pins.state->generation))
		l->check_firmware = true;
}

static int wait_for(struct loader *l, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int opened(int *slot, int fd)
{
	*slot = fd;
	return fd < 0 ? -errno : 0;
}

int loader_open_loop(struct loader *l)
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
	err = wait_for(l, l->signals) ?: wait_for(l, l->timer) ?: wait_for(l, l->listener) ?:
	      wait_for(l, ring_buffer__epoll_fd(l->ring));
	if (!err && loader_policy_path(l->opts)) {
		l->files = watch_open(loader_policy_path(l->opts));
		if (l->files < 0)
			return l->files;
		err = wait_for(l, l->files);
	}
	return err ? fail(err, "cannot set up the event loop: %s", strerror(-err)) : 0;
}

int loader_loop(struct loader *l)
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
				continue; /* the signal is still pending */
			if (info.ssi_signo != SIGHUP)
				return 0;
			loader_reload(l, true);
		} else if (ev.data.fd == l->files) {
			if (watch_changed(l->files))
				loader_reload(l, false);
		} else if (ev.data.fd == l->timer) {
			if (read(l->timer, &ticks, sizeof(ticks)) > 0)
				tick(l);
		} else if (ev.data.fd == l->listener) {
			monitor_accept(l->listener);
		}
		l->events_read = 0;
		ring_buffer__consume(l->ring);
		monitor_flush();
		if (l->enforce)
			enforce(l);
		if (l->check_modules)
			stages_handle_modules(l);
		if (l->check_firmware)
			loader_check_firmware(l);
		monitor_flush();
		loader_beat(l); /* the steps above may have taken long */
	}
}

static int exit_status(int err)
{
	return err == -EOPNOTSUPP ? EXIT_KERNEL : err ? EXIT_RUNTIME : EXIT_DONE;
}

int daemon_run(const struct run_options *opts)
{
	struct loader l = { .opts = opts, .epoll = -1, .listener = -1, .files = -1 };
	int err;

	/* First, so that the first load may read no more than a later reload. */
	if (privilege_start())
		return EXIT_RUNTIME;
	err = loader_load_policy(opts, &l.policy);
	if (err)
		return err == -EOPNOTSUPP ? EXIT_KERNEL : EXIT_USAGE;
	if (l.policy->defaults.mode == IRQGATE_MODE_ENFORCE) {
		err = hooks_require();
		if (err) {
			policy_free(l.policy);
			return exit_status(err);
		}
	}
	if (!loader_policy_path(opts))
		msg("no policy file: empty table, audit mode");
	hooks_size(IRQGATE_ROOM_EVENTFDS, opts->max_eventfds);
	hooks_size(IRQGATE_ROOM_IRQFDS, opts->max_eventfds);
	hooks_size(IRQGATE_ROOM_VMS, opts->max_vms);
	l.gates = !probe_lsm().why;
	l.sentinel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = run_dir() ?: loader_start(&l);
	if (!err && !opts->stay) {
		msg("loaded, %s; the programs stay pinned below " PIN_DIR,
		    name_of(&names_mode, l.policy->defaults.mode));
		goto out;
	}
	err = err ?: loader_open_loop(&l) ?: privilege_limit(stages_all_hooked(&l) && !inline_expected());
	if (err) {
		loader_undo_start(&l);
		goto out;
	}
	loader_beat(&l);
	bounded_alive(wait_alive, &l);
	never_block();
	err = guard_keep(&l.pins, loader_settle, &l);
	if (err) {
		loader_undo_start(&l);
		goto out;
	}
	msg("ready");
	loader_notify_status(&l);
	sd_notify(0, "READY=1");
	err = loader_loop(&l);
	sd_notify(0, "STOPPING=1");
	loader_leave(&l);
	l.pins.state->policy = 0;
	unlink(MONITOR_SOCKET);
	msg("stopped; what is pinned below " PIN_DIR
	    " stays in force, 'irqgate unload' removes it");
out:
	ring_buffer__free(l.ring);
	firmware_free(&l.firmware);
	policy_free(l.policy);
	return exit_status(err);
}
