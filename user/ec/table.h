/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_TABLE_H
#define TOLLBAR_EC_TABLE_H
/* table.h: tables of odd multiples, and the sums of their rows that make a multiple of a point.
 *
 * A table of P with window w: for each of scalar_positions(w) positions j, rows 0 to 2^(w - 1) - 1, row e the point
 * (2 e + 1) 2^(w j) P.  Both halves of a scalar use it: the second half's sum is multiplied by lambda at the end. */
#ifdef __x86_64__
#include "ec/multiples.h"
#include "ec/scalar.h"

#define TABLE_POSITIONS_MAX 33	/* of window 4 */
#define TABLE_MULTIPLES_MAX 128 /* of one position at a time; wider windows go on in steps of it */
#define TABLE_POINTS 512	/* in work at a time, of one or several positions */

struct table_work {
	struct point8 base[TABLE_POSITIONS_MAX], point[TABLE_POINTS];
	struct multiples multiples[TABLE_POSITIONS_MAX];
	struct sum sums[TABLE_POINTS];
	struct affine_step steps[TABLE_POINTS];
};

/* Rows to be added: per half of the scalar, in one order. */
#define LOOKUP_ROWS_MAX (TABLE_POSITIONS_MAX + 10)

struct lookups {
	size_t cnt; /* per half */
	_Alignas(64) uint64_t address[2][LOOKUP_ROWS_MAX][LANES];
	mask8 negative[2][LOOKUP_ROWS_MAX];
};

VECTOR_BEGIN

/* As ec_table_build. */
void table_build(struct table_work *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		 unsigned window);

/* Appends the rows that make up this scalar times the point of each lane's table. */
void lookups_add(struct lookups *lookups, u64x8 tables, const struct halves *scalar, unsigned window);

VECTOR_END

#endif
#endif
