// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/pins.h"
#include "irqgate.skel.h"
#include "maps.h"
#include "own_pins.h"

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

	errno = -own_pins();
	if (errno)
		die("a mount name space of its own");
	skel = irqgate_bpf__open_opts(&opts);
	if (!skel)
		die("opening the object");
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, false);
	if (irqgate_bpf__load(skel))
		die("making the maps");
}
