/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_DECODE_H
#define TOLLBAR_DECODE_H
/* decode.h: the payment header's bytes → struct payment.  Every field checked, nothing guessed, no allocation. */
#include "base/span.h"
#include "payment.h"
#include "reasons.h"

/* decode_payment: value of PAYMENT-SIGNATURE (version 2) or X-PAYMENT (version 1), base64 of JSON.
 * In:  version, which header it came in; header, its bytes without surrounding white space.
 * Out: payment, complete on REASON_OK; after a refusal `method` and `version` are what was understood so far (for the
 *      error code), the rest unspecified.
 * Refuses: PAYMENT_LARGE, PAYMENT_BASE64, PAYMENT_JSON (syntax, duplicate key, trailing bytes, BOM, depth > 16, not
 *      UTF-8), PAYMENT_VERSION, SCHEME_UNKNOWN, NETWORK_WRONG (not an eip155 chain or known v1 name), SIGNATURE_FORM
 *      (not 65 to SIGNATURE_BYTES_MAX bytes of hex), PAYMENT_FIELD (missing, wrong type, out of range, a payload with both forms or the other
 *      scheme's), OFFER_UNMATCHED (accepted.extra.assetTransferMethod names another form than the payload has).
 * Stricter than the reference, so that one payment has one spelling: numbers are decimal strings (Permit2 nonces too)
 *      without leading zeros, maxTimeoutSeconds and x402Version plain integers, an EIP-3009 nonce all of 32 bytes.
 * Source: x402 spec v2 section 5, v1 section 5; reference behaviour of @x402/evm 2.27.0. */
enum reason decode_payment(struct payment *payment, unsigned version, struct span header)
	__attribute__((warn_unused_result));

/* decode_payment_json: the same from the decoded JSON. */
enum reason decode_payment_json(struct payment *payment, unsigned version, struct span json)
	__attribute__((warn_unused_result));

#endif
