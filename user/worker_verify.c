// SPDX-License-Identifier: Apache-2.0
#include "worker_verify.h"

#include "answer.h"
#include "base/probe.h"
#include "gate.h"
#include "gate_knock.h"
#include "gate_native.h"
#include "hash.h"
#include "worker.h"

void worker_enlist_verify(struct worker *worker, struct request *request)
{
	request->stage = STAGE_VERIFY;
	if (request->enlisted)
		return;
	request->enlisted = true;
	request->next_verify = NULL;
	*worker->verify_last = request;
	worker->verify_last = &request->next_verify;
}

static struct request *pop_verify(struct worker *worker)
{
	struct request *request = worker->verify_first;

	if (request == NULL)
		return NULL;
	worker->verify_first = request->next_verify;
	if (worker->verify_first == NULL)
		worker->verify_last = &worker->verify_first;
	request->enlisted = false;
	return request;
}

static void count_verified(struct worker *worker)
{
	const struct verify_counts *counts = verify_counts(worker->verifier);
	struct stats *stats = &worker->stats;

	stats_set(&stats->signatures_repeated, counts->repeated);
	stats_set(&stats->signatures_hot, counts->hot);
	stats_set(&stats->signatures_cold, counts->cold);
	stats_set(&stats->signatures_alone, counts->alone);
	stats_set(&stats->signatures_undecided, counts->undecided);
	stats_set(&stats->signer_tables, counts->tables);
}

/* A longer signature is a contract's, if anybody's: that its first bytes are a key's says nothing. */
static enum reason verdict_of(const struct request *request, const struct verify_item *item)
{
	return request->payment.signature_rest_bytes == 0 ? item->verdict : SIGNATURE_FORM;
}

void worker_verify_round(struct worker *worker)
{
	struct request *batch[VERIFY_BATCH_MAX];
	struct verify_item items[VERIFY_BATCH_MAX + KNOCKS_MAX];
	struct hash_job jobs[VERIFY_BATCH_MAX];
	size_t cnt = 0;

	for (struct request *request; cnt < VERIFY_BATCH_MAX && (request = pop_verify(worker)) != NULL;) {
		if (request->stage != STAGE_VERIFY) { /* refused or gone since */
			worker_free_request(request);
			continue;
		}
		jobs[cnt] = (struct hash_job){&request->payment, &request->offer->domain_separator, &items[cnt].digest};
		items[cnt].signature = request->payment.signature;
		items[cnt].payer = request->payment.from;
		items[cnt].method = request->payment.method;
		batch[cnt++] = request;
	}
	size_t knock_cnt = gate_knock_items(worker, &items[cnt]);
	if (cnt + knock_cnt == 0)
		return;
	hash_payments(jobs, cnt);
	for (size_t i = 0; i < cnt; i++) {
		batch[i]->digest = items[i].digest;
		STEP_END(batch[i], HASH, hash);
	}
	verify_batch(worker->verifier, items, cnt + knock_cnt);
	count_verified(worker);
	gate_native_bind(batch, items, cnt);
	for (size_t i = 0; i < cnt; i++) {
		STEP_END(batch[i], VERIFY, verify);
		gate_verified(batch[i], verdict_of(batch[i], &items[i]));
	}
	gate_knocks_verified(worker, &items[cnt]);
}
