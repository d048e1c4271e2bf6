// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

const uint8_t *utf8_end(const uint8_t *at, const uint8_t *end)
{
	static const struct {
		uint8_t first, last, low, high; /* range of the first byte, and of the second one */
		uint8_t more;			/* bytes after the first */
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
		{0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3},
		{0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (*at < forms[i].first || *at > forms[i].last)
			continue;
		if (end - at <= forms[i].more || at[1] < forms[i].low || at[1] > forms[i].high)
			return NULL;
		for (unsigned k = 2; k <= forms[i].more; k++)
			if ((at[k] & 0xc0) != 0x80)
				return NULL;
		return at + 1 + forms[i].more;
	}
	return NULL;
}

unsigned utf8_put(uint8_t out[4], uint32_t point)
{
	if (point < 0x80) {
		out[0] = (uint8_t)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (uint8_t)(0xc0 | point >> 6);
		out[1] = (uint8_t)(0x80 | (point & 63));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (uint8_t)(0xe0 | point >> 12);
		out[1] = (uint8_t)(0x80 | (point >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (point & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | point >> 18);
	out[1] = (uint8_t)(0x80 | (point >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (point >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (point & 63));
	return 4;
}
