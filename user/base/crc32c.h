/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_CRC32C_H
#define TOLLBAR_BASE_CRC32C_H
/* crc32c.h: CRC-32C (Castagnoli; RFC 3720, 12.1): finds bytes that a disk lost or tore.  All errors of up to 32 bits in a
 * row, and all of up to three bits in what is shorter than 256 MiB, for certain; others but one in 2^32.  It is linear and
 * has no key: no protection against somebody who chooses the bytes.
 *
 * By the processor's own instruction where there is one (SSE 4.2), else by tables. */
#include <stddef.h>
#include <stdint.h>

/* sum: 0, or that of the bytes before these.  bytes may be NULL when n is 0. */
uint32_t crc32c(uint32_t sum, const void *bytes, size_t n);

#endif
