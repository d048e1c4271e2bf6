/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_RPC_FIXTURE_H
#define TOLLBAR_TESTS_RPC_FIXTURE_H
/* rpc_fixture.h: a node on the loopback that knows one token and answers JSON-RPC batches as a test tells it to.  It reads a
 * question by its selectors, call by call; with Multicall3 it unpacks aggregate3 first. */
#include "base/hex.h"
#include "base/json.h"
#include "base/u256.h"
#include "funds_abi.h"
#include "http_fixture.h"

#define RPC_ANSWER_BYTES (1 << 20)

static struct {
	_Atomic uint64_t balance, allowance;
	_Atomic bool nonce_used, nonce_reverts, signature_holds, has_code, multicall3, wrong_separator, no_asset;
	_Atomic uint64_t chain_id;
	_Atomic unsigned views, nonces, signatures; /* asked */
	_Atomic bool account_made;		    /* by its factory, in this batch: before that nobody judges */
	_Atomic unsigned factories;		    /* called */
	struct word separator;
	char name[32], version[32];
} node = {.balance = 0};

struct rpc_out {
	uint8_t bytes[4096];
	size_t cnt;
	bool reverts;
};

static void rpc_number_out(struct rpc_out *out, uint64_t number)
{
	u256_from_u64(out->bytes + out->cnt, number);
	out->cnt += 32;
}

static void rpc_text_out(struct rpc_out *out, const char *text)
{
	rpc_number_out(out, 32);
	rpc_number_out(out, strlen(text));
	memset(out->bytes + out->cnt, 0, 32);
	memcpy(out->bytes + out->cnt, text, strlen(text));
	out->cnt += 32;
}

static void rpc_contract(struct rpc_out *out, struct span data)
{
	uint32_t selector =
		(uint32_t)data.at[0] << 24 | (uint32_t)data.at[1] << 16 | (uint32_t)data.at[2] << 8 | data.at[3];

	*out = (struct rpc_out){.cnt = 0};
	switch (selector) {
	case 0x70a08231:
		node.views++;
		rpc_number_out(out, node.balance);
		break;
	case 0xdd62ed3e:
		rpc_number_out(out, node.allowance);
		break;
	case 0xe94a0102:
		node.nonces++;
		out->reverts = node.nonce_reverts;
		rpc_number_out(out, node.nonce_used);
		break;
	case 0x4fe02b44:
		node.nonces++;
		memset(out->bytes, node.nonce_used ? 0xff : 0, 32);
		out->cnt = 32;
		break;
	case 0xfac70000: /* a factory's */
		node.factories++;
		node.account_made = true;
		break;
	case 0x1626ba7e:
		node.signatures++;
		out->cnt = node.has_code || node.account_made ? 32 : 0;
		node.account_made = false; /* nothing of a question stays */
		memcpy(out->bytes, node.signature_holds ? "\x16\x26\xba\x7e" : "\xff\xff\xff\xff", 4);
		break;
	case 0x3644e515:
		memcpy(out->bytes, &node.separator, 32);
		out->bytes[31] ^= node.wrong_separator;
		out->cnt = 32;
		break;
	case 0x06fdde03:
		rpc_text_out(out, node.name);
		break;
	case 0x54fd4d50:
		rpc_text_out(out, node.version);
		break;
	default:
		out->reverts = true;
	}
}

/* aggregate3's calls stand one after the other, each of 32 * 3 bytes, its length and its data. */
static size_t rpc_aggregate(uint8_t *out, struct span data)
{
	size_t cnt = data.at[4 + 63] | (size_t)data.at[4 + 62] << 8, at = 4 + 64 + cnt * 32, used = 64 + cnt * 32;
	struct rpc_out one;

	u256_from_u64(out, 32);
	u256_from_u64(out + 32, cnt);
	for (size_t i = 0; i < cnt; i++) {
		size_t bytes = data.at[at + 127];
		rpc_contract(&one, span_of(data.at + at + 128, bytes));
		at += 128 + (bytes + 31) / 32 * 32;
		u256_from_u64(out + 64 + i * 32, used - 64);
		u256_from_u64(out + used, !one.reverts);
		u256_from_u64(out + used + 32, 64);
		u256_from_u64(out + used + 64, one.cnt);
		memcpy(out + used + 96, one.bytes, one.cnt);
		used += 96 + one.cnt;
	}
	return used;
}

static void rpc_result(struct json_writer *answer, const uint8_t *bytes, size_t cnt)
{
	static _Thread_local char text[RPC_ANSWER_BYTES / 2];

	json_write(answer, "\"result\":\"");
	json_write(answer, hex_encode(text, bytes, cnt));
	json_write(answer, "\"}");
}

/* A program (wrapped_program) is not run here: both its calls stand behind it, as it says how long they are. */
static void rpc_program(struct rpc_out *out, struct span program)
{
	size_t code = program.at[4] << 8 | program.at[5], first = program.at[14] << 8 | program.at[15];

	CHECK_NEED(program.at[0] == 0x61 && program.at[3] == 0x61 && program.at[13] == 0x61);
	CHECK_NEED(code + first < program.bytes);
	rpc_contract(out, span_of(program.at + code, first));
	rpc_contract(out, span_of(program.at + code + first, program.bytes - code - first));
	if (out->cnt < 32 || memcmp(out->bytes, "\x16\x26\xba\x7e", 4) != 0)
		out->cnt = 0;
}

static void rpc_call_one(struct json_writer *answer, const char *params)
{
	static _Thread_local uint8_t data[RPC_ANSWER_BYTES / 8], out[RPC_ANSWER_BYTES / 8];
	const char *hex = strstr(params, "\"data\":\"") + 8;
	size_t bytes = (size_t)(strchr(hex, '"') - hex - 2) / 2;
	struct rpc_out one;

	CHECK_NEED(bytes <= sizeof data && hex_decode(data, bytes, span_of(hex, 2 * bytes + 2)));
	if (memcmp(data, "\x82\xad\x56\xcb", 4) == 0) {
		rpc_result(answer, out, rpc_aggregate(out, span_of(data, bytes)));
		return;
	}
	if (strstr(params, "\"to\":") == NULL || strstr(params, "\"to\":") > hex)
		rpc_program(&one, span_of(data, bytes));
	else
		rpc_contract(&one, span_of(data, bytes));
	if (one.reverts)
		json_write(answer, "\"error\":{\"code\":3,\"message\":\"execution reverted\"}}");
	else
		rpc_result(answer, one.bytes, one.cnt);
}

static void rpc_code_one(struct json_writer *answer, const char *params)
{
	bool multicall3 = strncmp(params, "\"0xca11bde05977b3631167", 23) == 0;
	bool token = strncmp(params, "\"0x3333", 7) == 0 || strncmp(params, "\"0x4020", 7) == 0;
	bool code = multicall3 ? node.multicall3 : token ? !node.no_asset : node.has_code;

	json_write(answer, code ? "\"result\":\"0x6001\"}" : "\"result\":\"0x\"}");
}

/* http.answer: what this node says to a request.  Its thread's, until the next. */
static const char *rpc_answer_to(const char *request)
{
	static _Thread_local char text[RPC_ANSWER_BYTES];
	struct json_writer answer;
	unsigned id = 0;

	json_write_init(&answer, text, sizeof text);
	for (const char *at = request; (at = strstr(at, "\"method\":\"")) != NULL; id++) {
		at += 10;
		const char *params = strstr(at, "\"params\":[") + 10;
		json_write(&answer, id == 0 ? "[{\"jsonrpc\":\"2.0\",\"id\":" : ",{\"jsonrpc\":\"2.0\",\"id\":");
		json_write_u64(&answer, id);
		json_write(&answer, ",");
		if (strncmp(at, "eth_chainId", 11) == 0) {
			char chain_id[48];
			snprintf(chain_id, sizeof chain_id, "\"result\":\"0x%" PRIx64 "\"}", node.chain_id);
			json_write(&answer, chain_id);
		} else if (strncmp(at, "eth_call", 8) == 0) {
			rpc_call_one(&answer, params);
		} else {
			rpc_code_one(&answer, params);
		}
	}
	json_write(&answer, "]");
	CHECK_NEED(json_write_done(&answer) > 0);
	return text;
}

#endif
