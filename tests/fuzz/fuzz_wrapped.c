// SPDX-License-Identifier: Apache-2.0
// link: user/base/u256.c user/base/hex.c user/base/log.c
/* fuzz_wrapped.c: a stranger's bytes as a wrapped signature (ERC-6492).  What can be read, written again by the specification, is
 * the same bytes: nothing was passed over. */
#include "../../user/funds_wrapped.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static uint8_t *put_number(uint8_t *out, uint64_t number)
{
	u256_from_u64(out, number);
	return out + WORD;
}

static uint8_t *put_bytes(uint8_t *out, struct span bytes)
{
	out = put_number(out, bytes.bytes);
	memcpy(out, bytes.at, bytes.bytes);
	return out + padded(bytes.bytes);
}

static void check_same(const struct wrapped *wrapped, const uint8_t *at, size_t bytes)
{
	uint8_t *again = calloc(1, bytes + 256), *out = again;

	memcpy(out + WORD - 20, &wrapped->factory, 20);
	out = put_number(out + WORD, HEAD_WORDS * WORD);
	out = put_number(out, HEAD_WORDS * WORD + WORD + padded(wrapped->calldata.bytes));
	out = put_bytes(out, wrapped->calldata);
	out = put_bytes(out, wrapped->signature);
	for (size_t i = 0; i < WORD; i++)
		*out++ = i % 2 == 0 ? 0x64 : 0x92;
	assert((size_t)(out - again) == bytes && memcmp(again, at, bytes) == 0);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	uint8_t *copy =
		malloc(bytes + WORD); /* of its exact size when asked about, so that a read past the end is found */
	struct wrapped wrapped;

	memcpy(copy, at, bytes);
	for (size_t i = 0; i < WORD; i++)
		copy[bytes + i] = i % 2 == 0 ? 0x64 : 0x92;
	if (wrapped_open(&wrapped, span_of(copy, bytes + WORD)) == WRAPPED_GOOD)
		check_same(&wrapped, copy, bytes + WORD);
	if (wrapped_open(&wrapped, span_of(at, bytes)) == WRAPPED_GOOD)
		check_same(&wrapped, at, bytes);
	free(copy);
	return 0;
}
