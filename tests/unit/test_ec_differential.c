// SPDX-License-Identifier: Apache-2.0
/* No engine ever gives another answer than libsecp256k1 does.
 *
 * EC_SIGNATURES cases (default two million) of every category of ec_cases.h, in batches of random sizes and mixes, each
 * verified cold and, where the signer's key is known, hot by both engines, with a table of a random window built by one of them.
 * Without AVX-512 IFMA: by the portable one alone.  The oracle:
 * for what is signed with known keys and nonces, the way it was made (signed right, or spoiled since): the signature itself
 * is arithmetic by libsecp256k1, and CROSS_SHARE of these cases are put to libsecp256k1's recovery too; for edges, random values
 * and odd recovery ids, libsecp256k1's recovery of every one. */
#include "ec_run.h"

#ifdef __SANITIZE_ADDRESS__
#define SIGNATURES 20000 /* this build looks for bad accesses; the other one counts */
#else
#define SIGNATURES 2000000
#endif
#define REFRESH_CASES 100000
#define CROSS_SHARE 50 /* one case in so many */

static struct ec_runner runner;
static struct ec_case cases[RUN_MAX];

/* Half of all batches are small, where vectors are half empty; the rest of any size. */
static size_t random_size(void)
{
	return 1 + random_below(random_below(2) ? 17 : RUN_MAX);
}

static uint64_t signature_cnt(void)
{
	const char *given = getenv("EC_SIGNATURES");

	return given != NULL ? strtoull(given, NULL, 10) : SIGNATURES;
}

static void check_case(const struct ec_case *c)
{
	uint8_t key[64];

	CHECK_EQ(oracle_verify(key, c->signature, c->recovery_id, c->digest, c->address), c->good);
}

/* Only signatures made for it may be left undecided in numbers; special keys and nonces meet by chance at times. */
static void check_undecided(const char *category, const struct ec_tally *tally)
{
	bool made_for_it = strstr(category, "crafted") != NULL || strstr(category, "infinity") != NULL;

	for (int way = 0; way < RUN_WAYS && !made_for_it; way++)
		CHECK_ROW(tally->undecided[way] <= tally->run[way] / 50 + 5, category);
	if (strcmp(category, "recovers infinity") ==
	    0) /* no answer of the fast formulas is right here: all must say so */
		CHECK_EQ(tally->undecided[RUN_COLD], tally->run[RUN_COLD]);
	if (strcmp(category, "meets infinity") == 0)
		for (int way = RUN_HOT; way < RUN_WAYS; way++)
			CHECK_EQ(tally->undecided[way], tally->run[way]);
	if (strcmp(category, "crafted cold") == 0)
		CHECK(tally->undecided[RUN_COLD] > 0 || tally->run[RUN_COLD] < 1000);
}

static void report(void)
{
	uint64_t sum[RUN_WAYS] = {0};

	for (size_t i = 0; i < EC_CATEGORIES; i++) {
		const struct ec_tally *tally = &runner.per_category[i];
		printf("%-20s", ec_categories[i].name);
		for (int way = 0; way < RUN_WAYS; way++) {
			printf("%s %8llu, undecided %6llu; ", run_way_names[way], (unsigned long long)tally->run[way],
			       (unsigned long long)tally->undecided[way]);
			sum[way] += tally->run[way];
		}
		printf("wrong %llu\n", (unsigned long long)tally->wrong);
		check_undecided(ec_categories[i].name, tally);
	}
	for (int way = 0; way < RUN_WAYS; way++)
		printf("%llu verified %s\n", (unsigned long long)sum[way], run_way_names[way]);
}

TEST(every_category_in_any_mix)
{
	uint64_t left = signature_cnt(), refresh_in = 0;

	random_start("ec differential");
	runner_start(&runner);
	while (left > 0) {
		size_t cnt = random_size();
		if (cnt > left)
			cnt = left;
		if (refresh_in < cnt) {
			runner_refresh(&runner);
			refresh_in = REFRESH_CASES;
		}
		for (size_t i = 0; i < cnt; i++) {
			make_case(&cases[i]);
			if (random_below(CROSS_SHARE) == 0)
				check_case(&cases[i]);
		}
		run_cases(&runner, cases, cnt);
		refresh_in -= cnt;
		left -= cnt;
	}
	report();
	runner_stop(&runner);
}

/* --- edges --- */

#define EDGES 43

/* 0 to 20; three each side of the order, of its half and of what fits between the order and the field's prime; and the
 * largest. */
static void edge(uint8_t out[32], size_t idx)
{
	const uint8_t *bases[] = {oracle_order, oracle_half_order, ec_p_less_n};

	if (idx < 21) {
		modn_small(out, (unsigned)idx);
	} else if (idx < 42) {
		memcpy(out, bases[(idx - 21) / 7], 32);
		out[31] = (uint8_t)(out[31] + (idx - 21) % 7 - 3);
	} else {
		memset(out, 0xff, 32);
	}
}

static void check_all_decided(const struct ec_tally *tally, uint64_t cnt)
{
	for (int way = 0; way < RUN_WAYS; way++) {
		CHECK_EQ(tally->run[way], way == RUN_PORTABLE || ec_supported() ? cnt : 0);
		CHECK_EQ(tally->undecided[way], 0);
	}
}

/* Every r with every s and every recovery id, for whoever libsecp256k1 says it was. */
TEST(every_edge)
{
	const struct ec_tally *tally = NULL;
	size_t cnt = 0, good = 0;

	random_start("ec differential");
	runner_start(&runner);
	for (size_t i = 0; i < EDGES * EDGES * 5; i++) {
		struct ec_case *c = &cases[cnt++];
		uint8_t point[64];
		memset(c, 0, sizeof *c);
		c->category = "edges";
		random_bytes(c->digest, 32);
		edge(c->signature, i % EDGES);
		edge(c->signature + 32, i / EDGES % EDGES);
		c->recovery_id = (uint8_t)(i / EDGES / EDGES);
		set_key(c, random_key()->point);
		if (oracle_recover(point, c->signature, c->recovery_id, c->digest))
			set_key(c, point);
		ask_oracle(c);
		good += c->good;
		if (cnt == 61 || i + 1 == EDGES * EDGES * 5) { /* no multiple of eight: other neighbours each time */
			run_cases(&runner, cases, cnt);
			cnt = 0;
		}
	}
	tally = tally_of(&runner, &cases[0]);
	check_all_decided(tally, EDGES * EDGES * 5);
	CHECK(good > 500);
	runner_stop(&runner);
}

/* --- neighbours --- */

/* Of keys and nonces nobody chose. */
static void make_honest(struct ec_case *out)
{
	memset(out, 0, sizeof *out);
	do
		random_bytes(out->digest, 32);
	while (!sign_case(out, &ec_keys[random_below(EC_POOL) | 1], &ec_nonces[random_below(EC_POOL) | 1]));
	out->category = "signed";
}

/* What ordinary payers send never needs libsecp256k1: alone, in a vector, in many. */
TEST(honest_signatures_are_decided)
{
	const struct ec_tally *tally = &runner.per_category[0];

	random_start("ec differential");
	runner_start(&runner);
	for (size_t cnt = 1; cnt <= 128; cnt++) {
		for (size_t i = 0; i < cnt; i++)
			make_honest(&cases[i]);
		run_cases(&runner, cases, cnt);
	}
	check_all_decided(tally, 128 * 129 / 2);
	runner_stop(&runner);
}

/* One odd case of each category in each place of one vector, and of several: the others come out good and decided. */
TEST(no_lane_touches_another)
{
	const struct ec_tally *honest = &runner.per_category[0];

	random_start("ec differential");
	runner_start(&runner);
	for (size_t category = 1; category < EC_CATEGORIES; category++)
		for (size_t round = 0; round < 64; round++) {
			size_t cnt = round < 32 ? 8 : 9 + random_below(60);
			size_t place = round < 32 ? round % 8 : random_below(cnt);
			for (size_t i = 0; i < cnt; i++)
				make_honest(&cases[i]);
			make_case_of(&cases[place], &ec_categories[category]);
			run_cases(&runner, cases, cnt);
		}
	check_all_decided(honest, honest->run[RUN_PORTABLE]);
	CHECK_EQ(honest->wrong, 0);
	runner_stop(&runner);
}

CHECK_MAIN
