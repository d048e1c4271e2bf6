// SPDX-License-Identifier: Apache-2.0
#include "funds_batch.h"

#include "base/assert.h"
#include "contracts.h"
#include "funds_wrapped.h"

/* --- question --- */

/* Of a part that goes out alone: a factory's call and the account's then are one transaction, of Multicall3 or of a program,
 * of which nothing stays.  An account that exists already judges all the same, whatever its factory says to that. */
static void add_signature(struct batch *batch, struct batch_part *part, struct batch_scratch *scratch)
{
	uint8_t whole[SIGNATURE_BYTES_MAX];
	struct span signature = wrapped_whole(whole, part->payment);
	struct wrapped wrapped;
	bool is_wrapped = wrapped_open(&wrapped, signature) == WRAPPED_GOOD;

	part->makes_account = is_wrapped;
	if (part->makes_account)
		abi_raw(&scratch->calls[batch->call_cnt++], &wrapped.factory, wrapped.calldata);
	abi_is_valid_signature(&scratch->calls[batch->call_cnt++], &part->key.owner, part->digest,
			       is_wrapped ? wrapped.signature : signature);
}

static void add_part(struct batch *batch, struct batch_part *part, struct batch_scratch *scratch)
{
	struct abi_call *calls = scratch->calls;

	if (part->wants & WANT_VIEW) {
		abi_balance(&calls[batch->call_cnt++], &part->key.token, &part->key.owner);
		abi_allowance(&calls[batch->call_cnt++], &part->key.token, &part->key.owner);
	}
	if (part->wants & WANT_NONCE && part->payment->method == METHOD_EIP3009)
		abi_authorization_state(&calls[batch->call_cnt++], &part->key.token, &part->key.owner,
					&part->payment->nonce);
	else if (part->wants & WANT_NONCE)
		abi_nonce_bitmap(&calls[batch->call_cnt++], &part->key.owner, &part->payment->nonce);
	if (part->wants & WANT_SIGNATURE)
		add_signature(batch, part, scratch);
}

static bool makes_account(const struct batch *batch)
{
	for (size_t i = 0; i < batch->part_cnt; i++)
		if (batch->parts[i].makes_account)
			return true;
	return false;
}

size_t batch_question(char *out, size_t out_bytes, struct batch *batch, bool multicall3, struct batch_scratch *scratch)
{
	struct rpc_batch rpc;

	ASSERT(batch->part_cnt <= BATCH_PARTS_MAX);
	batch->call_cnt = 0;
	for (size_t i = 0; i < batch->part_cnt; i++)
		add_part(batch, &batch->parts[i], scratch);
	batch->aggregated = multicall3 && batch->call_cnt > 1;
	batch->programmed = !multicall3 && makes_account(batch);
	rpc_begin(&rpc, out, out_bytes);
	if (batch->aggregated) {
		_Static_assert(sizeof scratch->bytes >= ABI_AGGREGATE_BYTES(BATCH_CALLS_MAX), "all calls fit");
		size_t bytes = abi_aggregate(scratch->bytes, scratch->calls, batch->call_cnt);
		rpc_call(&rpc, &contract_multicall3, span_of(scratch->bytes, bytes));
	} else if (batch->programmed) {
		_Static_assert(sizeof scratch->bytes >= WRAPPED_PROGRAM_BYTES_MAX, "a program fits");
		ASSERT(batch->call_cnt == 2);
		size_t bytes = wrapped_program(scratch->bytes, &scratch->calls[0], &scratch->calls[1]);
		batch->call_cnt = 1; /* with the account's answer */
		rpc_create(&rpc, span_of(scratch->bytes, bytes));
	} else {
		for (size_t i = 0; i < batch->call_cnt; i++)
			rpc_call(&rpc, &scratch->calls[i].to, span_of(scratch->calls[i].data, scratch->calls[i].bytes));
	}
	for (size_t i = 0; i < batch->part_cnt; i++)
		if (batch->parts[i].wants & WANT_VIEW)
			rpc_code(&rpc, &batch->parts[i].key.owner);
	batch->rpc_cnt = rpc.cnt;
	return rpc_end(&rpc);
}

/* --- answer --- */

/* What one contract call gave, however it was made. */
struct gave {
	bool answered; /* by the contract: with bytes, or by refusing */
	bool success;
	struct span bytes;
};

static bool open_aggregate(const struct batch *batch, struct gave *gave, struct batch_scratch *scratch)
{
	struct span bytes;

	if (!rpc_bytes(&bytes, &scratch->results[0], scratch->bytes, sizeof scratch->bytes) ||
	    !abi_aggregate_results(scratch->returned, batch->call_cnt, bytes))
		return false;
	for (size_t i = 0; i < batch->call_cnt; i++)
		gave[i] = (struct gave){true, scratch->returned[i].success, scratch->returned[i].returned};
	return true;
}

static void open_single(const struct batch *batch, struct gave *gave, struct batch_scratch *scratch)
{
	uint8_t *at = scratch->bytes;
	size_t room = sizeof scratch->bytes / (batch->call_cnt + 1);

	for (size_t i = 0; i < batch->call_cnt; i++, at += room) {
		const struct rpc_result *result = &scratch->results[i];
		gave[i].success = rpc_bytes(&gave[i].bytes, result, at, room);
		gave[i].answered = gave[i].success || result->outcome == RPC_REVERTED;
	}
}

static bool take_amount(unsigned __int128 *amount, const struct gave *gave)
{
	struct word word;

	if (!gave->success || !abi_word(&word, gave->bytes))
		return false;
	*amount = account_amount(&word);
	return true;
}

static bool take_view(struct account_view *view, const struct gave *gave, const struct rpc_result *code)
{
	view->has_code = code->hex.bytes > 2;
	return take_amount(&view->balance, &gave[0]) && take_amount(&view->allowance, &gave[1]) &&
	       code->outcome == RPC_RESULT && code->hex.bytes >= 2 && memcmp(code->hex.at, "0x", 2) == 0;
}

static bool take_nonce(struct batch_part *part, const struct gave *gave)
{
	struct word bitmap;

	if (!gave->success)
		return false;
	if (part->payment->method == METHOD_EIP3009)
		return abi_bool(&part->nonce_used, gave->bytes);
	if (!abi_word(&bitmap, gave->bytes))
		return false;
	part->nonce_used = abi_nonce_bit(&bitmap, &part->payment->nonce);
	return true;
}

bool batch_answer(struct batch *batch, struct span body, struct batch_scratch *scratch)
{
	struct gave gave[BATCH_CALLS_MAX] = {0};
	size_t call = 0, code = batch->aggregated ? 1 : batch->call_cnt;

	for (size_t i = 0; i < batch->part_cnt; i++)
		batch->parts[i].good = false;
	if (!rpc_answer(scratch->results, batch->rpc_cnt, body))
		return false;
	if (!batch->aggregated)
		open_single(batch, gave, scratch);
	else if (!open_aggregate(batch, gave, scratch))
		return false;
	for (size_t i = 0; i < batch->part_cnt; i++) {
		struct batch_part *part = &batch->parts[i];
		part->good = true;
		if (part->wants & WANT_VIEW) {
			part->good = take_view(&part->view, &gave[call], &scratch->results[code++]);
			call += 2;
		}
		if (part->wants & WANT_NONCE)
			part->good = take_nonce(part, &gave[call++]) && part->good;
		if (part->wants & WANT_SIGNATURE) {
			call += part->makes_account && !batch->programmed;
			part->signature_holds = gave[call].success && abi_signature_holds(gave[call].bytes);
			part->good = gave[call++].answered && part->good;
		}
	}
	return true;
}
