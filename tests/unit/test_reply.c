// SPDX-License-Identifier: Apache-2.0
#include "jansson_names.h"

#include "reply.c"

#include <openssl/evp.h>

#include "check.h"

/* 1 paid by everything, 2 only by upto on a chain without a v1 name, 0 free */
static const struct config *test_config(void)
{
	static struct config config;
	struct offer *offers = config.offers;
	struct config_route *routes = config.routes;

	if (config.route_cnt != 0)
		return &config;
	strcpy(config.public_url, "https://node.example");
	offers[0] = (struct offer){.method = METHOD_EIP3009, .chain_id = 8453, .max_timeout_s = 60};
	strcpy(offers[0].token_name, "USD Coin");
	strcpy(offers[0].token_version, "2");
	CHECK(hex_decode(offers[0].asset.at, 20, SPAN("0x833589fcd6edb6e08f4c7c32d4f71b54bda02913")));
	CHECK(hex_decode(offers[0].pay_to.at, 20, SPAN("0x209693bc6afc0c5328ba36faf03c514ef312287c")));
	CHECK(u256_decimal(offers[0].amount.at, SPAN("10000")));
	offers[1] = offers[0];
	offers[1].method = METHOD_PERMIT2;
	offers[1].token_name[0] = offers[1].token_version[0] = '\0';
	offers[2] = offers[0];
	offers[2].method = METHOD_UPTO;
	offers[2].chain_id = 10740;
	offers[2].max_timeout_s = 120;
	strcpy(offers[2].token_name, "Open\"Gradient\\");
	strcpy(offers[2].token_version, "1");
	CHECK(hex_decode(offers[2].asset.at, 20, SPAN("0xfbc2051ae2265686a469421b2c5a2d5462fbf5eb")));
	CHECK(hex_decode(offers[2].facilitator.at, 20, SPAN("0x1111111111111111111111111111111111111111")));
	CHECK(u256_decimal(offers[2].amount.at,
			   SPAN("115792089237316195423570985008687907853269984665640564039457584007913129639935")));
	config.offer_cnt = 3;
	strcpy(routes[0].path, "/v1/models");
	strcpy(routes[1].path, "/v1/chat/completions");
	strcpy(routes[1].description, "A \"chat\" \\ with\ttabs");
	strcpy(routes[1].mime_type, "application/json");
	routes[1].offers[0] = &offers[0];
	routes[1].offers[1] = &offers[1];
	routes[1].offers[2] = &offers[2];
	routes[1].offer_cnt = 3;
	strcpy(routes[2].path, "/v1/completions");
	routes[2].offers[0] = &offers[2];
	routes[2].offer_cnt = 1;
	config.route_cnt = 3;
	return &config;
}

/* Value of one header field, which must occur once; "" when it does not. */
static const char *field(struct span answer, const char *name)
{
	static char value[65536];
	char text[80], *copy = strndup((const char *)answer.at, answer.bytes), *at;

	snprintf(text, sizeof text, "\r\n%s: ", name);
	at = strstr(copy, text);
	value[0] = '\0';
	if (at != NULL) {
		CHECK_ROW(strstr(at + 1, text) == NULL, name);
		snprintf(value, sizeof value, "%.*s", (int)strcspn(at + strlen(text), "\r"), at + strlen(text));
	}
	free(copy);
	return value;
}

static struct span body(struct span answer)
{
	const uint8_t *end = memmem(answer.at, answer.bytes, "\r\n\r\n", 4);

	CHECK(end != NULL);
	if (end == NULL)
		return SPAN("");
	return span_of(end + 4, answer.bytes - (size_t)(end + 4 - answer.at));
}

static json_t *parse(struct span text)
{
	json_t *json = json_loadb((const char *)text.at, text.bytes, JSON_REJECT_DUPLICATES, NULL);

	CHECK(json != NULL);
	return json;
}

static json_t *parse_base64(const char *text)
{
	static unsigned char out[65536];
	int bytes = EVP_DecodeBlock(out, (const unsigned char *)text, (int)strlen(text));

	CHECK(bytes > 0);
	for (const char *at = text + strlen(text); at > text && at[-1] == '='; at--)
		bytes--;
	return parse(span_of(out, (size_t)bytes));
}

/* Takes `got`; want is JSON with ' for ". */
static void check_json(json_t *got, const char *want)
{
	char text[4096];
	json_t *expected;
	json_error_t error;

	snprintf(text, sizeof text, "%s", want);
	for (char *at = text; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	expected = json_loads(text, 0, &error);
	CHECK_ROW(expected != NULL, error.text);
	if (!json_equal(got, expected)) {
		char *shown = json_dumps(got, JSON_SORT_KEYS);

		CHECK_ROW(json_equal(got, expected), shown);
		free(shown);
	}
	json_decref(expected);
	json_decref(got);
}

#define V2_UPTO                                                                                                        \
	"{'scheme':'upto','network':'eip155:10740',"                                                                   \
	"'amount':'115792089237316195423570985008687907853269984665640564039457584007913129639935',"                   \
	"'asset':'0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB','payTo':'0x209693Bc6afc0C5328bA36FaF03C514EF312287C',"   \
	"'maxTimeoutSeconds':120,'extra':{'assetTransferMethod':'permit2','name':'Open\\\"Gradient\\\\','version':'1'" \
	","                                                                                                            \
	"'facilitatorAddress':'0x1111111111111111111111111111111111111111'}}"

#define USDC "'asset':'0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913','payTo':'0x209693Bc6afc0C5328bA36FaF03C514EF312287C'"

TEST(challenge_in_both_versions)
{
	struct reply *reply = reply_init(test_config());
	struct span answer = reply_challenge(reply, 1, SIGNATURE_BAD, METHOD_PERMIT2);

	CHECK(answer.bytes > 30 && memcmp(answer.at, "HTTP/1.1 402 Payment Required\r\n", 31) == 0);
	CHECK(strcmp(field(answer, "Cache-Control"), "no-store") == 0);
	CHECK(strcmp(field(answer, "Content-Type"), "application/json") == 0);
	CHECK(strcmp(field(answer, "Connection"), "") == 0);
	CHECK_EQ(atol(field(answer, "Content-Length")), body(answer).bytes);
	check_json(parse_base64(field(answer, "PAYMENT-REQUIRED")),
		   "{'x402Version':2,'error':'invalid_permit2_signature',"
		   "'resource':{'url':'https://node.example/v1/chat/completions',"
		   "'description':'A \\\"chat\\\" \\\\ with\\ttabs','mimeType':'application/json'},'accepts':["
		   "{'scheme':'exact','network':'eip155:8453','amount':'10000'," USDC ",'maxTimeoutSeconds':60,"
		   "'extra':{'name':'USD Coin','version':'2'}},"
		   "{'scheme':'exact','network':'eip155:8453','amount':'10000'," USDC ",'maxTimeoutSeconds':60,"
		   "'extra':{'assetTransferMethod':'permit2'}}," V2_UPTO "]}");
	check_json(parse(body(answer)),
		   "{'x402Version':1,'error':'invalid_permit2_signature','reason':'signature_bad','accepts':["
		   "{'scheme':'exact','network':'base','maxAmountRequired':'10000',"
		   "'resource':'https://node.example/v1/chat/completions',"
		   "'description':'A \\\"chat\\\" \\\\ with\\ttabs','mimeType':'application/json'," USDC ","
		   "'maxTimeoutSeconds':60,'extra':{'name':'USD Coin','version':'2'}}]}");
	reply_fini(reply);
}

TEST(a_route_without_a_v1_offer)
{
	struct reply *reply = reply_init(test_config());
	struct span answer = reply_challenge(reply, 2, PAYMENT_MISSING, METHOD_NONE);

	check_json(parse_base64(field(answer, "PAYMENT-REQUIRED")),
		   "{'x402Version':2,'error':'Payment required','resource':{"
		   "'url':'https://node.example/v1/completions','description':'','mimeType':''},'accepts':[" V2_UPTO
		   "]}");
	check_json(parse(body(answer)),
		   "{'x402Version':1,'error':'Payment required','reason':'payment_missing','accepts':[]}");
	reply_fini(reply);
}

TEST(a_route_that_is_offered_over_the_native_transport)
{
	static struct config config;
	const struct sockaddr_in6 listen = {.sin6_family = AF_INET6, .sin6_port = htons(8403)};

	config = *test_config();
	config.routes[1].native = ROUTE_NOT_NATIVE;
	config.routes[2].native = 255;
	memcpy(&config.native.listens[0], &listen, sizeof listen);
	for (config.native.listen_cnt = 0; config.native.listen_cnt < 2; config.native.listen_cnt++) {
		struct reply *reply = reply_init(&config);
		for (size_t route = 1; route < 3; route++) {
			struct span answer = reply_challenge(reply, route, PAYMENT_MISSING, METHOD_NONE);
			json_t *json = parse_base64(field(answer, "PAYMENT-REQUIRED"));
			json_t *extensions = json_object_get(json, "extensions");
			CHECK((extensions != NULL) == (config.native.listen_cnt == 1 && route == 2));
			if (extensions != NULL)
				check_json(
					json_incref(extensions),
					"{'tollbar-native':{'info':{'port':8403,'route':255},'schema':{'type':'object',"
					"'properties':{'port':{'type':'integer'},'route':{'type':'integer'}},"
					"'required':['port','route']}}}");
			json_decref(json);
		}
		reply_fini(reply);
	}
}

TEST(every_402_reason_and_method_has_its_challenge)
{
	struct reply *reply = reply_init(test_config());
	size_t bytes = 0;
	unsigned cnt = 0;

	for (unsigned reason = 0; reason < REASON_CNT; reason++)
		for (unsigned method = METHOD_NONE; method <= METHOD_UPTO && reply_challenges(reason); method++) {
			struct span keep = reply_challenge(reply, 1, reason, method);
			struct span closing = reply_challenge_close(reply, 1, reason, method);
			json_t *v2 = parse_base64(field(closing, "PAYMENT-REQUIRED"));
			json_t *v1 = parse(body(closing));

			CHECK(memcmp(keep.at, reason == ALLOWANCE_LOW ? "HTTP/1.1 412 P" : "HTTP/1.1 402 P", 14) == 0);
			CHECK(strcmp(field(closing, "Connection"), "close") == 0);
			CHECK_EQ(closing.bytes - keep.bytes, strlen("Connection: close\r\n"));
			CHECK(strcmp(json_string_value(json_object_get(v1, "reason")), reason_word(reason)) == 0);
			CHECK(strcmp(json_string_value(json_object_get(v1, "error")), reason_x402(reason, method)) ==
			      0);
			CHECK(strcmp(json_string_value(json_object_get(v2, "error")), reason_x402(reason, method)) ==
			      0);
			bytes += keep.bytes;
			cnt++;
			json_decref(v1);
			json_decref(v2);
		}
	unsigned rows = 0;
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++)
		rows += reply_challenges(reason_daemon[i]);
	CHECK_EQ(cnt, rows * 4);
	CHECK(reply_challenge(reply, 1, REPLAYED, METHOD_UPTO).at ==
	      reply_challenge(reply, 1, REPLAYED, METHOD_PERMIT2).at);
	CHECK(reply_challenge(reply, 1, REPLAYED, METHOD_NONE).at ==
	      reply_challenge(reply, 1, REPLAYED, METHOD_EIP3009).at);
	CHECK(reply_bytes(reply) > bytes / 4 && reply_bytes(reply) < 1 << 20);
	reply_fini(reply);
}

TEST(a_challenge_as_large_as_a_configuration_can_make_it_fits)
{
	static struct config config;
	struct config_route *route = &config.routes[0];
	struct reply *reply;

	memset(config.public_url, '\1', URL_BYTES_MAX - 1); /* six bytes each in JSON */
	memset(route->path, '\1', PATH_BYTES_MAX - 1);
	memset(route->description, '\1', URL_BYTES_MAX - 1);
	memset(route->mime_type, '\1', NAME_BYTES_MAX - 1);
	for (size_t i = 0; i < ROUTE_OFFERS_MAX; i++) {
		struct offer *offer = &config.offers[i];

		*offer = (struct offer){.method = METHOD_EIP3009, .chain_id = 324705682, .max_timeout_s = INT64_MAX};
		memset(offer->amount.at, 0xff, 32);
		memset(offer->token_name, '\1', NAME_BYTES_MAX - 1);
		memset(offer->token_version, '\1', NAME_BYTES_MAX - 1);
		route->offers[i] = offer;
	}
	route->offer_cnt = ROUTE_OFFERS_MAX;
	config.route_cnt = 1;
	reply = reply_init(&config);
	CHECK(reply != NULL);
	if (reply == NULL)
		return;
	json_decref(parse(body(reply_challenge(reply, 0, EXPIRED, METHOD_EIP3009))));
	reply_fini(reply);
}

static struct span refuse(char *out, const struct refusal *refusal)
{
	return span_of(out, reply_refusal(out, 2048 + refusal->extra.bytes, refusal));
}

TEST(refusals_in_full)
{
	char out[4096];
	struct span answer = refuse(out, &(struct refusal){.reason = QUEUE_FULL, .retry_after_s = 3});

	CHECK(span_equal(answer, SPAN("HTTP/1.1 503 Service Unavailable\r\n"
				      "Retry-After: 3\r\n"
				      "Cache-Control: no-store\r\n"
				      "Content-Type: application/json\r\n"
				      "Content-Length: 125\r\n"
				      "\r\n"
				      "{\"error\":{\"message\":\"The node's queue is full; nothing was charged.\","
				      "\"type\":\"server_error\",\"param\":null,\"code\":\"queue_full\"}}")));
	answer = refuse(out, &(struct refusal){.reason = METHOD_WRONG,
					       .allow = "POST",
					       .close = true,
					       .head_only = true,
					       .extra = SPAN("PAYMENT-RESPONSE: e30=\r\n")});
	CHECK(span_equal(answer, SPAN("HTTP/1.1 405 Method Not Allowed\r\n"
				      "Allow: POST\r\n"
				      "PAYMENT-RESPONSE: e30=\r\n"
				      "Cache-Control: no-store\r\n"
				      "Content-Type: application/json\r\n"
				      "Content-Length: 127\r\n"
				      "Connection: close\r\n"
				      "\r\n")));
}

TEST(every_refusal_has_status_phrase_type_and_code)
{
	static const struct {
		unsigned status;
		const char *line, *type;
	} rows[] = {
		{400, "400 Bad Request", "invalid_request_error"},
		{402, "402 Payment Required", "invalid_request_error"},
		{403, "403 Forbidden", "permission_error"},
		{404, "404 Not Found", "invalid_request_error"},
		{405, "405 Method Not Allowed", "invalid_request_error"},
		{408, "408 Request Timeout", "invalid_request_error"},
		{412, "412 Precondition Failed", "invalid_request_error"},
		{413, "413 Content Too Large", "invalid_request_error"},
		{417, "417 Expectation Failed", "invalid_request_error"},
		{429, "429 Too Many Requests", "rate_limit_error"},
		{431, "431 Request Header Fields Too Large", "invalid_request_error"},
		{499, "499 Client Closed Request", "invalid_request_error"},
		{500, "500 Internal Server Error", "server_error"},
		{502, "502 Bad Gateway", "server_error"},
		{503, "503 Service Unavailable", "server_error"},
		{504, "504 Gateway Timeout", "server_error"},
		{505, "505 HTTP Version Not Supported", "server_error"},
	};

	for (size_t i = 0; i < REASON_DAEMON_CNT; i++) {
		char out[2048];
		struct span answer = refuse(out, &(struct refusal){.reason = reason_daemon[i], .close = true});
		json_t *json = parse(body(answer)), *error = json_object_get(json, "error");
		size_t row = 0;

		while (row < sizeof rows / sizeof *rows - 1 && rows[row].status != reason_status(reason_daemon[i]))
			row++;
		CHECK_ROW(memcmp(answer.at + 9, rows[row].line, strlen(rows[row].line)) == 0,
			  reason_word(reason_daemon[i]));
		CHECK_ROW(answer.at[9 + strlen(rows[row].line)] == '\r', reason_word(reason_daemon[i]));
		CHECK(strcmp(json_string_value(json_object_get(error, "type")), rows[row].type) == 0);
		CHECK(strcmp(json_string_value(json_object_get(error, "code")), reason_word(reason_daemon[i])) == 0);
		CHECK(strcmp(json_string_value(json_object_get(error, "message")), reason_message(reason_daemon[i])) ==
		      0);
		CHECK(json_is_null(json_object_get(error, "param")));
		CHECK_EQ(json_object_size(error), 4);
		CHECK_EQ(atol(field(answer, "Content-Length")), body(answer).bytes);
		json_decref(json);
	}
}

TEST(pending)
{
	static const uint8_t id[NATIVE_ID_BYTES] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
						    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	static const struct {
		uint32_t place;
		bool close;
		const char *state;
	} rows[] = {{0, false, "running"}, {1, true, "queued"}, {UINT32_MAX, true, "queued"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[REPLY_PENDING_BYTES];
		struct pending pending = {.id = id, .place = rows[i].place, .close = rows[i].close};
		struct span answer = span_of(out, reply_pending(out, sizeof out, &pending));
		json_t *json = parse(body(answer));

		CHECK(answer.bytes < sizeof out && memcmp(out, "HTTP/1.1 202 Accepted\r\n", 23) == 0);
		CHECK(strcmp(json_string_value(json_object_get(json, "id")), "00112233445566778899aabbccddeeff") == 0);
		CHECK(strcmp(json_string_value(json_object_get(json, "state")), rows[i].state) == 0);
		CHECK_EQ(json_integer_value(json_object_get(json, "place")), rows[i].place);
		CHECK_EQ(json_object_size(json), 3);
		CHECK_EQ(atol(field(answer, "Content-Length")), body(answer).bytes);
		CHECK_EQ(atol(field(answer, "Retry-After")), 1);
		CHECK(strcmp(field(answer, "Cache-Control"), "no-store") == 0);
		CHECK(strcmp(field(answer, "Connection"), rows[i].close ? "close" : "") == 0);
		json_decref(json);
	}
}

TEST(stream_error)
{
	char out[1024];
	size_t bytes = reply_stream_error(out, sizeof out, UPSTREAM_FAILED);

	CHECK(span_equal(span_of(out, bytes),
			 SPAN("data: {\"error\":{\"message\":\"The model server broke off its answer.\","
			      "\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_failed\"}}\n\n")));
}

/* The receipt's JSON; checks the line around it. */
static json_t *receive(const struct receipt *receipt, const char *name)
{
	char out[1024] = "\r\n"; /* so that field() finds the line */
	size_t bytes = 2 + reply_receipt(out + 2, sizeof out - 2, receipt);

	CHECK(memcmp(out + bytes - 2, "\r\n", 2) == 0);
	return parse_base64(field(span_of(out, bytes), name));
}

TEST(receipts)
{
	const struct offer *offers = test_config()->offers;
	struct address payer;
	struct word transaction, amount;
	struct receipt receipt = {.version = 2, .success = true, .payer = &payer, .offer = &offers[0]};

	CHECK(hex_decode(payer.at, 20, SPAN("0x17c5185167401ed00cf5f5b2fc97d9bbfdb7d025")));
	memset(transaction.at, 0xab, 32);
	u256_from_u64(amount.at, 500);
	receipt.has_transaction = true;
	receipt.transaction = &transaction;
	check_json(receive(&receipt, "PAYMENT-RESPONSE"),
		   "{'success':true,'payer':'0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025','transaction':"
		   "'0xabababababababababababababababababababababababababababababababab','network':'eip155:8453'}");
	receipt.version = 1;
	check_json(receive(&receipt, "X-PAYMENT-RESPONSE"),
		   "{'success':true,'payer':'0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025','transaction':"
		   "'0xabababababababababababababababababababababababababababababababab','network':'base'}");
	receipt = (struct receipt){
		.version = 2, .error = "permit2_invalid_nonce", .offer = &offers[2], .amount = &amount};
	check_json(receive(&receipt, "PAYMENT-RESPONSE"),
		   "{'success':false,'errorReason':'permit2_invalid_nonce','transaction':'','network':'eip155:10740',"
		   "'amount':'500'}");
}

TEST(the_largest_receipt_fits)
{
	struct offer offer = {.chain_id = UINT64_MAX};
	struct address payer = {{0}};
	struct word ones;
	char error[SETTLE_WORD_BYTES_MAX];
	struct receipt receipt = {.version = 1, .error = error, .payer = &payer, .offer = &offer};

	memset(ones.at, 0xff, 32);
	memset(error, '"', sizeof error - 1);
	error[sizeof error - 1] = '\0';
	receipt.has_transaction = true;
	receipt.transaction = &ones;
	receipt.amount = &ones;
	json_decref(receive(&receipt, "X-PAYMENT-RESPONSE"));
}

CHECK_MAIN
