/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SIGN_H
#define TOLLBAR_SIGN_H
/* sign.h: the client's half, for `tollbar pay`, benches and tests: a private key signs a digest.
 * A second user of libsecp256k1 beside verify, because the request path must not be able to sign: nothing that serves
 * requests includes this. */
#include <stdbool.h>

#include "payment.h"

struct signer;

/* key: 32 bytes big-endian; seed: 32 random bytes that blind the arithmetic.  NULL: not a key (0 or not below the
 * group order), or memory is short. */
struct signer *sign_init(const uint8_t key[32], const uint8_t seed[32]);
/* Wipes the key. */
void sign_fini(struct signer *signer);

void sign_address(const struct signer *signer, struct address *address);

/* sign_digest: r ‖ s ‖ v with low s and v 27 or 28, the nonce by RFC 6979: the same bytes as ethers and viem give.
 * False: no signature with v 27 or 28 exists for it (probability 2^-127). */
bool sign_digest(const struct signer *signer, uint8_t signature[65], const struct word *digest)
	__attribute__((warn_unused_result));

#endif
