/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_ABI_H
#define TOLLBAR_FUNDS_ABI_H
/* funds_abi.h: the few contract calls the chain view makes, as Ethereum's ABI encodes them, and what comes back.  Pure.
 * What comes back is a stranger's bytes: every offset and length is checked against what is there.
 *
 * Source: Solidity ABI specification; ERC-20, EIP-3009, Permit2 ISignatureTransfer, ERC-1271, Multicall3. */
#include <stdbool.h>

#include "base/span.h"
#include "payment.h"

/* The largest of the calls below, is_valid_signature, in whole words: with a key's signature, and with any. */
#define ABI_CALL_BYTES 224
#define ABI_CALL_BYTES_MAX (4 + 3 * 32 + SIGNATURE_BYTES_MAX)

/* Bytes of one call, to whom, and what it is made with. */
struct abi_call {
	struct address to;
	uint8_t data[ABI_CALL_BYTES_MAX];
	size_t bytes;
};

void abi_balance(struct abi_call *call, const struct address *token, const struct address *owner);
/* What Permit2 may take of the owner's tokens. */
void abi_allowance(struct abi_call *call, const struct address *token, const struct address *owner);
/* EIP-3009: was the nonce used or cancelled? */
void abi_authorization_state(struct abi_call *call, const struct address *token, const struct address *owner,
			     const struct word *nonce);
/* Permit2: the 256 nonces of which this is one; abi_nonce_bit picks it. */
void abi_nonce_bitmap(struct abi_call *call, const struct address *owner, const struct word *nonce);
/* ERC-1271; at most SIGNATURE_BYTES_MAX bytes of signature. */
void abi_is_valid_signature(struct abi_call *call, const struct address *account, const struct word *digest,
			    struct span signature);
/* Calldata that somebody else made, at most SIGNATURE_BYTES_MAX bytes. */
void abi_raw(struct abi_call *call, const struct address *to, struct span calldata);
/* name(), version(), DOMAIN_SEPARATOR() */
void abi_name(struct abi_call *call, const struct address *token);
void abi_version(struct abi_call *call, const struct address *token);
void abi_domain_separator(struct abi_call *call, const struct address *contract);

/* abi_aggregate: one call of Multicall3's aggregate3 that makes all of these, one after the other, each allowed to fail.
 * Returns bytes written: at most ABI_AGGREGATE_BYTES(cnt) when each has ABI_CALL_BYTES at most. */
#define ABI_AGGREGATE_BYTES(cnt) (4 + 64 + (cnt) * (32 + 96 + 32 + ABI_CALL_BYTES))
size_t abi_aggregate(uint8_t *out, const struct abi_call *calls, size_t cnt);

/* abi_aggregate_results: what aggregate3 returned: did each call succeed, and its bytes, borrowed from `returned`.
 * False: not exactly `cnt` results. */
struct abi_result {
	bool success;
	struct span returned;
};
bool abi_aggregate_results(struct abi_result *results, size_t cnt, struct span returned)
	__attribute__((warn_unused_result));

/* Values as a call returns them; false when they are not there.  Bytes behind them are let be, as Solidity does. */
bool abi_word(struct word *word, struct span returned) __attribute__((warn_unused_result));
bool abi_bool(bool *value, struct span returned) __attribute__((warn_unused_result)); /* 0 or 1, nothing else */
bool abi_text(struct span *text, struct span returned) __attribute__((warn_unused_result));
/* Is this nonce's bit set in what nonceBitmap returned? */
bool abi_nonce_bit(const struct word *bitmap, const struct word *nonce);
/* Is this what ERC-1271 wants for yes: its own selector, then zeros? */
bool abi_signature_holds(struct span returned);

#endif
