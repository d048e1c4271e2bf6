/* SPDX-License-Identifier: Apache-2.0 */
#include "gate_funds.h"

#include "answer.h"
#include "base/probe.h"
#include "gate_head.h"
#include "purchase.h"
#include "standing.h"
#include "worker.h"

/* The question is under way: gate_funded goes on. */
static void await_chain(struct request *request)
{
	request->stage = STAGE_FUNDS;
	request->mails_out++;
	gate_set_deadline(request, funds_wait_ms(request->worker->shared->funds, request->offer));
}

enum reason gate_judge(struct request *request)
{
	bool shared = standing_trusts(request->worker->config, &request->source);
	struct tollbar_address source;

	memcpy(&source, &request->source, sizeof source);
	enum reason reason = funds_judge(request->worker->shared->funds, &request->funds, &request->payment,
					 request->offer, &request->digest, shared ? NULL : &source);

	if (request->funds.waiting) {
		await_chain(request);
	} else if (reason == REASON_OK) {
		request->verified = true;
		stats_add(&request->worker->stats.verified, 1);
	}
	return reason;
}

enum reason gate_hold(struct request *request)
{
	struct stats *stats = &request->worker->stats;
	enum funds_way way;

	if (request->worker->shared->funds == NULL)
		return REASON_OK;
	if (request->resumed) /* it did when the session was opened, and signed nothing since */
		request->funds.contract_agrees = true;
	enum reason reason = funds_hold(request->worker->shared->funds, &request->funds, &way, &request->payment,
					request->offer, purchase_reserve(request), &request->digest);
	if (request->funds.waiting) {
		await_chain(request);
		return REASON_OK;
	}
	if (reason == REASON_OK)
		stats_add(way == FUNDS_KNOWN   ? &stats->funds_known
			  : way == FUNDS_ASKED ? &stats->funds_asked
					       : &stats->funds_blind,
			  1);
	STEP_END(request, FUNDS, funds);
	return reason;
}
