/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IRQGATE_BENCH_MAPS_H
#define IRQGATE_BENCH_MAPS_H

/*
 * make_maps - all maps of irqgate and no programs, in a mount name space of its own,
 * whose /run is empty. Ends the process if that fails.
 */
void make_maps(void);

#endif
