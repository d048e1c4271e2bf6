// SPDX-License-Identifier: Apache-2.0
/* Many workers at one queue, whose upstreams come and go. */
#include "queue_fixture.h"

#include <poll.h>
#include <unistd.h>

#include "random.h"

/* --- many workers at one queue: each place is held by one request at a time, and none gets lost --- */

enum { WORKERS = 4, TICKETS = 16, ROUNDS = 20000, PLACES = 3, SEATS = 6 };

struct worker {
	struct queue *queue;
	struct mailbox box;
	struct queue_ticket tickets[TICKETS];
	bool mail_due[TICKETS]; /* in line, or left too late: the mail must still come */
	bool left[TICKETS];
	uint64_t random;
	unsigned granted_cnt, mailed_cnt, full_cnt, left_cnt, late_cnt, displaced_cnt, down_cnt;
};

static const uint32_t sets[] = {ONLY(0), ONLY(1), BOTH};
static _Atomic int holders[2], worst[2];
static _Atomic unsigned clock_steps;
static _Atomic bool faults; /* the upstreams have them */

static size_t draw(struct worker *worker, size_t bound)
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
		CHECK(worker->mail_due[idx] && !ticket->waiting);
		worker->mail_due[idx] = false;
		worker->mailed_cnt++;
		if (!ticket->granted) {
			CHECK_EQ(ticket->refused, QUEUE_FULL);
			worker->left[idx] = false;
			worker->displaced_cnt++;
			continue;
		}
		hold(ticket);
		if (worker->left[idx]) { /* it left while the grant was on its way */
			worker->left[idx] = false;
			let_go(worker, ticket);
		}
	}
}

/* What ends a request: an answer, a fault of its upstream, or none of it was sent and another one is asked for. */
static void end(struct worker *worker, size_t idx)
{
	static const enum health_sign signs[] = {SIGN_GOOD,  SIGN_GOOD,	  SIGN_BUSY, SIGN_DEAD,
						 SIGN_ERROR, SIGN_SILENT, SIGN_NONE, SIGN_DEAD};
	struct queue_ticket *ticket = &worker->tickets[idx];
	uint64_t now_ms = NOW + 100 * (uint64_t)atomic_fetch_add(&clock_steps, 1);
	bool granted;

	if (atomic_load(&faults))
		queue_note(worker->queue, ticket->upstream_idx, signs[draw(worker, 8)], false, ticket->began_ms,
			   now_ms);
	if (!atomic_load(&faults) || draw(worker, 3) != 0) {
		let_go(worker, ticket);
		return;
	}
	atomic_fetch_sub(&holders[ticket->upstream_idx], 1);
	unsigned from = ticket->upstream_idx;
	if (queue_again(worker->queue, ticket, now_ms, &granted) != REASON_OK) {
		CHECK(!ticket->granted && !ticket->waiting);
		worker->down_cnt++;
	} else if (granted) {
		CHECK(ticket->upstream_idx != from);
		hold(ticket);
	} else {
		worker->mail_due[idx] = true;
	}
}

static void act(struct worker *worker, size_t idx)
{
	struct queue_ticket *ticket = &worker->tickets[idx];

	if (worker->left[idx])
		return;
	if (worker->mail_due[idx]) {
		if (draw(worker, 3) != 0)
			return;
		if (queue_leave(worker->queue, ticket)) {
			worker->mail_due[idx] = false;
			worker->left_cnt++;
		} else {
			worker->left[idx] = true;
			worker->late_cnt++;
		}
	} else if (ticket->granted) {
		end(worker, idx);
	} else {
		ticket->upstreams = sets[draw(worker, 3)];
		ticket->payer.at[0] = (uint8_t)draw(worker, 3);
		ticket->band = (unsigned)draw(worker, FAIR_BANDS);
		ticket->cost = draw(worker, 2000);
		ticket->bytes = draw(worker, 10);
		bool granted;
		enum reason reason = queue_push(worker->queue, ticket, NOW, &granted);
		if (reason != REASON_OK) {
			worker->full_cnt += reason == QUEUE_FULL;
			worker->down_cnt += reason == UPSTREAM_DOWN;
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
		act(worker, draw(worker, TICKETS));
		if (draw(worker, 4) == 0)
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

static struct worker run_workers(struct queue *queue)
{
	static struct worker workers[WORKERS];
	struct worker sum = {0};
	pthread_t threads[WORKERS];

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
		sum.mailed_cnt += workers[i].mailed_cnt;
		sum.full_cnt += workers[i].full_cnt;
		sum.displaced_cnt += workers[i].displaced_cnt;
		sum.down_cnt += workers[i].down_cnt;
		mailbox_fini(&workers[i].box);
	}
	check_stats(queue, 0, 0, 0);
	CHECK(worst[0] == PLACES && worst[1] == PLACES); /* never more, and all of them used */
	CHECK(sum.mailed_cnt > 0 && sum.full_cnt > 0 && sum.displaced_cnt > 0);
	return sum;
}

TEST(workers_leave_and_grant_at_once)
{
	struct queue *queue = make(SEATS, 100, PLACES);
	struct queue_stats stats;

	random_start("queue");
	CHECK_EQ(run_workers(queue).down_cnt, 0);
	atomic_store(&faults, true);
	CHECK(run_workers(queue).down_cnt > 0);
	queue_stats(queue, &stats);
	for (size_t i = 0; i < 2; i++)
		CHECK(stats.upstreams[i].outages > 0 && stats.upstreams[i].moved > 0);
	queue_fini(queue);
}

CHECK_MAIN
