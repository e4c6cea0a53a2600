// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <irqgate/decide.h>
#include "cli/dot.h"
#include "cli/graph.h"
#include "lib/util.h"
#include "table/snapshot.h"
#include "table/table.h"

struct paths {
	struct dot_path *path;
	size_t n;
};

static struct dot_path *add_path(struct paths *p)
{
	struct dot_path *path = ARRAY_MORE(p->path, p->n);

	p->n += !!path;
	return path;
}

static void put_process(struct dot_path *path, __u32 tgid)
{
	char name[64];

	path->pid = tgid;
	snprintf(name, sizeof(name), "/proc/%u/comm", tgid);
	read_line(name, path->comm, sizeof(path->comm));
}

static void put_vm(struct dot_path *path, struct pins *pins, const struct irqgate_irqfd *irqfd)
{
	struct irqgate_ptr_key key = { .ptr = irqfd->vm };
	struct irqgate_vm vm;

	path->vm = irqfd->vm;
	path->gsi = irqfd->gsi;
	if (!bpf_map_lookup_elem(pins->vms, &key, &vm))
		put_process(path, vm.creator.tgid);
}

static int eventfd_id(const struct pins *pins, __u64 eventfd)
{
	struct irqgate_ptr_key key = { .ptr = eventfd };
	struct irqgate_eventfd e;

	return bpf_map_lookup_elem(pins->eventfds, &key, &e) ? -1 : e.id;
}

/* A path to each VM that listens; if none does, a path to the binder. */
static int add_row(struct paths *paths, struct pins *pins, const struct listeners *all,
		   const struct snapshot_row *row)
{
	const struct irqgate_binding *b = &row->binding;
	const struct irqgate_irqfd *irqfd = NULL;
	size_t n = 0, i;
	struct dot_path base = {
		.handle = row->handle,
		.vector = row->vector,
		.owner = row->owner,
		.eventfd_id = -1,
		.gd = IRQGATE_GD_NONE,
		.stopped = row->count.dropped + row->count.denied,
		.leaked = row->count.leaked,
	};
	struct dot_path *path = NULL;

	if (row->bound) {
		base.state = b->state;
		base.verdict = b->verdict;
		base.reason = b->reason;
		base.gd = b->gd;
		base.eventfd = b->state == IRQGATE_BINDING_QUARANTINED ? b->original : b->trigger;
		base.eventfd_id = eventfd_id(pins, base.eventfd);
	}
	if (base.eventfd)
		irqfd = listeners_of(all, base.eventfd, &n);
	for (i = 0; i < n; i++) {
		path = add_path(paths);
		if (!path)
			return -ENOMEM;
		*path = base;
		put_vm(path, pins, &irqfd[i]);
	}
	if (path)
		return 0;
	path = add_path(paths);
	if (!path)
		return -ENOMEM;
	*path = base;
	if (row->bound)
		put_process(path, b->binder.tgid);
	return 0;
}

static bool of_interest(const struct snapshot_row *row, bool host)
{
	if (row->count.dropped || row->count.denied || row->count.leaked)
		return true;
	return row->bound && (host || row->binding.state != IRQGATE_BINDING_HOST ||
			      row->binding.verdict > IRQGATE_VERDICT_ALLOW);
}

static int collect(struct pins *pins, bool host, struct paths *paths)
{
	struct snapshot snap;
	int err = snapshot_take(pins, &snap);
	struct listeners all = {};
	size_t i;

	err = err ?: listeners_read(pins, &all);
	for (i = 0; i < snap.n && !err; i++)
		if (of_interest(&snap.row[i], host))
			err = add_row(paths, pins, &all, &snap.row[i]);
	listeners_free(&all);
	snapshot_free(&snap);
	return err ? fail(err, "graph: cannot read the bindings: %s", strerror(-err)) : 0;
}

struct namer {
	struct pins *pins;
	char name[IRQGATE_NAME_LEN];
};

static const char *context(__u32 gd, void *arg)
{
	struct namer *n = arg;

	return table_context_name(n->pins, gd, n->name);
}

/* Start Graphviz's dot: it reads DOT from a pipe, and writes SVG to our standard output. */
static FILE *start_dot(pid_t *pid)
{
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC))
		return NULL;
	*pid = fork();
	if (*pid < 0)
		return NULL;
	if (!*pid) {
		if (dup2(pipe_fd[0], STDIN_FILENO) >= 0)
			execlp("dot", "dot", "-Tsvg", (char *)NULL);
		fail(0,
		     "graph: cannot run 'dot': %s; install graphviz, or use the DOT text without "
		     "--svg",
		     strerror(errno));
		_exit(127);
	}
	close(pipe_fd[0]);
	return fdopen(pipe_fd[1], "w");
}

static int end_dot(FILE *out, pid_t pid)
{
	int status = 0;

	fclose(out);
	if (waitpid(pid, &status, 0) < 0)
		return fail(-errno, "graph: dot: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOENT; /* the child printed why */
	return status ? fail(-EIO, "graph: dot failed") : 0;
}

int graph(struct pins *pins, const struct graph_options *options)
{
	struct namer namer = { .pins = pins };
	struct paths paths = {};
	FILE *out = stdout;
	pid_t pid = 0;
	int err = collect(pins, options->host, &paths);

	if (!err && options->svg) {
		signal(SIGPIPE, SIG_IGN);
		out = start_dot(&pid);
		if (!out)
			err = fail(-errno, "graph: cannot start dot: %s", strerror(errno));
	}
	if (!err) {
		dot_write(out, paths.path, paths.n, context, &namer, options->full);
		if (options->svg)
			err = end_dot(out, pid);
	}
	free(paths.path);
	return err;
}
