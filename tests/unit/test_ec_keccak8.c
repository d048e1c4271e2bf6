// SPDX-License-Identifier: Apache-2.0
/* The oracle is base/keccak.c, which test_keccak.c compares with nettle. */
#include "ec/keccak8.c"

#include "check.h"
#include "guard.h"
#include "random.h"

#define BYTES_MAX (4 * 136 + 1)
#define MANY 70

typedef void hash_call(const struct keccak8_item items[], size_t cnt);

/* Inputs of these lengths, each against its own guard page, to outputs side by side. */
static void check_lengths(hash_call *call, const size_t bytes[], size_t cnt)
{
	static uint8_t want[MANY + 1][32], out[MANY + 1][32];
	uint8_t in[BYTES_MAX];
	struct keccak8_item items[MANY] = {{0}};
	struct guard guard[MANY];

	memset(want, 0x5a, sizeof(want));
	memset(out, 0x5a, sizeof(out));
	for (size_t i = 0; i < cnt; i++) {
		random_bytes(in, bytes[i]);
		keccak256(want[i], in, bytes[i]);
		items[i] = (struct keccak8_item){guard_copy(&guard[i], in, bytes[i]).at, bytes[i], out[i]};
	}
	call(items, cnt);
	CHECK_BYTES(out, want, sizeof(out)); /* what follows the last one is not touched */
	for (size_t i = 0; i < cnt; i++)
		guard_free(&guard[i]);
}

TEST(every_length_in_every_lane)
{
	random_start("keccak8");
	if (!keccak8_supported())
		CHECK_SKIP("no AVX-512");
	for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
		size_t same[8];
		for (size_t i = 0; i < 8; i++)
			same[i] = bytes;
		check_lengths(hash_group, same, 8);
	}
}

/* One lane is longer or shorter than the others by anything: masks, blocks and the lanes that end first. */
TEST(lengths_side_by_side)
{
	random_start("keccak8 side by side");
	if (!keccak8_supported())
		CHECK_SKIP("no AVX-512");
	for (size_t one = 0; one <= 2 * 136 + 1; one++)
		for (size_t lane = 0; lane < 8; lane += 7) {
			size_t bytes[8];
			for (size_t i = 0; i < 8; i++)
				bytes[i] = i == lane ? one : 66;
			check_lengths(hash_group, bytes, 8);
		}
	for (int round = 0; round < 500; round++) {
		size_t bytes[8];
		for (size_t i = 0; i < 8; i++)
			bytes[i] = random_below(BYTES_MAX + 1);
		check_lengths(hash_group, bytes, 1 + random_below(8));
	}
}

/* On every CPU: by eights and what is left. */
TEST(any_number)
{
	random_start("keccak8 many");
	for (size_t cnt = 0; cnt <= MANY; cnt++) {
		size_t bytes[MANY];
		for (size_t i = 0; i < cnt; i++)
			bytes[i] = random_below(2) ? 66 : random_below(BYTES_MAX + 1);
		check_lengths(keccak8_many, bytes, cnt);
	}
}

TEST(out_may_be_in)
{
	uint8_t in[9][200], want[9][32];
	struct keccak8_item items[9];

	random_start("keccak8 in place");
	for (size_t i = 0; i < 9; i++) {
		random_bytes(in[i], sizeof(in[i]));
		keccak256(want[i], in[i], sizeof(in[i]));
		items[i] = (struct keccak8_item){in[i], sizeof(in[i]), in[i] + i};
	}
	keccak8_many(items, 9);
	for (size_t i = 0; i < 9; i++)
		CHECK_BYTES(in[i] + i, want[i], 32);
}

CHECK_MAIN
