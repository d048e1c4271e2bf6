/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_SETTLE_FIXTURE_H
#define TOLLBAR_TESTS_SETTLE_FIXTURE_H
/* settle_fixture.h: a settlement to ask about, and words a facilitator says.  For the test_settle*.c files. */
#include "base/u256.h"
#include "check.h"
#include "settle.h"

static inline struct address address_of(uint8_t fill)
{
	struct address address;

	memset(address.at, fill, sizeof address.at);
	return address;
}

static inline struct word word_of(uint64_t number)
{
	struct word word = {{0}};

	u256_from_u64(word.at, number);
	return word;
}

static inline void fill(struct settlement *settlement, enum method method, unsigned version)
{
	*settlement = (struct settlement){
		.claim_id = 1,
		.amount_due = word_of(900),
		.attempts = 1,
		.payment = {.version = (uint8_t)version,
			    .method = (uint8_t)method,
			    .from = address_of(0xaa),
			    .to = address_of(0xbb),
			    .amount = word_of(1000),
			    .valid_after = word_of(17),
			    .deadline = word_of(1740672154),
			    .nonce = word_of(0x1f),
			    .token = address_of(method == METHOD_EIP3009 ? 0 : 0xcc),
			    .spender = address_of(method == METHOD_EIP3009 ? 0 : 0xdd),
			    .facilitator = address_of(method == METHOD_UPTO ? 0xee : 0)},
		.offer = {.name = "chat",
			  .method = (uint8_t)method,
			  .chain_id = 84532,
			  .asset = address_of(0xcc),
			  .pay_to = address_of(0xbb),
			  .facilitator = address_of(method == METHOD_UPTO ? 0xee : 0),
			  .amount = word_of(1000),
			  .max_timeout_s = 60,
			  .token_name = "USD \"Coin\"",
			  .token_version = "2"},
	};
	memset(settlement->payment.signature, 0x11, 64);
	settlement->payment.signature[64] = 28;
}

#define HASH "0x1234567812345678123456781234567812345678123456781234567812345678"
#define UUID "payment-0b9f2c4e-1111-4a4a-8b8b-123456789abc"
#define OF_JOB(status, more) "{\"jobId\":\"" UUID "\",\"queue\":\"q\",\"status\":\"" status "\"" more "}"

#endif
