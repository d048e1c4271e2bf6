// SPDX-License-Identifier: Apache-2.0
/* fuzz_native.c: the sieve for native datagrams on any bytes: never outside them, and what it says is what the protocol read off
 * a second time says.  The input's first byte changes the policy, the second says how much of the rest is where it may be
 * read; a datagram of which less is there than its kind's fixed part is too short. */
#include "sieve.h"

#include <stddef.h>
#include <stdlib.h>

#define NOW_S 1800000000u
#define MUST(expression) ((expression) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static enum reason sieve(const struct tollbar_native *native, const uint8_t *at, size_t kept, size_t bytes)
{
	uint8_t *copy = malloc(kept == 0 ? 1 : kept); /* of its own, so that the sanitizer sees its end */

	MUST(copy != NULL);
	memcpy(copy, at, kept);
	enum reason reason = native_sieve(native, (const void *)copy, copy + kept, (uint32_t)bytes);
	free(copy);
	return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct tollbar_native native;
	struct datagram_policy policy;

	if (bytes < 2 || bytes > 2048)
		return 0;
	uint8_t change = data[0];
	size_t kept = data[1];
	data += 2;
	bytes -= 2;
	datagram_policy_build(&policy, NOW_S);
	if (change & 1)
		policy.until_max = 0;
	if (change & 2)
		policy.terms[0].chain_id = policy.terms[1].chain_id;
	if (change & 4)
		policy.deadline_max = UINT64_MAX;
	sieve_policy(&native, &policy);
	enum reason want = datagram_sieved(&policy, data, bytes);
	MUST(sieve(&native, data, bytes, bytes) == want);
	if (kept > bytes)
		return 0;
	size_t fixed = kept >= 128 && data[4] == NATIVE_REQUEST ? 208 : 128;
	enum reason cut = sieve(&native, data, kept, bytes);
	MUST(kept >= fixed ? cut == want : REASON_DROPS(cut));
	return 0;
}
