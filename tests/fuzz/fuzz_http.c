// SPDX-License-Identifier: Apache-2.0
// link: -lhttp_parser
/* fuzz_http.c: a head given in pieces ends as when given at once; what we accept, http-parser reads the same way.
 * Input: one byte (bit 0: response; the rest: size of the pieces), then the head. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "parse.c"

#include "http_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static enum parse_result parse(struct http_head *head, struct span bytes, size_t seen, bool request)
{
	return request ? parse_request(head, bytes, seen) : parse_response(head, bytes, seen);
}

static bool inside(struct span span, const uint8_t *at, size_t bytes)
{
	return span.at == NULL || (span.at >= at && span.at + span.bytes <= at + bytes);
}

static void check_done(const struct http_head *head, struct span bytes, bool request)
{
	assert(head->refusal == REASON_OK && head->head_bytes <= bytes.bytes && head->head_bytes <= HEAD_BYTES_MAX);
	assert(memcmp(bytes.at + head->head_bytes - 4, "\r\n\r\n", 4) == 0);
	assert(!(head->chunked && head->has_length) && head->field_cnt <= HEAD_FIELDS_MAX);
	for (size_t i = 0; i < head->field_cnt; i++) {
		assert(inside(head->fields[i].name, bytes.at, head->head_bytes));
		assert(inside(head->fields[i].value, bytes.at, head->head_bytes));
	}
	if (request)
		assert(inside(head->method, bytes.at, head->head_bytes) &&
		       inside(head->target, bytes.at, head->head_bytes));
	const char *differs = oracle_differs(head, bytes, request);
	if (differs != NULL) {
		fprintf(stderr, "http-parser differs: %s\n", differs);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static struct http_head whole, pieces;

	if (bytes == 0)
		return 0;
	bool request = (at[0] & 1) == 0;
	size_t step = 1 + (at[0] >> 1), seen = 0, n = 0;
	uint8_t *copy = malloc(bytes); /* an allocation of its own: a byte too far is seen */
	struct span all = span_of(copy, bytes - 1);
	memcpy(copy, at + 1, bytes - 1);

	enum parse_result result = parse(&whole, all, 0, request), piecewise = PARSE_MORE;
	while (piecewise == PARSE_MORE && n < all.bytes) {
		seen = n;
		n = n + step < all.bytes ? n + step : all.bytes;
		piecewise = parse(&pieces, span_of(copy, n), seen, request);
	}
	assert(result == piecewise && (all.bytes == 0 || whole.refusal == pieces.refusal));
	assert((result == PARSE_BAD) == (whole.refusal != REASON_OK));
	if (result == PARSE_DONE) {
		assert(whole.head_bytes == pieces.head_bytes && whole.field_cnt == pieces.field_cnt);
		check_done(&whole, all, request);
	}
	free(copy);
	return 0;
}
