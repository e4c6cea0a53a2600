// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>

#include "lib/clock.h"

static __u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__u64 now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

__u64 boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}
