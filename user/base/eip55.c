// SPDX-License-Identifier: Apache-2.0
/* eip55.c: see eip55.h. */
#include "base/eip55.h"

#include "base/hex.h"
#include "base/keccak.h"

char *eip55_encode(char out[EIP55_BYTES], const uint8_t address[20])
{
	uint8_t hash[32];

	hex_encode(out, address, 20);
	keccak256(hash, out + 2, 40);
	for (unsigned i = 0; i < 40; i++) {
		unsigned nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15;

		if (nibble >= 8 && out[i + 2] >= 'a')
			out[i + 2] = (char)(out[i + 2] - 'a' + 'A');
	}
	return out;
}
