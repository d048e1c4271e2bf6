/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PERMIT_H
#define TOLLBAR_PERMIT_H
/* permit.h: may this payment buy this route now?  Pure comparison of what was signed with our own offer and the clock. */
#include <stddef.h>
#include "payment.h"
#include "reasons.h"

/* permit_offer: which of a route's offers the payment is for: method and chain, then asset (the signed token for
 * Permit2, `accepted.asset` for v2 EIP-3009, the first EIP-3009 offer on that chain for v1).
 * Out: *offer on REASON_OK.  Refuses: NETWORK_WRONG, ASSET_WRONG, OFFER_UNMATCHED. */
enum reason permit_offer(const struct offer **offer, const struct payment *payment, const struct offer *const *offers,
			 size_t offer_cnt) __attribute__((warn_unused_result));

/* permit_key: under which a payment for this offer is claimed. */
void permit_key(struct claim_key *key, const struct payment *payment, const struct offer *offer);

/* permit_payment: every stateless rule of the method against that offer at now_s (Unix seconds); says nothing of the
 * signature, so it is called before verify as an early out, and the permit is used only after verify said yes.
 * Out: permit on REASON_OK.
 * Refuses, in this order: OFFER_UNMATCHED (accepted amount, asset, payTo or timeout differ from the offer),
 *      NETWORK_WRONG, PAYER_ZERO, SPENDER_WRONG, PAYEE_WRONG, FACILITATOR_WRONG, EXPIRED (deadline < now + 6), NOT_YET,
 *      AMOUNT_WRONG (must equal), ASSET_WRONG, DEADLINE_FAR (deadline > now + maxTimeoutSeconds + DEADLINE_SLACK_S).
 * The order is @x402/evm 2.27's, so the first reason is the one its clients expect; DEADLINE_FAR is ours, hence last. */
enum reason permit_payment(struct permit *permit, const struct payment *payment, const struct offer *offer,
			   uint64_t now_s) __attribute__((warn_unused_result));

/* The rules one by one, in their order, for explain. */
struct permit_check {
	const char *name;
	enum reason (*check)(const struct payment *payment, const struct offer *offer, uint64_t now_s);
};
extern const struct permit_check permit_checks[];
extern const size_t permit_check_cnt;

#endif
