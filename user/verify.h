/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_VERIFY_H
#define TOLLBAR_VERIFY_H
/* verify.h: does this signature over this digest come from this address?  The daemon's only user of libsecp256k1; a
 * faster engine stands behind this same batch call one day.  libsecp256k1 is the judge. */
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

struct verifier; /* one per thread: not shared */

/* NULL when memory is short.  The context is randomised with 32 bytes of `seed`. */
struct verifier *verify_init(const uint8_t seed[32]);
void verify_fini(struct verifier *verifier);

/* verify_recover: whose signature is it?  For explain; the gate asks verify_batch.  item's payer and verdict are not
 * looked at.  Out: signer on REASON_OK.  Refuses: SIGNATURE_FORM, SIGNATURE_BAD (no key made it). */
enum reason verify_recover(struct verifier *verifier, struct address *signer, const struct verify_item *item)
	__attribute__((warn_unused_result));

/* Each verdict depends on its own item alone.  Verdicts start as SIGNATURE_BAD and are earned. */
void verify_batch(struct verifier *verifier, struct verify_item *items, size_t item_cnt);

#endif
