/* SPDX-License-Identifier: GPL-2.0-only */
/* The small helpers that most parts of the command use, in one header. */
#ifndef IRQGATE_USER_UTIL_H
#define IRQGATE_USER_UTIL_H

#include "lib/array.h"
#include "lib/clock.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/kallsyms.h"
#include "lib/kernel.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/text.h"

#endif
