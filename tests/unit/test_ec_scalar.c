// SPDX-License-Identifier: Apache-2.0
/* The oracle is OpenSSL's arithmetic. */
#include "ec/scalar.c"

#include "ec_lanes.h"
#include "ec_need.h"

#ifdef __x86_64__
VECTOR_BEGIN

static BIGNUM *n, *montgomery; /* 2^260 */

__attribute__((constructor)) static void make_numbers(void)
{
	n = number_hex(order_n);
	montgomery = BN_new();
	CHECK_NEED(BN_set_bit(montgomery, 260));
}

/* Below 2^256, or below n and at least 1. */
static struct u256x8 random_scalar(bool below_n)
{
	const struct u256x8 order = u256x8_set(N0, N1, N2, N3, N4);
	struct u256x8 out;

	for (int lane = 0; lane < LANES; lane++) {
		EACH_LIMB(i) out.v[i][lane] = random_limb(i < 4 ? 52 : 48);
		if (random_below(20) == 0) /* n, or close to it */
			EACH_LIMB(i) out.v[i][lane] = order.v[i][lane] + (i == 0 ? random_below(5) - 2 : 0);
		if (random_below(20) == 0) /* small */
			EACH_LIMB(i) out.v[i][lane] = i == 0 ? random_below(4) : 0;
	}
	if (below_n) {
		out = scalar_canonical(out);
		out = u256x8_select(u256x8_zero(out), out, U256X8_ONE);
	}
	return out;
}

/* got 2^260 = a b mod n, and below limit n. */
static void check_product(const struct u256x8 *got, const struct u256x8 *a, const struct u256x8 *b, unsigned limit)
{
	for (int lane = 0; lane < LANES; lane++) {
		BIGNUM *x = lane_of(a, lane), *y = lane_of(b, lane), *z = lane_of(got, lane), *most = BN_dup(n);
		CHECK_NEED(BN_mul_word(most, limit));
		CHECK(BN_cmp(z, most) < 0);
		CHECK_NEED(BN_mul(x, x, y, number_context) && BN_mul(z, z, montgomery, number_context));
		CHECK(number_same(x, z, n));
		BN_free(x);
		BN_free(y);
		BN_free(z);
		BN_free(most);
	}
}

TEST(products)
{
	NEED_CPU;
	for (int round = 0; round < 2000; round++) {
		struct u256x8 a = random_scalar(false), b = random_scalar(false), got = scalar_mul(a, b);
		struct u256x8 entered = scalar_enter(a), once = scalar_mul(entered, U256X8_ONE),
			      canonical = scalar_canonical(got);
		struct u256x8 square = scalar_mul(got, got);
		check_product(&got, &a, &b, 2);
		check_product(&square, &got, &got, 2);
		check_product(&canonical, &a, &b, 1);
		once = scalar_canonical(once);
		a = scalar_canonical(a);
		CHECK_EQ(u256x8_equal(once, a), 0xff);
	}
}

/* Up to 4 n - 1, and its neighbours. */
TEST(canonical_is_the_one_below_n)
{
	NEED_CPU;
	for (unsigned times = 0; times < 4; times++)
		for (uint64_t more = 0; more < 4; more++) {
			struct u256x8 value =
				u256x8_set(N0 * times + more, N1 * times, N2 * times, N3 * times, N4 * times);
			struct u256x8 got = scalar_canonical(u256x8_carry(value));
			CHECK_EQ(u256x8_equal(got, u256x8_set(more, 0, 0, 0, 0)), 0xff);
			if (times > 0 || more > 0) {
				value.v[0] -= 1;
				got = scalar_canonical(u256x8_carry(value));
				struct u256x8 want = more > 0 ? u256x8_set(more - 1, 0, 0, 0, 0)
							      : u256x8_set(N0 - 1, N1, N2, N3, N4);
				CHECK_EQ(u256x8_equal(got, want), 0xff);
			}
		}
}

TEST(inverses_of_any_number_of_vectors)
{
	NEED_CPU;
	for (size_t cnt = 1; cnt <= SCALAR_MANY; cnt++) {
		struct u256x8 a[SCALAR_MANY], half[SCALAR_MANY];
		for (size_t i = 0; i < cnt; i++)
			a[i] = random_scalar(true);
		scalar_invert_half(half, a, cnt);
		for (size_t i = 0; i < cnt; i++) {
			struct u256x8 product = scalar_mul(a[i], half[i]), sum; /* 1/2 */
			EACH_LIMB(k) sum.v[k] = product.v[k] * 2;
			CHECK_EQ(u256x8_equal(scalar_canonical(u256x8_carry(sum)), U256X8_ONE), 0xff);
		}
	}
}

/* Sum of the digits' values at their positions, lambda times those of the second half: twice what was split. */
static void check_digits(const struct halves *halves, const struct u256x8 *half_u, unsigned window)
{
	BIGNUM *lambda = number_hex("5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72");

	for (int lane = 0; lane < LANES; lane++) {
		BIGNUM *sum[2], *u = lane_of(half_u, lane);
		for (int half = 0; half < 2; half++) {
			sum[half] = BN_new();
			for (unsigned at = scalar_positions(window); at-- > 0;) {
				mask8 negative;
				u64x8 row = scalar_row(&negative, scalar_group(halves->word[half], at, window), window);
				CHECK(row[lane] < UINT64_C(1) << (window - 1));
				CHECK_NEED(BN_lshift(sum[half], sum[half], (int)window));
				CHECK_NEED(negative >> lane & 1 ? BN_sub_word(sum[half], 2 * row[lane] + 1)
								: BN_add_word(sum[half], 2 * row[lane] + 1));
			}
		}
		CHECK_NEED(BN_mul(sum[1], sum[1], lambda, number_context) && BN_add(sum[0], sum[0], sum[1]) &&
			   BN_lshift1(u, u));
		CHECK(number_same(sum[0], u, n));
		BN_free(sum[0]);
		BN_free(sum[1]);
		BN_free(u);
	}
	BN_free(lambda);
}

TEST(digits_add_up_to_the_scalar)
{
	static const unsigned windows[] = {4, 5, 6, 7, 8, 13};

	NEED_CPU;
	for (size_t k = 0; k < sizeof(windows) / sizeof(*windows); k++)
		for (int round = 0; round < 200; round++) {
			struct u256x8 half_u = random_scalar(round % 2);
			struct halves halves;
			if (round % 3 == 0) /* up to 2 n, as a product leaves it */
				half_u = scalar_mul(half_u, random_scalar(false));
			scalar_split(&halves, half_u, windows[k]);
			for (int half = 0; half < 2; half++)
				for (int lane = 0; lane < LANES; lane++)
					CHECK(halves.word[half][2][lane] <= 1); /* 129 bits */
			check_digits(&halves, &half_u, windows[k]);
		}
}

VECTOR_END
#endif

CHECK_MAIN
