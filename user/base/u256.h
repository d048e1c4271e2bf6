/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_U256_H
#define TOLLBAR_BASE_U256_H
/* u256.h: 256-bit unsigned integers as 32 bytes big-endian, the form EIP-712 hashes.  Comparisons are of all 32 bytes:
 * nothing is cut to 64 bits before it is compared. */
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

#define U256_DECIMAL_BYTES 79 /* 2^256 - 1 has 78 digits, and the final zero */

/* u256_decimal: 1 to 78 digits, no leading zero but "0" itself, below 2^256.  False leaves out unspecified. */
bool u256_decimal(uint8_t out[32], struct span text) __attribute__((warn_unused_result));

void u256_from_u64(uint8_t out[32], uint64_t number);
void u256_from_u128(uint8_t out[32], unsigned __int128 number);
/* False when it does not fit. */
static inline __attribute__((warn_unused_result)) bool u256_to_u64(uint64_t *out, const uint8_t number[32])
{
	uint64_t limb[4];

	for (unsigned i = 0; i < 4; i++) /* each by itself: loaded, not copied */
		memcpy(&limb[i], number + 8 * i, sizeof limb[i]);
	*out = be64toh(limb[3]);
	return (limb[0] | limb[1] | limb[2]) == 0;
}
bool u256_to_u128(unsigned __int128 *out, const uint8_t number[32]) __attribute__((warn_unused_result));

/* out = a + b and a - b, modulo 2^256; out may be a or b.  True: the sum did not fit. */
bool u256_add(uint8_t out[32], const uint8_t a[32], const uint8_t b[32]);
void u256_sub(uint8_t out[32], const uint8_t a[32], const uint8_t b[32]);

/* Below, at or above zero, as memcmp: big-endian bytes order like the numbers. */
static inline int u256_compare(const uint8_t a[32], const uint8_t b[32])
{
	return memcmp(a, b, 32);
}

/* A tenth, rounded up. */
void u256_tenth(uint8_t out[32], const uint8_t number[32]);

/* Decimal digits and a final zero, at most U256_DECIMAL_BYTES.  Returns the number of digits. */
size_t u256_print(char out[U256_DECIMAL_BYTES], const uint8_t number[32]);

#endif
