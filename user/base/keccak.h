/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_KECCAK_H
#define TOLLBAR_BASE_KECCAK_H
/* keccak.h: Keccak-256 as Ethereum uses it: the submission of 2011 with 0x01 padding, not FIPS 202's SHA3-256 (0x06).
 * Source: The Keccak reference, version 3.0.  Oracle in the tests: nettle. */
#include <stddef.h>
#include <stdint.h>

/* in is not NULL, also when bytes is 0. */
void keccak256(uint8_t out[32], const void *in, size_t bytes);

#endif
