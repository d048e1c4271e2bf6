// SPDX-License-Identifier: Apache-2.0
#include "ec/keccak8.h"

#include <string.h>

#include "base/assert.h"
#include "ec/row.h"

#ifdef __x86_64__

#define STATE_LANES 25 /* Keccak's lanes, each a register of eight */
#define RATE_LANES 17
#define RATE_BYTES 136

static const uint64_t round_constant[24] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
	0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
	0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

VECTOR_BEGIN

/* a ^ b ^ c, and a ^ (~b & c): any function of three bits is one instruction. */
VECTOR_INLINE u64x8 xor3(u64x8 a, u64x8 b, u64x8 c)
{
	return (u64x8)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0x96);
}

VECTOR_INLINE u64x8 chi(u64x8 a, u64x8 b, u64x8 c)
{
	return (u64x8)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0xd2);
}

#define ROTATE(a, bits) ((u64x8)_mm512_rol_epi64((__m512i)(a), (bits)))

VECTOR_INLINE u64x8 column(const u64x8 a[STATE_LANES], unsigned x)
{
	return xor3(xor3(a[x], a[x + 5], a[x + 10]), a[x + 15], a[x + 20]);
}

/* One row after rho, pi and chi; the sources and rotations are those of base/keccak.c. */
#define ROW(out, y, in, s0, r0, s1, r1, s2, r2, s3, r3, s4, r4)                                        \
	do {                                                                                           \
		u64x8 b0 = ROTATE((in)[s0], r0), b1 = ROTATE((in)[s1], r1), b2 = ROTATE((in)[s2], r2); \
		u64x8 b3 = ROTATE((in)[s3], r3), b4 = ROTATE((in)[s4], r4);                            \
		(out)[5 * (y) + 0] = chi(b0, b1, b2);                                                  \
		(out)[5 * (y) + 1] = chi(b1, b2, b3);                                                  \
		(out)[5 * (y) + 2] = chi(b2, b3, b4);                                                  \
		(out)[5 * (y) + 3] = chi(b3, b4, b0);                                                  \
		(out)[5 * (y) + 4] = chi(b4, b0, b1);                                                  \
	} while (0)

/* theta goes first and in place: 25 lanes and five more fit the registers, which they would not with ten. */
VECTOR_INLINE void keccak_round(u64x8 out[STATE_LANES], u64x8 in[STATE_LANES], uint64_t constant)
{
	u64x8 c0 = column(in, 0), c1 = column(in, 1), c2 = column(in, 2), c3 = column(in, 3), c4 = column(in, 4);
	u64x8 d[5] = {c4 ^ ROTATE(c1, 1), c0 ^ ROTATE(c2, 1), c1 ^ ROTATE(c3, 1), c2 ^ ROTATE(c4, 1),
		      c3 ^ ROTATE(c0, 1)};

	for (int row = 0; row < STATE_LANES; row += 5)
		for (int x = 0; x < 5; x++)
			in[row + x] ^= d[x];
	ROW(out, 0, in, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
	ROW(out, 1, in, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
	ROW(out, 2, in, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
	ROW(out, 3, in, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
	ROW(out, 4, in, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
	out[0] ^= constant;
}

void keccak8_permute(u64x8 state[STATE_LANES])
{
	u64x8 a[STATE_LANES], b[STATE_LANES];

	memcpy(a, state, sizeof(a));
	for (unsigned i = 0; i < 24; i += 2) {
		keccak_round(b, a, round_constant[i]);
		keccak_round(a, b, round_constant[i + 1]);
	}
	memcpy(state, a, sizeof(a));
}

/* The next block of every lane: 8, 8 and 1 words. */
static void absorb(u64x8 state[STATE_LANES], const uint8_t *const block[LANES])
{
	for (unsigned first = 0; first < RATE_LANES; first += 8) {
		unsigned cnt = RATE_LANES - first < 8 ? RATE_LANES - first : 8;
		u64x8 words[8];
		for (unsigned i = 0; i < LANES; i++)
			words[i] = (u64x8)_mm512_maskz_loadu_epi64((__mmask8)((1U << cnt) - 1), block[i] + 8 * first);
		row_transpose(words);
		for (unsigned i = 0; i < cnt; i++)
			state[first + i] ^= words[i];
	}
	keccak8_permute(state);
}

static void take(uint8_t out[32], const u64x8 state[STATE_LANES], unsigned lane)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t word = state[i][lane];
		memcpy(out + 8 * i, &word, 8);
	}
}

void keccak256_x8(uint8_t (*out)[32], const void *const in[], const size_t bytes[], size_t cnt)
{
	uint8_t last[LANES][RATE_BYTES] = {{0}};
	u64x8 state[STATE_LANES] = {{0}};
	size_t blocks[LANES] = {0}, most = 1;

	ASSERT(cnt >= 1 && cnt <= LANES);
	for (size_t i = 0; i < cnt; i++) {
		size_t whole = bytes[i] / RATE_BYTES, rest = bytes[i] % RATE_BYTES;
		blocks[i] = whole + 1;
		most = blocks[i] > most ? blocks[i] : most;
		memcpy(last[i], (const uint8_t *)in[i] + whole * RATE_BYTES, rest);
		last[i][rest] = 0x01;
		last[i][RATE_BYTES - 1] |= 0x80;
	}
	for (size_t at = 0; at < most; at++) {
		const uint8_t *block[LANES];
		for (size_t i = 0; i < LANES; i++) /* a lane that is done, or has no input, goes on with anything */
			block[i] = i < cnt && at + 1 < blocks[i] ? (const uint8_t *)in[i] + at * RATE_BYTES : last[i];
		absorb(state, block);
		for (unsigned i = 0; i < cnt; i++)
			if (at + 1 == blocks[i])
				take(out[i], state, i);
	}
}

VECTOR_END

#else
void keccak256_x8(uint8_t (*out)[32], const void *const in[], const size_t bytes[], size_t cnt)
{
	ASSERT(cnt == 0); /* nobody is without AVX-512 and here */
}
#endif
