/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NATIVE_PAYMENT_H
#define TOLLBAR_NATIVE_PAYMENT_H
/* native_payment.h: a native request's bytes (native.h) → the payment it makes and what it asks for.  Facts. */
#include "base/span.h"
#include "bind.h"
#include "native.h"
#include "payment.h"
#include "reasons.h"

struct native_order {
	uint8_t route; /* the number the client means */
	bool stream;
	uint64_t cookie;	/* 0: none */
	struct binding binding; /* of the nonce to the calldata */
	struct span calldata;	/* borrowed */
};

/* native_payment_read: a datagram that native_form found to be a request.  The payment has all its sender said; `to`, `spender`
 * and `facilitator` are for native_payment_complete. */
void native_payment_read(struct payment *payment, struct native_order *order, struct span datagram);
/* native_payment_complete: what was signed and not sent, because it is the offer's. */
void native_payment_complete(struct payment *payment, const struct offer *offer);

/* native_payment_tag: a keyed hash of all that a repeat of the datagram has in common with it, but for the calldata: the nonce
 * stands for that, once it was found to be its.  A cookie may have changed meanwhile. */
uint64_t native_payment_tag(const uint8_t key[16], struct span datagram);

#endif
