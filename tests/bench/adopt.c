// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: adopt POLICY VMS IRQFDS
 * How long irqgate takes to find what was there before it, where VMS processes have a VM
 * each with IRQFDS irqfds on eventfds of their own; how long to start with and without
 * them, what its maps hold in memory, and what the loader takes while nothing happens.
 * All of them must be found. Prints "NAME VALUE", times of the guest's clock. Needs root
 * and KVM.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "table/pins.h"

#define IDLE_S 5

static void die(const char *what)
{
	fprintf(stderr, "adopt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

/* A VMM, as far as irqgate is concerned. Ends when @alive is closed. */
static void vmm(int irqfds, int ready, int alive)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0), i;
	char c;

	if (vm < 0 || ioctl(vm, KVM_ENABLE_CAP, &split))
		die("creating a VM");
	for (i = 0; i < irqfds; i++) {
		struct kvm_irqfd irqfd = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = 24 + i };

		if (ioctl(vm, KVM_IRQFD, &irqfd))
			die("KVM_IRQFD");
	}
	if (write(ready, "x", 1) != 1)
		die("ready");
	while (read(alive, &c, 1) > 0)
		;
	_exit(0);
}

/* Returns the descriptor whose closing ends them. */
static int start_vmms(int vms, int irqfds)
{
	int ready[2], alive[2], i;
	char c;

	if (pipe2(ready, O_CLOEXEC) || pipe2(alive, O_CLOEXEC))
		die("pipe");
	for (i = 0; i < vms; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			close(alive[1]);
			close(ready[0]);
			vmm(irqfds, ready[1], alive[0]);
		}
	}
	close(ready[1]);
	close(alive[0]);
	for (i = 0; i < vms; i++)
		if (read(ready[0], &c, 1) != 1)
			die("a VMM ended");
	close(ready[0]);
	return alive[1];
}

static pid_t start(char *const argv[], int err)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
	execv(argv[0], argv);
	_exit(127);
}

/* Until every hook is in force and all that existed was found. */
static pid_t start_loader(char *policy, double *took)
{
	char *argv[] = { "build/irqgate", "run", "--policy", policy, NULL }, line[512];
	double called = now_ms();
	int err[2];
	pid_t pid;
	FILE *f;

	if (pipe2(err, O_CLOEXEC))
		die("pipe");
	pid = start(argv, err[1]);
	close(err[1]);
	f = fdopen(err[0], "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strcmp(line, "irqgate: ready\n")) {
			fputs(line, stderr);
			continue;
		}
		*took = now_ms() - called;
		return pid; /* the pipe stays open: it may say more */
	}
	die("the loader is not ready");
	return -1;
}

static void stop_loader(pid_t pid)
{
	char *argv[] = { "build/irqgate", "unload", NULL };
	int status;

	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	if (waitpid(start(argv, -1), &status, 0) < 0 || status)
		die("irqgate unload");
}

/* A map from one 64-bit number to anything. */
static int open_map(const char *name)
{
	char path[PIN_LEN];
	int map = bpf_obj_get(pin_path(path, name));

	if (map < 0)
		die(path);
	return map;
}

static long entries(const char *name)
{
	int map = open_map(name), more;
	__u64 key;
	long n = 0;

	while ((more = map_next(map, n ? &key : NULL, &key)) > 0)
		n++;
	close(map);
	return more ? -1 : n;
}

static void clear(const char *name)
{
	int map = open_map(name);
	__u64 key;

	while (map_next(map, NULL, &key) > 0)
		bpf_map_delete_elem(map, &key);
	close(map);
}

/* Forgets them and finds them again, as loader_search() of user/loader/adopt.c does. */
static double find(void)
{
	double t;

	clear("irqfds");
	clear("eventfds");
	clear("vms");
	t = now_ms();
	if (pins_iterate("iter_kvm", NULL, NULL) || pins_call("prog_vms") ||
	    pins_iterate("iter_vfio", NULL, NULL) || pins_call("prog_sweep"))
		die("searching");
	return now_ms() - t;
}

/* The kernel's own account of all maps. */
static double maps_kib(void)
{
	char path[512], line[256];
	double sum = 0, bytes;
	DIR *dir = opendir(PIN_DIR);
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		int fd;
		FILE *f;

		snprintf(path, sizeof(path), PIN_DIR "/%s", d->d_name);
		fd = d->d_name[0] == '.' ? -1 : bpf_obj_get(path);
		if (fd < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "re");
		bytes = 0;
		while (f && fgets(line, sizeof(line), f))
			if (!strncmp(line, "map_type", 8))
				bytes = -1;
			else if (bytes && sscanf(line, "memlock: %lf", &bytes) == 1)
				sum += bytes;
		if (f)
			fclose(f);
		close(fd);
	}
	if (dir)
		closedir(dir);
	return sum / 1024;
}

/* Of one CPU, in percent, while nothing happens. */
static double idle_cpu(pid_t pid)
{
	unsigned long long before = 0, after = 0;
	char path[64];
	double t;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	for (i = 0; i < 2; i++) {
		FILE *f = fopen(path, "re");

		if (!f || fscanf(f, "%llu", i ? &after : &before) != 1)
			die(path);
		fclose(f);
		if (i)
			break;
		t = now_ms();
		sleep(IDLE_S);
		t = now_ms() - t;
	}
	return (after - before) / 1e4 / t;
}

static void measure(char *policy, const char *prefix, int vms, int irqfds)
{
	double took;
	pid_t pid = start_loader(policy, &took);
	int i;

	printf("%sstart_ms %.1f\n", prefix, took);
	printf("%smaps_kib %.0f\n", prefix, maps_kib());
	printf("%sidle_cpu_percent %.2f\n", prefix, idle_cpu(pid));
	for (i = 0; i < 2; i++) {
		if (i)
			printf("%sms %.1f\n", *prefix ? prefix : "adopt_none_", find());
		if (entries("vms") != vms || entries("irqfds") != irqfds ||
		    entries("eventfds") != irqfds) {
			fprintf(stderr, "adopt: found %ld VMs, %ld irqfds, %ld eventfds\n",
				entries("vms"), entries("irqfds"), entries("eventfds"));
			exit(1);
		}
	}
	stop_loader(pid);
}

int main(int argc, char **argv)
{
	int vms = argc == 4 ? atoi(argv[2]) : 0, irqfds = argc == 4 ? atoi(argv[3]) : 0, alive;
	double first;

	if (vms < 1 || irqfds < 1) {
		fprintf(stderr, "usage: adopt POLICY VMS IRQFDS\n");
		return 2;
	}
	stop_loader(start_loader(argv[1], &first)); /* the first one reads everything from disk */
	measure(argv[1], "", 0, 0);
	alive = start_vmms(vms, irqfds);
	printf("adopt_vms %d\n", vms);
	printf("adopt_irqfds %d\n", vms * irqfds);
	measure(argv[1], "adopt_", vms, vms * irqfds);
	close(alive);
	while (wait(NULL) > 0)
		;
	return 0;
}
