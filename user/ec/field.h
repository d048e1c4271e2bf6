/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_FIELD_H
#define TOLLBAR_EC_FIELD_H
/* field.h: eight numbers mod p = 2^256 - C, C = 2^32 + 977, side by side.
 *
 * Limbs as u256x8.h has them.  IFMA reads 52 bits
 * of a factor, so a factor's limbs are in [0, 2^52): there is no slack between limbs.  Slack is at the top, which holds 48
 * bits of a reduced number and has room for 52.
 *
 *   magnitude m   0 <= value < m 2^256 (1 + 2^-40), carried
 *
 * Factors have magnitude 15 at most (top limb below 2^52); the sum of the products that share a reduction stays below
 * 2^520: product of the magnitudes 255 at most, no product here comes near.  What a function gives:
 *
 *   mul, sqr, reduce       1
 *   reduce_signed          2; it may start from columns in which loose terms were subtracted (see there)
 *   reduce_difference      2
 *   sub(a, b, k)           magnitude of a, plus k, where b's magnitude is below k: a - b + k p
 *   canonical              value in [0, p)
 *
 * Rough: limbs 0 to 3 right in their low 52 bits only.  Factors may be rough, as products read no more; it saves the masks
 * of everything that is multiplied next.  Functions that give rough numbers say so in their names; nothing else takes
 * them but canonical_rough.
 *
 * Loose: limbs signed and not carried, as a row of a table negated in place has them (row.h); for sums only. */
#ifdef __x86_64__
#include "ec/u256x8.h"

#define TOP_BITS 48
#define TOP_MASK ((UINT64_C(1) << 48) - 1)
#define FIELD_C UINT64_C(0x1000003d1) /* 2^256 mod p */
#define FIELD_R (FIELD_C << 4)	      /* 2^260 mod p */

/* A product before reduction: column i counts 2^(52 i).  Ten terms below 2^52 make a column of one product, so columns
 * of a few products added up are far from 2^64. */
struct columns {
	u64x8 c[10];
};

VECTOR_BEGIN

/* The endomorphism's factor: lambda (x, y) = (beta x, y). */
#define FIELD_BETA u256x8_set(0x96c28719501ee, 0x7512f58995c13, 0xc3434e99cf049, 0x7106e64479ea, 0x7ae96a2b657c)

/* --- products --- */

VECTOR_INLINE void columns_add_row(struct columns *s, int i, u64x8 a, const struct u256x8 *b)
{
	EACH_LIMB(j)
	{
		s->c[i + j] = vector_madd_lo(s->c[i + j], a, b->v[j]);
		s->c[i + j + 1] = vector_madd_hi(s->c[i + j + 1], a, b->v[j]);
	}
}

/* s + a b */
VECTOR_INLINE struct columns columns_add_mul(struct columns s, struct u256x8 a, struct u256x8 b)
{
	EACH_LIMB(i) columns_add_row(&s, i, a.v[i], &b);
	return s;
}

VECTOR_INLINE struct columns columns_mul(struct u256x8 a, struct u256x8 b)
{
	return columns_add_mul((struct columns){{{0}}}, a, b);
}

/* Cross products once, doubled by an addition (a limb doubled beforehand might not fit its 52 bits), then the squares. */
VECTOR_INLINE struct columns columns_sqr(struct u256x8 a)
{
	struct columns s = {{{0}}};

	for (int i = 0; i < 4; i++)
		for (int j = i + 1; j < 5; j++) {
			s.c[i + j] = vector_madd_lo(s.c[i + j], a.v[i], a.v[j]);
			s.c[i + j + 1] = vector_madd_hi(s.c[i + j + 1], a.v[i], a.v[j]);
		}
	for (int i = 1; i < 9; i++)
		s.c[i] += s.c[i];
	EACH_LIMB(i)
	{
		s.c[2 * i] = vector_madd_lo(s.c[2 * i], a.v[i], a.v[i]);
		s.c[2 * i + 1] = vector_madd_hi(s.c[2 * i + 1], a.v[i], a.v[i]);
	}
	return s;
}

/* Loose terms for reduce_signed. */
VECTOR_INLINE struct columns columns_add(struct columns s, struct u256x8 a)
{
	EACH_LIMB(i) s.c[i] += a.v[i];
	return s;
}

VECTOR_INLINE struct columns columns_sub(struct columns s, struct u256x8 a)
{
	EACH_LIMB(i) s.c[i] -= a.v[i];
	return s;
}

/* s + k p, k 2^256 - k C */
VECTOR_INLINE struct columns columns_add_p(struct columns s, uint64_t k)
{
	s.c[0] -= k * FIELD_C;
	s.c[4] += k << TOP_BITS;
	return s;
}

/* Columns 5 to 9 carried upward: column 9 then holds what is left, below 2^52 as the whole is below 2^520. */
VECTOR_INLINE struct columns columns_carry_high(struct columns s)
{
	for (int i = 5; i < 9; i++)
		s.c[i + 1] += s.c[i] >> LIMB_BITS;
	return s;
}

/* After that: 5 to 9 folded at 2^260 into 0 to 4; then column 4 above bit 48 with the rest of the fold at 2^256:
 * t < 2^42, t C < 2^75.  Column 4 must not be negative: its high bits become t. */
VECTOR_INLINE struct columns columns_fold(struct columns s)
{
	const u64x8 r = vector_set(FIELD_R), c = vector_set(FIELD_C);
	u64x8 t;

	s.c[0] = vector_madd_lo(s.c[0], s.c[5], r);
	for (int i = 1; i < 5; i++) {
		s.c[i] = vector_madd_hi(s.c[i], s.c[i + 4], r);
		s.c[i] = vector_madd_lo(s.c[i], s.c[i + 5], r);
	}
	t = vector_madd_hi(vector_set(0), s.c[9], r);
	t = (t << 4) + (s.c[4] >> TOP_BITS);
	s.c[4] &= TOP_MASK;
	s.c[0] = vector_madd_lo(s.c[0], t, c);
	s.c[1] = vector_madd_hi(s.c[1], t, c);
	return s;
}

/* Times a small factor: between the fold and the carries, where it is five additions. */
VECTOR_INLINE struct u256x8 columns_fold_times(struct columns s, unsigned factor)
{
	struct u256x8 out;

	s = columns_fold(columns_carry_high(s));
	EACH_LIMB(i)
	{
		out.v[i] = s.c[i];
		for (unsigned more = 1; more < factor; more++)
			out.v[i] += s.c[i];
	}
	return out;
}

/* Magnitude 1: below 2^256 but for carries into the top limb of less than 2^7.  Of 2 or 3 times the columns: 2 or 3. */
VECTOR_INLINE struct u256x8 columns_reduce(struct columns s)
{
	return u256x8_carry(columns_fold_times(s, 1));
}

VECTOR_INLINE struct u256x8 columns_reduce_rough(struct columns s, unsigned factor)
{
	return u256x8_carry_rough(columns_fold_times(s, factor));
}

/* The end of a reduction whose columns 0 to 3 may be negative.  Another p keeps the value positive after column 4 lost its
 * high bits.  Magnitude 2: between 2^256 - e and 2^257 + e, e < 2^216. */
VECTOR_INLINE struct u256x8 columns_fold_signed(struct columns s)
{
	s = columns_fold(s);
	s.c[4] |= TOP_MASK + 1;
	s.c[0] -= FIELD_C;
	return u256x8_carry((struct u256x8){{s.c[0], s.c[1], s.c[2], s.c[3], s.c[4]}});
}

/* For columns 0 to 4 with loose terms; the caller makes column 4 positive by columns_add_p. */
VECTOR_INLINE struct u256x8 columns_reduce_signed(struct columns s)
{
	return columns_fold_signed(columns_carry_high(s));
}

/* a - 8 b of two products, b of magnitude 1: as a whole it becomes positive by 2^260 p, which is more than 8 b, and its column 4
 * by 2^11 p, which is more than eight times ten terms of 52 bits.  Magnitude 2. */
VECTOR_INLINE struct u256x8 columns_reduce_difference(struct columns a, struct columns b)
{
	for (int i = 0; i < 10; i++)
		a.c[i] -= b.c[i] << 3;
	a.c[5] -= FIELD_C;
	a.c[9] += TOP_MASK + 1;
	for (int i = 5; i < 9; i++)
		a.c[i + 1] += vector_sar(a.c[i], LIMB_BITS);
	return columns_fold_signed(columns_add_p(a, 1 << 11));
}

VECTOR_INLINE struct u256x8 field_mul(struct u256x8 a, struct u256x8 b)
{
	return columns_reduce(columns_mul(a, b));
}

VECTOR_INLINE struct u256x8 field_sqr(struct u256x8 a)
{
	return columns_reduce(columns_sqr(a));
}

VECTOR_INLINE struct u256x8 field_mul_rough(struct u256x8 a, struct u256x8 b)
{
	return columns_reduce_rough(columns_mul(a, b), 1);
}

VECTOR_INLINE struct u256x8 field_sqr_rough(struct u256x8 a)
{
	return columns_reduce_rough(columns_sqr(a), 1);
}

/* --- sums --- */

VECTOR_INLINE struct u256x8 field_sub_loose(struct u256x8 a, struct u256x8 b, uint64_t k)
{
	EACH_LIMB(i) a.v[i] -= b.v[i];
	a.v[0] -= k * FIELD_C;
	a.v[4] += k << TOP_BITS;
	return a;
}

/* a - b + k p; a and b may be loose. */
VECTOR_INLINE struct u256x8 field_sub(struct u256x8 a, struct u256x8 b, uint64_t k)
{
	return u256x8_carry(field_sub_loose(a, b, k));
}

VECTOR_INLINE struct u256x8 field_sub_rough(struct u256x8 a, struct u256x8 b, uint64_t k)
{
	return u256x8_carry_rough(field_sub_loose(a, b, k));
}

/* 2 a, of twice the magnitude. */
VECTOR_INLINE struct u256x8 field_twice_rough(struct u256x8 a)
{
	EACH_LIMB(i) a.v[i] += a.v[i];
	return u256x8_carry_rough(a);
}

/* --- the one form of a value --- */

/* The top limb's bits from 48 up, at most 2^4, are worth C each. */
VECTOR_INLINE struct u256x8 field_fold_top(struct u256x8 a)
{
	u64x8 t = a.v[4] >> TOP_BITS;

	a.v[4] &= TOP_MASK;
	a.v[0] = vector_madd_lo(a.v[0], t, vector_set(FIELD_C));
	return u256x8_carry(a);
}

/* Any magnitude.  The first fold leaves less than 2^256 + 2^37, the second less than 2^256; it is p or more exactly when
 * adding C reaches 2^256, and then that sum without the bit is the answer. */
VECTOR_INLINE struct u256x8 field_canonical(struct u256x8 a)
{
	struct u256x8 more;
	mask8 above;

	a = field_fold_top(field_fold_top(a));
	more = a;
	more.v[0] += FIELD_C;
	more = u256x8_carry(more);
	above = (mask8)~vector_zero(more.v[4] >> TOP_BITS);
	more.v[4] &= TOP_MASK;
	return u256x8_select(above, a, more);
}

/* Of a rough number: its limbs are carried already. */
VECTOR_INLINE struct u256x8 field_canonical_rough(struct u256x8 a)
{
	for (int i = 0; i < 4; i++)
		a.v[i] &= LIMB_MASK;
	return field_canonical(a);
}

/* --- whole functions, in field.c --- */

/* 1 / in of every lane, magnitude 1; in: magnitude up to 15, may be rough, no lane zero mod p. */
void field_invert(struct u256x8 *out, const struct u256x8 *in);

/* Square roots of two vectors at once (one alone leaves half the multiplier idle), by the power (p + 1) / 4: of a
 * non-residue, the root of its negative.  Magnitude 1 in and out; out may be in. */
void field_sqrt_pair(struct u256x8 out[2], const struct u256x8 in[2]);

VECTOR_END

#endif
#endif
