/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_EIP55_H
#define TOLLBAR_BASE_EIP55_H
/* eip55.h: an Ethereum address with its checksum in the case of the letters, as wallets and explorers show it.
 * Source: EIP-55. */
#include <stdint.h>

#define EIP55_BYTES 43 /* "0x", 40 digits, final zero */

/* Returns out. */
char *eip55_encode(char out[EIP55_BYTES], const uint8_t address[20]);

#endif
