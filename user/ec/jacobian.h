/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_JACOBIAN_H
#define TOLLBAR_EC_JACOBIAN_H
/* jacobian.h: points as (X / Z^2, Y / Z^3), no division.  X and Y have magnitude 2 at most, Z 5, and Z is rough.
 *
 * Exceptional: a sum of a point with itself or its negative makes Z zero, and from then on every sum and doubling keeps it
 * zero; so does infinity.  One test of the last Z finds all of it.  (A doubling makes no exception: no point of the
 * curve has order 2.)
 *
 * Formulas: the usual ones for a = 0, as in the Explicit-Formulas Database (dbl-2009-l scaled, madd with 8 M + 3 S).  The
 * order of lines is the schedule: what needs only additions stands between two products and runs under them. */
#ifdef __x86_64__
#include "ec/row.h"

struct jacobian8 {
	struct u256x8 x, y, z;
};

VECTOR_BEGIN

/* s - 2^shift a, for reduce_signed. */
VECTOR_INLINE struct columns columns_sub_times(struct columns s, struct u256x8 a, unsigned shift)
{
	EACH_LIMB(i) s.c[i] -= a.v[i] << shift;
	return s;
}

/* a = 3 X^2 and b = Y^2: X3 = a^2 - 8 X b, Y3 = a (4 X b - X3) - 8 b^2, Z3 = 2 Y Z. */
VECTOR_INLINE void jacobian_double(struct jacobian8 *p)
{
	struct u256x8 a = columns_reduce_rough(columns_sqr(p->x), 3), b = field_sqr_rough(p->y), xb, w, x;

	p->z = columns_reduce_rough(columns_mul(p->y, p->z), 2);
	xb = field_mul(p->x, b);
	x = columns_reduce_signed(columns_add_p(columns_sub_times(columns_sqr(a), xb, 3), 9));
	EACH_LIMB(i) xb.v[i] <<= 2;
	w = field_sub_rough(xb, x, 3);
	p->x = x;
	p->y = columns_reduce_difference(columns_mul(a, w), columns_sqr(b));
}

/* p += (x, y), magnitude 2 at most. */
VECTOR_INLINE void jacobian_add(struct jacobian8 *p, struct u256x8 x, struct u256x8 y)
{
	struct u256x8 zz = field_sqr_rough(p->z), h, i, hh, hhh, t, minus_y, x3;
	struct columns s = columns_mul(x, zz);

	minus_y = field_sub_rough(U256X8_ZERO, p->y, 3);
	h = field_sub_rough(columns_reduce(s), p->x, 3);
	zz = field_mul_rough(zz, p->z);
	s = columns_mul(y, zz);
	i = field_sub_rough(columns_reduce(s), p->y, 3);
	hh = field_sqr_rough(h);
	p->z = field_mul_rough(p->z, h);
	hhh = field_mul(h, hh);
	t = field_mul(p->x, hh);
	s = columns_sub_times(columns_sub(columns_sqr(i), hhh), t, 1);
	x3 = columns_reduce_signed(columns_add_p(s, 4));
	s = columns_mul(minus_y, hhh);
	p->x = x3;
	p->y = columns_reduce(columns_add_mul(s, i, field_sub_rough(t, x3, 3)));
}

/* p = (x1, y1) + (x2, y2), magnitude 2 at most. */
VECTOR_INLINE void jacobian_add_affine(struct jacobian8 *p, const struct point8 *a, const struct point8 *b)
{
	struct u256x8 h = field_sub_rough(b->x, a->x, 3), i = field_sub_rough(b->y, a->y, 3), hh = field_sqr_rough(h);
	struct u256x8 hhh = field_mul(h, hh), t = field_mul(a->x, hh);
	struct columns s = columns_sub_times(columns_sub(columns_sqr(i), hhh), t, 1);

	p->x = columns_reduce_signed(columns_add_p(s, 4));
	s = columns_mul(field_sub_rough(U256X8_ZERO, a->y, 3), hhh);
	p->y = columns_reduce(columns_add_mul(s, i, field_sub_rough(t, p->x, 3)));
	p->z = h;
}

/* p += p of the lane that `swap` (vector_swap1, 2 or 4) puts in its place: both lanes end with the sum.  What one lane
 * computes of itself the other needs too, so it is swapped instead of computed. */
VECTOR_INLINE void jacobian_add_swapped(struct jacobian8 *p, u64x8 (*swap)(u64x8))
{
	struct u256x8 zz = field_sqr_rough(p->z), zzz = field_mul_rough(zz, p->z), swapped, u, s, h, i, hh, hhh, t;
	struct columns columns;

	U256X8_MAP(swapped, swap, zz);
	u = field_mul(p->x, swapped);
	U256X8_MAP(swapped, swap, zzz);
	s = field_mul(p->y, swapped);
	U256X8_MAP(swapped, swap, p->z);
	p->z = field_mul_rough(p->z, swapped);
	U256X8_MAP(swapped, swap, u);
	h = field_sub_rough(swapped, u, 2);
	U256X8_MAP(swapped, swap, s);
	i = field_sub_rough(swapped, s, 2);
	hh = field_sqr_rough(h);
	p->z = field_mul_rough(p->z, h);
	hhh = field_mul(h, hh);
	t = field_mul(u, hh);
	columns = columns_sub_times(columns_sub(columns_sqr(i), hhh), t, 1);
	p->x = columns_reduce_signed(columns_add_p(columns, 4));
	columns = columns_mul(field_sub_rough(U256X8_ZERO, s, 2), hhh);
	p->y = columns_reduce(columns_add_mul(columns, i, field_sub_rough(t, p->x, 3)));
}

/* Of cnt vectors (1 to JACOBIAN_MANY): x and y of magnitude 1.  exceptional: the lanes whose z is zero, set, not added to;
 * their points are some number. */
#define JACOBIAN_MANY 33
void jacobian_to_affine(struct point8 out[], mask8 exceptional[], const struct jacobian8 in[], size_t cnt);

VECTOR_END

#endif
#endif
