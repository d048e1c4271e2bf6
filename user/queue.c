/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"

struct line {
	struct queue_ticket head; /* list head */
	unsigned in_flight;
	uint32_t waiting;
	uint32_t given; /* places, to those who waited for one */
};

struct queue {
	pthread_mutex_t lock; /* held for a few instructions, twice a request */
	struct queue_config config;
	size_t requests, bytes;
	struct line lines[UPSTREAMS_MAX];
};

struct queue *queue_init(const struct queue_config *config)
{
	struct queue *queue = calloc(1, sizeof *queue);

	if (queue == NULL)
		return NULL;
	queue->config = *config;
	pthread_mutex_init(&queue->lock, NULL);
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		queue->lines[i].head.next = queue->lines[i].head.prev = &queue->lines[i].head;
	return queue;
}

void queue_fini(struct queue *queue)
{
	if (queue == NULL)
		return;
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

static bool place_free(const struct queue *queue, unsigned upstream_idx)
{
	return queue->lines[upstream_idx].in_flight < queue->config.in_flight_max[upstream_idx];
}

static bool seat_free(const struct queue *queue, size_t bytes)
{
	return queue->requests < queue->config.requests_max && bytes <= queue->config.bytes_max - queue->bytes;
}

bool queue_room(struct queue *queue, unsigned upstream_idx, size_t bytes)
{
	pthread_mutex_lock(&queue->lock);
	bool room = place_free(queue, upstream_idx) || seat_free(queue, bytes);
	pthread_mutex_unlock(&queue->lock);
	return room;
}

enum reason queue_push(struct queue *queue, struct queue_ticket *ticket, bool *granted)
{
	enum reason reason = REASON_OK;
	struct line *line = &queue->lines[ticket->upstream_idx];

	ASSERT(!ticket->granted && !ticket->waiting);
	pthread_mutex_lock(&queue->lock);
	if (place_free(queue, ticket->upstream_idx)) { /* then nobody waits in this line */
		line->in_flight++;
		ticket->granted = true;
		ticket->place = 0;
	} else if (seat_free(queue, ticket->bytes)) {
		queue->requests++;
		queue->bytes += ticket->bytes;
		ticket->waiting = true;
		ticket->place = ++line->waiting;
		ticket->before = line->given;
		ticket->next = &line->head;
		ticket->prev = line->head.prev;
		ticket->prev->next = line->head.prev = ticket;
	} else {
		reason = QUEUE_FULL;
	}
	*granted = ticket->granted;
	pthread_mutex_unlock(&queue->lock);
	return reason;
}

static void stand_up(struct queue *queue, struct queue_ticket *ticket)
{
	ticket->waiting = false;
	ticket->prev->next = ticket->next;
	ticket->next->prev = ticket->prev;
	queue->lines[ticket->upstream_idx].waiting--;
	queue->requests--;
	queue->bytes -= ticket->bytes;
}

void queue_pop(struct queue *queue, struct queue_ticket *ticket)
{
	struct line *line = &queue->lines[ticket->upstream_idx];
	struct queue_ticket *next = NULL;

	ASSERT(ticket->granted);
	ticket->granted = false;
	pthread_mutex_lock(&queue->lock);
	if (line->head.next != &line->head) {
		next = line->head.next; /* takes the place over: in_flight stays */
		stand_up(queue, next);
		line->given++;
		next->granted = true;
	} else {
		line->in_flight--;
	}
	pthread_mutex_unlock(&queue->lock);
	if (next != NULL)
		mailbox_push(next->box, &next->mail);
}

uint32_t queue_place(struct queue *queue, const struct queue_ticket *ticket)
{
	pthread_mutex_lock(&queue->lock);
	uint32_t given = queue->lines[ticket->upstream_idx].given - ticket->before;
	pthread_mutex_unlock(&queue->lock);
	return given < ticket->place ? ticket->place - given : 1;
}

bool queue_leave(struct queue *queue, struct queue_ticket *ticket)
{
	pthread_mutex_lock(&queue->lock);
	bool waiting = ticket->waiting;
	if (waiting)
		stand_up(queue, ticket);
	pthread_mutex_unlock(&queue->lock);
	return waiting;
}

void queue_stats(struct queue *queue, struct queue_stats *stats)
{
	pthread_mutex_lock(&queue->lock);
	stats->requests = queue->requests;
	stats->bytes = queue->bytes;
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		stats->in_flight[i] = queue->lines[i].in_flight;
	pthread_mutex_unlock(&queue->lock);
}
