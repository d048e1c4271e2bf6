/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_DATAGRAMS_H
#define TOLLBAR_TESTS_DATAGRAMS_H
/* datagrams.h: native requests and knocks to begin with, ways to break them, and the reason each must end with.
 * test_native_form.c asks the header both sides share, tests/bpf/test_native.c the kernel. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "native.h"

struct datagram {
	uint8_t bytes[2048];
	size_t used;
};

static inline void datagram_put(struct datagram *datagram, size_t at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		datagram->bytes[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static inline void datagram_fill(struct datagram *datagram, size_t at, uint8_t first, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		datagram->bytes[at + i] = (uint8_t)(first + i);
}

/* What the requests and knocks here name. */
#define DATAGRAM_CHAIN 84532u
#define DATAGRAM_PAYER 0x10u /* the first byte of 20 that count up; likewise */
#define DATAGRAM_ASSET 0x40u
#define DATAGRAM_NONCE 0x80u

enum { AT_MAGIC = 0, AT_KIND = 4, AT_METHOD = 5, AT_BYTES = 6, AT_CHAIN = 8, AT_PAYER = 16 };
enum {
	AT_ASSET = 36,
	AT_AMOUNT = 56,
	AT_VALID_AFTER = 72,
	AT_DEADLINE = 80,
	AT_NONCE = 88,
	AT_SALT = 120,
	AT_SIGNATURE = 136,
	AT_ROUTE = 201,
	AT_FLAGS = 202,
	AT_CALLDATA_BYTES = 204,
	AT_CALLDATA = 208
};
enum { AT_KNOCK_ZERO = 36, AT_KNOCK_UNTIL = 40, AT_KNOCK_COOKIE = 48, AT_KNOCK_SIGNATURE = 56, AT_KNOCK_TAIL = 121 };

static inline void datagram_request(struct datagram *datagram, size_t calldata_bytes, bool cookie, uint64_t now_s)
{
	size_t bytes = AT_CALLDATA + calldata_bytes + (cookie ? 8 : 0);

	*datagram = (struct datagram){.used = bytes};
	memcpy(datagram->bytes, "TBR1\1\1", 6);
	datagram_put(datagram, AT_BYTES, bytes, 2);
	datagram_put(datagram, AT_CHAIN, DATAGRAM_CHAIN, 8);
	datagram_fill(datagram, AT_PAYER, DATAGRAM_PAYER, 20);
	datagram_fill(datagram, AT_ASSET, DATAGRAM_ASSET, 20);
	datagram_put(datagram, AT_AMOUNT + 8, 10000, 8);
	datagram_put(datagram, AT_VALID_AFTER, now_s - 600, 8);
	datagram_put(datagram, AT_DEADLINE, now_s + 60, 8);
	datagram_fill(datagram, AT_NONCE, DATAGRAM_NONCE, 32);
	datagram_fill(datagram, AT_SALT, 3, 16);
	datagram_fill(datagram, AT_SIGNATURE, 7, 65);
	datagram_put(datagram, AT_ROUTE, 5, 1);
	datagram_put(datagram, AT_FLAGS, cookie ? NATIVE_FLAG_COOKIE : 0, 2);
	datagram_put(datagram, AT_CALLDATA_BYTES, calldata_bytes, 4);
	datagram_fill(datagram, AT_CALLDATA, 1, calldata_bytes);
}

static inline void datagram_knock(struct datagram *datagram, uint64_t now_s)
{
	*datagram = (struct datagram){.used = 128};
	memcpy(datagram->bytes, "TBR1\2", 5);
	datagram_put(datagram, AT_BYTES, 128, 2);
	datagram_put(datagram, AT_CHAIN, DATAGRAM_CHAIN, 8);
	datagram_fill(datagram, AT_PAYER, DATAGRAM_PAYER, 20);
	datagram_put(datagram, AT_KNOCK_UNTIL, now_s + 60, 8);
	datagram_fill(datagram, AT_KNOCK_SIGNATURE, 7, 65);
}

/* One datagram, up to two fields changed. */
struct datagram_row {
	const char *name;
	enum { PLAIN, PLAIN_COOKIE, LEAST, LARGEST, LARGEST_COOKIE, KNOCK } from;
	struct {
		unsigned at, bytes;
		uint64_t value;
	} patches[2]; /* bytes 0: none */
	int resize;   /* more bytes at the end, or fewer */
	enum reason want;
};

/* clang-format off */
static const struct datagram_row datagram_rows[] = {
	{"request", PLAIN, {{0}}, 0, REASON_OK},
	{"request with a cookie", PLAIN_COOKIE, {{0}}, 0, REASON_OK},
	{"request of a selector", LEAST, {{0}}, 0, REASON_OK},
	{"largest request", LARGEST, {{0}}, 0, REASON_OK},
	{"largest request with a cookie", LARGEST_COOKIE, {{0}}, 0, REASON_OK},
	{"knock", KNOCK, {{0}}, 0, REASON_OK},
	/* lengths: what is there, what the head says, what the calldata and the flags say */
	{"one byte more", PLAIN, {{0}}, 1, NATIVE_LENGTH},
	{"one byte less", PLAIN, {{0}}, -1, NATIVE_LENGTH},
	{"one byte more, head too", PLAIN, {{AT_BYTES, 2, 309}}, 1, NATIVE_LENGTH},
	{"one byte less, head too", PLAIN, {{AT_BYTES, 2, 307}}, -1, NATIVE_LENGTH},
	{"head one more", PLAIN, {{AT_BYTES, 2, 309}}, 0, NATIVE_LENGTH},
	{"head one less", PLAIN, {{AT_BYTES, 2, 307}}, 0, NATIVE_LENGTH},
	{"head 0", PLAIN, {{AT_BYTES, 2, 0}}, 0, NATIVE_LENGTH},
	{"head 65535", PLAIN, {{AT_BYTES, 2, 65535}}, 0, NATIVE_LENGTH},
	{"calldata one more", PLAIN, {{AT_CALLDATA_BYTES, 4, 101}}, 0, NATIVE_LENGTH},
	{"calldata one less", PLAIN, {{AT_CALLDATA_BYTES, 4, 99}}, 0, NATIVE_LENGTH},
	{"calldata 2^32 - 1", PLAIN, {{AT_CALLDATA_BYTES, 4, 0xffffffff}}, 0, NATIVE_LENGTH},
	{"calldata that wraps to fit", PLAIN_COOKIE, {{AT_CALLDATA_BYTES, 4, 0xfffffffc}}, 0, NATIVE_LENGTH},
	{"calldata 0, and none there", LEAST, {{AT_CALLDATA_BYTES, 4, 0}, {AT_BYTES, 2, 208}}, -4, NATIVE_LENGTH},
	{"calldata 3", LEAST, {{AT_CALLDATA_BYTES, 4, 3}, {AT_BYTES, 2, 211}}, -1, NATIVE_LENGTH},
	{"calldata 5", LEAST, {{AT_CALLDATA_BYTES, 4, 5}, {AT_BYTES, 2, 213}}, 1, REASON_OK},
	{"a cookie said, none there", PLAIN, {{AT_FLAGS, 2, 1}}, 0, NATIVE_LENGTH},
	{"a cookie there, not said", PLAIN_COOKIE, {{AT_FLAGS, 2, 0}}, 0, NATIVE_LENGTH},
	{"a cookie in place of calldata", PLAIN, {{AT_FLAGS, 2, 1}, {AT_CALLDATA_BYTES, 4, 92}}, 0, REASON_OK},
	{"1401 bytes", LARGEST, {{AT_CALLDATA_BYTES, 4, 1193}, {AT_BYTES, 2, 1401}}, 1, NATIVE_LENGTH},
	{"1399 bytes", LARGEST, {{AT_CALLDATA_BYTES, 4, 1191}, {AT_BYTES, 2, 1399}}, -1, REASON_OK},
	{"1401 bytes with a cookie", LARGEST_COOKIE, {{AT_CALLDATA_BYTES, 4, 1185}, {AT_BYTES, 2, 1401}}, 1, NATIVE_LENGTH},
	/* magic */
	{"magic's first byte", PLAIN, {{AT_MAGIC, 1, 'S'}}, 0, NATIVE_MAGIC},
	{"magic's second byte", PLAIN, {{AT_MAGIC + 1, 1, 'b'}}, 0, NATIVE_MAGIC},
	{"magic's third byte", PLAIN, {{AT_MAGIC + 2, 1, 'Q'}}, 0, NATIVE_MAGIC},
	{"magic of another version", PLAIN, {{AT_MAGIC + 3, 1, '2'}}, 0, NATIVE_MAGIC},
	{"a knock's magic", KNOCK, {{AT_MAGIC + 3, 1, '0'}}, 0, NATIVE_MAGIC},
	/* kinds: those of answers are no better than none */
	{"kind 0", PLAIN, {{AT_KIND, 1, 0}}, 0, NATIVE_KIND},
	{"kind 3", PLAIN, {{AT_KIND, 1, 3}}, 0, NATIVE_KIND},
	{"kind 4", PLAIN, {{AT_KIND, 1, 4}}, 0, NATIVE_KIND},
	{"kind 5", PLAIN, {{AT_KIND, 1, 5}}, 0, NATIVE_KIND},
	{"kind 6", KNOCK, {{AT_KIND, 1, 6}}, 0, NATIVE_KIND},
	{"kind 255", PLAIN, {{AT_KIND, 1, 255}}, 0, NATIVE_KIND},
	{"a request said to be a knock", PLAIN, {{AT_KIND, 1, 2}}, 0, NATIVE_LENGTH},
	{"a knock said to be a request", KNOCK, {{AT_KIND, 1, 1}}, 0, NATIVE_LENGTH},
	/* methods */
	{"method 0", PLAIN, {{AT_METHOD, 1, 0}}, 0, NATIVE_METHOD},
	{"method 2", PLAIN, {{AT_METHOD, 1, 2}}, 0, REASON_OK},
	{"method 3", PLAIN, {{AT_METHOD, 1, 3}}, 0, REASON_OK},
	{"method 4", PLAIN, {{AT_METHOD, 1, 4}}, 0, NATIVE_METHOD},
	{"method 255", PLAIN, {{AT_METHOD, 1, 255}}, 0, NATIVE_METHOD},
	{"a knock's method", KNOCK, {{AT_METHOD, 1, 1}}, 0, NATIVE_METHOD},
	/* flags, and bytes that mean nothing */
	{"flag stream", PLAIN, {{AT_FLAGS, 2, 2}}, 0, REASON_OK},
	{"flags stream and cookie", PLAIN_COOKIE, {{AT_FLAGS, 2, 3}}, 0, REASON_OK},
	{"flag 4", PLAIN, {{AT_FLAGS, 2, 4}}, 0, NATIVE_FIELD},
	{"flag 256", PLAIN, {{AT_FLAGS, 2, 256}}, 0, NATIVE_FIELD},
	{"flag 32768", PLAIN_COOKIE, {{AT_FLAGS, 2, 32769}}, 0, NATIVE_FIELD},
	{"a knock's last byte", KNOCK, {{127, 1, 1}}, 0, NATIVE_FIELD},
	{"a knock with a cookie", KNOCK, {{AT_KNOCK_COOKIE, 8, 0x0102030405060708}}, 0, REASON_OK},
	{"knock, one byte more", KNOCK, {{0}}, 1, NATIVE_LENGTH},
	{"knock, one byte more, head too", KNOCK, {{AT_BYTES, 2, 129}}, 1, NATIVE_LENGTH},
	{"knock, one byte less", KNOCK, {{AT_BYTES, 2, 127}}, -1, NATIVE_LENGTH},
};
/* clang-format on */

#define DATAGRAM_ROW_CNT (sizeof datagram_rows / sizeof *datagram_rows)

static inline void datagram_row_build(struct datagram *datagram, const struct datagram_row *row, uint64_t now_s)
{
	static const size_t calldata_bytes[] = {[PLAIN] = 100, 100, 4, NATIVE_BYTES_MAX - 208, NATIVE_BYTES_MAX - 216};

	if (row->from == KNOCK)
		datagram_knock(datagram, now_s);
	else
		datagram_request(datagram, calldata_bytes[row->from],
				 row->from == PLAIN_COOKIE || row->from == LARGEST_COOKIE, now_s);
	for (size_t i = 0; i < 2; i++)
		datagram_put(datagram, row->patches[i].at, row->patches[i].value, row->patches[i].bytes);
	datagram->used = (size_t)((long)datagram->used + row->resize);
}

/* The form again, read off the protocol byte by byte. */
static inline enum reason datagram_reference(const uint8_t *at, size_t bytes)
{
	if (bytes < 128 || bytes > 1400)
		return NATIVE_LENGTH;
	if (at[0] != 'T' || at[1] != 'B' || at[2] != 'R' || at[3] != '1')
		return NATIVE_MAGIC;
	if (at[6] * 256u + at[7] != bytes)
		return NATIVE_LENGTH;
	if (at[4] == 2) {
		if (bytes != 128)
			return NATIVE_LENGTH;
		if (at[5] != 0)
			return NATIVE_METHOD;
		for (size_t i = 0; i < 128; i++)
			if (((i >= 36 && i < 40) || i >= 121) && at[i] != 0)
				return NATIVE_FIELD;
		return REASON_OK;
	}
	if (at[4] != 1)
		return NATIVE_KIND;
	if (bytes < 208)
		return NATIVE_LENGTH;
	if (at[5] == 0 || at[5] > 3)
		return NATIVE_METHOD;
	if (at[202] != 0 || at[203] > 3)
		return NATIVE_FIELD;
	uint64_t calldata_bytes = 0;
	for (size_t i = 204; i < 208; i++)
		calldata_bytes = calldata_bytes * 256 + at[i];
	if (calldata_bytes < 4 || 208 + calldata_bytes + (at[203] % 2 == 1 ? 8u : 0u) != bytes)
		return NATIVE_LENGTH;
	return REASON_OK;
}

/* --- what the sieve goes by, and what it must say --- */

#define DATAGRAM_TERMS 2u

struct datagram_policy {
	struct {
		uint64_t chain_id;
		uint8_t asset[20];
		uint32_t methods;
	} terms[DATAGRAM_TERMS];
	uint64_t valid_after_max, deadline_min, deadline_max, until_min, until_max;
};

/* Two chains, what datagram_request names and its neighbours; the bounds lie where the numbers of few bytes reach them. */
static inline void datagram_policy_build(struct datagram_policy *policy, uint64_t now_s)
{
	*policy = (struct datagram_policy){.terms = {{.chain_id = DATAGRAM_CHAIN, .methods = 1u << 1 | 1u << 3},
						     {.chain_id = DATAGRAM_CHAIN + 1, .methods = 1u << 2}},
					   .valid_after_max = now_s + 2,
					   .deadline_min = now_s + 6,
					   .deadline_max = now_s + 332,
					   .until_min = now_s,
					   .until_max = now_s + 122};
	for (size_t i = 0; i < 20; i++)
		policy->terms[0].asset[i] = policy->terms[1].asset[i] = (uint8_t)(DATAGRAM_ASSET + i);
	policy->terms[1].asset[19] ^= 1;
}

static inline uint64_t datagram_get(const uint8_t *at, size_t from, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[from + i];
	return value;
}

static inline enum reason datagram_sieved_terms(const struct datagram_policy *policy, const uint8_t *at)
{
	bool chain = false, asset = false;

	for (size_t i = 0; i < DATAGRAM_TERMS; i++) {
		bool same_chain = policy->terms[i].chain_id == datagram_get(at, AT_CHAIN, 8);
		bool same_asset = same_chain && memcmp(policy->terms[i].asset, at + AT_ASSET, 20) == 0;
		chain |= same_chain;
		asset |= same_asset;
		if (at[AT_KIND] == NATIVE_KNOCK ? same_chain
						: same_asset && policy->terms[i].methods >> at[AT_METHOD] & 1)
			return REASON_OK;
	}
	return !chain ? NATIVE_CHAIN : !asset ? NATIVE_ASSET : NATIVE_METHOD;
}

/* What the sieve says of a datagram by itself: read off the protocol once more. */
static inline enum reason datagram_sieved(const struct datagram_policy *policy, const uint8_t *at, size_t bytes)
{
	enum reason reason = datagram_reference(at, bytes);

	if (reason != REASON_OK)
		return reason;
	bool knock = at[AT_KIND] == NATIVE_KNOCK;
	if (knock && policy->until_max == 0)
		return NATIVE_KIND;
	reason = datagram_sieved_terms(policy, at);
	if (reason != REASON_OK)
		return reason;
	uint64_t end = datagram_get(at, knock ? AT_KNOCK_UNTIL : AT_DEADLINE, 8);
	if (!knock && datagram_get(at, AT_VALID_AFTER, 8) > policy->valid_after_max)
		return NATIVE_EARLY;
	if (end < (knock ? policy->until_min : policy->deadline_min))
		return NATIVE_EXPIRED;
	return end > (knock ? policy->until_max : policy->deadline_max) ? NATIVE_FAR : REASON_OK;
}

#endif
