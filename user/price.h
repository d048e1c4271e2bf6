/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PRICE_H
#define TOLLBAR_PRICE_H
/* price.h: what an answer costs: usage and prices → atomic units of the offer's token.  Whole numbers throughout: of the
 * same usage everybody who counts gets the same cost.
 *
 * An upto offer has its prices in one of two ways: its own, in atomic units for whatever model; or each model's in US
 * dollars ([price NAME]), and the token's price in dollars (token_usd), by which they become atomic units. */
#include <stdbool.h>

#include "base/span.h"
#include "config.h"
#include "openai.h"
#include "payment.h"
#include "reasons.h"

/* price_find: the price of a model on this offer; *price is NULL when the offer's own holds, or it meters nothing.
 * Refuses MODEL_UNKNOWN: the offer goes by model, and this one (or none named: empty) has no price. */
enum reason price_find(const struct model_price **price, const struct offer *offer, const struct config *config,
		       struct span model) __attribute__((warn_unused_result));

/* Every offer of this route goes by model. */
bool price_by_model(const struct config_route *route);
bool price_known(const struct config *config, struct span model);

/* price_cost, saturating at the offer's amount; usage that is not known costs nothing:
 *   price NULL  ceil((input * input_per_mtok + output * output_per_mtok) / 10^6)
 *   else        ceil((input * input_usd + output * output_usd) / 10^6 / token_usd * 10^token_decimals) */
void price_cost(struct word *cost, const struct offer *offer, const struct model_price *price,
		const struct openai_usage *usage);

#endif
