/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_WRAPPED_H
#define TOLLBAR_FUNDS_WRAPPED_H
/* funds_wrapped.h: the signature of an account that may not exist yet (ERC-6492): the factory that makes it, what to call that
 * with, and the signature the account itself judges then; behind it 32 bytes that say so.  Pure.
 *
 * Whoever calls a factory as a stranger tells him to calls whatever the stranger likes.  So only listed factories are, in a
 * question to a node, which changes nothing.
 *
 * Source: ERC-6492; Solidity ABI specification; Ethereum Yellow Paper, appendix H. */
#include "funds_abi.h"

struct wrapped {
	struct address factory;
	struct span calldata, signature; /* borrowed */
};

enum wrapping {
	WRAPPED_NOT, /* a signature as any */
	WRAPPED_GOOD,
	WRAPPED_BAD, /* it says that it is one, and cannot be read */
};

/* wrapped_open: strict: abi.encode(address, bytes, bytes) as every encoder writes it, so one wrapping has one spelling. */
enum wrapping wrapped_open(struct wrapped *out, struct span signature) __attribute__((warn_unused_result));

/* wrapped_program: for a chain without a contract that makes several calls in one: code that a node runs as if it created a contract,
 * of which nothing stays.  It makes both calls, the account's whatever the factory's came to, and gives back what abi_signature_holds
 * takes for yes, or nothing.  Returns bytes written. */
#define WRAPPED_PROGRAM_BYTES_MAX (128 + 2 * ABI_CALL_BYTES_MAX)
size_t wrapped_program(uint8_t out[WRAPPED_PROGRAM_BYTES_MAX], const struct abi_call *factory,
		       const struct abi_call *account);

/* The payment's signature, all of it, in one piece. */
struct span wrapped_whole(uint8_t out[SIGNATURE_BYTES_MAX], const struct payment *payment);

#endif
