// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: flood [SECONDS]
 * What becomes of 10^6 violations a second, and of 10^6 events a second, which is
 * what would come if nothing thinned them, on this machine: the loop of the loader, with
 * a reader that only counts and an `irqgate monitor -j`. Prints "NAME VALUE". Needs root;
 * works in a mount name space of its own, attaches nothing.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/util.h"
#include "loader/events.h"
#include "loader/loader.h"
#include "loader/privilege.h"
#include "policy/policy.h"
#include "table/table.h"
#include "flood.skel.h"
#include "maps.h"

#define OFFERED 1000000 /* a second */
#define STEP 1000 /* of them at once, each ms */
#define SHOWN "/run/shown"

static struct flood_bpf *skel;
static struct pins pins;

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double offer(struct bpf_program *prog, unsigned int repeat)
{
	static char packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = repeat);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		die("BPF_PROG_TEST_RUN");
	return opts.duration;
}

/* As daemon_run() when all is in force. */
static void loader_process(int ready)
{
	struct run_options opts = { .stay = true };
	struct loader l = { .opts = &opts, .listener = -1, .files = -1 };
	struct stat st;

	if (privilege_start() || policy_empty(&l.policy) || pins_open(&l.pins) ||
	    !freopen("/dev/null", "we", stdout))
		exit(1);
	l.sentinel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l.generation = l.pins.state->generation;
	/* There is no module yet to be hooked, and none that just came. */
	if (!stat("/sys/module", &st))
		l.modules = st.st_nlink;
	if (loader_open_loop(&l) || privilege_limit(true))
		exit(1);
	loader_beat(&l);
	never_block();
	if (write(ready, "x", 1) != 1)
		exit(1);
	_exit(loader_loop(&l) ? 1 : 0);
}

/* Prints how many it got, when the loader ends. */
static void counting_process(int ready, int count)
{
	static struct irqgate_event events[MONITOR_BATCH];
	__u64 got = 0;
	ssize_t n, i;
	int fd = monitor_connect();

	if (fd < 0 || write(ready, "x", 1) != 1)
		exit(1);
	while ((n = monitor_read(fd, events, 0)) > 0)
		for (i = 0; i < n; i++)
			got += events[i].type == IRQGATE_EVENT_VERDICT;
	_exit(write(count, &got, sizeof(got)) != sizeof(got));
}

static void showing_process(void)
{
	int out = open(SHOWN, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(out, STDOUT_FILENO);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
	execl("build/irqgate", "irqgate", "monitor", "-j", (char *)NULL);
	_exit(127);
}

static double lines_shown(void)
{
	FILE *f = fopen(SHOWN, "re");
	double n = 0;
	int c;

	while (f && (c = getc_unlocked(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	unlink(SHOWN);
	return n;
}

static void wait_ready(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		die("a process is not ready");
}

/* Seconds of one CPU it took. */
static double end(pid_t pid, int sig)
{
	struct rusage took;
	int status;

	if (sig)
		kill(pid, sig);
	if (wait4(pid, &status, 0, &took) < 0 || status)
		die("a process failed");
	return took.ru_utime.tv_sec + took.ru_stime.tv_sec +
	       (took.ru_utime.tv_usec + took.ru_stime.tv_usec) / 1e6;
}

static void flood(const char *name, struct bpf_program *prog, int seconds)
{
	__u64 begin, now, beat, lost = pins.state->lost_events, silent = 0, got = 0, offered = 0;
	int ready[2], count[2];
	pid_t loader, counting, showing;
	double took, cpu, shown_cpu;

	if (pipe(ready) || pipe(count))
		die("pipe");
	loader = fork();
	if (!loader)
		loader_process(ready[1]);
	wait_ready(ready[0]);
	counting = fork();
	if (!counting)
		counting_process(ready[1], count[1]);
	wait_ready(ready[0]);
	showing = fork();
	if (!showing)
		showing_process();
	usleep(500000);

	begin = now = now_ns();
	while (now - begin < seconds * 1000000000ULL) {
		/* Behind, it offers more at once. */
		__u64 due = (now - begin) / 1000000 * STEP;

		if (due > offered) {
			offer(prog, due - offered);
			offered = due;
		} else {
			usleep(1000000 / (OFFERED / STEP) / 2);
		}
		now = now_ns();
		beat = pins.state->loader_beat;
		if (beat > begin && now > beat && now - beat > silent)
			silent = now - beat;
	}
	took = (now - begin) / 1e9;
	usleep(100000);
	cpu = end(loader, SIGTERM);
	end(counting, 0);
	shown_cpu = end(showing, 0);
	if (read(count[0], &got, sizeof(got)) != sizeof(got))
		die("count");
	lost = pins.state->lost_events - lost;
	printf("%s_offered_per_s %.0f\n", name, offered / took);
	printf("%s_delivered_per_s %.0f\n", name, got / took);
	printf("%s_ring_lost_ratio %.4f\n", name, (double)lost / offered);
	printf("%s_lost_ratio %.4f\n", name, lost + got ? 1 - got / (double)(lost + got) : 0);
	printf("%s_shown_per_s %.0f\n", name, lines_shown() / took);
	printf("%s_cpu_percent %.1f\n", name, cpu / took * 100);
	printf("%s_shown_cpu_percent %.1f\n", name, shown_cpu / took * 100);
	/* Between the few events of the others it sleeps. */
	if (prog == skel->progs.bench_event)
		printf("%s_loader_turn_max_ms %.1f\n", name, silent / 1e6);
	close(ready[0]);
	close(ready[1]);
	close(count[0]);
	close(count[1]);
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = PIN_DIR);
	int seconds = argc > 1 ? atoi(argv[1]) : 5;
	struct policy *policy;
	struct rows rows;

	make_maps();
	if (pins_open(&pins) || policy_empty(&policy) || rows_of_policy(&rows, policy) ||
	    table_publish(&pins, NULL, &rows))
		return 1;
	skel = flood_bpf__open_opts(&opts);
	if (!skel || flood_bpf__load(skel))
		die("loading the programs");
	setvbuf(stdout, NULL, _IOLBF, 0);
	flood("violations", skel->progs.bench_violation, seconds);
	flood("monitor", skel->progs.bench_event, seconds);
	/* No process reads: the time of an event while the ring has room, and afterwards. */
	printf("event_room_ns %.0f\n", offer(skel->progs.bench_event, 1000));
	offer(skel->progs.bench_event, 10000);
	printf("event_full_ns %.0f\n", offer(skel->progs.bench_event, 100000));
	return 0;
}
