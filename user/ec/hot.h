/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_HOT_H
#define TOLLBAR_EC_HOT_H
/* hot.h: verification with a table of the signer's key.  R = (z/s) G + (r/s) Q is a sum of rows alone: 26 + 10 for each half
 * of the scalars with a window of 5, added up in a tree of affine sums while a level has enough of them to pay for
 * its inversion, the few that remain one after the other in Jacobian coordinates. */
#ifdef __x86_64__
#include "ec/ec.h"
#include "ec/generator.h"
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
	struct jacobian8 total[HOT_VECTORS];
};

VECTOR_BEGIN

/* The steps that both ways share: signatures to rows of the tables, and the sum to verdicts. */
void hot_read(struct hot_work *work, size_t vector_cnt);
void hot_judge(const struct hot_vector *vector, const struct point8 *sum, mask8 undecided);

/* One vector of HOT_FEW_MAX items at most: the rows of a signature are spread over the lanes that would be empty, and the
 * lanes' sums added up.  (Four items with two lanes each gain nothing over the tree.) */
#define HOT_FEW_MAX 2
void hot_verify_few(struct hot_work *work);

/* As ec_hot. */
void hot_verify(struct hot_work *work, struct ec_item *const items[], size_t cnt);

VECTOR_END

#endif
#endif
