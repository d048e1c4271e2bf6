// SPDX-License-Identifier: Apache-2.0
#include "base/tally.c"

#include "check.h"
#include "random.h"

TEST(counts_what_is_added)
{
	struct tally tally;

	CHECK_NEED(tally_init(&tally, 64) == 0);
	CHECK_EQ(tally_look(&tally, 0), 0); /* an empty entry's tag is zero too */
	CHECK_EQ(tally_add(&tally, 0), 1);
	for (unsigned i = 2; i < 10; i++)
		CHECK_EQ(tally_add(&tally, 0), i);
	CHECK_EQ(tally_look(&tally, 0), 9);
	CHECK_EQ(tally_look(&tally, UINT64_C(1) << 32), 0); /* same set, another tag */
	CHECK_EQ(tally_look(&tally, 1), 0);
	tally_fini(&tally);
}

TEST(halves_with_age)
{
	struct tally tally;

	CHECK_NEED(tally_init(&tally, 1) == 0);
	for (unsigned i = 0; i < 100; i++)
		tally_add(&tally, 7);
	tally_age(&tally);
	CHECK_EQ(tally_look(&tally, 7), 50);
	tally_age(&tally);
	CHECK_EQ(tally_add(&tally, 7), 26);
	for (unsigned i = 0; i < 5; i++)
		tally_age(&tally);
	CHECK_EQ(tally_look(&tally, 7), 0);
	CHECK_EQ(tally_add(&tally, 7), 1);
	for (unsigned i = 0; i < 40; i++)
		tally_age(&tally);
	CHECK_EQ(tally_look(&tally, 7), 0);
	tally_fini(&tally);
}

TEST(stops_at_the_largest_count)
{
	struct fading fading = {.count = UINT16_MAX - 1, .epoch = UINT16_MAX};

	CHECK_EQ(fading_add(&fading, UINT16_MAX), UINT16_MAX);
	CHECK_EQ(fading_add(&fading, UINT16_MAX), UINT16_MAX);
	CHECK_EQ(fading_count(fading, 0), UINT16_MAX / 2); /* the epoch after the last is the first */
}

/* Any number that come once do not push out seven of a set that came twice: the eighth place is theirs. */
TEST(strangers_push_out_strangers)
{
	struct tally tally;

	random_start("tally");
	CHECK_NEED(tally_init(&tally, 1) == 0);
	for (uint64_t tag = 1; tag <= 7; tag++) {
		tally_add(&tally, tag << 32);
		tally_add(&tally, tag << 32);
	}
	for (unsigned i = 0; i < 100000; i++)
		tally_add(&tally, (random_u64() | UINT64_C(1) << 63));
	for (uint64_t tag = 1; tag <= 7; tag++)
		CHECK_EQ(tally_look(&tally, tag << 32), 2);
	tally_fini(&tally);
}

TEST(room_is_what_was_asked_for)
{
	CHECK_EQ(tally_bytes(1), 64);
	CHECK_EQ(tally_bytes(8), 64);
	CHECK_EQ(tally_bytes(9), 128);
	CHECK_EQ(tally_bytes(4096), 4096 * 8);
}

CHECK_MAIN
