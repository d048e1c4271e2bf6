// SPDX-License-Identifier: Apache-2.0
/* parse_answer.c: an answer as a client reads it: the head that counts, then a body by any of the framings. */
#include "parse.h"

enum parse_result parse_answer_head(struct http_head *head, uint8_t *at, size_t *have, struct span *bytes)
{
	while (bytes->bytes > 0) {
		size_t before = *have, room = HEAD_BYTES_MAX - before;
		size_t copy = bytes->bytes < room ? bytes->bytes : room;

		memcpy(at + before, bytes->at, copy);
		enum parse_result result = parse_response(head, span_of(at, before + copy), before);
		if (result == PARSE_BAD || (result == PARSE_DONE && head->status == 101))
			return PARSE_BAD;
		size_t used = result == PARSE_DONE ? head->head_bytes - before : copy;
		*bytes = span_of(bytes->at + used, bytes->bytes - used);
		*have = result == PARSE_DONE ? 0 : before + copy;
		if (result == PARSE_DONE && head->status >= 200)
			return PARSE_DONE;
	}
	return PARSE_MORE;
}

void parse_answer_frame(struct http_body *body, const struct http_head *head, bool bodyless)
{
	*body = (struct http_body){.left = head->has_length ? head->content_bytes : 0};
	if (bodyless || head->status == 204 || head->status == 304 || (head->has_length && head->content_bytes == 0))
		body->frame = FRAME_NONE;
	else if (head->chunked)
		body->frame = FRAME_CHUNKED;
	else if (head->has_length)
		body->frame = FRAME_LENGTH;
	else
		body->frame = FRAME_CLOSE;
	body->done = body->frame == FRAME_NONE;
}

bool parse_answer_body(struct http_body *body, struct span *bytes, struct span *run)
{
	size_t take = bytes->bytes;

	if (body->frame == FRAME_CHUNKED) {
		enum parse_result result = parse_chunked(&body->chunked, bytes, run);
		body->done = result == PARSE_DONE;
		return result != PARSE_BAD;
	}
	if (body->frame == FRAME_LENGTH) {
		if (take > body->left)
			take = (size_t)body->left;
		body->left -= take;
		body->done = body->left == 0;
	}
	*run = span_of(bytes->at, take);
	*bytes = span_of(bytes->at + take, bytes->bytes - take);
	return true;
}

static enum parse_result collect_body(struct http_answer *answer, struct span *bytes)
{
	while (bytes->bytes > 0 && !answer->body.done) {
		struct span run = {0};
		if (!parse_answer_body(&answer->body, bytes, &run))
			return PARSE_BAD;
		answer->large = run.bytes > answer->body_bytes_max - answer->body_bytes;
		if (answer->large)
			return PARSE_BAD;
		if (run.bytes > 0)
			memcpy(answer->body_at + answer->body_bytes, run.at, run.bytes);
		answer->body_bytes += run.bytes;
	}
	return answer->body.done ? PARSE_DONE : PARSE_MORE;
}

enum parse_result parse_answer(struct http_answer *answer, struct span *bytes)
{
	if (!answer->head_done) {
		enum parse_result result =
			parse_answer_head(&answer->head, answer->head_at, &answer->head_bytes, bytes);
		if (result != PARSE_DONE)
			return result;
		answer->head_done = true;
		parse_answer_frame(&answer->body, &answer->head, false);
		answer->large = answer->body.frame == FRAME_LENGTH && answer->body.left > answer->body_bytes_max;
		if (answer->large)
			return PARSE_BAD;
	}
	return collect_body(answer, bytes);
}
