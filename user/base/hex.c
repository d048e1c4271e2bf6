// SPDX-License-Identifier: Apache-2.0
#include "base/hex.h"

/* Value of a digit, or 16 and above for everything else. */
static unsigned nibble(uint8_t digit)
{
	unsigned decimal = digit - (unsigned)'0';
	unsigned letter = (digit | 0x20u) - (unsigned)'a';

	if (decimal < 10)
		return decimal;
	return letter < 6 ? letter + 10 : 16;
}

bool hex_digits(uint8_t *out, size_t bytes, struct span text)
{
	unsigned seen = 0;

	if (text.bytes % 2 != 0 || text.bytes / 2 != bytes)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		unsigned high = nibble(text.at[2 * i]), low = nibble(text.at[2 * i + 1]);
		seen |= high | low;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return seen < 16;
}

bool hex_decode(uint8_t *out, size_t bytes, struct span text)
{
	if (text.bytes < 2 || text.at[0] != '0' || text.at[1] != 'x')
		return false;
	return hex_digits(out, bytes, span_of(text.at + 2, text.bytes - 2));
}

char *hex_encode(char *out, const uint8_t *at, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	out[0] = '0';
	out[1] = 'x';
	for (size_t i = 0; i < bytes; i++) {
		out[2 + 2 * i] = digits[at[i] >> 4];
		out[3 + 2 * i] = digits[at[i] & 15];
	}
	out[2 + 2 * bytes] = 0;
	return out;
}
