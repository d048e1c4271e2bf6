// SPDX-License-Identifier: Apache-2.0
#include "funds_outcome.h"

#include "base/hex.h"
#include "base/u256.h"
#include "contracts.h"

/* keccak256 of each event's signature; tests/unit/test_funds_outcome.c computes them from the strings. */
static const struct word transfer = {{0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b, 0x69, 0xc2, 0xb0,
				      0x68, 0xfc, 0x37, 0x8d, 0xaa, 0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4,
				      0xa1, 0x16, 0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef}};
static const struct word authorization_used = {{0x98, 0xde, 0x50, 0x35, 0x28, 0xee, 0x59, 0xb5, 0x75, 0xef, 0x0c,
						0x0a, 0x25, 0x76, 0xa8, 0x24, 0x97, 0xbf, 0xc0, 0x29, 0xa5, 0x68,
						0x5b, 0x20, 0x9e, 0x9e, 0xc3, 0x33, 0x47, 0x9b, 0x10, 0xa5}};
static const struct word authorization_canceled = {{0x1c, 0xdd, 0x46, 0xff, 0x24, 0x27, 0x16, 0xcd, 0xaa, 0x72, 0xd1,
						    0x59, 0xd3, 0x39, 0xa4, 0x85, 0xb3, 0x43, 0x83, 0x98, 0x34, 0x8d,
						    0x68, 0xf0, 0x9d, 0x7c, 0x8c, 0x0a, 0x59, 0x35, 0x3d, 0x81}};
static const struct word nonces_invalidated = {{0x37, 0x04, 0x90, 0x2f, 0x96, 0x37, 0x66, 0xa4, 0xe5, 0x61, 0xbb,
						0xaa, 0xb6, 0xe6, 0xcd, 0xc1, 0xb1, 0xdd, 0x12, 0xf6, 0xe9, 0xe9,
						0x96, 0x48, 0xda, 0x88, 0x43, 0xb3, 0xf4, 0x6b, 0x91, 0x8d}};

#define TOPICS_MAX 3
#define DATA_BYTES_MAX 64

static bool same(const struct word *a, const struct word *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static struct word padded(const struct address *address)
{
	struct word word = {{0}};

	memcpy(word.at + sizeof word - sizeof *address, address, sizeof *address);
	return word;
}

/* --- the nonce --- */

void outcome_ask_nonce(struct rpc_batch *batch, const struct outcome_query *query, const char *block)
{
	const struct payment *payment = query->payment;
	struct abi_call call;

	if (payment->method == METHOD_EIP3009)
		abi_authorization_state(&call, &query->offer->asset, &payment->from, &payment->nonce);
	else
		abi_nonce_bitmap(&call, &payment->from, &payment->nonce);
	rpc_call_at(batch, &call.to, span_of(call.data, call.bytes), block);
}

bool outcome_nonce_used(bool *used, const struct outcome_query *query, const struct rpc_result *result)
{
	uint8_t bytes[64];
	struct span returned;
	struct word bitmap;

	if (!rpc_bytes(&returned, result, bytes, sizeof bytes))
		return false;
	if (query->payment->method == METHOD_EIP3009)
		return abi_bool(used, returned);
	if (!abi_word(&bitmap, returned))
		return false;
	*used = abi_nonce_bit(&bitmap, &query->payment->nonce);
	return true;
}

/* --- one log --- */

struct event {
	struct address contract;
	bool has_contract, has_transaction, removed;
	struct word topics[TOPICS_MAX];
	size_t topic_cnt; /* TOPICS_MAX + 1: more than are read, or not readable */
	uint8_t data[DATA_BYTES_MAX];
	size_t data_bytes; /* 0 also when there are more than are read */
	struct word transaction;
};

static bool read_hex(uint8_t *out, size_t bytes, const struct json_value *value)
{
	return value->type == JSON_STRING && !value->escaped &&
	       hex_decode(out, bytes, span_of(value->text.at + 1, value->text.bytes - 2));
}

static void read_topics(struct event *event, struct json *json)
{
	struct json_value topic;
	bool good = json_enter(json, JSON_ARRAY);

	if (!good) {
		event->topic_cnt = TOPICS_MAX + 1;
		return;
	}
	for (event->topic_cnt = 0; json_element(json); event->topic_cnt++)
		good &= json_read(json, &topic) && event->topic_cnt < TOPICS_MAX &&
			read_hex(event->topics[event->topic_cnt].at, sizeof(struct word), &topic);
	if (!good)
		event->topic_cnt = TOPICS_MAX + 1;
}

static void read_data(struct event *event, const struct json_value *value)
{
	size_t bytes = value->type == JSON_STRING && value->text.bytes >= 4 ? (value->text.bytes - 4) / 2 : 0;

	event->data_bytes = bytes <= sizeof event->data && read_hex(event->data, bytes, value) ? bytes : 0;
}

/* The members of an object that was entered. */
static void read_event(struct event *event, struct json *json)
{
	struct json_value name, value;

	*event = (struct event){.topic_cnt = 0};
	while (json_next(json, &name)) {
		if (json_equals(&name, SPAN("topics")))
			read_topics(event, json);
		else if (!json_read(json, &value))
			return;
		else if (json_equals(&name, SPAN("address")))
			event->has_contract = read_hex(event->contract.at, sizeof event->contract, &value);
		else if (json_equals(&name, SPAN("data")))
			read_data(event, &value);
		else if (json_equals(&name, SPAN("transactionHash")))
			event->has_transaction = read_hex(event->transaction.at, sizeof event->transaction, &value);
		else if (json_equals(&name, SPAN("removed")))
			event->removed = value.type != JSON_FALSE;
	}
}

/* Transfer(payer, payee, what is due) of the asset. */
static bool pays(const struct event *event, const struct outcome_query *query)
{
	struct word from = padded(&query->payment->from), to = padded(&query->offer->pay_to);

	return event->has_contract && !event->removed && event->topic_cnt == 3 &&
	       memcmp(&event->contract, &query->offer->asset, sizeof event->contract) == 0 &&
	       same(&event->topics[0], &transfer) && same(&event->topics[1], &from) && same(&event->topics[2], &to) &&
	       event->data_bytes == sizeof *query->amount_due &&
	       memcmp(event->data, query->amount_due, sizeof *query->amount_due) == 0;
}

/* --- a receipt --- */

bool outcome_receipt_pays(struct span receipt, const struct outcome_query *query, uint64_t *block)
{
	bool succeeded = false, paid = false, placed = false;
	struct json_value name, value;
	struct event event;
	struct json json;

	json_init(&json, receipt, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		if (json_equals(&name, SPAN("status")))
			succeeded = json_read(&json, &value) && json_equals(&value, SPAN("0x1"));
		else if (json_equals(&name, SPAN("blockNumber")))
			placed = json_read(&json, &value) && value.type == JSON_STRING &&
				 rpc_read_quantity(block, span_of(value.text.at + 1, value.text.bytes - 2));
		else if (json_equals(&name, SPAN("logs")) && json_enter(&json, JSON_ARRAY))
			while (json_element(&json))
				if (json_enter(&json, JSON_OBJECT)) {
					read_event(&event, &json);
					paid |= pays(&event, query);
				}
	}
	return json_end(&json) && succeeded && placed && paid;
}

/* --- logs --- */

void outcome_ask_events(struct rpc_batch *batch, const struct outcome_query *query, uint64_t from, uint64_t to)
{
	struct word payer = padded(&query->payment->from), payee = padded(&query->offer->pay_to);
	bool eip3009 = query->payment->method == METHOD_EIP3009;
	struct rpc_logs nonce = {.contract = eip3009 ? &query->offer->asset : &contract_permit2,
				 .from = from,
				 .to = to,
				 .kinds = {eip3009 ? &authorization_used : &nonces_invalidated,
					   eip3009 ? &authorization_canceled : NULL},
				 .topics = {&payer, eip3009 ? &query->payment->nonce : NULL}};
	struct rpc_logs paid = {.contract = &query->offer->asset,
				.from = from,
				.to = to,
				.kinds = {&transfer, NULL},
				.topics = {&payer, &payee}};

	rpc_logs(batch, &nonce);
	rpc_logs(batch, &paid);
}

/* UnorderedNonceInvalidation(owner, word, mask): is our bit in it? */
static bool invalidates(const struct event *event, const struct word *nonce)
{
	struct word place = {{0}}, mask;

	if (event->data_bytes != 2 * sizeof mask)
		return false;
	memcpy(place.at + 1, nonce->at, sizeof place - 1); /* without its lowest byte, which is the bit */
	memcpy(&mask, event->data + sizeof mask, sizeof mask);
	return memcmp(event->data, &place, sizeof place) == 0 && abi_nonce_bit(&mask, nonce);
}

/* What was asked for is what counts: the node may send more than that. */
static void note_nonce(struct outcome_events *events, const struct outcome_query *query, const struct event *event)
{
	struct word payer = padded(&query->payment->from);
	bool eip3009 = query->payment->method == METHOD_EIP3009;
	const struct address *logs = eip3009 ? &query->offer->asset : &contract_permit2;

	if (!event->has_contract || event->removed || memcmp(&event->contract, logs, sizeof *logs) != 0 ||
	    event->topic_cnt < 2 || event->topic_cnt > TOPICS_MAX || !same(&event->topics[1], &payer))
		return;
	if (!eip3009) {
		events->cancelled |=
			same(&event->topics[0], &nonces_invalidated) && invalidates(event, &query->payment->nonce);
		return;
	}
	if (event->topic_cnt != 3 || !same(&event->topics[2], &query->payment->nonce))
		return;
	events->cancelled |= same(&event->topics[0], &authorization_canceled);
	if (same(&event->topics[0], &authorization_used) && event->has_transaction) {
		events->used = true;
		events->transactions[0] = event->transaction;
	}
}

static void note_transfer(struct outcome_events *events, const struct outcome_query *query, const struct event *event)
{
	if (!event->has_transaction || !pays(event, query))
		return;
	if (query->payment->method == METHOD_EIP3009) {
		events->paid |= events->used && same(&event->transaction, &events->transactions[0]);
		return;
	}
	if (events->transaction_cnt == OUTCOME_TRANSFERS_MAX)
		events->more = true;
	else
		events->transactions[events->transaction_cnt++] = event->transaction;
}

typedef void note_fn(struct outcome_events *events, const struct outcome_query *query, const struct event *event);

static bool read_list(struct outcome_events *events, const struct outcome_query *query, const struct rpc_result *result,
		      note_fn *note)
{
	struct event event;
	struct json json;

	if (result->outcome != RPC_LIST)
		return false;
	json_init(&json, result->object, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return false;
	while (json_element(&json))
		if (json_enter(&json, JSON_OBJECT)) {
			read_event(&event, &json);
			note(events, query, &event);
		}
	return json_end(&json);
}

bool outcome_read_events(struct outcome_events *events, const struct outcome_query *query,
			 const struct rpc_result results[OUTCOME_EVENT_CALLS])
{
	*events = (struct outcome_events){.used = false};
	return read_list(events, query, &results[0], note_nonce) &&
	       read_list(events, query, &results[1], note_transfer);
}

/* --- a transaction --- */

bool outcome_carries(struct span transaction, const struct outcome_query *query)
{
	const struct payment *payment = query->payment;
	const struct word permit[4] = {padded(&payment->token), payment->amount, payment->nonce, payment->deadline};
	char digits[HEX_BYTES(sizeof permit)];
	struct json_value name, value;
	bool carries = false;
	struct json json;

	hex_encode(digits, permit[0].at, sizeof permit);
	json_init(&json, transaction, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name))
		if (json_read(&json, &value) && json_equals(&name, SPAN("input")))
			carries = value.type == JSON_STRING &&
				  memmem(value.text.at, value.text.bytes, digits + 2, 2 * sizeof permit) != NULL;
	return json_end(&json) && carries;
}
