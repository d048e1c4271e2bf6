// SPDX-License-Identifier: Apache-2.0
#include "answer_native.h"

#include <endian.h>

#include "answer.h"
#include "gate.h"
#include "purchase.h"
#include "results.h"
#include "worker.h"

/* --- datagrams --- */

static struct native_head head_of(enum native_kind kind, size_t bytes)
{
	return (struct native_head){
		.magic = NATIVE_MAGIC_BYTES, .kind = (uint8_t)kind, .bytes = htobe16((uint16_t)bytes)};
}

static void send_receipt(struct request *request, const uint8_t *id, enum reason reason, uint32_t place)
{
	struct native_receipt receipt = {.head = head_of(NATIVE_RECEIPT, sizeof receipt),
					 .reason = htobe16((uint16_t)reason),
					 .place = htobe32(place)};

	memcpy(receipt.nonce, request->payment.nonce.at, sizeof receipt.nonce);
	if (id != NULL)
		memcpy(receipt.id, id, sizeof receipt.id);
	stats_add(&request->worker->stats.receipts, 1);
	udp_reply(request->worker->natives.udp, &request->native.peer, span_of(&receipt, sizeof receipt));
}

_Static_assert(sizeof(struct native_receipt) <= UDP_REPLY_BYTES_MAX, "a receipt fits a reply");

void answer_native_cookie(struct worker *worker, const struct udp_peer *peer, uint64_t cookie, const uint8_t echo[8])
{
	struct native_cookie_reply reply = {.head = head_of(NATIVE_COOKIE_REPLY, sizeof reply)};

	memcpy(reply.cookie, &cookie, sizeof reply.cookie);
	memcpy(reply.echo, echo, sizeof reply.echo);
	udp_reply(worker->natives.udp, peer, span_of(&reply, sizeof reply));
}

/* --- receipts --- */

bool answer_native_repeat(struct request *request, const struct claim_key *key)
{
	struct result_state state;

	if (!results_repeat(request->worker->shared->results, key, request->native.tag, &request->source, &state))
		return false;
	stats_add(&request->worker->stats.native_repeats, 1);
	send_receipt(request, state.id, REASON_OK, state.place);
	return true;
}

void answer_native_taken(struct request *request)
{
	uint32_t place = request->stage == STAGE_QUEUE ? request->ticket.place : 0;

	stats_add(&request->worker->stats.native_taken, 1);
	result_place(request->native.result, place);
	send_receipt(request, result_id(request->native.result), REASON_OK, place);
}

void answer_native_refuse(struct request *request, enum reason reason)
{
	bool repeat =
		request->native.proven && reason == REPLAYED && answer_native_repeat(request, &request->permit.key);

	if (!repeat)
		answer_count(request, reason);
	answer_release(request);
	natives_drop_datagram(request);
	if (!repeat && request->native.proven)
		send_receipt(request, NULL, reason, 0);
	answer_done(request);
}

/* --- the sink --- */

static size_t to_result(struct conn *conn, struct span bytes)
{
	struct request *request = conn->owner;
	size_t taken = result_append(request->native.result, bytes);

	if (taken < bytes.bytes && result_full(request->native.result))
		gate_client_gone(request);
	return taken;
}

static void sink_drained(struct conn *conn)
{
	struct request *request = conn->owner;

	if (request->stage == STAGE_FORWARD)
		forward_resume(&request->exchange);
}

static void sink_closed(struct conn *conn)
{
	struct request *request = conn->owner;

	natives_drop_datagram(request);
	wheel_cancel(&request->timer);
	result_end(&request->native.result, request->end, !request->native.cut);
	request->stage = STAGE_CLOSED;
	worker_free_request(request);
}

const struct conn_events answer_native_events = {
	.drained = sink_drained,
	.output = to_result,
	.closed = sink_closed,
};
