/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the cells of matrix.c and host.c. */
#ifndef IRQGATE_TEST_MATRIX_H
#define IRQGATE_TEST_MATRIX_H

#include "tests.h"

enum mode { ENFORCED, AUDITED, MODES, INLINE = MODES }; /* INLINE: enforced, with the module */
enum state { AUTHORIZED, UNAUTHORIZED, WRONG, REVOKED, STATES };

extern const char *const mode_names[MODES + 1];
extern const char *const state_names[STATES];

/* Contexts by cgroup. The policy denies what it does not list. */
#define MATRIX_CONTEXTS                                                                            \
	"contexts:\n"                                                                              \
	"  - { name: blue, match: { cgroup: /t/blue } }\n"                                         \
	"  - { name: red, match: { cgroup: /t/red } }\n"                                           \
	"  - { name: iron, match: { cgroup: /t/iron }, strict: true }\n"
#define MATRIX_DEFAULTS                                                                            \
	"defaults: { unlisted_device: deny, unlisted_source: deny, unlisted_host: deny }\n"

/* Writes rows that give all other devices with MSIs to context host. Returns their length. */
size_t host_rows(char *text, size_t len);

#endif
