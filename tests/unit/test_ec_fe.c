// SPDX-License-Identifier: Apache-2.0
/* The oracle is OpenSSL's arithmetic; limbs are often the largest their magnitude allows, where a column would overflow. */
#include "ec/fe.h"

#include "ec_number.h"

#define ROUNDS 5000

static BIGNUM *p;

static void start(void)
{
	if (p == NULL) {
		p = number_hex(prime_p);
		random_start("ec fe");
	}
}

static struct fe random_fe(uint64_t magnitude)
{
	struct fe out;
	bool largest = random_below(4) == 0;

	for (int i = 0; i < 5; i++) {
		uint64_t most = magnitude * (i < 4 ? UINT64_C(1) << 52 : (UINT64_C(1) << 48) + 1024);
		out.v[i] = largest || random_below(3) == 0 ? most - random_below(2) : random_u64() % (most + 1);
	}
	return out;
}

static BIGNUM *value_of(const struct fe *a)
{
	return number_limbs(a->v, 5, 52);
}

static void check_magnitude(const struct fe *a, uint64_t magnitude)
{
	for (int i = 0; i < 5; i++)
		CHECK(a->v[i] <= magnitude * (i < 4 ? UINT64_C(1) << 52 : (UINT64_C(1) << 48) + 1024));
}

/* got = a b + c d + term, and in bounds. */
static void check_product(const struct fe *got, const struct fe *const factors[4], const struct fe *term)
{
	BIGNUM *have = value_of(got), *want = value_of(term), *product = BN_new();

	for (int i = 0; i < 4; i += 2) {
		BIGNUM *a = value_of(factors[i]), *b = value_of(factors[i + 1]);
		CHECK_NEED(BN_mul(product, a, b, number_context) && BN_add(want, want, product));
		BN_free(a);
		BN_free(b);
	}
	CHECK(number_same(have, want, p));
	check_magnitude(got, 1);
	BN_free(have);
	BN_free(want);
	BN_free(product);
}

TEST(products)
{
	static const uint64_t magnitudes[][2] = {{1, 1}, {1, 50}, {50, 1}, {7, 7}, {5, 10}, {3, 3}};
	const struct fe zero = {{0}};

	start();
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t *m = magnitudes[random_below(6)];
		struct fe a = random_fe(m[0]), b = random_fe(m[1]), term = random_fe(16), s = random_fe(7), got;
		got = fe_mul(&a, &b);
		check_product(&got, (const struct fe *[]){&a, &b, &zero, &zero}, &zero);
		got = fe_mul_add(&a, &b, &term);
		check_product(&got, (const struct fe *[]){&a, &b, &zero, &zero}, &term);
		got = fe_sqr(&s);
		check_product(&got, (const struct fe *[]){&s, &s, &zero, &zero}, &zero);
		got = fe_sqr_add(&s, &term);
		check_product(&got, (const struct fe *[]){&s, &s, &zero, &zero}, &term);
		struct fe c = random_fe(5), d = random_fe(5);
		got = fe_mul_add_mul(&c, &d, &d, &c);
		check_product(&got, (const struct fe *[]){&c, &d, &c, &d}, &zero);
	}
}

TEST(differences_and_multiples)
{
	start();
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t m = 1 + random_below(8);
		struct fe a = random_fe(4), b = random_fe(m), got = fe_sub(&a, &b, m);
		BIGNUM *have = value_of(&got), *x = value_of(&a), *y = value_of(&b);
		CHECK_NEED(BN_sub(x, x, y));
		CHECK(number_same(have, x, p));
		check_magnitude(&got, 4 + m + 1);
		BN_free(have);
		got = fe_times(&b, 2);
		have = value_of(&got);
		CHECK_NEED(BN_add(y, y, y));
		CHECK(BN_cmp(have, y) == 0);
		check_magnitude(&got, 2 * m);
		BN_free(have);
		BN_free(x);
		BN_free(y);
	}
}

static void check_words(const struct fe *a)
{
	uint64_t words[4];
	BIGNUM *value = value_of(a), *got;
	struct fe back;

	fe_words(words, a);
	got = number_limbs(words, 4, 64);
	CHECK(number_same(got, value, p) && BN_cmp(got, p) < 0);
	CHECK(fe_is_zero(a) == BN_is_zero(got));
	back = fe_from_words(words);
	BN_free(value);
	value = value_of(&back);
	CHECK(BN_cmp(value, got) == 0);
	check_magnitude(&back, 1);
	BN_free(value);
	BN_free(got);
}

/* Multiples of p and their neighbours, with what is missing or too much in the lowest limb; and 2^256 - 1 and its like. */
TEST(one_form_of_every_value)
{
	start();
	for (uint64_t m = 0; m <= 15; m++)
		for (uint64_t more = 0; more < 4; more++) {
			struct fe a = fe_prime(m);
			a.v[0] += more;
			check_words(&a);
			if (m > 0) {
				a.v[0] -= 2 * more;
				check_words(&a);
			}
		}
	for (uint64_t less = 0; less < 4; less++) {
		struct fe all = {{FE_LIMB_MASK - less, FE_LIMB_MASK, FE_LIMB_MASK, FE_LIMB_MASK, FE_TOP_MASK}};
		check_words(&all);
		all.v[0] = FE_LIMB_MASK - FE_C + less; /* p - 1 and up */
		check_words(&all);
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct fe a = random_fe(1 + random_below(16));
		check_words(&a);
	}
}

TEST(inverses)
{
	start();
	for (int round = 0; round < ROUNDS; round++) {
		struct fe a = random_fe(1 + random_below(16)), inverse, product;
		uint64_t words[4];
		if (fe_is_zero(&a))
			continue;
		inverse = fe_invert(&a);
		a = fe_mul(&a, &FE_ONE);
		product = fe_mul(&a, &inverse);
		fe_words(words, &product);
		CHECK(words[0] == 1 && (words[1] | words[2] | words[3]) == 0);
	}
}

TEST(beta_is_a_cube_root_of_one)
{
	struct fe beta = FE_BETA, cube = fe_sqr(&beta);
	uint64_t words[4];

	start();
	cube = fe_mul(&cube, &beta);
	fe_words(words, &cube);
	CHECK(words[0] == 1 && (words[1] | words[2] | words[3]) == 0);
	fe_words(words, &beta);
	CHECK(words[0] != 1);
}

CHECK_MAIN
