/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `irqgate explain`, as its parts share it: explain.c says why a vector has its verdict,
 * explain_access.c who may hold and use a device.
 */
#ifndef IRQGATE_USER_EXPLAINER_H
#define IRQGATE_USER_EXPLAINER_H

#include <stdbool.h>
#include <json-c/json.h>

#include "policy/policy.h"
#include "table/pins.h"
#include "table/rows.h"

#define TEXT_LEN 1024
#define WHERE_LEN 320

struct question {
	struct pins *pins;
	struct rows rows;
	struct policy *policy; /* in force, for texts and places; NULL: not known */
	__u64 handle;
	__u32 vector;
	bool host; /* it is about the device's own driver */
	char name[HANDLE_STRLEN]; /* of the handle */
	struct json_object *steps, *remedies;
};

/* explain_begin - read the table and the policy; the caller has set pins and handle */
int explain_begin(struct question *q);

/* explain_end - also after a failure of explain_begin() */
void explain_end(struct question *q);

/* explain_step - add what was found; @line: of the policy in force, 0: none */
void explain_step(struct question *q, const char *what, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* explain_remedy - add what would change the verdict */
void explain_remedy(struct question *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* explain_row - the row of the policy in force that names the function; NULL: none */
const struct policy_device *explain_row(const struct question *q);

/* explain_line - where the policy in force has a context; 0: nowhere */
unsigned int explain_line(const struct question *q, __u32 gd);

/*
 * explain_revocation - add the revocation of the vector, if there is one
 *
 * The decision looks for a revocation before any row of the table.
 */
void explain_revocation(struct question *q);

/* explain_ident - add the context that the table gives to a process, and by which match */
__u32 explain_ident(struct question *q, const char *what, const struct irqgate_ident *id);

/* explain_put_gd - add a context's number and name, both null for IRQGATE_GD_NONE */
void explain_put_gd(struct json_object *o, const struct question *q, __u32 gd, const char *number,
		    const char *context);

/* explain_print - print steps and remedies, as text */
void explain_print(const struct question *q);

#endif
