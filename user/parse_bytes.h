/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PARSE_BYTES_H
#define TOLLBAR_PARSE_BYTES_H
/* parse_bytes.h: classes of bytes (RFC 9110 5.6.2, 5.5) and the fast search the parsers share. */
#include <stdbool.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CLASS_TOKEN 1  /* tchar: letters, digits and !#$%&'*+-.^_`|~ */
#define CLASS_TARGET 2 /* 0x21..0x7e but '#' */
#define CLASS_HOST 4   /* letters, digits and -._~%:[] */
#define CLASS_HEX 8

#define T CLASS_TOKEN
#define G CLASS_TARGET
#define H CLASS_HOST
#define X CLASS_HEX
static const uint8_t byte_class[256] = {
	['!'] = T | G,
	['"'] = G,
	['#'] = T,
	['$' ... '\''] = T | G,
	['('] = G,
	[')'] = G,
	['*'] = T | G,
	['+'] = T | G,
	[','] = G,
	['-'] = T | G | H,
	['.'] = T | G | H,
	['/'] = G,
	['0' ... '9'] = T | G | H | X,
	[':'] = G | H,
	[';' ... '@'] = G,
	['A' ... 'F'] = T | G | H | X,
	['G' ... 'Z'] = T | G | H,
	['['] = G | H,
	['\\'] = G,
	[']'] = G | H,
	['^'] = T | G,
	['_'] = T | G | H,
	['`'] = T | G,
	['a' ... 'f'] = T | G | H | X,
	['g' ... 'z'] = T | G | H,
	['{'] = G,
	['|'] = T | G,
	['}'] = G,
	['~'] = T | G | H,
};
#undef T
#undef G
#undef H
#undef X

static inline bool byte_is(uint8_t byte, uint8_t class)
{
	return (byte_class[byte] & class) != 0;
}

/* 0x00..0x1f but the tab, and DEL: what no field value may hold, and what ends a line. */
static inline bool byte_is_control(uint8_t byte)
{
	return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/* The first control byte in [at, end), or end. */
static inline const uint8_t *find_control(const uint8_t *at, const uint8_t *end)
{
#ifdef __SSE2__
	const __m128i low = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);

	for (; end - at >= 16; at += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i below = _mm_andnot_si128(_mm_cmpeq_epi8(x, tab), _mm_cmpeq_epi8(_mm_min_epu8(x, low), x));
		int hits = _mm_movemask_epi8(_mm_or_si128(below, _mm_cmpeq_epi8(x, del)));
		if (hits != 0)
			return at + __builtin_ctz((unsigned)hits);
	}
#endif
	while (at < end && !byte_is_control(*at))
		at++;
	return at;
}

#endif
