/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_VECTORS_H
#define TOLLBAR_TESTS_VECTORS_H
/* vectors.h: reads tests/vectors/ (run from the top of the repository).  An object of the array is a vector: names and
 * values as text.
 *
 *   vectors_open(&vectors, "tests/vectors/eip712.json", "vectors");
 *   while (vectors_next(&vectors, &vector)) ... vector_text(&vector, "digest") ...
 *   vectors_close(&vectors); */
#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/u256.h"
#include "payment.h"

#define VECTOR_MEMBERS_MAX 32
#define VECTOR_FILE_BYTES_MAX (1 << 20)

struct vectors {
	uint8_t *text;
	struct json json;
};

struct vector {
	struct json_value names[VECTOR_MEMBERS_MAX], values[VECTOR_MEMBERS_MAX];
	size_t member_cnt;
};

static inline void vectors_open(struct vectors *vectors, const char *path, const char *array)
{
	FILE *file = fopen(path, "rb");
	struct json_value name;
	size_t bytes;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	vectors->text = malloc(VECTOR_FILE_BYTES_MAX);
	ASSERT(vectors->text != NULL);
	bytes = fread(vectors->text, 1, VECTOR_FILE_BYTES_MAX, file);
	fclose(file);
	ASSERT(bytes < VECTOR_FILE_BYTES_MAX);
	json_init(&vectors->json, span_of(vectors->text, bytes), JSON_DEPTH_MAX, JSON_STRICT);
	if (json_enter(&vectors->json, JSON_OBJECT))
		while (json_next(&vectors->json, &name))
			if (json_equals(&name, span_str(array)) && json_enter(&vectors->json, JSON_ARRAY))
				return;
	fprintf(stderr, "%s: no array %s\n", path, array);
	exit(1);
}

static inline bool vectors_next(struct vectors *vectors, struct vector *vector)
{
	if (!json_element(&vectors->json) || !json_enter(&vectors->json, JSON_OBJECT))
		return false;
	vector->member_cnt = 0;
	while (json_next(&vectors->json, &vector->names[vector->member_cnt])) {
		ASSERT(vector->member_cnt < VECTOR_MEMBERS_MAX - 1);
		json_read(&vectors->json, &vector->values[vector->member_cnt++]);
	}
	return true;
}

static inline void vectors_close(struct vectors *vectors)
{
	ASSERT(json_end(&vectors->json));
	free(vectors->text);
}

/* A string's characters, any other value as it stands; empty when there is no such member. */
static inline struct span vector_text(const struct vector *vector, const char *name)
{
	for (size_t i = 0; i < vector->member_cnt; i++) {
		struct span text = vector->values[i].text;
		if (!json_equals(&vector->names[i], span_str(name)))
			continue;
		if (vector->values[i].type == JSON_STRING)
			ASSERT(json_text(&vector->values[i], &text, NULL, 0));
		return text;
	}
	return SPAN("");
}

static inline void vector_bytes(uint8_t *out, size_t bytes, const struct vector *vector, const char *name)
{
	ASSERT(hex_decode(out, bytes, vector_text(vector, name)));
}

static inline uint64_t vector_u64(const struct vector *vector, const char *name)
{
	uint8_t word[32];
	uint64_t number;

	ASSERT(u256_decimal(word, vector_text(vector, name)) && u256_to_u64(&number, word));
	return number;
}

static inline bool vector_bool(const struct vector *vector, const char *name)
{
	return span_equal(vector_text(vector, name), SPAN("true"));
}

/* Bytes in hex, "0x" and any number of digits.  Returns how many. */
static inline size_t vector_hex(uint8_t *out, size_t out_bytes, const struct vector *vector, const char *name)
{
	struct span text = vector_text(vector, name);

	ASSERT(text.bytes >= 2 && (text.bytes - 2) / 2 <= out_bytes);
	ASSERT(hex_decode(out, (text.bytes - 2) / 2, text));
	return (text.bytes - 2) / 2;
}

static inline uint8_t vector_method(const struct vector *vector)
{
	struct span name = vector_text(vector, "method");

	if (span_equal(name, SPAN("eip3009")))
		return METHOD_EIP3009;
	return span_equal(name, SPAN("permit2")) ? METHOD_PERMIT2 : METHOD_UPTO;
}

static inline void vector_offer(struct offer *offer, const struct vector *vector)
{
	struct span name = vector_text(vector, "tokenName"), version = vector_text(vector, "tokenVersion");

	*offer = (struct offer){.method = vector_method(vector), .chain_id = vector_u64(vector, "chainId")};
	snprintf(offer->token_name, sizeof(offer->token_name), "%.*s", (int)name.bytes, (const char *)name.at);
	snprintf(offer->token_version, sizeof(offer->token_version), "%.*s", (int)version.bytes,
		 (const char *)version.at);
	vector_bytes(offer->asset.at, 20, vector, "asset");
}

/* What was signed, without `accepted`. */
static inline void vector_payment(struct payment *payment, const struct vector *vector)
{
	*payment = (struct payment){.version = 2, .method = vector_method(vector)};
	vector_bytes(payment->from.at, 20, vector, "from");
	vector_bytes(payment->to.at, 20, vector, "to");
	vector_bytes(payment->token.at, 20, vector, "token");
	vector_bytes(payment->spender.at, 20, vector, "spender");
	vector_bytes(payment->facilitator.at, 20, vector, "facilitator");
	vector_bytes(payment->nonce.at, 32, vector, "nonce");
	vector_bytes(payment->signature, 65, vector, "signature");
	ASSERT(u256_decimal(payment->amount.at, vector_text(vector, "amount")));
	ASSERT(u256_decimal(payment->valid_after.at, vector_text(vector, "validAfter")));
	ASSERT(u256_decimal(payment->deadline.at, vector_text(vector, "deadline")));
}

#endif
