// SPDX-License-Identifier: Apache-2.0
/* The oracle is OpenSSL's arithmetic; limbs are often at the ends of their ranges, where a lost carry shows. */
#include "ec/field.c"

#include "ec_lanes.h"
#include "ec_need.h"

#ifdef __x86_64__
VECTOR_BEGIN

#define ROUNDS 2000

static BIGNUM *p;

__attribute__((constructor)) static void make_p(void)
{
	p = number_hex(prime_p);
}

/* Of this magnitude at most, and as often as not the largest of it. */
static struct u256x8 random_field(uint64_t magnitude)
{
	struct u256x8 out;

	for (int lane = 0; lane < LANES; lane++) {
		for (int i = 0; i < 4; i++)
			out.v[i][lane] = random_limb(52);
		out.v[4][lane] = random_limb(48) + random_below(magnitude) * (TOP_MASK + 1);
	}
	return out;
}

static bool within(const struct u256x8 *a, uint64_t magnitude)
{
	for (int lane = 0; lane < LANES; lane++) {
		for (int i = 0; i < 4; i++)
			if (a->v[i][lane] > LIMB_MASK)
				return false;
		if (a->v[4][lane] > magnitude * ((TOP_MASK + 1) + 256))
			return false;
	}
	return true;
}

/* got = a b times + add - sub in every lane. */
static void check_product(const struct u256x8 *got, const struct u256x8 *a, const struct u256x8 *b,
			  const struct u256x8 *sub)
{
	for (int lane = 0; lane < LANES; lane++) {
		BIGNUM *x = lane_of(a, lane), *y = lane_of(b, lane), *z = lane_of(got, lane);
		CHECK_NEED(BN_mul(x, x, y, number_context));
		if (sub != NULL) {
			BIGNUM *s = lane_of(sub, lane);
			CHECK_NEED(BN_sub(x, x, s));
			BN_free(s);
		}
		CHECK(number_same(x, z, p));
		BN_free(x);
		BN_free(y);
		BN_free(z);
	}
}

TEST(products)
{
	NEED_CPU;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t magnitude = 1 + random_below(15);
		struct u256x8 a = random_field(magnitude), b = random_field(15), got = field_mul(a, b);
		CHECK(within(&got, 1));
		check_product(&got, &a, &b, NULL);
		got = field_sqr(a);
		CHECK(within(&got, 1));
		check_product(&got, &a, &a, NULL);
	}
}

/* Subtracting all that the added multiples of p allow for, and nothing. */
TEST(products_less_loose_terms)
{
	NEED_CPU;
	for (int round = 0; round < ROUNDS; round++) {
		struct u256x8 a = random_field(8), b = random_field(8), sub = random_field(round % 2 ? 4 : 1);
		struct u256x8 got = columns_reduce_signed(columns_add_p(columns_sub(columns_mul(a, b), sub), 5));
		CHECK(within(&got, 2));
		check_product(&got, &a, &b, &sub);
		got = columns_reduce_signed(columns_add_p(columns_sub(columns_mul(a, U256X8_ZERO), sub), 5));
		CHECK(within(&got, 2));
	}
}

/* What products read of a rough number. */
static struct u256x8 read_of(struct u256x8 rough)
{
	for (int i = 0; i < 4; i++)
		rough.v[i] &= LIMB_MASK;
	return rough;
}

/* What stands above bit 52 of a rough factor must not count. */
static struct u256x8 roughen(struct u256x8 a)
{
	for (int i = 0; i < 4; i++)
		for (int lane = 0; lane < LANES; lane++)
			a.v[i][lane] |= random_u64() << 52;
	return a;
}

TEST(rough_numbers)
{
	NEED_CPU;
	for (int round = 0; round < ROUNDS; round++) {
		struct u256x8 a = random_field(8), b = random_field(8), thrice = a, zero = U256X8_ZERO;
		struct u256x8 two = u256x8_set(2, 0, 0, 0, 0);
		struct u256x8 got = read_of(field_mul_rough(roughen(a), roughen(b)));
		CHECK(within(&got, 1));
		check_product(&got, &a, &b, NULL);
		got = read_of(field_sqr_rough(roughen(a)));
		check_product(&got, &a, &a, NULL);
		got = read_of(columns_reduce_rough(columns_mul(a, b), 3));
		CHECK(within(&got, 3));
		EACH_LIMB(i) thrice.v[i] *= 3;
		thrice = u256x8_carry(thrice);
		check_product(&got, &thrice, &b, NULL);
		got = read_of(field_twice_rough(a));
		CHECK(within(&got, 16));
		check_product(&got, &a, &two, NULL);
		CHECK_EQ(u256x8_equal(field_canonical_rough(roughen(a)), field_canonical(a)), 0xff);
		got = read_of(field_sub_rough(zero, b, 9));
		CHECK(within(&got, 9));
		check_product(&got, &zero, &zero, &b);
	}
}

TEST(sums)
{
	NEED_CPU;
	for (int round = 0; round < ROUNDS; round++) {
		struct u256x8 a = random_field(4), b = random_field(4), got = field_sub(a, b, 5), one = U256X8_ONE;
		struct u256x8 rough = read_of(field_sub_rough(a, b, 5));
		CHECK(within(&got, 9));
		check_product(&got, &a, &one, &b);
		CHECK_EQ(u256x8_equal(got, rough), 0xff);
	}
}

/* a w - 8 b^2: the largest and the smallest it can be. */
TEST(difference_of_products)
{
	NEED_CPU;
	for (int round = 0; round < ROUNDS; round++) {
		struct u256x8 a = random_field(3), w = random_field(7), b = random_field(1), square, got;
		if (round % 4 == 0)
			b = u256x8_set(LIMB_MASK, LIMB_MASK, LIMB_MASK, LIMB_MASK, TOP_MASK + 1);
		if (round % 8 == 0)
			a = U256X8_ZERO;
		got = columns_reduce_difference(columns_mul(a, w), columns_sqr(b));
		CHECK(within(&got, 2));
		square = field_sqr(b);
		EACH_LIMB(i) square.v[i] <<= 3;
		square = u256x8_carry(square);
		check_product(&got, &a, &w, &square);
	}
}

/* Around 0, p and 2^256, and multiples of p above; then anything. */
TEST(canonical_is_the_one_below_p)
{
	NEED_CPU;
	const struct u256x8 one = U256X8_ONE,
			    edge[] = {
				    u256x8_set(0, 0, 0, 0, 0),
				    u256x8_set(1, 0, 0, 0, 0),
				    u256x8_set(0xffffefffffc2e, LIMB_MASK, LIMB_MASK, LIMB_MASK, TOP_MASK), /* p - 1 */
				    u256x8_set(0xffffefffffc2f, LIMB_MASK, LIMB_MASK, LIMB_MASK, TOP_MASK), /* p */
				    u256x8_set(0xffffefffffc30, LIMB_MASK, LIMB_MASK, LIMB_MASK, TOP_MASK), /* p + 1 */
				    u256x8_set(LIMB_MASK, LIMB_MASK, LIMB_MASK, LIMB_MASK, TOP_MASK),
				    u256x8_set(LIMB_MASK, LIMB_MASK, LIMB_MASK, LIMB_MASK, LIMB_MASK),
				    u256x8_set(0, 0, 0, 0, TOP_MASK + 1),
			    };

	for (size_t round = 0; round < ROUNDS; round++) {
		struct u256x8 a = round < sizeof(edge) / sizeof(*edge) ? edge[round] : random_field(1 + round % 15);
		struct u256x8 got;
		if (round % 3 == 0) /* m p - 1, m p, m p + 1 for some m, before the carries come out */
			a = field_sub(u256x8_set(random_below(3), 0, 0, 0, 0), U256X8_ONE, 1 + random_below(14));
		got = field_canonical(a);
		check_product(&got, &a, &one, NULL);
		for (int lane = 0; lane < LANES; lane++) {
			BIGNUM *value = lane_of(&got, lane);
			CHECK(BN_cmp(value, p) < 0);
			CHECK_EQ(u256x8_zero(got) >> lane & 1, BN_is_zero(value));
			BN_free(value);
		}
	}
}

TEST(inverses)
{
	NEED_CPU;
	for (int round = 0; round < 300; round++) {
		struct u256x8 a = random_field(1 + (uint64_t)round % 15), got, product;
		if (u256x8_zero(field_canonical(a)) != 0)
			continue;
		field_invert(&got, &a);
		product = field_canonical(field_mul(got, a));
		CHECK(within(&got, 1));
		CHECK_EQ(u256x8_equal(product, U256X8_ONE), 0xff);
	}
}

TEST(square_roots)
{
	NEED_CPU;
	for (int round = 0; round < 100; round++) {
		struct u256x8 a[2] = {random_field(1), random_field(1)}, root[2];
		field_sqrt_pair(root, a);
		for (int k = 0; k < 2; k++) {
			struct u256x8 square = field_canonical(field_sqr(root[k]));
			mask8 plus = u256x8_equal(square, field_canonical(a[k]));
			mask8 minus = u256x8_equal(square, field_canonical(field_sub(U256X8_ZERO, a[k], 2)));
			mask8 zero = u256x8_zero(square);
			CHECK_EQ((plus ^ minus) | zero, 0xff);
			for (int lane = 0; lane < LANES; lane++) {
				BIGNUM *value = lane_of(&a[k], lane);
				CHECK_EQ(BN_kronecker(value, p, number_context) >= 0, plus >> lane & 1);
				BN_free(value);
			}
		}
	}
}

TEST(beta_is_a_cube_root_of_one)
{
	NEED_CPU;
	struct u256x8 cube = field_canonical(field_mul(field_sqr(FIELD_BETA), FIELD_BETA));
	CHECK_EQ(u256x8_equal(cube, U256X8_ONE), 0xff);
	CHECK_EQ(u256x8_equal(FIELD_BETA, U256X8_ONE), 0);
}

VECTOR_END
#endif

CHECK_MAIN
