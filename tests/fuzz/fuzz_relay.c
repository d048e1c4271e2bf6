// SPDX-License-Identifier: Apache-2.0
// link: user/parse.c user/parse_chunked.c user/parse_answer.c user/parse_sse.c user/openai.c user/base/base64.c user/base/hex.c
// link: user/base/json.c user/base/utf8.c user/base/slab.c user/base/log.c
/* fuzz_relay.c: an upstream's answer, whatever it is, becomes well-framed bytes for the client or none; and in whatever
 * pieces it comes, the client reads the same and owes the same, and the same proof is found.
 * Input: one byte of mode bits, one that seeds the sizes of the pieces, then the answer. */
#include <assert.h>

#include "relay_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define RESPONSE_MAX 40000

static uint32_t seed;

static size_t cut_whole(size_t left)
{
	return left;
}

static size_t cut_random(size_t left)
{
	seed = seed * 1664525 + 1013904223;
	size_t piece = 1 + (seed >> 16) % (seed >> 30 == 0 ? 300 : 7);
	return piece < left ? piece : left;
}

struct outcome {
	enum reason failure;
	bool done;
	struct span body;
	struct openai_usage usage;
	uint64_t content_events;
	struct proof proof;
};

static struct outcome run(const struct rig_mode *mode, struct span bytes, size_t (*cut)(size_t left))
{
	struct rig_result result;
	struct span body = {0};

	rig_run(&result, mode, bytes, cut, true);
	if (result.head_done && !mode->hold) {
		assert(rig_body(&body, &result));
	} else if (result.done && mode->hold) {
		assert(result.sent_bytes == 0 && result.held.bytes <= RESPONSE_MAX);
		uint8_t *copy = malloc(result.held.bytes + 1);
		memcpy(copy, result.held.at, result.held.bytes);
		body = span_of(copy, result.held.bytes);
	}
	if (rig.exchange.answer.frame == FRAME_NONE && result.head_done)
		assert(body.bytes == 0);
	rig_end();
	return (struct outcome){.failure = result.failure,
				.done = result.done,
				.body = body,
				.usage = result.usage,
				.content_events = result.content_events,
				.proof = rig.exchange.proof};
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	if (bytes < 2)
		return 0;
	struct rig_mode mode = {.hold = at[0] & 1,
				.metered = at[0] & 2,
				.wants_proof = at[0] & 2,
				.strip_usage = at[0] & 4,
				.paid = at[0] & 8,
				.hold_end = at[0] & 8,
				.old_client = at[0] & 16,
				.head_request = at[0] & 32,
				.out_bytes = at[0] & 64 ? EXCHANGE_EVENT_BYTES + EXCHANGE_END_BYTES + 64 : 65536,
				.response_bytes_max = at[0] & 128 ? 1000 : RESPONSE_MAX};
	struct span answer = span_of(at + 2, bytes - 2);

	if (rig.slab.at == NULL)
		assert(slab_init(&rig.slab, 1, RESPONSE_MAX) == 0);
	seed = at[1];
	struct outcome whole = run(&mode, answer, cut_whole), pieces = run(&mode, answer, cut_random);
	assert(whole.failure == pieces.failure && whole.done == pieces.done);
	assert(span_equal(whole.body, pieces.body));
	assert(whole.content_events == pieces.content_events && whole.usage.known == pieces.usage.known);
	assert(whole.usage.input == pieces.usage.input && whole.usage.output == pieces.usage.output);
	const struct proof *a = &whole.proof, *b = &pieces.proof;
	assert(a->known == b->known && a->timestamp == b->timestamp && a->signature_bytes == b->signature_bytes);
	assert(memcmp(a->signature, b->signature, a->signature_bytes) == 0 &&
	       memcmp(&a->tee_id, &b->tee_id, sizeof a->tee_id) == 0);
	free((void *)(uintptr_t)whole.body.at);
	free((void *)(uintptr_t)pieces.body.at);
	return 0;
}
