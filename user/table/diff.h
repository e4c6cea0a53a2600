/* SPDX-License-Identifier: GPL-2.0-only */
/* The difference between two tables, item by item, as text. */
#ifndef IRQGATE_USER_DIFF_H
#define IRQGATE_USER_DIFF_H

#include "table/rows.h"

/* A default, a context, a device or a source. */
struct item {
	const char *kind; /* "default", "context", "device", "source" */
	char *name;
	char *text; /* all that the table has about it */
};

struct items {
	struct item *item;
	size_t n;
};

/*
 * items_of_rows - the items of a table, in the order of kind and name
 * @items: for items_free(), also after a failure
 * @policies: give the texts of matches, see rows_match_text()
 * Return: 0 or -ENOMEM.
 */
int items_of_rows(struct items *items, const struct rows *rows,
		  const struct policy *const policies[], size_t npolicies);
void items_free(struct items *items);

struct difference {
	const struct item *from, *to; /* NULL: added, removed */
};

struct diff {
	struct difference *change;
	size_t n, added, removed, changed;
};

/*
 * diff_items - the changes that turn @from into @to
 * @diff: points into both; @diff->change is for free(3)
 * Return: 0 or -ENOMEM.
 */
int diff_items(const struct items *from, const struct items *to, struct diff *diff);

#endif
