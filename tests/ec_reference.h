/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_REFERENCE_H
#define TOLLBAR_TESTS_EC_REFERENCE_H
/* ec_reference.h: ec.h once more, over libsecp256k1, for testing who asks it what: every call is counted, a lane can be told
 * to be undecided, and it runs on any CPU.  A table is the key itself and its window, which a hot verification compares,
 * so that a wrong, a foreign or an unbuilt table shows. */
#include <stdlib.h>

#include "ec/ec.h"
#include "ec_oracle.h"

static struct {
	unsigned cold_calls, hot_calls;
	size_t cold_items, hot_items, tables;
	bool (*undecided)(const struct ec_item *item); /* NULL: never */
} reference;

struct reference_table {
	uint8_t key[64], window;
};

bool ec_supported(void)
{
	return true;
}

struct ec_workspace {
	enum ec_engine engine;
};

struct ec_workspace *ec_init(enum ec_engine engine)
{
	struct ec_workspace *work = malloc(sizeof *work);

	CHECK_NEED(work != NULL);
	work->engine = engine;
	return work;
}

void ec_fini(struct ec_workspace *work)
{
	free(work);
}

size_t ec_bytes(enum ec_engine engine)
{
	return 1;
}

bool ec_has_cold(const struct ec_workspace *work)
{
	return work->engine == EC_LANES;
}

unsigned ec_table_group(const struct ec_workspace *work)
{
	return work->engine == EC_LANES ? 8 : 1;
}

bool ec_window_valid(unsigned window)
{
	return window == 5 || window == 8;
}

size_t ec_table_bytes(unsigned window)
{
	CHECK_NEED(ec_window_valid(window));
	return window == 5 ? 26 * 16 * 64 : 17 * 128 * 64;
}

void ec_table_build(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		    unsigned window)
{
	CHECK(cnt >= 1 && cnt <= 8);
	for (size_t i = 0; i < cnt; i++) {
		struct reference_table table = {.window = (uint8_t)window};
		CHECK((uintptr_t)memory[i] % EC_TABLE_ALIGN == 0);
		memcpy(table.key, keys[i], sizeof table.key);
		memset(memory[i], 0xaa, ec_table_bytes(window)); /* all of it is the table's */
		memcpy(memory[i], &table, sizeof table);
	}
	reference.tables += cnt;
}

static void reference_decide(struct ec_item *item, bool good)
{
	item->verdict = good ? EC_GOOD : EC_BAD;
	if (reference.undecided != NULL && reference.undecided(item))
		item->verdict = EC_UNDECIDED;
}

void ec_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	CHECK(ec_has_cold(work));
	reference.cold_calls += cnt > 0;
	reference.cold_items += cnt;
	for (size_t i = 0; i < cnt; i++)
		reference_decide(items[i], oracle_verify(items[i]->key, items[i]->signature, items[i]->recovery_id,
							 items[i]->digest, items[i]->address));
}

void ec_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	reference.hot_calls += cnt > 0;
	reference.hot_items += cnt;
	for (size_t i = 0; i < cnt; i++) {
		struct reference_table table;
		uint8_t key[64], address[20];
		memcpy(&table, items[i]->table, sizeof table);
		oracle_address(address, table.key);
		CHECK(table.window == items[i]->window && memcmp(address, items[i]->address, 20) == 0);
		reference_decide(items[i], oracle_verify(key, items[i]->signature, items[i]->recovery_id,
							 items[i]->digest, items[i]->address));
	}
}

#endif
