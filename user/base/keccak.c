// SPDX-License-Identifier: Apache-2.0
#include "base/keccak.h"

#include <endian.h>
#include <string.h>

#define LANES 25       /* lane x + 5y of the 5 x 5 x 64 state */
#define RATE_LANES 17  /* 1,600 - 2 * 256 bits of input per permutation */
#define RATE_BYTES 136 /* the same in bytes */

static const uint64_t round_constant[24] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
	0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
	0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
	0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

static inline uint64_t rotate(uint64_t lane, unsigned bits)
{
	return bits == 0 ? lane : lane << bits | lane >> (64 - bits);
}

/* One row of the state after theta, rho, pi and chi.  Lane X of row Y comes from lane x = X + 3Y (mod 5) of row X, so
 * the five sources are one per row of `in`; r is rho's rotation of each.  All indices are constants: after unrolling,
 * the compiler keeps lanes in registers and spills the rest. */
#define ROW(out, y, in, s0, r0, s1, r1, s2, r2, s3, r3, s4, r4)   \
	do {                                                      \
		uint64_t b0 = rotate((in)[s0] ^ d[(s0) % 5], r0); \
		uint64_t b1 = rotate((in)[s1] ^ d[(s1) % 5], r1); \
		uint64_t b2 = rotate((in)[s2] ^ d[(s2) % 5], r2); \
		uint64_t b3 = rotate((in)[s3] ^ d[(s3) % 5], r3); \
		uint64_t b4 = rotate((in)[s4] ^ d[(s4) % 5], r4); \
		(out)[5 * (y) + 0] = b0 ^ (~b1 & b2);             \
		(out)[5 * (y) + 1] = b1 ^ (~b2 & b3);             \
		(out)[5 * (y) + 2] = b2 ^ (~b3 & b4);             \
		(out)[5 * (y) + 3] = b3 ^ (~b4 & b0);             \
		(out)[5 * (y) + 4] = b4 ^ (~b0 & b1);             \
	} while (0)

static inline uint64_t column(const uint64_t a[LANES], unsigned x)
{
	return a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
}

__attribute__((always_inline)) static inline void keccak_round(uint64_t out[LANES], const uint64_t in[LANES],
							       uint64_t constant)
{
	uint64_t c0 = column(in, 0), c1 = column(in, 1), c2 = column(in, 2), c3 = column(in, 3), c4 = column(in, 4);
	uint64_t d[5] = {
		c4 ^ rotate(c1, 1), c0 ^ rotate(c2, 1), c1 ^ rotate(c3, 1), c2 ^ rotate(c4, 1), c3 ^ rotate(c0, 1),
	};

	ROW(out, 0, in, 0, 0, 6, 44, 12, 43, 18, 21, 24, 14);
	ROW(out, 1, in, 3, 28, 9, 20, 10, 3, 16, 45, 22, 61);
	ROW(out, 2, in, 1, 1, 7, 6, 13, 25, 19, 8, 20, 18);
	ROW(out, 3, in, 4, 27, 5, 36, 11, 10, 17, 15, 23, 56);
	ROW(out, 4, in, 2, 62, 8, 55, 14, 39, 15, 41, 21, 2);
	out[0] ^= constant;
}

/* Two rounds an iteration, from a to b and back: no copy of the state. */
__attribute__((always_inline)) static inline void permute_rounds(uint64_t state[LANES])
{
	uint64_t a[LANES], b[LANES];

	memcpy(a, state, sizeof(a));
	for (unsigned i = 0; i < 24; i += 2) {
		keccak_round(b, a, round_constant[i]);
		keccak_round(a, b, round_constant[i + 1]);
	}
	memcpy(state, a, sizeof(a));
}

#ifdef __x86_64__
/* With and-not in one instruction (BMI), a fifth faster. */
__attribute__((target("bmi"))) static void permute_bmi(uint64_t state[LANES])
{
	permute_rounds(state);
}
#endif

static void permute(uint64_t state[LANES])
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("bmi")) {
		permute_bmi(state);
		return;
	}
#endif
	permute_rounds(state);
}

static void absorb(uint64_t state[LANES], const uint8_t block[RATE_BYTES])
{
	for (unsigned i = 0; i < RATE_LANES; i++) {
		uint64_t lane;
		memcpy(&lane, block + 8 * i, 8);
		state[i] ^= le64toh(lane);
	}
	permute(state);
}

void keccak256(uint8_t out[32], const void *in, size_t bytes)
{
	uint64_t state[LANES] = {0};
	uint8_t last[RATE_BYTES] = {0};
	const uint8_t *at = in;

	for (; bytes >= RATE_BYTES; bytes -= RATE_BYTES, at += RATE_BYTES)
		absorb(state, at);
	memcpy(last, at, bytes);
	last[bytes] = 0x01;
	last[RATE_BYTES - 1] |= 0x80;
	absorb(state, last);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t lane = htole64(state[i]);
		memcpy(out + 8 * i, &lane, 8);
	}
}
