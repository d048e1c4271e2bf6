// SPDX-License-Identifier: Apache-2.0
/* The oracle is OpenSSL's arithmetic; words are often at the ends of their ranges, where a lost carry shows. */
#include "ec/modn.c"

#include "ec_number.h"

#define ROUNDS 5000

static BIGNUM *n;

static void start(void)
{
	if (n == NULL) {
		n = number_hex(order_n);
		random_start("ec modn");
	}
}

static BIGNUM *value_of(const struct modn *a)
{
	return number_limbs(a->w, 4, 64);
}

static uint64_t random_word(void)
{
	static const uint64_t ends[] = {0, 1, UINT64_MAX, UINT64_MAX - 1};
	size_t which = random_below(8);

	return which < 4 ? ends[which] : random_u64();
}

/* Below 2^256; often among the few above n. */
static struct modn random_number(void)
{
	struct modn out = {{random_word(), random_word(), random_word(), random_word()}};

	if (random_below(8) == 0) {
		out = modn_order;
		out.w[0] += random_below(7) - 3;
	}
	return out;
}

static struct modn random_below_n(void)
{
	struct modn out;

	do
		out = random_number();
	while (!modn_below(&out, &modn_order));
	return out;
}

TEST(bytes_and_comparisons)
{
	start();
	for (int round = 0; round < ROUNDS; round++) {
		struct modn a = random_number(), b = random_below(4) == 0 ? a : random_number(), back;
		BIGNUM *x = value_of(&a), *y = value_of(&b);
		uint8_t bytes[32];
		CHECK_NEED(BN_bn2binpad(x, bytes, 32) == 32);
		back = modn_read(bytes);
		CHECK_BYTES(back.w, a.w, sizeof a.w);
		CHECK_EQ(modn_below(&a, &b), BN_cmp(x, y) < 0);
		CHECK_EQ(modn_is_zero(&a), BN_is_zero(x));
		BN_free(x);
		BN_free(y);
	}
}

TEST(products)
{
	BIGNUM *r = BN_new(), *have, *want = BN_new();

	start();
	CHECK_NEED(BN_one(r) && BN_lshift(r, r, 256));
	for (int round = 0; round < ROUNDS; round++) {
		struct modn a = random_number(), b = random_below_n(), got = modn_mul(&a, &b);
		BIGNUM *x = value_of(&a), *y = value_of(&b);
		have = value_of(&got);
		CHECK(BN_cmp(have, n) < 0);
		CHECK_NEED(BN_mul(want, x, y, number_context) && BN_mul(have, have, r, number_context));
		CHECK(number_same(have, want, n));
		BN_free(have);
		BN_free(x);
		BN_free(y);
	}
	BN_free(r);
	BN_free(want);
}

TEST(inverses_of_any_number)
{
	start();
	for (size_t cnt = 1; cnt <= 40; cnt++) {
		struct modn a[40], half[40];
		for (size_t i = 0; i < cnt; i++)
			do
				a[i] = random_below_n();
			while (modn_is_zero(&a[i]));
		modn_invert_half(half, a, cnt);
		for (size_t i = 0; i < cnt; i++) {
			struct modn product = modn_mul(&a[i], &half[i]); /* 1/2 */
			BIGNUM *twice = value_of(&product), *one = BN_new();
			CHECK(modn_below(&half[i], &modn_order));
			CHECK_NEED(BN_lshift1(twice, twice) && BN_one(one));
			CHECK(number_same(twice, one, n));
			BN_free(twice);
			BN_free(one);
		}
	}
}

/* Sum of the digits' values at their positions, lambda times those of the second half: twice what was split. */
static void check_digits(const struct modn_halves *halves, const struct modn *half_u, unsigned window)
{
	BIGNUM *lambda = number_hex("5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72");
	BIGNUM *sum[2], *u = value_of(half_u);

	for (int half = 0; half < 2; half++) {
		sum[half] = BN_new();
		for (unsigned at = modn_positions(window); at-- > 0;) {
			bool negative;
			unsigned row = modn_row(&negative, halves->word[half], at, window);
			CHECK(row < 1u << (window - 1));
			CHECK_NEED(BN_lshift(sum[half], sum[half], (int)window));
			CHECK_NEED(negative ? BN_sub_word(sum[half], 2 * row + 1)
					    : BN_add_word(sum[half], 2 * row + 1));
		}
	}
	CHECK_NEED(BN_mul(sum[1], sum[1], lambda, number_context) && BN_add(sum[0], sum[0], sum[1]) &&
		   BN_lshift1(u, u));
	CHECK(number_same(sum[0], u, n));
	BN_free(sum[0]);
	BN_free(sum[1]);
	BN_free(u);
	BN_free(lambda);
}

TEST(digits_add_up_to_the_scalar)
{
	static const unsigned windows[] = {4, 5, 6, 7, 8, 13};

	start();
	for (size_t k = 0; k < sizeof(windows) / sizeof(*windows); k++)
		for (int round = 0; round < 1000; round++) {
			struct modn half_u = random_below_n();
			struct modn_halves halves;
			modn_split(&halves, &half_u, windows[k]);
			for (int half = 0; half < 2; half++)
				CHECK(halves.word[half][2] <= 1); /* 129 bits */
			check_digits(&halves, &half_u, windows[k]);
		}
}

CHECK_MAIN
