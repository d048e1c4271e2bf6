/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_AFFINE_H
#define TOLLBAR_EC_AFFINE_H
/* affine.h: many sums of points at once in affine coordinates.  A sum divides by x2 - x1; all divisions of a round share
 * one inversion (Montgomery's trick), which makes a sum 5 products and a square: 352 multiplier instructions where
 * a mixed Jacobian one takes 610.  It pays where a round has more than about twenty sums.
 *
 * A round: affine_push for each sum in order (it needs only the denominators), then affine_finish.
 *
 * Exceptional: x1 = x2, the points are equal or opposite (or one is infinity's remains from an earlier exception).  The
 * product of the denominators is then zero in that lane; the lane's bit is set in the sum's `bad`, and its result is some
 * number within bounds that must not be used.  Other lanes come out right. */
#ifdef __x86_64__
#include "ec/row.h"

/* out = left + right; 2 left where they are the same pointer.  Inputs: magnitude 2, y may be loose except in a doubling.  Out:
 * magnitude 2; out may be one of the sum's own inputs, but no other's. */
struct sum {
	const struct point8 *left, *right;
	struct point8 *out;
	uint8_t *bad;
};

struct affine_step {
	struct u256x8 before;	   /* the product of every other denominator pushed before */
	struct u256x8 denominator; /* x2 - x1, or 2 y */
				   /* both rough */
};

struct affine_round {
	struct u256x8 product[2];  /* of the even and of the odd ones: two chains hide each other's latency */
	struct affine_step *steps; /* room for every sum of the round */
	size_t cnt;
};

VECTOR_BEGIN

VECTOR_INLINE void affine_start(struct affine_round *round, struct affine_step *steps)
{
	round->product[0] = round->product[1] = U256X8_ONE;
	round->steps = steps;
	round->cnt = 0;
}

/* Magnitude 5 at most, rough. */
VECTOR_INLINE struct u256x8 affine_denominator(const struct point8 *left, const struct point8 *right)
{
	return left == right ? field_twice_rough(left->y) : field_sub_rough(right->x, left->x, 3);
}

VECTOR_INLINE void affine_push(struct affine_round *round, struct u256x8 denominator)
{
	struct affine_step *step = &round->steps[round->cnt];
	struct u256x8 *product = &round->product[round->cnt % 2];

	step->before = *product;
	step->denominator = denominator;
	*product = field_mul_rough(*product, denominator);
	round->cnt++;
}

/* sums: those whose denominators were pushed, in that order. */
void affine_finish(struct affine_round *round, const struct sum *sums);

/* A whole round. */
void affine_sums(const struct sum *sums, size_t cnt, struct affine_step *steps);

VECTOR_END

#endif
#endif
