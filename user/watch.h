/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether the files of a policy changed. */
#ifndef IRQGATE_USER_WATCH_H
#define IRQGATE_USER_WATCH_H

#include <stdbool.h>

/*
 * watch_open - watch a policy file and its directory, both of which need not exist
 * @path: the file; the directory it lies in must exist
 *
 * Directories are watched, so that a file that is replaced is seen as well as one
 * that is written. One at a time.
 * Return: a descriptor to poll for reading, or a negative errno. Says why.
 */
int watch_open(const char *path);

/*
 * watch_changed - read what happened
 * Return: true when a file of the policy was written, replaced, added or removed.
 */
bool watch_changed(int fd);

#endif
