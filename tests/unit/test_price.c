// SPDX-License-Identifier: Apache-2.0
#include "price.c"

#include "check.h"
#include "random.h"

TEST(cost_of_an_offer_with_prices_of_its_own)
{
	static const struct {
		const char *input_price, *output_price;
		struct openai_usage usage;
		const char *max, *cost;
	} rows[] = {
		{"0", "0", {true, 100, 100}, "1000", "0"},
		{"1000000", "2000000", {true, 3, 4}, "1000", "11"},
		{"1", "0", {true, 1, 0}, "1000", "1"}, /* rounded up */
		{"1", "0", {true, 1000000, 0}, "1000", "1"},
		{"1", "0", {true, 1000001, 0}, "1000", "2"},
		{"1", "1", {true, 500000, 500000}, "1000", "1"}, /* the sum is rounded, not each part */
		{"1000000", "1000000", {true, 500, 501}, "1000", "1000"},
		{"1000000", "1000000", {true, 500, 500}, "1000", "1000"},
		{"1000000", "1000000", {true, 500, 499}, "1000", "999"},
		{"1000000", "1000000", {true, 0, 0}, "1000", "0"},
		{"1000000", "1000000", {false, 5, 5}, "1000", "0"},
		/* 2^64 carries between limbs */
		{"18446744073709551615",
		 "1",
		 {true, 1000000, 1000000},
		 "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		 "18446744073709551616"},
		/* the most there can be: 2 * (2^53 - 1) * (2^128 - 1) / 10^6, rounded up */
		{"340282366920938463463374607431768211455",
		 "340282366920938463463374607431768211455",
		 {true, 9007199254740991, 9007199254740991},
		 "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		 "6129982163463554752868654266724309807707727226689"},
		{"340282366920938463463374607431768211455",
		 "340282366920938463463374607431768211455",
		 {true, 9007199254740991, 9007199254740991},
		 "7",
		 "7"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct offer offer = {.method = METHOD_UPTO};
		char text[U256_DECIMAL_BYTES];
		struct word cost, price;

		CHECK(u256_decimal(price.at, span_str(rows[i].input_price)) &&
		      u256_to_u128(&offer.input_per_mtok, price.at));
		CHECK(u256_decimal(price.at, span_str(rows[i].output_price)) &&
		      u256_to_u128(&offer.output_per_mtok, price.at));
		CHECK(u256_decimal(offer.amount.at, span_str(rows[i].max)));
		price_cost(&cost, &offer, NULL, &rows[i].usage);
		u256_print(text, cost.at);
		CHECK_ROW(strcmp(text, rows[i].cost) == 0, text);
	}
}

/* "2.50" → USD_UNITs */
static unsigned __int128 usd(const char *text)
{
	unsigned __int128 units = 0;
	unsigned left = USD_FRACTION_DIGITS;
	bool point = false;

	for (; *text != 0; text++) {
		if (*text == '.') {
			point = true;
			continue;
		}
		units = units * 10 + (unsigned)(*text - '0');
		left -= point;
	}
	while (left-- > 0)
		units *= 10;
	return units;
}

/* Costs by Python's fractions. */
TEST(cost_of_a_model_in_dollars)
{
	static const struct {
		const char *input, *output, *token;
		uint8_t decimals;
		struct openai_usage usage;
		const char *max, *cost;
	} rows[] = {
		{"2.50", "10", "0.0573", 18, {true, 1000, 500}, "100000000000000000", "100000000000000000"},
		{"0", "0", "1", 6, {true, 5, 5}, "100", "0"},
		{"0.000000000001", "0", "1", 0, {true, 1, 0}, "100", "1"},
		{"2.5", "10", "0.057", 18, {true, 1234, 777}, "1000000000000000000000000000000", "190438596491228071"},
		{"1000000000",
		 "1000000000",
		 "0.000000000001",
		 36,
		 {true, 9007199254740991, 9007199254740991},
		 "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		 "18014398509481982000000000000000000000000000000000000000000000000000"},
		{"1000000000",
		 "1000000000",
		 "1000000000",
		 36,
		 {true, 9007199254740991, 9007199254740991},
		 "115792089237316195423570985008687907853269984665640564039457584007913129639935",
		 "18014398509481982000000000000000000000000000000"},
		{"1", "1", "3", 6, {true, 3, 0}, "1000000000", "1"},
		{"1", "1", "3", 6, {true, 1, 0}, "1000000000", "1"},
		{"3", "15", "1", 6, {true, 1000000, 1000000}, "1000000000", "18000000"},
		{"0.15", "0.6", "0.9997", 6, {true, 17, 3}, "500000", "5"},
		{"1", "1", "1", 18, {true, 0, 0}, "1000000000000000000", "0"},
		{"2.50", "10", "0.0573", 18, {true, 100000, 50000}, "100000000000000000", "100000000000000000"},
		{"1", "1", "1", 18, {false, 5, 5}, "1000", "0"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct offer offer = {.method = METHOD_UPTO, .token_usd = usd(rows[i].token)};
		struct model_price price = {.input_usd = usd(rows[i].input), .output_usd = usd(rows[i].output)};
		char text[U256_DECIMAL_BYTES];
		struct word cost;

		offer.token_decimals = rows[i].decimals;
		CHECK(u256_decimal(offer.amount.at, span_str(rows[i].max)));
		price_cost(&cost, &offer, &price, &rows[i].usage);
		u256_print(text, cost.at);
		CHECK_ROW(strcmp(text, rows[i].cost) == 0, text);
	}
}

/* Where everything fits 128 bits the processor knows the answer too. */
TEST(small_costs_are_those_of_plain_division)
{
	random_start("costs");
	for (unsigned i = 0; i < 20000; i++) {
		struct offer offer = {.token_usd = 1 + random_below(1u << 30), .amount = {{[0] = 0x7f}}};
		struct model_price price = {.input_usd = random_below(1u << 30), .output_usd = random_below(1u << 30)};
		struct openai_usage usage = {true, random_below(1u << 20), random_below(1u << 20)};
		unsigned __int128 number = price.input_usd * usage.input + price.output_usd * usage.output;
		unsigned __int128 divisor = offer.token_usd * 1000000;
		struct word cost, want;

		offer.token_decimals = (uint8_t)random_below(7);
		for (unsigned k = 0; k < offer.token_decimals; k++)
			number *= 10;
		u256_from_u128(want.at, (number + divisor - 1) / divisor);
		price_cost(&cost, &offer, &price, &usage);
		CHECK_BYTES(&cost, &want, sizeof want);
	}
}

TEST(the_price_of_a_model)
{
	static struct config config = {.prices = {{.model = "m"}, {.model = "a/m"}}, .price_cnt = 2};
	static const struct offer own = {.method = METHOD_UPTO}, by = {.method = METHOD_UPTO, .token_usd = 1};
	struct config_route route = {.offers = {&own, &by}, .offer_cnt = 2};
	const struct model_price *price;

	CHECK(price_find(&price, &by, &config, SPAN("m")) == REASON_OK && price == &config.prices[0]);
	CHECK(price_find(&price, &by, &config, SPAN("a/m")) == REASON_OK && price == &config.prices[1]);
	CHECK(price_find(&price, &by, &config, SPAN("M")) == MODEL_UNKNOWN && price == NULL);
	CHECK(price_find(&price, &by, &config, SPAN("")) == MODEL_UNKNOWN);
	CHECK(price_find(&price, &by, &config, (struct span){0}) == MODEL_UNKNOWN);
	CHECK(price_find(&price, &own, &config, SPAN("x")) == REASON_OK && price == NULL);
	CHECK(price_known(&config, SPAN("m")) && !price_known(&config, SPAN("mm")));
	CHECK(!price_by_model(&route));
	route.offers[0] = &by;
	CHECK(price_by_model(&route));
	route.offer_cnt = 0;
	CHECK(!price_by_model(&route));
}

CHECK_MAIN
