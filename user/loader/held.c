// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/clock.h"
#include "loader/bounded.h"
#include "loader/held.h"
#include "table/rows.h"

/* How often one call looks whether a held process is stopped, 1 ms apart. */
#define HELD_TRIES 20
/* After this time the loader continues a held process even if a thread of it did not stop. */
#define HELD_NS 5000000000ULL

/* How long a process may delay a look at it, or a signal to it, ms. */
#define LOOK_MS 100

int held_read(const struct pins *pins, struct held *held)
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
static bool task_is_gone(void)
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
		return task_is_gone();
	n = read(fd, text, sizeof(text) - 1);
	ended = n < 0 && task_is_gone();
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
		return task_is_gone();
	while (stopped && (errno = 0, d = readdir(dir)))
		stopped = d->d_name[0] == '.' || thread_stopped(dirfd(dir), d->d_name);
	if (stopped && errno)
		stopped = task_is_gone();
	closedir(dir);
	return stopped;
}

static bool process_stopped(__u32 tgid, __u64 start)
{
	struct process p = { .tgid = tgid, .start = start };

	return bounded_call(all_stopped, &p, sizeof(p), LOOK_MS) > 0;
}

void held_wait(struct held *held)
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

void held_continue(const struct pins *pins, const struct held *held)
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

bool held_any(const struct pins *pins)
{
	struct irqgate_tgid_key key;

	return !bpf_map_get_next_key(pins->held, NULL, &key);
}
