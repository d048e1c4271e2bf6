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

struct reading {
	uint8_t room[HEAD_BYTES_MAX];
	size_t have, text_bytes;
	struct http_head head;
	struct http_body body;
	bool head_done, bad;
	char text[256];
};

/* Takes one piece; how many of its bytes were not wanted. */
static size_t take(struct reading *reading, struct span piece)
{
	if (!reading->head_done && !reading->bad) {
		enum parse_result result = parse_answer_head(&reading->head, reading->room, &reading->have, &piece);
		reading->bad = result == PARSE_BAD;
		reading->head_done = result == PARSE_DONE;
		if (reading->head_done)
			parse_answer_frame(&reading->body, &reading->head, false);
	}
	while (reading->head_done && !reading->bad && !reading->body.done && piece.bytes > 0) {
		struct span run = {0};
		reading->bad = !parse_answer_body(&reading->body, &piece, &run);
		if (!reading->bad && run.bytes > 0)
			memcpy(reading->text + reading->text_bytes, run.at, run.bytes);
		reading->text_bytes += reading->bad ? 0 : run.bytes;
	}
	return piece.bytes;
}

static size_t take_guarded(struct reading *reading, const char *at, size_t bytes)
{
	struct guard guard;
	size_t rest = take(reading, guard_copy(&guard, at, bytes));

	guard_free(&guard);
	return rest;
}

#define GO_ON "HTTP/1.1 100 Continue\r\n\r\n"
#define HINTS "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n"

static const struct {
	const char *answer;
	unsigned status; /* 0: bad */
	const char *text;
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
};

TEST(answers_in_every_pair_of_pieces)
{
	static struct reading reading;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t bytes = strlen(rows[i].answer);
		for (size_t cut = 0; cut <= bytes; cut++) {
			reading = (struct reading){0};
			size_t rest = take_guarded(&reading, rows[i].answer, cut);
			if (!reading.bad)
				rest += take_guarded(&reading, rows[i].answer + cut, bytes - cut);
			CHECK_ROW(reading.bad == (rows[i].text == NULL), rows[i].answer);
			if (rows[i].text == NULL)
				continue;
			CHECK_ROW(reading.head_done == (rows[i].status != 0), rows[i].answer);
			CHECK_ROW(!reading.head_done || reading.head.status == rows[i].status, rows[i].answer);
			CHECK_ROW(reading.body.done == rows[i].done && rest == rows[i].rest, rows[i].answer);
			CHECK_ROW(reading.text_bytes == strlen(rows[i].text) &&
					  memcmp(reading.text, rows[i].text, reading.text_bytes) == 0,
				  rows[i].answer);
		}
	}
}

TEST(a_head_ends_within_its_room)
{
	static struct reading reading;
	static char answer[2 * HEAD_BYTES_MAX];

	for (size_t filler = HEAD_BYTES_MAX - 64; filler < HEAD_BYTES_MAX + 64; filler++) {
		size_t bytes = (size_t)sprintf(answer, OK "X: ");
		memset(answer + bytes, 'x', filler);
		bytes += filler;
		bytes += (size_t)sprintf(answer + bytes, "\r\nContent-Length: 2\r\n\r\n");
		bool fits = bytes <= HEAD_BYTES_MAX;
		bytes += (size_t)sprintf(answer + bytes, "ok");
		for (size_t step = 1; step <= 4096; step = step == 1 ? 1000 : step * 2) {
			reading = (struct reading){0};
			for (size_t at = 0; at < bytes && !reading.bad; at += step)
				take(&reading, span_of(answer + at, step < bytes - at ? step : bytes - at));
			CHECK_EQ(reading.bad, !fits);
			CHECK_EQ(reading.body.done, fits);
		}
	}
}

CHECK_MAIN
