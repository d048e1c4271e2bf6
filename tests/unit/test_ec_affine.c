// SPDX-License-Identifier: Apache-2.0
/* Sums of points, affine and Jacobian, against libsecp256k1; and what becomes of the exceptional ones. */
#include "ec/affine.c"

#include "ec/jacobian.h"
#include "ec_need.h"
#include "ec_oracle.h"

#ifdef __x86_64__
VECTOR_BEGIN

#define SUMS 61

/* Eight points, ours and theirs. */
struct points {
	secp256k1_pubkey theirs[LANES];
	struct point8 ours;
};

static void number_to_lane(struct u256x8 *out, int lane, const uint8_t bytes[32])
{
	u64x8 words[4];
	struct u256x8 number;

	for (int i = 0; i < 4; i++) {
		uint64_t word;
		memcpy(&word, bytes + 24 - 8 * i, 8);
		words[i] = vector_set(__builtin_bswap64(word));
	}
	number = u256x8_from_words(words);
	EACH_LIMB(i) out->v[i][lane] = number.v[i][lane];
}

static struct point8 ours_of(const secp256k1_pubkey theirs[LANES])
{
	struct point8 out;

	for (int lane = 0; lane < LANES; lane++) {
		uint8_t point[64];
		oracle_bytes(point, &theirs[lane]);
		number_to_lane(&out.x, lane, point);
		number_to_lane(&out.y, lane, point + 32);
	}
	return out;
}

static void random_points(struct points *out)
{
	for (int lane = 0; lane < LANES; lane++)
		oracle_random_key(&out->theirs[lane]);
	out->ours = ours_of(out->theirs);
}

/* The lanes of got that are a + b. */
static mask8 lanes_that_are_sums(const struct point8 *got, const struct points *a, const struct points *b)
{
	secp256k1_pubkey want[LANES];
	mask8 infinite = 0;
	struct point8 wanted;

	for (int lane = 0; lane < LANES; lane++) {
		const secp256k1_pubkey *both[2] = {&a->theirs[lane], &b->theirs[lane]};
		if (!secp256k1_ec_pubkey_combine(oracle, &want[lane], both, 2)) {
			infinite |= (mask8)(1 << lane);
			want[lane] = a->theirs[lane];
		}
	}
	wanted = ours_of(want);
	return (mask8)~infinite & u256x8_equal(field_canonical(got->x), wanted.x) &
	       u256x8_equal(field_canonical(got->y), wanted.y);
}

static struct points left[SUMS], right[SUMS];
static struct point8 out[SUMS];
static struct sum sums[SUMS];
static struct affine_step steps[SUMS];
static uint8_t bad[SUMS];

static void make_round(size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		random_points(&left[i]);
		random_points(&right[i]);
		bad[i] = 0;
		sums[i] = (struct sum){&left[i].ours, &right[i].ours, &out[i], &bad[i]};
	}
}

TEST(rounds_of_any_size)
{
	NEED_CPU;
	for (size_t cnt = 1; cnt <= SUMS; cnt += cnt < 20 ? 1 : 7) {
		make_round(cnt);
		affine_sums(sums, cnt, steps);
		for (size_t i = 0; i < cnt; i++) {
			CHECK_EQ(lanes_that_are_sums(&out[i], &left[i], &right[i]), 0xff);
			CHECK_EQ(bad[i], 0);
		}
	}
}

/* Doublings among sums; results, of magnitude 2, as inputs of the next round, into their own place. */
TEST(doublings_and_results_as_inputs)
{
	NEED_CPU;
	make_round(20);
	for (size_t i = 0; i < 20; i += 3)
		sums[i].right = sums[i].left;
	affine_sums(sums, 20, steps);
	for (size_t i = 0; i < 20; i++) {
		const struct points *other = i % 3 == 0 ? &left[i] : &right[i];
		CHECK_EQ(lanes_that_are_sums(&out[i], &left[i], other), 0xff);
		struct points between;
		for (int lane = 0; lane < LANES; lane++) {
			const secp256k1_pubkey *both[2] = {&left[i].theirs[lane], &other->theirs[lane]};
			CHECK_NEED(secp256k1_ec_pubkey_combine(oracle, &between.theirs[lane], both, 2));
		}
		left[i] = between; /* what out[i] must be */
		sums[i] = (struct sum){&out[i], i % 2 ? &out[i] : &right[i].ours, &out[i], &bad[i]};
	}
	affine_sums(sums, 20, steps);
	for (size_t i = 0; i < 20; i++)
		CHECK_EQ(lanes_that_are_sums(&out[i], &left[i], i % 2 ? &left[i] : &right[i]), 0xff);
}

/* Equal and opposite points in some lanes of some sums: these lanes are flagged, every other one is right. */
TEST(exceptional_lanes_are_flagged_and_no_others)
{
	NEED_CPU;
	for (int round = 0; round < 30; round++) {
		size_t cnt = 1 + random_below(SUMS);
		uint8_t want[SUMS] = {0};
		make_round(cnt);
		for (size_t k = 0; k < 1 + random_below(6); k++) {
			size_t i = random_below(cnt), lane = random_below(LANES);
			right[i].theirs[lane] = left[i].theirs[lane];
			if (random_below(2))
				CHECK_NEED(secp256k1_ec_pubkey_negate(oracle, &right[i].theirs[lane]));
			right[i].ours = ours_of(right[i].theirs);
			want[i] |= (uint8_t)(1 << lane);
		}
		affine_sums(sums, cnt, steps);
		for (size_t i = 0; i < cnt; i++) {
			CHECK_EQ(bad[i], want[i]);
			CHECK_EQ(lanes_that_are_sums(&out[i], &left[i], &right[i]) | want[i], 0xff);
		}
	}
}

static struct jacobian8 jacobian_of(const struct point8 *point)
{
	return (struct jacobian8){point->x, point->y, U256X8_ONE};
}

TEST(jacobian_sums_and_doublings)
{
	NEED_CPU;
	for (int round = 0; round < 50; round++) {
		struct points a, b, c;
		struct jacobian8 sum[3];
		struct point8 got[3];
		mask8 infinite[3];
		random_points(&a);
		random_points(&b);
		sum[0] = sum[1] = jacobian_of(&a.ours);
		jacobian_add(&sum[0], b.ours.x, b.ours.y);
		jacobian_double(&sum[1]);
		jacobian_add_affine(&sum[2], &a.ours, &b.ours);
		jacobian_to_affine(got, infinite, sum, 3);
		CHECK_EQ(infinite[0] | infinite[1] | infinite[2], 0);
		CHECK_EQ(lanes_that_are_sums(&got[0], &a, &b), 0xff);
		CHECK_EQ(lanes_that_are_sums(&got[1], &a, &a), 0xff);
		CHECK_EQ(lanes_that_are_sums(&got[2], &a, &b), 0xff);
		/* Z is no longer 1: 2 a + b, and every lane plus its neighbour */
		for (int lane = 0; lane < LANES; lane++) {
			const secp256k1_pubkey *both[2] = {&a.theirs[lane], &a.theirs[lane]};
			CHECK_NEED(secp256k1_ec_pubkey_combine(oracle, &c.theirs[lane], both, 2));
		}
		sum[0] = sum[1];
		jacobian_add(&sum[0], b.ours.x, b.ours.y);
		sum[2] = sum[1];
		jacobian_add_swapped(&sum[2], vector_swap1);
		jacobian_to_affine(got, infinite, sum, 3);
		CHECK_EQ(lanes_that_are_sums(&got[0], &c, &b), 0xff);
		for (int lane = 0; lane < LANES; lane++)
			b.theirs[lane] = c.theirs[lane ^ 1];
		CHECK_EQ(lanes_that_are_sums(&got[2], &c, &b), 0xff);
	}
}

/* A point and itself, a point and its negative: Z is zero, and stays so whatever follows. */
TEST(jacobian_exceptions_stay)
{
	NEED_CPU;
	struct points a, b;
	struct jacobian8 sum[3];
	struct point8 got[3];
	mask8 infinite[3];

	random_points(&a);
	b = a;
	for (int lane = 4; lane < LANES; lane++)
		CHECK_NEED(secp256k1_ec_pubkey_negate(oracle, &b.theirs[lane]));
	b.ours = ours_of(b.theirs);
	sum[0] = sum[1] = jacobian_of(&a.ours);
	jacobian_add(&sum[0], b.ours.x, b.ours.y);
	jacobian_add_affine(&sum[1], &a.ours, &b.ours);
	random_points(&b);
	for (int i = 0; i < 2; i++) {
		jacobian_double(&sum[i]);
		jacobian_add(&sum[i], b.ours.x, b.ours.y);
	}
	sum[2] = jacobian_of(&a.ours);
	jacobian_add_swapped(&sum[2], vector_swap4);
	jacobian_add_swapped(&sum[2], vector_swap4); /* both lanes have the sum: a point and itself */
	jacobian_double(&sum[2]);
	jacobian_to_affine(got, infinite, sum, 3);
	CHECK_EQ(infinite[0] & infinite[1] & infinite[2], 0xff);
}

VECTOR_END
#endif

CHECK_MAIN
