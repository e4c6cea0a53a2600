/* SPDX-License-Identifier: GPL-2.0-only */
/* The run directory, and the lock that serializes changes of table and bindings. */
#ifndef IRQGATE_USER_LOCK_H
#define IRQGATE_USER_LOCK_H

/* Files that a running irqgate shares with its commands. Only root may enter. */
#define RUN_DIR "/run/irqgate"

/* run_dir - create RUN_DIR if it does not exist. Return: 0 or a negative errno. Prints the error.
 */
int run_dir(void);

/*
 * lock_changes - let one irqgate at a time change table and bindings
 * Return: a descriptor to close when done, or a negative errno. Prints the error.
 */
int lock_changes(void);

/* lock_changes_now - the same, or -EWOULDBLOCK while another irqgate holds the lock. */
int lock_changes_now(void);

#endif
