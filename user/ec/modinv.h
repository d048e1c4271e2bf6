/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_MODINV_H
#define TOLLBAR_EC_MODINV_H
/* modinv.h: one inverse modulo an odd 256-bit prime, plain C.  The vectors multiply many numbers together, so that one
 * inverse serves a whole batch; what it takes (about a microsecond) is the fixed price of a round.
 *
 * Source: D. J. Bernstein and B.-Y. Yang, "Fast constant-time gcd computation and modular inversion" (2019): division
 * steps on the low 62 bits, 62 at a time, collected in a 2 × 2 matrix.  Variable time: several steps are taken at once. */
#include <stdint.h>

struct modulus {
	int64_t limb[5];  /* 62 bits each, the last one 8 */
	uint64_t inverse; /* of the modulus, mod 2^62 */
};

extern const struct modulus modinv_p, modinv_n; /* of the curve's field, and its group's order */

/* Words of 64 bits, least significant first.  in is in [1, modulus - 1]; out may be in. */
void modinv(uint64_t out[4], const uint64_t in[4], const struct modulus *modulus);

#endif
