// SPDX-License-Identifier: Apache-2.0
#include "funds_sanity.h"

#include <stdio.h>

#include "contracts.h"
#include "funds_rpc.h"

enum { CHAIN_ID, MULTICALL3_CODE, CHAIN_CALLS };
enum { ASSET_CODE, DOMAIN, TOKEN_NAME, TOKEN_VERSION, TOKEN_CALLS, PROXY_CODE = TOKEN_NAME, PERMIT2_CALLS };
#define CALLS_MAX 4
#define TEXT_BYTES_MAX 512 /* of a name or version with its offset and length */

static const struct address *proxy_of(const struct offer *offer)
{
	return offer->method == METHOD_UPTO ? &contract_upto_proxy : &contract_exact_proxy;
}

static void ask(struct rpc_batch *batch, void (*make)(struct abi_call *, const struct address *),
		const struct address *contract)
{
	struct abi_call call;

	make(&call, contract);
	rpc_call(batch, &call.to, span_of(call.data, call.bytes));
}

size_t sanity_question(char *out, size_t out_bytes, const struct offer *offer)
{
	struct rpc_batch batch;

	rpc_begin(&batch, out, out_bytes);
	if (offer == NULL) {
		rpc_chain_id(&batch);
		rpc_code(&batch, &contract_multicall3);
	} else if (offer->method == METHOD_EIP3009) {
		rpc_code(&batch, &offer->asset);
		ask(&batch, abi_domain_separator, &offer->asset);
		ask(&batch, abi_name, &offer->asset);
		ask(&batch, abi_version, &offer->asset);
	} else {
		rpc_code(&batch, &offer->asset);
		ask(&batch, abi_domain_separator, &contract_permit2);
		rpc_code(&batch, proxy_of(offer));
	}
	return rpc_end(&batch);
}

/* --- answers --- */

static enum sanity say(struct sanity_report *report, enum sanity what, const char *text)
{
	snprintf(report->text, sizeof report->text, "%s", text);
	return what;
}

static bool is_code(const struct rpc_result *result)
{
	return result->outcome == RPC_RESULT && result->hex.bytes > 2;
}

static bool is_answered(const struct rpc_result *results, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (results[i].outcome == RPC_FAILED)
			return false;
	return true;
}

/* What the contract says of itself; printable, or empty when it says nothing. */
static void read_text(char *out, size_t out_bytes, const struct rpc_result *result)
{
	uint8_t bytes[TEXT_BYTES_MAX];
	struct span returned, text = {0};

	out[0] = 0;
	if (!rpc_bytes(&returned, result, bytes, sizeof bytes) || !abi_text(&text, returned) || text.bytes >= out_bytes)
		return;
	for (size_t i = 0; i < text.bytes; i++)
		out[i] = text.at[i] >= 0x20 && text.at[i] < 0x7f ? (char)text.at[i] : '?';
	out[text.bytes] = 0;
}

static enum sanity judge_domain(struct sanity_report *report, const struct offer *offer,
				const struct rpc_result *results)
{
	uint8_t bytes[sizeof(struct word)];
	char name[NAME_BYTES_MAX], version[NAME_BYTES_MAX];
	struct span returned;
	bool has = rpc_bytes(&returned, &results[DOMAIN], bytes, sizeof bytes) && returned.bytes == sizeof bytes;

	if (has && memcmp(bytes, offer->domain_separator.at, sizeof bytes) == 0)
		return SANITY_SOUND;
	if (offer->method != METHOD_EIP3009)
		return say(report, SANITY_WRONG, "Permit2 is not on this chain");
	read_text(name, sizeof name, &results[TOKEN_NAME]);
	read_text(version, sizeof version, &results[TOKEN_VERSION]);
	/* Not every token shows its separator; one that does is believed rather than its name. */
	if (!has && strcmp(name, offer->token_name) == 0 && strcmp(version, offer->token_version) == 0)
		return SANITY_SOUND;
	if (strcmp(name, offer->token_name) == 0 && strcmp(version, offer->token_version) == 0)
		return say(report, SANITY_WRONG,
			   "the token's DOMAIN_SEPARATOR is not the one of its name and version on this chain");
	snprintf(report->text, sizeof report->text,
		 "token_name \"%s\" and token_version \"%s\" are not the token's: it has name \"%s\", version \"%s\"",
		 offer->token_name, offer->token_version, name, version);
	return SANITY_WRONG;
}

static enum sanity judge_offer(struct sanity_report *report, const struct offer *offer,
			       const struct rpc_result *results, size_t cnt)
{
	if (!is_answered(results, cnt))
		return say(report, SANITY_NO_ANSWER, "the node did not answer every call");
	if (!is_code(&results[ASSET_CODE]))
		return say(report, SANITY_WRONG, "asset is not a contract on this chain");
	if (offer->method != METHOD_EIP3009 && !is_code(&results[PROXY_CODE]))
		return say(report, SANITY_WRONG, "the x402 proxy of this method is not on this chain");
	return judge_domain(report, offer, results);
}

static enum sanity judge_chain(struct sanity_report *report, uint64_t chain_id, const struct rpc_result *results)
{
	uint64_t said;

	if (!rpc_number(&said, &results[CHAIN_ID]) || !is_answered(results, CHAIN_CALLS))
		return say(report, SANITY_NO_ANSWER, "the node did not answer every call");
	report->has_multicall3 = is_code(&results[MULTICALL3_CODE]);
	if (said == chain_id)
		return SANITY_SOUND;
	snprintf(report->text, sizeof report->text, "rpc is a node of chain eip155:%llu, not of eip155:%llu",
		 (unsigned long long)said, (unsigned long long)chain_id);
	return SANITY_WRONG;
}

enum sanity sanity_answer(struct sanity_report *report, uint64_t chain_id, const struct offer *offer, struct span body)
{
	struct rpc_result results[CALLS_MAX];
	size_t cnt = offer == NULL ? CHAIN_CALLS : offer->method == METHOD_EIP3009 ? TOKEN_CALLS : PERMIT2_CALLS;

	*report = (struct sanity_report){.has_multicall3 = false};
	if (!rpc_answer(results, cnt, body))
		return say(report, SANITY_NO_ANSWER, "not an answer to a JSON-RPC batch");
	return offer == NULL ? judge_chain(report, chain_id, results) : judge_offer(report, offer, results, cnt);
}
