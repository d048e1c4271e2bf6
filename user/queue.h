/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_QUEUE_H
#define TOLLBAR_QUEUE_H
/* queue.h: the bounded line to the model servers.  One line per upstream, first come first served over all workers;
 * bounded in requests and in bytes over all lines.  Full means refuse now, not wait.
 *
 * A ticket holds one of an upstream's places from the moment it is granted until queue_pop. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "limits.h"
#include "reasons.h"

struct queue;

struct queue_ticket {	  /* lives in the request */
	struct mail mail; /* mailed to box when it is granted after waiting */
	struct mailbox *box;
	unsigned upstream_idx;
	size_t bytes;
	uint32_t place;	 /* in its line, when it came: 1 is next, 0 it did not have to wait */
	uint32_t before; /* how many places that line had given by then */
	bool granted;	 /* holds a place */
	bool waiting;	 /* in line; set and cleared under the queue's lock */
	struct queue_ticket *next, *prev;
};

struct queue_config {
	size_t requests_max, bytes_max;
	size_t upstream_cnt;
	unsigned in_flight_max[UPSTREAMS_MAX];
};

struct queue_stats {
	size_t requests, bytes; /* in line now */
	unsigned in_flight[UPSTREAMS_MAX];
};

struct queue *queue_init(const struct queue_config *config); /* NULL: no memory */
void queue_fini(struct queue *queue);

/* Would a request of this size get a place or a seat in line right now?  For the early out. */
bool queue_room(struct queue *queue, unsigned upstream_idx, size_t bytes);
/* REASON_OK: *granted at once, or in line: then it will be mailed, perhaps before this returns, and until the mail has
 * come ticket->granted is another thread's to write.  QUEUE_FULL otherwise. */
enum reason queue_push(struct queue *queue, struct queue_ticket *ticket, bool *granted)
	__attribute__((warn_unused_result));
/* The place in line of a ticket that waits, by now; those who gave up waiting before it are still counted. */
uint32_t queue_place(struct queue *queue, const struct queue_ticket *ticket);
/* Gives the place back and hands it to the next in line. */
void queue_pop(struct queue *queue, struct queue_ticket *ticket);
/* Leaves the line.  false: too late, it was granted and the mail is on its way; queue_pop must follow when it came. */
bool queue_leave(struct queue *queue, struct queue_ticket *ticket);
void queue_stats(struct queue *queue, struct queue_stats *stats);

#endif
