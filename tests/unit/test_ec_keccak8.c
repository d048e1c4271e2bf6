// SPDX-License-Identifier: Apache-2.0
/* The oracle is base/keccak.c, which test_keccak.c compares with nettle. */
#include "ec/keccak8.c"

#include "base/keccak.h"
#include "check.h"
#include "ec/ec.h"
#include "guard.h"
#include "random.h"

#define BYTES_MAX (4 * 136 + 1)

#define NEED_CPU                                       \
	do {                                           \
		if (!ec_supported())                   \
			CHECK_SKIP("no AVX-512 IFMA"); \
	} while (0)

/* Inputs of these lengths, each against its own guard page. */
static void check_lengths(const size_t bytes[8], size_t cnt)
{
	uint8_t in[BYTES_MAX], want[8][32], out[8][32];
	const void *at[8];
	struct guard guard[8];

	for (size_t i = 0; i < cnt; i++) {
		random_bytes(in, bytes[i]);
		keccak256(want[i], in, bytes[i]);
		at[i] = guard_copy(&guard[i], in, bytes[i]).at;
	}
	memset(out, 0x5a, sizeof(out));
	keccak256_x8(out, at, bytes, cnt);
	for (size_t i = 0; i < 8; i++) {
		if (i >= cnt)
			memset(want[i], 0x5a, 32);
		CHECK_BYTES(out[i], want[i], 32);
	}
	for (size_t i = 0; i < cnt; i++)
		guard_free(&guard[i]);
}

TEST(every_length_in_every_lane)
{
	NEED_CPU;
	random_start("keccak8");
	for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
		size_t same[8];
		for (size_t i = 0; i < 8; i++)
			same[i] = bytes;
		check_lengths(same, 8);
	}
}

TEST(lengths_side_by_side)
{
	NEED_CPU;
	for (int round = 0; round < 500; round++) {
		size_t bytes[8];
		for (size_t i = 0; i < 8; i++)
			bytes[i] = random_below(BYTES_MAX + 1);
		check_lengths(bytes, 1 + random_below(8));
	}
}

CHECK_MAIN
