/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_SIGNATURE_H
#define TOLLBAR_EC_SIGNATURE_H
/* signature.h: the bytes of up to eight items as numbers, and what can be said of them before any arithmetic. */
#ifdef __x86_64__
#include "ec/ec.h"
#include "ec/u256x8.h"

struct signature8 {
	struct u256x8 r, s; /* 1 where they are out of range */
	struct u256x8 z;    /* the digest, below 2^256; 2 where r or s is out of range */
	struct u256x8 x;    /* of R: r, or r + n */
	mask8 formed;	    /* lanes with an item whose r, s, recovery id and x are in range; s <= n / 2 */
	mask8 odd;	    /* R's y is */
};

VECTOR_BEGIN

/* cnt is 1 to 8; lanes above have no item and harmless numbers. */
void signature_read(struct signature8 *out, struct ec_item *const items[], size_t cnt);

VECTOR_END

#endif
#endif
