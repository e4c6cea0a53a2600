// SPDX-License-Identifier: GPL-2.0-only
/* usage: floor - attaches the programs of floor.bpf.c, says so, and waits to be killed. */
#include <stdio.h>
#include <unistd.h>

#include "floor.skel.h"

int main(void)
{
	struct floor_bpf *skel = floor_bpf__open_and_load();

	if (!skel || floor_bpf__attach(skel))
		return 1;
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
