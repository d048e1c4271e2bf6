// SPDX-License-Identifier: Apache-2.0
// link: user/decode.c user/hash.c user/ec/keccak8.c user/permit.c user/network.c user/base/json.c user/base/utf8.c user/base/hex.c
// link: user/base/u256.c user/base/base64.c user/base/keccak.c user/base/log.c -ljansson
/* fuzz_payment.c: bytes to a payment and through the stateless steps.  What decodes must be what jansson reads, and the
 * base64 form of the same JSON must end the same way.  First byte: version, and whether the rest is JSON or base64. */
#include "base/assert.h"
#include <jansson.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/u256.h"
#include "decode.h"
#include "hash.h"
#include "permit.h"
#include "same_payment.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static void check_hex(json_t *object, const char *name, const uint8_t *want, size_t bytes)
{
	uint8_t got[SIGNATURE_BYTES_MAX];
	json_t *value = json_object_get(object, name);

	ASSERT(hex_decode(got, bytes, span_of(json_string_value(value), json_string_length(value))));
	ASSERT(memcmp(got, want, bytes) == 0);
}

static void check_decimal(json_t *object, const char *name, const struct word *want)
{
	char digits[U256_DECIMAL_BYTES];

	u256_print(digits, want->at);
	ASSERT(strcmp(digits, json_string_value(json_object_get(object, name))) == 0);
}

static void compare_with_jansson(const struct payment *payment, struct span text)
{
	json_t *top = json_loadb((const char *)text.at, text.bytes,
				 JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	json_t *payload = json_object_get(top, "payload"), *form, *witness;

	if (top == NULL)
		return; /* a number beyond a double */
	uint8_t signature[SIGNATURE_BYTES_MAX];
	memcpy(signature, payment->signature, 65);
	memcpy(signature + 65, payment->signature_rest, payment->signature_rest_bytes);
	check_hex(payload, "signature", signature, 65u + payment->signature_rest_bytes);
	if (payment->method == METHOD_EIP3009) {
		ASSERT(json_object_get(payload, "permit2Authorization") == NULL);
		form = json_object_get(payload, "authorization");
		check_hex(form, "to", payment->to.at, 20);
		check_hex(form, "nonce", payment->nonce.at, 32);
		check_decimal(form, "value", &payment->amount);
		check_decimal(form, "validAfter", &payment->valid_after);
		check_decimal(form, "validBefore", &payment->deadline);
	} else {
		ASSERT(json_object_get(payload, "authorization") == NULL);
		form = json_object_get(payload, "permit2Authorization");
		witness = json_object_get(form, "witness");
		check_hex(witness, "to", payment->to.at, 20);
		check_hex(form, "spender", payment->spender.at, 20);
		check_hex(json_object_get(form, "permitted"), "token", payment->token.at, 20);
		check_decimal(json_object_get(form, "permitted"), "amount", &payment->amount);
		check_decimal(form, "nonce", &payment->nonce);
		check_decimal(form, "deadline", &payment->deadline);
		check_decimal(witness, "validAfter", &payment->valid_after);
		if (payment->method == METHOD_UPTO)
			check_hex(witness, "facilitator", payment->facilitator.at, 20);
	}
	check_hex(form, "from", payment->from.at, 20);
	json_decref(top);
}

static void run_steps(const struct payment *payment)
{
	struct offer offer = {.method = METHOD_UPTO, .chain_id = 84532, .max_timeout_s = 60};
	const struct offer *offers[] = {&offer}, *found;
	struct permit permit;
	struct word digest;

	hash_domain(&offer.domain_separator, &offer);
	hash_payment(&digest, payment, &offer.domain_separator);
	if (permit_offer(&found, payment, offers, 1) == REASON_OK)
		ASSERT(permit_payment(&permit, payment, found, 1740672100) != REASON_OK || permit.offer == &offer);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct payment payment, again;
	enum reason reason;
	unsigned version;

	if (bytes == 0)
		return 0;
	version = 1 + (at[0] & 1);
	if (at[0] & 2) {
		if (decode_payment(&payment, version, span_of(at + 1, bytes - 1)) == REASON_OK)
			run_steps(&payment);
		return 0;
	}
	struct span text = span_of(at + 1, bytes - 1);
	reason = decode_payment_json(&payment, version, text);
	if (reason == REASON_OK) {
		compare_with_jansson(&payment, text);
		run_steps(&payment);
	}
	if (text.bytes <= PAYMENT_JSON_BYTES_MAX) {
		char *header = malloc(BASE64_ENCODED_BYTES(text.bytes) + 1);
		size_t header_bytes = base64_encode(header, text);
		ASSERT(decode_payment(&again, version, span_of(header, header_bytes)) == reason);
		ASSERT(reason != REASON_OK || same_payment(&payment, &again));
		free(header);
	}
	return 0;
}
