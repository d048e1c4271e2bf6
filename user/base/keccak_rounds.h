/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_KECCAK_ROUNDS_H
#define TOLLBAR_BASE_KECCAK_ROUNDS_H
/* keccak_rounds.h: Keccak-f[1600], written once for the scalar and the eight-lane hash.  Only keccak.c and ec/keccak8.c
 * include it.  Before, they define
 *
 *   keccak_word             64 bits, or a vector of such: word x + 5 y is the lane (x, y) of the 5 × 5 state
 *   KECCAK_INLINE           how a function is made part of its caller
 *   KECCAK_XOR3(a, b, c)    a ^ b ^ c
 *   KECCAK_CHI(a, b, c)     a ^ (~b & c)
 *   KECCAK_ROTATE(a, bits)  to the left, by 1 to 63
 *
 * All indices are constants: after unrolling, words live in registers, as far as there are enough.
 * Source: The Keccak reference, version 3.0. */
#include <stdint.h>

#define KECCAK_WORDS 25
#define KECCAK_RATE_WORDS 17  /* 1,600 - 2 * 256 bits of input per permutation */
#define KECCAK_RATE_BYTES 136 /* the same in bytes */
#define KECCAK_PAD_FIRST 0x01 /* the byte after the input, and the last one of its block: the same one, both bits */
#define KECCAK_PAD_LAST 0x80

static const uint64_t keccak_round_constant[24] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
	0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
	0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

#define KECCAK_SUM3(c, x) (c)[x] = KECCAK_XOR3(in[(x) + 20], in[x], in[(x) + 15])
#define KECCAK_SUM5(c, x) (c)[x] = KECCAK_XOR3((c)[x], in[(x) + 10], in[(x) + 5])

/* theta: d[x] is what every word of column x is changed by.  Of the orders it could be written in, a fast one. */
KECCAK_INLINE void keccak_theta(keccak_word d[5], const keccak_word in[KECCAK_WORDS])
{
	keccak_word c[5];

	KECCAK_SUM3(c, 0);
	KECCAK_SUM3(c, 1);
	KECCAK_SUM3(c, 2);
	KECCAK_SUM3(c, 3);
	KECCAK_SUM3(c, 4);
	KECCAK_SUM5(c, 0);
	KECCAK_SUM5(c, 1);
	KECCAK_SUM5(c, 2);
	KECCAK_SUM5(c, 3);
	KECCAK_SUM5(c, 4);
	d[2] = c[1] ^ KECCAK_ROTATE(c[3], 1);
	d[4] = c[3] ^ KECCAK_ROTATE(c[0], 1);
	d[1] = c[0] ^ KECCAK_ROTATE(c[2], 1);
	d[3] = c[2] ^ KECCAK_ROTATE(c[4], 1);
	d[0] = c[4] ^ KECCAK_ROTATE(c[1], 1);
}

/* theta, rho and pi of one word: it comes from word `from`, turned by rho's `bits`. */
#define KECCAK_TURN(b, x, from, bits) (b)[x] = KECCAK_ROTATE(in[from] ^ d[(from) % 5], bits)
#define KECCAK_MIX(y, b, x) out[5 * (y) + (x)] = KECCAK_CHI((b)[x], (b)[((x) + 1) % 5], (b)[((x) + 2) % 5])

/* chi of row y, whose words are in b, while the next row's are turned into next: a CPU that rotates slower than it mixes
 * does both side by side, and no more than two rows are under way, which is what the registers hold. */
#define KECCAK_ROW(y, b, next, s0, r0, s1, r1, s2, r2, s3, r3, s4, r4) \
	do {                                                           \
		KECCAK_MIX(y, b, 0);                                   \
		KECCAK_TURN(next, 0, s0, r0);                          \
		KECCAK_MIX(y, b, 1);                                   \
		KECCAK_TURN(next, 1, s1, r1);                          \
		KECCAK_MIX(y, b, 2);                                   \
		KECCAK_TURN(next, 2, s2, r2);                          \
		KECCAK_MIX(y, b, 3);                                   \
		KECCAK_TURN(next, 3, s3, r3);                          \
		KECCAK_MIX(y, b, 4);                                   \
		KECCAK_TURN(next, 4, s4, r4);                          \
	} while (0)

/* Row 0 before chi. */
#define KECCAK_FIRST_ROW(b)                \
	do {                               \
		(b)[0] = in[0] ^ d[0];     \
		KECCAK_TURN(b, 1, 6, 44);  \
		KECCAK_TURN(b, 2, 12, 43); \
		KECCAK_TURN(b, 3, 18, 21); \
		KECCAK_TURN(b, 4, 24, 14); \
	} while (0)

/* Word X of row Y comes from word x = X + 3 Y (mod 5) of row X. */
KECCAK_INLINE void keccak_round(keccak_word out[KECCAK_WORDS], const keccak_word in[KECCAK_WORDS], uint64_t constant)
{
	keccak_word d[5], even[5], odd[5];

	keccak_theta(d, in);
	KECCAK_FIRST_ROW(even);
	KECCAK_ROW(0, even, odd, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
	KECCAK_ROW(1, odd, even, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
	KECCAK_ROW(2, even, odd, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
	KECCAK_ROW(3, odd, even, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
	KECCAK_MIX(4, even, 0);
	KECCAK_MIX(4, even, 1);
	KECCAK_MIX(4, even, 2);
	KECCAK_MIX(4, even, 3);
	KECCAK_MIX(4, even, 4);
	out[0] ^= constant;
}

/* From a to b and back, two rounds an iteration: no copy of the state. */
KECCAK_INLINE void keccak_rounds(keccak_word a[KECCAK_WORDS], keccak_word b[KECCAK_WORDS], unsigned round_cnt)
{
	for (unsigned i = 0; i < round_cnt; i += 2) {
		keccak_round(b, a, keccak_round_constant[i]);
		keccak_round(a, b, keccak_round_constant[i + 1]);
	}
}

/* Word by word: as a block, it would go through memory. */
KECCAK_INLINE void keccak_copy(keccak_word to[KECCAK_WORDS], const keccak_word from[KECCAK_WORDS])
{
#pragma GCC unroll 25
	for (int i = 0; i < KECCAK_WORDS; i++)
		to[i] = from[i];
}

KECCAK_INLINE void keccak_clear(keccak_word state[KECCAK_WORDS])
{
#pragma GCC unroll 25
	for (int i = 0; i < KECCAK_WORDS; i++)
		state[i] = (keccak_word){0};
}

KECCAK_INLINE void keccak_permute(keccak_word state[KECCAK_WORDS])
{
	keccak_word a[KECCAK_WORDS], b[KECCAK_WORDS];

	keccak_copy(a, state);
	keccak_rounds(a, b, 24);
	keccak_copy(state, a);
}

#endif
