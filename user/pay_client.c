// SPDX-License-Identifier: Apache-2.0
#include "pay_client.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "base/u256.h"
#include "contracts.h"
#include "hash.h"
#include "network.h"
#include "sign.h"

/* Both SDKs date a payment back this far, for servers whose clock is behind. */
enum { VALID_SINCE_S = 600 };

/* Members of one `accepts` entry; v1 and v2 differ in the name of the amount and in how a network is named. */
struct entry {
	struct json_value scheme, network, amount, asset, pay_to, timeout, name, version, transfer, facilitator;
};

static void read_extra(struct entry *entry, struct json *json)
{
	struct json_value key;

	if (!json_enter(json, JSON_OBJECT))
		return; /* null, as v1 servers send it */
	while (json_next(json, &key)) {
		if (json_equals(&key, SPAN("name")))
			json_read(json, &entry->name);
		else if (json_equals(&key, SPAN("version")))
			json_read(json, &entry->version);
		else if (json_equals(&key, SPAN("assetTransferMethod")))
			json_read(json, &entry->transfer);
		else if (json_equals(&key, SPAN("facilitatorAddress")))
			json_read(json, &entry->facilitator);
	}
}

static bool read_entry(struct entry *entry, struct span text, unsigned version)
{
	struct span amount_key = version == 2 ? SPAN("amount") : SPAN("maxAmountRequired");
	struct json_value key;
	struct json json;

	*entry = (struct entry){0};
	json_init(&json, text, JSON_DEPTH_MAX, JSON_STRICT);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &key)) {
		if (json_equals(&key, SPAN("scheme")))
			json_read(&json, &entry->scheme);
		else if (json_equals(&key, SPAN("network")))
			json_read(&json, &entry->network);
		else if (json_equals(&key, amount_key))
			json_read(&json, &entry->amount);
		else if (json_equals(&key, SPAN("asset")))
			json_read(&json, &entry->asset);
		else if (json_equals(&key, SPAN("payTo")))
			json_read(&json, &entry->pay_to);
		else if (json_equals(&key, SPAN("maxTimeoutSeconds")))
			json_read(&json, &entry->timeout);
		else if (json_equals(&key, SPAN("extra")))
			read_extra(entry, &json);
	}
	return json_end(&json);
}

/* A string without escapes: every value we sign is made of digits, hex or plain words. */
static struct span plain(const struct json_value *value)
{
	struct span text = {NULL, 0};

	if (value->type == JSON_STRING && !value->escaped)
		text = span_of(value->text.at + 1, value->text.bytes - 2);
	return text;
}

static bool read_name(char out[NAME_BYTES_MAX], const struct json_value *value)
{
	uint8_t buffer[NAME_BYTES_MAX];
	struct span text;

	if (!json_text(value, &text, buffer, sizeof(buffer)) || text.bytes >= NAME_BYTES_MAX)
		return false;
	memcpy(out, text.at, text.bytes);
	out[text.bytes] = 0;
	return strlen(out) == text.bytes;
}

static enum method entry_method(const struct entry *entry)
{
	bool permit2 = json_equals(&entry->transfer, SPAN("permit2"));

	if (json_equals(&entry->scheme, SPAN("upto")))
		return permit2 ? METHOD_UPTO : METHOD_NONE;
	if (!json_equals(&entry->scheme, SPAN("exact")))
		return METHOD_NONE;
	if (permit2)
		return METHOD_PERMIT2;
	if (entry->transfer.type == JSON_NONE || json_equals(&entry->transfer, SPAN("eip3009")))
		return METHOD_EIP3009;
	return METHOD_NONE;
}

/* False when we cannot pay this way: that offer is passed over, not an error. */
static bool read_offer(struct pay_offer *out, struct span text, unsigned version)
{
	struct offer *offer = &out->offer;
	struct entry entry;

	*out = (struct pay_offer){.json = text};
	if (!read_entry(&entry, text, version))
		return false;
	offer->method = (uint8_t)entry_method(&entry);
	out->network = plain(&entry.network);
	offer->chain_id = version == 2 ? network_of_caip2(out->network) : network_of_v1(out->network);
	if (offer->method == METHOD_NONE || (version == 1 && offer->method != METHOD_EIP3009) || offer->chain_id == 0)
		return false;
	if (!u256_decimal(offer->amount.at, plain(&entry.amount)) || !json_u64(&entry.timeout, &offer->max_timeout_s) ||
	    !hex_decode(offer->asset.at, sizeof(offer->asset.at), plain(&entry.asset)) ||
	    !hex_decode(offer->pay_to.at, sizeof(offer->pay_to.at), plain(&entry.pay_to)))
		return false;
	if (offer->method == METHOD_EIP3009 &&
	    (!read_name(offer->token_name, &entry.name) || !read_name(offer->token_version, &entry.version)))
		return false;
	if (offer->method == METHOD_UPTO &&
	    !hex_decode(offer->facilitator.at, sizeof(offer->facilitator.at), plain(&entry.facilitator)))
		return false;
	hash_domain(&offer->domain_separator, offer);
	return true;
}

static void read_accepts(struct pay_challenge *challenge, struct json *json)
{
	struct json_value entry;

	if (!json_enter(json, JSON_ARRAY))
		return;
	while (json_element(json)) {
		if (!json_read(json, &entry))
			return;
		if (challenge->offer_cnt < PAY_OFFERS_MAX &&
		    read_offer(&challenge->offers[challenge->offer_cnt], entry.text, challenge->version))
			challenge->offer_cnt++;
		else
			challenge->unknown_cnt++;
	}
}

/* {"port":8403,"route":7}; in any other form it is an extension that somebody else means. */
static void read_native(struct pay_challenge *challenge, struct json *json)
{
	struct json_value key, port = {0}, route = {0};
	uint64_t port_number, route_number;

	if (!json_enter(json, JSON_OBJECT))
		return;
	while (json_next(json, &key)) {
		if (json_equals(&key, SPAN("port")))
			json_read(json, &port);
		else if (json_equals(&key, SPAN("route")))
			json_read(json, &route);
	}
	if (!json_u64(&port, &port_number) || port_number == 0 || port_number > UINT16_MAX ||
	    !json_u64(&route, &route_number) || route_number > UINT8_MAX)
		return;
	challenge->is_native = true;
	challenge->native_port = (uint16_t)port_number;
	challenge->native_route = (uint8_t)route_number;
}

static void read_extensions(struct pay_challenge *challenge, struct json *json)
{
	struct json_value key;

	if (!json_enter(json, JSON_OBJECT))
		return;
	while (json_next(json, &key)) {
		if (!json_equals(&key, SPAN("tollbar-native")) || !json_enter(json, JSON_OBJECT))
			continue;
		while (json_next(json, &key))
			if (json_equals(&key, SPAN("info")))
				read_native(challenge, json);
	}
}

bool pay_read_challenge(struct pay_challenge *challenge, struct span text, unsigned version)
{
	struct json_value key, said_version = {0}, resource = {0}, error = {0};
	uint8_t buffer[sizeof(challenge->error)];
	struct span words;
	struct json json;
	uint64_t number;

	*challenge = (struct pay_challenge){.version = version};
	json_init(&json, text, JSON_DEPTH_MAX, JSON_STRICT);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &key)) {
		if (json_equals(&key, SPAN("x402Version")))
			json_read(&json, &said_version);
		else if (json_equals(&key, SPAN("resource")))
			json_read(&json, &resource);
		else if (json_equals(&key, SPAN("error")))
			json_read(&json, &error);
		else if (json_equals(&key, SPAN("accepts")))
			read_accepts(challenge, &json);
		else if (json_equals(&key, SPAN("extensions")))
			read_extensions(challenge, &json);
	}
	if (!json_end(&json) || !json_u64(&said_version, &number) || number != version)
		return false;
	if (resource.type == JSON_OBJECT)
		challenge->resource = resource.text;
	if (json_text(&error, &words, buffer, sizeof(buffer)))
		log_safe(challenge->error, sizeof(challenge->error), words);
	return challenge->offer_cnt + challenge->unknown_cnt != 0;
}

const struct pay_offer *pay_choose(const struct pay_challenge *challenge, enum method method, const struct word *max,
				   bool *too_dear)
{
	*too_dear = false;
	for (size_t i = 0; i < challenge->offer_cnt; i++) {
		const struct pay_offer *offer = &challenge->offers[i];
		if (method != METHOD_NONE && offer->offer.method != method)
			continue;
		if (max == NULL || u256_compare(offer->offer.amount.at, max->at) <= 0)
			return offer;
		*too_dear = true;
	}
	return NULL;
}

void pay_fill(struct payment *payment, const struct pay_offer *offer, const struct address *from,
	      const struct word *nonce, uint64_t now_s, uint64_t valid_for_s)
{
	const struct offer *terms = &offer->offer;

	*payment = (struct payment){
		.method = terms->method,
		.from = *from,
		.to = terms->pay_to,
		.amount = terms->amount,
		.nonce = *nonce,
	};
	u256_from_u64(payment->valid_after.at, now_s < VALID_SINCE_S ? 0 : now_s - VALID_SINCE_S);
	u256_from_u64(payment->deadline.at, now_s + (valid_for_s != 0 ? valid_for_s : terms->max_timeout_s));
	if (terms->method == METHOD_EIP3009)
		return;
	payment->token = terms->asset;
	payment->spender = terms->method == METHOD_UPTO ? contract_upto_proxy : contract_exact_proxy;
	payment->facilitator = terms->facilitator; /* zero but for upto */
}

bool pay_sign(struct payment *payment, const struct pay_offer *offer, const struct signer *signer)
{
	struct word digest;

	hash_payment(&digest, payment, &offer->offer.domain_separator);
	return sign_digest(signer, payment->signature, &digest);
}

/* --- the header --- */

static void write_hex(struct json_writer *writer, const char *before, const uint8_t *at, size_t bytes)
{
	char hex[HEX_BYTES(65)];

	json_write(writer, before);
	json_write(writer, "\"");
	json_write(writer, hex_encode(hex, at, bytes));
	json_write(writer, "\"");
}

static void write_decimal(struct json_writer *writer, const char *before, const struct word *number)
{
	char digits[U256_DECIMAL_BYTES];

	u256_print(digits, number->at);
	json_write(writer, before);
	json_write(writer, "\"");
	json_write(writer, digits);
	json_write(writer, "\"");
}

static void write_authorization(struct json_writer *writer, const struct payment *payment)
{
	write_hex(writer, ",\"authorization\":{\"from\":", payment->from.at, 20);
	write_hex(writer, ",\"to\":", payment->to.at, 20);
	write_decimal(writer, ",\"value\":", &payment->amount);
	write_decimal(writer, ",\"validAfter\":", &payment->valid_after);
	write_decimal(writer, ",\"validBefore\":", &payment->deadline);
	write_hex(writer, ",\"nonce\":", payment->nonce.at, 32);
	json_write(writer, "}");
}

static void write_permit2(struct json_writer *writer, const struct payment *payment)
{
	write_hex(writer, ",\"permit2Authorization\":{\"from\":", payment->from.at, 20);
	write_hex(writer, ",\"permitted\":{\"token\":", payment->token.at, 20);
	write_decimal(writer, ",\"amount\":", &payment->amount);
	write_hex(writer, "},\"spender\":", payment->spender.at, 20);
	write_decimal(writer, ",\"nonce\":", &payment->nonce);
	write_decimal(writer, ",\"deadline\":", &payment->deadline);
	write_hex(writer, ",\"witness\":{\"to\":", payment->to.at, 20);
	if (payment->method == METHOD_UPTO)
		write_hex(writer, ",\"facilitator\":", payment->facilitator.at, 20);
	write_decimal(writer, ",\"validAfter\":", &payment->valid_after);
	json_write(writer, "}}");
}

size_t pay_write_header(char out[PAY_HEADER_BYTES_MAX], const struct pay_challenge *challenge,
			const struct pay_offer *offer, const struct payment *payment)
{
	char text[PAYMENT_JSON_BYTES_MAX + 1];
	struct json_writer writer;

	json_write_init(&writer, text, sizeof(text));
	json_write(&writer, "{\"x402Version\":");
	json_write_u64(&writer, challenge->version);
	if (challenge->version == 2) {
		if (challenge->resource.bytes != 0) {
			json_write(&writer, ",\"resource\":");
			json_write_span(&writer, challenge->resource);
		}
		json_write(&writer, ",\"accepted\":");
		json_write_span(&writer, offer->json); /* checked to be JSON when it was read */
	} else {
		json_write(&writer, ",\"scheme\":\"exact\",\"network\":");
		json_write_string(&writer, offer->network);
	}
	write_hex(&writer, ",\"payload\":{\"signature\":", payment->signature, sizeof(payment->signature));
	if (payment->method == METHOD_EIP3009)
		write_authorization(&writer, payment);
	else
		write_permit2(&writer, payment);
	json_write(&writer, "}}");
	size_t bytes = json_write_done(&writer);
	return bytes == 0 ? 0 : base64_encode(out, span_of(text, bytes));
}

const char *pay_header_name(unsigned version)
{
	return version == 2 ? "PAYMENT-SIGNATURE" : "X-PAYMENT";
}
