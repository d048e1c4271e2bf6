// SPDX-License-Identifier: Apache-2.0
#include "request.c"

#include <stdlib.h>

#include "check.h"
#include "random.h"

#define BODY_MAX 100000 /* of the large buffers here */

static struct config config;
static struct worker worker;
static struct shared shared;
static struct times times[1];
static struct request request;
static uint8_t memory[REQUEST_SLOT_BYTES];

static void begin(size_t body_bytes_max, size_t buffer_cnt)
{
	config.body_bytes_max = body_bytes_max;
	memset(&worker, 0, sizeof worker);
	worker.config = &config;
	worker.shared = &shared;
	worker.times = times;
	CHECK_EQ(slab_init(&worker.slab, buffer_cnt, body_bytes_max + REQUEST_BODY_SLACK), 0);
	request_init(&request, &worker, memory);
	request_reset(&request);
}

static void finish(void)
{
	request_reset(&request);
	CHECK_EQ(worker.slab.free_cnt, worker.slab.buffer_cnt); /* every large buffer came back */
	slab_fini(&worker.slab);
}

/* A head and what follows it, in pieces of `piece` bytes.  Returns the reason that ended it; *used: bytes taken. */
static enum reason feed(struct span bytes, size_t piece, size_t *used)
{
	enum parse_result result = PARSE_MORE;
	enum reason reason = REASON_OK;

	*used = 0;
	while (*used < bytes.bytes && reason == REASON_OK && !(result == PARSE_DONE && request.body_done)) {
		size_t left = bytes.bytes - *used;
		struct span part = span_of(bytes.at + *used, left < piece ? left : piece);
		size_t taken;

		if (result == PARSE_MORE) {
			taken = request_take_head(&request, part, &result);
			if (result == PARSE_BAD)
				return request.head.refusal;
			if (result == PARSE_DONE)
				reason = request_expect_body(&request);
		} else {
			taken = request_take_body(&request, part, &reason);
			CHECK(taken > 0 || reason != REASON_OK);
		}
		CHECK(taken <= part.bytes);
		*used += taken;
	}
	return reason;
}

#define HEAD "POST /x HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

TEST(heads_and_bodies_at_every_split)
{
	static const struct {
		const char *name, *bytes, *body;
		enum reason reason;
		size_t after; /* bytes that belong to the next request */
	} rows[] = {
		{"no body", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "", REASON_OK, 0},
		{"pipelined", "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /", "", REASON_OK, 5},
		{"length zero", HEAD "Content-Length: 0\r\n\r\nPOST", "", REASON_OK, 4},
		{"length", HEAD "Content-Length: 5\r\n\r\nhello", "hello", REASON_OK, 0},
		{"length and the next", HEAD "Content-Length: 5\r\n\r\nhelloPOST", "hello", REASON_OK, 4},
		{"empty line first", "\r\n" HEAD "Content-Length: 1\r\n\r\nx", "x", REASON_OK, 0},
		{"chunks", CHUNKED "3\r\nabc\r\n2;a=b\r\nde\r\n0\r\n\r\n", "abcde", REASON_OK, 0},
		{"chunks and the next", CHUNKED "1\r\na\r\n0\r\nT: v\r\n\r\nPOST /", "a", REASON_OK, 6},
		{"no chunks", CHUNKED "0\r\n\r\n", "", REASON_OK, 0},
		{"bad chunk size", CHUNKED "x\r\n", NULL, HTTP_BAD, 0},
		{"bare LF in chunks", CHUNKED "1\na\n0\n\n", NULL, HTTP_BAD, 0},
		{"chunk longer than it said", CHUNKED "1\r\nab\r\n0\r\n\r\n", NULL, HTTP_BAD, 0},
		{"both lengths", HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", NULL, HTTP_AMBIGUOUS,
		 0},
		{"bare LF", "POST /x HTTP/1.1\nHost: a\n\n", NULL, HTTP_BAD, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t bytes = strlen(rows[i].bytes);
		for (size_t piece = 1; piece <= bytes; piece++) {
			size_t used;
			begin(BODY_MAX, 1);
			enum reason reason = feed(span_str(rows[i].bytes), piece, &used);
			CHECK_ROW(reason == rows[i].reason, rows[i].name);
			if (reason == REASON_OK) {
				CHECK_ROW(request.body_done, rows[i].name);
				CHECK_ROW(span_equal(request_body(&request), span_str(rows[i].body)), rows[i].name);
				CHECK_ROW(used == bytes - rows[i].after, rows[i].name);
			}
			finish();
		}
	}
}

/* A request with a body of this many bytes, as one Content-Length or in chunks. */
static uint8_t *make(size_t body_bytes, bool chunked, size_t *bytes)
{
	uint8_t *at = malloc(body_bytes * 2 + 1000), *out = at;

	out += sprintf((char *)out, HEAD);
	if (!chunked)
		out += sprintf((char *)out, "Content-Length: %zu\r\n", body_bytes);
	out += sprintf((char *)out, chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
	for (size_t i = 0; i < body_bytes;) {
		size_t run = chunked ? 1 + random_below(5000) : body_bytes;
		run = run < body_bytes - i ? run : body_bytes - i;
		if (chunked)
			out += sprintf((char *)out, "%zx\r\n", run);
		for (size_t k = 0; k < run; k++, i++)
			*out++ = (uint8_t)(i * 7 + i / 256);
		if (chunked)
			out += sprintf((char *)out, "\r\n");
	}
	if (chunked)
		out += sprintf((char *)out, "0\r\n\r\n");
	*bytes = (size_t)(out - at);
	return at;
}

static bool body_right(size_t body_bytes)
{
	struct span body = request_body(&request);

	for (size_t i = 0; i < body.bytes; i++)
		if (body.at[i] != (uint8_t)(i * 7 + i / 256))
			return false;
	return body.bytes == body_bytes;
}

TEST(limits_on_both_sides)
{
	static const struct {
		const char *name;
		size_t limit, buffers, bytes;
		enum reason reason;
		bool large;
	} rows[] = {
		{"all that fits the slot", BODY_MAX, 1, REQUEST_BODY_BYTES, REASON_OK, false},
		{"one more takes a buffer", BODY_MAX, 1, REQUEST_BODY_BYTES + 1, REASON_OK, true},
		{"no buffer left", BODY_MAX, 0, REQUEST_BODY_BYTES + 1, MEMORY_FULL, false},
		{"no buffer needed", BODY_MAX, 0, REQUEST_BODY_BYTES, REASON_OK, false},
		{"at the limit", BODY_MAX, 1, BODY_MAX, REASON_OK, true},
		{"over the limit", BODY_MAX, 1, BODY_MAX + 1, BODY_LARGE, false},
		{"at a limit below the slot's", 1024, 1, 1024, REASON_OK, false},
		{"over a limit below the slot's", 1024, 1, 1025, BODY_LARGE, false},
		{"at the slot's own", REQUEST_BODY_BYTES, 1, REQUEST_BODY_BYTES, REASON_OK, false},
		{"over the slot's own", REQUEST_BODY_BYTES, 1, REQUEST_BODY_BYTES + 1, BODY_LARGE, false},
	};
	static const size_t pieces[] = {1, 997, 4096, 1 << 20};

	random_start("request");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t k = 0; k < 2 * sizeof pieces / sizeof *pieces; k++) {
			size_t bytes, used, before = rows[i].buffers;
			bool chunked = k % 2;
			uint8_t *at = make(rows[i].bytes, chunked, &bytes);
			begin(rows[i].limit, before > 0 ? before : 1);
			uint8_t *only = before == 0 ? slab_take(&worker.slab) : NULL;
			enum reason reason = feed(span_of(at, bytes), pieces[k / 2], &used);
			CHECK_ROW(reason == rows[i].reason, rows[i].name);
			if (reason == REASON_OK) {
				CHECK_ROW(used == bytes && body_right(rows[i].bytes), rows[i].name);
				CHECK_ROW((worker.slab.free_cnt == 0) == (rows[i].large || only != NULL), rows[i].name);
			}
			if (only != NULL)
				slab_give(&worker.slab, only);
			finish();
			free(at);
		}
	}
}

TEST(a_declared_length_over_the_limit_is_refused_at_the_head)
{
	static const char head[] = HEAD "Content-Length: 100001\r\n\r\n";
	size_t used;

	begin(BODY_MAX, 1);
	CHECK_EQ(feed(SPAN(head), 1000, &used), BODY_LARGE);
	CHECK_EQ(used, sizeof head - 1); /* nothing of the body was needed */
	finish();
}

TEST(a_head_without_end)
{
	static uint8_t endless[HEAD_BYTES_MAX * 2];
	size_t used;

	memset(endless, 'a', sizeof endless);
	memcpy(endless, "GET /", 5);
	for (size_t piece = 100; piece < sizeof endless; piece *= 3) {
		begin(BODY_MAX, 1);
		CHECK_EQ(feed(span_of(endless, sizeof endless), piece, &used), HTTP_LARGE);
		CHECK(used <= HEAD_BYTES_MAX);
		finish();
	}
}

static void load_body(const char *text, size_t pad)
{
	char head[200];
	size_t used, bytes = strlen(text) + pad;
	uint8_t *body = malloc(bytes);

	/* spaces after the opening brace make it as long as wanted */
	body[0] = (uint8_t)text[0];
	memset(body + 1, ' ', pad);
	memcpy(body + 1 + pad, text + 1, bytes - pad - 1);
	sprintf(head, HEAD "Content-Length: %zu\r\n\r\n", bytes);
	CHECK_EQ(feed(span_str(head), 1000, &used), REASON_OK);
	for (size_t at = 0; at < bytes;) {
		enum reason reason = REASON_OK;
		at += request_take_body(&request, span_of(body + at, bytes - at), &reason);
		CHECK_EQ(reason, REASON_OK);
	}
	free(body);
}

TEST(usage_is_asked_for)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{"{\"stream\":true}", "{\"stream_options\":{\"include_usage\":true},\"stream\":true}"},
		{"{\"stream\":true,\"stream_options\":null}",
		 "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
		{"{\"stream\":true,\"stream_options\":{}}",
		 "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
		{"{\"stream\":true,\"stream_options\":{\"include_usage\":false,\"a\":1}}",
		 "{\"stream\":true,\"stream_options\":{\"include_usage\":true,\"a\":1}}"},
		{"{\"stream_options\":{\"a\":1},\"stream\":true}",
		 "{\"stream_options\":{\"include_usage\":true,\"a\":1},\"stream\":true}"},
	};
	/* a short body; one that fills the slot to its last byte; one that fills a large buffer */
	static const size_t sizes[] = {0, REQUEST_BODY_BYTES, BODY_MAX};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
			size_t bytes = strlen(rows[i].body), want_bytes = strlen(rows[i].want);
			size_t pad = sizes[k] > 0 ? sizes[k] - bytes : 0;
			begin(BODY_MAX, 1);
			load_body(rows[i].body, pad);
			CHECK_EQ(openai_request(&request.openai, request_body(&request)), REASON_OK);
			CHECK_ROW(request.openai.insert.bytes > 0, rows[i].body);
			request_insert_usage(&request);
			struct span body = request_body(&request);
			CHECK_EQ(body.bytes, want_bytes + pad);
			/* the padding is one run of spaces; without it the body is what is wanted */
			char *plain = malloc(body.bytes + 1);
			size_t out = 0;
			for (size_t at = 0; at < body.bytes; at++)
				if (body.at[at] != ' ')
					plain[out++] = (char)body.at[at];
			plain[out] = 0;
			CHECK_ROW(strcmp(plain, rows[i].want) == 0, rows[i].body);
			free(plain);
			finish();
		}
	}
}

TEST(the_next_request_finds_nothing_of_the_last)
{
	static const char first[] = CHUNKED "4\r\nabcd\r\n0\r\n\r\n", second[] = HEAD "Content-Length: 2\r\n\r\nxy";
	size_t used;

	begin(BODY_MAX, 1);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(feed(SPAN(first), 3, &used), REASON_OK);
		request.close = request.paid = request.is_durable = true;
		request.began_ns = i % 2; /* an answer to nothing leaves nothing either */
		request.discard_left = 1;
		request_times_step(&request.times, STEP_FIRST_OUT, 1);
		request.charged.at[31] = 9;
		request.exchange.usage = (struct openai_usage){true, 1, 2};
		request_reset(&request);
		CHECK(!request.close && !request.paid && !request.is_durable);
		CHECK(!request_times_did(&request.times, STEP_FIRST_OUT));
		CHECK(request.stage == STAGE_HEAD && request.began_ns == 0 && request.discard_left == 0);
		CHECK(request.charged.at[31] == 0 && !request.exchange.usage.known &&
		      request.exchange.upstream == NULL);
		CHECK(request.body_at == NULL && !request.body_done && request.head_bytes == 0);
		CHECK_EQ(feed(SPAN(second), 1, &used), REASON_OK);
		CHECK(span_equal(request_body(&request), SPAN("xy")));
		request_reset(&request);
	}
	finish();
}

CHECK_MAIN
