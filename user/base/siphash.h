/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_SIPHASH_H
#define TOLLBAR_BASE_SIPHASH_H
/* siphash.h: SipHash-2-4, a keyed hash for tables whose keys strangers choose: without the key nobody can aim at one
 * bucket.  Not a MAC for anything that leaves the process. */
#include <stddef.h>
#include <stdint.h>

/* key: 16 random bytes, drawn once per table.  bytes may be NULL when n is 0. */
uint64_t siphash(const uint8_t key[16], const void *bytes, size_t n);

#endif
