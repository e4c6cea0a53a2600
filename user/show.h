/* SPDX-License-Identifier: GPL-2.0-only */
/* The `show` verb: what is in the maps, as a table or as JSON. */
#ifndef IRQGATE_USER_SHOW_H
#define IRQGATE_USER_SHOW_H

#include <stdbool.h>
#include "pins.h"

/*
 * show - print one kind of object
 * @what: devices, vectors, contexts, bindings, stats or hooks
 * Return: 0; -ENOENT: no such kind; or a negative errno. Says what is wrong.
 */
int show(struct pins *pins, const char *what, bool json);

/* What @what may be, for messages. */
#define SHOW_KINDS "devices, vectors, contexts, bindings, stats or hooks"

#endif
