// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: latency revoke|contain HANDLE CONTEXT ROUNDS
 * How long an interrupt may still arrive, in microseconds of the guest's clock: prints
 * "NAME_p50_us", "NAME_p99_us" and "NAME_max_us". Runs in the context's cgroup, while the
 * loader enforces a policy that gives the context vector 0 of the edu HANDLE (revoke), or
 * does not, with on_violation: drop (contain).
 *   revoke   from the call of `irqgate revoke` to the last arrival, with the device
 *            raising the vector all the time; nothing may arrive after its return
 *   contain  from the bind that should not be to the quarantine, until which the process
 *            is held
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

#define MAX_ROUNDS 1000

static struct rig_dev edu;
static int efd;
static char *handle, *context;

static void die(const char *what, int err)
{
	fprintf(stderr, "latency: %s: %s\n", what, rig_errname(err));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static pid_t start(char *const argv[])
{
	pid_t pid = fork();

	if (!pid) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static bool arrives(void)
{
	rig_dev_raise(&edu, 0);
	return rig_eventfd_take(efd) > 0;
}

static uint64_t revoke_once(void)
{
	char *revoke[] = { "build/irqgate", "revoke", handle, "0", NULL };
	char *allow[] = { "build/irqgate", "allow", handle, "0", "--to", context, NULL };
	uint64_t called, last;
	int status, i;
	pid_t pid;

	for (i = 0; i < 1000 && !arrives(); i++)
		usleep(1000);
	if (i == 1000)
		die("the vector does not arrive", ETIMEDOUT);
	called = last = now();
	pid = start(revoke);
	while (!waitpid(pid, &status, WNOHANG))
		if (arrives())
			last = now();
	if (status)
		die("irqgate revoke", EIO);
	for (i = 0; i < 100; i++)
		if (arrives())
			die("arrived after revoke", EEXIST);
	if (waitpid(start(allow), &status, 0) < 0 || status)
		die("irqgate allow", EIO);
	return last - called;
}

static uint64_t contain_once(void)
{
	uint64_t called = now(), took;
	int err = rig_irq_eventfds(edu.fd, edu.index, 0, 1, &efd);

	took = now() - called;
	if (err)
		die("binding", err);
	if (arrives())
		die("arrived though it is to be dropped", EEXIST);
	rig_irq_disable(edu.fd, edu.index);
	return took;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static uint64_t took[MAX_ROUNDS];
	bool revoke;
	int i, n, err;

	if (argc != 5 || strncmp(argv[2], "pci:", 4))
		die("usage: latency revoke|contain HANDLE CONTEXT ROUNDS", EINVAL);
	revoke = !strcmp(argv[1], "revoke");
	handle = argv[2];
	context = argv[3];
	n = atoi(argv[4]);
	if (n < 1 || n > MAX_ROUNDS)
		die("ROUNDS", ERANGE);
	err = rig_pci_bind_vfio(handle + 4) ?: rig_dev_open(&edu, handle + 4);
	efd = rig_eventfd();
	if (err || efd < 0)
		die("VFIO", err);
	if (revoke)
		err = rig_irq_eventfds(edu.fd, edu.index, 0, 1, &efd);
	if (err)
		die("binding", err);
	for (i = 0; i < n; i++)
		took[i] = revoke ? revoke_once() : contain_once();
	qsort(took, n, sizeof(took[0]), compare);
	printf("%s_p50_us %.1f\n", argv[1], took[n / 2] / 1e3);
	printf("%s_p99_us %.1f\n", argv[1], took[(n * 99 + 99) / 100 - 1] / 1e3);
	printf("%s_max_us %.1f\n", argv[1], took[n - 1] / 1e3);
	return 0;
}
