/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking over from an irqgate of another build, without a gap.
 *
 * Same layout of the maps: they are kept and only programs replaced, each gate
 * attached before its forerunner goes. Another layout: what is pinned is moved
 * aside, where it goes on enforcing; everything is loaded anew beside it; the
 * contents of the maps are taken over member by member, by the names in their BTF;
 * what exists is searched for; then the old programs go. Killed at any point, the next start
 * resumes.
 *
 * What counts interrupts is never attached twice: its forerunner goes first, and
 * interrupts of the moment between are enforced but not counted.
 */
#ifndef IRQGATE_USER_UPGRADE_H
#define IRQGATE_USER_UPGRADE_H

#include "pins.h"

enum upgrade {
	UPGRADE_NONE, /* nothing is loaded, or the same build */
	UPGRADE_BUILD, /* other programs, the same maps */
	UPGRADE_LAYOUT, /* other maps */
};

/*
 * upgrade_begin - look what is loaded, move it aside if its maps are of another layout
 * Return: enum upgrade; -EBUSY: a loader runs; or another negative errno. Says why.
 */
int upgrade_begin(void);

/*
 * upgrade_take - take over what the old maps hold
 *
 * With every new hook attached, before the search for what exists.
 * Return: 0 or a negative errno, with the old programs still in force. Says why.
 */
int upgrade_take(void);

/*
 * upgrade_finish - remove the old programs
 *
 * After the search, and before anything is quarantined: the old gates would take
 * that for a stranger's doing.
 * Return: 0 or a negative errno. Says why.
 */
int upgrade_finish(void);

#endif
