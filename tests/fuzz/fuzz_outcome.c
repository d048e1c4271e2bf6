// SPDX-License-Identifier: Apache-2.0
// link: user/funds_rpc.c user/funds_abi.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/hex.c user/base/u256.c user/base/log.c
/* fuzz_outcome.c: a node may answer anything.  A receipt pays, logs show a payment, and a transaction carries a permit, only when
 * their own bytes say so: the word for success, and the asset's, the payer's, the payee's and the nonce's digits. */
#include "../../user/funds_outcome.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static bool has(struct span text, const char *what)
{
	return memmem(text.at, text.bytes, what, strlen(what)) != NULL;
}

static bool has_parties(struct span text)
{
	return has(text, "3333333333333333333333333333333333333333") &&
	       has(text, "1111111111111111111111111111111111111111") &&
	       has(text, "2222222222222222222222222222222222222222");
}

static void look(struct span text, struct outcome_query *query)
{
	struct rpc_result results[2] = {{.outcome = RPC_LIST, .object = text}, {.outcome = RPC_LIST, .object = text}};
	bool plain = memchr(text.at, '\\', text.bytes) == NULL;
	struct outcome_events events;
	uint64_t block;

	if (outcome_receipt_pays(text, query, &block) && plain)
		assert(has(text, "\"0x1\"") && has_parties(text));
	if (outcome_carries(text, query))
		assert(has(text, "00000000000000000000000000000000000007a3"));
	if (!outcome_read_events(&events, query, results))
		return;
	assert(events.transaction_cnt <= OUTCOME_TRANSFERS_MAX && (!events.paid || events.used));
	if ((events.paid || events.transaction_cnt > 0) && plain)
		assert(has_parties(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct payment payment = {.method = METHOD_EIP3009};
	struct offer offer = {.method = METHOD_EIP3009};
	struct word due = {{0}};
	struct outcome_query query = {.payment = &payment, .offer = &offer, .amount_due = &due};
	char *copy = malloc(bytes); /* of its exact size, so that a read past the end is found */

	memset(payment.from.at, 0x11, 20);
	memset(offer.pay_to.at, 0x22, 20);
	memset(offer.asset.at, 0x33, 20);
	payment.token = offer.asset;
	payment.nonce.at[30] = 0x07;
	payment.nonce.at[31] = 0xa3;
	due.at[31] = 0x63;
	memcpy(copy, at, bytes);
	look(span_of(copy, bytes), &query);
	payment.method = METHOD_UPTO;
	look(span_of(copy, bytes), &query);
	free(copy);
	return 0;
}
