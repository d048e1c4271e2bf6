// SPDX-License-Identifier: Apache-2.0
#include "relay_rig.h"

#include "check.h"
#include "random.h"
#include "tools/tee.h"

#define OUT_BYTES 65536
#define RESPONSE_MAX 100000

static size_t piece_bytes; /* 0: random */

static size_t cut(size_t left)
{
	size_t piece = piece_bytes != 0 ? piece_bytes : 1 + random_below(random_below(8) == 0 ? 5000 : 40);

	return piece < left ? piece : left;
}

/* --- header fields --- */

static struct http_head parsed(const char *text, bool request)
{
	struct http_head head;
	enum parse_result result =
		request ? parse_request(&head, span_str(text), 0) : parse_response(&head, span_str(text), 0);

	CHECK_EQ(result, PARSE_DONE);
	return head;
}

static const char *request_head(const char *client, const struct exchange *like, const char *authorization)
{
	static char out[4096];
	static struct config_upstream upstream;
	struct http_head head = parsed(client, true);
	struct exchange exchange = *like;

	memset(&upstream, 0, sizeof upstream);
	strcpy(upstream.host_header, "model:8000");
	strcpy(upstream.authorization, authorization);
	exchange.request = &head;
	size_t bytes = relay_request_head(out, sizeof out - 1, &exchange, &upstream);
	out[bytes] = 0;
	for (size_t room = 0; room < bytes; room++) /* all or nothing, and never beyond */
		CHECK_EQ(relay_request_head(out + 2048, room, &exchange, &upstream), 0);
	return out;
}

#define REQUEST(fields) "POST /v1?a=%2F HTTP/1.1\r\nHost: evil\r\n" fields "\r\n"
#define FORWARDED(fields) "POST /v1?a=%2F HTTP/1.1\r\nHost: model:8000\r\n" fields "\r\n"

TEST(what_reaches_the_upstream)
{
	static const struct {
		const char *client, *upstream;
	} rows[] = {
		{REQUEST(""), FORWARDED("")},
		{REQUEST("X-A: 1\r\nx-b:2\r\n"), FORWARDED("X-A: 1\r\nx-b: 2\r\n")},
		{REQUEST("PAYMENT-SIGNATURE: s\r\nx-PAYMENT: s\r\npayment-Required: a\r\nPayment-response: b\r\n"
			 "X-Payment-Response: c\r\nsettlement-OVERRIDES: d\r\nX-Tollbar-SALT: e\r\nX-Upto-SESSION: "
			 "f\r\n"),
		 FORWARDED("")},
		{REQUEST("kEEp-aLIVE: 1\r\nTE: trailers\r\nTrailer: a\r\nUpgrade: h2c\r\nProxy-Connection: close\r\n"
			 "pROXY-aUTHORIZATION: b\r\nProxy-Authenticate: c\r\nExpect: 100-continue\r\n"),
		 FORWARDED("")},
		{REQUEST("FORWARDED: for=1\r\nX-Forwarded-For: 1\r\nx-forwarded-HOST: 1\r\nX-Forwarded-Proto: 1\r\n"
			 "X-FORWARDED-PORT: 1\r\nX-Real-IP: 1\r\n"),
		 FORWARDED("")},
		{REQUEST("Connection: x-a, ,\tX-B\t,keep-alive\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\nX-AB: 4\r\n"),
		 FORWARDED("X-C: 3\r\nX-AB: 4\r\n")},
		{REQUEST("Connection: x-a\r\nX-A: 1\r\nConnection: x-c\r\nX-C: 3\r\nX-D: 4\r\n"),
		 FORWARDED("X-D: 4\r\n")},
		{REQUEST("X-PaymentX: 1\r\nX-Paymen: 2\r\nTE-X: 3\r\n"),
		 FORWARDED("X-PaymentX: 1\r\nX-Paymen: 2\r\nTE-X: 3\r\n")},
		{REQUEST("Authorization: Bearer client\r\n"), FORWARDED("Authorization: Bearer client\r\n")},
		{REQUEST("Accept-Encoding: gzip\r\n"), FORWARDED("Accept-Encoding: gzip\r\n")},
		{REQUEST("Transfer-Encoding: chunked\r\n"), FORWARDED("Content-Length: 0\r\n")},
		{REQUEST("content-length: 0\r\n"), FORWARDED("Content-Length: 0\r\n")},
	};
	struct exchange exchange = {0};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(strcmp(request_head(rows[i].client, &exchange, ""), rows[i].upstream) == 0, rows[i].client);
}

#define SIX(x) x "1, " x "2, " x "3, " x "4, " x "5, " x "6, "

TEST(a_connection_field_with_many_names)
{
	static const struct {
		const char *client, *upstream;
	} rows[] = {
		/* sixteen names are looked for; a seventeenth, and no field is trusted to cross */
		{REQUEST("Connection: " SIX("a") SIX("b") "c, d, e, x-f\r\nX-F: 1\r\nX-G: 2\r\n"),
		 FORWARDED("X-G: 2\r\n")},
		{REQUEST("Connection: " SIX("a") SIX("b") "c, d, e, f, g\r\nX-G: 2\r\n"), FORWARDED("")},
		{REQUEST("Connection: " SIX("a") "\r\nX-G: 2\r\nConnection: " SIX("a") SIX("a") "\r\n"), FORWARDED("")},
		{REQUEST("Connection: ,, ,,,,,,,,,,,,,,,,,,,,,,,,,,, x-f\r\nX-F: 1\r\nX-G: 2\r\n"),
		 FORWARDED("X-G: 2\r\n")},
	};
	struct exchange exchange = {0};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(strcmp(request_head(rows[i].client, &exchange, ""), rows[i].upstream) == 0, rows[i].client);
}

TEST(our_own_words_to_the_upstream)
{
	struct exchange exchange = {.paid = true, .body = SPAN("hello")};

	/* the body's length is ours to say; a paid answer may not come compressed; our key replaces the client's */
	CHECK(strcmp(request_head(
			     REQUEST("Content-Length: 999\r\naccept-ENCODING: gzip\r\nauthORIZATION: Bearer x\r\n"),
			     &exchange, "Bearer ours"),
		     FORWARDED("Authorization: Bearer ours\r\nContent-Length: 5\r\n")) == 0);
}

static const char *answer_head(const char *upstream, const struct exchange *like, const char *extra, bool has_length,
			       uint64_t length, unsigned minor)
{
	static char out[8192];
	struct http_head request = {.minor = minor};
	struct exchange exchange = *like;

	exchange.head = parsed(upstream, false);
	exchange.status = exchange.head.status;
	exchange.request = &request;
	size_t bytes = relay_answer_head(out, sizeof out - 1, &exchange, span_str(extra), has_length, length);
	out[bytes] = 0;
	for (size_t room = 0; room < bytes; room++)
		CHECK_EQ(relay_answer_head(out + 4096, room, &exchange, span_str(extra), has_length, length), 0);
	return out;
}

#define OK "HTTP/1.1 200 OK\r\n"

TEST(what_reaches_the_client)
{
	static const char hostile[] =
		"HTTP/1.0 200 Fine\r\nServer: m\r\nPAYMENT-response: forged\r\nX-payment-RESPONSE: f\r\n"
		"payment-REQUIRED: f\r\nX-Payment: f\r\nPayment-Signature: f\r\nSettlement-Overrides: f\r\n"
		"Content-Length: 7\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n"
		"TRAILER: x\r\nUpgrade: y\r\nX-Forwarded-For: stays\r\n\r\n";
	struct exchange free_one = {0}, paid = {.paid = true, .is_stream = true, .client_chunked = true, .close = true};

	CHECK(strcmp(answer_head(hostile, &free_one, "", true, 7, 1),
		     OK "Server: m\r\nX-Forwarded-For: stays\r\nContent-Length: 7\r\n\r\n") == 0);
	CHECK(strcmp(answer_head(hostile, &free_one, "", true, 7, 0),
		     OK "Server: m\r\nX-Forwarded-For: stays\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n") ==
	      0);
	CHECK(strcmp(answer_head(OK "Cache-Control: public\r\nA: b\r\n\r\n", &paid, "PAYMENT-RESPONSE: r\r\n", false, 0,
				 1),
		     OK "A: b\r\nCache-Control: private, no-store\r\nX-Accel-Buffering: no\r\nPAYMENT-RESPONSE: r\r\n"
			"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n") == 0);
	CHECK(strcmp(answer_head(OK "Cache-Control: public\r\n\r\n", &free_one, "", false, 0, 1),
		     OK "Cache-Control: public\r\n\r\n") == 0);
	CHECK(strncmp(answer_head("HTTP/1.1 503 Away\r\n\r\n", &free_one, "", false, 0, 1), "HTTP/1.1 503 ", 13) == 0);
}

/* --- bodies, at every split --- */

#define SSE OK "Content-Type: text/event-stream; charset=utf-8\r\n"
#define EVENT(n) "data: {\"choices\":[{\"delta\":{\"content\":\"" n "\"}}],\"usage\":null}\n\n"
#define EXTRA "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":2,\"total_tokens\":13}}\n\n"
#define DONE "data: [DONE]\n\n"

static const struct row {
	const char *name, *answer, *body;
	enum reason failure;
	bool close, metered, strip;
	unsigned content_events;
	uint64_t output; /* 0: usage not known */
} bodies[] = {
	{"length", OK "Content-Length: 5\r\n\r\nhello", "hello", REASON_OK, false, false, false, 0, 0},
	{"more than its length", OK "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200", "hello", REASON_OK, false, false,
	 false, 0, 0},
	{"chunks", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\nX", "abcde",
	 REASON_OK, false, false, false, 0, 0},
	{"no chunks", OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", REASON_OK, false, false, false, 0, 0},
	{"until it closes", OK "\r\nhello", "hello", REASON_OK, true, false, false, 0, 0},
	{"bad chunk", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", "abc", UPSTREAM_BAD, false, false,
	 false, 0, 0},
	{"two lengths", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "", UPSTREAM_BAD, false, false,
	 false, 0, 0},
	{"no HTTP", "garbage\r\n\r\n", "", UPSTREAM_BAD, false, false, false, 0, 0},
	{"a stream, passed on", SSE "\r\n" EVENT("a") EXTRA DONE, EVENT("a") EXTRA DONE, REASON_OK, true, false, false,
	 0, 0},
	{"a stream, metered", SSE "\r\n" EVENT("a") EVENT("b") EXTRA DONE, EVENT("a") EVENT("b") EXTRA DONE, REASON_OK,
	 true, true, false, 2, 2},
	{"a stream without what we asked for", SSE "\r\n" EVENT("a") EVENT("b") EXTRA DONE, EVENT("a") EVENT("b") DONE,
	 REASON_OK, true, true, true, 2, 2},
	{"a stream with a length that cannot stay", SSE "Content-Length: 119\r\n\r\n" EXTRA DONE DONE, DONE DONE,
	 REASON_OK, false, true, true, 0, 2},
	{"CRLF events", SSE "\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", "data: 1\r\n\r\ndata: 2\r\n\r\n", REASON_OK, true,
	 true, true, 2, 0},
	{"CR events", SSE "\r\ndata: 1\r\rdata: 2\r\r", "data: 1\r\rdata: 2\r\r", REASON_OK, true, true, true, 2, 0},
	{"comments", SSE "\r\n: ping\n\n" EVENT("a"), ": ping\n\n" EVENT("a"), REASON_OK, true, true, true, 1, 0},
	{"an end without its empty line", SSE "\r\n" EVENT("a") "data: x", EVENT("a") "data: x", REASON_OK, true, true,
	 true, 2, 0},
	{"usage without its empty line",
	 SSE "\r\n" EVENT("a") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":7}}\n",
	 EVENT("a"), REASON_OK, true, true, true, 1, 7},
	{"usage in chunks cut anywhere",
	 SSE "Transfer-Encoding: chunked\r\n\r\n10\r\ndata: {\"choices\"\r\n3c\r\n:[],\"usage\":{\"prompt_tokens\":1,"
	     "\"completion_tokens\":9}}\n\ndata\r\n4\r\n: x\n\r\n1\r\n\n\r\n0\r\n\r\n",
	 "data: x\n\n", REASON_OK, false, true, true, 1, 9},
};

static void check_body(const struct row *row, const struct rig_mode *mode)
{
	struct rig_result result;
	struct span body;

	rig_run(&result, mode, span_str(row->answer), cut, row->close);
	CHECK_ROW(result.failure == row->failure, row->name);
	CHECK_ROW(result.done == (row->failure == REASON_OK), row->name);
	if (mode->hold) {
		CHECK_ROW(result.failure != REASON_OK || span_equal(result.held, span_str(row->body)), row->name);
	} else if (result.head_done) {
		CHECK_ROW(rig_body(&body, &result), row->name);
		CHECK_ROW(span_equal(body, span_str(row->body)), row->name);
		CHECK_ROW(result.content_events == row->content_events, row->name);
		CHECK_ROW(result.usage.known == (row->output > 0) && result.usage.output == row->output, row->name);
		free((void *)(uintptr_t)body.at);
	}
	rig_end();
}

TEST(bodies_at_every_split)
{
	CHECK_EQ(slab_init(&rig.slab, 1, RESPONSE_MAX), 0);
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		const struct row *row = &bodies[i];
		for (piece_bytes = 1; piece_bytes <= strlen(row->answer); piece_bytes++) {
			for (unsigned old_client = 0; old_client < 2; old_client++) {
				struct rig_mode mode = {.metered = row->metered,
							.strip_usage = row->strip,
							.old_client = old_client,
							.out_bytes = OUT_BYTES,
							.response_bytes_max = RESPONSE_MAX};
				check_body(row, &mode);
			}
			struct rig_mode hold = {
				.hold = true, .out_bytes = OUT_BYTES, .response_bytes_max = RESPONSE_MAX};
			if (!row->metered)
				check_body(row, &hold);
		}
	}
	slab_fini(&rig.slab);
}

/* Every byte of a stream in the same order as ever, the end of it last, and nothing else delayed. */
TEST(the_end_of_a_stream_waits_at_every_split)
{
	static const struct {
		const char *name, *at_once, *at_the_end;
		bool strip;
		uint64_t output;
	} rows[] = {
		{"usage and [DONE]", EVENT("a") EVENT("b"), EXTRA DONE, false, 2},
		{"[DONE] alone", EVENT("a") EVENT("b"), DONE, false, 0},
		{"no end at all", EVENT("a") EVENT("b"), "", false, 0},
		{"comments behind the end", ": ping\n\n" EVENT("a") ": ping\n\n", EXTRA ": ping\n\n" DONE, false, 2},
		{"usage was not the end", EXTRA ": ping\n\n" EVENT("a"), DONE, false, 2},
		{"usage with content", EVENT("a") "data: {\"choices\":[{}],\"usage\":{\"completion_tokens\":5}}\n\n",
		 DONE, false, 5},
		{"whatever comes behind [DONE]", EVENT("a"), DONE EVENT("b") "data: x\n\n", false, 0},
		{"usage without its empty line", EVENT("a"),
		 "data: {\"choices\":[],\"usage\":{\"completion_tokens\":3}}\n", false, 3},
		{"[DONE] without its empty line", EVENT("a"), EXTRA "data: [DONE]", false, 2},
		{"nothing but an end", "", EXTRA DONE, false, 2},
		{"CRLF", "data: 1\r\n\r\n", "data: [DONE]\r\n\r\n", false, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char answer[1024], body_text[1024];
		snprintf(answer, sizeof answer, SSE "\r\n%s%s", rows[i].at_once, rows[i].at_the_end);
		snprintf(body_text, sizeof body_text, "%s%s", rows[i].at_once, rows[i].at_the_end);
		for (piece_bytes = 1; piece_bytes <= strlen(answer); piece_bytes++) {
			struct rig_mode mode = {.metered = true,
						.hold_end = true,
						.old_client = piece_bytes & 1,
						.out_bytes = OUT_BYTES,
						.response_bytes_max = RESPONSE_MAX};
			struct rig_result result;
			struct span body;
			rig_run(&result, &mode, span_str(answer), cut, true);
			CHECK_ROW(result.done && rig_body(&body, &result), rows[i].name);
			CHECK_ROW(span_equal(body, span_str(body_text)), rows[i].name);
			CHECK_ROW(result.usage.output == rows[i].output, rows[i].name);
			free((void *)(uintptr_t)body.at);
			struct rig_result early = result;
			early.sent_bytes = result.before_end_bytes;
			early.done = false;
			CHECK_ROW(rig_body(&body, &early), rows[i].name);
			CHECK_ROW(span_equal(body, span_str(rows[i].at_once)), rows[i].name);
			free((void *)(uintptr_t)body.at);
			rig_end();
		}
	}
}

/* What a node signed is found in whatever pieces it comes, only when it is asked for, and not a byte of the stream changes. */
TEST(a_proof_is_found_at_every_split)
{
	static const char *const streams[] = {
		EVENT("a") "data: {\"choices\":[],\"usage\":{\"completion_tokens\":2}" TEE_MEMBERS "}\n\n" DONE,
		EVENT("a") EXTRA "data: {\"choices\":[]" TEE_MEMBERS "}\n\n" DONE,
		EVENT("a") "data: {\"choices\":[{}]" TEE_MEMBERS "}", /* the end of the connection is its end */
	};

	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		char answer[4096];
		snprintf(answer, sizeof answer, SSE "\r\n%s", streams[i]);
		for (piece_bytes = 1; piece_bytes <= strlen(answer); piece_bytes++) {
			struct rig_mode mode = {.metered = true,
						.hold_end = true,
						.wants_proof = piece_bytes % 3 != 0,
						.out_bytes = OUT_BYTES,
						.response_bytes_max = RESPONSE_MAX};
			struct rig_result result;
			struct span body;
			rig_run(&result, &mode, span_str(answer), cut, true);
			CHECK_ROW(result.done && rig_body(&body, &result), streams[i]);
			CHECK_ROW(span_equal(body, span_str(streams[i])), streams[i]);
			CHECK_ROW(rig.exchange.proof.known == mode.wants_proof, streams[i]);
			if (mode.wants_proof)
				CHECK(rig.exchange.proof.timestamp == 1700000000 &&
				      rig.exchange.proof.tee_id.at[31] == 0xff);
			free((void *)(uintptr_t)body.at);
			rig_end();
		}
	}
}

TEST(an_asked_for_end_is_held_without_the_chunk_we_added)
{
	static const char answer[] = SSE "\r\n" EVENT("a") EXTRA DONE;
	struct rig_mode mode = {.metered = true,
				.strip_usage = true,
				.hold_end = true,
				.out_bytes = OUT_BYTES,
				.response_bytes_max = RESPONSE_MAX};
	struct rig_result result;
	struct span body;

	for (piece_bytes = 1; piece_bytes < sizeof answer; piece_bytes++) {
		rig_run(&result, &mode, span_str(answer), cut, true);
		CHECK(rig_body(&body, &result) && span_equal(body, span_str(EVENT("a") DONE)));
		CHECK(memmem(result.sent, result.before_end_bytes, "DONE", 4) == NULL);
		CHECK(memmem(result.sent, result.before_end_bytes, "\"a\"", 3) != NULL);
		CHECK_EQ(result.usage.output, 2);
		free((void *)(uintptr_t)body.at);
		rig_end();
	}
}

/* An end that is too large to be kept is passed on, in its order. */
TEST(an_end_that_outgrows_its_place)
{
	static const size_t pieces[] = {1, 7, 4096, 1 << 20, 0};
	static const size_t sizes[] = {EXCHANGE_END_BYTES - 100, EXCHANGE_END_BYTES, EXCHANGE_EVENT_BYTES,
				       EXCHANGE_EVENT_BYTES + 1};

	random_start("relay ends");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t answer_max = 4096 + 2 * sizes[i], bytes;
		char *answer = malloc(answer_max);
		bytes = (size_t)sprintf(answer, "%s", SSE "\r\n" EVENT("a") EXTRA);
		for (unsigned k = 0; k < 2; k++) { /* comments, behind the usage */
			memset(answer + bytes, 'x', sizes[i]);
			answer[bytes] = ':';
			memcpy(answer + bytes + sizes[i] - 2, "\n\n", 2);
			bytes += sizes[i];
		}
		bytes += (size_t)sprintf(answer + bytes, "%s", DONE);
		size_t head_bytes = sizeof SSE "\r\n" - 1;
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			struct rig_mode mode = {.metered = true,
						.hold_end = true,
						.out_bytes = k % 2 ? EXCHANGE_EVENT_BYTES + EXCHANGE_END_BYTES + 64
								   : OUT_BYTES,
						.response_bytes_max = RESPONSE_MAX};
			struct rig_result result;
			struct span body;
			piece_bytes = pieces[k];
			rig_run(&result, &mode, span_of(answer, bytes), cut, true);
			CHECK(result.done && rig_body(&body, &result));
			CHECK(span_equal(body, span_of(answer + head_bytes, bytes - head_bytes)));
			CHECK_EQ(result.usage.output, 2);
			CHECK(memmem(result.sent, result.before_end_bytes, "[DONE]", 6) == NULL);
			free((void *)(uintptr_t)body.at);
			rig_end();
		}
		free(answer);
	}
}

TEST(a_head_request_gets_no_body)
{
	struct rig_mode mode = {.head_request = true, .out_bytes = OUT_BYTES, .response_bytes_max = RESPONSE_MAX};
	struct rig_result result;

	piece_bytes = 7;
	rig_run(&result, &mode, SPAN(OK "Content-Length: 1234\r\n\r\n"), cut, false);
	CHECK(result.done);
	CHECK(span_equal(span_of(result.sent, result.sent_bytes), SPAN(OK "Content-Length: 1234\r\n\r\n")));
	rig_end();
}

/* --- sizes --- */

static struct span stream_of(size_t event_bytes, size_t events)
{
	size_t head_bytes = sizeof SSE - 1 + 2;
	uint8_t *at = malloc(head_bytes + event_bytes * events), *out = at + head_bytes;

	memcpy(at, SSE "\r\n", head_bytes);
	for (size_t i = 0; i < events; i++, out += event_bytes) {
		memset(out, 'x', event_bytes);
		memcpy(out, "data: ", 6);
		memcpy(out + event_bytes - 2, "\n\n", 2);
	}
	return span_of(at, (size_t)(out - at));
}

TEST(events_around_the_buffer_size)
{
	static const size_t sizes[] = {EXCHANGE_EVENT_BYTES - 1, EXCHANGE_EVENT_BYTES, EXCHANGE_EVENT_BYTES + 1,
				       EXCHANGE_EVENT_BYTES * 5};
	static const size_t pieces[] = {1, 4096, EXCHANGE_EVENT_BYTES - 1, EXCHANGE_EVENT_BYTES, 1 << 20, 0};

	random_start("relay events");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct span stream = stream_of(sizes[i], 3), body;
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			struct rig_mode mode = {.metered = true,
						.out_bytes = k % 2 ? EXCHANGE_EVENT_BYTES + 64 : OUT_BYTES,
						.response_bytes_max = RESPONSE_MAX};
			struct rig_result result;
			piece_bytes = pieces[k];
			rig_run(&result, &mode, stream, cut, true);
			CHECK(result.done && result.content_events == 3);
			CHECK(rig_body(&body, &result));
			size_t head_bytes = stream.bytes - 3 * sizes[i];
			CHECK(span_equal(body, span_of(stream.at + head_bytes, 3 * sizes[i])));
			free((void *)(uintptr_t)body.at);
			rig_end();
		}
		free((void *)(uintptr_t)stream.at);
	}
}

TEST(held_answers_grow_once_and_end_at_the_limit)
{
	static const struct {
		const char *name;
		size_t bytes, limit, buffers;
		enum reason failure;
	} rows[] = {
		{"all that fits the slot", EXCHANGE_HELD_BYTES, RESPONSE_MAX, 1, REASON_OK},
		{"one more takes a buffer", EXCHANGE_HELD_BYTES + 1, RESPONSE_MAX, 1, REASON_OK},
		{"no buffer left", EXCHANGE_HELD_BYTES + 1, RESPONSE_MAX, 0, MEMORY_FULL},
		{"no buffer needed", EXCHANGE_HELD_BYTES, RESPONSE_MAX, 0, REASON_OK},
		{"at the limit", RESPONSE_MAX, RESPONSE_MAX, 1, REASON_OK},
		{"over the limit", RESPONSE_MAX + 1, RESPONSE_MAX, 1, UPSTREAM_LARGE},
		{"at a limit below the slot's", 1024, 1024, 1, REASON_OK},
		{"over a limit below the slot's", 1025, 1024, 1, UPSTREAM_LARGE},
	};
	static const size_t pieces[] = {1, 4096, 1 << 20};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *answer = malloc(rows[i].bytes + 200);
		size_t head_bytes = (size_t)sprintf(answer, OK "Content-Length: %zu\r\n\r\n", rows[i].bytes);
		for (size_t k = 0; k < rows[i].bytes; k++)
			answer[head_bytes + k] = (char)('a' + k % 26);
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			struct rig_mode mode = {
				.hold = true, .out_bytes = OUT_BYTES, .response_bytes_max = rows[i].limit};
			struct rig_result result;
			CHECK_EQ(slab_init(&rig.slab, 1, RESPONSE_MAX), 0);
			if (rows[i].buffers == 0)
				slab_take(&rig.slab);
			piece_bytes = pieces[k];
			rig_run(&result, &mode, span_of(answer, head_bytes + rows[i].bytes), cut, false);
			CHECK_ROW(result.failure == rows[i].failure, rows[i].name);
			if (rows[i].failure == REASON_OK)
				CHECK_ROW(span_equal(result.held, span_of(answer + head_bytes, rows[i].bytes)),
					  rows[i].name);
			rig_end();
			slab_fini(&rig.slab);
		}
		free(answer);
	}
}

CHECK_MAIN
