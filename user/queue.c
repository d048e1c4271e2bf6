/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"

_Static_assert(ROUTES_MAX <= FAIR_LINES_MAX, "each route may have a set of its own");
_Static_assert(UPSTREAMS_MAX <= 32, "a set is 32 bits");

struct upstream {
	struct health health;
	struct queue_upstream_stats counts;
	unsigned in_flight;
};

struct line { /* one for each set */
	uint32_t waiting;
	uint32_t given; /* places, to those who waited for one */
};

struct queue {
	pthread_mutex_t lock; /* held for a few instructions, twice a request; longer where many wait */
	struct queue_config config;
	size_t requests, bytes;
	uint64_t displaced;
	uint64_t now_ms; /* newest that anybody said: who gives a place back need not look at the clock */
	unsigned turn;	 /* the upstream that got the last request: of two with as little to do the other is next */
	struct upstream upstreams[UPSTREAMS_MAX];
	struct line lines[ROUTES_MAX];
	struct fair fair;
	struct queue_ticket again; /* list head: had a place at an upstream that could not be reached */
};

/* Tickets to be mailed once the lock is not held any more. */
struct outbox {
	struct queue_ticket *first, **last;
};

struct queue *queue_init(const struct queue_config *config)
{
	struct queue *queue = calloc(1, sizeof *queue);

	if (queue == NULL)
		return NULL;
	if (fair_init(&queue->fair, config->requests_max, config->hash_key) < 0) {
		free(queue);
		return NULL;
	}
	queue->config = *config;
	pthread_mutex_init(&queue->lock, NULL);
	queue->again.next = queue->again.prev = &queue->again;
	return queue;
}

void queue_fini(struct queue *queue)
{
	if (queue == NULL)
		return;
	pthread_mutex_destroy(&queue->lock);
	fair_fini(&queue->fair);
	free(queue);
}

size_t queue_bytes(const struct queue_config *config)
{
	return sizeof(struct queue) + fair_bytes(config->requests_max);
}

static void see_time(struct queue *queue, uint64_t now_ms)
{
	if (now_ms > queue->now_ms)
		queue->now_ms = now_ms;
}

/* --- which upstream --- */

static bool place_free(const struct queue *queue, unsigned idx)
{
	return queue->upstreams[idx].in_flight < queue->config.in_flight_max[idx];
}

/* Somebody may go there to find out how it is. */
static bool is_due(const struct queue *queue, unsigned idx)
{
	return !queue->config.checked[idx] && health_due(&queue->upstreams[idx].health, queue->now_ms);
}

/* What nobody else could do either, and no check says better, is tried each time. */
static bool is_only(const struct queue *queue, unsigned idx, uint32_t set)
{
	return set == UINT32_C(1) << idx && !queue->config.checked[idx];
}

static bool is_well(const struct queue *queue, unsigned idx, uint32_t set)
{
	return queue->upstreams[idx].health.state == HEALTH_UP || is_only(queue, idx, set);
}

static bool any_well(const struct queue *queue, uint32_t set)
{
	for (unsigned idx = 0; idx < queue->config.upstream_cnt; idx++)
		if ((set >> idx & 1) != 0 && is_well(queue, idx, set))
			return true;
	return false;
}

/* May requests of this set, some of it avoided, go there now, apart from places?  What answers with errors is the last resort. */
static bool may_take(const struct queue *queue, unsigned idx, uint32_t set, uint32_t avoid)
{
	if (((set & ~avoid) >> idx & 1) == 0)
		return false;
	return is_well(queue, idx, set) || is_due(queue, idx) ||
	       (queue->upstreams[idx].health.answers && !any_well(queue, set & ~avoid));
}

/* Has a less to do than b, by its places? */
static bool is_freer(const struct queue *queue, unsigned a, unsigned b)
{
	return (uint64_t)queue->upstreams[a].in_flight * queue->config.in_flight_max[b] <
	       (uint64_t)queue->upstreams[b].in_flight * queue->config.in_flight_max[a];
}

enum { PICK_BUSY = -1, PICK_DOWN = -2 }; /* no place now; nobody could take it at all */

static int pick(const struct queue *queue, uint32_t set, uint32_t avoid)
{
	int found = PICK_DOWN;

	for (unsigned i = 1; i <= UPSTREAMS_MAX; i++) {
		unsigned idx = (queue->turn + i) % UPSTREAMS_MAX;

		if (!may_take(queue, idx, set, avoid))
			continue;
		if (is_due(queue, idx) && place_free(queue, idx))
			return (int)idx;
		if (!place_free(queue, idx))
			found = found == PICK_DOWN ? PICK_BUSY : found;
		else if (found < 0 || is_freer(queue, idx, (unsigned)found))
			found = (int)idx;
	}
	return found;
}

static void give(struct queue *queue, struct queue_ticket *ticket, unsigned idx)
{
	struct upstream *upstream = &queue->upstreams[idx];

	ticket->probe = upstream->health.state == HEALTH_OUT && is_due(queue, idx);
	if (ticket->probe)
		health_try(&upstream->health, queue->now_ms);
	upstream->in_flight++;
	upstream->counts.requests++;
	queue->turn = idx;
	ticket->upstream_idx = idx;
	ticket->began_ms = queue->now_ms;
	ticket->granted = true;
}

static void take_back(struct queue *queue, struct queue_ticket *ticket)
{
	struct upstream *upstream = &queue->upstreams[ticket->upstream_idx];

	upstream->in_flight--;
	if (ticket->probe)
		health_untried(&upstream->health, queue->now_ms);
	ticket->probe = ticket->granted = false;
}

/* --- the line --- */

static unsigned line_idx(const struct queue *queue, uint32_t set)
{
	unsigned idx = 0;

	while (idx < queue->config.set_cnt && queue->config.sets[idx] != set)
		idx++;
	ASSERT(idx < queue->config.set_cnt);
	return idx;
}

static void sit_down(struct queue *queue, struct queue_ticket *ticket, bool again)
{
	struct line *line = &queue->lines[ticket->line];
	uint64_t place = 1;

	queue->requests++;
	queue->bytes += ticket->bytes;
	line->waiting++;
	ticket->waiting = true;
	ticket->before = line->given;
	if (again) {
		ticket->next = &queue->again;
		ticket->prev = queue->again.prev;
		ticket->prev->next = queue->again.prev = ticket;
	} else {
		place = fair_push(&queue->fair, ticket->line, ticket->band, &ticket->payer, &ticket->item,
				  ticket->cost);
	}
	ticket->place = place < line->waiting ? (uint32_t)place : line->waiting;
}

/* Its item is out of its flow already, or it has none. */
static void stand_up(struct queue *queue, struct queue_ticket *ticket)
{
	ticket->waiting = false;
	queue->lines[ticket->line].waiting--;
	queue->requests--;
	queue->bytes -= ticket->bytes;
}

static void leave_line(struct queue *queue, struct queue_ticket *ticket)
{
	if (ticket->item.flow != NULL) {
		fair_remove(&queue->fair, &ticket->item);
	} else {
		ticket->prev->next = ticket->next;
		ticket->next->prev = ticket->prev;
	}
	stand_up(queue, ticket);
}

static struct queue_ticket *ticket_of(struct fair_item *item)
{
	return (struct queue_ticket *)(void *)((char *)item - offsetof(struct queue_ticket, item));
}

/* --- places that are free --- */

static void post(struct outbox *outbox, struct queue_ticket *ticket)
{
	ticket->next = NULL;
	*outbox->last = ticket;
	outbox->last = &ticket->next;
}

static void send_all(const struct outbox *outbox)
{
	for (struct queue_ticket *ticket = outbox->first, *next; ticket != NULL; ticket = next) {
		next = ticket->next; /* once mailed, the ticket is its owner's */
		mailbox_push(ticket->box, &ticket->mail);
	}
}

/* Who had a place before comes first. */
static struct queue_ticket *next_again(struct queue *queue, unsigned idx)
{
	for (struct queue_ticket *ticket = queue->again.next; ticket != &queue->again; ticket = ticket->next) {
		if (may_take(queue, idx, ticket->upstreams, ticket->avoid)) {
			leave_line(queue, ticket);
			return ticket;
		}
	}
	return NULL;
}

static struct queue_ticket *next_for(struct queue *queue, unsigned idx)
{
	struct queue_ticket *ticket = next_again(queue, idx);
	uint64_t lines = 0;

	if (ticket != NULL)
		return ticket;
	for (unsigned i = 0; i < queue->config.set_cnt; i++)
		if (may_take(queue, idx, queue->config.sets[i], 0))
			lines |= UINT64_C(1) << i;
	struct fair_item *item = fair_next(&queue->fair, lines);
	if (item == NULL)
		return NULL;
	ticket = ticket_of(item);
	stand_up(queue, ticket);
	return ticket;
}

/* Its free places go to who waits for one. */
static void serve(struct queue *queue, unsigned idx, struct outbox *outbox)
{
	struct queue_ticket *ticket;

	while (queue->requests > 0 && place_free(queue, idx) && (ticket = next_for(queue, idx)) != NULL) {
		queue->lines[ticket->line].given++;
		give(queue, ticket, idx);
		post(outbox, ticket);
	}
}

/* --- what a request asks for --- */

static bool seat_fits(const struct queue *queue, size_t bytes, size_t freed_requests, size_t freed_bytes)
{
	size_t requests = queue->requests - freed_requests, used = queue->bytes - freed_bytes;

	return requests < queue->config.requests_max && used <= queue->config.bytes_max &&
	       bytes <= queue->config.bytes_max - used;
}

/* The newest of who has most in line, if this payer has less even with one more, and its seat is enough. */
static struct queue_ticket *who_yields(struct queue *queue, const struct queue_ticket *ticket)
{
	struct fair_item *item = fair_greediest(&queue->fair);

	if (item == NULL || queue->fair.most <= fair_waiting(&queue->fair, &ticket->payer) + 1)
		return NULL;
	struct queue_ticket *greedy = ticket_of(item);
	return seat_fits(queue, ticket->bytes, 1, greedy->bytes) ? greedy : NULL;
}

enum reason queue_look(struct queue *queue, const struct queue_ticket *ticket, uint64_t now_ms)
{
	enum reason reason = REASON_OK;

	pthread_mutex_lock(&queue->lock);
	see_time(queue, now_ms);
	int found = pick(queue, ticket->upstreams, 0);
	if (found == PICK_DOWN)
		reason = UPSTREAM_DOWN;
	else if (found == PICK_BUSY && !seat_fits(queue, ticket->bytes, 0, 0) && who_yields(queue, ticket) == NULL)
		reason = QUEUE_FULL;
	pthread_mutex_unlock(&queue->lock);
	return reason;
}

static enum reason find_seat(struct queue *queue, const struct queue_ticket *ticket, struct outbox *outbox)
{
	if (seat_fits(queue, ticket->bytes, 0, 0))
		return REASON_OK;
	struct queue_ticket *greedy = who_yields(queue, ticket);
	if (greedy == NULL)
		return QUEUE_FULL;
	leave_line(queue, greedy);
	greedy->refused = QUEUE_FULL;
	queue->displaced++;
	post(outbox, greedy);
	return REASON_OK;
}

enum reason queue_push(struct queue *queue, struct queue_ticket *ticket, uint64_t now_ms, bool *granted)
{
	struct outbox outbox = {.last = &outbox.first};
	enum reason reason = REASON_OK;

	ASSERT(!ticket->granted && !ticket->waiting);
	ticket->refused = REASON_OK;
	ticket->avoid = ticket->place = 0;
	pthread_mutex_lock(&queue->lock);
	see_time(queue, now_ms);
	ticket->line = line_idx(queue, ticket->upstreams);
	int found = pick(queue, ticket->upstreams, ticket->avoid);
	if (found == PICK_DOWN)
		reason = UPSTREAM_DOWN;
	else if (found == PICK_BUSY)
		reason = find_seat(queue, ticket, &outbox);
	if (found >= 0) /* then nobody waits for this place */
		give(queue, ticket, (unsigned)found);
	else if (reason == REASON_OK)
		sit_down(queue, ticket, false);
	*granted = ticket->granted;
	pthread_mutex_unlock(&queue->lock);
	send_all(&outbox);
	return reason;
}

enum reason queue_again(struct queue *queue, struct queue_ticket *ticket, uint64_t now_ms, bool *granted)
{
	struct outbox outbox = {.last = &outbox.first};
	unsigned from = ticket->upstream_idx;

	ASSERT(ticket->granted);
	pthread_mutex_lock(&queue->lock);
	see_time(queue, now_ms);
	take_back(queue, ticket);
	ticket->avoid |= UINT32_C(1) << from;
	int found = pick(queue, ticket->upstreams, ticket->avoid);
	if (found != PICK_DOWN)
		queue->upstreams[from].counts.moved++;
	if (found >= 0)
		give(queue, ticket, (unsigned)found);
	else if (found == PICK_BUSY)
		sit_down(queue, ticket, true);
	*granted = ticket->granted;
	serve(queue, from, &outbox);
	pthread_mutex_unlock(&queue->lock);
	send_all(&outbox);
	return found == PICK_DOWN ? UPSTREAM_DOWN : REASON_OK;
}

void queue_pop(struct queue *queue, struct queue_ticket *ticket)
{
	struct outbox outbox = {.last = &outbox.first};

	ASSERT(ticket->granted);
	pthread_mutex_lock(&queue->lock);
	take_back(queue, ticket);
	serve(queue, ticket->upstream_idx, &outbox);
	pthread_mutex_unlock(&queue->lock);
	send_all(&outbox);
}

uint32_t queue_place(struct queue *queue, const struct queue_ticket *ticket)
{
	pthread_mutex_lock(&queue->lock);
	uint32_t given = queue->lines[ticket->line].given - ticket->before;
	pthread_mutex_unlock(&queue->lock);
	return given < ticket->place ? ticket->place - given : 1;
}

bool queue_leave(struct queue *queue, struct queue_ticket *ticket)
{
	pthread_mutex_lock(&queue->lock);
	bool waiting = ticket->waiting;
	if (waiting)
		leave_line(queue, ticket);
	pthread_mutex_unlock(&queue->lock);
	return waiting;
}

/* --- how the upstreams are --- */

void queue_note(struct queue *queue, unsigned upstream_idx, enum health_sign sign, bool checking, uint64_t began_ms,
		uint64_t now_ms)
{
	struct outbox outbox = {.last = &outbox.first};
	struct upstream *upstream = &queue->upstreams[upstream_idx];
	bool changed = false;

	pthread_mutex_lock(&queue->lock);
	see_time(queue, now_ms);
	bool was_up = upstream->health.state == HEALTH_UP;
	upstream->counts.failures += sign >= SIGN_ERROR;
	if (checking || !queue->config.checked[upstream_idx] || was_up)
		changed = health_note(&upstream->health, sign, began_ms, queue->now_ms);
	upstream->counts.outages += changed && was_up;
	const struct health health = upstream->health;
	/* Where one is out others may be the last resort, so all of them are looked at. */
	for (unsigned idx = 0; changed && idx < queue->config.upstream_cnt; idx++)
		serve(queue, idx, &outbox);
	pthread_mutex_unlock(&queue->lock);
	send_all(&outbox);
	if (changed)
		log_warn("event=upstream upstream=%s state=%s last_resort=%d", queue->config.names[upstream_idx],
			 health_words[health.state], health.state != HEALTH_UP && health.answers);
}

void queue_tend(struct queue *queue, uint64_t now_ms)
{
	struct outbox outbox = {.last = &outbox.first};

	pthread_mutex_lock(&queue->lock);
	see_time(queue, now_ms);
	for (unsigned idx = 0; idx < queue->config.upstream_cnt; idx++)
		serve(queue, idx, &outbox);
	pthread_mutex_unlock(&queue->lock);
	send_all(&outbox);
}

void queue_stats(struct queue *queue, struct queue_stats *stats)
{
	pthread_mutex_lock(&queue->lock);
	stats->requests = queue->requests;
	stats->bytes = queue->bytes;
	stats->displaced = queue->displaced;
	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		stats->upstreams[i] = queue->upstreams[i].counts;
		stats->upstreams[i].in_flight = queue->upstreams[i].in_flight;
		stats->upstreams[i].state = queue->upstreams[i].health.state;
	}
	pthread_mutex_unlock(&queue->lock);
}
