// SPDX-License-Identifier: Apache-2.0
/* test_claim_ask.c: a claim that is owed until it is settled: whom to ask, when, about what, and who is told. */
#include "../../user/claim_ask.c"

#include "claim_fixture.h"

/* --- jobs --- */

static void answer_with_job(struct settlement *settlement, const char *job)
{
	settlement->pending = job[0] != 0;
	snprintf(settlement->job, sizeof settlement->job, "%s", job);
	answer(settlement, CLAIM_UNKNOWN, job[0] != 0 ? "settlement_pending" : "facilitator_job_gone");
}

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

CHECK_MAIN
