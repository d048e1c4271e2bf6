/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_MODN_H
#define TOLLBAR_EC_MODN_H
/* modn.h: one number mod the group order n, and what turns it into table look-ups, in plain C: scalar.h has the mathematics, for
 * the lanes.  Words: four of 64 bits, least significant first.
 *
 * Products are Montgomery's with 2^256: mul(a, b) = a b / 2^256.  A number "times 2^256" is one kept that way, so that
 * mul(plain, times 2^256) is plain. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct modn {
	uint64_t w[4];
};

/* The two halves of a scalar, 129 bits in three words. */
struct modn_halves {
	uint64_t word[2][3];
};

extern const struct modn modn_order; /* n */

/* 32 bytes big-endian; any number below 2^256. */
struct modn modn_read(const uint8_t bytes[32]);
bool modn_is_zero(const struct modn *a);
bool modn_below(const struct modn *a, const struct modn *b); /* a < b, as they stand: nothing is taken mod n */

/* a b / 2^256 in [0, n), from any a below 2^256 and b in [0, n). */
struct modn modn_mul(const struct modn *a, const struct modn *b);

/* half[i] = 2^256 / (2 a[i]) mod n; a[i] in [1, n - 1], cnt at least 1.  One inverse for all. */
void modn_invert_half(struct modn half[], const struct modn a[], size_t cnt);

/* From u / 2 in [0, n) to the halves whose signed digits make up u, for a window of 4 to 8, or 13. */
void modn_split(struct modn_halves *out, const struct modn *half_u, unsigned window);

/* How many windows a half has: ceil(129 / window). */
static inline unsigned modn_positions(unsigned window)
{
	return (129 + window - 1) / window;
}

/* Which row of a position, 0 for the point itself, 1 for three times it, ...; negative: it is subtracted. */
static inline unsigned modn_row(bool *negative, const uint64_t word[3], unsigned position, unsigned window)
{
	unsigned bit = position * window, low = bit % 64, half = 1u << (window - 1);
	uint64_t group = word[bit / 64] >> low;

	if (low + window > 64 && bit / 64 < 2)
		group |= word[bit / 64 + 1] << (64 - low);
	*negative = (group & half) == 0;
	return (unsigned)(*negative ? ~group : group) & (half - 1);
}

#endif
