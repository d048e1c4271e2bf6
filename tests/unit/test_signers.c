// SPDX-License-Identifier: Apache-2.0
/* The cache without the engine: tables are what ec_reference.h makes of them. */
#include "signers.c"

#include "ec_reference.h"
#include "random.h"

static const uint8_t hash_key[16] = {9, 2, 6};
static struct ec_workspace workspace,
	*work = &workspace; /* which is asked only how many tables it builds at one price */

static struct signers *open_signers(size_t bytes)
{
	struct signers *signers = signers_init(bytes, hash_key);

	CHECK_NEED(signers != NULL);
	workspace.engine = EC_LANES;
	reference.tables = 0;
	return signers;
}

/* A payer with a key that is its own: keys are not looked into here. */
static struct address payer_of(uint64_t number, uint8_t key[64])
{
	struct address address;

	memset(key, 0, 64);
	memcpy(key, &number, sizeof number);
	oracle_address(address.at, key);
	return address;
}

static bool has_table(struct signers *signers, uint64_t number, unsigned window)
{
	struct signer_table table;
	struct reference_table content;
	uint8_t key[64];
	struct address address = payer_of(number, key);

	if (!signers_find(signers, &table, &address))
		return false;
	memcpy(&content, table.at, sizeof content);
	CHECK(memcmp(content.key, key, 64) == 0); /* never another one's */
	CHECK_EQ(content.window, table.window);
	return window == 0 || table.window == window;
}

/* One signature of this payer that held: hot if it has a table.  As verify.c does it. */
static void sign_once(struct signers *signers, uint64_t number, unsigned lost_ns)
{
	struct signer_table table;
	uint8_t key[64];
	struct address address = payer_of(number, key);

	if (signers_find(signers, &table, &address))
		signers_used(signers, &table);
	else
		signers_sighted(signers, &address, key, lost_ns);
	signers_build(signers, work);
}

static void sign_often(struct signers *signers, uint64_t number, unsigned times)
{
	while (times-- > 0)
		sign_once(signers, number, NARROW_PRICE_NS);
}

TEST(third_sighting_gives_a_table)
{
	struct signers *signers = open_signers(SIGNERS_BYTES_MIN);

	for (unsigned i = 1; i < SIGHTINGS_MIN; i++) {
		sign_once(signers, 1, NARROW_PRICE_NS);
		CHECK(!has_table(signers, 1, 0));
	}
	sign_once(signers, 1, NARROW_PRICE_NS);
	CHECK(has_table(signers, 1, NARROW));
	CHECK(!has_table(signers, 2, 0));
	signers_fini(signers);
}

/* Waiting for others ends when it has cost what building would; or when there are eight. */
TEST(tables_are_built_in_groups)
{
	struct signers *signers = open_signers(SIGNERS_BYTES_MIN);
	unsigned lost_ns = 0;

	while (!has_table(signers, 1, 0)) {
		sign_once(signers, 1, 1000);
		lost_ns += 1000;
		CHECK_NEED(lost_ns < 2 * NARROW_PRICE_NS);
	}
	CHECK_EQ(lost_ns, NARROW_PRICE_NS + (SIGHTINGS_MIN - 1) * 1000);
	CHECK_EQ(reference.tables, 1);
	for (uint64_t number = 10; number < 18; number++) {
		CHECK(!has_table(signers, 10, 0));
		for (unsigned i = 0; i < SIGHTINGS_MIN; i++)
			sign_once(signers, number, 0);
	}
	for (uint64_t number = 10; number < 18; number++)
		CHECK(has_table(signers, number, NARROW));
	CHECK_EQ(reference.tables, 9);
	signers_fini(signers);
}

/* Where no table is cheaper for being built with others, none waits. */
TEST(a_table_of_its_own_price_is_built_at_once)
{
	struct signers *signers = open_signers((size_t)8 << 20);

	workspace.engine = EC_PORTABLE;
	for (unsigned i = 0; i < SIGHTINGS_MIN; i++) {
		CHECK(!has_table(signers, 1, 0));
		sign_once(signers, 1, 0);
	}
	CHECK(has_table(signers, 1, NARROW));
	CHECK_EQ(reference.tables, 1);
	for (unsigned i = 0; i < WIDE_USES_MIN; i++)
		sign_once(signers, 1, 0);
	CHECK(has_table(signers, 1, WIDE));
	CHECK_EQ(reference.tables, 2);
	signers_fini(signers);
}

/* More newcomers than a group holds, before anything is built: the rest comes in later. */
TEST(a_full_group_turns_newcomers_away)
{
	struct signers *signers = open_signers((size_t)8 << 20);
	unsigned with = 0;

	for (uint64_t number = 0; number < 3 * GROUP; number++)
		for (unsigned i = 0; i < SIGHTINGS_MIN; i++) {
			uint8_t key[64];
			struct address address = payer_of(number, key);
			signers_sighted(signers, &address, key, 0);
		}
	CHECK_EQ(signers_build(signers, work), GROUP);
	CHECK_EQ(signers_build(signers, work), 0);
	for (uint64_t number = 0; number < 3 * GROUP; number++)
		with += has_table(signers, number, NARROW);
	CHECK_EQ(with, GROUP);
	for (uint64_t number = 0; number < 3 * GROUP; number++) {
		sign_once(signers, number, 0);
		sign_once(signers, number, NARROW_PRICE_NS);
	}
	for (uint64_t number = 0; number < 3 * GROUP; number++)
		CHECK(has_table(signers, number, NARROW));
	signers_fini(signers);
}

TEST(busy_signers_get_wide_tables)
{
	struct signers *signers = open_signers((size_t)4 << 20);

	sign_often(signers, 1, WIDE_USES_MIN - 1);
	CHECK(has_table(signers, 1, NARROW));
	for (unsigned i = 0; i < WIDE_PRICE_NS / WIDE_SAVES_NS; i++)
		sign_once(signers, 1, 0);
	CHECK(has_table(signers, 1, WIDE));
	CHECK_EQ(reference.tables, 2);
	signers_fini(signers);
}

/* One wide table in this cache: who was busy and is not any more gives it up, and keeps the other one. */
TEST(wide_tables_go_to_the_busier)
{
	struct signers *signers = open_signers(SIGNERS_BYTES_MIN);

	CHECK_NEED(signers->wide_cnt == 1);
	sign_often(signers, 1, 3000);
	CHECK(has_table(signers, 1, WIDE));
	sign_often(signers, 2, WIDE_USES_MIN + 10);
	CHECK(has_table(signers, 1, WIDE)); /* not busier yet */
	CHECK(has_table(signers, 2, NARROW));
	sign_often(signers, 2, 20000);
	CHECK(has_table(signers, 2, WIDE));
	CHECK(has_table(signers, 1, NARROW));
	signers_fini(signers);
}

/* A flood of fresh keys, as many signatures each as get a table in an empty cache, a hundred times as many as there are
 * places.  Signers who sign once in two hundred of the flood's signatures keep their tables. */
TEST(strangers_never_evict_the_busy)
{
	enum { BUSY = 6 };
	struct signers *signers = open_signers((size_t)4 << 20);
	size_t strangers = signers->place_cnt * 100u, lost = 0, stranger_tables = 0;

	random_start("signers");
	for (uint64_t busy = 0; busy < BUSY; busy++)
		sign_often(signers, busy, 40);
	for (size_t i = 0; i < strangers; i++) {
		uint64_t stranger = random_u64() | UINT64_C(1) << 63;
		for (unsigned k = 0; k < SIGHTINGS_MIN + 1; k++)
			sign_once(signers, stranger, NARROW_PRICE_NS);
		stranger_tables += has_table(signers, stranger, 0);
		if (i % 8 == 0)
			sign_once(signers, random_below(BUSY), 0);
		for (uint64_t busy = 0; busy < BUSY; busy++)
			lost += !has_table(signers, busy, 0);
	}
	CHECK_EQ(lost, 0);
	CHECK(stranger_tables > 0); /* the flood was one */
	signers_fini(signers);
}

/* The other way round: tables of strangers who left do not keep newcomers out for ever. */
TEST(the_idle_make_room)
{
	struct signers *signers = open_signers(SIGNERS_BYTES_MIN);
	uint64_t last = UINT64_C(1) << 40;
	unsigned tries = 0;

	for (uint64_t number = 0; number < 20u * signers->place_cnt; number++)
		sign_often(signers, number, 20);
	while (!has_table(signers, last, 0) && tries++ < 40)
		sign_once(signers, last, NARROW_PRICE_NS);
	CHECK(tries < 30);
	signers_fini(signers);
}

/* Any order of signers, sizes and builds: a table found is the payer's own (has_table checks), and memory is never
 * shared. */
TEST(tables_stay_their_owners)
{
	struct signers *signers = open_signers((size_t)2 << 20);
	size_t found = 0;

	random_start("signers");
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t number = random_below(random_below(2) ? 8 : 400);
		sign_once(signers, number, (unsigned)random_below(50000));
		found += has_table(signers, random_below(400), 0);
		if (i % 1000 == 0)
			for (uint64_t all = 0; all < 400; all++)
				has_table(signers, all, 0);
	}
	CHECK(found > 0 && signers->narrow_cnt <= signers->place_cnt);
	signers_fini(signers);
	signers_fini(NULL);
}

TEST(memory_is_what_was_asked_for)
{
	for (size_t bytes = SIGNERS_BYTES_MIN; bytes <= (size_t)1 << 30; bytes *= 2) {
		struct sizes sizes = sizes_of(bytes);
		CHECK(sizes.table_bytes <= bytes && sizes.table_bytes > bytes - bytes / 4);
		CHECK(sizes.wide_cnt >= 1 && sizes.set_cnt >= 1);
		CHECK(signers_bytes(bytes) < bytes + bytes / 32 + 4096);
	}
}

CHECK_MAIN
