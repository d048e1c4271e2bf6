/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_KECCAK8_H
#define TOLLBAR_EC_KECCAK8_H
/* keccak8.h: eight Keccak-256 hashes side by side (base/keccak.h says which Keccak), a state in each lane.
 * Needs ec_supported(). */
#include <stddef.h>
#include <stdint.h>

/* out[i] = the hash of bytes[i] at in[i], cnt 1 to 8 of them.  It takes as long as the longest; in[i] is not NULL. */
void keccak256_x8(uint8_t (*out)[32], const void *const in[], const size_t bytes[], size_t cnt);

#ifdef __x86_64__
#include "ec/vector.h"

VECTOR_BEGIN

/* The 24 rounds, in every lane. */
void keccak8_permute(u64x8 state[25]);

VECTOR_END
#endif

#endif
