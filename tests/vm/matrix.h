/* SPDX-License-Identifier: GPL-2.0-only */
/* What the cells of the matrix have in common. */
#ifndef IRQGATE_TEST_MATRIX_H
#define IRQGATE_TEST_MATRIX_H

#include "tests.h"

enum mode { ENFORCED, AUDITED, MODES, INLINE = MODES }; /* INLINE: enforced, with the module */
enum state { AUTHORIZED, UNAUTHORIZED, WRONG, REVOKED, STATES };

extern const char *const mode_names[MODES + 1];
extern const char *const state_names[STATES];

/* Contexts by cgroup; what the policy does not list is denied. */
#define MATRIX_CONTEXTS                                                                            \
	"contexts:\n"                                                                              \
	"  - { name: blue, match: { cgroup: /t/blue } }\n"                                         \
	"  - { name: red, match: { cgroup: /t/red } }\n"                                           \
	"  - { name: iron, match: { cgroup: /t/iron }, strict: true }\n"
#define MATRIX_DEFAULTS "defaults: { unlisted_device: deny, unlisted_source: deny }\n"

/* Rows for what else in this machine sends MSIs: it is the host's. Their length. */
size_t host_rows(char *text, size_t len);

#endif
