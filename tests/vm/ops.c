// SPDX-License-Identifier: GPL-2.0-only
/* What operators use, and what the loader may do. */
#include "fixture.h"

#include <errno.h>
#include <linux/capability.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- ops.privileges --------------------------------------------------------- */

#define CAP(c) (1ULL << (c))
#define KEPT (CAP(CAP_BPF) | CAP(CAP_PERFMON) | CAP(CAP_SYS_PTRACE) | CAP(CAP_KILL))
#define TO_ATTACH (CAP(CAP_SYS_ADMIN) | CAP(CAP_SYSLOG))

/* A field of /proc/PID/status of the loader. */
static unsigned long long status(const char *name, int base)
{
	unsigned long long value = ~0ULL;
	char path[64], line[256];
	size_t len = strlen(name);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", loader_pid());
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && line[len] == ':')
			value = strtoull(line + len + 1, NULL, base);
	if (f)
		fclose(f);
	return value;
}

void expect_privileges(bool unhooked)
{
	unsigned long long want = KEPT | (unhooked ? TO_ATTACH : 0);

	expect(wait_for(5000, status("CapEff", 16) == want),
	       "the loader's effective capabilities are %llx, expected %llx", status("CapEff", 16),
	       want);
	expect(status("CapPrm", 16) == want, "permitted are %llx", status("CapPrm", 16));
	expect(!status("CapInh", 16) && !status("CapAmb", 16) && !status("CapBnd", 16),
	       "inheritable, ambient or bounding capabilities are left");
	expect(status("NoNewPrivs", 10) == 1, "the loader can get new privileges");
	expect(status("Seccomp", 10) == 2, "the loader has no seccomp filter");
}

/* Root's, and of no use to others. */
static void expect_private(const char *path)
{
	struct stat st;

	expect(!stat(path, &st), "%s: %s", path, rig_errname(errno));
	expect(!st.st_uid && !(st.st_mode & 077), "%s has mode %o of uid %u", path,
	       st.st_mode & 07777, st.st_uid);
}

/* What it keeps is enough: a reload, a quarantine and its release, of other users. */
static void privileges(void)
{
	const struct worker_options user = { .cgroup = BLUE, .uid = 12345 };
	struct worker *w;

	enforce(&nic, "all", "drop");
	expect_privileges(false);
	expect_private("/run/irqgate");
	expect_private("/run/irqgate/monitor");
	expect_private("/run/irqgate/lock");
	expect_private("/sys/fs/bpf/irqgate");
	expect_is(rig_pci_bind_vfio(nic.bdf), 0, "vfio-pci");
	open_to_users();
	w = worker_as(&user);
	equip(w, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_ARRIVES, 0, nic.vectors, 1);
	mark();
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "blue", "[0-2]", "drop");
	must(w, W_ABSENT, 3, 2, 1);
	COUNTS_OF(&nic, 3, 4, .dropped = 1);
	loader_reload(ENFORCE CONTEXTS "devices:\n" ROW, nic.handle, "blue", "[0-3]", "drop");
	must(w, W_ARRIVES, 0, 4, 1);
	/* One that binds what it must not have is stopped, and goes on. */
	must(w, W_VFIO_OFF, 0, 0, 0);
	expect_is(ask(w, W_VFIO, 0, nic.vectors, 0), 0, "binding again");
	expect(task_state(w->pid) != 'T', "the process that bound stays stopped");
	must(w, W_ABSENT, 4, 1, 1);
	expect_privileges(false);
}

/* ---- tool.top ---------------------------------------------------------------- */

#define LONG_NAME "a-name-much-longer-than-any-column-of-top"

static const char *line_of(const char *text, const char *what)
{
	static char line[512];
	const char *p = strstr(text, what);

	expect(p, "top does not show '%s':\n%s", what, text);
	while (p > text && p[-1] != '\n')
		p--;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
	return line;
}

static void expect_narrow(const char *text)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		const char *c;

		expect(strcspn(text, "\n") <= 80, "a line of top is too long: %.100s", text);
		for (c = text; *c && *c != '\n'; c++)
			expect(*c >= ' ' && *c <= '~', "top prints the character %d", *c);
	}
}

/* What a terminal of 80x24 gets until the program ends. Returns its exit status. */
static int in_terminal(const char *keys, char *out, size_t len)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	size_t have = 0;
	int fd, code;
	ssize_t n;
	pid_t pid;

	pid = forkpty(&fd, NULL, NULL, &size);
	expect(pid >= 0, "forkpty: %s", rig_errname(errno));
	if (!pid) {
		setenv("TERM", "xterm", 1);
		execl(irqgate_path(), "irqgate", "top", (char *)NULL);
		_exit(127);
	}
	while (have + 1 < len && (n = read(fd, out + have, len - have - 1)) > 0) {
		have += (size_t)n;
		out[have] = '\0';
		/* The last line of the screen is there: type. */
		if (*keys && strstr(out, "q quit")) {
			expect(write(fd, keys, strlen(keys)) > 0, "cannot type");
			keys = "";
		}
	}
	close(fd);
	waitpid(pid, &code, 0);
	return WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
}

static void top(void)
{
	static char screen[65536];
	const struct output *o;
	struct worker *w;

	loader_start(ENFORCE "contexts:\n"
			     "  - { name: " LONG_NAME ", match: { cgroup: /t/blue } }\n"
			     "devices:\n" ROW,
		     nic.handle, LONG_NAME, "[0-2]", "drop");
	w = bound_vmm(BLUE, &nic);
	must(w, W_ABSENT, 4, 1, 3);
	must(w, W_ARRIVES, 0, 1, 2);
	o = irqgate("top", "-b", "-n", "2", "-d", "0.5", NULL);
	expect(!o->status, "top: exit %d: %s", o->status, o->err);
	expect_narrow(o->out);
	expect(strstr(line_of(o->out, "quarantined"), "bound 5, quarantined 2"), "top says: %s",
	       line_of(o->out, "quarantined"));
	/* What is stopped comes before what is in order. */
	expect(strstr(o->out, " drop ") && strstr(o->out, " allow ") &&
		       strstr(o->out, " drop ") < strstr(o->out, " allow "),
	       "the violation is not first:\n%s", o->out);

	expect_is(in_terminal("q", screen, sizeof(screen)), 0, "top, after q");
	line_of(screen, nic.handle);
	/* To the alternate screen and back, and the cursor is shown again. */
	expect(strstr(screen, "\033[?1049h") && strstr(screen, "\033[?1049l") &&
		       strstr(screen, "\033[?25h"),
	       "top does not restore the terminal");
	expect_is(in_terminal("\003", screen, sizeof(screen)), 0, "top, after ^C");
	expect(strstr(screen, "\033[?1049l"), "after ^C top does not restore the terminal");

	o = irqgate("top", NULL);
	expect(o->status == 1 && strstr(o->err, "not a terminal"), "top without one: %s", o->err);
}

/* ---- tool.graph -------------------------------------------------------------- */

static void graph(void)
{
	/* A process has the name of its program: one that would break out of a string. */
	const struct worker_options hostile = { .cgroup = BLUE, .exe = "/run/v\"];\033[31m\n" };
	const struct output *o;
	struct worker *w;
	const char *c;

	copy_self(hostile.exe);
	unload(); /* what other tests had stopped is drawn, too */
	enforce(&nic, "[0-2]", "drop");
	w = worker_as(&hostile);
	equip(w, &nic);
	expect_is(bind_all(w, &nic, IRQFD_FIRST), 0, "binding");
	must(w, W_ABSENT, 3, 1, 3);
	o = irqgate("graph", NULL);
	unlink(hostile.exe);
	expect(!o->status, "graph: exit %d: %s", o->status, o->err);
	expect(strstr(o->out, "label=\"vectors 0-2\\nof blue\""), "no run of vectors:\n%s", o->out);
	expect(strstr(o->out, "stopped 3") && strstr(o->out, "label=\"drop: vector\"") &&
		       strstr(o->out, "#c00000"),
	       "the violation is not red: %s", strstr(o->out, " 3") ?: "");
	expect(strstr(o->out, "\\nVM of v\\\"];?[31m["), "no VM, or its name is raw:\n%s", o->out);
	for (c = o->out; *c; c++)
		expect(*c == '\n' || (*c >= ' ' && *c <= '~'), "graph prints the character %d", *c);
	o = irqgate("graph", "--full", "--svg", NULL);
	if (o->status == 1 && strstr(o->err, "cannot run 'dot'"))
		test_skip("no graphviz: the SVG was not looked at");
	expect(!o->status, "graph --svg: exit %d: %s", o->status, o->err);
	expect(strstr(o->out, "<svg") && strstr(o->out, "</svg>"), "graph --svg makes no SVG");
}

static const struct test tests[] = {
	{ "ops.privileges", privileges },
	{ "tool.top", top },
	{ "tool.graph", graph },
};

struct test_set ops_tests(void)
{
	return TEST_SET(tests);
}
