/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_PORTABLE_H
#define TOLLBAR_EC_PORTABLE_H
/* portable.h: verification with a table of the signer's key (ec.h: hot) and the making of such tables in plain C, for CPUs without
 * what the lanes need.  Same tables, same rows in the same order as hot.h: a tree of affine sums while a level has enough of
 * them to pay for its inversion, over all signatures in work, then Jacobian sums.  An unknown signer is libsecp256k1's: without
 * vectors nothing here would be faster at recovering a key. */
#include "ec/ec.h"
#include "ec/modn.h"
#include "ec/point.h"

#define PORTABLE_ROWS_MAX (33 + 10) /* of half a signature: window 4, and the generator's */
#define PORTABLE_BATCH 32
#define PORTABLE_SUMS (PORTABLE_BATCH * 2 * (PORTABLE_ROWS_MAX / 2))

struct portable_row {
	const uint64_t *at;
	bool negative;
};

struct portable_job {
	struct ec_item *item;
	struct modn r, z;
	struct modn x;	/* of R: r, or r + n */
	size_t row_cnt; /* of a half */
	struct portable_row row[2][PORTABLE_ROWS_MAX];
	struct point point[2][PORTABLE_ROWS_MAX];
	bool bad; /* an exceptional sum */
};

struct portable_work {
	struct point_sum sums[PORTABLE_SUMS];
	struct point_step steps[PORTABLE_SUMS];
	union {
		struct { /* portable.c */
			struct portable_job job[PORTABLE_BATCH];
			struct modn s[PORTABLE_BATCH], half_inverse[PORTABLE_BATCH];
			struct point_jacobian total[PORTABLE_BATCH];
		};
		struct { /* portable_table.c */
			struct point point[PORTABLE_SUMS];
			uint64_t *row[PORTABLE_SUMS];
		};
	};
};

/* As ec_hot. */
void portable_hot(struct portable_work *work, struct ec_item *const items[], size_t cnt);

/* As ec_table_build, of one key. */
void portable_table(struct portable_work *work, void *memory, const uint8_t key[64], unsigned window);

#endif
