/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_HOT_H
#define TOLLBAR_EC_HOT_H
/* hot.h: verification with a table of the signer's key.  R = (z/s) G + (r/s) Q is a sum of rows alone: 26 + 10 for each half
 * of the scalars with a window of 5, added up in a tree of affine sums while a level has enough of them to pay for
 * its inversion, the few that remain one after the other in Jacobian coordinates. */
#ifdef __x86_64__
#include "ec/ec.h"
#include "ec/jacobian.h"
#include "ec/signature.h"
#include "ec/table.h"

#define HOT_VECTORS 8 /* in work at a time: what they need fits the second-level cache */
#define HOT_SUMS_MAX (HOT_VECTORS * 2 * (LOOKUP_ROWS_MAX / 2))

struct hot_vector {
	struct signature8 signature;
	struct ec_item *items[LANES];
	size_t cnt; /* of items */
	unsigned window;
	uint8_t bad; /* lanes with an exceptional sum */
	struct lookups lookups;
	struct point8 point[2][LOOKUP_ROWS_MAX];
};

struct hot_work {
	struct hot_vector vector[HOT_VECTORS];
	struct u256x8 s[HOT_VECTORS], half_inverse[HOT_VECTORS];
	struct sum sums[HOT_SUMS_MAX];
	struct affine_step steps[HOT_SUMS_MAX];
};

VECTOR_BEGIN

/* As ec_hot. */
void hot_verify(struct hot_work *work, struct ec_item *const items[], size_t cnt);

VECTOR_END

#endif
#endif
