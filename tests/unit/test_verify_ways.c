// SPDX-License-Identifier: Apache-2.0
/* Which way verify.c sends a signature, and that the verdict never depends on it.  The engine is ec_reference.h's, so this
 * runs on any CPU and lanes can be made undecided. */
#include "verify.c"

#include "ec_reference.h"
#include "random.h"
#include "sign.h"
#include "verifier.h"

/* A verifier, and an engine that has not been asked anything. */
static struct verifier *open_counted(enum verify_engine engine, size_t repeat_cnt)
{
	memset(&reference, 0, sizeof reference);
	return open_verifier(engine, repeat_cnt);
}

static void check_counts(const struct verifier *verifier, struct verify_counts want)
{
	const struct verify_counts *counts = verify_counts(verifier);

	CHECK_EQ(counts->repeated, want.repeated);
	CHECK_EQ(counts->hot, want.hot);
	CHECK_EQ(counts->cold, want.cold);
	CHECK_EQ(counts->alone, want.alone);
	CHECK_EQ(counts->undecided, want.undecided);
	CHECK_EQ(counts->tables, want.tables);
}

/* --- payers and what they sign --- */

#define PAYERS 48
static struct signer *payers[PAYERS];

static void make_payers(void)
{
	random_start("verify ways");
	for (unsigned i = 0; i < PAYERS && payers[i] == NULL; i++) {
		uint8_t key[32] = {[0] = 1, [31] = (uint8_t)i};
		payers[i] = sign_init(key, seed);
		CHECK_NEED(payers[i] != NULL);
	}
}

struct signed_item {
	struct verify_item item;
	uint8_t signature[65];
};

/* A new authorisation of this payer. */
static void sign_item(struct signed_item *out, unsigned payer)
{
	out->item = (struct verify_item){.signature = out->signature, .method = METHOD_EIP3009};
	sign_address(payers[payer], &out->item.payer);
	do
		random_bytes(out->item.digest.at, 32);
	while (!sign_digest(payers[payer], out->signature, &out->item.digest));
}

/* cnt new authorisations of one payer in one batch; all hold. */
static void pay(struct verifier *verifier, unsigned payer, size_t cnt)
{
	struct signed_item made[BATCH_MAX];
	struct verify_item items[BATCH_MAX];

	CHECK_NEED(cnt <= BATCH_MAX);
	for (size_t i = 0; i < cnt; i++) {
		sign_item(&made[i], payer);
		items[i] = made[i].item;
	}
	verify_batch(verifier, items, cnt);
	for (size_t i = 0; i < cnt; i++)
		CHECK_EQ(items[i].verdict, REASON_OK);
}

static void pay_until_hot(struct verifier *verifier, unsigned payer)
{
	size_t before = reference.hot_items;

	for (unsigned i = 0; reference.hot_items == before; i++) {
		CHECK_NEED(i < 100);
		pay(verifier, payer, 1);
	}
}

/* --- the ways --- */

TEST(one_stranger_goes_alone_two_go_cold)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 0);

	make_payers();
	pay(verifier, 0, 1);
	check_counts(verifier, (struct verify_counts){.alone = 1});
	CHECK_EQ(reference.cold_calls + reference.hot_calls, 0);
	pay(verifier, 1, 2);
	check_counts(verifier, (struct verify_counts){.alone = 1, .cold = 2});
	CHECK_EQ(reference.cold_calls, 1);
	verify_fini(verifier);
}

TEST(who_paid_before_goes_hot_also_alone)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 0);

	make_payers();
	pay(verifier, 0, 2);
	CHECK_EQ(reference.tables, 0);
	pay(verifier, 0, 40); /* the third sighting, and waiting has cost enough */
	CHECK_EQ(reference.tables, 1);
	check_counts(verifier, (struct verify_counts){.cold = 42, .tables = 1});
	pay(verifier, 0, 1);
	CHECK_EQ(reference.hot_items, 1);
	check_counts(verifier, (struct verify_counts){.cold = 42, .tables = 1, .hot = 1});
	verify_fini(verifier);
}

TEST(sightings_one_by_one_count_too)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 0);

	make_payers();
	pay_until_hot(verifier, 3);
	CHECK_EQ(verify_counts(verifier)->cold, 0);
	CHECK(verify_counts(verifier)->alone >= 3 && verify_counts(verifier)->alone < 10);
	verify_fini(verifier);
}

TEST(libsecp256k1_when_told_so)
{
	struct verifier *verifier = open_counted(ENGINE_SECP256K1, 0);

	make_payers();
	for (unsigned i = 0; i < 10; i++)
		pay(verifier, 0, 5);
	check_counts(verifier, (struct verify_counts){.alone = 50});
	CHECK_EQ(reference.cold_calls + reference.hot_calls + reference.tables, 0);
	verify_fini(verifier);
}

/* Unknown payers are libsecp256k1's there, and a table is not waited for. */
TEST(portable_is_for_hot_signatures)
{
	struct verifier *verifier = open_verifier(ENGINE_PORTABLE, 0);

	make_payers();
	pay(verifier, 0, 2);
	CHECK_EQ(reference.tables, 0);
	pay(verifier, 0, 1); /* the third sighting */
	CHECK_EQ(reference.tables, 1);
	CHECK_EQ(verify_counts(verifier)->alone, 3);
	pay(verifier, 0, 5);
	CHECK_EQ(verify_counts(verifier)->hot, 5);
	for (unsigned payer = 1; payer < 9; payer++)
		pay(verifier, payer, 3);
	CHECK_EQ(reference.tables, 9);
	CHECK_EQ(verify_counts(verifier)->alone, 3 + 8 * 3);
	CHECK_EQ(reference.cold_calls, 0);
	verify_fini(verifier);
}

/* Larger than one piece, with known and unknown payers, good and spoiled, in any order. */
TEST(every_mix_gets_its_own_verdicts)
{
	enum { ITEMS = 3 * BATCH_MAX };
	struct verifier *verifier = open_counted(ENGINE_AVX512, 64);
	static struct signed_item made[ITEMS];
	static struct verify_item items[ITEMS];
	static enum reason want[ITEMS];

	make_payers();
	for (unsigned round = 0; round < 30; round++) {
		size_t cnt = random_below(ITEMS + 1);
		for (size_t i = 0; i < cnt; i++) {
			sign_item(&made[i], (unsigned)random_below(random_below(2) ? 4 : PAYERS));
			want[i] = REASON_OK;
			if (random_below(4) == 0) {
				made[i].item.digest.at[random_below(32)] ^= 1;
				want[i] = SIGNATURE_BAD;
			} else if (random_below(8) == 0) {
				made[i].signature[64] = 29;
				want[i] = SIGNATURE_FORM;
			} else if (random_below(8) == 0) {
				memset(&made[i].item.payer, 0, sizeof(made[i].item.payer));
				want[i] = PAYER_ZERO;
			}
			items[i] = made[i].item;
		}
		verify_batch(verifier, items, cnt);
		for (size_t i = 0; i < cnt; i++)
			CHECK_EQ(items[i].verdict, want[i]);
	}
	CHECK(reference.hot_items > 100 && reference.cold_items > 100);
	verify_fini(verifier);
}

/* A bad signature says nothing about a payer: no sighting, no use, no table. */
TEST(bad_signatures_are_no_sightings)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 64);

	make_payers();
	for (unsigned i = 0; i < 50; i++) {
		struct signed_item made;
		sign_item(&made, 0);
		made.item.digest.at[5] ^= 1;
		struct verify_item pair[2] = {made.item, made.item};
		verify_batch(verifier, pair, 2);
		CHECK_EQ(pair[0].verdict, SIGNATURE_BAD);
		CHECK_EQ(pair[1].verdict, SIGNATURE_BAD);
	}
	CHECK_EQ(reference.tables + reference.hot_items, 0);
	CHECK_EQ(verify_counts(verifier)->repeated, 0);
	verify_fini(verifier);
}

/* --- repeated authorisations --- */

TEST(what_held_is_not_verified_again)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 1024);
	struct signed_item made;

	make_payers();
	sign_item(&made, 0);
	for (unsigned i = 0; i < 5; i++) {
		struct verify_item item = made.item;
		verify_batch(verifier, &item, 1);
		CHECK_EQ(item.verdict, REASON_OK);
		check_counts(verifier, (struct verify_counts){.alone = 1, .repeated = i});
	}
	verify_fini(verifier);
}

/* The same bytes under another digest, payer or method are another question, and the form is looked at every time. */
TEST(a_repeated_signature_is_not_a_repeated_authorisation)
{
	struct verifier *verifier = open_counted(ENGINE_SECP256K1, 1); /* one place: they all meet in it */
	struct signed_item made;
	struct verify_item item;

	make_payers();
	sign_item(&made, 0);
	made.signature[64] = (uint8_t)(made.signature[64] - 27); /* v 0 or 1: good for EIP-3009 alone */
	item = made.item;
	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, REASON_OK);
	item.digest.at[0] ^= 1;
	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, SIGNATURE_BAD);
	item = made.item;
	sign_address(payers[1], &item.payer);
	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, SIGNATURE_BAD);
	item = made.item;
	item.method = METHOD_UPTO;
	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, SIGNATURE_FORM);
	CHECK_EQ(verify_counts(verifier)->repeated, 0);
	item = made.item;
	verify_batch(verifier, &item, 1);
	CHECK_EQ(verify_counts(verifier)->repeated, 1);
	verify_fini(verifier);
}

/* --- lanes that cannot decide --- */

static struct address undecided_payer;

static bool is_undecided(const struct ec_item *item)
{
	return memcmp(item->address, undecided_payer.at, sizeof(undecided_payer.at)) == 0;
}

TEST(libsecp256k1_decides_what_a_lane_cannot)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 0);
	struct signed_item good, bad;

	make_payers();
	sign_address(payers[7], &undecided_payer);
	reference.undecided = is_undecided;
	sign_item(&good, 7);
	sign_item(&bad, 7);
	bad.item.digest.at[0] ^= 1;
	struct verify_item pair[2] = {good.item, bad.item};
	verify_batch(verifier, pair, 2);
	CHECK_EQ(pair[0].verdict, REASON_OK);
	CHECK_EQ(pair[1].verdict, SIGNATURE_BAD);
	check_counts(verifier, (struct verify_counts){.undecided = 2, .cold = 2, .alone = 2});
	verify_fini(verifier);
}

/* A payer whose cold lanes keep giving up stays out of the vectors: but anybody can write its name on such a signature, so
 * it still gets its table, and with it the hot way. */
TEST(who_falls_often_goes_alone_until_it_has_a_table)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 0);

	make_payers();
	sign_address(payers[7], &undecided_payer);
	reference.undecided = is_undecided;
	for (unsigned i = 0; i < FALLS_MAX + 4; i++) { /* an attacker's: they do not hold */
		struct signed_item made;
		sign_item(&made, 7);
		made.item.digest.at[0] ^= 1;
		struct verify_item pair[2] = {made.item, made.item};
		verify_batch(verifier, pair, 2);
		CHECK_EQ(pair[0].verdict, SIGNATURE_BAD);
	}
	CHECK_EQ(verify_counts(verifier)->undecided, FALLS_MAX);
	CHECK_EQ(reference.cold_items, FALLS_MAX);
	pay(verifier, 8, 2); /* others are not touched */
	CHECK_EQ(reference.cold_items, FALLS_MAX + 2);
	reference.undecided = NULL;
	pay_until_hot(verifier, 7);
	CHECK_EQ(reference.cold_items, FALLS_MAX + 2);
	verify_fini(verifier);
}

TEST(whose_hot_lanes_fall_goes_alone)
{
	struct verifier *verifier = open_counted(ENGINE_AVX512, 0);
	size_t hot;

	make_payers();
	pay_until_hot(verifier, 7);
	hot = reference.hot_items;
	sign_address(payers[7], &undecided_payer);
	reference.undecided = is_undecided;
	for (unsigned i = 0; i < 20; i++)
		pay(verifier, 7, 1);
	CHECK_EQ(reference.hot_items, hot + FALLS_MAX);
	CHECK_EQ(verify_counts(verifier)->undecided, FALLS_MAX);
	verifier->falls_age_in = 1; /* and after a while it is tried again */
	pay(verifier, 7, 1);
	pay(verifier, 7, 1);
	CHECK(reference.hot_items > hot + FALLS_MAX);
	verify_fini(verifier);
}

TEST(memory_is_counted)
{
	struct verify_config config = {.seed = seed, .engine = ENGINE_AVX512, .signer_bytes = SIGNERS_BYTES_MIN};
	size_t without = verify_bytes(&config);

	CHECK(without > SIGNERS_BYTES_MIN * 3 / 4);
	config.repeat_cnt = 8192;
	CHECK_EQ(verify_bytes(&config) - without, 8192 * 128);
	CHECK_EQ(verify_shared_bytes(&config), EC_GENERATOR_BYTES);
	config.engine = ENGINE_PORTABLE;
	CHECK(verify_bytes(&config) > SIGNERS_BYTES_MIN * 3 / 4);
	CHECK_EQ(verify_shared_bytes(&config), EC_GENERATOR_BYTES);
	config = (struct verify_config){.seed = seed, .engine = ENGINE_SECP256K1};
	CHECK(verify_bytes(&config) < 4096);
	CHECK_EQ(verify_shared_bytes(&config), 0);
	CHECK(strcmp(verify_engine_name(ENGINE_SECP256K1), "libsecp256k1") == 0);
	CHECK(strcmp(verify_engine_name(ENGINE_PORTABLE), "portable") == 0);
	CHECK(strcmp(verify_engine_name(ENGINE_AVX512), "avx512ifma") == 0);
}

CHECK_MAIN
