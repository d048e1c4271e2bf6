// SPDX-License-Identifier: Apache-2.0
/* test_claim.c: claims are taken once, also in a race; every path from taken to settled, refused or unknown. */
#include "../../user/claim.c"

#include "claim_fixture.h"

/* --- taking --- */

TEST(claim_is_taken_once_and_released_at_once)
{
	struct sale sale, again;
	struct ledger_stats stats;

	setup();
	start();
	sale_init(&sale, METHOD_EIP3009, 1, 60);
	again = sale;
	CHECK(!claim_seen(ledger, &sale.permit.key));
	CHECK_EQ(take_sale(&sale), REASON_OK);
	CHECK(claim_seen(ledger, &sale.permit.key));
	CHECK_EQ(take_sale(&again), REPLAYED);
	CHECK(again.durable.claim == NULL);
	CHECK(mailed(&sale.durable));
	CHECK_EQ(sale.durable.error, 0);
	CHECK_EQ(take_sale(&again), REPLAYED);
	CHECK_EQ(in_state(CLAIM_TAKEN), 1);

	release(&sale);
	CHECK(!claim_seen(ledger, &sale.permit.key));
	CHECK_EQ(take_sale(&again), REASON_OK);
	CHECK(mailed(&again.durable));
	CHECK(comes_to(CLAIM_RELEASED, 0));
	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.released, 1);
	CHECK_EQ(stats.by_state[CLAIM_TAKEN], 1);
	CHECK(stats.commits >= 2 && stats.records >= 3);
	restart();
	CHECK_EQ(seen_cnt, 2); /* both claims have a record, neither was served */
	CHECK_EQ(seen[1].state, CLAIM_RELEASED);
	CHECK(!claim_seen(ledger, &sale.permit.key));
	stop();
	cleanup();
}

TEST(claim_keys_differ_by_every_field)
{
	struct sale sale, other;

	setup();
	start();
	sale_init(&sale, METHOD_EIP3009, 1, 60);
	take_durably(&sale);
	for (int field = 0; field < 4; field++) {
		struct claim_key key = sale.permit.key;
		if (field == 0)
			key.chain_id++;
		else if (field == 1)
			key.token.at[19] = 1;
		else if (field == 2)
			key.from.at[0] ^= 1;
		else
			key.nonce.at[0] = 1;
		CHECK(!claim_seen(ledger, &key));
	}
	other = sale;
	other.permit.deadline_s++; /* not a part of the key */
	memset(other.payment.signature, 1, sizeof other.payment.signature);
	CHECK_EQ(take_sale(&other), REPLAYED);
	stop();
	cleanup();
}

TEST(claim_released_before_it_is_durable_is_mailed_once)
{
	struct sale sale;

	setup();
	start();
	for (uint64_t i = 0; i < 200; i++) {
		sale_init(&sale, METHOD_PERMIT2, i, 60);
		CHECK_EQ(take_sale(&sale), REASON_OK);
		release(&sale);
		CHECK(mailed(&sale.durable));
		CHECK_EQ(sale.durable.error, 0);
	}
	CHECK(next_mail(&box, 20) == NULL);
	CHECK(comes_to(CLAIM_RELEASED, 0));
	stop();
	cleanup();
}

TEST(claim_table_full_is_refused)
{
	struct sale sales[5];

	setup();
	config.claims_max = 4;
	start();
	for (uint64_t i = 0; i < 4; i++) {
		sale_init(&sales[i], METHOD_EIP3009, i, 60);
		take_durably(&sales[i]);
	}
	sale_init(&sales[4], METHOD_EIP3009, 4, 60);
	CHECK_EQ(take_sale(&sales[4]), LEDGER_FULL);
	CHECK(!claim_seen(ledger, &sales[4].permit.key));
	release(&sales[0]);
	CHECK(comes_to(CLAIM_RELEASED, 0));
	usleep(1000);
	CHECK_EQ(take_sale(&sales[4]), REASON_OK);
	CHECK(mailed(&sales[4].durable));
	stop();
	cleanup();
}

/* --- races --- */

#define RACERS 8
#define RACE_KEYS 400

static struct sale race_sales[RACERS][RACE_KEYS];
static _Atomic int race_wins[RACE_KEYS];
static pthread_barrier_t race_line;

static void *race(void *arg)
{
	struct sale *sales = arg;

	pthread_barrier_wait(&race_line);
	for (int i = 0; i < RACE_KEYS; i++) {
		enum reason reason = take_sale(&sales[i]);
		if (reason == REASON_OK)
			atomic_fetch_add(&race_wins[i], 1);
		else if (reason != REPLAYED)
			atomic_fetch_add(&race_wins[i], 100);
	}
	return NULL;
}

TEST(claim_race_for_a_key_has_one_winner)
{
	pthread_t threads[RACERS];

	setup();
	start();
	pthread_barrier_init(&race_line, NULL, RACERS);
	for (int t = 0; t < RACERS; t++)
		for (uint64_t i = 0; i < RACE_KEYS; i++)
			sale_init(&race_sales[t][i], METHOD_EIP3009, i, 60);
	for (int t = 0; t < RACERS; t++)
		CHECK_EQ(pthread_create(&threads[t], NULL, race, race_sales[t]), 0);
	for (int t = 0; t < RACERS; t++)
		pthread_join(threads[t], NULL);
	for (int i = 0; i < RACE_KEYS; i++)
		CHECK_EQ(race_wins[i], 1);
	for (int i = 0; i < RACE_KEYS; i++)
		CHECK(next_mail(&box, 5000) != NULL);
	CHECK(next_mail(&box, 20) == NULL);
	CHECK_EQ(in_state(CLAIM_TAKEN), RACE_KEYS);
	pthread_barrier_destroy(&race_line);
	restart();
	CHECK_EQ(seen_cnt, RACE_KEYS);
	stop();
	cleanup();
}

/* Each thread takes, changes and ends its own claims with its own mailbox, all at once. */
static struct mailbox churn_boxes[RACERS];
static _Atomic uint64_t churn_owed;

static void churn_wait(struct mailbox *from)
{
	struct pollfd fd = {.fd = from->event_fd, .events = POLLIN};

	while (mailbox_take(from) == NULL) {
		poll(&fd, 1, 5000);
		mailbox_clear(from);
	}
}

static void *churn(void *arg)
{
	size_t thread = (size_t)arg;
	struct word due = word_of(7), part = word_of(3);

	for (uint64_t i = 0; i < 150; i++) {
		struct sale sale;
		sale_init(&sale, METHOD_UPTO, thread * 1000 + i, 60);
		sale.durable.box = sale.settled.box = &churn_boxes[thread];
		if (take_sale(&sale) != REASON_OK)
			return "refused";
		if (i % 3 == 0)
			churn_wait(&churn_boxes[thread]);
		if (i % 5 == 0)
			claim_forward(ledger, sale.durable.claim, &part, NULL);
		if (i % 4 == 0) {
			release(&sale);
		} else {
			claim_owe(ledger, sale.durable.claim, &due, &sale.settled, NULL);
			atomic_fetch_add(&churn_owed, 1);
		}
		int mails = (i % 3 != 0) + (i % 4 != 0);
		for (struct mail *mail; mails > 0;) {
			while ((mail = mailbox_take(&churn_boxes[thread])) == NULL) {
				struct pollfd fd = {.fd = churn_boxes[thread].event_fd, .events = POLLIN};
				poll(&fd, 1, 1000);
				mailbox_clear(&churn_boxes[thread]);
			}
			for (; mail != NULL; mail = mail->next)
				mails--;
		}
	}
	return NULL;
}

static void settle_now(void *ctx, struct settlement *settlement)
{
	answer(settlement, CLAIM_SETTLED, "");
}

TEST(claim_many_workers_at_once)
{
	pthread_t threads[RACERS];
	struct ledger_stats stats;

	setup();
	config.submit = settle_now;
	config.claims_max = 4096;
	start();
	for (size_t t = 0; t < RACERS; t++) {
		CHECK_EQ(mailbox_init(&churn_boxes[t]), 0);
		CHECK_EQ(pthread_create(&threads[t], NULL, churn, (void *)t), 0);
	}
	for (size_t t = 0; t < RACERS; t++) {
		void *error;
		pthread_join(threads[t], &error);
		CHECK(error == NULL);
		mailbox_fini(&churn_boxes[t]);
	}
	CHECK(comes_to(CLAIM_SETTLED, churn_owed));
	CHECK(comes_to(CLAIM_RELEASED, 0));
	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.settled, churn_owed);
	CHECK_EQ(stats.released, RACERS * 150 - churn_owed);
	CHECK_EQ(ledger_unsettled(ledger), 0);
	CHECK(stats.commits < stats.records); /* commits gather */
	stop();
	cleanup();
}

/* --- settling --- */

TEST(claim_owed_is_settled)
{
	struct sale sale;
	struct settlement *settlement;
	struct word due = word_of(900), transaction = word_of(0x1234);

	setup();
	start();
	sale_init(&sale, METHOD_UPTO, 5, 60);
	take_durably(&sale);
	owe(&sale, 900);
	settlement = must_ask();
	CHECK_EQ(settlement->attempts, 1);
	CHECK(!settlement->in_doubt);
	CHECK_EQ(settlement->claim_id, 1);
	CHECK_BYTES(&settlement->amount_due, &due, sizeof due);
	CHECK_BYTES(settlement->payment.nonce.at, sale.payment.nonce.at, 32);
	CHECK_BYTES(settlement->payment.amount.at, sale.payment.amount.at, 32);
	CHECK_BYTES(settlement->payment.signature, sale.payment.signature, 65);
	CHECK(strcmp(settlement->offer.name, "tokens") == 0);
	CHECK_EQ(in_state(CLAIM_SETTLING), 1);
	CHECK_EQ(ledger_unsettled(ledger), 1);
	CHECK(next_mail(&box, 10) == NULL);
	answer(settlement, CLAIM_SETTLED, "");
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_SETTLED);
	CHECK(sale.settled.has_transaction);
	CHECK_BYTES(&sale.settled.transaction, &transaction, sizeof transaction);
	CHECK_EQ(take_sale(&sale), REPLAYED);
	restart();
	CHECK_EQ(seen[5].state, CLAIM_SETTLED);
	CHECK_EQ(take_sale(&sale), REPLAYED);
	CHECK(next_asked(20) == NULL);
	stop();
	cleanup();
}

TEST(claim_debt_tells_when_it_is_on_disk)
{
	struct sale sale;
	struct word due = word_of(900), zero = word_of(0);

	setup();
	start();
	/* before anybody answered, and with the wait that came back from claim_take */
	sale_init(&sale, METHOD_UPTO, 21, 60);
	take_durably(&sale);
	claim_owe(ledger, sale.durable.claim, &due, NULL, &sale.durable);
	CHECK(mailed(&sale.durable));
	CHECK_EQ(sale.durable.error, 0);
	CHECK(sale.durable.claim == NULL);
	struct settlement *settlement = must_ask();
	CHECK(next_mail(&box, 10) == NULL);
	answer(settlement, CLAIM_SETTLED, "");
	CHECK(next_mail(&box, 30) == NULL); /* once */
	/* both waits, and nothing to ask */
	sale_init(&sale, METHOD_UPTO, 22, 60);
	take_durably(&sale);
	claim_owe(ledger, sale.durable.claim, &zero, &sale.settled, &sale.durable);
	CHECK(mailed(&sale.durable));
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_SETTLED);
	/* without a slot it is owed, and that is on disk too */
	ledger_stop_asking(ledger);
	sale_init(&sale, METHOD_UPTO, 23, 60);
	take_durably(&sale);
	claim_owe(ledger, sale.durable.claim, &due, NULL, &sale.durable);
	CHECK(mailed(&sale.durable));
	CHECK_EQ(sale.durable.error, 0);
	CHECK_EQ(sale.durable.outcome, CLAIM_OWED);
	restart();
	CHECK(seen[21].state == CLAIM_SETTLED && seen[21].amount_due == 900);
	CHECK(seen[22].state == CLAIM_SETTLED && seen[22].amount_due == 0);
	CHECK(seen[23].state == CLAIM_OWED && seen[23].amount_due == 900);
	stop();
	cleanup();
}

TEST(claim_zero_is_final_without_asking)
{
	struct sale sale;

	setup();
	start();
	sale_init(&sale, METHOD_UPTO, 6, 60);
	CHECK_EQ(take_sale(&sale), REASON_OK);
	owe(&sale, 0);
	CHECK(mailed(&sale.durable));
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_SETTLED);
	CHECK(!sale.settled.has_transaction);
	CHECK(next_asked(20) == NULL);
	CHECK_EQ(take_sale(&sale), REPLAYED);
	restart();
	CHECK_EQ(seen[6].state, CLAIM_SETTLED);
	CHECK_EQ(take_sale(&sale), REPLAYED);
	stop();
	cleanup();
}

TEST(claim_refused_is_final_and_keeps_its_word)
{
	struct sale sale;

	setup();
	start();
	sale_init(&sale, METHOD_EIP3009, 7, 60);
	take_durably(&sale);
	owe(&sale, 1000);
	answer(must_ask(), CLAIM_REFUSED, "invalid_exact_evm_insufficient_balance");
	CHECK(mailed(&sale.settled));
	CHECK_EQ(sale.settled.outcome, CLAIM_REFUSED);
	CHECK(strcmp(sale.settled.word, "invalid_exact_evm_insufficient_balance") == 0);
	restart();
	CHECK_EQ(seen[7].state, CLAIM_REFUSED);
	CHECK(next_asked(20) == NULL);
	stop();
	cleanup();
}

TEST(claim_slots_bound_what_is_lent_and_keep_order)
{
	struct sale sales[10];

	setup();
	config.settlements_max = 2;
	start();
	for (uint64_t i = 0; i < 10; i++) {
		sale_init(&sales[i], METHOD_EIP3009, i, 60);
		take_durably(&sales[i]);
		owe(&sales[i], 1000);
	}
	for (uint64_t i = 0; i < 10; i += 2) {
		struct settlement *a = must_ask(), *b = must_ask();
		CHECK(next_asked(10) == NULL);
		CHECK_EQ(sale_number(&a->payment), i);
		CHECK_EQ(sale_number(&b->payment), i + 1);
		answer(a, CLAIM_SETTLED, "");
		CHECK(mailed(&sales[i].settled));
		answer(b, CLAIM_SETTLED, "");
		CHECK(mailed(&sales[i + 1].settled));
		if (i + 2 < 10) { /* the first freed slot has gone on already */
			a = must_ask();
			b = must_ask();
			CHECK_EQ(sale_number(&a->payment), i + 2);
			CHECK_EQ(sale_number(&b->payment), i + 3);
			mailbox_push(&asked, &a->mail);
			mailbox_push(&asked, &b->mail);
		}
	}
	stop();
	cleanup();
}

TEST(claim_unknown_is_asked_again_with_growing_pauses)
{
	struct sale sale;
	uint64_t before_ns, pause_ns = 0;

	setup();
	ledger_backoff_ms = 20;
	start();
	sale_init(&sale, METHOD_EIP3009, 8, 60);
	take_durably(&sale);
	owe(&sale, 1000);
	for (unsigned attempt = 1; attempt <= 4; attempt++) {
		before_ns = clock_ns();
		struct settlement *settlement = must_ask();
		CHECK_EQ(settlement->attempts, attempt);
		CHECK_EQ(settlement->in_doubt, attempt > 1);
		if (attempt > 1)
			CHECK(clock_ns() - before_ns >= pause_ns);
		pause_ns = (UINT64_C(20000000) << (attempt - 1)) * 3 / 4; /* a tick is a quarter */
		answer(settlement, attempt < 4 ? CLAIM_UNKNOWN : CLAIM_SETTLED, "timeout");
		if (attempt == 1) {
			CHECK(mailed(&sale.settled));
			CHECK_EQ(sale.settled.outcome, CLAIM_UNKNOWN);
			CHECK_EQ(ledger_unsettled(ledger), 1);
		}
	}
	CHECK(comes_to(CLAIM_SETTLED, 1));
	CHECK(next_mail(&box, 20) == NULL); /* told once */
	CHECK_EQ(ledger_unsettled(ledger), 0);
	stop();
	cleanup();
}

TEST(claim_unknown_past_its_deadline_expires_and_is_kept_for_an_operator)
{
	struct sale sale;
	uint64_t began_ns = clock_ns();
	struct ledger_stats stats;

	setup();
	ledger_backoff_ms = 20;
	start();
	sale_init(&sale, METHOD_EIP3009, 9, 1);
	take_durably(&sale);
	owe(&sale, 1000);
	do {
		struct settlement *settlement = next_asked(100);
		if (settlement != NULL)
			answer(settlement, CLAIM_UNKNOWN, "timeout");
		ledger_stats(ledger, &stats);
	} while (stats.by_state[CLAIM_EXPIRED] == 0 && clock_ns() - began_ns < UINT64_C(20000000000));
	CHECK_EQ(stats.unknown_expired, 1);
	CHECK_EQ(stats.by_state[CLAIM_EXPIRED], 1);
	CHECK(stats.unknown > 2);
	CHECK_EQ(ledger_unsettled(ledger), 0);
	CHECK_EQ(take_sale(&sale), REPLAYED);
	restart();
	CHECK_EQ(seen[9].state, CLAIM_EXPIRED);
	CHECK(next_asked(100) == NULL);
	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.unknown_expired, 1);
	CHECK_EQ(take_sale(&sale), REPLAYED);
	stop();
	cleanup();
}

/* After an attempt that may have gone through, a refusal that could be its echo proves nothing. */
TEST(claim_refusal_in_doubt)
{
	static const struct {
		const char *word;
		bool not_sent;
		enum claim_state want;
	} rows[] = {
		{"invalid_exact_evm_nonce_already_used", false, CLAIM_UNKNOWN},
		{"permit2_invalid_nonce", false, CLAIM_UNKNOWN},
		{"permit2_simulation_failed", false, CLAIM_UNKNOWN},
		{"invalid_exact_evm_transfer_event_mismatch", false, CLAIM_UNKNOWN},
		{"invalid_exact_evm_insufficient_balance", false, CLAIM_UNKNOWN},
		{"invalid_exact_evm_payload_authorization_valid_before", false, CLAIM_UNKNOWN},
		{"never heard of", false, CLAIM_UNKNOWN},
		{"", false, CLAIM_UNKNOWN},
		{"invalid_exact_evm_signature", false, CLAIM_REFUSED},
		{"upto_facilitator_mismatch", false, CLAIM_REFUSED},
		{"invalid_exact_evm_nonce_already_used", true, CLAIM_REFUSED},
		{"invalid_exact_evm_insufficient_balance", true, CLAIM_REFUSED},
	};
	struct sale sale;

	setup();
	ledger_backoff_ms = 4;
	start();
	for (uint64_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t refused = in_state(CLAIM_REFUSED), unknown = in_state(CLAIM_UNKNOWN);
		sale_init(&sale, METHOD_EIP3009, 100 + i, 60);
		take_durably(&sale);
		owe(&sale, 1000);
		struct settlement *settlement = must_ask();
		settlement->outcome = CLAIM_UNKNOWN;
		settlement->not_sent = rows[i].not_sent;
		ledger_settled(ledger, settlement);
		CHECK(mailed(&sale.settled));
		settlement = must_ask();
		CHECK_EQ(settlement->in_doubt, !rows[i].not_sent);
		answer(settlement, CLAIM_REFUSED, rows[i].word);
		bool final = rows[i].want == CLAIM_REFUSED;
		CHECK_ROW(final ? comes_to(CLAIM_REFUSED, refused + 1) : comes_to(CLAIM_UNKNOWN, unknown + 1),
			  rows[i].word);
		if (!final) {
			settlement = must_ask();
			answer(settlement, CLAIM_SETTLED, "");
			CHECK(comes_to(CLAIM_UNKNOWN, unknown));
		}
	}
	stop();
	cleanup();
}

TEST(claim_stop_asking_keeps_owed_on_disk)
{
	struct sale sale;

	setup();
	start();
	sale_init(&sale, METHOD_EIP3009, 11, 60);
	take_durably(&sale);
	ledger_stop_asking(ledger);
	owe(&sale, 1000);
	CHECK(next_asked(30) == NULL);
	CHECK(comes_to(CLAIM_OWED, 1));
	restart();
	CHECK_EQ(seen[11].state, CLAIM_OWED);
	struct settlement *settlement = must_ask();
	CHECK(settlement->attempts == 1 && !settlement->in_doubt);
	stop();
	cleanup();
}

TEST(claim_entries_leave_after_their_deadline)
{
	struct sale sale;

	setup();
	start();
	sale_init(&sale, METHOD_EIP3009, 1, -CLAIM_MARGIN_S);
	CHECK_EQ(take_sale(&sale), REASON_OK);
	owe(&sale, 0);
	CHECK(mailed(&sale.durable));
	CHECK(mailed(&sale.settled));
	CHECK(claim_seen(ledger, &sale.permit.key));
	for (int i = 0; i < 4000 && claim_seen(ledger, &sale.permit.key); i++)
		usleep(1000);
	CHECK(!claim_seen(ledger, &sale.permit.key));
	CHECK_EQ(in_state(CLAIM_SETTLED), 0);
	stop();
	cleanup();
}

CHECK_MAIN
