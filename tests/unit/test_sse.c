// SPDX-License-Identifier: Apache-2.0
#include "parse_sse.c"

#include <stdio.h>

#include "check.h"
#include "guard.h"
#include "random.h"

/* The stream with '|' where events end. */
static const char *const streams[] = {
	"data: a\n\n|data: b\n\n|",
	"data: a\r\n\r\n|data: b\r\n\r\n|data: [DONE]\r\n\r\n|",
	"data: a\r\r|data: b\r\r|",
	"data: a\ndata: b\nevent: c\n\n|: ping\n\n|",
	"data: a\r\ndata: b\r\n\r\n|data",
	"data: a\rdata: b\r\r|data\r",
	"\n|\n|data: a\n\n|",
	"\r|\ndata: a\n\n|",	      /* nothing came before: a CR alone ends it, the LF is the rest of that line end */
	"data: a\n\r|\ndata: b\n\n|", /* mixed: the CR ends it at once, its LF goes in front of the next */
	"data: a\r\n\r|data: b\r\n\r\n|", /* a CRLF line, then a lone CR: known at the next byte */
	"data: a\r\n\n|data: b\r\n\r\n|",
	"data: a\r\n\r\n|\r\n|data: b\n\n|",
	"data: a\t\x01\x7f\xc3\xa4\n\n|data: b",
	"data: a",
	"",
};

static void plain_of(const char *stream, char *plain)
{
	for (; *stream != 0; stream++)
		if (*stream != '|')
			*plain++ = *stream;
	*plain = 0;
}

/* Feeds the pieces [0, a), [a, b), [b, end) and writes the stream with its marks. */
static void mark(const char *plain, size_t a, size_t b, char *out)
{
	size_t bytes = strlen(plain), cuts[] = {0, a, b, bytes};
	struct sse sse = {0};

	for (unsigned i = 0; i < 3; i++) {
		struct guard guard;
		struct span piece = guard_copy(&guard, plain + cuts[i], cuts[i + 1] - cuts[i]);
		while (piece.bytes > 0) {
			bool ended;
			size_t took = parse_sse(&sse, piece, &ended);
			CHECK(took <= piece.bytes && (ended || took == piece.bytes));
			memcpy(out, piece.at, took);
			out += took;
			if (ended)
				*out++ = '|';
			piece.at += took;
			piece.bytes -= took;
		}
		guard_free(&guard);
	}
	*out = 0;
}

TEST(ends_whatever_the_cuts)
{
	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		char plain[256], out[512];
		plain_of(streams[i], plain);
		for (size_t a = 0; a <= strlen(plain); a++) {
			for (size_t b = a; b <= strlen(plain); b++) {
				mark(plain, a, b, out);
				CHECK_ROW(strcmp(out, streams[i]) == 0, streams[i]);
			}
		}
	}
}

/* An event that is complete is given out with its last byte: no waiting for the next one. */
TEST(nothing_is_held_back)
{
	static const char *const events[] = {"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"};

	for (size_t i = 0; i < 3; i++) {
		struct sse sse = {0};
		for (unsigned round = 0; round < 3; round++) {
			bool ended;
			CHECK_EQ(parse_sse(&sse, span_str(events[i]), &ended), strlen(events[i]));
			CHECK(ended);
		}
	}
}

/* Events as the standard defines them: dispatched at each empty line, whichever end the lines have. */
static unsigned count_empty_lines(const char *text, size_t bytes)
{
	unsigned cnt = 0;
	bool empty = true;

	for (size_t i = 0; i < bytes; i++) {
		bool end = text[i] == '\n' || text[i] == '\r';
		cnt += end && empty;
		if (text[i] == '\r' && i + 1 < bytes && text[i + 1] == '\n')
			i++;
		empty = end;
	}
	return cnt;
}

TEST(random_streams_have_as_many_events_as_empty_lines)
{
	random_start("random_streams");
	for (unsigned round = 0; round < 100000; round++) {
		char text[24];
		size_t bytes = random_below(sizeof text), at = 0;
		struct sse sse = {0};
		unsigned cnt = 0;
		for (size_t i = 0; i < bytes; i++)
			text[i] = "a\n\r"[random_below(3)];
		while (at < bytes) {
			bool ended;
			at += parse_sse(&sse, span_of(text + at, bytes - at), &ended);
			cnt += ended;
		}
		/* a CR after CRLF as the very last byte is not known to end the line yet */
		cnt += sse.state == CRLF_EMPTY_CR;
		CHECK_EQ(cnt, count_empty_lines(text, bytes));
	}
}

CHECK_MAIN
