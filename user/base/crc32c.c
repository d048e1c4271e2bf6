// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>
#ifdef __x86_64__
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

/* Bit 31 stands for x^0: the order of the wire. */
#define POLYNOMIAL 0x82f63b78u

/* --- by tables, eight bytes at a time --- */

static uint32_t table[8][256]; /* [n][byte]: what it comes to, followed by n zeros */

static void make_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t rest = byte;
		for (unsigned bit = 0; bit < 8; bit++)
			rest = rest >> 1 ^ ((rest & 1) != 0 ? POLYNOMIAL : 0);
		table[0][byte] = rest;
	}
	for (unsigned n = 1; n < 8; n++)
		for (unsigned byte = 0; byte < 256; byte++)
			table[n][byte] = table[n - 1][byte] >> 8 ^ table[0][table[n - 1][byte] & 255];
}

static uint32_t by_table(uint32_t rest, const uint8_t *at, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_table);
	for (; n >= 8; n -= 8, at += 8) {
		uint64_t word;
		memcpy(&word, at, sizeof word);
		word = le64toh(word) ^ rest;
		rest = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
		       table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
		       table[1][word >> 48 & 255] ^ table[0][word >> 56];
	}
	for (; n > 0; n--)
		rest = rest >> 8 ^ table[0][(rest ^ *at++) & 255];
	return rest;
}

/* --- by instruction --- */

#ifdef __x86_64__
/* An instruction takes three cycles, and one can begin in each: three sums side by side, joined after LANE_BYTES of each. */
#define LANE_BYTES 160

/* x^(8n - 33) modulo the polynomial, for n of one lane and of two: a sum times that, and 33 bits longer by the product's
 * place in its word and the instruction, is the sum of the same bytes with n zeros behind them. */
#define BEHIND_ONE 0x878a92a7
#define BEHIND_TWO 0xbac2fd7b

#define WITH_INSTRUCTION __attribute__((target("sse4.2,pclmul")))

WITH_INSTRUCTION static inline uint64_t add(uint64_t rest, const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return _mm_crc32_u64(rest, word);
}

WITH_INSTRUCTION static inline __m128i times(uint64_t rest, uint32_t factor)
{
	return _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)rest), _mm_cvtsi32_si128((int)factor), 0);
}

WITH_INSTRUCTION static uint32_t by_instruction(uint32_t sum, const uint8_t *at, size_t n)
{
	uint64_t rest = sum;

	for (; n >= 3 * (size_t)LANE_BYTES; n -= 3 * (size_t)LANE_BYTES, at += 3 * (size_t)LANE_BYTES) {
		uint64_t second = 0, third = 0;
		for (size_t i = 0; i < LANE_BYTES; i += 8) {
			rest = add(rest, at + i);
			second = add(second, at + LANE_BYTES + i);
			third = add(third, at + 2 * LANE_BYTES + i);
		}
		__m128i both = _mm_xor_si128(times(rest, BEHIND_TWO), times(second, BEHIND_ONE));
		rest = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(both)) ^ third;
	}
	for (; n >= 8; n -= 8, at += 8)
		rest = add(rest, at);
	sum = (uint32_t)rest;
	for (; n > 0; n--)
		sum = _mm_crc32_u8(sum, *at++);
	return sum;
}
#endif

uint32_t crc32c(uint32_t sum, const void *bytes, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		return ~by_instruction(~sum, bytes, n);
#endif
	return ~by_table(~sum, bytes, n);
}
