/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading files of the kernel, and replacing files of irqgate. */
#ifndef IRQGATE_USER_FILE_H
#define IRQGATE_USER_FILE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * read_text - beginning of a small file
 * read_line - its first line, without the newline
 * Return: 0 or a negative errno; @buf is empty on failure.
 */
int read_text(const char *path, char *buf, size_t len);
int read_line(const char *path, char *buf, size_t len);

/*
 * open_seq_file - open a long file of the kernel for reading
 *
 * All files share one buffer, so only one may be open at a time.
 * Return: the file; NULL with errno: it cannot be opened.
 */
FILE *open_seq_file(const char *path);

/*
 * close_others - in a forked child: close all fds of the parent but 0 to 2 and @keep
 *
 * Else the parent's locks, sockets and pipes live as long as the child. Return: false: some may
 * be open.
 */
bool close_others(int keep);

/*
 * close_read - close a file after fgets(3) returned NULL
 *
 * Return: 0: the file was read to its end; or the read error, as a negative errno, which is in
 * errno, too.
 */
int close_read(FILE *f);

/*
 * replace_open - begin to write a file that will replace another
 * @path: NULL: standard output
 * @mode: permissions
 * Return: a file to write, for replace_close(); or NULL. Prints the error.
 */
FILE *replace_open(const char *path, mode_t mode);

/*
 * replace_close - put the new file in place, atomically
 * @err: a negative errno: an earlier step failed, so leave the old file
 * Return: 0 or a negative errno. Prints the error.
 */
int replace_close(FILE *f, const char *path, int err);

#endif
