// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.c"

#include "check.h"

/* Key 00 01 .. 0f, input 00 01 .. (n-1): SipHash-2-4 reference vectors (Aumasson, Bernstein), bytes little-endian. */
static const struct {
	size_t n;
	uint64_t want;
} vectors[] = {
	{0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {2, 0x0d6c8009d9a94f5a},
	{3, 0x85676696d7fb7e2d},  {7, 0xab0200f58b01d137},  {8, 0x93f5f5799a932462},
	{15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb}, {63, 0x958a324ceb064572},
};

TEST(vectors)
{
	uint8_t key[16], input[64];

	for (size_t i = 0; i < sizeof input; i++)
		input[i] = (uint8_t)i;
	memcpy(key, input, sizeof key);
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		CHECK_EQ(siphash(key, input, vectors[i].n), vectors[i].want);
	CHECK_EQ(siphash(key, NULL, 0), vectors[0].want);
}

TEST(every_key_bit_and_length_counts)
{
	uint8_t key[16] = {0}, zeros[32] = {0};
	uint64_t before = siphash(key, zeros, sizeof zeros);

	for (unsigned bit = 0; bit < 128; bit++) {
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(siphash(key, zeros, sizeof zeros) != before);
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < sizeof zeros; n++)
		CHECK(siphash(key, zeros, n) != before);
}

CHECK_MAIN
