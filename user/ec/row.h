/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_ROW_H
#define TOLLBAR_EC_ROW_H
/* row.h: bytes in memory, one piece per lane, to and from registers.
 *
 * A row is a point in a table: x, then y, each four words of 64 bits, least significant first, both in [0, p); 64 bytes,
 * aligned to 64: one cache line, one load.  Eight loads and a transposition are a third of the price of gathering. */
#ifdef __x86_64__
#include <stddef.h>

#include "ec/field.h"

#define ROW_BYTES 64

/* Eight points side by side, affine. */
struct point8 {
	struct u256x8 x, y;
};

VECTOR_BEGIN

/* The rows at eight addresses; in negative lanes the negatives of the points.  x is canonical; y is loose there: p - y is
 * ~y - (C - 1), and limb 0 is left without its carry. */
VECTOR_INLINE struct point8 row_load(const uint64_t address[LANES], mask8 negative)
{
	struct point8 out;
	u64x8 w[8];

	for (int i = 0; i < LANES; i++)
		w[i] = *(const u64x8 *)address[i];
	vector_transpose(w);
	for (int i = 4; i < 8; i++)
		w[i] = (u64x8)_mm512_mask_xor_epi64((__m512i)w[i], negative, (__m512i)w[i],
						    (__m512i)vector_set(UINT64_MAX));
	out.x = u256x8_from_words(w);
	out.y = u256x8_from_words(w + 4);
	out.y.v[0] = (u64x8)_mm512_mask_sub_epi64((__m512i)out.y.v[0], negative, (__m512i)out.y.v[0],
						  (__m512i)vector_set(FIELD_C - 1));
	return out;
}

/* Canonical x and y to eight addresses. */
VECTOR_INLINE void row_store(const uint64_t address[LANES], struct u256x8 x, struct u256x8 y)
{
	u64x8 w[8];

	u256x8_to_words(w, x);
	u256x8_to_words(w + 4, y);
	vector_transpose(w);
	for (int i = 0; i < LANES; i++)
		*(u64x8 *)address[i] = w[i];
}

/* Rows that are wanted in a microsecond or two, into the second-level cache; and in a few products' time, into the first. */
VECTOR_INLINE void row_prefetch(const uint64_t address[LANES])
{
	for (int i = 0; i < LANES; i++)
		_mm_prefetch((const void *)address[i], _MM_HINT_T1);
}

VECTOR_INLINE void row_prefetch_near(const uint64_t address[LANES])
{
	for (int i = 0; i < LANES; i++)
		_mm_prefetch((const void *)address[i], _MM_HINT_T0);
}

/* Bytes of each 64-bit word the other way round. */
VECTOR_INLINE u64x8 row_swap_bytes(u64x8 a)
{
	const __m512i order =
		_mm512_set4_epi64(0x08090a0b0c0d0e0f, 0x0001020304050607, 0x08090a0b0c0d0e0f, 0x0001020304050607);

	return (u64x8)_mm512_shuffle_epi8((__m512i)a, order);
}

/* From eight places, bytes (32 or 64, any alignment) of big-endian words: w[0] the most significant; 32: w[4] up are 0. */
VECTOR_INLINE void row_load_bytes(u64x8 w[8], const uint8_t *const at[LANES], unsigned bytes)
{
	const __mmask8 words = (__mmask8)(bytes == 64 ? 0xff : 0x0f);

	for (int i = 0; i < LANES; i++)
		w[i] = row_swap_bytes((u64x8)_mm512_maskz_loadu_epi64(words, at[i]));
	vector_transpose(w);
}

/* Four words, most significant first, as a number. */
VECTOR_INLINE struct u256x8 row_number(const u64x8 w[4])
{
	const u64x8 reversed[4] = {w[3], w[2], w[1], w[0]};

	return u256x8_from_words(reversed);
}

VECTOR_END

#endif
#endif
