/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_HASH_H
#define TOLLBAR_HASH_H
/* hash.h: EIP-712 digests of the three payment methods, and of knocks.  No I/O, cannot fail. */
#include <stddef.h>

#include "payment.h"

/* hash_domain: the domain separator an offer's payments are signed under: the token's (name, version, chainId,
 * verifyingContract) for EIP-3009, Permit2's (name "Permit2", chainId, contract; no version) otherwise.
 * Source: EIP-712; Permit2 EIP712.sol. */
void hash_domain(struct word *separator, const struct offer *offer);

/* hash_payments: keccak256(0x1901 ‖ separator ‖ hash_struct) of each payment, what was signed; any number, of any methods.
 * Together they are hashed eight side by side where the CPU can (ec/keccak8.h).
 * Source: EIP-712 encodeData; x402 scheme_exact_evm, scheme_upto_evm.  Vectors: tests/vectors/eip712.json */
struct hash_job {
	const struct payment *payment; /* as decoded */
	const struct word *separator;  /* from the offer it was matched to */
	struct word *digest;	       /* out; elsewhere than the others and what is read */
};
void hash_payments(const struct hash_job jobs[], size_t cnt);

/* hash_payment: one. */
void hash_payment(struct word *digest, const struct payment *payment, const struct word *separator);

/* hash_struct: hashStruct of TransferWithAuthorization or PermitWitnessTransferFrom alone, for explain. */
void hash_struct(struct word *hash, const struct payment *payment);

/* hash_knock: the digest of a knock (native.h), signed under the domain (name "tollbar", version "1", chainId).
 * Source: EIP-712 encodeData.  Vectors: tests/vectors/native.json */
void hash_knock(struct word *digest, uint64_t chain_id, const struct address *payer, const uint8_t cookie[8],
		uint64_t until_s);

#endif
