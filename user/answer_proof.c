// SPDX-License-Identifier: Apache-2.0
#include "answer_proof.h"

#include "base/hex.h"
#include "base/text.h"
#include "openai.h"
#include "settlers.h"
#include "worker.h"

static struct settler *to_whom(const struct request *request)
{
	struct settlers *settlers = request->worker->shared->settlers;

	return settlers != NULL && request->offer != NULL ? settlers_data(settlers, request->offer) : NULL;
}

static enum data_type wish(const struct http_head *head)
{
	struct span type;

	if (parse_field(&type, head, SPAN("x-settlement-type")) != 1)
		return DATA_PRIVATE;
	if (span_equal_nocase(type, SPAN("batch")))
		return DATA_BATCH;
	return span_equal_nocase(type, SPAN("individual")) ? DATA_INDIVIDUAL : DATA_PRIVATE;
}

void answer_expect_proof(struct request *request)
{
	request->data = request->paid && to_whom(request) != NULL ? wish(&request->head) : DATA_PRIVATE;
	request->exchange.wants_proof = request->data != DATA_PRIVATE;
}

void answer_tell_proof(struct request *request)
{
	struct exchange *exchange = &request->exchange;

	if (!exchange->wants_proof || exchange->status / 100 != 2)
		return;
	if (exchange->relay == RELAY_HOLD) /* of a stream it was found on the way */
		openai_proof(&exchange->proof, exchange->held);
	if (exchange->proof.known)
		settle_submit_data(to_whom(request), request->data, &exchange->proof, &request->payment.from);
}

size_t answer_transaction(const struct request *request, const struct claim_wait *settled, char *out, size_t out_bytes)
{
	char hash[HEX_BYTES(32)];
	struct text text;

	text_init(&text, out, out_bytes);
	if (settled->outcome == CLAIM_SETTLED && settled->has_transaction && to_whom(request) != NULL)
		text_put(&text, "X-Settlement-Tx-Hash: %s\r\n",
			 hex_encode(hash, settled->transaction.at, sizeof settled->transaction.at));
	return text_done(&text);
}
