// SPDX-License-Identifier: Apache-2.0
#include "base/base64.c"

#include <openssl/evp.h>

#include "check.h"
#include "guard.h"
#include "random.h"

TEST(decode_table)
{
	static const struct {
		const char *text;
		ssize_t bytes;
		const char *out;
	} rows[] = {
		/* RFC 4648 section 10, with padding and without */
		{"", 0, ""},
		{"Zg==", 1, "f"},
		{"Zg", 1, "f"},
		{"Zm8=", 2, "fo"},
		{"Zm8", 2, "fo"},
		{"Zm9v", 3, "foo"},
		{"Zm9vYg==", 4, "foob"},
		{"Zm9vYmE=", 5, "fooba"},
		{"Zm9vYmFy", 6, "foobar"},
		{"+/+/", 3, "\xfb\xff\xbf"},
		/* wrong padding */
		{"=", -1, 0},
		{"==", -1, 0},
		{"====", -1, 0},
		{"Z", -1, 0},
		{"Z=", -1, 0},
		{"Z==", -1, 0},
		{"Z===", -1, 0},
		{"Zg=", -1, 0},
		{"Zg===", -1, 0},
		{"Zm8==", -1, 0},
		{"Zm9v=", -1, 0},
		{"Zm9v==", -1, 0},
		{"Zm9v====", -1, 0},
		{"Zg==Zg==", -1, 0},
		{"=Zg=", -1, 0},
		{"Z=g=", -1, 0},
		{"Zm9vY", -1, 0},
		/* stray bits */
		{"Zh==", -1, 0},
		{"Zh", -1, 0},
		{"Zm9=", -1, 0},
		{"Zm9", -1, 0},
		/* other alphabets and white space */
		{"-_-_", -1, 0},
		{"Zm9v\n", -1, 0},
		{" Zm9v", -1, 0},
		{"Zm 9v", -1, 0},
		{"Zm9v\xff\xff\xff\xff", -1, 0},
		{"Zm9\x80", -1, 0},
		{"Zm.v", -1, 0},
		{"Zm,v", -1, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[64];
		ssize_t bytes = base64_decode(out, sizeof(out), span_str(rows[i].text));
		CHECK_ROW(bytes == rows[i].bytes, rows[i].text);
		if (bytes > 0)
			CHECK_ROW(memcmp(out, rows[i].out, (size_t)bytes) == 0, rows[i].text);
	}
}

TEST(room_is_exact)
{
	uint8_t out[3] = {1, 2, 3};

	CHECK_EQ(base64_decode(out, 3, SPAN("Zm9v")), 3);
	CHECK_EQ(base64_decode(out, 2, SPAN("Zm9v")), -1);
	CHECK_EQ(base64_decode(out, 1, SPAN("Zm8")), -1);
	CHECK_EQ(base64_decode(out, 0, SPAN("Zg")), -1);
	CHECK_EQ(base64_decode(NULL, 0, SPAN("")), 0);
}

TEST(encode_equals_openssl_and_decodes_back)
{
	random_start("base64 encode");
	for (size_t bytes = 0; bytes < 400; bytes++) {
		uint8_t in[400], back[400];
		char ours[BASE64_ENCODED_BYTES(400) + 1];
		unsigned char theirs[BASE64_ENCODED_BYTES(400) + 1];
		struct guard guard, room;
		random_bytes(in, bytes);
		struct span copy = guard_copy(&guard, in, bytes);
		size_t cnt = base64_encode(ours, copy);
		CHECK_EQ(cnt, EVP_EncodeBlock(theirs, in, (int)bytes));
		CHECK_BYTES(ours, theirs, cnt + 1);
		CHECK(BASE64_DECODED_BYTES_MAX(cnt) >= bytes);
		struct span text = guard_copy(&room, ours, cnt);
		CHECK_EQ(base64_decode(back, bytes, text), bytes);
		CHECK_BYTES(back, in, bytes);
		while (text.bytes > 0 && text.at[text.bytes - 1] == '=')
			text.bytes--;
		CHECK_EQ(base64_decode(back, bytes, text), bytes);
		guard_free(&guard);
		guard_free(&room);
	}
}

TEST(every_byte_at_every_place)
{
	char text[49] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST12"; /* the 1 leaves stray bits to a final = */

	for (size_t at = 0; at < 48; at++) {
		char kept = text[at];
		for (int c = 0; c < 256; c++) {
			uint8_t out[36];
			char again[49];
			bool known = c != 0 && strchr(alphabet, c) != NULL;
			text[at] = (char)c;
			ssize_t bytes = base64_decode(out, sizeof(out), span_of(text, 48));
			CHECK_EQ(bytes, known ? 36 : -1);
			if (bytes > 0) {
				base64_encode(again, span_of(out, 36));
				CHECK_BYTES(again, text, 48);
			}
		}
		text[at] = kept;
	}
}

TEST(never_writes_past_its_room)
{
	for (size_t bytes = 0; bytes < 200; bytes++) {
		static const uint8_t zeros[200];
		char text[BASE64_ENCODED_BYTES(200) + 1];
		struct guard guard;
		struct span room = guard_copy(&guard, zeros, bytes);
		size_t cnt = base64_encode(text, room);
		CHECK_EQ(base64_decode((uint8_t *)(uintptr_t)room.at, bytes, span_of(text, cnt)), bytes);
		guard_free(&guard);
	}
}

/* What OpenSSL's decoder makes of padded text of whole groups, made strict: it strips white space and does not look at
 * stray bits, so its answer counts only when encoding it gives the text back. */
static ssize_t decode_by_openssl(uint8_t *out, struct span text)
{
	unsigned char again[128];
	size_t padding = 0;

	if (text.bytes % 4 != 0)
		return -1;
	int bytes = EVP_DecodeBlock(out, text.at, (int)text.bytes);
	while (padding < 2 && padding < text.bytes && text.at[text.bytes - 1 - padding] == '=')
		padding++;
	if (bytes < (int)padding)
		return -1;
	bytes -= (int)padding;
	if (EVP_EncodeBlock(again, out, bytes) != (int)text.bytes || memcmp(again, text.at, text.bytes) != 0)
		return -1;
	return bytes;
}

TEST(mutations_agree_with_openssl)
{
	int good = 0;

	random_start("base64 mutations");
	for (int round = 0; round < 200000; round++) {
		uint8_t in[40], ours[64], theirs[64];
		char text[64];
		random_bytes(in, sizeof(in));
		size_t cnt = base64_encode(text, span_of(in, random_below(sizeof(in))));
		for (size_t hits = random_below(3); cnt > 0 && hits > 0; hits--)
			text[random_below(cnt)] = (random_below(3) == 0) ? '=' : (char)random_below(256);
		struct span span = span_of(text, cnt);
		ssize_t want = cnt == 0 ? 0 : decode_by_openssl(theirs, span),
			got = base64_decode(ours, sizeof(ours), span);
		CHECK_EQ(got, want);
		if (got > 0)
			CHECK_BYTES(ours, theirs, (size_t)got);
		good += got > 0;
	}
	CHECK(good > 10000);
}

CHECK_MAIN
