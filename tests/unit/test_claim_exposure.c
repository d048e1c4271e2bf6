// SPDX-License-Identifier: Apache-2.0
/* test_claim_exposure.c: what is not settled yet, in all and by payer: limits hold exactly, also in a race, and the sums
 * are right after every change and every restart. */
#include "../../user/claim_exposure.c"

#include "claim_fixture.h"
#include "random.h"

static void limit(uint64_t max, uint64_t payer_max)
{
	for (size_t i = METHOD_EIP3009; i <= METHOD_UPTO; i++) {
		offers[i].unsettled_max = word_of(max);
		offers[i].payer_unsettled_max = word_of(payer_max);
	}
	config.offers = &offers[METHOD_EIP3009];
	config.offer_cnt = 3;
}

static uint64_t unsettled(uint64_t chain_id)
{
	struct ledger_stats stats;
	uint64_t sum = UINT64_MAX;

	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.asset_cnt, 2); /* one asset on two chains */
	for (size_t i = 0; i < stats.asset_cnt; i++)
		if (stats.assets[i].chain_id == chain_id)
			CHECK(u256_to_u64(&sum, stats.assets[i].unsettled.at));
	return sum;
}

/* Mails and sums come in either order. */
static bool comes_to_unsettled(uint64_t chain_id, uint64_t sum)
{
	for (int i = 0; i < 2000 && unsettled(chain_id) != sum; i++)
		usleep(1000);
	return unsettled(chain_id) == sum;
}

static void sale_of(struct sale *sale, enum method method, uint64_t number, uint8_t payer)
{
	sale_init(sale, method, number, 60);
	memset(&sale->payment.from, payer, sizeof sale->payment.from);
	sale->permit.key.from = sale->payment.from;
}

TEST(limits_in_all_and_by_payer)
{
	struct sale sales[8], more;

	setup();
	limit(5500, 2500);
	start();
	sale_of(&sales[0], METHOD_EIP3009, 0, 1); /* 1000 each, on one chain by two methods */
	sale_of(&sales[1], METHOD_PERMIT2, 1, 1);
	take_durably(&sales[0]);
	take_durably(&sales[1]);
	sale_of(&more, METHOD_EIP3009, 2, 1);
	CHECK_EQ(take_sale(&more), PAYER_UNSETTLED);
	CHECK(more.durable.claim == NULL && !claim_seen(ledger, &more.permit.key));
	sale_of(&more, METHOD_UPTO, 2, 1); /* another asset */
	take_durably(&more);
	for (uint64_t i = 2; i < 5; i++) {
		sale_of(&sales[i], METHOD_EIP3009, i, (uint8_t)i);
		take_durably(&sales[i]);
	}
	sale_of(&sales[5], METHOD_EIP3009, 5, 9);
	CHECK_EQ(take_sale(&sales[5]), UNSETTLED);
	CHECK_EQ(unsettled(84532), 5000);
	CHECK_EQ(unsettled(8453), 1000);
	release(&sales[0]);
	CHECK_EQ(unsettled(84532), 4000);
	take_durably(&sales[5]);
	CHECK_EQ(unsettled(84532), 5000);
	stop();
	cleanup();
}

TEST(what_is_due_counts_until_it_is_settled)
{
	struct word part = word_of(300);
	struct sale sale;

	setup();
	limit(0, 1000);
	ledger_backoff_ms = 20;
	start();
	sale_of(&sale, METHOD_UPTO, 1, 1);
	take_durably(&sale);
	CHECK_EQ(unsettled(8453), 1000);
	claim_forward(ledger, sale.durable.claim, &part, NULL);
	CHECK_EQ(unsettled(8453), 1000); /* it may still grow */
	owe(&sale, 400);
	CHECK_EQ(unsettled(8453), 400);
	answer(must_ask(), CLAIM_UNKNOWN, "timeout");
	CHECK(mailed(&sale.settled));
	CHECK_EQ(unsettled(8453), 400);
	struct settlement *settlement = must_ask();
	restart();
	CHECK_EQ(unsettled(8453), 400);
	settlement = must_ask();
	CHECK_EQ(unsettled(8453), 400);
	answer(settlement, CLAIM_SETTLED, "");
	CHECK(comes_to_unsettled(8453, 0));
	sale_of(&sale, METHOD_UPTO, 2, 1);
	take_durably(&sale);
	owe(&sale, 0); /* nothing used, nothing owed */
	CHECK(mailed(&sale.settled));
	CHECK_EQ(unsettled(8453), 0);
	stop();
	cleanup();
}

#define RACERS 4
#define TRIES 300
static struct sale race_sales[RACERS][TRIES];
static _Atomic unsigned race_taken;

static void *race(void *arg)
{
	struct sale *sales = arg;

	for (size_t i = 0; i < TRIES; i++)
		race_taken += take_sale(&sales[i]) == REASON_OK;
	return NULL;
}

TEST(no_race_gets_past_a_limit)
{
	pthread_t threads[RACERS];

	setup();
	limit(0, 100 * 1000);
	race_taken = 0;
	config.claims_max = 4096;
	start();
	for (size_t t = 0; t < RACERS; t++) {
		for (size_t i = 0; i < TRIES; i++)
			sale_of(&race_sales[t][i], METHOD_EIP3009, t * TRIES + i, 7);
		CHECK_EQ(pthread_create(&threads[t], NULL, race, race_sales[t]), 0);
	}
	for (size_t t = 0; t < RACERS; t++)
		pthread_join(threads[t], NULL);
	CHECK_EQ(race_taken, 100);
	CHECK_EQ(unsettled(84532), 100 * 1000);
	stop();
	cleanup();
}

/* Random lives beside a model: by chain and payer, with restarts in between. */
enum { LIVES = 64, PAYERS = 3 };

static struct {
	struct sale sale;
	enum { GONE, TAKEN, OWED } state;
	uint64_t counts;
	uint8_t payer;
} lives[LIVES];

static uint64_t model(uint64_t chain_id, uint8_t payer)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < LIVES; i++)
		if (lives[i].state != GONE && lives[i].sale.permit.key.chain_id == chain_id &&
		    (payer == 0 || lives[i].payer == payer))
			sum += lives[i].counts;
	return sum;
}

static void begin_life(size_t i, uint64_t number)
{
	enum method method = random_below(2) == 0 ? METHOD_UPTO : METHOD_EIP3009;
	uint8_t payer = (uint8_t)(1 + random_below(PAYERS));

	sale_of(&lives[i].sale, method, number, payer);
	uint64_t of_payer = model(lives[i].sale.permit.key.chain_id, payer);
	uint64_t of_all = model(lives[i].sale.permit.key.chain_id, 0);
	enum reason want = of_payer + 1000 > 8000 ? PAYER_UNSETTLED : of_all + 1000 > 18000 ? UNSETTLED : REASON_OK;
	CHECK_EQ(take_sale(&lives[i].sale), want);
	if (want != REASON_OK)
		return;
	CHECK(mailed(&lives[i].sale.durable));
	lives[i].state = TAKEN;
	lives[i].counts = 1000;
	lives[i].payer = payer;
}

static void go_on(size_t i)
{
	struct word due = word_of(1 + random_below(1000));

	if (random_below(3) == 0) {
		release(&lives[i].sale);
		lives[i].state = GONE;
		return;
	}
	claim_owe(ledger, lives[i].sale.durable.claim, &due, NULL, NULL);
	lives[i].state = OWED;
	CHECK(u256_to_u64(&lives[i].counts, due.at));
}

static void settle_one(void)
{
	struct settlement *settlement = next_asked(0);

	if (settlement == NULL)
		return;
	for (size_t i = 0; i < LIVES; i++)
		if (lives[i].state == OWED && sale_number(&lives[i].sale.payment) == sale_number(&settlement->payment))
			lives[i].state = GONE;
	uint64_t want = model(settlement->offer.chain_id, 0), chain_id = settlement->offer.chain_id;
	answer(settlement, random_below(2) == 0 ? CLAIM_SETTLED : CLAIM_REFUSED,
	       "invalid_scheme"); /* a no also in doubt */
	CHECK(comes_to_unsettled(chain_id, want));
}

TEST(sums_are_right_through_random_lives_and_restarts)
{
	random_start("random lives");
	setup();
	limit(18000, 8000);
	ledger_backoff_ms = 4;
	memset(lives, 0, sizeof lives);
	start();
	for (uint64_t turn = 0; turn < 3000; turn++) {
		size_t i = random_below(LIVES);
		if (lives[i].state == GONE)
			begin_life(i, turn);
		else if (lives[i].state == TAKEN)
			go_on(i);
		else
			settle_one();
		if (turn % 500 != 499)
			continue;
		restart();
		for (size_t k = 0; k < LIVES; k++) /* upto: settled for nothing; exact: released */
			if (lives[k].state == TAKEN)
				lives[k].state = GONE;
		CHECK_EQ(unsettled(84532), model(84532, 0));
		CHECK_EQ(unsettled(8453), model(8453, 0));
	}
	stop();
	cleanup();
}

/* An asset that no offer has any more is not counted, and comes to no harm; sums that do not fit are over every limit. */
TEST(assets_that_went_and_sums_that_do_not_fit)
{
	struct offer offer[2] = {{.chain_id = 1}, {.chain_id = 1, .amount = word_of(5)}}, gone = {.chain_id = 2};
	struct address payer = {{1}};
	struct word most;

	memset(&most, 0xff, sizeof most);
	offer[0].amount = most;
	struct exposure *exposure = exposure_init(offer, 2, 4);
	CHECK_NEED(exposure != NULL && exposure->asset_cnt == 1 && exposure->payers == NULL);
	CHECK_EQ(exposure_asset(exposure, &gone), EXPOSURE_NONE);
	CHECK_EQ(exposure_take(exposure, EXPOSURE_NONE, &gone, &payer), REASON_OK);
	exposure_drop(exposure, EXPOSURE_NONE, &payer, &most, true);
	CHECK_EQ(exposure_take(exposure, 0, &offer[0], &payer), REASON_OK);
	CHECK_EQ(exposure_take(exposure, 0, &offer[1], &payer), REASON_OK); /* no limit: it wraps, and comes back */
	offer[1].unsettled_max = most;
	exposure_drop(exposure, 0, &payer, &offer[1].amount, true);
	CHECK_EQ(exposure_take(exposure, 0, &offer[1], &payer), UNSETTLED);
	exposure_drop(exposure, 0, &payer, &most, true);
	CHECK_EQ(exposure_take(exposure, 0, &offer[1], &payer), REASON_OK);
	exposure_fini(exposure);
}

CHECK_MAIN
