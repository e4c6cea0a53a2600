/* SPDX-License-Identifier: GPL-2.0-only */
/* Watches the files of a policy for changes. */
#ifndef IRQGATE_USER_WATCH_H
#define IRQGATE_USER_WATCH_H

#include <stdbool.h>

/*
 * watch_open - watch a policy file and the directory of files that add to it
 * @path: the file, which need not exist, and neither need that directory; but the directory
 *	  in which the file lies must exist
 *
 * Watches directories, and so sees a file that is replaced as well as one that is
 * written. Watches one policy at a time.
 * Return: an fd to poll for reading, or a negative errno. Prints why.
 */
int watch_open(const char *path);

/*
 * watch_changed - read the changes
 * Return: true if a file of the policy was written, replaced, added or removed.
 */
bool watch_changed(int fd);

#endif
