/* SPDX-License-Identifier: GPL-2.0-only */
/* The cgroup or process of a domain's QEMU. The domain's context matches it. */
#ifndef IRQGATE_LIBVIRT_PLACE_H
#define IRQGATE_LIBVIRT_PLACE_H

#include "domain.h"
#include "policy/policy.h"

#define MACHINE_LEN 65 /* libvirt cuts a machine's name off at this length */

/* setting - value of an environment variable, by which tests change the hook; else @usual. */
const char *setting(const char *variable, const char *usual);

struct place {
	struct policy_match match; /* a cgroup; or QEMU's pid if QEMU has no cgroup of its own */
	char machine[MACHINE_LEN]; /* not empty: the cgroup is the usual scope of this machine */
};

/* place_expected - the place where libvirt will start QEMU. Return: 0 or -ENOMEM. */
int place_expected(const struct domain *domain, struct place *place);

/*
 * place_found - correct the place if QEMU runs at another one
 * @place: the expected place
 *
 * Return: 1: QEMU runs at another place, which it tells; 0: QEMU runs there, or does not run;
 * or -ENOMEM.
 */
int place_found(const struct domain *domain, struct place *place);

/* place_runs - does the QEMU of the domain with this name run? */
bool place_runs(const char *name);

/* place_is - can a context with this match be the domain's? */
bool place_is(const struct domain *domain, const struct place *place, const struct policy_match *m);

/* place_write - write the match of a context, as in a policy: { machine: "qemu-1-blue" } */
void place_write(FILE *out, const struct place *place);

void place_free(struct place *place);

#endif
