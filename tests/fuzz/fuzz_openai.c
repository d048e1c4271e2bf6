// SPDX-License-Identifier: Apache-2.0
// link: user/openai.c user/price.c user/base/base64.c user/base/hex.c user/base/u256.c user/base/json.c user/base/utf8.c user/base/log.c -ljansson
/* Bodies: whatever passes is JSON to jansson too, and the edit makes it ask for usage and changes nothing else.
 * Events and answers: no crash, no read outside, and usage that stays in bounds.
 * Proofs: what is known jansson finds at the top level, too, and in the same words. */
#include "jansson_names.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/hex.h"
#include "openai.h"
#include "price.h"

#define REQUIRE(expression) ((expression) ? (void)0 : abort())

static json_t *edited(struct span body, const struct openai_request *request)
{
	size_t rest = request->insert_at + request->replace_bytes;
	size_t text_bytes = body.bytes - request->replace_bytes + request->insert.bytes;
	char *text = malloc(text_bytes);
	json_t *json;

	memcpy(text, body.at, request->insert_at);
	memcpy(text + request->insert_at, request->insert.at, request->insert.bytes);
	memcpy(text + request->insert_at + request->insert.bytes, body.at + rest, body.bytes - rest);
	json = json_loadb(text, text_bytes, JSON_ALLOW_NUL, NULL);
	free(text);
	return json;
}

static void check_request(struct span body)
{
	struct openai_request request;
	json_t *before, *after, *options;

	if (openai_request(&request, body) != REASON_OK)
		return;
	REQUIRE(request.model.bytes == 0 || (request.model.at > body.at && request.model.bytes < body.bytes));
	before = json_loadb((const char *)body.at, body.bytes, JSON_ALLOW_NUL, NULL);
	if (before == NULL)
		return; /* numbers beyond jansson's, escapes of zero in names */
	REQUIRE(request.stream == json_is_true(json_object_get(before, "stream")));
	if (request.insert.bytes != 0) {
		after = edited(body, &request);
		options = json_object_get(before, "stream_options");
		if (!json_is_object(options)) {
			options = json_object();
			json_object_set_new(before, "stream_options", options);
		}
		json_object_set_new(options, "include_usage", json_true());
		REQUIRE(after != NULL && json_equal(before, after));
		json_decref(after);
	}
	json_decref(before);
}

static void check_event(struct span bytes)
{
	static const struct offer offer = {.input_per_mtok = ~(unsigned __int128)0, .output_per_mtok = 1};
	static const struct offer dollars = {.token_usd = 1, .token_decimals = TOKEN_DECIMALS_MAX};
	static const struct model_price price = {.input_usd = USD_MAX, .output_usd = USD_MAX};
	struct openai_usage usage = {.known = false};
	struct openai_event event;
	struct word cost;

	openai_event(&event, &usage, bytes);
	REQUIRE(event.is_data || !(event.is_done || event.has_content || event.is_usage_extra || usage.known));
	openai_usage(&usage, bytes);
	price_cost(&cost, &offer, NULL, &usage); /* asserts the bounds */
	price_cost(&cost, &dollars, &price, &usage);
}

static void require_hash(json_t *json, const char *name, const struct word *hash)
{
	const char *text = json_string_value(json_object_get(json, name));
	char digits[HEX_BYTES(32)];

	hex_encode(digits, hash->at, sizeof hash->at);
	REQUIRE(text != NULL && strcasecmp(text[1] == 'x' ? text + 2 : text, digits + 2) == 0);
}

static void check_proof(struct span text)
{
	char signature[BASE64_ENCODED_BYTES(PROOF_SIGNATURE_BYTES_MAX) + 1];
	struct proof proof = {.known = false}, of_event = {.known = false};

	openai_proof(&proof, text);
	openai_event_proof(&of_event, text);
	REQUIRE(!of_event.known || of_event.signature_bytes <= PROOF_SIGNATURE_BYTES_MAX);
	if (!proof.known)
		return;
	REQUIRE(proof.signature_bytes > 0 && proof.signature_bytes <= PROOF_SIGNATURE_BYTES_MAX);
	json_t *json = json_loadb((const char *)text.at, text.bytes, JSON_ALLOW_NUL, NULL);
	if (json == NULL)
		return; /* numbers beyond jansson's, escapes of zero in names */
	require_hash(json, "tee_id", &proof.tee_id);
	require_hash(json, "tee_request_hash", &proof.input_hash);
	require_hash(json, "tee_output_hash", &proof.output_hash);
	REQUIRE(json_integer_value(json_object_get(json, "tee_timestamp")) == (json_int_t)proof.timestamp);
	base64_encode(signature, span_of(proof.signature, proof.signature_bytes));
	const char *was = json_string_value(json_object_get(json, "tee_signature"));
	REQUIRE(was != NULL && strncmp(signature, was, strlen(was)) == 0); /* padding may be missing */
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	check_request(span_of(data, bytes));
	check_event(span_of(data, bytes));
	check_proof(span_of(data, bytes));
	return 0;
}
