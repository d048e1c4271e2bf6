// SPDX-License-Identifier: Apache-2.0
#include "cmd/ledger_chain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/u256.h"
#include "funds_outcome.h"
#include "sys/fetch.h"

#define CALLS_PER_CLAIM 2
#define QUESTION_BYTES_MAX (LEDGER_CHAIN_CLAIMS_MAX * CALLS_PER_CLAIM * 512)
#define ANSWER_BYTES_MAX ((size_t)4 << 20) /* receipts of large transactions */
#define CONNECT_MS 10000
#define TOTAL_MS 60000

const char *const chain_view_words[CHAIN_VIEW_CNT] = {
	[CHAIN_NOT_ASKED] = "", [CHAIN_PAID] = "paid",	   [CHAIN_USED] = "used",
	[CHAIN_OPEN] = "open",	[CHAIN_SILENT] = "silent",
};

/* --- one call to the node --- */

struct answer {
	uint8_t *at;
	size_t bytes;
};

static bool take_piece(void *ctx, struct span piece)
{
	struct answer *answer = ctx;

	memcpy(answer->at + answer->bytes, piece.at, piece.bytes); /* fetch keeps it within answer_bytes_max */
	answer->bytes += piece.bytes;
	return true;
}

/* results borrow from *answer, which is to be freed. */
static int ask(const char *url, struct rpc_batch *batch, struct rpc_result *results, struct answer *answer)
{
	static const char *const headers[] = {"Content-Type: application/json"};
	size_t bytes = rpc_end(batch);

	*answer = (struct answer){.at = malloc(ANSWER_BYTES_MAX)};
	if (bytes == 0 || answer->at == NULL)
		return -ENOMEM;
	struct fetch_call call = {.url = url,
				  .headers = headers,
				  .header_cnt = 1,
				  .body = span_of(batch->json.at, bytes),
				  .connect_ms = CONNECT_MS,
				  .total_ms = TOTAL_MS,
				  .answer_bytes_max = ANSWER_BYTES_MAX,
				  .on_body = take_piece,
				  .ctx = answer};
	int err = fetch(&call);
	if (err != 0)
		return err;
	return call.status == 200 && rpc_answer(results, batch->cnt, span_of(answer->at, answer->bytes)) ? 0 : -EPROTO;
}

int ledger_chain_open(struct ledger_chain *chain, const char *url)
{
	char question[256];
	struct rpc_batch batch;
	struct rpc_result result;
	struct answer answer;

	*chain = (struct ledger_chain){.url = url};
	rpc_begin(&batch, question, sizeof question);
	rpc_chain_id(&batch);
	int err = ask(url, &batch, &result, &answer);
	if (err == 0 && !rpc_number(&chain->chain_id, &result))
		err = -EPROTO;
	free(answer.at);
	return err;
}

/* --- claims --- */

static bool is_asked(const struct ledger_chain *chain, const struct record *record)
{
	static const struct word zero;

	return record->offer.chain_id == chain->chain_id && u256_compare(record->amount_due.at, zero.at) != 0;
}

static struct outcome_query query_of(const struct record *record)
{
	return (struct outcome_query){.payment = &record->payment,
				      .offer = &record->offer,
				      .amount_due = &record->amount_due,
				      .transaction = record->has_transaction ? &record->transaction : NULL};
}

static void ask_about(struct rpc_batch *batch, const struct record *record)
{
	struct outcome_query query = query_of(record);

	outcome_ask_nonce(batch, &query, "latest");
	if (query.transaction != NULL)
		rpc_receipt(batch, query.transaction);
}

/* results: of the nonce, then, where a transaction is known, of its receipt. */
static enum chain_view view_of(const struct record *record, const struct rpc_result *results)
{
	struct outcome_query query = query_of(record);
	uint64_t block;
	bool used;

	if (record->has_transaction) {
		const struct rpc_result *receipt = &results[1];
		if (receipt->outcome == RPC_OBJECT && outcome_receipt_pays(receipt->object, &query, &block))
			return CHAIN_PAID;
		if (receipt->outcome != RPC_OBJECT && !receipt->is_null)
			return CHAIN_SILENT;
	}
	if (!outcome_nonce_used(&used, &query, &results[0]))
		return CHAIN_SILENT;
	return used ? CHAIN_USED : CHAIN_OPEN;
}

int ledger_chain_look(const struct ledger_chain *chain, const struct record *records, size_t cnt,
		      enum chain_view *views)
{
	struct rpc_result results[LEDGER_CHAIN_CLAIMS_MAX * CALLS_PER_CLAIM];
	static char question[QUESTION_BYTES_MAX]; /* a command has one thread */
	size_t first[LEDGER_CHAIN_CLAIMS_MAX];
	struct rpc_batch batch;
	struct answer answer = {0};

	rpc_begin(&batch, question, sizeof question);
	for (size_t i = 0; i < cnt; i++) {
		first[i] = batch.cnt;
		views[i] = is_asked(chain, &records[i]) ? CHAIN_SILENT : CHAIN_NOT_ASKED;
		if (views[i] == CHAIN_SILENT)
			ask_about(&batch, &records[i]);
	}
	int err = batch.cnt > 0 ? ask(chain->url, &batch, results, &answer) : 0;
	for (size_t i = 0; i < cnt && err == 0; i++)
		if (views[i] == CHAIN_SILENT)
			views[i] = view_of(&records[i], &results[first[i]]);
	free(answer.at);
	return err;
}

bool ledger_chain_differs(const struct record *record, enum chain_view view)
{
	switch (record->state) {
	case CLAIM_SETTLED:
		return view == CHAIN_OPEN || (view == CHAIN_USED && record->has_transaction);
	case CLAIM_REFUSED:
	case CLAIM_EXPIRED:
		return view == CHAIN_PAID || view == CHAIN_USED;
	default:
		return false;
	}
}
