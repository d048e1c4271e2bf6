// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/hot.h"

#include <stdbool.h>

VECTOR_BEGIN

/* The k-th rows of a signature's two halves, k over both, are dealt to its lanes in turn. */
struct deal {
	_Alignas(64) uint64_t address[LANES];
	mask8 negative, second_half, active;
};

/* What each lane adds in a step: signature i has the lanes from i times spread up.  A lane without a row adds some other row, and
 * forgets it. */
static void deal_rows(struct deal *deal, const struct lookups *lookups, size_t spread, size_t step)
{
	*deal = (struct deal){0};
	for (size_t lane = 0; lane < LANES; lane++) {
		size_t signature = lane / spread, k = step * spread + lane % spread;
		bool active = k < 2 * lookups->cnt;
		size_t half = active && k >= lookups->cnt, row = active ? k - half * lookups->cnt : 0;
		deal->address[lane] = lookups->address[half][row][signature];
		deal->negative |= (mask8)((lookups->negative[half][row] >> signature & 1) << lane);
		deal->second_half |= (mask8)(half << lane);
		deal->active |= (mask8)(active << lane);
	}
}

static inline struct point8 load_dealt(const struct deal *deal)
{
	struct point8 point = row_load(deal->address, deal->negative);

	point.x = u256x8_select(deal->second_half, point.x, field_mul(point.x, FIELD_BETA));
	point.y = u256x8_carry(point.y);
	return point;
}

static void sum_lanes(struct jacobian8 *out, const struct lookups *lookups, size_t spread)
{
	struct deal deal;
	struct point8 first, second;
	struct jacobian8 sum, more;

	deal_rows(&deal, lookups, spread, 0);
	first = load_dealt(&deal);
	deal_rows(&deal, lookups, spread, 1);
	second = load_dealt(&deal);
	jacobian_add_affine(&sum, &first, &second);
	for (size_t step = 2; step * spread < 2 * lookups->cnt; step++) {
		deal_rows(&deal, lookups, spread, step);
		first = load_dealt(&deal);
		more = sum;
		jacobian_add(&more, first.x, first.y);
		sum.x = u256x8_select(deal.active, sum.x, more.x);
		sum.y = u256x8_select(deal.active, sum.y, more.y);
		sum.z = u256x8_select(deal.active, sum.z, more.z);
	}
	jacobian_add_swapped(&sum, vector_swap1);
	jacobian_add_swapped(&sum, vector_swap2);
	if (spread > 4)
		jacobian_add_swapped(&sum, vector_swap4);
	*out = sum;
}

void hot_verify_few(struct hot_work *work)
{
	struct hot_vector *vector = &work->vector[0];
	size_t spread = LANES / vector->cnt;
	const u64x8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
	struct jacobian8 sums, sum;
	struct point8 point;
	mask8 infinite;
	u64x8 from;

	hot_read(work, 1);
	sum_lanes(&sums, &vector->lookups, spread);
	from = lane * spread & 7;
	for (int i = 0; i < 5; i++) {
		sum.x.v[i] = vector_permute(from, sums.x.v[i]);
		sum.y.v[i] = vector_permute(from, sums.y.v[i]);
		sum.z.v[i] = vector_permute(from, sums.z.v[i]);
	}
	jacobian_to_affine(&point, &infinite, &sum, 1);
	hot_judge(vector, &point, infinite);
}

VECTOR_END

#endif
