/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_POINT_H
#define TOLLBAR_EC_POINT_H
/* point.h: points of the curve, one at a time, in plain C: rows of tables, many affine sums that share one inversion, and
 * Jacobian sums.  The formulas, and why their exceptions are found, are affine.h's and jacobian.h's; rows are row.h's.
 *
 * Coordinates have magnitude 1, but a y from a row that is subtracted: 2. */
#include <stddef.h>

#include "ec/fe.h"

#define POINT_ROW_WORDS 8 /* x, then y, each four words, least significant first, in [0, p) */

struct point {
	struct fe x, y;
};

/* The point at a row, or its negative. */
static inline struct point point_load(const uint64_t *row, bool negative)
{
	const struct fe twice_p = fe_prime(2);
	struct point out = {fe_from_words(row), fe_from_words(row + 4)};
	uint64_t mask = -(uint64_t)negative; /* signs are random: no branch */

	for (int i = 0; i < 5; i++)
		out.y.v[i] = (out.y.v[i] ^ mask) + ((twice_p.v[i] + 1) & mask);
	return out;
}

static inline void point_store(uint64_t *row, const struct point *point)
{
	fe_words(row, &point->x);
	fe_words(row + 4, &point->y);
}

/* --- many sums at once --- */

/* out = left + right; 2 left where they are the same pointer.  out may be one of the sum's own inputs, but no other's. */
struct point_sum {
	const struct point *left, *right;
	struct point *out;
	bool *bad;
};

/* A division that a round shares: by x2 - x1, by 2 y, by Z. */
struct point_step {
	struct fe denominator; /* in: magnitude 4 at most */
	struct fe inverse;     /* out; on the way, the product of every other denominator before */
	bool zero;	       /* out: the denominator is, mod p, and inverse is some number */
};

/* All sums of a round, cnt at least 1.  Exceptional: x1 = x2 of different pointers.  *bad is set then, and the result is some
 * number that must not be used; the other sums come out right.  steps: room for every sum. */
void point_sums(const struct point_sum *sums, size_t cnt, struct point_step *steps);

/* --- (X / Z^2, Y / Z^3), magnitudes 1 --- */

/* Exceptional sums make z zero, mod p, and keep it zero. */
struct point_jacobian {
	struct fe x, y, z;
};

void point_double(struct point_jacobian *p);
void point_add(struct point_jacobian *p, const struct point *q);

/* bad[i] is set where z was zero; the point is then some number.  cnt at least 1; steps: room for so many. */
void point_to_affine(struct point out[], bool bad[], const struct point_jacobian in[], size_t cnt,
		     struct point_step *steps);

#endif
