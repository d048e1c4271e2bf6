// SPDX-License-Identifier: Apache-2.0
// link: user/parse.c user/parse_chunked.c
/* fuzz_answer.c: an answer given in pieces is read as when given at once: the same status, framing and body, and as many
 * bytes behind it.
 * Input: one byte that seeds the sizes of the pieces, then the answer. */
#include <assert.h>
#include <stdlib.h>

#include "parse_answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

struct reading {
	uint8_t room[HEAD_BYTES_MAX];
	size_t have;
	struct http_head head;
	struct http_body body;
	bool head_done, bad;
	uint8_t *text;
	size_t text_bytes;
};

static bool is_over(const struct reading *reading)
{
	return reading->bad || (reading->head_done && reading->body.done);
}

/* Takes one piece; what is left of it was not wanted. */
static void take(struct reading *reading, struct span *piece)
{
	if (!reading->head_done) {
		enum parse_result result = parse_answer_head(&reading->head, reading->room, &reading->have, piece);
		assert(reading->have <= HEAD_BYTES_MAX);
		reading->bad = result == PARSE_BAD;
		reading->head_done = result == PARSE_DONE;
		if (reading->head_done) {
			assert(reading->head.status >= 200 && reading->have == 0);
			parse_answer_frame(&reading->body, &reading->head, false);
		} else {
			assert(reading->bad || piece->bytes == 0);
		}
	}
	while (reading->head_done && !is_over(reading) && piece->bytes > 0) {
		struct span run = {0}, before = *piece;
		reading->bad = !parse_answer_body(&reading->body, piece, &run);
		if (reading->bad)
			return;
		assert(piece->bytes < before.bytes && run.bytes <= before.bytes - piece->bytes);
		if (run.bytes > 0)
			memcpy(reading->text + reading->text_bytes, run.at, run.bytes);
		reading->text_bytes += run.bytes;
	}
}

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
	memset(reading, 0, sizeof *reading);
	reading->text = malloc(bytes.bytes + 1);
	while (bytes.bytes > 0 && !is_over(reading)) {
		size_t piece_bytes = cut(bytes.bytes);
		uint8_t *copy = malloc(piece_bytes); /* of its exact size, so that a read past the end is found */
		memcpy(copy, bytes.at, piece_bytes);
		struct span piece = span_of(copy, piece_bytes);
		take(reading, &piece);
		size_t taken = piece_bytes - piece.bytes;
		bytes = span_of(bytes.at + taken, bytes.bytes - taken);
		free(copy);
		if (taken == 0)
			break; /* bad */
	}
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
	assert(whole.bad == pieces.bad && whole.head_done == pieces.head_done);
	if (whole.head_done)
		assert(whole.head.status == pieces.head.status && whole.body.frame == pieces.body.frame);
	assert(whole.text_bytes == pieces.text_bytes && memcmp(whole.text, pieces.text, whole.text_bytes) == 0);
	if (!whole.bad)
		assert(whole.body.done == pieces.body.done && whole_left == pieces_left);
	free(whole.text);
	free(pieces.text);
	return 0;
}
