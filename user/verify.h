/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_VERIFY_H
#define TOLLBAR_VERIFY_H
/* verify.h: does this signature over this digest come from this address?
 *
 * libsecp256k1 is the judge, and this file's .c its only user in the daemon.  In front of it stands an
 * engine (ec/ec.h) that gives the same answer to every question it answers: in eight lanes where the CPU has what they need,
 * else the portable one, which knows hot signatures only.
 *
 *   repeated  the very same authorisation held before (repeats.h): it still does
 *   hot       the payer's key has a table (signers.h): from one signature on
 *   cold      two or more payers without one: in lanes
 *   alone     libsecp256k1: a single unknown payer, any unknown payer without lanes, what the engine could not decide, and payers
 *             for whom it could not before
 *
 * Which way a signature goes is a matter of its price only. */
#include <stdbool.h>
#include <stddef.h>
#include "payment.h"
#include "reasons.h"

struct verify_item {
	struct word digest;	  /* in */
	const uint8_t *signature; /* in: 65 bytes r ‖ s ‖ v, borrowed */
	struct address payer;	  /* in: who must have signed */
	uint8_t method;		  /* in: enum method; v may be 0, 1, 27, 28 for EIP-3009, 27, 28 for Permit2 */
	enum reason
		verdict; /* out: REASON_OK, PAYER_ZERO, SIGNATURE_FORM (v, r or s out of range, high s), SIGNATURE_BAD */
};

enum verify_engine {
	ENGINE_SECP256K1,
	ENGINE_PORTABLE,
	ENGINE_AVX512
}; /* in order of preference; the first stands alone */
/* ENGINE_AVX512 where the CPU has it, else ENGINE_PORTABLE. */
enum verify_engine verify_engine_best(void);
static inline bool verify_engine_runs(enum verify_engine engine)
{
	return engine <= verify_engine_best();
}
const char *verify_engine_name(enum verify_engine engine); /* "libsecp256k1", "portable", "avx512ifma" */

struct verify_config {
	const uint8_t *seed;	   /* 32 random bytes: blind libsecp256k1's context, and key the hashes of the tables */
	enum verify_engine engine; /* one that runs */
	size_t signer_bytes;	   /* but for ENGINE_SECP256K1: for signers' tables, SIGNERS_BYTES_MIN at least */
	size_t repeat_cnt;	   /* authorisations remembered; 0: none */
};

struct verifier; /* one per thread: not shared */

/* Takes all memory there will be.  NULL when it is short. */
struct verifier *verify_init(const struct verify_config *config);
void verify_fini(struct verifier *verifier);
/* Memory of one verifier, and what the process has once beside them. */
size_t verify_bytes(const struct verify_config *config);
size_t verify_shared_bytes(const struct verify_config *config);

/* verify_recover: whose signature is it?  For explain; the gate asks verify_batch.  item's payer and verdict are not
 * looked at.  Out: signer on REASON_OK.  Refuses: SIGNATURE_FORM, SIGNATURE_BAD (no key made it). */
enum reason verify_recover(struct verifier *verifier, struct address *signer, const struct verify_item *item)
	__attribute__((warn_unused_result));

/* Each verdict depends on its own item alone.  Verdicts start as SIGNATURE_BAD and are earned. */
void verify_batch(struct verifier *verifier, struct verify_item *items, size_t item_cnt);

/* Since verify_init: signatures of good form by the way they went.  An undecided one is counted as hot or cold, and as alone. */
struct verify_counts {
	uint64_t repeated, hot, cold, alone;
	uint64_t undecided;
	uint64_t tables; /* built */
};
const struct verify_counts *verify_counts(const struct verifier *verifier);

#endif
