// SPDX-License-Identifier: Apache-2.0
#include "price.h"

#include <string.h>

#include "base/assert.h"
#include "base/u256.h"

static bool by_model(const struct offer *offer)
{
	return offer->token_usd != 0;
}

static const struct model_price *find(const struct config *config, struct span model)
{
	for (size_t i = 0; i < config->price_cnt; i++)
		if (span_equal(span_str(config->prices[i].model), model))
			return &config->prices[i];
	return NULL;
}

enum reason price_find(const struct model_price **price, const struct offer *offer, const struct config *config,
		       struct span model)
{
	*price = by_model(offer) ? find(config, model) : NULL;
	return by_model(offer) && *price == NULL ? MODEL_UNKNOWN : REASON_OK;
}

bool price_by_model(const struct config_route *route)
{
	for (size_t i = 0; i < route->offer_cnt; i++)
		if (!by_model(route->offers[i]))
			return false;
	return route->offer_cnt > 0;
}

bool price_known(const struct config *config, struct span model)
{
	return find(config, model) != NULL;
}

/* 256 bits, limbs of 64, least significant first. */
#define LIMBS 4

static void multiply_add(uint64_t sum[LIMBS], unsigned __int128 price, uint64_t tokens)
{
	unsigned __int128 low = (unsigned __int128)(uint64_t)price * tokens;
	unsigned __int128 high = (unsigned __int128)(uint64_t)(price >> 64) * tokens + (uint64_t)(low >> 64);
	const uint64_t product[LIMBS] = {(uint64_t)low, (uint64_t)high, (uint64_t)(high >> 64), 0};
	unsigned __int128 carry = 0;

	for (unsigned i = 0; i < LIMBS; i++) {
		carry += (unsigned __int128)sum[i] + product[i];
		sum[i] = (uint64_t)carry;
		carry >>= 64;
	}
}

static void multiply_ten(uint64_t number[LIMBS], unsigned times)
{
	unsigned __int128 carry = 0;

	while (times-- > 0) {
		for (unsigned i = 0; i < LIMBS; i++) {
			carry += (unsigned __int128)number[i] * 10;
			number[i] = (uint64_t)carry;
			carry >>= 64;
		}
		ASSERT(carry == 0);
	}
}

/* Rounded up.  divisor below 2^127: the rest and one more bit fit. */
static void divide_up(uint64_t number[LIMBS], unsigned __int128 divisor)
{
	unsigned __int128 rest = 0;
	unsigned bit = 64 * LIMBS;

	ASSERT(divisor != 0 && divisor >> 127 == 0);
	while (bit > 0 && number[(bit - 1) / 64] == 0)
		bit -= 64; /* most costs are short */
	while (bit-- > 0) {
		uint64_t *limb = &number[bit / 64], mask = (uint64_t)1 << bit % 64;
		rest = rest << 1 | ((*limb & mask) != 0);
		bool fits = rest >= divisor;
		rest -= fits ? divisor : 0;
		*limb = fits ? *limb | mask : *limb & ~mask;
	}
	for (unsigned i = 0; i < LIMBS && rest != 0; i++)
		rest = ++number[i] == 0; /* carries while a limb overflows */
}

void price_cost(struct word *cost, const struct offer *offer, const struct model_price *price,
		const struct openai_usage *usage)
{
	uint64_t sum[LIMBS] = {0};

	memset(cost, 0, sizeof *cost);
	if (!usage->known)
		return;
	ASSERT(usage->input <= OPENAI_TOKENS_MAX && usage->output <= OPENAI_TOKENS_MAX);
	multiply_add(sum, price != NULL ? price->input_usd : offer->input_per_mtok, usage->input);
	multiply_add(sum, price != NULL ? price->output_usd : offer->output_per_mtok, usage->output);
	if (price != NULL) { /* both sides are in USD_UNITs, which cancel out */
		ASSERT(price->input_usd <= USD_MAX && price->output_usd <= USD_MAX && offer->token_usd <= USD_MAX);
		multiply_ten(sum, offer->token_decimals);
		divide_up(sum, offer->token_usd * 1000000);
	} else {
		divide_up(sum, 1000000);
	}
	for (unsigned i = 0; i < 32; i++)
		cost->at[31 - i] = (uint8_t)(sum[i / 8] >> i % 8 * 8);
	if (u256_compare(cost->at, offer->amount.at) > 0)
		*cost = offer->amount;
}
