/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Take over from an irqgate of another build, without a gap.
 *
 * If the maps have the same layout, the loader keeps them and replaces only programs. It
 * attaches each gate before it removes the gate's predecessor.
 *
 * If the layouts differ, the loader moves the pins aside, where the old programs go on
 * enforcing, and loads everything again beside them. It copies the contents of the maps
 * member by member, by the names in their BTF, and searches for what exists. Then it
 * removes the old programs. If the loader is killed at any point, the next start resumes.
 *
 * A program that counts interrupts is never attached twice: its predecessor goes first, and
 * interrupts of the moment between are enforced but not counted.
 */
#ifndef IRQGATE_USER_UPGRADE_H
#define IRQGATE_USER_UPGRADE_H

#include "table/pins.h"
#include "table/rows.h"

enum upgrade {
	UPGRADE_NONE, /* nothing is loaded, or the same build */
	UPGRADE_BUILD, /* other programs, the same maps */
	UPGRADE_LAYOUT, /* other maps */
};

/*
 * upgrade_begin - look what is loaded, and move it aside if its maps have another layout
 * Return: enum upgrade; -EBUSY: a loader runs; or another negative errno. Prints why.
 */
int upgrade_begin(void);

/*
 * upgrade_migrate - copy the contents of the old maps
 *
 * Call it when every new hook is attached, and before the search for what exists.
 * Return: 0 or a negative errno, with the old programs still in force. Prints why.
 */
int upgrade_migrate(void);

/*
 * upgrade_processes - read which processes the pids of an old table of another layout mean
 * @rows: where to add them, in this layout and without a table yet; for rows_free()
 * Return: 0, also if there is no old table; or a negative errno.
 */
int upgrade_processes(struct rows *rows);

/*
 * upgrade_finish - remove the old programs
 *
 * Call it after the search, and before a quarantine: the old gates do not know the new
 * irqgate's agents and would take a quarantine for the act of another process.
 * Return: 0 or a negative errno. Prints why.
 */
int upgrade_finish(void);

#endif
