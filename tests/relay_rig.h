// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TESTS_RELAY_RIG_H
#define TOLLBAR_TESTS_RELAY_RIG_H
/* relay_rig.h: relay.c without sockets.  An upstream's bytes, cut as the caller likes, go the way forward.c takes them:
 * head, frame, body, end; what the client's connection would get is kept in one buffer.  Includes relay.c. */
#include "relay.c"

#include <stdlib.h>

struct rig_mode {
	bool hold, metered, strip_usage, paid, old_client, head_request, hold_end, wants_proof;
	uint32_t out_bytes;	   /* the client connection's output buffer */
	size_t response_bytes_max; /* of a held answer */
};

struct rig_result {
	enum reason failure;
	bool done; /* the answer is complete */
	bool head_done;
	uint8_t *sent; /* what the client got, head and framing included */
	size_t sent_bytes;
	struct span held;
	struct openai_usage usage;
	uint64_t content_events;
	size_t before_end_bytes; /* of `sent`, what the client got before the answer was finished */
};

static struct {
	struct config config;
	struct forward_config forward;
	struct slab slab;
	struct exchange exchange;
	struct conn client;
	struct http_head request;
	uint8_t out[1 << 17], head[HEAD_BYTES_MAX], event[EXCHANGE_EVENT_BYTES], held[EXCHANGE_HELD_BYTES];
	uint8_t *sent;
	size_t sent_bytes, sent_max;
} rig;

/* --- what relay.c calls --- */

const struct forward_config *forward_config_of(const struct forward *forward)
{
	(void)forward;
	return &rig.forward;
}

size_t conn_room(const struct conn *conn)
{
	return conn->out_bytes_max - conn->out_end;
}

uint8_t *conn_reserve(struct conn *conn, size_t bytes)
{
	return conn_room(conn) < bytes ? NULL : conn->out + conn->out_end;
}

void conn_commit(struct conn *conn, size_t bytes)
{
	ASSERT(bytes <= conn_room(conn));
	conn->out_end += (uint32_t)bytes;
}

/* --- the client's socket --- */

static void rig_drain(void)
{
	if (rig.sent_bytes + rig.client.out_end > rig.sent_max) {
		rig.sent_max = 2 * (rig.sent_bytes + rig.client.out_end);
		rig.sent = realloc(rig.sent, rig.sent_max);
		ASSERT(rig.sent != NULL);
	}
	if (rig.client.out_end > 0)
		memcpy(rig.sent + rig.sent_bytes, rig.client.out, rig.client.out_end);
	rig.sent_bytes += rig.client.out_end;
	rig.client.out_end = 0;
}

/* --- an exchange --- */

static void rig_start(const struct rig_mode *mode)
{
	rig.config.response_bytes_max = mode->response_bytes_max;
	rig.forward = (struct forward_config){.config = &rig.config, .slab = &rig.slab};
	rig.client = (struct conn){.out = rig.out, .out_bytes_max = mode->out_bytes};
	rig.request = (struct http_head){.method = mode->head_request ? SPAN("HEAD") : SPAN("POST"),
					 .target = SPAN("/x"),
					 .minor = mode->old_client ? 0 : 1};
	size_t inline_max = mode->response_bytes_max < sizeof rig.held ? mode->response_bytes_max : sizeof rig.held;
	rig.exchange = (struct exchange){.client = &rig.client,
					 .request = &rig.request,
					 .metered = mode->metered,
					 .strip_usage = mode->strip_usage,
					 .paid = mode->paid,
					 .hold_end = mode->hold_end,
					 .wants_proof = mode->wants_proof,
					 .relay = mode->hold ? RELAY_HOLD : RELAY_PASS,
					 .head_at = rig.head,
					 .event_at = rig.event,
					 .held_inline = rig.held,
					 .held_at = rig.held,
					 .held_bytes_max = inline_max,
					 .held = span_of(rig.held, 0)};
	rig.sent_bytes = 0;
}

static size_t rig_head(struct span bytes, enum reason *failure)
{
	struct exchange *exchange = &rig.exchange;
	size_t given = bytes.bytes;
	enum parse_result result = parse_answer_head(&exchange->head, exchange->head_at, &exchange->head_bytes, &bytes);

	if (result == PARSE_BAD)
		*failure = UPSTREAM_BAD;
	if (result != PARSE_DONE)
		return given;
	exchange->head_done = true;
	exchange->status = exchange->head.status;
	struct span type = exchange->head.content_type;
	exchange->is_stream = type.bytes >= 17 && span_equal_nocase(span_of(type.at, 17), SPAN("text/event-stream"));
	parse_answer_frame(&exchange->answer, &exchange->head, span_equal(rig.request.method, SPAN("HEAD")));
	if (exchange->relay == RELAY_PASS) {
		bool rewritten = exchange->metered && exchange->is_stream,
		     bodyless = exchange->answer.frame == FRAME_NONE;
		bool has_length =
			!rewritten && (bodyless ? exchange->head.has_length : exchange->answer.frame == FRAME_LENGTH);
		exchange->client_chunked = !has_length && !bodyless && rig.request.minor == 1;
		size_t bytes_out = relay_answer_head((char *)rig.out, conn_room(&rig.client), exchange,
						     (struct span){0}, has_length, exchange->head.content_bytes);
		ASSERT(bytes_out > 0);
		conn_commit(&rig.client, bytes_out);
		rig_drain();
	}
	return given - bytes.bytes;
}

/* Runs an answer through; `cut` says how long the next piece is (at least 1) of `left`.  at_end: the upstream closes. */
static void rig_run(struct rig_result *result, const struct rig_mode *mode, struct span bytes,
		    size_t (*cut)(size_t left), bool at_end)
{
	struct exchange *exchange = &rig.exchange;
	enum reason failure = REASON_OK;

	rig_start(mode);
	while (bytes.bytes > 0 && failure == REASON_OK && !exchange->answer.done) {
		struct span piece = span_of(bytes.at, cut(bytes.bytes));
		while (piece.bytes > 0 && failure == REASON_OK && !exchange->answer.done) {
			size_t taken =
				exchange->head_done ? relay_body(exchange, piece, &failure) : rig_head(piece, &failure);
			ASSERT(taken <= piece.bytes);
			/* nothing taken: only ever because the client has not read; then it does */
			ASSERT(taken > 0 || failure != REASON_OK || rig.client.out_end > 0);
			if (taken == 0)
				rig_drain();
			piece = span_of(piece.at + taken, piece.bytes - taken);
			bytes = span_of(bytes.at + taken, bytes.bytes - taken);
		}
	}
	if (at_end && exchange->head_done && exchange->answer.frame == FRAME_CLOSE && failure == REASON_OK)
		exchange->answer.done = true;
	rig_drain();
	size_t before_end_bytes = rig.sent_bytes;
	if (exchange->answer.done && failure == REASON_OK && !relay_finish(exchange)) {
		rig_drain();
		ASSERT(relay_finish(exchange));
	}
	rig_drain();
	*result = (struct rig_result){.failure = failure,
				      .done = exchange->answer.done && failure == REASON_OK,
				      .head_done = exchange->head_done,
				      .sent = rig.sent,
				      .sent_bytes = rig.sent_bytes,
				      .held = exchange->held,
				      .usage = exchange->usage,
				      .content_events = exchange->content_events,
				      .before_end_bytes = before_end_bytes};
}

static void rig_end(void)
{
	if (rig.exchange.held_at != NULL && rig.exchange.held_at != rig.exchange.held_inline)
		slab_give(&rig.slab, rig.exchange.held_at);
	rig.exchange.held_at = NULL;
}

/* What a client makes of it: its body, out of its own reading of the framing.  false: the framing is wrong. */
static bool rig_body(struct span *body, const struct rig_result *result)
{
	struct span in = span_of(result->sent, result->sent_bytes);
	const uint8_t *end = memmem(in.at, in.bytes, "\r\n\r\n", 4);
	uint8_t *out = malloc(in.bytes + 1);
	size_t out_bytes = 0;
	bool good = end != NULL && out != NULL, last = false;

	in = good ? span_of(end + 4, (size_t)(in.at + in.bytes - end - 4)) : in;
	if (good && !rig.exchange.client_chunked) {
		memcpy(out, in.at, in.bytes);
		out_bytes = in.bytes;
		in.bytes = 0;
	}
	while (good && in.bytes > 0) {
		char digits[9] = {0}, *stop;
		const uint8_t *line = memmem(in.at, in.bytes, "\r\n", 2);
		good = line != NULL && line - in.at <= 8 && line > in.at && !last;
		if (!good)
			break;
		memcpy(digits, in.at, (size_t)(line - in.at));
		size_t size = strtoul(digits, &stop, 16), whole = (size_t)(line - in.at) + 2 + size + 2;
		good = *stop == 0 && whole <= in.bytes && memcmp(line + 2 + size, "\r\n", 2) == 0;
		if (!good)
			break;
		memcpy(out + out_bytes, line + 2, size);
		out_bytes += size;
		last = size == 0;
		in = span_of(in.at + whole, in.bytes - whole);
	}
	/* the last chunk says that all of it came, and only then */
	if (rig.exchange.client_chunked && last != result->done)
		good = false;
	*body = span_of(out, out_bytes);
	return good;
}

#endif
