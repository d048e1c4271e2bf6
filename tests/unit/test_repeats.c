// SPDX-License-Identifier: Apache-2.0
#include "repeats.c"

#include "check.h"
#include "random.h"

static const uint8_t hash_key[16] = {3, 1, 4};

static bool has(const struct repeats *repeats, const struct authorisation *authorisation)
{
	return repeats_has(repeats, repeats_place(repeats, &authorisation->digest), authorisation);
}

static void add(struct repeats *repeats, const struct authorisation *authorisation)
{
	repeats_add(repeats, repeats_place(repeats, &authorisation->digest), authorisation);
}

TEST(knows_what_was_added)
{
	struct repeats *repeats = repeats_init(1024, hash_key);
	struct authorisation first, nothing = {0};

	random_start("repeats");
	random_bytes((uint8_t *)&first, sizeof first);
	CHECK(!has(repeats, &first));
	CHECK(!has(repeats, &nothing)); /* an empty place holds zeros */
	add(repeats, &first);
	CHECK(has(repeats, &first));
	CHECK(!has(repeats, &nothing));
	repeats_fini(repeats);
}

/* Digest, r, s, v and payer all belong to it: one bit anywhere and it is another.  One place only, so that what differs
 * in its digest is compared too. */
TEST(every_bit_counts)
{
	struct repeats *repeats = repeats_init(1, hash_key);
	struct authorisation first;
	uint8_t *at = (uint8_t *)&first;

	random_start("repeats");
	random_bytes(at, sizeof first);
	add(repeats, &first);
	for (size_t bit = 0; bit < 8 * sizeof first; bit++) {
		at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(!has(repeats, &first));
		at[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK(has(repeats, &first));
	repeats_fini(repeats);
}

TEST(the_later_one_takes_the_place)
{
	struct repeats *repeats = repeats_init(1, hash_key);
	struct authorisation first = {.digest = {{1}}}, second = {.digest = {{2}}};

	add(repeats, &first);
	add(repeats, &second);
	CHECK(!has(repeats, &first));
	CHECK(has(repeats, &second));
	repeats_fini(repeats);
}

/* Who does not know the key cannot tell which digests meet. */
TEST(places_depend_on_the_key)
{
	static const uint8_t other_key[16] = {2, 7, 1};
	struct repeats *a = repeats_init(4096, hash_key), *b = repeats_init(4096, other_key);
	unsigned same = 0;

	random_start("repeats");
	for (unsigned i = 0; i < 1000; i++) {
		struct word digest;
		random_bytes(digest.at, 32);
		same += repeats_place(a, &digest) == repeats_place(b, &digest);
	}
	CHECK(same < 20);
	repeats_fini(a);
	repeats_fini(b);
	repeats_fini(NULL);
}

CHECK_MAIN
