// SPDX-License-Identifier: Apache-2.0
#include "base/addrtext.h"

#include "base/eip55.h"
#include "base/hex.h"

const char *addrtext_decode(uint8_t address[20], struct span text)
{
	static const uint8_t zero[20];
	char right[EIP55_BYTES];
	bool upper = false, lower = false;

	if (!hex_decode(address, 20, text))
		return "must be an address: 0x and 40 hexadecimal digits";
	if (memcmp(address, zero, sizeof zero) == 0)
		return "the zero address";
	for (size_t i = 2; i < text.bytes; i++) {
		upper |= text.at[i] >= 'A' && text.at[i] <= 'F';
		lower |= text.at[i] >= 'a' && text.at[i] <= 'f';
	}
	if (upper && lower && memcmp(eip55_encode(right, address) + 2, text.at + 2, 40) != 0)
		return "wrong EIP-55 checksum: mistyped?";
	return NULL;
}
