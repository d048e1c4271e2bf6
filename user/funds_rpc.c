// SPDX-License-Identifier: Apache-2.0
#include "funds_rpc.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"

#define REVERTED_CODE 3 /* what nodes say when it was the contract that refused */
#define HEX_PIECE 64	/* bytes turned to hex at a time */

/* --- question --- */

void rpc_begin(struct rpc_batch *batch, char *out, size_t out_bytes)
{
	json_write_init(&batch->json, out, out_bytes);
	json_write(&batch->json, "[");
	batch->cnt = 0;
}

static void open_call(struct rpc_batch *batch, const char *method)
{
	struct json_writer *json = &batch->json;

	json_write(json, batch->cnt == 0 ? "{\"jsonrpc\":\"2.0\",\"id\":" : ",{\"jsonrpc\":\"2.0\",\"id\":");
	json_write_u64(json, batch->cnt++);
	json_write(json, ",\"method\":\"");
	json_write(json, method);
	json_write(json, "\",\"params\":[");
}

static void write_hex(struct json_writer *json, struct span bytes)
{
	char text[HEX_BYTES(HEX_PIECE)];

	json_write(json, "\"0x");
	for (size_t at = 0; at < bytes.bytes; at += HEX_PIECE) {
		size_t piece = bytes.bytes - at < HEX_PIECE ? bytes.bytes - at : HEX_PIECE;
		json_write(json, hex_encode(text, bytes.at + at, piece) + 2);
	}
	json_write(json, "\"");
}

static void write_block(struct rpc_batch *batch, const char *block)
{
	json_write(&batch->json, "\"");
	json_write(&batch->json, block);
	json_write(&batch->json, "\"");
}

void rpc_call(struct rpc_batch *batch, const struct address *to, struct span data)
{
	rpc_call_at(batch, to, data, "latest");
}

void rpc_call_at(struct rpc_batch *batch, const struct address *to, struct span data, const char *block)
{
	open_call(batch, "eth_call");
	json_write(&batch->json, "{\"to\":");
	write_hex(&batch->json, span_of(to, sizeof *to));
	json_write(&batch->json, ",\"data\":");
	write_hex(&batch->json, data);
	json_write(&batch->json, "},");
	write_block(batch, block);
	json_write(&batch->json, "]}");
}

void rpc_create(struct rpc_batch *batch, struct span code)
{
	open_call(batch, "eth_call");
	json_write(&batch->json, "{\"data\":");
	write_hex(&batch->json, code);
	json_write(&batch->json, "},");
	write_block(batch, "latest");
	json_write(&batch->json, "]}");
}

void rpc_code(struct rpc_batch *batch, const struct address *account)
{
	open_call(batch, "eth_getCode");
	write_hex(&batch->json, span_of(account, sizeof *account));
	json_write(&batch->json, ",\"latest\"]}");
}

void rpc_chain_id(struct rpc_batch *batch)
{
	open_call(batch, "eth_chainId");
	json_write(&batch->json, "]}");
}

void rpc_receipt(struct rpc_batch *batch, const struct word *transaction)
{
	open_call(batch, "eth_getTransactionReceipt");
	write_hex(&batch->json, span_of(transaction, sizeof *transaction));
	json_write(&batch->json, "]}");
}

void rpc_transaction(struct rpc_batch *batch, const struct word *transaction)
{
	open_call(batch, "eth_getTransactionByHash");
	write_hex(&batch->json, span_of(transaction, sizeof *transaction));
	json_write(&batch->json, "]}");
}

void rpc_block(struct rpc_batch *batch, const char *block)
{
	open_call(batch, "eth_getBlockByNumber");
	write_block(batch, block);
	json_write(&batch->json, ",false]}");
}

static void write_topic(struct json_writer *json, const struct word *topic)
{
	if (topic == NULL)
		json_write(json, ",null");
	else
		json_write(json, ",");
	if (topic != NULL)
		write_hex(json, span_of(topic, sizeof *topic));
}

void rpc_logs(struct rpc_batch *batch, const struct rpc_logs *logs)
{
	struct json_writer *json = &batch->json;
	char block[RPC_QUANTITY_BYTES];

	open_call(batch, "eth_getLogs");
	json_write(json, "{\"address\":");
	write_hex(json, span_of(logs->contract, sizeof *logs->contract));
	json_write(json, ",\"fromBlock\":");
	write_block(batch, rpc_quantity(block, logs->from));
	json_write(json, ",\"toBlock\":");
	write_block(batch, rpc_quantity(block, logs->to));
	json_write(json, ",\"topics\":[[");
	write_hex(json, span_of(logs->kinds[0], sizeof *logs->kinds[0]));
	if (logs->kinds[1] != NULL)
		write_topic(json, logs->kinds[1]);
	json_write(json, "]");
	write_topic(json, logs->topics[0]);
	write_topic(json, logs->topics[1]);
	json_write(json, "]}]}");
}

char *rpc_quantity(char out[RPC_QUANTITY_BYTES], uint64_t number)
{
	snprintf(out, RPC_QUANTITY_BYTES, "0x%" PRIx64, number);
	return out;
}

size_t rpc_end(struct rpc_batch *batch)
{
	json_write(&batch->json, "]");
	return json_write_done(&batch->json);
}

/* --- answer --- */

/* What one answer has. */
struct reply {
	bool has_id, has_result, has_error;
	uint64_t id;
	struct json_value result;
	bool reverted;
};

/* "error": {"code": 3, ...}.  What else it says is for people. */
static void read_error(struct reply *reply, struct json *json)
{
	struct json_value name, code;
	uint64_t number;

	reply->has_error = true;
	if (!json_enter(json, JSON_OBJECT)) {
		reply->has_error = json_read(json, &code) && code.type != JSON_NULL;
		return;
	}
	while (json_next(json, &name))
		if (json_equals(&name, SPAN("code")))
			reply->reverted = json_read(json, &code) && json_u64(&code, &number) && number == REVERTED_CODE;
}

static void read_reply(struct reply *reply, struct json *json)
{
	struct json_value name, value;

	*reply = (struct reply){.has_id = false};
	while (json_next(json, &name)) {
		if (json_equals(&name, SPAN("id")))
			reply->has_id = json_read(json, &value) && json_u64(&value, &reply->id);
		else if (json_equals(&name, SPAN("result")))
			reply->has_result = json_read(json, &reply->result);
		else if (json_equals(&name, SPAN("error")))
			read_error(reply, json);
	}
}

static struct rpc_result judge(const struct reply *reply)
{
	const struct json_value *value = &reply->result;
	struct rpc_result result = {.outcome = reply->reverted ? RPC_REVERTED : RPC_FAILED};

	if (!reply->has_error && reply->has_result && value->type == JSON_STRING && !value->escaped) {
		result.outcome = RPC_RESULT;
		result.hex = span_of(value->text.at + 1, value->text.bytes - 2); /* without its quotes */
	} else if (!reply->has_error && reply->has_result &&
		   (value->type == JSON_OBJECT || value->type == JSON_ARRAY)) {
		result.outcome = value->type == JSON_OBJECT ? RPC_OBJECT : RPC_LIST;
		result.object = value->text;
	}
	result.is_null = !reply->has_error && reply->has_result && value->type == JSON_NULL;
	return result;
}

bool rpc_answer(struct rpc_result *results, size_t cnt, struct span body)
{
	struct json json;
	struct reply reply;
	size_t found = 0;
	bool good = true;

	for (size_t i = 0; i < cnt; i++)
		results[i] = (struct rpc_result){.outcome = RPC_FAILED};
	json_init(&json, body, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return false;
	while (good && json_element(&json)) {
		good = found < cnt && json_enter(&json, JSON_OBJECT);
		if (!good)
			break;
		read_reply(&reply, &json);
		good = reply.has_id && reply.id < cnt && results[reply.id].hex.at == NULL;
		if (!good)
			break;
		results[reply.id] = judge(&reply);
		if (results[reply.id].hex.at == NULL)
			results[reply.id].hex = span_of("", 0); /* answered */
		found++;
	}
	return good && found == cnt && json_end(&json);
}

bool rpc_bytes(struct span *bytes, const struct rpc_result *result, uint8_t *out, size_t out_bytes)
{
	size_t cnt = result->hex.bytes / 2 - (result->hex.bytes >= 2);

	if (result->outcome != RPC_RESULT || result->hex.bytes < 2 || cnt > out_bytes ||
	    !hex_decode(out, cnt, result->hex))
		return false;
	*bytes = span_of(out, cnt);
	return true;
}

bool rpc_read_quantity(uint64_t *number, struct span text)
{
	uint8_t digits[18] = "0x0000000000000000", bytes[8];
	size_t cnt = text.bytes;

	if (cnt < 3 || cnt > sizeof digits || memcmp(text.at, "0x", 2) != 0)
		return false;
	memcpy(digits + sizeof digits - (cnt - 2), text.at + 2, cnt - 2);
	if (!hex_decode(bytes, sizeof bytes, span_of(digits, sizeof digits)))
		return false;
	*number = 0;
	for (size_t i = 0; i < sizeof bytes; i++)
		*number = *number << 8 | bytes[i];
	return true;
}

bool rpc_number(uint64_t *number, const struct rpc_result *result)
{
	return result->outcome == RPC_RESULT && rpc_read_quantity(number, result->hex);
}
