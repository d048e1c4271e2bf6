/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_KNOCK_H
#define TOLLBAR_KNOCK_H
/* knock.h: may this source connect by TCP for a while?  A knock (native.h) says so when a payer signed it who may pay here,
 * with the cookie of the very source it came from.
 *
 *   knock_read      all that can be said without a key; the caller then asks the payer list (payers_listed)
 *   knock_item      what is to be verified, beside the payments of the same round
 *   knock_opened    the answer, once the signature held
 *
 * What a cookie is tied to, a knock is: sent again from elsewhere it opens nothing, and from the same source nothing for
 * longer, because until when is signed. */
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "native.h"
#include "payment.h"
#include "reasons.h"
#include "verify.h"

struct knock_terms { /* constant while the daemon runs */
	uint64_t chain_ids[OFFERS_MAX];
	size_t chain_cnt;
	uint64_t open_s_max;
};

/* The chains are those of the offers. */
void knock_terms_init(struct knock_terms *terms, const struct offer *offers, size_t offer_cnt, uint64_t open_s_max);

/* Where a datagram came from, and what cookies are made of there (native_cookie). */
struct knock_from {
	const uint8_t *cookie_key; /* 16 bytes */
	uint8_t source[16];	   /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;		   /* host order */
	uint64_t epoch;
};

struct knock {
	struct native_knock wire;
	struct address payer;
	uint64_t until_s;
};

/* knock_read: in: datagram, a knock whose form is right (native_form); now_s, Unix seconds.
 * Out: *knock on REASON_OK.
 * Refuses, in this order: NATIVE_COOKIE (none, or another source's, or too old: a new one is the answer), NATIVE_CHAIN,
 *      NATIVE_EXPIRED (until <= now), NATIVE_FAR (until > now + open_s_max). */
enum reason knock_read(struct knock *knock, struct span datagram, const struct knock_from *from,
		       const struct knock_terms *terms, uint64_t now_s) __attribute__((warn_unused_result));

/* knock_item: borrows the knock's signature.  v must be 27 or 28. */
void knock_item(struct verify_item *item, const struct knock *knock);

void knock_opened(struct native_opened *out, const struct knock *knock, const uint8_t source[16]);

#endif
