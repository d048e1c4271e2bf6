// SPDX-License-Identifier: Apache-2.0
#include "funds_wrapped.h"

#include "base/u256.h"

#define WORD sizeof(struct word)
#define HEAD_WORDS 3

static size_t padded(size_t bytes)
{
	return (bytes + WORD - 1) / WORD * WORD;
}

static bool zeros(const uint8_t *at, size_t cnt)
{
	uint8_t any = 0;

	for (size_t i = 0; i < cnt; i++)
		any |= at[i];
	return any == 0;
}

/* The number in the word at `offset`, when it is one that can be a place or a length in these bytes. */
static bool take_number(size_t *number, struct span from, size_t offset)
{
	uint64_t value;

	if (offset > from.bytes || from.bytes - offset < WORD || !u256_to_u64(&value, from.at + offset) ||
	    value > from.bytes)
		return false;
	*number = (size_t)value;
	return true;
}

/* The bytes whose length stands at *offset, which is moved behind them. */
static bool take_bytes(struct span *out, struct span from, size_t *offset)
{
	size_t bytes, at = *offset + WORD;

	if (!take_number(&bytes, from, *offset) || padded(bytes) > from.bytes - at ||
	    !zeros(from.at + at + bytes, padded(bytes) - bytes))
		return false;
	*out = span_of(from.at + at, bytes);
	*offset = at + padded(bytes);
	return true;
}

enum wrapping wrapped_open(struct wrapped *out, struct span signature)
{
	static const uint8_t magic[WORD] = {0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64,
					    0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92,
					    0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92};
	size_t first, second, at = HEAD_WORDS * WORD;

	if (signature.bytes < WORD || memcmp(signature.at + signature.bytes - WORD, magic, WORD) != 0)
		return WRAPPED_NOT;
	struct span from = span_of(signature.at, signature.bytes - WORD);
	if (!take_number(&first, from, WORD) || !take_number(&second, from, 2 * WORD) || first != at ||
	    !zeros(from.at, WORD - sizeof out->factory))
		return WRAPPED_BAD;
	memcpy(&out->factory, from.at + WORD - sizeof out->factory, sizeof out->factory);
	if (!take_bytes(&out->calldata, from, &at) || at != second || !take_bytes(&out->signature, from, &at) ||
	    at != from.bytes)
		return WRAPPED_BAD;
	return WRAPPED_GOOD;
}

struct span wrapped_whole(uint8_t out[SIGNATURE_BYTES_MAX], const struct payment *payment)
{
	memcpy(out, payment->signature, sizeof payment->signature);
	memcpy(out + sizeof payment->signature, payment->signature_rest, payment->signature_rest_bytes);
	return span_of(out, sizeof payment->signature + payment->signature_rest_bytes);
}
