// SPDX-License-Identifier: Apache-2.0
/* pay_native.c: one request by UDP: the terms, from the node or from a file, the datagram, the receipt, the result. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/url.h"
#include "calldata.h"
#include "cmd/client.h"
#include "cmd/pay.h"
#include "reason.h"

enum { LONG_POLL_S = 60, RESULT_S_MAX = 600 };
#define NS_PER_S 1000000000u

struct terms {
	struct pay_challenge challenge; /* points into text */
	char text[HEAD_BYTES_MAX + 1];
	size_t bytes;
};

/* --- the terms --- */

static int save_terms(const struct terms *terms, const char *path)
{
	FILE *file = fopen(path, "we");
	bool good = file != NULL && fwrite(terms->text, 1, terms->bytes, file) == terms->bytes;

	if (file != NULL && fclose(file) != 0)
		good = false;
	return good ? SERVED : pay_complain(USAGE, "%s: %s", path, strerror(errno));
}

static int read_terms(struct terms *terms, const char *path)
{
	char *text = pay_read_file(path, HEAD_BYTES_MAX, &terms->bytes);

	if (text == NULL)
		return USAGE;
	memcpy(terms->text, text, terms->bytes);
	free(text);
	return SERVED;
}

/* What a request without a payment is answered. */
static int ask_terms(struct terms *terms, const struct pay_wishes *wishes)
{
	static struct pay_answer answer;

	if (!pay_ask(&answer, wishes->url, wishes->ca_file, wishes->headers, wishes->header_cnt,
		     span_of(wishes->body, wishes->body_bytes)))
		return NETWORK;
	if (answer.call.status != 402) {
		pay_conclude(&answer);
		return pay_complain(REFUSED, "this is no paid route: it is not offered by UDP");
	}
	ssize_t bytes = base64_decode((uint8_t *)terms->text, HEAD_BYTES_MAX, span_str(answer.challenge));
	if (bytes <= 0)
		return pay_complain(REFUSED, "402, but with no x402 challenge we understand");
	terms->bytes = (size_t)bytes;
	return wishes->save_terms == NULL ? SERVED : save_terms(terms, wishes->save_terms);
}

static int get_terms(struct terms *terms, const struct pay_wishes *wishes)
{
	int status;

	if (wishes->terms == NULL && strstr(wishes->url, "://") == NULL)
		return pay_complain(USAGE, "%s: without --terms a URL is needed, to ask for them", wishes->url);
	status = wishes->terms != NULL ? read_terms(terms, wishes->terms) : ask_terms(terms, wishes);
	if (status != SERVED)
		return status;
	if (!pay_read_challenge(&terms->challenge, span_of(terms->text, terms->bytes), 2))
		return pay_complain(REFUSED, "no x402 challenge we understand");
	if (!terms->challenge.is_native)
		return pay_complain(REFUSED, "this route is not offered by UDP");
	return SERVED;
}

/* --- where to --- */

/* "http://HOST:PORT" of the route: what was asked, or what the terms say it is. */
static bool find_origin(char origin[URL_BYTES_MAX], const struct pay_challenge *challenge, const char *node)
{
	struct json_value key, resource = {0};
	uint8_t buffer[URL_BYTES_MAX];
	char text[URL_BYTES_MAX];
	struct span found = span_str(node);
	struct json json;
	struct url url;

	if (strstr(node, "://") == NULL) {
		json_init(&json, challenge->resource, JSON_DEPTH_MAX, JSON_STRICT);
		if (!json_enter(&json, JSON_OBJECT))
			return false;
		while (json_next(&json, &key))
			if (json_equals(&key, SPAN("url")))
				json_read(&json, &resource);
		if (!json_text(&resource, &found, buffer, sizeof(buffer)))
			return false;
	}
	if (found.bytes >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)found.bytes, (const char *)found.at);
	if (!url_parse(&url, text))
		return false;
	snprintf(origin, URL_BYTES_MAX, "%s://%.*s", url.tls ? "https" : "http", (int)url.authority.bytes,
		 (const char *)url.authority.at);
	return true;
}

/* --- the request --- */

static bool write_call(struct span *out, const struct pay_wishes *wishes)
{
	static uint8_t calldata[NATIVE_CLIENT_CALLDATA_MAX];
	const struct span body = span_of(wishes->body, wishes->body_bytes);

	for (enum calldata_call call = CALLDATA_COMPLETION; call <= CALLDATA_CHAT; call++) {
		size_t bytes = calldata_write(calldata, sizeof(calldata), call, wishes->tee, body);
		*out = span_of(calldata, bytes);
		if (bytes != 0)
			return true;
	}
	return false;
}

static int make_request(struct native_datagram *out, const struct terms *terms, const struct pay_wishes *wishes,
			const struct pay_offer *offer, const struct signer *signer)
{
	struct native_wish wish = {
		.offer = offer,
		.route = terms->challenge.native_route,
		.stream = wishes->stream,
		.now_s = clock_unix_s(),
		.valid_for_s = wishes->valid_for_s,
	};
	char hex[HEX_BYTES(20)];
	struct address payer;

	if (!write_call(&wish.calldata, wishes))
		return pay_complain(USAGE,
				    "--data fits no datagram: it must be a chat's or a completion's JSON, with nothing "
				    "the contract's "
				    "call has no place for, and short: 288 bytes in an only message, 800 in a prompt");
	sign_address(signer, &payer);
	fprintf(stderr, "payer %s\n", hex_encode(hex, payer.at, sizeof(payer.at)));
	if (getrandom(wish.salt, sizeof(wish.salt), 0) != sizeof(wish.salt) ||
	    !native_client_request(out, &wish, signer))
		return pay_complain(REFUSED, "no payment can be made for this offer");
	if (wishes->bad_signature)
		out->at[offsetof(struct native_request, signature) + 31] ^=
			1; /* r: recovers to another address, or to none */
	return SERVED;
}

static bool add_cookie(void *ctx, struct native_datagram *sent, const uint8_t cookie[NATIVE_COOKIE_BYTES])
{
	(void)ctx;
	native_client_add_cookie(sent, cookie);
	return true;
}

/* A node that is silent has told nothing. */
static int explain(const struct client_exchange *exchange, int error)
{
	if (error == -ETIMEDOUT)
		return pay_complain(
			REFUSED, "no answer from %s:%u/udp to %u datagrams: %s", exchange->host, exchange->port,
			exchange->sent_cnt,
			exchange->cookie_cnt > 0
				? "it is there, and does not take this payment (not listed, other terms by now, or a "
				  "clock that is wrong)"
				: "nobody may be there or get them, or it does not take this payment");
	if (error == -EPROTO)
		return pay_complain(REFUSED, "%s:%u/udp asks for one cookie after the other", exchange->host,
				    exchange->port);
	return pay_complain(NETWORK, "%s:%u/udp: %s", exchange->host, exchange->port,
			    error == -EHOSTUNREACH ? "no such host, or no way there" : strerror(-error));
}

static int send_request(struct native_said *said, struct native_datagram *sent, const struct terms *terms,
			const struct pay_wishes *wishes, const struct pay_offer *offer)
{
	uint64_t valid_s = wishes->valid_for_s != 0 ? wishes->valid_for_s : offer->offer.max_timeout_s;
	uint64_t useful_s = valid_s > SETTLE_MARGIN_S ? valid_s - SETTLE_MARGIN_S : 1;
	char host[URL_BYTES_MAX];
	struct client_exchange exchange = {
		.host = host,
		.port = terms->challenge.native_port,
		.end_ns = clock_ns() + (wishes->wait_s < useful_s ? wishes->wait_s : useful_s) * NS_PER_S,
		.add_cookie = add_cookie,
	};

	if (!client_node(host, &exchange.port, wishes->url))
		return pay_complain(USAGE, "%s: neither HOST:PORT nor a URL", wishes->url);
	int error = client_exchange(said, sent, &exchange);
	return error == 0 ? SERVED : explain(&exchange, error);
}

static int print_receipt(char id[HEX_BYTES(NATIVE_ID_BYTES)], const struct native_said *said)
{
	uint16_t reason = said->receipt.reason;

	if (reason >= REASON_CNT)
		return pay_complain(REFUSED, "refused, for a reason that is newer than this program: %u", reason);
	if (reason != REASON_OK) {
		fprintf(stderr, "reason %s\n", reason_word(reason));
		return pay_complain(REFUSED, "%s", reason_message(reason));
	}
	hex_encode(id, said->receipt.id, NATIVE_ID_BYTES);
	fprintf(stderr, "taken id=%s place=%u\n", id + 2, said->receipt.place);
	return SERVED;
}

/* --- the result --- */

/* Waits as long as the answer takes to begin, and prints it as it comes. */
static int fetch_result(const struct pay_wishes *wishes, const char *origin, const char *id)
{
	static struct pay_answer answer;
	const uint64_t end_ns = clock_ns() + RESULT_S_MAX * (uint64_t)NS_PER_S;
	char url[2 * URL_BYTES_MAX];

	snprintf(url, sizeof(url), "%s/v1/requests/%s?wait=%d", origin, id, LONG_POLL_S);
	do {
		const uint64_t asked_ns = clock_ns();
		if (!pay_ask(&answer, url, wishes->ca_file, NULL, 0, span_of(NULL, 0)))
			return NETWORK;
		if (answer.call.status != 202)
			return pay_conclude(&answer);
		if (clock_ns() - asked_ns < NS_PER_S)
			sleep(1);
	} while (clock_ns() < end_ns);
	return pay_complain(REFUSED, "%s: not answered in %d s", url, RESULT_S_MAX);
}

int pay_native(const struct pay_wishes *wishes, const struct signer *signer)
{
	static struct terms terms;
	struct native_datagram request;
	struct native_said said = {0};
	char origin[URL_BYTES_MAX], id[HEX_BYTES(NATIVE_ID_BYTES)];
	int status = get_terms(&terms, wishes);

	if (status != SERVED)
		return status;
	if (!find_origin(origin, &terms.challenge, wishes->url))
		return pay_complain(USAGE, "%s is no URL, and the terms name none", wishes->url);
	const struct pay_offer *offer = pay_pick(&terms.challenge, wishes);
	if (offer == NULL)
		return REFUSED;
	status = make_request(&request, &terms, wishes, offer, signer);
	if (status == SERVED)
		status = send_request(&said, &request, &terms, wishes, offer);
	if (status == SERVED)
		status = print_receipt(id, &said);
	return status == SERVED ? fetch_result(wishes, origin, id + 2) : status;
}
