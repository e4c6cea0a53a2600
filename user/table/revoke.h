/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Revocations: vectors that an operator took away, against the policy. The pinned map `revoked` has
 * one row a device. No table touches that map: a reload, `irqgate apply`, libvirt's hook, a restart
 * and the death of the loader leave it as it is. `irqgate allow` and `irqgate unload` end a
 * revocation. A file keeps those that must outlast a reboot or an unload.
 */
#ifndef IRQGATE_USER_REVOKE_H
#define IRQGATE_USER_REVOKE_H

#include <stdbool.h>
#include "lib/handle.h"
#include "table/pins.h"
#include "table/rows.h"

#define REVOKED_DIR "/var/lib/irqgate"
#define REVOKED_FILE REVOKED_DIR "/revoked" /* lines: HANDLE VECTORS */

/*
 * revocation_add - take vectors away
 * @persist: keep them revoked after a reboot
 *
 * The caller cuts the bindings before, and judges them after. Call under lock_changes().
 * Return: 0 or a negative errno. Prints the error.
 */
int revocation_add(struct pins *pins, __u64 handle, const struct vector_set *vectors, bool persist);

/* revocation_end - give vectors back, also in the file. Return: as above. */
int revocation_end(struct pins *pins, __u64 handle, const struct vector_set *vectors);

/* revocations_restore - put the file's revocations in force. Return: as above. */
int revocations_restore(struct pins *pins);

/* revocations_clear - end all revocations, but keep the file. Return: as above. */
int revocations_clear(struct pins *pins);

/* revocations_read - those in force; @revoked->of is for free(3). Return: as above. */
int revocations_read(const struct pins *pins, struct revocations *revoked);

/* revocations_kept - those in the file; as revocations_read(). */
int revocations_kept(struct revocations *kept);

/* revocation_vectors - the revoked vectors as a set; "all" if INTx and every vector is revoked. */
void revocation_vectors(const struct irqgate_revocation *row, struct vector_set *vectors);

#endif
