// SPDX-License-Identifier: Apache-2.0
#include "parse.c"

#include <ctype.h>

#include "base/clock.h"
#include "check.h"
#include "guard.h"
#include "http_oracle.h"
#include "random.h"

#define TEXT(literal) literal, sizeof(literal) - 1

#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST /v1/chat/completions HTTP/1.1\r\n" H
#define OK PARSE_DONE, REASON_OK
#define REFUSED(reason) PARSE_BAD, reason

static const struct {
	const char *text;
	size_t bytes;
	enum parse_result result;
	enum reason refusal;
} requests[] = {
	/* request line */
	{TEXT(GET "\r\n"), OK},
	{TEXT("\r\n" GET "\r\n"), OK},
	{TEXT("\r\n\r\n" GET "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("\n" GET "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(" " GET "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.0\r\n\r\n"), OK},
	{TEXT("GET /\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / \r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.2\r\n" H "\r\n"), REFUSED(HTTP_VERSION)},
	{TEXT("GET / HTTP/2.0\r\n" H "\r\n"), REFUSED(HTTP_VERSION)},
	{TEXT("GET / HTTP/0.9\r\n" H "\r\n"), REFUSED(HTTP_VERSION)},
	{TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REFUSED(HTTP_VERSION)},
	{TEXT("GET / http/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1 \r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/11.\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.01\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/a.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET  / HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /  HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET\t/ HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /\tHTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("G@T / HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("G\xc3\x84T / HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /a b HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /a#b HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /\x7f HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /\0 HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET /%2e%2e/a?b=c&d HTTP/1.1\r\n" H "\r\n"), OK},
	{TEXT("GET //a\\b HTTP/1.1\r\n" H "\r\n"), OK},
	{TEXT("GET http://a/ HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET a/b HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("CONNECT a:443 HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), OK},
	{TEXT("GET * HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("OPTIONS *a HTTP/1.1\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("\x16\x03\x01\x02\x00\x01\x00"), REFUSED(HTTP_BAD)}, /* TLS, at its first byte */
	/* line ends */
	{TEXT("GET / HTTP/1.1\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost: a\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\n\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\r\n" H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: b\rc: d\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "\r\r"), REFUSED(HTTP_BAD)},
	/* fields */
	{TEXT(GET "A:b\r\nC:\r\nD: \t e \t \r\n\r\n"), OK},
	{TEXT(GET "A: b\r\n c\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: b\r\n\tc\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: b\r\n \r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A : b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A\t: b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET ": b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A b: c\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A(b): c\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "\xc3\xa4: c\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: \xc3\xa4\r\n\r\n"), OK}, /* obs-text */
	{TEXT(GET "A: \0\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: \x7f\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: \x01\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: \x0b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "A: b\tc\r\n\r\n"), OK},
	/* Host */
	{TEXT("GET / HTTP/1.1\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost: \t\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.0\r\nHost:\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET H "\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(GET "hOST: b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT("GET / HTTP/1.1\r\nHost: [::1]:8402\r\n\r\n"), OK},
	/* body length */
	{TEXT(POST "Content-Length: 0\r\n\r\n"), OK},
	{TEXT(POST "Content-Length: 1152921504606846976\r\n\r\n"), OK}, /* 2^60 */
	{TEXT(POST "Content-Length: 1152921504606846977\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 18446744073709551615\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 18446744073709551616\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 99999999999999999999\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length:\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: +5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: -5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5 5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5, 5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5,\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 0x5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 05\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5.0\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5e1\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: \"5\"\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: \xb5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length : 5\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(POST "Transfer-Encoding: chunked\r\n\r\n"), OK},
	{TEXT(POST "transfer-encoding:  CHUNKED  \r\n\r\n"), OK},
	{TEXT(POST "Transfer-Encoding:\tchunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked\t\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked \t\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length:5 \r\n\r\n"), OK},
	{TEXT(POST "Content-Length: \t 5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5\t\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding:\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: identity\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked,\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding : chunked\r\n\r\n"), REFUSED(HTTP_BAD)},
	{TEXT(POST "Transfer-Encoding: \x0b"
		   "chunked\r\n\r\n"),
	 REFUSED(HTTP_BAD)},
	{TEXT(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "Transfer-Encoding-: chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "transfer-encodings: a\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT(POST "X-Transfer-Encoding: a\r\n\r\n"), OK},
	{TEXT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), REFUSED(HTTP_AMBIGUOUS)},
	{TEXT("POST / HTTP/1.0\r\n" H "Content-Length: 3\r\n\r\n"), OK},
	/* Expect */
	{TEXT(POST "Expect: 100-continue\r\n\r\n"), OK},
	{TEXT(POST "Expect: 100-Continue\r\n\r\n"), OK},
	{TEXT(POST "Expect: 200-ok\r\n\r\n"), REFUSED(EXPECTATION)},
	{TEXT(POST "Expect:\r\n\r\n"), REFUSED(EXPECTATION)},
	{TEXT(POST "Expect: 100-continue\r\nExpect: x\r\n\r\n"), REFUSED(EXPECTATION)},
};
#define REQUEST_CNT (sizeof requests / sizeof requests[0])

static struct http_head head;

TEST(requests_and_reasons)
{
	for (size_t i = 0; i < REQUEST_CNT; i++) {
		struct guard guard;
		struct span bytes = guard_copy(&guard, requests[i].text, requests[i].bytes);
		enum parse_result result = parse_request(&head, bytes, 0);
		CHECK_ROW(result == requests[i].result && head.refusal == requests[i].refusal, requests[i].text);
		const char *differs = result == PARSE_DONE ? oracle_differs(&head, bytes, true) : NULL;
		if (differs != NULL)
			printf("http-parser differs: %s\n", differs);
		CHECK_ROW(differs == NULL, requests[i].text);
		guard_free(&guard);
	}
}

/* Every prefix of an accepted request wants more; a refused one is never accepted on the way. */
TEST(every_prefix)
{
	for (size_t i = 0; i < REQUEST_CNT; i++) {
		for (size_t n = 0; n < requests[i].bytes; n++) {
			struct guard guard;
			enum parse_result result = parse_request(&head, guard_copy(&guard, requests[i].text, n), 0);
			CHECK_ROW(requests[i].result == PARSE_DONE ? result == PARSE_MORE : result != PARSE_DONE,
				  requests[i].text);
			guard_free(&guard);
		}
	}
}

/* One byte more each time, with seen as the contract says: ends as when given at once. */
TEST(pieces_of_one_byte)
{
	for (size_t i = 0; i < REQUEST_CNT; i++) {
		enum parse_result result = PARSE_MORE;
		size_t seen = 0, n = 0;
		while (result == PARSE_MORE && n < requests[i].bytes) {
			seen = n++;
			result = parse_request(&head, span_of(requests[i].text, n), seen);
		}
		CHECK_ROW(result == requests[i].result && head.refusal == requests[i].refusal, requests[i].text);
	}
}

TEST(two_pieces)
{
	for (size_t i = 0; i < REQUEST_CNT; i++) {
		for (size_t cut = 0; cut <= requests[i].bytes; cut++) {
			enum parse_result result = parse_request(&head, span_of(requests[i].text, cut), 0);
			if (result == PARSE_MORE)
				result = parse_request(&head, span_of(requests[i].text, requests[i].bytes), cut);
			CHECK_ROW(result == requests[i].result && head.refusal == requests[i].refusal,
				  requests[i].text);
		}
	}
}

TEST(what_is_found)
{
	const char text[] = "\r\nPOST /v1/chat/completions?x=1 HTTP/1.1\r\n"
			    "Host: node.example:8402\r\n"
			    "Content-Type: application/json\r\n"
			    "PAYMENT-SIGNATURE:  eyJ=  \r\n"
			    "X-Payment: old\r\n"
			    "x-payment: older\r\n"
			    "Expect: 100-CONTINUE\r\n"
			    "Content-Length: 12\r\n"
			    "\r\nbody follows";

	CHECK_EQ(parse_request(&head, span_str(text), 0), PARSE_DONE);
	CHECK(span_equal(head.method, SPAN("POST")));
	CHECK(span_equal(head.target, SPAN("/v1/chat/completions?x=1")));
	CHECK_EQ(head.minor, 1);
	CHECK_EQ(head.field_cnt, 7);
	CHECK_EQ(head.head_bytes, sizeof text - 1 - 12);
	CHECK(head.keep_alive && head.expect_continue && head.has_length && !head.chunked);
	CHECK_EQ(head.content_bytes, 12);
	CHECK(span_equal(head.host, SPAN("node.example:8402")));
	CHECK(span_equal(head.content_type, SPAN("application/json")));
	CHECK(span_equal(head.payment_v2, SPAN("eyJ=")));
	CHECK(span_equal(head.payment_v1, SPAN("old")));
	CHECK_EQ(head.payment_field_cnt, 3);
	CHECK(span_equal(head.fields[2].name, SPAN("PAYMENT-SIGNATURE")));
	/* nothing is left from the one before */
	CHECK_EQ(parse_request(&head, SPAN("GET / HTTP/1.0\r\n\r\n"), 0), PARSE_DONE);
	CHECK(head.host.at == NULL && head.payment_v2.at == NULL && head.payment_v1.at == NULL &&
	      head.content_type.at == NULL);
	CHECK(head.payment_field_cnt == 0 && head.field_cnt == 0 && !head.has_length && !head.expect_continue);
}

TEST(keep_alive)
{
	static const struct {
		const char *text;
		bool keep;
	} rows[] = {
		{GET "\r\n", true},
		{GET "Connection: close\r\n\r\n", false},
		{GET "Connection: foo, Close ,bar\r\n\r\n", false},
		{GET "Connection: foo\r\nConnection: close\r\n\r\n", false},
		{GET "Connection: closed\r\n\r\n", true},
		{GET "Connection: keep-alive, close\r\n\r\n", false},
		{GET "Connection: ,,\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_ROW(parse_request(&head, span_str(rows[i].text), 0) == PARSE_DONE, rows[i].text);
		CHECK_ROW(head.keep_alive == rows[i].keep, rows[i].text);
	}
	CHECK_EQ(parse_request(&head, SPAN("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), 0), PARSE_DONE);
	CHECK(!head.expect_continue);
}

TEST(field_count_limit)
{
	char text[HEAD_BYTES_MAX];

	for (unsigned cnt = HEAD_FIELDS_MAX - 1; cnt <= HEAD_FIELDS_MAX + 1; cnt++) {
		int used = snprintf(text, sizeof text, GET);
		for (unsigned i = 1; i < cnt; i++)
			used += snprintf(text + used, sizeof text - (size_t)used, "F%u: %u\r\n", i, i);
		used += snprintf(text + used, sizeof text - (size_t)used, "\r\n");
		enum parse_result want = cnt <= HEAD_FIELDS_MAX ? PARSE_DONE : PARSE_BAD;
		CHECK_EQ(parse_request(&head, span_of(text, (size_t)used), 0), want);
		CHECK_EQ(head.refusal, want == PARSE_DONE ? REASON_OK : HTTP_LARGE);
		CHECK_EQ(head.field_cnt, cnt <= HEAD_FIELDS_MAX ? cnt : HEAD_FIELDS_MAX);
	}
}

/* A head of `total` bytes, padded in its last field. */
static size_t head_of(char *text, size_t total)
{
	size_t used = (size_t)sprintf(text, GET "Pad: ");

	memset(text + used, 'x', total - used - 4);
	memcpy(text + total - 4, "\r\n\r\n", 4);
	return total;
}

TEST(head_size_limit)
{
	static char text[3 * HEAD_BYTES_MAX];

	for (size_t total = HEAD_BYTES_MAX - 4; total <= HEAD_BYTES_MAX + 4; total++) {
		bool fits = total <= HEAD_BYTES_MAX;
		head_of(text, total);
		enum parse_result whole = parse_request(&head, span_of(text, total), 0);
		CHECK_EQ(whole, fits ? PARSE_DONE : PARSE_BAD);
		CHECK_EQ(head.refusal, fits ? REASON_OK : HTTP_LARGE);
		if (fits)
			CHECK_EQ(head.head_bytes, total);
		/* the body behind it does not count */
		CHECK_EQ(parse_request(&head, span_of(text, sizeof text), 0), whole);
		/* and in two pieces, the cut around the limit */
		for (size_t cut = HEAD_BYTES_MAX - 6; cut <= total; cut++) {
			enum parse_result result = parse_request(&head, span_of(text, cut), 0);
			if (result == PARSE_MORE)
				result = parse_request(&head, span_of(text, total), cut);
			CHECK_EQ(result, whole);
		}
	}
	memset(text, 'x', sizeof text);
	CHECK_EQ(parse_request(&head, span_of(text, HEAD_BYTES_MAX - 1), 0), PARSE_MORE);
	CHECK_EQ(parse_request(&head, span_of(text, HEAD_BYTES_MAX), HEAD_BYTES_MAX - 1), PARSE_BAD);
	CHECK_EQ(head.refusal, HTTP_LARGE);
}

/* All 256 bytes in each place of a request: accepted exactly where the grammar has them. */
TEST(every_byte_in_every_place)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char c = (char)byte;
		bool token = byte_is((uint8_t)byte, CLASS_TOKEN), visible = byte > 0x20 && byte < 0x7f;
		char method[] = "GExT / HTTP/1.1\r\n" H "\r\n", target[] = "GET /x HTTP/1.1\r\n" H "\r\n";
		char name[] = GET "AxB: c\r\n\r\n", value[] = GET "A: bxc\r\n\r\n";
		*strchr(method, 'x') = *strchr(target, 'x') = *strchr(name, 'x') = *strchr(value, 'x') = c;

		bool in_name = token || c == ':'; /* "A::B" ends the name earlier */
		CHECK_EQ(parse_request(&head, span_of(method, sizeof method - 1), 0) == PARSE_DONE, token);
		CHECK_EQ(parse_request(&head, span_of(target, sizeof target - 1), 0) == PARSE_DONE,
			 visible && c != '#');
		CHECK_EQ(parse_request(&head, span_of(name, sizeof name - 1), 0) == PARSE_DONE, in_name);
		CHECK_EQ(parse_request(&head, span_of(value, sizeof value - 1), 0) == PARSE_DONE,
			 visible || c == ' ' || c == '\t' || byte >= 0x80);
		bool want = byte > 0 && (strchr("!#$%&'*+-.^_`|~", c) != NULL || (byte < 0x80 && isalnum((int)byte)));
		CHECK_EQ(token, want);
	}
}

static const struct {
	const char *text;
	size_t bytes;
	unsigned status; /* 0: refused */
} responses[] = {
	{TEXT("HTTP/1.1 200 OK\r\n\r\n"), 200},
	{TEXT("HTTP/1.1 200 \r\n\r\n"), 200},
	{TEXT("HTTP/1.1 200\r\n\r\n"), 200},
	{TEXT("HTTP/1.0 599 what \xc3\xa4\tever\r\n\r\n"), 599},
	{TEXT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), 100},
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), 200},
	{TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 200},
	{TEXT("HTTP/1.1 200 OK\r\nExpect: nothing\r\nHost: a\r\nHost: b\r\n\r\n"), 200},
	{TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 2000 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 099 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 20 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 2x0 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1  200 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1\t200 OK\r\n\r\n"), 0},
	{TEXT("HTTP/2.0 200 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1\r\n\r\n"), 0},
	{TEXT("ICY 200 OK\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200 OK\n\n"), 0},
	{TEXT("HTTP/1.1 200 \0\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 0},
	{TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), 0},
	{TEXT("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), 0},
};

TEST(responses_and_statuses)
{
	for (size_t i = 0; i < sizeof responses / sizeof *responses; i++) {
		struct guard guard;
		struct span bytes = guard_copy(&guard, responses[i].text, responses[i].bytes);
		enum parse_result want = responses[i].status != 0 ? PARSE_DONE : PARSE_BAD;
		CHECK_ROW(parse_response(&head, bytes, 0) == want, responses[i].text);
		if (want == PARSE_DONE) {
			CHECK_ROW(head.status == responses[i].status, responses[i].text);
			CHECK_ROW(oracle_differs(&head, bytes, false) == NULL, responses[i].text);
		} else {
			CHECK_ROW(head.refusal == UPSTREAM_BAD, responses[i].text);
		}
		for (size_t cut = 0; cut < bytes.bytes; cut++) {
			enum parse_result result = parse_response(&head, span_of(bytes.at, cut), 0);
			if (result == PARSE_MORE)
				result = parse_response(&head, bytes, cut);
			CHECK_ROW(result == want, responses[i].text);
		}
		guard_free(&guard);
	}
}

/* Good requests with a few bytes changed: whatever we still accept, http-parser reads the same way. */
TEST(mutants_agree_with_http_parser)
{
	static const char alphabet[] = "\r\n \t:/#,;%0159aAzZ-_\x80\xff\x00\x7f\x0b";
	unsigned accepted = 0;

	random_start("mutants_agree_with_http_parser");
	for (unsigned round = 0; round < 200000; round++) {
		char text[512];
		size_t row = random_below(REQUEST_CNT), bytes = requests[row].bytes;
		memcpy(text, requests[row].text, bytes);
		for (size_t changes = random_below(3); changes > 0; changes--)
			text[random_below(bytes)] = alphabet[random_below(sizeof alphabet - 1)];
		if (parse_request(&head, span_of(text, bytes), 0) != PARSE_DONE)
			continue;
		accepted++;
		const char *differs = oracle_differs(&head, span_of(text, bytes), true);
		if (differs != NULL)
			printf("%s: %.*s\n", differs, (int)bytes, text);
		CHECK(differs == NULL);
	}
	CHECK(accepted > 10000);
}

CHECK_MAIN
