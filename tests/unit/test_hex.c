// SPDX-License-Identifier: Apache-2.0
#include "base/hex.c"

#include "check.h"
#include "guard.h"
#include "random.h"

TEST(decode_table)
{
	static const struct {
		const char *text;
		size_t bytes;
		bool good;
		uint8_t first;
	} rows[] = {
		{"0x", 0, true, 0},	   {"0xff", 1, true, 0xff},   {"0xFf", 1, true, 0xff},
		{"0x00a0", 2, true, 0x00}, {"0xABcd", 2, true, 0xab}, {"", 0, false, 0},
		{"0", 0, false, 0},	   {"0X00", 1, false, 0},     {"x00", 1, false, 0},
		{"0x0", 1, false, 0},	   {"0x000", 1, false, 0},    {"0x0000", 1, false, 0},
		{"0x00", 2, false, 0},	   {"0x0g", 1, false, 0},     {"0xg0", 1, false, 0},
		{"0x/0", 1, false, 0},	   {"0x:0", 1, false, 0},     {"0x@0", 1, false, 0},
		{"0x`0", 1, false, 0},	   {"0x 0", 1, false, 0},     {"0x\xc1\xc1", 1, false, 0},
		{"\"00\"", 1, false, 0},   {"0x+1", 1, false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[8] = {0};
		bool good = hex_decode(out, rows[i].bytes, span_str(rows[i].text));
		CHECK_ROW(good == rows[i].good, rows[i].text);
		if (good && rows[i].bytes > 0)
			CHECK_ROW(out[0] == rows[i].first, rows[i].text);
	}
}

TEST(round_trip_at_every_length)
{
	random_start("hex round trip");
	for (size_t bytes = 0; bytes <= 65; bytes++) {
		uint8_t in[65], out[65];
		char text[HEX_BYTES(65)];
		struct guard guard;
		random_bytes(in, bytes);
		CHECK(hex_encode(text, in, bytes) == text);
		CHECK_EQ(strlen(text), 2 * bytes + 2);
		struct span copy = guard_copy(&guard, text, 2 * bytes + 2);
		CHECK(hex_decode(out, bytes, copy));
		CHECK_BYTES(out, in, bytes);
		memset(out, 0, sizeof(out));
		CHECK(hex_digits(out, bytes, span_of(copy.at + 2, 2 * bytes)));
		CHECK_BYTES(out, in, bytes);
		CHECK(!hex_digits(out, bytes, copy));
		for (size_t cut = 0; cut < copy.bytes; cut++) {
			CHECK(!hex_decode(out, bytes, span_of(copy.at, cut)));
			CHECK(!hex_decode(out, bytes, span_of(copy.at + copy.bytes - cut, cut)));
		}
		guard_free(&guard);
	}
}

TEST(every_wrong_digit)
{
	char text[] = "0x0123456789abcdefABCDEF";
	const size_t bytes = (sizeof(text) - 3) / 2;

	for (size_t i = 2; i < sizeof(text) - 1; i++) {
		char kept = text[i];
		for (int c = 0; c < 256; c++) {
			uint8_t out[16];
			bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
			text[i] = (char)c;
			CHECK_EQ(hex_decode(out, bytes, span_of(text, sizeof(text) - 1)), digit);
		}
		text[i] = kept;
	}
}

CHECK_MAIN
