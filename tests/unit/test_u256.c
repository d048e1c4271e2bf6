// SPDX-License-Identifier: Apache-2.0
#include "base/u256.c"

#include <openssl/bn.h>

#include "base/hex.h"
#include "check.h"
#include "guard.h"
#include "random.h"

#define MAX_DECIMAL "115792089237316195423570985008687907853269984665640564039457584007913129639935"

TEST(decimal_table)
{
	static const struct {
		const char *text;
		const char *hex; /* NULL: refused */
	} rows[] = {
		{"0", "0x0000000000000000000000000000000000000000000000000000000000000000"},
		{"1", "0x0000000000000000000000000000000000000000000000000000000000000001"},
		{"10000", "0x0000000000000000000000000000000000000000000000000000000000002710"},
		{"18446744073709551615", "0x000000000000000000000000000000000000000000000000ffffffffffffffff"},
		{"18446744073709551616", "0x0000000000000000000000000000000000000000000000010000000000000000"},
		{"340282366920938463463374607431768211456",
		 "0x0000000000000000000000000000000100000000000000000000000000000000"},
		{MAX_DECIMAL, "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
		/* 2^256 and above, 78 and 79 digits */
		{"115792089237316195423570985008687907853269984665640564039457584007913129639936", NULL},
		{"115792089237316195423570985008687907853269984665640564039457584007913129640000", NULL},
		{"999999999999999999999999999999999999999999999999999999999999999999999999999999", NULL},
		{"1157920892373161954235709850086879078532699846656405640394575840079131296399350", NULL},
		{"1000000000000000000000000000000000000000000000000000000000000000000000000000000", NULL},
		/* not plain decimal digits */
		{"", NULL},
		{"00", NULL},
		{"01", NULL},
		{"010000", NULL},
		{"-1", NULL},
		{"+1", NULL},
		{" 1", NULL},
		{"1 ", NULL},
		{"1_000", NULL},
		{"1,000", NULL},
		{"1.0", NULL},
		{"1e3", NULL},
		{"0x10", NULL},
		{"ff", NULL},
		{"1\n", NULL},
		{"\xd9\xa1\xd9\xa2", NULL} /* Arabic-Indic digits */,
		{"\xef\xbc\x91", NULL} /* full-width 1 */,
		{"/", NULL},
		{":", NULL},
		{"Infinity", NULL},
		{"12345678901234567890a", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[32], want[32];
		struct guard guard;
		struct span copy = guard_copy(&guard, rows[i].text, strlen(rows[i].text));
		bool good = u256_decimal(out, copy);
		CHECK_ROW(good == (rows[i].hex != NULL), rows[i].text);
		if (rows[i].hex != NULL) {
			char back[U256_DECIMAL_BYTES];
			CHECK(hex_decode(want, 32, span_str(rows[i].hex)));
			CHECK_ROW(memcmp(out, want, 32) == 0, rows[i].text);
			CHECK_EQ(u256_print(back, out), strlen(rows[i].text));
			CHECK_ROW(strcmp(back, rows[i].text) == 0, rows[i].text);
		}
		guard_free(&guard);
	}
}

TEST(nul_byte_is_not_a_digit)
{
	uint8_t out[32];

	CHECK(!u256_decimal(out, span_of("1\0", 2)));
}

TEST(ten_thousand_digits)
{
	uint8_t out[32];
	static char nines[10000];

	memset(nines, '9', sizeof(nines));
	CHECK(!u256_decimal(out, span_of(nines, sizeof(nines))));
	memset(nines, '0', sizeof(nines));
	CHECK(!u256_decimal(out, span_of(nines, sizeof(nines))));
}

TEST(random_numbers_equal_openssl)
{
	random_start("u256");
	for (int round = 0; round < 20000; round++) {
		uint8_t in[32] = {0}, out[32];
		char ours[U256_DECIMAL_BYTES];
		size_t bytes = 1 + random_below(32);
		random_bytes(in + 32 - bytes, bytes);
		BIGNUM *number = BN_bin2bn(in, 32, NULL);
		char *theirs = BN_bn2dec(number);
		CHECK_EQ(u256_print(ours, in), strlen(theirs));
		CHECK_ROW(strcmp(ours, theirs) == 0, theirs);
		CHECK_ROW(u256_decimal(out, span_str(theirs)), theirs);
		CHECK_BYTES(out, in, 32);
		OPENSSL_free(theirs);
		BN_free(number);
	}
}

static void of_bignum(uint8_t out[32], BIGNUM *number, const BIGNUM *range)
{
	BN_CTX *ctx = BN_CTX_new();

	BN_nnmod(number, number, range, ctx);
	BN_bn2binpad(number, out, 32);
	BN_CTX_free(ctx);
}

TEST(sums_equal_openssl)
{
	BIGNUM *range = BN_new(), *result = BN_new();

	random_start("sums");
	BN_one(range);
	BN_lshift(range, range, 256);
	for (int round = 0; round < 20000; round++) {
		uint8_t a[32], b[32], want[32], got[32];
		random_bytes(a, 32);
		random_bytes(b, 32);
		for (size_t i = 0; i < 32; i++) { /* runs that carry from end to end */
			if (random_below(4) == 0)
				a[i] = 0xff;
			if (random_below(4) == 0)
				b[i] = random_below(2) == 0 ? 0 : 0xff;
		}
		BIGNUM *x = BN_bin2bn(a, 32, NULL), *y = BN_bin2bn(b, 32, NULL);
		BN_add(result, x, y);
		bool over = BN_cmp(result, range) >= 0;
		of_bignum(want, result, range);
		CHECK_EQ(u256_add(got, a, b), over);
		CHECK_BYTES(got, want, 32);
		BN_sub(result, x, y);
		of_bignum(want, result, range);
		memcpy(got, a, 32);
		u256_sub(got, got, b); /* in place */
		CHECK_BYTES(got, want, 32);
		BN_free(x);
		BN_free(y);
	}
	BN_free(range);
	BN_free(result);
}

TEST(narrow)
{
	uint8_t word[32];
	uint64_t small;
	unsigned __int128 wide, edge = (unsigned __int128)1 << 64;

	u256_from_u64(word, UINT64_MAX);
	CHECK(u256_to_u64(&small, word) && small == UINT64_MAX);
	u256_from_u128(word, edge);
	CHECK(!u256_to_u64(&small, word));
	CHECK(u256_to_u128(&wide, word) && wide == edge);
	u256_from_u128(word, ~(unsigned __int128)0);
	CHECK(u256_to_u128(&wide, word) && wide == ~(unsigned __int128)0);
	for (size_t i = 0; i < 16; i++) {
		memset(word, 0, sizeof(word));
		word[i] = 1;
		CHECK(!u256_to_u128(&wide, word));
		CHECK(!u256_to_u64(&small, word));
	}
}

TEST(compare_orders_all_bytes)
{
	uint8_t low[32], high[32];

	u256_from_u64(low, UINT64_MAX);
	u256_from_u128(high, (unsigned __int128)1 << 64); /* equal to 0 in its low 64 bits */
	CHECK(u256_compare(low, high) < 0 && u256_compare(high, low) > 0 && u256_compare(low, low) == 0);
}

TEST(tenths)
{
	static const char *const rows[][2] = {
		{"0", "0"},
		{"1", "1"},
		{"9", "1"},
		{"10", "1"},
		{"11", "2"},
		{"1000", "100"},
		{"18446744073709551616", "1844674407370955162"},
		{"115792089237316195423570985008687907853269984665640564039457584007913129639935",
		 "11579208923731619542357098500868790785326998466564056403945758400791312963994"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t number[32];
		char text[U256_DECIMAL_BYTES];
		CHECK(u256_decimal(number, span_str(rows[i][0])));
		u256_tenth(number, number);
		u256_print(text, number);
		CHECK_ROW(strcmp(text, rows[i][1]) == 0, text);
	}
}

CHECK_MAIN
