/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_SCALAR_H
#define TOLLBAR_EC_SCALAR_H
/* scalar.h: eight numbers mod the group order n, and what turns one into table look-ups.
 *
 * Limbs as u256x8.h has them, carried, the last one below 2^52.  Products are Montgomery's,
 * with 2^260: mul(a, b) = a b / 2^260, below 2 n when a b < 2^514.  A number "times 2^260" is one kept that
 * way, so that mul(plain, times 2^260) is plain.
 *
 * Signed digits without zero.  A scalar u is used by way of s = (u + K) / 2 mod n, split by the endomorphism into
 * s = s1 + lambda s2 with |s1|, |s2| < 2^128; the halves are v = s1 + 2^128 and s2 + 2^128, l bits long (l: the window
 * times the positions).  With K = (2^l - 2^129 - 1)(1 + lambda)
 *
 *     u P = sum over bits i < l of (2 v1[i] - 1) 2^i P  +  lambda (the same of v2)
 *
 * and a window's bits, read as a number g, stand for the odd digit 2 g - (2^w - 1): never zero, so that every position
 * of every scalar is one row of a table of odd multiples, added or subtracted. */
#ifdef __x86_64__
#include "ec/field.h"

/* The two halves of s, 129 bits in three words. */
struct halves {
	u64x8 word[2][3];
};

VECTOR_BEGIN

/* a b / 2^260 mod n, below 2 n. */
struct u256x8 scalar_mul(struct u256x8 a, struct u256x8 b);

/* a 2^260 mod n, below 2 n; a below 2^256. */
struct u256x8 scalar_enter(struct u256x8 a);

/* a in [0, n), from a below 4 n. */
struct u256x8 scalar_canonical(struct u256x8 a);

/* -a mod n, of a in [0, n); n itself for 0. */
struct u256x8 scalar_negate(struct u256x8 a);

/* half[i] = 2^260 / (2 a[i]) mod n for cnt vectors (1 to SCALAR_MANY); a in [1, n - 1] in every lane.  One inverse for all. */
#define SCALAR_MANY 16
void scalar_invert_half(struct u256x8 half[], const struct u256x8 a[], size_t cnt);

/* From u / 2 (below 2 n) to the halves of s for this window. */
void scalar_split(struct halves *out, struct u256x8 half_u, unsigned window);

/* How many windows a half has: ceil(129 / window). */
VECTOR_INLINE unsigned scalar_positions(unsigned window)
{
	return (129 + window - 1) / window;
}

/* The window's bits at a position: g above. */
VECTOR_INLINE u64x8 scalar_group(const u64x8 word[3], unsigned position, unsigned window)
{
	unsigned bit = position * window;
	u64x8 low = word[bit / 64], high = bit / 64 < 2 ? word[bit / 64 + 1] : vector_set(0);

	return (u64x8)_mm512_shrdv_epi64((__m512i)low, (__m512i)high, (__m512i)vector_set(bit % 64)) &
	       ((UINT64_C(1) << window) - 1);
}

/* Which row of a position, 0 for the point itself, 1 for three times it, ...; negative: lanes that subtract it. */
VECTOR_INLINE u64x8 scalar_row(mask8 *negative, u64x8 group, unsigned window)
{
	const u64x8 half = vector_set(UINT64_C(1) << (window - 1));

	*negative = vector_zero(group & half);
	return vector_select(*negative, group, ~group) & (half - 1);
}

VECTOR_END

#endif
#endif
