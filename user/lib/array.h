/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IRQGATE_USER_ARRAY_H
#define IRQGATE_USER_ARRAY_H

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
