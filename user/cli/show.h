/* SPDX-License-Identifier: GPL-2.0-only */
/* The `show` verb: the content of the maps, as a table or as JSON. */
#ifndef IRQGATE_USER_SHOW_H
#define IRQGATE_USER_SHOW_H

#include <stdbool.h>
#include "table/pins.h"

/*
 * show - print one kind of object
 * @what: one of SHOW_KINDS
 * @filters: FIELD=VALUE; a row is printed if all are true of it. "-" stands for null
 * @nfilters: how many
 * Return: 0; -ENOENT: no such kind or field; or a negative errno. Says what is wrong.
 */
int show(struct pins *pins, const char *what, char *const filters[], int nfilters, bool json);

/* The values of @what, for messages. */
#define SHOW_KINDS "devices, vectors, contexts, bindings, stats, hooks, firmware or revocations"

#endif
