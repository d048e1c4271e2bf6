/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <arpa/inet.h>

#include "answer_native.h"
#include "answer_proof.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/probe.h"
#include "price.h"
#include "purchase.h"
#include "reason.h"
#include "relay.h"
#include "reply.h"
#include "standing.h"
#include "worker.h"

#define DISCARD_BYTES_MAX 65536 /* rest of a refused request's body that is read to keep the connection */
#define LOG_LINES_PER_S 20 /* of each reason and worker; the rest is counted, so that a flood of one hides no other */

void answer_step(struct request *request, enum step step)
{
	uint64_t now_ns = clock_ns();

	request_times_step(&request->times, step, now_ns - request->mark_ns);
	request->mark_ns = now_ns;
}

void answer_first_out(struct request *request)
{
	struct stats *stats = &request->worker->stats;

	if (request_times_did(&request->times, STEP_FIRST_OUT))
		return;
	STEP_END(request, FIRST_OUT, first_out);
	if (request->paid && request->exchange.status / 100 == 2) {
		stats_add(&stats->served, 1);
		request->times.has_first_token = true;
		request->times.first_token_ns = request->mark_ns - request->began_ns;
	}
}

/* --- counting --- */

/* May one more of this reason be logged in this second? */
static bool log_room(struct worker *worker, enum reason reason)
{
	uint64_t second = clock_coarse_ms() / 1000;

	if (second != worker->log_second) {
		if (worker->log_dropped > 0)
			log_info("event=refused_more worker=%u count=%llu", worker->idx,
				 (unsigned long long)worker->log_dropped);
		worker->log_second = second;
		worker->log_dropped = 0;
		memset(worker->log_lines, 0, sizeof worker->log_lines);
	}
	bool room = worker->log_lines[reason] < LOG_LINES_PER_S;
	if (room)
		worker->log_lines[reason]++;
	else
		worker->log_dropped++;
	return room;
}

static void log_refusal(struct request *request, enum reason reason)
{
	char source[INET6_ADDRSTRLEN], payer[43] = "-";

	if (!log_room(request->worker, reason))
		return;
	if (request->offer != NULL)
		hex_encode(payer, request->payment.from.at, sizeof request->payment.from.at);
	inet_ntop(AF_INET6, &request->source, source, sizeof source);
	log_info("event=refused reason=%s status=%u route=%s source=%s payer=%s request=%llu", reason_word(reason),
		 reason_status(reason), request->route != NULL ? request->route->name : "-", source, payer,
		 (unsigned long long)request->id);
}

void answer_count(struct request *request, enum reason reason)
{
	struct worker *worker = request->worker;

	stats_add(&worker->stats.refused[reason], 1);
	PROBE4(refused, request->id, (int)reason, request->mark_ns - request->began_ns, reason_word(reason));
	log_refusal(request, reason);
	request->end = reason;
	/* A datagram's source may be anybody's, and one that a proxy named is not whom the kernel would shut out. */
	if (worker->shared->penalize != NULL && !request->native.is && !request->proxied &&
	    standing_note(worker->shared->standing, &request->source, reason, clock_ns()))
		worker->shared->penalize(worker->shared->kernel_ctx, &request->source, reason);
}

void answer_count_datagram(struct worker *worker, const struct in6_addr *source, enum reason reason)
{
	char shown[INET6_ADDRSTRLEN];

	stats_add(&worker->stats.refused[reason], 1);
	if (!log_room(worker, reason))
		return;
	inet_ntop(AF_INET6, source, shown, sizeof shown);
	log_info("event=refused reason=%s source=%s", reason_word(reason), shown);
}

/* --- giving back --- */

static void leave_payers(struct request *request)
{
	if (!request->entered)
		return;
	request->entered = false;
	payers_leave(request->worker->shared->payers, &request->payment.from, purchase_reserve(request),
		     &request->charged, clock_unix_s());
}

static void leave_queue(struct request *request)
{
	struct queue *queue = request->worker->shared->queue;

	if (request->in_line) {
		if (!queue_leave(queue, &request->ticket))
			return; /* the grant is on its way: gate_granted gives it back */
		request->in_line = false;
		request->mails_out--;
	} else if (request->ticket.granted) {
		queue_pop(queue, &request->ticket);
	}
}

static void leave_result(struct request *request)
{
	if (request->reading.result == NULL || !result_close(&request->reading))
		return;
	request->reading_waits = false;
	request->mails_out--;
}

void answer_release(struct request *request)
{
	leave_result(request);
	forward_cancel(&request->exchange);
	leave_queue(request);
	purchase_release(request);
	if (request->worker->shared->funds != NULL)
		funds_release(request->worker->shared->funds, &request->funds);
	leave_payers(request);
}

void answer_due(struct word *due, const struct request *request)
{
	const struct exchange *exchange = &request->exchange;
	struct openai_usage usage = exchange->usage;

	if (request->payment.method != METHOD_UPTO) {
		*due = request->offer->amount;
		return;
	}
	/* A stream that was cut, or an upstream that counts nothing: each event passed on was at least one token. */
	if (!usage.known)
		usage = (struct openai_usage){.known = true, .output = exchange->content_events};
	price_cost(due, request->offer, request->price, &usage);
}

void answer_owe(struct request *request, const struct word *due, struct claim_wait *settled, struct claim_wait *durable)
{
	purchase_charge(request, due, settled, durable);
	if (request->worker->shared->funds != NULL)
		funds_owe(request->worker->shared->funds, &request->funds, &request->charged);
	leave_payers(request);
}

struct span answer_receipt(const struct request *request, const struct claim_wait *settled,
			   char out[ANSWER_RECEIPT_BYTES])
{
	bool success = settled->outcome == CLAIM_SETTLED;
	struct receipt receipt = {
		.version = request->payment.version,
		.success = success,
		.error = settled->outcome == CLAIM_UNKNOWN ? "settlement_pending" : settled->word,
		.payer = &request->payment.from,
		.has_transaction = settled->has_transaction,
		.transaction = &settled->transaction,
		.offer = request->offer,
		.amount = request->payment.method == METHOD_UPTO ? &request->charged : NULL,
	};

	size_t bytes = reply_receipt(out, ANSWER_RECEIPT_BYTES, &receipt);
	return span_of(out, bytes + answer_transaction(request, settled, out + bytes, ANSWER_RECEIPT_BYTES - bytes));
}

/* --- the answer itself --- */

static uint64_t send_deadline(const struct request *request)
{
	return clock_coarse_ms() + request->worker->config->timeouts.send_ms;
}

bool answer_stalls(const struct request *request)
{
	return !conn_idle_out(&request->conn) && request->conn.sent_bytes == request->sent_mark;
}

void answer_done(struct request *request)
{
	request->stage = STAGE_SEND;
	request->sent_mark = request->conn.sent_bytes;
	wheel_set(&request->worker->wheel, &request->timer, send_deadline(request));
	if (request->close || request->exchange.close || request->native.is)
		conn_finish(&request->conn);
	else
		answer_next(request);
}

void answer_whole(struct request *request)
{
	answer_tell_proof(request);
	answer_release(request);
	answer_done(request);
}

void answer_next(struct request *request)
{
	if (request->stage != STAGE_SEND || request->mails_out > 0 || !conn_idle_out(&request->conn) ||
	    request->conn.finish)
		return;
	if (request_times_did(&request->times, STEP_FIRST_OUT))
		STEP_END(request, LAST_OUT, last_out);
	if (atomic_load_explicit(&request->worker->draining, memory_order_relaxed)) {
		conn_finish(&request->conn);
		return;
	}
	request_reset(request);
	wheel_set(&request->worker->wheel, &request->timer,
		  clock_coarse_ms() + request->worker->config->timeouts.idle_ms);
	conn_resume(&request->conn);
}

static const char *allowed_method(const struct request *request)
{
	const struct config *config = request->worker->config;

	if (request_asks_result(request))
		return "GET";
	for (size_t i = 0; i < config->route_cnt; i++)
		if (span_equal(request->head.target, span_str(config->routes[i].path)))
			return config->routes[i].method;
	return NULL;
}

/* Can the rest of the request be read past, so that the connection stays?  If not, it closes. */
static void decide_close(struct request *request, enum reason reason)
{
	const struct http_head *head = &request->head;
	bool unreadable = request->route == NULL && request->stage != STAGE_RESULT && reason != ROUTE_UNKNOWN &&
			  reason != METHOD_WRONG && reason != DRAINING;

	if (unreadable || reason == HTTP_BAD || reason == CLIENT_SLOW || reason == DRAINING) {
		request->close = true; /* where this request ends is not known, or not waited for */
	} else if (!request->body_done && request->stage <= STAGE_BODY) {
		uint64_t left = head->has_length ? head->content_bytes - request->body_bytes : 0;
		if (head->chunked || head->expect_continue || left > DISCARD_BYTES_MAX)
			request->close = true;
		else
			request->discard_left = left;
	}
}

static struct span head_of(struct span answer)
{
	const uint8_t *end = memmem(answer.at, answer.bytes, "\r\n\r\n", 4);

	ASSERT(end != NULL);
	return span_of(answer.at, (size_t)(end + 4 - answer.at));
}

static void send_refusal(struct request *request, enum reason reason, unsigned retry_after_s, struct span extra)
{
	bool head_only = span_equal(request->head.method, SPAN("HEAD"));
	struct reply *reply = request->worker->shared->reply;

	if (reply_challenges(reason) && request->route != NULL && extra.bytes == 0) {
		struct span challenge =
			request->close
				? reply_challenge_close(reply, request->route_idx, reason, request->payment.method)
				: reply_challenge(reply, request->route_idx, reason, request->payment.method);
		if (head_only)
			challenge = head_of(challenge);
		if (!conn_write(&request->conn, challenge))
			conn_write_tail(&request->conn, challenge); /* constant: it stays */
		return;
	}
	struct refusal refusal = {.reason = reason,
				  .retry_after_s = retry_after_s,
				  .close = request->close,
				  .head_only = head_only,
				  .allow = reason == METHOD_WRONG ? allowed_method(request) : NULL,
				  .extra = extra};
	size_t bytes_max = 2048 + extra.bytes;
	uint8_t *at = conn_reserve(&request->conn, bytes_max);
	ASSERT(at != NULL); /* nothing of this answer was sent, and the one before is out */
	conn_commit(&request->conn, reply_refusal((char *)at, bytes_max, &refusal));
}

void answer_refuse_with(struct request *request, enum reason reason, unsigned retry_after_s, struct span extra)
{
	if (request->native.is && request->native.result == NULL) {
		answer_native_refuse(request, reason);
		return;
	}
	answer_count(request, reason);
	answer_release(request);
	decide_close(request, reason);
	if (!request->head.keep_alive)
		request->close = true;
	send_refusal(request, reason, retry_after_s, extra);
	if (!request->close && request->discard_left > 0) {
		request->stage = STAGE_DISCARD;
		wheel_set(&request->worker->wheel, &request->timer,
			  clock_coarse_ms() + request->worker->config->timeouts.body_ms);
	} else {
		answer_done(request);
	}
}

void answer_refuse(struct request *request, enum reason reason)
{
	unsigned status = reason_status(reason);

	answer_refuse_with(request, reason, status == 503 || status == 429 ? 1 : 0, (struct span){0});
}

void answer_cut(struct request *request, enum reason reason)
{
	char event[1024];

	answer_count(request, reason);
	/* What ends the stream stays unsent: the answer is not whole. */
	relay_append(&request->exchange, span_of(event, reply_stream_error(event, sizeof event, reason)));
	request->close = request->native.cut = true;
	answer_done(request);
}
