// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/field.h"

#include "ec/modinv.h"

VECTOR_BEGIN

/* One scalar inverse of all lanes' product; the other lanes' product times that is what is left of it. */
void field_invert(struct u256x8 *out, const struct u256x8 *in)
{
	struct u256x8 others, all = field_canonical_rough(u256x8_product(&others, *in, field_mul_rough));
	u64x8 words[4];
	uint64_t inverse[4];

	u256x8_to_words(words, all);
	for (int i = 0; i < 4; i++)
		inverse[i] = words[i][0];
	modinv(inverse, inverse, &modinv_p);
	for (int i = 0; i < 4; i++)
		words[i] = vector_set(inverse[i]);
	*out = field_mul(others, u256x8_from_words(words));
}

/* a = b^(2^times) c of both vectors.  All rough; a may be b or c. */
static void power_pair(struct u256x8 a[2], const struct u256x8 b[2], int times, const struct u256x8 c[2])
{
	struct u256x8 first = b[0], second = b[1];

	for (int i = 0; i < times; i++) {
		first = field_sqr_rough(first);
		second = field_sqr_rough(second);
	}
	a[0] = field_mul_rough(first, c[0]);
	a[1] = field_mul_rough(second, c[1]);
}

/* (p + 1) / 4 in binary: 223 ones, 0, 22 ones, 0000, 11, 00.  onesN is the power whose exponent is N ones. */
void field_sqrt_pair(struct u256x8 out[2], const struct u256x8 in[2])
{
	struct u256x8 ones2[2], ones3[2], ones22[2], ones44[2], a[2], b[2];

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
		out[k] = field_sqr(field_sqr_rough(b[k]));
}

VECTOR_END

#endif
