// SPDX-License-Identifier: Apache-2.0
/* test_claim_draw.c: one claim that many requests draw on. */
#include "../../user/claim.c"

#include "claim_fixture.h"

static void draw(struct claim *claim, uint64_t amount, struct claim_wait *wait)
{
	struct word due = word_of(amount);

	claim_forward(ledger, claim, &due, wait);
}

TEST(every_draw_is_told_once_it_is_on_disk)
{
	struct sale sale, other;
	struct claim_wait waits[100];

	setup();
	start();
	sale_init(&sale, METHOD_UPTO, 1, 60);
	sale_init(&other, METHOD_UPTO, 2, 60);
	CHECK_EQ(take_sale(&sale), REASON_OK);
	struct claim *claim = sale.durable.claim;
	bool told[100] = {false}, taken = false;
	for (unsigned i = 0; i < 100; i++) { /* the first of them before the claim itself is on disk */
		waits[i] = (struct claim_wait){.box = &box};
		draw(claim, 5 * i, &waits[i]);
	}
	for (unsigned i = 0; i < 101; i++) {
		struct claim_wait *wait = (struct claim_wait *)next_mail(&box, 5000);
		CHECK_NEED(wait != NULL);
		CHECK_EQ(wait->error, 0);
		if (wait == &sale.durable) {
			CHECK(!taken);
			taken = true;
		} else {
			CHECK(!told[wait - waits]);
			told[wait - waits] = true;
		}
	}
	CHECK(next_mail(&box, 10) == NULL);
	draw(claim, 495, NULL); /* nobody waits */
	take_durably(&other);	/* a later commit: that one is on disk, too */
	restart();
	CHECK(seen[1].state == CLAIM_OWED && seen[1].amount_due == 495);
	CHECK_EQ(u256_compare(must_ask()->amount_due.at, word_of(495).at), 0);
	stop();
	cleanup();
}

TEST(a_draw_and_the_end_in_one_commit)
{
	struct sale sale;
	struct word due = word_of(300);

	setup();
	start();
	sale_init(&sale, METHOD_UPTO, 3, 60);
	take_durably(&sale);
	struct claim *claim = sale.durable.claim;
	draw(claim, 300, &sale.durable);
	claim_owe(ledger, claim, &due, NULL, NULL);
	CHECK(mailed(&sale.durable));
	CHECK_EQ(sale.durable.error, 0);
	struct settlement *settlement = must_ask();
	CHECK_EQ(u256_compare(settlement->amount_due.at, due.at), 0);
	answer(settlement, CLAIM_SETTLED, "");
	CHECK(comes_to(CLAIM_SETTLED, 1));
	CHECK(next_asked(20) == NULL); /* once */
	stop();
	cleanup();
}

TEST(a_released_claim_tells_who_drew_nothing)
{
	struct sale sale;

	setup();
	start();
	for (int durably = 0; durably < 2; durably++) {
		sale_init(&sale, METHOD_UPTO, 4, 60);
		if (durably)
			take_durably(&sale);
		else
			CHECK_EQ(take_sale(&sale), REASON_OK);
		struct claim *claim = sale.durable.claim;
		draw(claim, 0, &sale.settled);
		claim_release(ledger, claim);
		CHECK(!claim_seen(ledger, &sale.permit.key));
		for (int mails = durably; mails < 2; mails++)
			CHECK(next_mail(&box, 5000) != NULL);
		CHECK(sale.settled.error == 0 && sale.durable.error == 0);
		CHECK(next_mail(&box, 10) == NULL);
	}
	stop();
	cleanup();
}

/* --- many at once --- */

enum { DRAWERS = 4, DRAWS = 500 };

static struct {
	pthread_mutex_t lock;
	struct claim *claim;
	uint64_t drawn;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Draws 1 at a time and waits for each. */
static void *drawer(void *failures)
{
	struct mailbox own;
	struct claim_wait wait = {.box = &own};

	*(uint64_t *)failures = mailbox_init(&own) == 0 ? 0 : 1;
	for (unsigned i = 0; i < DRAWS; i++) {
		struct pollfd fd = {.fd = own.event_fd, .events = POLLIN};
		pthread_mutex_lock(&shared.lock);
		draw(shared.claim, ++shared.drawn, &wait);
		pthread_mutex_unlock(&shared.lock);
		bool woken = poll(&fd, 1, 5000) == 1;
		mailbox_clear(&own);
		*(uint64_t *)failures += !woken || mailbox_take(&own) != &wait.mail || wait.error != 0;
	}
	mailbox_fini(&own);
	return NULL;
}

TEST(many_draw_at_once_and_one_settlement_has_it_all)
{
	struct sale sale;
	pthread_t threads[DRAWERS];
	uint64_t failures[DRAWERS];
	struct word due = word_of(DRAWERS * DRAWS);

	setup();
	u256_from_u64(offers[METHOD_UPTO].amount.at, DRAWERS * DRAWS);
	start();
	sale_init(&sale, METHOD_UPTO, 5, 60);
	take_durably(&sale);
	shared.claim = sale.durable.claim;
	for (unsigned i = 0; i < DRAWERS; i++)
		CHECK_NEED(pthread_create(&threads[i], NULL, drawer, &failures[i]) == 0);
	for (unsigned i = 0; i < DRAWERS; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(failures[i], 0);
	}
	claim_owe(ledger, shared.claim, &due, NULL, NULL);
	CHECK_EQ(u256_compare(must_ask()->amount_due.at, due.at), 0);
	stop();
	cleanup();
}

CHECK_MAIN
