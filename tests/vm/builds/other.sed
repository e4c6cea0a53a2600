# SPDX-License-Identifier: GPL-2.0-only
s/^#define REPORT_IN_FULL 8$/#define REPORT_IN_FULL 9/
