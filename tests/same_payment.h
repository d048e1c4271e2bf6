/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_SAME_PAYMENT_H
#define TOLLBAR_TESTS_SAME_PAYMENT_H
/* same_payment.h: are two decoded payments one?  Member by member: padding says nothing. */
#include <string.h>

#include "payment.h"

#define SAME(member) (memcmp(&a->member, &b->member, sizeof(a->member)) == 0)

static inline bool same_payment(const struct payment *a, const struct payment *b)
{
	return a->version == b->version && a->method == b->method && SAME(from.at) && SAME(to.at) && SAME(amount.at) &&
	       SAME(valid_after.at) && SAME(deadline.at) && SAME(nonce.at) && SAME(token.at) && SAME(spender.at) &&
	       SAME(facilitator.at) && SAME(signature) && a->signature_rest_bytes == b->signature_rest_bytes &&
	       memcmp(a->signature_rest, b->signature_rest, a->signature_rest_bytes) == 0 &&
	       a->accepted.has_terms == b->accepted.has_terms && a->accepted.chain_id == b->accepted.chain_id &&
	       SAME(accepted.asset.at) && SAME(accepted.pay_to.at) && SAME(accepted.amount.at) &&
	       a->accepted.max_timeout_s == b->accepted.max_timeout_s;
}

#endif
