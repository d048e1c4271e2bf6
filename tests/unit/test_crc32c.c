// SPDX-License-Identifier: Apache-2.0
/* test_crc32c.c: RFC 3720's vectors, and both ways against the definition, bit by bit. */
#include "../../user/base/crc32c.c"

#include <time.h>

#include "check.h"
#include "guard.h"

/* What it is: the remainder of a division, one bit after the other. */
static uint32_t by_bits(uint32_t rest, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n * 8; i++)
		rest = rest >> 1 ^ (((rest ^ (uint32_t)(at[i / 8] >> i % 8)) & 1) != 0 ? POLYNOMIAL : 0);
	return rest;
}

static unsigned seed;

static void fill(uint8_t *at, size_t n)
{
	if (seed == 0) {
		seed = (unsigned)time(NULL);
		printf("seed %u\n", seed);
	}
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)rand_r(&seed);
}

typedef uint32_t way(uint32_t rest, const uint8_t *at, size_t n);

/* Each way this machine has. */
static size_t all_ways(way *ways[3])
{
	size_t cnt = 0;

	ways[cnt++] = by_bits;
	ways[cnt++] = by_table;
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		ways[cnt++] = by_instruction;
#endif
	return cnt;
}

/* RFC 3720, B.4: the sums as they are sent. */
TEST(crc32c_vectors)
{
	static const uint8_t read_command[48] = {
		[0] = 1, [1] = 0xc0, [16] = 0x14, [22] = 4, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 2};
	uint8_t bytes[5][48];
	struct {
		const char *name;
		const uint8_t *at;
		size_t n;
		uint8_t sent[4];
	} rows[] = {
		{"zeros", bytes[0], 32, {0xaa, 0x36, 0x91, 0x8a}},
		{"ones", bytes[1], 32, {0x43, 0xab, 0xa8, 0x62}},
		{"up", bytes[2], 32, {0x4e, 0x79, 0xdd, 0x46}},
		{"down", bytes[3], 32, {0x5c, 0xdb, 0x3f, 0x11}},
		{"read command", read_command, 48, {0x56, 0x3a, 0x96, 0xd9}},
		{"digits", (const uint8_t *)"123456789", 9, {0x83, 0x92, 0x06, 0xe3}},
	};
	way *ways[3];

	memset(bytes[0], 0, 32);
	memset(bytes[1], 0xff, 32);
	for (uint8_t i = 0; i < 32; i++) {
		bytes[2][i] = i;
		bytes[3][i] = (uint8_t)(31 - i);
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint32_t want = rows[i].sent[0] | (uint32_t)rows[i].sent[1] << 8 | (uint32_t)rows[i].sent[2] << 16 |
				(uint32_t)rows[i].sent[3] << 24;
		CHECK_ROW(crc32c(0, rows[i].at, rows[i].n) == want, rows[i].name);
		for (size_t j = all_ways(ways); j-- > 0;)
			CHECK_ROW(~ways[j](~0u, rows[i].at, rows[i].n) == want, rows[i].name);
	}
}

/* Every length around the lanes' joints, from every offset in a word, and not a byte further. */
TEST(crc32c_ways_agree_at_every_length)
{
	static uint8_t bytes[1500];
	uint32_t from;
	way *ways[3];
	size_t cnt = all_ways(ways);

	fill(bytes, sizeof bytes);
	memcpy(&from, bytes, sizeof from);
	for (size_t n = 0; n <= sizeof bytes - 8; n++) {
		struct guard guard;
		struct span copy = guard_copy(&guard, bytes + n % 8, n);
		uint32_t want = by_bits(from, copy.at, n);
		for (size_t i = 1; i < cnt; i++)
			CHECK(ways[i](from, copy.at, n) == want);
		guard_free(&guard);
	}
}

/* A sum goes on where another ended, wherever that was. */
TEST(crc32c_in_pieces)
{
	static uint8_t bytes[1111];

	fill(bytes, sizeof bytes);
	uint32_t whole = crc32c(0, bytes, sizeof bytes);
	for (size_t cut = 0; cut <= sizeof bytes; cut++)
		CHECK(crc32c(crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut) == whole);
	CHECK_EQ(crc32c(0, NULL, 0), 0);
	CHECK_EQ(crc32c(whole, NULL, 0), whole);
}

/* What crc32c.h promises of short errors, where an error is easiest to miss: at the ends and at the joints. */
TEST(crc32c_bursts_are_found)
{
	static uint8_t bytes[1000], broken[1000];
	static const size_t places[] = {0, 1, 159, 160, 319, 320, 479, 480, 959, 960, 995};

	fill(bytes, sizeof bytes);
	uint32_t whole = crc32c(0, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof places / sizeof *places * 64; i++) {
		size_t place = places[i / 64];
		uint8_t burst[4];
		fill(burst, sizeof burst);
		if (i % 64 < 32) { /* the first of them each single bit */
			memset(burst, 0, sizeof burst);
			burst[i % 32 / 8] = (uint8_t)(1 << i % 8);
		}
		memcpy(broken, bytes, sizeof bytes);
		for (size_t j = 0; j < sizeof burst; j++)
			broken[place + j] ^= burst[j];
		CHECK(memcmp(broken, bytes, sizeof bytes) == 0 || crc32c(0, broken, sizeof broken) != whole);
	}
}

CHECK_MAIN
