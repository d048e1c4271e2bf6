/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_QUEUE_H
#define TOLLBAR_QUEUE_H
/* queue.h: the bounded line to the model servers: who may send his request now, and to which of them.
 *
 * A request may go to any upstream of its set.  It gets a place at the one that has the least to do, of those that are well
 * (queue_health.h).  Where there is no place it waits, and the payers in line take turns (queue_fair.h).  The line is bounded
 * in requests and in bytes.  When it is full, whoever has less in it than the greediest takes one of his seats; else full
 * means refuse now, not wait.
 *
 * A ticket holds one of an upstream's places from the moment it is granted until queue_pop.  Any thread may call; now_ms is
 * clock_coarse_ms. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "limits.h"
#include "queue_fair.h"
#include "queue_health.h"
#include "reasons.h"

struct queue;

struct queue_ticket {	  /* lives in the request */
	struct mail mail; /* mailed to box when it waited, and that ended: granted, or refused says why not */
	struct mailbox *box;

	/* in, of queue_push */
	uint32_t upstreams; /* its set, one of queue_config's: bit 1 << idx */
	struct fair_key payer;
	unsigned band; /* of priority: 0 is the first */
	uint64_t cost; /* in tokens of output, about */
	size_t bytes;

	/* out */
	unsigned upstream_idx; /* whose place it is */
	uint64_t began_ms;     /* when it was granted */
	uint32_t place;	       /* in line, when it came: 1 is next, 0 it did not have to wait */
	uint32_t before;       /* how many places had been given from its line by then */
	bool granted;	       /* holds a place */
	bool waiting;	       /* in line; set and cleared under the queue's lock */
	enum reason refused;   /* mailed without a place: QUEUE_FULL, others have a better right to the seat */

	/* queue.c's own */
	uint32_t avoid; /* upstreams that could not be reached for it */
	bool probe;	/* finds out how its upstream is */
	unsigned line;
	struct fair_item item;
	struct queue_ticket *next, *prev; /* among those that had a place before, or those to be mailed */
};

struct queue_config {
	size_t requests_max, bytes_max;
	size_t upstream_cnt;
	unsigned in_flight_max[UPSTREAMS_MAX];
	const char *names[UPSTREAMS_MAX]; /* for the log; not copied */
	bool checked[UPSTREAMS_MAX]; /* somebody else finds out how it is, and says so by queue_note with checking */
	uint32_t sets[ROUTES_MAX];   /* each once */
	size_t set_cnt;
	uint8_t hash_key[16]; /* random */
};

struct queue_upstream_stats {
	unsigned in_flight; /* now */
	enum health_state state;
	uint64_t requests; /* that were given a place */
	uint64_t failures; /* signs that were bad */
	uint64_t outages;  /* times it was put out */
	uint64_t moved;	   /* requests that could not reach it, and went elsewhere */
};

struct queue_stats {
	size_t requests, bytes; /* in line now */
	uint64_t displaced;	/* seats taken from the greediest */
	struct queue_upstream_stats upstreams[UPSTREAMS_MAX];
};

struct queue *queue_init(const struct queue_config *config); /* NULL: no memory */
void queue_fini(struct queue *queue);
size_t queue_bytes(const struct queue_config *config); /* memory, for the line printed at start */

/* queue_look: would this ticket get a place or a seat right now?  Only looks: for the early out.
 * Refuses as queue_push. */
enum reason queue_look(struct queue *queue, const struct queue_ticket *ticket, uint64_t now_ms)
	__attribute__((warn_unused_result));
/* REASON_OK: *granted at once, or in line: then it will be mailed, perhaps before this returns, and until the mail has
 * come ticket->granted is another thread's to write.  Refuses: QUEUE_FULL; UPSTREAM_DOWN (none of its set is well, and it is
 * nobody's turn to find out). */
enum reason queue_push(struct queue *queue, struct queue_ticket *ticket, uint64_t now_ms, bool *granted)
	__attribute__((warn_unused_result));
/* queue_again: its upstream could not be reached, so it never had the request: gives that place back, and asks for one
 * at another.  There is always a seat for it, before all others.  Refuses UPSTREAM_DOWN: there is no other that is well; the
 * ticket holds nothing then. */
enum reason queue_again(struct queue *queue, struct queue_ticket *ticket, uint64_t now_ms, bool *granted)
	__attribute__((warn_unused_result));
/* The place in line of a ticket that waits, by now, if payers that come later have little: they may go first. */
uint32_t queue_place(struct queue *queue, const struct queue_ticket *ticket);
/* Gives the place back and hands it to the next in line. */
void queue_pop(struct queue *queue, struct queue_ticket *ticket);
/* Leaves the line.  false: too late, the mail is on its way; if it was granted, queue_pop must follow when it came. */
bool queue_leave(struct queue *queue, struct queue_ticket *ticket);

/* queue_note: what became of something that went to this upstream at began_ms.  checking: a check's finding, which alone
 * brings a checked upstream back.  What it changes of how the upstream is, the log says. */
void queue_note(struct queue *queue, unsigned upstream_idx, enum health_sign sign, bool checking, uint64_t began_ms,
		uint64_t now_ms);
/* Once a second or so: upstreams whose time out is over get somebody who waits. */
void queue_tend(struct queue *queue, uint64_t now_ms);
void queue_stats(struct queue *queue, struct queue_stats *stats);

#endif
