/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_KECCAK8_H
#define TOLLBAR_EC_KECCAK8_H
/* keccak8.h: many Keccak-256 hashes (base/keccak.h says which Keccak), eight side by side where the CPU has AVX-512 F and BW, a
 * state in each lane. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keccak8_item {
	const void *in; /* not NULL */
	size_t bytes;
	uint8_t *out; /* 32 bytes; may be in its own input, in no other's */
};

/* Hashes all.  Eight take as long as the longest of them, which is less than two one by one. */
void keccak8_many(const struct keccak8_item items[], size_t cnt);

bool keccak8_supported(void);

#ifdef __x86_64__
#include "ec/vector.h"

VECTOR_BEGIN_BASIC

/* The permutation that ends a hash, in every lane.  Needs keccak8_supported(). */
void keccak8_finish(u64x8 hash[4], const u64x8 state[25]);

VECTOR_END
#endif

#endif
