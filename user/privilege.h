/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Least privilege of the loader. Attaching takes nearly all there is; what stays
 * afterwards is in user/privilege.c, with what each is for.
 */
#ifndef IRQGATE_USER_PRIVILEGE_H
#define IRQGATE_USER_PRIVILEGE_H

#include <stdbool.h>

/*
 * privilege_start - only what loading and attaching take
 *
 * The capabilities go from the effective, permitted, inheritable and bounding sets;
 * neither this process nor what it might execute gets new ones.
 * Call it before anything is opened or started, in the only thread.
 * Return: 0 or a negative errno. Says why.
 */
int privilege_start(void);

/*
 * privilege_limit - only what the loader needs from now on
 * @hooked: every stage is attached. While one is not, because its module is not
 *	    loaded, the capabilities to attach it stay; call again when it is.
 *
 * Gives up capabilities and, at the first call, lets a seccomp filter in; children
 * and threads made later inherit both.
 * Return: 0 or a negative errno. Says why.
 */
int privilege_limit(bool hooked);

#endif
