// SPDX-License-Identifier: Apache-2.0
// link: user/parse.c user/parse_target.c user/parse_chunked.c user/openai.c user/base/base64.c user/base/hex.c
// link: user/base/json.c user/base/utf8.c user/base/slab.c user/base/log.c
/* fuzz_request.c: a client's bytes become the same request in whatever pieces they come, within the limits, and never take
 * a byte of the next one.  A body that must ask for usage still says the same otherwise, and asks for it.
 * Input: one byte (bit 0: small body limit; bit 1: no large buffer), one that seeds the sizes of the pieces, the bytes. */
#include <assert.h>
#include <stdlib.h>

#include "account.h"
#include "request.c"

/* What a request leaves behind is no matter of its bytes. */
void account_request(struct request *request)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define BODY_MAX 50000
#define BODY_MAX_SMALL 1024

static struct config config;
static struct worker worker;
static struct request request;
static uint8_t memory[REQUEST_SLOT_BYTES];
static uint32_t seed;

/* Nothing is forwarded here. */
void forward_drop(struct exchange *exchange)
{
	assert(exchange->held_at == NULL);
}

static size_t piece_of(size_t left)
{
	if (seed == 0)
		return left;
	seed = seed * 1664525 + 1013904223;
	size_t piece = 1 + (seed >> 16) % (seed >> 30 == 0 ? 4096 : 9);
	return piece < left ? piece : left;
}

struct outcome {
	enum reason reason;
	bool head_done, body_done;
	size_t used;
	uint8_t *body;
	size_t body_bytes;
};

static struct outcome run(struct span bytes, uint32_t piece_seed)
{
	struct outcome out = {.reason = REASON_OK};
	enum parse_result result = PARSE_MORE;

	seed = piece_seed;
	request_reset(&request);
	while (out.used < bytes.bytes && out.reason == REASON_OK && !(out.head_done && request.body_done)) {
		struct span piece = span_of(bytes.at + out.used, piece_of(bytes.bytes - out.used));
		size_t taken;

		if (!out.head_done) {
			taken = request_take_head(&request, piece, &result);
			out.head_done = result == PARSE_DONE;
			if (result != PARSE_MORE)
				out.reason = out.head_done ? request_expect_body(&request) : request.head.refusal;
		} else {
			taken = request_take_body(&request, piece, &out.reason);
		}
		assert(taken > 0 && taken <= piece.bytes);
		out.used += taken;
	}
	out.body_done = out.reason == REASON_OK && out.head_done && request.body_done;
	assert(!out.body_done || request.body_bytes <= config.body_bytes_max);
	if (out.body_done) {
		out.body_bytes = request.body_bytes;
		out.body = malloc(out.body_bytes + 1);
		memcpy(out.body, request.body_at, out.body_bytes);
	}
	return out;
}

/* On what the last run left. */
static void ask_for_usage(void)
{
	struct openai_request *openai = &request.openai, again;

	if (openai_request(openai, request_body(&request)) != REASON_OK || openai->insert.bytes == 0)
		return;
	struct span model = openai->model;
	uint8_t *before = malloc(model.bytes + 1);
	if (model.bytes > 0)
		memcpy(before, model.at, model.bytes);
	request_insert_usage(&request);
	assert(openai_request(&again, request_body(&request)) == REASON_OK);
	assert(again.stream && again.include_usage && again.insert.bytes == 0);
	assert(span_equal(again.model, span_of(before, model.bytes)));
	free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	if (bytes < 2)
		return 0;
	if (worker.slab.at == NULL) {
		assert(slab_init(&worker.slab, 1, BODY_MAX + REQUEST_BODY_SLACK) == 0);
		worker.config = &config;
		request_init(&request, &worker, memory);
	}
	config.body_bytes_max = at[0] & 1 ? BODY_MAX_SMALL : BODY_MAX;
	uint8_t *only = at[0] & 2 ? slab_take(&worker.slab) : NULL;
	struct outcome whole = run(span_of(at + 2, bytes - 2), 0);
	struct outcome pieces = run(span_of(at + 2, bytes - 2), at[1] + 1u);

	assert(whole.reason == pieces.reason && whole.head_done == pieces.head_done);
	assert(whole.body_done == pieces.body_done && whole.body_bytes == pieces.body_bytes);
	if (whole.body_done) {
		assert(whole.used == pieces.used);
		assert(memcmp(whole.body, pieces.body, whole.body_bytes) == 0);
		ask_for_usage();
	}
	request_reset(&request);
	if (only != NULL)
		slab_give(&worker.slab, only);
	assert(worker.slab.free_cnt == 1);
	free(whole.body);
	free(pieces.body);
	return 0;
}
