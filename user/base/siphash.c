// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.h"

#include <string.h>

#include "sip.h"

static uint64_t load_le(const uint8_t *at)
{
	uint64_t x;

	memcpy(&x, at, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

uint64_t siphash(const uint8_t key[16], const void *bytes, size_t n)
{
	const __u64 words[2] = {load_le(key), load_le(key + 8)};
	const uint8_t *at = bytes;
	struct tollbar_sip sip;
	uint64_t total = n, last = 0;

	tollbar_sip_begin(&sip, words);
	for (; n >= 8; at += 8, n -= 8)
		tollbar_sip_word(&sip, load_le(at));
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)at[i] << 8 * i;
	return tollbar_sip_end(&sip, total, last);
}
