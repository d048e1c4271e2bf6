// SPDX-License-Identifier: Apache-2.0
/* tests/vectors/ecdsa.json: what a third implementation says of signatures that have broken others.  libsecp256k1, our judge,
 * must agree with it, and the engines with both: cold and hot, alone, and all together. */
#include "ec_run.h"
#include "vectors.h"

#define VECTORS_MAX 512

static struct ec_case cases[VECTORS_MAX];
static char why[VECTORS_MAX][128];
static size_t case_cnt;

static void load(void)
{
	struct vectors vectors;
	struct vector vector;

	vectors_open(&vectors, "tests/vectors/ecdsa.json", "vectors");
	for (case_cnt = 0; vectors_next(&vectors, &vector); case_cnt++) {
		struct ec_case *c = &cases[case_cnt];
		struct span text = vector_text(&vector, "why");
		CHECK_NEED(case_cnt < VECTORS_MAX - 1);
		memset(c, 0, sizeof *c);
		snprintf(why[case_cnt], sizeof why[case_cnt], "%.*s", (int)text.bytes, (const char *)text.at);
		vector_bytes(c->digest, 32, &vector, "digest");
		vector_bytes(c->signature, 64, &vector, "signature");
		vector_bytes(c->key, 64, &vector, "key");
		set_key(c, c->key);
		c->recovery_id = (uint8_t)vector_u64(&vector, "recoveryId");
		c->good = span_equal(vector_text(&vector, "verdict"), SPAN("good"));
		c->category = ec_categories[0].name;
	}
	vectors_close(&vectors);
	CHECK(case_cnt >= 250);
}

TEST(libsecp256k1_agrees)
{
	size_t good = 0;

	load();
	for (size_t i = 0; i < case_cnt; i++) {
		uint8_t key[64];
		bool verdict =
			oracle_verify(key, cases[i].signature, cases[i].recovery_id, cases[i].digest, cases[i].address);
		CHECK_ROW(verdict == cases[i].good, why[i]);
		good += verdict;
	}
	CHECK(good > 100 && good < case_cnt - 50);
}

TEST(the_engines_agree)
{
	struct ec_runner runner;

	load();
	random_start("ec vectors");
	runner_start(&runner);
	for (size_t i = 0; i < case_cnt; i++) {
		int before = check_failures;
		run_cases(&runner, &cases[i], 1);
		CHECK_ROW(check_failures == before, why[i]);
	}
	for (size_t i = 0; i < case_cnt; i += RUN_MAX)
		run_cases(&runner, &cases[i], case_cnt - i < RUN_MAX ? case_cnt - i : RUN_MAX);
	runner_stop(&runner);
}

CHECK_MAIN
