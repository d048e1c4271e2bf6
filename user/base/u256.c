// SPDX-License-Identifier: Apache-2.0
#include "base/u256.h"

#include <endian.h>

#define LIMBS 4
#define CHUNK_DIGITS 19 /* 10^19 is the largest power of ten below 2^64 */

static const uint64_t ten_to[CHUNK_DIGITS + 1] = {
	1u,
	10u,
	100u,
	1000u,
	10000u,
	100000u,
	1000000u,
	10000000u,
	100000000u,
	1000000000u,
	10000000000u,
	100000000000u,
	1000000000000u,
	10000000000000u,
	100000000000000u,
	1000000000000000u,
	10000000000000000u,
	100000000000000000u,
	1000000000000000000u,
	10000000000000000000u,
};

/* Limbs are little-endian: limb[0] is the lowest. */
static void from_limbs(uint8_t out[32], const uint64_t limb[LIMBS])
{
	for (unsigned i = 0; i < LIMBS; i++) {
		uint64_t big = htobe64(limb[LIMBS - 1 - i]);
		memcpy(out + 8 * i, &big, 8);
	}
}

static void to_limbs(uint64_t limb[LIMBS], const uint8_t number[32])
{
	for (unsigned i = 0; i < LIMBS; i++) {
		uint64_t big;
		memcpy(&big, number + 8 * i, 8);
		limb[LIMBS - 1 - i] = be64toh(big);
	}
}

/* limb = limb * factor + carry; what does not fit is returned. */
static uint64_t multiply_add(uint64_t limb[LIMBS], uint64_t factor, uint64_t carry)
{
	for (unsigned i = 0; i < LIMBS; i++) {
		unsigned __int128 product = (unsigned __int128)limb[i] * factor + carry;
		limb[i] = (uint64_t)product;
		carry = (uint64_t)(product >> 64);
	}
	return carry;
}

bool u256_decimal(uint8_t out[32], struct span text)
{
	uint64_t limb[LIMBS] = {0};
	size_t left = text.bytes;
	const uint8_t *at = text.at;

	if (left == 0 || left >= U256_DECIMAL_BYTES || (at[0] == '0' && left > 1))
		return false;
	while (left > 0) {
		size_t digits = left < CHUNK_DIGITS ? left : CHUNK_DIGITS;
		uint64_t chunk = 0;
		for (size_t i = 0; i < digits; i++, at++) {
			unsigned digit = *at - (unsigned)'0';
			if (digit > 9)
				return false;
			chunk = chunk * 10 + digit;
		}
		if (multiply_add(limb, ten_to[digits], chunk) != 0)
			return false;
		left -= digits;
	}
	from_limbs(out, limb);
	return true;
}

void u256_from_u64(uint8_t out[32], uint64_t number)
{
	from_limbs(out, (uint64_t[LIMBS]){number});
}

void u256_from_u128(uint8_t out[32], unsigned __int128 number)
{
	from_limbs(out, (uint64_t[LIMBS]){(uint64_t)number, (uint64_t)(number >> 64)});
}

bool u256_to_u128(unsigned __int128 *out, const uint8_t number[32])
{
	uint64_t limb[LIMBS];

	to_limbs(limb, number);
	*out = (unsigned __int128)limb[1] << 64 | limb[0];
	return (limb[2] | limb[3]) == 0;
}

bool u256_add(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
	uint64_t x[LIMBS], y[LIMBS];
	unsigned __int128 carry = 0;

	to_limbs(x, a);
	to_limbs(y, b);
	for (unsigned i = 0; i < LIMBS; i++) {
		carry += (unsigned __int128)x[i] + y[i];
		x[i] = (uint64_t)carry;
		carry >>= 64;
	}
	from_limbs(out, x);
	return carry != 0;
}

void u256_sub(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
	uint64_t x[LIMBS], y[LIMBS];
	uint64_t borrow = 0;

	to_limbs(x, a);
	to_limbs(y, b);
	for (unsigned i = 0; i < LIMBS; i++) {
		unsigned __int128 less = (unsigned __int128)y[i] + borrow;
		borrow = x[i] < less;
		x[i] = (uint64_t)(x[i] - less);
	}
	from_limbs(out, x);
}

/* limb = limb / divisor; the remainder is returned. */
static uint64_t divide(uint64_t limb[LIMBS], uint64_t divisor)
{
	uint64_t rest = 0;

	for (unsigned i = LIMBS; i-- > 0;) {
		unsigned __int128 part = (unsigned __int128)rest << 64 | limb[i];
		limb[i] = (uint64_t)(part / divisor);
		rest = (uint64_t)(part % divisor);
	}
	return rest;
}

void u256_tenth(uint8_t out[32], const uint8_t number[32])
{
	uint64_t limb[LIMBS];

	to_limbs(limb, number);
	bool up = divide(limb, 10) != 0;
	for (unsigned i = 0; i < LIMBS && up; i++)
		up = ++limb[i] == 0;
	from_limbs(out, limb);
}

size_t u256_print(char out[U256_DECIMAL_BYTES], const uint8_t number[32])
{
	char digits[5 * CHUNK_DIGITS]; /* filled from the end: 95 places for at most 78 digits */
	uint64_t limb[LIMBS];
	size_t first = sizeof(digits), cnt;

	to_limbs(limb, number);
	while ((limb[0] | limb[1] | limb[2] | limb[3]) != 0) {
		uint64_t chunk = divide(limb, ten_to[CHUNK_DIGITS]);
		for (unsigned i = 0; i < CHUNK_DIGITS; i++, chunk /= 10)
			digits[--first] = (char)('0' + chunk % 10);
	}
	while (first < sizeof(digits) && digits[first] == '0')
		first++;
	if (first == sizeof(digits))
		digits[--first] = '0';
	cnt = sizeof(digits) - first;
	memcpy(out, digits + first, cnt);
	out[cnt] = 0;
	return cnt;
}
