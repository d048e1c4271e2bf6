// SPDX-License-Identifier: Apache-2.0
/* test_parse_answer.c: answers in every pair of pieces, each piece against a guard page: interim heads skipped, every
 * framing, and nothing behind the end taken. */
#include "parse_answer.c"

#include <stdio.h>

#include "check.h"
#include "guard.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* --- framing --- */

TEST(how_an_answer_ends)
{
	static const struct {
		const char *head;
		bool bodyless;
		enum http_frame frame;
	} rows[] = {
		{OK "Content-Length: 3\r\n\r\n", false, FRAME_LENGTH},
		{OK "Content-Length: 0\r\n\r\n", false, FRAME_NONE},
		{OK "Transfer-Encoding: chunked\r\n\r\n", false, FRAME_CHUNKED},
		{OK "\r\n", false, FRAME_CLOSE},
		{"HTTP/1.0 200 OK\r\n\r\n", false, FRAME_CLOSE},
		{OK "Content-Length: 3\r\n\r\n", true, FRAME_NONE},
		{OK "Transfer-Encoding: chunked\r\n\r\n", true, FRAME_NONE},
		{OK "\r\n", true, FRAME_NONE},
		{"HTTP/1.1 204 No\r\n\r\n", false, FRAME_NONE},
		{"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", false, FRAME_NONE},
		{"HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n", false, FRAME_NONE},
		{"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", false, FRAME_NONE},
		{"HTTP/1.1 404 No\r\n\r\n", false, FRAME_CLOSE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct http_head head;
		struct http_body body;
		CHECK_ROW(parse_response(&head, span_str(rows[i].head), 0) == PARSE_DONE, rows[i].head);
		parse_answer_frame(&body, &head, rows[i].bodyless);
		CHECK_ROW(body.frame == rows[i].frame, rows[i].head);
		CHECK_ROW(body.done == (rows[i].frame == FRAME_NONE), rows[i].head);
	}
}

/* --- whole answers --- */

static uint8_t head_room[HEAD_BYTES_MAX], body_room[16];

static struct http_answer empty(void)
{
	return (struct http_answer){.head_at = head_room, .body_at = body_room, .body_bytes_max = sizeof body_room};
}

/* Takes one piece; how many of its bytes were not wanted. */
static size_t take(struct http_answer *answer, enum parse_result *result, const char *at, size_t bytes)
{
	struct guard guard;
	struct span piece = guard_copy(&guard, at, bytes);

	*result = parse_answer(answer, &piece);
	CHECK(*result != PARSE_MORE || piece.bytes == 0);
	guard_free(&guard);
	return piece.bytes;
}

#define GO_ON "HTTP/1.1 100 Continue\r\n\r\n"
#define HINTS "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n"

static const struct {
	const char *answer;
	unsigned status;  /* 0: of none that counts */
	const char *text; /* NULL: bad */
	bool done;
	size_t rest;
} rows[] = {
	{OK "Content-Length: 5\r\n\r\nhello", 200, "hello", true, 0},
	{OK "Content-Length: 5\r\n\r\nhelloHTTP/1.1", 200, "hello", true, 8},
	{OK "Content-Length: 6\r\n\r\nhello", 200, "hello", false, 0},
	{OK "Content-Length: 0\r\n\r\nx", 200, "", true, 1},
	{OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: v\r\n\r\nX", 200, "abcde", true, 1},
	{OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 200, "abc", false, 0},
	{OK "\r\nhello", 200, "hello", false, 0}, /* the connection's end is its end */
	{GO_ON OK "Content-Length: 2\r\n\r\nok", 200, "ok", true, 0},
	{GO_ON HINTS GO_ON "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nok", 503, "ok", true, 0},
	{GO_ON, 0, "", false, 0}, /* not bad, but no answer either */
	{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0, NULL, false, 0},
	{GO_ON "HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, NULL, false, 0},
	{GO_ON "nonsense\r\n\r\n", 0, NULL, false, 0},
	{"HTTP/2 200\r\n\r\n", 0, NULL, false, 0},
	{OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 0, NULL, false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 200, NULL, false, 0},
	{OK "Content-Length: 16\r\n\r\n0123456789abcdef", 200, "0123456789abcdef", true, 0}, /* all there is room for */
};

TEST(answers_in_every_pair_of_pieces)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t bytes = strlen(rows[i].answer);
		for (size_t cut = 0; cut <= bytes; cut++) {
			struct http_answer answer = empty();
			enum parse_result result;
			size_t rest = take(&answer, &result, rows[i].answer, cut);
			if (result == PARSE_MORE)
				rest = take(&answer, &result, rows[i].answer + cut, bytes - cut);
			else
				rest += bytes - cut;
			CHECK_ROW((result == PARSE_BAD) == (rows[i].text == NULL) && !answer.large, rows[i].answer);
			if (rows[i].text == NULL)
				continue;
			CHECK_ROW(answer.head_done == (rows[i].status != 0), rows[i].answer);
			CHECK_ROW(!answer.head_done || answer.head.status == rows[i].status, rows[i].answer);
			CHECK_ROW((result == PARSE_DONE) == rows[i].done && rest == rows[i].rest, rows[i].answer);
			CHECK_ROW(span_equal(span_of(body_room, answer.body_bytes), span_str(rows[i].text)),
				  rows[i].answer);
		}
	}
}

TEST(an_answer_without_room_is_large_as_soon_as_it_shows)
{
	static const char *const answers[] = {
		OK "Content-Length: 17\r\n\r\n",
		OK "Content-Length: 1152921504606846976\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n8\r\n9abcdefg",
		OK "\r\n0123456789abcdefg",
	};

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct http_answer answer = empty();
		enum parse_result result = PARSE_MORE;
		size_t bytes = strlen(answers[i]);
		for (size_t at = 0; at < bytes; at++) {
			CHECK_ROW(result == PARSE_MORE && !answer.large, answers[i]);
			take(&answer, &result, answers[i] + at, 1);
		}
		CHECK_ROW(result == PARSE_BAD && answer.large, answers[i]);
	}
}

TEST(a_head_ends_within_its_room)
{
	static char text[2 * HEAD_BYTES_MAX];

	for (size_t filler = HEAD_BYTES_MAX - 64; filler < HEAD_BYTES_MAX + 64; filler++) {
		size_t bytes = (size_t)sprintf(text, OK "X: ");
		memset(text + bytes, 'x', filler);
		bytes += filler;
		bytes += (size_t)sprintf(text + bytes, "\r\nContent-Length: 2\r\n\r\n");
		bool fits = bytes <= HEAD_BYTES_MAX;
		bytes += (size_t)sprintf(text + bytes, "ok");
		for (size_t step = 1; step <= 4096; step = step == 1 ? 1000 : step * 2) {
			struct http_answer answer = empty();
			enum parse_result result = PARSE_MORE;
			for (size_t at = 0; at < bytes && result == PARSE_MORE; at += step) {
				struct span piece = span_of(text + at, step < bytes - at ? step : bytes - at);
				result = parse_answer(&answer, &piece);
			}
			CHECK_EQ(result, fits ? PARSE_DONE : PARSE_BAD);
			CHECK(!answer.large);
		}
	}
}

CHECK_MAIN
