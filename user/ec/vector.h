/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_VECTOR_H
#define TOLLBAR_EC_VECTOR_H
/* vector.h: eight 64-bit lanes in one AVX-512 register.  Plain C operators work lane by lane.
 *
 * Code between VECTOR_BEGIN and VECTOR_END may use the instructions ec_supported() asks for, whatever the rest of the
 * program is compiled for; nothing there may run without them.  Between VECTOR_BEGIN_BASIC and VECTOR_END it is AVX-512 F
 * and BW alone, which more CPUs have: what keccak8_supported() asks for. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdint.h>

#define VECTOR_BASIC "avx512f,avx512bw"
#define VECTOR_ALL "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,avx512vbmi,avx512vbmi2"
#define VECTOR_PRAGMA_TEXT(text) _Pragma(#text)
#define VECTOR_PRAGMA(text) VECTOR_PRAGMA_TEXT(text)
#ifdef __clang__
#define VECTOR_BEGIN_FOR(set) VECTOR_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define VECTOR_END VECTOR_PRAGMA(clang attribute pop)
#else
#define VECTOR_BEGIN_FOR(set) VECTOR_PRAGMA(GCC push_options) VECTOR_PRAGMA(GCC target(set))
#define VECTOR_END VECTOR_PRAGMA(GCC pop_options)
#endif

#define VECTOR_BEGIN_BASIC VECTOR_BEGIN_FOR(VECTOR_BASIC)
#define VECTOR_BEGIN VECTOR_BEGIN_FOR(VECTOR_ALL)

/* For what must be part of its caller: a vector that goes through memory costs more than the arithmetic. */
#define VECTOR_INLINE __attribute__((always_inline)) static inline

#define LANES 8

typedef uint64_t u64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef uint8_t mask8; /* a bit per lane */

VECTOR_BEGIN_BASIC

VECTOR_INLINE u64x8 vector_set(uint64_t value)
{
	return (u64x8)_mm512_set1_epi64((long long)value);
}

/* Right shift that keeps the sign. */
VECTOR_INLINE u64x8 vector_sar(u64x8 a, unsigned bits)
{
	return (u64x8)((i64x8)a >> (int64_t)bits);
}

/* Lane by lane: b where the mask is set, else a. */
VECTOR_INLINE u64x8 vector_select(mask8 mask, u64x8 a, u64x8 b)
{
	return (u64x8)_mm512_mask_blend_epi64(mask, (__m512i)a, (__m512i)b);
}

VECTOR_INLINE mask8 vector_zero(u64x8 a)
{
	return _mm512_testn_epi64_mask((__m512i)a, (__m512i)a);
}

VECTOR_INLINE mask8 vector_equal(u64x8 a, u64x8 b)
{
	return _mm512_cmpeq_epu64_mask((__m512i)a, (__m512i)b);
}

/* The lanes in another order: neighbours, pairs, or halves of four change places. */
VECTOR_INLINE u64x8 vector_swap1(u64x8 a)
{
	return (u64x8)_mm512_shuffle_epi32((__m512i)a, (_MM_PERM_ENUM)0x4e);
}

VECTOR_INLINE u64x8 vector_swap2(u64x8 a)
{
	return (u64x8)_mm512_permutex_epi64((__m512i)a, 0x4e);
}

VECTOR_INLINE u64x8 vector_swap4(u64x8 a)
{
	return (u64x8)_mm512_shuffle_i64x2((__m512i)a, (__m512i)a, 0x4e);
}

/* Lane i becomes lane from[i]. */
VECTOR_INLINE u64x8 vector_permute(u64x8 from, u64x8 a)
{
	return (u64x8)_mm512_permutexvar_epi64((__m512i)from, (__m512i)a);
}

VECTOR_INLINE u64x8 vector_unpack_low(u64x8 a, u64x8 b)
{
	return (u64x8)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
}

VECTOR_INLINE u64x8 vector_unpack_high(u64x8 a, u64x8 b)
{
	return (u64x8)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
}

/* Words of lane i become lane i of words: 8 × 8, in three times eight exchanges. */
VECTOR_INLINE void vector_transpose(u64x8 w[8])
{
	u64x8 pair[8], quad[8];

	for (int i = 0; i < 8; i += 2) {
		pair[i] = vector_unpack_low(w[i], w[i + 1]);
		pair[i + 1] = vector_unpack_high(w[i], w[i + 1]);
	}
	for (int i = 0; i < 8; i += 4)
		for (int k = 0; k < 2; k++) {
			quad[i + k] = (u64x8)_mm512_shuffle_i64x2((__m512i)pair[i + k], (__m512i)pair[i + k + 2], 0x88);
			quad[i + k + 2] =
				(u64x8)_mm512_shuffle_i64x2((__m512i)pair[i + k], (__m512i)pair[i + k + 2], 0xdd);
		}
	for (int i = 0; i < 4; i++) {
		w[i] = (u64x8)_mm512_shuffle_i64x2((__m512i)quad[i], (__m512i)quad[i + 4], 0x88);
		w[i + 4] = (u64x8)_mm512_shuffle_i64x2((__m512i)quad[i], (__m512i)quad[i + 4], 0xdd);
	}
}

VECTOR_END

VECTOR_BEGIN

/* The low 64 bits of high ‖ low shifted right. */
#define VECTOR_SHRD(low, high, bits) ((u64x8)_mm512_shrdi_epi64((__m512i)(low), (__m512i)(high), (bits)))

/* sum + the low, or the high, 52 bits of the 104-bit product of the low 52 bits of a and b: bits 52 to 63 are not read. */
VECTOR_INLINE u64x8 vector_madd_lo(u64x8 sum, u64x8 a, u64x8 b)
{
	return (u64x8)_mm512_madd52lo_epu64((__m512i)sum, (__m512i)a, (__m512i)b);
}

VECTOR_INLINE u64x8 vector_madd_hi(u64x8 sum, u64x8 a, u64x8 b)
{
	return (u64x8)_mm512_madd52hi_epu64((__m512i)sum, (__m512i)a, (__m512i)b);
}

VECTOR_END

#endif
#endif
