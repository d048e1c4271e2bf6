// SPDX-License-Identifier: Apache-2.0
#include "knock.h"

#include <string.h>

#include "base/assert.h"
#include "hash.h"

void knock_terms_init(struct knock_terms *terms, const struct offer *offers, size_t offer_cnt, uint64_t open_s_max)
{
	ASSERT(offer_cnt <= OFFERS_MAX);
	*terms = (struct knock_terms){.chain_cnt = offer_cnt, .open_s_max = open_s_max};
	for (size_t i = 0; i < offer_cnt; i++) /* a chain twice does no harm */
		terms->chain_ids[i] = offers[i].chain_id;
}

static bool is_ours(const struct knock_terms *terms, uint64_t chain_id)
{
	for (size_t i = 0; i < terms->chain_cnt; i++)
		if (terms->chain_ids[i] == chain_id)
			return true;
	return false;
}

enum reason knock_read(struct knock *knock, struct span datagram, const struct knock_from *from,
		       const struct knock_terms *terms, uint64_t now_s)
{
	uint64_t cookie;

	ASSERT(datagram.bytes == sizeof(knock->wire));
	memcpy(&knock->wire, datagram.at, sizeof(knock->wire));
	memcpy(&cookie, knock->wire.cookie, sizeof(cookie));
	memcpy(knock->payer.at, knock->wire.payer, sizeof(knock->payer.at));
	knock->until_s = NATIVE_BE64(knock->wire.until);
	if (!native_cookie_holds(cookie, from->cookie_key, from->source, from->port, from->epoch))
		return NATIVE_COOKIE;
	if (!is_ours(terms, NATIVE_BE64(knock->wire.chain_id)))
		return NATIVE_CHAIN;
	if (knock->until_s <= now_s)
		return NATIVE_EXPIRED;
	return knock->until_s - now_s > terms->open_s_max ? NATIVE_FAR : REASON_OK;
}

void knock_item(struct verify_item *item, const struct knock *knock)
{
	*item = (struct verify_item){
		.signature = knock->wire.signature,
		.payer = knock->payer,
		.method = METHOD_PERMIT2, /* its rule for v */
	};
	hash_knock(&item->digest, NATIVE_BE64(knock->wire.chain_id), &knock->payer, knock->wire.cookie, knock->until_s);
}

void knock_opened(struct native_opened *out, const struct knock *knock, const uint8_t source[16])
{
	*out = (struct native_opened){
		.head = {.kind = NATIVE_OPENED, .bytes = NATIVE_BE16(sizeof(*out))},
		.until = knock->wire.until,
	};
	memcpy(out->head.magic, NATIVE_MAGIC_BYTES, sizeof(out->head.magic));
	memcpy(out->source, source, sizeof(out->source));
}
