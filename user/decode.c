// SPDX-License-Identifier: Apache-2.0
/* decode.c: two passes.  The first checks all of the JSON and keeps where each wanted value stands; the second judges
 * the values in a fixed order.  So the refusal does not depend on the order of members, and nothing is believed from a
 * text that turns out to be broken further on. */
#include "decode.h"

#include <stddef.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/u256.h"
#include "network.h"

/* Longest string we have a use for, but for signatures: numbers have 78 characters, network names less. */
#define TEXT_BYTES_MAX 160

/* One per JSON value that is read. */
enum slot {
	VERSION,
	SCHEME_V1,
	NETWORK_V1,
	ACCEPTED,
	SCHEME,
	NETWORK,
	AMOUNT,
	ASSET,
	PAY_TO,
	MAX_TIMEOUT,
	EXTRA,
	TRANSFER_METHOD,
	PAYLOAD,
	SIGNATURE,
	AUTHORIZATION, /* EIP-3009 */
	FROM,
	TO,
	VALUE,
	VALID_AFTER,
	VALID_BEFORE,
	NONCE,
	PERMIT2, /* permit2Authorization */
	OWNER,
	SPENDER,
	PERMIT2_NONCE,
	DEADLINE,
	PERMITTED,
	TOKEN,
	PERMITTED_AMOUNT,
	WITNESS,
	WITNESS_TO,
	WITNESS_AFTER,
	FACILITATOR,
	SLOT_CNT,
};

/* --- first pass: where the values stand --- */

struct place;

struct member {
	struct span name;
	enum slot slot;
	const struct place *inside; /* for objects we look into */
};

struct place {
	const struct member *members;
	size_t member_cnt;
};

#define PLACE(array)                                      \
	{                                                 \
		(array), sizeof(array) / sizeof(*(array)) \
	}

static const struct member extra_members[] = {
	{SPAN("assetTransferMethod"), TRANSFER_METHOD, NULL},
};
static const struct place extra = PLACE(extra_members);

static const struct member accepted_members[] = {
	{SPAN("scheme"), SCHEME, NULL}, {SPAN("network"), NETWORK, NULL},
	{SPAN("amount"), AMOUNT, NULL}, {SPAN("asset"), ASSET, NULL},
	{SPAN("payTo"), PAY_TO, NULL},	{SPAN("maxTimeoutSeconds"), MAX_TIMEOUT, NULL},
	{SPAN("extra"), EXTRA, &extra},
};
static const struct place accepted = PLACE(accepted_members);

static const struct member authorization_members[] = {
	{SPAN("from"), FROM, NULL},
	{SPAN("to"), TO, NULL},
	{SPAN("value"), VALUE, NULL},
	{SPAN("validAfter"), VALID_AFTER, NULL},
	{SPAN("validBefore"), VALID_BEFORE, NULL},
	{SPAN("nonce"), NONCE, NULL},
};
static const struct place authorization = PLACE(authorization_members);

static const struct member permitted_members[] = {
	{SPAN("token"), TOKEN, NULL},
	{SPAN("amount"), PERMITTED_AMOUNT, NULL},
};
static const struct place permitted = PLACE(permitted_members);

static const struct member witness_members[] = {
	{SPAN("to"), WITNESS_TO, NULL},
	{SPAN("validAfter"), WITNESS_AFTER, NULL},
	{SPAN("facilitator"), FACILITATOR, NULL},
};
static const struct place witness = PLACE(witness_members);

static const struct member permit2_members[] = {
	{SPAN("from"), OWNER, NULL},
	{SPAN("spender"), SPENDER, NULL},
	{SPAN("nonce"), PERMIT2_NONCE, NULL},
	{SPAN("deadline"), DEADLINE, NULL},
	{SPAN("permitted"), PERMITTED, &permitted},
	{SPAN("witness"), WITNESS, &witness},
};
static const struct place permit2 = PLACE(permit2_members);

static const struct member payload_members[] = {
	{SPAN("signature"), SIGNATURE, NULL},
	{SPAN("authorization"), AUTHORIZATION, &authorization},
	{SPAN("permit2Authorization"), PERMIT2, &permit2},
};
static const struct place payload = PLACE(payload_members);

static const struct member top_members[] = {
	{SPAN("x402Version"), VERSION, NULL},	 {SPAN("scheme"), SCHEME_V1, NULL},
	{SPAN("network"), NETWORK_V1, NULL},	 {SPAN("payload"), PAYLOAD, &payload},
	{SPAN("accepted"), ACCEPTED, &accepted},
};
static const struct place top = PLACE(top_members);

static const struct member *find_member(const struct place *place, const struct json_value *name)
{
	for (const struct member *member = place->members; member < place->members + place->member_cnt; member++) {
		if (!name->escaped && name->text.bytes != member->name.bytes + 2)
			continue; /* most end here: the text has two quotes around as many bytes */
		if (json_equals(name, member->name))
			return member;
	}
	return NULL;
}

/* Recursion is as deep as the table: three. */
static void scan_place(struct json *json, const struct place *place, struct json_value found[SLOT_CNT])
{
	struct json_value name;

	while (json_next(json, &name)) {
		const struct member *member = find_member(place, &name);
		if (member == NULL)
			continue; /* unknown members are passed over, but must be JSON */
		if (member->inside != NULL && json_enter(json, JSON_OBJECT)) {
			found[member->slot].type = JSON_OBJECT;
			scan_place(json, member->inside, found);
		} else {
			json_read(json, &found[member->slot]);
		}
	}
}

static bool scan(struct span text, struct json_value found[SLOT_CNT])
{
	struct json json;

	json_init(&json, text, JSON_DEPTH_MAX, JSON_STRICT);
	if (json_enter(&json, JSON_OBJECT))
		scan_place(&json, &top, found);
	return json_end(&json);
}

/* --- second pass: what the values are --- */

enum kind { ADDRESS, DECIMAL, BYTES32 };

struct want {
	enum slot slot;
	enum kind kind;
	size_t offset; /* in struct payment */
};

static const struct want terms_wants[] = {
	{AMOUNT, DECIMAL, offsetof(struct payment, accepted.amount)},
	{ASSET, ADDRESS, offsetof(struct payment, accepted.asset)},
	{PAY_TO, ADDRESS, offsetof(struct payment, accepted.pay_to)},
};

static const struct want eip3009_wants[] = {
	{FROM, ADDRESS, offsetof(struct payment, from)},
	{TO, ADDRESS, offsetof(struct payment, to)},
	{VALUE, DECIMAL, offsetof(struct payment, amount)},
	{VALID_AFTER, DECIMAL, offsetof(struct payment, valid_after)},
	{VALID_BEFORE, DECIMAL, offsetof(struct payment, deadline)},
	{NONCE, BYTES32, offsetof(struct payment, nonce)},
};

static const struct want permit2_wants[] = {
	{OWNER, ADDRESS, offsetof(struct payment, from)},
	{TOKEN, ADDRESS, offsetof(struct payment, token)},
	{PERMITTED_AMOUNT, DECIMAL, offsetof(struct payment, amount)},
	{SPENDER, ADDRESS, offsetof(struct payment, spender)},
	{PERMIT2_NONCE, DECIMAL, offsetof(struct payment, nonce)},
	{DEADLINE, DECIMAL, offsetof(struct payment, deadline)},
	{WITNESS_TO, ADDRESS, offsetof(struct payment, to)},
	{WITNESS_AFTER, DECIMAL, offsetof(struct payment, valid_after)},
};

static const struct want upto_wants[] = {
	{FACILITATOR, ADDRESS, offsetof(struct payment, facilitator)},
};

#define WANTS(array) (array), sizeof(array) / sizeof(*(array))

static bool take_wants(struct payment *payment, const struct json_value *found, const struct want *wants,
		       size_t want_cnt)
{
	for (const struct want *want = wants; want < wants + want_cnt; want++) {
		uint8_t *out = (uint8_t *)payment + want->offset, buffer[TEXT_BYTES_MAX];
		struct span text;
		bool good = json_text(&found[want->slot], &text, buffer, sizeof(buffer));
		if (good && want->kind == DECIMAL)
			good = u256_decimal(out, text);
		else if (good)
			good = hex_decode(out, want->kind == ADDRESS ? sizeof(struct address) : sizeof(struct word),
					  text);
		if (!good)
			return false;
	}
	return true;
}

static bool version_is(const struct json_value *value, unsigned version)
{
	uint64_t number;

	return json_u64(value, &number) && number == version;
}

/* Scheme and network, v1's or v2's, and the method that the payload's form makes of the scheme. */
static enum reason take_method(struct payment *payment, const struct json_value *found)
{
	const struct json_value *scheme = &found[payment->version == 1 ? SCHEME_V1 : SCHEME];
	bool has_permit2 = found[PERMIT2].type != JSON_NONE;

	if (scheme->type != JSON_STRING)
		return PAYMENT_FIELD;
	if (json_equals(scheme, SPAN("exact")))
		payment->method = has_permit2 && payment->version == 2 ? METHOD_PERMIT2 : METHOD_EIP3009;
	else if (json_equals(scheme, SPAN("upto")) && payment->version == 2)
		payment->method = METHOD_UPTO;
	else
		return SCHEME_UNKNOWN;
	return REASON_OK;
}

static enum reason take_network(struct payment *payment, const struct json_value *found)
{
	const struct json_value *network = &found[payment->version == 1 ? NETWORK_V1 : NETWORK];
	uint8_t buffer[TEXT_BYTES_MAX];
	struct span name;

	if (network->type != JSON_STRING)
		return PAYMENT_FIELD;
	if (!json_text(network, &name, buffer, sizeof(buffer)))
		return NETWORK_WRONG;
	payment->accepted.chain_id = payment->version == 1 ? network_of_v1(name) : network_of_caip2(name);
	return payment->accepted.chain_id != 0 ? REASON_OK : NETWORK_WRONG;
}

/* v2: what the client says it accepted. */
static enum reason take_terms(struct payment *payment, const struct json_value *found)
{
	payment->accepted.has_terms = true;
	if (!take_wants(payment, found, WANTS(terms_wants)) ||
	    !json_u64(&found[MAX_TIMEOUT], &payment->accepted.max_timeout_s))
		return PAYMENT_FIELD;
	return REASON_OK;
}

/* An offer has one transfer method: none is both the one accepted and the one that was signed for, when they differ. */
static enum reason check_transfer(const struct payment *payment, const struct json_value *found)
{
	const struct json_value *transfer = &found[TRANSFER_METHOD];
	struct span signed_for = payment->method == METHOD_EIP3009 ? SPAN("eip3009") : SPAN("permit2");

	return transfer->type == JSON_NONE || json_equals(transfer, signed_for) ? REASON_OK : OFFER_UNMATCHED;
}

static enum reason take_signature(struct payment *payment, const struct json_value *found)
{
	uint8_t buffer[HEX_BYTES(SIGNATURE_BYTES_MAX)], signature[SIGNATURE_BYTES_MAX];
	const size_t key_bytes = sizeof(payment->signature);
	struct span text;

	if (found[SIGNATURE].type != JSON_STRING)
		return PAYMENT_FIELD;
	if (!json_text(&found[SIGNATURE], &text, buffer, sizeof(buffer)) || text.bytes < 2)
		return SIGNATURE_FORM;
	size_t bytes = (text.bytes - 2) / 2;
	if (bytes < key_bytes || bytes > sizeof(signature) || !hex_decode(signature, bytes, text))
		return SIGNATURE_FORM;
	memcpy(payment->signature, signature, key_bytes);
	memcpy(payment->signature_rest, signature + key_bytes, bytes - key_bytes);
	payment->signature_rest_bytes = (uint16_t)(bytes - key_bytes);
	return REASON_OK;
}

/* What was signed.  A payload with both forms could mean two things to two readers: refused. */
static enum reason take_signed(struct payment *payment, const struct json_value *found)
{
	bool has_authorization = found[AUTHORIZATION].type != JSON_NONE, has_permit2 = found[PERMIT2].type != JSON_NONE;
	bool good;

	if (has_authorization == has_permit2 || has_permit2 != (payment->method != METHOD_EIP3009))
		return PAYMENT_FIELD;
	if (payment->method == METHOD_EIP3009)
		good = take_wants(payment, found, WANTS(eip3009_wants));
	else
		good = take_wants(payment, found, WANTS(permit2_wants));
	if (good && payment->method == METHOD_UPTO)
		good = take_wants(payment, found, WANTS(upto_wants));
	return good ? REASON_OK : PAYMENT_FIELD;
}

enum reason decode_payment_json(struct payment *payment, unsigned version, struct span json)
{
	struct json_value found[SLOT_CNT] = {0};
	enum reason reason;

	payment_clear(payment);
	payment->version = (uint8_t)version;
	if (!scan(json, found))
		return PAYMENT_JSON;
	if (!version_is(&found[VERSION], version))
		return PAYMENT_VERSION;
	reason = take_method(payment, found);
	if (reason == REASON_OK)
		reason = take_network(payment, found);
	if (reason == REASON_OK && version == 2)
		reason = take_terms(payment, found);
	if (reason == REASON_OK)
		reason = take_signed(payment, found);
	if (reason == REASON_OK)
		reason = take_signature(payment, found);
	if (reason == REASON_OK && version == 2)
		reason = check_transfer(payment, found);
	return reason;
}

enum reason decode_payment(struct payment *payment, unsigned version, struct span header)
{
	uint8_t json[BASE64_DECODED_BYTES_MAX(PAYMENT_BASE64_BYTES_MAX)];
	ssize_t bytes;

	payment_clear(payment);
	payment->version = (uint8_t)version;
	if (header.bytes > PAYMENT_BASE64_BYTES_MAX)
		return PAYMENT_LARGE;
	bytes = base64_decode(json, sizeof(json), header);
	if (bytes < 0)
		return PAYMENT_BASE64;
	if (bytes > PAYMENT_JSON_BYTES_MAX)
		return PAYMENT_LARGE;
	return decode_payment_json(payment, version, span_of(json, (size_t)bytes));
}
