// SPDX-License-Identifier: Apache-2.0
#include "ec/point.h"

/* --- divisions --- */

/* The products of the denominators before each one, of even and of odd ones apart: two chains hide each other's latency. */
static void multiply_up(struct fe product[2], struct point_step *steps, size_t cnt)
{
	product[0] = product[1] = FE_ONE;
	for (size_t i = 0; i < cnt; i++) {
		steps[i].inverse = product[i % 2];
		product[i % 2] = fe_mul(&product[i % 2], &steps[i].denominator);
	}
}

/* A denominator that is zero makes the product zero: then it is looked for, and one taken instead. */
static void replace_zeros(struct point_step *steps, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (fe_is_zero(&steps[i].denominator)) {
			steps[i].zero = true;
			steps[i].denominator = FE_ONE;
		}
}

static void invert_all(struct point_step *steps, size_t cnt)
{
	struct fe product[2], back[2], all;

	for (size_t i = 0; i < cnt; i++)
		steps[i].zero = false;
	multiply_up(product, steps, cnt);
	all = fe_mul(&product[0], &product[1]);
	if (fe_is_zero(&all)) {
		replace_zeros(steps, cnt);
		multiply_up(product, steps, cnt);
		all = fe_mul(&product[0], &product[1]);
	}
	all = fe_invert(&all);
	back[0] = fe_mul(&all, &product[1]);
	back[1] = fe_mul(&all, &product[0]);
	for (size_t i = cnt; i-- > 0;) {
		steps[i].inverse = fe_mul(&back[i % 2], &steps[i].inverse);
		back[i % 2] = fe_mul(&back[i % 2], &steps[i].denominator);
	}
}

/* --- affine --- */

/* y2 - y1, or 3 x^2: magnitude 5 at most. */
static inline struct fe numerator(const struct point_sum *sum)
{
	struct fe square;

	if (sum->left != sum->right)
		return fe_sub(&sum->right->y, &sum->left->y, 2);
	square = fe_sqr(&sum->left->x);
	return fe_times(&square, 3);
}

void point_sums(const struct point_sum *sums, size_t cnt, struct point_step *steps)
{
	const struct fe zero = {{0}};

	for (size_t i = 0; i < cnt; i++) {
		const struct point *left = sums[i].left, *right = sums[i].right;
		steps[i].denominator = left == right ? fe_times(&left->y, 2) : fe_sub(&right->x, &left->x, 1);
	}
	invert_all(steps, cnt);
	for (size_t i = 0; i < cnt; i++) {
		struct fe slope = numerator(&sums[i]), term = fe_sub(&zero, &sums[i].left->x, 1), x;
		slope = fe_mul(&slope, &steps[i].inverse);
		term = fe_sub(&term, &sums[i].right->x, 1);
		x = fe_sqr_add(&slope, &term);
		struct fe across = fe_sub(&sums[i].left->x, &x, 1);
		term = fe_sub(&zero, &sums[i].left->y, 2);
		sums[i].out->y = fe_mul_add(&slope, &across, &term);
		sums[i].out->x = x;
		if (steps[i].zero)
			*sums[i].bad = true;
	}
}

/* --- Jacobian --- */

/* a = 3 X^2 and b = Y^2: X3 = a^2 - 8 X b, Y3 = a (4 X b - X3) - 8 b^2, Z3 = 2 Y Z. */
void point_double(struct point_jacobian *p)
{
	const struct fe zero = {{0}};
	struct fe a = fe_sqr(&p->x), b = fe_sqr(&p->y), xb = fe_mul(&p->x, &b), twice = fe_times(&p->y, 2), w, term;

	a = fe_times(&a, 3);
	p->z = fe_mul(&twice, &p->z);
	w = fe_times(&xb, 8);
	term = fe_sub(&zero, &w, 8);
	p->x = fe_sqr_add(&a, &term);
	w = fe_times(&xb, 4);
	w = fe_sub(&w, &p->x, 1);
	b = fe_sqr(&b);
	b = fe_times(&b, 8);
	term = fe_sub(&zero, &b, 8);
	p->y = fe_mul_add(&a, &w, &term);
}

/* h = x2 Z^2 - X, i = y2 Z^3 - Y: X3 = i^2 - h^3 - 2 X h^2, Y3 = i (X h^2 - X3) - Y h^3, Z3 = Z h. */
void point_add(struct point_jacobian *p, const struct point *q)
{
	const struct fe zero = {{0}};
	struct fe zz = fe_sqr(&p->z), zzz = fe_mul(&zz, &p->z), h = fe_mul(&q->x, &zz), i = fe_mul(&q->y, &zzz);
	struct fe hh, hhh, t, term, minus_y;

	h = fe_sub(&h, &p->x, 1);
	i = fe_sub(&i, &p->y, 1);
	hh = fe_sqr(&h);
	hhh = fe_mul(&h, &hh);
	t = fe_mul(&p->x, &hh);
	term = fe_times(&t, 2);
	term = fe_sub(&zero, &term, 2);
	term = fe_sub(&term, &hhh, 1);
	p->x = fe_sqr_add(&i, &term);
	t = fe_sub(&t, &p->x, 1);
	minus_y = fe_sub(&zero, &p->y, 1);
	p->y = fe_mul_add_mul(&i, &t, &minus_y, &hhh);
	p->z = fe_mul(&p->z, &h);
}

void point_to_affine(struct point out[], bool bad[], const struct point_jacobian in[], size_t cnt,
		     struct point_step *steps)
{
	for (size_t i = 0; i < cnt; i++)
		steps[i].denominator = in[i].z;
	invert_all(steps, cnt);
	for (size_t i = 0; i < cnt; i++) {
		struct fe square = fe_sqr(&steps[i].inverse), cube = fe_mul(&square, &steps[i].inverse);
		out[i].x = fe_mul(&in[i].x, &square);
		out[i].y = fe_mul(&in[i].y, &cube);
		bad[i] = steps[i].zero;
	}
}
