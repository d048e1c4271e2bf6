// SPDX-License-Identifier: Apache-2.0
#include "parse_chunked.c"

#include <stdio.h>

#include "check.h"
#include "guard.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
	const char *text;
	size_t bytes;
	enum parse_result result;
	const char *data; /* of an accepted body */
	size_t rest;	  /* bytes behind it */
} rows[] = {
	{TEXT("0\r\n\r\n"), PARSE_DONE, "", 0},
	{TEXT("5\r\nhello\r\n0\r\n\r\n"), PARSE_DONE, "hello", 0},
	{TEXT("5\r\nhello\r\n6\r\n world\r\n00\r\n\r\nGET /"), PARSE_DONE, "hello world", 5},
	{TEXT("a\r\n0123456789\r\nB\r\n0123456789x\r\n0\r\n\r\n"), PARSE_DONE, "01234567890123456789x", 0},
	{TEXT("005\r\nhello\r\n0\r\n\r\n"), PARSE_DONE, "hello", 0},
	{TEXT("5;a=b\r\nhello\r\n0;x\r\n\r\n"), PARSE_DONE, "hello", 0},
	{TEXT("5;a=\"b c\"\t;d\r\nhello\r\n0\r\n\r\n"), PARSE_DONE, "hello", 0},
	{TEXT("2\r\n\r\n\r\n0\r\n\r\n"), PARSE_DONE, "\r\n", 0},
	{TEXT("0\r\nA: b\r\nC:\r\n\r\n"), PARSE_DONE, "", 0},
	{TEXT("\r\n"), PARSE_BAD, NULL, 0},
	{TEXT(";a\r\n"), PARSE_BAD, NULL, 0},
	{TEXT(" 5\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5 \r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5 ;a\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0x5\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("+5\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("-1\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("g\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5\r\nhello\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5\r\nhello0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5\r\nhello!\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5\r\nhello\r0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5;a\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5;a\rb\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5;a\0b\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("5\r\rhello"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\n\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\nA: b\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\nA : b\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\n A: b\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\nA\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\n: b\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\nA: \x01\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("0\r\n\rX"), PARSE_BAD, NULL, 0},
	{TEXT("1000000000000001\r\n"), PARSE_BAD, NULL, 0}, /* 2^60 + 1 */
	{TEXT("ffffffffffffffff\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("10000000000000000\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("100000000000000005\r\nhello\r\n0\r\n\r\n"), PARSE_BAD, NULL, 0},
	{TEXT("1000000000000000\r\nx"), PARSE_MORE, NULL, 0}, /* 2^60 */
};

/* Runs one parser over one piece; body bytes are appended to out. */
static enum parse_result feed(struct chunked *c, struct span *bytes, char *out, size_t *used)
{
	enum parse_result result;
	struct span data;

	do {
		result = parse_chunked(c, bytes, &data);
		memcpy(out + *used, data.at, data.bytes);
		*used += data.bytes;
	} while (result == PARSE_MORE && bytes->bytes > 0);
	return result;
}

static bool row_good(size_t row, enum parse_result result, const char *out, size_t used, size_t rest)
{
	if (result != rows[row].result)
		return false;
	return result != PARSE_DONE ||
	       (rest == rows[row].rest && used == strlen(rows[row].data) && memcmp(out, rows[row].data, used) == 0);
}

TEST(bodies)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guard guard;
		struct span bytes = guard_copy(&guard, rows[i].text, rows[i].bytes);
		struct chunked c = {0};
		char out[256];
		size_t used = 0;
		enum parse_result result = feed(&c, &bytes, out, &used);
		CHECK_ROW(row_good(i, result, out, used, bytes.bytes), rows[i].text);
		guard_free(&guard);
	}
}

TEST(cut_in_two_anywhere)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t cut = 0; cut <= rows[i].bytes; cut++) {
			struct span first = span_of(rows[i].text, cut);
			struct span second = span_of(rows[i].text + cut, rows[i].bytes - cut);
			struct chunked c = {0};
			char out[256];
			size_t used = 0;
			enum parse_result result = feed(&c, &first, out, &used);
			if (result == PARSE_MORE)
				result = feed(&c, &second, out, &used);
			CHECK_ROW(row_good(i, result, out, used, first.bytes + second.bytes), rows[i].text);
		}
	}
}

TEST(one_byte_at_a_time)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct chunked c = {0};
		enum parse_result result = PARSE_MORE;
		size_t used = 0, n = 0;
		char out[256];
		for (; result == PARSE_MORE && n < rows[i].bytes; n++) {
			struct span one = span_of(rows[i].text + n, 1);
			result = feed(&c, &one, out, &used);
			CHECK_EQ(one.bytes, 0);
		}
		CHECK_ROW(row_good(i, result, out, used, rows[i].bytes - n), rows[i].text);
	}
}

TEST(ends_stay_ended)
{
	struct chunked c = {0};
	struct span bytes = SPAN("0\r\n\r\nrest"), data;

	CHECK_EQ(parse_chunked(&c, &bytes, &data), PARSE_DONE);
	CHECK_EQ(bytes.bytes, 4);
	CHECK_EQ(parse_chunked(&c, &bytes, &data), PARSE_DONE);
	CHECK_EQ(bytes.bytes, 4);
	c = (struct chunked){0};
	bytes = SPAN("x5\r\nhello");
	CHECK_EQ(parse_chunked(&c, &bytes, &data), PARSE_BAD);
	CHECK_EQ(parse_chunked(&c, &bytes, &data), PARSE_BAD);
	CHECK_EQ(data.bytes, 0);
}

/* prefix, then `pad` times 'x', then suffix */
static enum parse_result padded(const char *prefix, size_t pad, const char *suffix)
{
	static char text[8192];
	struct chunked c = {0};
	char out[8192];
	size_t used = 0;

	int bytes = snprintf(text, sizeof text, "%s%*s%s", prefix, (int)pad, "", suffix);
	for (size_t i = 0; i < pad; i++)
		text[strlen(prefix) + i] = 'x';
	struct span span = span_of(text, (size_t)bytes);
	return feed(&c, &span, out, &used);
}

TEST(line_limits)
{
	/* "0;" + pad + CR LF is 256 bytes at most */
	CHECK_EQ(padded("0;", 252, "\r\n\r\n"), PARSE_DONE);
	CHECK_EQ(padded("0;", 253, "\r\n\r\n"), PARSE_BAD);
	CHECK_EQ(padded("0;", 4000, ""), PARSE_BAD);
	CHECK_EQ(padded("1;", 252, "\r\nx\r\n0\r\n\r\n"), PARSE_DONE);
	/* the same for the second chunk: the count starts again */
	CHECK_EQ(padded("1\r\nx\r\n0;", 252, "\r\n\r\n"), PARSE_DONE);
	CHECK_EQ(padded("1\r\nx\r\n0;", 253, "\r\n\r\n"), PARSE_BAD);
	/* "A:" + pad + CR LF + CR LF is 4,096 bytes at most */
	CHECK_EQ(padded("0\r\nA:", TRAILER_BYTES_MAX - 6, "\r\n\r\n"), PARSE_DONE);
	CHECK_EQ(padded("0\r\nA:", TRAILER_BYTES_MAX - 5, "\r\n\r\n"), PARSE_BAD);
}

CHECK_MAIN
