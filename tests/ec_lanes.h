/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_LANES_H
#define TOLLBAR_TESTS_EC_LANES_H
/* ec_lanes.h: one lane of eight, as OpenSSL's number. */
#include "ec/u256x8.h"

#include "ec_number.h"

#ifdef __x86_64__
VECTOR_BEGIN

static inline BIGNUM *lane_of(const struct u256x8 *a, int lane)
{
	uint64_t limb[5];

	EACH_LIMB(i) limb[i] = a->v[i][lane];
	return number_limbs(limb, 5, 52);
}

VECTOR_END
#endif

#endif
