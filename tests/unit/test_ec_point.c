// SPDX-License-Identifier: Apache-2.0
/* Sums against libsecp256k1's, exceptional ones among them; rows, which are subtracted too. */
#include "ec/point.c"

#include "ec_oracle.h"
#include "random.h"

#define POINTS 64

static struct point points[POINTS];
static uint64_t rows[POINTS][POINT_ROW_WORDS];
static uint8_t scalars[POINTS][32];

static void load(struct point *out, uint64_t row[POINT_ROW_WORDS], const uint8_t scalar[32])
{
	uint8_t bytes[64];

	oracle_point(bytes, scalar);
	for (int i = 0; i < 8; i++) {
		uint64_t word;
		memcpy(&word, bytes + (i < 4 ? 24 - 8 * i : 88 - 8 * i), 8);
		row[i] = __builtin_bswap64(word);
	}
	*out = point_load(row, false);
}

static void start(void)
{
	if (!modn_zero(scalars[0]))
		return;
	random_start("ec point");
	for (size_t i = 0; i < POINTS; i++) {
		random_bytes(scalars[i], 32);
		modn_reduce(scalars[i], scalars[i]);
		load(&points[i], rows[i], scalars[i]);
	}
}

static void check_point(const struct point *got, const uint8_t scalar[32])
{
	uint64_t want[POINT_ROW_WORDS], have[POINT_ROW_WORDS];
	struct point point;

	load(&point, want, scalar);
	point_store(have, got);
	CHECK_BYTES(have, want, sizeof want);
}

TEST(rows)
{
	start();
	for (size_t i = 0; i < POINTS; i++) {
		struct point opposite = point_load(rows[i], true);
		uint8_t scalar[32];
		check_point(&points[i], scalars[i]);
		modn_negate(scalar, scalars[i]);
		check_point(&opposite, scalar);
	}
}

/* Of every number of sums; doublings, and into one of the inputs. */
TEST(sums_that_share_an_inversion)
{
	static struct point_step steps[POINTS];

	start();
	for (size_t cnt = 1; cnt < POINTS; cnt++) {
		struct point out[POINTS], left[POINTS];
		struct point_sum sums[POINTS];
		bool bad[POINTS] = {false};
		for (size_t i = 0; i < cnt; i++) {
			bool doubled = random_below(4) == 0, in_place = random_below(2);
			left[i] = points[i];
			sums[i] = (struct point_sum){&left[i], doubled ? &left[i] : &points[i + 1],
						     in_place ? &left[i] : &out[i], &bad[i]};
		}
		point_sums(sums, cnt, steps);
		for (size_t i = 0; i < cnt; i++) {
			bool doubled = sums[i].right == &left[i];
			uint8_t scalar[32];
			modn_add(scalar, scalars[i], scalars[doubled ? i : i + 1]);
			check_point(sums[i].out, scalar);
			CHECK(!bad[i]);
		}
	}
}

/* A point and itself by another pointer, or its negative: told, and the others come out right. */
TEST(exceptional_sums_are_told)
{
	static struct point_step steps[POINTS];

	start();
	for (unsigned round = 0; round < 200; round++) {
		size_t cnt = 1 + random_below(POINTS - 2), first = random_below(cnt), second = random_below(cnt);
		struct point out[POINTS], same = points[first], opposite = point_load(rows[second], true);
		struct point_sum sums[POINTS];
		bool bad[POINTS] = {false};
		for (size_t i = 0; i < cnt; i++)
			sums[i] = (struct point_sum){&points[i], &points[i + 1], &out[i], &bad[i]};
		sums[first].right = &same;
		sums[second].right = &opposite;
		point_sums(sums, cnt, steps);
		for (size_t i = 0; i < cnt; i++) {
			uint8_t scalar[32];
			CHECK_EQ(bad[i], i == first || i == second);
			modn_add(scalar, scalars[i], scalars[i + 1]);
			if (!bad[i])
				check_point(&out[i], scalar);
		}
	}
}

static struct point_jacobian jacobian_of(const struct point *point)
{
	return (struct point_jacobian){point->x, point->y, FE_ONE};
}

TEST(jacobian_sums_and_doublings)
{
	struct point_jacobian sums[POINTS];
	struct point_step steps[POINTS];
	struct point affine[POINTS];
	uint8_t want[POINTS][32];
	bool bad[POINTS];

	start();
	for (size_t i = 0; i < POINTS; i++) {
		sums[i] = jacobian_of(&points[i]);
		memcpy(want[i], scalars[i], 32);
		for (size_t k = random_below(12); k > 0; k--) {
			size_t other = random_below(POINTS);
			if (random_below(2)) {
				point_double(&sums[i]);
				modn_add(want[i], want[i], want[i]);
			} else {
				struct point negative = point_load(rows[other], true);
				uint8_t scalar[32];
				if (other == i)
					continue;
				modn_negate(scalar, scalars[other]);
				point_add(&sums[i], &negative);
				modn_add(want[i], want[i], scalar);
			}
		}
	}
	point_to_affine(affine, bad, sums, POINTS, steps);
	for (size_t i = 0; i < POINTS; i++) {
		CHECK(!bad[i]);
		check_point(&affine[i], want[i]);
	}
}

/* P + P, P - P, and whatever comes after them. */
TEST(jacobian_exceptions_stay)
{
	struct point_jacobian sums[POINTS];
	struct point_step steps[POINTS];
	struct point affine[POINTS];
	bool bad[POINTS];

	start();
	for (size_t i = 0; i < POINTS; i++) {
		sums[i] = jacobian_of(&points[i]);
		if (i % 3 == 0)
			continue;
		struct point again = point_load(rows[i], i % 3 == 1);
		point_add(&sums[i], &again);
		for (size_t k = random_below(6); k > 0; k--) {
			if (random_below(2))
				point_double(&sums[i]);
			else
				point_add(&sums[i], &points[random_below(POINTS)]);
		}
	}
	point_to_affine(affine, bad, sums, POINTS, steps);
	for (size_t i = 0; i < POINTS; i++) {
		CHECK_EQ(bad[i], i % 3 != 0);
		if (!bad[i])
			check_point(&affine[i], scalars[i]);
	}
}

CHECK_MAIN
