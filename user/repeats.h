/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_REPEATS_H
#define TOLLBAR_REPEATS_H
/* repeats.h: authorisations whose signature held, so that one sent again (after a full queue, a refused body, a failed
 * model server) is not verified again.  It says "this very signature by this payer over this very digest held before",
 * which is true for ever; whether the payment may still be used is the ledger's to say, and asked every time.
 *
 * Whole entries are compared, not a tag of them: nobody can make two that are taken for one.  Their place is a keyed hash
 * of the digest, so that nobody can aim at another's place; an entry that comes later takes it.  Only what held is put
 * in, so nothing here can turn a bad signature good. */
#include <stdbool.h>
#include <stddef.h>

#include "payment.h"

struct repeats;

struct authorisation { /* compared as bytes: no padding */
	struct word digest;
	uint8_t signature[65]; /* v as sent: what form it may have was checked before */
	struct address payer;
};

/* Room for cnt (rounded up to a power of two).  hash_key: random, copied.  NULL: no memory. */
struct repeats *repeats_init(size_t cnt, const uint8_t hash_key[16]);
void repeats_fini(struct repeats *repeats);
size_t repeats_bytes(size_t cnt);

/* The authorisation's place, to be fetched into the cache while other work is done, and given to the next two. */
size_t repeats_place(const struct repeats *repeats, const struct word *digest);
bool repeats_has(const struct repeats *repeats, size_t place, const struct authorisation *authorisation);
void repeats_add(struct repeats *repeats, size_t place, const struct authorisation *authorisation);

#endif
