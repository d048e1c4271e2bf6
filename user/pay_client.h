// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_PAY_CLIENT_H
#define TOLLBAR_PAY_CLIENT_H
/* pay_client.h: the paying side of x402: a server's challenge → one of its offers → a signed payment header.
 * Used by `tollbar pay` and by the load generator; the daemon has no use for it.  No I/O, no clock, no allocation. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "payment.h"

#define PAY_OFFERS_MAX 16

struct signer;

/* One entry of `accepts` that we know how to pay.  The offer is what the server says, and is what gets signed: the
 * caller decides whether it wants to. */
struct pay_offer {
	struct offer offer;  /* domain_separator is filled in */
	struct span json;    /* the entry as it stands: version 2 sends it back as `accepted` */
	struct span network; /* "eip155:8453" or a v1 name, as it stands */
};

struct pay_challenge {
	unsigned version;     /* 1 or 2 */
	struct span resource; /* v2: the JSON object, sent back; empty when there is none */
	struct pay_offer offers[PAY_OFFERS_MAX];
	size_t offer_cnt;
	size_t unknown_cnt; /* entries of a scheme, network or form we cannot pay */
	bool is_native;	    /* offered over the native transport too (native.h): extensions["tollbar-native"].info */
	uint16_t native_port;
	uint8_t native_route;
	char error[128]; /* what the server says is wrong, printable; "" when it says nothing */
};

/* pay_read_challenge: JSON of PAYMENT-REQUIRED (version 2, base64 undone) or of a 402 body (version 1).
 * Spans in the challenge point into json.  False when it is no such challenge. */
bool pay_read_challenge(struct pay_challenge *challenge, struct span json, unsigned version)
	__attribute__((warn_unused_result));

/* pay_choose: the first offer of this method (METHOD_NONE: of any) that costs at most `max` (NULL: whatever it costs).
 * Returns NULL when there is none; *too_dear then tells whether a higher max would have found one. */
const struct pay_offer *pay_choose(const struct pay_challenge *challenge, enum method method, const struct word *max,
				   bool *too_dear);

/* pay_fill: the payment for an offer, without its signature.  deadline is now_s + valid_for_s; 0 stands for all the
 * time the offer gives. */
void pay_fill(struct payment *payment, const struct pay_offer *offer, const struct address *from,
	      const struct word *nonce, uint64_t now_s, uint64_t valid_for_s);

/* pay_sign: fills in the payment's signature.  False as sign_digest. */
bool pay_sign(struct payment *payment, const struct pay_offer *offer, const struct signer *signer)
	__attribute__((warn_unused_result));

/* Enough for every header made here. */
#define PAY_HEADER_BYTES_MAX (PAYMENT_BASE64_BYTES_MAX + 1)

/* pay_write_header: value of PAYMENT-SIGNATURE (v2) or X-PAYMENT (v1), zero-terminated.  Returns its length, 0 when it
 * would be longer than a server must accept. */
size_t pay_write_header(char out[PAY_HEADER_BYTES_MAX], const struct pay_challenge *challenge,
			const struct pay_offer *offer, const struct payment *payment);

/* Name of the header that carries it. */
const char *pay_header_name(unsigned version);

#endif
