// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hook of libvirt's qemu driver. libvirt calls it as NAME OPERATION SUB-OPERATION EXTRA, with the
 * domain's XML on standard input: https://libvirt.org/hooks.html
 *
 * Before QEMU starts, the hook writes a file into the runtime directory. The file registers the
 * domain's PCI functions for a context that matches the domain's machine. When the domain has
 * stopped, the hook removes the file.
 *
 * libvirt gives a function to one domain at a time, so a row for the function in another domain's
 * file is out of date. libvirt does not know the functions that QEMU opens because of its
 * arguments, so the hook never takes such a function from a running domain. The operator's own
 * rows take precedence.
 *
 * If the hook fails, libvirt does not start the domain, or kills it on reconnect. The hook must not
 * call libvirt.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "domain.h"
#include "place.h"
#include "lib/array.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/handle.h"
#include "lib/lock.h"
#include "lib/text.h"
#include "policy/policy.h"

#define PINS "/sys/fs/bpf/irqgate"
#define LINE_LEN 8192
/* Marks a row in a file: libvirt does not know that the domain has this function. */
#define BY_ARGUMENT "# by an argument of QEMU"

static const char *policy_file(void)
{
	return setting("IRQGATE_POLICY", DEFAULT_POLICY);
}

static const char *runtime_directory(void)
{
	return setting("IRQGATE_POLICY_DIR", POLICY_RUNTIME_DIR);
}

/* Applies the policy files, if irqgate is loaded. */
static int apply(void)
{
	char *argv[] = { (char *)setting("IRQGATE", "irqgate"), "apply", (char *)policy_file(),
			 NULL };
	posix_spawn_file_actions_t actions;
	int status, err;
	pid_t pid;

	if (access(setting("IRQGATE_PINS", PINS), F_OK))
		return 0; /* irqgate reads the files when it starts */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err) {
		tell("cannot run %s: %s", argv[0], strerror(err));
		return -err;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	tell("the policy was not applied");
	return -EIO;
}

/* ---- files of domains --------------------------------------------------------- */

/* libvirt-UUID.yaml */
static bool is_domains(const char *name)
{
	static const char prefix[] = "libvirt-", suffix[] = ".yaml";
	size_t len = strlen(name);

	return len == strlen(prefix) + UUID_LEN - 1 + strlen(suffix) &&
	       !strncmp(name, prefix, strlen(prefix)) &&
	       !strcmp(name + len - strlen(suffix), suffix) &&
	       strspn(name + strlen(prefix), "0123456789abcdefABCDEF-") == UUID_LEN - 1;
}

static bool is_operators(const char *name)
{
	return !is_domains(name);
}

static void file_name(const char *directory, const struct domain *d, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/libvirt-%s.yaml", directory, d->uuid);
}

/* Serializes hooks. Fails with -EACCES or the like if libvirt does not run as root. */
static int lock_directory(void)
{
	int fd, err = strcmp(runtime_directory(), POLICY_RUNTIME_DIR) ? 0 : run_dir();

	if (err)
		return err;
	mkdir(runtime_directory(), 0700);
	fd = open(runtime_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX)) {
		err = -errno;
		tell("%s: cannot open: %s", runtime_directory(), strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	return fd;
}

/*
 * Removes the domain's file, also from the directory that earlier versions used.
 * Return: 1: there was a file; 0: there was none; or a negative errno.
 */
static int remove_files(const struct domain *d)
{
	char *usual = policy_directory(policy_file()), path[PATH_MAX];
	const char *directories[] = { runtime_directory(), usual };
	int removed = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(directories) && removed >= 0; i++) {
		if (!directories[i])
			continue;
		file_name(directories[i], d, path);
		if (!unlink(path)) {
			removed = 1;
		} else if (errno != ENOENT) {
			removed = -errno;
			tell("%s: cannot remove: %s", path, strerror(errno));
		}
	}
	free(usual);
	return removed;
}

/* ---- the context ------------------------------------------------------------- */

/* The content of the domain's file, before it is written. */
struct entry {
	const struct domain *domain;
	const struct place *place;
	struct policy *policy; /* the operator's; NULL: unreadable */
	const struct policy_context *context; /* the operator's context for this domain, or NULL */
	char name[IRQGATE_NAME_LEN]; /* of the context */
	bool *named; /* for each function: the operator's policy has a row for it */
	char *match; /* text that a context with the same match has in its line */
};

static const struct policy_device *operators_row(const struct policy *p, __u64 handle)
{
	const struct policy_device *row;
	unsigned int i;

	for (row = p->devices; row < p->devices + p->ndevices; row++) {
		if (row->handle == handle)
			return row;
		for (i = 0; i < row->nfunctions; i++)
			if (row->functions[i] == handle)
				return row;
	}
	return NULL;
}

/*
 * A process has one context. So if the operator has a context for this domain, the hook registers
 * the domain's other functions for that context, too.
 */
static void find_contexts(struct entry *e)
{
	const struct policy *p = e->policy;
	const struct domain *d = e->domain;
	const struct policy_context *c;
	const struct policy_device *row;
	char handle[HANDLE_STRLEN];
	unsigned int i;

	for (i = 0; i < d->nfunctions; i++) {
		row = operators_row(p, d->functions[i]);
		if (!row)
			continue;
		e->named[i] = true;
		c = &p->contexts[row->context];
		if (place_is(d, e->place, &c->match)) {
			e->context = e->context ?: c;
			tell("domain %s: %s:%u registers %s for context %s; that row stays",
			     d->name, p->files[row->file], row->line,
			     handle_format(d->functions[i], handle), c->name);
		} else {
			tell("domain %s: %s:%u registers %s for context %s, which is not this "
			     "domain's; the domain starts, but the function's interrupts are not "
			     "authorized",
			     d->name, p->files[row->file], row->line,
			     handle_format(d->functions[i], handle), c->name);
		}
	}
	for (i = 0; i < p->ncontexts && !e->context; i++) {
		c = &p->contexts[i];
		if (!policy_match_equal(&c->match, &e->place->match))
			continue;
		e->context = c;
		tell("domain %s: %s:%u defines context %s for this domain; the hook uses it",
		     d->name, p->files[c->file], c->line, c->name);
	}
}

/* Reads the operator's rows, without the files of domains. Return: 0 or -ENOMEM. */
static int consider_policy(struct entry *e)
{
	e->named = calloc(e->domain->nfunctions + 1, sizeof(*e->named));
	if (!e->named)
		return -ENOMEM;
	/*
	 * A policy with mistakes is not in force and cannot come in force, so its rows do not count
	 * here. apply() decides whether the domain starts.
	 */
	if (!policy_load_parts(policy_file(), is_operators, &e->policy)) {
		policy_resolve(e->policy, "/sys");
		find_contexts(e);
	}
	snprintf(e->name, sizeof(e->name), "vm-%s", e->domain->uuid);
	if (e->context)
		snprintf(e->name, sizeof(e->name), "%s", e->context->name);
	else if (e->policy && policy_context_by_name(e->policy, e->name))
		snprintf(e->name, sizeof(e->name), "libvirt-%s", e->domain->uuid);
	return 0;
}

static unsigned int rows(const struct entry *e)
{
	unsigned int n = 0, i;

	for (i = 0; i < e->domain->nfunctions; i++)
		n += !e->named[i];
	return n;
}

/* ---- out of date ---------------------------------------------------------------- */

/* Which function of @d a line is about; -1: none. Domains' files have one line for each row. */
static int row_of(const struct domain *d, const char *line)
{
	char handle[HANDLE_STRLEN], key[HANDLE_STRLEN + 16];
	unsigned int i;

	for (i = 0; i < d->nfunctions; i++) {
		snprintf(key, sizeof(key), "handle: \"%s\"",
			 handle_format(d->functions[i], handle));
		if (strstr(line, key))
			return (int)i;
	}
	return -1;
}

static bool about(const struct entry *e, const char *line)
{
	return (!e->context && strstr(line, e->match)) || row_of(e->domain, line) >= 0;
}

/*
 * The lines that stay in another domain's file, for free(3); NULL: all lines stay, or no memory.
 * @empty: no device stays, or the context's line was removed
 */
static char *outdated(const struct entry *e, const char *path, bool *empty)
{
	bool changed = false, ended = false;
	char line[LINE_LEN], *kept = NULL;
	FILE *in = fopen(path, "re"), *out;
	unsigned int devices = 0;
	size_t len;

	out = in ? open_memstream(&kept, &len) : NULL;
	while (out && fgets(line, sizeof(line), in)) {
		bool is_device = strstr(line, "handle:");

		if (about(e, line)) {
			changed = true;
			ended |= !is_device;
			continue;
		}
		devices += is_device;
		fputs(line, out);
	}
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	*empty = ended || !devices;
	if (changed)
		return kept;
	free(kept);
	return NULL;
}

/*
 * Removes the rows that are now this domain's from another domain's file. A domain with the same
 * cgroup has ended, because libvirt gives each start another number.
 */
static int take_over(const struct entry *e, const char *path)
{
	bool empty;
	char *kept = outdated(e, path, &empty);
	int err = 0;
	FILE *f;

	if (!kept)
		return 0;
	tell("domain %s: %s is out of date: %s", e->domain->name, path,
	     empty ? "removed" : "removed the rows that are now this domain's");
	if (empty) {
		err = unlink(path) ? -errno : 0;
	} else {
		f = replace_open(path, 0600);
		if (f)
			fputs(kept, f);
		err = f ? replace_close(f, path, 0) : -EIO;
	}
	free(kept);
	return err;
}

/* Reads NAME of "# Domain NAME, while it runs; ...", as write_name() wrote it. */
static bool read_name(const char *line, char name[LINE_LEN])
{
	static const char before[] = "# Domain ", after[] = ", while it runs;";
	const char *end = NULL, *found;

	if (strncmp(line, before, strlen(before)))
		return false;
	line += strlen(before);
	for (found = line; (found = strstr(found, after)); found++)
		end = found;
	if (end)
		snprintf(name, LINE_LEN, "%.*s", (int)(end - line), line);
	return end;
}

/* -EBUSY: by this file, a running domain has a function that libvirt did not take from it. */
static int keep_running(const struct entry *e, const char *path)
{
	char line[LINE_LEN], name[LINE_LEN] = "?", handle[HANDLE_STRLEN];
	const struct domain *d = e->domain;
	FILE *f = fopen(path, "re");
	int row = -1;

	while (f && row < 0 && fgets(line, sizeof(line), f)) {
		if (read_name(line, name))
			continue;
		row = row_of(d, line);
		if (row >= 0 && row < (int)d->ngiven && !strstr(line, BY_ARGUMENT))
			row = -1; /* libvirt took it from that domain */
	}
	if (f)
		fclose(f);
	/* The pid file of a name with '?' cannot be found, so assume that the domain runs. */
	if (row < 0 || (!strchr(name, '?') && !place_runs(name)))
		return 0;
	tell("domain %s: cannot get %s: domain %s has it and runs: %s; stop one of the two "
	     "domains, or take the function out of one; if the other domain does not run, remove "
	     "the file",
	     d->name, handle_format(d->functions[row], handle), name, path);
	return -EBUSY;
}

static int each_file(const struct entry *e, const char *directory,
		     int (*call)(const struct entry *e, const char *path))
{
	char path[PATH_MAX], own[PATH_MAX];
	struct dirent *file;
	DIR *dir = directory ? opendir(directory) : NULL;
	int err = 0;

	file_name(directory ?: "", e->domain, own);
	while (dir && !err && (file = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", directory, file->d_name);
		if (is_domains(file->d_name) && strcmp(path, own))
			err = call(e, path);
	}
	if (dir)
		closedir(dir);
	return err;
}

static int take_over_all(struct entry *e)
{
	char *usual = policy_directory(policy_file());
	size_t len;
	FILE *f = open_memstream(&e->match, &len);
	int err = -ENOMEM;

	if (f) {
		fprintf(f, "match: ");
		place_write(f, e->place);
		fprintf(f, " }");
		fclose(f);
	}
	if (e->match)
		err = each_file(e, runtime_directory(), keep_running)
			      ?: each_file(e, usual, keep_running)
			      ?: each_file(e, runtime_directory(), take_over)
			      ?: each_file(e, usual, take_over);
	free(usual);
	return err;
}

/* ---- entering and leaving -------------------------------------------------------- */

/* The name is for readers only, so a control character, which YAML refuses, becomes '?'. */
static void write_name(FILE *f, const char *name)
{
	for (; *name; name++) {
		if (!text_control(name)) {
			fputc(*name, f);
			continue;
		}
		fputc('?', f);
		while ((name[1] & 0xc0) == 0x80)
			name++;
	}
}

static int write_file(const struct entry *e)
{
	char path[PATH_MAX], handle[HANDLE_STRLEN];
	unsigned int i;
	FILE *f;

	file_name(runtime_directory(), e->domain, path);
	f = replace_open(path, 0600); /* irqgate sees the file only when it is complete */
	if (!f)
		return -EIO;
	fprintf(f, "# Domain ");
	write_name(f, e->domain->name);
	fprintf(f, ", while it runs; written by the libvirt hook of irqgate.\nversion: 1\n");
	if (!e->context) {
		fprintf(f, "contexts:\n  - { name: \"%s\", match: ", e->name);
		place_write(f, e->place);
		fprintf(f, " }\n");
	}
	fprintf(f, "devices:\n");
	for (i = 0; i < e->domain->nfunctions; i++)
		if (!e->named[i])
			fprintf(f,
				"  - { handle: \"%s\", context: \"%s\", vectors: all, "
				"on_violation: deny, access: owner }%s\n",
				handle_format(e->domain->functions[i], handle), e->name,
				i < e->domain->ngiven ? "" : " " BY_ARGUMENT);
	return replace_close(f, path, 0);
}

/* Earlier versions wrote the file into another directory. */
static void forget_former(const struct domain *d)
{
	char *usual = policy_directory(policy_file()), path[PATH_MAX];

	if (usual && strcmp(usual, runtime_directory())) {
		file_name(usual, d, path);
		unlink(path);
	}
	free(usual);
}

static int forget(const struct domain *d)
{
	int removed = remove_files(d);

	return removed > 0 ? apply() : removed;
}

static int enter(const struct domain *d, const struct place *place)
{
	struct entry e = { .domain = d, .place = place };
	int err = consider_policy(&e);

	if (!err && !rows(&e)) {
		err = forget(d);
	} else if (!err) {
		err = take_over_all(&e) ?: write_file(&e);
		if (!err) {
			forget_former(d);
			err = apply();
		}
	}
	policy_free(e.policy);
	free(e.named);
	free(e.match);
	return err;
}

static int start(const struct domain *d)
{
	struct place place = {};
	int err;

	if (!d->nfunctions && !d->unread)
		return forget(d); /* the file of an earlier start may be left */
	err = d->unread ? -EINVAL : place_expected(d, &place) ?: enter(d, &place);
	if (err)
		remove_files(d); /* a file that stays could make the apply of other domains fail */
	place_free(&place);
	return err;
}

/* QEMU runs. If it is not at the expected place, writes the file again. */
static int started(const struct domain *d)
{
	struct place place = {};
	int err = d->nfunctions ? place_expected(d, &place) : 0, moved = 0;

	if (!err && d->nfunctions)
		moved = place_found(d, &place);
	if (!err)
		err = moved > 0 ? enter(d, &place) : moved;
	if (err)
		remove_files(d);
	place_free(&place);
	return err;
}

/* libvirt was restarted and the domain runs. A failure would kill it, so this always succeeds. */
static int reconnect(const struct domain *d)
{
	struct place place;
	int err = place_expected(d, &place);

	if (!err)
		place_found(d, &place);
	if (err || enter(d, &place))
		tell("domain %s: cannot register it again; the rows in force stay", d->name);
	place_free(&place);
	return 0;
}

static int domain_event(const struct domain *d, const char *operation)
{
	int lock, err;

	if (!*d->uuid) {
		tell("domain %s: its XML has no UUID, and irqgate identifies a domain by its UUID",
		     d->name);
		return strcmp(operation, "reconnect") ? -EINVAL : 0;
	}
	lock = lock_directory();
	if (lock < 0) {
		if (geteuid() && d->nfunctions)
			tell("domain %s: only root's libvirt can register its functions", d->name);
		return geteuid() || !d->nfunctions || !strcmp(operation, "reconnect") ? 0 : lock;
	}
	err = !strcmp(operation, "start")       ? start(d)
	      : !strcmp(operation, "started")   ? started(d)
	      : !strcmp(operation, "reconnect") ? reconnect(d)
						: forget(d);
	close(lock);
	return err;
}

int main(int argc, char **argv)
{
	static const char *const operations[][2] = {
		/* Not before "start": until then a host driver may have the function. */
		{ "start", "begin" },
		{ "started", "begin" },
		{ "reconnect", "begin" },
		{ "stopped", "end" },
	};
	struct domain d;
	size_t i;
	int err;

	if (argc < 4) {
		fprintf(stderr,
			"usage: hook NAME OPERATION SUB-OPERATION, domain XML on the input\n");
		return EXIT_USAGE;
	}
	/* Without a policy, irqgate is not in use. */
	if (access(policy_file(), F_OK))
		return EXIT_DONE;
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(argv[2], operations[i][0]) && !strcmp(argv[3], operations[i][1]))
			break;
	if (i == ARRAY_SIZE(operations))
		return EXIT_DONE;
	openlog("irqgate-libvirt-hook", LOG_PID, LOG_DAEMON);
	err = domain_read(STDIN_FILENO, !strcmp(argv[2], "start"), &d);
	if (err && !strcmp(argv[2], "reconnect"))
		err = 0;
	else
		err = err ?: domain_event(&d, argv[2]);
	domain_free(&d);
	return err ? EXIT_RUNTIME : EXIT_DONE;
}
