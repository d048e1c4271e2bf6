// SPDX-License-Identifier: Apache-2.0
// link: user/base/siphash.c
#include "queue_fair.c"

#include "check.h"
#include "random.h"

enum { ITEMS = 4096, PAYERS = 8 };
#define EVERY UINT64_MAX

static struct item {
	struct fair_item item; /* first */
	unsigned payer, line, band;
	bool waits;
} items[ITEMS];
static struct fair fair;
static size_t used;

static void begin(void)
{
	static const uint8_t key[16] = "queue fair test";

	used = 0;
	memset(items, 0, sizeof items);
	CHECK_EQ(fair_init(&fair, ITEMS, key), 0);
}

static struct fair_key key_of(unsigned payer)
{
	return (struct fair_key){{(uint8_t)payer, [19] = (uint8_t)(payer >> 8)}};
}

static struct item *push_at(unsigned payer, unsigned line, unsigned band, uint64_t cost)
{
	struct item *item = &items[used++];
	struct fair_key key = key_of(payer);

	*item = (struct item){.payer = payer, .line = line, .band = band, .waits = true};
	fair_push(&fair, line, band, &key, &item->item, cost);
	return item;
}

static void push(unsigned payer, unsigned cnt, uint64_t cost)
{
	while (cnt-- > 0)
		push_at(payer, 0, 1, cost);
}

static struct item *next(uint64_t lines)
{
	struct item *item = (struct item *)fair_next(&fair, lines);

	if (item != NULL) {
		CHECK(item->waits && (lines >> item->line & 1) != 0);
		item->waits = false;
	}
	return item;
}

TEST(one_payer_is_first_come_first_served)
{
	begin();
	for (size_t i = 0; i < 100; i++)
		push_at(1, 0, 1, i % 7 * 1000);
	for (size_t i = 0; i < 100; i++)
		CHECK(next(EVERY) == &items[i]);
	CHECK(next(EVERY) == NULL);
	fair_fini(&fair);
}

TEST(payers_take_turns)
{
	begin();
	push(1, 1000, 1);
	push(2, 3, 1);
	push(3, 1, 1);
	static const unsigned want[] = {1, 2, 3, 1, 2, 1, 2, 1, 1};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		CHECK_EQ(next(EVERY)->payer, want[i]);
	push(4, 1, 1); /* behind the one whose turn it is */
	CHECK_EQ(next(EVERY)->payer, 1);
	CHECK_EQ(next(EVERY)->payer, 4);
	fair_fini(&fair);
}

/* What they may have is counted in cost: who asks for sixteen times as much is served a sixteenth as often. */
TEST(turns_go_by_cost)
{
	unsigned served[3] = {0};

	begin();
	push(1, 2000, 16 * FAIR_QUANTUM);
	push(2, 2000, FAIR_QUANTUM);
	for (unsigned i = 0; i < 1700; i++)
		served[next(EVERY)->payer]++;
	CHECK_EQ(served[1], 100);
	CHECK_EQ(served[2], 1600);
	fair_fini(&fair);
}

TEST(costs_are_bounded)
{
	unsigned served[3] = {0};

	begin();
	push(1, 2000, UINT64_MAX);
	push(2, 2000, 0);
	for (unsigned i = 0; i < 650; i++)
		served[next(EVERY)->payer]++;
	CHECK_EQ(served[1], 650 / (1 + FAIR_COST_MAX / FAIR_QUANTUM));
	fair_fini(&fair);
}

TEST(the_higher_band_goes_first_and_the_lowest_has_its_floor)
{
	unsigned served[FAIR_BANDS] = {0};

	begin();
	for (unsigned band = 0; band < FAIR_BANDS; band++)
		for (unsigned i = 0; i < 1000; i++)
			push_at(band, 0, band, FAIR_QUANTUM);
	for (unsigned i = 0; i < 1000; i++)
		served[next(EVERY)->band]++;
	/* an eighth of what is above: 1 of 9 from the last, and of the rest 1 of 9 from the middle */
	CHECK(served[0] > served[1] && served[0] >= 750);
	CHECK(served[1] >= 90 && served[2] >= 90);
	while (served[0] < 1000 || served[1] < 1000)
		served[next(EVERY)->band]++;
	CHECK(served[2] < 1000);
	while (served[2] < 1000)
		served[next(EVERY)->band]++; /* alone it has all */
	CHECK(next(EVERY) == NULL);
	fair_fini(&fair);
}

TEST(lines_apart_and_together)
{
	begin();
	for (unsigned i = 0; i < 10; i++) {
		push_at(1, 3, 1, 1);
		push_at(2, 60, 1, 1);
	}
	push_at(3, 63, 0, 1);
	CHECK(next(UINT64_C(1) << 4) == NULL);
	CHECK_EQ(next(UINT64_C(1) << 60)->payer, 2);
	CHECK_EQ(next(UINT64_C(1) << 3 | UINT64_C(1) << 60)->payer, 1); /* lines take turns, too */
	CHECK_EQ(next(EVERY)->payer, 3);				/* bands are of all lines */
	CHECK_EQ(next(EVERY)->payer, 2);
	CHECK_EQ(next(EVERY)->payer, 1);
	struct fair_key one = key_of(1), nobody = key_of(9);
	CHECK_EQ(fair_waiting(&fair, &one), 8);
	CHECK_EQ(fair_waiting(&fair, &nobody), 0);
	fair_fini(&fair);
}

/* Whatever is pushed, taken and removed: each is there until it is out, the counts agree, and no flow is lost. */
TEST(a_random_life)
{
	unsigned waiting[PAYERS] = {0}, all = 0;
	size_t free_cnt = 0;

	random_start("queue_fair");
	begin();
	for (unsigned i = 0; i < 200000; i++) {
		struct item *item = &items[random_u64() % ITEMS];
		uint32_t want_most = 0;

		if (!item->waits && random_u64() % 2 == 0) {
			used = (size_t)(item - items);
			push_at((unsigned)(random_u64() % PAYERS), (unsigned)(random_u64() % 3),
				(unsigned)(random_u64() % FAIR_BANDS), random_u64() % 20000);
			waiting[item->payer]++;
			all++;
		} else if (item->waits && random_u64() % 3 == 0) {
			fair_remove(&fair, &item->item);
			item->waits = false;
			waiting[item->payer]--;
			all--;
		} else if (random_u64() % 2 == 0) {
			struct item *taken = next(random_u64() % 8);
			if (taken != NULL) {
				waiting[taken->payer]--;
				all--;
			}
		}
		if (i % 1000 != 0)
			continue;
		for (unsigned payer = 0; payer < PAYERS; payer++) {
			struct fair_key key = key_of(payer);
			CHECK_EQ(fair_waiting(&fair, &key), waiting[payer]);
		}
		for (size_t k = 0; k < ITEMS; k++)
			if (fair.flows[k].cnt > want_most)
				want_most = fair.flows[k].cnt;
		struct item *greedy = (struct item *)fair_greediest(&fair);
		CHECK_EQ(fair.most, want_most);
		CHECK((greedy != NULL) == (all > 0) && (greedy == NULL || greedy->item.flow->cnt == want_most));
	}
	while (next(EVERY) != NULL)
		all--;
	CHECK_EQ(all, 0);
	for (struct fair_flow *flow = fair.unused; flow != NULL; flow = flow->next_bucket)
		free_cnt++;
	CHECK_EQ(free_cnt, ITEMS);
	fair_fini(&fair);
}

CHECK_MAIN
