// SPDX-License-Identifier: Apache-2.0
/* test_claim_check.c: settled claims that are looked up once more: when, how many, and what comes of what the chain says. */
#include "../../user/claim_check.c"

#include "claim_fixture.h"

static _Atomic unsigned over_cnt[CLAIM_STATE_CNT], reopened_cnt;
static uint64_t after; /* of every offer */

static uint64_t say_after_s(void *ctx, const struct offer *offer)
{
	CHECK(ctx == &asked && offer->chain_id != 0);
	return after;
}

static void note_end(void *ctx, const struct claim_debt *debt)
{
	CHECK(ctx == &config && debt->amount.at[31] == 100);
	atomic_fetch_add(&over_cnt[debt->end], 1);
}

static void note_reopened(void *ctx, const struct payment *payment, const struct offer *offer,
			  const struct word *amount_due)
{
	CHECK(ctx == &config && payment->method == offer->method && amount_due->at[31] == 100);
	atomic_fetch_add(&reopened_cnt, 1);
}

static bool looks_always(void *ctx, const struct offer *offer)
{
	return ctx == &asked && offer->chain_id != 0;
}

static void begin(void)
{
	setup();
	ledger_backoff_ms = check_second_ms = 8;
	after = 1;
	memset(offers[METHOD_EIP3009].asset.at, 0x33, sizeof offers->asset.at);
	config.offers = &offers[METHOD_EIP3009];
	config.offer_cnt = 3;
	config.looks = looks_always;
	config.check_after_s = say_after_s;
	config.ended = note_end;
	config.reopened = note_reopened;
	config.ended_ctx = &config;
	memset(over_cnt, 0, sizeof over_cnt);
	atomic_store(&reopened_cnt, 0);
}

static void end(void)
{
	stop();
	check_second_ms = 1000;
	cleanup();
}

/* Settled, as the facilitator says; a job's name stays on record. */
static void settle(struct sale *sale, uint64_t number, int64_t expires_in_s)
{
	sale_init(sale, METHOD_EIP3009, number, expires_in_s);
	take_durably(sale);
	owe(sale, 100);
	struct settlement *settlement = must_ask();
	CHECK_EQ(settlement->settled_s, 0);
	snprintf(settlement->job, sizeof settlement->job, "job-1");
	answer(settlement, CLAIM_SETTLED, "");
	CHECK(mailed(&sale->settled));
	CHECK_EQ(sale->settled.outcome, CLAIM_SETTLED);
}

static struct settlement *must_check(uint64_t number)
{
	struct settlement *settlement = must_ask();

	CHECK_EQ(sale_number(&settlement->payment), number);
	CHECK(settlement->settled_s > 0 && settlement->was_named && settlement->named.at[31] == 0x34);
	return settlement;
}

static void say(struct settlement *settlement, bool by_chain, enum claim_state outcome, const char *word)
{
	settlement->by_chain = by_chain;
	answer(settlement, outcome, word);
}

static struct ledger_stats stats_now(void)
{
	struct ledger_stats stats;

	ledger_stats(ledger, &stats);
	return stats;
}

static uint64_t unsettled(void)
{
	uint64_t sum = 0;
	struct ledger_stats stats = stats_now();

	CHECK(u256_to_u64(&sum, stats.assets[0].unsettled.at));
	return sum;
}

TEST(a_settled_claim_is_looked_up_until_it_is_seen)
{
	struct sale sale;

	begin();
	start();
	settle(&sale, 1, 60);
	for (int i = 0; i < 3; i++)
		say(must_check(1), false, CLAIM_UNKNOWN, "");
	CHECK_EQ(in_state(CLAIM_SETTLED), 1);
	uint64_t commits = stats_now().commits;
	say(must_check(1), true, CLAIM_SETTLED, "");
	CHECK(next_asked(100) == NULL);
	CHECK_EQ(stats_now().commits, commits); /* there is nothing to write */
	CHECK(in_state(CLAIM_SETTLED) == 1 && over_cnt[CLAIM_SETTLED] == 1 && reopened_cnt == 0);
	CHECK(stats_now().reverted == 0 && stats_now().unchecked == 0);
	end();
}

/* It is owed again, asked about again with the identical body, and may end as any other. */
TEST(what_the_chain_took_back_is_settled_again)
{
	struct sale sale;

	begin();
	expect_errors();
	start();
	settle(&sale, 1, 60);
	CHECK_EQ(unsettled(), 0);
	struct settlement *settlement = must_check(1);
	struct payment payment = settlement->payment;
	say(settlement, true, CLAIM_UNKNOWN, "chain_reorganised");
	settlement = must_ask();
	CHECK(settlement->in_doubt && settlement->was_named && settlement->settled_s == 0 && settlement->job[0] == 0);
	CHECK_BYTES(&settlement->payment, &payment, sizeof payment);
	CHECK_EQ(unsettled(), 100);
	CHECK(reopened_cnt == 1 && over_cnt[CLAIM_SETTLED] == 1 && stats_now().reverted == 1);
	say(settlement, false, CLAIM_REFUSED, "invalid_exact_evm_nonce_already_used"); /* no end, in doubt */
	say(must_ask(), false, CLAIM_SETTLED, "");
	say(must_check(1), true, CLAIM_SETTLED, "");
	CHECK(next_asked(50) == NULL);
	CHECK(unsettled() == 0 && over_cnt[CLAIM_SETTLED] == 2 && in_state(CLAIM_SETTLED) == 1);
	end();
}

TEST(what_cannot_be_settled_any_more_is_marked)
{
	static const struct {
		enum claim_state outcome;
		const char *word;
	} rows[] = {{CLAIM_EXPIRED, "chain_never_paid"}, {CLAIM_REFUSED, "chain_nonce_cancelled"}};
	struct sale sale;

	begin();
	expect_errors();
	start();
	for (uint64_t i = 0; i < 2; i++) {
		settle(&sale, i, 60);
		say(must_check(i), true, rows[i].outcome, rows[i].word);
		CHECK(comes_to(rows[i].outcome, 1));
	}
	CHECK(next_asked(50) == NULL);
	CHECK(stats_now().reverted == 2 && stats_now().unknown_expired == 1 && reopened_cnt == 0);
	CHECK(over_cnt[CLAIM_SETTLED] == 2 && unsettled() == 0);
	restart();
	CHECK(seen[0].state == CLAIM_EXPIRED && seen[1].state == CLAIM_REFUSED);
	end();
}

/* Also one whose payment nobody can present again, and that has no place in the table otherwise. */
TEST(after_a_restart_settled_claims_are_looked_up_again)
{
	struct sale sale;

	begin();
	expect_errors();
	after = 100000; /* not before the restart */
	start();
	settle(&sale, 1, 60);
	settle(&sale, 2, -CLAIM_MARGIN_S - 2);
	settle(&sale, 3, 60);
	after = 1;
	restart();
	static const enum claim_state says[] = {[1] = CLAIM_SETTLED, [2] = CLAIM_UNKNOWN, [3] = CLAIM_REFUSED};
	bool checked[4] = {false};
	for (int i = 0; i < 4; i++) {
		struct settlement *settlement = must_ask();
		uint64_t number = sale_number(&settlement->payment);
		CHECK_NEED(number >= 1 && number <= 3);
		if (settlement->settled_s == 0) { /* the one that is owed again */
			CHECK(number == 2 && checked[2]);
			say(settlement, true, CLAIM_EXPIRED, "chain_never_paid");
			continue;
		}
		CHECK(!checked[number]);
		checked[number] = true;
		say(settlement, true, says[number], "chain_says_so");
	}
	CHECK(comes_to(CLAIM_REFUSED, 1));
	CHECK_EQ(over_cnt[CLAIM_REFUSED], 0); /* its debt ended in the process before */
	for (int i = 0; i < 2000 && stats_now().unknown_expired == 0; i++)
		usleep(1000);
	CHECK(stats_now().unknown_expired == 1 && reopened_cnt == 1 && over_cnt[CLAIM_EXPIRED] == 1);
	CHECK_EQ(stats_now().reverted, 2);
	after = 0; /* the chain is not asked any more */
	restart();
	CHECK(next_asked(50) == NULL);
	end();
}

/* A quarter of the claims, and of the slots, which are for who is owed. */
TEST(checks_are_bounded)
{
	struct sale sales[12], late;

	begin();
	config.claims_max = 40;
	config.settlements_max = 8;
	after = 100;
	start();
	for (uint64_t i = 0; i < 12; i++)
		settle(&sales[i], i, 60);
	for (int i = 0; i < 2000 && stats_now().unchecked != 2; i++)
		usleep(1000); /* the last is told before it is counted */
	CHECK_EQ(stats_now().unchecked, 2);
	struct settlement *first = must_ask(), *second = must_ask();
	CHECK(first->settled_s > 0 && second->settled_s > 0);
	CHECK(next_asked(100) == NULL); /* eight more wait */
	sale_init(&late, METHOD_EIP3009, 20, 60);
	take_durably(&late);
	owe(&late, 100);
	struct settlement *owed = must_ask();
	CHECK(owed->settled_s == 0 && sale_number(&owed->payment) == 20);
	say(owed, false, CLAIM_REFUSED, "invalid_exact_evm_signature");
	say(first, true, CLAIM_SETTLED, "");
	say(second, true, CLAIM_SETTLED, "");
	for (int i = 0; i < 8; i++)
		say(must_ask(), true, CLAIM_SETTLED, "");
	CHECK(next_asked(100) == NULL);
	end();
}

TEST(where_no_chain_is_asked_nothing_is)
{
	struct sale sale;

	begin();
	after = 0;
	start();
	settle(&sale, 1, 60);
	config.check_after_s = NULL;
	restart();
	settle(&sale, 2, 60);
	CHECK(next_asked(50) == NULL);
	CHECK_EQ(stats_now().unchecked, 0);
	end();
}

CHECK_MAIN
