// SPDX-License-Identifier: GPL-2.0-only
/*
 * Warnings about values that can never match or have no effect, and notes about what is absent
 * now. These read /proc and sysfs, so they need no running irqgate.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/cgroup.h"
#include "lib/device.h"
#include "lib/util.h"
#include "policy/policy.h"

/* A row with a match. */
struct row {
	const struct policy_match *match;
	const char *what; /* "context" or "source" */
	const char *name;
	unsigned int file, line;
	bool seen; /* it matches a process */
};

static bool is_below(const char *path, const char *cgroup)
{
	size_t len = strlen(cgroup);

	if (len == 1)
		return true; /* the root */
	return !strncmp(path, cgroup, len) && (!path[len] || path[len] == '/');
}

/* ---- warnings: never matches ------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void warn(struct policy *p, const struct row *row,
						       const char *format, ...)
{
	char text[1024], safe[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	policy_remark(p, row->file, row->line, true, "%s %s: %s", row->what, row->name,
		      text_safe(text, safe, sizeof(safe)));
}

static void lint_cgroup(struct policy *p, const struct row *row, const char *cgroup)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(cgroup), wild = strcspn(cgroup, "*?["), parent;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), CGROUP_ROOT "%s", cgroup);
	if (!access(path, F_OK))
		return;
	for (parent = wild; parent > 1 && cgroup[parent - 1] != '/'; parent--)
		;
	parent -= parent > 1;
	if (cgroup[wild])
		warn(p, row,
		     "no cgroup is called '%s', and '%c' is no wildcard: name one cgroup, as "
		     "'%.*s', which includes all cgroups below it",
		     cgroup, cgroup[wild], (int)parent, cgroup);
	else if (len > sizeof(deleted) && !strcmp(cgroup + len - sizeof(deleted) + 1, deleted))
		warn(p, row, "'%s' is a removed cgroup: leave '%s' out to match the next one",
		     cgroup, deleted);
}

static bool is_script(const char *path)
{
	char head[2] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool script = fd >= 0 && read(fd, head, 2) == 2 && !memcmp(head, "#!", 2);

	if (fd >= 0)
		close(fd);
	return script;
}

static void lint_exe(struct policy *p, const struct row *row, const char *exe)
{
	size_t wild = strcspn(exe, "*?[");
	struct stat st;

	if (stat(exe, &st)) {
		if (exe[wild])
			warn(p, row,
			     "no file is called '%s', and '%c' is no wildcard: name one executable",
			     exe, exe[wild]);
		return;
	}
	if (!S_ISREG(st.st_mode))
		warn(p, row, "'%s' is no file: name the executable", exe);
	else if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		warn(p, row, "'%s' is not executable: name the program itself", exe);
	else if (is_script(exe))
		warn(p, row,
		     "'%s' is a script, and the kernel executes its interpreter: match the cgroup "
		     "or the user",
		     exe);
}

/* A match compares the number of the process, so the number of another thread never matches. */
static void lint_pid(struct policy *p, const struct row *row, long pid)
{
	char path[64], line[64];
	FILE *f;
	long tgid;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %ld", &tgid) == 1 && tgid != pid)
			warn(p, row, "%ld is a thread of process %ld: name the process", pid, tgid);
	if (f)
		fclose(f);
}

static void lint_match(struct policy *p, const struct row *row)
{
	const struct policy_match *m = row->match;

	if (m->cgroup)
		lint_cgroup(p, row, m->cgroup);
	if (m->exe)
		lint_exe(p, row, m->exe);
	if (m->pid)
		lint_pid(p, row, m->pid);
}

/* A value of a row that has no effect with the other values that hold for the row. */
static void lint_device(struct policy *p, const struct policy_device *d)
{
	char word[POLICY_SELECT_LEN];
	unsigned int i;

	if (d->on_mapped && policy_access(p, d) != IRQGATE_ACCESS_OWNER)
		policy_remark(
			p, d->file, d->line, true,
			"%s: 'on_mapped' has no effect with 'access: any', by which everybody "
			"may map the device",
			policy_select_format(d, word));
	for (i = 0; i < d->nbrokers; i++)
		if (!p->contexts[d->broker[i]].match.kinds)
			policy_remark(p, d->file, d->line, true,
				      "%s: no process is of the broker '%s', because that context "
				      "has no match",
				      policy_select_format(d, word),
				      p->contexts[d->broker[i]].name);
}

/* ---- notes: absent now ------------------------------------------------------------ */

/* The values of a process that a match compares. */
struct process {
	long pid;
	long uid; /* -1: not known */
	char cgroup[PATH_MAX]; /* "": not known */
	struct stat exe; /* st_ino 0: not known */
};

static void look(long pid, struct process *p)
{
	char path[64], line[PATH_MAX + 8];
	FILE *f;

	p->pid = pid;
	p->uid = -1;
	*p->cgroup = '\0';
	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %ld", &p->uid) == 1)
			break;
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%ld/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::", 3))
			snprintf(p->cgroup, sizeof(p->cgroup), "%.*s", (int)strcspn(line + 3, "\n"),
				 line + 3);
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%ld/exe", pid);
	if (stat(path, &p->exe))
		memset(&p->exe, 0, sizeof(p->exe));
}

static bool is_exe(const struct process *p, const char *exe)
{
	struct stat st;

	return p->exe.st_ino && !stat(exe, &st) && st.st_ino == p->exe.st_ino &&
	       st.st_dev == p->exe.st_dev;
}

static bool matches(const struct policy_match *m, const struct process *p)
{
	return (!m->pid || m->pid == p->pid) &&
	       (!(m->kinds & IRQGATE_MATCH_UID) || m->uid == p->uid) &&
	       (!m->cgroup || (*p->cgroup && is_below(p->cgroup, m->cgroup))) &&
	       (!m->exe || is_exe(p, m->exe));
}

static void see_processes(struct row *rows, size_t n)
{
	DIR *proc = opendir("/proc");
	struct process p;
	struct dirent *d;
	size_t i;

	while (proc && (d = readdir(proc))) {
		if (atol(d->d_name) <= 0)
			continue;
		look(atol(d->d_name), &p);
		for (i = 0; i < n; i++)
			rows[i].seen |= matches(rows[i].match, &p);
	}
	if (proc)
		closedir(proc);
}

static void note_devices(struct policy *p)
{
	static const char *const states[] = {
		[DEVICE_ABSENT] = "is not there",
		[DEVICE_UNBOUND] = "is there, without a driver",
		[DEVICE_HOST] = "is there, with the host driver",
		[DEVICE_VFIO] = "is there, for VFIO, with the driver",
	};
	char word[POLICY_SELECT_LEN], driver[DRIVER_LEN];
	unsigned int i;

	for (i = 0; i < p->ndevices; i++) {
		const struct policy_device *d = &p->devices[i];
		unsigned int want = d->select.kind == POLICY_SELECT_ID ? d->select.count : 1;
		enum device_state state;

		policy_select_format(d, word);
		if (d->nfunctions < want || d->select.kind != POLICY_SELECT_HANDLE) {
			policy_remark(p, d->file, d->line, false, "%s: %u of %u functions are here",
				      word, d->nfunctions,
				      want > d->nfunctions ? want : d->nfunctions);
			continue;
		}
		state = device_state(d->functions[0], driver);
		policy_remark(p, d->file, d->line, false, "%s %s%s%s", word, states[state],
			      *driver ? " " : "", driver);
	}
}

/* ---- both --------------------------------------------------------------------------- */

void policy_lint(struct policy *p, bool here)
{
	struct row *rows = calloc(p->ncontexts + p->nsources + 1, sizeof(*rows));
	char *names = calloc(p->nsources + 1, HANDLE_STRLEN);
	size_t n = 0, i;

	for (i = 0; rows && names && i < p->ncontexts; i++) {
		const struct policy_context *c = &p->contexts[i];

		if (c->match.kinds)
			rows[n++] = (struct row){ &c->match, "context", c->name,
						  c->file,   c->line,   false };
	}
	for (i = 0; rows && names && i < p->nsources; i++) {
		const struct policy_source *s = &p->sources[i];

		rows[n++] = (struct row){
			&s->match, "source", handle_format(s->handle, names + i * HANDLE_STRLEN),
			s->file,   s->line,  false
		};
	}
	for (i = 0; i < n; i++)
		lint_match(p, &rows[i]);
	for (i = 0; i < p->ndevices; i++)
		lint_device(p, &p->devices[i]);
	if (here) {
		see_processes(rows, n);
		for (i = 0; i < n; i++)
			if (!rows[i].seen)
				policy_remark(p, rows[i].file, rows[i].line, false,
					      "%s %s matches no process now", rows[i].what,
					      rows[i].name);
		note_devices(p);
	}
	free(names);
	free(rows);
}

static int by_place(const void *a, const void *b)
{
	const struct policy_remark *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return y->warning - x->warning;
}

void policy_print_remarks(const struct policy *p, bool notes)
{
	const struct policy_remark *r;

	if (p->nremarks)
		qsort(p->remarks, p->nremarks, sizeof(*p->remarks), by_place);
	for (r = p->remarks; r < p->remarks + p->nremarks; r++)
		if (r->warning || notes)
			fprintf(stderr, "%s:%u: %s: %s\n", p->files[r->file], r->line,
				r->warning ? "warning" : "note", r->text);
}
