/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_COLD_H
#define TOLLBAR_EC_COLD_H
/* cold.h: verification of an unknown signer: Q = (s/r) R - (z/r) G.  R's y is a square root.  The multiple of R is a ladder of
 * 125 doublings and 51 sums, with a table of R's odd multiples made on the way; the multiple of G is a sum of 20 rows.  Their
 * rounds of affine sums share inversions: five rounds make R's table, and the same five add up G's rows. */
#ifdef __x86_64__
#include "ec/ec.h"
#include "ec/generator.h"
#include "ec/jacobian.h"
#include "ec/signature.h"
#include "ec/table.h"

#define COLD_VECTORS 8 /* in work at a time; even, as square roots go in pairs */
#define COLD_WINDOW 5
#define COLD_ROWS (1 << (COLD_WINDOW - 1))
#define COLD_POSITIONS 26
#define COLD_G_ROWS 10			   /* per half */
#define COLD_SUMS (COLD_ROWS / 2 + 1 + 10) /* of a vector in a round, at most */

/* R's table as rows, a lane's rows LANES apart. */
struct cold_rows {
	_Alignas(64) uint8_t row[COLD_ROWS][LANES][ROW_BYTES];
};

struct cold_vector {
	struct signature8 signature;
	struct ec_item *const *items;
	size_t cnt;    /* of items */
	mask8 no_g;    /* lanes with z = 0 mod n: G's part is infinity */
	uint8_t bad_r; /* lanes with an exceptional sum in R's table (there is none), and in G's part */
	uint8_t bad_g;
	struct halves scalar; /* of R */
	struct lookups g;
	struct point8 odd[COLD_ROWS], g_point[2][COLD_G_ROWS];
	struct multiples multiples;
};

struct cold_work {
	struct cold_vector vector[COLD_VECTORS];
	struct u256x8 r[COLD_VECTORS], half_inverse[COLD_VECTORS];
	struct sum sums[COLD_VECTORS * COLD_SUMS];
	struct affine_step steps[COLD_VECTORS * COLD_SUMS];
	struct cold_rows rows;
};

VECTOR_BEGIN

/* As ec_cold. */
void cold_verify(struct cold_work *work, struct ec_item *const items[], size_t cnt);

VECTOR_END

#endif
#endif
