/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_RUN_H
#define TOLLBAR_TESTS_EC_RUN_H
/* ec_run.h: cases through both engines (where the CPU has no AVX-512 IFMA: the portable one), cold and hot, and a word about each
 * that comes out wrong.  What an engine leaves undecided is counted, not wrong: callers say where it may happen. */
#include <stdlib.h>

#include "ec/ec.h"
#include "ec_cases.h"

#define RUN_MAX 256		     /* cases at one time */
#define RUN_SCRATCH (RUN_MAX * 160u) /* KiB of table memory for keys that have none yet; window 8 is the widest */

enum run_way { RUN_COLD, RUN_HOT, RUN_PORTABLE, RUN_WAYS }; /* cold and hot in lanes, and hot in plain C */
static const char *const run_way_names[RUN_WAYS] = {"cold", "hot", "portable"};

struct ec_tally {
	uint64_t run[RUN_WAYS], undecided[RUN_WAYS], wrong;
};

struct ec_runner {
	struct ec_workspace *lanes; /* NULL without AVX-512 IFMA */
	struct ec_workspace *portable;
	struct ec_workspace *builder; /* one of them: makes the tables */
	uint8_t *narrow, *wide;	      /* tables of the whole key pool, windows 5 and 8 */
	uint8_t *scratch;
	struct ec_tally per_category[EC_CATEGORIES];
};

static inline uint8_t *table_memory(size_t bytes)
{
	uint8_t *memory = aligned_alloc(EC_TABLE_ALIGN, (bytes + EC_TABLE_ALIGN - 1) / EC_TABLE_ALIGN * EC_TABLE_ALIGN);

	CHECK_NEED(memory != NULL);
	return memory;
}

static inline uint8_t *pool_table(const struct ec_runner *runner, size_t key_idx, unsigned window)
{
	return (window == 8 ? runner->wide : runner->narrow) + key_idx * ec_table_bytes(window);
}

static inline void build_pool(struct ec_runner *runner, unsigned window)
{
	for (size_t at = 0; at < EC_POOL; at += 8) {
		const uint8_t *keys[8];
		void *memory[8];
		for (size_t i = 0; i < 8; i++) {
			keys[i] = ec_keys[at + i].point;
			memory[i] = pool_table(runner, at + i, window);
		}
		ec_table_build(runner->builder, memory, keys, 8, window);
	}
}

/* New keys and nonces, and their tables. */
static inline void runner_refresh(struct ec_runner *runner)
{
	ec_cases_start();
	build_pool(runner, 5);
	build_pool(runner, 8);
}

static inline void runner_start(struct ec_runner *runner)
{
	memset(runner, 0, sizeof *runner);
	runner->portable = ec_init(EC_PORTABLE);
	runner->lanes = ec_init(EC_LANES);
	CHECK_NEED(runner->portable != NULL && (runner->lanes != NULL) == ec_supported());
	runner->builder = runner->lanes != NULL ? runner->lanes : runner->portable;
	runner->narrow = table_memory(EC_POOL * ec_table_bytes(5));
	runner->wide = table_memory(EC_POOL * ec_table_bytes(8));
	runner->scratch = table_memory((size_t)RUN_SCRATCH * 1024);
	runner_refresh(runner);
}

static inline void runner_stop(struct ec_runner *runner)
{
	free(runner->scratch);
	free(runner->wide);
	free(runner->narrow);
	ec_fini(runner->lanes);
	ec_fini(runner->portable);
}

static inline void complain(const struct ec_case *c, const char *way, unsigned verdict, size_t place, size_t cnt)
{
	printf("category \"%s\", %s, %zu of %zu: verdict %u, want %u\n  digest ", c->category, way, place, cnt, verdict,
	       c->good ? EC_GOOD : EC_BAD);
	for (unsigned i = 0; i < 32; i++)
		printf("%02x", c->digest[i]);
	printf(" signature ");
	for (unsigned i = 0; i < 64; i++)
		printf("%02x", c->signature[i]);
	printf(" recovery id %u address ", c->recovery_id);
	for (unsigned i = 0; i < 20; i++)
		printf("%02x", c->address[i]);
	printf("\n");
}

static inline struct ec_tally *tally_of(struct ec_runner *runner, const struct ec_case *c)
{
	for (size_t i = 0; i < EC_CATEGORIES; i++)
		if (ec_categories[i].name == c->category)
			return &runner->per_category[i];
	CHECK_NEED(!"a category");
	return NULL;
}

static inline void judge(struct ec_runner *runner, const struct ec_case *c, const struct ec_item *item,
			 enum run_way way, size_t place, size_t cnt)
{
	struct ec_tally *tally = tally_of(runner, c);
	bool undecided = item->verdict == EC_UNDECIDED;
	bool wrong = !undecided && item->verdict != (c->good ? EC_GOOD : EC_BAD);

	if (way == RUN_COLD && item->verdict == EC_GOOD && c->has_key && memcmp(item->key, c->key, 64) != 0)
		wrong = true; /* the key, for the table it gets */
	tally->run[way]++;
	tally->undecided[way] += undecided;
	if (wrong && tally->wrong++ == 0)
		complain(c, run_way_names[way], item->verdict, place, cnt);
	CHECK(!wrong);
}

static inline struct ec_item item_of(const struct ec_case *c)
{
	return (struct ec_item){.digest = c->digest,
				.signature = c->signature,
				.address = c->address,
				.recovery_id = c->recovery_id,
				.verdict = 77};
}

static inline void run_cold(struct ec_runner *runner, const struct ec_case *cases, size_t cnt)
{
	static struct ec_item items[RUN_MAX];
	struct ec_item *at[RUN_MAX] = {NULL};

	for (size_t i = 0; i < cnt; i++) {
		items[i] = item_of(&cases[i]);
		at[i] = &items[i];
	}
	ec_cold(runner->lanes, at, cnt);
	for (size_t i = 0; i < cnt; i++)
		judge(runner, &cases[i], &items[i], RUN_COLD, i, cnt);
}

/* Tables for the items from `first` that have none yet, up to eight: all of one random window. */
static inline void build_scratch(struct ec_runner *runner, struct ec_item *const items[],
				 const struct ec_case *const of[], size_t first, size_t cnt)
{
	unsigned window = 4 + (unsigned)random_below(5);
	const uint8_t *keys[8];
	void *memory[8];

	for (size_t i = 0; i < cnt; i++) {
		keys[i] = of[first + i]->key;
		memory[i] = runner->scratch + (first + i) * ec_table_bytes(8);
		items[first + i]->table = memory[i];
		items[first + i]->window = (uint8_t)window;
	}
	ec_table_build(random_below(4) == 0 ? runner->portable : runner->builder, memory, keys, cnt, window);
}

static inline bool find_pool_table(const struct ec_runner *runner, struct ec_item *item, const struct ec_case *c)
{
	for (size_t i = 0; i < EC_POOL; i++) {
		if (memcmp(ec_keys[i].point, c->key, 64) != 0)
			continue;
		item->window = random_below(3) == 0 ? 8 : 5;
		item->table = pool_table(runner, i, item->window);
		return true;
	}
	return false;
}

static inline void run_hot_by(struct ec_runner *runner, enum run_way way, const struct ec_case *cases,
			      struct ec_item *items, size_t cnt)
{
	struct ec_item *at[RUN_MAX] = {NULL};
	size_t hot_cnt = 0;

	for (size_t i = 0; i < cnt; i++)
		if (cases[i].has_key) {
			items[i].verdict = 77;
			at[hot_cnt++] = &items[i];
		}
	ec_hot(way == RUN_HOT ? runner->lanes : runner->portable, at, hot_cnt);
	for (size_t i = 0; i < cnt; i++)
		if (cases[i].has_key)
			judge(runner, &cases[i], &items[i], way, i, cnt);
}

/* Those with a key, by both engines with the same tables. */
static inline void run_hot(struct ec_runner *runner, const struct ec_case *cases, size_t cnt)
{
	static struct ec_item items[RUN_MAX];
	struct ec_item *without[RUN_MAX];
	const struct ec_case *without_of[RUN_MAX];
	size_t without_cnt = 0;

	for (size_t i = 0; i < cnt; i++) {
		if (!cases[i].has_key)
			continue;
		items[i] = item_of(&cases[i]);
		if (!find_pool_table(runner, &items[i], &cases[i])) {
			without[without_cnt] = &items[i];
			without_of[without_cnt++] = &cases[i];
		}
	}
	for (size_t i = 0; i < without_cnt; i += 8)
		build_scratch(runner, without, without_of, i, without_cnt - i < 8 ? without_cnt - i : 8);
	if (runner->lanes != NULL)
		run_hot_by(runner, RUN_HOT, cases, items, cnt);
	run_hot_by(runner, RUN_PORTABLE, cases, items, cnt);
}

static inline void run_cases(struct ec_runner *runner, const struct ec_case *cases, size_t cnt)
{
	if (runner->lanes != NULL)
		run_cold(runner, cases, cnt);
	run_hot(runner, cases, cnt);
}

#endif
