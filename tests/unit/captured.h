/* SPDX-License-Identifier: GPL-2.0-only */
/* What a call prints to stderr. Include behind cmocka.h. */
#ifndef IRQGATE_UNIT_CAPTURED_H
#define IRQGATE_UNIT_CAPTURED_H

#include <stdio.h>
#include <unistd.h>

static char printed[64 * 1024]; /* between stderr_to_file() and stderr_back(), the last time */

static int stderr_to_file(void)
{
	FILE *file = tmpfile();
	int saved;

	assert_non_null(file);
	fflush(stderr);
	saved = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	fclose(file);
	return saved;
}

static void stderr_back(int saved)
{
	ssize_t len;

	fflush(stderr);
	len = pread(STDERR_FILENO, printed, sizeof(printed) - 1, 0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(len >= 0);
	printed[len] = '\0';
}

#endif
