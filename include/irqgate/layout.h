/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The number of the maps' types. An irqgate that finds maps with another number copies them
 * member by member (user/loader/upgrade.c); it does not use them itself.
 *
 * Raise the number with every change of the maps' content. The unit test `layout` compares the
 * content with tests/unit/layout.txt, and fails if the number should have changed. Then run `make
 * layout` to keep the new content.
 */
#ifndef IRQGATE_LAYOUT_H
#define IRQGATE_LAYOUT_H

#define IRQGATE_LAYOUT 3u /* 0: not set yet */

#endif
