/* SPDX-License-Identifier: GPL-2.0-only */
/* The `show` verb: what is in the maps, as a table or as JSON. */
#ifndef IRQGATE_USER_SHOW_H
#define IRQGATE_USER_SHOW_H

#include <stdbool.h>
#include "pins.h"

/*
 * show - print one kind of object
 * @what: one of SHOW_KINDS
 * @filters: FIELD=VALUE, all of which must be true of a row; "-" is what is null
 * @nfilters: how many
 * Return: 0; -ENOENT: no such kind or field; or a negative errno. Says what is wrong.
 */
int show(struct pins *pins, const char *what, char *const filters[], int nfilters, bool json);

/* What @what may be, for messages. */
#define SHOW_KINDS "devices, vectors, contexts, bindings, stats, hooks or firmware"

#endif
