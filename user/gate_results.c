// SPDX-License-Identifier: Apache-2.0
#include "gate_results.h"

#include "answer.h"
#include "base/assert.h"
#include "gate.h"
#include "gate_head.h"
#include "reason.h"
#include "reply.h"
#include "worker.h"

/* Nothing of it is there yet. */
static void tell_pending(struct request *request)
{
	struct result_state state;

	result_look(&request->reading, &state);
	answer_release(request);
	if (atomic_load_explicit(&request->worker->draining, memory_order_relaxed))
		request->close = true;
	struct pending pending = {.id = state.id, .place = state.place, .close = request->close};
	char *at = (char *)conn_reserve(&request->conn, REPLY_PENDING_BYTES);
	ASSERT(at != NULL); /* nothing of this answer was sent, and the one before is out */
	conn_commit(&request->conn, reply_pending(at, REPLY_PENDING_BYTES, &pending));
	answer_done(request);
}

/* All that was recorded is with the client's connection. */
static void end(struct request *request)
{
	struct result_state state;

	result_look(&request->reading, &state);
	if (request->reading.offset == 0) { /* it failed, and nobody could write down how */
		answer_refuse(request, reason_status(state.reason) >= 500 ? state.reason : INTERNAL);
		return;
	}
	if (!state.whole)
		request->close = true;
	answer_release(request);
	answer_done(request);
}

void gate_result_more(struct request *request)
{
	struct conn *conn = &request->conn;

	for (size_t room; (room = conn_room(conn)) > 0;) {
		size_t bytes = result_read(&request->reading, conn_reserve(conn, room), room);
		if (bytes > 0) {
			conn_commit(conn, bytes);
			request->sent_mark = conn->sent_bytes;
			gate_set_deadline(request, request->worker->config->timeouts.send_ms);
			continue;
		}
		if (request->reading_waits)
			return;
		enum result_wait wait = result_wait(&request->reading);
		if (wait == RESULT_OVER) {
			end(request);
			return;
		}
		if (wait == RESULT_WAIT) {
			request->reading_waits = true;
			request->mails_out++;
			return;
		}
	}
}

static enum reason open_result(struct request *request, struct result_target *target)
{
	const struct http_head *head = &request->head;

	if (!span_equal(head->method, SPAN("GET")))
		return METHOD_WRONG;
	if (head->minor == 0)
		return HTTP_VERSION; /* what was recorded is 1.1, and may be chunked */
	if (head->chunked || head->content_bytes > 0)
		return BODY_LARGE;
	request->stage = STAGE_RESULT;
	enum reason reason = parse_result_target(target, head->target);
	if (reason == REASON_OK && !results_open(request->worker->shared->results, &request->reading, target->id))
		reason = RESULT_UNKNOWN;
	return reason;
}

bool gate_result(struct request *request)
{
	struct result_target target;

	if (!request_asks_result(request))
		return false;
	enum reason reason = open_result(request, &target);
	if (reason != REASON_OK) {
		answer_refuse(request, reason);
		return true;
	}
	request->close = !request->head.keep_alive;
	gate_set_deadline(request, target.wait_s * 1000);
	gate_result_more(request);
	if (target.wait_s == 0 && request->stage == STAGE_RESULT && request->reading.offset == 0)
		tell_pending(request);
	return true;
}

void gate_result_mailed(struct request *request)
{
	request->reading_waits = false;
	if (request->stage == STAGE_RESULT)
		gate_result_more(request);
	else
		answer_next(request); /* it stopped waiting while the mail was on its way */
}

void gate_result_timeout(struct request *request)
{
	if (request->reading.offset == 0) {
		tell_pending(request);
	} else if (answer_stalls(request)) {
		gate_client_gone(request);
	} else {
		request->sent_mark = request->conn.sent_bytes;
		gate_set_deadline(request, request->worker->config->timeouts.send_ms);
	}
}
