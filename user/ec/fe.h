/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_FE_H
#define TOLLBAR_EC_FE_H
/* fe.h: one number mod p = 2^256 - C, C = 2^32 + 977, in plain C: what field.h is to the lanes, for any 64-bit machine.
 *
 * Value = sum of v[i] 2^(52 i).  The twelve bits above a limb are slack, so sums carry nothing:
 *
 *   magnitude m   v[0] to v[3] at most m 2^52, v[4] at most m (2^48 + 2^10)
 *
 * A product takes factors whose magnitudes' product is 50 at most: its columns are then below 2^112, and what goes from one to the
 * next fits a word.  Where products share a reduction, 50 is for the sum of them.  Terms added before it have magnitude 16 at most.
 * What a function gives:
 *
 *   fe_from_words, fe_mul, fe_sqr, fe_..._add     1
 *   fe_sub(a, b, m)                               magnitude of a, plus m + 1, where b's is m at most
 *
 * Source of the form: the 5 × 52 representation is libsecp256k1's; columns above the fifth are folded word by word, without
 * being carried first. */
#include <stdbool.h>
#include <stdint.h>

#include "ec/modinv.h"

typedef unsigned __int128 u128;

#define FE_LIMB_MASK ((UINT64_C(1) << 52) - 1)
#define FE_TOP_MASK ((UINT64_C(1) << 48) - 1)
#define FE_C UINT64_C(0x1000003d1) /* 2^256 mod p */
#define FE_R (FE_C << 4)	   /* 2^260 mod p */

struct fe {
	uint64_t v[5];
};

#define FE_ONE ((struct fe){{1}})

/* The endomorphism's factor: lambda (x, y) = (beta x, y). */
#define FE_BETA                                                                                        \
	((struct fe){{UINT64_C(0x96c28719501ee), UINT64_C(0x7512f58995c13), UINT64_C(0xc3434e99cf049), \
		      UINT64_C(0x7106e64479ea), UINT64_C(0x7ae96a2b657c)}})

/* m p, limb by limb: at least any number of magnitude m - 1. */
static inline struct fe fe_prime(uint64_t m)
{
	return (struct fe){
		{m * (FE_LIMB_MASK - FE_C + 1), m * FE_LIMB_MASK, m * FE_LIMB_MASK, m * FE_LIMB_MASK, m * FE_TOP_MASK}};
}

/* --- products --- */

/* Before reduction: column i counts 2^(52 i). */
struct fe_columns {
	u128 c[9];
};

static inline struct fe_columns fe_columns_mul(const struct fe *a, const struct fe *b)
{
	const uint64_t *x = a->v, *y = b->v;

	return (struct fe_columns){{
		(u128)x[0] * y[0],
		(u128)x[0] * y[1] + (u128)x[1] * y[0],
		(u128)x[0] * y[2] + (u128)x[1] * y[1] + (u128)x[2] * y[0],
		(u128)x[0] * y[3] + (u128)x[1] * y[2] + (u128)x[2] * y[1] + (u128)x[3] * y[0],
		(u128)x[0] * y[4] + (u128)x[1] * y[3] + (u128)x[2] * y[2] + (u128)x[3] * y[1] + (u128)x[4] * y[0],
		(u128)x[1] * y[4] + (u128)x[2] * y[3] + (u128)x[3] * y[2] + (u128)x[4] * y[1],
		(u128)x[2] * y[4] + (u128)x[3] * y[3] + (u128)x[4] * y[2],
		(u128)x[3] * y[4] + (u128)x[4] * y[3],
		(u128)x[4] * y[4],
	}};
}

static inline struct fe_columns fe_columns_sqr(const struct fe *a)
{
	const uint64_t *x = a->v, twice[4] = {2 * x[0], 2 * x[1], 2 * x[2], 2 * x[3]};

	return (struct fe_columns){{
		(u128)x[0] * x[0],
		(u128)twice[0] * x[1],
		(u128)twice[0] * x[2] + (u128)x[1] * x[1],
		(u128)twice[0] * x[3] + (u128)twice[1] * x[2],
		(u128)twice[0] * x[4] + (u128)twice[1] * x[3] + (u128)x[2] * x[2],
		(u128)twice[1] * x[4] + (u128)twice[2] * x[3],
		(u128)twice[2] * x[4] + (u128)x[3] * x[3],
		(u128)twice[3] * x[4],
		(u128)x[4] * x[4],
	}};
}

static inline struct fe_columns fe_columns_add(struct fe_columns s, const struct fe_columns *t)
{
	for (int i = 0; i < 9; i++)
		s.c[i] += t->c[i];
	return s;
}

/* Columns 5 to 8 come down by 2^260 = R, each word of them by itself.  Column 4 above bit 48, with what column 3 passes to it,
 * is t, a word; it comes down by 2^256 = C.  The carries that follow change column 4 by less than 2^10. */
static inline struct fe fe_reduce(struct fe_columns s, const struct fe *term)
{
	struct fe out;
	uint64_t t, top;

	for (int i = 0; i < 5; i++)
		s.c[i] += term->v[i];
	for (int i = 5; i < 9; i++) {
		s.c[i - 5] += (u128)(uint64_t)s.c[i] * FE_R;
		s.c[i - 4] += (u128)(uint64_t)(s.c[i] >> 64) * (FE_R << 12);
	}
	s.c[4] += (uint64_t)(s.c[3] >> 52);
	t = (uint64_t)(s.c[4] >> 48);
	top = (uint64_t)s.c[4] & FE_TOP_MASK;
	s.c[0] += (u128)t * FE_C;
	s.c[1] += (uint64_t)(s.c[0] >> 52);
	s.c[2] += (uint64_t)(s.c[1] >> 52);
	out.v[0] = (uint64_t)s.c[0] & FE_LIMB_MASK;
	out.v[1] = (uint64_t)s.c[1] & FE_LIMB_MASK;
	out.v[2] = (uint64_t)s.c[2] & FE_LIMB_MASK;
	out.v[3] = ((uint64_t)s.c[3] & FE_LIMB_MASK) + (uint64_t)(s.c[2] >> 52);
	out.v[4] = top + (out.v[3] >> 52);
	out.v[3] &= FE_LIMB_MASK;
	return out;
}

/* a b + term, a^2 + term, a b + c d */
static inline struct fe fe_mul_add(const struct fe *a, const struct fe *b, const struct fe *term)
{
	return fe_reduce(fe_columns_mul(a, b), term);
}

static inline struct fe fe_sqr_add(const struct fe *a, const struct fe *term)
{
	return fe_reduce(fe_columns_sqr(a), term);
}

static inline struct fe fe_mul_add_mul(const struct fe *a, const struct fe *b, const struct fe *c, const struct fe *d)
{
	struct fe_columns second = fe_columns_mul(c, d);

	return fe_reduce(fe_columns_add(fe_columns_mul(a, b), &second), &(struct fe){{0}});
}

static inline struct fe fe_mul(const struct fe *a, const struct fe *b)
{
	return fe_mul_add(a, b, &(struct fe){{0}});
}

static inline struct fe fe_sqr(const struct fe *a)
{
	return fe_sqr_add(a, &(struct fe){{0}});
}

/* --- sums --- */

/* a - b + (m + 1) p */
static inline struct fe fe_sub(const struct fe *a, const struct fe *b, uint64_t m)
{
	struct fe out = fe_prime(m + 1);

	for (int i = 0; i < 5; i++)
		out.v[i] += a->v[i] - b->v[i];
	return out;
}

/* times a, of so many times the magnitude. */
static inline struct fe fe_times(const struct fe *a, uint64_t times)
{
	struct fe out;

	for (int i = 0; i < 5; i++)
		out.v[i] = times * a->v[i];
	return out;
}

/* --- words: four of 64 bits, least significant first --- */

static inline struct fe fe_from_words(const uint64_t w[4])
{
	return (struct fe){{w[0] & FE_LIMB_MASK, (w[0] >> 52 | w[1] << 12) & FE_LIMB_MASK,
			    (w[1] >> 40 | w[2] << 24) & FE_LIMB_MASK, (w[2] >> 28 | w[3] << 36) & FE_LIMB_MASK,
			    w[3] >> 16}};
}

/* What is above bit 256 is worth C each; carried. */
static inline struct fe fe_fold_top(struct fe a)
{
	uint64_t t = a.v[4] >> 48;

	a.v[4] &= FE_TOP_MASK;
	a.v[0] += t * FE_C;
	for (int i = 0; i < 4; i++) {
		a.v[i + 1] += a.v[i] >> 52;
		a.v[i] &= FE_LIMB_MASK;
	}
	return a;
}

/* The value in [0, p); a of magnitude 16 at most.  The first fold leaves less than 2^256 + 2^214, the second less than 2^256.  It is
 * p or more exactly when adding C reaches 2^256, and then that sum without the bit is the answer. */
static inline void fe_words(uint64_t w[4], const struct fe *a)
{
	struct fe least = fe_fold_top(fe_fold_top(*a)), more = least;

	more.v[0] += FE_C;
	for (int i = 0; i < 4; i++) {
		more.v[i + 1] += more.v[i] >> 52;
		more.v[i] &= FE_LIMB_MASK;
	}
	if (more.v[4] >> 48 != 0) {
		least = more;
		least.v[4] &= FE_TOP_MASK;
	}
	w[0] = least.v[0] | least.v[1] << 52;
	w[1] = least.v[1] >> 12 | least.v[2] << 40;
	w[2] = least.v[2] >> 24 | least.v[3] << 28;
	w[3] = least.v[3] >> 36 | least.v[4] << 16;
}

static inline bool fe_is_zero(const struct fe *a)
{
	uint64_t w[4];

	fe_words(w, a);
	return (w[0] | w[1] | w[2] | w[3]) == 0;
}

/* 1 / a; a is not zero mod p. */
static inline struct fe fe_invert(const struct fe *a)
{
	uint64_t w[4];

	fe_words(w, a);
	modinv(w, w, &modinv_p);
	return fe_from_words(w);
}

#endif
