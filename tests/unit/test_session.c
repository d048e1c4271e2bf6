// SPDX-License-Identifier: Apache-2.0
#include "session.c"

#include "claim_fixture.h"

/* Times here are what the caller says: the payments of these tests end in 1,000 seconds. */
enum { LIFE_S = 1000, IDLE_S = 100, MARGIN_S = 60, AMOUNT = 1000, RESERVE = 100 };

static struct config_route route = {.session = {.on = true, .idle_s = IDLE_S, .margin_s = MARGIN_S}}, elsewhere;
static struct sessions *sessions;
static uint64_t now_s;

struct visitor {
	struct sale sale;
	struct session_draw draw;
};

static void open_all(size_t sessions_max)
{
	setup();
	u256_from_u64(offers[METHOD_UPTO].session_reserve.at, RESERVE);
	elsewhere = route;
	start();
	now_s = clock_unix_s();
	sessions = sessions_init(ledger, sessions_max);
	CHECK_NEED(sessions != NULL);
}

static void close_all(void)
{
	sessions_fini(sessions);
	stop();
	cleanup();
}

static void visitor_init(struct visitor *visitor, uint64_t number)
{
	memset(visitor, 0, sizeof *visitor);
	sale_init(&visitor->sale, METHOD_UPTO, number, LIFE_S);
}

static enum reason enter(struct visitor *visitor, const struct config_route *on, bool may_open)
{
	return session_take(sessions, &visitor->draw, &visitor->sale.permit, &visitor->sale.payment, on, now_s,
			    may_open, &visitor->sale.durable);
}

/* In, and its claim on disk. */
static void enter_durably(struct visitor *visitor)
{
	CHECK_EQ(enter(visitor, &route, true), REASON_OK);
	CHECK(mailed(&visitor->sale.durable));
	CHECK_EQ(visitor->sale.durable.error, 0);
}

static uint64_t charge(struct visitor *visitor, uint64_t amount)
{
	struct word due = word_of(amount), charged;
	uint64_t number = 0;

	session_charge(&visitor->draw, &due, now_s, &charged, &visitor->sale.settled);
	CHECK(visitor->draw.session == NULL);
	CHECK(mailed(&visitor->sale.settled));
	CHECK_EQ(visitor->sale.settled.error, 0);
	CHECK(u256_to_u64(&number, charged.at));
	return number;
}

static bool draw(struct visitor *visitor, uint64_t amount)
{
	struct word due = word_of(amount);

	return session_draw(&visitor->draw, &due);
}

static uint64_t asked_amount(void)
{
	uint64_t amount = 0;

	CHECK(u256_to_u64(&amount, must_ask()->amount_due.at));
	return amount;
}

static struct session_stats stats(void)
{
	struct session_stats now;

	session_stats(sessions, &now);
	return now;
}

static struct span text_of(char text[HEX_BYTES(SESSION_ID_BYTES)], const struct session_draw *of)
{
	return span_str(hex_encode(text, of->id, SESSION_ID_BYTES) + 2);
}

TEST(many_requests_one_settlement)
{
	struct visitor first, second;
	struct payment payment;
	struct permit permit;
	char id[HEX_BYTES(SESSION_ID_BYTES)];

	open_all(4);
	visitor_init(&first, 1);
	visitor_init(&second, 1);
	enter_durably(&first);
	CHECK(claim_seen(ledger, &first.sale.permit.key) && session_seen(sessions, &first.sale.permit.key, &route));
	enter_durably(&second);
	CHECK_BYTES(first.draw.id, second.draw.id, SESSION_ID_BYTES);
	CHECK_EQ(charge(&first, 70), 70);
	CHECK_EQ(charge(&second, 0), 0);
	/* by its id, it is the same payment without the signature */
	CHECK(session_find(sessions, text_of(id, &first.draw), &route, now_s, &payment, &permit));
	CHECK_BYTES(&permit.key, &first.sale.permit.key, sizeof permit.key);
	CHECK_EQ(payment.signature[0], 0);
	CHECK_EQ(enter(&first, &route, false), REASON_OK);
	CHECK(mailed(&first.sale.durable));
	CHECK_EQ(charge(&first, 30), 30);
	sessions_tend(sessions, now_s + IDLE_S - 1);
	CHECK(next_asked(20) == NULL);
	sessions_tend(sessions, now_s + IDLE_S);
	CHECK_EQ(asked_amount(), 100);
	CHECK(!session_find(sessions, text_of(id, &first.draw), &route, now_s, &payment, &permit));
	CHECK_EQ(enter(&first, &route, false), SESSION_OVER);
	CHECK_EQ(enter(&first, &route, true), REPLAYED);
	CHECK(stats().open == 0 && stats().opened == 1 && stats().requests == 3 && stats().ended[END_IDLE] == 1);
	close_all();
}

TEST(ids_of_strangers)
{
	struct visitor visitor;
	struct payment payment;
	struct permit permit;
	char id[HEX_BYTES(SESSION_ID_BYTES)], other[sizeof id];

	open_all(4);
	visitor_init(&visitor, 2);
	enter_durably(&visitor);
	struct span text = text_of(id, &visitor.draw);
	CHECK(session_find(sessions, text, &route, now_s, &payment, &permit));
	CHECK(!session_find(sessions, text, &elsewhere, now_s, &payment, &permit));
	CHECK_EQ(enter(&visitor, &elsewhere, true), REPLAYED);
	for (size_t cut = 0; cut < text.bytes; cut++)
		CHECK(!session_find(sessions, span_of(text.at, cut), &route, now_s, &payment, &permit));
	CHECK(!session_find(sessions, span_str(id), &route, now_s, &payment, &permit)); /* with 0x */
	for (size_t i = 0; i < text.bytes; i++) {
		memcpy(other, text.at, text.bytes);
		other[i] = other[i] == '0' ? '1' : '0';
		CHECK(!session_find(sessions, span_of(other, text.bytes), &route, now_s, &payment, &permit));
	}
	/* a session takes nobody in near its payment's deadline */
	CHECK(session_find(sessions, text, &route, now_s + LIFE_S - MARGIN_S - 1, &payment, &permit));
	CHECK(!session_find(sessions, text, &route, now_s + LIFE_S - MARGIN_S, &payment, &permit));
	charge(&visitor, 1);
	close_all();
}

TEST(nobody_overdraws)
{
	struct visitor visitors[AMOUNT / RESERVE], late;

	open_all(4);
	for (size_t i = 0; i < AMOUNT / RESERVE; i++) {
		visitor_init(&visitors[i], 3);
		enter_durably(&visitors[i]);
	}
	visitor_init(&late, 3);
	CHECK_EQ(enter(&late, &route, true), SESSION_BUSY);
	CHECK_EQ(charge(&visitors[0], 5000), RESERVE); /* nothing is free: what it reserved is all it can be charged */
	CHECK_EQ(enter(&late, &route, true), SESSION_BUSY);
	CHECK_EQ(charge(&visitors[1], 0), 0);
	enter_durably(&late);
	CHECK(draw(&late, 40));
	CHECK_EQ(charge(&late, 10), 10);	  /* the last word counts, also when it is less */
	CHECK_EQ(charge(&visitors[2], 180), 180); /* 90 were free */
	CHECK_EQ(enter(&late, &route, true), SESSION_BUSY);
	for (size_t i = 3; i < AMOUNT / RESERVE; i++)
		CHECK_EQ(charge(&visitors[i], RESERVE), RESERVE);
	CHECK_EQ(asked_amount(), RESERVE + 10 + 180 + 7 * RESERVE); /* 10 are left: it is spent */
	CHECK_EQ(stats().ended[END_SPENT], 1);
	close_all();
}

TEST(too_little_is_left)
{
	struct visitor first, second, third;

	open_all(4);
	visitor_init(&first, 4);
	visitor_init(&second, 4);
	visitor_init(&third, 4);
	enter_durably(&first);
	enter_durably(&second);
	CHECK_EQ(charge(&first, AMOUNT), AMOUNT - RESERVE); /* the other's part is not touched */
	CHECK_EQ(enter(&third, &route, true), SESSION_BUSY);
	CHECK_EQ(charge(&second, 1), 1);
	CHECK_EQ(asked_amount(), AMOUNT - RESERVE + 1); /* 99 are left */
	visitor_init(&first, 5);
	visitor_init(&second, 5);
	visitor_init(&third, 5);
	enter_durably(&first);
	enter_durably(&second);
	CHECK(draw(&second, 150));
	CHECK_EQ(charge(&first, AMOUNT - 150), AMOUNT - 150);
	CHECK_EQ(enter(&third, &route, true), SESSION_BUSY);
	CHECK(draw(&second, 151));
	CHECK_EQ(charge(&second, 60), 60);
	CHECK_EQ(asked_amount(), AMOUNT - 90);
	close_all();
}

TEST(what_served_nothing_is_given_back)
{
	struct visitor first, second;

	open_all(4);
	for (int durably = 0; durably < 2; durably++) {
		visitor_init(&first, 6);
		visitor_init(&second, 6);
		CHECK_EQ(enter(&first, &route, true), REASON_OK);
		if (durably)
			CHECK(mailed(&first.sale.durable));
		CHECK_EQ(enter(&second, &route, true), REASON_OK);
		session_leave(&first.draw, now_s);
		CHECK(claim_seen(ledger, &first.sale.permit.key)); /* somebody is in it */
		session_leave(&second.draw, now_s);
		CHECK(!claim_seen(ledger, &first.sale.permit.key));
		for (int mails = durably; mails < 2; mails++)
			CHECK(next_mail(&box, 5000) != NULL);
	}
	CHECK(stats().given_back == 2 && stats().open == 0 && stats().running == 0);
	/* once something was served, it is a session to the end, even of what cost nothing */
	visitor_init(&first, 6);
	enter_durably(&first);
	CHECK_EQ(charge(&first, 0), 0);
	enter_durably(&first);
	session_leave(&first.draw, now_s);
	CHECK(claim_seen(ledger, &first.sale.permit.key) && stats().open == 1);
	sessions_tend(sessions, now_s + IDLE_S);
	CHECK(comes_to(CLAIM_SETTLED, 1)); /* zero is final without asking */
	CHECK(next_asked(20) == NULL);
	close_all();
}

TEST(before_the_deadline)
{
	struct visitor idle, busy, late;
	struct word due = word_of(500), charged;

	open_all(4);
	visitor_init(&idle, 7);
	visitor_init(&busy, 8);
	enter_durably(&idle);
	enter_durably(&busy);
	charge(&idle, 10);
	now_s += LIFE_S - MARGIN_S - 1; /* used a moment ago */
	enter_durably(&idle);
	charge(&idle, 10);
	sessions_tend(sessions, now_s);
	CHECK(next_asked(20) == NULL);
	sessions_tend(sessions, now_s + 1);
	CHECK_EQ(asked_amount(), 20);
	/* one that is at work goes on, takes nobody in, and is settled for what it has cost by then */
	CHECK(draw(&busy, 300));
	now_s++;
	visitor_init(&late, 8);
	CHECK_EQ(enter(&late, &route, true), SESSION_OVER);
	sessions_tend(sessions, now_s + MARGIN_S / 2 - 1);
	CHECK(next_asked(20) == NULL);
	sessions_tend(sessions, now_s + MARGIN_S / 2);
	CHECK_EQ(asked_amount(), 300);
	CHECK(!draw(&busy, 400));
	session_charge(&busy.draw, &due, now_s, &charged, &busy.sale.settled);
	CHECK(mailed(&busy.sale.settled));
	CHECK(busy.sale.settled.error == 0 && u256_compare(charged.at, word_of(300).at) == 0);
	CHECK(stats().cut == 1 && stats().ended[END_DEADLINE] == 2 && stats().running == 0);
	close_all();
}

TEST(a_payment_that_ends_soon_is_for_those_who_come_with_it)
{
	struct visitor visitor;
	struct payment payment;
	struct permit permit;
	char id[HEX_BYTES(SESSION_ID_BYTES)];

	open_all(4);
	visitor_init(&visitor, 9);
	now_s += LIFE_S - MARGIN_S + 10; /* 50 s are left */
	enter_durably(&visitor);
	CHECK(!session_find(sessions, text_of(id, &visitor.draw), &route, now_s, &payment, &permit));
	sessions_tend(sessions, now_s + 50 - LATE_CLOSE_S - 1);
	CHECK(draw(&visitor, 5));
	CHECK_EQ(charge(&visitor, 7), 7);
	sessions_tend(sessions, now_s + 50 - LATE_CLOSE_S - 1);
	CHECK_EQ(asked_amount(), 7);
	close_all();
}

TEST(full_means_the_longest_idle_goes)
{
	struct visitor visitors[4];

	open_all(2);
	for (uint64_t i = 0; i < 4; i++)
		visitor_init(&visitors[i], 10 + i);
	enter_durably(&visitors[0]);
	enter_durably(&visitors[1]);
	CHECK_EQ(enter(&visitors[2], &route, true), SESSIONS_FULL);
	CHECK(!claim_seen(ledger, &visitors[2].sale.permit.key));
	charge(&visitors[1], 2);
	charge(&visitors[0], 1);
	enter_durably(&visitors[2]); /* in the place of 1, idle longer than 0 */
	CHECK_EQ(asked_amount(), 2);
	CHECK(session_seen(sessions, &visitors[0].sale.permit.key, &route));
	CHECK(!session_seen(sessions, &visitors[1].sale.permit.key, &route));
	enter_durably(&visitors[0]); /* not idle any more */
	CHECK_EQ(enter(&visitors[3], &route, true), SESSIONS_FULL);
	CHECK(stats().open == 2 && stats().ended[END_EVICTED] == 1);
	charge(&visitors[0], 1);
	charge(&visitors[2], 1);
	close_all();
}

TEST(a_lost_claim_ends_its_session)
{
	struct visitor first, second;

	open_all(1);
	visitor_init(&first, 14);
	visitor_init(&second, 14);
	CHECK_EQ(enter(&first, &route, true), REASON_OK);
	CHECK_EQ(enter(&second, &route, true), REASON_OK);
	session_lost(&first.draw);
	CHECK(!session_seen(sessions, &first.sale.permit.key, &route));
	session_lost(&second.draw);
	CHECK(stats().open == 0 && stats().running == 0);
	CHECK(next_mail(&box, 5000) != NULL && next_mail(&box, 5000) != NULL);
	visitor_init(&first, 15);
	enter_durably(&first); /* the one place is free */
	charge(&first, 1);
	close_all();
}

TEST(draining_settles_each_as_soon_as_it_is_empty)
{
	struct visitor idle, busy;

	open_all(4);
	visitor_init(&idle, 16);
	visitor_init(&busy, 17);
	enter_durably(&idle);
	enter_durably(&busy);
	charge(&idle, 11);
	sessions_drain(sessions);
	CHECK_EQ(asked_amount(), 11);
	CHECK(next_asked(20) == NULL);
	charge(&busy, 12);
	CHECK_EQ(asked_amount(), 12);
	CHECK_EQ(stats().ended[END_DRAINED], 2);
	close_all();
}

TEST(after_a_crash_what_was_served_is_owed)
{
	struct visitor visitor, other;

	open_all(4);
	visitor_init(&visitor, 18);
	visitor_init(&other, 18);
	enter_durably(&visitor);
	enter_durably(&other);
	charge(&visitor, 40);
	CHECK(draw(&other, 25));
	enter_durably(&visitor); /* a commit after the draw's */
	restart();		 /* the sessions are gone with their process */
	CHECK(seen[18].state == CLAIM_OWED && seen[18].amount_due == 65);
	CHECK_EQ(asked_amount(), 65);
	CHECK(claim_seen(ledger, &visitor.sale.permit.key));
	close_all();
}

/* --- many threads --- */

enum { THREADS = 4, ROUNDS = 1500, PAYMENTS = 3 };

static uint64_t charged_sum[PAYMENTS];
static pthread_mutex_t sum_lock = PTHREAD_MUTEX_INITIALIZER;

static bool told(struct mailbox *own, struct claim_wait *wait)
{
	struct pollfd fd = {.fd = own->event_fd, .events = POLLIN};

	if (poll(&fd, 1, 5000) != 1)
		return false;
	mailbox_clear(own);
	return mailbox_take(own) == &wait->mail && wait->error == 0;
}

static void *visit(void *failures)
{
	struct mailbox own;
	uint64_t seed = (uintptr_t)failures;

	*(uint64_t *)failures = mailbox_init(&own) != 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct visitor visitor;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t number = seed >> 33, which = number % PAYMENTS, amount = number / 7 % 40;
		visitor_init(&visitor, 20 + which);
		visitor.sale.durable.box = visitor.sale.settled.box = &own;
		enum reason reason = enter(&visitor, &route, true);
		if (reason != REASON_OK) { /* spent, settled and remembered */
			*(uint64_t *)failures +=
				reason != REPLAYED && reason != SESSION_BUSY && reason != SESSION_SPENT;
			continue;
		}
		*(uint64_t *)failures += !told(&own, &visitor.sale.durable);
		if (number % 5 == 0)
			draw(&visitor, amount / 2);
		struct word due = word_of(amount), charged;
		uint64_t part = 0;
		session_charge(&visitor.draw, &due, now_s, &charged, &visitor.sale.settled);
		*(uint64_t *)failures += !told(&own, &visitor.sale.settled) || !u256_to_u64(&part, charged.at);
		pthread_mutex_lock(&sum_lock);
		charged_sum[which] += part;
		pthread_mutex_unlock(&sum_lock);
	}
	mailbox_fini(&own);
	return NULL;
}

TEST(many_threads_draw_and_the_sums_agree)
{
	pthread_t threads[THREADS];
	uint64_t failures[THREADS];

	open_all(8);
	u256_from_u64(offers[METHOD_UPTO].amount.at, 20000);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_NEED(pthread_create(&threads[i], NULL, visit, &failures[i]) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(failures[i], 0);
	}
	sessions_drain(sessions);
	for (unsigned i = 0; i < PAYMENTS; i++) {
		struct settlement *settlement = must_ask();
		uint64_t which = sale_number(&settlement->payment) - 20, amount = 0;
		CHECK(which < PAYMENTS && u256_to_u64(&amount, settlement->amount_due.at) && amount <= 20000);
		CHECK_EQ(amount, charged_sum[which]);
		CHECK(amount > 1000);
	}
	CHECK(stats().open == 0 && stats().running == 0);
	close_all();
}

CHECK_MAIN
