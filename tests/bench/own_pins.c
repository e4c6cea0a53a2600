// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "own_pins.h"
#include "table/pins.h"

int own_pins(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) || mount("tmp", "/run", "tmpfs", 0, NULL) ||
	    mkdir("/run/irqgate", 0700) || mkdir(PIN_DIR, 0700))
		return -errno;
	return 0;
}
