// SPDX-License-Identifier: Apache-2.0
#include "cmd/ledger_chain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/u256.h"
#include "funds_rpc.h"
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

/* --- receipts --- */

static bool hex_is(const struct json_value *value, const uint8_t *want, size_t bytes)
{
	uint8_t text[HEX_BYTES(32)], got[32];
	struct span hex;

	return json_text(value, &hex, text, sizeof text) && hex_decode(got, bytes, hex) &&
	       memcmp(got, want, bytes) == 0;
}

static void padded(uint8_t out[32], const struct address *address)
{
	memset(out, 0, 12);
	memcpy(out + 12, address->at, sizeof address->at);
}

/* [Transfer(address,address,uint256), from, to], and nothing more. */
static bool topics_are(struct json *json, const struct record *record)
{
	static const uint8_t transfer[32] = {0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b, 0x69, 0xc2, 0xb0,
					     0x68, 0xfc, 0x37, 0x8d, 0xaa, 0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4,
					     0xa1, 0x16, 0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef};
	uint8_t want[3][32];
	struct json_value topic;
	size_t cnt = 0;
	bool same = true;

	memcpy(want[0], transfer, 32);
	padded(want[1], &record->payment.from);
	padded(want[2], &record->offer.pay_to);
	if (!json_enter(json, JSON_ARRAY))
		return false;
	for (; json_element(json); cnt++)
		same &= json_read(json, &topic) && cnt < 3 && hex_is(&topic, want[cnt < 3 ? cnt : 0], 32);
	return same && cnt == 3;
}

static bool log_pays(struct json *json, const struct record *record)
{
	bool asset = false, parties = false, amount = false, removed = false;
	struct json_value name, value;

	while (json_next(json, &name)) {
		if (json_equals(&name, SPAN("topics")))
			parties = topics_are(json, record);
		else if (!json_read(json, &value))
			break;
		else if (json_equals(&name, SPAN("address")))
			asset = hex_is(&value, record->offer.asset.at, sizeof record->offer.asset.at);
		else if (json_equals(&name, SPAN("data")))
			amount = hex_is(&value, record->amount_due.at, sizeof record->amount_due.at);
		else if (json_equals(&name, SPAN("removed")))
			removed = value.type == JSON_TRUE;
	}
	return asset && parties && amount && !removed;
}

bool ledger_chain_receipt_pays(struct span receipt, const struct record *record)
{
	bool succeeded = false, pays = false;
	struct json_value name, value;
	struct json json;

	json_init(&json, receipt, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		if (json_equals(&name, SPAN("status")))
			succeeded = json_read(&json, &value) && json_equals(&value, SPAN("0x1"));
		else if (json_equals(&name, SPAN("logs")) && json_enter(&json, JSON_ARRAY))
			while (json_element(&json))
				if (json_enter(&json, JSON_OBJECT))
					pays |= log_pays(&json, record);
	}
	return json_end(&json) && succeeded && pays;
}

/* --- claims --- */

static bool is_asked(const struct ledger_chain *chain, const struct record *record)
{
	static const struct word zero;

	return record->offer.chain_id == chain->chain_id && u256_compare(record->amount_due.at, zero.at) != 0;
}

static void ask_about(struct rpc_batch *batch, const struct record *record)
{
	const struct payment *payment = &record->payment;
	struct abi_call call;

	if (payment->method == METHOD_EIP3009)
		abi_authorization_state(&call, &record->offer.asset, &payment->from, &payment->nonce);
	else
		abi_nonce_bitmap(&call, &payment->from, &payment->nonce);
	rpc_call(batch, &call.to, span_of(call.data, call.bytes));
	if (record->has_transaction)
		rpc_receipt(batch, &record->transaction);
}

/* False: the node did not say. */
static bool nonce_used(bool *used, const struct record *record, const struct rpc_result *result)
{
	uint8_t bytes[64];
	struct span returned;
	struct word bitmap;

	if (!rpc_bytes(&returned, result, bytes, sizeof bytes))
		return false;
	if (record->payment.method == METHOD_EIP3009)
		return abi_bool(used, returned);
	if (!abi_word(&bitmap, returned))
		return false;
	*used = abi_nonce_bit(&bitmap, &record->payment.nonce);
	return true;
}

/* results: of the nonce, then, where a transaction is known, of its receipt. */
static enum chain_view view_of(const struct record *record, const struct rpc_result *results)
{
	bool used;

	if (record->has_transaction) {
		const struct rpc_result *receipt = &results[1];
		if (receipt->outcome == RPC_OBJECT && ledger_chain_receipt_pays(receipt->object, record))
			return CHAIN_PAID;
		if (receipt->outcome != RPC_OBJECT && !receipt->is_null)
			return CHAIN_SILENT;
	}
	if (!nonce_used(&used, record, &results[0]))
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
