// SPDX-License-Identifier: GPL-2.0-only
/* ops.*: the privileges of the loader and access to irqgate. tool.*: the views of operators. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
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

/* The file is root's, and other users have no access. */
static void expect_private(const char *path)
{
	struct stat st;

	expect(!stat(path, &st), "%s: %s", path, rig_errname(errno));
	expect(!st.st_uid && !(st.st_mode & 077), "%s has mode %o of uid %u", path,
	       st.st_mode & 07777, st.st_uid);
}

/* The kept capabilities suffice for a reload, a quarantine and a release for another user. */
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
	/* The loader stops a process that binds an unauthorized vector, and continues it. */
	must(w, W_VFIO_OFF, 0, 0, 0);
	expect_is(ask(w, W_VFIO, 0, nic.vectors, 0), 0, "binding again");
	expect(task_state(w->pid) != 'T', "the process that bound the vectors stays stopped");
	must(w, W_ABSENT, 4, 1, 1);
	expect_privileges(false);
}

/* ---- ops.unprivileged, ops.foreign_pins ------------------------------------- */

#define PINS "/sys/fs/bpf/irqgate"

static int bpf(int cmd, union bpf_attr *attr)
{
	long ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : (int)ret;
}

static int pin_get(const char *path)
{
	union bpf_attr attr = { .pathname = (uintptr_t)path };

	return bpf(BPF_OBJ_GET, &attr);
}

static int monitor_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/run/irqgate/monitor" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

/* A process without privileges tries all ways to irqgate. The number of an open one; 0: none. */
static int ways_in(void)
{
	union bpf_attr id = { .map_id = 1 };

	if (monitor_connect() != -EACCES)
		return 1;
	if (open("/run/irqgate/lock", O_RDONLY) >= 0 || open("/run/irqgate", O_RDONLY) >= 0)
		return 2;
	if (pin_get(PINS "/state") >= 0 || pin_get(PINS "/devices") >= 0 ||
	    pin_get(PINS "/events") >= 0 || pin_get(PINS "/link_file_ioctl") >= 0)
		return 3;
	if (open(PINS, O_RDONLY) >= 0 || open(PINS "/iter_kvm", O_RDONLY) >= 0)
		return 4;
	if (!unlink(PINS "/state") || !rmdir(PINS) || !rename(PINS, "/sys/fs/bpf/mine"))
		return 5;
	if (bpf(BPF_MAP_GET_FD_BY_ID, &id) != -EPERM)
		return 6;
	if (!kill(loader_pid(), SIGCONT) || !kill(loader_pid(), 0))
		return 7;
	return 0;
}

static void unprivileged(void)
{
	int status = 0;
	pid_t pid;

	enforce(&nic, "all", "drop");
	expect(pin_get(PINS "/state") >= 0, "not even root has the pins");
	expect_is(monitor_connect(), 0, "root's monitor");
	pid = fork();
	if (!pid) {
		setsid(); /* in one session, any process may send SIGCONT to any other */
		if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
		    setresuid(65534, 65534, 65534))
			_exit(99);
		_exit(ways_in());
	}
	expect(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "the process died");
	expect(!WEXITSTATUS(status), "way %d is open to a process without privileges",
	       WEXITSTATUS(status));
}

static void expect_refused(const char *why, const char *verb_word, const char *more)
{
	const struct output *o = irqgate(verb_word, more, NULL);

	expect(o->status == 1 && strstr(o->err, why), "%s: status %d, not '%s': %s", verb_word,
	       o->status, why, o->err);
}

/* irqgate neither reads nor fills a directory of another user at the place of the pins. */
static void foreign_pins(void)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_HASH, .key_size = 16, .value_size = 4096, .max_entries = 1
	};
	union bpf_attr pin = { .pathname = (uintptr_t)PINS "/stats" };
	int fd;

	unload();
	expect(!mkdir(PINS, 0700) && !chmod(PINS, 0777), "mkdir: %s", rig_errname(errno));
	expect_refused("mode 0777, expected root alone to write", "load", NULL);
	expect_refused("mode 0777, expected root alone to write", "show", "stats");
	expect(!chmod(PINS, 0700) && !chown(PINS, 12345, 0), "chown: %s", rig_errname(errno));
	expect_refused("owned by uid 12345", "load", NULL);
	expect(!rmdir(PINS) && !symlink("/sys/fs/bpf", PINS), "symlink: %s", rig_errname(errno));
	expect_refused("expected a directory of a bpf file system", "load", NULL);
	expect_refused("expected a directory of a bpf file system", "show", "stats");
	unlink(PINS);
	/* A pinned map with larger entries than `show` has room for. */
	verb(0, "load", NULL);
	fd = bpf(BPF_MAP_CREATE, &map);
	expect(fd >= 0, "a map: %s", rig_errname(-fd));
	expect(!rename(PINS "/stats", PINS "/stats_kept"), "rename: %s", rig_errname(errno));
	pin.bpf_fd = (__u32)fd;
	expect_is(bpf(BPF_OBJ_PIN, &pin), 0, "pinning another map");
	expect_refused("/stats: not a map of irqgate", "show", "stats");
	expect(!unlink(PINS "/stats") && !rename(PINS "/stats_kept", PINS "/stats"), "rename: %s",
	       rig_errname(errno));
	close(fd);
	verb(0, "show", "stats", NULL);
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

/* Runs top in a terminal of 80x24 until it ends. Returns its exit status. */
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
		/* Type when the last line of the screen has come. */
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

	loader_with(ENFORCE "contexts:\n"
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
	/* Violations come before allowed vectors. */
	expect(strstr(o->out, " drop ") && strstr(o->out, " allow ") &&
		       strstr(o->out, " drop ") < strstr(o->out, " allow "),
	       "the violation is not first:\n%s", o->out);

	expect_is(in_terminal("q", screen, sizeof(screen)), 0, "top, after q");
	line_of(screen, nic.handle);
	/* top switches to the alternate screen and back, and shows the cursor again. */
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
	/* The name of the program, so of the process, would end a string of DOT. */
	const struct worker_options hostile = { .cgroup = BLUE, .exe = "/run/v\"];\033[31m\n" };
	const struct output *o;
	struct worker *w;
	const char *c;

	copy_self(hostile.exe);
	unload(); /* graph also draws what was stopped in other tests */
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
	{ "ops.unprivileged", unprivileged },
	{ "ops.foreign_pins", foreign_pins },
	{ "tool.top", top },
	{ "tool.graph", graph },
};

struct test_set ops_tests(void)
{
	return TEST_SET(tests, .loader_stays = true);
}
