// SPDX-License-Identifier: Apache-2.0
// link: user/base/hex.c user/base/log.c
/* fuzz_target.c: where a result is asked for.  What is taken is written in one way only: printed again it is the same. */
#include "base/assert.h"
#include <stdio.h>

#include "parse_target.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static size_t print(char *out, size_t out_bytes, const struct result_target *result, bool has_wait)
{
	char id[HEX_BYTES(NATIVE_ID_BYTES)];

	hex_encode(id, result->id, sizeof result->id);
	if (has_wait)
		return (size_t)snprintf(out, out_bytes, RESULTS_PATH "%s?wait=%u", id + 2, result->wait_s);
	return (size_t)snprintf(out, out_bytes, RESULTS_PATH "%s", id + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct result_target result;
	struct span target = span_of(at, bytes);
	enum reason reason = parse_result_target(&result, target);
	char again[128];

	if (reason != REASON_OK) {
		ASSERT(reason == RESULT_UNKNOWN || reason == ROUTE_UNKNOWN);
		ASSERT(parse_is_result(target) || reason == ROUTE_UNKNOWN);
		return 0;
	}
	ASSERT(parse_is_result(target) && result.wait_s <= RESULT_WAIT_S_MAX);
	bool has_wait = bytes > sizeof RESULTS_PATH - 1 + 2 * NATIVE_ID_BYTES;
	size_t printed = print(again, sizeof again, &result, has_wait);
	if (result.wait_s < RESULT_WAIT_S_MAX)
		ASSERT(span_equal(span_of(again, printed), target));
	else /* more than that counts as that, in up to four digits */
		ASSERT(memcmp(again, at, printed - 2) == 0 && bytes - printed <= 2);
	return 0;
}
