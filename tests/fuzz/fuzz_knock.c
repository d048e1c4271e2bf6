// SPDX-License-Identifier: Apache-2.0
// link: user/hash.c user/ec/keccak8.c user/base/keccak.c user/base/u256.c user/base/log.c
/* fuzz_knock.c: a datagram of anybody's, as far as it goes without a signature: what is read of it against the protocol read byte
 * by byte.  The input's first byte says whether the cookie is put right, and how far the clock is from what the knock says;
 * the rest is the datagram. */
#include "../../user/knock.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define CHAIN_ID 84532u
#define OPEN_S 300u

static const uint8_t cookie_key[16] = {1, 2, 3};

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t number = 0;

	for (size_t i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

static enum reason reference(const uint8_t *at, bool right_cookie, uint64_t now_s)
{
	uint64_t until_s = read_u64(at + 40);

	if (!right_cookie)
		return NATIVE_COOKIE;
	if (read_u64(at + 8) != CHAIN_ID)
		return NATIVE_CHAIN;
	if (until_s <= now_s)
		return NATIVE_EXPIRED;
	return until_s - now_s > OPEN_S ? NATIVE_FAR : REASON_OK;
}

/* The answer is as long as it says, and gives back what was asked for. */
static void check_answer(const struct knock *knock, const uint8_t *at, const struct knock_from *from)
{
	struct verify_item item;
	uint8_t answer[sizeof(struct native_opened)];

	knock_item(&item, knock);
	ASSERT(memcmp(item.signature, at + 56, 65) == 0 && memcmp(item.payer.at, at + 16, 20) == 0);
	knock_opened((struct native_opened *)answer, knock, from->source);
	ASSERT(memcmp(answer, "TBR1\5\0\0\x20", 8) == 0 && memcmp(answer + 8, at + 40, 8) == 0 &&
	       memcmp(answer + 16, from->source, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static const uint8_t ahead_s[] = {0, 1, 200, 255};
	struct knock_from from = {.cookie_key = cookie_key, .source = {[15] = 9}, .port = 4, .epoch = 5};
	const struct offer offer = {.chain_id = CHAIN_ID};
	struct knock_terms terms;
	struct knock knock;

	if (bytes != 1 + sizeof(struct native_knock))
		return 0;
	uint8_t *wire = aligned_alloc(16, sizeof(struct native_knock)); /* of its exact size */
	const uint64_t cookie = native_cookie(cookie_key, from.source, from.port, from.epoch);
	const uint64_t older = native_cookie(cookie_key, from.source, from.port, from.epoch - 1);
	uint64_t said;
	memcpy(wire, at + 1, sizeof(struct native_knock));
	if (at[0] & 1)
		memcpy(wire + 48, &cookie, 8);
	memcpy(&said, wire + 48, 8);
	uint64_t now_s = read_u64(wire + 40) - OPEN_S + ahead_s[at[0] >> 1 & 3] + (at[0] >> 3);
	knock_terms_init(&terms, &offer, 1, OPEN_S);
	if (native_form((const void *)wire, wire + sizeof(struct native_knock), sizeof(struct native_knock)) ==
	    REASON_OK) {
		enum reason reason =
			knock_read(&knock, span_of(wire, sizeof(struct native_knock)), &from, &terms, now_s);
		ASSERT(reason == reference(wire, said == cookie || said == older, now_s));
		if (reason == REASON_OK)
			check_answer(&knock, wire, &from);
	}
	free(wire);
	return 0;
}
