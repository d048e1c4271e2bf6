// SPDX-License-Identifier: Apache-2.0
#include "ec/modinv.c"

#include "ec_number.h"

static void check_inverse(const uint64_t in[4], const BIGNUM *prime, const struct modulus *modulus)
{
	BIGNUM *value = number_limbs(in, 4, 64), *want = BN_new(), *got;
	uint64_t out[4];

	CHECK_NEED(BN_nnmod(value, value, prime, number_context));
	if (!BN_is_zero(value)) {
		uint64_t reduced[4];
		CHECK_NEED(BN_bn2lebinpad(value, (uint8_t *)reduced, 32) == 32);
		modinv(out, reduced, modulus);
		CHECK_NEED(BN_mod_inverse(want, value, prime, number_context) != NULL);
		got = number_limbs(out, 4, 64);
		CHECK(BN_cmp(got, want) == 0);
		BN_free(got);
	}
	BN_free(want);
	BN_free(value);
}

TEST(inverses_are_those_of_openssl)
{
	BIGNUM *p = number_hex(prime_p), *n = number_hex(order_n);

	random_start("ec modinv");
	for (int round = 0; round < 20000; round++) {
		uint64_t in[4] = {random_limb(63), random_limb(63), random_limb(63), random_limb(63) << (round % 2)};
		if (round % 7 == 0) /* a single bit, and its neighbours */
			memset(in, 0, sizeof(in)), in[random_below(4)] = UINT64_C(1) << random_below(64),
						   in[0] += random_below(3);
		if (round < 300) /* 1, 2, 3 and up; -1, -2, -3 and down */
			for (int i = 0; i < 4; i++)
				in[i] = round % 2 ? (i == 0 ? (uint64_t)round : 0)
						  : UINT64_MAX - (i == 0 ? (uint64_t)round : 0);
		check_inverse(in, p, &modinv_p);
		check_inverse(in, n, &modinv_n);
	}
	BN_free(p);
	BN_free(n);
}

CHECK_MAIN
