// SPDX-License-Identifier: Apache-2.0
#include "queue_fixture.h"

static struct queue_ticket made(struct mailbox *box, unsigned upstream_idx, size_t bytes)
{
	return (struct queue_ticket){.box = box, .upstreams = ONLY(upstream_idx), .bytes = bytes};
}

static enum reason push(struct queue *queue, struct queue_ticket *ticket)
{
	bool granted;
	enum reason reason = queue_push(queue, ticket, NOW, &granted);

	CHECK(granted == ticket->granted); /* one thread here: nobody else can have granted it */
	return reason;
}

static enum reason look(struct queue *queue, unsigned upstream_idx, size_t bytes)
{
	struct queue_ticket ticket = made(NULL, upstream_idx, bytes);

	return queue_look(queue, &ticket, NOW);
}

/* The one ticket that was mailed, or NULL. */
static struct queue_ticket *mailed(struct mailbox *box)
{
	struct mail *mail = mailbox_take(box);

	CHECK(mail == NULL || mail->next == NULL);
	return (struct queue_ticket *)mail; /* mail is its first field */
}

TEST(places_then_seats_then_full)
{
	struct mailbox box;
	struct queue *queue = make(2, 1000, 1);
	struct queue_ticket tickets[4];

	CHECK_EQ(mailbox_init(&box), 0);
	for (size_t i = 0; i < 4; i++)
		tickets[i] = made(&box, 0, 10);
	CHECK_EQ(push(queue, &tickets[0]), REASON_OK);
	CHECK(tickets[0].granted && !tickets[0].waiting && tickets[0].place == 0);
	CHECK_EQ(push(queue, &tickets[1]), REASON_OK);
	CHECK_EQ(push(queue, &tickets[2]), REASON_OK);
	CHECK(!tickets[1].granted && tickets[1].waiting);
	CHECK(tickets[1].place == 1 && tickets[2].place == 2);
	CHECK_EQ(look(queue, 0, 10), QUEUE_FULL);
	CHECK_EQ(look(queue, 1, 10), REASON_OK); /* the other upstream has a place */
	CHECK_EQ(push(queue, &tickets[3]), QUEUE_FULL);
	CHECK(!tickets[3].granted && !tickets[3].waiting);
	check_stats(queue, 2, 20, 1);

	queue_pop(queue, &tickets[0]);
	CHECK(mailed(&box) == &tickets[1]); /* first come, first served, and the place is his */
	CHECK(tickets[1].granted && !tickets[1].waiting && !tickets[0].granted);
	check_stats(queue, 1, 10, 1);
	queue_pop(queue, &tickets[1]);
	CHECK(mailed(&box) == &tickets[2]);
	queue_pop(queue, &tickets[2]);
	CHECK(mailed(&box) == NULL);
	check_stats(queue, 0, 0, 0);
	CHECK_EQ(push(queue, &tickets[3]), REASON_OK);
	queue_pop(queue, &tickets[3]);
	queue_fini(queue);
	mailbox_fini(&box);
}

TEST(bytes_are_bounded_over_all_lines)
{
	static const struct {
		const char *name;
		unsigned upstream_idx;
		size_t bytes;
		enum reason reason;
	} rows[] = {
		{"fits exactly", 0, 60, REASON_OK},    {"one byte too many", 0, 41, QUEUE_FULL},
		{"the other line", 1, 41, QUEUE_FULL}, {"the rest", 1, 40, REASON_OK},
		{"nothing", 0, 0, REASON_OK},	       {"one more", 0, 1, QUEUE_FULL},
		{"huge", 0, SIZE_MAX, QUEUE_FULL},
	};
	struct mailbox box;
	struct queue *queue = make(100, 100, 1);
	struct queue_ticket running[2], tickets[sizeof rows / sizeof *rows];

	CHECK_EQ(mailbox_init(&box), 0);
	for (unsigned i = 0; i < 2; i++) {
		running[i] = made(&box, i, 1000000); /* what has a place is not counted */
		CHECK_EQ(push(queue, &running[i]), REASON_OK);
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		tickets[i] = made(&box, rows[i].upstream_idx, rows[i].bytes);
		CHECK_ROW(look(queue, rows[i].upstream_idx, rows[i].bytes) == rows[i].reason, rows[i].name);
		CHECK_ROW(push(queue, &tickets[i]) == rows[i].reason, rows[i].name);
	}
	queue_fini(queue);
	mailbox_fini(&box);
}

TEST(leaving_frees_the_seat_and_keeps_the_order)
{
	struct mailbox box;
	struct queue *queue = make(3, 100, 1);
	struct queue_ticket running = made(&box, 0, 0), a = made(&box, 0, 1), b = made(&box, 0, 2),
			    c = made(&box, 0, 4);

	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_EQ(push(queue, &running), REASON_OK);
	CHECK_EQ(push(queue, &a), REASON_OK);
	CHECK_EQ(push(queue, &b), REASON_OK);
	CHECK_EQ(push(queue, &c), REASON_OK);
	CHECK(queue_leave(queue, &b));
	CHECK(!queue_leave(queue, &b)); /* not in line any more */
	check_stats(queue, 2, 5, 1);
	b.place = 0;
	CHECK(queue_place(queue, &a) == 1 && queue_place(queue, &c) == 3); /* b is counted still */
	queue_pop(queue, &running);
	CHECK_EQ(queue_place(queue, &c), 2);
	CHECK(!queue_leave(queue, &a)); /* too late: it has the place, and its mail */
	CHECK(mailed(&box) == &a);
	queue_pop(queue, &a);
	CHECK(mailed(&box) == &c);
	CHECK_EQ(queue_place(queue, &c), 1);  /* never 0 */
	CHECK_EQ(push(queue, &b), REASON_OK); /* b starts again, at the end */
	CHECK_EQ(b.place, 1);
	queue_pop(queue, &c);
	CHECK(mailed(&box) == &b);
	queue_pop(queue, &b);
	check_stats(queue, 0, 0, 0);
	queue_fini(queue);
	mailbox_fini(&box);
}

TEST(an_upstream_without_places_serves_nobody)
{
	struct mailbox box;
	struct queue *queue = make(1, 100, 0);
	struct queue_ticket ticket = made(&box, 0, 1);

	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_EQ(push(queue, &ticket), REASON_OK);
	CHECK(!ticket.granted);
	CHECK(queue_leave(queue, &ticket));
	check_stats(queue, 0, 0, 0);
	queue_fini(queue);
	mailbox_fini(&box);
}

/* --- which upstream --- */

static enum health_state note(struct queue *queue, unsigned idx, enum health_sign sign, uint64_t now_ms)
{
	struct queue_stats stats;

	queue_note(queue, idx, sign, false, now_ms, now_ms);
	queue_stats(queue, &stats);
	return stats.upstreams[idx].state;
}

static void put_out(struct queue *queue, unsigned idx, enum health_sign sign)
{
	for (unsigned i = 0; i < HEALTH_FAILS; i++)
		note(queue, idx, sign, NOW);
}

static struct queue_ticket of_both(struct mailbox *box, uint8_t payer)
{
	return (struct queue_ticket){.box = box, .upstreams = BOTH, .bytes = 1, .payer = {{payer}}};
}

TEST(the_least_busy_is_asked_by_its_places)
{
	struct queue_config config = {.requests_max = 4,
				      .bytes_max = 100,
				      .upstream_cnt = 2,
				      .in_flight_max = {8, 2},
				      .names = {"wide", "narrow"},
				      .sets = {BOTH},
				      .set_cnt = 1};
	struct queue *queue = queue_init(&config);
	struct queue_ticket tickets[10], more = of_both(NULL, 0);
	unsigned at[2] = {0};

	CHECK_NEED(queue != NULL);
	for (size_t i = 0; i < 10; i++) {
		tickets[i] = of_both(NULL, 0);
		CHECK_EQ(push(queue, &tickets[i]), REASON_OK);
		CHECK(tickets[i].granted);
		at[tickets[i].upstream_idx]++;
		if (i == 4)
			CHECK(at[0] == 4 && at[1] == 1); /* a quarter of its places each way */
	}
	CHECK(at[0] == 8 && at[1] == 2);
	CHECK_EQ(push(queue, &more), REASON_OK);
	CHECK(more.waiting && queue_leave(queue, &more));
	queue_pop(queue, &tickets[0]);
	CHECK_EQ(push(queue, &more), REASON_OK);
	CHECK(more.granted && more.upstream_idx == tickets[0].upstream_idx);
	queue_fini(queue);
}

TEST(who_is_out_gets_one_to_find_out_and_then_all)
{
	struct mailbox box;
	struct queue *queue = make(10, 100, 2);
	struct queue_ticket first, tickets[6];
	bool granted;

	CHECK_EQ(mailbox_init(&box), 0);
	for (size_t i = 0; i < 6; i++)
		tickets[i] = of_both(&box, 0);
	put_out(queue, 0, SIGN_DEAD);
	for (size_t i = 0; i < 2; i++) {
		CHECK_EQ(push(queue, &tickets[i]), REASON_OK);
		CHECK(tickets[i].granted && tickets[i].upstream_idx == 1);
	}
	for (size_t i = 2; i < 6; i++)
		CHECK(push(queue, &tickets[i]) == REASON_OK && tickets[i].waiting); /* the places at 0 are nobody's */
	first = made(&box, 0, 1);
	CHECK_EQ(push(queue, &first), REASON_OK); /* but where there is no other it is asked all the same */
	CHECK(first.granted);
	queue_pop(queue, &first);

	queue_tend(queue, NOW + HEALTH_BACKOFF_MS - 1);
	CHECK(mailed(&box) == NULL);
	queue_tend(queue, NOW + HEALTH_BACKOFF_MS);
	CHECK(mailed(&box) == &tickets[2] && tickets[2].upstream_idx == 0);
	queue_tend(queue, NOW + 2 * HEALTH_BACKOFF_MS);
	CHECK(mailed(&box) == NULL);   /* one */
	queue_pop(queue, &tickets[2]); /* nothing became of it: the next may find out */
	CHECK(mailed(&box) == &tickets[3] && tickets[3].upstream_idx == 0);

	/* It could not be reached: first in line for the other, and twice the time out. */
	CHECK_EQ(note(queue, 0, SIGN_DEAD, NOW + 2 * HEALTH_BACKOFF_MS), HEALTH_OUT);
	CHECK_EQ(queue_again(queue, &tickets[3], NOW + 2 * HEALTH_BACKOFF_MS, &granted), REASON_OK);
	CHECK(!granted && tickets[3].waiting && mailed(&box) == NULL);
	queue_tend(queue, NOW + 4 * HEALTH_BACKOFF_MS);
	CHECK(mailed(&box) == &tickets[4] && tickets[4].upstream_idx == 0); /* not him again */
	queue_pop(queue, &tickets[0]);
	CHECK(mailed(&box) == &tickets[3] && tickets[3].upstream_idx == 1);
	CHECK_EQ(note(queue, 0, SIGN_GOOD, NOW + 4 * HEALTH_BACKOFF_MS), HEALTH_UP);
	CHECK(mailed(&box) == &tickets[5] && tickets[5].upstream_idx == 0);
	queue_fini(queue);
	mailbox_fini(&box);
}

TEST(all_are_down)
{
	struct queue *queue = make(10, 100, 2);
	struct queue_ticket ticket = of_both(NULL, 0), alone = made(NULL, 0, 1);
	bool granted;

	CHECK_EQ(push(queue, &ticket), REASON_OK);
	unsigned from = ticket.upstream_idx;
	CHECK_EQ(queue_again(queue, &ticket, NOW, &granted), REASON_OK);
	CHECK(granted && ticket.upstream_idx == 1 - from);
	CHECK_EQ(queue_again(queue, &ticket, NOW, &granted), UPSTREAM_DOWN); /* each was tried */
	CHECK(!ticket.granted && !ticket.waiting);
	CHECK_EQ(queue_look(queue, &ticket, NOW), REASON_OK); /* that was then: the next request starts anew */
	check_stats(queue, 0, 0, 0);
	put_out(queue, 0, SIGN_DEAD);
	put_out(queue, 1, SIGN_SILENT);
	CHECK_EQ(queue_look(queue, &ticket, NOW), UPSTREAM_DOWN);
	CHECK_EQ(push(queue, &ticket), UPSTREAM_DOWN);
	CHECK_EQ(push(queue, &alone), REASON_OK);
	queue_pop(queue, &alone);
	check_stats(queue, 0, 0, 0);
	queue_fini(queue);
}

TEST(what_answers_with_errors_is_the_last_resort)
{
	struct queue *queue = make(10, 100, 2);
	struct queue_ticket tickets[5];

	for (size_t i = 0; i < 5; i++)
		tickets[i] = of_both(NULL, 0);
	put_out(queue, 0, SIGN_ERROR);
	for (size_t i = 0; i < 2; i++)
		CHECK(push(queue, &tickets[i]) == REASON_OK && tickets[i].upstream_idx == 1 && tickets[i].granted);
	CHECK(push(queue, &tickets[2]) == REASON_OK && tickets[2].waiting);
	CHECK(queue_leave(queue, &tickets[2]));
	put_out(queue, 1, SIGN_DEAD);
	for (size_t i = 3; i < 5; i++)
		CHECK(push(queue, &tickets[i]) == REASON_OK && tickets[i].upstream_idx == 0 && tickets[i].granted);
	queue_fini(queue);
}

TEST(a_check_alone_brings_back_what_is_checked)
{
	struct queue_config config = {.requests_max = 4,
				      .bytes_max = 100,
				      .upstream_cnt = 1,
				      .in_flight_max = {2},
				      .names = {"checked"},
				      .checked = {true},
				      .sets = {ONLY(0)},
				      .set_cnt = 1};
	struct queue *queue = queue_init(&config);
	struct queue_ticket ticket = made(NULL, 0, 1);
	const uint64_t later_ms = NOW + 100 * HEALTH_BACKOFF_MS;

	CHECK_NEED(queue != NULL);
	put_out(queue, 0, SIGN_DEAD);
	queue_tend(queue, later_ms);
	CHECK_EQ(push(queue, &ticket), UPSTREAM_DOWN);
	CHECK_EQ(note(queue, 0, SIGN_GOOD, later_ms), HEALTH_OUT);
	queue_note(queue, 0, SIGN_GOOD, true, later_ms, later_ms);
	CHECK(push(queue, &ticket) == REASON_OK && ticket.granted);
	queue_pop(queue, &ticket);
	queue_note(queue, 0, SIGN_NOT_READY, true, later_ms, later_ms); /* at once, and the last resort */
	CHECK_EQ(note(queue, 0, SIGN_GOOD, later_ms + 1), HEALTH_OUT);
	CHECK(push(queue, &ticket) == REASON_OK && ticket.granted);
	queue_fini(queue);
}

TEST(a_full_line_has_a_seat_for_who_has_fewer)
{
	struct mailbox box;
	struct queue *queue = make(4, 100, 1);
	struct queue_ticket running, greedy[5], modest[3];
	struct queue_stats stats;

	CHECK_EQ(mailbox_init(&box), 0);
	running = of_both(&box, 9);
	running.upstreams = ONLY(0);
	CHECK_EQ(push(queue, &running), REASON_OK);
	for (size_t i = 0; i < 5; i++) {
		greedy[i] = made(&box, 0, 10);
		CHECK_EQ(push(queue, &greedy[i]), i < 4 ? REASON_OK : QUEUE_FULL);
	}
	for (size_t i = 0; i < 3; i++) {
		modest[i] = made(&box, 0, 10);
		modest[i].payer.at[0] = 1;
	}
	CHECK_EQ(queue_look(queue, &modest[0], NOW), REASON_OK);
	CHECK_EQ(push(queue, &modest[0]), REASON_OK);
	CHECK(mailed(&box) == &greedy[3] && !greedy[3].granted && greedy[3].refused == QUEUE_FULL);
	CHECK(!queue_leave(queue, &greedy[3]));
	CHECK_EQ(push(queue, &modest[1]), REASON_OK); /* two each */
	CHECK(mailed(&box) == &greedy[2]);
	CHECK_EQ(push(queue, &modest[2]), QUEUE_FULL);
	modest[2].payer.at[0] = 2;
	modest[2].bytes = 71; /* more than the seat that he would be given */
	CHECK_EQ(push(queue, &modest[2]), QUEUE_FULL);
	modest[2].bytes = 70;
	CHECK_EQ(push(queue, &modest[2]), REASON_OK);
	CHECK(mailed(&box) != NULL);
	queue_stats(queue, &stats);
	CHECK(stats.requests == 4 && stats.bytes == 100 && stats.displaced == 3);
	queue_fini(queue);
	mailbox_fini(&box);
}

static struct queue_ticket of_payer(struct mailbox *box, uint8_t payer)
{
	struct queue_ticket ticket = made(box, 0, 1);

	ticket.payer.at[0] = payer;
	return ticket;
}

/* A thousand requests of one payer are in line, and then one each of three others comes: those are served second, third and
 * fourth.  And so it stays while they send another whenever one was served. */
TEST(a_thousand_requests_delay_one_by_one)
{
	enum { MANY = 1000, FEW = 3 };
	static struct queue_ticket many[MANY];
	struct queue_ticket few[1 + FEW][2], running;
	struct mailbox box;
	struct queue *queue = make(MANY + FEW, MANY + FEW, 1);
	struct queue_ticket *now = &running;
	unsigned served[1 + FEW] = {0};

	CHECK_EQ(mailbox_init(&box), 0);
	running = of_payer(&box, 0);
	CHECK_EQ(push(queue, &running), REASON_OK);
	for (size_t i = 0; i < MANY; i++) {
		many[i] = of_payer(&box, 0);
		CHECK_EQ(push(queue, &many[i]), REASON_OK);
	}
	for (uint8_t payer = 1; payer <= FEW; payer++) {
		few[payer][0] = of_payer(&box, payer);
		CHECK_EQ(push(queue, &few[payer][0]), REASON_OK);
		CHECK_EQ(few[payer][0].place, payer + 1);
	}
	for (unsigned i = 0; i < 400; i++) {
		queue_pop(queue, now);
		now = mailed(&box);
		CHECK_NEED(now != NULL);
		uint8_t payer = now->payer.at[0];
		served[payer]++;
		if (payer > 0) {
			struct queue_ticket *next = &few[payer][now == &few[payer][0]];
			*next = of_payer(&box, payer);
			CHECK_EQ(push(queue, next), REASON_OK);
		}
		for (unsigned k = 0; i % (1 + FEW) == FEW && k <= FEW; k++)
			CHECK_EQ(served[k], i / (1 + FEW) + 1);
	}
	queue_fini(queue);
	mailbox_fini(&box);
}

CHECK_MAIN
