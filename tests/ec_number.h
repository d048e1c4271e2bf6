/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_NUMBER_H
#define TOLLBAR_TESTS_EC_NUMBER_H
/* ec_number.h: the numbers of user/ec as OpenSSL's big numbers, the oracle of its arithmetic. */
#include <openssl/bn.h>

#include "check.h"
#include "random.h"

static const char prime_p[] = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F";
static const char order_n[] = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141";

static BN_CTX *number_context;

__attribute__((constructor)) static void number_start(void)
{
	number_context = BN_CTX_new();
}

__attribute__((destructor)) static void number_stop(void)
{
	BN_CTX_free(number_context);
}

static inline BIGNUM *number_hex(const char *hex)
{
	BIGNUM *number = NULL;

	CHECK_NEED(BN_hex2bn(&number, hex) != 0);
	return number;
}

/* Sum of limb[i] 2^(bits i). */
static inline BIGNUM *number_limbs(const uint64_t *limb, int cnt, int bits)
{
	BIGNUM *sum = BN_new(), *term = BN_new();

	for (int i = cnt - 1; i >= 0; i--) {
		CHECK_NEED(BN_set_word(term, limb[i]) && BN_lshift(sum, sum, bits) && BN_add(sum, sum, term));
	}
	BN_free(term);
	return sum;
}

/* a = b mod m, all kept. */
static inline bool number_same(const BIGNUM *a, const BIGNUM *b, const BIGNUM *m)
{
	BIGNUM *x = BN_new(), *y = BN_new();
	bool same;

	CHECK_NEED(BN_nnmod(x, a, m, number_context) && BN_nnmod(y, b, m, number_context));
	same = BN_cmp(x, y) == 0;
	BN_free(x);
	BN_free(y);
	return same;
}

/* A limb of so many bits that is often at an end of its range. */
static inline uint64_t random_limb(unsigned bits)
{
	uint64_t mask = (UINT64_C(1) << bits) - 1;

	switch (random_below(6)) {
	case 0:
		return 0;
	case 1:
		return mask;
	case 2:
		return mask - random_below(4);
	default:
		return random_u64() & mask;
	}
}

#endif
