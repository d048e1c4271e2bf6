// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/signature.h"

#include "ec/row.h"

VECTOR_BEGIN

#define ORDER u256x8_set(0x25e8cd0364141, 0xe6af48a03bbfd, 0xffffffebaaedc, 0xfffffffffffff, 0xffffffffffff) /* n */
#define HALF_ORDER_UP \
	u256x8_set(0x92f46681b20a1, 0x7357a4501ddfe, 0xfffffff5d576e, 0xfffffffffffff, 0x7fffffffffff) /* n / 2, up */
#define PRIME_LESS_ORDER u256x8_set(0xda1722fc9baee, 0x1950b75fc4402, 0x1455123, 0, 0)		       /* p - n */

/* Lanes in [1, limit). */
static mask8 in_range(struct u256x8 a, struct u256x8 limit)
{
	return u256x8_below(a, limit) & (mask8)~u256x8_zero(a);
}

void signature_read(struct signature8 *out, struct ec_item *const items[], size_t cnt)
{
	const uint8_t *digests[LANES], *signatures[LANES];
	mask8 valid = 0, odd = 0, high = 0;
	struct u256x8 more;
	u64x8 words[8];

	for (unsigned i = 0; i < LANES; i++) {
		const struct ec_item *item = items[i < cnt ? i : 0];
		unsigned id = item->recovery_id;
		digests[i] = item->digest;
		signatures[i] = item->signature;
		valid |= (mask8)((i < cnt && id < 4) << i);
		odd |= (mask8)((id & 1) << i);
		high |= (mask8)((id >> 1 & 1) << i);
	}
	row_load_bytes(words, signatures, 64);
	out->r = row_number(words);
	out->s = row_number(words + 4);
	row_load_bytes(words, digests, 32);
	out->z = row_number(words);

	valid &= in_range(out->r, ORDER) & in_range(out->s, HALF_ORDER_UP);
	valid &= (mask8)(~high | u256x8_below(out->r, PRIME_LESS_ORDER));
	out->formed = valid;
	out->odd = odd;
	out->r = u256x8_select(valid, U256X8_ONE, out->r);
	out->s = u256x8_select(valid, U256X8_ONE, out->s);
	out->z = u256x8_select(valid, u256x8_set(2, 0, 0, 0, 0), out->z);
	more = ORDER;
	EACH_LIMB(i) more.v[i] += out->r.v[i];
	out->x = u256x8_select(high & valid, out->r, u256x8_carry(more));
}

VECTOR_END

#endif
