// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "loader/bounded.h"
#include "loader/guard.h"
#include "loader/held.h"
#include "loader/privilege.h"

#define TICK_MS 500
/* If the loader is silent for BUSY_NS, the guard acts; after HUNG_NS also without the lock. */
#define BUSY_NS 2000000000ULL
#define HUNG_NS 4000000000ULL
/* How long to look for processes that a gate was stopping when the loader ended, ms. */
#define LAST_MS 200

struct guard {
	struct pins *pins;
	int (*settle)(void *arg);
	void *arg;
	__u32 loader;
	__u64 start; /* when the loader started, as state.loader_start */
	int sock;
};

static struct {
	pid_t pid; /* 0: none */
	int sock;
} child;

/* Has another loader taken over? */
static bool replaced(const struct guard *g)
{
	__u32 loader = __atomic_load_n(&g->pins->state->loader_tgid, __ATOMIC_SEQ_CST);

	return loader && (loader != g->loader || g->pins->state->loader_start != g->start);
}

/* @must: also without the lock, because a loader that hangs may never release it. */
static bool act(const struct guard *g, bool must)
{
	int lock = lock_changes_now(), err;

	if (lock < 0 && !must)
		return false;
	err = g->settle(g->arg);
	if (lock >= 0)
		close(lock);
	return err >= 0;
}

static void beat(void *guard)
{
	const struct guard *g = guard;

	__atomic_store_n(&g->pins->state->guard_beat, now_ns(), __ATOMIC_RELAXED);
}

static void stand_in(struct guard *g)
{
	const struct irqgate_state *st = g->pins->state;
	__u64 silent = now_ns() - __atomic_load_n(&st->loader_beat, __ATOMIC_RELAXED);
	bool acted = replaced(g);

	if (!acted && silent > BUSY_NS && silent < 1ULL << 63) {
		bounded_alive(beat, g);
		acted = act(g, silent > HUNG_NS);
		bounded_alive(NULL, NULL);
	}
	if (acted)
		beat(g);
}

/* The loader is gone, so no other process continues those that are held for it. */
static void finish(const struct guard *g)
{
	int idle;

	for (idle = 0; idle <= LAST_MS; idle += 20) {
		if (replaced(g))
			return;
		if (held_any(g->pins)) {
			act(g, true);
			idle = 0;
		}
		usleep(20000);
	}
}

static void stand_by(struct guard *g)
{
	struct pollfd p = { .fd = g->sock, .events = POLLIN };
	char end;
	int n;

	while ((n = poll(&p, 1, TICK_MS)) <= 0)
		if (!n)
			stand_in(g);
	if (recv(g->sock, &end, sizeof(end), MSG_DONTWAIT) <= 0)
		finish(g);
	_exit(0);
}

static void guard(struct guard *g)
{
	if (!close_others(g->sock))
		_exit(1);
	bounded_forget();
	if (pins_open(g->pins) || privilege_limit(true))
		_exit(1);
	stand_by(g);
}

static bool alive(void)
{
	char byte;

	return child.pid &&
	       !(recv(child.sock, &byte, 1, MSG_DONTWAIT) < 0 ? errno != EAGAIN : true);
}

int guard_keep(struct pins *pins, int (*settle)(void *arg), void *arg)
{
	struct guard g = { .pins = pins,
			   .settle = settle,
			   .arg = arg,
			   .loader = getpid(),
			   .start = pins->state->loader_start };
	int pair[2], err = 0;

	if (alive())
		return 0;
	if (child.pid) {
		close(child.sock);
		waitpid(child.pid, NULL, WNOHANG);
		child.pid = 0;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fail(-errno, "cannot start the guard: %s", strerror(errno));
	g.sock = pair[1];
	child.pid = fork();
	if (!child.pid)
		guard(&g);
	if (child.pid < 0)
		err = -errno;
	close(pair[1]);
	child.sock = pair[0];
	if (!err)
		return 0;
	child.pid = 0;
	close(pair[0]);
	return fail(err, "cannot start the guard: %s", strerror(-err));
}

void guard_end(void)
{
	if (!child.pid)
		return;
	send(child.sock, "", 1, MSG_NOSIGNAL);
	close(child.sock);
	waitpid(child.pid, NULL, 0);
	child.pid = 0;
}
