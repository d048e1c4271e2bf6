/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_QUEUE_FAIR_H
#define TOLLBAR_QUEUE_FAIR_H
/* queue_fair.h: who of those in line is next.  Deficit round robin among payers by what their requests cost, within bands of
 * priority of which the lower ones keep a share; so that whoever has a thousand requests in line delays whoever has one by
 * about one, not by a thousand.
 *
 * What waits stands in one of several lines, by the model servers that may take it; who asks for the next says from which
 * lines.  All memory is taken at the start.  One thread at a time (queue.c's lock); no clock, no I/O.
 * Source: Shreedhar, Varghese, "Efficient Fair Queueing using Deficit Round Robin", SIGCOMM 1995. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIR_LINES_MAX 64 /* one for each route at most */
#define FAIR_BANDS 3
/* Costs are in tokens of output.  A request has its turn when its flow was passed over cost / FAIR_QUANTUM times: one of the
 * least cost each turn, one of the most each 64th, which bounds the work of one fair_next by 64 looks at each flow. */
#define FAIR_QUANTUM 256
#define FAIR_COST_MAX 16384
/* A lower band that waits earns one part in so many of what others are given before it. */
#define FAIR_FLOOR 8

struct fair_key { /* of a payer, or of a source where nobody pays */
	uint8_t at[20];
};

struct fair_flow;

struct fair_item { /* lives in the ticket */
	struct fair_item *next, *prev;
	struct fair_flow *flow;
	uint32_t cost;
};

struct fair_ring { /* flows of one line and band that wait, the next one first */
	struct fair_flow *first;
	uint32_t flows;
};

struct fair_list {
	struct fair_flow *first;
};

struct fair {
	struct fair_ring rings[FAIR_LINES_MAX][FAIR_BANDS];
	int64_t earned[FAIR_BANDS]; /* by a band that waits while others are served */
	unsigned turns[FAIR_BANDS]; /* the line that was served last */
	struct fair_flow *flows, *unused;
	struct fair_list *buckets; /* by payer: all flows of one are in one bucket */
	size_t bucket_cnt;	   /* a power of two */
	struct fair_list *by_cnt;  /* [cnt]: flows that have so many items; cnt up to items_max */
	uint32_t most;		   /* the last of them that is not empty; 0: nobody waits */
	uint8_t hash_key[16];
};

/* items_max: items that are in line at one time, at most.  0 or -ENOMEM. */
int fair_init(struct fair *fair, size_t items_max, const uint8_t hash_key[16]);
void fair_fini(struct fair *fair);
size_t fair_bytes(size_t items_max);

/* In line from here until fair_next or fair_remove.  cost is brought between FAIR_QUANTUM and FAIR_COST_MAX.
 * Returns how many are given their turn until it has its own, itself among them, at most: if all cost the same, in this band. */
uint64_t fair_push(struct fair *fair, unsigned line, unsigned band, const struct fair_key *key, struct fair_item *item,
		   uint64_t cost);
/* The next one of these lines (bit 1 << line), taken out; NULL when nobody waits there. */
struct fair_item *fair_next(struct fair *fair, uint64_t lines);
void fair_remove(struct fair *fair, struct fair_item *item);

/* How many items of this payer wait, wherever. */
uint32_t fair_waiting(const struct fair *fair, const struct fair_key *key);
/* The newest item of a flow that has the most of them, fair->most.  NULL when nobody waits. */
struct fair_item *fair_greediest(const struct fair *fair);

#endif
