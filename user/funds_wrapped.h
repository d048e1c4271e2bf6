/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_WRAPPED_H
#define TOLLBAR_FUNDS_WRAPPED_H
/* funds_wrapped.h: the signature of an account that may not exist yet (ERC-6492): the factory that makes it, what to call that
 * with, and the signature the account itself judges then; behind it 32 bytes that say so.  Pure.
 *
 * Whoever calls a factory as a stranger tells him to calls whatever the stranger likes.  So only listed factories are, in a
 * question to a node, which changes nothing.
 *
 * Source: ERC-6492; Solidity ABI specification. */
#include "base/span.h"
#include "payment.h"

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

/* The payment's signature, all of it, in one piece. */
struct span wrapped_whole(uint8_t out[SIGNATURE_BYTES_MAX], const struct payment *payment);

#endif
