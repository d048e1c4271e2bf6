// SPDX-License-Identifier: Apache-2.0
#include "permit.h"

#include <string.h>

#include "base/assert.h"
#include "base/u256.h"
#include "contracts.h"

static const struct address no_address;

static bool same_address(const struct address *a, const struct address *b)
{
	return memcmp(a->at, b->at, sizeof(a->at)) == 0;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Does `accepted` repeat this offer's terms?  v1 has none to repeat. */
static bool terms_match(const struct payment *payment, const struct offer *offer)
{
	if (!payment->accepted.has_terms)
		return true;
	return same_address(&payment->accepted.asset, &offer->asset) &&
	       same_address(&payment->accepted.pay_to, &offer->pay_to) &&
	       u256_compare(payment->accepted.amount.at, offer->amount.at) == 0 &&
	       payment->accepted.max_timeout_s == offer->max_timeout_s;
}

/* Is the payment in this offer's asset, as far as it says? */
static bool asset_match(const struct payment *payment, const struct offer *offer)
{
	if (payment->method != METHOD_EIP3009)
		return same_address(&payment->token, &offer->asset);
	return !payment->accepted.has_terms || same_address(&payment->accepted.asset, &offer->asset);
}

enum reason permit_offer(const struct offer **offer, const struct payment *payment, const struct offer *const *offers,
			 size_t offer_cnt)
{
	enum reason reason = OFFER_UNMATCHED;
	const struct offer *found = NULL;

	/* The refusal is that of the offer that came closest. */
	for (size_t i = 0; i < offer_cnt; i++) {
		if (offers[i]->method != payment->method)
			continue;
		if (offers[i]->chain_id != payment->accepted.chain_id) {
			if (reason == OFFER_UNMATCHED)
				reason = NETWORK_WRONG;
			continue;
		}
		reason = ASSET_WRONG;
		if (!asset_match(payment, offers[i]))
			continue;
		/* Two offers in one asset differ in their terms: the one accepted, else the first. */
		if (found == NULL || (!terms_match(payment, found) && terms_match(payment, offers[i])))
			found = offers[i];
	}
	if (found == NULL)
		return reason;
	*offer = found;
	return REASON_OK;
}

/* --- the checks: each looks at one thing --- */

static enum reason check_terms(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	return payment->method == offer->method && terms_match(payment, offer) ? REASON_OK : OFFER_UNMATCHED;
}

static enum reason check_network(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	return payment->accepted.chain_id == offer->chain_id ? REASON_OK : NETWORK_WRONG;
}

static enum reason check_payer(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	return same_address(&payment->from, &no_address) ? PAYER_ZERO : REASON_OK;
}

static enum reason check_spender(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	if (offer->method == METHOD_EIP3009)
		return REASON_OK;
	return same_address(&payment->spender,
			    offer->method == METHOD_UPTO ? &contract_upto_proxy : &contract_exact_proxy)
		       ? REASON_OK
		       : SPENDER_WRONG;
}

static enum reason check_payee(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	return same_address(&payment->to, &offer->pay_to) ? REASON_OK : PAYEE_WRONG;
}

static enum reason check_facilitator(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	if (offer->method != METHOD_UPTO)
		return REASON_OK;
	return same_address(&payment->facilitator, &offer->facilitator) ? REASON_OK : FACILITATOR_WRONG;
}

/* Times that do not fit 64 bits are later than any clock. */

static enum reason check_deadline(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	uint64_t deadline_s;

	if (u256_to_u64(&deadline_s, payment->deadline.at) && deadline_s < add_capped(now_s, SETTLE_MARGIN_S))
		return EXPIRED;
	return REASON_OK;
}

static enum reason check_valid_after(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	uint64_t after_s;

	return u256_to_u64(&after_s, payment->valid_after.at) && after_s <= now_s ? REASON_OK : NOT_YET;
}

static enum reason check_amount(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	return u256_compare(payment->amount.at, offer->amount.at) == 0 ? REASON_OK : AMOUNT_WRONG;
}

static enum reason check_asset(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	return asset_match(payment, offer) ? REASON_OK : ASSET_WRONG;
}

static enum reason check_horizon(const struct payment *payment, const struct offer *offer, uint64_t now_s)
{
	uint64_t deadline_s, latest_s = add_capped(now_s, add_capped(offer->max_timeout_s, DEADLINE_SLACK_S));

	return u256_to_u64(&deadline_s, payment->deadline.at) && deadline_s <= latest_s ? REASON_OK : DEADLINE_FAR;
}

const struct permit_check permit_checks[] = {
	/* what a reference server finds before it asks its verifier */
	{"terms", check_terms},
	{"network", check_network},
	{"payer", check_payer},
	/* the verifier's order */
	{"spender", check_spender},
	{"payee", check_payee},
	{"facilitator", check_facilitator},
	{"deadline", check_deadline},
	{"valid after", check_valid_after},
	{"amount", check_amount},
	{"asset", check_asset},
	/* ours alone, hence last */
	{"horizon", check_horizon},
};
const size_t permit_check_cnt = sizeof(permit_checks) / sizeof(*permit_checks);

void permit_key(struct claim_key *key, const struct payment *payment, const struct offer *offer)
{
	*key = (struct claim_key){.chain_id = offer->chain_id, .from = payment->from, .nonce = payment->nonce};
	if (offer->method == METHOD_EIP3009)
		key->token = offer->asset;
}

enum reason permit_payment(struct permit *permit, const struct payment *payment, const struct offer *offer,
			   uint64_t now_s)
{
	bool fits;

	for (size_t i = 0; i < permit_check_cnt; i++) {
		enum reason reason = permit_checks[i].check(payment, offer, now_s);
		if (reason != REASON_OK)
			return reason;
	}
	*permit = (struct permit){.offer = offer};
	fits = u256_to_u64(&permit->deadline_s, payment->deadline.at);
	ASSERT(fits); /* check_horizon saw to it */
	permit_key(&permit->key, payment, offer);
	return REASON_OK;
}
