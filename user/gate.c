/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c: read from top to bottom, this is a paid request's way through tollbar.
 *
 *   head ─► route ─► decode ─► early outs ─► hash, verify (batched) ─► body ─► permit ─► payer ─► funds ─► claim
 *        ─► queue ─► forward ─► answer: exact           held, settled, then released
 *                              exact, streamed settled, then passed on
 *                              upto, streamed  passed on once the claim is on disk, its end once the debt is
 *                              upto            held, settled for what it used, then released
 *                              in a session    held, released once the debt is on disk; settled with the session
 *
 * Every refusal leaves through answer_refuse, which gives back whatever was taken on the way. */
#include "gate.h"

#include "account.h"
#include "answer.h"
#include "answer_proof.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/probe.h"
#include "body.h"
#include "gate_funds.h"
#include "gate_head.h"
#include "gate_native.h"
#include "gate_results.h"
#include "gate_settle.h"
#include "gate_upstream.h"
#include "permit.h"
#include "purchase.h"
#include "worker.h"

#define PROGRESS_NS 1000000000ull /* how often a running stream's worth is put on record */

/* --- head: what is asked for, and does the payment look right --- */

/* Everything that is cheaper than a signature and can refuse.  Only looks: nothing is recorded of an unverified payment. */
static enum reason early_outs(struct request *request)
{
	struct shared *shared = request->worker->shared;
	const struct config_route *route = request->route;
	size_t body_bytes = request->head.has_length ? (size_t)request->head.content_bytes : 0;

	enum bind_mode bind = request->resumed ? BIND_OFF : route->bind_body;

	enum reason reason = bind_read(&request->binding, bind, &request->head);
	if (reason == REASON_OK && !request->resumed)
		reason = permit_offer(&request->offer, &request->payment, route->offers, route->offer_cnt);
	if (reason == REASON_OK)
		reason = permit_payment(&request->permit, &request->payment, request->offer, clock_unix_s());
	if (reason == REASON_OK)
		reason = payers_listed(shared->payers, &request->payment.from);
	if (reason == REASON_OK && !request->resumed && purchase_taken(request))
		reason = REPLAYED;
	if (reason == REASON_OK)
		reason = gate_line_look(request, body_bytes);
	return reason;
}

static enum reason check_head(struct request *request)
{
	/* The first request of a connection from before the drain is served: it was accepted here, and nobody else can answer. */
	bool draining = atomic_load_explicit(&request->worker->draining, memory_order_relaxed);
	bool too_late = draining && (request->late || request->conn.sent_bytes > 0);
	enum reason reason = too_late ? DRAINING : gate_find_route(request);

	if (reason == REASON_OK && request->paid) {
		reason = gate_read_payment(request);
		STEP_END(request, DECODE, decode);
		request->unpaid = reason == PAYMENT_MISSING && body_asked_first(request);
		if (request->unpaid) {
			reason = REASON_OK;
		} else if (reason == REASON_OK) {
			reason = early_outs(request);
			STEP_END(request, EARLY, early);
		}
	}
	return reason == REASON_OK ? request_expect_body(request) : reason;
}

void gate_head(struct request *request, enum parse_result result)
{
	STEP_END(request, PARSE, parse);
	if (result == PARSE_DONE && gate_result(request))
		return;
	enum reason reason = result == PARSE_BAD ? request->head.refusal : check_head(request);
	if (reason != REASON_OK) {
		answer_refuse(request, reason);
		return;
	}
	if (request->head.expect_continue && !request->body_done)
		conn_write(&request->conn, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
	gate_set_deadline(request, request->worker->config->timeouts.body_ms);
	request->close = !request->head.keep_alive;
	request->stage = STAGE_BODY;
	if (request->paid && !request->unpaid && !request->resumed)
		worker_enlist_verify(request->worker, request); /* → gate_verified, at the end of this round */
	else if (request->body_done)
		gate_body(request);
}

/* --- verify --- */

void gate_verified(struct request *request, enum reason verdict)
{
	/* Whoever sent a datagram need not exist: he costs no question to a chain. */
	bool by_code = (verdict == SIGNATURE_BAD || verdict == SIGNATURE_FORM) && !request->native.is &&
		       funds_may_judge(request->worker->shared->funds, request->offer);

	if (verdict != REASON_OK && !by_code) {
		answer_refuse(request, verdict);
		return;
	}
	request->verified = verdict == REASON_OK;
	if (request->verified)
		stats_add(&request->worker->stats.verified, 1);
	request->stage = STAGE_BODY;
	enum reason reason = REASON_OK;
	if (request->native.is) {
		request->native.proven = true;
		reason = gate_native_open(request);
	}
	if (reason != REASON_OK)
		answer_refuse(request, reason);
	else if (request->body_done)
		gate_body(request);
}

/* --- body: what exactly is asked, may this payer ask it, and take the claim --- */

/* On REASON_OK the payer's allowance is taken. */
static enum reason permit(struct request *request, unsigned *retry_after_s)
{
	uint64_t now_s = clock_unix_s(); /* the body may have taken its time: look again */
	unsigned after_s = 0;
	enum reason reason = permit_payment(&request->permit, &request->payment, request->offer, now_s);

	if (reason == REASON_OK)
		reason = payers_enter(request->worker->shared->payers, &request->payment.from,
				      purchase_reserve(request), now_s, &after_s);
	request->entered = reason == REASON_OK;
	if (after_s > 0)
		*retry_after_s = after_s;
	STEP_END(request, PERMIT, permit);
	return reason;
}

static enum reason claim(struct request *request)
{
	enum reason reason = purchase_take(request);

	if (reason == REASON_OK) {
		const struct shared *shared = request->worker->shared;
		stats_add(&request->worker->stats.claimed, 1);
		if (shared->claimed != NULL)
			shared->claimed(shared->kernel_ctx, &request->permit.key);
	}
	STEP_END(request, CLAIM, claim);
	return reason;
}

/* Its ticket is granted, or in line. */
static void await_place(struct request *request, bool granted)
{
	request->stage = granted ? STAGE_FORWARD : STAGE_QUEUE;
	if (granted)
		return;
	request->in_line = true;
	request->mails_out++;
	gate_set_deadline(request, request->worker->config->timeouts.queue_ms);
}

static enum reason queue(struct request *request)
{
	bool granted;
	enum reason reason = gate_line_up(request, &granted);

	if (reason != REASON_OK)
		return reason;
	stats_add(&request->worker->stats.queued, 1);
	await_place(request, granted);
	return REASON_OK;
}

static void forward(struct request *request);

/* Takes what the request may have, or refuses it. */
static void dispatch(struct request *request, enum reason reason, unsigned retry_after_s)
{
	if (reason == REASON_OK && request->paid)
		reason = claim(request);
	/* A queue that is full gives the claim back: a 503 never costs a nonce. */
	if (reason == REASON_OK)
		reason = queue(request);
	if (reason == REASON_OK && request->native.is)
		reason = gate_native_take(request);
	if (reason != REASON_OK) {
		unsigned status = reason_status(reason);
		answer_refuse_with(request, reason, status == 429 || status == 503 ? retry_after_s : 0,
				   (struct span){0});
		return;
	}
	if (request->stage == STAGE_FORWARD)
		forward(request);
}

static void hold(struct request *request, enum reason reason, unsigned retry_after_s)
{
	if (reason == REASON_OK && request->paid)
		reason = gate_hold(request);
	if (request->stage != STAGE_FUNDS)
		dispatch(request, reason, retry_after_s);
}

/* The signature held, unless the chain is still asked about it. */
static void admit(struct request *request, enum reason reason)
{
	unsigned retry_after_s = 1;

	if (request->stage == STAGE_FUNDS)
		return;
	if (reason == REASON_OK && request->paid)
		reason = permit(request, &retry_after_s);
	hold(request, reason, retry_after_s);
}

void gate_body(struct request *request)
{
	enum reason reason = REASON_OK;

	if (request->unpaid) {
		reason = body_read_unpaid(request);
	} else if (request->paid) {
		reason = body_read(request);
		STEP_END(request, BODY, body);
		if (reason == REASON_OK && !request->verified && !request->resumed)
			reason = gate_judge(request);
	}
	admit(request, reason);
}

void gate_funded(struct request *request)
{
	if (request->stage != STAGE_FUNDS) { /* it left while the chain was asked */
		answer_next(request);
		return;
	}
	request->stage = STAGE_BODY;
	if (!request->entered)
		admit(request, gate_judge(request));
	else
		hold(request, permit_payment(&request->permit, &request->payment, request->offer, clock_unix_s()), 1);
}

/* --- queue, forward --- */

void gate_granted(struct request *request)
{
	request->in_line = false;
	if (request->stage != STAGE_QUEUE) { /* it left while the grant was on its way */
		if (request->ticket.granted)
			queue_pop(request->worker->shared->queue, &request->ticket);
		answer_next(request);
	} else if (request->ticket.granted) {
		request->stage = STAGE_FORWARD;
		forward(request);
	} else { /* its seat is somebody's who has fewer */
		answer_refuse(request, request->ticket.refused);
	}
}

/* What is done once, however many upstreams it takes. */
static void prepare(struct request *request)
{
	stats_add(&request->worker->stats.forwarded, 1);
	if (request->native.is)
		gate_native_forward(request);
	if (request->openai.insert.bytes > 0) { /* a paid stream whose client did not ask for usage: we do */
		request_insert_usage(request);
		request->exchange.strip_usage = true;
	}
}

static void forward(struct request *request)
{
	struct exchange *exchange = &request->exchange;

	STEP_END(request, QUEUE, queue);
	if (request->ticket.avoid == 0)
		prepare(request);
	exchange->owner = request;
	exchange->client = &request->conn;
	exchange->request = &request->head;
	exchange->body = request_body(request);
	exchange->metered = request->paid;
	exchange->paid = request->paid;
	exchange->close = request->close;
	answer_expect_proof(request);
	request->sent_mark = request->conn.sent_bytes;
	gate_set_deadline(request, request->worker->config->timeouts.send_ms);
	forward_start(request->worker->forward, exchange, request->ticket.upstream_idx);
}

static void on_written(struct exchange *exchange)
{
	struct request *request = exchange->owner;

	STEP_END(request, CONNECT, connect);
	if (!request->paid)
		return;
	request->times.has_overhead = true;
	request->times.overhead_ns = request->mark_ns - request->began_ns - request_times_waited_ns(&request->times);
}

static void on_first_byte(struct exchange *exchange)
{
	STEP_END((struct request *)exchange->owner, FIRST_BYTE, first_byte);
}

/* --- the answer begins --- */

static void pass_stream(struct request *request)
{
	char line[PURCHASE_LINE_BYTES];

	forward_pass(&request->exchange, purchase_line(request, line));
}

static void on_began(struct exchange *exchange)
{
	struct request *request = exchange->owner;

	gate_upstream_began(request);
	if (!request->paid) {
		forward_pass(exchange, (struct span){0});
	} else if (exchange->status < 200 || exchange->status > 299) {
		/* The model server refused: its words go to the client, and nothing is charged. */
		purchase_release(request);
		forward_pass(exchange, (struct span){0});
	} else if (!exchange->is_stream) {
		forward_hold(exchange);
	} else if (request->payment.method != METHOD_UPTO) {
		forward_wait(exchange);
		gate_await_settlement(request);
	} else {
		exchange->hold_end = true;
		if (request->is_durable) {
			pass_stream(request);
		} else {
			forward_wait(exchange);
			request->stage = STAGE_DURABLE;
		}
	}
}

/* The claim is a debt already, and the end of the stream waits for it. */
static bool end_waits(const struct request *request)
{
	return request->stage == STAGE_DURABLE && !purchase_held(request);
}

/* The debt is not on disk, so nobody may learn that the answer was whole.  The debt stands. */
static void cut_end(struct request *request)
{
	answer_release(request);
	answer_cut(request, STORE_DOWN);
}

static void finish_stream(struct request *request)
{
	if (request->durable.error != 0) {
		cut_end(request);
		return;
	}
	request->stage = STAGE_FORWARD;
	request->sent_mark = request->conn.sent_bytes;
	gate_set_deadline(request, request->worker->config->timeouts.send_ms);
	forward_finish(&request->exchange);
}

void gate_durable(struct request *request)
{
	if (end_waits(request)) {
		finish_stream(request);
		return;
	}
	if (request->durable.error != 0) { /* the ledger has given the claim back already */
		bool ours = purchase_held(request);
		purchase_lost(request);
		if (ours && (request->stage == STAGE_QUEUE || request->stage == STAGE_FORWARD ||
			     request->stage == STAGE_DURABLE))
			answer_refuse(request, STORE_DOWN);
		else
			answer_next(request);
		return;
	}
	request->is_durable = true;
	if (request->stage == STAGE_DURABLE) {
		request->stage = STAGE_FORWARD;
		pass_stream(request);
	} else {
		answer_next(request);
	}
}

/* A part of the answer is with the client's connection. */
static void on_relayed(struct exchange *exchange)
{
	struct request *request = exchange->owner;

	answer_first_out(request);
	request->sent_mark = request->conn.sent_bytes;
	gate_set_deadline(request, request->worker->config->timeouts.send_ms);
	uint64_t now_ns = clock_ns();
	if (!purchase_held(request) || now_ns - request->progress_ns <= PROGRESS_NS)
		return;
	struct word due;
	answer_due(&due, request);
	request->outlived = !purchase_progress(request, &due);
	request->progress_ns = request->outlived ? 0 : now_ns;
	if (request->outlived)
		gate_set_deadline(request, 0); /* not from in here: the exchange is at work on it */
}

/* --- the answer ends --- */

static void end_free(struct request *request)
{
	stats_add(&request->worker->stats.free_served, 1);
	answer_release(request);
	answer_done(request);
}

/* upto, streamed: now it is known what it cost. */
static void on_complete(struct exchange *exchange)
{
	struct request *request = exchange->owner;
	struct word due;

	queue_pop(request->worker->shared->queue, &request->ticket); /* the model is free for the next */
	answer_due(&due, request);
	answer_owe(request, &due, NULL, &request->durable);
	request->stage = STAGE_DURABLE;
	gate_set_deadline(request, request->worker->config->timeouts.send_ms);
}

static void end_passed(struct request *request)
{
	stats_add(&request->worker->stats.events_relayed, request->exchange.relayed_events);
	answer_whole(request);
}

static void end_held(struct request *request)
{
	struct exchange *exchange = &request->exchange;

	openai_usage(&exchange->usage, exchange->held);
	queue_pop(request->worker->shared->queue, &request->ticket); /* the model is free for the next */
	gate_await_settlement(request);
}

static void end_failed(struct request *request, enum reason reason)
{
	struct exchange *exchange = &request->exchange;

	if (request->stage == STAGE_SETTLE) {
		/* Streamed exact: the settlement is under way and cannot be called back.  gate_settled says the rest. */
		return;
	}
	if (!exchange->any_out) {
		answer_refuse(request, reason);
		return;
	}
	if (purchase_held(request)) {
		struct word due;
		answer_due(&due, request);
		answer_owe(request, &due, NULL, NULL);
	}
	answer_release(request);
	answer_cut(request, reason);
}

static void on_ended(struct exchange *exchange, enum reason reason)
{
	struct request *request = exchange->owner;
	bool granted;

	if (reason != REASON_OK && gate_upstream_failed(request, reason, &granted)) {
		await_place(request, granted);
		if (granted)
			forward(request);
	} else if (reason != REASON_OK)
		end_failed(request, reason);
	else if (!request->paid)
		end_free(request);
	else if (exchange->relay == RELAY_HOLD)
		end_held(request);
	else
		end_passed(request);
}

static size_t on_fields(struct exchange *exchange, char *out, size_t out_bytes)
{
	const struct request *request = exchange->owner;

	return request->paid && request->worker->config->server_timing ? account_fields(out, out_bytes, request) : 0;
}

const struct forward_events gate_forward_events = {
	.fields = on_fields,
	.began = on_began,
	.complete = on_complete,
	.ended = on_ended,
	.written = on_written,
	.first_byte = on_first_byte,
	.relayed = on_relayed,
};

/* --- what can go wrong at any stage --- */

void gate_client_gone(struct request *request)
{
	struct exchange *exchange = &request->exchange;
	bool busy = request->stage > STAGE_HEAD && request->stage < STAGE_SEND;

	if (request->native.is)
		gate_native_cut(request);
	else if (busy)
		answer_count(request, CLIENT_GONE);
	if (request->stage == STAGE_FORWARD || request->stage == STAGE_DURABLE)
		stats_add(&request->worker->stats.cancelled, 1);
	if (purchase_held(request) && exchange->any_out) { /* what was delivered is owed */
		struct word due;
		answer_due(&due, request);
		answer_owe(request, &due, NULL, NULL);
	}
	answer_release(request);
	request->stage = STAGE_CLOSING;
	conn_close(&request->conn);
}

void gate_timeout(struct request *request)
{
	const struct config_timeouts *timeouts = &request->worker->config->timeouts;

	switch (request->stage) {
	case STAGE_HEAD:
		if (request->began_ns != 0)
			answer_refuse(request, CLIENT_SLOW);
		else
			gate_client_gone(request); /* an idle connection owes nobody a word */
		break;
	case STAGE_BODY:
		answer_refuse(request, CLIENT_SLOW);
		break;
	case STAGE_FUNDS:
		answer_refuse(request, CHAIN_DOWN);
		break;
	case STAGE_QUEUE:
		answer_refuse(request, QUEUE_TIMEOUT);
		break;
	case STAGE_SETTLE:
		request->close = true; /* the slot stays taken until the outcome is known */
		gate_end_settled(request, &(struct claim_wait){.outcome = CLAIM_UNKNOWN});
		break;
	case STAGE_FORWARD:
	case STAGE_SEND:
		if (request->outlived && purchase_held(request)) {
			end_failed(request, SESSION_OVER);
			break;
		}
		if (answer_stalls(request) || request->conn.lingering) {
			gate_client_gone(request);
			break;
		}
		request->sent_mark = request->conn.sent_bytes;
		gate_set_deadline(request, timeouts->send_ms);
		break;
	case STAGE_DURABLE:
		if (end_waits(request)) {
			cut_end(request);
			break;
		}
		gate_set_deadline(request, timeouts->send_ms); /* the ledger says yes or no */
		break;
	case STAGE_RESULT:
		gate_result_timeout(request);
		break;
	case STAGE_VERIFY:
		gate_set_deadline(request, timeouts->send_ms); /* ours to finish */
		break;
	case STAGE_DISCARD:
		gate_client_gone(request);
		break;
	case STAGE_FREE:
	case STAGE_CLOSING:
	case STAGE_CLOSED:
		break;
	}
}
