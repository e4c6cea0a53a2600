/* SPDX-License-Identifier: GPL-2.0-only */
/* The clocks that BPF programs use. */
#ifndef IRQGATE_USER_CLOCK_H
#define IRQGATE_USER_CLOCK_H

#include <linux/types.h>

/* now_ns - CLOCK_MONOTONIC in ns, as bpf_ktime_get_ns() returns it. */
__u64 now_ns(void);

/* boottime_ns - CLOCK_BOOTTIME in ns, as bpf_ktime_get_boot_ns() returns it. */
__u64 boottime_ns(void);

#endif
