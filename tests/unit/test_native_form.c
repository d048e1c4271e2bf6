// SPDX-License-Identifier: Apache-2.0
/* What native.h says of a datagram, each pressed against a guard page, and its cookies. */
#include "native.h"

#include "base/siphash.h"
#include "check.h"
#include "datagrams.h"
#include "guard.h"
#include "payment.h"
#include "random.h"

#define NOW_S 1800000000u

_Static_assert(METHOD_EIP3009 == 1 && METHOD_UPTO == NATIVE_METHOD_MAX,
	       "native.h names methods by payment.h's numbers");

/* Where nothing is aligned, and one byte too far is a crash. */
static enum reason form(const uint8_t *bytes, size_t used)
{
	struct guard guard;
	struct span copy = guard_copy(&guard, bytes, used);
	enum reason reason = native_form((const void *)copy.at, copy.at + used, (uint32_t)used);

	guard_free(&guard);
	return reason;
}

TEST(rows)
{
	for (size_t i = 0; i < DATAGRAM_ROW_CNT; i++) {
		struct datagram datagram;
		datagram_row_build(&datagram, &datagram_rows[i], NOW_S);
		CHECK_ROW(form(datagram.bytes, datagram.used) == datagram_rows[i].want, datagram_rows[i].name);
		CHECK_ROW(datagram_reference(datagram.bytes, datagram.used) == datagram_rows[i].want,
			  datagram_rows[i].name);
	}
}

/* Cut anywhere, a datagram is too short, whether its head still says the old length or the new one. */
TEST(every_prefix)
{
	for (size_t from = 0; from < 6; from++) {
		struct datagram datagram;
		datagram_row_build(&datagram, &datagram_rows[from], NOW_S);
		for (size_t used = 0; used < datagram.used; used++) {
			struct datagram cut = datagram;
			CHECK_EQ(form(cut.bytes, used), NATIVE_LENGTH);
			datagram_put(&cut, AT_BYTES, used, 2);
			CHECK_EQ(form(cut.bytes, used), NATIVE_LENGTH);
		}
	}
}

/* The fixed part not all where it may be read: too short, whatever the length says. */
TEST(end_before_the_fixed_part)
{
	struct datagram datagram;

	datagram_request(&datagram, 100, false, NOW_S);
	for (size_t kept = 0; kept < 208; kept++) {
		struct guard guard;
		struct span copy = guard_copy(&guard, datagram.bytes, kept);
		CHECK_EQ(native_form((const void *)copy.at, copy.at + kept, (uint32_t)datagram.used), NATIVE_LENGTH);
		guard_free(&guard);
	}
	struct guard guard;
	struct span copy = guard_copy(&guard, datagram.bytes, 208);
	CHECK_EQ(native_form((const void *)copy.at, copy.at + 208, (uint32_t)datagram.used), REASON_OK);
	guard_free(&guard);
}

/* Each bit of a knock's zeros. */
TEST(zeros_of_a_knock)
{
	struct datagram datagram;

	for (unsigned at = 0; at < 128; at++) {
		bool zero = (at >= 36 && at < 40) || at >= 121;
		for (unsigned bit = 0; bit < 8; bit++) {
			datagram_knock(&datagram, NOW_S);
			datagram.bytes[at] ^= (uint8_t)(1u << bit);
			if (at >= 8)
				CHECK_EQ(form(datagram.bytes, 128), zero ? NATIVE_FIELD : REASON_OK);
			CHECK_EQ(form(datagram.bytes, 128), datagram_reference(datagram.bytes, 128));
		}
	}
}

TEST(random_changes)
{
	unsigned ended[REASON_CNT] = {0};

	random_start("random_changes");
	for (unsigned i = 0; i < 200000; i++) {
		struct datagram datagram;
		datagram_row_build(&datagram, &datagram_rows[random_below(DATAGRAM_ROW_CNT)], NOW_S);
		static const unsigned telling[] = {0, 3, 4, 5, 6, 7, 36, 121, 127, 202, 203, 204, 205, 206, 207};
		for (size_t left = random_below(3); left > 0; left--)
			datagram.bytes[telling[random_below(15)]] ^= (uint8_t)(1u << random_below(8));
		if (random_below(4) == 0)
			datagram.used = random_below(sizeof datagram.bytes);
		enum reason reason = form(datagram.bytes, datagram.used);
		CHECK_EQ(reason, datagram_reference(datagram.bytes, datagram.used));
		ended[reason]++;
	}
	for (unsigned reason = NATIVE_LENGTH; reason <= NATIVE_FIELD; reason++)
		CHECK(ended[reason] > 0);
	CHECK(ended[REASON_OK] > 0);
}

/* --- cookies --- */

/* SipHash-2-4 of address, and of port and epoch as one number: said again with the hash of bytes. */
TEST(cookie_is_siphash)
{
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t input[24];

	random_start("cookie_is_siphash");
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t epoch = random_u64() >> 20, word;
		uint16_t port = (uint16_t)random_u64();
		random_bytes(input, 16);
		word = epoch << 16 | port;
		memcpy(input + 16, &word, 8);
		CHECK_EQ(native_cookie(key, input, port, epoch), siphash((const uint8_t *)key, input, sizeof input));
	}
}

TEST(cookie_holds)
{
	static const uint64_t key[2] = {1, 2}, other_key[2] = {1, 3};
	uint8_t source[16] = {[10] = 255, 255, 192, 0, 2, 7}, other[16] = {[10] = 255, 255, 192, 0, 2, 8};
	uint64_t cookie = native_cookie(key, source, 40000, 1000);

	CHECK(native_cookie_holds(cookie, key, source, 40000, 1000));
	CHECK(native_cookie_holds(cookie, key, source, 40000, 1001));
	CHECK(!native_cookie_holds(cookie, key, source, 40000, 1002));
	CHECK(!native_cookie_holds(cookie, key, source, 40000, 999));
	CHECK(!native_cookie_holds(cookie, key, source, 40001, 1000));
	CHECK(!native_cookie_holds(cookie, key, other, 40000, 1000));
	CHECK(!native_cookie_holds(cookie, other_key, source, 40000, 1000));
	CHECK(!native_cookie_holds(0, key, source, 40000, 1000));
	for (unsigned bit = 0; bit < 64; bit++)
		CHECK(!native_cookie_holds(cookie ^ 1ull << bit, key, source, 40000, 1000));
	/* an epoch is 64 seconds */
	CHECK_EQ(native_epoch(63999999999), 0);
	CHECK_EQ(native_epoch(64000000000), 1);
	CHECK_EQ(native_epoch(127999999999), 1);
}

CHECK_MAIN
