// SPDX-License-Identifier: Apache-2.0
// link: user/parse.c user/parse_chunked.c
/* fuzz_answer.c: an answer given in pieces is read as when given at once: the same status, framing and body, and as many
 * bytes behind it.
 * Input: one byte that seeds the sizes of the pieces, then the answer. */
#include <assert.h>
#include <stdlib.h>

#include "parse_answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define BODY_MAX 1000

struct reading {
	uint8_t head_room[HEAD_BYTES_MAX], body_room[BODY_MAX];
	struct http_answer answer;
	enum parse_result result;
};

static size_t cut_whole(size_t left)
{
	return left;
}

static uint32_t seed;

static size_t cut_random(size_t left)
{
	seed = seed * 1664525 + 1013904223;
	size_t piece = 1 + (seed >> 16) % (seed >> 30 == 0 ? 300 : 7);
	return piece < left ? piece : left;
}

/* How many bytes were not wanted. */
static size_t run(struct reading *reading, struct span bytes, size_t (*cut)(size_t left))
{
	struct http_answer *answer = &reading->answer;

	*answer = (struct http_answer){
		.head_at = reading->head_room, .body_at = reading->body_room, .body_bytes_max = BODY_MAX};
	reading->result = PARSE_MORE;
	while (bytes.bytes > 0 && reading->result == PARSE_MORE) {
		size_t piece_bytes = cut(bytes.bytes);
		uint8_t *copy = malloc(piece_bytes); /* of its exact size, so that a read past the end is found */
		memcpy(copy, bytes.at, piece_bytes);
		struct span piece = span_of(copy, piece_bytes);
		reading->result = parse_answer(answer, &piece);
		assert(answer->head_bytes <= HEAD_BYTES_MAX && answer->body_bytes <= BODY_MAX);
		assert(reading->result != PARSE_MORE || piece.bytes == 0);
		size_t taken = piece_bytes - piece.bytes;
		bytes = span_of(bytes.at + taken, bytes.bytes - taken);
		free(copy);
	}
	if (reading->result == PARSE_DONE)
		assert(answer->head_done && answer->body.done && answer->head.status >= 200);
	assert(!answer->large || reading->result == PARSE_BAD);
	return bytes.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static struct reading whole, pieces;

	if (bytes == 0)
		return 0;
	struct span answer = span_of(at + 1, bytes - 1);
	seed = at[0];
	size_t whole_left = run(&whole, answer, cut_whole), pieces_left = run(&pieces, answer, cut_random);
	assert(whole.result == pieces.result && whole.answer.large == pieces.answer.large);
	assert(whole.answer.head_done == pieces.answer.head_done);
	if (whole.answer.head_done)
		assert(whole.answer.head.status == pieces.answer.head.status &&
		       whole.answer.body.frame == pieces.answer.body.frame);
	if (whole.result == PARSE_BAD)
		return 0;
	assert(whole_left == pieces_left && whole.answer.body_bytes == pieces.answer.body_bytes);
	assert(memcmp(whole.body_room, pieces.body_room, whole.answer.body_bytes) == 0);
	return 0;
}
