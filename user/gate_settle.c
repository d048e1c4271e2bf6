// SPDX-License-Identifier: Apache-2.0
#include "gate_settle.h"

#include "answer.h"
#include "base/probe.h"
#include "gate.h"
#include "gate_head.h"
#include "purchase.h"
#include "worker.h"

void gate_await_settlement(struct request *request)
{
	struct word due;

	answer_due(&due, request);
	answer_owe(request, &due, &request->settled, NULL);
	request->stage = STAGE_SETTLE;
	gate_set_deadline(request, request->worker->config->timeouts.settle_ms);
}

void gate_end_settled(struct request *request, const struct claim_wait *settled)
{
	struct exchange *exchange = &request->exchange;
	char receipt[ANSWER_RECEIPT_BYTES];

	STEP_END(request, SETTLE, settle);
	if (settled->outcome == CLAIM_RELEASED) { /* it never reached the disk: nothing was asked, nothing is owed */
		request->stage = STAGE_FORWARD;
		answer_refuse(request, STORE_DOWN);
		return;
	}
	/* In a session the debt is on disk, and settled when the session is: there is no receipt yet. */
	bool good = settled->outcome == CLAIM_SETTLED || (request->in_session && settled->outcome != CLAIM_UNKNOWN);
	struct span extra =
		request->in_session ? purchase_line(request, receipt) : answer_receipt(request, settled, receipt);
	request->stage = STAGE_FORWARD;
	if (settled->outcome == CLAIM_REFUSED) {
		answer_refuse_with(request, SETTLE_REFUSED, 0, extra);
	} else if (!good) {
		answer_refuse_with(request, SETTLE_UNKNOWN, 0, extra);
	} else if (exchange->relay == RELAY_HOLD) {
		forward_release(exchange, extra);
		answer_first_out(request);
		answer_whole(request);
	} else if (exchange->upstream != NULL) {
		forward_pass(exchange, extra);
	} else {
		answer_refuse_with(request, UPSTREAM_FAILED, 0, extra); /* paid, and then the upstream broke off */
	}
}

void gate_settled(struct request *request)
{
	if (request->stage == STAGE_SETTLE)
		gate_end_settled(request, &request->settled);
	else
		answer_next(request); /* it stopped waiting; the ledger goes on by itself */
}
