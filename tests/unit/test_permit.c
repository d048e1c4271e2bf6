// SPDX-License-Identifier: Apache-2.0
#include "permit.c"

#include <stddef.h>

#include "base/hex.h"
#include "check.h"

#define NOW 1740672100u

static struct address address_of(uint8_t last)
{
	return (struct address){.at = {[0] = 0xaa, [19] = last}};
}

static struct word number(unsigned __int128 value)
{
	struct word word = {{0}};

	u256_from_u128(word.at, value);
	return word;
}

/* 2^bit */
static struct word power(unsigned bit)
{
	struct word word = {{0}};

	word.at[31 - bit / 8] = (uint8_t)(1u << bit % 8);
	return word;
}

static struct word add_u64(struct word word, uint64_t add)
{
	for (int i = 31; i >= 0 && add > 0; i--) {
		add += word.at[i];
		word.at[i] = (uint8_t)add;
		add >>= 8;
	}
	return word;
}

static struct offer offer_of(unsigned method)
{
	return (struct offer){
		.method = (uint8_t)method,
		.chain_id = 8453,
		.asset = address_of(1),
		.pay_to = address_of(2),
		.facilitator = method == METHOD_UPTO ? address_of(3) : no_address,
		.amount = number(10000),
		.max_timeout_s = 60,
	};
}

/* What a good client makes of the offer. */
static struct payment payment_of(const struct offer *offer)
{
	struct payment payment = {
		.version = 2,
		.method = offer->method,
		.from = address_of(9),
		.to = offer->pay_to,
		.amount = offer->amount,
		.valid_after = number(NOW - 10),
		.deadline = number(NOW + 60),
		.nonce = {{1, 2, 3}},
		.accepted = {true, offer->chain_id, offer->asset, offer->pay_to, offer->amount, offer->max_timeout_s},
	};

	if (offer->method != METHOD_EIP3009) {
		payment.token = offer->asset;
		payment.spender = offer->method == METHOD_UPTO ? contract_upto_proxy : contract_exact_proxy;
		payment.facilitator = offer->facilitator;
	}
	return payment;
}

static enum reason judge(const struct payment *payment, const struct offer *offer)
{
	struct permit permit;

	return permit_payment(&permit, payment, offer, NOW);
}

TEST(good_payments_and_their_permits)
{
	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct offer offer = offer_of(method);
		struct payment payment = payment_of(&offer);
		struct permit permit;
		CHECK_EQ(permit_payment(&permit, &payment, &offer, NOW), REASON_OK);
		CHECK(permit.offer == &offer);
		CHECK_EQ(permit.deadline_s, NOW + 60);
		CHECK_EQ(permit.key.chain_id, 8453);
		CHECK(same_address(&permit.key.from, &payment.from));
		CHECK_BYTES(&permit.key.nonce, &payment.nonce, 32);
		CHECK(same_address(&permit.key.token, method == METHOD_EIP3009 ? &offer.asset : &no_address));
	}
}

/* Permit2 keeps one bitmap per owner: exact and upto, and every token and spender, share the nonce. */
TEST(permit2_methods_share_a_key)
{
	struct offer exact = offer_of(METHOD_PERMIT2), upto = offer_of(METHOD_UPTO);
	struct permit a, b;

	upto.asset = address_of(77);
	struct payment first = payment_of(&exact), second = payment_of(&upto);
	CHECK_EQ(permit_payment(&a, &first, &exact, NOW), REASON_OK);
	CHECK_EQ(permit_payment(&b, &second, &upto, NOW), REASON_OK);
	CHECK_BYTES(&a.key, &b.key, sizeof(a.key));
}

TEST(v1_and_v2_share_a_key)
{
	struct offer offer = offer_of(METHOD_EIP3009);
	struct payment v2 = payment_of(&offer), v1 = payment_of(&offer);
	struct permit a, b;

	v1.version = 1;
	v1.accepted.has_terms = false;
	v1.accepted.asset = v1.accepted.pay_to = no_address;
	v1.accepted.amount = number(0);
	v1.accepted.max_timeout_s = 0;
	CHECK_EQ(permit_payment(&a, &v2, &offer, NOW), REASON_OK);
	CHECK_EQ(permit_payment(&b, &v1, &offer, NOW), REASON_OK);
	CHECK_BYTES(&a.key, &b.key, sizeof(a.key));
}

TEST(time_edges)
{
	const struct {
		const char *name;
		struct word after, deadline;
		enum reason reason;
	} rows[] = {
		{"deadline now + 6", number(0), number(NOW + 6), REASON_OK},
		{"deadline now + 5", number(0), number(NOW + 5), EXPIRED},
		{"deadline 0", number(0), number(0), EXPIRED},
		{"deadline at the horizon", number(0), number(NOW + 60 + DEADLINE_SLACK_S), REASON_OK},
		{"deadline past the horizon", number(0), number(NOW + 61 + DEADLINE_SLACK_S), DEADLINE_FAR},
		{"deadline 2^64 - 1", number(0), number(UINT64_MAX), DEADLINE_FAR},
		{"deadline 2^64 + now + 60", number(0), add_u64(power(64), NOW + 60), DEADLINE_FAR},
		{"deadline 2^128 + now + 60", number(0), add_u64(power(128), NOW + 60), DEADLINE_FAR},
		{"deadline 2^255", number(0), power(255), DEADLINE_FAR},
		{"deadline 2^64, low bits expired", number(0), power(64), DEADLINE_FAR},
		{"valid from now", number(NOW), number(NOW + 60), REASON_OK},
		{"valid in a second", number(NOW + 1), number(NOW + 60), NOT_YET},
		{"valid after 2^64", power(64), number(NOW + 60), NOT_YET},
		{"valid after 2^255", power(255), number(NOW + 60), NOT_YET},
		{"both wrong: deadline first", number(NOW + 1), number(NOW + 5), EXPIRED},
		{"not yet before far", number(NOW + 1), power(200), NOT_YET},
	};

	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct offer offer = offer_of(method);
			struct payment payment = payment_of(&offer);
			payment.valid_after = rows[i].after;
			payment.deadline = rows[i].deadline;
			CHECK_ROW(judge(&payment, &offer) == rows[i].reason, rows[i].name);
		}
	}
}

TEST(clock_at_its_ends)
{
	struct offer offer = offer_of(METHOD_EIP3009);
	struct payment payment = payment_of(&offer);
	struct permit permit;

	payment.valid_after = number(0);
	payment.deadline = number(UINT64_MAX);
	CHECK_EQ(permit_payment(&permit, &payment, &offer, UINT64_MAX), REASON_OK);
	CHECK_EQ(permit_payment(&permit, &payment, &offer, UINT64_MAX - 90), REASON_OK);
	CHECK_EQ(permit_payment(&permit, &payment, &offer, UINT64_MAX - 91), DEADLINE_FAR);
	payment.deadline = number(UINT64_MAX - 1);
	CHECK_EQ(permit_payment(&permit, &payment, &offer, UINT64_MAX), EXPIRED);
	payment.deadline = number(6);
	CHECK_EQ(permit_payment(&permit, &payment, &offer, 0), REASON_OK);
	offer.max_timeout_s = payment.accepted.max_timeout_s = UINT64_MAX;
	payment.deadline = number(UINT64_MAX);
	CHECK_EQ(permit_payment(&permit, &payment, &offer, 5), REASON_OK);
}

TEST(amount_edges)
{
	const struct {
		struct word amount;
		enum reason reason;
	} rows[] = {
		{number(9999), AMOUNT_WRONG},
		{number(10000), REASON_OK},
		{number(10001), AMOUNT_WRONG},
		{number(0), AMOUNT_WRONG},
		{add_u64(power(64), 10000), AMOUNT_WRONG},
		{add_u64(power(128), 10000), AMOUNT_WRONG},
		{add_u64(power(255), 10000), AMOUNT_WRONG},
	};

	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			struct offer offer = offer_of(method);
			struct payment payment = payment_of(&offer);
			payment.amount = rows[i].amount;
			CHECK_EQ(judge(&payment, &offer), rows[i].reason);
		}
	}
}

/* Each part of the payment that is compared, spoiled alone: its byte offset and what the refusal must be. */
TEST(each_part_alone)
{
#define PART(field, eip3009, permit2, upto)              \
	{                                                \
#field, offsetof(struct payment, field), \
		{                                        \
			0, eip3009, permit2, upto        \
		}                                        \
	}
	static const struct {
		const char *name;
		size_t offset;
		enum reason reasons[4]; /* by method */
	} parts[] = {
		PART(to, PAYEE_WRONG, PAYEE_WRONG, PAYEE_WRONG),
		PART(amount, AMOUNT_WRONG, AMOUNT_WRONG, AMOUNT_WRONG),
		PART(token, REASON_OK, ASSET_WRONG, ASSET_WRONG),
		PART(spender, REASON_OK, SPENDER_WRONG, SPENDER_WRONG),
		PART(facilitator, REASON_OK, REASON_OK, FACILITATOR_WRONG),
		PART(nonce, REASON_OK, REASON_OK, REASON_OK),
		PART(signature, REASON_OK, REASON_OK, REASON_OK), /* verify's */
		PART(accepted.chain_id, NETWORK_WRONG, NETWORK_WRONG, NETWORK_WRONG),
		PART(accepted.asset, OFFER_UNMATCHED, OFFER_UNMATCHED, OFFER_UNMATCHED),
		PART(accepted.pay_to, OFFER_UNMATCHED, OFFER_UNMATCHED, OFFER_UNMATCHED),
		PART(accepted.amount, OFFER_UNMATCHED, OFFER_UNMATCHED, OFFER_UNMATCHED),
		PART(accepted.max_timeout_s, OFFER_UNMATCHED, OFFER_UNMATCHED, OFFER_UNMATCHED),
	};

	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
			struct offer offer = offer_of(method);
			struct payment payment = payment_of(&offer);
			((uint8_t *)&payment)[parts[i].offset] ^= 0x80;
			CHECK_ROW(judge(&payment, &offer) == parts[i].reasons[method], parts[i].name);
		}
	}
}

TEST(proxies_are_not_exchanged)
{
	struct offer exact = offer_of(METHOD_PERMIT2), upto = offer_of(METHOD_UPTO);
	struct payment payment = payment_of(&exact);

	payment.spender = contract_upto_proxy;
	CHECK_EQ(judge(&payment, &exact), SPENDER_WRONG);
	payment = payment_of(&upto);
	payment.spender = contract_exact_proxy;
	CHECK_EQ(judge(&payment, &upto), SPENDER_WRONG);
}

TEST(zero_payer)
{
	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct offer offer = offer_of(method);
		struct payment payment = payment_of(&offer);
		payment.from = no_address;
		CHECK_EQ(judge(&payment, &offer), PAYER_ZERO);
	}
}

/* A payment of one method is never taken for an offer of another. */
TEST(method_of_another_offer)
{
	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct offer own = offer_of(method);
		struct payment payment = payment_of(&own);
		for (unsigned other = METHOD_EIP3009; other <= METHOD_UPTO; other++) {
			struct offer offer = offer_of(other);
			CHECK_EQ(judge(&payment, &offer), method == other ? REASON_OK : OFFER_UNMATCHED);
		}
	}
}

/* Everything wrong at once, then made good from the front: the reasons come in the order of the checks. */
TEST(order_of_reasons)
{
	struct offer offer = offer_of(METHOD_UPTO);
	struct payment bad = {.version = 2, .method = METHOD_UPTO}, fine = payment_of(&offer);

	bad.deadline = number(1);
	bad.valid_after = number(NOW + 1);
	bad.accepted.has_terms = true;
	CHECK_EQ(judge(&bad, &offer), OFFER_UNMATCHED);
	bad.accepted = fine.accepted;
	bad.accepted.chain_id = 1;
	CHECK_EQ(judge(&bad, &offer), NETWORK_WRONG);
	bad.accepted.chain_id = fine.accepted.chain_id;
	CHECK_EQ(judge(&bad, &offer), PAYER_ZERO);
	bad.from = fine.from;
	CHECK_EQ(judge(&bad, &offer), SPENDER_WRONG);
	bad.spender = fine.spender;
	CHECK_EQ(judge(&bad, &offer), PAYEE_WRONG);
	bad.to = fine.to;
	CHECK_EQ(judge(&bad, &offer), FACILITATOR_WRONG);
	bad.facilitator = fine.facilitator;
	CHECK_EQ(judge(&bad, &offer), EXPIRED);
	bad.deadline = power(100);
	CHECK_EQ(judge(&bad, &offer), NOT_YET);
	bad.valid_after = fine.valid_after;
	CHECK_EQ(judge(&bad, &offer), AMOUNT_WRONG);
	bad.amount = fine.amount;
	CHECK_EQ(judge(&bad, &offer), ASSET_WRONG);
	bad.token = fine.token;
	CHECK_EQ(judge(&bad, &offer), DEADLINE_FAR);
	bad.deadline = fine.deadline;
	CHECK_EQ(judge(&bad, &offer), REASON_OK);
}

/* --- permit_offer --- */

TEST(choice_among_offers)
{
	struct offer usdc = offer_of(METHOD_EIP3009), other = offer_of(METHOD_EIP3009),
		     permit2 = offer_of(METHOD_PERMIT2), upto = offer_of(METHOD_UPTO),
		     sepolia = offer_of(METHOD_EIP3009);
	const struct offer *offers[] = {&sepolia, &other, &usdc, &permit2, &upto}, *found = NULL;
	struct payment payment;

	sepolia.chain_id = 84532;
	other.asset = address_of(55);
	const struct offer *const each[] = {&sepolia, &other, &usdc, &permit2, &upto};
	for (size_t i = 0; i < 5; i++) {
		payment = payment_of(each[i]);
		CHECK_EQ(permit_offer(&found, &payment, offers, 5), REASON_OK);
		CHECK(found == each[i]);
	}
	/* v1 names no asset: the first EIP-3009 offer on the chain */
	payment = payment_of(&usdc);
	payment.accepted.has_terms = false;
	CHECK_EQ(permit_offer(&found, &payment, offers, 5), REASON_OK);
	CHECK(found == &other);
	/* closest miss */
	payment = payment_of(&usdc);
	payment.accepted.asset = address_of(99);
	CHECK_EQ(permit_offer(&found, &payment, offers, 5), ASSET_WRONG);
	payment.accepted.chain_id = 1;
	CHECK_EQ(permit_offer(&found, &payment, offers, 5), NETWORK_WRONG);
	payment = payment_of(&upto);
	CHECK_EQ(permit_offer(&found, &payment, offers, 4), OFFER_UNMATCHED);
	CHECK_EQ(permit_offer(&found, &payment, offers, 0), OFFER_UNMATCHED);
	payment.token = address_of(99);
	CHECK_EQ(permit_offer(&found, &payment, offers, 5), ASSET_WRONG);
}

/* Two prices in one asset on one route: the one the client accepted, and never a cheaper one than it names. */
TEST(offers_that_differ_in_terms)
{
	struct offer cheap = offer_of(METHOD_PERMIT2), dear = offer_of(METHOD_PERMIT2);
	const struct offer *offers[] = {&cheap, &dear}, *found = NULL;
	struct payment payment;
	struct permit permit;

	dear.amount = number(20000);
	payment = payment_of(&dear);
	CHECK_EQ(permit_offer(&found, &payment, offers, 2), REASON_OK);
	CHECK(found == &dear);
	payment = payment_of(&cheap);
	CHECK_EQ(permit_offer(&found, &payment, offers, 2), REASON_OK);
	CHECK(found == &cheap);
	payment.amount = number(1);
	payment.accepted.amount = number(1);
	CHECK_EQ(permit_offer(&found, &payment, offers, 2), REASON_OK);
	CHECK_EQ(permit_payment(&permit, &payment, found, NOW), OFFER_UNMATCHED);
}

TEST(proxy_addresses)
{
	struct address address = {{0}};

	CHECK(hex_decode(address.at, 20, SPAN("0x402085c248EeA27D92E8b30b2C58ed07f9E20001")));
	CHECK(same_address(&address, &contract_exact_proxy));
	CHECK(hex_decode(address.at, 20, SPAN("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002")));
	CHECK(same_address(&address, &contract_upto_proxy));
}

CHECK_MAIN
