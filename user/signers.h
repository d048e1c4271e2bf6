/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SIGNERS_H
#define TOLLBAR_SIGNERS_H
/* signers.h: the keys of payers seen before, with the tables that make verifying their next signature several times cheaper
 * (ec.h: hot).  A cache of one thread.  Leaving a signer out costs time, never a verdict; a table under the wrong address
 * would, so a key comes in only with a signature that held and an address that matched.
 *
 * Who gets a table.  One sighted three times.  Where eight are built at the price of one the tables wait for each other, until
 * the group is full or waiting has cost as much as building would; else they are built at once.  A signer of a few
 * hundred signatures gets a wider table beside the first.
 *
 * Who loses one.  Signers live in sets of eight, chosen by a keyed hash, so that nobody can aim at a set.  A newcomer takes the
 * place of the set's least busy signer, and only if it has been busier itself: counts halve as time (counted in
 * signatures) passes.  So however many keys a stranger makes, each must sign more than the signer it would replace.
 * Memory is bounded and taken at start; pages are touched as tables are built. */
#include <stdbool.h>
#include <stddef.h>

#include "ec/ec.h"
#include "payment.h"

struct signers;

/* bytes: of all tables, SIGNERS_BYTES_MIN at least; what describes them comes on top.  hash_key: random, copied.
 * NULL: no memory. */
#define SIGNERS_BYTES_MIN ((size_t)1 << 20)
struct signers *signers_init(size_t bytes, const uint8_t hash_key[16]);
void signers_fini(struct signers *signers);
size_t signers_bytes(size_t bytes); /* of signers_init(bytes), everything counted */

struct signer_table {
	const void *at;
	uint8_t window;
	struct known_signer *signer;
};

/* signers_find: the table of the address's key.  False: none.  The table is good until the next signers_build; its signer may
 * lose its place to another before, who then gets what signers_used counts. */
bool signers_find(struct signers *signers, struct signer_table *table, const struct address *address);
/* A signature verified by that table held: counts for the signer. */
void signers_used(struct signers *signers, const struct signer_table *table);
/* signers_sighted: a signature of a signer without a table held.  key: x ‖ y, recovered from it.  lost_ns: what a table
 * would have saved. */
void signers_sighted(struct signers *signers, const struct address *address, const uint8_t key[64], unsigned lost_ns);
/* signers_build: builds the tables that are due.  Returns how many: 0 to 16. */
unsigned signers_build(struct signers *signers, struct ec_workspace *work);

#endif
