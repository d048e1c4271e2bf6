/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_U256X8_H
#define TOLLBAR_EC_U256X8_H
/* u256x8.h: eight numbers of 256 bits and a little, side by side; what field.h and scalar.h have in common.
 *
 * Value = sum of v[i] 2^(52 i): five limbs, the same limb of all lanes in one register.  Carried: limbs 0 to 3 are in
 * [0, 2^52) and the last one is not negative.  As words: four of 64 bits, least significant first. */
#ifdef __x86_64__
#include "ec/vector.h"

#define LIMB_BITS 52
#define LIMB_MASK ((UINT64_C(1) << 52) - 1)

struct u256x8 {
	u64x8 v[5];
};

#define EACH_LIMB(i) for (int i = 0; i < 5; i++)

VECTOR_BEGIN

VECTOR_INLINE struct u256x8 u256x8_set(uint64_t v0, uint64_t v1, uint64_t v2, uint64_t v3, uint64_t v4)
{
	return (struct u256x8){{vector_set(v0), vector_set(v1), vector_set(v2), vector_set(v3), vector_set(v4)}};
}

#define U256X8_ZERO u256x8_set(0, 0, 0, 0, 0)
#define U256X8_ONE u256x8_set(1, 0, 0, 0, 0)

VECTOR_INLINE struct u256x8 u256x8_from_words(const u64x8 w[4])
{
	return (struct u256x8){{w[0] & LIMB_MASK, VECTOR_SHRD(w[0], w[1], 52) & LIMB_MASK,
				VECTOR_SHRD(w[1], w[2], 40) & LIMB_MASK, VECTOR_SHRD(w[2], w[3], 28) & LIMB_MASK,
				w[3] >> 16}};
}

/* Of a number below 2^256. */
VECTOR_INLINE void u256x8_to_words(u64x8 w[4], struct u256x8 a)
{
	w[0] = a.v[0] | a.v[1] << 52;
	w[1] = a.v[1] >> 12 | a.v[2] << 40;
	w[2] = a.v[2] >> 24 | a.v[3] << 28;
	w[3] = a.v[3] >> 36 | a.v[4] << 16;
}

/* Lane by lane: b where the mask is set, else a. */
VECTOR_INLINE struct u256x8 u256x8_select(mask8 mask, struct u256x8 a, struct u256x8 b)
{
	EACH_LIMB(i) a.v[i] = vector_select(mask, a.v[i], b.v[i]);
	return a;
}

/* Limbs of either sign, carried; the value is not negative. */
VECTOR_INLINE struct u256x8 u256x8_carry(struct u256x8 a)
{
	for (int i = 0; i < 4; i++) {
		a.v[i + 1] += vector_sar(a.v[i], LIMB_BITS);
		a.v[i] &= LIMB_MASK;
	}
	return a;
}

/* The same for a number that only products will read: what was carried on is left above bit 52 too, where they do not
 * look ("rough" in field.h). */
VECTOR_INLINE struct u256x8 u256x8_carry_rough(struct u256x8 a)
{
	for (int i = 0; i < 4; i++)
		a.v[i + 1] += vector_sar(a.v[i], LIMB_BITS);
	return a;
}

/* Lanes that are 0, and lanes that are alike: of carried numbers. */
VECTOR_INLINE mask8 u256x8_zero(struct u256x8 a)
{
	return vector_zero(a.v[0] | a.v[1] | a.v[2] | a.v[3] | a.v[4]);
}

VECTOR_INLINE mask8 u256x8_equal(struct u256x8 a, struct u256x8 b)
{
	EACH_LIMB(i) a.v[i] ^= b.v[i];
	return u256x8_zero(a);
}

/* a < b, of carried numbers: the difference's sign comes out at the top. */
VECTOR_INLINE mask8 u256x8_below(struct u256x8 a, struct u256x8 b)
{
	EACH_LIMB(i) a.v[i] -= b.v[i];
	return _mm512_movepi64_mask((__m512i)u256x8_carry(a).v[4]);
}

#define U256X8_MAP(out, function, in) EACH_LIMB(i_)(out).v[i_] = function((in).v[i_])

/* The product of all lanes, in every lane, by exchanging neighbours, pairs and halves; and for each lane the product of
 * the other seven. */
VECTOR_INLINE struct u256x8 u256x8_product(struct u256x8 *others, struct u256x8 a,
					   struct u256x8 (*mul)(struct u256x8, struct u256x8))
{
	struct u256x8 neighbour, pair, quad;

	U256X8_MAP(neighbour, vector_swap1, a);
	a = mul(a, neighbour);
	U256X8_MAP(pair, vector_swap2, a);
	a = mul(a, pair);
	U256X8_MAP(quad, vector_swap4, a);
	*others = mul(mul(neighbour, pair), quad);
	return mul(a, quad);
}

VECTOR_END

#endif
#endif
