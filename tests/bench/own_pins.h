/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IRQGATE_TEST_OWN_PINS_H
#define IRQGATE_TEST_OWN_PINS_H

/*
 * own_pins - give the process a mount name space of its own, with an empty /run and an empty
 * directory of pins, so that it does not meet the irqgate of this machine
 *
 * Needs root. Return: 0 or a negative errno.
 */
int own_pins(void);

#endif
