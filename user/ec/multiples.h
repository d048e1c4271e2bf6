/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_MULTIPLES_H
#define TOLLBAR_EC_MULTIPLES_H
/* multiples.h: the odd multiples P, 3 P, 5 P, ... of a point, in rounds of sums that many points share (affine.h).
 *
 *   round 1   D = 2 P
 *   round 2   3 P = P + D;                D = 4 P
 *   round 3   5 P, 7 P = {1, 3} P + D;    D = 8 P
 *   ...       each doubles how many there are
 *
 * After round w there are 2^(w - 1), what a window of w needs.  None of the sums is exceptional: they are of different small
 * multiples of a point whose order is prime and large. */
#ifdef __x86_64__
#include <stdbool.h>

#include "ec/affine.h"

struct multiples {
	struct point8 *odd;	/* odd[i] = (2 i + 1) P; odd[0] is given */
	struct point8 twice[2]; /* D of even and of odd rounds: one is read while the other is written */
};

VECTOR_BEGIN

/* Appends the sums of a round (from 1) and returns how many.  last: D is not needed afterwards. */
static inline size_t multiples_round(struct sum *sums, struct multiples *of, unsigned round, bool last, uint8_t *bad)
{
	struct point8 *from = &of->twice[(round - 1) % 2], *to = &of->twice[round % 2];
	size_t cnt = 0, have = round > 1 ? (size_t)1 << (round - 2) : 0;

	for (size_t i = 0; i < have; i++)
		sums[cnt++] = (struct sum){&of->odd[i], from, &of->odd[have + i], bad};
	if (!last)
		sums[cnt++] = round == 1 ? (struct sum){of->odd, of->odd, to, bad} : (struct sum){from, from, to, bad};
	return cnt;
}

VECTOR_END

#endif
#endif
