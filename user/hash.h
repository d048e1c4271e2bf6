/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_HASH_H
#define TOLLBAR_HASH_H
/* hash.h: EIP-712 digests of the three payment methods.  No I/O, cannot fail. */
#include "payment.h"

/* hash_domain: the domain separator an offer's payments are signed under: the token's (name, version, chainId,
 * verifyingContract) for EIP-3009, Permit2's (name "Permit2", chainId, contract; no version) otherwise.
 * Source: EIP-712; Permit2 EIP712.sol. */
void hash_domain(struct word *separator, const struct offer *offer);

/* hash_struct: hashStruct of TransferWithAuthorization or PermitWitnessTransferFrom, for hash_payment and explain. */
void hash_struct(struct word *hash, const struct payment *payment);

/* hash_payment: keccak256(0x1901 ‖ separator ‖ hash_struct), what was signed.
 * In: payment as decoded; separator, from the offer it was matched to.  Out: digest.
 * Source: EIP-712 encodeData; x402 scheme_exact_evm, scheme_upto_evm.  Vectors: tests/vectors/eip712.json */
void hash_payment(struct word *digest, const struct payment *payment, const struct word *separator);

#endif
