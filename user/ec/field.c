// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/field.h"

#include "ec/modinv.h"

VECTOR_BEGIN

/* The product of all lanes, in every lane, by three exchanges; one scalar inverse of it; and from that the inverse of
 * each lane, times the lanes that were multiplied to it on the way. */
void field_invert(struct fe8 *out, const struct fe8 *in)
{
	struct fe8 lane = *in, pair, quad, neighbour, other_pair, other_quad, all;
	uint64_t words[4], limbs[5];

	FIELD_EACH(i) neighbour.v[i] = vector_swap1(lane.v[i]);
	pair = field_mul(lane, neighbour);
	FIELD_EACH(i) other_pair.v[i] = vector_swap2(pair.v[i]);
	quad = field_mul(pair, other_pair);
	FIELD_EACH(i) other_quad.v[i] = vector_swap4(quad.v[i]);
	all = field_canonical(field_mul(quad, other_quad));

	FIELD_EACH(i) limbs[i] = all.v[i][0];
	words[0] = limbs[0] | limbs[1] << 52;
	words[1] = limbs[1] >> 12 | limbs[2] << 40;
	words[2] = limbs[2] >> 24 | limbs[3] << 28;
	words[3] = limbs[3] >> 36 | limbs[4] << 16;
	modinv(words, words, &modinv_p);
	all = field_set(words[0] & LIMB_MASK, (words[0] >> 52 | words[1] << 12) & LIMB_MASK,
			(words[1] >> 40 | words[2] << 24) & LIMB_MASK, (words[2] >> 28 | words[3] << 36) & LIMB_MASK,
			words[3] >> 16);
	*out = field_mul(field_mul(neighbour, other_pair), field_mul(other_quad, all));
}

/* a = b^(2^times) c of both vectors.  a may be b or c. */
static void power_pair(struct fe8 a[2], const struct fe8 b[2], int times, const struct fe8 c[2])
{
	struct fe8 first = b[0], second = b[1];

	for (int i = 0; i < times; i++) {
		first = field_sqr(first);
		second = field_sqr(second);
	}
	a[0] = field_mul(first, c[0]);
	a[1] = field_mul(second, c[1]);
}

/* (p + 1) / 4 in binary: 223 ones, 0, 22 ones, 0000, 11, 00.  onesN is the power whose exponent is N ones. */
void field_sqrt_pair(struct fe8 out[2], const struct fe8 in[2])
{
	struct fe8 ones2[2], ones3[2], ones22[2], ones44[2], a[2], b[2];

	power_pair(ones2, in, 1, in);
	power_pair(ones3, ones2, 1, in);
	power_pair(a, ones3, 3, ones3);		/* 6 */
	power_pair(a, a, 3, ones3);		/* 9 */
	power_pair(a, a, 2, ones2);		/* 11 */
	power_pair(ones22, a, 11, a);		/* 22 */
	power_pair(ones44, ones22, 22, ones22); /* 44 */
	power_pair(a, ones44, 44, ones44);	/* 88 */
	power_pair(b, a, 88, a);		/* 176 */
	power_pair(b, b, 44, ones44);		/* 220 */
	power_pair(b, b, 3, ones3);		/* 223 */
	power_pair(b, b, 23, ones22);
	power_pair(b, b, 6, ones2);
	for (int k = 0; k < 2; k++)
		out[k] = field_sqr(field_sqr(b[k]));
}

VECTOR_END

#endif
