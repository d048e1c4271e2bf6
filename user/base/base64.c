// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of each character plus 1, so that whatever the table does not name is 0 and becomes 255: high bits set. */
static const uint8_t value_plus_1[256] = {
	['A'] = 1,  ['B'] = 2,	['C'] = 3,  ['D'] = 4,	['E'] = 5,  ['F'] = 6,	['G'] = 7,  ['H'] = 8,
	['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
	['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
	['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
	['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static inline uint32_t value(uint8_t character)
{
	return value_plus_1[character] - 1u;
}

/* Length without padding: "=" only ends a full group of four.  What is left of a wrong one is refused as a character. */
static size_t unpadded(struct span text)
{
	size_t bytes = text.bytes;

	if (bytes == 0 || bytes % 4 != 0 || text.at[bytes - 1] != '=')
		return bytes;
	return text.at[bytes - 2] == '=' ? bytes - 2 : bytes - 1;
}

/* The last two or three characters: one or two bytes, and the bits beyond them must be zero. */
static uint32_t decode_tail(uint8_t *out, const uint8_t *in, size_t tail)
{
	uint32_t a = value(in[0]), b = value(in[1]), c = tail == 3 ? value(in[2]) : 0;
	uint32_t group = a << 18 | b << 12 | c << 6;
	uint32_t stray = tail == 3 ? c & 3 : b & 15;

	out[0] = (uint8_t)(group >> 16);
	if (tail == 3)
		out[1] = (uint8_t)(group >> 8);
	return a | b | c | (stray != 0 ? 64u : 0u);
}

#ifdef __x86_64__
/* Sixteen characters to twelve bytes at a time, while 24 are left: each step writes sixteen bytes.  Stops in front of a
 * character that is none of the alphabet's, which the plain loop then finds.  Returns the number of characters done. */
__attribute__((target("ssse3"))) static size_t decode_sixteens(uint8_t *out, const uint8_t *in, size_t in_bytes)
{
	/* The alphabet by rows of the ASCII table (high half of the byte).  class_of: + and / are in row 2 (class 1), the
	 * digits in 3 (2), letters in 4 and 6 from column 1 (4), in 5 and 7 to column 10 (8); all else is class 16.
	 * wrong_in: the classes that have no character in this column. */
	const __m128i class_of = _mm_setr_epi8(16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16);
	const __m128i wrong_in = _mm_setr_epi8(21, 17, 17, 17, 17, 17, 17, 17, 17, 17, 19, 26, 27, 27, 27, 26);
	/* value - character, by row; row 1 stands for '/', which shares row 2 with '+' */
	const __m128i offset_of =
		_mm_setr_epi8(0, 63 - '/', 62 - '+', 52 - '0', -'A', -'A', 26 - 'a', 26 - 'a', 0, 0, 0, 0, 0, 0, 0, 0);
	const __m128i bytes_of = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
	const __m128i half = _mm_set1_epi8(15);
	size_t done = 0;

	for (; in_bytes - done >= 24; done += 16, out += 12) {
		__m128i text = _mm_loadu_si128((const __m128i *)(const void *)(in + done));
		__m128i row = _mm_and_si128(_mm_srli_epi32(text, 4), half), column = _mm_and_si128(text, half);
		__m128i wrong = _mm_and_si128(_mm_shuffle_epi8(class_of, row), _mm_shuffle_epi8(wrong_in, column));
		if (_mm_movemask_epi8(_mm_cmpeq_epi8(wrong, _mm_setzero_si128())) != 0xffff)
			break;
		row = _mm_add_epi8(row, _mm_cmpeq_epi8(text, _mm_set1_epi8('/')));
		__m128i six = _mm_add_epi8(text, _mm_shuffle_epi8(offset_of, row));
		__m128i twelve = _mm_maddubs_epi16(six, _mm_set1_epi32(0x01400140)); /* first * 64 + second */
		__m128i group = _mm_madd_epi16(twelve, _mm_set1_epi32(0x00011000));  /* first * 4096 + second */
		_mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(group, bytes_of));
	}
	return done;
}
#endif

ssize_t base64_decode(uint8_t *out, size_t out_bytes, struct span text)
{
	size_t in_bytes = unpadded(text), tail = in_bytes % 4;
	size_t bytes = in_bytes / 4 * 3 + (tail == 0 ? 0 : tail - 1);
	size_t groups = in_bytes / 4;
	const uint8_t *in = text.at;
	uint32_t seen = 0;

	if (tail == 1 || bytes > out_bytes)
		return -1;
#ifdef __x86_64__
	if (in_bytes >= 24 && __builtin_cpu_supports("ssse3")) {
		size_t done = decode_sixteens(out, in, in_bytes);
		groups -= done / 4;
		in += done;
		out += done / 4 * 3;
	}
#endif
	for (; groups > 0; groups--, in += 4, out += 3) {
		uint32_t a = value(in[0]), b = value(in[1]), c = value(in[2]), d = value(in[3]);
		uint32_t group = a << 18 | b << 12 | c << 6 | d;
		seen |= a | b | c | d;
		out[0] = (uint8_t)(group >> 16);
		out[1] = (uint8_t)(group >> 8);
		out[2] = (uint8_t)group;
	}
	if (tail != 0)
		seen |= decode_tail(out, in, tail);
	return seen < 64 ? (ssize_t)bytes : -1;
}

size_t base64_encode(char *out, struct span in)
{
	char *start = out;

	for (size_t i = 0; i < in.bytes; i += 3) {
		size_t have = in.bytes - i < 3 ? in.bytes - i : 3;
		uint32_t group = (uint32_t)in.at[i] << 16;
		if (have > 1)
			group |= (uint32_t)in.at[i + 1] << 8;
		if (have > 2)
			group |= in.at[i + 2];
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = have > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = have > 2 ? alphabet[group & 63] : '=';
	}
	*out = 0;
	return (size_t)(out - start);
}
