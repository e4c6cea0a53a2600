/* SPDX-License-Identifier: GPL-2.0-only */
/* Can only root change a file? A user who changes the policy decides who gets interrupts. */
#ifndef IRQGATE_USER_TRUST_H
#define IRQGATE_USER_TRUST_H

/*
 * trusted_link - can only root change the file that a symbolic link leads to?
 * @path: the link, in a directory that the caller checked
 *
 * Root must own every link and directory on the way to the file. No directory may be writable by
 * other users, unless it is sticky: then they cannot replace root's files. The caller checks the
 * file itself.
 *
 * Return: 0; -EINVAL: another user can; or another negative errno. Prints the reason.
 */
int trusted_link(const char *path);

#endif
