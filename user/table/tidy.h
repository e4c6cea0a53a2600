/* SPDX-License-Identifier: GPL-2.0-only */
/* Removal of rows whose cgroup or executable is gone. */
#ifndef IRQGATE_USER_TIDY_H
#define IRQGATE_USER_TIDY_H

#include "policy/policy.h"
#include "table/pins.h"

/*
 * table_tidy - remove rows of the table in force whose object is gone
 * @policy: the policy whose table is in force
 *
 * An object is gone if the cgroup was removed, or the path leads to another file. A row stays as
 * long as a process, a VM or a binding matches it: a running program keeps its context when the
 * program's file is replaced.
 * Return: the number of such rows that stay, or a negative errno.
 */
int table_tidy(struct pins *pins, const struct policy *policy);

#endif
