// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/jacobian.h"

#include "base/assert.h"

VECTOR_BEGIN

void jacobian_to_affine(struct point8 out[], mask8 exceptional[], const struct jacobian8 in[], size_t cnt)
{
	struct u256x8 z[JACOBIAN_MANY], before[JACOBIAN_MANY], product = U256X8_ONE, back;

	ASSERT(cnt >= 1 && cnt <= JACOBIAN_MANY);
	for (size_t i = 0; i < cnt; i++) {
		exceptional[i] = u256x8_zero(field_canonical_rough(in[i].z));
		z[i] = u256x8_select(exceptional[i], in[i].z, U256X8_ONE);
		before[i] = product;
		product = field_mul_rough(product, z[i]);
	}
	field_invert(&back, &product);
	for (size_t i = cnt; i-- > 0;) {
		struct u256x8 inverse = field_mul_rough(back, before[i]), square = field_sqr_rough(inverse);
		back = field_mul_rough(back, z[i]);
		out[i].x = field_mul(in[i].x, square);
		out[i].y = field_mul(in[i].y, field_mul_rough(square, inverse));
	}
}

VECTOR_END

#endif
