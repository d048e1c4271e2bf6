// SPDX-License-Identifier: Apache-2.0
/* test_claim_ask.c: a claim that is owed until it is settled: whom to ask, when, about what, and who is told. */
#include "../../user/claim_ask.c"

#include "claim_fixture.h"
#include "random.h"

/* --- who is next --- */

TEST(claim_line_gives_the_nearest_deadline)
{
	enum { CNT = 500 };
	struct table table = {0};
	uint32_t line = CLAIM_NONE;
	size_t in_line = 0;

	random_start("line");
	CHECK_EQ(table_init(&table, CNT, 1), 0);
	CHECK(table_line_pop(&table, &line) == NULL && table_line_first(&table, line) == NULL);
	struct claim *claims[CNT];
	bool waits[CNT] = {false};
	for (size_t i = 0; i < CNT; i++) {
		struct claim_key key = {.chain_id = i};
		claims[i] = table_claim(&table, &key, table_hash(&table, &key), NULL);
		CHECK_NEED(claims[i] != NULL);
		claims[i]->id = i + 1;
	}
	for (int turn = 0; turn < 20000; turn++) {
		size_t which = random_below(CNT);
		if (!waits[which] && random_below(2) == 0) {
			claims[which]->deadline_s = random_below(40);
			table_line_push(&table, &line, claims[which]);
			waits[which] = true;
			in_line++;
			continue;
		}
		size_t best = CNT;
		for (size_t i = 0; i < CNT; i++)
			if (waits[i] && (best == CNT || claims[i]->deadline_s < claims[best]->deadline_s))
				best = i; /* of equal ones the first: the smaller id */
		CHECK(table_line_first(&table, line) == (best == CNT ? NULL : claims[best]));
		CHECK(table_line_pop(&table, &line) == (best == CNT ? NULL : claims[best]));
		if (best != CNT) {
			waits[best] = false;
			in_line--;
		}
	}
	while (table_line_pop(&table, &line) != NULL)
		in_line--;
	CHECK(in_line == 0 && line == CLAIM_NONE);
	table_fini(&table);
}

/* A slot is taken until everybody is in line; then it goes from one to the next.  Returns the order. */
static void order_of(struct sale *sales, size_t cnt, uint64_t order[])
{
	struct sale first;

	config.settlements_max = 1;
	start();
	sale_init(&first, METHOD_EIP3009, 1000, 60);
	take_durably(&first);
	owe(&first, 1000);
	struct settlement *settlement = must_ask();
	for (size_t i = 0; i < cnt; i++) {
		take_durably(&sales[i]);
		owe(&sales[i], 1000);
	}
	CHECK(comes_to(CLAIM_OWED, cnt));
	answer(settlement, CLAIM_SETTLED, "");
	for (size_t i = 0; i < cnt; i++) {
		settlement = must_ask();
		order[i] = sale_number(&settlement->payment);
		answer(settlement, CLAIM_SETTLED, "");
	}
}

TEST(claim_nearest_deadline_is_asked_first_and_late_ones_last)
{
	static const struct {
		uint64_t number;
		int64_t expires_in_s;
	} rows[] = {{1, 300}, {2, -60}, {3, 40}, {4, 200}, {5, 40}, {6, -90}, {7, 30}};
	static const uint64_t want[] = {7, 3, 5, 4, 1, 6, 2};
	enum { CNT = sizeof rows / sizeof *rows };
	struct sale sales[CNT];
	uint64_t order[CNT];

	setup();
	for (size_t i = 0; i < CNT; i++)
		sale_init(&sales[i], METHOD_EIP3009, rows[i].number, rows[i].expires_in_s);
	order_of(sales, CNT, order);
	for (size_t i = 0; i < CNT; i++)
		CHECK_EQ(order[i], want[i]);
	stop();
	cleanup();
}

/* Nobody waits for how it is settled. */
static void sell(struct sale *sale)
{
	struct word due = word_of(1000);

	take_durably(sale);
	claim_owe(ledger, sale->durable.claim, &due, NULL, NULL);
}

/* Those asked before and those never asked: by turns, however near the deadline of one kind, until it is urgent. */
TEST(claim_lines_take_turns_until_it_is_urgent)
{
	struct sale old[3], new[3];

	for (int urgent = 0; urgent < 2; urgent++) {
		setup();
		ledger_backoff_ms = 20;
		config.settlements_max = 3;
		start();
		for (uint64_t i = 0; i < 3; i++) {
			sale_init(&old[i], METHOD_EIP3009, i, urgent ? URGENT_S - 5 : 60);
			sell(&old[i]);
		}
		struct settlement *lent[3];
		for (int i = 0; i < 3; i++)
			lent[i] = must_ask();
		for (uint64_t i = 0; i < 3; i++) { /* they wait while all slots are taken */
			sale_init(&new[i], METHOD_EIP3009, 10 + i, 300);
			sell(&new[i]);
		}
		CHECK(comes_to(CLAIM_OWED, 3));
		for (int i = 0; i < 3; i++)
			answer(lent[i], CLAIM_UNKNOWN, "timeout");
		for (int i = 0; i < 3; i++)
			lent[i] = must_ask(); /* the new ones: the old ones sleep */
		usleep(100000);		      /* now they do not */
		for (uint64_t i = 3; i < 6; i++) {
			sale_init(&new[i - 3], METHOD_EIP3009, 10 + i, 300);
			sell(&new[i - 3]);
		}
		CHECK(comes_to(CLAIM_OWED, 3));
		int old_in_first_three = 0;
		for (int i = 0; i < 6; i++) {
			answer(lent[i % 3], CLAIM_SETTLED, "");
			lent[i % 3] = must_ask();
			old_in_first_three += i < 3 && sale_number(&lent[i % 3]->payment) < 10;
		}
		CHECK(urgent ? old_in_first_three == 3 : old_in_first_three == 1 || old_in_first_three == 2);
		stop();
		cleanup();
	}
}

/* --- whom to ask --- */

static void answer_with_job(struct settlement *settlement, const char *job)
{
	settlement->pending = job[0] != 0;
	snprintf(settlement->job, sizeof settlement->job, "%s", job);
	answer(settlement, CLAIM_UNKNOWN, job[0] != 0 ? "settlement_pending" : "facilitator_job_gone");
}

static uint64_t picked;
static bool picked_up;

static uint64_t pick(void *ctx, const struct offer *offer, bool *up)
{
	CHECK(ctx == &asked && offer->name[0] != 0);
	*up = picked_up;
	return picked;
}

static void answer_unsent(struct settlement *settlement)
{
	settlement->outcome = CLAIM_UNKNOWN;
	settlement->not_sent = true;
	settlement->pending = false;
	snprintf(settlement->word, sizeof settlement->word, "facilitator_unreachable");
	ledger_settled(ledger, settlement);
}

TEST(claim_nobody_heard_of_goes_to_another_facilitator)
{
	struct settlement *settlement;
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	config.pick = pick;
	picked = 7;
	picked_up = true;
	start();
	sale_init(&sale, METHOD_EIP3009, 1, 60);
	take_durably(&sale);
	owe(&sale, 1000);
	settlement = must_ask();
	CHECK_EQ(settlement->facilitator, 7);
	picked = 8;
	answer_unsent(settlement);
	settlement = must_ask();
	CHECK(settlement->facilitator == 8 && !settlement->in_doubt);
	CHECK(next_mail(&box, 20) == NULL); /* it waits on */
	picked = 7;
	picked_up = false; /* neither is there: who waits is told */
	answer_unsent(settlement);
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_UNKNOWN);
	settlement = must_ask();
	CHECK_EQ(settlement->facilitator, 7);
	stop();
	cleanup();
}

/* Whoever may have heard of it is the only one who can tell, also after a kill and a restart. */
TEST(claim_in_doubt_stays_with_its_facilitator)
{
	struct settlement *settlement;
	struct sale sales[3];

	setup();
	ledger_backoff_ms = 20;
	config.pick = pick;
	picked = 7;
	picked_up = true;
	start();
	for (uint64_t i = 0; i < 3; i++) {
		sale_init(&sales[i], METHOD_EIP3009, i, 60);
		take_durably(&sales[i]);
		owe(&sales[i], 1000);
	}
	struct settlement *lent[3];
	for (size_t i = 0; i < 3; i++)
		lent[i] = must_ask();
	picked = 8;
	for (size_t i = 0; i < 3; i++) { /* no answer; in line there; no answer, and then not even a connection */
		settlement = lent[i];
		CHECK_EQ(settlement->facilitator, 7);
		if (sale_number(&settlement->payment) == 1)
			answer_with_job(settlement, "payment-1");
		else
			answer(settlement, CLAIM_UNKNOWN, "timeout");
	}
	for (int turn = 0; turn < 12; turn++) {
		if (turn == 6)
			restart();
		settlement = must_ask();
		CHECK_EQ(settlement->facilitator, 7);
		if (sale_number(&settlement->payment) == 1)
			answer_with_job(settlement, "payment-1");
		else if (sale_number(&settlement->payment) == 2)
			answer_unsent(settlement);
		else
			answer(settlement, CLAIM_UNKNOWN, "timeout");
	}
	stop();
	cleanup();
}

/* --- jobs --- */

/* Who waits is told when it is known; the job outlives the process, is no doubt, and can be lost. */
TEST(claim_job_is_asked_after_until_it_ends)
{
	struct settlement *settlement;
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	start();
	sale_init(&sale, METHOD_EIP3009, 8, 60);
	take_durably(&sale);
	owe(&sale, 1000);
	answer_with_job(must_ask(), "payment-1");
	settlement = must_ask();
	CHECK(strcmp(settlement->job, "payment-1") == 0 && !settlement->in_doubt);
	CHECK(next_mail(&box, 20) == NULL);
	answer_with_job(settlement, "payment-1");
	settlement = must_ask();
	restart(); /* in the middle of a question */
	CHECK_EQ(seen[8].state, CLAIM_UNKNOWN);
	settlement = must_ask();
	CHECK(strcmp(settlement->job, "payment-1") == 0 && !settlement->in_doubt);
	answer_with_job(settlement, "");
	settlement = must_ask();
	CHECK(settlement->job[0] == 0 && settlement->in_doubt);
	answer_with_job(settlement, "payment-2");
	settlement = must_ask();
	CHECK(strcmp(settlement->job, "payment-2") == 0 && settlement->in_doubt);
	answer(settlement, CLAIM_SETTLED, "");
	CHECK(comes_to(CLAIM_SETTLED, 1));
	stop();
	cleanup();
}

TEST(claim_pending_keeps_who_waits)
{
	static const enum claim_state ends[] = {CLAIM_SETTLED, CLAIM_REFUSED, CLAIM_UNKNOWN};
	struct settlement *settlement;
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	start();
	for (uint64_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		sale_init(&sale, METHOD_EIP3009, i, 60);
		take_durably(&sale);
		owe(&sale, 1000);
		answer_with_job(must_ask(), "7");
		settlement = must_ask();
		settlement->pending = false;
		CHECK(next_mail(&box, 0) == NULL);
		answer(settlement, ends[i], "no"); /* a job's no is about the one attempt there was */
		CHECK(mailed(&sale.settled));
		CHECK_EQ(sale.settled.outcome, ends[i]);
	}
	stop();
	cleanup();
}

/* What was in line before the deadline may be carried out after it; nobody waits for ever. */
TEST(claim_job_is_asked_after_past_the_deadline)
{
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	start();
	sale_init(&sale, METHOD_EIP3009, 9, -1);
	take_durably(&sale);
	owe(&sale, 1000);
	answer_with_job(must_ask(), "7");
	answer(must_ask(), CLAIM_SETTLED, "");
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_SETTLED);
	sale_init(&sale, METHOD_EIP3009, 10, -CLAIM_MARGIN_S - 1);
	take_durably(&sale);
	owe(&sale, 1000);
	answer_with_job(must_ask(), "7");
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_UNKNOWN);
	stop();
	cleanup();
}

/* --- the chain --- */

static bool looks_always(void *ctx, const struct offer *offer)
{
	return ctx == &asked && offer->chain_id != 0;
}

static void answer_by_chain(struct settlement *settlement, enum claim_state outcome, const char *word)
{
	settlement->by_chain = true;
	answer(settlement, outcome, word);
}

/* What the chain shows ends a claim in doubt, whatever it is, and is final on disk. */
TEST(claim_in_doubt_ends_by_the_chain)
{
	static const struct {
		enum claim_state outcome;
		const char *word;
	} rows[] = {{CLAIM_SETTLED, ""},
		    {CLAIM_REFUSED, "chain_nonce_cancelled"},
		    {CLAIM_REFUSED, "invalid_exact_evm_insufficient_balance"},
		    {CLAIM_EXPIRED, "chain_never_paid"}};
	const size_t cnt = sizeof rows / sizeof *rows;
	struct settlement *settlement;
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	config.looks = looks_always;
	start();
	for (uint64_t i = 0; i < cnt; i++) {
		sale_init(&sale, METHOD_EIP3009, i, 60);
		take_durably(&sale);
		owe(&sale, 1000);
		answer(must_ask(), CLAIM_UNKNOWN, "timeout");
		CHECK(mailed(&sale.settled));
		settlement = must_ask();
		CHECK(settlement->in_doubt && !settlement->was_named);
		settlement->outcome = CLAIM_UNKNOWN; /* and names a transaction */
		settlement->has_transaction = true;
		settlement->transaction = word_of(7 + i);
		ledger_settled(ledger, settlement);
		settlement = must_ask();
		CHECK(settlement->was_named && settlement->named.at[31] == 7 + i);
		answer_by_chain(settlement, rows[i].outcome, rows[i].word);
		CHECK(comes_to(rows[i].outcome, 1 + (i == 2)));
	}
	restart();
	for (uint64_t i = 0; i < cnt; i++)
		CHECK_EQ(seen[i].state, rows[i].outcome);
	CHECK(next_asked(50) == NULL);
	stop();
	cleanup();
}

/* Who used it only the chain knows. */
TEST(claim_refused_for_a_used_nonce_is_looked_up)
{
	static const char *const words[] = {"invalid_exact_evm_nonce_already_used", "permit2_invalid_nonce"};
	struct settlement *settlement;
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	config.looks = looks_always;
	start();
	for (uint64_t i = 0; i < 2; i++) {
		sale_init(&sale, METHOD_EIP3009, i, 60);
		take_durably(&sale);
		owe(&sale, 1000);
		settlement = must_ask();
		CHECK(!settlement->in_doubt);
		answer(settlement, CLAIM_REFUSED, words[i]);
		CHECK(mailed(&sale.settled));
		CHECK_EQ(sale.settled.outcome, CLAIM_UNKNOWN);
		settlement = must_ask();
		CHECK(settlement->in_doubt);
		answer_by_chain(settlement, CLAIM_SETTLED, "");
		CHECK(comes_to(CLAIM_SETTLED, i + 1));
	}
	sale_init(&sale, METHOD_EIP3009, 5, 60); /* other words are refusals as ever */
	take_durably(&sale);
	owe(&sale, 1000);
	answer(must_ask(), CLAIM_REFUSED, "invalid_exact_evm_insufficient_balance");
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_REFUSED);
	stop();
	cleanup();
}

/* The chain's final block is behind: what is in doubt does not expire before that has passed the deadline, too. */
TEST(claim_in_doubt_is_looked_up_past_its_deadline)
{
	struct settlement *settlement;
	struct sale sale;

	setup();
	ledger_backoff_ms = 20;
	config.looks = looks_always;
	start();
	sale_init(&sale, METHOD_EIP3009, 1, -1);
	take_durably(&sale);
	owe(&sale, 1000);
	answer(must_ask(), CLAIM_UNKNOWN, "timeout");
	CHECK(mailed(&sale.settled));
	for (int i = 0; i < 3; i++) {
		settlement = must_ask();
		CHECK(settlement->in_doubt);
		answer(settlement, CLAIM_REFUSED, "too late");
	}
	answer_by_chain(must_ask(), CLAIM_EXPIRED, "chain_never_paid");
	CHECK(comes_to(CLAIM_EXPIRED, 1));
	sale_init(&sale, METHOD_EIP3009, 2, -LOOK_S - 1); /* but not for ever */
	take_durably(&sale);
	owe(&sale, 1000);
	answer(must_ask(), CLAIM_UNKNOWN, "timeout");
	CHECK(mailed(&sale.settled));
	CHECK(comes_to(CLAIM_EXPIRED, 2));
	stop();
	cleanup();
}

CHECK_MAIN
