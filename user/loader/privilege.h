/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Least privilege of the loader. Attaching needs nearly all privileges.
 * user/loader/privilege.c lists those that the loader keeps afterwards, and why.
 */
#ifndef IRQGATE_USER_PRIVILEGE_H
#define IRQGATE_USER_PRIVILEGE_H

#include <stdbool.h>

/*
 * privilege_start - keep only what loading and attaching need
 *
 * Removes the other capabilities from the effective, permitted, inheritable and bounding
 * sets; neither this process nor a program that it executes gets new ones.
 * Call it before anything is opened or started, in the only thread.
 * Return: 0 or a negative errno. Prints why.
 */
int privilege_start(void);

/*
 * privilege_limit - keep only what the loader needs from now on
 * @hooked: every stage is attached. If the module of a stage is not loaded, pass false:
 *	    the capabilities to attach it stay; call again when the stage is attached.
 *
 * Gives up capabilities and adds a seccomp filter; children and threads made later
 * inherit both.
 * Return: 0 or a negative errno. Prints why.
 */
int privilege_limit(bool hooked);

#endif
