// SPDX-License-Identifier: Apache-2.0
// link: user/funds_abi.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/hex.c user/base/u256.c user/base/log.c
/* fuzz_rpc.c: a node may answer anything: one byte says to how many calls, then the body.  Whatever was read stands in the
 * answer, and what Multicall3 is said to have returned stands in that. */
#include "../../user/funds_rpc.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static void within(struct span inner, struct span outer)
{
	assert(inner.bytes == 0 || (inner.at >= outer.at && inner.at + inner.bytes <= outer.at + outer.bytes));
}

static void read_returned(struct span returned)
{
	struct abi_result results[8];
	struct word word;
	struct span text;
	bool value;

	for (size_t cnt = 1; cnt <= 8; cnt++)
		if (abi_aggregate_results(results, cnt, returned))
			for (size_t i = 0; i < cnt; i++)
				within(results[i].returned, returned);
	if (abi_text(&text, returned))
		within(text, returned);
	assert(!abi_bool(&value, returned) || abi_word(&word, returned));
	assert(!abi_signature_holds(returned) || returned.bytes == 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct rpc_result results[8];

	if (bytes == 0)
		return 0;
	size_t cnt = at[0] % 8 + 1u, body_bytes = bytes - 1;
	uint8_t *body = malloc(body_bytes), *out = malloc(body_bytes); /* exact sizes: a byte too far is found */
	memcpy(body, at + 1, body_bytes);
	if (rpc_answer(results, cnt, span_of(body, body_bytes)))
		for (size_t i = 0; i < cnt; i++) {
			struct span returned;
			uint64_t number;
			within(results[i].hex, span_of(body, body_bytes));
			if (rpc_bytes(&returned, &results[i], out, body_bytes))
				read_returned(returned);
			if (rpc_number(&number, &results[i]))
				assert(results[i].hex.bytes <= 18);
		}
	free(body);
	free(out);
	return 0;
}
