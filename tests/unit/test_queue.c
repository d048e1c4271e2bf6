// SPDX-License-Identifier: Apache-2.0
#include "queue.c"

#include <poll.h>
#include <unistd.h>

#include "check.h"
#include "random.h"

static struct queue *make(size_t requests_max, size_t bytes_max, unsigned in_flight)
{
	struct queue_config config = {.requests_max = requests_max, .bytes_max = bytes_max, .upstream_cnt = 2};

	config.in_flight_max[0] = config.in_flight_max[1] = in_flight;
	return queue_init(&config);
}

static void check_stats(struct queue *queue, size_t requests, size_t bytes, unsigned in_flight)
{
	struct queue_stats stats;

	queue_stats(queue, &stats);
	CHECK_EQ(stats.requests, requests);
	CHECK_EQ(stats.bytes, bytes);
	CHECK_EQ(stats.in_flight[0], in_flight);
}

static struct queue_ticket ticket_of(struct mailbox *box, unsigned upstream_idx, size_t bytes)
{
	return (struct queue_ticket){.box = box, .upstream_idx = upstream_idx, .bytes = bytes};
}

static enum reason push(struct queue *queue, struct queue_ticket *ticket)
{
	bool granted;
	enum reason reason = queue_push(queue, ticket, &granted);

	CHECK(granted == ticket->granted); /* one thread here: nobody else can have granted it */
	return reason;
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
		tickets[i] = ticket_of(&box, 0, 10);
	CHECK_EQ(push(queue, &tickets[0]), REASON_OK);
	CHECK(tickets[0].granted && !tickets[0].waiting && tickets[0].place == 0);
	CHECK_EQ(push(queue, &tickets[1]), REASON_OK);
	CHECK_EQ(push(queue, &tickets[2]), REASON_OK);
	CHECK(!tickets[1].granted && tickets[1].waiting);
	CHECK(tickets[1].place == 1 && tickets[2].place == 2);
	CHECK(!queue_room(queue, 0, 10));
	CHECK(queue_room(queue, 1, 10)); /* the other upstream has a place */
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
		running[i] = ticket_of(&box, i, 1000000); /* what has a place is not counted */
		CHECK_EQ(push(queue, &running[i]), REASON_OK);
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		tickets[i] = ticket_of(&box, rows[i].upstream_idx, rows[i].bytes);
		CHECK_ROW(queue_room(queue, rows[i].upstream_idx, rows[i].bytes) == (rows[i].reason == REASON_OK),
			  rows[i].name);
		CHECK_ROW(push(queue, &tickets[i]) == rows[i].reason, rows[i].name);
	}
	queue_fini(queue);
	mailbox_fini(&box);
}

TEST(leaving_frees_the_seat_and_keeps_the_order)
{
	struct mailbox box;
	struct queue *queue = make(3, 100, 1);
	struct queue_ticket running = ticket_of(&box, 0, 0), a = ticket_of(&box, 0, 1), b = ticket_of(&box, 0, 2),
			    c = ticket_of(&box, 0, 4);

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
	struct queue_ticket ticket = ticket_of(&box, 0, 1);

	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_EQ(push(queue, &ticket), REASON_OK);
	CHECK(!ticket.granted);
	CHECK(queue_leave(queue, &ticket));
	check_stats(queue, 0, 0, 0);
	queue_fini(queue);
	mailbox_fini(&box);
}

/* --- many workers at one queue: each place is held by one request at a time, and none gets lost --- */

enum { WORKERS = 4, TICKETS = 16, ROUNDS = 20000, PLACES = 3, SEATS = 6 };

struct worker {
	struct queue *queue;
	struct mailbox box;
	struct queue_ticket tickets[TICKETS];
	bool mail_due[TICKETS]; /* in line, or left too late: the mail must still come */
	bool left[TICKETS];
	uint64_t random;
	unsigned granted_cnt, mailed_cnt, full_cnt, left_cnt, late_cnt;
};

static _Atomic int holders[2], worst[2];

static size_t pick(struct worker *worker, size_t bound)
{
	worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(worker->random >> 33) % bound;
}

static void hold(const struct queue_ticket *ticket)
{
	int now = atomic_fetch_add(&holders[ticket->upstream_idx], 1) + 1;

	if (now > atomic_load(&worst[ticket->upstream_idx]))
		atomic_store(&worst[ticket->upstream_idx], now);
}

static void let_go(struct worker *worker, struct queue_ticket *ticket)
{
	atomic_fetch_sub(&holders[ticket->upstream_idx], 1);
	queue_pop(worker->queue, ticket);
}

static void take_grants(struct worker *worker)
{
	for (struct mail *mail = mailbox_take(&worker->box), *next; mail != NULL; mail = next) {
		next = mail->next;
		struct queue_ticket *ticket = (struct queue_ticket *)mail;
		size_t idx = (size_t)(ticket - worker->tickets);
		CHECK(worker->mail_due[idx] && ticket->granted && !ticket->waiting);
		worker->mail_due[idx] = false;
		worker->mailed_cnt++;
		hold(ticket);
		if (worker->left[idx]) { /* it left while the grant was on its way */
			worker->left[idx] = false;
			let_go(worker, ticket);
		}
	}
}

static void act(struct worker *worker, size_t idx)
{
	struct queue_ticket *ticket = &worker->tickets[idx];

	if (worker->left[idx])
		return;
	if (worker->mail_due[idx]) {
		if (pick(worker, 3) != 0)
			return;
		if (queue_leave(worker->queue, ticket)) {
			worker->mail_due[idx] = false;
			worker->left_cnt++;
		} else {
			worker->left[idx] = true;
			worker->late_cnt++;
		}
	} else if (ticket->granted) {
		let_go(worker, ticket);
	} else {
		ticket->upstream_idx = (unsigned)pick(worker, 2);
		ticket->bytes = pick(worker, 10);
		bool granted;
		if (queue_push(worker->queue, ticket, &granted) != REASON_OK) {
			worker->full_cnt++;
		} else if (granted) {
			worker->granted_cnt++;
			hold(ticket);
		} else {
			worker->mail_due[idx] = true;
		}
	}
}

/* Nothing is pushed any more: what waits leaves, what is held is given back. */
static bool wind_down(struct worker *worker)
{
	bool busy = false;

	take_grants(worker);
	for (size_t i = 0; i < TICKETS; i++) {
		if (worker->mail_due[i] || worker->tickets[i].granted) {
			act(worker, i);
			busy = true;
		}
	}
	return busy;
}

static void *work(void *ctx)
{
	struct worker *worker = ctx;

	for (unsigned i = 0; i < ROUNDS; i++) {
		/* A ticket that waits belongs to whoever grants it: granted is read only when no mail is due. */
		act(worker, pick(worker, TICKETS));
		if (pick(worker, 4) == 0)
			take_grants(worker);
	}
	for (bool busy = true; busy;) {
		struct pollfd fd = {.fd = worker->box.event_fd, .events = POLLIN};
		poll(&fd, 1, 1);
		mailbox_clear(&worker->box);
		busy = wind_down(worker);
	}
	return NULL;
}

TEST(workers_leave_and_grant_at_once)
{
	static struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	struct queue *queue = make(SEATS, 100, PLACES);
	unsigned mailed_cnt = 0, full_cnt = 0;

	random_start("queue");
	for (size_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){.queue = queue, .random = random_u64()};
		CHECK_EQ(mailbox_init(&workers[i].box), 0);
		for (size_t k = 0; k < TICKETS; k++)
			workers[i].tickets[k].box = &workers[i].box;
	}
	for (size_t i = 0; i < WORKERS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < WORKERS; i++) {
		CHECK(mailbox_take(&workers[i].box) == NULL);
		mailed_cnt += workers[i].mailed_cnt;
		full_cnt += workers[i].full_cnt;
		mailbox_fini(&workers[i].box);
	}
	CHECK(mailed_cnt > 0 && full_cnt > 0);
	CHECK(worst[0] == PLACES && worst[1] == PLACES); /* never more, and all of them used */
	check_stats(queue, 0, 0, 0);
	queue_fini(queue);
}

CHECK_MAIN
