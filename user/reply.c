// SPDX-License-Identifier: Apache-2.0
/* reply.c: see reply.h.
 *
 * A challenge differs by route, reason and method only, so all of them are made at start.  Methods whose x402 code is the
 * same share one. */
#include "reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/eip55.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/text.h"
#include "base/u256.h"
#include "network.h"

/* Largest JSON of a challenge.  v1 repeats url, description and type in each of ROUTE_OFFERS_MAX offers: 768 + 64 bytes
 * of configuration, escaped to six each, and two names of 64; about 54 KiB. */
#define CHALLENGE_JSON_BYTES_MAX 65536
#define CHALLENGE_HEAD_BYTES_MAX (BASE64_ENCODED_BYTES(CHALLENGE_JSON_BYTES_MAX) + 512)
#define ERROR_JSON_BYTES_MAX 512 /* message at most 120, word 24, fixed text 80 */
#define METHOD_CNT (METHOD_UPTO + 1)

struct challenge {
	struct span keep, close;
	bool shared; /* with an earlier method, whose memory it is */
};

/* One route's; those of reasons that are not answered by 402 stay empty.  [METHOD_NONE] is exact's. */
typedef struct challenge challenges[REASON_CNT][METHOD_CNT];

struct reply {
	size_t route_cnt;
	size_t bytes;
	challenges routes[];
};

/* Where one challenge is put together before it is copied to its own memory. */
struct workbench {
	char v2[CHALLENGE_JSON_BYTES_MAX];
	char v1[CHALLENGE_JSON_BYTES_MAX];
	char base64[BASE64_ENCODED_BYTES(CHALLENGE_JSON_BYTES_MAX) + 1];
	char answer[CHALLENGE_HEAD_BYTES_MAX + CHALLENGE_JSON_BYTES_MAX];
};

static void write_member(struct json_writer *json, const char *before, const char *text)
{
	json_write(json, before);
	json_write_string(json, span_str(text));
}

static void write_address(struct json_writer *json, const char *before, const struct address *address)
{
	char text[EIP55_BYTES];

	write_member(json, before, eip55_encode(text, address->at));
}

static void write_word(struct json_writer *json, const char *before, const struct word *word)
{
	char text[U256_DECIMAL_BYTES];

	u256_print(text, word->at);
	write_member(json, before, text);
}

static void write_caip2(struct json_writer *json, const char *before, uint64_t chain_id)
{
	char text[32];

	snprintf(text, sizeof text, "eip155:%" PRIu64, chain_id);
	write_member(json, before, text);
}

static void write_url(struct json_writer *json, const char *before, const struct config *config,
		      const struct config_route *route)
{
	char text[URL_BYTES_MAX + PATH_BYTES_MAX];

	snprintf(text, sizeof text, "%s%s", config->public_url, route->path);
	write_member(json, before, text);
}

/* Clients take an offer of scheme exact without assetTransferMethod as EIP-3009. */
static void write_v2_extra(struct json_writer *json, const struct offer *offer)
{
	const char *comma = "";

	json_write(json, ",\"extra\":{");
	if (offer->method != METHOD_EIP3009) {
		json_write(json, "\"assetTransferMethod\":\"permit2\"");
		comma = ",";
	}
	if (offer->token_name[0] != '\0' && offer->token_version[0] != '\0') {
		json_write(json, comma);
		write_member(json, "\"name\":", offer->token_name);
		write_member(json, ",\"version\":", offer->token_version);
	}
	if (offer->method == METHOD_UPTO)
		write_address(json, ",\"facilitatorAddress\":", &offer->facilitator);
	json_write(json, "}");
}

static void write_v2_offer(struct json_writer *json, const struct offer *offer)
{
	write_member(json, "{\"scheme\":", offer->method == METHOD_UPTO ? "upto" : "exact");
	write_caip2(json, ",\"network\":", offer->chain_id);
	write_word(json, ",\"amount\":", &offer->amount);
	write_address(json, ",\"asset\":", &offer->asset);
	write_address(json, ",\"payTo\":", &offer->pay_to);
	json_write(json, ",\"maxTimeoutSeconds\":");
	json_write_u64(json, offer->max_timeout_s);
	write_v2_extra(json, offer);
	json_write(json, "}");
}

/* Where the same can be asked by one datagram: native.h. */
static void write_native(struct json_writer *json, const struct config *config, const struct config_route *route)
{
	const struct sockaddr_storage *listen = &config->native.listens[0];

	if (config->native.listen_cnt == 0 || route->native == ROUTE_NOT_NATIVE)
		return;
	json_write(json, ",\"extensions\":{\"tollbar-native\":{\"info\":{\"port\":");
	json_write_u64(json, ntohs(((const struct sockaddr_in *)listen)->sin_port)); /* IPv6 has it in the same place */
	json_write(json, ",\"route\":");
	json_write_u64(json, route->native);
	json_write(json, "},\"schema\":{\"type\":\"object\",\"properties\":{\"port\":{\"type\":\"integer\"},"
			 "\"route\":{\"type\":\"integer\"}},\"required\":[\"port\",\"route\"]}}}");
}

/* PaymentRequired, version 2. */
static size_t write_v2(char *out, size_t out_bytes, const struct config *config, const struct config_route *route,
		       const char *error)
{
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	write_member(&json, "{\"x402Version\":2,\"error\":", error);
	write_url(&json, ",\"resource\":{\"url\":", config, route);
	write_member(&json, ",\"description\":", route->description);
	write_member(&json, ",\"mimeType\":", route->mime_type);
	json_write(&json, "},\"accepts\":[");
	for (size_t i = 0; i < route->offer_cnt; i++) {
		json_write(&json, i == 0 ? "" : ",");
		write_v2_offer(&json, route->offers[i]);
	}
	json_write(&json, "]");
	write_native(&json, config, route);
	json_write(&json, "}");
	return json_write_done(&json);
}

static void write_v1_offer(struct json_writer *json, const struct config *config, const struct config_route *route,
			   const struct offer *offer)
{
	write_member(json, "{\"scheme\":\"exact\",\"network\":", network_v1_name(offer->chain_id));
	write_word(json, ",\"maxAmountRequired\":", &offer->amount);
	write_url(json, ",\"resource\":", config, route);
	write_member(json, ",\"description\":", route->description);
	write_member(json, ",\"mimeType\":", route->mime_type);
	write_address(json, ",\"payTo\":", &offer->pay_to);
	json_write(json, ",\"maxTimeoutSeconds\":");
	json_write_u64(json, offer->max_timeout_s);
	write_address(json, ",\"asset\":", &offer->asset);
	write_member(json, ",\"extra\":{\"name\":", offer->token_name);
	write_member(json, ",\"version\":", offer->token_version);
	json_write(json, "}}");
}

/* PaymentRequired, version 1, with our own member "reason".  Version 1 knows exact by EIP-3009 only, and has no names for
 * most chains: accepts may be empty. */
static size_t write_v1(char *out, size_t out_bytes, const struct config *config, const struct config_route *route,
		       const char *error, enum reason reason)
{
	struct json_writer json;
	const char *comma = "";

	json_write_init(&json, out, out_bytes);
	write_member(&json, "{\"x402Version\":1,\"error\":", error);
	write_member(&json, ",\"reason\":", reason_word(reason));
	json_write(&json, ",\"accepts\":[");
	for (size_t i = 0; i < route->offer_cnt; i++) {
		if (route->offers[i]->method != METHOD_EIP3009 || network_v1_name(route->offers[i]->chain_id) == NULL)
			continue;
		json_write(&json, comma);
		write_v1_offer(&json, config, route, route->offers[i]);
		comma = ",";
	}
	json_write(&json, "]}");
	return json_write_done(&json);
}

static const char *status_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
		{400, "Bad Request"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{417, "Expectation Failed"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{499, "Client Closed Request"},
		{500, "Internal Server Error"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Refused"; /* a phrase says nothing to a program; the test knows that every status has its own */
}

/* Head and body of the answer in its own memory; empty when there is none. */
static struct span make_answer(struct reply *reply, struct workbench *bench, enum reason reason, size_t v1_bytes,
			       bool close)
{
	int bytes = snprintf(bench->answer, sizeof bench->answer,
			     "HTTP/1.1 %u %s\r\n"
			     "PAYMENT-REQUIRED: %s\r\n"
			     "Cache-Control: no-store\r\n"
			     "Content-Type: application/json\r\n"
			     "Content-Length: %zu\r\n"
			     "%s\r\n%s",
			     reason_status(reason), status_phrase(reason_status(reason)), bench->base64, v1_bytes,
			     close ? "Connection: close\r\n" : "", bench->v1);
	uint8_t *copy;

	ASSERT(bytes > 0 && (size_t)bytes < sizeof bench->answer);
	copy = malloc((size_t)bytes);
	if (copy == NULL)
		return span_of(NULL, 0);
	memcpy(copy, bench->answer, (size_t)bytes);
	reply->bytes += (size_t)bytes;
	return span_of(copy, (size_t)bytes);
}

static bool make_challenge(struct reply *reply, struct challenge *challenge, struct workbench *bench,
			   const struct config *config, const struct config_route *route, enum reason reason,
			   const char *error)
{
	size_t v2_bytes = write_v2(bench->v2, sizeof bench->v2, config, route, error);
	size_t v1_bytes = write_v1(bench->v1, sizeof bench->v1, config, route, error, reason);

	ASSERT(v2_bytes != 0 && v1_bytes != 0);
	base64_encode(bench->base64, span_of(bench->v2, v2_bytes));
	challenge->keep = make_answer(reply, bench, reason, v1_bytes, false);
	challenge->close = make_answer(reply, bench, reason, v1_bytes, true);
	return challenge->keep.at != NULL && challenge->close.at != NULL;
}

/* All methods of one route and reason. */
static bool make_reason(struct reply *reply, struct workbench *bench, const struct config *config, size_t route_idx,
			enum reason reason)
{
	struct challenge *row = reply->routes[route_idx][reason];

	for (unsigned method = METHOD_NONE; method < METHOD_CNT; method++) {
		const char *error = reason_x402(reason, method);
		unsigned same = METHOD_NONE;

		while (strcmp(reason_x402(reason, same), error) != 0)
			same++;
		if (same != method)
			row[method] = (struct challenge){row[same].keep, row[same].close, true};
		else if (!make_challenge(reply, &row[method], bench, config, &config->routes[route_idx], reason, error))
			return false;
	}
	return true;
}

bool reply_challenges(enum reason reason)
{
	unsigned status = reason_status(reason);

	return (status == 402 || status == 412) && reason_x402(reason, METHOD_NONE) != NULL;
}

static bool make_all(struct reply *reply, struct workbench *bench, const struct config *config)
{
	for (size_t route_idx = 0; route_idx < config->route_cnt; route_idx++) {
		if (config->routes[route_idx].offer_cnt == 0)
			continue;
		for (unsigned reason = 0; reason < REASON_CNT; reason++)
			if (reply_challenges((enum reason)reason) &&
			    !make_reason(reply, bench, config, route_idx, reason))
				return false;
	}
	return true;
}

struct reply *reply_init(const struct config *config)
{
	size_t bytes = sizeof(struct reply) + config->route_cnt * sizeof(challenges);
	struct reply *reply = calloc(1, bytes);
	struct workbench *bench = malloc(sizeof *bench);

	if (reply != NULL) {
		reply->route_cnt = config->route_cnt;
		reply->bytes = bytes;
	}
	if (reply == NULL || bench == NULL || !make_all(reply, bench, config)) {
		reply_fini(reply);
		reply = NULL;
	}
	free(bench);
	return reply;
}

static void free_route(challenges route)
{
	for (unsigned reason = 0; reason < REASON_CNT; reason++)
		for (unsigned method = METHOD_NONE; method < METHOD_CNT; method++) {
			struct challenge *challenge = &route[reason][method];

			if (challenge->shared)
				continue;
			free((void *)(uintptr_t)challenge->keep.at);
			free((void *)(uintptr_t)challenge->close.at);
		}
}

void reply_fini(struct reply *reply)
{
	if (reply == NULL)
		return;
	for (size_t route_idx = 0; route_idx < reply->route_cnt; route_idx++)
		free_route(reply->routes[route_idx]);
	free(reply);
}

size_t reply_bytes(const struct reply *reply)
{
	return reply->bytes;
}

static const struct challenge *find(const struct reply *reply, size_t route_idx, enum reason reason, unsigned method)
{
	const struct challenge *challenge;

	ASSERT(route_idx < reply->route_cnt && (unsigned)reason < REASON_CNT);
	challenge = &reply->routes[route_idx][reason][method < METHOD_CNT ? method : METHOD_NONE];
	ASSERT(challenge->keep.bytes != 0); /* a paid route, and a reason that is answered by 402 */
	return challenge;
}

struct span reply_challenge(const struct reply *reply, size_t route_idx, enum reason reason, unsigned method)
{
	return find(reply, route_idx, reason, method)->keep;
}

struct span reply_challenge_close(const struct reply *reply, size_t route_idx, enum reason reason, unsigned method)
{
	return find(reply, route_idx, reason, method)->close;
}

/* --- other answers --- */

static const char *error_type(unsigned status)
{
	if (status >= 500)
		return "server_error";
	if (status == 429)
		return "rate_limit_error";
	return status == 403 ? "permission_error" : "invalid_request_error";
}

/* The error object OpenAI clients parse. */
static size_t write_error(char *out, size_t out_bytes, enum reason reason)
{
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	write_member(&json, "{\"error\":{\"message\":", reason_message(reason));
	write_member(&json, ",\"type\":", error_type(reason_status(reason)));
	write_member(&json, ",\"param\":null,\"code\":", reason_word(reason));
	json_write(&json, "}}");
	return json_write_done(&json);
}

/* The header promises sizes that always suffice. */
static size_t whole(const struct text *text)
{
	ASSERT(text_done(text) != 0);
	return text_done(text);
}

size_t reply_refusal(char *out, size_t out_bytes, const struct refusal *refusal)
{
	unsigned status = reason_status(refusal->reason);
	char body[ERROR_JSON_BYTES_MAX];
	size_t body_bytes = write_error(body, sizeof body, refusal->reason);
	struct text text;

	ASSERT(body_bytes != 0);
	text_init(&text, out, out_bytes);
	text_put(&text, "HTTP/1.1 %u %s\r\n", status, status_phrase(status));
	if (refusal->retry_after_s != 0)
		text_put(&text, "Retry-After: %u\r\n", refusal->retry_after_s);
	if (refusal->allow != NULL)
		text_put(&text, "Allow: %s\r\n", refusal->allow);
	text_put(&text, "%.*s", (int)refusal->extra.bytes, (const char *)refusal->extra.at);
	text_put(&text, "Cache-Control: no-store\r\nContent-Type: application/json\r\n");
	text_put(&text, "Content-Length: %zu\r\n%s\r\n", body_bytes, refusal->close ? "Connection: close\r\n" : "");
	if (!refusal->head_only)
		text_put(&text, "%s", body);
	return whole(&text);
}

size_t reply_pending(char *out, size_t out_bytes, const struct pending *pending)
{
	char id[HEX_BYTES(NATIVE_ID_BYTES)], body[128];
	struct text text;

	hex_encode(id, pending->id, NATIVE_ID_BYTES);
	int body_bytes = snprintf(body, sizeof body, "{\"id\":\"%s\",\"state\":\"%s\",\"place\":%" PRIu32 "}", id + 2,
				  pending->place > 0 ? "queued" : "running", pending->place);
	ASSERT(body_bytes > 0 && (size_t)body_bytes < sizeof body);
	text_init(&text, out, out_bytes);
	text_put(&text, "HTTP/1.1 202 Accepted\r\nRetry-After: 1\r\n");
	text_put(&text, "Cache-Control: no-store\r\nContent-Type: application/json\r\n");
	text_put(&text, "Content-Length: %d\r\n%s\r\n%s", body_bytes, pending->close ? "Connection: close\r\n" : "",
		 body);
	return whole(&text);
}

size_t reply_stream_error(char *out, size_t out_bytes, enum reason reason)
{
	char body[ERROR_JSON_BYTES_MAX];
	struct text text;

	text_init(&text, out, out_bytes);
	ASSERT(write_error(body, sizeof body, reason) != 0);
	text_put(&text, "data: %s\n\n", body);
	return whole(&text);
}

static size_t write_receipt(char *out, size_t out_bytes, const struct receipt *receipt)
{
	const char *v1_name = receipt->version == 1 ? network_v1_name(receipt->offer->chain_id) : NULL;
	char transaction[HEX_BYTES(32)] = "";
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	json_write(&json, receipt->success ? "{\"success\":true" : "{\"success\":false");
	if (!receipt->success && receipt->error != NULL)
		write_member(&json, ",\"errorReason\":", receipt->error);
	if (receipt->payer != NULL)
		write_address(&json, ",\"payer\":", receipt->payer);
	if (receipt->has_transaction)
		hex_encode(transaction, receipt->transaction->at, 32);
	write_member(&json, ",\"transaction\":", transaction);
	if (v1_name != NULL)
		write_member(&json, ",\"network\":", v1_name);
	else
		write_caip2(&json, ",\"network\":", receipt->offer->chain_id);
	if (receipt->amount != NULL)
		write_word(&json, ",\"amount\":", receipt->amount);
	json_write(&json, "}");
	return json_write_done(&json);
}

size_t reply_receipt(char *out, size_t out_bytes, const struct receipt *receipt)
{
	char json[704], base64[BASE64_ENCODED_BYTES(sizeof json) + 1];
	size_t json_bytes = write_receipt(json, sizeof json, receipt);
	struct text text;

	ASSERT(json_bytes != 0); /* error at most SETTLE_WORD_BYTES_MAX printable bytes, the rest is of fixed size */
	base64_encode(base64, span_of(json, json_bytes));
	text_init(&text, out, out_bytes);
	text_put(&text, "%sPAYMENT-RESPONSE: %s\r\n", receipt->version == 1 ? "X-" : "", base64);
	return whole(&text);
}
