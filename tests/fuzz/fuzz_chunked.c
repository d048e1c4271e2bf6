// SPDX-License-Identifier: Apache-2.0
// link: user/parse_sse.c -lhttp_parser
/* fuzz_chunked.c: a chunked body given in pieces ends as when given at once; what we accept, http-parser decodes to the
 * same bytes.  The decoded bytes then go through the event splitter, which must not care about pieces either.
 * Input: one byte (size of the pieces), then the body. */
#include <assert.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>

#include "parse_chunked.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

struct body {
	uint8_t *at;
	size_t bytes;
	bool complete;
};

static enum parse_result decode(struct body *out, struct span bytes, size_t step, size_t *rest)
{
	struct chunked chunked = {0};
	enum parse_result result = PARSE_MORE;

	while (result == PARSE_MORE && bytes.bytes > 0) {
		struct span piece = span_of(bytes.at, bytes.bytes < step ? bytes.bytes : step), data;
		size_t before = piece.bytes;
		do {
			result = parse_chunked(&chunked, &piece, &data);
			memcpy(out->at + out->bytes, data.at, data.bytes);
			out->bytes += data.bytes;
		} while (result == PARSE_MORE && piece.bytes > 0);
		bytes = span_of(bytes.at + (before - piece.bytes), bytes.bytes - (before - piece.bytes));
	}
	*rest = bytes.bytes;
	return result;
}

static int oracle_body(http_parser *parser, const char *at, size_t bytes)
{
	struct body *body = parser->data;

	memcpy(body->at + body->bytes, at, bytes);
	body->bytes += bytes;
	return 0;
}

static int oracle_complete(http_parser *parser)
{
	((struct body *)parser->data)->complete = true;
	return 0;
}

/* http-parser also looks for the fields of a head among the trailers, which we only check and drop. */
static bool trailer_trouble(enum http_errno err)
{
	return err == HPE_UNEXPECTED_CONTENT_LENGTH || err == HPE_INVALID_CONTENT_LENGTH ||
	       err == HPE_INVALID_TRANSFER_ENCODING;
}

static void compare(struct span bytes, const struct body *ours)
{
	static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
	http_parser_settings settings;
	http_parser parser;
	struct body body = {.at = malloc(bytes.bytes + 1)};

	http_parser_settings_init(&settings);
	settings.on_body = oracle_body;
	settings.on_message_complete = oracle_complete;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = &body;
	assert(http_parser_execute(&parser, &settings, head, sizeof head - 1) == sizeof head - 1);
	http_parser_execute(&parser, &settings, (const char *)bytes.at, bytes.bytes);
	enum http_errno err = HTTP_PARSER_ERRNO(&parser);
	if (!trailer_trouble(err)) {
		if (!body.complete)
			fprintf(stderr, "http-parser: %s\n", http_errno_name(err));
		assert(body.complete);
	}
	assert(body.bytes == ours->bytes && memcmp(body.at, ours->at, body.bytes) == 0);
	free(body.at);
}

/* Where events end, in pieces of `step`; out has room for one more than there are bytes. */
static size_t ends(size_t *out, struct span bytes, size_t step)
{
	struct sse sse = {0};
	size_t cnt = 0, at = 0;

	while (at < bytes.bytes) {
		size_t left = bytes.bytes - at, piece = left < step ? left : step;
		bool ended;
		size_t took = parse_sse(&sse, span_of(bytes.at + at, piece), &ended);
		assert(took <= piece && (ended || took == piece));
		at += took;
		if (ended)
			out[cnt++] = at;
	}
	return cnt;
}

static void check_events(struct span bytes, size_t step)
{
	size_t *whole = malloc((bytes.bytes + 1) * sizeof *whole), *pieces = malloc((bytes.bytes + 1) * sizeof *pieces);
	size_t cnt = ends(whole, bytes, SIZE_MAX);

	assert(cnt <= bytes.bytes && ends(pieces, bytes, step) == cnt);
	assert(memcmp(whole, pieces, cnt * sizeof *whole) == 0);
	free(whole);
	free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	if (bytes < 2)
		return 0;
	size_t step = 1 + at[0], rest, rest_pieces;
	uint8_t *copy = malloc(bytes - 1);
	struct span all = span_of(memcpy(copy, at + 1, bytes - 1), bytes - 1);
	struct body whole = {.at = malloc(bytes)}, pieces = {.at = malloc(bytes)};

	enum parse_result result = decode(&whole, all, SIZE_MAX, &rest);
	assert(decode(&pieces, all, step, &rest_pieces) == result && rest_pieces == rest);
	assert(whole.bytes == pieces.bytes && memcmp(whole.at, pieces.at, whole.bytes) == 0);
	if (result == PARSE_DONE)
		compare(span_of(copy, all.bytes - rest), &whole);
	check_events(span_of(whole.at, whole.bytes), step);
	check_events(all, step);
	free(whole.at);
	free(pieces.at);
	free(copy);
	return 0;
}
