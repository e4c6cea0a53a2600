// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "table/pins.h"
#include "irqgate.skel.h"
#include "maps.h"

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

void make_maps(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = PIN_DIR);
	struct bpf_program *prog;
	struct irqgate_bpf *skel;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) || mount("tmp", "/run", "tmpfs", 0, NULL) ||
	    mkdir("/run/irqgate", 0700) || mkdir(PIN_DIR, 0700))
		die("a mount name space of its own");
	skel = irqgate_bpf__open_opts(&opts);
	if (!skel)
		die("opening the object");
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, false);
	if (irqgate_bpf__load(skel))
		die("making the maps");
}
