// SPDX-License-Identifier: Apache-2.0
#include "native_payment.c"

#include "base/u256.h"
#include "check.h"
#include "datagrams.h"
#include "guard.h"
#include "permit.h"

#define NOW_S 1700000000u

static struct datagram datagram;
static struct payment payment;
static struct native_order order;

static void read_it(void)
{
	native_payment_read(&payment, &order, span_of(datagram.bytes, datagram.used));
}

static uint64_t number(const struct word *word)
{
	uint64_t value = 0;

	CHECK(u256_to_u64(&value, word->at));
	return value;
}

static bool counts_up(const uint8_t *at, uint8_t first, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != (uint8_t)(first + i))
			return false;
	return true;
}

TEST(every_field_arrives)
{
	datagram_request(&datagram, 100, true, NOW_S);
	datagram.bytes[AT_METHOD] = METHOD_EIP3009;
	datagram_fill(&datagram, AT_CALLDATA + 100, 0xc0, NATIVE_COOKIE_BYTES);
	read_it();
	CHECK(payment.version == 2 && payment.method == METHOD_EIP3009);
	CHECK(counts_up(payment.from.at, DATAGRAM_PAYER, sizeof payment.from));
	CHECK(number(&payment.amount) == 10000 && number(&payment.valid_after) == NOW_S - 600 &&
	      number(&payment.deadline) == NOW_S + 60);
	CHECK(counts_up(payment.nonce.at, DATAGRAM_NONCE, sizeof payment.nonce));
	CHECK(counts_up(payment.signature, 7, sizeof payment.signature));
	CHECK(payment.accepted.has_terms && payment.accepted.chain_id == DATAGRAM_CHAIN);
	CHECK(counts_up(payment.accepted.asset.at, DATAGRAM_ASSET, sizeof payment.accepted.asset));
	CHECK(order.route == 5 && !order.stream && order.binding.is_bound);
	CHECK(counts_up(order.binding.salt, 3, BIND_SALT_BYTES));
	CHECK(order.calldata.bytes == 100 && counts_up(order.calldata.at, 1, 100));
	CHECK(counts_up((const uint8_t *)&order.cookie, 0xc0, NATIVE_COOKIE_BYTES));
}

TEST(numbers_fill_their_fields)
{
	datagram_request(&datagram, 4, false, NOW_S);
	memset(&datagram.bytes[AT_AMOUNT], 0xff, 16);
	memset(&datagram.bytes[AT_VALID_AFTER], 0xff, 16);
	memset(&datagram.bytes[AT_CHAIN], 0xff, 8);
	datagram_put(&datagram, AT_FLAGS, NATIVE_FLAG_STREAM, 2);
	read_it();
	for (size_t i = 0; i < 32; i++)
		CHECK(payment.amount.at[i] == (i < 16 ? 0 : 0xff) && payment.deadline.at[i] == (i < 24 ? 0 : 0xff));
	CHECK(number(&payment.valid_after) == UINT64_MAX && payment.accepted.chain_id == UINT64_MAX);
	CHECK(order.stream && order.cookie == 0 && order.calldata.bytes == 4);
}

/* Of a datagram whose every field is right the offer makes a payment that permit takes, whatever the method. */
TEST(an_offer_completes_a_payment)
{
	for (uint8_t method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct offer offer = {.method = method, .chain_id = DATAGRAM_CHAIN, .max_timeout_s = 60};
		const struct offer *offers[] = {&offer}, *found;
		struct permit permit;

		datagram_request(&datagram, 4, false, NOW_S);
		datagram.bytes[AT_METHOD] = method;
		memcpy(&offer.asset, &datagram.bytes[AT_ASSET], sizeof offer.asset);
		memcpy(&offer.amount.at[16], &datagram.bytes[AT_AMOUNT], 16);
		memset(&offer.pay_to, 0x77, sizeof offer.pay_to);
		if (method == METHOD_UPTO)
			memset(&offer.facilitator, 0x88, sizeof offer.facilitator);
		read_it();
		CHECK_EQ(permit_offer(&found, &payment, offers, 1), REASON_OK);
		CHECK(permit_payment(&permit, &payment, found, NOW_S) != REASON_OK);
		native_payment_complete(&payment, found);
		CHECK_EQ(permit_payment(&permit, &payment, found, NOW_S), REASON_OK);
		CHECK_EQ(permit.deadline_s, NOW_S + 60);
		offer.amount.at[31]++;
		native_payment_complete(&payment, found);
		CHECK_EQ(permit_payment(&permit, &payment, found, NOW_S), AMOUNT_WRONG);
		offer.asset.at[0]++;
		CHECK_EQ(permit_offer(&found, &payment, offers, 1), ASSET_WRONG);
		offer.chain_id++;
		CHECK_EQ(permit_offer(&found, &payment, offers, 1), NETWORK_WRONG);
	}
}

/* Sizes at their bounds, with nothing readable behind the datagram. */
TEST(nothing_is_read_behind_the_end)
{
	static const size_t sizes[] = {4, 5, 100, NATIVE_BYTES_MAX - sizeof(struct native_request)};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (int cookie = 0; cookie < 2; cookie++) {
			size_t calldata = i == 3 && cookie ? sizes[i] - NATIVE_COOKIE_BYTES : sizes[i];
			datagram_request(&datagram, calldata, cookie, NOW_S);
			if (cookie)
				datagram_fill(&datagram, AT_CALLDATA + calldata, 1, NATIVE_COOKIE_BYTES);
			struct guard guard;
			struct span bytes = guard_copy(&guard, datagram.bytes, datagram.used);
			CHECK_EQ(native_form((const void *)bytes.at, bytes.at + bytes.bytes, (uint32_t)bytes.bytes),
				 REASON_OK);
			native_payment_read(&payment, &order, bytes);
			CHECK(order.calldata.bytes == calldata && (order.cookie != 0) == cookie);
			CHECK(native_payment_tag((const uint8_t *)"0123456789abcdef", bytes) != 0);
			guard_free(&guard);
		}
	}
}

static uint64_t tag_of(const struct datagram *of)
{
	return native_payment_tag((const uint8_t *)"0123456789abcdef", span_of(of->bytes, of->used));
}

TEST(a_tag_is_of_all_that_is_sent_but_cookie_and_calldata)
{
	struct datagram plain, with;

	datagram_request(&plain, 60, false, NOW_S);
	datagram_request(&with, 60, true, NOW_S);
	CHECK_EQ(tag_of(&plain), tag_of(&with));
	for (size_t i = AT_CALLDATA + 60; i < with.used; i++) {
		with.bytes[i] ^= 1;
		CHECK_EQ(tag_of(&plain), tag_of(&with));
	}
	for (size_t i = 0; i < AT_CALLDATA; i++) {
		bool is_length = i / 2 == AT_BYTES / 2;
		struct datagram other = plain;
		other.bytes[i] ^= i == AT_FLAGS + 1 ? NATIVE_FLAG_STREAM : 1;
		if (!is_length)
			CHECK_ROW(tag_of(&plain) != tag_of(&other), "a byte that the tag does not see");
	}
	CHECK(native_payment_tag((const uint8_t *)"0123456789abcdeF", span_of(plain.bytes, plain.used)) !=
	      tag_of(&plain));
}

CHECK_MAIN
