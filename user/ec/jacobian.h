/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_JACOBIAN_H
#define TOLLBAR_EC_JACOBIAN_H
/* jacobian.h: points as (X / Z^2, Y / Z^3), no division.  X and Y have magnitude 2 at most, Z 1.
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

/* 8 a, of magnitude 1, subtracted from columns. */
VECTOR_INLINE struct columns columns_sub_times(struct columns s, struct u256x8 a, unsigned shift)
{
	EACH_LIMB(i) s.c[i] -= a.v[i] << shift;
	return s;
}

VECTOR_INLINE void jacobian_double(struct jacobian8 *p)
{
	struct columns t = columns_sqr(p->y);
	struct u256x8 twice_y = field_twice(p->y), b = columns_reduce(t), a, e, xb, w, x, y;

	a = field_sqr(p->x);
	t = columns_mul(twice_y, p->z);
	e = field_thrice(a);
	p->z = columns_reduce(t);
	xb = field_mul(p->x, b);
	t = columns_add_p(columns_sub_times(columns_sqr(e), xb, 3), 9);
	x = columns_reduce_signed(t);
	t = columns_sqr(b);
	EACH_LIMB(i) xb.v[i] <<= 2;
	w = field_sub(xb, x, 3);
	b = columns_reduce(t);
	y = columns_reduce_signed(columns_add_p(columns_sub_times(columns_mul(e, w), b, 3), 9));
	p->x = x;
	p->y = y;
}

/* p += (x, y), carried, magnitude 2 at most. */
VECTOR_INLINE void jacobian_add(struct jacobian8 *p, struct u256x8 x, struct u256x8 y)
{
	struct u256x8 zz = field_sqr(p->z), h, i, hh, hhh, t, minus_y, x3;
	struct columns s = columns_mul(x, zz);

	minus_y = field_sub(U256X8_ZERO, p->y, 3);
	h = field_sub(columns_reduce(s), p->x, 3);
	zz = field_mul(zz, p->z);
	s = columns_mul(y, zz);
	i = field_sub(columns_reduce(s), p->y, 3);
	hh = field_sqr(h);
	p->z = field_mul(p->z, h);
	hhh = field_mul(h, hh);
	t = field_mul(p->x, hh);
	s = columns_sub_times(columns_sub(columns_sqr(i), hhh), t, 1);
	x3 = columns_reduce_signed(columns_add_p(s, 4));
	s = columns_mul(minus_y, hhh);
	p->x = x3;
	p->y = columns_reduce(columns_add_mul(s, i, field_sub(t, x3, 3)));
}

/* p = (x1, y1) + (x2, y2), each carried, magnitude 2 at most. */
VECTOR_INLINE void jacobian_add_affine(struct jacobian8 *p, const struct point8 *a, const struct point8 *b)
{
	struct u256x8 h = field_sub(b->x, a->x, 3), i = field_sub(b->y, a->y, 3), hh = field_sqr(h), hhh, t;
	struct columns s;

	hhh = field_mul(h, hh);
	t = field_mul(a->x, hh);
	s = columns_sub_times(columns_sub(columns_sqr(i), hhh), t, 1);
	p->x = columns_reduce_signed(columns_add_p(s, 4));
	s = columns_mul(field_sub(U256X8_ZERO, a->y, 3), hhh);
	p->y = columns_reduce(columns_add_mul(s, i, field_sub(t, p->x, 3)));
	p->z = field_mul(h, U256X8_ONE);
}

/* Of cnt vectors (1 to JACOBIAN_MANY): x and y of magnitude 1.  exceptional: the lanes whose z is zero, set, not added to;
 * their points are some number. */
#define JACOBIAN_MANY 33
void jacobian_to_affine(struct point8 out[], mask8 exceptional[], const struct jacobian8 in[], size_t cnt);

VECTOR_END

#endif
#endif
