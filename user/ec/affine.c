// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/affine.h"

VECTOR_BEGIN

/* How many sums go through the backward pass together: enough that each phase has independent products to overlap, few
 * enough that what passes between the phases stays in the first-level cache. */
#define BLOCK 8

/* Denominators that are zero in some lane become one there, and the products are made again. */
static void repair(struct affine_round *round, const struct sum *sums)
{
	size_t cnt = round->cnt;

	affine_start(round, round->steps);
	for (size_t i = 0; i < cnt; i++) {
		struct u256x8 denominator = round->steps[i].denominator;
		mask8 zero = u256x8_zero(field_canonical_rough(denominator));
		*sums[i].bad |= zero;
		affine_push(round, u256x8_select(zero, denominator, U256X8_ONE));
	}
}

/* y2 - y1, or 3 x^2 of a doubling; magnitude 5 at most, rough. */
static inline struct u256x8 numerator(const struct sum *sum)
{
	return sum->left == sum->right ? columns_reduce_rough(columns_sqr(sum->left->x), 3)
				       : field_sub_rough(sum->right->y, sum->left->y, 3);
}

/* The sums of a block, given the inverses of their denominators: phase by phase, so that the products of neighbours
 * overlap and no phase waits for the one before it. */
static void sum_block(const struct sum *sums, const struct u256x8 *inverse, size_t cnt)
{
	struct u256x8 slope[BLOCK], x[BLOCK];

	for (size_t i = 0; i < cnt; i++)
		slope[i] = field_mul_rough(numerator(&sums[i]), inverse[i]);
	for (size_t i = 0; i < cnt; i++) {
		struct columns square = columns_sqr(slope[i]);
		square = columns_sub(columns_sub(square, sums[i].left->x), sums[i].right->x);
		x[i] = columns_reduce_signed(columns_add_p(square, 5));
	}
	for (size_t i = 0; i < cnt; i++) {
		struct columns y = columns_mul(slope[i], field_sub_rough(sums[i].left->x, x[i], 3));
		sums[i].out->y = columns_reduce_signed(columns_add_p(columns_sub(y, sums[i].left->y), 3));
		sums[i].out->x = x[i];
	}
}

void affine_finish(struct affine_round *round, const struct sum *sums)
{
	struct u256x8 all = field_mul(round->product[0], round->product[1]), back[2], inverse[BLOCK];

	if (u256x8_zero(field_canonical(all)) != 0) {
		repair(round, sums);
		all = field_mul(round->product[0], round->product[1]);
	}
	field_invert(&all, &all);
	back[0] = field_mul_rough(all, round->product[1]);
	back[1] = field_mul_rough(all, round->product[0]);
	for (size_t end = round->cnt; end > 0;) {
		size_t cnt = end < BLOCK ? end : BLOCK, start = end - cnt;
		for (size_t i = cnt; i-- > 0;) {
			struct affine_step *step = &round->steps[start + i];
			struct u256x8 *chain = &back[(start + i) % 2];
			inverse[i] = field_mul_rough(*chain, step->before);
			*chain = field_mul_rough(*chain, step->denominator);
		}
		sum_block(sums + start, inverse, cnt);
		end = start;
	}
}

void affine_sums(const struct sum *sums, size_t cnt, struct affine_step *steps)
{
	struct affine_round round;

	affine_start(&round, steps);
	for (size_t i = 0; i < cnt; i++)
		affine_push(&round, affine_denominator(sums[i].left, sums[i].right));
	affine_finish(&round, sums);
}

VECTOR_END

#endif
